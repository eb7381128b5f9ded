//! Whatever the bytes: no falsehood is accepted, and nothing panics.
mod common;

use certus_check::{Mode, Statement, check, onnx, vnnlib};
use proptest::prelude::*;

/// A random 2-3-3-1 network with weights that are quarters: f64 evaluates it exactly on dyadic points.
fn network(w: &[i8], leaky: bool) -> Vec<u8> {
    let mut rest = w.iter().map(|w| *w as f32 / 4.0);
    let mut model = common::onnx::Model::new(&[1, 2]);
    let mut from = "x".to_string();
    for (k, (n, m)) in [(2, 3), (3, 3), (3, 1)].into_iter().enumerate() {
        let weights: Vec<f32> = rest.by_ref().take(n * m).collect();
        let bias: Vec<f32> = rest.by_ref().take(m).collect();
        let (n, m) = (n as i64, m as i64);
        model = model.f32s(&format!("w{k}"), &[n, m], &weights).f32s(&format!("b{k}"), &[m], &bias);
        model = match k {
            2 => model.node("Gemm h1 w2 b2 -> y"),
            k => {
                let model = model.node(&format!("Gemm {from} w{k} b{k} -> z{k}"));
                match leaky && k == 0 {
                    true => model.node_with(
                        "LeakyRelu z0 -> h0",
                        &[("alpha", common::onnx::Attribute::Float(0.25))],
                    ),
                    false => model.node(&format!("Relu z{k} -> h{k}")),
                }
            }
        };
        from = format!("h{k}");
    }
    model.bytes()
}

fn statement(model: &[u8], right: f64) -> Statement {
    let property = format!(
        "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\
         (assert (and (>= X_0 -1) (<= X_0 1) (>= X_1 -1) (<= X_1 1) (<= Y_0 {right})))"
    );
    Statement::from_bytes(model, property.as_bytes()).unwrap()
}

/// Mostly valid, sometimes not.
fn slope() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        20 => prop::sample::select(vec!["0x0p0", "0x1p0", "0x1p-1", "0x3p-2", "0x5p-4", "0x1.23456789abcdp-3"]),
        1 => prop::sample::select(vec!["0x3p-1", "-0x1p-2"])
    ]
}

fn neuron() -> impl Strategy<Value = String> {
    (0usize..2, 0usize..3).prop_map(|(k, i)| format!("r{k}.{i}"))
}

fn variable() -> impl Strategy<Value = String> {
    prop_oneof![neuron(), (0usize..2).prop_map(|i| format!("x{i}"))]
}

fn hints() -> impl Strategy<Value = String> {
    let slopes = prop::collection::btree_map(neuron(), (slope(), slope()), 0..5).prop_map(|s| {
        let all: String = s.iter().map(|(n, (a, b))| format!(" {n}:{a}/{b}")).collect();
        if all.is_empty() { all } else { format!(" slope{all}") }
    });
    let lifts =
        prop::collection::btree_map((any::<bool>(), variable()), slope(), 0..3).prop_map(|s| {
            let all: String = s
                .iter()
                .map(|((side, n), g)| format!(" {}{n}:{g}", if *side { ">" } else { "<" }))
                .collect();
            if all.is_empty() { all } else { format!(" lift{all}") }
        });
    (slopes, lifts).prop_map(|(s, l)| s + &l)
}

fn line() -> impl Strategy<Value = String> {
    let side = prop::sample::select(vec!["", " lower", " upper"]);
    let target = prop_oneof![
        variable(),
        Just("r0".to_string()),
        Just("r1".to_string()),
        Just("r1.0..3".to_string())
    ];
    prop_oneof![
        2 => Just("crown".to_string()),
        3 => (target, side, hints()).prop_map(|(t, s, h)| format!("tighten {t}{s}{h}")),
        1 => (any::<bool>(), 0usize..2, -8i8..=8, hints())
            .prop_map(|(s, i, c, h)| format!("clip {}x{i}:{}{h}", if s { ">" } else { "<" }, hex(c)))
    ]
}

fn hex(eighths: i8) -> String {
    format!("{}0x{:x}p-3", if eighths < 0 { "-" } else { "" }, eighths.unsigned_abs())
}

fn tree() -> impl Strategy<Value = Vec<String>> {
    let leaf = (prop::collection::vec(line(), 0..3), hints()).prop_map(|(mut lines, h)| {
        lines.push(format!("refute all{h}"));
        lines.push("leaf".to_string());
        lines
    });
    leaf.prop_recursive(3, 12, 2, |inner| {
        (prop::collection::vec(line(), 0..2), variable(), -4i8..=4, inner.clone(), inner).prop_map(
            |(mut lines, v, c, a, b)| {
                lines.push(format!("split {v} at {}", hex(c)));
                lines.extend(a);
                lines.extend(b);
                lines
            },
        )
    })
}

fn proof(lines: &[String]) -> String {
    format!("certus-proof 1\ncases 0\n{}\nend {}\n", lines.join("\n"), lines.len() + 2)
}

/// So many cases, or as many as the variable PROPTEST_CASES says.
fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(count),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(3000))]

    /// The strongest claim for which a random tree is accepted is true at every sampled point.
    #[test]
    fn no_falsehood_is_accepted(
        weights in prop::collection::vec(-8i8..=8, 25),
        leaky: bool,
        lines in tree(),
        points in prop::collection::vec((-64i8..=64, -64i8..=64), 40),
    ) {
        let model = network(&weights, leaky);
        let circuit = onnx::read(&model).unwrap();
        let proof = proof(&lines);
        let corners = [(-64, -64), (-64, 64), (64, -64), (64, 64), (0, 0)];
        let least = points.into_iter().chain(corners).map(|(a, b)| {
            common::evaluate(&circuit, &[a as f64 / 64.0, b as f64 / 64.0])[0]
        }).fold(f64::INFINITY, f64::min);
        for mode in [Mode::Exact, Mode::Outward] {
            // At or above a value that is reached, the claim `Y_0 > right` is false.
            for step in 0..6 {
                let right = least + step as f64 * step as f64 / 16.0;
                let result = check(&statement(&model, right), proof.as_bytes(), mode);
                prop_assert!(result.is_err(), "{mode:?} accepted Y_0 > {right}, least {least}\n{proof}");
            }
        }
    }

    /// Bytes of a good proof, property and model are damaged: an answer, no panic.
    #[test]
    fn damaged_files_never_panic(
        which in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let model = common::models::example();
        let property = include_bytes!("statement.vnnlib").to_vec();
        let proof = include_bytes!("accept/lifts.proof").to_vec();
        let mut files = [model, property, proof];
        for (at, byte, kind) in changes {
            let file = &mut files[which];
            let at = at.index(file.len());
            match kind {
                0 => file[at] = byte,
                1 => file.insert(at, byte),
                _ => _ = file.remove(at),
            }
        }
        if let Ok(statement) = Statement::from_bytes(&files[0], &files[1]) {
            for mode in [Mode::Exact, Mode::Outward] {
                let _ = check(&statement, files[2].as_slice(), mode);
            }
        }
    }

    /// Any bytes at all.
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = onnx::read(&bytes);
        let _ = vnnlib::read(&bytes);
        let statement = statement(&network(&[1; 25], false), 0.0);
        let _ = check(&statement, [b"certus-proof 1\n".as_slice(), &bytes].concat().as_slice(), Mode::Outward);
    }
}

/// The random trees are no straw men: many of them prove something that interval arithmetic or luck cannot.
#[test]
fn random_trees_are_often_accepted() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..500 {
        let weights = prop::collection::vec(-8i8..=8, 25).new_tree(&mut runner).unwrap().current();
        let lines = tree().new_tree(&mut runner).unwrap().current();
        let model = network(&weights, false);
        let right = |far: i32| -(far as f64) * 4.0;
        accepted += (0..10).any(|far| {
            check(&statement(&model, right(far)), proof(&lines).as_bytes(), Mode::Outward).is_ok()
        }) as usize;
    }
    println!("{accepted} of 500 trees prove some bound");
    assert!(accepted > 50);
}
