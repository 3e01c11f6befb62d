//! Console pages: their content, deterministic bytes, and escaping of untrusted names.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slowburn::internals::{Minute, Span};

use crate::peers::Moto;

const AT: &str = "2026-11-01T00:00Z";

const FLEET: &str = "\
sources: { given: { counts: ./counts, delay: 0m } }
teams: { shop: { pages: 'mailto:shop@example.com' }, mart: {}, quiet: {} }
alerts: { stale_after: none }
classes:
  critical:
    slos: {}
    windows: [7d]
    policy:
      75%: { then: only what repairs is deployed, blocks: deploys }
  relaxed: { slos: {}, windows: [7d] }
";

/// A week at a hundred events per minute of some services; the error budget is 1,008 events.
struct Scene(tempfile::TempDir);

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

impl Scene {
    fn empty() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        scene.write("slos/fleet.yaml", FLEET);
        scene
    }

    fn new() -> Self {
        let scene = Self::empty();
        let span = |start: &str, minutes: i32| Span::new(minute(start), minute(start).plus(minutes));
        let outage = (span("2026-10-28T12:00Z", 20), 100);
        let (early, known) = (span("2026-10-18T12:00Z", 20), span("2026-10-11T00:00Z", 21 * 1_440));
        for (team, service, class, bad, known) in [
            ("shop", "checkout", "critical", &[outage][..], known),
            ("shop", "search", "critical", &[(span("2026-10-30T08:00Z", 80), 10)][..], known),
            ("mart", "orders", "relaxed", &[(early, 100)][..], known),
            ("mart", "stock", "relaxed", &[][..], known),
            ("quiet", "batch", "relaxed", &[][..], span("2026-10-11T00:00Z", 15 * 1_440)),
        ] {
            scene.service(team, service, class, "runbook: https://wiki.example.com/it\n");
            scene.counts(service, known, bad);
        }
        let correction = "id: reindex\nreason: the index is rebuilt\ncategory: planned\nauthor: jane@example.com\nscope: { service: \
                          search }\nstart: 2026-10-30T08:00\nend: 2026-10-30T08:20\ntime_zone: UTC\n";
        scene.write("slos/corrections/reindex.yaml", correction);
        for at in ["2026-10-28T12:05Z", "2026-10-28T15:00Z", "2026-10-30T09:30Z", AT] {
            scene.run_ok(&["run", "--quiet", "--dry-run", "paper"], at);
        }
        scene
    }

    fn service(&self, team: &str, service: &str, class: &str, more: &str) {
        let file = format!(
            "service: {service}\nclass: {class}\n{more}slos:\n  orders:\n    indicator: counts\n    file: {service}.csv\n    \
             objective: 99.9%\n"
        );
        self.write(&format!("slos/{team}/{service}.yaml"), &file);
    }

    fn counts(&self, service: &str, known: Span, bad: &[(Span, u32)]) {
        let mut text = "minute,total,bad\n".to_owned();
        for at in (known.start.0..known.end.0).map(Minute) {
            let bad = bad.iter().find(|(span, _)| span.contains(at)).map_or(0, |(_, bad)| *bad);
            writeln!(text, "{at},100,{bad}").unwrap();
        }
        self.write(&format!("counts/{service}.csv"), &text);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str], at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").env("SLOWBURN_AT", at);
        command.env("SLOWBURN_CLOCK", at).current_dir(self.0.path());
        command
    }

    fn slowburn(&self, arguments: &[&str], at: &str) -> Output {
        self.command(arguments, at).output().unwrap()
    }

    fn run_ok(&self, arguments: &[&str], at: &str) -> String {
        let output = self.slowburn(arguments, at);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr
    }

    /// Writes the site to a folder. Returns its pages by name.
    fn site(&self, folder: &str) -> BTreeMap<String, String> {
        self.run_ok(&["report", "--dry-run-state", "--out", folder], AT);
        pages(&self.path(folder))
    }
}

fn pages(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// A page from its title on, without style, script and charts.
fn visible_text(page: &str) -> String {
    let (before, after) = page.split_once("<title>").unwrap().1.split_once("<style>").unwrap();
    let (mut text, mut rest) = (before.to_owned(), after.split_once("</style>").unwrap().1);
    rest = rest.split_once("<script>").map_or(rest, |(before, _)| before);
    while let Some((before, after)) = rest.split_once("<svg") {
        text.push_str(before);
        let (picture, after) = after.split_once("</svg>").unwrap();
        if let Some((_, sent)) = picture.split_once("<title") {
            text.push_str(sent.split_once("</desc>").unwrap().0);
        }
        rest = after;
    }
    (text + rest).lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn pages_show_owner_and_calculation_of_each_number() {
    let site = Scene::new().site("site");
    let names: Vec<&str> = site.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "index.html",
            "report.json",
            "report.md",
            "services/mart/orders.html",
            "services/mart/stock.html",
            "services/quiet/batch.html",
            "services/shop/checkout.html",
            "services/shop/search.html",
            "slowburn-pages.json",
            "teams/mart.html",
            "teams/quiet.html",
            "teams/shop.html",
        ]
    );
    for name in ["index", "teams/shop", "services/shop/checkout", "services/shop/search", "services/quiet/batch"] {
        insta::assert_snapshot!(
            format!("console_{}", name.replace('/', "_")),
            visible_text(&site[&format!("{name}.html")])
        );
    }
}

#[test]
fn worst_slo_is_listed_first_and_no_data_is_not_ok() {
    let site = Scene::new().site("site");
    let rows: Vec<(&str, &str)> = site["index.html"]
        .split("<tr data-status=\"")
        .skip(1)
        .map(|row| {
            let service = row.split_once("<th scope=\"row\">").unwrap().1.split_once("</a>").unwrap().0;
            (row.split_once('"').unwrap().0, service.rsplit_once('>').unwrap().1)
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("exhausted", "checkout"),
            ("at_risk", "search"),
            ("no_data", "batch"),
            ("recovered", "orders"),
            ("ok", "stock")
        ]
    );
}

#[test]
fn unknown_minutes_are_shaded_and_never_good() {
    let site = Scene::new().site("site");
    let unknown = site["services/quiet/batch.html"].split_once("</style>").unwrap().1;
    assert!(unknown.contains("chip no_data") && !unknown.contains("chip ok"), "{unknown}");
    assert!(unknown.contains("fill=\"#E4E0EE\"") && unknown.contains(">no data</span>"));
    let looks = unknown.split_once("id=\"slo-orders-page_fast-d\"").unwrap().1.split_once("</svg>").unwrap().0;
    assert!(looks.contains("fill=\"#E4E0EE\""), "a window without data is not shown as good: {looks}");
    assert!(unknown.contains("<dt>7-day change</dt><dd><span class=\"quiet\">unknown</span>"), "{unknown}");
    let known = site["services/mart/stock.html"].split_once("</style>").unwrap().1;
    assert!(known.contains("chip ok") && !known.contains("fill=\"#E4E0EE\""));
}

/// The sum of a table column without its first row.
fn column_sum(table: &str, column: usize) -> u64 {
    let body = table.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    let number =
        |row: &str| row.split("class=\"num\">").nth(column)?.split_once('<')?.0.replace(',', "").parse::<u64>().ok();
    body.split("</tr>").filter_map(number).sum()
}

#[test]
fn daily_sums_of_long_window_add_up_with_and_without_timeslices() {
    let scene = Scene::empty();
    let slo = |more: &str| {
        format!("{{ indicator: counts, file: archive.csv, objective: 99%, windows: [90d, month, 3d]{more} }}")
    };
    let text = format!(
        "service: archive\nclass: relaxed\nslos:\n  events: {}\n  slices: {}\n",
        slo(""),
        slo(", budgeting: timeslices, slice_target: 95%, slice: 10m")
    );
    scene.write("slos/mart/archive.yaml", &text);
    let at = |text: &str| minute(text);
    let bad = [
        (Span::new(at("2026-08-20T00:10Z"), at("2026-08-20T01:00Z")), 50),
        (Span::new(at("2026-10-30T23:50Z"), at("2026-10-31T00:20Z")), 100),
    ];
    scene.counts("archive", Span::new(at("2026-08-01T00:00Z"), at(AT)), &bad);
    scene.write(
        "slos/corrections/c.yaml",
        "id: c\nreason: why not\ncategory: planned\nauthor: jane\nscope: { service: archive }\nstart: 2026-08-20T00:30\nend: \
         2026-08-20T00:40\ntime_zone: UTC\n",
    );
    scene.run_ok(&["run", "--quiet", "--silent"], AT);
    let page = &scene.site("site")["services/mart/archive.html"];
    let page = page.replace("<dt>Bad timeslices</dt>", "<dt>Bad events</dt>");
    let counted: Vec<&str> =
        page.split("<dt>Bad events</dt><dd>").skip(1).map(|one| one.split_once('<').unwrap().0).collect();
    let tables = page.split("<caption class=\"sr-only\">Daily numbers for").skip(1);
    let sent: Vec<(u64, u64)> = tables.map(|table| (column_sum(table, 2), column_sum(table, 1))).collect();
    let numbers: Vec<String> = sent.iter().map(|(bad, all)| format!("{bad} of {all}")).collect();
    assert_eq!(numbers, counted.iter().map(|one| one.replace(',', "")).collect::<Vec<_>>());
    assert_eq!(
        counted,
        ["5,000 of 12,959,000", "3,000 of 4,464,000", "3,000 of 432,000", "7 of 12,959", "3 of 4,464", "3 of 432"]
    );
}

#[test]
fn changed_slo_shows_previous_objective() {
    let scene = Scene::new();
    let file = scene.path("slos/mart/stock.yaml");
    let changed = fs::read_to_string(&file).unwrap().replace("99.9%", "99.5%");
    fs::write(file, changed).unwrap();
    scene.run_ok(&["run", "--quiet", "--dry-run", "paper"], "2026-11-01T00:05Z");
    let page = &scene.site("site")["services/mart/stock.html"];
    let line = "<time datetime=\"2026-11-01T00:05Z\">1 Nov 00:05</time>: objective changed from 99.9% to 99.5%";
    assert!(page.contains(line), "{page}");
}

#[test]
fn same_ledger_gives_same_bytes_and_obsolete_pages_are_deleted() {
    let scene = Scene::new();
    let first = scene.site("site");
    assert_eq!(scene.site("again"), first);
    fs::write(scene.path("site/services/shop/theirs.html"), "theirs").unwrap();
    fs::remove_file(scene.path("slos/shop/search.yaml")).unwrap();
    fs::remove_file(scene.path("slos/corrections/reindex.yaml")).unwrap();
    fs::remove_dir_all(scene.path("slos/quiet")).unwrap();
    let second = scene.site("site");
    let gone: Vec<&str> = first.keys().filter(|name| !second.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(gone, ["services/quiet/batch.html", "services/shop/search.html", "teams/quiet.html"]);
    assert!(second.contains_key("services/shop/theirs.html") && !second["index.html"].contains("search.html"));
}

#[test]
fn foreign_files_in_site_folder_are_kept() {
    let scene = Scene::new();
    scene.write("theirs/index.html", "a page of somebody else");
    scene.write("report.md", "a document of before");
    for (place, stderr) in [
        (
            "theirs",
            "error: cannot write to `theirs`: it contains `index.html`, which slowburn did not write\nhint: use an empty folder",
        ),
        (
            "report.md",
            "error: cannot write to `report.md`: it is a file, not a folder\nhint: use a folder for `--out` or `--report`",
        ),
    ] {
        let output = scene.slowburn(&["report", "--out", place], AT);
        let lines = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(4) && lines.starts_with(stderr), "{lines}");
    }
    assert_eq!(fs::read_to_string(scene.path("theirs/index.html")).unwrap(), "a page of somebody else");
}

#[test]
fn pages_in_bucket_have_content_types() {
    let scene = Scene::new();
    let site = scene.site("site");
    let moto = Moto::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let place = aws_sdk_s3::types::BucketLocationConstraint::EuWest1;
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
    let create = moto.s3().create_bucket().bucket("pages").create_bucket_configuration(place);
    runtime.block_on(create.send()).unwrap();
    let write = || {
        let mut command = scene.command(&["report", "--dry-run-state", "--out", "s3://pages/slo"], AT);
        let output = command.envs(moto.environment()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let read = |name: &str| {
        let object = runtime.block_on(moto.s3().get_object().bucket("pages").key(format!("slo/{name}")).send());
        object.ok().map(|object| {
            let kind = object.content_type.unwrap_or_default();
            let bytes = runtime.block_on(object.body.collect()).unwrap().to_vec();
            (kind, String::from_utf8(bytes).unwrap())
        })
    };
    write();
    for (name, text) in &site {
        let (kind, held) = read(name).unwrap();
        let wanted = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "json" => "application/json",
            _ => "text/markdown; charset=utf-8",
        };
        assert_eq!((&held, kind.as_str()), (text, wanted), "{name}");
    }
    fs::remove_dir_all(scene.path("slos/quiet")).unwrap();
    write();
    assert!(read("services/quiet/batch.html").is_none() && read("services/shop/search.html").is_some());
}

/// Malicious texts, each as YAML.
const HOSTILE: [&str; 6] = [
    r#""<script>alert(1)</script>""#,
    r#""javascript:alert(document.domain)""#,
    r#""https://example.com/\" onmouseover=\"alert(1)""#,
    r#""'><img src=x onerror=alert(1)>""#,
    r#""{{ 7 * 7 }}{% raw %}<!--""#,
    r#""</style></svg><h1>""#,
];

#[test]
fn untrusted_text_is_escaped_in_pages() {
    let scene = Scene::empty();
    let long = format!("\"{}\"", "a".repeat(990));
    for (number, text) in HOSTILE.iter().copied().chain([long.as_str()]).enumerate() {
        let service = format!("svc-{number}");
        let more = format!("runbook: {text}\ndashboard: {text}\nlabels: {{ note: {text} }}\n");
        scene.service("shop", &service, "critical", &more);
        scene.counts(&service, Span::new(minute("2026-10-25T00:00Z"), minute(AT)), &[]);
        let correction = format!(
            "id: c{number}\nreason: {text}\ncategory: planned\nauthor: {text}\nscope: {{ service: {service} }}\nstart: \
             2026-10-30T08:00\nend: 2026-10-30T08:20\ntime_zone: UTC\n"
        );
        scene.write(&format!("slos/corrections/c{number}.yaml"), &correction);
    }
    let policy = format!("policy:\n      75%: {{ then: {}, blocks: deploys }}", HOSTILE[0]);
    let policy = FLEET.replace("policy:\n      75%: { then: only what repairs is deployed, blocks: deploys }", &policy);
    scene.write("slos/fleet.yaml", &policy);
    let outage = Span::new(minute("2026-10-31T08:00Z"), minute("2026-10-31T08:20Z"));
    scene.counts("svc-0", Span::new(minute("2026-10-25T00:00Z"), minute(AT)), &[(outage, 100)]);
    scene.run_ok(&["run", "--quiet", "--silent"], AT);
    let forced = ["gate", "svc-0", "--override", "<b>\u{202e}fixes</b>", "--by", "<i>jane\u{1b}[31m</i>"];
    scene.run_ok(&forced, "2026-10-31T12:00Z");
    let site = scene.site("site");
    let mut seen = 0;
    for (name, page) in &site {
        let Some((_, body)) = page.split_once("</style>") else { continue };
        let body = body.split_once("<script>").map_or(body, |(before, _)| before);
        for raw in [
            "<script>alert",
            "<img",
            "<b>\u{202e}",
            "<i>jane",
            "</style>",
            "onmouseover=\"",
            "href=\"javascript",
            "<!--",
        ] {
            assert!(!body.contains(raw), "{name} holds {raw}");
        }
        assert!(!page.contains(['\u{202e}', '\u{1b}', '\r']), "{name}");
        assert!(!body.contains(" style=") && !page.contains("unsafe-"), "{name}");
        assert!(page.contains("default-src &#x27;none&#x27;; style-src &#x27;sha256-"), "{name}");
        seen += body.matches("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;").count();
    }
    assert!(seen > 5, "it is shown as it is: {seen}");
    assert!(site["services/shop/svc-4.html"].contains("{{ 7 * 7 }}"));
}
