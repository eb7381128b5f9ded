//! Exact decimals, and their directed rounding to f64.
use crate::float::round;
use num_bigint::{BigInt, BigUint, Sign};

/// `digits · 10^−places`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: BigInt,
    places: u32,
}

/// Longest literal, and largest decimal exponent in one.
const LONGEST: usize = 400;

impl Decimal {
    pub fn integer(n: i64) -> Decimal {
        Decimal { digits: BigInt::from(n), places: 0 }
    }

    /// Reads `-12.5e-3`; `None` if malformed or too long.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((m, e)) => (m, e),
            None => (text, "0"),
        };
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let (negative, size) = match mantissa.strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let fine = digits(whole) && digits(fraction) && digits(unsigned) && !unsigned.is_empty();
        if !fine || whole.len() + fraction.len() == 0 || text.len() > LONGEST || unsigned.len() > 4
        {
            return None;
        }
        let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let all: BigUint = format!("0{whole}{fraction}").parse().ok()?;
        let mut digits = BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, all);
        let mut places = fraction.len() as i64 - exponent;
        if places < 0 {
            if -places > LONGEST as i64 {
                return None;
            }
            digits *= BigInt::from(10).pow(-places as u32);
            places = 0;
        }
        if places > 2 * LONGEST as i64 {
            return None;
        }
        Some(Decimal { digits, places: places as u32 })
    }

    fn aligned(&self, places: u32) -> BigInt {
        &self.digits * BigInt::from(10).pow(places - self.places)
    }

    pub fn add(&self, other: &Decimal) -> Decimal {
        let places = self.places.max(other.places);
        Decimal { digits: self.aligned(places) + other.aligned(places), places }
    }

    pub fn multiply(&self, other: &Decimal) -> Option<Decimal> {
        let places = self.places + other.places;
        let digits = &self.digits * &other.digits;
        (places < 1 << 10 && digits.bits() < 1 << 12).then_some(Decimal { digits, places })
    }

    pub fn negate(&self) -> Decimal {
        Decimal { digits: -&self.digits, places: self.places }
    }

    pub fn sign(&self) -> Sign {
        self.digits.sign()
    }

    pub fn is_zero(&self) -> bool {
        self.sign() == Sign::NoSign
    }

    /// The places that are needed: without trailing zeros.
    pub fn needed_places(&self) -> u32 {
        let (mut digits, mut places) = (self.digits.clone(), self.places);
        let ten = BigInt::from(10);
        while places > 0 && (&digits % &ten).sign() == Sign::NoSign {
            digits /= &ten;
            places -= 1;
        }
        places
    }

    /// self · 10^n.
    pub fn shifted(&self, n: u32) -> Decimal {
        let less = n.min(self.places);
        let digits = &self.digits * BigInt::from(10).pow(n - less);
        Decimal { digits, places: self.places - less }
    }

    /// The f64 next to self / divisor on one side; the divisor is positive.
    pub fn quotient(&self, divisor: &Decimal, up: bool) -> f64 {
        let numerator = self.digits.magnitude() * BigUint::from(10u32).pow(divisor.places);
        let denominator = divisor.digits.magnitude() * BigUint::from(10u32).pow(self.places);
        let shift = 66 + denominator.bits() as i64 - numerator.bits() as i64;
        let (n, d) = match shift {
            0.. => (numerator << shift as u64, denominator),
            _ => (numerator, denominator << -shift as u64),
        };
        let quotient = &n / &d;
        let sticky = &quotient * &d != n;
        let lead = quotient.iter_u64_digits().rev().fold(0u128, |a, x| (a << 64) | x as u128);
        round(self.sign() == Sign::Minus, lead, sticky, -shift, up)
    }

    pub fn round(&self, up: bool) -> f64 {
        self.quotient(&Decimal::integer(1), up)
    }

    /// The f64 of this very value, if there is one.
    pub fn exact(&self) -> Option<f64> {
        let (below, above) = (self.round(false), self.round(true));
        (below == above && below.is_finite()).then_some(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_to_both_sides() {
        for text in [
            "0.1",
            "-0.1",
            "1e-5",
            "123456789.987654321",
            "-1.127338e6",
            "0.5",
            "1e300",
            "4e-324",
            "0",
            "-0.0",
            "7",
        ] {
            let d = Decimal::parse(text).unwrap();
            let (a, b, near) = (d.round(false), d.round(true), text.parse::<f64>().unwrap());
            assert!(a == b && a == near || a.next_up() == b && (near == a || near == b), "{text}");
        }
        assert_eq!(Decimal::parse("0.1").unwrap().exact(), None);
        assert_eq!(Decimal::parse("-0.375").unwrap().exact(), Some(-0.375));
        for bad in ["", "-", ".", "1e", "1e1.5", "0x1", "1_0", "1e99999", "--1", "1e999"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
        let third = Decimal::integer(1);
        assert!(
            third.quotient(&Decimal::integer(3), false)
                < third.quotient(&Decimal::integer(3), true)
        );
    }
}
