//! The first minutes: a plan made of one's own files runs, arrays are found by their usual names, and files of other kinds are told what they are.

use crate::support::{Bench, committed};

#[test]
fn a_plan_made_of_ones_own_files_runs() {
    let bench = Bench::new(20);
    let ran = bench.run("audit --init net.nnet data.csv").exits(0);
    assert!(ran.stdout.contains("certus audit AUDIT.toml"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: net on data: no domain"), "{}", ran.stderr);
    let plan = bench.text("AUDIT.toml");
    for words in ["name = \"net\"", "file = \"data.csv\"", "intended_use = \"\"", "[[method]]"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert!(!plan.lines().any(|line| line == "[shift]" || line == "[[semantic]]"), "{plan}");
    bench.run("audit AUDIT.toml -q").exits(0);
    assert!(bench.report("audit-out")["subjects"].as_array().unwrap().len() == 1);
    assert!(bench.run("audit --init net.nnet data.csv").exits(73).stderr.contains("AUDIT.toml"));
}

#[test]
fn a_plan_of_images_has_their_settings_and_corruptions() {
    let bench = Bench::new(1);
    let digits = committed("models/mnist/test.npz");
    std::fs::copy(digits, bench.path("digits.npz")).unwrap();
    let model = committed("models/mnist/mlp_cert.onnx");
    let init = format!("audit --init plan.toml {} digits.npz", model.display());
    let unscaled = bench.run(&init).exits(65).stderr;
    assert!(unscaled.contains("--scale 1/255"), "{unscaled}");
    assert!(!bench.path("plan.toml").exists());
    bench.run(&format!("{init} --scale 1/255 --domain 0,1")).exits(0);
    let plan = bench.text("plan.toml");
    for words in [
        "[data.read]\nscale = \"1/255\"\ndomain = [\"0\", \"1\"]\n",
        "epsilons = [\"1/255\", \"2/255\", \"8/255\"]",
        "limit = 100",
        "[shift]",
        "kind = \"brightness\"",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    bench.write("plan.toml", &plan.replace("limit = 100", "limit = 3"));
    bench.run("audit plan.toml -q").exits(0);
}

#[test]
fn what_init_cannot_do_is_said() {
    let bench = Bench::new(5);
    for (arguments, code, words) in [
        ("audit --init net.nnet", 64, "MODEL DATA"),
        ("audit --init absent.onnx data.csv", 66, "absent.onnx"),
        ("audit --init net.nnet absent.csv", 66, "absent.csv"),
        ("audit --init data.csv net.nnet", 65, "goes before --data"),
        ("audit AUDIT.toml --scale 1", 64, "[data.read]"),
    ] {
        let ran = bench.run(arguments).exits(code);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(!bench.path("AUDIT.toml").exists());
}

#[test]
fn a_width_that_does_not_fit_says_what_may_be_the_matter() {
    let bench = Bench::new(5);
    bench.write("wide.csv", "a,b,c,d,e,label\n0.1,0.2,0.3,0.4,0.5,0\n");
    bench.write("half.csv", "a,b,label\n0.1,0.2,0\n");
    let certify =
        |data: &str| bench.run(&format!("certify net.nnet --data {data} --eps 0.1")).exits(65);
    assert!(certify("wide.csv").stderr.contains("--drop-columns NAME"));
    let half = certify("half.csv").stderr;
    assert!(half.contains("a batch of 2 inputs") && half.contains("dynamic_axes"), "{half}");
}
