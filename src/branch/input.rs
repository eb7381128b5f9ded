//! Branching on inputs: boxes are bounded in batches, clipped by what their bounds already prove, and halved.

use super::clip::clip;
use super::front::{Batch, Front, Part};
use super::inherit::Inherited;
use super::leaf::{Bounded, Bounder, Domain, Undecided};
use super::reach::Reach;
use super::repeat::repeatable;
use super::smear::{Subject, smears};
use super::{Answer, Interlude, Limits, Reason, Searched, Spent, Tree, free_inputs};
use crate::attack::{Counterexample, validate};
use crate::bound::{Analysis, Charges, Functionals, Intermediate};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;
use std::cmp::Ordering;
use std::sync::Arc;

impl Part for Domain {
    fn bound(&self) -> f64 {
        self.bound
    }

    /// With the allocations' own cost.
    fn size(&self) -> usize {
        let inherited = self.inherited.as_ref().map_or(0, Inherited::size);
        size_of::<Self>() + 2 * (8 * self.lower.len() + 16) + inherited / 2
    }

    fn place(&self) -> (usize, u32) {
        (self.claim as usize, self.node)
    }

    fn moved(self, node: u32) -> Self {
        Self { node, ..self }
    }
}

/// Worst bound first: where counterexamples are likeliest. Ties by claim and box, so that the order is a function of the
/// query alone.
impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        let boxes =
            || self.lower.iter().zip(&other.lower).map(|(a, b)| b.total_cmp(a)).find(|o| o.is_ne());
        other
            .bound
            .total_cmp(&self.bound)
            .then_with(|| other.claim.cmp(&self.claim))
            .then_with(|| boxes().unwrap_or(Ordering::Equal))
    }
}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Domain {}

/// Domains a batch: enough for the GEMM to run at full speed, few enough to stay in cache and to stop in time.
const BATCH: usize = 128;

/// Entries of the widest coefficient matrix of a batch, about: limits the batch for wide networks.
const BATCH_ENTRIES: usize = 1 << 21;

/// How often a domain is clipped by all half-spaces of a polytope.
pub(super) const CLIP_ROUNDS: usize = 3;

/// Weight of an input's remaining width in the choice of the input to split, against its share in the bound's looseness.
const WIDTH_SHARE: f64 = 0.02;

/// Decides a property by splitting the regions of its claims; what was done stands in `trees`, one a claim, in steps that a proof can
/// repeat, clipping only where that is worth a line. With no trees, nothing is recorded.
#[must_use]
pub fn split_inputs(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
    trees: &mut [Tree],
) -> Searched {
    let functionals = all_functionals(net, property);
    let charges = charges_of_all(net, property);
    let recorded = !trees.is_empty();
    let bounder = Bounder::new(net, &functionals, charges, free_inputs(property), recorded);
    let search = Search { net, property, bounder: &bounder };
    let mut front = search.front();
    let all = (usize::MAX, f64::INFINITY);
    let answer = match interlude {
        None => search.run(&mut front, limits, all, trees),
        Some(due) => {
            search.run(&mut front, limits, (due.after, f64::INFINITY), trees).or_else(|| {
                if (due.attempt)() {
                    return Some(Answer::Open(Reason::Cancelled));
                }
                search.run(&mut front, limits, all, trees)
            })
        }
    };
    let answer = answer.unwrap_or(Answer::Open(Reason::DomainLimit));
    let (bound, visited, work) = (front.bound(), front.visited, front.work);
    Searched { answer, bound, visited, work, open: front.open() }
}

/// What all boxes of a property's regions have in common.
pub(super) fn all_functionals<'a>(net: &Network, property: &'a Property) -> Vec<Functionals<'a>> {
    property.claims.iter().map(|claim| Functionals::of(claim, net.outputs())).collect()
}

/// Rounding charges valid on every claim's region.
pub(super) fn charges_of_all(net: &Network, property: &Property) -> Arc<Charges> {
    let mut lower = vec![f64::INFINITY; net.inputs()];
    let mut upper = vec![f64::NEG_INFINITY; net.inputs()];
    for claim in &property.claims {
        lower.iter_mut().zip(claim.region.lower()).for_each(|(l, &c)| *l = l.min(c));
        upper.iter_mut().zip(claim.region.upper()).for_each(|(u, &c)| *u = u.max(c));
    }
    let hull = Boxes::single(&lower, &upper);
    Analysis::of_region(net, &hull, Intermediate::Interval).charges
}

/// Domains a batch: fewer of wide networks.
fn batch_size(net: &Network) -> usize {
    let widest = net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
    (BATCH_ENTRIES / (widest * 32)).clamp(1, BATCH)
}

/// What is searched.
pub(super) struct Search<'a> {
    pub net: &'a Network,
    pub property: &'a Property,
    pub bounder: &'a Bounder<'a>,
}

impl Search<'_> {
    /// A search that has not begun.
    pub(super) fn front(&self) -> Front<Domain> {
        let whole = |(claim, own): (usize, &crate::spec::Claim)| {
            self.domain(claim, 0, own.region.lower(), own.region.upper())
        };
        Front::new(self.property.claims.iter().enumerate().map(whole))
    }

    /// A box of a claim's region of which nothing is known.
    pub(super) fn domain(&self, claim: usize, node: u32, lower: &[f64], upper: &[f64]) -> Domain {
        let (lower, upper, bound) = (lower.into(), upper.into(), f64::NEG_INFINITY);
        Domain { claim: claim as u32, node, inherited: None, bound, lower, upper }
    }

    /// Searches until it is over, a limit is reached, `most` domains have been bounded or so much work been done.
    pub(super) fn run(
        &self,
        front: &mut Front<Domain>,
        limits: &Limits,
        (most, work): (usize, f64),
        trees: &mut [Tree],
    ) -> Option<Answer> {
        let batch = (most, work, batch_size(self.net));
        front.run(limits, Spent::default(), batch, trees, |domains| self.batch(domains))
    }

    /// Bounds a batch of domains and splits those that are not proved.
    fn batch(&self, domains: &[Domain]) -> Batch<Domain> {
        let mut bounded = self.bounder.bound(domains);
        let pieces = std::mem::take(&mut bounded.closed);
        let (proved, work) = (bounded.proved, bounded.work);
        let mut result = Batch { proved, pieces, work, ..Batch::default() };
        result.counterexample = self.probe(&bounded.undecided);
        if result.counterexample.is_none() {
            let subjects: Vec<Subject> = bounded.undecided.iter().map(Undecided::subject).collect();
            let smears = smears(&bounded.analysis, &bounded.sweeps, &subjects);
            for (u, undecided) in bounded.undecided.iter().enumerate() {
                let promise = smears.column(u);
                self.split(&bounded, undecided, promise.as_slice(), &mut result);
            }
        }
        result
    }

    /// Tries, for every undecided domain, its centre and the corners where its linear bounds are least.
    fn probe(&self, undecided: &[Undecided]) -> Option<Counterexample> {
        let mut owners = Vec::new();
        let mut points: Vec<f64> = Vec::new();
        for (u, Undecided { domain, open, .. }) in undecided.iter().enumerate() {
            points.extend(domain.lower.iter().zip(&domain.upper).map(|(l, u)| 0.5 * l + 0.5 * u));
            owners.push(u);
            for row in open.iter().filter_map(Reach::nearest) {
                let corner = row.coefficients.iter().zip(domain.lower.iter().zip(&domain.upper));
                points.extend(corner.map(|(&a, (&l, &u))| if a >= 0.0 { l } else { u }));
                owners.push(u);
            }
        }
        if owners.is_empty() {
            return None;
        }
        let points = Matrix::from_vec(self.net.inputs(), owners.len(), points);
        let outputs = self.net.evaluate(&points);
        let mut in_doubt = None;
        for (c, &owner) in owners.iter().enumerate() {
            let claim = undecided[owner].domain.claim as usize;
            let y: Vec<f64> = outputs.column(c).iter().copied().collect();
            if !self.property.claims[claim]
                .unsafe_set
                .iter()
                .any(|p| p.iter().all(|h| h.attained_by(value(h, &y))))
            {
                continue;
            }
            let point: Vec<f64> = points.column(c).iter().copied().collect();
            match validate(self.net, self.property, claim, &point) {
                Some(found) if found.holds_in_f32() => return Some(found),
                found => in_doubt = in_doubt.or(found),
            }
        }
        in_doubt
    }

    /// Clips a domain by the linear bounds of its open polytopes and halves it where that promises most.
    fn split(
        &self,
        bounded: &Bounded,
        undecided: &Undecided,
        promise: &[f64],
        result: &mut Batch<Domain>,
    ) {
        let Undecided { domain, column, margin, open, .. } = undecided;
        let mut piece = self.bounder.recorded.then(|| undecided.piece());
        let mut tip = 0;
        let remaining = match &mut piece {
            Some(piece) => repeatable(bounded, undecided, piece, &mut tip),
            None => clipped(domain, open),
        };
        let Some((lower, upper)) = remaining else {
            // Nothing is left that any polytope could reach; the margin is no longer that of a bound, but is not below 0.
            result.proved = result.proved.min(0.0);
            result.piece(domain.place(), piece);
            return;
        };
        let bound = margin.max(domain.bound);
        let inherited = Some(Inherited::of(&bounded.analysis, *column));
        // The score is of the box before clipping: it shrinks with the width that clipping left.
        let total: f64 = promise.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        // Inputs that move what is unbounded come first.
        let unbounded = promise.iter().any(|promise| !promise.is_finite());
        let promised = |i: usize| match unbounded {
            true => f64::from(u8::from(!promise[i].is_finite())),
            false => promise[i] / total,
        };
        let region = &self.property.claims[domain.claim as usize].region;
        let score = |i: usize| {
            let left = (upper[i] - lower[i]) / (domain.upper[i] - domain.lower[i]);
            let share = (upper[i] - lower[i]) / (region.upper()[i] - region.lower()[i]);
            promised(i) * left + WIDTH_SHARE * share
        };
        let at = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
        let splittable = |&i: &usize| lower[i] < at(i) && at(i) < upper[i];
        let best =
            (0..lower.len()).filter(splittable).max_by(|&i, &j| score(i).total_cmp(&score(j)));
        let Some(i) = best else {
            result.stuck.push(bound);
            return;
        };
        let at = at(i);
        let [below, above] = piece.as_mut().map_or([0; 2], |piece| piece.split(tip, 0, i, at));
        let (lower, upper) = (lower.into(), upper.into());
        let mut left = Domain { bound, lower, upper, inherited, node: below, ..**domain };
        let mut right = Domain { node: above, ..left.clone() };
        (left.upper[i], right.lower[i]) = (at, at);
        let piece = result.piece(domain.place(), piece);
        result.children.extend([(piece, left), (piece, right)]);
    }
}

/// Σ aⱼ yⱼ, rounded: only to pick candidates.
fn value(half: &crate::spec::HalfSpace, y: &[f64]) -> f64 {
    half.coefficients.iter().map(|&(j, a)| a * y[j]).sum()
}

/// The smallest box that holds every point of the domain that an open polytope may still be reached from.
fn clipped(domain: &Domain, open: &[Reach]) -> Option<(Vec<f64>, Vec<f64>)> {
    let mut hull: Option<(Vec<f64>, Vec<f64>)> = None;
    for reach in open {
        let (mut lower, mut upper) = (domain.lower.to_vec(), domain.upper.to_vec());
        // Each half-space clips what the others left, so a second round still gains.
        let mut rows = (0..CLIP_ROUNDS).flat_map(|_| &reach.rows);
        let alive = rows.all(|row| clip(row.cut(), &mut lower, &mut upper));
        if !alive {
            continue;
        }
        hull = Some(match hull {
            None => (lower, upper),
            Some((mut l, mut u)) => {
                l.iter_mut().zip(lower).for_each(|(l, x)| *l = l.min(x));
                u.iter_mut().zip(upper).for_each(|(u, x)| *u = u.max(x));
                (l, u)
            }
        });
    }
    hull
}
