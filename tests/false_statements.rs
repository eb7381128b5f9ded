//! Statements that are false by nothing at all, and proofs that nearly show them: thousands of changes of real proofs, none of them accepted.
//!
//! `CERTUS_MUTANTS=22000 cargo test --release --test false_statements -- --nocapture` tries so many; `CERTUS_SEED=7` others.

mod common;

use certus::internal::attack::SplitMix64;
use certus::internal::branch::Limits;
use certus::internal::load::load_statement;
use certus::internal::prove::{Mode, Question};
use certus::internal::testing::forged::changed;
use common::onnx_writer::Model;
use std::time::Duration;

/// Quarters, so that f64 evaluates exactly.
fn quarters(dice: &mut SplitMix64, count: usize) -> Vec<f32> {
    (0..count).map(|_| (dice.below(17) as f32 - 8.0) / 4.0).collect()
}

/// Fully connected with ReLUs between: sizes, and row-major weights (inputs × outputs) with biases.
struct Net {
    sizes: Vec<usize>,
    layers: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Net {
    fn new(dice: &mut SplitMix64) -> Net {
        let mut sizes = vec![1 + dice.below(3)];
        sizes.extend((0..1 + dice.below(3)).map(|_| 2 + dice.below(4)));
        sizes.push(1);
        let layer = |pair: &[usize]| (quarters(dice, pair[0] * pair[1]), quarters(dice, pair[1]));
        let layers = sizes.windows(2).map(layer).collect();
        Net { sizes, layers }
    }

    fn onnx(&self) -> Vec<u8> {
        let mut model = Model::new(13, &[1, self.sizes[0] as i64]);
        let mut from = "x".to_string();
        let last = self.layers.len() - 1;
        for (k, (weights, bias)) in self.layers.iter().enumerate() {
            let [n, m] = [self.sizes[k] as i64, self.sizes[k + 1] as i64];
            let (w, b, z) = (format!("w{k}"), format!("b{k}"), format!("z{k}"));
            let z = if k == last { "y".to_string() } else { z };
            model = model.floats(&w, &[n, m], weights).floats(&b, &[m], bias);
            model = model.node("Gemm", &[&from, &w, &b], &z, vec![]);
            if k < last {
                let h = format!("h{k}");
                model = model.node("Relu", &[&z], &h, vec![]);
                from = h;
            }
        }
        model.bytes()
    }

    /// Exact for quarters at points that are multiples of 2^-8.
    fn value(&self, x: &[f64]) -> f64 {
        let mut x = x.to_vec();
        let last = self.layers.len() - 1;
        for (k, (weights, bias)) in self.layers.iter().enumerate() {
            let m = bias.len();
            let z = (0..m).map(|j| {
                let sum: f64 =
                    x.iter().enumerate().map(|(i, x)| x * weights[i * m + j] as f64).sum();
                let z = sum + bias[j] as f64;
                if k == last { z } else { z.max(0.0) }
            });
            x = z.collect();
        }
        x[0]
    }

    /// The least value that coordinate descent on multiples of 2^-8 finds in [−1, 1]ⁿ.
    fn least(&self, dice: &mut SplitMix64) -> f64 {
        let n = self.sizes[0];
        let mut best = f64::INFINITY;
        for _ in 0..8 {
            let mut at: Vec<f64> =
                (0..n).map(|_| (dice.below(513) as f64 - 256.0) / 256.0).collect();
            let mut value = self.value(&at);
            loop {
                let before = value;
                for i in 0..n {
                    for step in -256..=256 {
                        let old = std::mem::replace(&mut at[i], step as f64 / 256.0);
                        let new = self.value(&at);
                        if new < value { value = new } else { at[i] = old }
                    }
                }
                if value == before {
                    break;
                }
            }
            best = best.min(value);
        }
        best
    }
}

/// Y_0 ≤ c for x in [−1, 1]ⁿ is unsafe; `c` is a dyadic, which a decimal holds exactly.
fn property(inputs: usize, c: f64) -> String {
    let mut text = String::from("(declare-const Y_0 Real)\n");
    for i in 0..inputs {
        text +=
            &format!("(declare-const X_{i} Real)\n(assert (>= X_{i} -1))\n(assert (<= X_{i} 1))\n");
    }
    text + &format!("(assert (<= Y_0 {c:.60}))\n")
}

#[test]
fn no_changed_proof_shows_what_is_false() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let count = number("CERTUS_MUTANTS", number("PROPTEST_CASES", 4000)) as usize;
    let seed = number("CERTUS_SEED", 0);
    let mut dice = SplitMix64::new(seed, 0);
    let scratch = tempfile::tempdir().unwrap();
    let (model, file) = (scratch.path().join("m.onnx"), scratch.path().join("p.vnnlib"));
    let (mut tried, mut networks, mut followed) = (0, 0, 0);
    while tried < count {
        let net = Net::new(&mut dice);
        let bytes = net.onnx();
        let least = net.least(&mut dice);
        // True by so much, as far as it is true.
        let true_one = property(net.sizes[0], least - 2f64.powi(-(dice.below(24) as i32)));
        std::fs::write(&model, &bytes).unwrap();
        std::fs::write(&file, &true_one).unwrap();
        let network = certus::internal::load::load_network(&model).unwrap().network;
        let statement = load_statement(&file, network.inputs(), network.outputs()).unwrap();
        let never = || false;
        let limits = Limits::starting_now(Some(Duration::from_secs(5)), &never);
        let ask = || Question::new(&bytes, true_one.as_bytes());
        let query = common::stated(&network, &statement);
        let Ok((found, _)) = common::proving::prove(&ask, &query, &limits) else {
            continue;
        };
        networks += 1;
        let text = String::from_utf8(found.proof.to_bytes()).unwrap();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        // Reached exactly, at a point of the region.
        let false_one = Question::new(&bytes, property(net.sizes[0], least).as_bytes()).unwrap();
        let original = Question::new(&bytes, true_one.as_bytes()).unwrap();
        for mode in [Mode::Exact, Mode::Outward] {
            assert!(original.check(text.as_bytes(), mode).is_ok(), "{text}");
            assert!(false_one.check(text.as_bytes(), mode).is_err(), "{text}");
        }
        for _ in 0..100 {
            let mutant = changed(&lines, &mut dice);
            for mode in [Mode::Exact, Mode::Outward] {
                let accepted = false_one.check(mutant.as_bytes(), mode).is_ok();
                assert!(!accepted, "{mode:?} accepts a false statement, seed {seed}:\n{mutant}");
            }
            followed += usize::from(original.check(mutant.as_bytes(), Mode::Outward).is_ok());
            tried += 1;
        }
    }
    println!(
        "{tried} changes of the proofs of {networks} networks: none shows the false statement, {followed} the true one"
    );
    // Else the changes would say nothing.
    assert!(followed * 20 > tried, "{followed} of {tried}");
}
