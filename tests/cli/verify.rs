//! `certus verify`: both verdicts, files, limits, refusals.

use crate::support::{Bench, Ran, committed};
use certus::internal::attack::validate;
use certus::internal::load::{load_network, load_statement};
use serde_json::Value;
use std::time::{Duration, Instant};

const HOLDS: &str = "leaning_right_pushes_left.vnnlib";
const FAILS: &str = "torque_stays_small.vnnlib";

/// `verify` on the committed pendulum controller.
fn pendulum(property: &str, arguments: &str) -> String {
    let folder = committed("models/control");
    let folder = folder.display();
    format!("verify {folder}/mlp_plain.onnx {folder}/{property} {arguments}")
}

/// A folder with `relu.onnx`, a network 2 → … → outputs made of the given last operators.
fn with_onnx(name: &str, ends: &[&str]) -> Bench {
    use crate::common::onnx_writer::Model;
    let bench = Bench::new(1);
    let mut model = Model::new(17, &[1, 2])
        .floats("w", &[2, 2], &[1.0, -1.0, 0.5, 2.0])
        .node("MatMul", &["x", "w"], "h", vec![])
        .node("Relu", &["h"], if ends.is_empty() { "y" } else { "r0" }, vec![]);
    for (at, op) in ends.iter().enumerate() {
        let output = if at + 1 == ends.len() { "y".to_owned() } else { format!("r{}", at + 1) };
        model = model.node(op, &[&format!("r{at}")], &output, vec![]);
    }
    std::fs::write(bench.path(name), model.bytes()).unwrap();
    bench
}

/// A property of a network 2 → 2 over the unit square.
fn square(output: &str) -> String {
    let mut text = String::new();
    for name in ["X_0", "X_1", "Y_0", "Y_1"] {
        text += &format!("(declare-const {name} Real)\n");
    }
    for name in ["X_0", "X_1"] {
        text += &format!("(assert (>= {name} 0.0))\n(assert (<= {name} 1.0))\n");
    }
    text + output + "\n"
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// The numbers of a counterexample file, inputs then outputs.
fn parse(text: &str) -> (Vec<f64>, Vec<f64>) {
    let body = text.strip_prefix("sat\n((").and_then(|t| t.strip_suffix("))\n")).unwrap();
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for pair in body.split(")\n(") {
        let (name, value) = pair.split_once(' ').unwrap();
        let (kind, index) = name.split_once('_').unwrap();
        let list = if kind == "X" { &mut inputs } else { &mut outputs };
        assert_eq!(index.parse(), Ok(list.len()));
        list.push(value.parse().unwrap());
    }
    (inputs, outputs)
}

#[test]
fn a_property_that_holds() {
    let bench = Bench::new(1);
    let ran = bench.run(&pendulum(HOLDS, "--counterexample cex.txt")).exits(0);
    for word in ["certified", "mlp_plain.onnx", "2 inputs", "sound", "bound", "time"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
    assert!(!bench.path("cex.txt").exists());
    let ran = bench.run(&pendulum(HOLDS, "--json")).exits(0);
    let report = json(&ran);
    assert_eq!(report["verdict"], "certified");
    assert_eq!(report["assurance"], "sound");
    assert!(report["bound"].as_f64().unwrap() > 0.0);
    assert_eq!(report["model_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn a_property_that_does_not() {
    let bench = Bench::new(1);
    let ran = bench.run(&pendulum(FAILS, "--counterexample cex.txt")).exits(10);
    for word in ["falsified", "cex.txt", "single precision", "input"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let (inputs, outputs) = parse(&bench.text("cex.txt"));
    let network = load_network(&committed("models/control/mlp_plain.onnx")).unwrap().network;
    let property =
        load_statement(&committed(&format!("models/control/{FAILS}")), 2, 1).unwrap().property;
    let found = (0..property.claims.len()).find_map(|c| validate(&network, &property, c, &inputs));
    let found = found.expect("the point violates the property");
    assert!(found.holds_in_f32());
    assert_eq!(found.input(), inputs);
    assert_eq!(outputs, [f64::from(found.output_f32()[0])]);
    assert!(outputs[0].abs() >= 1.5);

    let report = json(&bench.run(&pendulum(FAILS, "--json --seed 3")).exits(10));
    assert_eq!(report["verdict"], "falsified");
    assert_eq!(report["counterexample"]["holds_in_f32"], true);
    assert_eq!(report["counterexample"]["input"].as_array().unwrap().len(), 2);
}

#[test]
fn a_point_that_no_double_is_is_written_exactly() {
    let bench = Bench::new(1);
    // No double is 0.3, and none lies between the bounds of the second input.
    let text = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)
        (assert (= X_0 0.3)) (assert (> X_1 -0.3)) (assert (<= X_1 -0.29999999999999999))
        (assert (>= Y_0 -1000))";
    bench.write("p.vnnlib", text);
    let model = committed("models/control/mlp_plain.onnx");
    let verify = format!("verify {} p.vnnlib --counterexample r.txt", model.display());
    let point = "sat\n((X_0 0.3)\n(X_1 -0.29999999999999999)\n(Y_0 ";
    for form in ["", "--vnncomp", "--json"] {
        let ran = bench.run(&format!("{verify} {form}")).exits(10);
        assert!(bench.text("r.txt").starts_with(point), "{}", bench.text("r.txt"));
        for number in [" 0.3", " -0.29999999999999999"] {
            assert!(ran.stdout.contains(number), "{number} in {}", ran.stdout);
        }
    }
}

#[test]
fn the_words_of_the_competition() {
    let bench = Bench::new(1);
    let ran = bench.run(&pendulum(HOLDS, "--vnncomp --counterexample r.txt")).exits(0);
    assert_eq!((ran.stdout.as_str(), bench.text("r.txt").as_str()), ("unsat\n", "unsat\n"));
    let ran = bench.run(&pendulum(FAILS, "--vnncomp --counterexample r.txt")).exits(10);
    assert_eq!(ran.stdout, bench.text("r.txt"));
    assert_eq!(parse(&ran.stdout).0.len(), 2);
    // Intervals alone prove nothing here.
    let weak = "--method ibp --attack none --vnncomp --counterexample r.txt";
    let ran = bench.run(&pendulum(FAILS, weak)).exits(20);
    assert_eq!((ran.stdout.as_str(), bench.text("r.txt").as_str()), ("unknown\n", "unknown\n"));
    let ran = bench.run(&pendulum(HOLDS, "--vnncomp --timeout 1e-9")).exits(20);
    assert_eq!(ran.stdout, "timeout\n");
}

#[test]
fn unknown_says_how_far_it_got() {
    let bench = Bench::new(1);
    let weak = "--method ibp --attack none";
    let ran = bench.run(&pendulum(FAILS, weak)).exits(20);
    for word in ["unknown: bound too weak", "lower bound"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let report = json(&bench.run(&pendulum(FAILS, &format!("{weak} --json"))).exits(20));
    assert_eq!(report["reason"], "bound too weak");
    assert_eq!(report["timed_out"], false);
}

/// A question that is too hard for a second.
fn hard(bench: &Bench) -> String {
    let (inputs, classes) = (784, 10);
    let mut text = String::new();
    (0..inputs).for_each(|i| text += &format!("(declare-const X_{i} Real)\n"));
    (0..classes).for_each(|j| text += &format!("(declare-const Y_{j} Real)\n"));
    for i in 0..inputs {
        text += &format!("(assert (>= X_{i} 0))\n(assert (<= X_{i} 1))\n");
    }
    // Attacks reach 50 and more; bounds on the whole domain fall below 120 only after thousands of domains.
    bench.write("hard.vnnlib", &(text + "(assert (>= Y_0 65))\n"));
    format!("verify {} hard.vnnlib", committed("models/mnist/mlp_plain.onnx").display())
}

#[test]
fn time_limits_are_kept() {
    let bench = Bench::new(1);
    let hard = hard(&bench);
    for limit in [0.3, 1.5] {
        let started = Instant::now();
        let ran = bench.run(&format!("{hard} --timeout {limit} --json"));
        let took = started.elapsed().as_secs_f64();
        let report = json(&ran.exits(20));
        assert_eq!((&report["timed_out"], &report["reason"]), (&true.into(), &"time limit".into()));
        assert!(report["seconds"].as_f64().unwrap() < limit + 1.0, "{}", report["seconds"]);
        assert!(took >= limit, "{took} of {limit}");
        assert!(took < limit + 2.0, "{took} of {limit}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_no_verdict() {
    let bench = Bench::new(1);
    let mut command = bench.certus(&hard(&bench));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let id = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
    let started = Instant::now();
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(ran.stdout.contains("unknown: cancelled"), "{}", ran.stdout);
}

#[test]
fn a_softmax_at_the_end() {
    let bench = with_onnx("soft.onnx", &["Softmax"]);
    bench.write("value.vnnlib", &square("(assert (>= Y_0 0.9))"));
    bench.write("order.vnnlib", &square("(assert (>= Y_0 Y_1))"));
    let ran = bench.run("verify soft.onnx value.vnnlib").exits(65);
    assert!(ran.stderr.contains("value.vnnlib: the network ends in Softmax"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
    let ran = bench.run("verify soft.onnx order.vnnlib").exits(10);
    assert!(ran.stdout.contains("note"), "{}", ran.stdout);
    let bench = with_onnx("max.onnx", &["ArgMax"]);
    bench.write("order.vnnlib", &square("(assert (>= Y_0 Y_1))"));
    let ran = bench.run("verify max.onnx order.vnnlib").exits(65);
    assert!(ran.stderr.contains("ArgMax"), "{}", ran.stderr);
}

#[test]
fn properties_that_speak_of_inputs_too() {
    // y = relu(x₀ + x₁/2, 2 x₁ − x₀)
    let bench = with_onnx("net.onnx", &[]);
    bench.write("holds.vnnlib", &square("(assert (<= Y_0 (- X_0 0.1)))"));
    bench.write("fails.vnnlib", &square("(assert (> Y_1 X_1))"));
    bench.run("verify net.onnx holds.vnnlib").exits(0);
    bench.run("verify net.onnx fails.vnnlib --counterexample c.txt").exits(10);
    let (x, y) = parse(&bench.text("c.txt"));
    assert_eq!((x.len(), y.len()), (2, 2));
    assert!(y[1] > x[1], "{x:?} {y:?}");
}

#[test]
fn what_is_refused() {
    let bench = with_onnx("net.onnx", &[]);
    bench.write("p.vnnlib", &square("(assert (>= Y_0 0.9))"));
    bench.write("more.vnnlib", &square("(declare-const Y_2 Real)\n(assert (>= Y_2 0.9))"));
    bench.write("torn.vnnlib", "(assert (>= Y_0");
    // A property of another network, with one output.
    bench.write(
        "fewer.vnnlib",
        "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\n\
         (assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1) (>= Y_0 2.1)))",
    );
    for (arguments, code, word) in [
        ("verify net.onnx", 64, "PROPERTY"),
        ("verify net.onnx p.vnnlib --timeout 0", 64, "time limit"),
        ("verify net.onnx p.vnnlib --method magic", 64, "magic"),
        ("verify net.onnx p.vnnlib --json --vnncomp", 64, "--vnncomp"),
        ("verify net.onnx p.vnnlib --attack none --steps 3", 64, "--attack none"),
        ("verify net.onnx p.vnnlib --memory 0", 64, "--memory"),
        ("verify absent.onnx p.vnnlib", 66, "absent.onnx"),
        ("verify net.onnx absent.vnnlib", 66, "absent.vnnlib"),
        ("verify net.onnx torn.vnnlib", 65, "torn.vnnlib"),
        ("verify net.onnx more.vnnlib", 65, "more.vnnlib"),
        ("verify net.onnx fewer.vnnlib", 65, "Y_1 is declared nowhere: the network has 2 outputs"),
        ("verify net.onnx fewer.vnnlib --proof p.proof", 65, "Y_1"),
        ("verify p.vnnlib net.onnx", 65, "p.vnnlib"),
        ("verify net.onnx p.vnnlib --counterexample absent/c.txt", 73, "absent/c.txt"),
    ] {
        let ran = bench.run(arguments).exits(code);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.starts_with("certus: ") && ran.stderr.contains(word), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}
