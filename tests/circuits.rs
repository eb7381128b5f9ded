//! Random circuits made to hurt: no bound of the search is above the exact value, however it was found.
//!
//! `CIRCUITS=1000000 cargo test --release --test circuits` tries as many as that; `FIRST` is the seed of the first one.

mod common;

use certus::internal::attack::SplitMix64;
use certus::internal::bound::{
    Analysis, Costs, Intermediate, Lift, Multipliers, Reduced, Start, Sweep, Swept,
};
use certus::internal::net::{Boxes, Matrix, Network};
use common::circuits::{Circuit, Numbers, region};
use common::dyadic::{Dyadic, at_least, at_most, dot, evaluate};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// What is wrong with a circuit's bounds, if anything is.
type Checked = Result<(), String>;

fn require(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

/// Boxes that an analysis has of all nodes, at points whose exact values are known.
fn boxes_hold(analysis: &Analysis, truths: &[Vec<Vec<Dyadic>>], how: &str) -> Checked {
    for truth in truths {
        for (id, (boxes, values)) in analysis.layers.boxes.iter().zip(truth).enumerate() {
            for (i, value) in values.iter().enumerate() {
                let (l, u) = (boxes.lower[i], boxes.upper[i]);
                require(at_least(value, l) && at_most(value, u), || {
                    format!("{how}: node {id}.{i} is not in [{l:e}, {u:e}]")
                })?;
            }
        }
    }
    Ok(())
}

/// What a sweep says of functionals of the outputs.
fn sweep_holds(
    swept: &Swept,
    rows: &Matrix,
    points: &[Vec<f64>],
    values: &[Vec<Dyadic>],
    how: &str,
) -> Checked {
    for (x, y) in points.iter().zip(values) {
        for (c, row) in rows.column_iter().enumerate() {
            let f = dot(row.iter(), y);
            let bound = swept.bounds[c];
            require(at_least(&f, bound), || format!("{how}: bound {bound:e} is too high"))?;
            let slopes = swept.coefficients.column(c);
            if swept.constants[c].is_finite() && slopes.iter().all(|a| a.is_finite()) {
                let x: Vec<Dyadic> = x.iter().map(|&x| Dyadic::from(x)).collect();
                let line = &dot(slopes.iter(), &x) + &Dyadic::from(swept.constants[c]);
                require(line <= f, || format!("{how}: the line is too high"))?;
            } else {
                require(swept.constants[c] == f64::NEG_INFINITY, || format!("{how}: no line"))?;
            }
        }
    }
    Ok(())
}

/// Multipliers that no search would propose.
fn wild(dice: &mut SplitMix64, net: &Network, k: usize) -> Multipliers {
    let mut multipliers = Multipliers::none();
    for node in net.nodes() {
        let slopes = (dice.below(2) == 0)
            .then(|| Matrix::from_fn(node.len, k, |_, _| 1.5 * dice.unit() - 0.25));
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

fn check(seed: u64) -> Checked {
    let (net, numbers, mut dice) = Circuit::random(seed);
    let ([lower, upper], mut points) = region(&mut dice, net.inputs());
    let input = Boxes::single(&lower, &upper);
    let k = 2;
    let rows = Matrix::from_fn(net.outputs(), k, |_, _| 2.0 * dice.unit() - 1.0);
    let multipliers = wild(&mut dice, &net, k);
    let domains = vec![0; k];
    let run = |sweep: Sweep| {
        let start = Start::Dense(&rows);
        sweep.run(net.output(), &start, &domains, &multipliers, false)
    };
    let analyses = [
        ("intervals", Analysis::of_region(&net, &input, Intermediate::Interval)),
        ("sweeps", Analysis::of_region(&net, &input, Intermediate::Crown)),
    ];
    let costs = Costs::of(&net, net.inputs());
    let forward = Analysis::forward(&net, &input, analyses[0].1.charges.clone(), None, &costs, 0);
    let analyses = analyses.into_iter().chain([("forward", forward)]);
    let analyses: Vec<(&str, Analysis)> = analyses.collect();
    // Where the linear bound is least, it is nearest to the function.
    let swept = analyses[1].1.lower(&rows, &domains);
    for slopes in swept.coefficients.column_iter() {
        let ends = slopes.iter().zip(lower.iter().zip(&upper));
        points.push(ends.map(|(a, (l, u))| if *a >= 0.0 { *l } else { *u }).collect());
    }
    let truths: Vec<_> = points.iter().map(|x| evaluate(&net, x)).collect();
    let values: Vec<Vec<Dyadic>> = truths.iter().map(|truth| truth[net.output()].clone()).collect();
    let holds = |swept: &Swept, how: &str| sweep_holds(swept, &rows, &points, &values, how);
    for (how, analysis) in &analyses {
        boxes_hold(analysis, &truths, how)?;
        let swept = analysis.lower(&rows, &domains);
        holds(&swept, how)?;
        holds(&run(analysis.sweep()), &format!("{how}, wild multipliers"))?;
        let merged = analysis.sweep().interval(net.output(), &rows, &domains).bounds;
        for (y, row) in values.iter().flat_map(|y| rows.column_iter().map(move |row| (y, row))) {
            let f = dot(row.iter(), y);
            require(
                merged
                    .iter()
                    .zip(rows.column_iter())
                    .all(|(bound, other)| other != row || at_least(&f, *bound)),
                || format!("{how}: the merged interval's bound is too high"),
            )?;
        }
        // Near numbers lose next to nothing: a vacuous bound would be a mistake.
        let vacuous = swept.bounds.iter().any(|bound| !bound.is_finite());
        require(numbers != Numbers::Near || !vacuous, || format!("{how}: no bound"))?;
    }
    let whole = &analyses[1].1;
    let reduced = [("folded", Reduced::fold(whole)), ("pruned", Reduced::prune(whole))];
    for (how, reduced) in &reduced {
        let Some(reduced) = reduced else { continue };
        let analysis = reduced.carry(whole);
        let inside = |x: &Vec<f64>| -> Vec<f64> {
            (0..reduced.net.inputs()).map(|i| x[reduced.original(0, i).1]).collect()
        };
        let points: Vec<Vec<f64>> = points.iter().map(inside).collect();
        sweep_holds(&analysis.lower(&rows, &domains), &rows, &points, &values, how)?;
        let input = &analysis.layers.boxes[0];
        let costs = Costs::of(&reduced.net, reduced.net.inputs());
        let forward =
            Analysis::forward(&reduced.net, input, analysis.charges.clone(), None, &costs, 0);
        let swept = forward.lower(&rows, &domains);
        sweep_holds(&swept, &rows, &points, &values, &format!("{how}, forward"))?;
        let boxes = forward.output();
        for y in &values {
            let mut elements = y.iter().enumerate();
            require(
                elements.all(|(i, y)| at_least(y, boxes.lower[i]) && at_most(y, boxes.upper[i])),
                || format!("{how}, forward: an output is not in its interval"),
            )?;
        }
    }
    Ok(())
}

#[test]
fn no_bound_is_above_the_exact_value() {
    let (first, count) = (setting("FIRST", 0), setting("CIRCUITS", setting("PROPTEST_CASES", 400)));
    let mut wrong = Vec::new();
    for seed in first..first + count {
        if let Err(what) = check(seed) {
            wrong.push(format!("circuit {seed}: {what}"));
        }
    }
    let shown = wrong.join("\n");
    assert!(wrong.is_empty(), "{} of {count} circuits:\n{shown}", wrong.len());
}
