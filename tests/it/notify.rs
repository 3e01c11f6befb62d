//! Channels against peers that are as strict as the real services: what arrives, what every answer means, and what is
//! never shown.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::{Value, json};
use slowburn::alert::{Link, Message, Phase};
use slowburn::minute::Minute;
use slowburn::notify::{Postman, Receipt, Secret, Secrets, SendError, Settings};
use slowburn::slo::Urgency;

use crate::peers::Peer;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const HOOK: &str = "/services/T0SECRET/B0SECRET/hush-hush-hush";
const TOKEN: &str = "token-that-nobody-sees";
const SIGNING: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
/// `pass word/%` as an address has it, of `user@example.com`.
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

/// A folder with definitions, and the variables of a task that runs there.
struct Place {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        fs::create_dir(place.folder.path().join("slos")).unwrap();
        fs::write(place.folder.path().join("slos/fleet.yaml"), FLEET).unwrap();
        place.with("SLOWBURN_MAIL_FROM", "slowburn <slowburn@example.com>")
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// With everything that a peer of PagerDuty, Slack and webhooks needs.
    fn beside(self, peer: &Peer) -> Self {
        self.with("SLOWBURN_PAGERDUTY_URL", &peer.url)
            .with("KEY", KEY)
            .with("HOOK", format!("{}{HOOK}\n", peer.url))
            .with("URL", format!("{}/hook/{TOKEN}", peer.url))
            .with("SLOWBURN_WEBHOOK_SECRET", SIGNING)
    }

    /// With everything that a mail server needs.
    fn posting(self, peer: &Mailbox, scheme: &str, more: &str) -> Self {
        self.with("SLOWBURN_SMTP_URL", format!("{scheme}://{LOGIN}@{}{more}", peer.server.url))
            .with("SSL_CERT_FILE", peer.folder.path().join("ca.pem").to_string_lossy())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").current_dir(self.folder.path());
        command.envs(&self.variables).output().unwrap()
    }

    /// Exit code and what was said, with addresses and moments taken out.
    fn told(&self, arguments: &[&str], peers: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| {
            let mut text = String::from_utf8_lossy(bytes).replace(&*self.folder.path().to_string_lossy(), "PLACE");
            for peer in peers {
                text = text.replace(peer.trim_start_matches("http://"), "PEER");
            }
            // The moment of a test, as its key has it.
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

/// A mail server and where it keeps what it got.
pub(crate) struct Mailbox {
    pub(crate) server: Peer,
    pub(crate) folder: tempfile::TempDir,
}

impl Mailbox {
    pub(crate) fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_string_lossy().into_owned();
        let arguments = [&["--folder", place.as_str()], more].concat();
        Self { server: Peer::with("smtp_server.py", "{}", &arguments), folder }
    }

    /// Letters as they came, by their numbers, with their envelopes.
    pub(crate) fn letters(&self) -> Vec<(String, Value)> {
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

/// A header of a letter, unfolded.
pub(crate) fn header(letter: &str, name: &str) -> Option<String> {
    let (head, _) = letter.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    unfolded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
}

/// The library beside a peer, as `run` uses it. The clock is the real one, because signatures have to be fresh.
fn postman(peer: &str) -> Postman {
    let base = peer.to_owned();
    let secrets = Secrets::new(move |name| match name {
        "KEY" => Some(Secret::new(KEY)),
        "HOOK" => Some(Secret::new(&format!("{base}{HOOK}"))),
        "URL" => Some(Secret::new(&format!("{base}/hook/{TOKEN}"))),
        "SLOWBURN_WEBHOOK_SECRET" => Some(Secret::new(SIGNING)),
        "SLOWBURN_SMTP_URL" => Some(Secret::new(&format!("smtp://{base}"))),
        _ => None,
    });
    let settings = Settings {
        secrets,
        pagerduty: peer.to_owned(),
        mail_from: Some("slowburn@example.com".to_owned()),
        paper: None,
    };
    #[expect(clippy::disallowed_methods, reason = "the receiver of a signature goes by the real time")]
    let now = Minute::of_unix_seconds(jiff::Timestamp::now().as_second());
    Postman::new(settings, now)
}

fn send(postman: &Postman, destination: &str, message: &Message) -> Result<Receipt, SendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(postman.send(destination, message))
}

fn message(number: u32, phase: Phase, urgency: Urgency) -> Message {
    Message {
        key: "checkout/availability@2026-10-01T10:05Z".to_owned(),
        number,
        phase,
        urgency,
        title: "checkout/availability: 25% of requests failed in the last hour (1,203 of 4,812)".to_owned(),
        paragraphs: vec!["29% of the 30-day error budget is used: 1,203 failed requests, 4,177 allowed.".to_owned()],
        facts: vec![("Error budget left".to_owned(), "71.2%".to_owned())],
        links: vec![Link { text: "runbook".to_owned(), url: "https://wiki.example.com/checkout".to_owned() }],
        service: "checkout".to_owned(),
        team: "shop".to_owned(),
        class: "critical".to_owned(),
        at: "2026-10-01T10:10Z".parse().unwrap(),
    }
}

/// Texts of 10 KB that would break out of every form there is, if they could.
fn hostile() -> Message {
    let text = "<!channel> <@U1> <script>alert(1)</script> & \"quoted\" '\r\nBcc: evil@example.com\r\n\r\n.\r\n\u{202e}\u{1b}[2J*`_~ ü\u{1f525} ";
    let long = text.repeat(10_240 / text.len() + 1);
    let links = [
        "javascript:alert(1)",
        "https://a.example/x|y>z\r\n<b>",
        "data:text/html,x",
        &format!("https://b.example/{long}"),
    ];
    Message {
        key: format!("checkout/{long}@2026-10-01T10:05Z"),
        title: long.clone(),
        paragraphs: vec![long.clone(); 40],
        facts: vec![(long.clone(), long.clone()); 80],
        links: links.iter().map(|url| Link { text: long.clone(), url: (*url).to_owned() }).collect(),
        service: long.clone(),
        team: long.clone(),
        class: long,
        ..message(2, Phase::Opened, Urgency::Severe)
    }
}

fn requests(peer: &Peer) -> Vec<Value> {
    serde_json::from_str(&peer.requests()).unwrap()
}

#[test]
fn a_try_reaches_every_destination_of_a_team() {
    let (peer, mailbox) =
        (Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string()), Mailbox::start(&[]));
    let place = Place::new().beside(&peer).posting(&mailbox, "smtp", "?tls=required");
    insta::assert_snapshot!("notify_test", place.told(&["notify", "--test", "shop"], &[&peer.url]));
    let told: Value =
        serde_json::from_slice(&place.run(&["notify", "--test", "shop", "--format", "json"]).stdout).unwrap();
    assert_eq!(
        told["deliveries"].as_array().unwrap().iter().filter(|row| row["delivered"] == true).count(),
        4,
        "{told}"
    );
    // Nothing is left open that anybody would have to close.
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert!(
        alerts
            .as_array()
            .unwrap()
            .iter()
            .all(|alert| alert["status"] == "resolved" && alert["severities"] == json!(["info"]))
    );
    let (letter, envelope) = mailbox.letters().remove(0);
    assert_eq!(
        envelope,
        json!({ "from": "slowburn@example.com", "to": ["shop@example.com"], "tls": true, "login": "user@example.com" })
    );
    assert_eq!(header(&letter, "Subject").unwrap(), "[test] notification test for team shop; no action needed");
    assert_eq!(header(&letter, "Auto-Submitted").unwrap(), "auto-generated");
    assert!(letter.contains("multipart/alternative") && letter.contains("text/plain") && letter.contains("text/html"));
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let place = Place::new();
    insta::assert_snapshot!("notify_nothing_set", place.told(&["notify", "--test", "shop"], &[]));
    insta::assert_snapshot!("notify_no_team", place.told(&["notify", "--test", "shopp"], &[]));
    insta::assert_snapshot!("notify_no_destinations", place.told(&["notify", "--test", "quiet"], &[]));
}

/// Whether trying again helps, and after how many seconds.
fn again(sent: &Result<Receipt, SendError>) -> Option<(bool, Option<u64>)> {
    match sent {
        Ok(_) => None,
        Err(SendError::Later { wait_s, .. }) => Some((true, *wait_s)),
        Err(SendError::Never { .. }) => Some((false, None)),
    }
}

#[test]
fn every_status_says_whether_trying_again_helps() {
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string());
    let postman = postman(&peer.url);
    let (never, later) = (Some((false, None)), Some((true, None)));
    let page = message(1, Phase::Opened, Urgency::Page);
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
            assert_eq!(again(&sent), wanted, "{destination}: {fault}: {sent:?}");
            assert!(!format!("{sent:?}").contains("hush") && !format!("{sent:?}").contains(TOKEN), "{sent:?}");
        }
        assert!(send(&postman, destination, &page).is_ok());
    }
    assert!(requests(&peer).iter().all(|request| request["path"] != "/hook/elsewhere"), "a redirect was followed");
    drop(peer);
    assert_eq!(again(&send(&postman, "slack:${HOOK}", &page)), later);
    assert_eq!(again(&send(&postman, "pagerduty:${ELSEWHERE}", &page)), never);
    assert_eq!(again(&send(&postman, "carrier-pigeon:coop", &page)), never);
}

#[test]
fn who_never_answers_is_left_after_ten_seconds() {
    let peer = Peer::start("channels_server.py", r#"{"latency_s": 60}"#);
    let began = Instant::now();
    let sent = send(&postman(&peer.url), "slack:${HOOK}", &message(1, Phase::Opened, Urgency::Page));
    assert_eq!(again(&sent), Some((true, None)), "{sent:?}");
    assert!((9..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn an_incident_is_one_alert_in_pagerduty_from_ticket_to_end() {
    let peer = Peer::start("channels_server.py", "{}");
    let postman = postman(&peer.url);
    for (number, phase, urgency) in [
        (1, Phase::Opened, Urgency::Ticket),
        (2, Phase::Changed, Urgency::Page),
        (3, Phase::Changed, Urgency::Severe),
        (4, Phase::Reminder, Urgency::Severe),
        (5, Phase::Resolved, Urgency::Severe),
        // After a crash it is sent once more.
        (5, Phase::Resolved, Urgency::Severe),
    ] {
        send(&postman, "pagerduty:${KEY}", &message(number, phase, urgency)).unwrap();
    }
    send(&postman, "pagerduty:${KEY}", &message(1, Phase::Note, Urgency::Ticket)).unwrap();
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    assert_eq!(alerts[0]["severities"], json!(["warning", "error", "critical", "critical"]));
    assert_eq!(alerts[0]["status"], "resolved");
    let requests = requests(&peer);
    assert_eq!(requests.last().unwrap()["action"], "change");
    let event: Value = serde_json::from_str(requests[0]["body"].as_str().unwrap()).unwrap();
    insta::assert_snapshot!("notify_pagerduty", format!("{event:#}"));
}

#[test]
fn an_answer_that_is_lost_makes_no_second_message() {
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING }).to_string());
    let postman = postman(&peer.url);
    let page = message(1, Phase::Opened, Urgency::Page);
    for destination in ["pagerduty:${KEY}", "webhook:${URL}"] {
        peer.post("/_control", r#"{"faults": [{"action": "*", "lost": true}]}"#);
        assert_eq!(again(&send(&postman, destination, &page)), Some((true, None)));
        send(&postman, destination, &page).unwrap();
    }
    let alerts: Value = serde_json::from_str(&peer.post("/_alerts", "")).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 1, "{alerts}");
    let hooks: Value = serde_json::from_str(&peer.post("/_hooks", "")).unwrap();
    assert_eq!(hooks.as_object().unwrap().keys().collect::<Vec<_>>(), ["checkout/availability@2026-10-01T10:05Z#1"]);
    let documents = documents(Path::new(env!("CARGO_MANIFEST_DIR")));
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

/// The README and every page of the documentation, one after the other.
fn documents(root: &Path) -> String {
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

/// Every text of a document, names of fields included.
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
fn hostile_texts_break_out_of_nothing() {
    let schema = Place::new().run(&["schema", "message"]).stdout;
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let peer = Peer::start("channels_server.py", &json!({ "secret": SIGNING, "schema": schema }).to_string());
    let http = postman(&peer.url);
    for destination in ["pagerduty:${KEY}", "slack:${HOOK}", "webhook:${URL}"] {
        for phase in [Phase::Opened, Phase::Changed, Phase::Reminder, Phase::Resolved, Phase::Note, Phase::Test] {
            let sent = send(&http, destination, &Message { phase, ..hostile() });
            assert!(sent.is_ok(), "{destination}: {sent:?}");
        }
    }
    for request in requests(&peer) {
        let body = request["body"].as_str().unwrap();
        assert!(!body.contains("javascript:") && !body.contains("data:text"), "{}", request["action"]);
        let unsafe_text = texts(&serde_json::from_str(body).unwrap())
            .into_iter()
            .find(|text| text.chars().any(|char| char != '\n' && slowburn::visible::is_unsafe(char)));
        assert_eq!(unsafe_text, None, "{}", request["action"]);
        assert_eq!((&request["mentions"], &request["unescaped"]), (&json!([]), &json!(0)));
        for link in request["links"].as_array().unwrap() {
            assert!(link.as_str().unwrap().starts_with("https://a.example/x%7Cy%3Ez"), "{link}");
        }
    }
    let mailbox = Mailbox::start(&["--plain"]);
    send(&postman(&mailbox.server.url), "mailto:a@example.com", &hostile()).unwrap();
    let letters = mailbox.letters();
    let (letter, envelope) = &letters[0];
    assert_eq!(envelope["to"], json!(["a@example.com"]));
    assert_eq!(header(letter, "Bcc"), None);
    assert!(letter.lines().all(|line| line.len() <= 998), "RFC 5322 allows no longer lines");
    // The other part is plain text, where tags are only letters.
    let (_, page) = letter.split_once("Content-Type: text/html").unwrap();
    assert!(!page.contains("<script") && !letter.contains("javascript:"));
}

#[test]
fn letters_of_an_incident_are_a_thread_and_a_second_copy_is_known_as_one() {
    let mailbox = Mailbox::start(&["--plain"]);
    let postman = postman(&mailbox.server.url);
    for number in [1, 1, 2, 3] {
        send(&postman, "mailto:a@example.com", &message(number, Phase::Changed, Urgency::Page)).unwrap();
    }
    let letters = mailbox.letters();
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
fn each_mailbox_is_told_by_itself() {
    let mailbox = Mailbox::start(&["--tls"]);
    let place = Place::new().posting(&mailbox, "smtps", "");
    insta::assert_snapshot!("notify_mail_faults", place.told(&["notify", "--test", "posts"], &[&mailbox.server.url]));
    let output = place.run(&["notify", "--test", "lost"]);
    assert_eq!(output.status.code(), Some(4));
    place.run(&["notify", "--test", "lost"]);
    assert_eq!(mailbox.letters().len(), 3);
}

#[test]
fn a_wrong_certificate_or_password_is_refused() {
    let told = |place: &Place| String::from_utf8(place.run(&["notify", "--test", "post"]).stdout).unwrap();
    for (scheme, more, arguments) in [("smtp", "?tls=required", &[][..]), ("smtps", "", &["--tls"][..])] {
        let mailbox = Mailbox::start(arguments);
        let place = || Place::new().posting(&mailbox, scheme, more);
        assert!(told(&place()).contains("delivered"), "{}", told(&place()));
        let other = place().with("SSL_CERT_FILE", mailbox.folder.path().join("other-ca.pem").to_string_lossy());
        assert!(told(&other).contains("certificate") && told(&other).contains("SSL_CERT_FILE"), "{}", told(&other));
        let unknown = place().with("SLOWBURN_SMTP_URL", format!("{scheme}://u:wrong-one@{}{more}", mailbox.server.url));
        assert!(told(&unknown).contains("535") && !told(&unknown).contains("wrong-one"), "{}", told(&unknown));
        let plain = place().with("SLOWBURN_SMTP_URL", format!("smtp://{LOGIN}@{}", mailbox.server.url));
        assert!(told(&plain).contains("unencrypted"), "{}", told(&plain));
        for wrong in [["--name", "elsewhere.example"], ["--days", "-1"]] {
            let other = Mailbox::start(&[arguments, &wrong[..]].concat());
            let told = told(&Place::new().posting(&other, scheme, more));
            assert!(told.contains("certificate") && other.letters().is_empty(), "{wrong:?}: {told}");
        }
        assert_eq!(mailbox.letters().len(), 1, "only the right one came through");
    }
    let certificates = tempfile::tempdir().unwrap();
    let folder = certificates.path().to_string_lossy().into_owned();
    let peer = Peer::with("channels_server.py", "{}", &["--tls", &folder]);
    let place = |file: &str| {
        let place = Place::new().with("URL", format!("{}/hook/{TOKEN}", peer.url));
        place.with("SSL_CERT_FILE", certificates.path().join(file).to_string_lossy())
    };
    let told = |place: Place| String::from_utf8(place.run(&["notify", "--test", "alone"]).stdout).unwrap();
    assert!(told(place("ca.pem")).contains("delivered"), "{}", told(place("ca.pem")));
    let refused = told(place("other-ca.pem"));
    assert!(refused.contains("certificate") && refused.contains("SSL_CERT_FILE"), "{refused}");
}

#[test]
fn no_secret_is_ever_shown() {
    // Servers like to repeat what they did not like, or a part of it.
    let echoes = [
        ("enqueue", format!("no integration {KEY}")),
        ("slack", format!("{HOOK}: no hook hush-hush-hush")),
        ("hook", format!("/hook/{TOKEN}: no token {TOKEN}")),
    ];
    let (peer, mailbox) = (Peer::start("channels_server.py", "{}"), Mailbox::start(&[]));
    let faults = echoes.map(|(action, body)| json!({ "action": action, "status": 400, "body": body, "times": 9 }));
    for faults in [json!([]), json!(faults), json!([{ "action": "*", "drop": true, "times": 99 }])] {
        peer.post("/_control", &json!({ "faults": faults }).to_string());
        for scheme in ["smtp", "smtps"] {
            let place = Place::new().beside(&peer).posting(&mailbox, scheme, "?tls=required").with("HTTP_PROXY", "");
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
fn a_dry_run_writes_what_would_be_sent_and_needs_no_secret() {
    // Not even certificates.
    let place = Place::new().with("SSL_CERT_FILE", "nowhere.pem");
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
    // Of each message there is the document, and after it the text.
    let text = fs::read_to_string(folder.join(&before[1])).unwrap();
    assert!(text.starts_with("To: ") && text.contains("no action needed"), "{text}");
    let wrong = place.run(&["notify", "--test", "shop", "--dry-run", "paper:outbox"]);
    assert_eq!(wrong.status.code(), Some(2));
}
