//! Proofs from end to end: found by the search, accepted by the checker from the files alone, worthless when tampered with.

use certus::attack::{AttackKind, AttackSettings};
use certus::branch::Care;
use certus::branch::Limits;
use certus::load::{DataSettings, Dataset, SourceFile, load_network, load_statement, write_vnnlib};
use certus::num::parse_rational;
use certus::prove::{Mode, NotProved, Plan, Proved, Question, certify, find, prove};
use certus::verify::{AssuranceLevel, Method, ProofWish, Settings, Verdict, verify_with_proof};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Finds and checks a proof of files; prints what it took.
fn proved(model: &Path, property: &Path, seconds: u64) -> Result<Proved, NotProved> {
    proved_by(&Plan::SEARCH, model, property, seconds)
}

fn proved_by(
    plan: &Plan,
    model: &Path,
    property: &Path,
    seconds: u64,
) -> Result<Proved, NotProved> {
    let loaded = load_network(model).unwrap();
    let net = loaded.network;
    let statement = load_statement(property, net.inputs(), net.outputs()).unwrap();
    let net =
        if statement.property.uses_inputs { net.with_inputs_as_outputs().unwrap() } else { net };
    let bytes = |path| SourceFile::read(path).unwrap().bytes;
    let question = Question::new(&bytes(model), &bytes(property))?;
    let never = || false;
    let limits = Limits::starting_now(Some(Duration::from_secs(seconds)), &never);
    let start = Instant::now();
    let found = find(&net, &statement, plan, Care::USUAL, &limits);
    let searching = start.elapsed();
    drop(found);
    let proved = prove(&question, &net, &statement, plan, &limits)?;
    let text = proved.proof.to_bytes();
    assert_eq!(text.len() as u64, proved.bytes);
    let start = Instant::now();
    question.check(text.as_slice(), Mode::Outward).map_err(NotProved::Rejected)?;
    println!(
        "{} {}: search {searching:.2?}, check {:.2?}, {} domains, {} bytes, mended {}",
        model.file_stem().unwrap().display(),
        property.file_stem().unwrap().display(),
        start.elapsed(),
        proved.visited,
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
        let wish = ProofWish { keep: None, watch: &|_| () };
        let (outcome, found) =
            verify_with_proof(&question, &net, &statement, &settings, wish, &|| false);
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
        println!("skipped: no benchmark set beside the repository");
        return;
    }
    let small = [("1_6", 3), ("3_3", 4), ("2_5", 3), ("4_9", 3), ("1_2", 4), ("1_1", 4)];
    let large = [("1_1", 1), ("3_3", 1), ("1_1", 2), ("1_1", 3)];
    let mut splits = 0;
    for (net, property) in small.into_iter().chain(large) {
        let model = bench.join(format!("onnx/ACASXU_run2a_{net}_batch_2000.onnx"));
        let property = bench.join(format!("vnnlib/prop_{property}.vnnlib"));
        let found = proved(&model, &property, 120).unwrap();
        splits += usize::from(found.accepted.leaves() > 1);
    }
    assert!(splits > 0);
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
    let plan = Plan { keep: Some(&file), ..Plan::SEARCH };
    let mut split = 0;
    for index in [0, 1, 2, 4, 5, 7] {
        let (model, property) = image(scratch.path(), "mlp_adv.onnx", index, "0.07");
        match proved_by(&plan, &model, &property, 20) {
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
