//! The report in a browser: headless Chromium sorts and filters the table, and reports errors and outside requests.

use crate::support::Bench;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PLAN: &str = r#"
[report]
title = "A test"
[[data]]
name = "points"
file = "data.csv"
epsilons = [0.05, 0.15]
[data.read]
label_column = "label"
[[model]]
name = "net"
file = "net.nnet"
[[attack]]
kind = "pgd"
[[method]]
kind = "crown"
[shift]
[radius]
steps = 4
"#;

/// Runs before the page's script and writes down what goes wrong.
const WATCH: &str = r"
window.problems = [];
const note = (kind) => (event) => problems.push(kind + ': ' + (event.message || event.violatedDirective || event.reason));
addEventListener('error', note('error'), true);
addEventListener('unhandledrejection', note('rejection'));
addEventListener('securitypolicyviolation', note('outside request'));
console.error = (...words) => problems.push('console: ' + words.join(' '));
";

/// Runs behind the page's script: uses the table as a reader does, and leaves what was seen in the page.
const DRIVE: &str = r"
addEventListener('load', () => setTimeout(() => {
  const rows = () => [...document.querySelectorAll('#inputs-table tbody tr')].map((tr) => [...tr.cells].map((td) => td.textContent));
  const heads = [...document.querySelectorAll('#inputs-table thead th')];
  const column = (title) => heads.findIndex((head) => head.textContent.startsWith(title));
  const status = () => document.getElementById('inputs-status').textContent;
  const seen = { first: rows().length, status: status(), titles: heads.map((head) => head.textContent) };
  const margin = column('Margin');
  const margins = () => rows().map((row) => row[margin]).filter((text) => text !== '–').map(Number);
  heads[margin].firstElementChild.click();
  seen.rising = margins();
  seen.sorted = heads[margin].getAttribute('aria-sort');
  heads[margin].firstElementChild.click();
  seen.falling = margins();
  document.getElementById('inputs-next').click();
  seen.second = rows().length;
  const choose = (title, word) => {
    const select = document.querySelector(`#inputs-filters [data-column='${column(title)}']`);
    select.value = word;
    select.dispatchEvent(new Event('input', { bubbles: true }));
  };
  choose('Verdict', 'falsified');
  seen.falsified = rows().map((row) => row[column('Verdict')]);
  seen.hashes = rows().map((row) => row[column('Evidence')]);
  choose('ε', '0.05');
  seen.both = rows().length;
  document.getElementById('theme').click();
  seen.theme = document.documentElement.dataset.theme;
  seen.pictures = document.querySelectorAll('figure svg title').length;
  seen.requests = performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith('data:'));
  seen.problems = problems;
  const pre = document.createElement('pre');
  pre.id = 'seen';
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
}, 0));
";

pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let candidates = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    candidates.into_iter().find(|file| file.is_file())
}

/// The page with both scripts and `extra` markup, opened; what was seen.
fn open(browser: &Path, bench: &Bench, extra: &str) -> Value {
    let page = bench.text("out/report.html");
    let head = page.find("<title>").unwrap();
    let page = format!("{}<script>{WATCH}</script>{}", &page[..head], &page[head..]);
    let page = page.replace("</body>", &format!("{extra}<script>{DRIVE}</script></body>"));
    let file = bench.write("probe.html", &page);
    let profile = bench.path("profile");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", file.display()))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let seen = dom.rsplit("<pre id=\"seen\">").next().and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap().replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {} characters", dom.len()))
}

#[test]
fn a_reader_sorts_and_filters_without_errors_or_requests() {
    let Some(browser) = chromium() else {
        crate::skip::skipped("no Chromium in the PATH");
        return;
    };
    let bench = Bench::new(40);
    bench.write("audit.toml", PLAN);
    bench.run("audit audit.toml --out out --quiet").exits(0);
    let report = bench.report("out");
    let rows = report["rows"].as_array().unwrap();
    let falsified = rows.iter().filter(|row| row["verdict"] == "falsified").count();
    let near = |row: &&Value| row["verdict"] == "falsified" && row["epsilon"] == "1/20";

    let seen = open(&browser, &bench, "");
    assert_eq!(seen["problems"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["requests"], serde_json::json!([]), "{seen}");
    assert_eq!((&seen["first"], &seen["second"]), (&50.into(), &30.into()));
    assert!(seen["status"].as_str().unwrap().contains("of 80 rows"), "{seen}");
    let numbers = |field: &str| -> Vec<f64> {
        seen[field].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
    };
    let (rising, falling) = (numbers("rising"), numbers("falling"));
    assert!(rising.len() > 10 && rising.is_sorted(), "{rising:?}");
    assert!(falling.is_sorted_by(|a, b| a >= b) && falling[0] > rising[0], "{falling:?}");
    assert_eq!(seen["sorted"], "ascending");
    let verdicts = seen["falsified"].as_array().unwrap();
    assert!(verdicts.len() == falsified.min(50) && verdicts.iter().all(|v| v == "falsified"));
    assert!(
        seen["hashes"].as_array().unwrap().iter().all(|hash| hash.as_str().unwrap().len() == 12)
    );
    assert_eq!(seen["both"], rows.iter().filter(near).count());
    assert_eq!(seen["theme"], "dark");
    assert!(seen["pictures"].as_u64().unwrap() >= 6, "{seen}");

    // The watch does see errors and requests where there are some.
    let bad =
        "<img src=\"http://127.0.0.1:9/x.png\"><script>console.error('boom'); missing();</script>";
    let problems = open(&browser, &bench, bad)["problems"].to_string();
    for kind in ["console: boom", "missing", "outside request"] {
        assert!(problems.contains(kind), "{problems}");
    }
}
