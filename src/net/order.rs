//! Single evaluations in single precision that a runtime may make: sums in one order for the whole network.

use super::{Affine, Computed, LinearMap, Network, Op};
use crate::num::two_sum;
use std::fmt;

/// How an evaluation adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the first product to the last.
    Forwards,
    /// From the last to the first.
    Backwards,
    /// From the first to the last, with fused multiply-adds.
    Fused,
    /// Both halves by themselves, and these likewise.
    Halves,
    /// From the bias on, and then from the first product to the last.
    BiasFirst,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Forwards, Self::Backwards, Self::Fused, Self::Halves, Self::BiasFirst];

    /// The sum of products (weight, value), or without rounding products where there is one operation for both.
    fn add_up(self, products: &[(f32, f32)], bias: f32) -> f32 {
        match self {
            Self::BiasFirst => products.iter().fold(bias, |sum, &(w, x)| sum + w * x),
            _ => self.sum(products) + bias,
        }
    }

    fn sum(self, products: &[(f32, f32)]) -> f32 {
        let plain = |sum: f32, &(w, x): &(f32, f32)| sum + w * x;
        match self {
            Self::Forwards | Self::BiasFirst => products.iter().fold(0.0, plain),
            Self::Backwards => products.iter().rev().fold(0.0, plain),
            Self::Fused => products.iter().fold(0.0, |sum, &(w, x)| w.mul_add(x, sum)),
            Self::Halves if products.len() < 2 => products.iter().fold(0.0, plain),
            Self::Halves => {
                let (first, last) = products.split_at(products.len() / 2);
                self.sum(first) + self.sum(last)
            }
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Forwards => "each sum from its first term to the last",
            Self::Backwards => "each sum from its last term to the first",
            Self::Fused => "each sum from its first term to the last, with fused multiply-adds",
            Self::Halves => "each sum by halves",
            Self::BiasFirst => "each sum from its bias on",
        })
    }
}

impl Network {
    /// The outputs of one evaluation, node by node. `None` where a number is not finite, or a part of a maximum is no double.
    ///
    /// # Panics
    /// Where `x` has another length than the network has inputs.
    #[must_use]
    pub fn evaluate_in_order(&self, x: &[f32], order: Order) -> Option<Vec<f32>> {
        assert_eq!(
            x.len(),
            self.inputs(),
            "a point has as many coordinates as the network has inputs"
        );
        // All are single-precision numbers, but for parts of maxima.
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let value: Vec<f64> = match &node.op {
                Op::Input => x.iter().map(|&x| f64::from(x)).collect(),
                Op::Affine(affine) => match affine.computed {
                    Computed::Chained | Computed::Kept => summed(affine, &values, order),
                    Computed::Apart => {
                        let all = exactly(affine, &values, false)?;
                        all.into_iter().map(|y| f64::from(y as f32)).collect()
                    }
                    Computed::Exactly => exactly(affine, &values, true)?,
                },
                Op::Elementwise(_, operands) => {
                    node.op.relu()?;
                    values[operands[0]].iter().map(|z| z.max(0.0)).collect()
                }
            };
            if !value.iter().all(|y| y.is_finite()) {
                return None;
            }
            values.push(value);
        }
        let outputs = values.swap_remove(self.output());
        let single = |y: f64| Some(y as f32).filter(|&single| f64::from(single) == y);
        outputs.into_iter().map(single).collect()
    }
}

/// The products of each row, and its bias, added up.
fn summed(affine: &Affine, values: &[Vec<f64>], order: Order) -> Vec<f64> {
    let mut products = Vec::new();
    let row = |(row, &bias): (usize, &f64)| {
        products.clear();
        for term in &affine.terms {
            let x = &values[term.source];
            let mut push = |column: usize, w: f64| products.push((w as f32, x[column] as f32));
            match &term.map {
                LinearMap::Identity(_) => push(row, 1.0),
                map => map.for_each_in_row(row, &mut push),
            }
        }
        f64::from(order.add_up(&products, bias as f32))
    };
    affine.bias.iter().enumerate().map(row).collect()
}

/// The sum of each row in double precision; where nothing may be rounded, only if nothing is.
fn exactly(affine: &Affine, values: &[Vec<f64>], strict: bool) -> Option<Vec<f64>> {
    let row = |(row, &bias): (usize, &f64)| {
        let (mut sum, mut rest) = (bias, 0.0);
        for term in &affine.terms {
            let x = &values[term.source];
            term.map.for_each_in_row(row, |column, w| {
                let product = w * x[column];
                rest += w.mul_add(x[column], -product).abs();
                let (next, lost) = two_sum(sum, product);
                (sum, rest) = (next, rest + lost.abs());
            });
        }
        (!strict || rest == 0.0).then_some(sum)
    };
    affine.bias.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, 2⁻²⁴ and 2⁻²⁴; and a product that a fused operation does not round.
    #[test]
    fn orders_differ() {
        let u = 1.0 / 16_777_216.0f32;
        let sum = |order: Order, products: &[(f32, f32)]| order.add_up(products, 0.0);
        let large = [(1.0, 1.0), (1.0, u), (1.0, u)];
        assert_eq!(sum(Order::Forwards, &large), 1.0);
        assert_eq!(sum(Order::Backwards, &large), 1.0 + 2.0 * u);
        assert_eq!(sum(Order::Halves, &large), 1.0 + 2.0 * u);
        // The bias last, where the products cancel, and first, where it is lost beside them.
        let cancel = [(1.0, 1e9), (-1.0, 1e9)];
        assert_eq!(Order::Forwards.add_up(&cancel, 1.0), 1.0);
        assert_eq!(Order::BiasFirst.add_up(&cancel, 1.0), 0.0);
        let cancels = [(1.0, -1.0 - 4.0 * u), (1.0 + 2.0 * u, 1.0 + 2.0 * u)];
        assert_eq!(sum(Order::Forwards, &cancels), 0.0);
        assert!(sum(Order::Fused, &cancels) > 0.0);
    }
}
