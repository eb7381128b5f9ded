//! Other ways in which the numbers of an input might be meant, tried on a network that does badly by the one that was given.

use super::Classifier;
use std::fmt;

/// A way to read an input in the user's units as an input of the network's own.
pub(super) struct Reading {
    way: Way,
    /// (value − mean) / std afterwards, where the settings say so and the way keeps it: mean and 1/std.
    normalisation: Option<(Vec<f64>, Vec<f64>)>,
}

enum Way {
    /// Without the normalisation that was given.
    Plain,
    /// Normalised by the data's own means and deviations.
    Standardised { mean: Vec<f64>, deviation: Vec<f64> },
    /// Times a factor.
    Scaled(f64, &'static str),
    /// Each value taken from another place.
    Moved(Vec<usize>, &'static str),
    /// Bright and dark swapped, around this sum.
    Inverted(f64),
}

impl Reading {
    /// All ways that make sense for the data.
    pub(super) fn all(classifier: &Classifier) -> Vec<Self> {
        let data = classifier.data();
        let given = data.normalisation();
        let plain = |way| Self { way, normalisation: None };
        let same = |way| Self { way, normalisation: given.clone() };
        let (mean, deviation) = data.own_normalisation();
        let mut all = vec![plain(Way::Standardised { mean, deviation })];
        if given.is_some() {
            all.push(plain(Way::Plain));
        }
        let [low, high] = data.range();
        if low >= 0.0 && high > 2.0 {
            all.push(same(Way::Scaled(1.0 / 255.0, "as numbers from 0 to 1 (--scale 1/255)")));
        }
        if low >= 0.0 && high <= 1.0 {
            all.push(plain(Way::Scaled(255.0, "as numbers from 0 to 255, without mean and std")));
        }
        let shape = if data.shape().len() > 1 { data.shape() } else { &classifier.shape };
        let shape: Vec<usize> = match shape {
            [1, rest @ ..] if rest.len() == 3 => rest.to_vec(),
            shape => shape.to_vec(),
        };
        if shape.iter().product::<usize>() == data.features() {
            all.extend(moved(&shape).into_iter().map(same));
            if shape.len() > 1 {
                all.push(same(Way::Inverted(low + high)));
            }
        }
        all
    }

    /// The network's own input.
    pub(super) fn of(&self, x: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = match &self.way {
            Way::Plain => x.to_vec(),
            Way::Standardised { mean, deviation } => {
                x.iter().zip(mean.iter().zip(deviation)).map(|(x, (m, d))| (x - m) / d).collect()
            }
            Way::Scaled(factor, _) => x.iter().map(|x| x * factor).collect(),
            Way::Moved(from, _) => from.iter().map(|from| x[*from]).collect(),
            Way::Inverted(sum) => x.iter().map(|x| sum - x).collect(),
        };
        if let Some((mean, by)) = &self.normalisation {
            for (x, (mean, by)) in x.iter_mut().zip(mean.iter().zip(by)) {
                *x = (*x - mean) * by;
            }
        }
        x
    }
}

/// Axes in another order, where an input is an image with its channels first, last, or left out.
fn moved(shape: &[usize]) -> Vec<Way> {
    let numbers = |sizes: [usize; 3], from: &dyn Fn([usize; 3]) -> usize| {
        let [a, b, c] = sizes;
        let each =
            (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| [i, j, k])));
        each.map(from).collect::<Vec<usize>>()
    };
    let colours = |n: usize| (2..=4).contains(&n);
    let mut ways = Vec::new();
    let (sizes, channels_first) = match *shape {
        [h, w] => ([1, h, w], true),
        [c, h, w] if colours(c) || c == 1 => ([c, h, w], true),
        [h, w, c] if colours(c) || c == 1 => ([h, w, c], false),
        _ => return ways,
    };
    let [a, b, c] = sizes;
    let flat = |[i, j, k]: [usize; 3]| (i * b + j) * c + k;
    if channels_first {
        if colours(a) {
            let last = numbers(sizes, &|[i, j, k]| (j * c + k) * a + i);
            ways.push(Way::Moved(last, "with the channels last (height × width × channels)"));
            let reversed = numbers(sizes, &|[i, j, k]| flat([a - 1 - i, j, k]));
            ways.push(Way::Moved(reversed, "with the channels reversed (BGR for RGB)"));
        }
        if b == c {
            let turned = numbers(sizes, &|[i, j, k]| flat([i, k, j]));
            ways.push(Way::Moved(turned, "with rows and columns swapped"));
        }
    } else {
        if colours(c) {
            let first = numbers(sizes, &|[i, j, k]| (k * a + i) * b + j);
            ways.push(Way::Moved(first, "with the channels first (channels × height × width)"));
            let reversed = numbers(sizes, &|[i, j, k]| flat([i, j, c - 1 - k]));
            ways.push(Way::Moved(reversed, "with the channels reversed (BGR for RGB)"));
        }
        if a == b {
            let turned = numbers(sizes, &|[i, j, k]| flat([j, i, k]));
            ways.push(Way::Moved(turned, "with rows and columns swapped"));
        }
    }
    ways
}

/// After "so many are classified correctly".
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Plain => f.write_str("without mean and std"),
            Way::Standardised { mean, deviation } => {
                let mean_of = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
                let several = mean.iter().any(|m| (m - mean[0]).abs() > 1e-9 * m.abs());
                let (mean, deviation) = (mean_of(mean), mean_of(deviation));
                if several {
                    write!(
                        f,
                        "with the data's own means and deviations (--mean, --std; on average {mean:.4} and {deviation:.4})"
                    )
                } else {
                    write!(
                        f,
                        "with the data's own mean and deviation (--mean {mean:.4} --std {deviation:.4})"
                    )
                }
            }
            Way::Scaled(_, how) | Way::Moved(_, how) => f.write_str(how),
            Way::Inverted(_) => f.write_str("with bright and dark swapped"),
        }
    }
}
