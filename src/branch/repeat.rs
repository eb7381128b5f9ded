//! Clips of a search that is recorded: lines that a proof can repeat.

use super::clip::{Cut, clip};
use super::input::CLIP_ROUNDS;
use super::leaf::{Bounded, Undecided};
use super::reach::Reach;
use super::tree::{Line, Refutation, Slab, Tree};

/// What clips leave of a domain, in lines that a proof can repeat, which are noted at the tree's `tip`; `None` if nothing that matters.
/// Single half-spaces at default slopes clip for all polytopes together; where several are open, what their combinations exclude
/// besides is cut off by splits.
pub(super) fn repeatable(
    bounded: &Bounded,
    undecided: &Undecided,
    tree: &mut Tree,
    tip: &mut u32,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let Undecided { domain, column, open, hints, .. } = undecided;
    let mut left = [domain.lower.to_vec(), domain.upper.to_vec()];
    let [reach] = open.as_slice() else {
        let polytopes: Vec<Vec<Cut>> = open.iter().map(Reach::loose_cuts).collect();
        let slabs = slabs(&left[0], &left[1], &polytopes);
        let default = Refutation { hints: hints.clone(), ..Refutation::default() };
        tree.lines(*tip, note(slabs, &mut left, default));
        return apart(bounded, undecided, tree, tip, left);
    };
    let (clips, last) = alone(bounded, *column, reach, (WORTH, false), &mut left);
    tree.lines(*tip, clips);
    match last {
        Some(how) => {
            tree.line(*tip, refute(reach, how));
            None
        }
        None => Some(left.into()),
    }
}

fn refute(reach: &Reach, how: Refutation) -> Line {
    Line::Refute { polytopes: [reach.index as u32].into(), how }
}

/// Clips a box for one polytope, by each of its rows in turn, where a share of its width is `worth` that; whether it was `clipped` before.
/// How the polytope is excluded, if nothing is left.
fn alone(
    bounded: &Bounded,
    column: usize,
    reach: &Reach,
    (worth, clipped): (f64, bool),
    left: &mut [Vec<f64>; 2],
) -> (Vec<Line>, Option<Refutation>) {
    let mut clips = Vec::new();
    for _ in 0..CLIP_ROUNDS {
        let before = clips.len();
        for row in &reach.rows {
            let mut inner = left.clone();
            let [low, high] = &mut inner;
            let complete = clipped || !clips.is_empty() || row.is_tight();
            if !clip(row.cut(), low, high) {
                return (clips, Some(bounded.refutation(column, row, complete)));
            }
            let worth = if row.is_tight() { ANY } else { worth };
            let slabs = moved(&left[0], &left[1], &inner, worth);
            if !slabs.is_empty() {
                clips.extend(note(slabs, left, bounded.refutation(column, row, complete)));
            }
        }
        if clips.len() == before {
            break;
        }
    }
    (clips, None)
}

/// Moves ends; the line that says so, if there are any to be moved.
fn note(slabs: Vec<Slab>, left: &mut [Vec<f64>; 2], how: Refutation) -> Option<Line> {
    slabs.iter().for_each(|slab| slab.cut(left));
    (!slabs.is_empty()).then(|| Line::Clip { slabs: slabs.into(), how })
}

/// Excludes open polytopes each by clips of its own, and cuts off what each of those that are left is excluded from by a row of its own.
fn apart(
    bounded: &Bounded,
    undecided: &Undecided,
    tree: &mut Tree,
    tip: &mut u32,
    mut left: [Vec<f64>; 2],
) -> Option<(Vec<f64>, Vec<f64>)> {
    let column = undecided.column;
    let mut open: Vec<&Reach> = Vec::new();
    // Boxes were clipped for all together already, or will be.
    let clipped =
        tree.nodes[*tip as usize].lines.iter().any(|line| matches!(line, Line::Clip { .. }));
    for reach in &undecided.open {
        match alone(bounded, column, reach, (ANY, clipped), &mut left.clone()) {
            (clips, Some(last)) => {
                let [own, others] = tree.part(*tip, &[reach.index as u32]);
                tree.lines(own, clips.into_iter().chain([refute(reach, last)]));
                *tip = others;
            }
            (_, None) => open.push(reach),
        }
    }
    for _ in 0..CLIP_ROUNDS {
        let remains: Vec<Remains> = open.iter().map(|reach| Remains::of(reach, &left)).collect();
        let mut hull = [vec![f64::INFINITY; left[0].len()], vec![f64::NEG_INFINITY; left[0].len()]];
        for Remains { ends: [low, high], .. } in &remains {
            hull[0].iter_mut().zip(low).for_each(|(hull, end)| *hull = hull.min(*end));
            hull[1].iter_mut().zip(high).for_each(|(hull, end)| *hull = hull.max(*end));
        }
        let slabs = moved(&left[0], &left[1], &hull, WORTH);
        if slabs.is_empty() {
            break;
        }
        for slab in slabs {
            let [below, above] = tree.split(*tip, 0, slab.input as usize, slab.at);
            let (rest, off) = if slab.upper { (below, above) } else { (above, below) };
            let beyond = |(reach, remains): (&&Reach, &Remains)| {
                let row = &reach.rows[remains.by[usize::from(slab.upper)][slab.input as usize]];
                refute(reach, bounded.refutation(column, row, true))
            };
            tree.lines(off, open.iter().zip(&remains).map(beyond));
            *tip = rest;
            slab.cut(&mut left);
        }
    }
    (!open.is_empty()).then(|| left.into())
}

/// What rows, each by itself, leave of a box for a polytope.
struct Remains {
    /// Lower ends and upper ends.
    ends: [Vec<f64>; 2],
    /// The rows that left these.
    by: [Vec<usize>; 2],
}

impl Remains {
    fn of(reach: &Reach, left: &[Vec<f64>; 2]) -> Self {
        let none = vec![0; left[0].len()];
        let mut remains = Self { ends: left.clone(), by: [none.clone(), none] };
        for (number, row) in reach.rows.iter().enumerate() {
            let [mut low, mut high] = left.clone();
            // A row that leaves nothing by itself does so on the next, smaller box.
            if !clip(row.cut(), &mut low, &mut high) {
                continue;
            }
            let [lows, highs] = &mut remains.ends;
            for i in 0..low.len() {
                if low[i] > lows[i] {
                    (lows[i], remains.by[0][i]) = (low[i], number);
                }
                if high[i] < highs[i] {
                    (highs[i], remains.by[1][i]) = (high[i], number);
                }
            }
        }
        // Two rows that exclude each other leave nothing; a proof says so of the next, smaller box.
        let [lows, highs] = &mut remains.ends;
        lows.iter_mut().zip(highs).for_each(|(low, high)| *high = high.max(*low));
        remains
    }
}

/// The least share of an input's width whose removal is worth a bound in the proof, and where that may exclude a polytope at once.
const WORTH: f64 = 0.05;
const ANY: f64 = 1e-3;

/// The ends that one line of a proof can move. Every slab must be refuted by a single half-space of each open polytope
/// (cuts, one list a polytope) over the whole box, so cuts do not build on each other; ends are rounded outward to short
/// numbers.
fn slabs(lower: &[f64], upper: &[f64], polytopes: &[Vec<Cut>]) -> Vec<Slab> {
    let mut hull = [vec![f64::INFINITY; lower.len()], vec![f64::NEG_INFINITY; lower.len()]];
    for cuts in polytopes {
        let (mut low, mut high) = (lower.to_vec(), upper.to_vec());
        for cut in cuts {
            let (mut l, mut u) = (lower.to_vec(), upper.to_vec());
            if clip(*cut, &mut l, &mut u) {
                low.iter_mut().zip(l).for_each(|(low, l)| *low = low.max(l));
                high.iter_mut().zip(u).for_each(|(high, u)| *high = high.min(u));
            }
        }
        for i in 0..lower.len() {
            // Two half-spaces that exclude each other leave nothing; a proof says so of the next, smaller box.
            if low[i] <= high[i] {
                hull[0][i] = hull[0][i].min(low[i]);
                hull[1][i] = hull[1][i].max(high[i]);
            } else {
                hull[0][i] = hull[0][i].min(low[i]);
                hull[1][i] = hull[1][i].max(low[i]);
            }
        }
    }
    moved(lower, upper, &hull, WORTH)
}

/// The ends of a box that are worth moving, by this share of its width, towards those inside of it, rounded outward to short numbers.
fn moved(lower: &[f64], upper: &[f64], inner: &[Vec<f64>; 2], worth: f64) -> Vec<Slab> {
    let mut slabs = Vec::new();
    for i in 0..lower.len() {
        let width = upper[i] - lower[i];
        // A power of two, about a millionth of the width.
        let grain = 2f64.powf((width * 2f64.powi(-20)).log2().floor());
        // A grain more is left than has to be: an end is where a bound says nothing more, and the checker's may say a little less.
        let low = ((inner[0][i] / grain).floor() - 1.0) * grain;
        let ends = [low, ((inner[1][i] / grain).ceil() + 1.0) * grain];
        // Whatever the grain came out as, no end moves further than to those inside.
        let outward = ends[0] <= inner[0][i] && inner[1][i] <= ends[1];
        if !(outward && ends[0].is_finite() && ends[1].is_finite()) {
            continue;
        }
        for (upper, at, gain) in
            [(false, ends[0], ends[0] - lower[i]), (true, ends[1], upper[i] - ends[1])]
        {
            if gain > worth * width {
                slabs.push(Slab { input: i as u32, upper, at });
            }
        }
    }
    slabs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_move_no_further_than_to_those_inside(
            l in -1.0f64..1.0, width in 1e-300f64..4.0, a in 0.0f64..1.0, b in 0.0f64..1.0, tiny: bool,
        ) {
            let width = if tiny { width * 2f64.powi(-1040) } else { width };
            let u = l + width;
            let inner = [vec![(l + a * width).clamp(l, u)], vec![(l + b * width).clamp(l, u)]];
            for slab in moved(&[l], &[u], &inner, WORTH) {
                let at = slab.at;
                prop_assert!(if slab.upper { inner[1][0] <= at } else { at <= inner[0][0] }, "{slab:?}");
            }
        }
    }

    #[test]
    fn slabs_keep_what_matters_and_are_short() {
        // x + y ≤ 0.3 and −x ≤ −0.1 on the unit square.
        let cuts = vec![
            Cut { coefficients: &[1.0, 1.0], constant: 0.0, bound: 0.3 },
            Cut { coefficients: &[-1.0, 0.0], constant: 0.0, bound: -0.1 },
        ];
        let found = slabs(&[0.0, 0.0], &[1.0, 1.0], &[cuts]);
        let ends: Vec<_> = found.iter().map(|s| (s.input, s.upper)).collect();
        assert_eq!(ends, [(0, false), (0, true), (1, true)]);
        for (slab, exact) in found.iter().zip([0.1, 0.3, 0.3]) {
            assert!((slab.at - exact).abs() < 1e-5 && (slab.at > exact) == slab.upper, "{slab:?}");
            assert_eq!((slab.at * 2f64.powi(20)).fract(), 0.0);
        }
    }

    #[test]
    fn a_little_is_not_worth_a_line() {
        let cut = Cut { coefficients: &[1.0], constant: 0.0, bound: 0.99 };
        assert_eq!(slabs(&[0.0], &[1.0], &[vec![cut]]), []);
    }
}
