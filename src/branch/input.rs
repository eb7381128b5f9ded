//! Branching on inputs: boxes are bounded in batches, clipped by what their bounds already prove, and halved.

use super::clip::clip;
use super::inherit::Inherited;
use super::leaf::{Bounded, Bounder, Domain, Reach, Undecided};
use super::record::{Chain, Record};
use super::repeat::repeatable;
use super::smear::{Subject, smears};
use super::{Answer, Interlude, Limits, Reason, Searched, free_inputs};
use crate::attack::{Counterexample, validate};
use crate::bound::{Analysis, Functionals, Intermediate};
use crate::net::{Boxes, Matrix, Network};
use crate::spec::Property;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

impl Domain {
    /// Bytes, with the allocations' own cost.
    fn size(net: &Network) -> usize {
        size_of::<Self>() + 2 * (8 * net.inputs() + 16) + Inherited::size(net) / 2
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

/// What became of a batch.
#[derive(Default)]
struct Batch {
    /// Halves, in pairs.
    children: Vec<Domain>,
    /// What the record needs to know about each pair: what was done, the input halved and where.
    halved: Vec<(u32, Chain, u32, f64)>,
    /// What it needs to know about domains proved.
    closed: Vec<(u32, Chain)>,
    counterexample: Option<Counterexample>,
    /// Least margin among the domains proved here.
    proved: f64,
    /// Domains that cannot be halved any more.
    stuck: Vec<Domain>,
}

/// Domains a batch: enough for the GEMM to run at full speed, few enough to stay in cache and to stop in time.
const BATCH: usize = 128;

/// Batches bounded in parallel: a constant, so that the search does not depend on the number of threads.
pub(super) const BATCHES: usize = 4;

/// Entries of the widest coefficient matrix of a batch, about: limits the batch for wide networks.
const BATCH_ENTRIES: usize = 1 << 21;

/// How often a domain is clipped by all half-spaces of a polytope.
pub(super) const CLIP_ROUNDS: usize = 3;

/// Weight of an input's remaining width in the choice of the input to split, against its share in the bound's looseness.
const WIDTH_SHARE: f64 = 0.02;

/// Decides a property by splitting the regions of its claims.
#[must_use]
pub fn split_inputs(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
) -> Searched {
    run(net, property, limits, interlude, None)
}

/// As [`split_inputs`], and records how, in steps that a proof can repeat, clipping only where that is worth a line. A record that would
/// not fit into the memory limit is given up; the search goes on.
#[must_use]
pub fn split_inputs_recorded(
    net: &Network,
    property: &Property,
    limits: &Limits,
    interlude: Option<Interlude>,
) -> (Searched, Record) {
    let mut record = Record::default();
    let searched = run(net, property, limits, interlude, Some(&mut record));
    (searched, record)
}

fn run(
    net: &Network,
    property: &Property,
    limits: &Limits,
    mut interlude: Option<Interlude>,
    mut record: Option<&mut Record>,
) -> Searched {
    if let Some(record) = &mut record {
        record.begin(property.claims.len());
    }
    let functionals: Vec<Functionals> =
        property.claims.iter().map(|claim| Functionals::of(claim, net.outputs())).collect();
    let hull = hull(net, property);
    // Rounding charges valid on every claim's region.
    let charges = Analysis::of_region(net, &hull, Intermediate::Interval).charges;
    let recorded = record.is_some();
    let bounder = Bounder::new(net, &functionals, charges, free_inputs(property), recorded);
    let search = Search { net, property, bounder: &bounder };
    let open: BinaryHeap<Domain> = property
        .claims
        .iter()
        .enumerate()
        .map(|(c, claim)| Domain {
            claim: c as u32,
            step: c as u32,
            inherited: None,
            bound: f64::NEG_INFINITY,
            lower: claim.region.lower().into(),
            upper: claim.region.upper().into(),
        })
        .collect();
    explore(&search, open, limits, &mut interlude, record)
}

/// Domains a batch: fewer of wide networks.
pub(super) fn batch_size(net: &Network) -> usize {
    let widest = net.nodes().iter().map(|n| n.len).max().unwrap_or(1);
    (BATCH_ENTRIES / (widest * 32)).clamp(1, BATCH)
}

/// Bounds open domains and splits them until none is left or a limit is reached.
pub(super) fn explore(
    search: &Search,
    mut open: BinaryHeap<Domain>,
    limits: &Limits,
    interlude: &mut Option<Interlude>,
    mut record: Option<&mut Record>,
) -> Searched {
    let net = search.net;
    let batch = batch_size(net);
    let mut searched =
        Searched { answer: Answer::Proved, bound: f64::INFINITY, visited: 0, open: 0 };
    let mut stuck: Vec<Domain> = Vec::new();
    while !open.is_empty() {
        let waiting = open.len() * Domain::size(net);
        if let Some(noted) = &record
            && waiting + noted.size() > limits.memory
            && let Some(record) = record.take()
        {
            record.give_up();
        }
        let full = (waiting > limits.memory).then_some(Reason::MemoryLimit);
        let many = (searched.visited >= limits.domains).then_some(Reason::DomainLimit);
        if let Some(reason) = limits.passed().or(full).or(many) {
            return conclude(searched, Answer::Open(reason), open.iter().chain(&stuck));
        }
        if let Some(due) = interlude.take_if(|due| due.after <= searched.visited)
            && (due.attempt)()
        {
            let open = open.iter().chain(&stuck);
            return conclude(searched, Answer::Open(Reason::Cancelled), open);
        }
        let domains: Vec<Domain> = (0..batch * BATCHES).map_while(|_| open.pop()).collect();
        searched.visited += domains.len();
        let chunk = domains.len().div_ceil(BATCHES).max(1);
        let results: Vec<Batch> =
            domains.par_chunks(chunk).map(|chunk| search.batch(chunk)).collect();
        for mut result in results {
            if let Some(found) = result.counterexample {
                return conclude(searched, Answer::Refuted(Box::new(found)), open.iter());
            }
            searched.bound = searched.bound.min(result.proved);
            if let Some(record) = &mut record {
                for (number, chain) in result.closed {
                    record.close(number, chain);
                }
                let pairs = result.children.chunks_exact_mut(2);
                for ((number, chain, input, at), pair) in result.halved.into_iter().zip(pairs) {
                    let left = record.close(number, chain);
                    let steps = record.halve(left, input, at);
                    pair.iter_mut().zip(steps).for_each(|(child, step)| child.step = step);
                }
            }
            open.extend(result.children);
            stuck.extend(result.stuck);
        }
    }
    let answer = if stuck.is_empty() { Answer::Proved } else { Answer::Open(Reason::Resolution) };
    conclude(searched, answer, stuck.iter())
}

fn conclude<'a>(
    mut searched: Searched,
    answer: Answer,
    open: impl Iterator<Item = &'a Domain>,
) -> Searched {
    for domain in open {
        searched.bound = searched.bound.min(domain.bound);
        searched.open += 1;
    }
    Searched { answer, ..searched }
}

/// The smallest box around the regions of all claims.
pub(super) fn hull(net: &Network, property: &Property) -> Boxes {
    let mut lower = vec![f64::INFINITY; net.inputs()];
    let mut upper = vec![f64::NEG_INFINITY; net.inputs()];
    for claim in &property.claims {
        lower.iter_mut().zip(claim.region.lower()).for_each(|(l, &c)| *l = l.min(c));
        upper.iter_mut().zip(claim.region.upper()).for_each(|(u, &c)| *u = u.max(c));
    }
    Boxes::single(&lower, &upper)
}

/// What is searched.
pub(super) struct Search<'a> {
    pub net: &'a Network,
    pub property: &'a Property,
    pub bounder: &'a Bounder<'a>,
}

impl Search<'_> {
    /// Bounds a batch of domains and splits those that are not proved.
    fn batch(&self, domains: &[Domain]) -> Batch {
        let mut bounded = self.bounder.bound(domains);
        let closed = std::mem::take(&mut bounded.closed);
        let mut result = Batch { proved: bounded.proved, closed, ..Batch::default() };
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
    fn split(&self, bounded: &Bounded, undecided: &Undecided, promise: &[f64], result: &mut Batch) {
        let Undecided { domain, column, margin, open, step } = undecided;
        let recorded = self.bounder.recorded;
        let mut chain = Chain::from(step.clone());
        let remaining = if recorded {
            repeatable(bounded, undecided, &mut chain)
        } else {
            clipped(domain, open)
        };
        let Some((lower, upper)) = remaining else {
            // Nothing is left that any polytope could reach; the margin is no longer that of a bound, but is not below 0.
            result.proved = result.proved.min(0.0);
            if recorded {
                result.closed.push((domain.step, chain));
            }
            return;
        };
        let bound = margin.max(domain.bound);
        let inherited = Some(Inherited::of(&bounded.analysis, *column));
        // The score is of the box before clipping: it shrinks with the width that clipping left.
        let total: f64 = promise.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let region = &self.property.claims[domain.claim as usize].region;
        let score = |i: usize| {
            let left = (upper[i] - lower[i]) / (domain.upper[i] - domain.lower[i]);
            let share = (upper[i] - lower[i]) / (region.upper()[i] - region.lower()[i]);
            promise[i] / total * left + WIDTH_SHARE * share
        };
        let at = |i: usize| 0.5 * lower[i] + 0.5 * upper[i];
        let splittable = |&i: &usize| lower[i] < at(i) && at(i) < upper[i];
        let best =
            (0..lower.len()).filter(splittable).max_by(|&i, &j| score(i).total_cmp(&score(j)));
        let (lower, upper) = (lower.into(), upper.into());
        let whole = Domain { bound, lower, upper, inherited, ..**domain };
        match best {
            None => result.stuck.push(whole),
            Some(i) => {
                let (mut left, mut right) = (whole.clone(), whole);
                left.upper[i] = 0.5 * left.lower[i] + 0.5 * left.upper[i];
                right.lower[i] = left.upper[i];
                if recorded {
                    result.halved.push((domain.step, chain, i as u32, left.upper[i]));
                }
                result.children.extend([left, right]);
            }
        }
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
