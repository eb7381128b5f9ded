//! LP and MILP against the exact minimum by activation patterns: engines are ordered, no bound is above it, whatever a solver
//! answers.

mod common;

use certus::internal::attack::{AttackKind, AttackSettings, SplitMix64};
use certus::internal::bound::{
    Analysis, Climb, Goal, Intermediate, Layers, Start, Sweep, climb, default_slopes,
};
use certus::internal::lp::milp::{self, MilpAnswer, MilpSolver};
use certus::internal::lp::{
    Answer, Clarabel, DualSolver, Prepared, Program, TriangleLp, lower_in_leaf, reached, tighten,
};
use certus::internal::net::{Boxes, Matrix, Network, NodeId};
use certus::internal::num::{Rational, to_f64_nearest};
use certus::internal::spec::{Claim, HalfSpace, Property, Region};
use certus::internal::verify::{AssuranceLevel, Method, Settings, Stage, Verdict, verify};
use common::exact::{at_least, at_most, evaluate, exact};
use common::nets::{Choices, Kind, functionals, network, region, words};
use common::oracle::minimum;
use proptest::prelude::*;
use std::time::Duration;

/// A random network, a box in which it has something to decide, and a functional.
struct Case {
    net: Network,
    lower: Vec<f64>,
    upper: Vec<f64>,
    points: Vec<Vec<f64>>,
    row: Matrix,
}

impl Case {
    fn new(choices: &mut Choices) -> Self {
        let net = network(choices, Kind::Relu);
        let (lower, upper, points) = region(choices, net.inputs());
        let row = functionals(choices, net.outputs(), 1);
        Self { net, lower, upper, points, row }
    }

    fn analysis(&self) -> Analysis<'_> {
        let input = Boxes::single(&self.lower, &self.upper);
        Analysis::of_region(&self.net, &input, Intermediate::Crown)
    }

    fn minimum(&self, signs: &[(NodeId, usize, bool)]) -> Option<Rational> {
        minimum(&self.net, &self.lower, &self.upper, self.row.as_slice(), signs)
    }

    fn lp<'a>(&self, sweep: Sweep<'a>, solver: &'a dyn DualSolver) -> TriangleLp<'a> {
        let wanted: Vec<bool> = self.row.iter().map(|&a| a != 0.0).collect();
        TriangleLp::new(sweep, self.net.output(), &wanted, 0, &[], solver)
    }

    /// What rounding and solvers' tolerances may cost a comparison of engines.
    fn slack(&self, analysis: &Analysis) -> f64 {
        let reach: f64 = analysis.output().magnitudes().sum();
        1e-6 * (1.0 + reach)
    }
}

fn check_order(words: &[u32]) -> Result<(), TestCaseError> {
    let case = Case::new(&mut Choices::new(words));
    let analysis = case.analysis();
    let (sweep, at) = (analysis.sweep(), case.net.output());
    let slack = case.slack(&analysis);
    let start = Start::Dense(&case.row);

    let interval = sweep.interval(at, &case.row, &[0]).bounds[0];
    let plain = sweep.run(at, &start, &[0], &certus::internal::bound::Multipliers::none(), true);
    let crown = plain.bounds[0];
    let goal = Goal { at, start: &start, domains: &[0], targets: &[f64::INFINITY] };
    let slopes = default_slopes(&sweep, at, &[0]);
    let alpha = climb(&sweep, goal, slopes, Vec::new(), Climb::default()).bounds[0];
    let lp = case.lp(sweep, &Clarabel).lower(case.row.as_slice(), None);
    let least = case.minimum(&[]).expect("boxes are not empty");

    for (engine, bound) in
        [("IBP", interval), ("CROWN", crown), ("α-CROWN", alpha), ("LP", lp.bound)]
    {
        prop_assert!(at_least(&least, bound), "{engine}: {bound} above the exact minimum {least}");
        prop_assert!(bound <= lp.bound + slack, "{engine}: {bound} above the LP's {}", lp.bound);
    }
    prop_assert!(crown <= alpha);
    prop_assert!(crown <= lp.bound, "an LP may only help: {crown}, {}", lp.bound);
    prop_assert!(lp.bound >= lp.claimed - slack, "{} recovers of {}", lp.bound, lp.claimed);
    let reached = reached(&sweep, at, &case.row, &plain, &[0])[0];
    prop_assert!(reached >= lp.claimed - slack, "{reached} is no value of the LP: {}", lp.claimed);

    let (tighter, _) = tighten(case.analysis(), &case.row, 4, &Clarabel, &|| Some(Duration::MAX));
    for point in &case.points {
        let x: Vec<Rational> = point.iter().map(|&x| exact(x)).collect();
        for (boxes, values) in tighter.layers.boxes.iter().zip(evaluate(&case.net, &x)) {
            for (i, value) in values.iter().enumerate() {
                prop_assert!(at_least(value, boxes.lower[i]) && at_most(value, boxes.upper[i]));
            }
        }
    }
    let tight = case.lp(tighter.sweep(), &Clarabel).lower(case.row.as_slice(), None).bound;
    prop_assert!(at_least(&least, tight), "tightened: {tight} above {least}");
    prop_assert!(tight >= lp.bound - slack, "tightened: {tight} below {}", lp.bound);
    Ok(())
}

fn check_milp(words: &[u32]) -> Result<(), TestCaseError> {
    let case = Case::new(&mut Choices::new(words));
    let analysis = case.analysis();
    let (at, time) = (case.net.output(), Duration::from_secs(20));
    let least = to_f64_nearest(&case.minimum(&[]).unwrap());
    let slack = 10.0 * case.slack(&analysis);
    for gap in [-64.0 * slack, 64.0 * slack] {
        let bound = [least + gap];
        let answer =
            milp::reachable(&analysis.sweep(), at, &case.row, &bound, MilpSolver::Microlp, time);
        let wrong = match answer {
            MilpAnswer::Unreachable => gap > 0.0,
            MilpAnswer::Candidate(_) => gap < 0.0,
            MilpAnswer::OutOfTime | MilpAnswer::GaveUp => false,
        };
        prop_assert!(!wrong, "{answer:?} at {gap} from the minimum {least}");
    }
    Ok(())
}

/// Answers with whatever it was given: the worst solver there can be.
struct Liar {
    words: Vec<u32>,
}

impl DualSolver for Liar {
    fn prepare(&self, program: Program) -> Box<dyn Prepared + '_> {
        Box::new(Lie { rows: program.rows(), variables: program.variables(), words: &self.words })
    }
}

struct Lie<'a> {
    rows: usize,
    variables: usize,
    words: &'a [u32],
}

impl Prepared for Lie<'_> {
    fn minimise(&mut self, _: &[f64], _: Option<Duration>) -> Answer {
        let mut choices = Choices::new(self.words);
        let mut number = || match choices.below(12) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -1e300,
            3 => 1e300,
            _ => 4.0 * choices.unit(),
        };
        let duals = (0..self.rows).map(|_| number()).collect();
        let point = (0..self.variables).map(|_| number()).collect();
        let ray = choices.below(2) == 0;
        Answer { duals, ray, point, objective: 1e9, time: Duration::ZERO }
    }
}

/// Clamps the sign of a few pre-activations of unknown sign.
fn split(choices: &mut Choices, analysis: &Analysis) -> (Layers, Vec<(NodeId, usize, bool)>) {
    let mut boxes = analysis.layers.boxes.clone();
    let mut signs = Vec::new();
    for (_, z) in analysis.net.relus() {
        for i in 0..analysis.net.node(z).len {
            let unstable = boxes[z].lower[i] < 0.0 && boxes[z].upper[i] > 0.0;
            if unstable
                && choices.below(3) == 0
                && !signs.iter().any(|s: &(_, _, _)| (s.0, s.1) == (z, i))
            {
                let active = choices.below(2) == 0;
                if active {
                    boxes[z].lower[i] = 0.0
                } else {
                    boxes[z].upper[i] = 0.0
                }
                signs.push((z, i, active));
            }
        }
    }
    let mut layers = Layers::default();
    boxes.into_iter().for_each(|boxes| layers.push(boxes));
    (layers, signs)
}

proptest! {
    #![proptest_config(common::cases(300))]

    #[test]
    fn engines_are_ordered_below_the_exact_minimum(words in words()) { check_order(&words)?; }

    #[test]
    fn a_lying_solver_costs_only_quality(words in words(), lies in words()) {
        let case = Case::new(&mut Choices::new(&words));
        let analysis = case.analysis();
        let liar = Liar { words: lies };
        let bound = case.lp(analysis.sweep(), &liar).lower(case.row.as_slice(), None).bound;
        let least = case.minimum(&[]).unwrap();
        prop_assert!(at_least(&least, bound), "{bound} above {least}");
        prop_assert!(bound >= analysis.lower(&case.row, &[0]).bounds[0]);
        let (tighter, _) = tighten(case.analysis(), &case.row, 4, &liar, &|| Some(Duration::MAX));
        let bound = tighter.lower(&case.row, &[0]).bounds[0];
        prop_assert!(at_least(&least, bound), "after tightening, {bound} above {least}");
    }

    #[test]
    fn leaves_hold_where_they_should(words in words(), signs in words()) {
        let case = Case::new(&mut Choices::new(&words));
        let analysis = case.analysis();
        let (layers, signs) = split(&mut Choices::new(&signs), &analysis);
        let splits: Vec<(NodeId, usize)> = signs.iter().map(|s| (s.0, s.1)).collect();
        let sweep = Sweep { layers: &layers, ..analysis.sweep() };
        let leaf = lower_in_leaf(sweep, case.row.as_slice(), 0, &splits, &Clarabel, None);
        if let Some(least) = case.minimum(&signs) {
            prop_assert!(at_least(&least, leaf.bound), "{} above {least}", leaf.bound);
        }
        // The multipliers returned are those of the bound.
        let again = sweep.run(case.net.output(), &Start::Dense(&case.row), &[0], &leaf.multipliers, false);
        prop_assert_eq!(again.bounds[0], leaf.bound);
    }

    /// Products, reciprocals and S-shaped activations have no exact oracle: sampled values.
    #[test]
    fn other_nonlinearities_hold(words in words(), curves: bool) {
        let mut choices = Choices::new(&words);
        let net = network(&mut choices, if curves { Kind::Curves } else { Kind::Rational });
        let (lower, upper, points) = region(&mut choices, net.inputs());
        let analysis = Analysis::of_region(&net, &Boxes::single(&lower, &upper), Intermediate::Crown);
        let row = functionals(&mut choices, net.outputs(), 1);
        let leaf = lower_in_leaf(analysis.sweep(), row.as_slice(), 0, &[], &Clarabel, None);
        prop_assert!(leaf.bound >= analysis.lower(&row, &[0]).bounds[0]);
        for point in points {
            let y = net.evaluate(&Matrix::from_column_slice(point.len(), 1, &point));
            let f = row.column(0).dot(&y.column(0));
            prop_assert!(leaf.bound <= f + 1e-9 * (1.0 + f.abs()));
        }
    }
}

/// What `verify` says by LP and MILP about "the functional exceeds b" agrees with the exact minimum.
fn check_verdicts(words: &[u32]) -> Result<(), TestCaseError> {
    let mut choices = Choices::new(words);
    let case = Case::new(&mut choices);
    let least = case.minimum(&[]).unwrap();
    let bound = exact(to_f64_nearest(&least)) + exact(0.25 * choices.unit());
    let coefficients: Vec<(usize, Rational)> =
        case.row.iter().map(|&a| exact(a)).enumerate().collect();
    let half = HalfSpace::from_exact(&coefficients, &bound, false).unwrap();
    let ends: Vec<_> =
        case.lower.iter().zip(&case.upper).map(|(&l, &u)| (exact(l), exact(u))).collect();
    let region = Region::from_bounds(&ends).unwrap();
    let claim = Claim { region, unsafe_set: vec![vec![half]] };
    let property = Property { claims: vec![claim], uses_inputs: false };
    for method in [Method::Lp, Method::Milp, Method::Auto] {
        let settings = Settings {
            method,
            attack: AttackSettings { kind: AttackKind::None, ..AttackSettings::default() },
            seed: 0,
            timeout: Some(Duration::from_secs(20)),
            memory: None,
            lp_tighten: choices.below(3) as usize,
            work: None,
        };
        let outcome = verify(&common::asked(&case.net, &property), &settings, &|| false);
        match outcome.verdict {
            Verdict::Certified(certificate) => {
                prop_assert!(
                    least > bound,
                    "{method}: certified, but {least} is no more than {bound}"
                );
                let by_solver = certificate.level() == AssuranceLevel::Solver;
                prop_assert_eq!(by_solver, outcome.stage == Some(Stage::Milp));
                prop_assert!(!by_solver || method == Method::Milp);
                prop_assert!(outcome.bound.is_some_and(|margin| margin >= 0.0), "{method}");
            }
            Verdict::Falsified(_) => prop_assert!(least <= bound, "{method}: falsified at {least}"),
            Verdict::Unknown(_) => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(common::cases(100))]

    #[test]
    fn milp_finds_the_exact_minimum(words in words()) { check_milp(&words)?; }

    #[test]
    fn verdicts_agree_with_the_exact_minimum(words in words()) { check_verdicts(&words)?; }
}

proptest! {
    #![proptest_config(common::cases(10_000))]

    #[test]
    #[ignore = "takes many minutes"]
    fn engines_are_ordered_on_ten_thousand_networks(words in words()) { check_order(&words)?; }
}

/// Duals of split rows recover what the solver claims, but for leaves without an interior, whose duals are unbounded.
#[test]
fn duals_recover_the_optimum_of_leaves() {
    let mut rng = SplitMix64::new(7, 0);
    let (mut leaves, mut recovered) = (0, 0);
    for _ in 0..300 {
        let words: Vec<u32> = (0..32).map(|_| (rng.unit() * f64::from(u32::MAX)) as u32).collect();
        let mut choices = Choices::new(&words);
        let case = Case::new(&mut choices);
        let analysis = case.analysis();
        let (layers, signs) = split(&mut choices, &analysis);
        if signs.is_empty() || case.minimum(&signs).is_none() {
            continue;
        }
        let splits: Vec<(NodeId, usize)> = signs.iter().map(|s| (s.0, s.1)).collect();
        let sweep = Sweep { layers: &layers, ..analysis.sweep() };
        let leaf = lower_in_leaf(sweep, case.row.as_slice(), 0, &splits, &Clarabel, None);
        leaves += 1;
        recovered += usize::from(leaf.bound >= leaf.claimed - case.slack(&analysis));
    }
    println!("{recovered} of {leaves} leaves recovered");
    assert!(leaves > 50 && 100 * recovered >= 95 * leaves, "{recovered} of {leaves}");
}

/// Signs that no input has: the ray that shows an LP infeasible becomes lifts, and they prove whatever is asked.
#[test]
fn a_contradictory_leaf_is_proved_empty() {
    let net = common::seeded::random_relu_net(&[1, 2, 1], 3);
    let input = Boxes::single(&[-1.0], &[1.0]);
    let analysis = Analysis::of_region(&net, &input, Intermediate::Crown);
    let mut boxes = analysis.layers.boxes.clone();
    let z = 1;
    // A sign that no x has: beyond the exact range of the pre-activation.
    let (l, u) = (boxes[z].lower[0], boxes[z].upper[0]);
    boxes[z].lower[0] = u + (u - l) + 1.0;
    boxes[z].upper[0] = u + 2.0 * (u - l) + 2.0;
    let mut layers = Layers::default();
    boxes.into_iter().for_each(|boxes| layers.push(boxes));
    let sweep = Sweep { layers: &layers, ..analysis.sweep() };
    let leaf = lower_in_leaf(sweep, &[1.0], 0, &[(z, 0)], &Clarabel, None);
    assert!(leaf.bound > 1e3, "an empty leaf proves anything: {}", leaf.bound);
}
