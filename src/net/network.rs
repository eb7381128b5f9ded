//! Networks: graphs from one input vector to one output vector, and networks made of others.

use super::float32::Steps;
use super::graph::{Affine, BuildError, NetworkBuilder, Node, NodeId, Term, check_size};
use super::{Computed, Function, LinearMap, Op, Sparse};
use std::fmt;
use std::sync::Arc;

/// An operator that keeps the order of the outputs, hence the arg max, and is left out at the end of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalOperator {
    /// exp(xᵢ) / Σ exp(xⱼ).
    Softmax,
    /// The logarithm of the former.
    LogSoftmax,
    /// xᵢ / Σ|xⱼ|.
    Normalizer,
    /// xᵢ / √Σxⱼ².
    EuclideanNormalizer,
    /// The index of the largest element.
    ArgMax,
}

impl FinalOperator {
    /// What the operator makes of all outputs, rounded.
    #[must_use]
    pub fn apply(self, y: &[f64]) -> Vec<f64> {
        let largest = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = y.iter().map(|y| (y - largest).exp()).sum();
        match self {
            Self::Softmax => y.iter().map(|y| (y - largest).exp() / sum).collect(),
            Self::LogSoftmax => y.iter().map(|y| y - largest - sum.ln()).collect(),
            Self::Normalizer => {
                let norm: f64 = y.iter().map(|y| y.abs()).sum();
                y.iter().map(|y| if norm > 0.0 { y / norm } else { *y }).collect()
            }
            Self::EuclideanNormalizer => {
                let norm = y.iter().map(|y| y * y).sum::<f64>().sqrt();
                y.iter().map(|y| if norm > 0.0 { y / norm } else { *y }).collect()
            }
            Self::ArgMax => {
                vec![y.iter().position(|&v| v == largest).map_or(f64::NAN, |i| i as f64)]
            }
        }
    }
}

impl fmt::Display for FinalOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Softmax => "Softmax",
            Self::LogSoftmax => "LogSoftmax",
            Self::Normalizer | Self::EuclideanNormalizer => "Normalizer",
            Self::ArgMax => "ArgMax",
        })
    }
}

/// A network: one input vector, one output vector, a topologically ordered graph between them.
///
/// It is a function over the reals; its stored parameters are exact up to [`Affine::roundings`].
#[derive(Debug, Clone)]
pub struct Network {
    nodes: Vec<Node>,
    output: NodeId,
    left_out: Option<FinalOperator>,
    normalised: bool,
    /// What evaluation in single precision does to its nodes, where its values are meant so.
    pub(super) steps: Option<Arc<Steps>>,
}

impl Network {
    pub(super) fn of(nodes: Vec<Node>, output: NodeId) -> Self {
        Self { nodes, output, left_out: None, normalised: false, steps: None }
    }

    /// The same network, of which it is known that an operator comes after its outputs and is left out.
    #[must_use]
    pub fn leaving_out(self, operator: Option<FinalOperator>) -> Self {
        Self { left_out: operator, ..self }
    }

    /// The operator that comes after the outputs and is left out: a property may only ask which of two outputs is the larger.
    #[must_use]
    pub fn left_out(&self) -> Option<FinalOperator> {
        self.left_out
    }

    /// Whether a normalisation of the inputs was moved inside ([`Self::with_normalisation`]).
    #[must_use]
    pub fn is_normalised(&self) -> bool {
        self.normalised
    }

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
        self.nodes.iter().enumerate().filter_map(|(id, node)| Some((id, node.op.relu()?)))
    }

    /// Whether an elementwise function reads a node.
    #[must_use]
    pub fn is_relaxed(&self, id: NodeId) -> bool {
        let reads = |node: &Node| node.op.is_elementwise() && node.op.operands().contains(&id);
        self.nodes[id..].iter().any(reads)
    }

    /// Number of stored parameters, convolution kernels counted once.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let count = |affine: &Affine| {
            affine.terms.iter().map(|t| t.map.parameters()).sum::<usize>() + affine.bias.len()
        };
        self.nodes.iter().filter_map(|node| node.op.affine()).map(count).sum()
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
        for Affine { terms, bias, roundings, slack, computed } in observers {
            let id = builder.affine(terms, bias, roundings, "observer")?;
            if !slack.is_empty() {
                builder.within(id, slack)?;
            }
            builder.computed(id, computed);
        }
        let output = builder.nodes.len();
        builder.nodes.push(self.nodes[self.output].clone());
        let &Self { left_out, normalised, .. } = self;
        let observed = Self { nodes: builder.nodes, output, left_out, normalised, steps: None };
        observed.keeping(self.semantics())
    }

    /// The network whose outputs are an affine map of its own: a node of it, and a copy of that, so that what is known of the former is
    /// known where the outputs are bounded.
    ///
    /// # Errors
    /// Where sizes differ or a number is not finite.
    pub fn measured(&self, map: LinearMap, bias: Vec<f64>) -> Result<Self, BuildError> {
        let mut builder = NetworkBuilder { nodes: self.nodes[..=self.output].to_vec() };
        let count = bias.len();
        let terms = vec![Term { source: self.output, map }];
        let source = builder.affine(terms, bias, 0, "measures")?;
        let terms = vec![Term { source, map: LinearMap::Identity(count) }];
        let output = builder.affine(terms, vec![0.0; count], 0, "copy")?;
        // No program computes these.
        for node in [source, output] {
            builder.computed(node, Computed::Exactly);
        }
        let &Self { left_out, normalised, .. } = self;
        let measured = Self { nodes: builder.nodes, output, left_out, normalised, steps: None };
        measured.keeping(self.semantics())
    }

    /// The network whose outputs are those of a classifier of two classes, 0 and y, where there is only a y that decides for the
    /// second by being positive.
    ///
    /// # Errors
    /// Where there are other outputs.
    pub fn with_two_classes(self) -> Result<Self, BuildError> {
        let rows = [None, Some((0, 1.0))];
        let map = LinearMap::Sparse(Sparse::from_rows(1, rows));
        let semantics = self.semantics();
        let Self { nodes, output, normalised, .. } = self;
        let mut builder = NetworkBuilder { nodes };
        let terms = vec![Term { source: output, map }];
        let both = builder.affine(terms, vec![0.0; 2], 0, "two classes")?;
        builder.computed(both, Computed::Exactly);
        Self { normalised, ..builder.finish(both)? }.keeping(semantics)
    }

    /// The network of which only the order of the outputs counts, or the sign of a single one: without increasing functions at its end, which
    /// of a single output must keep signs.
    ///
    /// # Errors
    /// Never for a network that was built; the signature is the builder's.
    pub fn only_ordered(self) -> Result<Self, BuildError> {
        let single = self.outputs() == 1;
        let keeps = |f: Function| if single { f.keeps_signs() } else { f.is_increasing() };
        let mut output = self.output;
        while let Op::Elementwise(function, operands) = &self.nodes[output].op
            && keeps(*function)
        {
            output = operands[0];
        }
        if output == self.output {
            return Ok(self);
        }
        let semantics = self.semantics();
        let Self { nodes, left_out, normalised, .. } = self;
        Self { left_out, normalised, ..NetworkBuilder { nodes }.finish(output)? }.keeping(semantics)
    }

    /// Whether its last function has positive values only.
    #[must_use]
    pub fn ends_positive(&self) -> bool {
        self.nodes[self.output].op.function().is_some_and(|f| f.is_positive())
    }

    /// Multiplications of one evaluation, about.
    #[must_use]
    pub fn multiplications(&self) -> usize {
        let of = |node: &Node| node.op.affine().map_or(1, Affine::fan_in) * node.len;
        self.nodes.iter().map(of).sum()
    }

    /// The network x ↦ (N(x), x): for claims that compare outputs with inputs.
    ///
    /// # Errors
    /// Never for a network that was built; the signature is the builder's.
    pub fn with_inputs_as_outputs(self) -> Result<Self, BuildError> {
        let (inputs, outputs, output) = (self.inputs(), self.outputs(), self.output);
        let semantics = self.semantics();
        let Self { nodes, left_out, normalised, .. } = self;
        let place = |source, len, offset: usize| {
            let targets: Vec<usize> = (offset..offset + len).collect();
            Term {
                source,
                map: LinearMap::Sparse(Sparse::scatter(len, outputs + inputs, &targets)),
            }
        };
        let terms = vec![place(output, outputs, 0), place(0, inputs, outputs)];
        let mut builder = NetworkBuilder { nodes };
        let both = builder.affine(terms, vec![0.0; outputs + inputs], 0, "outputs and inputs")?;
        builder.computed(both, Computed::Exactly);
        Self { left_out, normalised, ..builder.finish(both)? }.keeping(semantics)
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
        let scale = LinearMap::Sparse(Sparse::diagonal(inverse_std));
        let scale = vec![Term { source: shifted, map: scale }];
        let normalised = builder.affine(scale, vec![0.0; len], 1, "normalisation: std")?;
        Ok(Self { normalised: true, ..self.after(builder.finish(normalised)?)? })
    }

    /// The network x ↦ N(F(x)), F being the network in front.
    ///
    /// # Errors
    /// Where F has another number of outputs than this one has inputs.
    pub fn after(self, front: Self) -> Result<Self, BuildError> {
        check_size("the output of the network in front", front.outputs(), self.inputs())?;
        let semantics = self.semantics();
        let Self { nodes, output, left_out, .. } = self;
        // What is known of the inputs is the front's.
        let normalised = front.normalised;
        let mut renumbered = vec![front.output];
        let mut builder = NetworkBuilder { nodes: front.nodes };
        for mut node in nodes.into_iter().skip(1) {
            node.op.renumber(&renumbered);
            builder.nodes.push(node);
            renumbered.push(builder.nodes.len() - 1);
        }
        Self { left_out, normalised, ..builder.finish(renumbered[output])? }.keeping(semantics)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Matrix};
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
            Affine::exactly(terms, vec![1.0])
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
    fn one_output_decides_between_two_classes() {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let z = b.linear(0, scaled(3.0), "z").unwrap();
        let y = b.elementwise(Function::Tanh, &[z], "y").unwrap();
        let net = b.finish(y).unwrap();
        let x = Matrix::from_element(1, 1, 2.0);
        let ordered = net.clone().only_ordered().unwrap();
        assert_eq!((ordered.nodes().len(), ordered.evaluate(&x)[0]), (2, 6.0));
        let two = ordered.with_two_classes().unwrap();
        assert_eq!(two.evaluate(&x).as_slice(), [0.0, 6.0]);
        assert!(net.with_two_classes().unwrap().evaluate(&x)[1] > 0.99);
        // What is always positive keeps the order of several outputs, and not the sign of one.
        for function in [Function::Sigmoid, Function::Exp, Function::Softplus] {
            for (outputs, nodes) in [(1, 3), (2, 2)] {
                let mut b = NetworkBuilder::new(outputs, "x").unwrap();
                let map = LinearMap::Identity(outputs);
                let z = b.linear(0, map, "z").unwrap();
                let y = b.elementwise(function, &[z], "y").unwrap();
                let ordered = b.finish(y).unwrap().only_ordered().unwrap();
                assert_eq!(ordered.nodes().len(), nodes, "{function:?}, {outputs}");
            }
        }
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
