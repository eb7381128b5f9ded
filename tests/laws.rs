//! Every law on a bounded number of random cases, as `certus selftest` looks at them for longer; `PROPTEST_CASES` says how many, `CERTUS_SEED` from which.

mod common;

use certus::internal::testing::truth::{Construction, Known};
use certus::internal::testing::{Case, Law, Rewrite};
use certus::internal::verify::{Method, Settings, Verdict, verify};
use common::onnx_writer::Model;
use std::time::Duration;

fn first() -> u64 {
    std::env::var("CERTUS_SEED").map_or(0, |text| text.parse().expect("a number"))
}

/// The cases that break a law, of so many.
fn broken(law: Law, count: u32) -> Vec<String> {
    let seeds = first()..first() + u64::from(common::cases(count).cases);
    let broken = |seed| law.try_seed(seed).err().map(|broken| format!("seed {seed}: {broken}"));
    seeds.filter_map(broken).collect()
}

#[test]
fn laws_of_bounds_hold() {
    for (law, count) in
        [(Law::Contains, 100), (Law::Ordered, 20), (Law::Edge, 20), (Law::Rounding, 200)]
    {
        assert_eq!(broken(law, count), Vec::<String>::new());
    }
}

#[test]
fn laws_of_verdicts_hold() {
    for law in [Law::Monotone, Law::Halves, Law::Agreement, Law::Planted, Law::Truth, Law::Rewrites]
    {
        assert_eq!(broken(law, 12), Vec::<String>::new());
    }
}

#[test]
fn laws_of_evidence_and_readers_hold() {
    for (law, count) in [(Law::Evidence, 30), (Law::Forgery, 30), (Law::Readers, 200)] {
        assert_eq!(broken(law, count), Vec::<String>::new());
    }
}

/// A network that is another one breaks the laws that compare: else they would say nothing.
#[test]
fn a_wrong_answer_breaks_the_law_of_truth() {
    let mut noticed = 0;
    for seed in 0..12 {
        let known = Known::random(seed);
        noticed += usize::from(Known::of(known.case, !known.holds).check().is_err());
    }
    assert!(noticed >= 6, "{noticed}");
}

#[test]
fn every_construction_is_decided_as_it_was_made() {
    for construction in Construction::ALL {
        for seed in 0..3 {
            let known = Known::new(construction, 2, seed);
            let settings = Settings {
                method: Method::Complete,
                timeout: Some(Duration::from_secs(20)),
                ..Settings::default()
            };
            let verdict = verify(known.case.query(), &settings, &|| false).verdict;
            assert_ne!(known.is_right(&verdict), Some(false), "{construction} {seed}: {verdict:?}");
            if let (Some(x), Verdict::Falsified(found)) = (&known.witness, &verdict) {
                assert_eq!(x.len(), found.input().len());
            }
        }
    }
}

/// Rewritten networks are other networks, and their files say the same.
#[test]
fn rewrites_change_the_file_and_not_the_function() {
    use certus::internal::attack::SplitMix64;
    let mut changed = [0; 9];
    for seed in 0..20 {
        let case = Law::Edge.subject(seed);
        for (k, rewrite) in Rewrite::ALL.into_iter().enumerate() {
            let mut dice = SplitMix64::new(seed, 0);
            let Some(other) = rewrite.apply(&case, &mut dice) else { continue };
            changed[k] += usize::from(other.model() != case.model());
            let law = Law::Readers.check(&other, seed);
            assert!(law.is_ok(), "{rewrite}: {law:?}");
        }
    }
    assert!(changed.iter().all(|&count| count >= 2), "{changed:?}");
}

/// Classifiers as scikit-learn writes them end in a Softmax, of which only the order of the outputs is known.
#[test]
fn no_law_asks_for_values_behind_a_softmax() {
    let model = Model::new(13, &[1, 2])
        .floats("w", &[2, 3], &[1.0, -1.0, 0.5, 0.5, 1.0, -1.0])
        .node("MatMul", &["x", "w"], "z", vec![])
        .node("Relu", &["z"], "r", vec![])
        .node("Softmax", &["r"], "y", vec![]);
    let property = "(declare-const X_0 Real)(declare-const X_1 Real)\
        (declare-const Y_0 Real)(declare-const Y_1 Real)(declare-const Y_2 Real)\
        (assert (and (>= X_0 0.5) (<= X_0 1) (>= X_1 0) (<= X_1 0.25) (>= Y_1 Y_0)))";
    let case = Case::of_bytes(&model.bytes(), property).unwrap();
    for law in Law::ALL {
        for seed in 0..4 {
            let said = law.check(&case, seed);
            assert!(said.is_ok(), "{law}: {said:?}");
        }
    }
}

#[test]
fn a_case_is_what_its_files_say() {
    for seed in 0..30 {
        let case = Law::Evidence.subject(seed);
        let Some((model, property)) = case.model().zip(case.property()) else { continue };
        let again = Case::of_bytes(model, property).unwrap();
        assert_eq!(again.query().property(), case.query().property());
        assert_eq!(Law::Evidence.check(&again, seed), Law::Evidence.check(&case, seed));
    }
}
