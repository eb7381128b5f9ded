//! Best-first branch and bound for one polytope of the outputs over one region.

use super::Spent;
use super::batch::{Bounded, Goals};
use super::domain::{Domain, Split};
use super::join::Joined;
use super::refine::enter;
use crate::attack::{Counterexample, validate};
use crate::bound::{Analysis, Climbed, Functionals, OpenPolytope};
use crate::branch::doubt::{Ends, doubtful, spare};
use crate::branch::front::{Batch, Front, Part};
use crate::branch::tree::{Line, Tree};
use crate::branch::{Answer, Limits, Reason};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;

/// Entries of a batch's widest matrices, about.
const BATCH_ENTRIES: usize = 1 << 22;

/// What a search is about.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    /// The network that the property is about.
    pub whole: &'a Network,
    pub property: &'a Property,
    pub claim: usize,
}

/// One polytope over one region.
pub struct Search<'a> {
    goals: Goals<'a>,
    of: Of<'a>,
    /// The polytope that the functionals exclude.
    polytope: usize,
    /// Functionals of the outputs (outputs × functionals), and what is unsafe: where none exceeds its bound.
    halves: (Matrix, Vec<f64>),
    /// Where to begin: with which goal.
    first: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        of: Of<'a>,
        goals: Goals<'a>,
        functionals: &Functionals,
        polytope: &OpenPolytope,
    ) -> Self {
        let nearest =
            |half: &&(usize, f64)| goals.measures.is_some() || Some(half.0) == polytope.nearest;
        let (columns, bounds): (Vec<usize>, Vec<f64>) =
            polytope.halves.iter().filter(nearest).copied().unzip();
        let first = columns.iter().position(|&column| Some(column) == polytope.nearest);
        let halves = (functionals.matrix.select_columns(&columns), bounds);
        let (polytope, first) = (polytope.index, first.unwrap_or(0));
        Self { goals, of, polytope, halves, first }
    }

    /// What excludes a polytope: its nearest half-space; `None` where it has none, so that no functional can exclude it. `spare` as of
    /// [`Goals`], one a functional.
    pub(super) fn goals_of<'b>(
        analysis: &'b Analysis<'b>,
        functionals: &Functionals,
        spare: Option<&[f64]>,
        polytope: &OpenPolytope,
    ) -> Option<Goals<'b>> {
        let net = analysis.net;
        let nearest = polytope.nearest?;
        let target = polytope.halves.iter().find(|half| half.0 == nearest)?.1;
        let functional = functionals.matrix.column(nearest);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let spare = spare.map(|spare| vec![spare[nearest]]);
        Some(Goals::new(analysis, net.output(), row, vec![target], spare))
    }

    /// A search that has not begun; its record begins at a node.
    pub(super) fn front(&self, node: u32) -> Front<Domain> {
        Front::new([self.goals.whole(self.first as u32).moved(node)])
    }

    /// The least margin proved over all domains, open ones included.
    pub(super) fn margin(&self, front: &Front<Domain>) -> f64 {
        front.bound() - self.goals.targets[0]
    }

    /// Searches until it is over or a limit is reached; `None` where `most` domains have been bounded before that.
    pub(super) fn run(
        &self,
        front: &mut Front<Domain>,
        limits: &Limits,
        before: Spent,
        (most, work): (usize, f64),
        trees: &mut [Tree],
    ) -> Option<Answer> {
        let batch = (most, work, batch_size(&self.goals));
        front.run(limits, before, batch, trees, |domains| self.batch(domains, limits))
    }

    fn batch(&self, domains: &[Domain], limits: &Limits) -> Batch<Domain> {
        let goals = &self.goals;
        let bounded = goals.bound(domains);
        let mut result = Batch {
            counterexample: self.probe(&bounded.climbed, &bounded.undecided),
            work: bounded.work + goals.work_of_choice(bounded.undecided.len()),
            ..Batch::default()
        };
        if result.counterexample.is_some() {
            return result;
        }
        let mut pairs = goals.split(domains, &bounded).into_iter();
        for (d, domain) in domains.iter().enumerate() {
            let mut piece = goals.spare.as_ref().map(|_| {
                let mut piece = Tree::default();
                piece.lines(0, from_split(bounded.ends(), d, domain));
                piece
            });
            if bounded.undecided.binary_search(&d).is_err() {
                self.close(&bounded, (d, domain), piece.as_mut(), &mut result);
            } else if let Some(pair) = pairs.next().flatten() {
                enter(&mut result, domain, piece, pair);
                continue;
            } else {
                let Some(turned) = self.turn(domain) else {
                    self.leaf(&bounded, (domain, d), limits, piece.as_mut(), &mut result);
                    result.piece(domain.place(), piece);
                    continue;
                };
                result.work += turned.bounded.work + goals.work_of_choice(1);
                if let Some(pair) = turned.pair {
                    enter(&mut result, domain, piece, pair);
                    continue;
                }
                self.close(&turned.bounded, (0, &turned.domain), piece.as_mut(), &mut result);
            }
            result.piece(domain.place(), piece);
        }
        result
    }

    /// Notes a domain that is decided, and how.
    fn close(
        &self,
        bounded: &Bounded,
        (d, domain): (usize, &Domain),
        piece: Option<&mut Tree>,
        result: &mut Batch<Domain>,
    ) {
        let goal = domain.goal as usize;
        if !bounded.empty[d] {
            let lifts = bounded.climbed.lifts.iter().filter(|lift| lift.column == d);
            let lifts = lifts.map(|lift| (lift.node, lift.element, lift.size));
            let (_, weight) = self.goals.together(goal, lifts);
            result.proved = result.proved.min(margin(bounded.climbed.bounds[d], weight));
        }
        if let Some(piece) = piece {
            piece.line(0, self.refute(self.goals.refutation(bounded, d, goal)));
        }
    }

    /// A domain with nothing left to split for its half-space, seen from another one that decides it or can be split for; `None` where
    /// there is none.
    fn turn(&self, domain: &Domain) -> Option<Turned<'a>> {
        self.goals.measures?;
        let all = self.goals.targets.len() as u32;
        (1..all).find_map(|step| {
            let goal = (domain.goal + step) % all;
            let lifts = vec![0.0; domain.lifts.len()];
            let turned = Domain { goal, lifts, bound: f64::NEG_INFINITY, ..domain.clone() };
            let bounded = self.goals.bound(std::slice::from_ref(&turned));
            let pair = self.goals.split(std::slice::from_ref(&turned), &bounded).pop().flatten();
            let open = pair.is_none() && !bounded.undecided.is_empty();
            (!open).then_some(Turned { domain: turned, bounded, pair })
        })
    }

    fn refute(&self, how: crate::branch::tree::Refutation) -> Line {
        Line::Refute { polytopes: [self.polytope as u32].into(), how }
    }

    /// Decides a domain with nothing left to split, if the LP does.
    fn leaf(
        &self,
        bounded: &Bounded,
        (domain, d): (&Domain, usize),
        limits: &Limits,
        piece: Option<&mut Tree>,
        result: &mut Batch<Domain>,
    ) {
        let all = self.goals.targets.len() as u32;
        let mut points = Vec::new();
        let mut best = bounded.climbed.bounds[d].max(domain.bound);
        for step in 0..all {
            let domain = Domain { goal: (domain.goal + step) % all, ..domain.clone() };
            let leaf = self.goals.leaf(bounded, &domain, d, limits.left());
            if leaf.bound > self.goals.targets[domain.goal as usize] {
                result.proved = result.proved.min(margin(leaf.bound, leaf.weight));
                if let (Some(piece), Some(how)) = (piece, leaf.refutation) {
                    piece.line(0, self.refute(how));
                }
                return;
            }
            best = best.max(leaf.bound);
            points.extend(leaf.point);
        }
        result.stuck.push(best);
        if result.counterexample.is_none() && !points.is_empty() {
            let input = &self.goals.root.layers.boxes[0];
            // A minimiser of one half-space lies on the borders of others, the mean of all inside where there is an inside.
            let mean = |i: usize| points.iter().map(|x| x[i]).sum::<f64>() / points.len() as f64;
            let points = Matrix::from_fn(input.lower.nrows(), points.len() + 1, |i, c| {
                points
                    .get(c)
                    .map_or_else(|| mean(i), |x| x[i])
                    .clamp(input.lower[i], input.upper[i])
            });
            result.counterexample = self.first_valid(&points);
        }
    }

    /// Tries the means of the minimisers, and the corners nearest to them.
    fn probe(&self, climbed: &Climbed, undecided: &[usize]) -> Option<Counterexample> {
        if undecided.is_empty() {
            return None;
        }
        let means = climbed.means.values.first()?.as_ref()?;
        let input = &self.goals.root.layers.boxes[0];
        let k = undecided.len();
        let points = Matrix::from_fn(self.of.whole.inputs(), 2 * k, |i, c| {
            let (x, l, u) = (means[(i, undecided[c % k])], input.lower[i], input.upper[i]);
            if c >= k {
                x.clamp(l, u)
            } else if x - l < u - x {
                l
            } else {
                u
            }
        });
        self.first_valid(&points)
    }

    /// The first of some inputs that violates the claim; one that does so in single precision too, if there is one.
    fn first_valid(&self, points: &Matrix) -> Option<Counterexample> {
        let outputs = self.of.whole.evaluate(points);
        let mut in_doubt = None;
        let (rows, bounds) = &self.halves;
        // A point that rounding alone puts beside one of several half-spaces is looked at, too.
        let doubt = if bounds.len() > 1 { 1e-6 } else { 0.0 };
        for c in 0..points.ncols() {
            let beside = |(h, bound): (usize, &f64)| {
                rows.column(h).dot(&outputs.column(c)) > bound + doubt * (1.0 + bound.abs())
            };
            if bounds.iter().enumerate().any(beside) {
                continue;
            }
            let point: Vec<f64> = points.column(c).iter().copied().collect();
            match validate(self.of.whole, self.of.property, self.of.claim, &point) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
        in_doubt
    }
}

/// Splits ReLUs until a polytope of a claim is excluded from a part of its region, of which `known` are bounds (those of the inputs among
/// them), and which lies on these sides of splits; what was done is a piece of the claim's tree.
#[must_use]
pub fn split_relus_from(
    net: &Network,
    property: &Property,
    (claim, polytope): (usize, usize),
    (known, splits): (&[Option<Boxes>], &[Split]),
    limits: &Limits,
) -> (Answer, Tree) {
    let none = (Answer::Open(Reason::BoundTooWeak), Tree::default());
    let Some(Some(input)) = known.first() else { return none };
    let analysis = Analysis::of_boxes(net, |id, layers| {
        let mut boxes = net.enclose_node(id, input, &layers.boxes);
        known[id].iter().for_each(|known| boxes.intersect(known));
        boxes
    });
    let asked = &property.claims[claim];
    let functionals = Functionals::of(asked, net.outputs());
    let swept = analysis.lower(&functionals.matrix, &vec![0; functionals.len()]);
    let all = functionals.open_polytopes(&vec![f64::NEG_INFINITY; functionals.len()]);
    let Some(mut polytope) = all.into_iter().nth(polytope) else { return none };
    let gap = |&&(column, bound): &&(usize, f64)| swept.bounds[column] - bound;
    let nearest = polytope.halves.iter().max_by(|a, b| gap(a).total_cmp(&gap(b)));
    polytope.nearest = nearest.map(|half| half.0);
    let spare = |column: usize| {
        let functional = functionals.matrix.column(column);
        spare(net, &analysis.charges, &asked.region, &swept, column, functional.as_slice())
    };
    let spare: Vec<f64> = (0..functionals.len()).map(spare).collect();
    let joined = Joined::of(net, &functionals, &polytope);
    let carried = joined.as_ref().map(|joined| joined.carry(&analysis));
    let goals = match (&joined, &carried) {
        (Some(joined), Some(carried)) => Some(joined.goals(carried, Some(&spare))),
        _ => Search::goals_of(&analysis, &functionals, Some(&spare), &polytope),
    };
    let Some(goals) = goals else { return none };
    let of = Of { whole: net, property, claim };
    let search = Search::new(of, goals, &functionals, &polytope);
    let whole = search.goals.whole(search.first as u32);
    let lifts = vec![0.0; whole.lifts.len() + splits.len()];
    let mut front = Front::new([Domain { splits: splits.to_vec(), lifts, ..whole }]);
    let mut trees = [Tree::default()];
    let all = (usize::MAX, f64::INFINITY);
    let answer = search.run(&mut front, limits, Spent::default(), all, &mut trees);
    let [tree] = trees;
    match answer.unwrap_or(Answer::Proved) {
        // What was tried for no avail is not kept.
        open @ Answer::Open(Reason::Resolution | Reason::BoundTooWeak) => (open, Tree::default()),
        answer => (answer, tree),
    }
}

/// A domain seen from another half-space.
struct Turned<'a> {
    domain: Domain,
    bounded: Bounded<'a>,
    /// How it is split; decided where it is not.
    pair: Option<[Domain; 2]>,
}

/// By how much some half-space at least is missed where their weighted sum is, with weights that sum to this.
fn margin(bound: f64, weight: f64) -> f64 {
    if bound > 0.0 && weight > 1.0 { (bound / (weight * (1.0 + 1e-9))).next_down() } else { bound }
}

/// Domains a batch: few where the matrices of one domain's intermediate sweeps are large already.
fn batch_size(goals: &Goals) -> usize {
    let widest = goals.root.net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
    let entries = widest * goals.unstable.len().max(16);
    (BATCH_ENTRIES / entries).clamp(8, 64)
}

/// The line of a proof that repeats what was swept anew for a domain.
fn from_split(ends: Ends, d: usize, domain: &Domain) -> Option<Line> {
    let after = domain.splits.last()?.node;
    Some(Line::Crown { after: Some(after), hints: doubtful(ends, d) })
}

#[cfg(test)]
mod tests;
