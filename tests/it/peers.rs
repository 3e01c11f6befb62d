//! Emulators for real AWS SDKs: Python packages with pinned versions, started per test on a free loopback port.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};

const REGION: &str = "eu-west-1";

/// The folder with the Python packages used by tests.
pub(crate) fn packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| install_packages("requirements.txt", "target/test-packages"))
}

/// The folder of ministack, which needs other versions of some packages.
pub(crate) fn ministack_python() -> PathBuf {
    install_packages("requirements-ministack.txt", "target/test-ministack")
}

/// Installs a list of Python packages into a folder, unless the installed list is the same.
fn install_packages(list: &str, folder: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (list, folder) = (root.join("tests").join(list), root.join(folder));
    let installed = folder.join("installed.txt");
    let wanted = std::fs::read_to_string(&list).unwrap();
    if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"];
        let mut install = Command::new("python3");
        assert!(install.args(pip).arg(&folder).arg("-r").arg(list).status().unwrap().success());
        std::fs::write(installed, wanted).unwrap();
    }
    folder
}

/// moto: S3 with conditional writes, in memory.
pub(crate) struct Moto {
    server: Child,
    pub(crate) endpoint: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        Self::with_page_size(1_000)
    }

    /// Starts a server that returns listings in pages of `keys` keys.
    pub(crate) fn with_page_size(keys: usize) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut python = Command::new("python3");
        python.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        python.env("PYTHONPATH", packages()).env("MOTO_S3_DEFAULT_MAX_KEYS", keys.to_string());
        python.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut moto = Self { server: python.spawn().unwrap(), endpoint: format!("http://127.0.0.1:{port}") };
        let mut lines = BufReader::new(moto.server.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Running on")), "moto did not start");
        // It logs every request and blocks once an unread pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        moto
    }

    /// Environment variables that point a process to this server.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL_S3", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// A separate client to inspect or change the bucket directly.
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

/// One of our own servers in `tests/fakes/`.
pub(crate) struct Peer {
    server: Child,
    pub(crate) url: String,
}

impl Peer {
    /// Starts a script on a free port with initial settings as JSON.
    pub(crate) fn start(script: &str, control: &str) -> Self {
        Self::start_with(script, control, &[])
    }

    /// Like `start`, with additional arguments.
    pub(crate) fn start_with(script: &str, control: &str, more: &[&str]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakes").join(script);
        let mut python = Command::new("python3");
        python.arg(path).args(["--control", control]).args(more).env("PYTHONPATH", packages());
        let mut server = python.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let ready =
            lines.find_map(|line| line.unwrap().split_once("listening on ").map(|(_, url)| url.trim().to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self { server, url: ready.unwrap() }
    }

    /// Sends JSON to the control endpoint and returns the response.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        self.http_request(&format!("POST {path}"), body)
    }

    /// The server's counters.
    pub(crate) fn counters(&self) -> serde_json::Value {
        serde_json::from_str(&self.http_request("GET /", "")).unwrap()
    }

    /// The latest requests and their accounts.
    pub(crate) fn requests(&self) -> String {
        self.http_request("GET /_requests", "")
    }

    fn http_request(&self, request: &str, body: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(stream, "{request} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().contains(" 200 "), "{answer}");
        body.to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Known minutes and their sums by SLO, parsed from `export`: `60 minutes, 6000 total, 180 bad`.
pub(crate) fn parse_known_minutes(export: &[u8]) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for row in csv::Reader::from_reader(export).deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let sum = sums.entry(row["slo"].clone()).or_default();
        let number = |column: &str| row[column].parse::<u64>().unwrap();
        *sum = (sum.0 + 1, sum.1 + number("total"), sum.2 + number("bad"));
    }
    let text = |(minutes, total, bad)| format!("{minutes} minutes, {total} total, {bad} bad");
    sums.into_iter().map(|(slo, sum)| (slo, text(sum))).collect()
}
