//! Bounds of a network's outputs.

use super::{Analysis, Intermediate};
use crate::net::Matrix;
use crate::query::Query;

/// Bounds of every output on one region: lowerⱼ ≤ N(x)ⱼ ≤ upperⱼ for all of its real inputs x.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputBounds {
    /// Lower bounds.
    pub lower: Vec<f64>,
    /// Upper bounds.
    pub upper: Vec<f64>,
}

/// Bounds of a query's outputs, one claim's region after the other: by interval arithmetic, or by CROWN (Zhang et al. 2018) and
/// intervals. What is rounded is charged to them; where nothing is known, they are infinite.
///
/// ```
/// use certus::{Intermediate, Query, bounds};
/// let model = std::path::Path::new("models/control/mlp_plain.onnx");
/// let query = Query::open(model, std::path::Path::new("proofs/samples/torque.vnnlib"))?;
/// let [intervals, crown] = [Intermediate::Interval, Intermediate::Crown].map(|how| bounds(&query, how));
/// assert!(intervals[0].lower[0] <= crown[0].lower[0] && crown[0].upper[0] <= intervals[0].upper[0]);
/// # Ok::<(), certus::OpenError>(())
/// ```
#[must_use]
pub fn bounds(query: &Query, how: Intermediate) -> Vec<OutputBounds> {
    let (net, count) = (query.network(), query.own_outputs());
    let of = |input| {
        let analysis = Analysis::of_region(net, &input, how);
        let boxes = &analysis.layers.boxes[net.output()];
        let mut lower: Vec<f64> = boxes.lower.column(0).iter().take(count).copied().collect();
        let mut upper: Vec<f64> = boxes.upper.column(0).iter().take(count).copied().collect();
        if how == Intermediate::Crown {
            let units = Matrix::from_fn(net.outputs(), 2 * count, |i, c| match c {
                c if c == i => 1.0,
                c if c == count + i => -1.0,
                _ => 0.0,
            });
            let lows = analysis.lower(&units, &vec![0; 2 * count]).bounds;
            lower.iter_mut().zip(&lows[..count]).for_each(|(l, low)| *l = l.max(*low));
            upper.iter_mut().zip(&lows[count..]).for_each(|(u, low)| *u = u.min(-low));
        }
        OutputBounds { lower, upper }
    };
    query.property().claims.iter().map(|claim| of(claim.region.boxes())).collect()
}
