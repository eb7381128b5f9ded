//! Help, version, and `inspect`.

use crate::support::Bench;
use serde_json::Value;

#[test]
fn help_lists_commands_and_exit_codes() {
    let bench = Bench::new(1);
    let help = bench.run("--help").exits(0).stdout;
    for word in [
        "certify",
        "attack",
        "radius",
        "inspect",
        "verify",
        "bench",
        "check",
        "spec",
        "Exit codes",
        "130",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for command in ["certify", "attack", "radius", "inspect", "verify", "bench", "check", "spec"] {
        let help = bench.run(&format!("{command} --help")).exits(0).stdout;
        assert!(help.contains("Exit codes"), "{help}");
    }
    assert!(bench.run("--version").exits(0).stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn eval_prints_outputs_and_their_distance() {
    let bench = Bench::new(5);
    let of = "eval net.nnet --data data.csv --label-column label --limit 2";
    let json: Value = serde_json::from_str(&bench.run(of).exits(0).stdout).unwrap();
    let outputs = json["outputs"].as_array().unwrap();
    assert_eq!((outputs.len(), outputs[0].as_array().unwrap().len()), (2, 3));
    let csv = bench.run(&format!("{of} --format csv")).exits(0).stdout;
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!((rows.len(), rows[0]), (3, "y0,y1,y2"));
    let number = |text: &str| text.parse::<f64>().unwrap();
    assert!(
        rows[1].split(',').map(number).eq(outputs[0]
            .as_array()
            .unwrap()
            .iter()
            .map(|y| y.as_f64().unwrap()))
    );
    let refused = bench.run(&format!("{of} --reference data.csv")).exits(65);
    assert!(refused.stderr.contains("data.csv"), "{}", refused.stderr);
}

#[test]
fn the_short_help_fits_a_screen() {
    let bench = Bench::new(1);
    for command in [
        "",
        "certify",
        "attack",
        "radius",
        "verify",
        "bench",
        "check",
        "spec",
        "audit",
        "report",
        "selftest",
        "fuzz",
        "shrink",
        "inspect",
        "eval",
        "completions",
        "man",
    ] {
        let help = bench.certus(&format!("{command} -h")).env("COLUMNS", "100").output().unwrap();
        let lines = String::from_utf8(help.stdout).unwrap().lines().count();
        assert!((5..=40).contains(&lines), "{command}: {lines} lines");
    }
    let help = bench.run("certify --help").exits(0).stdout;
    let heading = |of: &str| help.split("\n\n").position(|block| block.contains(of));
    for (option, under) in [
        ("--scale", "Data ("),
        ("--method", "Search:"),
        ("--limit", "Search:"),
        ("--resume", "Output:"),
    ] {
        let at = help.find(&format!("{option} ")).unwrap_or_else(|| help.find(option).unwrap());
        let last = ["Options:", "Data (", "Search:", "Output:"]
            .into_iter()
            .filter_map(|name| help[..at].rfind(&format!("\n{name}")).map(|place| (place, name)))
            .max();
        assert_eq!(last.map(|(_, name)| name), Some(under), "{option}");
    }
    assert!(heading("Exit codes").is_some());
}

#[test]
fn inspect_shows_layers_and_counts() {
    let bench = Bench::new(1);
    let text = bench.run("inspect net.nnet").exits(0).stdout;
    for word in ["sha-256", "parameters", "99", "ReLUs", "12"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let json = bench.run("inspect net.nnet --json").exits(0).stdout;
    let inspection: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&inspection["parameters"], &inspection["relus"]), (&99.into(), &12.into()));
    assert_eq!(inspection["sha256"].as_str().unwrap().len(), 64);
    assert!(!inspection["layers"].as_array().unwrap().is_empty());
}

#[test]
fn the_documented_exit_codes_are_those_of_the_help() {
    let help = Bench::new(1).run("--help").exits(0).stdout;
    let page = std::fs::read_to_string(crate::support::committed("docs/exit-codes.md")).unwrap();
    let codes = |lines: &str, mark: char| -> Vec<u32> {
        let first =
            |line: &str| line.trim_matches([mark, ' ']).split_whitespace().next()?.parse().ok();
        lines.lines().filter_map(first).collect()
    };
    let listed = codes(help.split("Exit codes:").nth(1).unwrap(), ' ');
    let tabled: Vec<u32> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| codes(line, '|'))
        .collect();
    assert_eq!(listed, tabled);
    assert_eq!(listed.len(), 13);
}
