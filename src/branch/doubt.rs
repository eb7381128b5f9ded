//! What of a sweep's relaxations has to be written down, since a checker that rounds elsewhere may come to others.
//!
//! Lines of a ReLU at its default slopes are continuous in its interval but for two places: where the lower one turns from slope 0 to 1, and
//! where the interval is 0 alone. There, and wherever a bound has little to spare, slopes are written: with the same slopes, tighter
//! intervals never weaken a bound.

use super::tree::{Hints, Line, Refutation};
use crate::bound::{
    Analysis, Charges, Functionals, Multipliers, SplitLift, Swept, default_in_doubt, default_slope,
    upper_slope,
};
use crate::net::{Affine, Matrix, Network, Node, NodeId};
use crate::num::UNIT;
use crate::spec::Region;
use std::collections::BTreeMap;

/// Bounds, and what follows from them.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// Those that a sweep has.
    pub analysis: &'a Analysis<'a>,
    /// These, and what intervals follow from them: a checker has them, too.
    pub sharp: &'a Analysis<'a>,
}

/// The lines of one neuron on one domain, as far as they are in doubt.
pub(super) struct Lines {
    /// Slopes of the lower and the upper line at default slopes.
    pub default: [f64; 2],
    /// Whether its sign is unknown.
    pub unstable: bool,
    /// Whether the lower one's default is in doubt.
    pub doubtful: bool,
    /// Whether its interval is 0 alone beside what it is the sum of, or a checker knows a sign that the sweep did not know.
    pub pinned: bool,
}

impl Lines {
    pub(super) fn of(Ends { analysis, sharp }: Ends, z: NodeId, i: usize, d: usize) -> Self {
        /// The share of an element's size that its interval may have.
        const PINNED: f64 = 1e-9;
        let of = |analysis: &Analysis| {
            let boxes = &analysis.layers.boxes[z];
            (boxes.lower[(i, d)], boxes.upper[(i, d)])
        };
        let ((l, u), sharp) = (of(analysis), of(sharp));
        let is_unstable = |(l, u): (f64, f64)| l < 0.0 && u > 0.0;
        let unstable = is_unstable((l, u));
        let default = if unstable {
            [default_slope(l, u), upper_slope(l, u)]
        } else {
            [f64::from(u8::from(l >= 0.0)); 2]
        };
        let least = PINNED * analysis.charges.sizes(analysis.net, z)[i];
        let is_pinned = |(l, u): (f64, f64)| l.abs().max(u.abs()) < least;
        // Who knows more takes another line than the sweep did.
        let stale = unstable && !is_unstable(sharp);
        let pinned = stale || is_pinned((l, u)) || is_pinned(sharp);
        let other = |(l, u)| default_in_doubt(l, u) || default_slope(l, u) != default[0];
        Self {
            default,
            unstable,
            doubtful: unstable && (stale || other((l, u)) || other(sharp)),
            pinned,
        }
    }
}

impl<'a> Ends<'a> {
    /// Of bounds from which intervals say nothing more.
    #[must_use]
    pub(crate) fn all(analysis: &'a Analysis<'a>) -> Self {
        Self { analysis, sharp: analysis }
    }
}

/// The neurons of a network, as far as it is analysed.
fn neurons<'a>(analysis: &'a Analysis) -> impl Iterator<Item = Neuron> + 'a {
    let net = analysis.net;
    let relus = net.relus().filter(|(_, z)| *z < analysis.layers.boxes.len());
    relus.flat_map(move |(relu, z)| (0..net.node(z).len).map(move |i| (relu, z, i)))
}

/// The neurons of unknown sign of one domain.
#[must_use]
pub fn unstable(analysis: &Analysis, d: usize) -> Vec<Neuron> {
    let unknown = |&(_, z, i): &Neuron| {
        let boxes = &analysis.layers.boxes[z];
        boxes.lower[(i, d)] < 0.0 && boxes.upper[(i, d)] > 0.0
    };
    neurons(analysis).filter(unknown).collect()
}

/// Hints of a sweep at default slopes: what is in doubt on one domain.
#[must_use]
pub fn doubtful(ends: Ends, d: usize) -> Hints {
    in_full(Hints::default(), ends, d, false)
}

/// Hints of a sweep, with what is in doubt on one domain besides, or, if `all` is, every slope.
#[must_use]
pub fn in_full(hints: Hints, ends: Ends, d: usize, all: bool) -> Hints {
    let wanted: Vec<(Neuron, Lines)> = neurons(ends.analysis)
        .map(|neuron| (neuron, Lines::of(ends, neuron.1, neuron.2, d)))
        .filter(|(_, lines)| lines.pinned || lines.doubtful || (all && lines.unstable))
        .collect();
    if wanted.is_empty() {
        return hints;
    }
    let mut slopes: BTreeMap<(u32, u32), f32> =
        hints.slopes.iter().map(|&(relu, i, slope)| ((relu, i), slope)).collect();
    let mut uppers = Vec::new();
    for ((relu, _, i), lines) in wanted {
        let name = (relu as u32, i as u32);
        let [lower, upper] = lines.default;
        if lines.unstable {
            slopes.entry(name).or_insert(lower as f32);
        } else {
            slopes.insert(name, lower as f32);
        }
        if all || lines.pinned {
            uppers.push((name.0, name.1, upper));
        }
    }
    let slopes = slopes.into_iter().map(|((relu, i), slope)| (relu, i, slope)).collect();
    Hints { slopes, uppers: uppers.into(), lifts: hints.lifts }
}

/// By how much of the size of its terms a bound must exceed what it has to, that the checker, which rounds elsewhere, finds it
/// sufficient too, beyond doubt.
pub(crate) const SLACK: f64 = 1e-8;

/// The size of the terms of aᵀx + c on a box.
pub(super) fn size(coefficients: &[f64], constant: f64, lower: &[f64], upper: &[f64]) -> f64 {
    let ends = lower.iter().zip(upper).map(|(l, u)| l.abs().max(u.abs()));
    coefficients.iter().zip(ends).fold(constant.abs(), |sum, (a, x)| sum + a.abs() * x)
}

/// A multiple of what rounding may cost a functional of the outputs: the checker charges more for it than we do.
pub(super) fn rounding(net: &Network, charges: &Charges, functional: &[f64]) -> f64 {
    rounding_of_terms(terms(net), charges.magnitudes(net.output()), functional)
}

/// Terms of all sums on one path through a network, about.
pub(super) fn terms(net: &Network) -> usize {
    let of = |n: &Node| n.op.affine().map_or(1, Affine::fan_in);
    net.nodes().iter().map(of).sum()
}

/// [`rounding`], where the terms are counted already.
pub(super) fn rounding_of_terms(terms: usize, outputs: &[f64], functional: &[f64]) -> f64 {
    let magnitude: f64 = functional.iter().zip(outputs).map(|(a, m)| a.abs() * m).sum();
    16.0 * UNIT * terms as f64 * magnitude
}

/// By how much the bound of functional `column` of a sweep, whose coefficients on the outputs are given, exceeds what it has to where
/// no checker, which rounds elsewhere, can doubt it. What exceeds it by less is written down with every slope.
#[must_use]
pub fn spare(
    net: &Network,
    charges: &Charges,
    region: &Region,
    swept: &Swept,
    column: usize,
    functional: &[f64],
) -> f64 {
    let n = net.inputs();
    let coefficients = &swept.coefficients.as_slice()[column * n..][..n];
    let size = size(coefficients, swept.constants[column], region.lower(), region.upper());
    SLACK * size + rounding(net, charges, functional)
}

/// The neurons of unknown sign of a region: (ReLU's node, pre-activation's node, element).
pub type Neuron = (NodeId, NodeId, usize);

/// The hints that climbing found for one column; `fixed` neurons have no slope, nor have those whose slope is `default`.
#[must_use]
pub fn hints_of(
    slopes: &[Option<Matrix>],
    lifts: &[SplitLift],
    column: usize,
    neurons: &[Neuron],
    omitted: impl Fn(&Neuron, f64) -> bool,
) -> Hints {
    let slope = |neuron: &Neuron| {
        let &(relu, _, element) = neuron;
        let slope = slopes[relu].as_ref()?[(element, column)];
        (!omitted(neuron, slope)).then_some((relu as u32, element as u32, slope as f32))
    };
    let lift = |lift: &SplitLift| {
        let g = if lift.lower { lift.size } else { -lift.size };
        (lift.node as u32, lift.element as u32, g)
    };
    Hints {
        slopes: neurons.iter().filter_map(slope).collect(),
        uppers: Box::default(),
        lifts: lifts.iter().filter(|l| l.column == column && l.size > 0.0).map(lift).collect(),
    }
}

/// The hints of an LP's multipliers, one column; see [`hints_of`].
#[must_use]
pub fn hints_of_duals(
    multipliers: &Multipliers,
    neurons: &[Neuron],
    omitted: impl Fn(&Neuron, f64) -> bool,
) -> Hints {
    let Multipliers { slopes, lifts } = multipliers;
    let slopes = if slopes.is_empty() {
        Hints::default()
    } else {
        hints_of(slopes, &[], 0, neurons, omitted)
    };
    let lifts = lifts.iter().enumerate().flat_map(|(node, lifts)| {
        lifts.iter().map(move |lift| (node as u32, lift.element as u32, lift.multiplier))
    });
    Hints { lifts: lifts.collect(), ..slopes }
}

/// The first line of a record: bounds of all pre-activations by sweeps at default slopes.
#[must_use]
pub fn crown(analysis: &Analysis) -> Line {
    Line::Crown { after: None, hints: doubtful(Ends::all(analysis), 0) }
}

/// How sweeps at default slopes of a region, with these bounds, exclude polytopes: where one exceeds its target by no more than a
/// checker may doubt, by itself and with every slope.
#[must_use]
pub fn refuted_by(
    analysis: &Analysis,
    functionals: &Functionals,
    lows: &[f64],
    spare: &[f64],
) -> Vec<(usize, Refutation)> {
    let sure: Vec<f64> = lows.iter().zip(spare).map(|(low, spare)| low - spare).collect();
    let unsure = functionals.open_polytopes(&sure);
    let hints = doubtful(Ends::all(analysis), 0);
    let of = |index: usize| {
        let Some(polytope) = unsure.iter().find(|polytope| polytope.index == index) else {
            let hints = hints.clone();
            return Some((index, Refutation { hints, ..Refutation::default() }));
        };
        let excludes = |&(_, &(column, bound)): &(usize, &(usize, f64))| lows[column] > bound;
        let (half, _) = polytope.halves.iter().enumerate().find(excludes)?;
        let hints = in_full(Hints::default(), Ends::all(analysis), 0, true);
        Some((index, Refutation { weights: [(half, 1.0)].into(), hints }))
    };
    (0..functionals.polytopes()).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Boxes, LinearMap, Matrix, NetworkBuilder, Term};

    #[test]
    fn what_is_in_doubt_is_written() {
        let mut builder = NetworkBuilder::new(5, "x").unwrap();
        let terms = vec![Term { source: 0, map: LinearMap::Identity(5) }];
        let z = builder.affine(terms, vec![0.0; 5], 0, "z").unwrap();
        let y = builder.relu(z, "y").unwrap();
        let net = builder.finish(y).unwrap();
        let root = Boxes::single(&[-2.0; 5], &[2.0; 5]);
        let root = Analysis::of_region(&net, &root, crate::bound::Intermediate::Interval);
        // Unstable; at the turn of the default; active; pinned, as inactive and as active.
        let lower = [-1.0, -1024.0 / 1023.0, 0.0, -1e-17, 0.0];
        let upper = [0.5, 1.0, 1.0, 0.0, 0.0];
        let boxes = Boxes {
            lower: Matrix::from_column_slice(5, 1, &lower),
            upper: Matrix::from_column_slice(5, 1, &upper),
        };
        let analysis = root.with(z, boxes);
        let relu = y as u32;
        let (turn, inactive, active) = ((relu, 1, 1.0), (relu, 3, 0.0), (relu, 4, 1.0));
        let found = doubtful(Ends::all(&analysis), 0);
        assert_eq!(found.slopes[..], [turn, inactive, active]);
        assert_eq!(found.uppers[..], [(relu, 3, 0.0), (relu, 4, 1.0)]);
        // Slopes of a search stay, but for neurons that are stable.
        let hints = Hints { slopes: [(relu, 0, 0.25), (relu, 3, 0.5)].into(), ..Hints::default() };
        let found = in_full(hints, Ends::all(&analysis), 0, true);
        assert_eq!(found.slopes[..], [(relu, 0, 0.25), turn, inactive, active]);
        let uppers: Vec<(u32, bool)> = found.uppers.iter().map(|u| (u.1, u.2 > 0.3)).collect();
        assert_eq!(uppers, [(0, true), (1, true), (3, false), (4, true)]);
        assert_eq!(unstable(&analysis, 0), [(y, z, 0), (y, z, 1)]);
    }

    #[test]
    fn what_is_0_on_the_whole_region_but_for_rounding_is_written() {
        let mut builder = NetworkBuilder::new(2, "x").unwrap();
        let sum =
            LinearMap::Dense(crate::net::Dense::new(Matrix::from_row_slice(1, 2, &[1.0, 1.0])));
        let terms = vec![Term { source: 0, map: sum }];
        let z = builder.affine(terms, vec![0.0], 0, "z").unwrap();
        let y = builder.relu(z, "y").unwrap();
        let net = builder.finish(y).unwrap();
        let root = Boxes::single(&[1.0, -1.0], &[1.0, -1.0 + f64::EPSILON]);
        let analysis = Analysis::of_region(&net, &root, crate::bound::Intermediate::Interval);
        let found = doubtful(Ends::all(&analysis), 0);
        assert_eq!((found.slopes.len(), found.uppers.len()), (1, 1));
    }
}
