//! The network as a graph: immutable, topologically ordered, sizes checked when it is built, holding no bounds.

use super::{Curve, LinearMap};
use thiserror::Error;

/// Index of a node; the operands of a node always have smaller indices.
pub type NodeId = usize;

/// One summand W x of an affine node.
#[derive(Debug, Clone)]
pub struct Term {
    /// The node x.
    pub source: NodeId,
    /// The map W.
    pub map: LinearMap,
}

/// An affine function of earlier nodes: b + Σ Wₖ xₖ. Dense layers, convolutions, residual adds, concatenations, slices.
#[derive(Debug, Clone)]
pub struct Affine {
    /// The summands; none for a constant.
    pub terms: Vec<Term>,
    /// The constant b.
    pub bias: Vec<f64>,
    /// How many roundings (each of relative size at most u = 2⁻⁵³) separate a stored weight or bias from the real
    /// number that the file defines: 0 for weights taken from a file, positive where the loader divided or took a root
    /// (batch norm, averages, 1/std). Every bound charges it.
    pub roundings: usize,
    /// By how much each element may differ from the real number that it stands for, at the inputs of interest; empty for not at
    /// all. Only networks that stand for others on a region ([`NetworkBuilder::within`]) have any.
    pub slack: Vec<f64>,
}

impl Affine {
    /// Length of the dot products that compute one element: all weights of a row, and the bias.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.terms.iter().map(|t| t.map.fan_in()).sum::<usize>() + 1
    }
}

/// What a node computes, elementwise where it is no affine map.
#[derive(Debug, Clone)]
pub enum Op {
    /// The network's only input.
    Input,
    /// b + Σ Wₖ xₖ.
    Affine(Affine),
    /// max(x, 0): the only piecewise-linear operator; all others are lowered to it exactly.
    Relu(NodeId),
    /// An S-shaped activation.
    Curve(Curve, NodeId),
    /// x · y of two nodes.
    Product(NodeId, NodeId),
    /// 1 / x.
    Reciprocal(NodeId),
}

impl Op {
    /// The nodes this one reads.
    #[must_use]
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Input => Vec::new(),
            Self::Affine(affine) => affine.terms.iter().map(|t| t.source).collect(),
            Self::Relu(x) | Self::Curve(_, x) | Self::Reciprocal(x) => vec![*x],
            Self::Product(x, y) => vec![*x, *y],
        }
    }

    fn renumber(&mut self, to: &[NodeId]) {
        match self {
            Self::Input => {}
            Self::Affine(affine) => affine.terms.iter_mut().for_each(|t| t.source = to[t.source]),
            Self::Relu(x) | Self::Curve(_, x) | Self::Reciprocal(x) => *x = to[*x],
            Self::Product(x, y) => (*x, *y) = (to[*x], to[*y]),
        }
    }
}

/// A node: an operator, the number of elements it yields, and where it came from.
#[derive(Debug, Clone)]
pub struct Node {
    /// The operator.
    pub op: Op,
    /// Number of elements (tensors are flattened row-major).
    pub len: usize,
    /// The name in the model file, for messages.
    pub name: String,
}

/// Why a graph is refused. The reader that builds it adds the file and the node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// An operand does not exist yet.
    #[error("operand {0} is not defined before its use")]
    UnknownOperand(NodeId),
    /// Sizes that do not fit.
    #[error("{what} has {found} elements where {expected} are needed")]
    Size {
        /// What has the wrong size.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The size that fits.
        expected: usize,
    },
    /// NaN or infinity among the parameters.
    #[error("{what} {index} is {value}; only finite parameters have a meaning")]
    NotFinite {
        /// "weight" or "bias".
        what: &'static str,
        /// Flattened index.
        index: usize,
        /// Its text, since NaN ≠ NaN.
        value: String,
    },
    /// No elements at all.
    #[error("the tensor has no elements")]
    Empty,
}

/// Builds a [`Network`] node by node.
#[derive(Debug)]
pub struct NetworkBuilder {
    nodes: Vec<Node>,
}

impl NetworkBuilder {
    /// A graph with only its input, node 0.
    ///
    /// # Errors
    /// [`BuildError::Empty`] where `len` is zero.
    pub fn new(len: usize, name: impl Into<String>) -> Result<Self, BuildError> {
        if len == 0 {
            return Err(BuildError::Empty);
        }
        Ok(Self { nodes: vec![Node { op: Op::Input, len, name: name.into() }] })
    }

    /// Number of elements of a node.
    ///
    /// # Errors
    /// Where the node does not exist.
    pub fn len(&self, id: NodeId) -> Result<usize, BuildError> {
        self.nodes.get(id).map(|n| n.len).ok_or(BuildError::UnknownOperand(id))
    }

    /// Adds bias + Σ Wₖ xₖ. `roundings` as in [`Affine::roundings`].
    ///
    /// # Errors
    /// Where sizes do not fit or a parameter is not finite.
    pub fn affine(
        &mut self,
        terms: Vec<Term>,
        bias: Vec<f64>,
        roundings: usize,
        name: impl Into<String>,
    ) -> Result<NodeId, BuildError> {
        for Term { source, map } in &terms {
            let found = self.len(*source)?;
            check_size("the operand of a linear map", found, map.inputs())?;
            check_size("the bias", bias.len(), map.outputs())?;
            check_finite("weight", map.weights())?;
        }
        check_finite("bias", &bias)?;
        let len = bias.len();
        self.push(
            Op::Affine(Affine { terms, bias, roundings, slack: Vec::new() }),
            len,
            name.into(),
        )
    }

    /// Says of an affine node that its real values are within `slack` of bias + Σ Wₖ xₖ, see [`Affine::slack`].
    ///
    /// # Errors
    /// Where the node is not affine or the sizes differ.
    pub fn within(&mut self, id: NodeId, slack: Vec<f64>) -> Result<(), BuildError> {
        check_size("the slack", slack.len(), self.len(id)?)?;
        check_finite("slack", &slack)?;
        match &mut self.nodes[id].op {
            Op::Affine(affine) => affine.slack = slack,
            _ => return Err(BuildError::UnknownOperand(id)),
        }
        Ok(())
    }

    /// Adds the linear map W x without a bias.
    ///
    /// # Errors
    /// As [`Self::affine`].
    pub fn linear(
        &mut self,
        source: NodeId,
        map: LinearMap,
        name: impl Into<String>,
    ) -> Result<NodeId, BuildError> {
        let bias = vec![0.0; map.outputs()];
        self.affine(vec![Term { source, map }], bias, 0, name)
    }

    /// Adds max(x, 0).
    ///
    /// # Errors
    /// Where x does not exist.
    pub fn relu(&mut self, x: NodeId, name: impl Into<String>) -> Result<NodeId, BuildError> {
        let len = self.len(x)?;
        self.push(Op::Relu(x), len, name.into())
    }

    /// Adds an S-shaped activation.
    ///
    /// # Errors
    /// Where x does not exist.
    pub fn curve(
        &mut self,
        curve: Curve,
        x: NodeId,
        name: impl Into<String>,
    ) -> Result<NodeId, BuildError> {
        let len = self.len(x)?;
        self.push(Op::Curve(curve, x), len, name.into())
    }

    /// Adds the elementwise product of two nodes of equal size.
    ///
    /// # Errors
    /// Where a node does not exist or sizes differ.
    pub fn product(
        &mut self,
        x: NodeId,
        y: NodeId,
        name: impl Into<String>,
    ) -> Result<NodeId, BuildError> {
        let (len, other) = (self.len(x)?, self.len(y)?);
        check_size("the second factor", other, len)?;
        self.push(Op::Product(x, y), len, name.into())
    }

    /// Adds 1 / x.
    ///
    /// # Errors
    /// Where x does not exist.
    pub fn reciprocal(&mut self, x: NodeId, name: impl Into<String>) -> Result<NodeId, BuildError> {
        let len = self.len(x)?;
        self.push(Op::Reciprocal(x), len, name.into())
    }

    fn push(&mut self, op: Op, len: usize, name: String) -> Result<NodeId, BuildError> {
        if len == 0 {
            return Err(BuildError::Empty);
        }
        self.nodes.push(Node { op, len, name });
        Ok(self.nodes.len() - 1)
    }

    /// The network that computes `output`, without the nodes that it does not need.
    ///
    /// # Errors
    /// Where `output` does not exist.
    pub fn finish(self, output: NodeId) -> Result<Network, BuildError> {
        self.finish_numbered(output).map(|(net, _)| net)
    }

    /// As [`Self::finish`]; says of each node whether it was kept.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_numbered(mut self, output: NodeId) -> Result<(Network, Vec<bool>), BuildError> {
        self.len(output)?;
        let mut needed = vec![false; self.nodes.len()];
        (needed[0], needed[output]) = (true, true);
        for id in (0..=output).rev() {
            if needed[id] {
                self.nodes[id].op.operands().iter().for_each(|&operand| needed[operand] = true);
            }
        }
        let mut renumbered = vec![0; self.nodes.len()];
        let mut kept = Vec::new();
        for (id, mut node) in self.nodes.drain(..).enumerate().filter(|(id, _)| needed[*id]) {
            renumbered[id] = kept.len();
            node.op.renumber(&renumbered);
            kept.push(node);
        }
        // What follows the output cannot be needed, so the output is the last node, unless it is the input itself.
        Ok((Network { output: renumbered[output], nodes: kept }, needed))
    }
}

fn check_size(what: &'static str, found: usize, expected: usize) -> Result<(), BuildError> {
    if found == expected { Ok(()) } else { Err(BuildError::Size { what, found, expected }) }
}

fn check_finite(what: &'static str, values: &[f64]) -> Result<(), BuildError> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(BuildError::NotFinite { what, index, value: values[index].to_string() }),
    }
}

/// A network: one input vector, one output vector, a topologically ordered graph between them.
///
/// It is a function over the reals; its stored parameters are exact up to [`Affine::roundings`].
#[derive(Debug, Clone)]
pub struct Network {
    nodes: Vec<Node>,
    output: NodeId,
}

impl Network {
    /// All nodes, operands first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The output node.
    #[must_use]
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.nodes[0].len
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.nodes[self.output].len
    }

    /// ReLU nodes in order: (the ReLU, its pre-activation). Position k is block k of a proof.
    pub fn relus(&self) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.nodes.iter().enumerate().filter_map(|(id, node)| match node.op {
            Op::Relu(x) => Some((id, x)),
            _ => None,
        })
    }

    /// Number of stored parameters, convolution kernels counted once.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let count = |affine: &Affine| {
            affine.terms.iter().map(|t| t.map.parameters()).sum::<usize>() + affine.bias.len()
        };
        self.nodes
            .iter()
            .map(|node| if let Op::Affine(affine) = &node.op { count(affine) } else { 0 })
            .sum()
    }

    /// The same network with affine nodes that nothing reads, right before its output; the other nodes keep their numbers.
    ///
    /// # Errors
    /// Where sizes do not fit, a parameter is not finite, or the output is the input.
    pub fn observed(&self, observers: Vec<Affine>) -> Result<Self, BuildError> {
        if self.output == 0 {
            return Err(BuildError::UnknownOperand(0));
        }
        let mut builder = NetworkBuilder { nodes: self.nodes[..self.output].to_vec() };
        for Affine { terms, bias, roundings, slack } in observers {
            let id = builder.affine(terms, bias, roundings, "observer")?;
            if !slack.is_empty() {
                builder.within(id, slack)?;
            }
        }
        let output = builder.nodes.len();
        builder.nodes.push(self.nodes[self.output].clone());
        Ok(Self { nodes: builder.nodes, output })
    }

    /// The network x ↦ (N(x), x): for claims that compare outputs with inputs.
    ///
    /// # Errors
    /// Never for a network that was built; the signature is the builder's.
    pub fn with_inputs_as_outputs(self) -> Result<Self, BuildError> {
        let (inputs, outputs, output) = (self.inputs(), self.outputs(), self.output);
        let place = |source, len, offset: usize| {
            let targets: Vec<usize> = (offset..offset + len).collect();
            Term {
                source,
                map: LinearMap::Sparse(super::Sparse::scatter(len, outputs + inputs, &targets)),
            }
        };
        let terms = vec![place(output, outputs, 0), place(0, inputs, outputs)];
        let mut builder = NetworkBuilder { nodes: self.nodes };
        let both = builder.affine(terms, vec![0.0; outputs + inputs], 0, "outputs and inputs")?;
        builder.finish(both)
    }

    /// The network x ↦ N((x − mean) / std), elementwise: normalisation moved inside, so that regions are in the units
    /// before it. `inverse_std` holds 1/std; both are correctly rounded (one rounding each, charged by every bound).
    ///
    /// # Errors
    /// Where a length is not the number of inputs, or a value is not finite.
    pub fn with_normalisation(self, mean: &[f64], inverse_std: &[f64]) -> Result<Self, BuildError> {
        let len = self.inputs();
        check_size("the mean", mean.len(), len)?;
        check_size("the standard deviation", inverse_std.len(), len)?;
        let mut builder = NetworkBuilder::new(len, self.nodes[0].name.clone())?;
        let negated = mean.iter().map(|m| -m).collect();
        let shift = vec![Term { source: 0, map: LinearMap::Identity(len) }];
        let shifted = builder.affine(shift, negated, 1, "normalisation: mean")?;
        let scale = LinearMap::Sparse(super::Sparse::diagonal(inverse_std));
        let scale = vec![Term { source: shifted, map: scale }];
        let normalised = builder.affine(scale, vec![0.0; len], 1, "normalisation: std")?;
        self.after(builder.finish(normalised)?)
    }

    /// The network x ↦ N(F(x)), F being the network in front.
    ///
    /// # Errors
    /// Where F has another number of outputs than this one has inputs.
    pub fn after(self, front: Self) -> Result<Self, BuildError> {
        check_size("the output of the network in front", front.outputs(), self.inputs())?;
        let mut renumbered = vec![front.output];
        let mut builder = NetworkBuilder { nodes: front.nodes };
        for mut node in self.nodes.into_iter().skip(1) {
            node.op.renumber(&renumbered);
            builder.nodes.push(node);
            renumbered.push(builder.nodes.len() - 1);
        }
        builder.finish(renumbered[self.output])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Matrix;
    use super::*;

    fn scaled(factor: f64) -> LinearMap {
        LinearMap::from_matrix(Matrix::from_element(1, 1, factor))
    }

    #[test]
    fn unneeded_nodes_are_dropped() {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let dead = b.linear(0, scaled(2.0), "dead").unwrap();
        b.relu(dead, "dead relu").unwrap();
        let live = b.linear(0, scaled(3.0), "live").unwrap();
        let out = b.relu(live, "live relu").unwrap();
        let net = b.finish(out).unwrap();
        assert_eq!(net.nodes().len(), 3);
        assert_eq!(net.relus().collect::<Vec<_>>(), vec![(2, 1)]);
        assert_eq!((net.inputs(), net.outputs(), net.parameters()), (1, 1, 2));
    }

    #[test]
    fn observers_change_no_output() {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let z = b.linear(0, scaled(3.0), "z").unwrap();
        let y = b.relu(z, "y").unwrap();
        let out = b.linear(y, scaled(0.5), "out").unwrap();
        let net = b.finish(out).unwrap();
        let observer = |source| {
            let terms = vec![Term { source, map: scaled(2.0) }];
            Affine { terms, bias: vec![1.0], roundings: 0, slack: Vec::new() }
        };
        let more = net.observed(vec![observer(y), observer(z)]).unwrap();
        assert_eq!((more.output(), more.nodes().len()), (5, 6));
        assert!(more.relus().eq(net.relus()));
        let x = Matrix::from_element(1, 1, 2.0);
        assert_eq!(more.evaluate(&x), net.evaluate(&x));
        assert_eq!(more.forward(&x).node(4)[0], 13.0);
        assert!(net.observed(vec![observer(out)]).is_err());
        let input = NetworkBuilder::new(1, "x").unwrap().finish(0).unwrap();
        assert!(input.observed(Vec::new()).is_err());
    }

    #[test]
    fn malformed_graphs_are_refused() {
        let mut b = NetworkBuilder::new(2, "x").unwrap();
        assert!(matches!(b.linear(0, scaled(1.0), ""), Err(BuildError::Size { .. })));
        assert!(matches!(b.relu(5, ""), Err(BuildError::UnknownOperand(5))));
        let nan = LinearMap::from_matrix(Matrix::from_element(1, 2, f64::NAN));
        assert!(matches!(b.linear(0, nan, ""), Err(BuildError::NotFinite { .. })));
        assert!(matches!(NetworkBuilder::new(0, "x"), Err(BuildError::Empty)));
    }

    #[test]
    fn normalisation_is_folded_in() {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let out = b.linear(0, scaled(3.0), "y").unwrap();
        let net = b.finish(out).unwrap().with_normalisation(&[0.5], &[2.0]).unwrap();
        assert_eq!(net.evaluate(&Matrix::from_element(1, 1, 1.5))[0], 6.0);
    }
}
