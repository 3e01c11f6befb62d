//! Definitions: the worked example is valid, every invalid file is reported with a hint, and no input crashes the
//! reader.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use slowburn::internals::{
    Catalog, DefinitionFile, Minute, Problem, SchemaKind, Severity, github, json, load, schema, terminal,
};

/// Invalid files that a schema cannot detect: the cause is arithmetic, another file, or the YAML text. The schema must
/// reject all others.
const NOT_STRUCTURAL: &[(&str, &str)] = &[
    ("athena_results", "the meaning of a location"),
    ("athena_tables", "depends on other fields"),
    ("classic_without_table", "depends on the balancer"),
    ("cloudwatch_conditions", "depends on the source"),
    ("cloudwatch_linked_name", "depends on the source"),
    ("cloudwatch_target_group", "depends on the source"),
    ("elb_5xx", "depends on the source"),
    ("query_file", "the meaning of a path"),
    ("query_without_source", "another file"),
    ("ratio", "a class may say the rest"),
    ("source_of_another_kind", "depends on another field"),
    ("status_of_ratio", "depends on the indicator, which a name or a class may give"),
    ("bucket_fields", "depends on the location"),
    ("classic_gave_up", "depends on the balancer"),
    ("classic_include", "depends on the balancer"),
    ("classic_target_group", "depends on the balancer"),
    ("correction_backwards", "arithmetic"),
    ("correction_gap", "the IANA database"),
    ("correction_long", "arithmetic"),
    ("correction_misplaced", "where the file lies"),
    ("correction_over", "the clock"),
    ("correction_rule", "the grammar of RFC 5545"),
    ("correction_rule_interval", "arithmetic"),
    ("correction_rule_never", "arithmetic"),
    ("correction_rule_often", "arithmetic"),
    ("correction_rule_start", "arithmetic"),
    ("correction_rule_until", "the grammar of RFC 5545"),
    ("correction_scope_nobody", "another file"),
    ("correction_scope_unknown", "another file"),
    ("correction_twice", "another file"),
    ("counts_in_bucket", "the meaning of a location"),
    ("counts_outside", "the meaning of a path"),
    ("counts_without_source", "another file"),
    ("duplicate_key", "PyYAML keeps the last of two keys"),
    ("duplicate_service", "another file"),
    ("field_of_latency", "depends on the indicator, which a name or a class may give"),
    ("indicator_missing", "a class may give it"),
    ("latency_without_under", "a class may give it"),
    ("long_window", "arithmetic"),
    ("misplaced", "where the file lies"),
    ("missing_load_balancer", "a service of counts needs none"),
    ("missing_load_balancer_own", "a service of counts needs none"),
    ("no_default_tiers", "arithmetic"),
    ("nothing_to_switch_off", "another file"),
    ("short_below_delay", "another file"),
    ("short_window", "arithmetic"),
    ("tier_incomplete", "the class may say the rest"),
    ("tier_useless", "arithmetic"),
    ("tier_working_hours", "another place may say them"),
    ("tier_zero", "arithmetic"),
    ("time_zone", "the IANA database"),
    ("time_zone_abbreviation", "the IANA database"),
    ("time_zone_of_machine", "the IANA database"),
    ("slos_none", "a valid value, with a warning"),
    ("unknown_class", "another file"),
    ("unknown_source", "another file"),
    ("objective_all", "a valid value, with a warning"),
    ("path_regex_like", "a valid value, with a warning"),
    ("region_typo", "the list of regions"),
    ("region_unknown", "a valid value, with a warning"),
    ("runbook_text", "a valid value, with a warning"),
    ("unknown_team", "another file"),
    ("unreachable_stated", "arithmetic"),
    ("unreachable_tier", "arithmetic"),
    ("variable", "the meaning of a text"),
    ("where_on_counts", "depends on the indicator"),
    ("working_hours_4", "the IANA database"),
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn bad_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root("tests/definitions/bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// Corrections of these tests may end by the end of November 2026.
fn read(files: &[DefinitionFile]) -> (Catalog, Vec<Problem>) {
    slowburn::internals::read(files, "2026-12-01".parse::<Minute>().unwrap())
}

fn check(files: &[DefinitionFile]) -> (Catalog, Vec<Problem>) {
    let (catalog, problems) = read(files);
    drop((terminal(&problems, files, true), json(&problems), github(&problems)));
    (catalog, problems)
}

fn service(text: &str) -> (Catalog, Vec<Problem>) {
    check(&[DefinitionFile { path: "mart/checkout.yaml".to_owned(), text: text.to_owned() }])
}

#[test]
fn default_tiers_that_cannot_fire_are_left_out_with_note() {
    let tiers = |objective: &str| {
        let text = format!(
            "service: checkout\nload_balancer: app/mart\nslos: {{ availability: {objective}, latency: none }}\n"
        );
        let (catalog, problems) = service(&text);
        assert!(problems.iter().all(|problem| problem.severity == Severity::Note), "{problems:?}");
        let notes: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        let tiers = catalog.slos().flat_map(|(_, slo)| &slo.tiers).map(|tier| tier.name.clone());
        (tiers.collect::<Vec<_>>().join(" "), notes.join(" "))
    };
    assert_eq!(tiers("94%"), ("page_fast page_slow ticket_fast ticket_slow".to_owned(), String::new()));
    let note = "the default tier `page_fast` is left out: it could never fire".to_owned();
    assert_eq!(tiers("90%"), ("page_slow ticket_fast ticket_slow".to_owned(), note));
    let note = "the default tiers `page_fast` and `page_slow` are left out: they could never fire".to_owned();
    assert_eq!(tiers("80%"), ("ticket_fast ticket_slow".to_owned(), note));
}

#[test]
fn worked_example_is_valid() {
    let (files, faults) = load(&root("slos")).unwrap();
    let (catalog, problems) = check(&files);
    assert_eq!(faults, []);
    assert_eq!(problems, [], "{}", terminal(&problems, &files, false));
    let mut text = String::new();
    for service in &catalog.services {
        for slo in &service.slos {
            let windows: Vec<String> = slo.windows.iter().map(ToString::to_string).collect();
            writeln!(text, "{} {} {} {}", slo.id, slo.objective.text, windows.join(","), slo.indicator).unwrap();
        }
    }
    insta::assert_snapshot!("worked_example", text);
}

#[test]
fn every_invalid_file_is_reported_with_hint() {
    for folder in bad_folders() {
        let (files, mut problems) = load(&folder).unwrap();
        let (catalog, found) = check(&files);
        problems.extend(found);
        assert!(!problems.is_empty(), "{} has no problem", folder.display());
        assert!(problems.iter().all(|problem| !problem.message.is_empty() && !problem.hint.is_empty()));
        let kept: Vec<&str> =
            catalog.services.iter().flat_map(|service| &service.slos).map(|slo| slo.id.as_str()).collect();
        let text = format!("{}kept: {}\n", terminal(&problems, &files, false), kept.join(", "));
        insta::assert_snapshot!(format!("bad_{}", name(&folder)), text);
    }
}

#[test]
fn two_line_service_inherits_from_its_class() {
    let (catalog, problems) = service("service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\n");
    assert_eq!(problems, []);
    let slos: Vec<&str> = catalog.services[0].slos.iter().map(|slo| slo.id.as_str()).collect();
    assert_eq!(slos, ["checkout/availability", "checkout/latency"]);
    assert_eq!(catalog.services[0].slos[0].tiers.len(), 4);
    assert_eq!(catalog.services[0].slos[0].tiers[0].factor.to_string(), "72/5");
}

#[test]
fn one_invalid_slo_does_not_affect_others() {
    let sound = DefinitionFile {
        path: "shop/cart.yaml".to_owned(),
        text: "service: cart\nload_balancer: app/shop/50dc6c495c0c9188\n".to_owned(),
    };
    for folder in bad_folders().iter().filter(|folder| !folder.join("fleet.yaml").exists()) {
        let (mut files, _) = load(folder).unwrap();
        files.push(sound.clone());
        let (catalog, _) = read(&files);
        let slos = catalog.services.iter().find(|service| service.name == "cart").map(|service| service.slos.len());
        assert_eq!(slos, Some(2), "{}", folder.display());
    }
}

#[test]
fn github_commands_are_escaped() {
    let problem = Problem {
        file: "a,b:c%.yaml".to_owned(),
        line: 3,
        column: 7,
        range: 0..0,
        subject: "checkout/latency".to_owned(),
        message: "`99.9` has no `%`\r".to_owned(),
        hint: "write `99.9%`: so".to_owned(),
        severity: Severity::Warning,
    };
    assert_eq!(
        github(&[problem]),
        "::warning file=a%2Cb%3Ac%25.yaml,line=3,col=7,title=checkout/latency::`99.9` has no `%25`%0D%0Ahint: write `99.9%25`: so\n"
    );
}

#[test]
fn invalid_files_are_reported_and_others_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::create_dir(folder.path().join("mart")).unwrap();
    for (name, bytes) in [
        ("fine.yaml", b"service: fine\n".to_vec()),
        ("huge.yaml", vec![b'#'; slowburn::internals::FILE_BYTES_MAX + 1]),
        ("latin.yml", b"service: x\nrunbook: \xe4\n".to_vec()),
        ("notes.txt", b"passed over".to_vec()),
        (".hidden.yaml", b"passed over".to_vec()),
    ] {
        fs::write(folder.path().join("mart").join(name), bytes).unwrap();
    }
    std::os::unix::fs::symlink(outside.path(), folder.path().join("mart/link.yaml")).unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.path().join("mart/nowhere.yaml")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("mart"), folder.path().join("mart/loop")).unwrap();
    let (files, problems) = load(folder.path()).unwrap();
    assert_eq!(files.first().map(|file| file.path.as_str()), Some("mart/fine.yaml"));
    let text: Vec<String> = problems
        .iter()
        .filter(|problem| !problem.file.contains("loop"))
        .map(|problem| format!("{}: {}", problem.file, problem.message))
        .collect();
    insta::assert_snapshot!("not_loaded", text.join("\n"));
    let refused = |name: &str| load(&folder.path().join(name)).unwrap_err().to_string();
    assert!(refused("absent").contains("/absent` does not exist\nhint: specify the folder"));
    assert!(refused("mar").ends_with("/mart`?"));
    assert!(refused("mart/fine.yaml").ends_with("/mart/fine.yaml` is a file\nhint: specify the definitions folder"));
}

#[test]
fn hostile_yaml_is_rejected_quickly() {
    let megabyte = 1024 * 1024 - 100;
    let repeated = |part: &str| part.repeat(megabyte / part.len());
    let keys: String = (0..60_000).map(|key| format!("k{key}: [1]\n")).collect::<Vec<_>>().concat();
    let slos: String = (0..20_000).map(|slo| format!("  s{slo}: {{ objective: 9 }}\n")).collect::<Vec<_>>().concat();
    let files = [repeated("["), repeated("{a: "), repeated("- "), repeated("a: 1\n"), keys, format!("slos:\n{slos}")];
    for text in files {
        let started = std::time::Instant::now();
        let (catalog, problems) = service(&text);
        println!("{:?} {:?}", started.elapsed(), problems.len());
        assert!(catalog.services.is_empty() && !problems.is_empty());
    }
}

/// Debian, for example, ships `CET` and `US/Eastern` in a separate package.
#[test]
fn legacy_time_zone_names_work_without_system_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("slos/mart")).unwrap();
    fs::create_dir_all(path("zones/Etc")).unwrap();
    // A database of one zone in the format of RFC 8536: no transitions, one time type, `UTC`.
    let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    fs::write(path("zones/Etc/UTC"), [&b"TZif"[..], &[0; 16], &counts, &[0; 6], b"UTC\0"].concat()).unwrap();
    let text = "service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\nwindows: [month]\n";
    for (zone, code) in [("Etc/UTC", 0), ("CET", 0), ("US/Eastern", 0), ("Europe/Berlim", 1)] {
        fs::write(path("slos/mart/checkout.yaml"), format!("{text}time_zone: {zone}\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(["check", "slos"]).current_dir(folder.path()).env("TZDIR", path("zones"));
        assert_eq!(command.output().unwrap().status.code(), Some(code), "{zone}");
    }
}

#[test]
fn fleet_without_log_source_needs_no_access_logs() {
    let file = |path: &str, text: &str| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
    let fleet = file("fleet.yaml", "sources:\n  batch: { counts: . }\nteams: { mart: {} }\n");
    let text = "service: nightly\nslos:\n  orders: { indicator: counts, file: orders.csv, objective: 99% }\n";
    let (catalog, problems) = check(&[fleet, file("mart/nightly.yaml", text)]);
    assert_eq!(problems, []);
    assert_eq!(catalog.services.iter().map(|service| service.slos.len()).sum::<usize>(), 1);
}

#[test]
fn severe_applies_to_availability_and_where_set_on_slo() {
    let fleet = "sources:\n  logs: { access_logs: logs }\n  batch: { counts: . }\ndefault_source: logs\n";
    let text = "service: nightly\nload_balancer: app/mart/50dc6c495c0c9188\nsevere: { outage: 3m }\nslos:\n\
                \x20 orders: { indicator: counts, source: batch, file: a.csv, objective: 99% }\n\
                \x20 exports: { indicator: counts, source: batch, file: b.csv, objective: 99%, severe: {} }\n";
    let file = |path: &str, text: &str| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
    let (catalog, problems) = check(&[file("fleet.yaml", fleet), file("mart/nightly.yaml", text)]);
    assert_eq!(problems, []);
    let severe = catalog.services[0]
        .slos
        .iter()
        .map(|slo| (slo.name(), slo.severe.outage_minutes, slo.severe.traffic_drop_minutes));
    assert_eq!(
        severe.collect::<Vec<_>>(),
        [
            ("availability", Some(3), Some(15)),
            ("exports", Some(5), Some(15)),
            ("latency", None, None),
            ("orders", None, None),
        ]
    );
    assert!(schema(SchemaKind::Service).to_string().contains("only availability SLOs have them"));
}

/// A moved folder must not make a pipeline succeed silently.
#[test]
fn check_fails_without_service_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("slos/corrections")).unwrap();
    fs::write(folder.path().join("slos/fleet.yaml"), "teams: { mart: {} }\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&["check", "slos"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("error: no service files in `slos`"), "{text}");
    assert!(text.ends_with("checked 0 services, 0 SLOs: 1 problem\n"), "{text}");
    let (code, text) = run(&["run"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("no SLOs to evaluate: `slos` has no valid service file"), "{text}");
}

#[test]
fn check_without_fleet_file_lists_defaults() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("slos/mart")).unwrap();
    fs::write(folder.path().join("slos/mart/cart.yaml"), "service: cart\nload_balancer: app/shop\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    let output = command.args(["check", "slos"]).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("note: no `fleet.yaml` in `slos`: using defaults"), "{text}");
    assert!(text.ends_with("checked 1 service, 2 SLOs: no problems\n"), "{text}");
}

/// An invalid service is reported once, not again by every correction that names it. An unknown name skips only itself.
#[test]
fn scopes_are_checked_against_invalid_services_too() {
    let file = |path: &str, text: &str| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
    let times = "reason: x\ncategory: planned\nauthor: x\nstart: 2026-10-03T01:00\nend: 2026-10-03T02:00\n";
    let files = [
        file("mart/cart.yaml", "service: cart\nload_balancer: app/shop\nslos: { errors: 99%, availability: 99% }\n"),
        file("mart/till.yaml", "service: till\nload_balancer: nothing\nslos: { latency: 99% }\n"),
        file("shop/odd.yaml", "service: [\n"),
        file("corrections/a.yaml", &format!("id: a\nscope: {{ service: [cart, till, odd], slo: [errors] }}\n{times}")),
        file("corrections/b.yaml", &format!("id: b\nscope: {{ service: [cart, tilt], team: [mart, shop] }}\n{times}")),
    ];
    let (catalog, problems) = check(&files);
    let of_corrections = problems.iter().filter(|problem| problem.file.starts_with("corrections/"));
    let text: Vec<(&str, &str)> =
        of_corrections.map(|problem| (problem.message.as_str(), problem.hint.as_str())).collect();
    assert_eq!(text, [("unknown service `tilt`", "did you mean `till`?")]);
    assert_eq!(catalog.corrections.len(), 2);
    let cart = &catalog.services[0];
    assert!(catalog.corrections[1].scope.covers(cart, &cart.slos[0]));
}

#[test]
fn problems_are_printed_as_json() {
    let (files, _) = load(&root("tests/definitions/bad/two_faulty_slos")).unwrap();
    insta::assert_snapshot!("problems_json", json(&read(&files).1));
}

#[test]
fn schemas_agree_with_independent_validator() {
    let script = root("tests/data_checks/schemas.py");
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = Vec::new();
    for (file, kind) in [
        ("fleet.json", SchemaKind::Fleet),
        ("service.json", SchemaKind::Service),
        ("correction.json", SchemaKind::Correction),
    ] {
        let path = folder.path().join(file);
        fs::write(&path, schema(kind).to_string()).unwrap();
        arguments.push(path);
    }
    arguments.push(root("slos"));
    arguments.extend(bad_folders());
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env("PYTHONPATH", crate::peers::packages())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let states: BTreeMap<String, &str> = stdout
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(path, state)| (name(Path::new(path)), state))
        .collect();
    assert_eq!(states["slos"], "valid");
    let excused: BTreeMap<&str, &str> = NOT_STRUCTURAL.iter().copied().collect();
    let mut wrong = Vec::new();
    for folder in bad_folders() {
        let name = name(&folder);
        let state = states[&name];
        if (state == "valid") != excused.contains_key(name.as_str()) {
            let excuse = excused.get(name.as_str());
            wrong.push(format!("{name} is {state} for the schema, and excused as {excuse:?}; see NOT_STRUCTURAL"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_of_other_tools_are_recognized() {
    let Some(folder) = crate::support::shared("data/slo_definitions") else { return };
    let (files, _) = load(&folder).unwrap();
    for file in files {
        let (_, problems) = service(&file.text);
        assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "{}", file.path);
        if file.text.lines().any(|line| line.starts_with("apiVersion:") || line.starts_with("version: \"prometheus/")) {
            assert_eq!(problems.len(), 1, "{}", file.path);
            assert!(problems[0].message.ends_with(" file, not a slowburn definition"), "{}", problems[0].message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn arbitrary_text_never_panics_reader(text in "[ -~\\n\\tÄ\u{202e}\u{1f600}\\r\u{feff}]{0,200}", fleet in any::<bool>()) {
        let path = if fleet { "fleet.yaml" } else { "mart/checkout.yaml" };
        let _: (Catalog, Vec<Problem>) = check(&[DefinitionFile { path: path.to_owned(), text }]);
    }

    #[test]
    fn mutated_valid_file_never_panics_reader(at in 0_usize..500, cut in 0_usize..20, put in "[-:,{}\\[\\] \\n%0a\"'#&*!|>$]{0,6}") {
        for source in ["slos/fleet.yaml", "slos/shop/checkout.yaml"] {
            let text: Vec<char> = fs::read_to_string(root(source)).unwrap().chars().collect();
            let at = at.min(text.len());
            let mutant: String = text[..at].iter().copied().chain(put.chars()).chain(text[(at + cut).min(text.len())..].iter().copied()).collect();
            let path = source.trim_start_matches("slos/").to_owned();
            let _: (Catalog, Vec<Problem>) = check(&[DefinitionFile { path, text: mutant }]);
        }
    }
}
