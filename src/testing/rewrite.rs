//! Networks written in another way: the same function, exactly, by other nodes.

use super::case::Case;
use crate::attack::SplitMix64;
use crate::net::{
    Affine, BuildError, Function, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Op, Sparse,
    Term,
};
use crate::spec::{Claim, Property, Region};
use std::fmt;

/// A way to write a network that keeps its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rewrite {
    /// The neurons of a layer in another order.
    Permuted,
    /// Neurons twice, and half of each.
    Duplicated,
    /// relu(s z) / s for powers of two s.
    Scaled,
    /// Affine maps in two steps.
    Split,
    /// Scaled, and chains of affine maps in one step where no product is rounded: other weights.
    Merged,
    /// Layers that change nothing.
    Identity,
    /// relu(z) as z + relu(−z).
    Negated,
    /// relu(relu(z)).
    Twice,
    /// More inputs, which nothing reads.
    Padded,
}

impl Rewrite {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Permuted,
        Self::Duplicated,
        Self::Scaled,
        Self::Split,
        Self::Merged,
        Self::Identity,
        Self::Negated,
        Self::Twice,
        Self::Padded,
    ];

    /// The case with its network written so; `None` where there is nothing to rewrite.
    #[must_use]
    pub fn apply(self, case: &Case, dice: &mut SplitMix64) -> Option<Case> {
        let (net, property) = (case.query().network(), case.query().property());
        let extra = if self == Self::Padded { 1 + dice.below(12) } else { 0 };
        let network = match self {
            // What was scaled through ReLUs becomes a part of the weights.
            Self::Merged => {
                self.network(&Self::Scaled.network(net, 0, dice).ok()?, 0, dice).ok()?
            }
            _ => self.network(net, extra, dice).ok()?,
        };
        if ![Self::Padded, Self::Merged].contains(&self)
            && network.nodes().len() == net.nodes().len()
        {
            return None;
        }
        let padded = |claim: &Claim| {
            let more = |ends: &[f64], end: f64| {
                ends.iter().copied().chain(vec![end; extra]).collect::<Vec<_>>()
            };
            let (lower, upper) =
                (more(claim.region.lower(), -1.0), more(claim.region.upper(), 1.0));
            let region = Region::from_f64(&lower, &upper).ok()?;
            Some(Claim { region, unsafe_set: claim.unsafe_set.clone() })
        };
        let claims = property.claims.iter().map(padded).collect::<Option<Vec<_>>>()?;
        Case::new(network.leaving_out(net.left_out()), Property { claims, uses_inputs: false }).ok()
    }

    fn network(
        self,
        net: &Network,
        extra: usize,
        dice: &mut SplitMix64,
    ) -> Result<Network, BuildError> {
        let mut b = NetworkBuilder::new(net.inputs() + extra, "x")?;
        let mut places: Vec<NodeId> = Vec::with_capacity(net.nodes().len());
        for node in net.nodes() {
            let place = match &node.op {
                Op::Input if extra > 0 => b.linear(
                    0,
                    LinearMap::Sparse(Sparse::gather(net.inputs() + extra, 0..net.inputs())),
                    "read",
                )?,
                Op::Input if self == Self::Identity => {
                    b.linear(0, LinearMap::Identity(node.len), "identity")?
                }
                Op::Input => 0,
                Op::Affine(affine) => self.affine(&mut b, net, affine, &places, dice)?,
                Op::Elementwise(Function::Relu, z) => {
                    self.relu(&mut b, places[z[0]], node.len, dice)?
                }
                Op::Elementwise(function, z) => {
                    let operands: Vec<NodeId> = z.iter().map(|&z| places[z]).collect();
                    b.elementwise(*function, &operands, "function")?
                }
            };
            places.push(place);
        }
        b.finish(places[net.output()])
    }

    fn affine(
        self,
        b: &mut NetworkBuilder,
        net: &Network,
        affine: &Affine,
        places: &[NodeId],
        dice: &mut SplitMix64,
    ) -> Result<NodeId, BuildError> {
        let len = affine.bias.len();
        let term = |term: &Term| Term { source: places[term.source], map: term.map.clone() };
        let terms: Vec<Term> = affine.terms.iter().map(term).collect();
        if self == Self::Merged
            && let [Term { source, map }] = &affine.terms[..]
            && let Op::Affine(before) = &net.node(*source).op
            && affine.roundings + before.roundings == 0
            && let [first] = &before.terms[..]
            && let Some((merged, bias)) = composed(map, &affine.bias, &first.map, &before.bias)
        {
            let terms = vec![Term { source: places[first.source], map: merged }];
            return b.affine(terms, bias, 0, "merged");
        }
        if self != Self::Split || terms.is_empty() {
            let z = b.affine(terms, affine.bias.clone(), affine.roundings, "affine")?;
            if !affine.slack.is_empty() {
                b.within(z, affine.slack.clone())?;
            }
            return Ok(z);
        }
        let same = |source| Term { source, map: LinearMap::Identity(len) };
        if dice.below(2) == 0 {
            let product = b.affine(terms, vec![0.0; len], affine.roundings, "product")?;
            return b.affine(vec![same(product)], affine.bias.clone(), affine.roundings, "bias");
        }
        let mut parts = Vec::new();
        for term in terms {
            parts.push(same(b.affine(vec![term], vec![0.0; len], affine.roundings, "part")?));
        }
        b.affine(parts, affine.bias.clone(), affine.roundings, "sum")
    }

    fn relu(
        self,
        b: &mut NetworkBuilder,
        z: NodeId,
        len: usize,
        dice: &mut SplitMix64,
    ) -> Result<NodeId, BuildError> {
        let around = |b: &mut NetworkBuilder, inner: Sparse, outer: Sparse| {
            let before = b.linear(z, LinearMap::Sparse(inner), "before")?;
            let y = b.relu(before, "relu")?;
            b.linear(y, LinearMap::Sparse(outer), "after")
        };
        match self {
            Self::Permuted => {
                let mut order: Vec<usize> = (0..len).collect();
                (1..len).for_each(|i| order.swap(i, dice.below(i + 1)));
                around(
                    b,
                    Sparse::gather(len, order.iter().copied()),
                    Sparse::scatter(len, len, &order),
                )
            }
            Self::Duplicated => {
                let half = |i: usize| [(i, 0.5), (len + i, 0.5)];
                around(
                    b,
                    Sparse::gather(len, (0..len).chain(0..len)),
                    Sparse::from_rows(2 * len, (0..len).map(half)),
                )
            }
            Self::Scaled => {
                let powers: Vec<i32> = (0..len).map(|_| dice.below(9) as i32 - 4).collect();
                let scales = |sign: i32| -> Vec<f64> {
                    powers.iter().map(|p| 2f64.powi(sign * p)).collect()
                };
                around(b, Sparse::diagonal(&scales(1)), Sparse::diagonal(&scales(-1)))
            }
            Self::Negated => {
                let negative =
                    b.linear(z, LinearMap::Sparse(Sparse::diagonal(&vec![-1.0; len])), "negative")?;
                let y = b.relu(negative, "relu")?;
                let terms = [z, y].map(|source| Term { source, map: LinearMap::Identity(len) });
                b.affine(terms.into(), vec![0.0; len], 0, "sum")
            }
            Self::Twice => {
                let y = b.relu(z, "relu")?;
                b.relu(y, "again")
            }
            Self::Identity => {
                let z =
                    b.linear(z, LinearMap::from_matrix(Matrix::identity(len, len)), "identity")?;
                b.relu(z, "relu")
            }
            _ => b.relu(z, "relu"),
        }
    }
}

/// W₂ (W₁ x + b₁) + b₂ as one map, where no product and no sum is rounded.
fn composed(
    outer: &LinearMap,
    outer_bias: &[f64],
    inner: &LinearMap,
    inner_bias: &[f64],
) -> Option<(LinearMap, Vec<f64>)> {
    use super::dyadic::Dyadic;
    use num_traits::Zero as _;
    if outer.outputs() * inner.inputs() > 4096 || outer.parameters() + inner.parameters() > 4096 {
        return None;
    }
    let (mut matrix, mut bias) = (Matrix::zeros(outer.outputs(), inner.inputs()), Vec::new());
    let double = |sum: &Dyadic| {
        let near = sum.nearest();
        (near.is_finite() && Dyadic::from(near) == *sum).then_some(near)
    };
    for (i, &own) in outer_bias.iter().enumerate() {
        let mut sums = vec![Dyadic::zero(); inner.inputs()];
        let mut constant = Dyadic::from(own);
        outer.for_each_in_row(i, |k, w| {
            let w = Dyadic::from(w);
            constant = &constant + &(&w * &Dyadic::from(inner_bias[k]));
            inner.for_each_in_row(k, |j, v| sums[j] = &sums[j] + &(&w * &Dyadic::from(v)));
        });
        for (j, sum) in sums.iter().enumerate() {
            matrix[(i, j)] = double(sum)?;
        }
        bias.push(double(&constant)?);
    }
    Some((LinearMap::from_matrix(matrix), bias))
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Permuted => "neurons in another order",
            Self::Duplicated => "neurons twice",
            Self::Scaled => "scaled through ReLUs",
            Self::Split => "affine maps split",
            Self::Merged => "affine maps merged",
            Self::Identity => "identity layers",
            Self::Negated => "relu(z) as z + relu(-z)",
            Self::Twice => "ReLUs twice",
            Self::Padded => "unused inputs",
        })
    }
}
