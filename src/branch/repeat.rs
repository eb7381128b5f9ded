//! Clips of a search that is recorded: lines that a proof can repeat.

use super::clip::{Cut, clip};
use super::input::CLIP_ROUNDS;
use super::leaf::{Bounded, Reach, Undecided};
use super::record::{ANY, Chain, Clip, CutOff, Parted, Slab, Step, WORTH, moved, slabs};
use super::relu::Refutation;

/// What clips leave of a domain, in lines that a proof can repeat, entered into the chain; `None` if nothing that matters. Single half-spaces at default slopes clip for all polytopes
/// together; where several are open, what their combinations exclude besides is cut off by splits.
pub(super) fn repeatable(
    bounded: &Bounded,
    undecided: &Undecided,
    chain: &mut Chain,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let Undecided { domain, column, open, .. } = undecided;
    let mut left = [domain.lower.to_vec(), domain.upper.to_vec()];
    let step = &mut chain.first;
    let [reach] = open.as_slice() else {
        let polytopes: Vec<Vec<Cut>> = open.iter().map(Reach::loose_cuts).collect();
        let slabs = slabs(&left[0], &left[1], &polytopes);
        note(&mut step.clips, slabs, &mut left, Refutation::default());
        return apart(bounded, undecided, chain, left);
    };
    let last = alone(bounded, *column, reach, WORTH, &mut step.clips, &mut left);
    step.last = last.map(|last| (reach.index, last));
    let [lower, upper] = left;
    step.last.is_none().then_some((lower, upper))
}

/// Clips a box for one polytope, by each of its rows in turn; how it is excluded, if nothing is left.
fn alone(
    bounded: &Bounded,
    column: usize,
    reach: &Reach,
    worth: f64,
    clips: &mut Vec<Clip>,
    left: &mut [Vec<f64>; 2],
) -> Option<Refutation> {
    for _ in 0..CLIP_ROUNDS {
        let mut moving = false;
        for row in &reach.rows {
            let mut inner = left.clone();
            let [low, high] = &mut inner;
            let complete = !clips.is_empty() || row.is_tight();
            if !clip(row.cut(), low, high) {
                return Some(bounded.refutation(column, row, complete));
            }
            let worth = if row.is_tight() { ANY } else { worth };
            let slabs = moved(&left[0], &left[1], &inner, worth);
            if !slabs.is_empty() {
                let how = bounded.refutation(column, row, complete);
                moving |= note(clips, slabs, left, how);
            }
        }
        if !moving {
            break;
        }
    }
    None
}

/// Moves ends, and notes that; whether there is anything to be moved.
fn note(
    clips: &mut Vec<Clip>,
    slabs: Vec<Slab>,
    left: &mut [Vec<f64>; 2],
    how: Refutation,
) -> bool {
    slabs.iter().for_each(|slab| slab.cut(left));
    let worth = !slabs.is_empty();
    if worth {
        clips.push(Clip { slabs, how });
    }
    worth
}

/// Excludes open polytopes each by clips of its own, and cuts off what each of those that are left is excluded from by a row of its own.
fn apart(
    bounded: &Bounded,
    undecided: &Undecided,
    chain: &mut Chain,
    mut left: [Vec<f64>; 2],
) -> Option<(Vec<f64>, Vec<f64>)> {
    let column = undecided.column;
    let mut open: Vec<&Reach> = Vec::new();
    for reach in &undecided.open {
        // Boxes were clipped for all together already, or will be.
        let mut clips = chain.first.clips.clone();
        let common = clips.len();
        match alone(bounded, column, reach, ANY, &mut clips, &mut left.clone()) {
            Some(last) => {
                let (polytope, clips) = (reach.index, clips.split_off(common));
                chain.first.parted.push(Parted { polytope, clips, last });
            }
            None => open.push(reach),
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
            let beyond = |(reach, remains): (&&Reach, &Remains)| {
                let row = &reach.rows[remains.by[usize::from(slab.upper)][slab.input as usize]];
                (reach.index, bounded.refutation(column, row, true))
            };
            let refuted = open.iter().zip(&remains).map(beyond).collect();
            let closed = Step { bare: true, refuted, ..Step::default() };
            let rest = Step { bare: true, ..Step::default() };
            chain.cuts.push(CutOff { slab, closed, rest });
            slab.cut(&mut left);
        }
    }
    let [lower, upper] = left;
    (!open.is_empty()).then_some((lower, upper))
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
