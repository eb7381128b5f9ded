//! The minimiser of a swept bound, followed forwards: where derivatives by slopes and multipliers are read off, and candidates found.

use super::backward::{Multipliers, Sweep, Swept, lines_of};
use super::kernel::{self, Lines};
use crate::net::{Boxes, Function, Matrix, NodeId, Op, column, column_mut};

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
        values[id] = match &net.node(id).op {
            Op::Input => None,
            Op::Affine(affine) => {
                let mut y = Matrix::from_fn(net.node(id).len, domains.len(), |i, _| affine.bias[i]);
                let known = affine.terms.iter().all(|term| {
                    values[term.source].as_ref().is_some_and(|x| {
                        term.map.add_apply(x, &mut y);
                        true
                    })
                });
                known.then_some(y)
            }
            Op::Elementwise(function, operands) => {
                let x: Option<Vec<&Matrix>> =
                    operands.iter().map(|&x| values[x].as_ref()).collect();
                let slopes = multipliers.slopes(id);
                x.and_then(|x| follow(sweep, id, *function, a, &x, slopes, domains))
            }
        };
    }
    values
}

/// The values of an elementwise node's lines: of those below where a ≥ 0, of those above where a < 0.
fn follow(
    sweep: &Sweep,
    id: NodeId,
    function: Function,
    a: &Matrix,
    x: &[&Matrix],
    slopes: Option<&Matrix>,
    domains: &[usize],
) -> Option<Matrix> {
    let lines = sweep.layers.relaxation(sweep.net, id)?;
    let operands = sweep.net.node(id).op.operands();
    let boxes: Vec<&Boxes> = operands.iter().map(|&x| &sweep.layers.boxes[x]).collect();
    let mut y = Matrix::zeros(a.nrows(), a.ncols());
    for (c, &d) in domains.iter().enumerate() {
        let chosen = slopes.filter(|_| function.has_free_slopes()).map(|s| column(s, c));
        let (a, z, y) = (column(a, c), column(x[0], c), column_mut(&mut y, c));
        let drawn = lines_of(function, lines, (a, chosen), &boxes, d);
        if lines.through_origin {
            let (lower, upper) = (&drawn.below.slopes[0][..], &drawn.above.slopes[0][..]);
            let slopes = chosen.unwrap_or(lower);
            let lines = Lines { lower, slopes, upper, intercept: &drawn.above.intercept };
            kernel::follow(a, z, lines, y);
            continue;
        }
        for (i, y) in y.iter_mut().enumerate() {
            let side = if a[i] < 0.0 { &drawn.above } else { &drawn.below };
            *y = side.slopes[0][i] * z[i];
            for (x, slopes) in x.iter().zip(&side.slopes).skip(1) {
                *y += slopes[i] * x[(i, c)];
            }
            *y += side.intercept[i];
        }
    }
    Some(y)
}
