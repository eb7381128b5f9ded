//! Cuts over neurons that read one scalar: where pre-activations are multiples of one another, up to constants, what is added of their
//! ReLUs is a piecewise-linear function of one variable, and the lines of its convex envelope are the best cuts that there are.
//!
//! For neurons zⱼ = αⱼ t + βⱼ with coefficients cⱼ, f(t) = Σ cⱼ relu(αⱼ t + βⱼ) bends at −βⱼ/αⱼ only. Each line of the envelope below f, of slope
//! s, makes the cut Σ cⱼ relu(zⱼ) − s t ≥ d. Lines are found in floating point; that they hold, and d, a short search shows, as of every cut.

use super::Layer;
use crate::bound::{Analysis, Swept};
use crate::net::{NodeId, Term};

/// An element of a node.
type Element = (NodeId, usize);

/// A neuron's pre-activation: what it reads, of norm 1, that norm, and its constant.
struct Row {
    element: usize,
    reads: Vec<(Element, f64)>,
    norm: f64,
    constant: f64,
    /// The same for rows that are multiples of one another, up to rounding.
    mark: f64,
}

/// How far from 1 the cosine of the angle between rows may be, and how far apart the marks of parallel rows.
const PARALLEL: f64 = 1e-10;
const MARK: f64 = 1e-5;

/// Unstable neurons of a node that read one scalar, several together; the first stands for it.
fn groups(analysis: &Analysis, z: NodeId) -> Vec<Vec<Row>> {
    let Some(affine) = analysis.net.node(z).op.affine() else { return Vec::new() };
    let row = |element: usize| {
        let mut reads: Vec<(Element, f64)> = Vec::new();
        for Term { source, map } in &affine.terms {
            map.for_each_in_row(element, |i, w| reads.push(((*source, i), w)));
        }
        reads.retain(|(_, w)| *w != 0.0);
        reads.sort_by_key(|(read, _)| *read);
        let norm = reads.iter().map(|(_, w)| w * w).sum::<f64>().sqrt();
        reads.iter_mut().for_each(|(_, w)| *w /= norm);
        let mark = reads.iter().map(|(read, w)| w * weight(*read)).sum::<f64>().abs();
        (norm > 0.0).then(|| Row { element, reads, norm, constant: affine.bias[element], mark })
    };
    let unstable = analysis.layers.boxes[z].of_unknown_sign();
    let mut rows: Vec<Row> = unstable.filter_map(row).collect();
    rows.sort_by(|a, b| a.mark.total_cmp(&b.mark).then(a.element.cmp(&b.element)));
    let mut groups: Vec<Vec<Row>> = Vec::new();
    let mut open = 0;
    for row in rows {
        while groups.get(open).is_some_and(|group| group[0].mark < row.mark - MARK) {
            open += 1;
        }
        let near = groups[open..].iter_mut().find(|group| cosine(&group[0], &row).is_some());
        match near {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// A number that looks random, of an element.
fn weight((node, element): Element) -> f64 {
    let mixed =
        (element as u64).wrapping_add((node as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1u64 << 53) as f64 + 0.5
}

/// 1 or −1 where two rows are parallel.
fn cosine(a: &Row, b: &Row) -> Option<f64> {
    let same = a.reads.len() == b.reads.len()
        && a.reads.iter().zip(&b.reads).all(|((a, _), (b, _))| a == b);
    let dot = || a.reads.iter().zip(&b.reads).map(|((_, a), (_, b))| a * b).sum::<f64>();
    let cosine = if same { dot() } else { 0.0 };
    (cosine.abs() >= 1.0 - PARALLEL).then(|| cosine.signum())
}

/// The cuts of groups of a node whose coefficients have both signs: of one sign, single lines are as good.
pub(super) fn layer(analysis: &Analysis, swept: &Swept, (relu, z): (NodeId, NodeId)) -> Layer {
    let mut layer = Layer::default();
    let Some(Some(c)) = swept.trace.get(relu) else { return layer };
    for group in groups(analysis, z) {
        let first = &group[0];
        // zⱼ = αⱼ t + βⱼ for the pre-activation t of the first.
        let piece = |row: &Row| {
            let sign = cosine(first, row)?;
            let alpha = sign * row.norm / first.norm;
            Some((c[row.element], alpha, row.constant - alpha * first.constant))
        };
        let Some(pieces) = group.iter().map(piece).collect::<Option<Vec<_>>>() else { continue };
        let signs = [f64::is_sign_positive, f64::is_sign_negative];
        let both = signs.iter().all(|sign| pieces.iter().any(|(c, ..)| *c != 0.0 && sign(*c)));
        if !both {
            continue;
        }
        let boxes = &analysis.layers.boxes[z];
        let (l, u) = (boxes.lower[first.element], boxes.upper[first.element]);
        let slopes = envelope(&pieces, l, u);
        for slope in &slopes {
            layer.relus.push(group.iter().map(|row| (row.element, c[row.element])).collect());
            layer.operands.push(vec![(first.element, -slope)]);
            layer.lows.push(f64::NEG_INFINITY);
            layer.sizes.push(super::FIRST / slopes.len() as f32);
        }
    }
    layer
}

/// The slopes of the convex envelope of Σ c relu(α t + β) on [l, u].
fn envelope(pieces: &[(f64, f64, f64)], l: f64, u: f64) -> Vec<f64> {
    let f = |t: f64| pieces.iter().map(|(c, alpha, beta)| c * (alpha * t + beta).max(0.0)).sum();
    let bends = pieces.iter().map(|(_, alpha, beta)| -beta / alpha).filter(|t| l < *t && *t < u);
    let mut at: Vec<f64> = bends.chain([l, u]).collect();
    at.sort_by(f64::total_cmp);
    at.dedup();
    let mut hull: Vec<(f64, f64)> = Vec::new();
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0);
    for t in at {
        let next = (t, f(t));
        while let [.., a, b] = hull[..]
            && slope(a, b) >= slope(b, next)
        {
            hull.pop();
        }
        hull.push(next);
    }
    hull.windows(2).map(|pair| slope(pair[0], pair[1])).filter(|s| s.is_finite()).collect()
}

/// Whether there are any groups.
pub fn any(analysis: &Analysis) -> bool {
    analysis.net.relus().any(|(_, z)| !groups(analysis, z).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Intermediate;
    use crate::net::{Boxes, LinearMap, Matrix, NetworkBuilder};

    #[test]
    fn envelopes_are_below_and_touch() {
        for pieces in [
            vec![(-1.0, 1.0, 0.25), (1.0, 1.0, 0.0)],
            vec![(-1.0, 1.0, 0.0), (2.0, 1.0, -0.25), (-1.0, 1.0, -0.5)],
            vec![(1.0, -2.0, 0.5), (-3.0, 1.0, 0.125), (0.5, 4.0, -1.0)],
        ] {
            let f = |t: f64| -> f64 {
                pieces.iter().map(|(c, a, b): &(f64, f64, f64)| c * (a * t + b).max(0.0)).sum()
            };
            let slopes = envelope(&pieces, -1.0, 1.5);
            assert!(slopes.is_sorted() && !slopes.is_empty());
            let points = || (0..=2_500).map(|i| f64::from(i) / 1_000.0 - 1.0);
            for slope in slopes {
                let gaps = || points().map(|t| f(t) - slope * t);
                let least = gaps().fold(f64::INFINITY, f64::min);
                // A line of the envelope touches twice.
                let touching: Vec<f64> =
                    points().filter(|t| f(*t) - slope * t < least + 1e-9).collect();
                assert!(touching[touching.len() - 1] - touching[0] > 0.02, "{slope}: {touching:?}");
            }
        }
    }

    #[test]
    fn rows_that_are_multiples_up_to_rounding_are_one_group() {
        let row = [0.3f32, -0.7, 0.11];
        let scaled = |s: f32| row.map(|w| f64::from(w * s));
        let rows = [scaled(1.0), scaled(-3.0), [0.3, 0.7, 0.11], scaled(0.1), [0.0, 1.0, 0.5]];
        let weights = Matrix::from_fn(5, 3, |r, c| rows[r][c]);
        let mut builder = NetworkBuilder::new(3, "x").unwrap();
        let z = builder.linear(0, LinearMap::from_matrix(weights), "z").unwrap();
        let y = builder.relu(z, "y").unwrap();
        let net = builder.finish(y).unwrap();
        let input = Boxes::single(&[-1.0; 3], &[1.0; 3]);
        let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
        let mut found = groups(&analysis, z);
        assert_eq!(found.len(), 1);
        let mut members: Vec<usize> = found.remove(0).iter().map(|row| row.element).collect();
        members.sort_unstable();
        assert_eq!(members, [0, 1, 3]);
        assert!(any(&analysis));
    }
}
