//! SplitMix64: a ten-line generator whose stream is fixed for ever, so that a seed means the same in every version.

/// The generator of Steele, Lea and Flood (*Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014): a Weyl
/// sequence passed through a mixing function. Statistically sound for starting points; not for secrets.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream number `stream` of a seed. Streams are independent of each other for all practical purposes, so a
    /// column draws the same numbers whichever columns share its batch.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut base = Self(seed);
        let offset = base.next_u64();
        Self(offset ^ Self(stream).next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (f64::EPSILON / 2.0)
    }

    /// A whole number below `n` (0 for n = 0), with a bias of at most n/2⁶⁴.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// 1 or −1.
    pub fn sign(&mut self) -> f64 {
        if self.next_u64() >> 63 == 0 { 1.0 } else { -1.0 }
    }

    /// A number of the standard normal distribution (Box and Muller 1958), the same on every platform.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs of the reference implementation with state 1234567.
        let mut rng = SplitMix64(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn units_are_spread_over_the_interval() {
        let mut rng = SplitMix64::new(7, 3);
        let draws: Vec<f64> = (0..1_000).map(|_| rng.unit()).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        assert!((draws.iter().sum::<f64>() / 1_000.0 - 0.5).abs() < 0.05);
        assert_ne!(SplitMix64::new(7, 3).next_u64(), SplitMix64::new(7, 4).next_u64());
    }

    #[test]
    fn normals_signs_and_whole_numbers_are_spread() {
        let mut rng = SplitMix64::new(1, 2);
        let draws: Vec<f64> = (0..10_000).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e4;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.05 && (square - 1.0).abs() < 0.05, "{mean} {square}");
        assert!((0..1_000).map(|_| rng.sign()).sum::<f64>().abs() < 120.0);
        let mut counts = [0; 5];
        (0..1_000).for_each(|_| counts[rng.below(5)] += 1);
        assert!(counts.iter().all(|&n| n > 140), "{counts:?}");
        assert_eq!(rng.below(0), 0);
    }
}
