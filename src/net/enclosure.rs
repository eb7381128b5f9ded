//! Outward-rounded interval evaluation: for a batch of input boxes, an enclosure of every node's real values.
//!
//! Affine nodes in centre/radius form: c' = W c + b and r' = |W| (r + γ|c| + ρ r) + γ|b|, rounded up, where ρ covers
//! [`super::Affine::roundings`], and γ these and the dot products.

use super::evaluate::broadcast;
use super::float32::Charge;
use super::{Affine, Matrix, Network, Op};
use crate::num::{gamma, inflate, mul_up, sub_up};

/// A batch of boxes: column c is the box [lower, upper] of domain c.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// Lower ends (elements × domains).
    pub lower: Matrix,
    /// Upper ends, same shape.
    pub upper: Matrix,
}

impl Boxes {
    /// One box.
    #[must_use]
    pub fn single(lower: &[f64], upper: &[f64]) -> Self {
        Self {
            lower: Matrix::from_column_slice(lower.len(), 1, lower),
            upper: Matrix::from_column_slice(upper.len(), 1, upper),
        }
    }

    /// The elements of unknown sign of the only box, or the first one: those with l < 0 < u.
    pub fn of_unknown_sign(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.lower.nrows()).filter(|&i| self.lower[i] < 0.0 && self.upper[i] > 0.0)
    }

    /// The points of a batch as boxes of radius 0.
    #[must_use]
    pub fn points(x: &Matrix) -> Self {
        Self { lower: x.clone(), upper: x.clone() }
    }

    /// Number of boxes.
    #[must_use]
    pub fn domains(&self) -> usize {
        self.lower.ncols()
    }

    /// max(|lower|, |upper|), elementwise.
    #[must_use]
    pub fn magnitudes(&self) -> Matrix {
        self.lower.zip_map(&self.upper, |l, u| l.abs().max(u.abs()))
    }

    /// Keeps of each box what also lies in the other batch's box.
    pub fn intersect(&mut self, other: &Self) {
        self.lower.zip_apply(&other.lower, |l, o| *l = l.max(o));
        self.upper.zip_apply(&other.upper, |u, o| *u = u.min(o));
    }

    /// Applies a function from intervals to intervals elementwise.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let mut out = self.clone();
        for (l, u) in out.lower.iter_mut().zip(out.upper.iter_mut()) {
            (*l, *u) = f(*l, *u);
        }
        out
    }
}

/// An enclosure of every node over a batch of input boxes.
#[derive(Debug, Clone)]
pub struct Enclosure {
    /// One batch of boxes a node.
    pub nodes: Vec<Boxes>,
}

impl Enclosure {
    /// The boxes of a node.
    #[must_use]
    pub fn node(&self, id: usize) -> &Boxes {
        &self.nodes[id]
    }
}

impl Network {
    /// Encloses the real values of every node over each input box.
    ///
    /// # Panics
    /// Where the boxes have another dimension than the network's input.
    #[must_use]
    pub fn enclose(&self, input: &Boxes) -> Enclosure {
        let mut nodes = Vec::with_capacity(self.nodes().len());
        for id in 0..self.nodes().len() {
            nodes.push(self.enclose_node(id, input, &nodes));
        }
        Enclosure { nodes }
    }

    /// Whether every function is defined on the first of the boxes of its operands.
    #[must_use]
    pub fn is_defined_on(&self, boxes: &[Boxes]) -> bool {
        self.nodes().iter().all(|node| {
            let Op::Elementwise(function, operands) = &node.op else { return true };
            let boxes: Vec<&Boxes> = operands.iter().map(|&x| &boxes[x]).collect();
            function.is_defined(&boxes, 0)
        })
    }

    /// One node's interval rule, given the boxes of the nodes before it.
    ///
    /// # Panics
    /// Where `earlier` misses an operand.
    #[must_use]
    pub fn enclose_node(&self, id: usize, input: &Boxes, earlier: &[Boxes]) -> Boxes {
        match &self.node(id).op {
            Op::Input => {
                assert_eq!(
                    input.lower.nrows(),
                    self.inputs(),
                    "a box has as many sides as the network has inputs"
                );
                input.clone()
            }
            Op::Affine(affine) => {
                enclose_affine(affine, earlier, input.domains(), self.charge(id, earlier))
            }
            Op::Elementwise(function, operands) => {
                let operands: Vec<&Boxes> = operands.iter().map(|&z| &earlier[z]).collect();
                function.enclose(&operands)
            }
        }
    }
}

fn enclose_affine(
    affine: &Affine,
    earlier: &[Boxes],
    domains: usize,
    single: Option<Charge>,
) -> Boxes {
    let terms = affine.fan_in();
    // One more than the centre takes, for the ends.
    let (g, rounded) = (gamma(terms + affine.roundings + 1), gamma(affine.roundings));
    let mut centres = broadcast(&affine.bias, domains);
    let mut radii = broadcast(&affine.bias, domains);
    radii.apply(|b| *b = b.abs() * g);
    let (mut charges, more) = (Vec::new(), if single.is_some() { 2 } else { 0 });
    if let Some(Charge { own, on }) = single {
        radii += own;
        charges = on;
    }
    for (k, term) in affine.terms.iter().enumerate() {
        let boxes = &earlier[term.source];
        let mut centre = boxes.lower.clone();
        let mut radius = boxes.upper.clone();
        for (c, r) in centre.iter_mut().zip(radius.iter_mut()) {
            let (l, u) = (*c, *r);
            (*c, *r) = around(l, u);
            // The second charge may underflow, and meet a large weight afterwards. Where the first one does, `around` added as much.
            *r += rounded * *r + mul_up(g, c.abs());
        }
        if let Some(charge) = charges.get(k) {
            radius += charge;
        }
        term.map.add_apply_both(&centre, &mut centres, &radius, &mut radii);
    }
    let rows = affine.bias.len();
    for (i, (c, r)) in centres.iter_mut().zip(radii.iter_mut()).enumerate() {
        let slack = affine.slack.get(i % rows).copied().unwrap_or(0.0);
        // Four sums and a product more than `terms`, and two sums of charges in single precision. What products lose by underflow, in the centre as well, `inflate` adds.
        let radius = inflate(*r + slack, terms + 5 + more);
        let (l, u) = (*c - radius, *c + radius);
        // Where parts of the sum overflowed, the centre says nothing.
        let known = c.is_finite() && !radius.is_nan();
        (*c, *r) = if known { (l, u) } else { (f64::NEG_INFINITY, f64::INFINITY) };
    }
    Boxes { lower: centres, upper: radii }
}

/// About the middle of an interval, and a radius that reaches both ends from there.
pub(crate) fn around(l: f64, u: f64) -> (f64, f64) {
    let c = 0.5 * l + 0.5 * u;
    let exact = l == u && c == l;
    (c, if exact { 0.0 } else { sub_up(u, c).max(sub_up(c, l)).max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{LinearMap, NetworkBuilder, Term};
    use crate::num::hostile::{exact, near, piled};
    use crate::num::{Rational, UNIT};
    use proptest::prelude::*;

    /// The box of bias + W x for a box of inputs.
    fn boxes(
        weights: &Matrix,
        bias: f64,
        roundings: usize,
        slack: f64,
        input: [&[f64]; 2],
    ) -> Boxes {
        let mut b = NetworkBuilder::new(weights.ncols(), "x").unwrap();
        let terms = vec![Term { source: 0, map: LinearMap::from_matrix(weights.clone()) }];
        let z = b.affine(terms, vec![bias; weights.nrows()], roundings, "z").unwrap();
        b.within(z, vec![slack; weights.nrows()]).unwrap();
        let enclosure = b.finish(z).unwrap().enclose(&Boxes::single(input[0], input[1]));
        enclosure.node(1).clone()
    }

    fn row(weights: &[f64]) -> Matrix {
        Matrix::from_row_slice(1, weights.len(), weights)
    }

    /// bias + W x exactly.
    fn value(weights: &[f64], bias: f64, x: &[f64]) -> Rational {
        weights.iter().zip(x).fold(exact(bias), |sum, (&w, &x)| sum + exact(w) * exact(x))
    }

    #[test]
    fn a_long_sum_of_centres_is_enclosed() {
        let (weights, ones) = (piled(300), [1.0; 300]);
        for (bias, weights) in [(0.0, weights.clone()), (1.0, vec![UNIT; 300])] {
            let found = boxes(&row(&weights), bias, 0, 0.0, [&ones, &ones]);
            let value = value(&weights, bias, &ones);
            assert!(exact(found.lower[0]) <= value && value <= exact(found.upper[0]), "{bias}");
            assert!(found.upper[0] - found.lower[0] < 1e-12);
        }
    }

    #[test]
    fn a_long_sum_of_radii_is_enclosed() {
        let (weights, ones) = (piled(300), [1.0; 300]);
        let found = boxes(&row(&weights), 0.0, 0, 0.0, [&[-1.0; 300], &ones]);
        assert!(
            value(&weights, 0.0, &ones) <= exact(found.upper[0]) && found.upper[0] < 1.0 + 1e-12
        );
    }

    /// The weight, or the bias, stands for a number that is 40 roundings larger.
    #[test]
    fn rounded_weights_and_biases_are_enclosed() {
        let larger = exact(1.0 + 40.0 * UNIT);
        for x in [[1.0, 1.0], [-1.0, 1.0]] {
            let found = boxes(&row(&[1.0]), 0.0, 40, 0.0, [&x[..1], &x[1..]]);
            assert!(larger <= exact(found.upper[0]), "{x:?}");
        }
        let found = boxes(&row(&[0.0]), 1.0, 40, 0.0, [&[1.0], &[1.0]]);
        assert!(larger <= exact(found.upper[0]));
    }

    #[test]
    fn slack_widens() {
        let found = boxes(&row(&[1.0]), 0.0, 0, 0.5, [&[1.0], &[1.0]]);
        assert!(found.lower[0] <= 0.5 && found.upper[0] >= 1.5);
    }

    #[test]
    fn products_that_underflow_are_enclosed() {
        let (weights, x) = ([f64::from_bits(1); 100], [0.5; 100]);
        let found = boxes(&row(&weights), 0.0, 0, 0.0, [&x, &x]);
        assert!(value(&weights, 0.0, &x) <= exact(found.upper[0]));
    }

    /// γ times a radius, or a centre, underflows; its weight is huge.
    #[test]
    fn tiny_elements_pay_for_huge_weights() {
        let huge = 2f64.powi(100);
        // The weight stands for one that is 40 roundings larger.
        let x = 0.01 * f64::MIN_POSITIVE;
        let found = boxes(&row(&[huge]), 0.0, 40, 0.0, [&[-x], &[x]]);
        assert!(exact(huge) * exact(1.0 + 40.0 * UNIT) * exact(x) <= exact(found.upper[0]));
        for k in 1..64 {
            let (x, weight) = (10.0 * x, huge * (1.0 + f64::from(k) * f64::EPSILON));
            let found = boxes(&row(&[weight]), 0.0, 0, 0.0, [&[x], &[x]]);
            let value = value(&[weight], 0.0, &[x]);
            assert!(exact(found.lower[0]) <= value && value <= exact(found.upper[0]), "{k}");
        }
    }

    /// Parts of a sum that overflow say nothing about the sum, which is 0.
    #[test]
    fn a_sum_whose_parts_overflow_is_unknown() {
        let x = [2f64.powi(1000); 4];
        let weights = [2f64.powi(23), 2f64.powi(23), -2f64.powi(23), -2f64.powi(23)];
        let found = boxes(&row(&weights), 0.0, 0, 0.0, [&x, &x]);
        assert_eq!((found.lower[0], found.upper[0]), (f64::NEG_INFINITY, f64::INFINITY));
        // A radius that is infinite, and its weight 0.
        let (lower, upper) = ([-f64::MAX, 0.0], [f64::MAX, 0.0]);
        let found = boxes(&row(&[0.0, 1.0]), 0.0, 0, 0.0, [&lower, &upper]);
        assert_eq!((found.lower[0], found.upper[0]), (f64::NEG_INFINITY, f64::INFINITY));
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(2000))]

        #[test]
        fn the_radius_reaches_both_ends(a in near(), b in near(), small in -2.0f64..2.0, how in 0..3) {
            // Near ends, or one near 0, where the middle is next to 1 and the radius is smaller, each rounded to another grain.
            let (a, b) = match how {
                0 => (a, a + small * UNIT),
                1 => (small / 64.0, small / 64.0 + (2.0 - small * small / 64.0).copysign(small)),
                _ => (a, b),
            };
            let (l, u) = (a.min(b), a.max(b));
            let (c, r) = around(l, u);
            prop_assert!(exact(c) - exact(r) <= exact(l) && exact(u) <= exact(c) + exact(r));
        }

        /// With nothing to spare: one product, one sum and the ends, each rounded as far as can be.
        #[test]
        fn ends_are_rounded_outward(w in near(), x in near(), b in -2.0f64..2.0) {
            let found = boxes(&row(&[w]), b * UNIT, 0, 0.0, [&[x], &[x]]);
            let value = value(&[w], b * UNIT, &[x]);
            prop_assert!(exact(found.lower[0]) <= value && value <= exact(found.upper[0]));
        }
    }
}
