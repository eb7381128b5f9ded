//! The network as the checker sees it: tensors, each an input, an affine image of earlier tensors, or a ReLU of one.
use crate::map::Map;
use std::sync::Arc;

/// `y = bias + Σ map · source` over earlier tensors.
#[derive(Debug)]
pub struct Affine {
    pub terms: Vec<(usize, Arc<Map>)>,
    pub bias: Vec<f64>,
}

/// Bytes, at most, of a node without its numbers.
pub const NODE: usize = 512;

impl Affine {
    pub fn bytes(&self) -> usize {
        let maps = self.terms.iter().map(|(_, map)| map.bytes() + NODE);
        NODE + 8 * self.bias.len() + maps.sum::<usize>()
    }
}

#[derive(Debug)]
pub enum Node {
    Input,
    Affine(Affine),
    /// The elementwise ReLU of an earlier tensor, number `block` of the proof's names.
    Relu {
        source: usize,
        block: usize,
    },
}

/// Invariants (kept by `push_*`): node 0 is the input; every definition mentions earlier nodes only; sizes agree; numbers are finite.
#[derive(Debug)]
pub struct Circuit {
    nodes: Vec<Node>,
    sizes: Vec<usize>,
    /// For each ReLU block the node of its pre-activations.
    blocks: Vec<usize>,
    /// For each node the nodes that mention it.
    users: Vec<Vec<usize>>,
    output: usize,
    /// Whether the network's outputs are known by their order only, which is that of the output node.
    pub only_ordered: bool,
    /// The nodes that the output depends on.
    live: Vec<bool>,
    /// Weights and biases applied in one pass.
    work: usize,
    elements: usize,
}

/// Most multiplications of one pass through a circuit, and most elements of all its tensors.
const MOST_WORK: usize = 1 << 36;
const MOST_IN_ALL: usize = 1 << 27;

/// Bytes of an element's interval, of its relaxation, and of what arithmetic and a step of interval arithmetic keep for it.
const KNOWN: usize = 112;

/// Most elements of one tensor.
pub const MOST_ELEMENTS: usize = 1 << 24;

impl Circuit {
    pub fn new(inputs: usize) -> Option<Circuit> {
        (inputs <= MOST_ELEMENTS).then(|| Circuit {
            nodes: vec![Node::Input],
            sizes: vec![inputs],
            blocks: vec![],
            users: vec![vec![]],
            output: 0,
            only_ordered: false,
            live: vec![true],
            work: 0,
            elements: inputs,
        })
    }

    /// Adds an affine node; `None` if it breaks an invariant.
    pub fn push_affine(&mut self, affine: Affine) -> Option<usize> {
        let size = affine.bias.len();
        let fine = size <= MOST_ELEMENTS
            && affine.bias.iter().all(|b| b.is_finite())
            && affine.terms.iter().all(|(source, map)| {
                self.sizes.get(*source) == Some(&map.columns())
                    && map.rows() == size
                    && map.is_finite()
            });
        let work =
            affine.terms.iter().try_fold(self.work, |sum, (_, map)| sum.checked_add(map.work()));
        self.work = work.filter(|work| fine && *work <= MOST_WORK)?;
        self.elements = self.elements.checked_add(size).filter(|n| *n <= MOST_IN_ALL)?;
        for (source, _) in &affine.terms {
            self.users[*source].push(self.nodes.len());
        }
        Some(self.push(Node::Affine(affine), size))
    }

    /// Adds a ReLU node, the next block.
    pub fn push_relu(&mut self, source: usize) -> Option<usize> {
        let size = *self.sizes.get(source)?;
        self.elements = self.elements.checked_add(size).filter(|n| *n <= MOST_IN_ALL)?;
        self.users[source].push(self.nodes.len());
        self.blocks.push(source);
        Some(self.push(Node::Relu { source, block: self.blocks.len() - 1 }, size))
    }

    fn push(&mut self, node: Node, size: usize) -> usize {
        self.nodes.push(node);
        self.sizes.push(size);
        self.users.push(vec![]);
        self.nodes.len() - 1
    }

    /// Bytes of the nodes, and of what is known of their elements at one place of a proof.
    pub fn bytes(&self) -> usize {
        let affine = self.nodes.iter().map(|node| match node {
            Node::Affine(affine) => affine.bytes(),
            _ => NODE,
        });
        affine.sum::<usize>() + KNOWN * self.elements
    }

    /// The most that there is at a time of what a sweep holds for tensors, given for each: from its first reader on, seen from the
    /// end, until its own turn.
    pub fn most_at_once(&self, of: &[usize]) -> usize {
        let mut change = vec![0i128; self.nodes.len() + 2];
        for (at, size) in of.iter().enumerate().filter(|(at, _)| self.live[*at]) {
            let first = self.users[at].iter().copied().max().unwrap_or(at);
            change[first + 1] += *size as i128;
            change[at] -= *size as i128;
        }
        let mut now = 0i128;
        let all = change.into_iter().rev().map(|c| {
            now += c;
            now
        });
        all.max().unwrap_or(0) as usize
    }

    pub fn set_output(&mut self, node: usize) -> Option<()> {
        if node >= self.nodes.len() {
            return None;
        }
        self.output = node;
        self.live = vec![false; self.nodes.len()];
        self.live[node] = true;
        for node in (0..self.nodes.len()).rev() {
            match &self.nodes[node] {
                Node::Affine(a) if self.live[node] => {
                    a.terms.iter().for_each(|(source, _)| self.live[*source] = true);
                }
                Node::Relu { source, .. } if self.live[node] => self.live[*source] = true,
                _ => {}
            }
        }
        // What nothing depends on has no name.
        self.blocks.clear();
        for (node, live) in self.nodes.iter_mut().zip(&self.live) {
            if let (Node::Relu { source, block }, true) = (node, live) {
                *block = self.blocks.len();
                self.blocks.push(*source);
            }
        }
        Some(())
    }

    /// Whether a functional of outputs, inputs and pre-activations can depend on the node.
    pub fn is_live(&self, node: usize) -> bool {
        self.live[node]
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn size(&self, node: usize) -> usize {
        self.sizes[node]
    }

    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// The node that is the ReLU of a block, if something depends on it.
    pub fn relu(&self, block: usize) -> Option<usize> {
        let is_it =
            |at: &usize| matches!(&self.nodes[*at], Node::Relu { block: b, .. } if *b == block);
        let users = &self.users[*self.blocks.get(block)?];
        users.iter().copied().filter(|at| self.live[*at]).find(is_it)
    }

    pub fn users(&self, node: usize) -> &[usize] {
        &self.users[node]
    }

    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    pub fn output(&self) -> usize {
        self.output
    }

    /// Whether interval arithmetic is exact on this node for a box of inputs: one affine map of the
    /// inputs, up to shifts, scalings and selections before it.
    pub fn is_first_layer(&self, node: usize) -> bool {
        let mut at = node;
        let mut last = true;
        loop {
            match &self.nodes[at] {
                Node::Input => return true,
                Node::Affine(Affine { terms, .. }) => match terms.as_slice() {
                    [] => return true,
                    [(source, map)] if last || map.is_monomial() => {
                        last = false;
                        at = *source;
                    }
                    _ => return false,
                },
                Node::Relu { .. } => return false,
            }
        }
    }

    /// Whether the node's elements look at few elements of one tensor, so that those of two have little in common.
    pub fn is_sparse(&self, node: usize) -> bool {
        match &self.nodes[node] {
            Node::Affine(Affine { terms, .. }) => terms.iter().all(|(_, map)| map.is_sparse()),
            _ => false,
        }
    }

    /// The elements of one channel, where the node is a convolution's output, perhaps scaled, shifted or added to others.
    pub fn plane(&self, node: usize) -> Option<usize> {
        let mut at = node;
        loop {
            let Node::Affine(Affine { terms, .. }) = &self.nodes[at] else { return None };
            if let Some([_, plane]) = terms.iter().find_map(|(_, map)| map.planes()) {
                return Some(plane).filter(|plane| *plane > 0);
            }
            // A sum of tensors: where its first one comes from.
            match terms.first() {
                Some((source, map)) if map.is_monomial() && map.rows() == map.columns() => {
                    at = *source
                }
                _ => return None,
            }
        }
    }
}
