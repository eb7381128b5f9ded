//! Softsign, x / (1 + |x|).

use super::{Curve, Pieces, S_SHAPED};

/// x / (1 + |x|).
#[derive(Debug)]
pub struct Softsign;

impl Curve for Softsign {
    fn value(&self, x: f64) -> f64 {
        x / (1.0 + x.abs())
    }

    fn slope(&self, x: f64) -> f64 {
        let root = 1.0 + x.abs();
        1.0 / (root * root)
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        Some(Pieces::Fixed(S_SHAPED))
    }

    fn limits(&self) -> (f64, f64) {
        (-1.0, 1.0)
    }

    fn increases(&self) -> bool {
        true
    }
}
