//! contains: N(x)ᵢ ∈ [lᵢ, uᵢ] at every node, and Σ aⱼ N(x)ⱼ ≥ bound, for every engine, points x of the region, and exact values.

use super::subjects::in_doubt;
use super::{Said, points, require};
use crate::attack::SplitMix64;
use crate::bound::{
    Analysis, Climb, Costs, Goal, Intermediate, Lift, Multipliers, Reduced, Start, Swept, climb,
    default_slopes, optimise_intermediate,
};
use crate::net::{Boxes, Matrix, Network};
use crate::testing::case::Case;
use crate::testing::circuits::{self, Circuit};
use crate::testing::dyadic::{Dyadic, dot};
use crate::testing::laws::Checked;
use crate::testing::values::Values;

/// Multiplications beyond which engines are left out that a large network makes dear.
const LARGE: usize = 200_000;

/// A circuit made to hurt, with a property of its own.
#[must_use]
pub fn circuit(seed: u64) -> Case {
    let (net, _, mut dice) = Circuit::random(seed);
    let (ends, points) = circuits::region(&mut dice, net.inputs());
    let row: Vec<f64> = (0..net.outputs()).map(|_| 2.0 * dice.unit() - 1.0).collect();
    in_doubt(net, ends, &points, &row, &mut dice)
}

/// What is known at points: the points, and the values there.
struct Truths {
    points: Vec<Vec<f64>>,
    values: Vec<Values>,
}

impl Truths {
    fn add(&mut self, net: &Network, x: Vec<f64>) {
        self.values.push(Values::at(net, &x));
        self.points.push(x);
    }

    fn boxes(&self, analysis: &Analysis, how: &str) -> Said {
        let mut comparisons = 0;
        for (x, truth) in self.points.iter().zip(&self.values) {
            for (id, boxes) in analysis.layers.boxes.iter().enumerate() {
                for i in 0..boxes.lower.nrows() {
                    let (l, u) = (boxes.lower[i], boxes.upper[i]);
                    require(truth.lies_in(id, i, l, u), || {
                        format!(
                            "{how}: element {i} of node {id} is not in [{l:e}, {u:e}] at x = {x:?}"
                        )
                    })?;
                    comparisons += 1;
                }
            }
        }
        Ok(Checked { comparisons, skipped: None })
    }

    /// Bounds of functionals of the outputs, and the lines that give them.
    fn swept(&self, net: &Network, swept: &Swept, rows: &Matrix, how: &str) -> Said {
        let mut comparisons = 0;
        for (x, truth) in self.points.iter().zip(&self.values) {
            for (c, row) in rows.column_iter().enumerate() {
                let f = truth.functional(net, row.as_slice());
                let bound = swept.bounds[c];
                require(f.admits(bound), || {
                    format!(
                        "{how}: the bound {bound:e} is above the value, {}, at x = {x:?}",
                        f.text()
                    )
                })?;
                comparisons += 1;
                // Lines are over the inputs of the network that was swept.
                if swept.coefficients.nrows() != x.len() {
                    continue;
                }
                let slopes = swept.coefficients.column(c);
                let finite = swept.constants[c].is_finite() && slopes.iter().all(|a| a.is_finite());
                let super::super::values::Upper::Exact(value) = &f else { continue };
                if finite {
                    let x: Vec<Dyadic> = x.iter().map(|&x| Dyadic::from(x)).collect();
                    let line = &dot(slopes.iter(), &x) + &Dyadic::from(swept.constants[c]);
                    require(line <= *value, || {
                        format!("{how}: the line below is above the value")
                    })?;
                } else {
                    let none = swept.constants[c] == f64::NEG_INFINITY;
                    require(none, || format!("{how}: a line of numbers that are none"))?;
                }
            }
        }
        Ok(Checked { comparisons, skipped: None })
    }
}

/// Multipliers that no search would propose.
fn wild(dice: &mut SplitMix64, net: &Network, k: usize) -> Multipliers {
    let mut multipliers = Multipliers::none();
    for node in net.nodes() {
        let slopes = (dice.below(2) == 0).then(|| {
            Matrix::from_fn(node.len, k, |_, _| match dice.below(40) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                _ => 1.5 * dice.unit() - 0.25,
            })
        });
        multipliers.slopes.push(slopes);
        let lift = |dice: &mut SplitMix64| Lift {
            column: dice.below(k),
            element: dice.below(node.len),
            multiplier: 4.0 * dice.unit() - 2.0,
        };
        multipliers.lifts.push((0..dice.below(3)).map(|_| lift(dice)).collect());
    }
    multipliers
}

/// Looks at all engines on the regions of a case.
///
/// # Errors
/// Where a value is outside of a bound.
pub fn contains(case: &Case, seed: u64) -> Said {
    let net = case.query().network();
    let mut checked = Checked::skipped("no claims");
    for (c, claim) in case.query().property().claims.iter().take(3).enumerate() {
        let mut dice = SplitMix64::new(seed, 2 + c as u64);
        let count = if net.multiplications() > LARGE { 3 } else { 8 };
        let points = points(&mut dice, &claim.region, count);
        let rows = Matrix::from_fn(net.outputs(), 2, |_, _| 2.0 * dice.unit() - 1.0);
        checked = checked + in_box(net, &claim.region.boxes(), points, &rows, &mut dice)?;
    }
    Ok(checked)
}

/// Looks at all engines on a region that is a point, with an output and its negative, so that nothing but the network rounds.
pub(super) fn at_point(net: &Network, x: &[f64], dice: &mut SplitMix64) -> Said {
    let j = dice.below(net.outputs());
    let sign = |c| if c == 0 { 1.0 } else { -1.0 };
    let rows = Matrix::from_fn(net.outputs(), 2, |i, c| if i == j { sign(c) } else { 0.0 });
    in_box(net, &Boxes::single(x, x), vec![x.to_vec()], &rows, dice)
}

fn in_box(
    net: &Network,
    input: &Boxes,
    points: Vec<Vec<f64>>,
    rows: &Matrix,
    dice: &mut SplitMix64,
) -> Said {
    let mut truths = Truths { points: Vec::new(), values: Vec::new() };
    points.into_iter().for_each(|x| truths.add(net, x));
    let k = rows.ncols();
    let multipliers = wild(dice, net, k);
    let (domains, start) = (vec![0; k], Start::Dense(rows));
    let intervals = Analysis::of_region(net, input, Intermediate::Interval);
    let mut checked = truths.boxes(&intervals, "intervals")?;
    let crown = Analysis::of_region(net, input, Intermediate::Crown);
    // Where the linear bound is least, it is nearest to the function.
    let swept = crown.lower(rows, &domains);
    for slopes in swept.coefficients.column_iter() {
        let ends = slopes.iter().zip(input.lower.iter().zip(input.upper.iter()));
        truths.add(net, ends.map(|(a, (l, u))| if *a >= 0.0 { *l } else { *u }).collect());
    }
    let large = net.multiplications() > LARGE;
    let costs = Costs::of(net, net.inputs());
    let mut analyses = vec![("intervals", intervals), ("CROWN", crown)];
    if !large {
        let charges = analyses[0].1.charges.clone();
        let forward = Analysis::forward(net, input, charges, None, &costs, 0);
        let how = Climb { iterations: 4, ..Climb::default() };
        let optimised = optimise_intermediate(&analyses[1].1, how, 0.01, &|| false).0;
        analyses.extend([("forward bounds", forward), ("optimised slopes", optimised)]);
    }
    for (how, analysis) in &analyses {
        checked = checked + truths.boxes(analysis, how)?;
        checked = checked + truths.swept(net, &analysis.lower(rows, &domains), rows, how)?;
        let any = analysis.sweep().run(net.output(), &start, &domains, &multipliers, false);
        let how = format!("{how}, arbitrary multipliers");
        checked = checked + truths.swept(net, &any, rows, &how)?;
        let merged = analysis.sweep().interval(net.output(), rows, &domains);
        checked = checked + truths.swept(net, &merged, rows, &format!("{how}, merged"))?;
    }
    let whole = &analyses[1].1;
    let goal =
        Goal { at: net.output(), start: &start, domains: &domains, targets: &[f64::INFINITY; 2] };
    let slopes = default_slopes(&whole.sweep(), net.output(), &domains);
    let how = Climb { iterations: 5, ..Climb::default() };
    let bounds = climb(&whole.sweep(), goal, slopes, Vec::new(), how).bounds;
    let climbed = Swept { bounds, ..Swept::default() };
    checked = checked + truths.swept(net, &climbed, rows, "α-CROWN")?;
    for (how, reduced) in [("folded", Reduced::fold(whole)), ("pruned", Reduced::prune(whole))] {
        let Some(reduced) = reduced else { continue };
        let analysis = reduced.carry(whole);
        let swept = Swept { coefficients: Matrix::zeros(0, 0), ..analysis.lower(rows, &domains) };
        checked = checked + truths.swept(net, &swept, rows, how)?;
        if large {
            continue;
        }
        let input = &analysis.layers.boxes[0];
        let costs = Costs::of(&reduced.net, free_inputs_of(input));
        let charges = analysis.charges.clone();
        let forward = Analysis::forward(&reduced.net, input, charges, None, &costs, 0);
        let swept = Swept { coefficients: Matrix::zeros(0, 0), ..forward.lower(rows, &domains) };
        checked = checked + truths.swept(net, &swept, rows, &format!("{how}, forward"))?;
    }
    if large { Ok(checked) } else { Ok(checked + in_halves(net, input, whole, &truths, rows)?) }
}

/// Both halves of the longest side, bounded in one batch at the charges of the whole box.
fn in_halves(
    net: &Network,
    input: &Boxes,
    whole: &Analysis,
    truths: &Truths,
    rows: &Matrix,
) -> Said {
    let n = net.inputs();
    let width = |i: usize| input.upper[i] - input.lower[i];
    let widest = (0..n).fold(0, |best, i| if width(i) > width(best) { i } else { best });
    let middle = 0.5 * input.lower[widest] + 0.5 * input.upper[widest];
    let mut halves = Boxes {
        lower: Matrix::from_fn(n, 2, |i, _| input.lower[i]),
        upper: Matrix::from_fn(n, 2, |i, _| input.upper[i]),
    };
    (halves.upper[(widest, 0)], halves.lower[(widest, 1)]) = (middle, middle);
    let batch =
        Analysis::of_domains(net, &halves, Intermediate::Crown, whole.charges.clone(), None);
    let both = Matrix::from_fn(net.outputs(), 2, |j, _| rows[(j, 0)]);
    let bounds = batch.lower(&both, &[0, 1]).bounds;
    let mut comparisons = 0;
    for (x, truth) in truths.points.iter().zip(&truths.values) {
        let f = truth.functional(net, rows.column(0).as_slice());
        for d in [0, 1]
            .into_iter()
            .filter(|&d| if d == 0 { x[widest] <= middle } else { x[widest] >= middle })
        {
            require(f.admits(bounds[d]), || {
                format!(
                    "half {d}: the bound {:e} is above the value, {}, at x = {x:?}",
                    bounds[d],
                    f.text()
                )
            })?;
            comparisons += 1;
        }
    }
    Ok(Checked { comparisons, skipped: None })
}

fn free_inputs_of(input: &Boxes) -> usize {
    input.lower.iter().zip(input.upper.iter()).filter(|(l, u)| l < u).count()
}
