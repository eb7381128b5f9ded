//! Bounds of pre-activations that a half inherits from the box it was cut from.

use crate::bound::Analysis;
use crate::net::{Boxes, Matrix, Network};
use crate::num::{single_down, single_up};
use std::sync::Arc;

/// Lower and upper bounds of the operands of all nonlinear nodes in single precision, rounded outward; both halves of a box
/// share them.
#[derive(Debug, Clone)]
pub(super) struct Inherited(Arc<[[f32; 2]]>);

impl Inherited {
    /// The bounds of one domain of an analysis.
    pub(super) fn of(analysis: &Analysis, domain: usize) -> Self {
        let boxes = operands(analysis.net).map(|z| &analysis.layers.boxes[z]);
        let ends = boxes.flat_map(|b| {
            (0..b.lower.nrows())
                .map(move |i| [single_down(b.lower[(i, domain)]), single_up(b.upper[(i, domain)])])
        });
        Self(ends.collect())
    }

    /// Bytes, of which each half bears one half.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.0) + 16
    }

    /// What is known of each node, one column a domain; nothing of nodes that only affine ones read.
    pub(super) fn columns(net: &Network, inherited: &[Option<&Self>]) -> Vec<Option<Boxes>> {
        let mut all = vec![None; net.nodes().len()];
        if inherited.iter().all(Option::is_none) {
            return all;
        }
        let mut start = 0;
        for z in operands(net) {
            let len = net.node(z).len;
            let mut lower = Matrix::repeat(len, inherited.len(), f64::NEG_INFINITY);
            let mut upper = Matrix::repeat(len, inherited.len(), f64::INFINITY);
            for (d, inherited) in inherited.iter().enumerate() {
                let Some(Self(ends)) = inherited else { continue };
                let (mut l, mut u) = (lower.column_mut(d), upper.column_mut(d));
                for ((l, u), ends) in l.iter_mut().zip(u.iter_mut()).zip(&ends[start..][..len]) {
                    (*l, *u) = (f64::from(ends[0]), f64::from(ends[1]));
                }
            }
            all[z] = Some(Boxes { lower, upper });
            start += len;
        }
        all
    }
}

/// The operands of nonlinear nodes, each once.
fn operands(net: &Network) -> impl Iterator<Item = usize> + '_ {
    (1..net.nodes().len()).filter(|&z| net.is_relaxed(z))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Intermediate;
    use crate::net::{LinearMap, NetworkBuilder};

    /// Neither end is a number of single precision, and the nearest ones are inside.
    #[test]
    fn ends_are_rounded_outward() {
        let mut b = NetworkBuilder::new(1, "x").unwrap();
        let z = b.linear(0, LinearMap::Identity(1), "z").unwrap();
        let y = b.relu(z, "y").unwrap();
        let net = b.finish(y).unwrap();
        let (l, u) = (-1.0 - 2f64.powi(-26), 1.0 + 2f64.powi(-26));
        let analysis = Analysis::of_region(&net, &Boxes::single(&[l], &[u]), Intermediate::Crown);
        let inherited = Inherited::of(&analysis, 0);
        let known = Inherited::columns(&net, &[Some(&inherited)]);
        let known = known[z].as_ref().unwrap();
        assert!(known.lower[0] <= l && u <= known.upper[0]);
    }
}
