//! A network's values at a point, as well as they can be known: exactly, or between outward-rounded ends.

use super::dyadic::{self, Dyadic};
use crate::net::{Boxes, Function, Network, Op};
use crate::spec::HalfSpace;

/// Multiplications of long numbers that exact values may take: about a tenth of a second.
const MOST: usize = 300_000;

/// The values of all nodes.
pub(super) enum Values {
    /// Exact ones.
    Exact(Vec<Vec<Dyadic>>),
    /// Intervals of the point, rounded outward.
    Enclosed(Vec<Boxes>),
}

/// Whether a network's values at doubles are whole multiples of powers of two: weights as they are, ReLUs and products.
pub(super) fn is_dyadic(net: &Network) -> bool {
    net.nodes().iter().all(|node| match &node.op {
        Op::Input => true,
        Op::Affine(affine) => affine.roundings == 0 && affine.slack.iter().all(|&s| s == 0.0),
        Op::Elementwise(function, _) => matches!(function, Function::Relu | Function::Product),
    })
}

impl Values {
    /// The values at a point.
    pub(super) fn at(net: &Network, x: &[f64]) -> Self {
        if is_dyadic(net) && net.multiplications() <= MOST {
            return Self::Exact(dyadic::evaluate(net, x));
        }
        let enclosure = net.enclose(&Boxes::single(x, x));
        Self::Enclosed((0..net.nodes().len()).map(|id| enclosure.node(id).clone()).collect())
    }

    /// Whether element `i` of a node may lie in [low, high]; of an exact value, whether it does.
    pub(super) fn lies_in(&self, node: usize, i: usize, low: f64, high: f64) -> bool {
        match self {
            Self::Exact(values) => {
                let value = &values[node][i];
                dyadic::at_least(value, low) && dyadic::at_most(value, high)
            }
            Self::Enclosed(boxes) => {
                !low.is_nan()
                    && !high.is_nan()
                    && low <= boxes[node].upper[i]
                    && boxes[node].lower[i] <= high
            }
        }
    }

    /// Whether the outputs certainly lie in a half-space.
    pub(super) fn attains(&self, net: &Network, half: &HalfSpace) -> bool {
        let mut row = vec![0.0; net.outputs()];
        half.coefficients.iter().for_each(|&(j, a)| row[j] = a);
        match self.functional(net, &row) {
            Upper::Exact(value) => {
                let bound = half.bound_down;
                let reached = dyadic::at_most(&value, bound);
                reached && !(half.strict && dyadic::at_least(&value, bound))
            }
            Upper::Rounded(high) => half.attained_by(high),
        }
    }

    /// Σ aⱼ N(x)ⱼ, exactly or its upper end.
    pub(super) fn functional(&self, net: &Network, a: &[f64]) -> Upper {
        match self {
            Self::Exact(values) => Upper::Exact(dyadic::dot(a, &values[net.output()])),
            Self::Enclosed(boxes) => {
                use crate::num::{add_up, mul_up};
                let y = &boxes[net.output()];
                let end = |j: usize| if a[j] < 0.0 { y.lower[j] } else { y.upper[j] };
                let terms = (0..a.len()).filter(|&j| a[j] != 0.0);
                Upper::Rounded(terms.fold(0.0, |sum, j| add_up(sum, mul_up(a[j], end(j)))))
            }
        }
    }
}

/// A number that a lower bound must not exceed.
pub(super) enum Upper {
    /// The number.
    Exact(Dyadic),
    /// A double that is no less.
    Rounded(f64),
}

impl Upper {
    /// Whether a lower bound may be true.
    pub(super) fn admits(&self, bound: f64) -> bool {
        match self {
            Self::Exact(value) => dyadic::at_least(value, bound),
            Self::Rounded(value) => bound <= *value || value.is_nan(),
        }
    }

    /// For messages.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Exact(value) => format!("{:e}", value.nearest()),
            Self::Rounded(value) => format!("at most {value:e}"),
        }
    }
}
