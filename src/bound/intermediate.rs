//! Intermediate bounds by optimised slopes: each end of each unstable neuron's interval by multipliers of its own.

use super::analysis::{Analysis, gains_by_sweep, is_folded};
use super::backward::{Layers, Multipliers, Start, Sweep};
use super::optimise::{Climb, Goal, climb, default_slopes};
use crate::net::{Boxes, Matrix, Network, NodeId, default_in_doubt, default_slope};
use rayon::prelude::*;

/// An end of a neuron's interval that slopes improved.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The pre-activation's node.
    pub node: NodeId,
    /// The element.
    pub element: usize,
    /// Whether it is the upper end.
    pub upper: bool,
    /// Slopes of its sweep that are not the default beyond doubt: (ReLU node, element, α).
    pub slopes: Vec<(NodeId, usize, f64)>,
}

/// Columns that are optimised together, and the unit of parallel work.
const CHUNK: usize = 32;

/// The share of an interval that a move must take off to be worth a line of a proof.
pub const WORTH: f64 = 0.01;

/// Tightens, node by node, the interval of every unstable pre-activation of one region by slopes optimised for each end (α-CROWN
/// with intermediate bounds, Xu et al. 2021, section 3.2). Returns the better bounds and, in order, the ends that moved; each
/// is what a sweep at its slopes gives once all the ends before it have moved. Ends that would move by no more than the share `worth` of their
/// interval stay, unless that tells the sign. Stops early, with what it has, where `stop` says so.
#[must_use]
pub fn optimise_intermediate<'a>(
    root: &Analysis<'a>,
    how: Climb,
    worth: f64,
    stop: &(dyn Fn() -> bool + Sync),
) -> (Analysis<'a>, Vec<End>) {
    let net = root.net;
    let mut layers = Layers::default();
    let mut ends = Vec::new();
    for id in 0..net.nodes().len() {
        let mut boxes = root.layers.boxes[id].clone();
        if !is_folded(net, id) {
            boxes.intersect(&net.enclose_node(id, &root.layers.boxes[0], &layers.boxes));
        }
        if read_by_relu(net, id) && gains_by_sweep(net, id) {
            let sweep = Sweep { net, layers: &layers, charges: &root.charges };
            for upper in [true, false] {
                let units = boxes.of_unknown_sign().map(|i| (i, upper)).collect::<Vec<_>>();
                let climbed: Vec<Option<Raised>> = units
                    .par_chunks(CHUNK)
                    .map(|units| (!stop()).then(|| raise(&sweep, id, units, how)))
                    .collect();
                for (units, climbed) in units.chunks(CHUNK).zip(&climbed) {
                    let Some(climbed) = climbed else { continue };
                    for (c, &(i, _)) in units.iter().enumerate() {
                        if move_end(&mut boxes, i, upper, climbed.bounds[c], worth) > 0.0 {
                            let slopes = slopes_of(&sweep, climbed, c);
                            ends.push(End { node: id, element: i, upper, slopes });
                        }
                    }
                }
            }
        }
        layers.push(boxes);
    }
    (Analysis { net, layers, charges: root.charges.clone() }, ends)
}

/// Bounds of some ends, and their slopes.
struct Raised {
    bounds: Vec<f64>,
    slopes: Vec<Option<Matrix>>,
}

pub(super) fn read_by_relu(net: &Network, id: NodeId) -> bool {
    net.relus().any(|(_, z)| z == id)
}

/// Climbs, and bounds once more with the slopes found, rounded to single precision: what is written down is what was used.
fn raise(sweep: &Sweep, at: NodeId, units: &[(usize, bool)], how: Climb) -> Raised {
    let start = Start::Units(units);
    let domains = vec![0; units.len()];
    // A neuron of known sign needs no better bound.
    let targets = vec![0.0; units.len()];
    let slopes = default_slopes(sweep, at, &domains);
    let goal = Goal { at, start: &start, domains: &domains, targets: &targets };
    let mut slopes = climb(sweep, goal, slopes, Vec::new(), how).slopes;
    slopes.iter_mut().flatten().for_each(|s| s.apply(|s| *s = f64::from(*s as f32)));
    let multipliers = Multipliers { slopes, lifts: Vec::new() };
    let bounds = sweep.run(at, &start, &domains, &multipliers, false).bounds;
    Raised { bounds, slopes: multipliers.slopes }
}

/// Moves an end of element i, of which ± the value is at least `bound`, if that takes more than the share `worth` off the interval or
/// tells the sign; returns by how much it moved, 0 if it did not. No interval is made empty.
pub fn move_end(boxes: &mut Boxes, i: usize, upper: bool, bound: f64, worth: f64) -> f64 {
    let (l, u) = (boxes.lower[i], boxes.upper[i]);
    let gain = if upper { u + bound } else { bound - l };
    let moves = gain > worth * (u - l) || (gain > 0.0 && bound >= 0.0);
    if !moves || gain > u - l {
        return 0.0;
    }
    if upper {
        boxes.upper[i] = -bound;
    } else {
        boxes.lower[i] = bound;
    }
    gain
}

fn slopes_of(sweep: &Sweep, raised: &Raised, column: usize) -> Vec<(NodeId, usize, f64)> {
    let mut found = Vec::new();
    for (relu, slopes) in raised.slopes.iter().enumerate() {
        let (Some(slopes), Some(z)) = (slopes, sweep.net.node(relu).op.relu()) else { continue };
        let boxes = &sweep.layers.boxes[z];
        found.extend(boxes.of_unknown_sign().filter_map(|i| {
            let (l, u) = (boxes.lower[i], boxes.upper[i]);
            let slope = slopes[(i, column)];
            let default = slope == default_slope(l, u) && !default_in_doubt(l, u);
            (!default).then_some((relu, i, slope))
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_gains_are_left_alone() {
        let mut boxes = Boxes {
            lower: Matrix::from_column_slice(1, 1, &[-1.0]),
            upper: Matrix::from_column_slice(1, 1, &[1.0]),
        };
        assert!(move_end(&mut boxes, 0, true, -0.99, WORTH) == 0.0 && boxes.upper[0] == 1.0);
        assert!(move_end(&mut boxes, 0, true, -0.5, WORTH) == 0.5 && boxes.upper[0] == 0.5);
        assert!(move_end(&mut boxes, 0, false, 0.75, WORTH) == 0.0 && boxes.lower[0] == -1.0);
        assert!(move_end(&mut boxes, 0, false, 0.0, WORTH) == 1.0 && boxes.lower[0] == 0.0);
        assert!(move_end(&mut boxes, 0, true, -0.499, 0.0) > 0.0 && boxes.upper[0] == 0.499);
    }
}
