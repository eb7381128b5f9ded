//! Corruptions: noise, failed sensors, weather and optics at five severities, a function of seed and input alone.

use super::{Frame, Image};
use crate::attack::SplitMix64;
use crate::audit::run::input_seed;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// How strong a corruption is, from 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

impl Severity {
    /// All five, mildest first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The severity of this number; `None` outside 1 to 5.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=5).contains(&number).then_some(Self(number))
    }

    /// 1 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A kind of corruption.
///
/// Sizes are in units of the range [low, high] of each value ([`Frame`]); w = high − low. Random numbers depend on the seed, the
/// input's index and the kind, but not on the severity: a pixel lost at severity 2 is lost at severity 3, and noise
/// differs by a factor only. The parameters of severities 1 to 5 are those of [`Self::parameters`]; for Gaussian and
/// salt-and-pepper noise and contrast they are those of ImageNet-C (Hendrycks and Dietterich, *Benchmarking Neural Network
/// Robustness to Common Corruptions and Perturbations*, ICLR 2019).
///
/// | kind | an input x becomes | parameter | 1 | 2 | 3 | 4 | 5 |
/// | --- | --- | --- | --- | --- | --- | --- | --- |
/// | `gaussian-noise` | x + σ w g, g standard normal | σ | 0.08 | 0.12 | 0.18 | 0.26 | 0.38 |
/// | `uniform-noise` | x + a w u, u uniform on [−1, 1] | a | 0.1 | 0.15 | 0.25 | 0.35 | 0.5 |
/// | `salt-and-pepper` | a share s of the values is low or high, evenly | s | 0.03 | 0.06 | 0.09 | 0.17 | 0.27 |
/// | `dropout` | a share s of the values is low: dead sensors | s | 0.05 | 0.1 | 0.2 | 0.3 | 0.5 |
/// | `occlusion` | a square of side a·min(height, width) somewhere is low | a | 0.15 | 0.25 | 0.35 | 0.45 | 0.55 |
/// | `blur` | convolved with a Gaussian, edges repeated | its σ in pixels | 0.5 | 0.75 | 1 | 1.5 | 2 |
/// | `brightness` | x + b w | b | 0.1 | 0.2 | 0.3 | 0.4 | 0.5 |
/// | `contrast` | m + c (x − m), m the mean of the channel | c | 0.4 | 0.3 | 0.2 | 0.1 | 0.05 |
/// | `haze` | x + t (high − x): even fog (Koschmieder's law) | t | 0.15 | 0.3 | 0.45 | 0.6 | 0.75 |
///
/// Values are cut to the range where the dataset declares one. The first four make sense for tables too; those from
/// `occlusion` on are for images only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// Normal noise.
    GaussianNoise,
    /// Uniform noise.
    UniformNoise,
    /// Values stuck at either end.
    SaltAndPepper,
    /// Values stuck at the lower end.
    Dropout,
    /// A black square.
    Occlusion,
    /// Out of focus.
    Blur,
    /// Too much light.
    Brightness,
    /// Too little contrast.
    Contrast,
    /// Even fog.
    Haze,
}

/// A text that names no corruption.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no corruption; there are {names}", names = names())]
pub struct UnknownCorruption(String);

fn names() -> String {
    Corruption::ALL.map(|kind| kind.to_string()).join(", ")
}

impl Corruption {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::GaussianNoise,
        Self::UniformNoise,
        Self::SaltAndPepper,
        Self::Dropout,
        Self::Occlusion,
        Self::Blur,
        Self::Brightness,
        Self::Contrast,
        Self::Haze,
    ];

    /// The parameter at severities 1 to 5 (see the table above).
    #[must_use]
    pub fn parameters(self) -> [f64; 5] {
        match self {
            Self::GaussianNoise => [0.08, 0.12, 0.18, 0.26, 0.38],
            Self::UniformNoise => [0.1, 0.15, 0.25, 0.35, 0.5],
            Self::SaltAndPepper => [0.03, 0.06, 0.09, 0.17, 0.27],
            Self::Dropout => [0.05, 0.1, 0.2, 0.3, 0.5],
            Self::Occlusion => [0.15, 0.25, 0.35, 0.45, 0.55],
            Self::Blur => [0.5, 0.75, 1.0, 1.5, 2.0],
            Self::Brightness => [0.1, 0.2, 0.3, 0.4, 0.5],
            Self::Contrast => [0.4, 0.3, 0.2, 0.1, 0.05],
            Self::Haze => [0.15, 0.3, 0.45, 0.6, 0.75],
        }
    }

    /// The parameter at a severity.
    #[must_use]
    pub fn parameter(self, severity: Severity) -> f64 {
        self.parameters()[usize::from(severity.number() - 1)]
    }

    /// Whether the kind is for images only.
    #[must_use]
    pub fn needs_image(self) -> bool {
        !matches!(
            self,
            Self::GaussianNoise | Self::UniformNoise | Self::SaltAndPepper | Self::Dropout
        )
    }

    /// Whether the kind makes sense for such inputs.
    #[must_use]
    pub fn applies_to(self, frame: &Frame) -> bool {
        frame.image().is_some() || !self.needs_image()
    }

    /// The input `index`, `x`, corrupted; `None` where the kind is for images and the input is none.
    ///
    /// # Panics
    /// Where x has another length than the frame.
    #[must_use]
    pub fn apply(
        self,
        x: &[f64],
        frame: &Frame,
        severity: Severity,
        seed: u64,
        index: usize,
    ) -> Option<Vec<f64>> {
        assert_eq!(x.len(), frame.len(), "a value for each place of the frame");
        let size = self.parameter(severity);
        let mut rng = SplitMix64::new(input_seed(seed, index), self as u64);
        let each = |mut f: Box<dyn FnMut(usize, f64) -> f64 + '_>| -> Vec<f64> {
            x.iter().enumerate().map(|(at, &x)| frame.fit(at, f(at, x))).collect()
        };
        let image = frame.image();
        Some(match self {
            Self::GaussianNoise => {
                each(Box::new(|at, x| x + size * frame.width(at) * rng.normal()))
            }
            Self::UniformNoise => {
                each(Box::new(|at, x| x + size * frame.width(at) * (2.0 * rng.unit() - 1.0)))
            }
            Self::SaltAndPepper => each(Box::new(|at, x| {
                let (lost, salt) = (rng.unit() < size, rng.unit() < 0.5);
                match (lost, salt) {
                    (false, _) => x,
                    (true, true) => frame.high(at),
                    (true, false) => frame.low(at),
                }
            })),
            Self::Dropout => {
                each(Box::new(|at, x| if rng.unit() < size { frame.low(at) } else { x }))
            }
            Self::Occlusion => occlude(x, frame, image?, size, [rng.unit(), rng.unit()]),
            Self::Blur => blur(x, frame, image?, size),
            Self::Brightness => {
                image.map(|_| each(Box::new(|at, x| x + size * frame.width(at))))?
            }
            Self::Contrast => {
                let means = channel_means(x, image?);
                let channel = x.len() / means.len();
                each(Box::new(|at, x| means[at / channel] + size * (x - means[at / channel])))
            }
            Self::Haze => image.map(|_| each(Box::new(|at, x| x + size * (frame.high(at) - x))))?,
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Corruption {
    type Err = UnknownCorruption;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known: Result<Self, serde::de::value::Error> =
            Self::deserialize(text.into_deserializer());
        known.map_err(|_| UnknownCorruption(text.to_owned()))
    }
}

fn channel_means(x: &[f64], image: Image) -> Vec<f64> {
    let pixels = image.height * image.width;
    x.chunks_exact(pixels).map(|channel| channel.iter().sum::<f64>() / pixels as f64).collect()
}

/// The square's centre is at the shares `centre` of height and width, moved so far that the square fits in.
fn occlude(x: &[f64], frame: &Frame, image: Image, share: f64, centre: [f64; 2]) -> Vec<f64> {
    let side = (share * image.height.min(image.width) as f64).round() as usize;
    let first = |length: usize, centre: f64| {
        let start = centre * length as f64 - 0.5 * side as f64;
        (start.round().max(0.0) as usize).min(length - side)
    };
    let (top, left) = (first(image.height, centre[0]), first(image.width, centre[1]));
    let mut y = x.to_vec();
    for channel in 0..image.channels {
        for row in top..top + side {
            for column in left..left + side {
                let at = image.at(channel, row, column);
                y[at] = frame.low(at);
            }
        }
    }
    y
}

/// Rows, then columns, convolved with a Gaussian that ends at 3σ and sums to 1.
fn blur(x: &[f64], frame: &Frame, image: Image, sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| libm::exp(-0.5 * (d as f64 / sigma) * (d as f64 / sigma));
    let total: f64 = (-reach..=reach).map(weight).sum();
    let weights: Vec<(isize, f64)> = (-reach..=reach).map(|d| (d, weight(d) / total)).collect();
    let near = |at: usize, d: isize, length: usize| at.saturating_add_signed(d).min(length - 1);
    let pass = |x: &[f64], vertical: bool| -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for channel in 0..image.channels {
            for row in 0..image.height {
                for column in 0..image.width {
                    let term = |&(d, w): &(isize, f64)| {
                        let (r, c) = if vertical {
                            (near(row, d, image.height), column)
                        } else {
                            (row, near(column, d, image.width))
                        };
                        w * x[image.at(channel, r, c)]
                    };
                    y[image.at(channel, row, column)] = weights.iter().map(term).sum();
                }
            }
        }
        y
    };
    let blurred = pass(&pass(x, false), true);
    blurred.into_iter().enumerate().map(|(at, y)| frame.fit(at, y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAGE: Image = Image { channels: 2, height: 6, width: 5 };

    fn frame(image: Option<Image>) -> Frame {
        let one = |n: i64| crate::num::Rational::from_integer(n.into());
        Frame::with_domain(image, &vec![(one(0), one(1)); IMAGE.len()])
    }

    fn severity(number: u8) -> Severity {
        Severity::new(number).unwrap()
    }

    fn distance(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum()
    }

    #[test]
    fn names_round_trip_and_parameters_grow() {
        for kind in Corruption::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let parameters = kind.parameters();
            let sign = if kind == Corruption::Contrast { -1.0 } else { 1.0 };
            assert!(parameters.windows(2).all(|w| sign * w[0] < sign * w[1]), "{kind}");
        }
        assert!("fog".parse::<Corruption>().unwrap_err().to_string().contains("haze"));
        assert!(Severity::new(0).is_none() && Severity::new(6).is_none());
    }

    #[test]
    fn the_table_above_shows_the_parameters() {
        let source = include_str!("corruption.rs");
        for kind in Corruption::ALL {
            let row = source.lines().find(|line| line.starts_with(&format!("/// | `{kind}` |")));
            let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
            let shown: Vec<f64> = cells[4..9].iter().map(|cell| cell.parse().unwrap()).collect();
            assert_eq!(shown, kind.parameters(), "{kind}");
        }
    }

    #[test]
    fn tables_have_noise_and_dropout_only() {
        let x = vec![0.5; IMAGE.len()];
        for kind in Corruption::ALL {
            let applied = kind.apply(&x, &frame(None), severity(1), 0, 0);
            assert_eq!(applied.is_some(), kind.applies_to(&frame(None)), "{kind}");
            assert_eq!(applied.is_some(), !kind.needs_image(), "{kind}");
        }
    }

    #[test]
    fn uniform_images_stay_uniform_under_optics() {
        let x = vec![0.25; IMAGE.len()];
        let apply =
            |kind: Corruption| kind.apply(&x, &frame(Some(IMAGE)), severity(2), 0, 0).unwrap();
        let all = |y: Vec<f64>, value: f64| y.iter().all(|y| (y - value).abs() < 1e-15);
        assert!(all(apply(Corruption::Blur), 0.25));
        assert!(all(apply(Corruption::Contrast), 0.25));
        assert!(all(apply(Corruption::Brightness), 0.45));
        assert!(all(apply(Corruption::Haze), 0.25 + 0.3 * 0.75));
    }

    #[test]
    fn the_square_is_black_and_whole() {
        let x = vec![0.5; IMAGE.len()];
        for index in 0..50 {
            let y = Corruption::Occlusion.apply(&x, &frame(Some(IMAGE)), severity(4), 1, index);
            let black = y.unwrap().iter().filter(|&&y| y == 0.0).count();
            assert_eq!(black, 2 * 2 * IMAGE.channels, "0.45 of 5 pixels are 2");
        }
    }

    #[test]
    fn noise_has_the_spread_that_it_says() {
        let points = vec![vec![0.0; 5000], vec![10.0; 5000]];
        let frame = Frame::of_points(None, points);
        let spread = |kind: Corruption| {
            let y = kind.apply(&vec![5.0; 5000], &frame, severity(3), 5, 0).unwrap();
            (y.iter().map(|y| (y - 5.0) * (y - 5.0)).sum::<f64>() / 5000.0).sqrt()
        };
        assert!((spread(Corruption::GaussianNoise) - 1.8).abs() < 0.1);
        assert!((spread(Corruption::UniformNoise) - 2.5 / 3f64.sqrt()).abs() < 0.1);
        let lost = Corruption::Dropout.apply(&vec![5.0; 5000], &frame, severity(3), 5, 0).unwrap();
        let lost = lost.iter().filter(|y| **y == 0.0).count();
        assert!((900..1100).contains(&lost), "{lost} of 1000");
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(40))]

        /// Whatever the input: inside the domain, a function of seed and index, and no milder at a higher severity.
        #[test]
        fn corruptions_are_repeatable_and_stay_in_the_domain(
            x in proptest::collection::vec(0.0..=1.0f64, IMAGE.len()),
            seed in any::<u64>(),
            index in 0usize..1_000_000,
        ) {
            let frame = frame(Some(IMAGE));
            for kind in Corruption::ALL {
                let at = |number, index| kind.apply(&x, &frame, severity(number), seed, index).unwrap();
                let mut last = 0.0;
                for number in 1..=5 {
                    let y = at(number, index);
                    prop_assert_eq!(&y, &at(number, index));
                    prop_assert!(y.iter().all(|y| (0.0..=1.0).contains(y)), "{}", kind);
                    // The square of the next severity need not contain the smaller one: it may be moved to fit in.
                    if kind != Corruption::Occlusion {
                        let far = distance(&x, &y);
                        prop_assert!(far >= last - 1e-9, "{} at {}", kind, number);
                        last = far;
                    }
                }
                let random = [Corruption::GaussianNoise, Corruption::UniformNoise].contains(&kind);
                prop_assert!(!random || at(3, index) != at(3, index + 1));
            }
        }

        /// Without a domain nothing is cut, and only the values' own ranges matter.
        #[test]
        fn tables_are_measured_by_their_own_ranges(seed in any::<u64>()) {
            let frame = Frame::of_points(None, vec![vec![0.0, 0.0, 5.0], vec![1.0, 1000.0, 5.0]]);
            let x = [0.5, 500.0, 5.0];
            let y = Corruption::UniformNoise.apply(&x, &frame, severity(5), seed, 0).unwrap();
            prop_assert!((y[0] - 0.5).abs() <= 0.5 && (y[1] - 500.0).abs() <= 500.0);
            prop_assert_eq!(y[2], 5.0);
        }
    }
}
