//! A temporary folder with simulated logs and definitions for running the slowburn binary.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use slowburn::internals::{Plan, Span, write_logs};

/// The load balancer of the service in every scene.
pub(crate) const SHOP: &str = "app/shop/5f1c0e7a9b2d4c68";

/// A folder with definitions and some logs.
pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    /// Logs of a span, the definition of one service, and a `fleet.yaml`.
    pub(crate) fn new(span: Span, fleet: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_logs(&Plan { span, ..Plan::default() }, &folder.path().join("logs"), 0).unwrap();
        let scene = Self { folder };
        scene.define("fleet.yaml", fleet);
        scene.define("mart/shop.yaml", &format!("service: shop\nload_balancer: {SHOP}\n"));
        scene
    }

    pub(crate) fn define(&self, file: &str, text: &str) {
        let path = self.path("slos").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn slowburn(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The exit code and stderr of a command.
pub(crate) fn stderr(output: &Output) -> String {
    format!("{:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
}
