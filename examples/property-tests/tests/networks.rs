//! Laws on random networks, and on a network made in code: bounds of another crate can be tested in the same way.

use certus::testing::strategies::{Networks, cases};
use certus::testing::{Case, Law, shrink};
use certus::{LinearMap, Matrix, NetworkBuilder, Query, Region};
use proptest::prelude::*;

/// So many cases, or as many as the variable PROPTEST_CASES says.
fn few(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(count);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few(16))]

    #[test]
    fn evidence_holds(case in cases(Networks::Relu), seed: u64) {
        Law::Evidence.check(&case, seed)?;
    }

    #[test]
    fn hostile_numbers_are_bounded(case in cases(Networks::Hostile), seed: u64) {
        Law::Contains.check(&case, seed)?;
    }
}

/// y = x₀ − x₁, x₁ − x₀ behind a ReLU, and class 0 on a box.
fn own() -> Case {
    let mut builder = NetworkBuilder::new(2, "x").unwrap();
    let weights = Matrix::from_row_slice(2, 2, &[1.0, -1.0, -1.0, 1.0]);
    let z = builder.linear(0, LinearMap::from_matrix(weights), "z").unwrap();
    let y = builder.relu(z, "y").unwrap();
    let region = Region::from_f64(&[0.5, 0.0], &[1.0, 0.375]).unwrap();
    Query::classification(builder.finish(y).unwrap(), region, 0).unwrap().try_into().unwrap()
}

#[test]
fn all_laws_hold_of_a_network_made_in_code() {
    for law in Law::ALL {
        assert!(law.check(&own(), 7).is_ok());
    }
}

/// What a failing test of one's own shrinks to: here "the network has a positive output at the lower corner".
#[test]
fn a_failure_of_ones_own_becomes_small() {
    let fails = |case: &Case| {
        let net = case.query().network();
        let region = &case.query().property().claims[0].region;
        net.evaluate(&Matrix::from_column_slice(net.inputs(), 1, region.lower())).max() > 0.0
    };
    let small = shrink(&own(), &mut { fails }, &|| false);
    let net = small.query().network();
    // The identity fails, too.
    assert!(fails(&small) && net.parameters() == 0, "{net:?}");
}
