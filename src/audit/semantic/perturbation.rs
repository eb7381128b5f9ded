//! Perturbations that are affine in a few parameters: light, contrast, haze, a covered patch.

use crate::audit::shift::Image;
use crate::num::Rational;
use num_traits::{One, Signed, Zero};
use std::fmt;
use thiserror::Error;

/// An image as exact numbers, in the units of its dataset.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Channels, height and width.
    pub image: Image,
    /// Its values.
    pub values: &'a [Rational],
    /// The valid range of each value, to which perturbed values are cut; `None` for no limits.
    pub domain: Option<&'a [(Rational, Rational)]>,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Patch {
    /// Its first row.
    pub top: usize,
    /// Its first column.
    pub left: usize,
    /// Number of rows, at least 1.
    pub height: usize,
    /// Number of columns, at least 1.
    pub width: usize,
}

impl Patch {
    /// Squares of a side over the whole image, `stride` apart, the last ones at the border: every pixel is in one
    /// where `stride ≤ side`, and with `stride` 1 they are all squares of that side. Empty where none fits.
    #[must_use]
    pub fn squares(image: Image, side: usize, stride: usize) -> Vec<Self> {
        if side == 0 || stride == 0 || side > image.height.min(image.width) {
            return Vec::new();
        }
        let starts = |length: usize| {
            let last = length - side;
            (0..last).step_by(stride).chain([last])
        };
        starts(image.height)
            .flat_map(|top| {
                starts(image.width).map(move |left| Self { top, left, height: side, width: side })
            })
            .collect()
    }

    /// Whether it lies in the image and has a pixel.
    #[must_use]
    pub fn fits(self, image: Image) -> bool {
        let inside = |start: usize, length: usize, all: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= all)
        };
        inside(self.top, self.height, image.height) && inside(self.left, self.width, image.width)
    }

    /// Positions of its values, channel by channel.
    fn values(self, image: Image) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.top..self.top + self.height;
        (0..image.channels).flat_map(move |channel| {
            let columns = self.left..self.left + self.width;
            let pixels = rows.clone().flat_map(move |row| columns.clone().map(move |c| (row, c)));
            pixels.map(move |(row, column)| (channel, image.at(channel, row, column)))
        })
    }
}

/// What a patch is covered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Anything: each value is any one of its range. One parameter a value.
    Anything,
    /// One colour, whichever: one parameter a channel.
    Colour,
    /// A shadow: x + t (low − x) for t from 0 (nothing) to 1 (black). One parameter.
    Shadow,
}

/// A set of perturbed images, x₀ + D p cut to the domain, over all p of a box.
///
/// | perturbation | an input x becomes | parameters |
/// | --- | --- | --- |
/// | brightness by β | x + b | b, from −β to β |
/// | contrast by γ | m + (1 + c)(x − m), m the mean of the channel | c, from −γ to γ |
/// | light by β, γ | m + (1 + c)(x − m) + b | b and c |
/// | haze up to τ | x + t (high − x): even fog (Koschmieder's law) | t, from 0 to τ |
/// | occlusion of a patch | see [`Fill`] | see [`Fill`] |
///
/// β is in the units of the data, as ε is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Perturbation {
    /// All values move together.
    Brightness {
        /// β ≥ 0.
        by: Rational,
    },
    /// The distance of all values from their channel's mean shrinks or grows.
    Contrast {
        /// γ, from 0 to 1.
        by: Rational,
    },
    /// Both at once, in every combination.
    Light {
        /// β ≥ 0.
        brightness: Rational,
        /// γ, from 0 to 1.
        contrast: Rational,
    },
    /// All values move towards the upper end of their range.
    Haze {
        /// τ, from 0 to 1.
        up_to: Rational,
    },
    /// A patch is covered.
    Occlusion {
        /// Where.
        patch: Patch,
        /// With what.
        fill: Fill,
    },
}

/// Why a perturbation makes no question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PerturbationError {
    /// A size outside its range.
    #[error("{name} is {value}, and must be {range}")]
    Size {
        /// Which size.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A patch that is empty or sticks out of the image.
    #[error(
        "the patch of {height} × {width} pixels at row {top}, column {left} does not lie in the image"
    )]
    Outside {
        /// First row.
        top: usize,
        /// First column.
        left: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// No range to speak of.
    #[error("{0} needs the domain of the data")]
    NeedsDomain(&'static str),
    /// Lengths that do not go together.
    #[error("{what} has {found} values where the image has {expected}")]
    Length {
        /// What has the wrong number of values.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
}

/// x₀ + D p over a box of parameters p, all numbers exact.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AffineFamily {
    /// x₀.
    pub(crate) offset: Vec<Rational>,
    /// The entries (parameter, coefficient) of each row of D.
    pub(crate) rows: Vec<Vec<(usize, Rational)>>,
    /// The box of the parameters.
    pub(crate) parameters: Vec<(Rational, Rational)>,
}

impl AffineFamily {
    /// The exact range of value i before it is cut.
    pub(super) fn range(&self, i: usize) -> (Rational, Rational) {
        let (mut low, mut high) = (self.offset[i].clone(), self.offset[i].clone());
        for (parameter, d) in &self.rows[i] {
            let (a, b) = &self.parameters[*parameter];
            let (least, most) = if d.is_negative() { (b, a) } else { (a, b) };
            low += d * least;
            high += d * most;
        }
        (low, high)
    }
}

impl Perturbation {
    /// The affine family of a scene.
    pub(super) fn family(&self, scene: &Scene) -> Result<AffineFamily, PerturbationError> {
        scene.check()?;
        match self {
            Self::Brightness { by } => scene.light(Some(by), None),
            Self::Contrast { by } => scene.light(None, Some(by)),
            Self::Light { brightness, contrast } => scene.light(Some(brightness), Some(contrast)),
            Self::Haze { up_to } => {
                within("the share of haze", up_to, Some(&Rational::one()), "from 0 to 1")?;
                let domain = scene.domain.ok_or(PerturbationError::NeedsDomain("haze"))?;
                let towards =
                    |(x, (_, high)): (&Rational, &(Rational, Rational))| vec![(0, high - x)];
                Ok(AffineFamily {
                    offset: scene.values.to_vec(),
                    rows: scene.values.iter().zip(domain).map(towards).collect(),
                    parameters: vec![(Rational::zero(), up_to.clone())],
                })
            }
            Self::Occlusion { patch, fill } => scene.covered(*patch, *fill),
        }
        .map(|mut family| {
            // A parameter that moves nothing, as the contrast of a uniform image, stays: the box keeps its dimension.
            family.rows.iter_mut().for_each(|row| row.retain(|(_, d)| !d.is_zero()));
            family
        })
    }
}

impl Scene<'_> {
    fn check(&self) -> Result<(), PerturbationError> {
        let expected = self.image.len();
        let lengths = [
            ("the input", Some(self.values.len())),
            ("the domain", self.domain.map(<[(Rational, Rational)]>::len)),
        ];
        for (what, found) in lengths {
            if let Some(found) = found.filter(|&found| found != expected) {
                return Err(PerturbationError::Length { what, found, expected });
            }
        }
        Ok(())
    }

    /// Brightness, contrast or both.
    fn light(
        &self,
        brightness: Option<&Rational>,
        contrast: Option<&Rational>,
    ) -> Result<AffineFamily, PerturbationError> {
        let mut parameters = Vec::new();
        let mut rows = vec![Vec::new(); self.values.len()];
        if let Some(by) = brightness {
            within("the change of brightness", by, None, "0 or more")?;
            rows.iter_mut().for_each(|row| row.push((0, Rational::one())));
            parameters.push((-by, by.clone()));
        }
        if let Some(by) = contrast {
            within("the change of contrast", by, Some(&Rational::one()), "from 0 to 1")?;
            let pixels = self.image.height * self.image.width;
            for (channel, values) in self.values.chunks_exact(pixels).enumerate() {
                let sum = values.iter().fold(Rational::zero(), |sum, x| sum + x);
                let mean = sum / Rational::from_integer(pixels.into());
                for (at, x) in values.iter().enumerate() {
                    rows[channel * pixels + at].push((parameters.len(), x - &mean));
                }
            }
            parameters.push((-by, by.clone()));
        }
        Ok(AffineFamily { offset: self.values.to_vec(), rows, parameters })
    }

    fn covered(&self, patch: Patch, fill: Fill) -> Result<AffineFamily, PerturbationError> {
        let domain = self.domain.ok_or(PerturbationError::NeedsDomain("occlusion"))?;
        if !patch.fits(self.image) {
            let Patch { top, left, height, width } = patch;
            return Err(PerturbationError::Outside { top, left, height, width });
        }
        let (mut offset, mut rows) = (self.values.to_vec(), vec![Vec::new(); self.values.len()]);
        let mut parameters: Vec<(Rational, Rational)> = Vec::new();
        if fill == Fill::Shadow {
            parameters.push((Rational::zero(), Rational::one()));
        }
        for (channel, at) in patch.values(self.image) {
            let (low, high) = &domain[at];
            if fill == Fill::Shadow {
                rows[at] = vec![(0, low - &self.values[at])];
                continue;
            }
            let parameter = if fill == Fill::Colour { channel } else { parameters.len() };
            if parameter == parameters.len() {
                parameters.push((low.clone(), high.clone()));
            }
            // Values of a channel with different ranges: the colour is of the widest, and cut where it must be.
            let (least, most) = &mut parameters[parameter];
            *least = (&*least).min(low).clone();
            *most = (&*most).max(high).clone();
            offset[at] = Rational::zero();
            rows[at] = vec![(parameter, Rational::one())];
        }
        Ok(AffineFamily { offset, rows, parameters })
    }
}

fn within(
    name: &'static str,
    value: &Rational,
    most: Option<&Rational>,
    range: &'static str,
) -> Result<(), PerturbationError> {
    if value.is_negative() || most.is_some_and(|most| value > most) {
        return Err(PerturbationError::Size { name, value: value.to_string(), range });
    }
    Ok(())
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brightness { by } => write!(f, "brightness by {by}"),
            Self::Contrast { by } => write!(f, "contrast by {by}"),
            Self::Light { brightness, contrast } => {
                write!(f, "brightness by {brightness} and contrast by {contrast}")
            }
            Self::Haze { up_to } => write!(f, "haze up to {up_to}"),
            Self::Occlusion { patch: Patch { top, left, height, width }, fill } => {
                let what = match fill {
                    Fill::Anything => "anything",
                    Fill::Colour => "one colour",
                    Fill::Shadow => "a shadow",
                };
                write!(f, "{height} × {width} pixels at row {top}, column {left} under {what}")
            }
        }
    }
}
