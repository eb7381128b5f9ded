//! A network's values at rational points and over rational boxes, exactly: what decides where a bound and a value meet.

use super::{Network, Op, Semantics};
use crate::num::{Rational, from_f64};
use num_traits::Signed;

/// Multiplications that exact values may take: less than a second.
const MOST: usize = 50_000;

/// The ends of an interval.
pub type Ends = [Rational; 2];

impl Network {
    /// The exact outputs at an exact input. `None` as of [`Self::enclose_exactly`].
    #[must_use]
    pub fn evaluate_exactly(&self, x: &[Rational]) -> Option<Vec<Rational>> {
        let point = x.iter().map(|x| [x.clone(), x.clone()]).collect();
        let outputs = self.enclose_exactly(point)?;
        Some(outputs.into_iter().map(|[value, _]| value).collect())
    }

    /// The outputs' intervals over a box, by interval arithmetic without any rounding. `None` where some element's value is no rational or
    /// is known up to roundings only, where the box is not the network's, or where it would take long.
    #[must_use]
    pub fn enclose_exactly(&self, x: Vec<Ends>) -> Option<Vec<Ends>> {
        let real = self.semantics() == Semantics::Real;
        if !real || x.len() != self.inputs() || self.multiplications() > MOST {
            return None;
        }
        let mut values: Vec<Vec<Ends>> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let value = match &node.op {
                Op::Input => x.clone(),
                Op::Affine(affine) => {
                    if affine.roundings > 0 || affine.slack.iter().any(|s| *s != 0.0) {
                        return None;
                    }
                    let bias = |&b: &f64| from_f64(b).map(|b| [b.clone(), b]);
                    let mut y: Vec<Ends> = affine.bias.iter().map(bias).collect::<Option<_>>()?;
                    for term in &affine.terms {
                        let x = &values[term.source];
                        for (row, [low, high]) in y.iter_mut().enumerate() {
                            term.map.for_each_in_row(row, |column, w| {
                                let Some(w) = from_f64(w) else { return };
                                let [l, u] = &x[column];
                                let (l, u) = if w.is_negative() { (u, l) } else { (l, u) };
                                *low += &w * l;
                                *high += w * u;
                            });
                        }
                    }
                    y
                }
                Op::Elementwise(function, operands) => {
                    let at = |i: usize| {
                        let x: Vec<&Ends> = operands.iter().map(|&k| &values[k][i]).collect();
                        function.exact(&x)
                    };
                    (0..node.len).map(at).collect::<Option<_>>()?
                }
            };
            values.push(value);
        }
        values.into_iter().nth(self.output())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, LinearMap, Matrix, NetworkBuilder};
    use super::*;
    use crate::num::parse_rational;

    #[test]
    fn values_are_exact_or_none() {
        let number = |text: &str| parse_rational(text).unwrap();
        let build = |smooth: bool, slack: f64| {
            let mut b = NetworkBuilder::new(2, "x").unwrap();
            let w = LinearMap::from_matrix(Matrix::from_row_slice(2, 2, &[1.0, 0.1, -1.0, 1.0]));
            let z = b.linear(0, w, "z").unwrap();
            b.within(z, vec![slack; 2]).unwrap();
            let y = b.relu(z, "y").unwrap();
            let y = if smooth { b.elementwise(Function::Sigmoid, &[y], "s").unwrap() } else { y };
            b.finish(y).unwrap()
        };
        let x = [number("1/3"), number("0.1")];
        let tenth = from_f64(0.1).unwrap();
        let expected = vec![number("1/3") + tenth * number("0.1"), number("0")];
        assert_eq!(build(false, 0.0).evaluate_exactly(&x), Some(expected));
        assert_eq!(build(false, 1e-30).evaluate_exactly(&x), None);
        assert_eq!(build(true, 0.0).evaluate_exactly(&x), None);
        assert_eq!(build(false, 0.0).evaluate_exactly(&x[..1]), None);
        // The difference of the two operands is not known to an interval.
        let of = |low: &str, high: &str| [number(low), number(high)];
        let enclosed = build(false, 0.0).enclose_exactly(vec![of("0", "1/3"), of("-1", "1/2")]);
        let tenth = from_f64(0.1).unwrap();
        let first = [number("0"), number("1/3") + tenth * number("1/2")];
        assert_eq!(enclosed, Some(vec![first, of("0", "1/2")]));
    }
}
