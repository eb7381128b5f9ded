//! Integers of many limbs (64-bit digits, little end first, two's complement) and exact sums of products.
use crate::float::{decode, round};

/// The limb that continues `a` to the left.
fn extension(a: &[u64]) -> u64 {
    if a.last().is_some_and(|x| *x >> 63 == 1) { u64::MAX } else { 0 }
}

/// acc ← acc ± a·w, modulo 2^(64·len(acc)).
#[inline]
pub fn multiply_add(acc: &mut [u64], a: &[u64], w: u64, negative: bool) {
    // acc − p = !(!acc + p) in two's complement, so one loop does both signs.
    let flip = if negative { u64::MAX } else { 0 };
    let (low, high) = acc.split_at_mut(a.len().min(acc.len()));
    let mut carry = 0u64;
    for (x, y) in low.iter_mut().zip(a) {
        let t = *y as u128 * w as u128 + (*x ^ flip) as u128 + carry as u128;
        (*x, carry) = (t as u64 ^ flip, (t >> 64) as u64);
    }
    let extended = extension(a);
    for x in high {
        let t = extended as u128 * w as u128 + (*x ^ flip) as u128 + carry as u128;
        (*x, carry) = (t as u64 ^ flip, (t >> 64) as u64);
    }
}

/// Number of bits of |a|, at most one too many.
pub fn bits(a: &[u64]) -> usize {
    let sign = extension(a);
    match a.iter().rposition(|x| *x != sign) {
        Some(top) => 64 * top + 64 - (a[top] ^ sign).leading_zeros() as usize + 1,
        None => usize::from(sign != 0),
    }
}

/// The magnitude of a two's complement number, and whether it is negative.
fn magnitude(a: &[u64]) -> (bool, Vec<u64>) {
    let negative = extension(a) != 0;
    let mut out = a.to_vec();
    if negative {
        let mut carry = true;
        for x in &mut out {
            (*x, carry) = (!*x).overflowing_add(carry as u64);
        }
    }
    (negative, out)
}

/// `a · 2^exponent` rounded to an f64 upwards or downwards.
pub fn to_f64(a: &[u64], exponent: i64, up: bool) -> f64 {
    let (negative, size) = magnitude(a);
    let Some(top) = size.iter().rposition(|x| *x != 0) else { return 0.0 };
    // 65 or more leading bits and a sticky bit for the rest decide every rounding.
    let next = if top > 0 { size[top - 1] } else { 0 };
    let sticky = top > 1 && size[..top - 1].iter().any(|x| *x != 0);
    if top == 0 {
        round(negative, size[0] as u128, false, exponent, up)
    } else {
        let lead = (size[top] as u128) << 64 | next as u128;
        round(negative, lead, sticky, exponent + 64 * (top as i64 - 1), up)
    }
}

/// An exact sum of dyadic numbers: `limbs · 2^exponent`, growing at either end as terms need it.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    limbs: Vec<u64>,
    exponent: i64,
}

impl Sum {
    /// self ← self + a·2^exponent·x for a two's complement `a` and a finite x.
    pub fn add_product(&mut self, a: &[u64], exponent: i64, x: f64) {
        let p = decode(x);
        let length = bits(a) as i64;
        if p.mantissa == 0 || length == 0 {
            return;
        }
        let low = exponent + p.exponent as i64;
        self.reserve(low, low + length + 64 - p.mantissa.leading_zeros() as i64);
        let shift = low - self.exponent;
        let (limb, bit) = ((shift / 64) as usize, (shift % 64) as u32);
        let wide = (p.mantissa as u128) << bit;
        multiply_add(&mut self.limbs[limb..], a, wide as u64, p.negative);
        if wide >> 64 != 0 {
            multiply_add(&mut self.limbs[limb + 1..], a, (wide >> 64) as u64, p.negative);
        }
    }

    /// self ← self + x·y for finite x, y.
    pub fn add_floats(&mut self, x: f64, y: f64) {
        let p = decode(x);
        if p.mantissa != 0 {
            self.add_product(&[p.mantissa], p.exponent as i64, if p.negative { -y } else { y });
        }
    }

    /// Makes room for a summand between 2^low and 2^high in size, and for a carry.
    fn reserve(&mut self, low: i64, high: i64) {
        if self.limbs.is_empty() {
            self.exponent = low.div_euclid(64) * 64;
            self.limbs.push(0);
        }
        if low < self.exponent {
            let more = (self.exponent - low).div_euclid(64) + 1;
            self.limbs.splice(0..0, std::iter::repeat_n(0, more as usize));
            self.exponent -= 64 * more;
        }
        let length = (bits(&self.limbs) as i64).max(high - self.exponent) + 2;
        let sign = extension(&self.limbs);
        while (self.limbs.len() as i64) * 64 < length {
            self.limbs.push(sign);
        }
    }

    /// The largest f64 that is not above the sum, or (`up`) the smallest that is not below it.
    pub fn to_f64(&self, up: bool) -> f64 {
        to_f64(&self.limbs, self.exponent, up)
    }

    pub fn clear(&mut self) {
        self.limbs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn big(a: &[u64]) -> BigInt {
        BigInt::from_signed_bytes_le(&a.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn multiply_add_agrees_with_big_integers(
            a in prop::collection::vec(any::<u64>(), 1..4), w: u64, negative: bool, start: i64
        ) {
            let mut acc = vec![if start < 0 { u64::MAX } else { 0 }; 6];
            acc[0] = start as u64;
            multiply_add(&mut acc, &a, w, negative);
            let p = big(&a) * w;
            prop_assert_eq!(big(&acc), BigInt::from(start) + if negative { -p } else { p });
        }

        #[test]
        fn sums_round_outward_and_tightly(
            terms in prop::collection::vec((-1e6f64..1e6, -40i32..40, -1e3f64..1e3), 1..30)
        ) {
            let (mut sum, mut exact) = (Sum::default(), BigInt::from(0));
            for (x, e, y) in terms {
                let x = x * 2f64.powi(e);
                sum.add_floats(x, y);
                let (p, q) = (decode(x), decode(y));
                let m: BigInt = (BigInt::from(p.mantissa) * q.mantissa) << (p.exponent + q.exponent + 2200) as usize;
                exact += if p.negative != q.negative { -m } else { m };
            }
            let value = |x: f64| {
                let p = decode(x);
                let m: BigInt = BigInt::from(p.mantissa) << (p.exponent + 2200) as usize;
                if p.negative { -m } else { m }
            };
            let (low, high) = (sum.to_f64(false), sum.to_f64(true));
            prop_assert!(value(low) <= exact && exact <= value(high));
            prop_assert!(low == high || low.next_up() == high);
        }
    }

    #[test]
    fn sums_across_signs_and_sizes() {
        let mut sum = Sum::default();
        for (x, y) in [(1.0, -1.0), (5e-324, 5e-324), (f64::MAX, f64::MAX), (-f64::MAX, f64::MAX)] {
            sum.add_floats(x, y);
        }
        assert_eq!((sum.to_f64(false), sum.to_f64(true)), (-1.0, (-1.0f64).next_up()));
        assert_eq!(Sum::default().to_f64(true), 0.0);
        // The last bit of three limbs decides.
        assert_eq!(to_f64(&[1, 0, 1], 0, true), 2f64.powi(128).next_up());
        assert_eq!(to_f64(&[1, 0, 1], 0, false), 2f64.powi(128));
    }
}
