//! What is known at a node of a proof tree: an interval for every element of every tensor.
use crate::circuit::{Circuit, Node};
use crate::sweep::{Arithmetic, Ends, Facet, facet};
use std::cell::OnceCell;
use std::sync::Arc;

/// Intersects one interval: whether that leaves nothing; `None` if it changes nothing.
fn meet_one(ends: &mut Arc<Ends>, i: usize, low: f64, high: f64) -> Option<bool> {
    let (better_low, better_high) = (low > ends.low[i], high < ends.high[i]);
    if !(better_low || better_high) {
        return None;
    }
    let ends = Arc::make_mut(ends);
    if better_low {
        ends.low[i] = low;
    }
    if better_high {
        ends.high[i] = high;
    }
    Some(ends.low[i] > ends.high[i])
}

/// Intervals are passed down by value (children share what they do not change).
#[derive(Clone)]
pub struct Intervals {
    ends: Vec<Arc<Ends>>,
    /// The intervals of the sums that the proof defines.
    sums: Arc<Ends>,
    /// The relaxations of ReLU nodes at default slopes, where they have been asked for since their intervals last changed.
    facets: Vec<OnceCell<Arc<[Facet]>>>,
    /// Tensors whose sources have improved since interval arithmetic last saw them.
    stale: Vec<bool>,
    empty: bool,
}

impl Intervals {
    /// The intervals of a box of inputs, for so many defined sums; everything else is unknown and stale.
    pub fn new(circuit: &Circuit, low: Vec<f64>, high: Vec<f64>, sums: usize) -> Intervals {
        let empty = low.iter().zip(&high).any(|(l, u)| l > u);
        let mut ends = vec![Arc::new(Ends { low, high })];
        let unknown = |size: usize| {
            let (low, high) = (vec![f64::NEG_INFINITY; size], vec![f64::INFINITY; size]);
            Arc::new(Ends { low, high })
        };
        ends.extend((1..circuit.nodes().len()).map(|node| unknown(circuit.size(node))));
        let stale = (0..ends.len()).map(|node| node > 0 && circuit.is_live(node)).collect();
        let facets = ends.iter().map(|_| OnceCell::new()).collect();
        Intervals { ends, sums: unknown(sums), facets, stale, empty }
    }

    /// The relaxations, at default slopes, of the elements of a ReLU node of `source`.
    pub fn facets(&self, circuit: &Circuit, node: usize, source: usize) -> &[Facet] {
        self.facets[node].get_or_init(|| {
            let (z, sizes) = (&self.ends[source], self.sizes(circuit, source));
            let ends = z.low.iter().zip(&z.high).zip(sizes);
            ends.map(|((l, u), size)| facet(*l, *u, size, None)).collect()
        })
    }

    /// How large the numbers are that the elements of a node are sums of, by the intervals of its sources: Σ_j |W_ij| max_j |x_j| + |b_i|,
    /// rounded anyhow; 0 for what is no sum.
    pub fn sizes(&self, circuit: &Circuit, node: usize) -> Vec<f64> {
        let Node::Affine(affine) = &circuit.nodes()[node] else {
            return vec![0.0; circuit.size(node)];
        };
        let mut sizes: Vec<f64> = affine.bias.iter().map(|b| b.abs()).collect();
        for (source, map) in &affine.terms {
            let x = &self.ends[*source];
            let most = x.low.iter().chain(&x.high).fold(0.0f64, |most, end| most.max(end.abs()));
            sizes.iter_mut().enumerate().for_each(|(i, size)| *size += map.norm(i) * most);
        }
        sizes
    }

    /// Notes that a node's intervals have changed.
    fn changed(&mut self, circuit: &Circuit, node: usize) {
        for user in circuit.users(node) {
            self.stale[*user] = circuit.is_live(*user);
            self.facets[*user].take();
        }
    }

    /// The bytes of what these intervals, with relaxations, do not share with others.
    pub fn own(&self, others: Option<&Intervals>) -> usize {
        let shared = |at: usize, ends: &Arc<Ends>| {
            others.is_some_and(|others| {
                Arc::ptr_eq(ends, others.ends.get(at).unwrap_or(&others.sums))
            })
        };
        let all = self.ends.iter().chain([&self.sums]).enumerate();
        all.map(|(at, ends)| 64 + if shared(at, ends) { 0 } else { 48 * ends.low.len() }).sum()
    }

    /// No point of the node is left: some interval is empty.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    pub fn all(&self) -> &[Arc<Ends>] {
        &self.ends
    }

    pub fn of(&self, node: usize) -> &Ends {
        &self.ends[node]
    }

    /// The intervals of the defined sums.
    pub fn sums(&self) -> &Ends {
        &self.sums
    }

    /// Intersects the interval of one element; NaN says nothing.
    pub fn meet(&mut self, circuit: &Circuit, node: usize, i: usize, low: f64, high: f64) {
        if let Some(empty) = meet_one(&mut self.ends[node], i, low, high) {
            self.empty |= empty;
            self.changed(circuit, node);
        }
    }

    /// Intersects the interval of a defined sum; NaN says nothing.
    pub fn meet_sum(&mut self, k: usize, low: f64, high: f64) {
        self.empty |= meet_one(&mut self.sums, k, low, high).unwrap_or(false);
    }

    /// Intersects the intervals of all elements of a node.
    fn meet_all(&mut self, circuit: &Circuit, node: usize, with: &Ends) {
        let old = &self.ends[node];
        let better = with.low.iter().zip(&old.low).any(|(new, old)| new > old)
            || with.high.iter().zip(&old.high).any(|(new, old)| new < old);
        if !better {
            return;
        }
        let ends = Arc::make_mut(&mut self.ends[node]);
        let pick = |better: bool, new: f64, old: &mut f64| *old = if better { new } else { *old };
        ends.low.iter_mut().zip(&with.low).for_each(|(old, new)| pick(*new > *old, *new, old));
        ends.high.iter_mut().zip(&with.high).for_each(|(old, new)| pick(*new < *old, *new, old));
        self.empty |= ends.low.iter().zip(&ends.high).any(|(l, u)| l > u);
        self.changed(circuit, node);
    }

    /// Brings interval arithmetic up to date for the tensors up to `last`.
    pub fn rebuild<A: Arithmetic>(&mut self, arithmetic: &A, circuit: &Circuit, last: usize) {
        for node in 1..=last {
            if self.empty {
                return;
            }
            if !std::mem::take(&mut self.stale[node]) {
                continue;
            }
            let image = match &circuit.nodes()[node] {
                Node::Input => continue,
                Node::Affine(affine) => {
                    // The sizes of its elements have changed.
                    circuit.users(node).iter().for_each(|user| _ = self.facets[*user].take());
                    arithmetic.image(affine, &self.ends)
                }
                Node::Relu { source, .. } => {
                    let z = &self.ends[*source];
                    let clamp = |x: &Vec<f64>| x.iter().map(|v| v.max(0.0)).collect();
                    Ends { low: clamp(&z.low), high: clamp(&z.high) }
                }
            };
            self.meet_all(circuit, node, &image);
        }
    }
}
