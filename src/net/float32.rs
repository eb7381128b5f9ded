//! What an evaluation in IEEE binary32 may add to a network's values, whatever the order of its sums: docs/semantics.md has the argument.
//!
//! Affine nodes that read each other form chains, which a runtime may fold in any way. Through a chain from values x that are computed
//! by themselves (inputs, ReLUs, maxima), every computed element is within
//!
//! ```text
//! γ_N T + D,    T = |b| + Σ |W| T(x),   T(x) = |x| at a chain's beginning,   γ_N = N u / (1 − N u),   u = 2⁻²⁴
//! ```
//!
//! of the exact function of its operands, N being the roundings that a term passes through along the chain. T forgets no term that
//! cancels. D is what operands that are read as computed values, and may be computed anew within this chain, differ from that.

use super::graph::{Affine, BuildError, NodeId};
use super::{Boxes, LinearMap, Matrix, Network, Op, Term};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What arithmetic a network's values are meant in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Semantics {
    /// Of the real numbers.
    #[default]
    Real,
    /// IEEE 754 binary32, rounded to nearest, whatever the order of summation, with fused multiply-adds or without, affine nodes folded or not.
    Float32,
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if *self == Self::Real { "real" } else { "float32" })
    }
}

impl FromStr for Semantics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Real, Self::Float32].into_iter().find(|s| s.to_string() == text).ok_or_else(|| {
            format!("'{text}' is no semantics; use real (the real numbers) or float32")
        })
    }
}

/// How a program that runs a network comes to the values of an affine node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Computed {
    /// By products and sums, perhaps in one with those of affine nodes before and after it.
    #[default]
    Chained,
    /// Likewise, but what reads it reads the value that was computed.
    Kept,
    /// From the values of its operands, and read as the value that was computed: a part of a function that is no affine one.
    Apart,
    /// Not at all: it stands for a value that no program computes, or for one that none rounds, as a part of a maximum.
    Exactly,
}

/// Why a network has no meaning in single precision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSingle {
    /// The node's name.
    pub node: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// u = 2⁻²⁴, the unit roundoff.
const UNIT: f64 = 1.0 / 16_777_216.0;

/// Besides a product and the sum of a row: the factors alpha and beta, or the addition of a bias.
const MORE: usize = 2;

/// Where a weight comes from a quotient or a root: those, in single precision, within two units in the last place each, and one more for a
/// weight that is folded.
const FORMULA: usize = 8;

/// At least this is added to every size: it pays for numbers below 2⁻¹²⁶, gradual or flushed to zero.
const FLOOR: f64 = 1.0 / (1u128 << 90) as f64;

/// Sizes up to here cannot overflow, even before a division by the number of summands.
const LARGEST: f64 = (1u128 << 100) as f64;

/// What is known of a node without a region.
#[derive(Debug, Clone, Default)]
struct Step {
    /// γ_N, a little more; 0 where nothing is rounded.
    gamma: f64,
    /// Ways through the chain to an element, which underflow is charged for.
    paths: f64,
    /// Whether readers read on through it.
    chains: bool,
    /// Whether its value is one that is computed.
    is_value: bool,
    roundings: usize,
}

/// What is known of a network's nodes without a region.
#[derive(Debug, Clone)]
pub(super) struct Steps(Vec<Step>);

impl Network {
    /// The arithmetic that its values are meant in.
    #[must_use]
    pub fn semantics(&self) -> Semantics {
        if self.steps.is_some() { Semantics::Float32 } else { Semantics::Real }
    }

    /// The same network in another arithmetic. Affine nodes are taken to be those that a program computes ([`Computed`]); of a file,
    /// [`crate::LoadSettings::semantics`] reads them so.
    ///
    /// # Errors
    /// Where a node has no meaning in single precision.
    pub fn with_semantics(mut self, semantics: Semantics) -> Result<Self, NotSingle> {
        self.steps = match semantics {
            Semantics::Real => None,
            Semantics::Float32 => Some(Arc::new(self.single_steps()?)),
        };
        Ok(self)
    }

    /// As [`Self::with_semantics`], of a network made of parts of one that had them.
    pub(super) fn keeping(self, semantics: Semantics) -> Result<Self, BuildError> {
        self.with_semantics(semantics).map_err(|_| BuildError::Empty)
    }

    fn single_steps(&self) -> Result<Steps, NotSingle> {
        let nodes = self.nodes();
        let mut read_as_value = vec![false; nodes.len()];
        read_as_value[self.output()] = true;
        for node in nodes {
            let chained = node.op.affine().is_some_and(|affine| affine.computed.reads_on());
            node.op.operands().iter().for_each(|&x| read_as_value[x] |= !chained);
        }
        let mut steps: Vec<Step> = Vec::with_capacity(nodes.len());
        for (id, node) in nodes.iter().enumerate() {
            let refuse = |what| Err(NotSingle { node: node.name.clone(), what });
            let step = match &node.op {
                Op::Input => Step { paths: 1.0, is_value: true, ..Step::default() },
                Op::Elementwise(..) if node.op.relu().is_none() => {
                    return refuse("a function other than a ReLU");
                }
                Op::Elementwise(..) => Step { paths: 1.0, is_value: true, ..Step::default() },
                Op::Affine(affine) if affine.slack.iter().any(|&s| s != 0.0) => {
                    return refuse("a node that stands for others on a region");
                }
                Op::Affine(affine) => {
                    let mut step = Step::of(affine, &steps);
                    step.is_value = affine.computed != Computed::Chained || read_as_value[id];
                    step
                }
            };
            steps.push(step);
        }
        Ok(Steps(steps))
    }

    /// By how much the values of an affine node that are computed may differ from the exact function of its operands' values, over boxes of
    /// the nodes before it: elements × domains. `None` where nothing is rounded.
    #[must_use]
    pub fn rounded(&self, id: NodeId, earlier: &[Boxes]) -> Option<Matrix> {
        let affine = self.node(id).op.affine()?;
        let Charge { own: mut slack, on } = self.charge(id, earlier)?;
        for (term, charge) in affine.terms.iter().zip(on) {
            term.map.add_apply_abs(&charge, &mut slack);
        }
        slack.apply(|s| *s = if s.is_nan() { f64::INFINITY } else { *s });
        Some(slack)
    }

    /// The parts of [`Self::rounded`].
    pub(super) fn charge(&self, id: NodeId, earlier: &[Boxes]) -> Option<Charge> {
        let steps = self.steps.as_deref()?;
        let (affine, step) = (self.node(id).op.affine()?, &steps.0[id]);
        let reads_on = affine.computed.reads_on();
        let chained = |term: &Term| reads_on && steps.0[term.source].chains;
        let rounds = step.gamma > 0.0 || affine.terms.iter().any(chained);
        if !(step.is_value && rounds) {
            return None;
        }
        let chain = Chain { net: self, steps, earlier };
        let operands: Vec<Size> = affine
            .terms
            .iter()
            .map(|term| if reads_on { chain.size(term.source) } else { chain.value(term.source) })
            .collect();
        let domains = earlier.first()?.domains();
        let largest = largest(&operands, domains);
        let own = chain.bias(id, affine, &largest) * step.gamma;
        let on = operands.into_iter().map(|Size { size, off, .. }| {
            let mut charge = size * step.gamma;
            off.into_iter().for_each(|off| charge += off);
            charge
        });
        Some(Charge { own, on: on.collect() })
    }

    /// Whether no intermediate number of an evaluation in single precision overflows, partial sums and folded weights among them.
    #[must_use]
    pub fn stays_finite(&self, boxes: &[Boxes]) -> bool {
        let Some(steps) = self.steps.as_deref() else { return true };
        let mut sizes: Vec<Matrix> = Vec::with_capacity(boxes.len());
        for (id, node) in self.nodes().iter().enumerate() {
            let value = boxes[id].magnitudes();
            let mut size = match &node.op {
                Op::Affine(affine) if affine.computed != Computed::Exactly => {
                    let mut size = magnitudes(&affine.bias, value.ncols());
                    for term in &affine.terms {
                        term.map.add_apply_abs(&sizes[term.source], &mut size);
                    }
                    size
                }
                Op::Input | Op::Affine(_) | Op::Elementwise(..) => value,
            };
            if !size.iter().all(|&s| s < LARGEST) {
                return false;
            }
            if !steps.0[id].chains {
                size = boxes[id].magnitudes();
            }
            // Weights may be folded before they meet a value below 1.
            size.apply(|s| *s = s.max(1.0));
            sizes.push(size);
        }
        true
    }
}

impl Computed {
    /// Whether it may be computed in one with affine operands.
    #[must_use]
    pub fn reads_on(self) -> bool {
        matches!(self, Self::Chained | Self::Kept)
    }
}

impl Step {
    fn of(affine: &Affine, before: &[Self]) -> Self {
        let chains = affine.computed == Computed::Chained;
        if affine.computed == Computed::Exactly {
            return Self { paths: 1.0, ..Self::default() };
        }
        let entries = entries(affine);
        let moves = affine.roundings == 0 && is_move(affine);
        let own = match moves {
            true => 0,
            false => entries + MORE + if affine.roundings > 0 { FORMULA } else { 0 },
        };
        let operands = || affine.terms.iter().map(|term| &before[term.source]);
        let chained = || operands().filter(|x| x.chains && affine.computed.reads_on());
        let roundings = own + chained().map(|x| x.roundings).max().unwrap_or(0);
        let ways = chained().map(|x| x.paths).fold(1.0, f64::max);
        let paths = ways * entries.max(1) as f64;
        Self { gamma: gamma(roundings), paths, chains, is_value: false, roundings }
    }
}

/// γₙ of single precision, and a ten-thousandth more: for the rounding of what it is charged on, and what stored weights differ from
/// the file's.
fn gamma(n: usize) -> f64 {
    let nu = n as f64 * UNIT;
    if nu < 0.5 { 1.0001 * nu / (1.0 - nu) } else { f64::INFINITY }
}

/// The most entries in a row over all terms.
fn entries(affine: &Affine) -> usize {
    if affine.terms.iter().any(|term| matches!(term.map, LinearMap::Conv(_))) {
        return affine.fan_in() - 1;
    }
    let mut rows = vec![0; affine.bias.len()];
    for term in &affine.terms {
        for (row, count) in rows.iter_mut().enumerate() {
            term.map.for_each_in_row(row, |_, weight| *count += usize::from(weight != 0.0));
        }
    }
    rows.into_iter().max().unwrap_or(0)
}

/// Whether every element is one of the operands', its negative, or a constant.
fn is_move(affine: &Affine) -> bool {
    let moved = |map: &LinearMap| match map {
        LinearMap::Identity(_) => true,
        LinearMap::Sparse(sparse) => sparse.only_signs(),
        LinearMap::Dense(_) | LinearMap::Conv(_) => false,
    };
    let all = affine.terms.iter().all(|term| moved(&term.map));
    all && {
        let count = |row: usize| {
            let mut count = 0;
            affine.terms.iter().for_each(|t| t.map.for_each_in_row(row, |_, _| count += 1));
            count
        };
        let plain = |(row, &b): (usize, &f64)| count(row) + usize::from(b != 0.0) <= 1;
        affine.bias.iter().enumerate().all(plain)
    }
}

/// What a computed value may be off by: `own` + Σ |W| `on`, elements × domains each.
pub(super) struct Charge {
    pub(super) own: Matrix,
    /// For each term of the affine node.
    pub(super) on: Vec<Matrix>,
}

/// Chains of affine nodes over boxes.
struct Chain<'a> {
    net: &'a Network,
    steps: &'a Steps,
    earlier: &'a [Boxes],
}

/// T of a node, D where it is not 0 (elements × domains), and the largest T along the chain so far, for each domain.
struct Size {
    size: Matrix,
    off: Option<Matrix>,
    largest: Vec<f64>,
}

impl Chain<'_> {
    /// Of values that are computed by themselves; also what flushing them to zero costs.
    fn value(&self, id: NodeId) -> Size {
        let mut size = self.earlier[id].magnitudes();
        size.apply(|m| *m += FLOOR);
        let largest = size.column_iter().map(|column| column.max().max(1.0)).collect();
        Size { size, off: None, largest }
    }

    /// Of what is read on.
    fn size(&self, id: NodeId) -> Size {
        let step = &self.steps.0[id];
        let Some(affine) = self.net.node(id).op.affine().filter(|_| step.chains) else {
            return self.value(id);
        };
        let domains = self.earlier[id].domains();
        let operands: Vec<Size> = affine.terms.iter().map(|term| self.size(term.source)).collect();
        let mut largest = largest(&operands, domains);
        let mut size = self.bias(id, affine, &largest);
        let mut off: Option<Matrix> = None;
        for (Term { map, .. }, operand) in affine.terms.iter().zip(operands) {
            map.add_apply_abs(&operand.size, &mut size);
            if let Some(operand_off) = operand.off {
                let off = off.get_or_insert_with(|| Matrix::zeros(affine.bias.len(), domains));
                map.add_apply_abs(&operand_off, off);
            }
        }
        if step.is_value {
            off = Some(&size * step.gamma);
        }
        for (largest, column) in largest.iter_mut().zip(size.column_iter()) {
            *largest = largest.max(column.max());
        }
        Size { size, off, largest }
    }

    /// |b| and what pays for underflow: on each way to an element, a part that is flushed to zero meets numbers up to the largest.
    fn bias(&self, id: NodeId, affine: &Affine, largest: &[f64]) -> Matrix {
        let paths = self.steps.0[id].paths;
        let floor = |d: usize| FLOOR * paths * largest[d];
        Matrix::from_fn(affine.bias.len(), largest.len(), |i, d| affine.bias[i].abs() + floor(d))
    }
}

fn largest(operands: &[Size], domains: usize) -> Vec<f64> {
    let of = |d: usize| operands.iter().fold(1.0, |m: f64, operand| m.max(operand.largest[d]));
    (0..domains).map(of).collect()
}

fn magnitudes(bias: &[f64], domains: usize) -> Matrix {
    Matrix::from_fn(bias.len(), domains, |i, _| bias[i].abs())
}

#[cfg(test)]
mod tests {
    use super::super::NetworkBuilder;
    use super::*;

    /// Σ wᵢ xᵢ + b in single precision.
    fn chain(maps: &[&[f64]], bias: f64) -> NetworkBuilder {
        let mut builder = NetworkBuilder::new(maps[0].len(), "x").unwrap();
        let mut last = 0;
        for weights in maps {
            let map = LinearMap::from_matrix(Matrix::from_row_slice(1, weights.len(), weights));
            let terms = vec![Term { source: last, map }];
            last = builder.affine(terms, vec![bias], 0, "z").unwrap();
        }
        builder
    }

    /// The slack of the last node at a point.
    fn slack(builder: NetworkBuilder, x: &[f64]) -> f64 {
        let last = builder.nodes.len() - 1;
        let net = builder.finish(last).unwrap().with_semantics(Semantics::Float32).unwrap();
        let found = net.enclose(&Boxes::points(&Matrix::from_column_slice(x.len(), 1, x)));
        net.rounded(last, &found.nodes).map_or(0.0, |slack| slack[0])
    }

    /// 1, and many numbers that are each lost beside it.
    #[test]
    fn a_sum_pays_for_its_additions() {
        let mut x = vec![UNIT; 300];
        x[0] = 1.0;
        let lost = x.iter().fold(0.0f32, |sum, &x| sum + x as f32);
        let lost = x.iter().sum::<f64>() - f64::from(lost);
        let found = slack(chain(&[&[1.0; 300]], 0.0), &x);
        assert!(lost > 290.0 * UNIT && found >= lost && found < 310.0 * UNIT, "{found} for {lost}");
    }

    /// 10⁹ x, and then 1 less of it: x is lost in the bias of the first, which is gone in the second.
    #[test]
    fn what_cancels_along_a_chain_is_charged() {
        let mut builder = chain(&[&[1.0]], 1e9);
        let terms = vec![Term { source: 1, map: LinearMap::Identity(1) }];
        builder.affine(terms, vec![-1e9], 0, "y").unwrap();
        let lost = 1.0 - f64::from((1.0f32 + 1e9) - 1e9);
        assert!(lost == 1.0 && slack(builder, &[1.0]) >= lost);
    }

    /// The value that a ReLU reads may be computed in one order, and within a sum in another.
    #[test]
    fn what_is_read_and_folded_pays_for_both() {
        let build = |read: bool| {
            let mut builder = chain(&[&[1.0, 1.0]], 0.0);
            let one = |source| Term { source, map: LinearMap::Identity(1) };
            let mut terms = vec![one(1)];
            if read {
                terms.push(one(builder.relu(1, "relu").unwrap()));
            }
            builder.affine(terms, vec![0.0], 0, "y").unwrap();
            builder
        };
        let (alone, both) = (slack(build(false), &[1.0, -1.0]), slack(build(true), &[1.0, -1.0]));
        // Two numbers of magnitude 1, with two roundings at least.
        assert!(both >= alone + 2.0 * 2.0 * UNIT, "{both} and {alone}");
    }

    /// A product that is flushed to zero, and a large weight.
    #[test]
    fn what_underflows_is_charged() {
        let tiny = 2f64.powi(-100);
        let found = slack(chain(&[&[tiny], &[1.0 / tiny]], 0.0), &[tiny]);
        assert!(found >= tiny, "{found}");
        // A weight that is flushed, and a large number.
        assert!(slack(chain(&[&[2f64.powi(-140)]], 0.0), &[2f64.powi(100)]) >= 2f64.powi(-40));
    }

    #[test]
    fn roundings_beyond_counting_say_nothing() {
        assert_eq!(gamma(1 << 23), f64::INFINITY);
        assert!(gamma(1) >= UNIT / (1.0 - UNIT) && gamma(0) == 0.0);
    }
}
