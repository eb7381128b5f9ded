//! Exact rationals: what a user writes (`0.03`, `8/255`, `1e-5`), and its directed roundings to floats.

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use std::cmp::Ordering;
use thiserror::Error;

/// An exact rational number.
pub type Rational = BigRational;

/// Why a text is no rational number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseRationalError {
    /// Neither a decimal nor a fraction.
    #[error("'{0}' is not a number (a decimal such as 0.03 or 1e-5, or a fraction such as 8/255)")]
    Malformed(String),
    /// The fraction's denominator is zero.
    #[error("'{0}' has a zero denominator")]
    ZeroDenominator(String),
    /// The exponent is so large that the exact value would not fit in memory.
    #[error("'{0}' has an exponent outside ±{MAX_EXPONENT}")]
    HugeExponent(String),
}

/// The largest decimal exponent accepted; doubles end at 308.
pub const MAX_EXPONENT: i64 = 5_000;

/// Bytes that the digits of a rational take.
#[must_use]
pub fn heap_size(exact: &Rational) -> usize {
    ((exact.numer().bits() + exact.denom().bits()) / 8) as usize + 2 * size_of::<u64>()
}

/// Parses a decimal (`-0.03`, `1.5e-3`, `7`) or a fraction of two decimals (`8/255`) exactly.
///
/// # Errors
/// Where the text is neither, or its exponent is beyond ±5000.
pub fn parse_rational(text: &str) -> Result<Rational, ParseRationalError> {
    let malformed = || ParseRationalError::Malformed(text.to_owned());
    match text.split_once('/') {
        None => parse_decimal(text.trim(), text),
        Some((numerator, denominator)) => {
            let numerator = parse_decimal(numerator.trim(), text)?;
            let denominator = parse_decimal(denominator.trim(), text)?;
            if denominator.is_zero() {
                return Err(ParseRationalError::ZeroDenominator(text.to_owned()));
            }
            if denominator.is_negative() {
                return Err(malformed());
            }
            Ok(numerator / denominator)
        }
    }
}

fn parse_decimal(text: &str, whole: &str) -> Result<Rational, ParseRationalError> {
    let malformed = || ParseRationalError::Malformed(whole.to_owned());
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        None => (text, 0),
        Some(at) => {
            let exponent = &text[at + 1..];
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(malformed());
            }
            let huge = || ParseRationalError::HugeExponent(whole.to_owned());
            (&text[..at], exponent.parse::<i64>().map_err(|_| huge())?)
        }
    };
    let (negative, digits) = match mantissa.strip_prefix(['+', '-']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if integer.len() + fraction.len() == 0
        || !integer.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    {
        return Err(malformed());
    }
    let shift = exponent - fraction.len() as i64;
    if exponent.abs() > MAX_EXPONENT || shift.abs() > 2 * MAX_EXPONENT {
        return Err(ParseRationalError::HugeExponent(whole.to_owned()));
    }
    let joined = [integer.as_bytes(), fraction.as_bytes()].concat();
    let mut value = BigInt::parse_bytes(&joined, 10).ok_or_else(malformed)?;
    if negative {
        value = -value;
    }
    let power = BigInt::from(10).pow(shift.unsigned_abs() as u32);
    Ok(if shift < 0 { Rational::new(value, power) } else { Rational::from(value * power) })
}

/// The exact value of a finite double; `None` for infinities and NaN.
#[must_use]
pub fn from_f64(x: f64) -> Option<Rational> {
    Rational::from_float(x)
}

/// The largest double ≤ x (−∞ where x is below all finite doubles).
#[must_use]
pub fn round_down(x: &Rational) -> f64 {
    enclosure(x)[0]
}

/// The smallest double ≥ x (+∞ where x is above all finite doubles).
#[must_use]
pub fn round_up(x: &Rational) -> f64 {
    enclosure(x)[1]
}

/// [`round_down`] and [`round_up`] for little more than the price of one.
#[must_use]
pub fn enclosure(x: &Rational) -> [f64; 2] {
    // Adding zero turns −0, which no reader expects as an end, into 0.
    let near = to_f64_nearest(x) + 0.0;
    match compare_with_f64(x, near) {
        Ordering::Equal => [near, near],
        Ordering::Greater => [near, near.next_up()],
        Ordering::Less => [near.next_down(), near],
    }
}

/// x against a double that is not NaN, exactly: n/d against k · 2^q by comparing whole numbers.
fn compare_with_f64(x: &Rational, y: f64) -> Ordering {
    if y.is_infinite() {
        return if y > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let bits = y.to_bits();
    let (field, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (significand, power) = match field {
        0 => (fraction, -1074),
        _ => (fraction | (1 << 52), field as i64 - 1075),
    };
    let sign = if y < 0.0 { Sign::Minus } else { Sign::Plus };
    let right = BigInt::from_biguint(sign, x.denom().magnitude() * significand);
    if power >= 0 { x.numer().cmp(&(right << power)) } else { (x.numer() << -power).cmp(&right) }
}

/// The double nearest to x, of two equally near ones the even one (x beyond all finite doubles: the last finite one or ∞).
#[must_use]
pub fn round_nearest(x: &Rational) -> f64 {
    let [down, up] = enclosure(x);
    if down == up {
        return down;
    }
    let (Some(low), Some(high)) = (from_f64(down), from_f64(up)) else {
        return to_f64_nearest(x);
    };
    match (x - low).cmp(&(high - x)) {
        Ordering::Less => down,
        Ordering::Greater => up,
        Ordering::Equal if down.to_bits() % 2 == 0 => down,
        Ordering::Equal => up,
    }
}

/// A double within one unit in the last place of x: 64 leading bits of the quotient, rounded.
///
/// Results below the normal range are rounded twice, hence "within one unit" and not "nearest"; the directed
/// roundings compare exactly and do not depend on it being nearest.
#[must_use]
pub fn to_f64_nearest(x: &Rational) -> f64 {
    let (n, d) = (x.numer().magnitude(), x.denom().magnitude());
    if n.is_zero() {
        return 0.0;
    }
    let shift = n.bits() as i64 - d.bits() as i64 - 64;
    let quotient = if shift > 0 { n / (d << shift) } else { (n << (-shift)) / d };
    // 64 or 65 bits: to the nearest double, then scaled in two steps so that no step overflows early.
    let leading = quotient
        .iter_u64_digits()
        .rev()
        .fold(0.0, |acc, digit| acc * 1.8446744073709552e19 + digit as f64);
    let half = (shift / 2).clamp(-1_000, 1_000) as i32;
    let rest = (shift - i64::from(half)).clamp(-1_100, 1_100) as i32;
    let magnitude = leading * 2f64.powi(half) * 2f64.powi(rest);
    if x.numer().sign() == Sign::Minus { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rational(n: i64, d: i64) -> Rational {
        Rational::new(n.into(), d.into())
    }

    #[test]
    fn decimals_and_fractions_parse_exactly() {
        assert_eq!(parse_rational("8/255").unwrap(), rational(8, 255));
        assert_eq!(parse_rational("-0.030").unwrap(), rational(-3, 100));
        assert_eq!(parse_rational("1.5e-3").unwrap(), rational(15, 10_000));
        assert_eq!(parse_rational("+2E2").unwrap(), rational(200, 1));
        assert_eq!(parse_rational(".5").unwrap(), rational(1, 2));
    }

    #[test]
    fn malformed_numbers_are_refused() {
        for text in [
            "",
            ".",
            "-",
            "1e",
            "1e+",
            "0x1",
            "1/0",
            "nan",
            "inf",
            "1/-2",
            "1 2",
            "1e999999999999999999999",
        ] {
            assert!(parse_rational(text).is_err(), "{text}");
        }
        assert!(matches!(parse_rational("1e6000"), Err(ParseRationalError::HugeExponent(_))));
    }

    #[test]
    fn rounding_is_outward_at_the_edges() {
        let third = rational(1, 3);
        assert!(round_down(&third) < round_up(&third));
        assert_eq!(round_down(&rational(1, 4)), 0.25);
        assert_eq!(round_up(&parse_rational("1e400").unwrap()), f64::INFINITY);
        assert_eq!(round_down(&parse_rational("1e400").unwrap()), f64::MAX);
        assert_eq!(round_up(&parse_rational("1e-400").unwrap()), f64::from_bits(1));
        assert_eq!(round_down(&parse_rational("1e-400").unwrap()), 0.0);
    }

    proptest! {
        #[test]
        fn rounding_encloses_and_is_tight(n in any::<i64>(), d in 1i64.., e in -200i32..200) {
            let x = rational(n, d) * from_f64(2f64.powi(e)).unwrap();
            let (lo, hi) = (round_down(&x), round_up(&x));
            prop_assert!(from_f64(lo).unwrap() <= x && x <= from_f64(hi).unwrap());
            prop_assert!(hi == lo || hi == lo.next_up());
        }

        #[test]
        fn doubles_round_trip(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let exact = from_f64(x).unwrap();
            prop_assert_eq!(round_down(&exact), x);
            prop_assert_eq!(round_up(&exact), x);
        }

        #[test]
        fn nearest_is_what_the_standard_library_parses(m in any::<i64>(), e in -350i32..300) {
            let text = format!("{m}e{e}");
            prop_assume!(text.parse::<f64>().unwrap().is_finite());
            prop_assert_eq!(round_nearest(&parse_rational(&text).unwrap()), text.parse::<f64>().unwrap());
        }

        #[test]
        fn parsing_agrees_with_the_standard_library(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let exact = parse_rational(&format!("{x:e}")).unwrap();
            prop_assert!(round_down(&exact) <= x && x <= round_up(&exact));
        }
    }
}
