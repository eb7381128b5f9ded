//! Proofs of claims with next to nothing to spare, whose leaves need linear programs: the checker accepts what the search says.

mod common;

use certus::internal::branch::{Answer, Limits};
use certus::internal::load::load_statement;
use certus::internal::prove::{NotProved, Question};
use common::onnx_writer::Model;
use common::proving::prove;
use std::time::Duration;

const INPUTS: i64 = 22;

/// More inputs than are split, and two layers of a few ReLUs.
fn model(seed: u64) -> Model {
    let mut state = seed;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    let mut model = Model::new(13, &[1, INPUTS]);
    let mut last = "x".to_owned();
    for (layer, (from, to)) in [(INPUTS, 6), (6, 4), (4, 1)].into_iter().enumerate() {
        let [w, b, z] = ["w", "b", "z"].map(|name| format!("{name}{layer}"));
        let z = if to == 1 { "y" } else { &z };
        let weights: Vec<f32> = (0..from * to).map(|_| noise()).collect();
        let bias: Vec<f32> = (0..to).map(|_| noise() / 4.0).collect();
        model = model.floats(&w, &[from, to], &weights).floats(&b, &[to], &bias);
        model = model.node("Gemm", &[&last, &w, &b], z, vec![]);
        last = format!("relu{layer}");
        if to > 1 {
            model = model.node("Relu", &[z], &last, vec![]);
        }
    }
    model
}

#[test]
fn claims_near_the_truth_are_proved_or_refuted() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("claim.vnnlib");
    let never = || false;
    for seed in 0..4 {
        let model = model(seed);
        let net = model.load().network;
        // Where "Y_0 stays above c" is neither proved nor refuted, from both sides.
        let (mut proved, mut refuted) = (-1e3, 1e3);
        let mut splits = 0;
        for _ in 0..34 {
            let c = 0.5 * proved + 0.5 * refuted;
            let mut text = String::from("(declare-const Y_0 Real)\n");
            for i in 0..INPUTS {
                text += &format!("(declare-const X_{i} Real)\n");
                text += &format!("(assert (>= X_{i} -0.25))\n(assert (<= X_{i} 0.25))\n");
            }
            text += &format!("(assert (<= Y_0 {c:.9}))\n");
            std::fs::write(&file, &text).unwrap();
            let statement = load_statement(&file, net.inputs(), net.outputs()).unwrap();
            let ask = || Question::new(&model.bytes(), text.as_bytes());
            let limits = Limits::starting_now(Some(Duration::from_secs(60)), &never);
            match prove(&ask, &common::stated(&net, &statement), &limits) {
                Ok((_, visited)) => {
                    splits = splits.max(visited);
                    proved = c;
                }
                Err(NotProved::NotFound(answer)) if matches!(*answer, Answer::Refuted(_)) => {
                    refuted = c;
                }
                Err(why) => {
                    assert!(refuted - proved < 1e-4, "{seed}: {proved} to {refuted}: {why}");
                    break;
                }
            }
        }
        println!("seed {seed}: {proved} to {refuted}, {splits} domains");
        assert!(refuted - proved < 1e-4 && splits > 8, "{seed}: {splits} domains");
    }
}
