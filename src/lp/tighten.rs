//! Intermediate bounds by LP, for the few neurons that matter most.

use super::{DualSolver, TriangleLp};
use crate::bound::{Analysis, Intermediate, Start, Swept};
use crate::net::{Boxes, Matrix, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What tightening achieved.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tightened {
    /// LPs solved.
    pub programs: usize,
    /// Neurons whose interval became narrower.
    pub narrower: usize,
    /// Neurons whose sign became known.
    pub stable: usize,
}

/// Tightens the intervals of the `count` unstable neurons that matter most to the functionals, each end by an LP over the
/// network before it, its duals evaluated by the sweep; layers behind them are analysed anew. Earlier layers first, so that
/// later LPs profit. A neuron whose interval is optimal already (nothing unstable before it) is not counted.
///
/// A neuron's influence is Σ over functionals of |a| · (−l) u/(u − l): what its relaxation can cost the bound.
///
/// `left` is asked before every LP for the time left; it returns `None` to stop.
///
/// # Panics
/// Where the functionals are not of the output, or the analysis has more than one domain.
#[must_use]
pub fn tighten<'a>(
    analysis: Analysis<'a>,
    functionals: &Matrix,
    count: usize,
    solver: &dyn DualSolver,
    left: &dyn Fn() -> Option<Duration>,
) -> (Analysis<'a>, Tightened) {
    let net = analysis.net;
    let input = analysis.layers.boxes[0].clone();
    let mut analysis = analysis;
    let mut done = Tightened::default();
    for (z, elements) in most_influential(&analysis, functionals, count) {
        let mut wanted = vec![false; net.node(z).len];
        elements.iter().for_each(|&i| wanted[i] = true);
        let mut boxes = analysis.layers.boxes[z].clone();
        {
            let mut lp = TriangleLp::new(analysis.sweep(), z, &wanted, 0, &[], solver);
            for &i in &elements {
                let before = (boxes.lower[i], boxes.upper[i]);
                for negated in [false, true] {
                    let stable = boxes.lower[i] >= 0.0 || boxes.upper[i] <= 0.0;
                    let Some(time) = left().filter(|_| !stable) else { continue };
                    let mut unit = vec![0.0; wanted.len()];
                    unit[i] = if negated { -1.0 } else { 1.0 };
                    let bound = lp.lower(&unit, Some(time)).bound;
                    done.programs += 1;
                    if negated {
                        boxes.upper[i] = boxes.upper[i].min(-bound);
                    } else {
                        boxes.lower[i] = boxes.lower[i].max(bound);
                    }
                }
                done.narrower += usize::from((boxes.lower[i], boxes.upper[i]) != before);
                done.stable += usize::from(boxes.lower[i] >= 0.0 || boxes.upper[i] <= 0.0);
            }
        }
        let mut known: Vec<Option<Boxes>> =
            analysis.layers.boxes.iter().cloned().map(Some).collect();
        known[z] = Some(boxes);
        let charges = Arc::clone(&analysis.charges);
        analysis = Analysis::of_domains(net, &input, Intermediate::Crown, charges, Some(&known));
    }
    (analysis, done)
}

/// The chosen neurons by pre-activation node.
fn most_influential(
    analysis: &Analysis,
    functionals: &Matrix,
    count: usize,
) -> BTreeMap<NodeId, Vec<usize>> {
    let net = analysis.net;
    let domains = vec![0; functionals.ncols()];
    let start = Start::Dense(functionals);
    let none = crate::bound::Multipliers::none();
    let swept = analysis.sweep().run(net.output(), &start, &domains, &none, true);
    let mut scored: Vec<(f64, NodeId, usize)> = Vec::new();
    let mut unstable_before = false;
    for (relu, z) in net.relus() {
        let boxes = &analysis.layers.boxes[z];
        let unstable: Vec<usize> = boxes.of_unknown_sign().collect();
        if unstable_before {
            scored.extend(unstable.iter().map(|&i| (influence(&swept, relu, i, boxes), z, i)));
        }
        unstable_before |= !unstable.is_empty();
    }
    scored.retain(|s| s.0 > 0.0);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut chosen: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for &(_, z, i) in scored.iter().take(count) {
        chosen.entry(z).or_default().push(i);
    }
    chosen
}

fn influence(swept: &Swept, relu: NodeId, i: usize, boxes: &Boxes) -> f64 {
    let (l, u) = (boxes.lower[i], boxes.upper[i]);
    let reach: f64 = swept
        .trace
        .get(relu)
        .and_then(Option::as_ref)
        .map_or(0.0, |a| a.row(i).iter().map(|a| a.abs()).sum());
    reach * (-l) * u / (u - l)
}
