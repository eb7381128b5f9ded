//! Numbers: outward rounding of floating-point results, and exact rationals for what users write.
//!
//! This is the only module that knows about floating-point error. Everything else asks it for a charge
//! ([`gamma`], [`inflate`], [`ample`]) or for a directed operation ([`add_down`], [`mul_up`], …).

mod decimal;
mod exact;
#[cfg(test)]
pub(crate) mod hostile;
mod round;

pub use decimal::{Decimal, exact_decimal};
pub use exact::{
    ParseRationalError, Rational, enclosure, from_f64, heap_size, parse_rational, round_down,
    round_nearest, round_up, to_f64_nearest,
};
pub use round::{
    TINY, UNIT, add_down, add_up, ample, gamma, inflate, mul_down, mul_up, nan_to, single_down,
    single_up, sub_down, sub_up, two_sum,
};
