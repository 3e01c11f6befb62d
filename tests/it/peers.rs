//! Peers that real AWS SDKs speak to: Python packages of pinned versions, started on a free port of loopback for one test each.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};

const REGION: &str = "eu-west-1";

/// The folder of Python packages that tests need, installed once and again when their list changes.
pub(crate) fn packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (list, folder) = (root.join("tests/peers/requirements.txt"), root.join("target/test-peers"));
        let installed = folder.join("installed.txt");
        let wanted = std::fs::read_to_string(&list).unwrap();
        if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"];
            let mut install = Command::new("python3");
            assert!(install.args(pip).arg(&folder).arg("-r").arg(list).status().unwrap().success());
            std::fs::write(installed, wanted).unwrap();
        }
        folder
    })
}

/// moto: S3 with conditional writes, in memory.
pub(crate) struct Moto {
    server: Child,
    endpoint: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut python = Command::new("python3");
        python.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        python.env("PYTHONPATH", packages()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut moto = Self { server: python.spawn().unwrap(), endpoint: format!("http://127.0.0.1:{port}") };
        let mut speech = BufReader::new(moto.server.stderr.take().unwrap()).lines();
        assert!(speech.any(|line| line.unwrap().contains("Running on")), "moto did not start");
        // It tells of every request, and would wait for somebody to listen.
        std::thread::spawn(move || speech.for_each(drop));
        moto
    }

    /// What a process needs to find it.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL_S3", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// A client of its own, to look behind the program's back.
    pub(crate) fn s3(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .force_path_style(true);
        Client::from_conf(config.build())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
