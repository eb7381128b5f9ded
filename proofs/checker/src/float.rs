//! The bits of an f64: decoding, exact composition, directed rounding of one product, hex floats.

/// `x = (−1)^negative · mantissa · 2^exponent`, with an odd mantissa unless x = 0. `x` must be finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub negative: bool,
    pub mantissa: u64,
    pub exponent: i32,
}

/// Takes a finite float apart.
pub fn decode(x: f64) -> Parts {
    let bits = x.to_bits();
    let raw = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (m, e) = if raw == 0 { (fraction, -1074) } else { (fraction | (1 << 52), raw - 1075) };
    let zeros = if m == 0 { 0 } else { m.trailing_zeros() };
    Parts { negative: bits >> 63 == 1, mantissa: m >> zeros, exponent: e + zeros as i32 }
}

/// `mantissa · 2^exponent` for mantissa ≤ 2^53 and exponent ≥ −1074, or `None` above the largest f64.
pub fn compose(mantissa: u64, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let length = 64 - mantissa.leading_zeros() as i64;
    let top = exponent + length - 1;
    if top > 1023 {
        return None;
    }
    if top < -1022 {
        return Some(f64::from_bits(mantissa << (exponent + 1074)));
    }
    let fraction = if length <= 53 { mantissa << (53 - length) } else { mantissa >> (length - 53) };
    Some(f64::from_bits((((top + 1023) as u64) << 52) | (fraction & ((1 << 52) - 1))))
}

/// The f64 nearest to `(−1)^negative · magnitude · 2^exponent` from above (`up`) or below, where
/// `sticky` says that the true magnitude is a little larger than `magnitude` (which then has 54 bits or more).
pub fn round(negative: bool, magnitude: u128, sticky: bool, exponent: i64, up: bool) -> f64 {
    let away = negative != up;
    let length = 128 - magnitude.leading_zeros() as i64;
    let unit = (exponent + length - 53).max(-1074);
    let shift = unit - exponent;
    let (mut m, mut lost) = if shift <= 0 {
        (magnitude as u64, false)
    } else if shift >= 128 {
        (0, magnitude != 0)
    } else {
        ((magnitude >> shift) as u64, magnitude & ((1 << shift) - 1) != 0)
    };
    lost |= sticky;
    if lost && away {
        m += 1;
    }
    let size = match compose(m, if shift <= 0 { exponent } else { unit }) {
        Some(x) => x,
        None if away => f64::INFINITY,
        None => f64::MAX,
    };
    if negative { -size } else { size }
}

/// Slopes are integers in units of 2^-32.
pub const SLOPE_ONE: u64 = 1 << 32;

/// The multiple of 2^-32 nearest to `s`, or `None` outside of [0, 1].
pub fn quantise(s: f64) -> Option<u64> {
    (0.0..=1.0).contains(&s).then(|| (s * SLOPE_ONE as f64).round() as u64)
}

/// The intercept `max(−s·l, (1 − s)·u)` of the upper facet, rounded up, which is max relu(z) − s·z over l ≤ z ≤ u; `slope` = s·2^32.
pub fn intercept(slope: u64, l: f64, u: f64) -> f64 {
    if !(l.is_finite() && u.is_finite()) || slope > SLOPE_ONE {
        return f64::INFINITY;
    }
    // One of the two is not negative: −s·l if l < 0, (1 − s)·u else.
    let product = |n: u64, x: f64| {
        let p = decode(x);
        match p.negative {
            true => 0.0,
            false => {
                round(false, p.mantissa as u128 * n as u128, false, p.exponent as i64 - 32, true)
            }
        }
    };
    product(slope, -l).max(product(SLOPE_ONE - slope, u))
}

/// Reads a hex float such as `-0x1.8p-3`; `None` if malformed, or no f64 has exactly this value.
pub fn parse_hex(text: &str) -> Option<f64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = rest.strip_prefix("0x")?.split_once('p')?;
    let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if unsigned.is_empty() || unsigned.len() > 6 || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || whole.len() + fraction.len() > 64 {
        return None;
    }
    let mut mantissa: u128 = 0;
    for (at, c) in whole.chars().chain(fraction.chars()).enumerate() {
        if mantissa >> 123 != 0 {
            return None;
        }
        mantissa = mantissa * 16 + c.to_digit(16)? as u128;
        if at >= whole.len() {
            exponent -= 4;
        }
    }
    let (below, above) =
        [false, true].map(|up| round(negative, mantissa, false, exponent, up)).into();
    (below == above && below.is_finite()).then_some(below)
}

/// The shortest hex float of a finite `x`, as `parse_hex` reads it.
pub fn format_hex(x: f64) -> String {
    let p = decode(x);
    format!("{}0x{:x}p{}", if p.negative { "-" } else { "" }, p.mantissa, p.exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wide::Sum;
    use proptest::prelude::*;

    #[test]
    fn hex_floats_round_trip() {
        for x in [0.0, 1.0, -1.5, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, -1e-310, 123456.789] {
            assert_eq!(parse_hex(&format_hex(x)), Some(x), "{x}");
        }
        assert_eq!(parse_hex("0x1.8p-1"), Some(0.75));
        for bad in [
            "",
            "1",
            "0x",
            "0xp1",
            "0x1",
            "0x1p",
            "0x1pz",
            "0x1p5000",
            "0x1.00000000000001p0",
            "0x1p-1080",
            "0x1p+-1",
            "--0x1p0",
            "0x1p1 ",
        ] {
            assert_eq!(parse_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn rounding_is_directed_and_tight() {
        let third = (1u128 << 100) / 3;
        let (a, b) =
            (round(false, third, true, -100, false), round(false, third, true, -100, true));
        assert!(a < b && a.next_up() == b && (a == 1.0 / 3.0 || b == 1.0 / 3.0));
        assert_eq!(round(true, third, true, -100, true), -a);
        assert_eq!(round(false, 3, false, -1075, false), 5e-324);
        assert_eq!(round(false, 3, false, -1075, true), 1e-323);
        assert_eq!(round(false, 1, false, -1200, true), 5e-324);
        assert_eq!(round(false, 1, false, -1200, false), 0.0);
        // Nothing but the sticky bit is lost.
        assert_eq!(round(false, 1 << 60, true, 0, true), 2f64.powi(60).next_up());
        assert_eq!(round(false, 1 << 60, true, 0, false), 2f64.powi(60));
        assert_eq!(round(true, 1 << 60, true, 0, false), (-2f64.powi(60)).next_down());
        assert_eq!(round(false, 1, false, 1024, false), f64::MAX);
        assert_eq!(round(true, 1, false, 1024, false), f64::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn the_intercept_covers_both_ends_exactly(s in 0.0f64..1.0, l in -10.0f64..-1e-9, u in 1e-9f64..10.0) {
            let s = quantise(s).unwrap();
            let t = intercept(s, l, u);
            let unit = 1.0 / SLOPE_ONE as f64;
            for (slope, end) in [(s, l), (SLOPE_ONE - s, -u)] {
                let mut rest = Sum::default();
                rest.add_floats(t, 1.0);
                rest.add_floats(slope as f64 * unit, end);
                prop_assert!(rest.to_f64(false) >= 0.0);
            }
        }
    }

    #[test]
    fn the_intercept_covers_both_ends() {
        let s = quantise(0.3).unwrap();
        let t = intercept(s, -1.0, 2.0);
        assert!((1.4 - 1e-9..1.4 + 1e-9).contains(&t));
        assert_eq!(intercept(SLOPE_ONE, -3.0, 1.0), 3.0);
        assert_eq!(intercept(0, -3.0, 1.0), 1.0);
        assert_eq!(intercept(SLOPE_ONE + 1, -3.0, 1.0), f64::INFINITY);
    }
}
