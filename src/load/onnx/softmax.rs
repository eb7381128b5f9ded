//! Softmax and its like within a network: exponentials of differences of the operands, so that every value is in [0, 1] by intervals alone.

use super::call::Call;
use super::elementwise::expand;
use super::lower::{EMPTY, Lowering, Pending, Value, Variable};
use super::norm::log_sum_exp;
use super::reduce::groups;
use super::shape::{Problem, count_entries};
use crate::net::{LinearMap, Sparse, Term};

/// Over which axes a Softmax or the like goes: before operator set 13 the tensor is a matrix of the axes before and from `axis` on.
pub fn axes(call: &Call, rank: usize) -> Problem<Vec<usize>> {
    let along = call.axis(if call.opset < 13 { 1 } else { -1 }, rank)?;
    Ok((along..if call.opset < 13 { rank } else { along + 1 }).collect())
}

/// exp(xᵢ) / Σ exp(xⱼ) = 1 / (1 + Σ exp(xⱼ − xᵢ)) over j ≠ i.
pub fn softmax(low: &mut Lowering, x: &Variable, axes: &[usize]) -> Problem<Variable> {
    let pairs = Pairs::new(low, x, axes)?;
    let differences = pairs.differences(low, x, |_| 1.0)?;
    let ratios = low.exp(&differences)?;
    let sum = pairs.sum(low, &ratios, |_| 1.0, &[1.0], x)?;
    low.power(&sum, -1.0)
}

/// xᵢ − log Σ exp(xⱼ).
pub fn log_softmax(low: &mut Lowering, x: &Variable, axes: &[usize]) -> Problem<Variable> {
    let kept = x.shape.iter().enumerate();
    let kept = kept.map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let all = log_sum_exp(low, x, axes, kept)?;
    let all = expand(low, &all, &x.shape)?;
    low.subtract(x, &all, x.shape.clone())
}

/// 1 for the first of the largest elements of a group, else 0.
///
/// Element i loses to j behind it if xⱼ > xᵢ, to j before it if not xᵢ > xⱼ: it has lost Σ [xⱼ > xᵢ] + Σ (1 − [xᵢ > xⱼ]) times.
pub fn hardmax<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let pairs = Pairs::new(low, &x, &axes(call, x.shape.len())?)?;
    let sign = |before: bool| if before { -1.0 } else { 1.0 };
    let differences = pairs.differences(low, &x, sign)?;
    let positive = low.is_positive(&differences)?;
    let lost = pairs.sum(low, &positive, sign, &pairs.places(), &x)?;
    let half = Some(vec![0.5; low.len(&x)]);
    let won = low.combine(&[(&lost, -1.0)], half, x.shape.clone())?;
    Ok(low.is_positive(&won)?.into())
}

/// All pairs of different elements i, j of a group.
struct Pairs {
    /// For each element i its partners j, and whether j comes before i.
    partners: Vec<Vec<(usize, bool)>>,
}

impl Pairs {
    fn new(low: &mut Lowering, x: &Variable, axes: &[usize]) -> Problem<Self> {
        let (len, size) = (low.len(x), axes.iter().map(|&a| x.shape[a]).product::<usize>());
        if len == 0 {
            return Err(EMPTY);
        }
        low.spend::<[u64; 12]>(count_entries(len, size)?)?;
        let mut partners = vec![Vec::new(); len];
        for group in groups(&x.shape, axes) {
            for (p, &i) in group.iter().enumerate() {
                let others = group.iter().enumerate().filter(|(q, _)| *q != p);
                partners[i] = others.map(|(q, &j)| (j, q < p)).collect();
            }
        }
        Ok(Self { partners })
    }

    /// How many elements of its group come before each.
    fn places(&self) -> Vec<f64> {
        let before = |all: &Vec<(usize, bool)>| all.iter().filter(|(_, before)| *before).count();
        self.partners.iter().map(|all| before(all) as f64).collect()
    }

    /// sign · (xⱼ − xᵢ), pair by pair. Of groups of one element there is a single 0.
    fn differences(
        &self,
        low: &mut Lowering,
        x: &Variable,
        sign: impl Fn(bool) -> f64,
    ) -> Problem<Variable> {
        let pairs = self.partners.iter().enumerate();
        let pairs = pairs.flat_map(|(i, all)| all.iter().map(move |&(j, before)| (i, j, before)));
        let row = |(i, j, before)| vec![(j, sign(before)), (i, -sign(before))];
        let mut rows: Vec<Vec<(usize, f64)>> = pairs.map(row).collect();
        if rows.is_empty() {
            rows.push(Vec::new());
        }
        let number = rows.len();
        let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
        low.linear(x, map, vec![number])
    }

    /// For each element i: start + Σ sign · term over its pairs; one start, or one for each i.
    fn sum(
        &self,
        low: &mut Lowering,
        terms: &Variable,
        sign: impl Fn(bool) -> f64,
        start: &[f64],
        x: &Variable,
    ) -> Problem<Variable> {
        let mut at = 0;
        let mut row = |all: &Vec<(usize, bool)>| -> Vec<(usize, f64)> {
            at += all.len();
            (at - all.len()..).zip(all).map(|(k, &(_, before))| (k, sign(before))).collect()
        };
        let rows: Vec<_> = self.partners.iter().map(&mut row).collect();
        let map = LinearMap::Sparse(Sparse::from_rows(low.len(terms), rows));
        let bias = start.iter().copied().cycle().take(self.partners.len()).collect();
        let term = Term { source: low.node(terms)?, map };
        let pending = Pending { terms: vec![term], bias: Some(bias), roundings: 0 };
        Ok(low.pending(pending, x.shape.clone()))
    }
}
