//! Networks that are robust, or not, by construction, with the true answer: in the manner of VeriStressGT (Troxell et al. 2026) and
//! SoundnessBench (Zhou et al. 2024), and with margins that are known exactly.

use super::FITS;
use super::case::Case;
use super::dyadic::Dyadic;
use super::laws::right_on;
use super::oracle;
use crate::attack::SplitMix64;
use crate::net::{
    Conv, ConvGeometry, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Sparse, Term,
};
use crate::num::{Rational, round_down, round_up};
use crate::spec::{Claim, HalfSpace, Property, Region};
use crate::verify::Verdict;
use num_traits::{Signed, ToPrimitive, Zero};
use std::fmt;
use std::time::Duration;

/// How a network with a known answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Construction {
    /// y = γ + Σ vᵢ (bᵢ − (relu(zᵢ + bᵢ) − relu(zᵢ))) ≥ γ for every x: pairs of neurons of which relaxations do not know that they go together.
    Pairs,
    /// The same with convolutions.
    ConvPairs,
    /// y = c − Σ wᵢ relu(gᵢ·x + hᵢ), which is concave, so that its minimum is at a corner; each hinge reads a few inputs of its own.
    Corners,
    /// y = γ − h · relu(1 − k ‖x − p‖₁) with a steep k: where it fails it fails near one point, of which gradients elsewhere say nothing.
    Bump,
    /// A random network whose minimum is known exactly, from all activation patterns by rational linear programs.
    Radius,
    /// A deep convolutional network that contracts: |y(x) − y(c)| ≤ ε Π ‖Wᵢ‖.
    Contractive,
    /// Two networks with known minima side by side: y = y₁(x₁) + y₂(x₂).
    Fused,
    /// One that was kept with its answer.
    Kept,
}

impl Construction {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pairs,
        Self::ConvPairs,
        Self::Corners,
        Self::Bump,
        Self::Radius,
        Self::Contractive,
        Self::Fused,
    ];
}

impl fmt::Display for Construction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Pairs => "pairs",
            Self::ConvPairs => "conv-pairs",
            Self::Corners => "corners",
            Self::Bump => "bump",
            Self::Radius => "radius",
            Self::Contractive => "contractive",
            Self::Fused => "fused",
            Self::Kept => "kept",
        })
    }
}

/// A case with its answer.
#[derive(Debug, Clone)]
pub struct Known {
    /// The case.
    pub case: Case,
    /// How it was made.
    pub construction: Construction,
    /// Whether the property holds.
    pub holds: bool,
    /// A point that violates it, where one is known.
    pub witness: Option<Vec<f64>>,
}

/// A network with one output, a region, and what its minimum there is: exactly, or at least.
struct Made {
    net: Network,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// The minimum, or a number below it.
    least: Rational,
    /// Where the minimum is attained, if it is the minimum.
    at: Option<Vec<f64>>,
}

impl Known {
    /// A small case of a random construction.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut dice = SplitMix64::new(seed, 71);
        let construction = match dice.below(2) {
            0 => Construction::ALL[dice.below(Construction::ALL.len())],
            _ => [Construction::Bump, Construction::Corners][dice.below(2)],
        };
        Self::new(construction, 1, seed)
    }

    /// A case of a construction, of a size from 1 (a few neurons) to 10 (about 100 inputs, 64 hinges, 16 pairs, six layers).
    #[must_use]
    pub fn new(construction: Construction, size: usize, seed: u64) -> Self {
        let mut dice = SplitMix64::new(seed, 72);
        let made = match construction {
            Construction::Pairs => pairs(size, &mut dice),
            Construction::ConvPairs => conv_pairs(size, &mut dice),
            Construction::Corners => corners(size, &mut dice),
            Construction::Bump => bump(size, &mut dice),
            Construction::Radius | Construction::Kept => radius(&mut dice),
            Construction::Contractive => contractive(size, &mut dice),
            Construction::Fused => {
                let first =
                    [Construction::Pairs, Construction::Corners, Construction::Bump][dice.below(3)];
                let part = |first: Construction, dice: &mut SplitMix64| match first {
                    Construction::Pairs => pairs(size.div_ceil(2), dice),
                    Construction::Corners => corners(size.div_ceil(2), dice),
                    _ => bump(size.div_ceil(2), dice),
                };
                let (a, b) = (part(first, &mut dice), radius(&mut dice));
                fused(&a, &b)
            }
        };
        let attained = made.at.is_some();
        let holds = !attained || dice.below(2) == 0;
        // As near to the minimum as from a thousandth of its size to nothing at all.
        let gap = [1e-3, 1e-4, 1e-6, 1e-9][dice.below(4)]
            * (1.0 + made.least.to_f64().unwrap_or(0.0).abs());
        let bound =
            if holds { (round_down(&made.least) - gap).next_down() } else { round_up(&made.least) };
        let bound = if !holds && dice.below(2) == 0 { bound + gap } else { bound };
        let half = HalfSpace {
            coefficients: vec![(0, 1.0)],
            bound_up: bound,
            bound_down: bound,
            strict: false,
        };
        let region = Region::from_f64(&made.lower, &made.upper).expect(FITS);
        let claims = vec![Claim { region, unsafe_set: vec![vec![half]] }];
        let case = Case::new(made.net, Property { claims, uses_inputs: false }).expect(FITS);
        Self { case, construction, holds, witness: made.at.filter(|at| !holds && !at.is_empty()) }
    }

    /// A case whose answer was known before.
    #[must_use]
    pub fn of(case: Case, holds: bool) -> Self {
        Self { case, construction: Construction::Kept, holds, witness: None }
    }

    /// Whether a verdict is the answer; `None` where it is no verdict.
    #[must_use]
    pub fn is_right(&self, verdict: &Verdict) -> Option<bool> {
        match verdict {
            Verdict::Certified(_) => Some(self.holds),
            Verdict::Falsified(_) => Some(!self.holds),
            Verdict::Unknown(_) => None,
        }
    }

    /// Looks at the verdicts of attacks and search, and of search alone.
    ///
    /// # Errors
    /// Where one is the opposite of the answer.
    pub fn check(&self) -> Result<super::Checked, String> {
        // Attacks find no spikes, and take long not to; many cases say more than long searches.
        let attacked = self.construction != Construction::Bump;
        let comparisons = right_on(&self.case, self.holds, attacked, Duration::from_millis(500))
            .map_err(|what| format!("{}: {what}", self.construction))?;
        Ok(super::Checked { comparisons, skipped: (comparisons == 0).then_some("undecided") })
    }
}

fn builder(inputs: usize) -> NetworkBuilder {
    NetworkBuilder::new(inputs, "x").expect(FITS)
}

fn dense(b: &mut NetworkBuilder, source: NodeId, rows: Matrix, bias: Vec<f64>) -> NodeId {
    let map = LinearMap::from_matrix(rows);
    b.affine(vec![Term { source, map }], bias, 0, "dense").expect(FITS)
}

/// A multiple of 2⁻⁸ in [−1, 1].
fn unit(dice: &mut SplitMix64) -> f64 {
    (dice.below(513) as f64 - 256.0) / 256.0
}

/// γ + Σ vᵢ (bᵢ − relu(zᵢ + bᵢ) + relu(zᵢ)) of pre-activations z, v > 0.
fn paired(mut b: NetworkBuilder, z: NodeId, dice: &mut SplitMix64) -> (Network, f64) {
    let n = b.len(z).expect(FITS);
    let shifts: Vec<f64> = (0..n).map(|_| (1 + dice.below(64)) as f64 / 256.0).collect();
    let weights: Vec<f64> = (0..n).map(|_| (1 + dice.below(256)) as f64 / 256.0).collect();
    let gamma = 2f64.powi(-(3 + dice.below(8) as i32));
    let both = Sparse::gather(n, (0..n).chain(0..n));
    let bias = shifts.iter().copied().chain(vec![0.0; n]).collect();
    let terms = vec![Term { source: z, map: LinearMap::Sparse(both) }];
    let pairs = b.affine(terms, bias, 0, "pairs").expect(FITS);
    let y = b.relu(pairs, "relu").expect(FITS);
    // All are multiples of 2⁻¹⁶ below 2³⁷: the sum is exact.
    let total: f64 = weights.iter().zip(&shifts).map(|(v, b)| v * b).sum();
    let row = Matrix::from_fn(1, 2 * n, |_, i| if i < n { -weights[i] } else { weights[i - n] });
    let out = dense(&mut b, y, row, vec![gamma + total]);
    (b.finish(out).expect(FITS), gamma)
}

fn dyadic(x: f64) -> Rational {
    Dyadic::from(x).rational()
}

fn pairs(size: usize, dice: &mut SplitMix64) -> Made {
    let inputs = 2 + size * 10 - 10 * usize::from(size == 1);
    let n = 2 + dice.below(1 + 2 * size.min(7));
    let mut b = builder(inputs);
    let rows = Matrix::from_fn(n, inputs, |_, _| unit(dice));
    let bias = (0..n).map(|_| unit(dice)).collect();
    let z = dense(&mut b, 0, rows, bias);
    let (net, gamma) = paired(b, z, dice);
    // Attained only where all pairs are active at once: a number below.
    Made {
        net,
        lower: vec![-1.0; inputs],
        upper: vec![1.0; inputs],
        least: dyadic(gamma),
        at: None,
    }
}

fn conv_pairs(size: usize, dice: &mut SplitMix64) -> Made {
    let side = 3 + size.min(5);
    let geometry = ConvGeometry {
        input: [1, side, side],
        channels: 1 + size.min(4) / 2,
        kernel: [3, 3],
        stride: [2, 2],
        dilation: [1, 1],
        pads: [1; 4],
        groups: 1,
    };
    let kernels: Vec<f64> =
        (0..geometry.fan_in() * geometry.channels).map(|_| unit(dice)).collect();
    let mut b = builder(side * side);
    let map = LinearMap::Conv(Conv::new(geometry, &kernels).expect(FITS));
    let z = b.linear(0, map, "conv").expect(FITS);
    let (net, gamma) = paired(b, z, dice);
    Made {
        net,
        lower: vec![-1.0; side * side],
        upper: vec![1.0; side * side],
        least: dyadic(gamma),
        at: None,
    }
}

fn corners(size: usize, dice: &mut SplitMix64) -> Made {
    // Every hinge reads a group of inputs, and every group is minimised by itself.
    let (groups, width) = (1 + size, 1 + dice.below(3));
    let inputs = groups * width;
    let hinges = 2 + size.min(8);
    let mut rows = Matrix::zeros(groups * hinges, inputs);
    for i in 0..groups * hinges {
        (0..width).for_each(|j| rows[(i, i / hinges * width + j)] = unit(dice));
    }
    let bias: Vec<f64> = (0..groups * hinges).map(|_| unit(dice)).collect();
    let weights: Vec<f64> =
        (0..groups * hinges).map(|_| (1 + dice.below(256)) as f64 / 256.0).collect();
    let mut b = builder(inputs);
    let z = dense(&mut b, 0, rows.clone(), bias.clone());
    let y = b.relu(z, "relu").expect(FITS);
    let row = Matrix::from_fn(1, weights.len(), |_, i| -weights[i]);
    let out = dense(&mut b, y, row, vec![1.0]);
    let net = b.finish(out).expect(FITS);
    // Ends with more bits than single precision has.
    let mut end = || 1.0 + dice.below(1 << 20) as f64 * 2f64.powi(-30);
    let (low, high) = (-end(), end());
    let (mut least, mut at) = (1.0, vec![0.0; inputs]);
    for group in 0..groups {
        let value = |corner: usize| {
            let x = |j: usize| if corner >> j & 1 == 1 { high } else { low };
            let hinge = |i: usize| {
                let z: f64 =
                    bias[i] + (0..width).map(|j| rows[(i, group * width + j)] * x(j)).sum::<f64>();
                weights[i] * z.max(0.0)
            };
            // Multiples of 2⁻⁴⁶ below 2⁷: exact.
            (group * hinges..(group + 1) * hinges).map(hinge).sum::<f64>()
        };
        let best = (0..1 << width)
            .fold(0, |best, corner| if value(corner) > value(best) { corner } else { best });
        least -= value(best);
        (0..width)
            .for_each(|j| at[group * width + j] = if best >> j & 1 == 1 { high } else { low });
    }
    Made {
        net,
        lower: vec![low; inputs],
        upper: vec![high; inputs],
        least: dyadic(least),
        at: Some(at),
    }
}

fn bump(size: usize, dice: &mut SplitMix64) -> Made {
    let inputs = 1 + dice.below(2 + size);
    let mut peak: Vec<f64> = (0..inputs).map(|_| unit(dice)).collect();
    let mut power = 2 + dice.below(6);
    if dice.below(2) == 0 {
        // Just beside where searches split, and no wider than that.
        let beside = 4 + dice.below(10);
        power = beside + dice.below(3);
        let next = 2f64.powi(-(beside as i32));
        let (input, quarters) = (dice.below(inputs), [0, 0, 0, -3, -2, -1, 1, 2, 3]);
        peak[input] = f64::from(quarters[dice.below(9)]) / 4.0 + dice.sign() * next;
    }
    let (gamma, steep) = (2f64.powi(-(dice.below(6) as i32)), 2f64.powi(power as i32));
    let height = 2.0 * gamma;
    let mut b = builder(inputs);
    // |x − p| by two ReLUs.
    let map = Sparse::from_rows(
        inputs,
        (0..2 * inputs).map(|i| [(i % inputs, if i < inputs { 1.0 } else { -1.0 })]),
    );
    let bias = peak.iter().map(|p| -p).chain(peak.iter().copied()).collect();
    let z = b
        .affine(vec![Term { source: 0, map: LinearMap::Sparse(map) }], bias, 0, "sides")
        .expect(FITS);
    let distances = b.relu(z, "relu").expect(FITS);
    let tent = dense(&mut b, distances, Matrix::from_element(1, 2 * inputs, -steep), vec![1.0]);
    let spike = b.relu(tent, "spike").expect(FITS);
    let out = dense(&mut b, spike, Matrix::from_element(1, 1, -height), vec![gamma]);
    let net = b.finish(out).expect(FITS);
    Made {
        net,
        lower: vec![-1.0; inputs],
        upper: vec![1.0; inputs],
        least: dyadic(gamma - height),
        at: Some(peak),
    }
}

/// A random network small enough for the exact minimum.
fn radius(dice: &mut SplitMix64) -> Made {
    let inputs = 2 + dice.below(3);
    let widths = [3 + dice.below(3), 2 + dice.below(3)];
    let mut b = builder(inputs);
    let mut last = 0;
    for width in widths {
        let len = b.len(last).expect(FITS);
        let rows = Matrix::from_fn(width, len, |_, _| 2.0 * unit(dice));
        let bias = (0..width).map(|_| unit(dice)).collect();
        let z = dense(&mut b, last, rows, bias);
        last = b.relu(z, "relu").expect(FITS);
    }
    let row = Matrix::from_fn(1, widths[1], |_, _| unit(dice));
    let bias = vec![unit(dice)];
    let out = dense(&mut b, last, row, bias);
    let net = b.finish(out).expect(FITS);
    let centre: Vec<f64> = (0..inputs).map(|_| unit(dice)).collect();
    let eps = (1 + dice.below(256)) as f64 / 256.0;
    let [lower, upper] = [-eps, eps].map(|e| centre.iter().map(|c| c + e).collect::<Vec<_>>());
    let least = oracle::minimum(&net, &lower, &upper, &[1.0], &[]).unwrap_or_else(Rational::zero);
    // It is attained, at a point that is a fraction.
    Made { net, lower, upper, least, at: Some(Vec::new()) }
}

/// Convolutions whose rows' absolute sums are known: a bound of how far an output may move.
fn contractive(size: usize, dice: &mut SplitMix64) -> Made {
    let (depth, channels, side) = (1 + size.div_ceil(2), 1 + size.min(8), 4 + size.min(4));
    let mut b = builder(side * side);
    let (mut last, mut input, mut move_by) = (0, [1, side, side], Rational::from_integer(1.into()));
    for _ in 0..depth {
        let geometry = ConvGeometry {
            input,
            channels,
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [1; 4],
            groups: 1,
        };
        let n = geometry.fan_in();
        // At most 3/4 over n weights, as multiples of 2⁻¹⁶.
        let unit_of = (49_152.0 / n as f64).floor().max(1.0);
        let kernels: Vec<f64> = (0..n * channels)
            .map(|_| dice.sign() * (dice.unit() * unit_of).floor() / 65_536.0)
            .collect();
        let norm = kernels
            .chunks(n)
            .map(|kernel| kernel.iter().map(|w| w.abs()).sum::<f64>())
            .fold(0.0, f64::max);
        move_by *= dyadic(norm);
        let bias = (0..geometry.outputs()).map(|_| unit(dice) / 8.0).collect();
        let map = LinearMap::Conv(Conv::new(geometry, &kernels).expect(FITS));
        let z = b.affine(vec![Term { source: last, map }], bias, 0, "conv").expect(FITS);
        last = b.relu(z, "relu").expect(FITS);
        input = [channels, side, side];
    }
    let len = b.len(last).expect(FITS);
    let row = Matrix::from_fn(1, len, |_, _| unit(dice));
    move_by *= row.iter().fold(Rational::zero(), |sum, w| sum + dyadic(*w).abs());
    let out = dense(&mut b, last, row, vec![0.0]);
    let net = b.finish(out).expect(FITS);
    let eps = 1.0 / 64.0;
    let centre: Vec<f64> = (0..side * side).map(|_| unit(dice)).collect();
    let value = super::dyadic::evaluate(&net, &centre).swap_remove(net.output())[0].rational();
    let [lower, upper] = [-eps, eps].map(|e| centre.iter().map(|c| c + e).collect::<Vec<_>>());
    Made { net, lower, upper, least: value - move_by * dyadic(eps), at: None }
}

/// Both networks on inputs of their own, and the sum of their outputs.
fn fused(a: &Made, b: &Made) -> Made {
    let (n, m) = (a.net.inputs(), b.net.inputs());
    let mut builder = builder(n + m);
    let mut outputs = Vec::new();
    for (made, from) in [(a, 0), (b, n)] {
        let gather = Sparse::gather(n + m, from..from + made.net.inputs());
        let mut places = vec![builder.linear(0, LinearMap::Sparse(gather), "part").expect(FITS)];
        for node in &made.net.nodes()[1..] {
            let place = match &node.op {
                crate::net::Op::Affine(affine) => {
                    let term =
                        |term: &Term| Term { source: places[term.source], map: term.map.clone() };
                    builder.affine(
                        affine.terms.iter().map(term).collect(),
                        affine.bias.clone(),
                        0,
                        "affine",
                    )
                }
                crate::net::Op::Elementwise(_, z) => builder.relu(places[z[0]], "relu"),
                crate::net::Op::Input => builder.linear(0, LinearMap::Identity(n + m), "x"),
            };
            places.push(place.expect(FITS));
        }
        outputs.push(places[made.net.output()]);
    }
    let terms = outputs.into_iter().map(|source| Term { source, map: LinearMap::Identity(1) });
    let sum = builder.affine(terms.collect(), vec![0.0], 0, "sum").expect(FITS);
    let join = |a: &[f64], b: &[f64]| a.iter().chain(b).copied().collect();
    Made {
        net: builder.finish(sum).expect(FITS),
        lower: join(&a.lower, &b.lower),
        upper: join(&a.upper, &b.upper),
        least: &a.least + &b.least,
        at: a.at.as_ref().zip(b.at.as_ref()).map(|_| Vec::new()),
    }
}
