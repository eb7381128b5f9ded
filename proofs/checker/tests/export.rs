//! The canonical statement means what the model means: evaluated from its text, against the checker's own circuit.
mod common;

use certus_check::{Case, Property, Statement, export, onnx};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The words of a statement, one after the other.
struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> &'a str {
        self.0.next().unwrap()
    }

    fn count(&mut self) -> usize {
        self.word().parse().unwrap()
    }

    fn exponent(&mut self) -> i32 {
        self.word().parse().unwrap()
    }

    /// An integer in units of 2^e, rounded: it may have more digits than an f64.
    fn scaled(&mut self, e: i32) -> f64 {
        let n: f64 = self.word().parse().unwrap();
        // In two steps, as 2^e alone may be no f64.
        n * 2f64.powi(e / 2) * 2f64.powi(e - e / 2)
    }
}

/// Evaluates the network of a statement as STATEMENT.md says, and returns what stands after it.
fn evaluate<'a>(text: &'a str, x: &[f64]) -> (Vec<f64>, Words<'a>) {
    let mut words = Words(text.split_ascii_whitespace());
    assert_eq!(
        ["certus-statement", "1", "inputs"].map(|_| words.word()).join(" "),
        "certus-statement 1 inputs"
    );
    assert_eq!(words.count(), x.len());
    let mut tensors = vec![x.to_vec()];
    loop {
        match words.word() {
            "affine" => {
                let (size, sources) = (words.count(), words.count());
                assert_eq!(words.word(), "bias");
                let e = words.exponent();
                let mut y: Vec<f64> = (0..size).map(|_| words.scaled(e)).collect();
                let mut last = None;
                for _ in 0..sources {
                    assert_eq!(words.word(), "from");
                    let (source, e) = (words.count(), words.exponent());
                    assert!(last < Some(source), "sources increase");
                    last = Some(source);
                    for y in &mut y {
                        let mut column = None;
                        for _ in 0..words.count() {
                            let j = words.count();
                            assert!(column < Some(j), "columns increase");
                            column = Some(j);
                            let w = words.scaled(e);
                            assert!(w != 0.0);
                            *y += w * tensors[source][j];
                        }
                    }
                }
                tensors.push(y);
            }
            "relu" => {
                let source = words.count();
                assert_eq!(source, tensors.len() - 1);
                tensors.push(tensors[source].iter().map(|z| z.max(0.0)).collect());
            }
            "output" => {
                let output = words.count();
                assert_eq!(output, tensors.len() - 1);
                return (tensors.swap_remove(output), words);
            }
            word => panic!("{word}"),
        }
    }
}

fn models() -> Vec<PathBuf> {
    let mut folders = vec![];
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    folders.extend(std::fs::read_dir(own).unwrap().map(|f| f.unwrap().path()));
    if let Some(bench) = common::bench() {
        let sets = [
            "acasxu",
            "rl_benchmarks",
            "reach_prob_density",
            "test",
            "collins_rul_cnn",
            "tllverifybench",
        ];
        folders.extend(sets.map(|set| bench.join(set).join("onnx")));
    }
    let mut files = vec![];
    for folder in folders.iter().filter(|f| f.is_dir()) {
        let mut own: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        own.retain(|f| f.to_str().is_some_and(|f| f.ends_with(".onnx") || f.ends_with(".onnx.gz")));
        own.sort();
        files.extend(own.into_iter().take(4));
    }
    files
}

#[test]
fn statements_mean_what_models_mean() {
    let mut count = 0;
    for file in models() {
        let bytes = common::read(&file);
        let Ok(circuit) = onnx::read(&bytes) else { continue };
        let inputs = circuit.inputs();
        let points: Vec<Vec<f64>> = (0..2u64)
            .map(|seed| {
                (0..inputs as u64)
                    .map(|i| ((i * 7919 + seed * 104_729 + 13) % 1009) as f64 / 505.0 - 1.0)
                    .collect()
            })
            .collect();
        let expected: Vec<Vec<f64>> =
            points.iter().map(|x| common::evaluate(&circuit, x)).collect();
        let (low, high) = (Arc::new(vec![-1.0; inputs]), Arc::new(vec![0.75; inputs]));
        let case = Case { low, high, half_spaces: vec![] };
        let outputs = circuit.size(circuit.output());
        let statement =
            Statement::new(circuit, Property { inputs, outputs, cases: vec![case] }).unwrap();
        let mut text = vec![];
        export(&statement, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for (x, expected) in points.iter().zip(expected) {
            let (found, mut words) = evaluate(&text, x);
            let scale = expected.iter().fold(1.0f64, |m, y| m.max(y.abs()));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * scale;
            assert!(
                found.len() == expected.len() && found.iter().zip(&expected).all(near),
                "{}: {found:?} {expected:?}",
                file.display()
            );
            let rest = ["cases", "1", "case", "0", "-1", "0", "3", "-2"];
            assert_eq!(rest.map(|_| words.word()), rest);
            assert_eq!(words.0.next_back(), Some("end"));
        }
        count += 1;
    }
    println!("{count} models");
    assert!(count >= 8);
}

/// What is no part of the function leaves no trace.
#[test]
fn other_spellings_of_a_network_make_the_same_statement() {
    let model = |nodes: &[&str]| {
        let start = common::onnx::Model::new(&[1, 2])
            .f32s("w", &[2, 2], &[1.0, -0.5, 0.25, 3.0])
            .f32s("half", &[1], &[0.5])
            .f32s("twice", &[1], &[2.0])
            .f32s("b", &[2], &[0.75, 0.0]);
        nodes.iter().fold(start, |model, node| model.node(node)).bytes()
    };
    let property = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\
        (assert (and (>= X_0 -1) (<= X_0 1) (>= X_1 0) (<= X_1 0.1) (< (- Y_0 Y_1) -1.25)))";
    let text = |nodes: &[&str]| {
        let statement = Statement::from_bytes(&model(nodes), property.as_bytes()).unwrap();
        let mut text = vec![];
        export(&statement, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let plain = text(&["MatMul x w -> z", "Add z b -> a", "Relu a -> h", "MatMul h w -> y"]);
    let odd = text(&[
        "Mul x half -> x1",
        "MatMul x1 w -> z1",
        "Mul z1 twice -> z",
        "Abs z -> unused",
        "Add z b -> a",
        "Relu a -> h",
        "MatMul h w -> y",
    ]);
    assert_eq!(plain, odd);
    assert_eq!(
        plain,
        "certus-statement 1\ninputs 2\naffine 2 1\nbias -2 3 0\nfrom 0 -2\n2 0 4 1 1\n2 0 -2 1 12\nrelu 1\n\
         affine 2 1\nbias 0 0 0\nfrom 2 -2\n2 0 4 1 1\n2 0 -2 1 12\noutput 3\ncases 1\ncase 1\n-1 0 1 0\n0 0 3602879701896397 -55\n\
         half < -5 -2 2 y 0 1 0 y 1 -1 0\nend\n"
    );
}
