//! Notification channels against strict fakes: payloads, the handling of every response, and redaction of secrets.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::{Value, json};
use slowburn::internals::{
    DeliveryError, Minute, Notification, NotificationKind, Notifier, Secret, Secrets, Settings, Urgency,
};

use crate::peers::Peer;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_PATH: &str = "/services/T0SECRET/B0SECRET/hush-hush-hush";
const TOKEN: &str = "token-that-nobody-sees";
const SIGNING: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
/// `pass word/%`, percent-encoded, of `user@example.com`.
pub(crate) const LOGIN: &str = "user%40example.com:pass%20word%2F%25";

const FLEET: &str = "\
teams:
  shop:
    pages: ['pagerduty:${KEY}', 'slack:${HOOK}']
    tickets: ['slack:${HOOK}', 'webhook:${URL}']
    reports: ['mailto:shop@example.com']
  posts: { pages: ['mailto:a@example.com', 'mailto:reject@example.com', 'mailto:tempfail@example.com', 'mailto:drop@example.com'] }
  post: { pages: ['mailto:a@example.com'] }
  lost: { pages: ['mailto:lost@example.com'] }
  alone: { pages: ['webhook:${URL}'] }
  quiet: {}
";

/// A folder with definitions, and the environment of commands.
struct Scene {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Scene {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        fs::create_dir(place.folder.path().join("slos")).unwrap();
        fs::write(place.folder.path().join("slos/fleet.yaml"), FLEET).unwrap();
        place.with_env("SLOWBURN_MAIL_FROM", "slowburn <slowburn@example.com>")
    }

    fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// Adds the settings for a fake of PagerDuty, Slack and webhooks.
    fn with_peer(self, peer: &Peer) -> Self {
        self.with_env("SLOWBURN_PAGERDUTY_URL", &peer.url)
            .with_env("KEY", KEY)
            .with_env("HOOK", format!("{}{WEBHOOK_PATH}\n", peer.url))
            .with_env("URL", format!("{}/hook/{TOKEN}", peer.url))
            .with_env("SLOWBURN_WEBHOOK_SECRET", SIGNING)
    }

    /// Adds the settings for a mail server.
    fn with_mailbox(self, peer: &Mailbox, scheme: &str, more: &str) -> Self {
        self.with_env("SLOWBURN_SMTP_URL", format!("{scheme}://{LOGIN}@{}{more}", peer.server.url))
            .with_env("SSL_CERT_FILE", peer.folder.path().join("ca.pem").to_string_lossy())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").current_dir(self.folder.path());
        command.envs(&self.variables).output().unwrap()
    }

    /// Exit code and output, with addresses and times redacted.
    fn output_text(&self, arguments: &[&str], peers: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| {
            let mut text = String::from_utf8_lossy(bytes).replace(&*self.folder.path().to_string_lossy(), "PLACE");
            for peer in peers {
                text = text.replace(peer.trim_start_matches("http://"), "PEER");
            }
            // The time of a test notification in its dedup key.
            match text.split_once("@20") {
                Some((before, after)) if after.contains('Z') => {
                    format!("{before}@MOMENT{}", after.split_once('Z').unwrap().1)
                }
                _ => text,
            }
        };
        let code = output.status.code().unwrap_or(-1);
        format!("exit {code}\n-- stdout\n{}-- stderr\n{}", text(&output.stdout), text(&output.stderr))
    }
}

/// A mail server and the folder of received emails.
pub(crate) struct Mailbox {
    pub(crate) server: Peer,
    pub(crate) folder: tempfile::TempDir,
}

impl Mailbox {
    pub(crate) fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_string_lossy().into_owned();
        let arguments = [&["--folder", place.as_str()], more].concat();
        Self { server: Peer::start_with("smtp_server.py", "{}", &arguments), folder }
    }

    /// Received emails by number, with their envelopes.
    pub(crate) fn emails(&self) -> Vec<(String, Value)> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
        names.sort();
        let letter = |path: &std::path::PathBuf| {
            let envelope = fs::read_to_string(path.with_extension("json")).unwrap();
            (fs::read_to_string(path).unwrap(), serde_json::from_str(&envelope).unwrap())
        };
        names.iter().map(letter).collect()
    }
}

/// An unfolded header of an email.
pub(crate) fn header(letter: &str, name: &str) -> Option<String> {
    let (head, _) = letter.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    unfolded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
}

/// The notifier that `run` uses. The clock is real, because signatures must be recent.
fn notifier(peer: &str) -> Notifier {
    let base = peer.to_owned();
    let secrets = Secrets::new(move |name| match name {
        "KEY" => Some(Secret::new(KEY)),
        "HOOK" => Some(Secret::new(&format!("{base}{WEBHOOK_PATH}"))),
        "URL" => Some(Secret::new(&format!("{base}/hook/{TOKEN}"))),
        "SLOWBURN_WEBHOOK_SECRET" => Some(Secret::new(SIGNING)),
        "SLOWBURN_SMTP_URL" => Some(Secret::new(&format!("smtp://{base}"))),
        _ => None,
    });
    let settings = Settings {
        secrets,
        pagerduty_url: peer.to_owned(),
        mail_from: Some("slowburn@example.com".to_owned()),
        dry_run_dir: None,
    };
    #[expect(clippy::disallowed_methods, reason = "the receiver of a signature goes by the real time")]
    let now = Minute::from_unix_seconds(jiff::Timestamp::now().as_second());
    Notifier::new(settings, now)
}

fn send(postman: &Notifier, destination: &str, message: &Notification) -> Result<String, DeliveryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(postman.send(destination, message))
}

fn message(number: u32, phase: NotificationKind, urgency: Urgency) -> Notification {
    Notification {
        key: "checkout/availability@2026-10-01T10:05Z".to_owned(),
        number,
        kind: phase,
        urgency,
        title: "checkout/availability: 25% of requests failed in the last hour (1,203 of 4,812)".to_owned(),
        paragraphs: vec!["29% of the 30-day error budget is used: 1,203 failed requests, 4,177 allowed.".to_owned()],
        facts: vec![("Error budget left".to_owned(), "71.2%".to_owned())],
        links: vec![("runbook".to_owned(), "https://wiki.example.com/checkout".to_owned())],
        service: "checkout".to_owned(),
        team: "shop".to_owned(),
        class: "critical".to_owned(),
        at: "2026-10-01T10:10Z".parse().unwrap(),
    }
}

/// Texts of 10 KB that try to break out of every output format.
fn hostile() -> Notification {
    let text = "<!channel> <@U1> <script>alert(1)</script> & \"quoted\" '\r\nBcc: evil@example.com\r\n\r\n.\r\n\u{202e}\u{1b}[2J*`_~ ü\u{1f525} ";
    let long = text.repeat(10_240 / text.len() + 1);
    let links = [
        "javascript:alert(1)",
        "https://a.example/x|y>z\r\n<b>",
        "data:text/html,x",
        &format!("https://b.example/{long}"),
    ];
    Notification {
        key: format!("checkout/{long}@2026-10-01T10:05Z"),
        title: long.clone(),
        paragraphs: vec![long.clone(); 40],
        facts: vec![(long.clone(), long.clone()); 80],
        links: links.iter().map(|url| (long.clone(), (*url).to_owned())).collect(),
        service: long.clone(),
        team: long.clone(),
        class: long,
        ..message(2, NotificationKind::Opened, Urgency::Severe)
    }
}

fn received_requests(peer: &Peer) -> Vec<Value> {
    serde_json::from_str(&peer.requests()).unwrap()
}

#[test]
fn test_notification_reaches_every_destination_of_team() {
    let (peer, mailbox) =
        (Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string()), Mailbox::start(&[]));
    let place = Scene::new().with_peer(&peer).with_mailbox(&mailbox, "smtp", "?tls=required");
    insta::assert_snapshot!("notify_test", place.output_text(&["notify", "--test", "shop"], &[&peer.url]));
    let delivered: Value =
        serde_json::from_slice(&place.run(&["notify", "--test", "shop", "--format", "json"]).stdout).unwrap();
    assert_eq!(
        delivered["deliveries"].as_array().unwrap().iter().filter(|row| row["delivered"] == true).count(),
        4,
        "{delivered}"
    );
    // No test incident stays open.
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert!(
        alerts
            .as_array()
            .unwrap()
            .iter()
            .all(|alert| alert["status"] == "resolved" && alert["severities"] == json!(["info"]))
    );
    let (letter, envelope) = mailbox.emails().remove(0);
    assert_eq!(
        envelope,
        json!({ "from": "slowburn@example.com", "to": ["shop@example.com"], "tls": true, "login": "user@example.com" })
    );
    assert_eq!(header(&letter, "Subject").unwrap(), "[test] notification test for team shop; no action needed");
    assert_eq!(header(&letter, "Auto-Submitted").unwrap(), "auto-generated");
    assert!(letter.contains("multipart/alternative") && letter.contains("text/plain") && letter.contains("text/html"));
}

#[test]
fn missing_settings_are_reported_with_hint() {
    let place = Scene::new();
    insta::assert_snapshot!("notify_nothing_set", place.output_text(&["notify", "--test", "shop"], &[]));
    insta::assert_snapshot!("notify_no_team", place.output_text(&["notify", "--test", "shopp"], &[]));
    insta::assert_snapshot!("notify_no_destinations", place.output_text(&["notify", "--test", "quiet"], &[]));
}

/// Whether a retry helps, and its delay in seconds.
fn retry_of(sent: &Result<String, DeliveryError>) -> Option<(bool, Option<u64>)> {
    match sent {
        Ok(_) => None,
        Err(error) => Some((error.is_transient, error.retry_after_s)),
    }
}

#[test]
fn every_http_status_is_retryable_or_not() {
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string());
    let postman = notifier(&peer.url);
    let (never, later) = (Some((false, None)), Some((true, None)));
    let page = message(1, NotificationKind::Opened, Urgency::Page);
    for destination in ["pagerduty:${KEY}", "slack:${HOOK}", "webhook:${URL}"] {
        for (mut fault, wanted) in [
            (json!({ "status": 400 }), never),
            (json!({ "status": 401 }), never),
            (json!({ "status": 403 }), never),
            (json!({ "status": 404 }), never),
            (json!({ "status": 410, "body": "channel_is_archived" }), never),
            (json!({ "status": 302, "headers": { "Location": "/hook/elsewhere" } }), never),
            (json!({ "status": 308, "headers": { "Location": "/hook/elsewhere" } }), never),
            (json!({ "status": 408 }), later),
            (json!({ "status": 429 }), later),
            (json!({ "status": 429, "headers": { "Retry-After": "7" } }), Some((true, Some(7)))),
            (json!({ "status": 503, "headers": { "Retry-After": "9999999999" } }), Some((true, Some(86_400)))),
            (
                json!({ "status": 503, "headers": { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" } }),
                Some((true, Some(0))),
            ),
            (json!({ "status": 429, "headers": { "Retry-After": "soon" } }), later),
            (json!({ "status": 500 }), later),
            (json!({ "status": 502 }), later),
            (json!({ "drop": true }), later),
        ] {
            fault["action"] = json!("*");
            peer.post("/_control", &json!({ "faults": [fault.clone()] }).to_string());
            let sent = send(&postman, destination, &page);
            assert_eq!(retry_of(&sent), wanted, "{destination}: {fault}: {sent:?}");
            assert!(!format!("{sent:?}").contains("hush") && !format!("{sent:?}").contains(TOKEN), "{sent:?}");
        }
        assert!(send(&postman, destination, &page).is_ok());
    }
    assert!(
        received_requests(&peer).iter().all(|request| request["path"] != "/hook/elsewhere"),
        "a redirect was followed"
    );
    drop(peer);
    assert_eq!(retry_of(&send(&postman, "slack:${HOOK}", &page)), later);
    assert_eq!(retry_of(&send(&postman, "pagerduty:${ELSEWHERE}", &page)), never);
    assert_eq!(retry_of(&send(&postman, "carrier-pigeon:coop", &page)), never);
}

#[test]
fn unresponsive_destination_times_out_after_ten_seconds() {
    let peer = Peer::start("channels_server.py", r#"{"latency_s": 60}"#);
    let began = Instant::now();
    let sent = send(&notifier(&peer.url), "slack:${HOOK}", &message(1, NotificationKind::Opened, Urgency::Page));
    assert_eq!(retry_of(&sent), Some((true, None)), "{sent:?}");
    assert!((9..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn incident_is_one_pagerduty_alert_from_open_to_resolve() {
    let peer = Peer::start("channels_server.py", "{}");
    let postman = notifier(&peer.url);
    for (number, phase, urgency) in [
        (1, NotificationKind::Opened, Urgency::Ticket),
        (2, NotificationKind::Changed, Urgency::Page),
        (3, NotificationKind::Changed, Urgency::Severe),
        (4, NotificationKind::Reminder, Urgency::Severe),
        (5, NotificationKind::Resolved, Urgency::Severe),
        // Sent again after a crash.
        (5, NotificationKind::Resolved, Urgency::Severe),
    ] {
        send(&postman, "pagerduty:${KEY}", &message(number, phase, urgency)).unwrap();
    }
    send(&postman, "pagerduty:${KEY}", &message(1, NotificationKind::Note, Urgency::Ticket)).unwrap();
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    assert_eq!(alerts[0]["severities"], json!(["warning", "error", "critical", "critical"]));
    assert_eq!(alerts[0]["status"], "resolved");
    let requests = received_requests(&peer);
    assert_eq!(requests.last().unwrap()["action"], "change");
    let event: Value = serde_json::from_str(requests[0]["body"].as_str().unwrap()).unwrap();
    insta::assert_snapshot!("notify_pagerduty", format!("{event:#}"));
}

#[test]
fn lost_response_does_not_duplicate_notification() {
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string());
    let postman = notifier(&peer.url);
    let page = message(1, NotificationKind::Opened, Urgency::Page);
    for destination in ["pagerduty:${KEY}", "webhook:${URL}"] {
        peer.post("/_control", r#"{"faults": [{"action": "*", "lost": true}]}"#);
        assert_eq!(retry_of(&send(&postman, destination, &page)), Some((true, None)));
        send(&postman, destination, &page).unwrap();
    }
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    let hooks: Value = serde_json::from_str(&peer.post("/_hooks", "")).unwrap();
    assert_eq!(hooks.as_object().unwrap().keys().collect::<Vec<_>>(), ["checkout/availability@2026-10-01T10:05Z#1"]);
    let documents = payloads(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut examples = documents.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let example = examples
        .find(|example| example.contains("\"schema\"") && example.contains("\"kind\""))
        .expect("docs/ has no example of a webhook body");
    let sent = &hooks[&format!("{}#1", page.key)];
    assert_eq!(
        *sent,
        serde_json::from_str::<Value>(example).unwrap(),
        "the documentation shows another body than {sent:#}"
    );
}

/// The README and every page of the documentation, concatenated.
fn payloads(root: &Path) -> String {
    let mut text = fs::read_to_string(root.join("README.md")).unwrap();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    text
}

/// Every text of a JSON document, including field names.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], texts(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn hostile_text_is_escaped_in_every_payload() {
    let schema = Scene::new().run(&["schema", "message"]).stdout;
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING, "schema": schema }).to_string());
    let http = notifier(&peer.url);
    for destination in ["pagerduty:${KEY}", "slack:${HOOK}", "webhook:${URL}"] {
        for phase in [
            NotificationKind::Opened,
            NotificationKind::Changed,
            NotificationKind::Reminder,
            NotificationKind::Resolved,
            NotificationKind::Note,
            NotificationKind::Test,
        ] {
            let sent = send(&http, destination, &Notification { kind: phase, ..hostile() });
            assert!(sent.is_ok(), "{destination}: {sent:?}");
        }
    }
    for request in received_requests(&peer) {
        let body = request["body"].as_str().unwrap();
        assert!(!body.contains("javascript:") && !body.contains("data:text"), "{}", request["action"]);
        let unsafe_text = texts(&serde_json::from_str(body).unwrap())
            .into_iter()
            .find(|text| text.chars().any(|char| char != '\n' && slowburn::internals::is_non_printing(char)));
        assert_eq!(unsafe_text, None, "{}", request["action"]);
        assert_eq!((&request["mentions"], &request["unescaped"]), (&json!([]), &json!(0)));
        for link in request["links"].as_array().unwrap() {
            assert!(link.as_str().unwrap().starts_with("https://a.example/x%7Cy%3Ez"), "{link}");
        }
    }
    let mailbox = Mailbox::start(&["--plain"]);
    send(&notifier(&mailbox.server.url), "mailto:a@example.com", &hostile()).unwrap();
    let letters = mailbox.emails();
    let (letter, envelope) = &letters[0];
    assert_eq!(envelope["to"], json!(["a@example.com"]));
    assert_eq!(header(letter, "Bcc"), None);
    assert!(letter.lines().all(|line| line.len() <= 998), "RFC 5322 allows no longer lines");
    // The other part is plain text, where tags are harmless.
    let (_, page) = letter.split_once("Content-Type: text/html").unwrap();
    assert!(!page.contains("<script") && !letter.contains("javascript:"));
}

#[test]
fn incident_emails_form_a_thread_and_duplicates_share_message_id() {
    let mailbox = Mailbox::start(&["--plain"]);
    let postman = notifier(&mailbox.server.url);
    for number in [1, 1, 2, 3] {
        send(&postman, "mailto:a@example.com", &message(number, NotificationKind::Changed, Urgency::Page)).unwrap();
    }
    let letters = mailbox.emails();
    let header = |number: usize, name| header(&letters[number].0, name);
    assert_eq!(header(0, "Message-ID"), header(1, "Message-ID"));
    assert_eq!(header(0, "In-Reply-To"), None);
    for number in [2, 3] {
        assert_eq!(
            (header(number, "In-Reply-To"), header(number, "References")),
            (header(0, "Message-ID"), header(0, "Message-ID"))
        );
    }
}

#[test]
fn each_mailbox_gets_its_own_email() {
    let mailbox = Mailbox::start(&["--tls"]);
    let place = Scene::new().with_mailbox(&mailbox, "smtps", "");
    insta::assert_snapshot!(
        "notify_mail_faults",
        place.output_text(&["notify", "--test", "posts"], &[&mailbox.server.url])
    );
    let output = place.run(&["notify", "--test", "lost"]);
    assert_eq!(output.status.code(), Some(4));
    place.run(&["notify", "--test", "lost"]);
    assert_eq!(mailbox.emails().len(), 3);
}

#[test]
fn wrong_certificate_or_password_is_rejected() {
    let delivered = |place: &Scene| String::from_utf8(place.run(&["notify", "--test", "post"]).stdout).unwrap();
    for (scheme, more, arguments) in [("smtp", "?tls=required", &[][..]), ("smtps", "", &["--tls"][..])] {
        let mailbox = Mailbox::start(arguments);
        let place = || Scene::new().with_mailbox(&mailbox, scheme, more);
        assert!(delivered(&place()).contains("delivered"), "{}", delivered(&place()));
        let other = place().with_env("SSL_CERT_FILE", mailbox.folder.path().join("other-ca.pem").to_string_lossy());
        assert!(
            delivered(&other).contains("certificate") && delivered(&other).contains("SSL_CERT_FILE"),
            "{}",
            delivered(&other)
        );
        let unknown =
            place().with_env("SLOWBURN_SMTP_URL", format!("{scheme}://u:wrong-one@{}{more}", mailbox.server.url));
        assert!(
            delivered(&unknown).contains("535") && !delivered(&unknown).contains("wrong-one"),
            "{}",
            delivered(&unknown)
        );
        let plain = place().with_env("SLOWBURN_SMTP_URL", format!("smtp://{LOGIN}@{}", mailbox.server.url));
        assert!(delivered(&plain).contains("unencrypted"), "{}", delivered(&plain));
        for wrong in [["--name", "elsewhere.example"], ["--days", "-1"]] {
            let other = Mailbox::start(&[arguments, &wrong[..]].concat());
            let delivered = delivered(&Scene::new().with_mailbox(&other, scheme, more));
            assert!(delivered.contains("certificate") && other.emails().is_empty(), "{wrong:?}: {delivered}");
        }
        assert_eq!(mailbox.emails().len(), 1, "only the right one came through");
    }
    let certificates = tempfile::tempdir().unwrap();
    let folder = certificates.path().to_string_lossy().into_owned();
    let peer = Peer::start_with("channels_server.py", "{}", &["--tls", &folder]);
    let place = |file: &str| {
        let place = Scene::new().with_env("URL", format!("{}/hook/{TOKEN}", peer.url));
        place.with_env("SSL_CERT_FILE", certificates.path().join(file).to_string_lossy())
    };
    let delivered = |place: Scene| String::from_utf8(place.run(&["notify", "--test", "alone"]).stdout).unwrap();
    assert!(delivered(place("ca.pem")).contains("delivered"), "{}", delivered(place("ca.pem")));
    let refused = delivered(place("other-ca.pem"));
    assert!(refused.contains("certificate") && refused.contains("SSL_CERT_FILE"), "{refused}");
}

#[test]
fn no_secret_is_printed() {
    // Servers may repeat a rejected secret or a part of it.
    let echoes = [
        ("enqueue", format!("no integration {KEY}")),
        ("slack", format!("{WEBHOOK_PATH}: no hook hush-hush-hush")),
        ("hook", format!("/hook/{TOKEN}: no token {TOKEN}")),
    ];
    let (peer, mailbox) = (Peer::start("channels_server.py", "{}"), Mailbox::start(&[]));
    let faults = echoes.map(|(action, body)| json!({ "action": action, "status": 400, "body": body, "times": 9 }));
    for faults in [json!([]), json!(faults), json!([{ "action": "*", "drop": true, "times": 99 }])] {
        peer.post("/_control", &json!({ "faults": faults }).to_string());
        for scheme in ["smtp", "smtps"] {
            let place = Scene::new()
                .with_peer(&peer)
                .with_mailbox(&mailbox, scheme, "?tls=required")
                .with_env("HTTP_PROXY", "");
            for arguments in
                [&["notify", "--test", "shop"][..], &["--log", "trace", "notify", "--test", "shop", "--format", "json"]]
            {
                let output = place.run(arguments);
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text);
                for secret in [KEY, "hush-hush-hush", "T0SECRET", TOKEN, "pass word", "pass%20word", "cGFzcyB3b3Jk"] {
                    assert!(!text.contains(secret), "{secret} is shown by {arguments:?}: {text}");
                }
            }
        }
    }
}

#[test]
fn dry_run_writes_notifications_and_needs_no_secrets() {
    // Certificates are not needed either.
    let place = Scene::new().with_env("SSL_CERT_FILE", "nowhere.pem");
    let line = ["notify", "--test", "shop", "--dry-run", "outbox"];
    let output = place.run(&line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let folder = place.folder.path().join("outbox");
    let names = |folder: &Path| {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let before = names(&folder);
    assert_eq!(before.len(), 8, "{before:?}");
    // Each message has a payload followed by its text.
    let text = fs::read_to_string(folder.join(&before[1])).unwrap();
    assert!(text.starts_with("To: ") && text.contains("no action needed"), "{text}");
    let wrong = place.run(&["notify", "--test", "shop", "--dry-run", "paper:outbox"]);
    assert_eq!(wrong.status.code(), Some(2));
}
