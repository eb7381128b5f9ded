//! ELU: x above 0, α (e^x − 1) below, with one slope or two at 0 (Clevert, Unterthiner and Hochreiter 2016).

use super::{Bend, Curve, Piece, Pieces};
use crate::net::op::Parameter;
use crate::num::{TINY, UNIT};

/// x for x > 0, else α (e^x − 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elu(pub Parameter);

impl Curve for Elu {
    fn value(&self, x: f64) -> f64 {
        if x > 0.0 { x } else { self.0.get() * libm::expm1(x) }
    }

    /// At 0 that from below.
    fn slope(&self, x: f64) -> f64 {
        if x > 0.0 { 1.0 } else { self.0.get() * libm::exp(x) }
    }

    /// Where e^x is subnormal it is off by as much as the smallest of these, which α makes more of.
    fn slope_error(&self, _x: f64, d: f64) -> f64 {
        16.0 * UNIT * d.abs() + 2.0 * TINY * self.0.get().abs()
    }

    fn pieces(&self, _l: f64, _u: f64) -> Option<Pieces> {
        const fn pieces(bend: Bend) -> [Piece; 2] {
            [
                Piece::new(f64::NEG_INFINITY, 0.0, bend),
                Piece::new(0.0, f64::INFINITY, Bend::Straight),
            ]
        }
        const RISING: &[Piece] = &pieces(Bend::Convex);
        const FALLING: &[Piece] = &pieces(Bend::Concave);
        Some(Pieces::Fixed(if self.0.get() >= 0.0 { RISING } else { FALLING }))
    }

    fn limits(&self) -> (f64, f64) {
        ((-self.0.get()).min(0.0), f64::INFINITY)
    }

    fn increases(&self) -> bool {
        self.0.get() >= 0.0
    }
}
