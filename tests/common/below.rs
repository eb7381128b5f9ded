//! Asking whether a network's first output stays below a bound.

use certus::internal::net::Network;
use certus::internal::num::from_f64;
use certus::internal::spec::{Claim, HalfSpace, Property, Region};
use certus::{Query, Settings, Verdict, verify};

/// Whether the first output is below a bound, for inputs in an interval.
pub fn below(bound: f64, network: &Network, [l, u]: [f64; 2]) -> Verdict {
    let exact = |x| from_f64(x).unwrap();
    let half = HalfSpace::from_exact(&[(0, exact(-1.0))], &exact(-bound), false).unwrap();
    let region = Region::from_bounds(&vec![(exact(l), exact(u)); network.inputs()]).unwrap();
    let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
    let query = Query::new(network.clone(), Property { claims, uses_inputs: false }).unwrap();
    verify(&query, &Settings { work: Some(1e7), ..Settings::default() }, &|| false).verdict
}
