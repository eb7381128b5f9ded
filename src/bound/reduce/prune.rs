//! Pruning: neurons that are 0, and all that only these read, are left out; weights stay as they are.
//!
//! Where layers read few elements each (convolutions), folding active neurons would connect everything with everything. Kept
//! apart, they cost no more than they did: a pre-activation becomes a node of unstable neurons and of those that are read as they are,
//! and one that picks the former, with a ReLU.

use super::Reduced;
use crate::bound::Analysis;
use crate::net::{
    Affine, Computed, LinearMap, Network, NetworkBuilder, Node, NodeId, Op, Sparse, Term,
};

/// Which elements of a network matter on a region.
pub struct Needed {
    /// Per node: elements whose values are read.
    values: Vec<Vec<bool>>,
    /// Per node: elements of unknown sign whose ReLU is read.
    unstable: Vec<Vec<bool>>,
    /// Weights between these: multiplications of a sweep of one functional.
    pub entries: usize,
}

impl Needed {
    /// All that matters for the outputs, and all inputs; `None` where something else than ReLUs of affine nodes is nonlinear, or the outputs
    /// are ReLUs themselves: those that are 0 would be left out.
    pub(super) fn of(analysis: &Analysis) -> Option<Self> {
        let mut needed = Self::nothing(analysis);
        needed.values[0].fill(true);
        let output = analysis.net.output();
        analysis.net.node(output).op.affine()?;
        needed.values[output].fill(true);
        needed.walk(analysis, output)
    }

    /// All that matters for one element.
    pub(super) fn of_element(analysis: &Analysis, node: NodeId, element: usize) -> Option<Self> {
        let mut needed = Self::nothing(analysis);
        needed.values[node][element] = true;
        needed.walk(analysis, node)
    }

    fn nothing(analysis: &Analysis) -> Self {
        let nodes = analysis.net.nodes();
        let none = || nodes.iter().map(|node| vec![false; node.len]).collect();
        Self { values: none(), unstable: none(), entries: 0 }
    }

    /// Goes on to what the needed elements read, from a node to the inputs.
    fn walk(self, analysis: &Analysis, from: NodeId) -> Option<Self> {
        let net = analysis.net;
        let mut needed = self;
        for (id, node) in net.nodes().iter().enumerate().take(from + 1).rev() {
            match &node.op {
                Op::Input => {}
                Op::Affine(affine) => needed.read(analysis, id, affine),
                Op::Elementwise(..) => {
                    let z = node.op.relu().filter(|&z| net.node(z).op.affine().is_some())?;
                    let boxes = &analysis.layers.boxes[z];
                    for i in 0..node.len {
                        let is_read = needed.values[id][i];
                        let is_active = boxes.lower[i] >= 0.0;
                        needed.values[z][i] |= is_read && is_active;
                        needed.unstable[z][i] |= is_read && !is_active && boxes.upper[i] > 0.0;
                    }
                }
            }
        }
        Some(needed)
    }

    /// Marks and counts what the needed elements of an affine node read.
    fn read(&mut self, analysis: &Analysis, id: NodeId, affine: &Affine) {
        for Term { source, map } in &affine.terms {
            let operand = analysis.net.node(*source).op.relu();
            let operand = operand.map(|z| &analysis.layers.boxes[z].upper);
            let is_zero = |i: usize| operand.is_some_and(|upper| upper[i] <= 0.0);
            for row in 0..affine.bias.len() {
                let times = usize::from(self.values[id][row]) + usize::from(self.unstable[id][row]);
                if times == 0 {
                    continue;
                }
                map.for_each_in_row(row, |column, weight| {
                    if weight != 0.0 && !is_zero(column) {
                        self.values[*source][column] = true;
                        self.entries += times;
                    }
                });
            }
        }
    }
}

/// Where the elements of a node are in the smaller network.
#[derive(Default)]
struct Places {
    /// Of their values: (node, element); none for those that are 0 or not needed.
    values: Vec<Option<(NodeId, usize)>>,
    /// The node of the unstable ones, and which they are.
    unstable: Option<(NodeId, Vec<usize>)>,
}

/// The network of an analysis of one region, up to a node, without the neurons that are 0 there.
pub fn prune(analysis: &Analysis, needed: &Needed, output: NodeId) -> Option<Reduced> {
    let net = analysis.net;
    let inputs: Vec<usize> = (0..net.inputs()).filter(|&i| needed.values[0][i]).collect();
    let mut network = NetworkBuilder::new(inputs.len(), "input").ok()?;
    let mut origins: Vec<Option<(NodeId, Vec<usize>)>> = vec![Some((0, inputs))];
    let mut places: Vec<Places> = Vec::with_capacity(net.nodes().len());
    for (id, node) in net.nodes().iter().enumerate().take(output + 1) {
        let chosen = |marks: &[bool]| (0..node.len).filter(|&i| marks[i]).collect::<Vec<usize>>();
        let mut place = Places { values: vec![None; node.len], unstable: None };
        let mut put = |new: NodeId, first: usize, elements: &[usize]| {
            (first..).zip(elements).for_each(|(k, &i)| place.values[i] = Some((new, k)));
        };
        match &node.op {
            Op::Input => put(0, 0, &chosen(&needed.values[0])),
            Op::Affine(affine) => {
                let unstable = chosen(&needed.unstable[id]);
                let values = chosen(&needed.values[id]);
                let rows = [unstable.as_slice(), &values].concat();
                if rows.is_empty() {
                    places.push(place);
                    continue;
                }
                let all = copy(&mut network, affine, &rows, &places)?;
                network.computed(all, computed(net, id, affine));
                origins.push(Some((id, rows)));
                put(all, unstable.len(), &values);
                if !unstable.is_empty() {
                    let mut new = all;
                    if !values.is_empty() {
                        let first = Sparse::gather(network.len(all).ok()?, 0..unstable.len());
                        new = network.linear(all, LinearMap::Sparse(first), "").ok()?;
                        network.computed(new, Computed::Exactly);
                        origins.push(Some((id, unstable.clone())));
                    }
                    place.unstable = Some((new, unstable));
                }
            }
            Op::Elementwise(..) => {
                let z = node.op.relu()?;
                let boxes = &analysis.layers.boxes[z];
                if let Some((new, unstable)) = &places[z].unstable {
                    put(network.relu(*new, "").ok()?, 0, unstable);
                    origins.push(Some((id, unstable.clone())));
                }
                let active = (0..node.len).filter(|&i| boxes.lower[i] >= 0.0);
                active.for_each(|i| place.values[i] = places[z].values[i]);
            }
        }
        places.push(place);
    }
    let (output, _) = places[output].values.iter().copied().flatten().next()?;
    let semantics = net.semantics();
    let (net, kept) = network.finish_numbered(output).ok()?;
    let net = net.with_semantics(semantics).ok()?;
    let origins = origins.into_iter().zip(kept).filter(|(_, kept)| *kept);
    Some(Reduced { net, origins: origins.map(|(origin, _)| origin).collect() })
}

/// How the rows of a node are computed: what reads an active neuron reads the value of its pre-activation, which is read on as part of
/// a chain only where other affine nodes read it so.
fn computed(net: &Network, id: NodeId, affine: &Affine) -> Computed {
    let reads_on = |node: &Node| {
        let chained = |affine: &Affine| affine.computed.reads_on();
        node.op.operands().contains(&id) && node.op.affine().is_some_and(chained)
    };
    let chained = affine.computed == Computed::Chained;
    if chained && !net.nodes().iter().any(reads_on) { Computed::Kept } else { affine.computed }
}

/// Some rows of an affine node, reading what is left of its operands.
fn copy(
    network: &mut NetworkBuilder,
    affine: &Affine,
    rows: &[usize],
    places: &[Places],
) -> Option<NodeId> {
    let mut terms = Vec::new();
    for Term { source, map } in &affine.terms {
        let mut nodes: Vec<NodeId> =
            places[*source].values.iter().flatten().map(|place| place.0).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let mut parts: Vec<Vec<Vec<(usize, f64)>>> =
            vec![vec![Vec::new(); rows.len()]; nodes.len()];
        for (k, &row) in rows.iter().enumerate() {
            map.for_each_in_row(row, |column, weight| {
                if let Some((node, element)) = places[*source].values[column]
                    && let Ok(part) = nodes.binary_search(&node)
                {
                    parts[part][k].push((element, weight));
                }
            });
        }
        for (source, part) in nodes.into_iter().zip(parts) {
            let inputs = network.len(source).ok()?;
            terms.push(Term { source, map: LinearMap::from_rows(inputs, part) });
        }
    }
    let pick = |v: &[f64]| rows.iter().filter_map(|&i| v.get(i).copied()).collect::<Vec<f64>>();
    let slack = if affine.slack.is_empty() { None } else { Some(pick(&affine.slack)) };
    let id = network.affine(terms, pick(&affine.bias), affine.roundings, "").ok()?;
    match slack {
        Some(slack) => network.within(id, slack).ok().map(|()| id),
        None => Some(id),
    }
}
