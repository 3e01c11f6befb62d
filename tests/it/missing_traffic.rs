//! Missing traffic: what earlier weeks had at this local time, and today has not, is notified; office nights are not.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use slowburn::internals::{Minute, Plan, Span, write_logs};

use crate::scene::SHOP;

const ACCOUNTS: &str = "app/accounts/81d3f6c05ab94e27";

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The texts of all notifications of a dry run so far.
fn notify(folder: &Path, at: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    command.args(["run", "--quiet", "--dry-run", "paper", "--at", at]).env_clear().current_dir(folder);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{at}: {stderr}");
    let (mut texts, mut folders) = (Vec::new(), vec![folder.join("paper")]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

/// Events per minute by hour of the week.
fn counts(from: &str, until: &str, rate: impl Fn(Minute) -> Option<u32>) -> String {
    let mut text = "minute,total,bad\n".to_owned();
    for at in (minute(from).0..minute(until).0).map(Minute) {
        if let Some(rate) = rate(at) {
            writeln!(text, "{at},{rate},0").unwrap();
        }
    }
    text
}

#[test]
fn counts_file_without_new_rows_is_notified_and_office_nights_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(
        folder,
        "slos/fleet.yaml",
        "sources: { given: { counts: ./counts, delay: 1m } }\nteams: { shop: { tickets: 'slack:${HOOK}' } }\n\
         classes: { standard: { slos: {} } }\n",
    );
    let service = "service: orders\nslos: { placed: { indicator: counts, file: orders.csv, objective: 99% } }\n";
    write(folder, "slos/shop/orders.yaml", service);
    // Rows from 8 to 18 only, as an office has them; the last Tuesday ends at noon.
    let rows = |until: &str| {
        counts("2026-10-05T00:00Z", until, |at| (480..1_080).contains(&at.0.rem_euclid(1_440)).then_some(2))
    };
    for at in ["2026-10-19T18:05Z", "2026-10-19T21:30Z", "2026-10-20T03:00Z", "2026-10-20T07:55Z", "2026-10-20T12:00Z"]
    {
        write(folder, "counts/orders.csv", &rows(at));
        assert_eq!(notify(folder, at), [""; 0], "{at}");
    }
    assert_eq!(notify(folder, "2026-10-20T14:55Z"), [""; 0]);
    let texts = notify(folder, "2026-10-20T15:05Z");
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("no traffic on counts file orders.csv of source given since"), "{}", texts[0]);
    assert!(
        texts[0].contains("orders/placed") && texts[0].contains("Check the job that writes the file"),
        "{}",
        texts[0]
    );
}

#[test]
fn load_balancer_whose_logs_stop_is_notified_once_to_its_team() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let span = Span::new(minute("2026-10-12T00:00Z"), minute("2026-10-21T00:00Z"));
    write_logs(&Plan { span, scale: 0.2, ..Plan::default() }, &folder.join("logs"), 0).unwrap();
    let fleet = "sources: { logs: { access_logs: ./logs, delay: 10m } }\n\
                 teams: { mart: { pages: 'pagerduty:${MART}' }, id: { pages: 'pagerduty:${ID}' }, sre: { pages: 'pagerduty:${SRE}' } }\n\
                 alerts: { team: sre }\n";
    write(folder, "slos/fleet.yaml", fleet);
    write(folder, "slos/mart/shop.yaml", &format!("service: shop\nload_balancer: {SHOP}\n"));
    write(folder, "slos/id/accounts.yaml", &format!("service: accounts\nload_balancer: {ACCOUNTS}\n"));
    remove_objects(&folder.join("logs"), &SHOP.replace('/', "."), "20261019T1200Z");
    notify(folder, "2026-10-19T11:50Z");
    let about_missing_traffic = |at: &str| {
        let texts = notify(folder, at).into_iter();
        texts.filter(|text| text.contains("no traffic on")).collect::<Vec<_>>()
    };
    assert_eq!(about_missing_traffic("2026-10-19T14:50Z"), [""; 0]);
    let texts = about_missing_traffic("2026-10-19T15:15Z");
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains(&format!("no traffic on load balancer {SHOP} since")), "{}", texts[0]);
    assert!(texts[0].contains("missing requests and missing logs look the same"), "{}", texts[0]);
}

/// Removes the objects of a load balancer that end after a time.
fn remove_objects(folder: &Path, load_balancer: &str, after: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            remove_objects(&path, load_balancer, after);
        } else if name.contains(load_balancer) && name.split('_').nth(4).is_some_and(|end| end > after) {
            fs::remove_file(&path).unwrap();
        }
    }
}
