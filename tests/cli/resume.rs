//! Campaigns that are killed, interrupted, torn or run twice.

use crate::support::{Bench, Ran, certify};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Slow enough an attack to be caught in the middle.
const SLOW: &str = "--eps 0.15 --jobs 2 --restarts 60 --steps 300 --seed 1";

/// Starts a campaign and waits until its journal has some rows.
fn start(bench: &Bench, out: &str, rows: usize) -> Child {
    let mut child = bench
        .certus(&certify(&format!("{SLOW} --out {out}")))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = bench.path(out).join("journal.jsonl");
    let since = Instant::now();
    loop {
        let lines = std::fs::read(&journal)
            .map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count());
        if lines > rows {
            return child;
        }
        assert!(child.try_wait().unwrap().is_none(), "finished before it could be caught");
        assert!(since.elapsed() < Duration::from_secs(60), "no rows in the journal");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_campaign_goes_on_to_the_same_report() {
    let bench = Bench::new(150);
    bench.certify(&format!("{SLOW} --out whole")).exits(0);
    let mut child = start(&bench, "killed", 5);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("killed/report.json").exists());

    // Killed once more while it goes on.
    let mut child = bench
        .certus(&certify(&format!("{SLOW} --out killed --resume")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();

    let ran = bench.certify(&format!("{SLOW} --out killed --resume")).exits(0);
    assert!(ran.stdout.contains("earlier"), "{}", ran.stdout);
    assert_eq!(bench.comparable("whole"), bench.comparable("killed"));
    assert!(bench.report("killed")["timing"]["resumed_rows"].as_u64().unwrap() >= 5);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly_and_says_how_to_go_on() {
    let bench = Bench::new(150);
    let child = start(&bench, "out", 3);
    let status =
        Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status().unwrap();
    assert!(status.success());
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    let advice = ran.stderr.lines().last().unwrap();
    assert!(advice.contains("of 150 inputs are kept in out"), "{advice}");
    let command = advice.split("go on by: ").nth(1).unwrap();
    let arguments = command.split_once(' ').unwrap().1;
    assert!(arguments.ends_with("--resume"), "{arguments}");
    bench.run(arguments).exits(0);
    bench.certify(&format!("{SLOW} --out whole")).exits(0);
    assert_eq!(bench.comparable("whole"), bench.comparable("out"));
}

#[cfg(unix)]
#[test]
fn a_folder_belongs_to_one_process_until_that_is_killed() {
    let bench = Bench::new(150);
    let mut child = start(&bench, "out", 3);
    for how in ["", "--resume", "--overwrite"] {
        let ran = bench.certify(&format!("{SLOW} --out out {how}")).exits(75);
        let sentence =
            "out: another certus process is working in this folder; wait until it has ended";
        assert_eq!(ran.stderr, format!("certus: {sentence}\n"), "{how}");
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended before this could tell anything");
    child.kill().unwrap();
    child.wait().unwrap();
    bench.certify(&format!("{SLOW} --out out --resume")).exits(0);
    assert_eq!(bench.text("out/journal.jsonl").lines().count(), 151);
}

#[test]
fn a_torn_last_line_is_dropped() {
    let bench = Bench::new(30);
    bench.certify("--eps 0.1 --out out").exits(0);
    let whole = bench.comparable("out");
    let journal = bench.path("out/journal.jsonl");
    let text = bench.text("out/journal.jsonl");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for keep in [0, 1, 2, 15, 30] {
        let torn: String = lines[..keep].concat() + &lines[keep][..lines[keep].len() / 2];
        std::fs::write(&journal, torn).unwrap();
        bench.certify("--eps 0.1 --out out --resume").exits(0);
        assert_eq!(bench.comparable("out"), whole, "{keep} whole lines");
        assert_eq!(bench.text("out/journal.jsonl").lines().count(), 31);
    }
}

#[test]
fn a_finished_campaign_is_only_reported_again() {
    let bench = Bench::new(20);
    bench.certify("--eps 0.1 --out out").exits(0);
    let whole = bench.comparable("out");
    let ran = bench.certify("--eps 0.1 --out out --resume").exits(0);
    assert!(ran.stdout.contains("0 inputs now, 20 earlier"), "{}", ran.stdout);
    assert_eq!(bench.comparable("out"), whole);
}

#[test]
fn another_campaign_is_not_resumed_and_the_field_is_named() {
    let bench = Bench::new(10);
    bench.certify("--eps 0.1 --out out").exits(0);
    for (arguments, field) in [
        ("--eps 0.2", "settings.epsilon.exact"),
        ("--eps 0.1 --seed 9", "settings.seed"),
        ("--eps 0.1 --method ibp", "settings.method"),
        ("--eps 0.1 --attack fgsm", "settings.attack.kind"),
        ("--eps 0.1 --steps 7", "settings.attack.steps"),
        ("--eps 0.1 --limit 5", "settings.limit"),
        ("--eps 0.1 --timeout 3", "settings.timeout"),
    ] {
        let ran = bench.certify(&format!("{arguments} --out out --resume")).exits(65);
        assert!(ran.stderr.contains(&format!("'{field}'")), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains("out/journal.jsonl"), "{}", ran.stderr);
    }
    let changed = bench.text("data.csv") + "0,0,0,0,0\n";
    bench.write("data.csv", &changed);
    let ran = bench.certify("--eps 0.1 --out out --resume").exits(65);
    assert!(ran.stderr.contains("'data.sha256'"), "{}", ran.stderr);
}

#[test]
fn results_are_only_replaced_when_asked() {
    let bench = Bench::new(10);
    bench.certify("--eps 0.2 --out out").exits(0);
    bench.write("out/notes.txt", "mine");
    bench.write("out/counterexamples/mine.txt", "mine");
    let ran = bench.certify("--eps 0 --out out").exits(73);
    assert!(ran.stderr.contains("--resume") && ran.stderr.contains("--overwrite"));
    bench.certify("--eps 0 --out out --overwrite").exits(0);
    let report = bench.report("out");
    assert_eq!(report["settings"]["epsilon"]["exact"], "0");
    assert_eq!(bench.text("out/notes.txt"), "mine");
    let left = std::fs::read_dir(bench.path("out/counterexamples")).unwrap().count();
    assert_eq!(left, 1, "only the file that is not ours");
}

#[test]
fn damaged_journals_are_refused_with_the_line() {
    let bench = Bench::new(10);
    bench.certify("--eps 0.1 --out out").exits(0);
    let good = bench.text("out/journal.jsonl");
    let lines: Vec<&str> = good.lines().collect();
    let twice = format!("{good}{}\n", lines[3]);
    let beyond = good.clone() + &lines[1].replacen("\"index\":", "\"index\":77", 1) + "\n";
    let garbage = good.replacen(lines[4], "garbage", 1);
    let extra = good.replacen("{\"index\":", "{\"colour\":1,\"index\":", 1);
    let binary = "\u{0}\u{1}\u{2}\n".to_owned();
    for (text, line) in [
        (twice, "line 12"),
        (beyond, "line 12"),
        (garbage, "line 5"),
        (extra, "line 2"),
        (binary, "line 1"),
    ] {
        bench.write("out/journal.jsonl", &text);
        let ran = bench.certify("--eps 0.1 --out out --resume").exits(65);
        assert!(ran.stderr.contains("out/journal.jsonl"), "{}", ran.stderr);
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_contradiction_in_a_journal_is_an_internal_error_and_no_report() {
    let bench = Bench::new(20);
    bench.certify("--eps 0.1 --out out").exits(0);
    let good = bench.text("out/journal.jsonl");
    let certified = good.lines().find(|line| line.contains("\"certified\"")).unwrap();
    let both = certified.replace("\"survived\"", "\"broken\"");
    bench.write("out/journal.jsonl", &good.replace(certified, &both));
    std::fs::remove_file(bench.path("out/report.json")).unwrap();
    let ran = bench.certify("--eps 0.1 --out out --resume").exits(70);
    assert!(ran.stderr.contains("both certified and falsified"), "{}", ran.stderr);
    assert!(!bench.path("out/report.json").exists());
}

#[test]
fn resuming_where_nothing_is_starts() {
    let bench = Bench::new(5);
    bench.certify("--eps 0.1 --out new/folder --resume").exits(0);
    assert_eq!(bench.report("new/folder")["rows"].as_array().unwrap().len(), 5);
    let journal = bench.path("new/folder/journal.jsonl");
    OpenOptions::new().append(true).open(journal).unwrap().write_all(b"{\"index\":").unwrap();
    bench.certify("--eps 0.1 --out new/folder --resume").exits(0);
}
