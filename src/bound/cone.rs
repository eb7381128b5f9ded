//! What depends on one element of a network: all that a split of a neuron can change the bounds of.

use crate::net::{Matrix, Network, NodeId, Op};

/// The elements that depend on one that changed, node by node from the input on, for several parts of a region at once.
pub struct Cone<'a> {
    net: &'a Network,
    /// The node and position of the element, for each part where there is one.
    tips: &'a [Option<(NodeId, usize)>],
    /// Per node so far: 1 for an element of the cone, the tip included, 0 for others (elements × parts).
    nodes: Vec<Option<Matrix>>,
}

impl<'a> Cone<'a> {
    pub(super) fn new(net: &'a Network, tips: &'a [Option<(NodeId, usize)>]) -> Self {
        Self { net, tips, nodes: Vec::new() }
    }

    /// Goes on to the next node: its elements that are in a cone, if any of them depends on another one.
    pub(super) fn next(&mut self) -> Option<&Matrix> {
        let id = self.nodes.len();
        let len = self.net.node(id).len;
        let mut inside = self.follow(&self.net.node(id).op, len);
        let depends = inside.is_some();
        for (d, tip) in self.tips.iter().enumerate() {
            if let &Some((at, element)) = tip
                && at == id
            {
                let none = || Matrix::zeros(len, self.tips.len());
                inside.get_or_insert_with(none)[(element, d)] = 1.0;
            }
        }
        self.nodes.push(inside);
        self.nodes[id].as_ref().filter(|_| depends)
    }

    fn follow(&self, op: &Op, len: usize) -> Option<Matrix> {
        let mut out = None;
        for (k, operand) in op.operands().into_iter().enumerate() {
            let Some(inside) = &self.nodes[operand] else { continue };
            let out = out.get_or_insert_with(|| Matrix::zeros(len, self.tips.len()));
            match op {
                Op::Affine(affine) => affine.terms[k].map.add_apply_abs(inside, out),
                Op::Input | Op::Elementwise(..) => *out += inside,
            }
        }
        // Only what is not zero matters; sizes must not overflow on the way.
        out.map(|out| out.map(|x| f64::from(u8::from(x != 0.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LinearMap, NetworkBuilder, Term};

    #[test]
    fn a_cone_holds_what_reads_its_tip() {
        let mut builder = NetworkBuilder::new(8, "x").unwrap();
        let mut node = 0;
        for _ in 0..3 {
            let near = |i: usize, j: usize| if i.abs_diff(j) < 2 { -1.0 } else { 0.0 };
            let map = LinearMap::from_matrix(Matrix::from_fn(8, 8, near));
            let terms = vec![Term { source: node, map }];
            let z = builder.affine(terms, vec![0.0; 8], 0, "z").unwrap();
            node = builder.relu(z, "y").unwrap();
        }
        let net = builder.finish(node).unwrap();
        let tips = [None, Some((1, 3)), Some((3, 7))];
        let mut cone = Cone::new(&net, &tips);
        let expected = [
            (vec![], vec![]),
            (vec![], vec![]),
            (vec![3], vec![]),
            (vec![2, 3, 4], vec![7]),
            (vec![2, 3, 4], vec![7]),
            (vec![1, 2, 3, 4, 5], vec![6, 7]),
        ];
        for (first, second) in expected {
            let inside = cone.next();
            let of = |d: usize| -> Vec<usize> {
                let column = inside.map(|inside| inside.column(d));
                (0..8).filter(|&i| column.is_some_and(|column| column[i] > 0.0)).collect()
            };
            assert_eq!((of(0), of(1), of(2)), (vec![], first, second));
        }
    }
}
