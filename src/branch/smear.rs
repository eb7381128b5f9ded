//! Which input to split: how much of a bound's looseness comes from each input's width.
//!
//! Halving an input does not move the corner where a linear bound is least; what it gains is tighter relaxations. A neuron j
//! with bounds l < 0 < u and coefficient aⱼ costs at most |aⱼ| h, h = −l u / (u − l). If input i has width wᵢ and moves
//! the neuron by Jⱼᵢ, halving it takes about |Jⱼᵢ| wᵢ / 4 off either end, and off the cost
//!
//! ```text
//! |aⱼ| · (∂h/∂u − ∂h/∂l) · |Jⱼᵢ| wᵢ / 4,    ∂h/∂u − ∂h/∂l = (l² + u²) / (u − l)²
//! ```
//!
//! summed over all neurons. J is followed forwards, along the chords of unstable neurons. Only a heuristic: it decides no
//! verdict.

use crate::bound::{Analysis, Swept, free_inputs};
use crate::net::{Matrix, Op};

/// One domain to be split: its column in the analysis, and the functionals that matter there with their weights.
pub struct Subject {
    /// Column of the domain.
    pub domain: usize,
    /// (sweep, column of it, weight).
    pub functionals: Vec<(usize, usize, f64)>,
}

/// For each subject, what halving each input promises (inputs × subjects). Sweeps must have kept their traces.
#[must_use]
pub fn smears(analysis: &Analysis, sweeps: &[Swept], subjects: &[Subject]) -> Matrix {
    let net = analysis.net;
    let n = net.inputs();
    let boxes = &analysis.layers.boxes;
    let free: Vec<Vec<usize>> =
        subjects.iter().map(|subject| free_inputs(&boxes[0], subject.domain)).collect();
    let most = free.iter().map(Vec::len).max().unwrap_or(0);
    let mut scores = Matrix::zeros(most, subjects.len());
    // Column s·most + i: how far each element moves as free input i of subject s crosses its box.
    let mut moves: Vec<Option<Matrix>> = vec![None; net.nodes().len()];
    let mut widths = Matrix::zeros(n, most * subjects.len());
    for (s, (subject, free)) in subjects.iter().zip(&free).enumerate() {
        for (e, &i) in free.iter().enumerate() {
            widths[(i, s * most + e)] =
                boxes[0].upper[(i, subject.domain)] - boxes[0].lower[(i, subject.domain)];
        }
    }
    moves[0] = Some(widths);
    for (id, node) in net.nodes().iter().enumerate().skip(1) {
        let moved = |z: usize, moves: &[Option<Matrix>]| {
            moves[z].clone().unwrap_or_else(|| Matrix::zeros(0, 0))
        };
        let value = match &node.op {
            Op::Input => continue,
            Op::Affine(affine) => {
                let mut y = Matrix::zeros(node.len, most * subjects.len());
                for term in &affine.terms {
                    if let Some(x) = &moves[term.source] {
                        term.map.add_apply(x, &mut y);
                    }
                }
                y
            }
            Op::Elementwise(_, operands) if operands.len() == 1 => {
                let (z, is_relu) = (&operands[0], node.op.relu().is_some());
                let mut x = moved(*z, &moves);
                for (s, subject) in subjects.iter().enumerate() {
                    let costs = costs(sweeps, id, subject, node.len);
                    for j in 0..node.len {
                        let (l, u) = (
                            boxes[*z].lower[(j, subject.domain)],
                            boxes[*z].upper[(j, subject.domain)],
                        );
                        let stable = is_relu && (l >= 0.0 || u <= 0.0);
                        let chord = if stable {
                            f64::from(u8::from(l >= 0.0))
                        } else if is_relu {
                            u / (u - l)
                        } else {
                            let node = &boxes[id];
                            (node.upper[(j, subject.domain)] - node.lower[(j, subject.domain)])
                                / (u - l).max(f64::MIN_POSITIVE)
                        };
                        let relief = if stable {
                            0.0
                        } else {
                            costs[j] * (l * l + u * u) / ((u - l) * (u - l))
                        };
                        for i in 0..most {
                            let entry = &mut x[(j, s * most + i)];
                            if relief > 0.0 {
                                scores[(i, s)] += relief * entry.abs();
                            }
                            *entry *= chord;
                        }
                    }
                }
                x
            }
            Op::Elementwise(_, operands) => {
                let (a, b) = (&operands[0], &operands[1]);
                let (mut x, y) = (moved(*a, &moves), moved(*b, &moves));
                for (s, subject) in subjects.iter().enumerate() {
                    let middle = |z: usize, j: usize| {
                        0.5 * boxes[z].lower[(j, subject.domain)]
                            + 0.5 * boxes[z].upper[(j, subject.domain)]
                    };
                    let costs = costs(sweeps, id, subject, node.len);
                    for j in 0..node.len {
                        for c in s * most..(s + 1) * most {
                            scores[(c - s * most, s)] += costs[j] * (x[(j, c)] * y[(j, c)]).abs();
                            x[(j, c)] = x[(j, c)] * middle(*b, j) + y[(j, c)] * middle(*a, j);
                        }
                    }
                }
                x
            }
        };
        moves[id] = Some(value);
    }
    let mut all = Matrix::zeros(n, subjects.len());
    for (s, free) in free.iter().enumerate() {
        free.iter().enumerate().for_each(|(e, &i)| all[(i, s)] = scores[(e, s)]);
    }
    all
}

/// Σ weight · |a| over a subject's functionals, for each element of a node; zeros where no functional met the node.
fn costs(sweeps: &[Swept], id: usize, subject: &Subject, len: usize) -> Vec<f64> {
    let mut costs = vec![0.0; len];
    for &(sweep, column, weight) in &subject.functionals {
        if let Some(Some(trace)) = sweeps[sweep].trace.get(id) {
            costs
                .iter_mut()
                .zip(trace.column(column).iter())
                .for_each(|(cost, a)| *cost += weight * a.abs());
        }
    }
    costs
}
