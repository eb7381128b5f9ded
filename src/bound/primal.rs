//! The minimiser of a swept bound, followed forwards: where derivatives by slopes and multipliers are read off, and candidates found.

use super::backward::{Multipliers, NodeRelaxation, Sweep, Swept};
use super::kernel::{self, Lines};
use super::relax::Relaxation;
use crate::net::{Matrix, NodeId, Op, column, column_mut};

/// The minimiser of each column's linear bound, followed forwards through the lines that the sweep chose: the value of every
/// node that the sweep met, (elements × columns). Rounded to nearest; a search direction, not a bound.
#[must_use]
pub fn primal(
    sweep: &Sweep,
    at: NodeId,
    swept: &Swept,
    domains: &[usize],
    multipliers: &Multipliers,
) -> Vec<Option<Matrix>> {
    let (net, layers) = (sweep.net, sweep.layers);
    let mut values: Vec<Option<Matrix>> = vec![None; at + 1];
    let input = &layers.boxes[0];
    values[0] = Some(Matrix::from_fn(net.inputs(), domains.len(), |i, c| {
        let ends = if swept.coefficients[(i, c)] >= 0.0 { &input.lower } else { &input.upper };
        ends[(i, domains[c])]
    }));
    for id in 1..at {
        let Some(a) = swept.trace.get(id).and_then(Option::as_ref) else { continue };
        let value = match (&net.node(id).op, layers.relaxation(net, id)) {
            (Op::Affine(affine), _) => {
                let mut y = Matrix::from_fn(net.node(id).len, domains.len(), |i, _| affine.bias[i]);
                let known = affine.terms.iter().all(|term| {
                    values[term.source].as_ref().is_some_and(|x| {
                        term.map.add_apply(x, &mut y);
                        true
                    })
                });
                known.then_some(y)
            }
            (Op::Relu(z) | Op::Curve(_, z) | Op::Reciprocal(z), NodeRelaxation::Unary(lines)) => {
                let slopes = multipliers.slopes.get(id).and_then(Option::as_ref);
                let intercepts = lines.lower_intercept.as_ref();
                values[*z].as_ref().map(|z_values| match intercepts {
                    None => follow(a, z_values, lines, slopes, domains),
                    Some(intercepts) => Matrix::from_fn(a.nrows(), a.ncols(), |i, c| {
                        let (d, z) = (domains[c], z_values[(i, c)]);
                        if a[(i, c)] < 0.0 {
                            lines.upper_slope[(i, d)] * z + lines.upper_intercept[(i, d)]
                        } else {
                            lines.lower_slope[(i, d)] * z + intercepts[(i, d)]
                        }
                    }),
                })
            }
            (Op::Product(x, y), NodeRelaxation::Product(planes)) => {
                match (&values[*x], &values[*y]) {
                    (Some(x), Some(y)) => Some(Matrix::from_fn(a.nrows(), a.ncols(), |i, c| {
                        let plane = if a[(i, c)] < 0.0 { &planes.upper } else { &planes.lower };
                        let at = (i, domains[c]);
                        plane[0][at] * x[(i, c)] + plane[1][at] * y[(i, c)] + plane[2][at]
                    })),
                    _ => None,
                }
            }
            _ => None,
        };
        values[id] = value;
    }
    values
}

/// The values of ReLUs' lines.
fn follow(
    a: &Matrix,
    z: &Matrix,
    lines: &Relaxation,
    slopes: Option<&Matrix>,
    domains: &[usize],
) -> Matrix {
    let mut y = Matrix::zeros(a.nrows(), a.ncols());
    for (c, &d) in domains.iter().enumerate() {
        let lower = column(&lines.lower_slope, d);
        let lines = Lines {
            lower,
            slopes: slopes.map_or(lower, |slopes| column(slopes, c)),
            upper: column(&lines.upper_slope, d),
            intercept: column(&lines.upper_intercept, d),
        };
        kernel::follow(column(a, c), column(z, c), lines, column_mut(&mut y, c));
    }
    y
}
