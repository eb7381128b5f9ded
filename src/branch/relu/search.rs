//! Best-first branch and bound for one functional of the outputs over one region.

use super::batch::{Bounded, Goals};
use super::domain::{Domain, Split};
use super::refine::enter;
use super::root::Root;
use super::{Job, Spent};
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

/// One functional over one region.
pub struct Search<'a> {
    goals: Goals<'a>,
    /// The network that the property is about.
    whole: &'a Network,
    property: &'a Property,
    claim: usize,
    /// The polytope that the functional excludes.
    polytope: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(job: &Job<'a>, goals: Goals<'a>, polytope: usize) -> Self {
        let Job { whole, property, index: claim, .. } = *job;
        Self { goals, whole, property, claim, polytope }
    }

    /// What excludes a polytope: its nearest half-space; `None` where it has none, so that no functional can exclude it.
    pub(super) fn goals<'b>(root: &'b Root<'b>, polytope: &OpenPolytope) -> Option<Goals<'b>> {
        let net = root.analysis.net;
        let nearest = polytope.nearest?;
        let target = polytope.halves.iter().find(|half| half.0 == nearest)?.1;
        let functional = root.functionals.matrix.column(nearest);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let spare = root.spine.as_ref().map(|_| vec![root.spare[nearest]]);
        Some(Goals::new(&root.analysis, net.output(), row, vec![target], spare))
    }

    /// A search that has not begun; its record begins at a node.
    pub(super) fn front(&self, node: u32) -> Front<Domain> {
        Front::new([self.goals.whole(0).moved(node)])
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
                if !bounded.empty[d] {
                    result.proved = result.proved.min(bounded.climbed.bounds[d]);
                }
                if let Some(piece) = &mut piece {
                    piece.line(0, self.refute(goals.refutation(&bounded, d, 0)));
                }
            } else if let Some(pair) = pairs.next().flatten() {
                enter(&mut result, domain, piece, pair);
                continue;
            } else {
                self.leaf(&bounded, (domain, d), limits, piece.as_mut(), &mut result);
            }
            result.piece(domain.place(), piece);
        }
        result
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
        let leaf = self.goals.leaf(bounded, domain, d, limits.left());
        if leaf.bound > self.goals.targets[0] {
            result.proved = result.proved.min(leaf.bound);
            if let (Some(piece), Some(how)) = (piece, leaf.refutation) {
                piece.line(0, self.refute(how));
            }
            return;
        }
        result.stuck.push(leaf.bound.max(bounded.climbed.bounds[d]).max(domain.bound));
        if let (Some(x), None) = (leaf.point, &result.counterexample) {
            let input = &self.goals.root.layers.boxes[0];
            let inside = |(i, x): (usize, &f64)| x.clamp(input.lower[i], input.upper[i]);
            let point: Vec<f64> = x.iter().enumerate().map(inside).collect();
            let point = Matrix::from_column_slice(point.len(), 1, &point);
            result.counterexample = self.first_valid(&point);
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
        let points = Matrix::from_fn(self.whole.inputs(), 2 * k, |i, c| {
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
        let outputs = self.whole.evaluate(points);
        let mut in_doubt = None;
        for c in 0..points.ncols() {
            let f = self.goals.rows.column(0).dot(&outputs.column(c));
            if f > self.goals.targets[0] {
                continue;
            }
            let point: Vec<f64> = points.column(c).iter().copied().collect();
            match validate(self.whole, self.property, self.claim, &point) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
        in_doubt
    }
}

/// Splits ReLUs until a polytope of a claim is excluded from a part of its region, of which `known` are bounds (those of the inputs among
/// them), and which lies on these sides of splits; what was done is a piece of the claim's tree. Each half-space is tried, the nearest
/// first.
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
    let mut halves = all.into_iter().nth(polytope).map_or(Vec::new(), |polytope| polytope.halves);
    let gap = |&(column, bound): &(usize, f64)| swept.bounds[column] - bound;
    halves.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
    let mut found = none;
    for (column, bound) in halves {
        let functional = functionals.matrix.column(column);
        let row = Matrix::from_column_slice(net.outputs(), 1, functional.as_slice());
        let charges = &analysis.charges;
        let spare = spare(net, charges, &asked.region, &swept, column, functional.as_slice());
        let goals = Goals::new(&analysis, net.output(), row, vec![bound], Some(vec![spare]));
        let search = Search { goals, whole: net, property, claim, polytope };
        let whole = search.goals.whole(0);
        let lifts = vec![0.0; splits.len()];
        let mut front = Front::new([Domain { splits: splits.to_vec(), lifts, ..whole }]);
        let mut trees = [Tree::default()];
        let answer = search.run(
            &mut front,
            limits,
            Spent::default(),
            (usize::MAX, f64::INFINITY),
            &mut trees,
        );
        let [tree] = trees;
        found = (answer.unwrap_or(Answer::Proved), tree);
        if !matches!(found.0, Answer::Open(Reason::Resolution | Reason::BoundTooWeak)) {
            return found;
        }
    }
    // What was tried for no avail is not kept.
    (found.0, Tree::default())
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
            Search { goals, whole: &net, property: &property, claim: 0, polytope: 0 }
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
                    let search =
                        Search { goals, whole: &net, property: &property, claim: 0, polytope: 0 };
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
}
