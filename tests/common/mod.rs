//! Shared by the integration tests: random networks, exact evaluation, ONNX files.
#![allow(dead_code)]

pub mod circuits;
pub mod dyadic;
pub mod exact;
pub mod nets;
pub mod onnx_writer;
pub mod oracle;
pub mod proving;
pub mod recorded;
pub mod seeded;

use certus::internal::load::Statement;
use certus::internal::net::Network;
use certus::internal::query::Query;
use certus::internal::spec::Property;

/// The question about a property that fits the network.
pub fn asked(net: &Network, property: &Property) -> Query {
    Query::new(net.clone(), property.clone()).unwrap()
}

/// The question about a property from a file that fits the network.
pub fn stated(net: &Network, statement: &Statement) -> Query {
    Query::of(net.clone(), statement.clone()).unwrap()
}
