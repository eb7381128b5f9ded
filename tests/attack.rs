//! Attacks and validation, through the public API, against hand-made networks and an exact oracle.

mod common;

use certus::internal::attack::{
    AttackKind, AttackSettings, Loss, Schedule, SplitMix64, attack, attack_any, search_batch,
    validate,
};
use certus::internal::load::parse_statement;
use certus::internal::net::{Boxes, Matrix, Network};
use certus::internal::num::{Rational, exact_decimal, parse_rational, round_nearest};
use certus::internal::spec::{Claim, HalfSpace, Norm, Polytope, Property, Region};
use common::asked;
use common::exact::{evaluate, exact};
use common::seeded;
use proptest::prelude::*;

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

fn region(bounds: &[(&str, &str)]) -> Region {
    let exact: Vec<_> = bounds.iter().map(|(a, b)| (q(a), q(b))).collect();
    Region::from_bounds(&exact).unwrap()
}

fn half(coefficients: &[(usize, &str)], bound: &str, strict: bool) -> HalfSpace {
    let coefficients: Vec<_> = coefficients.iter().map(|&(j, a)| (j, q(a))).collect();
    HalfSpace::from_exact(&coefficients, &q(bound), strict).unwrap()
}

fn property(region: Region, unsafe_set: Vec<Polytope>) -> Property {
    Property { claims: vec![Claim { region, unsafe_set }], uses_inputs: false }
}

/// Whether exact outputs lie in a polytope: in each half-space, as small as its rounded bound leaves it.
fn in_polytope(polytope: &Polytope, y: &[Rational]) -> bool {
    polytope.iter().all(|half| {
        let value: Rational = half.coefficients.iter().map(|&(j, a)| exact(a) * &y[j]).sum();
        let bound = exact(half.bound_down);
        if half.strict { value < bound } else { value <= bound }
    })
}

fn run(net: &Network, property: &Property, settings: &AttackSettings) -> bool {
    attack(&asked(net, property), 0, settings, 1, &|| false).is_some()
}

fn fgsm() -> AttackSettings {
    AttackSettings { kind: AttackKind::Fgsm, ..AttackSettings::default() }
}

#[test]
fn a_point_outside_the_exact_region_is_moved_inside() {
    // The only violations of y = x ≤ 0.1 in doubles are above the decimal 0.1, which lies between two doubles.
    let net = seeded::affine_net(&[&[1.0]], &[0.0]);
    let above = property(region(&[("0", "0.1")]), vec![vec![half(&[(0, "-1")], "-0.1", true)]]);
    for point in [0.1, 0.1f64.next_up(), 0.2, f64::INFINITY, f64::NAN] {
        assert_eq!(validate(&net, &above, 0, &[point]), None);
    }
    let below = property(region(&[("0", "0.1")]), vec![vec![half(&[(0, "-1")], "-0.09", true)]]);
    let found = validate(&net, &below, 0, &[0.2]).unwrap();
    assert!(below.claims[0].region.contains(found.input()));
    assert_eq!(f64::from(found.input()[0] as f32), found.input()[0]);
    assert!(validate(&net, &below, 0, &[0.05, 0.05]).is_none(), "a point of another dimension");
}

#[test]
fn violations_within_rounding_error_are_decided_exactly() {
    // y₀ − y₁ = 0 exactly: outside the open half-space, inside the closed one, though no interval shows that.
    let net = seeded::affine_net(&[&[0.1, 0.7], &[0.1, 0.7]], &[0.3, 0.3]);
    for strict in [true, false] {
        let tie = vec![vec![half(&[(0, "1"), (1, "-1")], "0", strict)]];
        let tie = property(region(&[("-1", "1"), ("-1", "1")]), tie);
        assert_eq!(validate(&net, &tie, 0, &[0.3, 0.9]).is_none(), strict);
        assert_eq!(run(&net, &tie, &AttackSettings::default()), !strict);
    }
    // 3 · 0.1 in doubles is over 0.3, but the network multiplies by the double nearest 0.1 and the claim is exact.
    let net = seeded::affine_net(&[&[3.0]], &[0.0]);
    let claim = property(region(&[("0", "0.1")]), vec![vec![half(&[(0, "-1")], "-0.3", true)]]);
    assert_eq!(validate(&net, &claim, 0, &[0.1]), None);
}

#[test]
fn a_clear_violation_has_all_its_evidence() {
    let net = seeded::affine_net(&[&[1.0, 1.0], &[1.0, -1.0]], &[0.0, 0.25]);
    let unsafe_set = vec![
        vec![half(&[(0, "1")], "-9", false)],
        vec![half(&[(0, "-1")], "-1.5", false), half(&[(1, "1")], "0.5", true)],
    ];
    let claim = property(region(&[("0", "1"), ("0", "1")]), unsafe_set);
    let found = validate(&net, &claim, 0, &[1.0, 1.0]).unwrap();
    assert_eq!((found.claim(), found.polytope()), (0, 1));
    assert_eq!((found.input(), found.output()), (&[1.0, 1.0][..], &[2.0, 0.25][..]));
    assert_eq!(found.output_f32(), &[2.0, 0.25]);
    assert!(found.holds_in_f32());
    assert!(found.slack() <= 0.25 && found.slack() > 0.2499);
    let (low, high) = found.output_enclosure();
    assert!(low[0] <= 2.0 && 2.0 <= high[0] && high[0] - low[0] < 1e-12);
    assert_eq!(found.exact_input(), [q("1"), q("1")]);
    assert_eq!(found.write_vnncomp(), "sat\n((X_0 1)\n(X_1 1)\n(Y_0 2)\n(Y_1 0.25))\n");
}

#[test]
fn an_input_that_is_no_double_is_written_as_the_decimal_that_it_is() {
    let net = seeded::affine_net(&[&[10.0, 1.0]], &[0.0]);
    let bounds = [("0.1", "0.1"), ("0", "0.5")];
    let claim = property(region(&bounds), vec![vec![half(&[(0, "-1")], "-1.4", false)]]);
    let found = attack(&asked(&net, &claim), 0, &AttackSettings::default(), 3, &|| false).unwrap();
    assert_eq!((found.exact_input()[0].clone(), found.input()[0]), (q("0.1"), 0.1));
    assert!(found.write_vnncomp().starts_with("sat\n((X_0 0.1)\n"));
    assert!(found.slack() > 0.0);
    // The bound 1.5 is reached at the real point (0.1, 0.5), and not passed: the enclosure straddles it.
    for strict in [false, true] {
        let edge = property(region(&bounds), vec![vec![half(&[(0, "-1")], "-1.5", strict)]]);
        assert_eq!(run(&net, &edge, &AttackSettings::default()), !strict);
    }
}

#[test]
fn known_adversarial_points_are_found() {
    // relu(x₀ − 1) + relu(−x₁ − 1) ≥ 1.9 only near the corner (2, −2).
    let net = seeded::affine_net(&[&[1.0, 0.0], &[0.0, -1.0]], &[-1.0, -1.0]);
    let corner = vec![half(&[(0, "-1")], "-0.95", false), half(&[(1, "-1")], "-0.95", false)];
    let claim = property(region(&[("-2", "2"), ("-2", "2")]), vec![corner]);
    for loss in [Loss::Margin, Loss::CrossEntropy] {
        let settings = AttackSettings { loss, ..AttackSettings::default() };
        let found = attack(&asked(&net, &claim), 0, &settings, 5, &|| false).unwrap();
        assert!(found.input()[0] >= 1.95 && found.input()[1] <= -1.95);
    }
    assert!(!run(&net, &claim, &AttackSettings { kind: AttackKind::None, ..fgsm() }));
    assert!(attack(&asked(&net, &claim), 0, &AttackSettings::default(), 5, &|| true).is_none());
}

#[test]
fn every_loss_and_schedule_breaks_a_linear_classifier() {
    let net = seeded::affine_net(&[&[1.0, 2.0], &[2.0, 1.0], &[0.0, 0.0]], &[0.3, 0.0, -9.0]);
    let ball = |eps: &str| {
        Region::ball(Norm::Linf, &[q("0.5"), q("0.5")], &[q(eps), q(eps)], None)
            .map(|region| Property::classification(region, 0, 3))
    };
    // The margin is 0.3 − x₀ + x₁: it vanishes at ε = 0.15 exactly.
    let (robust, broken) = (ball("0.1499").unwrap(), ball("0.1501").unwrap());
    for loss in [Loss::Margin, Loss::CrossEntropy] {
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Linear] {
            for kind in [AttackKind::Pgd, AttackKind::Fgsm] {
                let settings = AttackSettings { kind, loss, schedule, ..AttackSettings::default() };
                assert!(run(&net, &broken, &settings), "{kind} {loss} {schedule}");
                assert!(!run(&net, &robust, &settings), "{kind} {loss} {schedule}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_result() {
    let net = seeded::random_relu_net(&[6, 20, 20, 4], 11);
    let mut rng = SplitMix64::new(1, 1);
    for seed in 0..20 {
        let centre: Vec<Rational> = (0..6).map(|_| exact(rng.unit())).collect();
        let ball = Region::ball(Norm::Linf, &centre, &vec![q("0.4"); 6], None).unwrap();
        let claim = Property::classification(ball, (seed % 4) as usize, 4);
        let go = || attack(&asked(&net, &claim), 0, &AttackSettings::default(), seed, &|| false);
        assert_eq!(go(), go());
    }
}

/// Random classification claims on a random network: (network, claim at its predicted label).
fn random_claims(seed: u64, count: usize, eps: &str) -> Vec<(Network, Property)> {
    let mut rng = SplitMix64::new(seed, 9);
    (0..count as u64)
        .map(|i| {
            let net = seeded::random_relu_net(&[8, 24, 24, 5], seed * 1_000 + i);
            let centre: Vec<f64> = (0..8).map(|_| f64::from(rng.unit() as f32)).collect();
            let y = net.evaluate(&Matrix::from_column_slice(8, 1, &centre));
            let label = y.column(0).argmax().0;
            let centre: Vec<Rational> = centre.into_iter().map(exact).collect();
            let ball = Region::ball(Norm::Linf, &centre, &vec![q(eps); 8], None).unwrap();
            (net, Property::classification(ball, label, 5))
        })
        .collect()
}

#[test]
fn many_steps_are_stronger_than_one() {
    let claims = random_claims(3, 150, "0.15");
    let count = |settings: &AttackSettings| {
        claims.iter().filter(|(net, claim)| run(net, claim, settings)).count()
    };
    let pgd = count(&AttackSettings::default());
    let one = count(&AttackSettings { restarts: 1, targeted: false, ..fgsm() });
    let entropy = count(&AttackSettings { loss: Loss::CrossEntropy, ..AttackSettings::default() });
    assert!(one > 10 && pgd < 150, "the claims discriminate: {one}, {pgd}");
    assert!(pgd > one && entropy > one, "pgd {pgd}, cross-entropy {entropy}, fgsm {one}");
}

#[test]
fn batches_of_boxes_are_searched_at_once() {
    let net = seeded::random_relu_net(&[3, 16, 16, 2], 4);
    let lower = Matrix::from_fn(3, 8, |i, c| f64::from(((c >> i) & 1) as u32) * 0.5);
    let boxes = Boxes { upper: lower.add_scalar(0.5), lower };
    let polytope = vec![HalfSpace::margin(0, 1)];
    let linear = Matrix::from_fn(3, 8, |i, c| ((i + c) % 3) as f64 - 1.0);
    let plain = search_batch(&net, &boxes, &polytope, None);
    let helped = search_batch(&net, &boxes, &polytope, Some(&linear));
    for c in 0..8 {
        let point = plain.point(c);
        assert!((0..3).all(|i| boxes.lower[(i, c)] <= point[i] && point[i] <= boxes.upper[(i, c)]));
        let y = net.evaluate(&Matrix::from_column_slice(3, 1, point));
        assert!((plain.distances[c] - (y[0] - y[1]) / 2f64.sqrt()).abs() < 1e-12);
        assert!(helped.distances[c] <= plain.distances[c]);
    }
    let (index, distance) = plain.best().unwrap();
    assert!(plain.distances.iter().all(|&d| distance <= d));
    assert_eq!(plain.distances[index], distance);
}

#[test]
fn the_one_false_claim_of_thousands_is_found() {
    let net = seeded::affine_net(&[&[1.0]], &[0.0]);
    let claims = (0..5_000u32)
        .map(|i| Claim {
            region: region(&[(&i.to_string(), &(i + 1).to_string())]),
            unsafe_set: vec![
                vec![half(&[(0, "1")], &(f64::from(i) - 0.5).to_string(), false)],
                vec![half(&[(0, "1")], if i == 4_321 { "4321.25" } else { "-1" }, false)],
            ],
        })
        .collect();
    let property = Property { claims, uses_inputs: false };
    let found =
        attack_any(&asked(&net, &property), &AttackSettings::default(), 0, &|| false).unwrap();
    assert_eq!((found.claim(), found.polytope()), (4_321, 1));
}

#[test]
fn claims_about_inputs_are_attacked() {
    let net = seeded::affine_net(&[&[2.0]], &[0.0]);
    // y > x + 0.9 for y = 2x on [0, 1].
    let mut claim =
        property(region(&[("0", "1")]), vec![vec![half(&[(0, "-1"), (1, "1")], "-0.9", true)]]);
    claim.uses_inputs = true;
    let found = attack(&asked(&net, &claim), 0, &AttackSettings::default(), 0, &|| false).unwrap();
    assert!(found.input()[0] > 0.9);
    assert_eq!(found.write_vnncomp().lines().count(), 3, "the inputs are not written twice");
}

/// The input that is written, read as an exact number: it and the bounds, of which strict ones are open, of one input.
fn written(low: &str, high: &str, open: [bool; 2], from: f64) -> Rational {
    let [above, below] = [(">=", ">"), ("<=", "<")].map(|(closed, open)| [closed, open]);
    let (above, below) = (above[usize::from(open[0])], below[usize::from(open[1])]);
    let text = format!(
        "(declare-const X_0 Real) (declare-const Y_0 Real)
        (assert ({above} X_0 {low})) (assert ({below} X_0 {high})) (assert (>= Y_0 -1e15))"
    );
    let property = parse_statement("one input", text.as_bytes(), 1, 1).unwrap().property;
    let net = seeded::affine_net(&[&[1.0]], &[0.0]);
    let found = validate(&net, &property, 0, &[from]).unwrap();
    let text = found.write_vnncomp();
    let x = text.strip_prefix("sat\n((X_0 ").and_then(|rest| rest.split_once(')')).unwrap().0;
    assert_eq!(found.exact_input(), [q(x)], "{text}");
    q(x)
}

#[test]
fn what_is_written_lies_in_the_region_exactly() {
    let single = "0.100000001490116119384765625";
    for (low, high, open, from, at) in [
        ("0.3", "0.3", [false, false], 9.0, "0.3"),
        // Its shortest decimal, 0.10000000149011612, is above this single-precision number, and this region.
        ("0.05", single, [false, false], 9.0, single),
        (single, "0.2", [false, false], -9.0, single),
        // No double in it, one end in it, none of them.
        ("0.3", "0.30000000000000001", [false, true], 9.0, "0.3"),
        ("0.3", "0.30000000000000001", [true, false], 9.0, "0.30000000000000001"),
        ("0.3", "0.30000000000000001", [true, true], 9.0, "0.300000000000000001"),
        ("-1e-400", "-1e-401", [false, false], 0.0, "-1e-400"),
    ] {
        assert_eq!(written(low, high, open, from), q(at), "{low} {high} {open:?}");
    }
}

#[test]
fn a_fraction_is_written_where_no_decimal_is_in_the_region() {
    let net = seeded::affine_net(&[&[1.0]], &[0.0]);
    let claim = property(region(&[("1/15", "1/15")]), vec![vec![half(&[(0, "1")], "1", false)]]);
    let found = validate(&net, &claim, 0, &[0.0]).unwrap();
    assert!(found.write_vnncomp().starts_with("sat\n((X_0 1/15)\n"));
}

proptest! {
    /// Whatever the bounds are: what is written is between them and, where it can be, the nearest single-precision number.
    #[test]
    fn what_is_written_is_between_the_bounds(
        m in -999_999i64..999_999, e in -25i32..5, width in prop::sample::select(vec![0i64, 1, 2, 700]), finer in 0i32..25,
        open in any::<[bool; 2]>(), from in -2.0..2.0f64,
    ) {
        let low = q(&format!("{m}e{e}"));
        let high = &low + q(&format!("{width}e{}", e - finer));
        let open = if width == 0 { [false; 2] } else { open };
        let [a, b] = [&low, &high].map(|end| exact_decimal(end).unwrap());
        let x = written(&a, &b, open, from);
        let inside = |x: &Rational| {
            (if open[0] { low < *x } else { low <= *x }) && (if open[1] { *x < high } else { *x <= high })
        };
        prop_assert!(inside(&x), "{} in {} {}", x, low, high);
        let single = exact(f64::from(round_nearest(&x) as f32));
        prop_assert!(single == x || !inside(&single), "{} rather than {}", single, x);
    }
}

proptest! {
    #![proptest_config(common::cases(40))]

    /// What an attack returns is a violation in exact rational arithmetic, inside the exact region, however thin.
    #[test]
    fn counterexamples_are_exact(seed in 0u64..1_000_000, eps in 1u32..60, thin in -3i32..4) {
        let net = seeded::random_relu_net(&[4, 10, 10, 3], seed);
        let mut rng = SplitMix64::new(seed, 5);
        let centre: Vec<Rational> = (0..4).map(|_| exact(rng.unit())).collect();
        let eps = q(&format!("{eps}/255"));
        let ball = Region::ball(Norm::Linf, &centre, &vec![eps.clone(); 4], None).unwrap();
        let mut claim = Property::classification(ball, (seed % 3) as usize, 3);
        // Move a bound to within a few units in the last place of what the centre's output reaches.
        let y = net.evaluate(&Matrix::from_column_slice(4, 1, &claim.claims[0].region.midpoint()));
        let edge = (0..thin.abs()).fold(y[0], |e, _| if thin > 0 { e.next_up() } else { e.next_down() });
        let h = HalfSpace { coefficients: vec![(0, 1.0)], bound_up: edge, bound_down: edge, strict: thin == 0 };
        claim.claims[0].unsafe_set.push(vec![h]);
        let centre_only = validate(&net, &claim, 0, &claim.claims[0].region.midpoint());
        let attacked = attack(&asked(&net, &claim), 0, &AttackSettings::default(), seed, &|| false);
        for found in [centre_only, attacked].into_iter().flatten() {
            let x = found.exact_input();
            for (x, c) in x.iter().zip(&centre) {
                prop_assert!(c - &eps <= *x && *x <= c + &eps);
            }
            let y = evaluate(&net, x).swap_remove(net.output());
            prop_assert!(in_polytope(&claim.claims[0].unsafe_set[found.polytope()], &y));
            let (low, high) = found.output_enclosure();
            for ((y, &low), &high) in y.iter().zip(low).zip(high) {
                prop_assert!(exact(low) <= *y && *y <= exact(high));
            }
        }
    }
}
