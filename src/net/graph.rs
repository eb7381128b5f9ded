//! The network as a graph: immutable, topologically ordered, sizes checked when it is built, holding no bounds.

use super::{Computed, Function, LinearMap, Network, Op};
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
    /// How a program computes it, which matters in single precision only.
    pub computed: Computed,
}

impl Affine {
    /// bias + Σ Wₖ xₖ, which no program computes.
    #[must_use]
    pub fn exactly(terms: Vec<Term>, bias: Vec<f64>) -> Self {
        Self { terms, bias, roundings: 0, slack: Vec::new(), computed: Computed::Exactly }
    }

    /// Length of the dot products that compute one element: all weights of a row, and the bias.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.terms.iter().map(|t| t.map.fan_in()).sum::<usize>() + 1
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
#[non_exhaustive]
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
    pub(super) nodes: Vec<Node>,
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
            Op::Affine(Affine {
                terms,
                bias,
                roundings,
                slack: Vec::new(),
                computed: Computed::default(),
            }),
            len,
            name.into(),
        )
    }

    /// Says of an affine node how a program computes it.
    pub fn computed(&mut self, id: NodeId, computed: Computed) {
        if let Some(Op::Affine(affine)) = self.nodes.get_mut(id).map(|node| &mut node.op) {
            affine.computed = computed;
        }
    }

    /// Says of an affine node that its real values are within `slack` of bias + Σ Wₖ xₖ, see [`Affine::slack`].
    ///
    /// # Errors
    /// Where the node is not affine or the sizes differ.
    pub fn within(&mut self, id: NodeId, slack: Vec<f64>) -> Result<(), BuildError> {
        check_size("the slack", slack.len(), self.len(id)?)?;
        check_finite("slack", &slack)?;
        let Op::Affine(affine) = &mut self.nodes[id].op else {
            return Err(BuildError::UnknownOperand(id));
        };
        affine.slack = slack;
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
        self.elementwise(Function::Relu, &[x], name)
    }

    /// Adds an elementwise function of nodes of equal size.
    ///
    /// # Errors
    /// Where a node does not exist, sizes differ, or the function has another number of operands.
    pub fn elementwise(
        &mut self,
        function: Function,
        operands: &[NodeId],
        name: impl Into<String>,
    ) -> Result<NodeId, BuildError> {
        check_size("the list of operands", operands.len(), function.operands())?;
        let len = self.len(operands[0])?;
        for &operand in operands {
            check_size("the second operand", self.len(operand)?, len)?;
        }
        self.push(Op::Elementwise(function, operands.to_vec()), len, name.into())
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

    /// Which nodes are needed for `output`, the input among them.
    ///
    /// # Errors
    /// Where `output` does not exist.
    pub fn needed(&self, output: NodeId) -> Result<Vec<bool>, BuildError> {
        self.len(output)?;
        let mut needed = vec![false; self.nodes.len()];
        (needed[0], needed[output]) = (true, true);
        for id in (0..=output).rev() {
            if needed[id] {
                self.nodes[id].op.operands().iter().for_each(|&operand| needed[operand] = true);
            }
        }
        Ok(needed)
    }

    /// As [`Self::finish`]; says of each node whether it was kept.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_numbered(mut self, output: NodeId) -> Result<(Network, Vec<bool>), BuildError> {
        let needed = self.needed(output)?;
        let mut renumbered = vec![0; self.nodes.len()];
        let mut kept = Vec::new();
        for (id, mut node) in self.nodes.drain(..).enumerate().filter(|(id, _)| needed[*id]) {
            renumbered[id] = kept.len();
            node.op.renumber(&renumbered);
            kept.push(node);
        }
        // What follows the output cannot be needed, so the output is the last node, unless it is the input itself.
        Ok((Network::of(kept, renumbered[output]), needed))
    }
}

pub(super) fn check_size(
    what: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), BuildError> {
    if found == expected { Ok(()) } else { Err(BuildError::Size { what, found, expected }) }
}

fn check_finite(what: &'static str, values: &[f64]) -> Result<(), BuildError> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(BuildError::NotFinite { what, index, value: values[index].to_string() }),
    }
}
