//! Shared by the integration tests: ONNX files, proofs, recorded graphs; random networks and exact arithmetic are those of `certus::testing`.
#![allow(dead_code, unused_imports)]

pub mod below;
pub mod onnx_writer;
pub mod proving;
pub mod recorded;
pub mod seeded;

pub use certus::internal::testing::{circuits, dyadic, exact, oracle};

/// Random small networks, boxes and points, and the strategy behind them.
pub mod nets {
    pub use certus::internal::testing::nets::*;
    use proptest::prelude::*;

    /// The words behind a network, a box and points.
    pub fn words() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(any::<u32>(), 1..64)
    }
}

use certus::internal::load::Statement;
use certus::internal::net::Network;
use certus::internal::query::Query;
use certus::internal::spec::Property;

/// So many cases of a random test, or as many as the variable PROPTEST_CASES says; what failed is told, not kept.
pub fn cases(count: u32) -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let (cases, failure_persistence) = (asked.unwrap_or(count), None);
    proptest::prelude::ProptestConfig { cases, failure_persistence, ..Default::default() }
}

/// The question about a property that fits the network.
pub fn asked(net: &Network, property: &Property) -> Query {
    Query::new(net.clone(), property.clone()).unwrap()
}

/// The question about a property from a file that fits the network.
pub fn stated(net: &Network, statement: &Statement) -> Query {
    Query::of(net.clone(), statement.clone()).unwrap()
}
