//! The steps through nonlinear nodes: lines and planes, their coefficients and their intercepts.

use super::*;

/// Lines of a ReLU on [l, u] with the coefficient a < 0, at both ends.
pub(super) fn relu_loss(l: f64, u: f64, a: f64, constant: f64) -> [(Rational, f64); 2] {
    let mut b = NetworkBuilder::new(1, "x").unwrap();
    let y = b.relu(0, "y").unwrap();
    let known = Known::new(b.finish(y).unwrap(), &[l], &[u]);
    [l, u].map(|x| {
        let values = known.at(&[x]);
        let before = Before { constant, more: exact(a) * &values[1][0], ..Before::default() };
        known.loss(&values, &Multipliers::none(), before, |state| {
            state.eliminate(1, &Matrix::from_element(1, 1, a));
        })
    })
}

#[test]
fn a_sum_of_intercepts_pays_for_its_additions() {
    let mut b = NetworkBuilder::new(300, "x").unwrap();
    let y = b.relu(0, "y").unwrap();
    let known = Known::new(b.finish(y).unwrap(), &[-1.0; 300], &[1.0; 300]);
    let values = known.at(&[1.0; 300]);
    let a: Vec<f64> = piled(300).iter().map(|a| -a).collect();
    let before = Before { more: exact_dot_of(&a, &values[1]), ..Before::default() };
    pays(known.loss(&values, &Multipliers::none(), before, |state| {
        state.eliminate(1, &Matrix::from_column_slice(300, 1, &a));
    }));
}

/// The lines of 1/x over [−1, −1], which have intercepts below, too.
#[test]
fn a_sum_of_intercepts_below_pays_for_its_additions() {
    let mut b = NetworkBuilder::new(300, "x").unwrap();
    let y = b.elementwise(Function::Reciprocal, &[0], "y").unwrap();
    let known = Known::new(b.finish(y).unwrap(), &[-1.0; 300], &[-1.0; 300]);
    let values = known.at(&[-1.0; 300]);
    let before = Before { more: exact_dot_of(&piled(300), &values[1]), ..Before::default() };
    pays(known.loss(&values, &Multipliers::none(), before, |state| {
        state.eliminate(1, &Matrix::from_column_slice(300, 1, &piled(300)));
    }));
}

/// Planes of x y over [1, 1] × [1, 1], which have the intercept −1.
#[test]
fn a_sum_of_intercepts_of_planes_pays_for_its_additions() {
    let mut b = NetworkBuilder::new(1, "x").unwrap();
    let all = || LinearMap::Sparse(Sparse::gather(1, [0; 300]));
    let (x, y) = (b.linear(0, all(), "x").unwrap(), b.linear(0, all(), "y").unwrap());
    let product = b.elementwise(Function::Product, &[x, y], "product").unwrap();
    let net = b.finish(product).unwrap();
    let ones = |n: usize| Boxes::single(&vec![1.0; n], &vec![1.0; n]);
    let known = Known::within(net, [1, 300, 300, 300].map(ones).into());
    let values = known.at(&[1.0]);
    let before = Before { more: exact_dot_of(&piled(300), &values[3]), ..Before::default() };
    pays(known.loss(&values, &Multipliers::none(), before, |state| {
        state.eliminate(3, &Matrix::from_column_slice(300, 1, &piled(300)));
    }));
}

/// Planes of x y with the coefficient a, at all corners; the constant before depends on the plane's intercept.
pub(super) fn product_loss(
    x: [f64; 2],
    y: [f64; 2],
    a: f64,
    constant: impl Fn(f64) -> f64,
) -> Vec<(Rational, f64)> {
    let mut b = NetworkBuilder::new(2, "x").unwrap();
    let pick = |b: &mut NetworkBuilder, i| {
        b.linear(0, LinearMap::Sparse(Sparse::gather(2, [i])), "factor").unwrap()
    };
    let (first, second) = (pick(&mut b, 0), pick(&mut b, 1));
    let product = b.elementwise(Function::Product, &[first, second], "product").unwrap();
    let factor = |ends: [f64; 2]| Boxes::single(&ends[..1], &ends[1..]);
    let both = Boxes::single(&[x[0], y[0]], &[x[1], y[1]]);
    let value = factor([0.0, 0.0]);
    let known = Known::within(b.finish(product).unwrap(), vec![both, factor(x), factor(y), value]);
    let lines = known.layers.relaxation(&known.net, 3).unwrap();
    let constant = constant(if a > 0.0 { &lines.lower } else { &lines.upper }.intercept[0]);
    let corners = x.iter().flat_map(|&x| y.map(|y| [x, y]));
    corners
        .map(|corner| {
            let values = known.at(&corner);
            let before = Before { constant, more: exact(a) * &values[3][0], ..Before::default() };
            known.loss(&values, &Multipliers::none(), before, |state| {
                state.eliminate(3, &Matrix::from_element(1, 1, a));
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(crate::num::hostile::cases(2000))]

    /// Where the interval is nearly positive, the intercept is small, and so is what is charged for it.
    #[test]
    fn a_relaxed_coefficient_pays_for_its_rounding(l in near(), u in near(), a in near()) {
        for (loss, charge) in relu_loss(-l.abs() / 1024.0, u.abs(), -a.abs(), 0.0) {
            prop_assert!(loss <= from_f64(charge).unwrap());
        }
    }

    /// The intercept is small beside the constant, and so is what is charged for it.
    #[test]
    fn constants_of_lines_are_rounded_down(a in near()) {
        for share in [0.5, 1.5] {
            for (loss, charge) in relu_loss(-1.0, 1.0, -share * a.abs() * UNIT, 1.0) {
                prop_assert!(loss <= from_f64(charge).unwrap());
            }
        }
    }

    /// Over a wide box, at a corner where the plane touches but its intercept is small.
    #[test]
    fn planes_pay_for_their_coefficients(x in near(), y in near(), a in near(), first: bool) {
        let (wide, point) = ([x.abs() / 1024.0, 1.0], [y.abs(), y.abs()]);
        let (x, y) = if first { (wide, point) } else { (point, wide) };
        for (loss, charge) in product_loss(x, y, a, |_| 0.0) {
            prop_assert!(loss <= from_f64(charge).unwrap());
        }
    }

    /// The plane's slopes and the coefficient are powers of two, so that nothing else is rounded than the constant.
    #[test]
    fn constants_of_planes_are_rounded_down(constant in near(), power in 45i32..60, negative: bool) {
        let a = if negative { -1.0 } else { 1.0 } * 2f64.powi(-power);
        for (loss, charge) in product_loss([1.0, 1.0], [1.0, 1.0], a, |_| constant) {
            prop_assert!(loss <= from_f64(charge).unwrap());
        }
    }
}
