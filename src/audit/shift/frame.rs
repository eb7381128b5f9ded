//! What the numbers of an input are: pixels of an image or features of a table, and the range that each one lives in.

use crate::load::Dataset;
use crate::num::{Rational, to_f64_nearest};

/// The size of an image: channels × height × width, flattened row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Channels, 1 to 4.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
}

impl Image {
    /// The most channels that an image has; a first dimension above it is no channel.
    const MOST_CHANNELS: usize = 4;
    /// The least height and width of an image.
    const LEAST_SIDE: usize = 4;

    /// The image that a tensor of this shape is: channels × height × width or height × width, after leading dimensions of 1
    /// (a batch). `None` for other shapes, more than 4 channels or sides below 4.
    #[must_use]
    pub fn of_shape(shape: &[usize]) -> Option<Self> {
        let (channels, height, width) = match *shape {
            [height, width] => (1, height, width),
            [ref batch @ .., channels, height, width] if batch.iter().all(|&b| b == 1) => {
                (channels, height, width)
            }
            _ => return None,
        };
        let sides = height.min(width) >= Self::LEAST_SIDE;
        (sides && (1..=Self::MOST_CHANNELS).contains(&channels)).then_some(Self {
            channels,
            height,
            width,
        })
    }

    /// Number of values.
    #[must_use]
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Never: sides are at least 4.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    /// Position of a pixel's channel among the values.
    #[must_use]
    pub fn at(self, channel: usize, row: usize, column: usize) -> usize {
        (channel * self.height + row) * self.width + column
    }
}

/// The setting of an input: whether it is an image, and the range [low, high] of every value.
///
/// Where the dataset declares a domain, that is the range, and perturbed values are cut to it. Elsewhere the range is that of
/// the values observed, it serves as a yardstick for the size of perturbations, and nothing is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    image: Option<Image>,
    low: Vec<f64>,
    high: Vec<f64>,
    cut: bool,
}

impl Frame {
    /// The frame of a dataset's inputs. They are images where their shape is one, or else where the network's input has the
    /// shape of one (for data stored flat).
    #[must_use]
    pub fn of_dataset(data: &Dataset, network_shape: &[usize]) -> Self {
        let image = Image::of_shape(data.shape()).or_else(|| Image::of_shape(network_shape));
        let image = image.filter(|image| image.len() == data.features());
        match data.domain() {
            Some(domain) => Self::with_domain(image, domain),
            None => Self::of_points(image, (0..data.len()).map(|index| data.point(index))),
        }
    }

    /// The frame of inputs whose dataset declares a domain.
    ///
    /// # Panics
    /// Where the image has another number of values than the domain.
    #[must_use]
    pub fn with_domain(image: Option<Image>, domain: &[(Rational, Rational)]) -> Self {
        let (low, high): (Vec<f64>, Vec<f64>) =
            domain.iter().map(|(low, high)| (to_f64_nearest(low), to_f64_nearest(high))).unzip();
        Self::new(image, low, high, true)
    }

    /// The frame of inputs without a domain: the range of the given points.
    ///
    /// # Panics
    /// Where there is no point, or they differ in length from each other or the image.
    #[must_use]
    pub fn of_points(image: Option<Image>, points: impl IntoIterator<Item = Vec<f64>>) -> Self {
        let mut points = points.into_iter();
        let mut low = points.next().expect("at least one point");
        let mut high = low.clone();
        for point in points {
            assert_eq!(point.len(), low.len(), "points of one length");
            for ((low, high), x) in low.iter_mut().zip(&mut high).zip(point) {
                (*low, *high) = (low.min(x), high.max(x));
            }
        }
        Self::new(image, low, high, false)
    }

    fn new(image: Option<Image>, low: Vec<f64>, high: Vec<f64>, cut: bool) -> Self {
        assert!(image.is_none_or(|image| image.len() == low.len()), "an image of these values");
        Self { image, low, high, cut }
    }

    /// The image that an input is, if it is one.
    #[must_use]
    pub fn image(&self) -> Option<Image> {
        self.image
    }

    /// Number of values of an input.
    #[must_use]
    pub fn len(&self) -> usize {
        self.low.len()
    }

    /// Whether inputs have no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    /// Whether values are cut to their range.
    #[must_use]
    pub fn cuts(&self) -> bool {
        self.cut
    }

    /// The lower end of a value's range.
    #[must_use]
    pub fn low(&self, at: usize) -> f64 {
        self.low[at]
    }

    /// The upper end of a value's range.
    #[must_use]
    pub fn high(&self, at: usize) -> f64 {
        self.high[at]
    }

    /// The length of a value's range.
    #[must_use]
    pub fn width(&self, at: usize) -> f64 {
        self.high[at] - self.low[at]
    }

    /// The value cut to its range, where the frame cuts.
    #[must_use]
    pub fn fit(&self, at: usize, value: f64) -> f64 {
        if self.cut { value.max(self.low[at]).min(self.high[at]) } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_images_are_told_from_others() {
        let image =
            |shape: &[usize]| Image::of_shape(shape).map(|i| (i.channels, i.height, i.width));
        assert_eq!(image(&[1, 28, 28]), Some((1, 28, 28)));
        assert_eq!(image(&[28, 28]), Some((1, 28, 28)));
        assert_eq!(image(&[1, 3, 32, 30]), Some((3, 32, 30)));
        for other in [&[784][..], &[1, 784], &[32, 32, 3], &[2, 3, 32, 32], &[5, 28, 28], &[]] {
            assert_eq!(image(other), None, "{other:?}");
        }
    }

    #[test]
    fn ranges_are_declared_or_observed() {
        let points = vec![vec![1.0, -2.0], vec![0.5, 3.0]];
        let observed = Frame::of_points(None, points);
        assert_eq!((observed.low(0), observed.high(0), observed.width(1)), (0.5, 1.0, 5.0));
        assert_eq!(observed.fit(0, 7.0), 7.0);
        let q = |n: i64| Rational::from_integer(n.into());
        let declared = Frame::with_domain(None, &[(q(0), q(1))]);
        assert_eq!(
            (declared.fit(0, 7.0), declared.fit(0, -7.0), declared.fit(0, 0.5)),
            (1.0, 0.0, 0.5)
        );
    }
}
