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
mod tests {
    use super::super::cut::tests::{network, numbers};
    use super::*;
    use crate::bound::{Analysis, Intermediate};
    use crate::branch::tree::{End, Node};
    use crate::net::{Boxes, LinearMap, NetworkBuilder, Term};
    use crate::num::from_f64;
    use crate::spec::{Claim, HalfSpace, Region};

    fn exact(x: f64) -> crate::num::Rational {
        from_f64(x).unwrap()
    }

    #[test]
    fn a_search_goes_on_where_it_was_interrupted() {
        let mut next = numbers(3);
        let net = network(&mut next);
        let input = Boxes::single(&[-0.5; 4], &[0.5; 4]);
        let root = Analysis::of_region(&net, &input, Intermediate::Crown);
        let points = Matrix::from_fn(4, 2_000, |_, _| next() / 2.0);
        let row = Matrix::from_element(1, 1, 1.0);
        let (low, high) = (root.lower(&row, &[0]).bounds[0], net.evaluate(&points).min());
        let target = low + 0.6 * (high - low);
        // The target is out of reach, so that no property is asked.
        let property = Property { claims: Vec::new(), uses_inputs: false };
        let search = || {
            let goals = Goals::new(&root, net.output(), row.clone(), vec![target], None);
            Search {
                goals,
                of: Of { whole: &net, property: &property, claim: 0 },
                polytope: 0,
                halves: (row.clone(), vec![target]),
                first: 0,
            }
        };
        let limits = Limits::starting_now(None, &|| false);
        let (whole, parts) = (search(), search());
        let (mut at_once, mut in_parts) = (whole.front(0), parts.front(0));
        let answer = whole.run(
            &mut at_once,
            &limits,
            Spent::default(),
            (usize::MAX, f64::INFINITY),
            &mut [],
        );
        assert!(matches!(answer, Some(Answer::Proved)), "{}", at_once.visited);
        assert!(at_once.visited > 20, "{}", at_once.visited);
        let mut interruptions = 0;
        let mut margins = vec![f64::NEG_INFINITY];
        loop {
            let most = in_parts.visited + 1;
            if parts
                .run(&mut in_parts, &limits, Spent::default(), (most, f64::INFINITY), &mut [])
                .is_some()
            {
                break;
            }
            interruptions += 1;
            margins.push(parts.margin(&in_parts));
        }
        assert!(interruptions > 2 && margins.is_sorted(), "{margins:?}");
        assert_eq!(in_parts.visited, at_once.visited);
        assert_eq!(parts.margin(&in_parts), whole.margin(&at_once));
        assert!(whole.margin(&at_once) > 0.0 && whole.margin(&at_once).is_finite());
    }

    /// Bounds that are off by less than ascent leaves of them where nothing is left to split.
    #[test]
    fn leaves_are_decided_by_linear_programs() {
        let (mut leaves, mut refuted) = (0, 0);
        for seed in 0..24 {
            let mut next = numbers(seed);
            let mut builder = NetworkBuilder::new(3, "x").unwrap();
            let mut node = 0;
            for (inputs, outputs) in [(3, 6), (6, 4), (4, 1)] {
                let weights = Matrix::from_fn(outputs, inputs, |_, _| next());
                let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
                let bias = (0..outputs).map(|_| next() / 4.0).collect();
                node = builder.affine(terms, bias, 0, "z").unwrap();
                node = if outputs == 1 { node } else { builder.relu(node, "y").unwrap() };
            }
            let net = builder.finish(node).unwrap();
            let root = Analysis::of_region(
                &net,
                &Boxes::single(&[-1.0; 3], &[1.0; 3]),
                Intermediate::Crown,
            );
            let row = Matrix::from_element(1, 1, 1.0);
            let grid = Matrix::from_fn(3, 41 * 41 * 41, |i, c| {
                (c / 41usize.pow(i as u32) % 41) as f64 / 20.0 - 1.0
            });
            let low = net.evaluate(&grid).min();
            let claim = |target: f64| Claim {
                region: Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 3]).unwrap(),
                unsafe_set: vec![vec![
                    HalfSpace::from_exact(&[(0, exact(1.0))], &exact(target), false).unwrap(),
                ]],
            };
            // The grid's least value is above the truth, if only a little.
            for target in [low - 0.05, low - 1e-6, low + 1e-6] {
                let property = Property { claims: vec![claim(target)], uses_inputs: false };
                for spare in [None, Some(vec![0.0])] {
                    let mut trees: Vec<Tree> = spare.iter().map(|_| Tree::default()).collect();
                    let goals = Goals::new(&root, net.output(), row.clone(), vec![target], spare);
                    let search = Search {
                        goals,
                        of: Of { whole: &net, property: &property, claim: 0 },
                        polytope: 0,
                        halves: (row.clone(), vec![target]),
                        first: 0,
                    };
                    let limits = Limits { domains: 5_000, ..Limits::starting_now(None, &|| false) };
                    let mut front = search.front(0);
                    let answer = search.run(
                        &mut front,
                        &limits,
                        Spent::default(),
                        (usize::MAX, f64::INFINITY),
                        &mut trees,
                    );
                    match answer {
                        Some(Answer::Proved) => {
                            leaves += 1;
                            assert!(target < low);
                            let refuted = |line: &Line| matches!(line, Line::Refute { .. });
                            let open = |node: &Node| {
                                node.end == End::Leaf && !node.lines.iter().any(refuted)
                            };
                            assert!(!trees.iter().flat_map(|tree| &tree.nodes).any(open));
                        }
                        Some(Answer::Refuted(found)) => {
                            refuted += 1;
                            let x = Matrix::from_column_slice(3, 1, found.input());
                            assert!(net.evaluate(&x)[0] <= target + 1e-12);
                        }
                        _ => panic!("seed {seed}, {target}: {} stuck", front.open()),
                    }
                }
            }
        }
        assert!(leaves >= 48 && refuted >= 24, "{leaves} {refuted}");
    }

    /// Polytopes of which no half-space alone can be excluded, and some that hold everywhere: decided as sampling says, with weights.
    #[test]
    fn half_spaces_exclude_a_polytope_together() {
        let (mut proved, mut refuted, mut weighted) = (0, 0, 0);
        for seed in 0..40 {
            let mut next = numbers(seed);
            let mut builder = NetworkBuilder::new(3, "x").unwrap();
            let mut node = 0;
            for (inputs, outputs) in [(3, 6), (6, 5), (5, 3)] {
                let mut weights = Matrix::from_fn(outputs, inputs, |_, _| next());
                if outputs == 3 {
                    // The last output is constant.
                    weights.row_mut(2).fill(0.0);
                }
                let terms = vec![Term { source: node, map: LinearMap::from_matrix(weights) }];
                let bias = (0..outputs).map(|_| next() / 4.0).collect();
                node = builder.affine(terms, bias, 0, "z").unwrap();
                node = if outputs == 3 { node } else { builder.relu(node, "y").unwrap() };
            }
            let net = builder.finish(node).unwrap();
            let grid = Matrix::from_fn(3, 41 * 41 * 41, |i, c| {
                (c / 41usize.pow(i as u32) % 41) as f64 / 20.0 - 1.0
            });
            let y = net.evaluate(&grid);
            // Of y0 ≤ b, y1 ≤ b and y2 ≤ y2 + 1, the least b that the grid reaches.
            let reached =
                (0..y.ncols()).map(|c| y[(0, c)].max(y[(1, c)])).fold(f64::INFINITY, f64::min);
            for (step, holds) in [(-0.02, true), (1e-4, false)] {
                let bound = reached + step;
                let half = |output: usize, bound: f64| {
                    HalfSpace::from_exact(&[(output, exact(1.0))], &exact(bound), false).unwrap()
                };
                let polytope = vec![half(0, bound), half(1, bound), half(2, y[(2, 0)] + 1.0)];
                let region = Region::from_bounds(&vec![(exact(-1.0), exact(1.0)); 3]).unwrap();
                let claims = vec![Claim { region, unsafe_set: vec![polytope] }];
                let property = Property { claims, uses_inputs: false };
                let limits = Limits::starting_now(None, &|| false);
                for recorded in [false, true] {
                    let mut trees = vec![Tree::default(); usize::from(recorded)];
                    let found = super::super::split_relus(
                        &net,
                        &property,
                        &limits,
                        None,
                        (Vec::new(), &mut trees),
                    );
                    match found.answer {
                        Answer::Proved => {
                            assert!(holds, "{seed} {bound}");
                            assert!(found.bound > 0.0 && found.bound <= -step + 0.1);
                            proved += 1;
                        }
                        Answer::Refuted(_) => {
                            assert!(!holds || step < 0.0, "{seed}");
                            refuted += 1;
                        }
                        Answer::Open(why) => panic!("{seed} {bound}: {why}"),
                    }
                    for tree in &trees {
                        weighted +=
                            usize::from(format!("{tree:?}").contains("weights: [(0, 1.0), (1,"));
                    }
                }
            }
        }
        assert!(proved > 60 && refuted > 60 && weighted > 10, "{proved} {refuted} {weighted}");
    }
}
