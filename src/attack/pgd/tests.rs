//! Steps, starts and phases of descents, by hand.

use super::*;
use crate::attack::Schedule;
use crate::attack::problem::fixtures::{identity, unit_ball, with_identity};
use crate::spec::{Claim, HalfSpace, Norm, Property};

#[test]
fn motion_is_what_the_claim_asks_for_unless_the_settings_do() {
    let (net, usual) = (identity(3, 0.0), AttackSettings::default());
    let asked = Motion { step: 0.5, finer: 0.5, momentum: 0.25 };
    let given = AttackSettings { motion: Some(asked), ..usual.clone() };
    let both = vec![HalfSpace::margin(0, 1), HalfSpace::margin(0, 2)];
    for (unsafe_set, expected) in [
        (Property::margins(0, 3), Motion::CLASSES),
        (Property::margins(0, 2), Motion::CLASSES),
        (vec![both], Motion::OTHERS),
    ] {
        let claims = vec![Claim { region: unit_ball(Norm::Linf, 3), unsafe_set }];
        let property = Property { claims, uses_inputs: false };
        let problem = Problem::new(&net, &property, 0, &|| false);
        assert_eq!(motion(&problem, &usual), expected);
        assert_eq!(motion(&problem, &given), asked);
    }
}

#[test]
fn steps_are_shorter_in_a_euclidean_ball_unless_there_is_one() {
    for (norm, steps, expected) in [
        (Norm::Linf, 8, [1.0, 0.25]),
        (Norm::L2, 8, [1.0 / 3.0, 1.0 / 12.0]),
        (Norm::Linf, 1, [1.0, 1.0]),
        (Norm::L2, 1, [1.0, 1.0]),
    ] {
        with_identity(2, 0.0, norm, |problem| {
            let motion = Some(Motion::OTHERS);
            let settings = AttackSettings { motion, steps, ..AttackSettings::default() };
            let starts = [0, 1].map(|i| Start::new(i, i, None));
            let descent = Descent::new(problem, &settings, Part::whole(steps), 0, &starts);
            let shortened = [0, 1].map(|i| descent.shortened(&starts[i]));
            let off = |i: usize| (shortened[i] - expected[i]).abs();
            assert!(off(0) < 1e-15 && off(1) < 1e-15, "{norm} {steps} {shortened:?}");
        });
    }
}

#[test]
fn steps_follow_the_schedule_the_momentum_and_the_start() {
    with_identity(2, 0.0, Norm::L2, |problem| {
        let motion = Some(Motion { step: 1.5, finer: 0.25, momentum: 0.5 });
        let settings = AttackSettings { motion, steps: 8, ..AttackSettings::default() };
        for (restart, finer) in [(0, 1.0), (1, 0.25)] {
            let starts = [Start::new(restart, restart, None)];
            let mut descent =
                Descent::new(problem, &settings, Part::whole(settings.steps), 0, &starts);
            descent.x.fill(0.0);
            let near = |x: &Matrix, y: [f64; 2]| {
                assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-12), "{x} {y:?}");
            };
            descent.step(&Matrix::from_column_slice(2, 1, &[0.0, 4.0]), 1.0);
            near(&descent.x, [0.0, -0.5 * finer]);
            // The direction is half of the last, (0, 1), and the new one's (−1, 0).
            descent.step(&Matrix::from_column_slice(2, 1, &[-3.0, 0.0]), 0.2);
            near(&descent.direction, [-1.0, 0.5]);
            let length = 0.1 * finer / 1.25f64.sqrt();
            near(&descent.x, [length, -0.5 * finer - 0.5 * length]);
        }
    });
}

#[test]
fn the_first_start_is_the_centre_and_others_are_spread_over_the_set() {
    for norm in [Norm::Linf, Norm::L2] {
        with_identity(4, 0.0, norm, |problem| {
            let settings = AttackSettings::default();
            let starts: Vec<_> = (0..40).map(|i| Start::new(i, i, None)).collect();
            let x = Descent::new(problem, &settings, Part::whole(settings.steps), 0, &starts).x;
            assert!(x.column(0).iter().all(|&x| x == 0.0));
            for feature in 0..4 {
                let row = x.row(feature);
                assert!(row.min() < -0.5 && row.max() > 0.5, "{norm} {row}");
                assert!(row.min() >= -1.0 && row.max() <= 1.0, "{norm} {row}");
            }
        });
    }
}

#[test]
fn the_first_start_is_at_random_where_another_part_begins_at_the_centre() {
    with_identity(3, 0.0, Norm::Linf, |problem| {
        let settings = AttackSettings::default();
        let [first, second] = parts(problem, settings.steps);
        let begins = |part, start| Descent::new(problem, &settings, part, 7, &[start]).x;
        let random = begins(first, Start::new(0, 0, None).at_random(true));
        assert!(random.iter().all(|&x| x != 0.0), "{random}");
        assert_eq!(begins(second, Start::new(!0, 0, Some(1))), Matrix::zeros(3, 1));
        let another = begins(second, Start::new(!1, 1, Some(1)));
        assert!(another != random && another != Matrix::zeros(3, 1), "{another}");
    });
}

#[test]
fn the_margin_takes_over_and_then_the_second_class() {
    with_identity(3, 0.0, Norm::Linf, |problem| {
        let losses = |part: Part| -> String {
            let settings = AttackSettings::default();
            let starts = [Start::new(0, 0, None)];
            let descent = Descent::new(problem, &settings, part, 0, &starts);
            let letter = |t| if descent.loss(t) == Loss::Margin { 'm' } else { 'c' };
            (0..part.steps).map(letter).collect()
        };
        for (steps, expected) in [
            (0, ["", ""]),
            (1, ["c", ""]),
            (2, ["cm", ""]),
            (4, ["ccm", "m"]),
            (10, ["cccmmmm", "mmm"]),
        ] {
            assert_eq!(parts(problem, steps).map(losses), expected);
        }
        assert_eq!(losses(Part::whole(4)), "ccmm");
        assert_eq!(losses(Part::whole(3)), "ccm");
        assert_eq!(losses(Part::whole(1)), "c");
    });
    with_identity(2, 0.0, Norm::Linf, |problem| {
        assert_eq!(parts(problem, 10).map(|part| part.steps), [10, 0]);
    });
}

#[test]
fn each_step_takes_the_factor_of_its_number() {
    with_identity(3, 100.0, Norm::Linf, |problem| {
        let starts = [Start::new(0, 0, None)];
        for (schedule, reached) in [
            (Schedule::Constant, 0.75),
            (Schedule::Linear, 0.25 * (1.0 + 2.0 / 3.0 + 1.0 / 3.0)),
            (Schedule::Cosine, 0.25 * (1.0 + 0.75 + 0.25)),
        ] {
            let motion = Some(Motion { step: 0.25, finer: 1.0, momentum: 0.0 });
            let settings =
                AttackSettings { motion, steps: 3, schedule, ..AttackSettings::default() };
            let mut descent =
                Descent::new(problem, &settings, Part::whole(settings.steps), 0, &starts);
            assert!(!descent.run(&mut Findings::default()));
            let x = descent.x.as_slice();
            assert!((x[0] + reached).abs() < 1e-12 && x[1] > 0.0, "{schedule} {x:?}");
        }
    });
}
