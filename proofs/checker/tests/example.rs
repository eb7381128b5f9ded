//! The worked example of FORMAT.md is accepted as it stands there.
mod common;

use certus_check::{Mode, Statement, check};

/// The fenced block of this language.
fn block(text: &str, language: &str) -> String {
    let start = format!("```{language}\n");
    text.split_once(&start).unwrap().1.split_once("```").unwrap().0.to_string()
}

#[test]
fn the_worked_example_is_accepted() {
    let text = include_str!("../../FORMAT.md");
    let statement =
        Statement::from_bytes(&common::models::example(), block(text, "vnnlib").as_bytes())
            .unwrap();
    let proof = block(text, "proof");
    for mode in [Mode::Exact, Mode::Outward] {
        let accepted = check(&statement, proof.as_bytes(), mode).unwrap();
        assert_eq!((accepted.cases(), accepted.leaves(), accepted.lines()), (2, 2, 13));
    }
    // Each of its lines is needed, but the comments and the upper slope.
    for (at, line) in proof.lines().enumerate() {
        let rest: Vec<&str> =
            proof.lines().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| l).collect();
        let rest = rest.join("\n").replace("end 12", "end 11");
        assert!(
            check(&statement, rest.as_bytes(), Mode::Exact).is_err() != line.starts_with('#'),
            "{line}"
        );
    }
}
