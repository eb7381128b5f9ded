//! Audits: from a plan to a sealed folder; killed, altered, rendered again, refused.

use crate::support::{Bench, Ran};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const REPORT: &str = "[report]\ntitle = \"A test\"\n";
const ATTACKS: &str = "[[attack]]\nkind = \"fgsm\"\n[[attack]]\nkind = \"pgd\"\nsteps = 10\n";
/// Slow enough to be caught in the middle.
const SLOW: &str = "[[attack]]\nkind = \"pgd\"\nrestarts = 60\nsteps = 300\n";
const METHODS: &str = "[[method]]\nkind = \"ibp\"\n[[method]]\nkind = \"crown\"\n";
/// Everything that is asked beyond attacks and bounds in the max norm.
const FURTHER: &str = "[shift]\n[radius]\nsteps = 4\ninputs = 8\nmethod = \"crown\"\n[masking]\ninputs = 5\n\
                       [[attack]]\nname = \"far\"\nkind = \"pgd\"\nnorm = \"l2\"\nsteps = 5\n";
const MODEL: &str = "[[model]]\nname = \"net\"\nfile = \"net.nnet\"\n";

fn data(inputs: usize, epsilons: &str) -> String {
    format!(
        "[[data]]\nname = \"points\"\nfile = \"data.csv\"\nlimit = {inputs}\nepsilons = {epsilons}\n\
         l2_epsilons = [0.1, 0.3]\noutside = \"points\"\n[data.read]\nlabel_column = \"label\"\n"
    )
}

fn plan(inputs: usize, attacks: &str) -> String {
    [REPORT, &data(inputs, "[0.05, 0.15]"), MODEL, attacks, METHODS, FURTHER].concat()
}

/// A folder with a plan, and the finished audit `out`.
fn finished(arguments: &str) -> Bench {
    let bench = Bench::new(20);
    bench.write("audit.toml", &plan(14, ATTACKS));
    bench.run(&format!("audit audit.toml --out out --quiet {arguments}")).exits(0);
    bench
}

/// Every file of a folder with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn verify(bench: &Bench, code: i32) -> Ran {
    bench.run("audit --verify out").exits(code)
}

#[test]
fn an_input_that_may_not_move_and_is_no_decimal_is_shown_all_the_same() {
    let bench = Bench::new(20);
    let read = "label_column = \"label\"\nscale = \"1/3\"\neps_per_feature = [1, 1, 0, 1]\n";
    let data = data(14, "[0.4]").replace("label_column = \"label\"\n", read);
    bench.write("audit.toml", &[REPORT, &data, MODEL, ATTACKS].concat());
    bench.run("audit audit.toml --out out --quiet").exits(0);
    let cells = bench.text("data.csv");
    let mut fractions = 0;
    for shown in bench.report("out")["shown"].as_array().unwrap() {
        let row = cells.lines().nth(1 + shown["index"].as_u64().unwrap() as usize).unwrap();
        let cell: f64 = row.split(',').nth(2).unwrap().parse().unwrap();
        assert!((shown["perturbed"][2].as_f64().unwrap() - cell / 3.0).abs() < 1e-15, "{shown}");
        let evidence = bench.text(&format!("out/{}", shown["file"].as_str().unwrap()));
        let fixed = evidence.lines().find(|line| line.starts_with("(X_2 ")).unwrap();
        fractions += usize::from(fixed.contains('/'));
    }
    assert!(fractions > 0);
}

#[test]
fn an_audit_brackets_the_robust_accuracy() {
    let bench = finished("");
    let report = bench.report("out");
    let subject = &report["subjects"][0];
    let count = |cell: &serde_json::Value, figure: &str| cell[figure]["count"].as_u64().unwrap();
    let mut last: Option<[u64; 2]> = None;
    for cell in subject["cells"].as_array().unwrap() {
        let [clean, unbroken, certified] =
            ["clean", "adversarial", "certified"].map(|figure| count(cell, figure));
        assert!(certified <= unbroken && unbroken <= clean, "{cell}");
        assert_eq!(unbroken - certified, count(cell, "undecided"));
        assert!(count(cell, "stability") >= certified);
        let broken: u64 = cell["attacks"]
            .as_object()
            .unwrap()
            .values()
            .map(|c| c["count"].as_u64().unwrap())
            .max()
            .unwrap();
        assert!(clean - unbroken >= broken);
        let by_class = |at: usize| -> u64 {
            cell["classes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|class| class[at].as_u64().unwrap())
                .sum()
        };
        assert_eq!(
            [by_class(0), by_class(1), by_class(2), by_class(3)],
            [14, clean, unbroken, certified]
        );
        if let Some([more_unbroken, more_certified]) = last {
            assert!(unbroken <= more_unbroken && certified <= more_certified);
        }
        last = Some([unbroken, certified]);
    }
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 28);
    let verdicts = |name: &str| rows.iter().filter(|row| row["verdict"] == name).count();
    assert!(["certified", "falsified", "misclassified"].iter().all(|name| verdicts(name) > 0));
    for row in rows {
        assert_eq!(row["evidence"].is_object(), row["verdict"] == "falsified", "{row}");
        if let Some(file) = row["evidence"]["file"].as_str() {
            assert!(bench.text(&format!("out/{file}")).starts_with("sat\n((X_0 "));
        }
    }
    let names = |list: &str, key: &str| -> Vec<String> {
        let list = subject[list].as_array().unwrap();
        list.iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names("shifts", "corruption").len(),
        20,
        "four kinds that tables have, at five severities"
    );
    assert_eq!(names("masking", "name").len(), 4);
    assert_eq!(names("euclidean", "epsilon"), ["1/10", "3/10"]);
    assert_eq!(subject["outside"]["auroc"], 0.5, "the same inputs are not told apart");
    assert_eq!(subject["radius"]["inputs"], 8);
    for row in rows {
        if let (Some(low), Some(high)) =
            (row["certified_radius"].as_f64(), row["attacked_radius"].as_f64())
        {
            assert!(low < high, "{row}");
        }
    }
    let mut table = csv::Reader::from_path(bench.path("out/rows.csv")).unwrap();
    assert!(table.headers().unwrap().iter().any(|name| name == "attack:pgd"));
    assert_eq!(table.records().map(Result::unwrap).count(), 28);
    assert_eq!(subject["clean"]["accuracy"]["total"], 14);
    let page = bench.text("out/report.html");
    assert!(page.contains("<svg") && page.contains("A test"));
    for outside in ["http://", "https://", "src=\"//"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_same_report_wherever_it_was_killed() {
    let bench = Bench::new(40);
    bench.write("audit.toml", &plan(40, SLOW));
    let command = |out: &str| format!("audit audit.toml --out {out} --quiet --reproducible");
    bench.run(&command("whole")).exits(0);
    let whole = files(&bench.path("whole"));

    let mut child = bench
        .certus(&command("killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = bench.path("killed/journal.jsonl");
    let since = Instant::now();
    while std::fs::read(&journal).map_or(0, |text| text.len()) < 3000 {
        assert!(child.try_wait().unwrap().is_none(), "finished before it could be caught");
        assert!(since.elapsed() < Duration::from_secs(60), "nothing in the journal");
        std::thread::sleep(Duration::from_millis(1));
    }
    if cfg!(unix) {
        for how in ["", " --overwrite"] {
            let ran = bench.run(&(command("killed") + how)).exits(75);
            let sentence = "killed: another certus process is working in this folder";
            assert!(ran.stderr.contains(sentence), "{how}: {}", ran.stderr);
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("killed/report.json").exists());
    bench.run(&(command("killed") + " --jobs 3")).exits(0);
    assert!(files(&bench.path("killed")) == whole);

    // Torn anywhere, with whatever a kill during the last steps leaves behind.
    let text = bench.text("whole/journal.jsonl");
    for (keep, extra) in [
        (0, "report.html.unfinished"),
        (text.len() / 3, "evidence/x.txt"),
        (text.len() - 1, "report.json.unfinished"),
    ] {
        std::fs::write(&journal, &text.as_bytes()[..keep]).unwrap();
        std::fs::write(bench.path("killed").join(extra), "left behind").unwrap();
        bench.run(&command("killed")).exits(0);
        assert!(files(&bench.path("killed")) == whole, "{keep} bytes");
    }
}

#[test]
fn measured_times_survive_a_resume() {
    let bench = finished("");
    let whole = files(&bench.path("out"));
    let ran = bench.run("audit audit.toml --out out --quiet").exits(0);
    assert!(files(&bench.path("out")) == whole);
    let id = ran.stdout.lines().find_map(|line| line.strip_prefix("report id")).unwrap().trim();
    assert!(verify(&bench, 0).stdout.contains(id));
    bench.run(&format!("audit --verify out --id {id}")).exits(0);
    bench.run(&format!("audit --verify out --id {}", "0".repeat(64))).exits(65);
}

#[test]
fn one_byte_changed_in_any_file_is_found() {
    let bench = finished("");
    verify(&bench, 0);
    let all = files(&bench.path("out"));
    assert!(all.len() >= 7, "{:?}", all.keys());
    for (name, bytes) in &all {
        let file = bench.path("out").join(name);
        let places = [0, bytes.len() / 2, bytes.len() - 1];
        for place in if name == "manifest.sha256" {
            (0..bytes.len()).step_by(7).collect()
        } else {
            places.to_vec()
        } {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            let ran = verify(&bench, 65);
            assert!(
                ran.stderr.contains("altered") && ran.stdout.contains(name.as_str()),
                "{name} at {place}: {}",
                ran.stdout
            );
            std::fs::write(&file, bytes).unwrap();
        }
        std::fs::remove_file(&file).unwrap();
        verify(&bench, if name == "manifest.sha256" { 66 } else { 65 });
        std::fs::write(&file, bytes).unwrap();
    }
    bench.write("out/evidence/extra.txt", "");
    assert!(verify(&bench, 65).stdout.contains("evidence/extra.txt: not in the manifest"));
    std::fs::remove_file(bench.path("out/evidence/extra.txt")).unwrap();
    verify(&bench, 0);
}

#[test]
fn a_new_manifest_does_not_hide_a_changed_page() {
    let bench = finished("");
    let page = bench.text("out/report.html").replace("A test", "A jest");
    bench.write("out/report.html", &page);
    let sha =
        |name: &str| certus::internal::load::sha256_hex(&std::fs::read(bench.path(name)).unwrap());
    let manifest = bench.text("out/manifest.sha256");
    let old = manifest.lines().find(|line| line.ends_with("  report.html")).unwrap();
    let mut forged = manifest.replace(old, &format!("{}  report.html", sha("out/report.html")));
    forged.truncate(forged.rfind("# seal").unwrap());
    forged += &format!("# seal: {}\n", certus::internal::load::sha256_hex(forged.as_bytes()));
    bench.write("out/manifest.sha256", &forged);
    assert!(verify(&bench, 65).stdout.contains("report.html: not what this program makes"));
}

#[test]
fn rendering_again_gives_the_same_bytes() {
    let bench = finished("");
    let whole = files(&bench.path("out"));
    for name in ["report.html", "rows.csv"] {
        std::fs::remove_file(bench.path("out").join(name)).unwrap();
    }
    bench.run("report out").exits(0);
    assert!(files(&bench.path("out")) == whole);
    let report = bench.text("out/report.json").replace("\"A test\"", "\"A jest\"");
    bench.write("out/report.json", &report);
    assert!(bench.run("report out").exits(65).stderr.contains("report.json: altered"));
    assert!(bench.run("report .").exits(66).stderr.contains("no finished audit"));
}

#[test]
fn contradictions_are_no_report() {
    let bench = finished("--reproducible");
    let journal = bench.text("out/journal.jsonl");
    // The smallest radius, and the second attack.
    let certified = |line: &&str| {
        line.contains("\"certify\":{\"method\":0,\"epsilon\":0}")
            && line.contains("\"finding\":{\"certified\"")
    };
    let line = journal.lines().find(certified).unwrap();
    let index = line.split("\"index\":").nth(1).unwrap().split(',').next().unwrap();
    let survived = format!(
        "\"index\":{index},\"step\":{{\"attack\":{{\"attack\":1,\"epsilon\":0}}}},\"found\":{{\"verdict\":{{\"finding\":{{\"unknown\":\"survived\"}}"
    );
    assert!(journal.contains(&survived), "{journal}");
    let broken = survived.replace("{\"unknown\":\"survived\"}", "\"falsified\"");
    bench.write("out/journal.jsonl", &journal.replace(&survived, &broken));
    std::fs::remove_file(bench.path("out/report.json")).unwrap();
    let ran = bench.run("audit audit.toml --out out --quiet --reproducible").exits(70);
    assert!(
        ran.stderr.contains(&format!("input {index}")) && ran.stderr.contains("broken by pgd"),
        "{}",
        ran.stderr
    );
    assert!(!bench.path("out/report.json").exists());
}

#[test]
fn journals_that_are_damaged_or_of_another_version_are_refused() {
    let bench = finished("--reproducible");
    let good = bench.text("out/journal.jsonl");
    let (head, first) = (good.lines().next().unwrap(), good.lines().nth(1).unwrap());
    let older = format!("{{\"setup\":{head}}}\n");
    let beyond = good.clone() + &first.replacen("\"index\":0", "\"index\":14", 1) + "\n";
    let nobody = good.clone() + &first.replacen("\"subject\":0", "\"subject\":1", 1) + "\n";
    let twice = format!("{good}{first}\n");
    let extra = good.replacen("{\"subject\":", "{\"colour\":1,\"subject\":", 1);
    let last = format!("line {}", good.lines().count() + 1);
    for (text, word) in [
        (older, "another version of certus"),
        (beyond, last.as_str()),
        (nobody, &last),
        (twice, &last),
        (extra, "line 2"),
    ] {
        bench.write("out/journal.jsonl", &text);
        let ran = bench.run("audit audit.toml --out out --quiet --reproducible").exits(65);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn bad_plans_name_file_line_and_key() {
    let bench = Bench::new(5);
    let good = plan(5, ATTACKS);
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    for (text, code, words) in [
        (swap("title", "titel"), 65, ["audit.toml:2:", "'report.titel'", "title"]),
        (swap("limit = 5", "limit = \"5\""), 65, ["audit.toml:6:", "'data[0].limit'", "\"5\""]),
        (swap("net.nnet", "none.nnet"), 66, ["audit.toml:14:", "'model[0].file'", "no such file"]),
        (swap("data.csv", "net.nnet"), 65, ["audit.toml:5:", "'data[0].file'", "net.nnet"]),
        (swap("net.nnet", "data.csv"), 65, ["audit.toml:14:", "'model[0].file'", "data.csv"]),
        (swap("\"label\"", "\"class\""), 65, ["audit.toml:5:", "'data[0].file'", "class"]),
        (swap("[[model]]", "[[model"), 65, ["audit.toml:12:", "audit.toml", ""]),
    ] {
        bench.write("audit.toml", &text);
        let ran = bench.run("audit audit.toml --out out").exits(code);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "'{word}' is missing: {}", ran.stderr);
        }
    }
    bench.run("audit absent.toml --out out").exits(66);
    bench.run("audit").exits(64);
    bench.run("audit --id 0").exits(64);
    bench.run("audit --verify absent").exits(66);
}

#[test]
fn the_template_is_written_once() {
    let bench = Bench::new(5);
    bench.run("audit --init").exits(0);
    assert!(bench.text("AUDIT.toml").contains("[[criterion]]"));
    assert!(bench.run("audit --init").exits(73).stderr.contains("AUDIT.toml"));
    bench.run("audit other.toml --init").exits(0);
    let ran = bench.run("audit other.toml --out out").exits(66);
    assert!(ran.stderr.contains("digits/test.npz"), "{}", ran.stderr);
}

#[test]
fn another_audit_in_the_folder_is_refused() {
    let bench = finished("--reproducible");
    for (from, to, field) in [
        ("seed", "seed", ""),
        ("steps = 10", "steps = 11", "attacks[1].settings.steps"),
        ("0.15", "0.16", "data[0].epsilons[1].exact"),
        ("limit = 14", "limit = 13", "data[0].used"),
    ] {
        bench.write("other.toml", &plan(14, ATTACKS).replace(from, to));
        let code = if field.is_empty() { 0 } else { 65 };
        let ran = bench.run("audit other.toml --out out --quiet --reproducible").exits(code);
        assert!(ran.stderr.contains(field), "{}", ran.stderr);
    }
    let ran = bench.run("audit other.toml --out out --quiet --overwrite").exits(0);
    assert!(ran.stdout.contains("13"), "{}", ran.stdout);
    verify(&bench, 0);
    bench.run("audit other.toml --out out --quiet --reproducible").exits(73);
}

#[test]
fn criteria_decide_the_exit_code_when_asked() {
    let bench = Bench::new(20);
    let criterion = |least: &str| {
        format!(
            "{}[[criterion]]\ndata = \"points\"\nmeasure = \"clean\"\nat_least = {least}\n",
            plan(14, ATTACKS)
        )
    };
    bench.write("low.toml", &criterion("0.5"));
    bench.write("high.toml", &criterion("0.99"));
    bench.run("audit low.toml --quiet --require-criteria").exits(0);
    assert_eq!(bench.report("audit-out")["criteria"][0]["result"], "met");
    bench.run("audit high.toml --out high --quiet").exits(0);
    bench.run("audit high.toml --out high --quiet --require-criteria").exits(10);
    assert_eq!(bench.report("high")["criteria"][0]["result"], "not-met");
}

#[test]
fn images_are_shown_their_light_is_certified_and_outputs_agree() {
    let bench = Bench::new(1);
    let models = crate::support::committed("models/mnist");
    let plan = format!(
        "{REPORT}[[data]]\nname = \"digits\"\nfile = \"{0}/test.npz\"\nlimit = 3\nepsilons = [0.1]\n\
         [[model]]\nname = \"plain\"\nfile = \"{0}/mlp_plain.onnx\"\n\
         reference = \"{0}/mlp_plain.reference.npz\"\n\
         [[model]]\nname = \"certified\"\nfile = \"{0}/mlp_cert.onnx\"\n\
         [[attack]]\nkind = \"pgd\"\n[[method]]\nkind = \"ibp\"\n\
         [proofs]\ninputs = 1\nmethod = \"ibp\"\n\
         [[semantic]]\nkind = \"brightness\"\nby = 0.05\nmethod = \"crown\"\n\
         [[semantic]]\nkind = \"haze\"\nup_to = 1\nmethod = \"crown\"\n",
        models.display()
    );
    bench.write("audit.toml", &plan);
    bench.run("audit audit.toml --out out --quiet").exits(0);
    let report = bench.report("out");
    let count = |subject: usize, semantic: usize, what: &str| {
        report["subjects"][subject]["semantics"][semantic][what]["count"].as_u64().unwrap()
    };
    assert!(
        count(1, 0, "certified") == 3 && count(1, 1, "certified") == 0,
        "white fog hides any digit"
    );
    assert!(count(0, 1, "broken") > 0);
    let page = bench.text("out/report.html");
    assert!(
        page.matches("data:image/png;base64,").count()
            >= 3 * report["shown"].as_array().unwrap().len()
    );
    assert!(files(&bench.path("out")).keys().any(|name| name.contains("-semantic2.txt")));
    let row = &report["rows"][3];
    assert_eq!(
        (&row["model"], &row["assurance"]),
        (&"certified".into(), &"proved".into()),
        "{row}"
    );
    assert_eq!(row["evidence"]["file"], "evidence/certified on digits/0-radius1.proof");
    verify(&bench, 0);

    // With the verified checker, where it was built.
    let real = crate::support::committed("proofs/rocq/certus-check-verified");
    let verified = |program: &std::path::Path| {
        let key = format!("[proofs]\nverified = \"{}\"\n", program.display());
        bench.write("verified.toml", &plan.replace("[proofs]\n", &key));
    };
    verified(std::path::Path::new("absent"));
    let absent = bench.run("audit verified.toml --out absent --quiet").exits(66);
    assert!(absent.stderr.contains("proofs.verified"), "{}", absent.stderr);
    if !real.is_file() {
        return crate::skip::skipped(
            "proofs/rocq/certus-check-verified is not there: make -C proofs/rocq",
        );
    }
    verified(&real);
    bench.run("audit verified.toml --out real --quiet").exits(0);
    let report = bench.report("real");
    assert_eq!(report["rows"][3]["assurance"], "proved (mechanised)");
    assert!(bench.text("real/report.html").contains("1 proved (mechanised), "));
}

#[test]
fn square_knows_that_the_inputs_are_images() {
    let bench = Bench::new(1);
    let models = crate::support::committed("models/mnist");
    let plan = format!(
        "{REPORT}[[data]]\nname = \"digits\"\nfile = \"{0}/test.npz\"\nlimit = 10\nepsilons = [0.5]\n\
         [[model]]\nname = \"plain\"\nfile = \"{0}/mlp_plain.onnx\"\n\
         [[attack]]\nkind = \"square\"\nqueries = 1\nrestarts = 1\n[[method]]\nkind = \"ibp\"\n",
        models.display()
    );
    bench.write("audit.toml", &plan);
    bench.run("audit audit.toml --out out --quiet").exits(0);
    // The first point that it asks about has vertical stripes in an image, and in a table each feature its own sign.
    let found = files(&bench.path("out"));
    let points = found.iter().filter(|(name, _)| name.starts_with("evidence/"));
    let mut seen = 0;
    for (name, text) in points {
        let text = String::from_utf8_lossy(text);
        let x: Vec<f64> = text
            .lines()
            .filter_map(|line| line.trim_matches(['(', ')']).strip_prefix("X_")?.split_once(' '))
            .map(|(_, value)| value.parse().unwrap())
            .collect();
        assert_eq!(x.len(), 784, "{name}");
        // Half of the domain away, a pixel is at least 0.5 where its sign is up, and at most 0.5 where it is down.
        for column in 0..28 {
            let stripe = || (0..28).map(|row| x[row * 28 + column]);
            assert!(
                stripe().all(|x| x >= 0.499) || stripe().all(|x| x <= 0.501),
                "{name} {column}"
            );
        }
        seen += 1;
    }
    assert!(seen > 0, "stripes of half the range break something");
}

#[test]
fn damaged_reference_outputs_are_refused() {
    let bench = Bench::new(3);
    bench.write("reference.npz", "no archive");
    let text = plan(3, ATTACKS)
        .replace("file = \"net.nnet\"", "file = \"net.nnet\"\nreference = \"reference.npz\"");
    bench.write("audit.toml", &text);
    let ran = bench.run("audit audit.toml --out out --quiet").exits(65);
    assert!(ran.stderr.contains("reference.npz"), "{}", ran.stderr);
}
