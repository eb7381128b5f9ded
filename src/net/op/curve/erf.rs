//! The error function 2/√π ∫₀ˣ e^(−t²) dt.

use super::{Curve, Pieces, S_SHAPED};
use crate::num::UNIT;
use std::f64::consts::FRAC_2_SQRT_PI;

/// erf x.
#[derive(Debug)]
pub struct Erf;

impl Curve for Erf {
    fn value(&self, x: f64) -> f64 {
        libm::erf(x)
    }

    fn slope(&self, x: f64) -> f64 {
        FRAC_2_SQRT_PI * libm::exp(-x * x)
    }

    /// The rounding of x² moves the exponential by x² roundings.
    fn slope_error(&self, x: f64, d: f64) -> f64 {
        // Where x² overflows, d is 0.
        if d == 0.0 { 0.0 } else { (8.0 + 2.0 * x * x) * UNIT * d }
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
