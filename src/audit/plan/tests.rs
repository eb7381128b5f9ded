//! Plans that are understood, and plans that are refused with file, line and key.

use super::{Measure, Plan, PlanError, TEMPLATE};
use crate::attack::AttackKind;
use crate::num::parse_rational;
use crate::verify::Method;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with the files that plans name, empty.
fn folder() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("digits")).unwrap();
    for name in ["digits/test.npz", "digits/plain.onnx", "a.onnx", "a.csv"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let file = dir.path().join("audit.toml");
    (dir, file)
}

fn parse(text: &str) -> Result<Plan, PlanError> {
    let (_dir, file) = folder();
    Plan::parse(&file, text)
}

/// A small plan, its lines numbered in the comments of the tests.
const SMALL: &str = r#"[report]
title = "t"
[run]
seed = 7
[[data]]
name = "d"
file = "a.csv"
limit = 5
epsilons = [0.1, "8/255", 1]
[data.read]
mean = [0.5, 1]
[[model]]
name = "m"
file = "a.onnx"
[[attack]]
kind = "pgd"
steps = 9
[[method]]
kind = "crown"
[[criterion]]
data = "d"
measure = "certified"
epsilon = 1
at_least = 0.9
"#;

fn small() -> String {
    SMALL.replace("[0.1, \"8/255\", 1]", "[\"8/255\", 0.1, 1]")
}

#[test]
fn the_template_is_a_plan() {
    let plan = parse(TEMPLATE).unwrap();
    assert_eq!((plan.models.len(), plan.data.len(), plan.methods.len()), (1, 1, 2));
    assert_eq!(plan.data[0].epsilons.len(), 3);
    assert_eq!((plan.shifts.len(), plan.semantics.len(), plan.masking), (9, 1, 20));
    assert!(plan.about.title.contains("digit"));
}

#[test]
fn numbers_are_exact_and_names_are_resolved() {
    let plan = parse(&small()).unwrap();
    let q = |text| parse_rational(text).unwrap();
    assert_eq!(plan.data[0].epsilons, vec![q("8/255"), q("1/10"), q("1")]);
    assert_eq!((plan.seed, plan.data[0].limit), (7, Some(5)));
    assert_eq!(plan.data[0].reading_texts, vec![("mean".to_owned(), "0.5,1".to_owned())]);
    assert_eq!((plan.models[0].data.as_slice(), plan.subjects()), ([0].as_slice(), vec![(0, 0)]));
    let attack = &plan.attacks[0];
    assert_eq!((attack.name.as_str(), attack.settings.kind), ("pgd", AttackKind::Pgd));
    assert_eq!((attack.settings.steps, plan.methods[0].method), (9, Method::Crown));
    let criterion = &plan.criteria[0];
    assert_eq!((criterion.measure, criterion.epsilon), (Measure::Certified, Some(2)));
}

#[test]
fn errors_name_line_and_key() {
    let text = small();
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    for (text, line, key, word) in [
        (swap("title = \"t\"", ""), 1, "report.title", "missing"),
        (swap("title = \"t\"", "title = 3"), 2, "report.title", "text"),
        (swap("seed = 7", "sead = 7"), 4, "run.sead", "seed, timeout"),
        (swap("seed = 7", "seed = -7"), 4, "run.seed", "-7"),
        (swap("seed = 7", "timeout = 0"), 4, "run.timeout", "positive"),
        (swap("a.csv", "b.csv"), 7, "data[0].file", "no such file"),
        (swap("a.csv", "digits"), 7, "data[0].file", "no file"),
        (swap("limit = 5", "limit = 0"), 8, "data[0].limit", "0"),
        (swap("limit = 5", "limit = 5.5"), 8, "data[0].limit", "whole"),
        (swap("0.1, 1]", "0.1, 0.1]"), 9, "data[0].epsilons", "increase"),
        (swap("0.1, 1]", "\"ten\"]"), 9, "data[0].epsilons[1]", "ten"),
        (swap("0.1, 1]", "-0.1]"), 9, "data[0].epsilons[1]", "negative"),
        (swap("epsilons = [\"8/255\", 0.1, 1]", ""), 5, "data[0].epsilons", "radius"),
        (swap("mean =", "meen ="), 11, "data[0].read.meen", "mean"),
        (swap("[0.5, 1]", "[0.5, true]"), 11, "data[0].read.mean[1]", "true"),
        (swap("name = \"m\"", ""), 12, "model[0].name", "missing"),
        (swap("name = \"m\"", "name = \"m/n\""), 13, "model[0].name", "slash"),
        (swap("name = \"m\"", "name = \"m\"\ndata = \"x\""), 14, "model[0].data", "'x'"),
        (swap("\"pgd\"", "\"magic\""), 16, "attack[0].kind", "magic"),
        (swap("\"crown\"", "\"magic\""), 19, "method[0].kind", "magic"),
        (swap("[[method]]", "[method]"), 18, "method", "[[method]]"),
        (swap("epsilon = 1", "epsilon = 0.3"), 23, "criterion[0].epsilon", "none of"),
        (swap("\"certified\"", "\"clean\""), 23, "criterion[0].epsilon", "radius"),
        (swap("at_least = 0.9", "at_least = 90"), 24, "criterion[0].at_least", "share"),
        (swap("[report]", "[reprot]"), 1, "reprot", "unknown key"),
        (format!("{text}[[model]]\nname = \"m\"\nfile = \"a.onnx\"\n"), 26, "model[1].name", "'m'"),
        (format!("{text}[shift]\nkinds = [\"rain\"]\n"), 26, "shift.kinds", "rain"),
        (format!("{text}[[semantic]]\nkind = \"rain\"\n"), 26, "semantic[0].kind", "haze"),
        (format!("{text}[[semantic]]\nkind = \"haze\"\nby = 1\n"), 27, "semantic[0].by", "up_to"),
        (format!("{text}[[semantic]]\nkind = \"haze\"\nup_to = 2\n"), 27, "semantic[0].up_to", "1"),
        (format!("{text}[radius]\nsteps = 0\n"), 26, "radius.steps", "0"),
        (swap("steps = 9", "norm = \"l2\""), 7, "data[0].file", "l2_epsilons"),
        (swap("steps = 9", "norm = \"l3\""), 17, "attack[0].norm", "l3"),
        (swap("seed = 7", "seed = "), 4, "", ""),
        (swap("seed = 7", "seed = 7\nseed = 8"), 5, "", "duplicate"),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (line, key), "{error}");
        assert!(error.problem.contains(word), "'{word}': {error}");
        assert_eq!(error.missing, word == "no such file", "{error}");
        let message = error.to_string();
        assert!(message.contains(&format!("audit.toml:{line}: ")), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}
