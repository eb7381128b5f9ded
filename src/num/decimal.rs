//! Decimals of at most 18 digits: exact, and rounded outward without big integers.

use super::exact::{MAX_EXPONENT, ParseRationalError, Rational, parse_rational};
use super::exact::{enclosure, heap_size};
use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};
use std::cmp::Ordering;

/// An exact decimal. The common ones are two machine words; the others are rationals on the heap.
///
/// A file of a hundred megabytes holds millions of them, hence the trouble.
#[derive(Debug, Clone)]
pub struct Decimal(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// mantissa · 10^exponent, |mantissa| < 10^18, exponent in [`EXPONENTS`].
    Small {
        mantissa: i64,
        exponent: i8,
    },
    Big(Box<Rational>),
}

/// 5^31 times a 53-bit significand still fits in 128 bits, and so does 10^18 · 10^19.
const EXPONENTS: std::ops::RangeInclusive<i64> = -31..=19;
const DIGITS: u32 = 18;

impl Decimal {
    /// Parses `-0.03`, `1.5e-3`, `7`; no fractions.
    ///
    /// # Errors
    /// Where the text is no decimal, or its exact value would be huge.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseRationalError> {
        if let Some(small) = parse_small(text.as_bytes()) {
            return Ok(Self(small));
        }
        if text.contains('/') {
            return Err(ParseRationalError::Malformed(text.to_owned()));
        }
        // A literal of a million digits would take minutes and mean nothing that its first thousand do not.
        if text.len() as i64 > 2 * MAX_EXPONENT {
            let start: String = text.chars().take(20).collect();
            return Err(ParseRationalError::HugeExponent(format!("{start}…")));
        }
        parse_rational(text).map(Self::from)
    }

    /// The exact value.
    #[must_use]
    pub(crate) fn to_rational(&self) -> Rational {
        match &self.0 {
            Repr::Small { mantissa, exponent } => {
                let power = BigInt::from(10).pow(u32::from(exponent.unsigned_abs()));
                let mantissa = BigInt::from(*mantissa);
                if *exponent < 0 {
                    Rational::new(mantissa, power)
                } else {
                    Rational::from_integer(mantissa * power)
                }
            }
            Repr::Big(exact) => (**exact).clone(),
        }
    }

    /// Bytes that it takes on the heap.
    #[must_use]
    pub(crate) fn heap_size(&self) -> usize {
        match &self.0 {
            Repr::Small { .. } => 0,
            Repr::Big(exact) => size_of::<Rational>() + heap_size(exact),
        }
    }

    /// The largest double ≤ and the smallest double ≥ the exact value.
    #[must_use]
    pub(crate) fn enclosure(&self) -> [f64; 2] {
        match &self.0 {
            Repr::Small { mantissa, exponent } => {
                let [down, up] = enclose(mantissa.unsigned_abs(), *exponent);
                if *mantissa < 0 { [-up, -down] } else { [down, up] }
            }
            Repr::Big(exact) => enclosure(exact),
        }
    }

    /// A number of the interval from `low` to `high`, of which the ends said to be open are no part: an end where one is
    /// there and a decimal, else a decimal between them. A fraction such as 1/3 only where the interval holds nothing else.
    ///
    /// The interval is not empty: `low` < `high`, or they are equal and neither is open.
    #[must_use]
    pub(crate) fn within(low: &Self, high: &Self, [open_low, open_high]: [bool; 2]) -> Self {
        if !open_low && low.places().is_some() {
            return low.clone();
        }
        if !open_high && high.places().is_some() {
            return high.clone();
        }
        let (a, b) = (low.to_rational(), high.to_rational());
        if a >= b {
            return low.clone();
        }
        // The first multiple of 10^-k above a, from a k on at which these are hardly closer to each other than a and b.
        let width = &b - &a;
        let bits = width.denom().bits() as i64 - width.numer().bits() as i64;
        let mut k = (bits * 3 / 10).max(0) as u32;
        loop {
            let power = Rational::from_integer(BigInt::from(10).pow(k));
            let next = ((&a * &power).floor() + Rational::one()) / power;
            if next < b {
                return Self::from(next);
            }
            k += 1;
        }
    }

    /// How many places behind the point the number has; `None` for one that no finite number of them writes.
    fn places(&self) -> Option<usize> {
        match &self.0 {
            Repr::Small { exponent, .. } => Some(usize::from(exponent.unsigned_abs())),
            Repr::Big(exact) => places(exact),
        }
    }
}

/// How many places behind the point x has, the last not 0; `None` where no finite number of them writes it.
fn places(x: &Rational) -> Option<usize> {
    let twos = x.denom().trailing_zeros().unwrap_or(0);
    let (mut rest, mut fives) = (x.denom() >> twos, 0);
    while (&rest % 5u32).is_zero() {
        rest /= 5u32;
        fives += 1;
    }
    rest.is_one().then(|| (twos as usize).max(fives))
}

/// The decimal that is exactly x, all its places written out; `None` where there is none (1/3).
#[must_use]
pub fn exact_decimal(x: &Rational) -> Option<String> {
    let places = places(x)?;
    let scaled = (x * Rational::from_integer(BigInt::from(10).pow(places as u32))).to_integer();
    let digits = format!("{:0>width$}", scaled.magnitude(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let (sign, point) = (if x.is_negative() { "-" } else { "" }, if places > 0 { "." } else { "" });
    Some(format!("{sign}{whole}{point}{fraction}"))
}

impl From<Rational> for Decimal {
    fn from(exact: Rational) -> Self {
        Self(Repr::Big(Box::new(exact)))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (
                Repr::Small { mantissa: a, exponent: e },
                Repr::Small { mantissa: b, exponent: f },
            ) if e == f => a.cmp(b),
            _ => self.to_rational().cmp(&other.to_rational()),
        }
    }
}

/// The fast path of parsing; `None` for whatever is not plainly a decimal of at most 18 significant digits.
fn parse_small(text: &[u8]) -> Option<Repr> {
    let (negative, mut rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let (mut mantissa, mut exponent, mut digits, mut point) = (0i64, 0i64, 0usize, false);
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                digits += 1;
                exponent -= i64::from(point);
            }
            b'.' if !point => point = true,
            b'e' | b'E' => {
                exponent += std::str::from_utf8(tail).ok()?.parse::<i16>().map(i64::from).ok()?;
                break;
            }
            _ => return None,
        }
        rest = tail;
    }
    if digits == 0 {
        return None;
    }
    if mantissa == 0 {
        return Some(Repr::Small { mantissa: 0, exponent: 0 });
    }
    while exponent < 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    if mantissa >= 10i64.pow(DIGITS) || !EXPONENTS.contains(&exponent) {
        return None;
    }
    let mantissa = if negative { -mantissa } else { mantissa };
    Some(Repr::Small { mantissa, exponent: exponent as i8 })
}

const POWERS_OF_TEN: [f64; 32] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
];

/// The doubles around m · 10^e: a quotient of doubles, moved to its place by exact comparisons.
fn enclose(mantissa: u64, exponent: i8) -> [f64; 2] {
    if exponent == 0 && mantissa < 1 << 53 {
        return [mantissa as f64; 2];
    }
    let power = POWERS_OF_TEN[usize::from(exponent.unsigned_abs())];
    let mut near = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    match compare(mantissa, exponent, near) {
        Ordering::Equal => [near, near],
        Ordering::Greater => loop {
            let next = near.next_up();
            match compare(mantissa, exponent, next) {
                Ordering::Less => return [near, next],
                Ordering::Equal => return [next, next],
                Ordering::Greater => near = next,
            }
        },
        Ordering::Less => loop {
            let next = near.next_down();
            match compare(mantissa, exponent, next) {
                Ordering::Greater => return [next, near],
                Ordering::Equal => return [next, next],
                Ordering::Less => near = next,
            }
        },
    }
}

/// m · 10^e against a positive normal double x = k · 2^q, exactly: both sides are whole numbers below 2^127 once
/// multiplied by 10^-e and 2^-q where these are whole.
fn compare(mantissa: u64, exponent: i8, x: f64) -> Ordering {
    let bits = x.to_bits();
    let significand = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
    let power = (bits >> 52) as i32 - 1075;
    let (mut left, mut right) = (u128::from(mantissa), significand);
    let shift = if exponent < 0 {
        right *= 5u128.pow(u32::from(exponent.unsigned_abs()));
        i32::from(exponent) - power
    } else {
        left *= 10u128.pow(u32::from(exponent.unsigned_abs()));
        -power
    };
    let by = shift.unsigned_abs();
    if shift >= 0 {
        if left.leading_zeros() < by {
            return Ordering::Greater;
        }
        left <<= by;
    } else {
        if right.leading_zeros() < by {
            return Ordering::Less;
        }
        right <<= by;
    }
    left.cmp(&right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::{round_down, round_up};
    use proptest::prelude::*;

    fn check(text: &str) {
        let (decimal, exact) = (Decimal::parse(text).unwrap(), parse_rational(text).unwrap());
        assert_eq!(decimal.to_rational(), exact, "{text}");
        assert_eq!(decimal.enclosure(), [round_down(&exact), round_up(&exact)], "{text}");
    }

    #[test]
    fn odd_but_legal_spellings() {
        for text in [
            "0",
            "-0.0",
            "+1.50",
            ".5",
            "5.",
            "1.127338e6",
            "1E-05",
            "9007199254740993",
            "999999999999999999e19",
            "1e-31",
            "1e-32",
            "123456789012345678e-31",
            "1e400",
            "1e-400",
            "0.1000000000000000055511151231257827021181583404541015625",
        ] {
            check(text);
        }
    }

    #[test]
    fn decimals_are_written_out() {
        for (text, written) in [
            ("0.30", Some("0.3")),
            ("-12e-4", Some("-0.0012")),
            ("7e2", Some("700")),
            ("0", Some("0")),
            ("-3/8", Some("-0.375")),
            ("1/15", None),
        ] {
            let exact = parse_rational(text).unwrap();
            assert_eq!(exact_decimal(&exact).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "1/2", "1e", "1e1.5", "0x10", "nan", "--1", "1.2.3", "1_000"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
        let long = "1".repeat(1_000_000);
        assert!(matches!(Decimal::parse(&long), Err(ParseRationalError::HugeExponent(_))));
    }

    proptest! {
        #[test]
        fn agrees_with_rationals(m in any::<i64>(), e in -40i64..25) {
            check(&format!("{m}e{e}"));
        }

        #[test]
        fn agrees_on_what_programs_print(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            check(&format!("{x:e}"));
            check(&format!("{x}"));
            check(&format!("{}", (x % 1e9) as f32));
        }

        #[test]
        fn exact_decimals_are_read_back(m in any::<i64>(), e in -40i64..25, x in any::<f64>()) {
            let exact = parse_rational(&format!("{m}e{e}")).unwrap();
            prop_assert_eq!(parse_rational(&exact_decimal(&exact).unwrap()).unwrap(), exact);
            if let Some(exact) = crate::num::from_f64(x) {
                let text = exact_decimal(&exact).unwrap();
                prop_assert_eq!(text.parse::<f64>().unwrap(), x);
                prop_assert_eq!(parse_rational(&text).unwrap(), exact);
            }
        }

        #[test]
        fn what_is_within_an_interval_is(
            n in -999i64..999, d in 1i64..60, width in 0i64..3, e in -30i64..30, open in any::<[bool; 2]>(),
        ) {
            let low = Rational::new(n.into(), d.into());
            let high = &low + parse_rational(&format!("{width}e{e}")).unwrap();
            let open = if width == 0 { [false; 2] } else { open };
            let [a, b] = [&low, &high].map(|x| Decimal::from(x.clone()));
            let found = Decimal::within(&a, &b, open).to_rational();
            prop_assert!(if open[0] { low < found } else { low <= found }, "{} in {} {}", found, low, high);
            prop_assert!(if open[1] { found < high } else { found <= high }, "{} in {} {}", found, low, high);
            prop_assert!(width == 0 || exact_decimal(&found).is_some());
        }

        #[test]
        fn orders_as_rationals_do(a in -99i64..99, e in -3i64..3, b in -99i64..99, f in -3i64..3) {
            let [x, y] = [(a, e), (b, f)].map(|(m, e)| Decimal::parse(&format!("{m}e{e}")).unwrap());
            prop_assert_eq!(x.cmp(&y), x.to_rational().cmp(&y.to_rational()));
        }
    }
}
