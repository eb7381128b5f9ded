//! The bounds of the crate's own model, near its own data.

use certus::testing::{Law, near::Near, strategies::near};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn bounds_hold_near_the_data(case in near(Near::open(property_tests::MODEL, property_tests::DATA, "1/2").unwrap()), seed: u64) {
        Law::Contains.check(&case, seed)?;
    }
}
