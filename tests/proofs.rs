//! Proofs from end to end: found by the search, accepted by the checker from the files alone, worthless when tampered with.

#[path = "common/skip.rs"]
mod skip;

mod common;

use certus::internal::attack::{AttackKind, AttackSettings};
use certus::internal::branch::{Limits, Tree, split_inputs};
use certus::internal::load::{
    DataSettings, Dataset, SourceFile, load_network, load_statement, write_vnnlib,
};
use certus::internal::num::parse_rational;
use certus::internal::prove::{Mode, NotProved, Proved, Question, Wish, certify};
use certus::internal::query::Query;
use certus::internal::spec::Norm;
use certus::internal::verify::{
    AssuranceLevel, Method, ProofWish, Settings, Verdict, find_proof, verify_with_proof,
};
use common::proving::{prove_by, searching};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Finds and checks a proof of files; prints what it took.
fn proved(model: &Path, property: &Path, seconds: u64) -> Result<Proved, NotProved> {
    proved_by(&searching(), &Wish::CHECKED, model, property, seconds)
}

fn proved_by(
    settings: &Settings,
    wish: &Wish,
    model: &Path,
    property: &Path,
    seconds: u64,
) -> Result<Proved, NotProved> {
    let loaded = load_network(model).unwrap();
    let net = loaded.network;
    let statement = load_statement(property, net.inputs(), net.outputs()).unwrap();
    let query = Query::of(net, statement).unwrap();
    let bytes = |path| SourceFile::read(path).unwrap().bytes;
    let question = Question::new(&bytes(model), &bytes(property))?;
    let never = || false;
    let limits = Limits::starting_now(Some(Duration::from_secs(seconds)), &never);
    let start = Instant::now();
    let found = find_proof(&query, settings, &limits);
    let searching = start.elapsed();
    drop(found);
    let ask = || Question::new(&bytes(model), &bytes(property));
    let (proved, visited) = prove_by(settings, wish, &ask, &query, &limits)?;
    let text = proved.proof.to_bytes();
    assert_eq!(text.len() as u64, proved.bytes);
    let start = Instant::now();
    question.check(text.as_slice(), Mode::Outward).map_err(NotProved::Rejected)?;
    println!(
        "{} {}: search {searching:.2?}, check {:.2?}, {visited} domains, {} bytes, mended {}",
        model.file_stem().unwrap().display(),
        property.file_stem().unwrap().display(),
        start.elapsed(),
        proved.bytes,
        proved.mended
    );
    Ok(proved)
}

#[test]
fn a_controller_is_proved_and_tampering_is_rejected() {
    let model = root().join("models/control/mlp_plain.onnx");
    let held = root().join("models/control/leaning_right_pushes_left.vnnlib");
    proved(&model, &held, 60).unwrap();
    // "Near upright the torque stays below c", with less and less to spare until it is false: splits become necessary.
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("torque.vnnlib");
    let ask = |tenths: u32| {
        let mut text = String::from("(declare-const X_0 Real)\n(declare-const X_1 Real)\n");
        text += "(declare-const Y_0 Real)\n";
        for x in ["X_0", "X_1"] {
            text += &format!("(assert (>= {x} -0.5))\n(assert (<= {x} 0.5))\n");
        }
        let c = format!("{}.{}", tenths / 10, tenths % 10);
        // The second case has no inputs.
        let empty = "(and (>= Y_0 0) (<= X_0 -1.0))";
        text += &format!("(assert (or (>= Y_0 {c}) {empty} (<= Y_0 -{c})))\n");
        std::fs::write(&file, &text).unwrap();
        text
    };
    let mut last = None;
    for tenths in (10..60).rev() {
        let property = ask(tenths);
        match proved(&model, &file, 60) {
            Ok(found) => {
                last = Some((tenths, property, String::from_utf8(found.proof.to_bytes()).unwrap()))
            }
            Err(NotProved::NotFound(_)) => break,
            Err(why) => panic!("{why}"),
        }
    }
    let (tenths, property, text) = last.expect("a torque of 6 is never reached");
    let model = SourceFile::read(&model).unwrap().bytes;
    let verdict = |property: &str, text: &str, mode| {
        certify(&model, property.as_bytes(), text.as_bytes(), mode).map(|accepted| accepted.mode())
    };
    for mode in [Mode::Exact, Mode::Outward] {
        assert_eq!(verdict(&property, &text, mode).unwrap(), mode);
        let rejects = |property: &str, text: &str| {
            matches!(verdict(property, text, mode), Err(NotProved::Rejected(_)))
        };
        // Of a stronger, false property; without its splits; with a leaf unproved; with a case left out.
        assert!(text.contains("split") && text.contains("cases 1\n"), "{text}");
        assert!(rejects(&ask(tenths - 1), &text));
        let cases = text.lines().nth(1).unwrap();
        let lazy =
            format!("certus-proof 1\n{cases}\ncrown\nrefute all\nleaf\ncases 1\nleaf\nend 7\n");
        assert!(rejects(&property, &lazy));
        let lines = text.lines().count() - 1;
        let fewer = |gone: &str, by: usize| {
            text.replacen(gone, "", 1)
                .replace(&format!("end {lines}"), &format!("end {}", lines - by))
        };
        assert!(rejects(&property, &fewer("crown\nrefute all\n", 2)));
        assert!(rejects(&property, &fewer("cases 1\nleaf\n", 2)));
    }
}

#[test]
fn images_are_proved_by_bounds_alone() {
    let folder = root().join("models/mnist");
    let data = Dataset::load(&folder.join("test.npz"), &DataSettings::default()).unwrap();
    let model = SourceFile::read(&folder.join("mlp_cert.onnx")).unwrap().bytes;
    let net = load_network(&folder.join("mlp_cert.onnx")).unwrap().network;
    let settings = Settings {
        method: Method::Crown,
        attack: AttackSettings { kind: AttackKind::None, ..AttackSettings::default() },
        seed: 0,
        timeout: None,
        memory: None,
        lp_tighten: 0,
        work: None,
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    for (i, eps) in [(0, "0.05"), (1, "8/255"), (2, "1/100"), (3, "1/2")] {
        let bounds = data.bounds(i, &parse_rational(eps).unwrap()).unwrap();
        let property = write_vnnlib(&bounds, data.label(i), net.outputs(), "one image");
        let file = scratch.path().join("image.vnnlib");
        std::fs::write(&file, &property).unwrap();
        let statement = load_statement(&file, net.inputs(), net.outputs()).unwrap();
        let question = Question::new(&model, property.as_bytes()).unwrap();
        let ask = || Question::new(&model, property.as_bytes());
        let wish = ProofWish::CHECKED;
        let (outcome, found) = verify_with_proof(
            &ask,
            &Query::of(net.clone(), statement).unwrap(),
            &settings,
            wish,
            &|| false,
        );
        match outcome.verdict {
            Verdict::Certified(certificate) => {
                assert_eq!(certificate.level(), AssuranceLevel::Proved, "{found:?}");
                text = found.unwrap().unwrap().proof.to_bytes();
                assert!(text.len() < 200);
            }
            // Half of the whole range leaves nothing to prove: a proof of another radius does not help.
            verdict => {
                assert_eq!(eps, "1/2", "{verdict:?}");
                assert!(question.check(text.as_slice(), Mode::Outward).is_err());
            }
        }
    }
    assert!(!text.is_empty());
}

#[test]
fn collision_avoidance_is_proved_by_splitting() {
    let bench = root().join("../shared/bench/acasxu");
    if !bench.is_dir() {
        skip::skipped("no benchmark set beside the repository");
        return;
    }
    let small = [("1_6", 3), ("3_3", 4), ("2_5", 3), ("4_9", 3), ("1_2", 4), ("1_1", 4)];
    let large = [("1_1", 1), ("3_3", 1), ("1_1", 2), ("1_1", 3), ("1_1", 5)];
    let (mut splits, mut combined) = (0, 0);
    for (net, property) in small.into_iter().chain(large) {
        let model = bench.join(format!("onnx/ACASXU_run2a_{net}_batch_2000.onnx"));
        let property = bench.join(format!("vnnlib/prop_{property}.vnnlib"));
        let found = proved(&model, &property, 120).unwrap();
        assert_eq!(found.mended, 0, "what the search could repeat, the checker accepts at once");
        splits += usize::from(found.accepted.leaves() > 1);
        let text = String::from_utf8(found.proof.to_bytes()).unwrap();
        combined += text.lines().filter(|line| line.contains(" using ")).count();
    }
    assert!(splits > 0 && combined > 0);
}

/// Large torques while leaning and turning the same way: no half-space excludes them alone, their combinations do.
#[test]
fn intermediate_bounds_by_short_searches_are_proved() {
    let bench = root().join("../shared/bench/mnist_fc");
    if !bench.exists() {
        skip::skipped("no networks of mnist_fc beside this checkout");
        return;
    }
    let model = bench.join("onnx/mnist-net_256x4.onnx");
    let property = bench.join("vnnlib/prop_14_0.05.vnnlib");
    let proved = proved(&model, &property, 300).unwrap();
    let text = String::from_utf8(proved.proof.to_bytes()).unwrap();
    // Splits elsewhere than at 0 are those at the new ends.
    let lemmas = text.lines().filter(|l| l.starts_with("split") && !l.ends_with(" at 0x0p0"));
    assert!(lemmas.count() > 10);
}

#[test]
fn half_spaces_are_combined_in_proofs() {
    let model = root().join("models/control/mlp_plain.onnx");
    let mut text =
        String::from("(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\n");
    for i in 0..2 {
        text += &format!("(assert (>= X_{i} -0.5))(assert (<= X_{i} 0.5))\n");
    }
    text += "(assert (>= Y_0 0.8))(assert (>= (+ X_0 X_1) 0.2))\n";
    let scratch = tempfile::tempdir().unwrap();
    let property = scratch.path().join("p.vnnlib");
    std::fs::write(&property, &text).unwrap();
    let found = proved(&model, &property, 60).unwrap();
    assert_eq!(found.mended, 0);
    let proof = String::from_utf8(found.proof.to_bytes()).unwrap();
    for word in ["crown", "clip ", " using 0:", " slope r", "split x"] {
        assert!(proof.contains(word), "no '{word}' in\n{proof}");
    }
    // Each line that combines is needed: with single half-spaces it does not hold.
    let model = bytes(&model);
    let lines: Vec<&str> = proof.lines().collect();
    let mut needed = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some((single, _)) = line.split_once(" using 0:") else { continue };
        let mut changed = lines.clone();
        changed[at] = single;
        needed += usize::from(!accepted(&model, text.as_bytes(), &(changed.join("\n") + "\n")));
    }
    assert!(needed > 0, "{proof}");
    // With and without a record, it is one search.
    let loaded = load_network(&root().join("models/control/mlp_plain.onnx")).unwrap();
    let (inputs, outputs) = (loaded.network.inputs(), loaded.network.outputs());
    let net = loaded.network.with_inputs_as_outputs().unwrap();
    let statement = load_statement(&property, inputs, outputs).unwrap();
    let never = || false;
    let limits = Limits::starting_now(None, &never);
    let plain = split_inputs(&net, &statement.property, &limits, None, &mut []);
    let trees = &mut [Tree::default()];
    let recorded = split_inputs(&net, &statement.property, &limits, None, trees);
    assert_eq!(plain.visited, recorded.visited);
}

/// One image of a committed network, as a property.
fn image(folder: &Path, model: &str, index: usize, eps: &str) -> (PathBuf, PathBuf) {
    let models = root().join("models/mnist");
    let data = Dataset::load(&models.join("test.npz"), &DataSettings::default()).unwrap();
    let model = models.join(model);
    let outputs = load_network(&model).unwrap().network.outputs();
    let bounds = data.bounds(index, &parse_rational(eps).unwrap()).unwrap();
    let file = folder.join(format!("image-{index}.vnnlib"));
    std::fs::write(&file, write_vnnlib(&bounds, data.label(index), outputs, "one image")).unwrap();
    (model, file)
}

#[test]
fn images_are_proved_by_splitting_relus() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("proof.gz");
    let wish = Wish { keep: Some(&file), ..Wish::CHECKED };
    let mut split = 0;
    for index in [0, 1, 2, 4, 5, 7] {
        let (model, property) = image(scratch.path(), "mlp_adv.onnx", index, "0.07");
        match proved_by(&searching(), &wish, &model, &property, 20) {
            Ok(found) => {
                split += usize::from(found.accepted.leaves() > 2);
                let bytes = |path| SourceFile::read(path).unwrap().bytes;
                let kept = std::io::BufReader::new(std::fs::File::open(&file).unwrap());
                assert!(certify(&bytes(&model), &bytes(&property), kept, Mode::Exact).is_ok());
            }
            Err(NotProved::NotFound(answer)) => println!("image {index}: {answer:?}"),
            Err(why) => panic!("image {index}: {why}"),
        }
    }
    assert!(split > 0);
}

/// The committed samples: (model, property, proof), by line of their index.
fn samples() -> Vec<[PathBuf; 3]> {
    let folder = root().join("proofs/samples");
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    let path = |line: &str, column: usize| folder.join(line.split(',').nth(column).unwrap());
    index.lines().skip(1).map(|line| [1, 3, 4].map(|column| path(line, column))).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    SourceFile::read(path).unwrap().bytes
}

fn accepted(model: &[u8], property: &[u8], text: &str) -> bool {
    let verdicts = [Mode::Exact, Mode::Outward].map(|mode| {
        match certify(model, property, text.as_bytes(), mode) {
            Ok(accepted) => accepted.mode() == mode,
            Err(NotProved::Rejected(_)) => false,
            Err(why) => panic!("{why}"),
        }
    });
    assert_eq!(verdicts[0], verdicts[1], "both arithmetics");
    verdicts[0]
}

#[test]
fn samples_are_accepted() {
    let samples = samples();
    assert!(samples.len() >= 2);
    for [model, property, proof] in samples {
        let text = String::from_utf8(bytes(&proof)).unwrap();
        assert!(accepted(&bytes(&model), &bytes(&property), &text), "{}", proof.display());
    }
}

/// Lines with the right count at the end.
fn counted(lines: &[String]) -> String {
    format!("{}\nend {}\n", lines.join("\n"), lines.len())
}

/// Where the sub-tree that starts at a line ends.
fn end_of_tree(lines: &[String], from: usize) -> usize {
    let mut open = 1;
    for (at, line) in lines.iter().enumerate().skip(from) {
        match line.split(' ').next() {
            Some("split" | "part") => open += 1,
            Some("leaf") => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at + 1;
        }
    }
    panic!("a tree has leaves");
}

#[test]
fn tampered_proofs_of_relu_splits_are_rejected() {
    let [model, property, proof] = samples().swap_remove(1);
    let (model, asked) = (bytes(&model), bytes(&property));
    let text = String::from_utf8(bytes(&proof)).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let lines = lines[..lines.len() - 1].to_vec();
    assert!(accepted(&model, &asked, &counted(&lines)));
    let starts = |word: &str| -> Vec<usize> {
        (0..lines.len()).filter(|&at| lines[at].split(' ').next() == Some(word)).collect()
    };
    let rejected = |lines: &[String], what: &str| {
        assert!(!accepted(&model, &asked, &counted(lines)), "{what}: {lines:#?}");
    };
    let with = |at: usize, line: String| {
        let mut changed = lines.clone();
        changed[at] = line;
        changed
    };
    let (splits, refutations) = (starts("split"), starts("refute"));
    assert!(splits.len() > 4 && lines.iter().any(|line| line.contains(" lift ")));
    // Slopes and multipliers out of range, whatever they would do.
    for &at in refutations.iter().filter(|&&at| lines[at].contains(" slope ")) {
        let (head, tail) = lines[at].split_once(" slope ").unwrap();
        let (name, rest) = tail.split_once(':').unwrap();
        let rest = rest.split_once(' ').map_or(String::new(), |(_, rest)| format!(" {rest}"));
        for wrong in ["0x3p-1", "-0x1p-9"] {
            rejected(&with(at, format!("{head} slope {name}:{wrong}{rest}")), "slope");
        }
    }
    let lifted = *refutations.iter().find(|&&at| lines[at].contains(" lift ")).unwrap();
    rejected(&with(lifted, lines[lifted].replace(":0x", ":-0x")), "lift");
    // A branch dropped, or proved by its sibling's leaf; a leaf that is not refuted; a claim left out.
    for &at in &splits {
        let middle = end_of_tree(&lines, at + 1);
        let end = end_of_tree(&lines, middle);
        rejected(&[&lines[..at], &lines[at + 1..middle], &lines[end..]].concat(), "dropped");
        rejected(&[&lines[..middle], &lines[end..]].concat(), "shortened");
        let lazy = ["leaf".to_owned()];
        rejected(&[&lines[..at], &lazy, &lines[end..]].concat(), "cut");
    }
    // Moved splits are no lies: both sides are proved or not. Here none of the far ones is.
    let first = splits[0];
    let moved = |to: &str| with(first, lines[first].replace("at 0x0p0", &format!("at {to}")));
    rejected(&moved("0x1p6"), "moved");
    rejected(&moved("-0x1p6"), "moved");
    rejected(&with(first, lines[first].replace("split r1.", "split r0.")), "another neuron");
    // The same words about another network, another label, another input and another radius.
    let folder = root().join("models/breast_cancer");
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("asked.vnnlib");
    std::fs::write(&file, &asked).unwrap();
    for other in ["mlp_plain.onnx", "mlp_cert.onnx"] {
        // Where the same words hold of another network, the claim is true there.
        if accepted(&bytes(&folder.join(other)), &asked, &counted(&lines)) {
            proved(&folder.join(other), &file, 60).unwrap();
        }
    }
    // With its outputs exchanged, the property is false.
    let exchanged = String::from_utf8(asked.clone()).unwrap();
    let exchanged = exchanged.replace("(>= Y_", "(<= Y_");
    assert!(!accepted(&model, exchanged.as_bytes(), &counted(&lines)));
    let data = Dataset::load(&folder.join("test.csv"), &DataSettings::default()).unwrap();
    let asks = |index: usize, eps: &str| {
        data.vnnlib(index, &parse_rational(eps).unwrap(), 2).unwrap().into_bytes()
    };
    assert!(asks(146, "0.15") == asked, "the sample's property is what `certus spec` writes");
    assert!(accepted(&model, &asks(146, "0.1"), &counted(&lines)), "a smaller radius is implied");
    assert!(!accepted(&model, &asks(146, "0.3"), &counted(&lines)));
    assert!(!accepted(&model, &asks(146, "1"), &counted(&lines)));
    let label = data.label(146);
    let other = (0..data.len()).find(|&i| data.label(i) != label).unwrap();
    assert!(!accepted(&model, &asks(other, "0.15"), &counted(&lines)));
}

/// What an LP's duals support, nearly, and CROWN does not: one sweep with hints proves it.
#[test]
fn bounds_of_linear_programs_are_proved_without_a_split() {
    use certus::internal::bound::{Analysis, Intermediate};
    use certus::internal::lp::{Clarabel, TriangleLp};
    let folder = root().join("models/breast_cancer");
    let file = folder.join("mlp_plain.onnx");
    let (model, net) = (bytes(&file), load_network(&file).unwrap().network);
    let data = Dataset::load(&folder.join("test.csv"), &DataSettings::default()).unwrap();
    let mut needed = 0;
    for index in 0..6 {
        let eps = parse_rational("0.3").unwrap();
        let region = data.region(index, Norm::Linf, &eps).unwrap();
        let analysis = Analysis::of_region(&net, &region.boxes(), Intermediate::Crown);
        let wanted = [true, true];
        let mut lp = TriangleLp::new(analysis.sweep(), net.output(), &wanted, 0, &[], &Clarabel);
        let optimum = lp.lower(&[1.0, -1.0], None).bound;
        let least = optimum - 1e-5 * (1.0 + optimum.abs());
        let mut text = String::new();
        for (i, (low, high)) in region.lower().iter().zip(region.upper()).enumerate() {
            text += &format!(
                "(declare-const X_{i} Real)\n(assert (>= X_{i} {low}))(assert (<= X_{i} {high}))\n"
            );
        }
        text += "(declare-const Y_0 Real)(declare-const Y_1 Real)\n";
        text += &format!("(assert (<= (- Y_0 Y_1) {least}))\n");
        let scratch = tempfile::tempdir().unwrap();
        let property = scratch.path().join("p.vnnlib");
        std::fs::write(&property, &text).unwrap();
        let by = |method| {
            let settings = Settings { method, ..searching() };
            proved_by(&settings, &Wish::CHECKED, &file, &property, 60)
        };
        let found = by(Method::Lp).unwrap();
        let proof = String::from_utf8(found.proof.to_bytes()).unwrap();
        assert_eq!(found.accepted.leaves(), 1, "no split");
        if by(Method::Crown).is_err() {
            assert!(proof.contains(" slope "), "{proof}");
            needed += 1;
        }
        assert!(accepted(&model, text.as_bytes(), &proof));
        // What the LP's optimum does not support is not proved.
        let more =
            text.replace(&least.to_string(), &(optimum + 1e-3 * (1.0 + optimum.abs())).to_string());
        assert!(!accepted(&model, more.as_bytes(), &proof));
    }
    assert!(needed > 0, "CROWN alone proves it all");
}
