//! Every kind of attack against hand-made networks where others fail, in both norms, and against certified radii.

mod common;

use certus::internal::attack::{
    AttackKind, AttackSettings, Counterexample, Motion, attack, attack_suite, minimum_norm,
    probe_gradients, validate,
};
use certus::internal::load::{DataSettings, Dataset, load_network};
use certus::internal::net::{Function, LinearMap, Matrix, Network, NetworkBuilder, NodeId, Term};
use certus::internal::num::{Rational, parse_rational};
use certus::internal::query::Query;
use certus::internal::spec::{Norm, Property, Region};
use certus::internal::verify::{Method, Settings, Verdict, verify};
use common::asked;
use common::exact::{evaluate, exact};
use common::seeded;
use proptest::prelude::*;
use std::cell::Cell;
use std::path::{Path, PathBuf};

const ATTACKS: [AttackKind; 6] = [
    AttackKind::Pgd,
    AttackKind::Fgsm,
    AttackKind::ApgdCe,
    AttackKind::ApgdDlr,
    AttackKind::Fab,
    AttackKind::Square,
];

/// Whether the label holds on a ball.
fn in_ball(net: &Network, ball: &Region, label: usize) -> Query {
    Query::classification(net.clone(), ball.clone(), label).unwrap()
}

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

fn committed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn with(kind: AttackKind) -> AttackSettings {
    AttackSettings::default().only(kind)
}

fn ball(norm: Norm, centre: &[f64], eps: &str) -> Region {
    let centre: Vec<Rational> = centre.iter().map(|&c| exact(c)).collect();
    Region::ball(norm, &centre, &vec![q(eps); centre.len()], None).unwrap()
}

/// The class of the greatest output at a point.
fn predicted(net: &Network, x: &[f64]) -> usize {
    net.evaluate(&Matrix::from_column_slice(x.len(), 1, x)).column(0).argmax().0
}

/// A network node by node.
struct Layers {
    builder: NetworkBuilder,
    last: NodeId,
}

impl Layers {
    fn new(inputs: usize) -> Self {
        Self { builder: NetworkBuilder::new(inputs, "x").unwrap(), last: 0 }
    }

    fn affine(mut self, rows: &[&[f64]], bias: &[f64]) -> Self {
        let map =
            LinearMap::from_matrix(Matrix::from_fn(rows.len(), rows[0].len(), |r, c| rows[r][c]));
        let term = Term { source: self.last, map };
        self.last = self.builder.affine(vec![term], bias.to_vec(), 0, "affine").unwrap();
        self
    }

    fn relu(mut self) -> Self {
        self.last = self.builder.relu(self.last, "relu").unwrap();
        self
    }

    fn curve(mut self, curve: Function) -> Self {
        self.last = self.builder.elementwise(curve, &[self.last], "curve").unwrap();
        self
    }

    fn finish(self) -> Network {
        self.builder.finish(self.last).unwrap()
    }
}

/// A staircase of n inputs: steep sigmoids whose derivative is zero in double precision nearly everywhere. Class 0 wins
/// while fewer than half of the inputs are positive.
fn staircase(inputs: usize) -> Network {
    let identity: Vec<Vec<f64>> = (0..inputs)
        .map(|i| (0..inputs).map(|j| if i == j { 1e6 } else { 0.0 }).collect())
        .collect();
    let rows: Vec<&[f64]> = identity.iter().map(Vec::as_slice).collect();
    let ones = vec![1.0; inputs];
    let zeros = vec![0.0; inputs];
    Layers::new(inputs)
        .affine(&rows, &zeros)
        .curve(Function::Sigmoid)
        .affine(&[&zeros, &ones], &[0.5 * inputs as f64, 0.0])
        .finish()
}

#[test]
fn square_breaks_what_has_no_gradients() {
    let net = staircase(16);
    let centre = [-0.5; 16];
    assert_eq!(predicted(&net, &centre), 0);
    let region = ball(Norm::Linf, &centre, "1");
    let property = Property::classification(region, 0, 2);
    let points = Matrix::from_column_slice(16, 1, &centre);
    let probed = probe_gradients(&net, &points, &[0]);
    assert_eq!((probed.points, probed.zero, probed.not_finite), (1, 1, 0));
    let found = attack(&asked(&net, &property), 0, &with(AttackKind::Square), 0, &|| false);
    assert!(found.is_some_and(|found| found.holds_in_f32()));
    // From the centre a gradient attack sees a plain; one restart that draws no random point gets nowhere.
    for kind in [AttackKind::Fgsm, AttackKind::ApgdCe] {
        let settings = AttackSettings { restarts: 1, steps: 1, targeted: false, ..with(kind) };
        assert_eq!(attack(&asked(&net, &property), 0, &settings, 0, &|| false), None, "{kind}");
    }
}

#[test]
fn all_attacks_break_a_linear_classifier_just_beyond_its_radius() {
    // The margin is 0.3 − x₀ + x₁ at (0.5, 0.5): 0 at ε = 0.15 in the max norm, at ε = 0.3/√2 = 0.21213 in the Euclidean.
    let net = seeded::affine_net(&[&[1.0, 2.0], &[2.0, 1.0], &[0.0, 0.0]], &[0.3, 0.0, -9.0]);
    for (norm, robust, broken) in [(Norm::Linf, "0.1499", "0.1501"), (Norm::L2, "0.2121", "0.2122")]
    {
        for kind in ATTACKS {
            let run = |eps| {
                let ball = ball(norm, &[0.5, 0.5], eps);
                attack(&in_ball(&net, &ball, 0), 0, &with(kind), 0, &|| false)
            };
            // Random search needs some room on a sphere.
            let room = norm == Norm::L2 && kind == AttackKind::Square;
            assert!(run(if room { "0.25" } else { broken }).is_some(), "{norm} {kind}");
            assert_eq!(run(robust), None, "{norm} {kind}");
        }
    }
}

/// A counterexample is in the ball and outside the class, in exact arithmetic.
fn check(net: &Network, ball: &Region, label: usize, found: &Counterexample) {
    let x = found.exact_input();
    assert!(ball.size(x).is_some_and(|size| size <= q("1")));
    let y = evaluate(net, x).swap_remove(net.output());
    assert!((0..y.len()).any(|t| t != label && y[t] >= y[label]));
}

proptest! {
    #![proptest_config(common::cases(24))]

    #[test]
    fn every_attack_finds_only_members_of_the_ball(seed in 0u64..1_000_000, eps in 1u32..60) {
        let net = seeded::random_relu_net(&[4, 10, 10, 4], seed);
        let centre = [0.25, 0.5, 0.75, 0.0];
        let label = predicted(&net, &centre);
        let domain = vec![(q("0"), q("1")); 4];
        let centre = centre.map(exact);
        for norm in [Norm::Linf, Norm::L2] {
            let radii = vec![q(&format!("{eps}/100")); 4];
            let ball = Region::ball(norm, &centre, &radii, Some(&domain)).unwrap();
            for kind in ATTACKS {
                let settings = AttackSettings { queries: 100, steps: 20, ..with(kind) };
                let go = || attack(&in_ball(&net, &ball, label), 0, &settings, seed, &|| false);
                let found = go();
                prop_assert_eq!(&found, &go(), "{} is a function of its seed", kind);
                if let Some(found) = found {
                    check(&net, &ball, label, &found);
                }
            }
        }
    }
}

/// MNIST's test images and the balls around them in the max norm, attacked with one start.
struct Mnist {
    net: Network,
    data: Dataset,
    eps: Rational,
}

impl Mnist {
    fn new(name: &str, eps: &str) -> Self {
        let net = load_network(&committed(&format!("models/mnist/{name}.onnx"))).unwrap().network;
        let data = Dataset::load(&committed("models/mnist/test.npz"), &DataSettings::default());
        Self { net, data: data.unwrap(), eps: q(eps) }
    }

    /// Of the images that are classified correctly, those that an untargeted attack breaks.
    fn broken(&self, images: &[usize], kind: AttackKind, steps: usize, seed: u64) -> Vec<usize> {
        self.broken_by(images, &AttackSettings { targeted: false, steps, ..with(kind) }, seed)
    }

    fn broken_by(&self, images: &[usize], settings: &AttackSettings, seed: u64) -> Vec<usize> {
        let settings = AttackSettings { restarts: 1, ..settings.clone() };
        let breaks = |image: usize| {
            let label = self.data.label(image);
            let region = self.data.region(image, Norm::Linf, &self.eps).unwrap();
            let property = Property::classification(region, label, 10);
            predicted(&self.net, &self.data.point(image)) == label
                && attack(&asked(&self.net, &property), 0, &settings, seed, &|| false).is_some()
        };
        images.iter().copied().filter(|&image| breaks(image)).collect()
    }
}

/// One start of 40 steps breaks what that of torchattacks breaks (models/compare/attacks.csv): 7 of 99 images.
#[test]
fn one_start_of_pgd_is_as_strong_as_others() {
    let images: Vec<usize> = (0..100).collect();
    let broken = Mnist::new("mlp_adv", "0.1").broken(&images, AttackKind::Pgd, 40, 0);
    assert!(broken.len() >= 7, "{broken:?}");
}

/// On these images the cross-entropy alone, or the difference of logits ratio alone, ends with no seed where the claim is
/// violated; the loss that takes over finds the way from there.
#[test]
fn a_second_loss_breaks_what_the_first_does_not() {
    let plain = Mnist::new("cnn_plain", "0.03");
    let adversarial = Mnist::new("mlp_adv", "0.1");
    for seed in 0..3 {
        let images = [178, 456];
        assert_eq!(plain.broken(&images, AttackKind::Pgd, 40, seed), images, "{seed}");
        assert_eq!(plain.broken(&images, AttackKind::ApgdCe, 100, seed), images, "{seed}");
        let images = [399, 449];
        assert_eq!(adversarial.broken(&images, AttackKind::ApgdDlr, 100, seed), images, "{seed}");
    }
}

/// Near these images several classes are about as far away, and those nearest are out of reach.
#[test]
fn single_classes_are_tried_where_all_at_once_fail() {
    let certified = Mnist::new("mlp_cert", "0.1");
    for (kind, image, steps) in [(AttackKind::Pgd, 152, 100), (AttackKind::ApgdDlr, 20, 10)] {
        // With momentum PGD needs targets here; without, none of these images does.
        let motion = Some(Motion::OTHERS);
        let targeted = AttackSettings { steps, motion, ..with(kind) };
        let untargeted = AttackSettings { targeted: false, ..targeted.clone() };
        let count = |settings, seed| certified.broken_by(&[image], settings, seed).len();
        let run = |seed| [count(&untargeted, seed), count(&targeted, seed)];
        let counts: Vec<[usize; 2]> = (0..6).map(run).collect();
        assert!(counts.iter().all(|[untargeted, all]| untargeted <= all), "{kind} {counts:?}");
        assert!(counts.contains(&[0, 1]), "{kind} {counts:?}");
    }
}

/// From the centre of this image's ball none of them leads to a counterexample in so many steps, and few points of the box that
/// the domain leaves do: points of the ball, moved into the domain, and the second class do.
#[test]
fn an_image_with_several_classes_as_near_is_broken_without_targets() {
    let certified = Mnist::new("mlp_cert", "0.1");
    for (kind, steps) in [(AttackKind::Pgd, 40), (AttackKind::ApgdCe, 100)] {
        for seed in 0..3 {
            assert_eq!(certified.broken(&[20], kind, steps, seed), [20], "{kind} {seed}");
        }
    }
}

/// The margin of a linear classifier of 12 × 12 images falls by ε‖w‖ at most, and where w is smooth a few hundred queries
/// find two thirds of that.
#[test]
fn square_finds_smooth_directions_in_a_euclidean_ball() {
    let w: Vec<f64> = (0..144)
        .map(|i| if i % 12 < 6 { 1.0 } else { -1.0 } * (1.0 + (i / 12) as f64 / 4.0) / 40.0)
        .collect();
    let length = w.iter().map(|w| w * w).sum::<f64>().sqrt();
    let margin = 2.0 / 3.0 * length;
    let centre = [0.5; 144];
    let offset = margin - w.iter().map(|w| 0.5 * w).sum::<f64>();
    let net = Layers::new(144).affine(&[&w, &[0.0; 144]], &[offset, 0.0]).finish();
    assert_eq!(predicted(&net, &centre), 0);
    let ball = ball(Norm::L2, &centre, "1");
    let image = Some([1, 12, 12]);
    for seed in 0..3 {
        let settings =
            AttackSettings { restarts: 1, queries: 500, image, ..with(AttackKind::Square) };
        let found = attack(&in_ball(&net, &ball, 0), 0, &settings, seed, &|| false);
        check(&net, &ball, 0, &found.expect("a bump or two"));
    }
}

#[test]
fn no_perturbation_is_smaller_than_the_certified_radius() {
    let mut close = 0;
    for seed in 0..8 {
        let net = seeded::random_relu_net(&[3, 8, 8, 3], seed);
        let centre = [0.5, 0.25, 0.75];
        let label = predicted(&net, &centre);
        let wide = ball(Norm::Linf, &centre, "2");
        let settings = AttackSettings { steps: 100, restarts: 10, ..with(AttackKind::Fab) };
        let Some(nearest) = minimum_norm(&in_ball(&net, &wide, label), &settings, 0, &|| false)
        else {
            continue;
        };
        check(&net, &wide, label, &nearest.counterexample);
        let radius = &nearest.size * q("2");
        let verdict = |radius: &Rational| {
            let centre: Vec<Rational> = centre.iter().map(|&c| exact(c)).collect();
            let region = Region::ball(Norm::Linf, &centre, &vec![radius.clone(); 3], None).unwrap();
            let attack = AttackSettings::default().with(&[]);
            let settings = Settings {
                method: Method::Complete,
                attack,
                seed: 0,
                timeout: None,
                memory: None,
                lp_tighten: 0,
                work: None,
            };
            verify(&asked(&net, &Property::classification(region, label, 3)), &settings, &|| false)
                .verdict
        };
        assert!(!matches!(verdict(&radius), Verdict::Certified(_)), "{seed}: attained at {radius}");
        // A local search may miss the nearest point, but not often: mostly its radius is the true one within two per cent.
        close += usize::from(matches!(verdict(&(&radius * q("0.98"))), Verdict::Certified(_)));
    }
    assert!(close >= 6, "{close}");
}

#[test]
fn the_smallest_euclidean_perturbation_of_a_linear_classifier_is_its_distance() {
    let net = seeded::affine_net(&[&[3.0, 4.0, 0.0], &[0.0, 0.0, 0.0]], &[0.0, 0.0]);
    let wide = ball(Norm::L2, &[1.0, 0.5, 9.0], "4");
    let settings = with(AttackKind::Fab);
    let found = minimum_norm(&in_ball(&net, &wide, 0), &settings, 0, &|| false).unwrap();
    // 3 · 1 + 4 · 0.5 = 5, at distance 1 from the line 3 x + 4 y = 0: a quarter of the radius.
    assert!(found.share >= 0.25 && found.share < 0.2501, "{}", found.share);
    assert!(exact(found.share) * exact(found.share) >= found.size);
    let none = ball(Norm::L2, &[1.0, 0.5, 9.0], "0.99");
    assert_eq!(minimum_norm(&in_ball(&net, &none, 0), &settings, 0, &|| false), None);
}

#[test]
fn a_centre_that_is_wrong_needs_no_perturbation() {
    let net = seeded::affine_net(&[&[1.0], &[-1.0]], &[0.0, 0.0]);
    for norm in [Norm::Linf, Norm::L2] {
        let ball = ball(norm, &[-1.0], "0.5");
        let settings = with(AttackKind::Fab);
        let found = minimum_norm(&in_ball(&net, &ball, 0), &settings, 0, &|| false);
        assert_eq!(found.unwrap().size, q("0"));
    }
}

#[test]
fn an_l2_counterexample_is_judged_exactly() {
    // x ≥ 0.5 violates; the centre is 0.1, so that the distance is 0.4 exactly and no double is at 0.1.
    let net = seeded::affine_net(&[&[-1.0], &[0.0]], &[0.5, 0.0]);
    let at = |eps: &str| Region::ball(Norm::L2, &[q("0.1")], &[q(eps)], None).unwrap();
    let found = |eps| validate(&net, &Property::classification(at(eps), 0, 2), 0, &[0.7]);
    assert!(found("0.4000001").is_some() && found("0.3999999999999").is_none());
    for kind in ATTACKS {
        let found = attack(&in_ball(&net, &at("0.3999999999999"), 0), 0, &with(kind), 0, &|| false);
        assert_eq!(found, None, "{kind}");
    }
}

#[test]
fn budgets_are_kept_and_stop_is_obeyed() {
    // No attack can succeed: one that went on for ever would hang, and `stop` counts how often each looks up.
    let net = seeded::affine_net(&[&[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0]], &[1.0, 0.0, 0.0]);
    for norm in [Norm::Linf, Norm::L2] {
        let ball = ball(norm, &[0.0, 0.0], "1");
        for kind in ATTACKS {
            let looks = Cell::new(0);
            let count = || {
                looks.set(looks.get() + 1);
                false
            };
            let settings = AttackSettings { steps: 10, queries: 50, restarts: 3, ..with(kind) };
            assert_eq!(attack(&in_ball(&net, &ball, 0), 0, &settings, 0, &count), None);
            assert!((1..=60).contains(&looks.get()), "{kind}: {}", looks.get());
            looks.set(0);
            let at_once = || {
                looks.set(looks.get() + 1);
                true
            };
            assert_eq!(attack(&in_ball(&net, &ball, 0), 0, &settings, 0, &at_once), None);
            assert!(looks.get() <= 4, "{kind}: {}", looks.get());
        }
    }
}

/// Networks that no attack can cope with, or that a careless one divides by zero on.
fn hostile() -> Vec<(&'static str, Network, usize)> {
    let dead = Layers::new(2)
        .affine(&[&[1.0, 0.0], &[0.0, 1.0]], &[-1e3, -1e3])
        .relu()
        .affine(&[&[1.0, 1.0], &[-1.0, 1.0], &[0.0, 0.0]], &[1.0, 0.0, 0.0])
        .finish();
    let huge = Layers::new(2)
        .affine(&[&[1e300, -1e300], &[1e300, 1e300]], &[0.0, 0.0])
        .affine(&[&[1e300, 1e300], &[1e300, -1e300]], &[1.0, 0.0])
        .finish();
    let tiny = seeded::affine_net(&[&[5e-324, 0.0], &[0.0, 5e-324], &[0.0, 0.0]], &[1.0, 0.0, 0.0]);
    let equal =
        seeded::affine_net(&[&[1.0, 1.0], &[1.0, 1.0], &[1.0, 1.0], &[1.0, 1.0]], &[0.0; 4]);
    vec![
        ("dead", dead, 3),
        ("overflowing", huge, 2),
        ("underflowing", tiny, 3),
        ("always tied", equal, 4),
        ("of one class", seeded::affine_net(&[&[1.0, 1.0]], &[0.0]), 1),
        ("of two classes", seeded::affine_net(&[&[1.0, 1.0], &[0.0, 0.0]], &[5.0, 0.0]), 2),
        (
            "of three classes",
            seeded::affine_net(&[&[1.0, 1.0], &[0.0, 0.0], &[0.0, 1.0]], &[5.0, 0.0, 0.0]),
            3,
        ),
    ]
}

#[test]
fn hostile_networks_and_regions_break_no_attack() {
    let all = AttackSettings { queries: 60, steps: 12, ..AttackSettings::default().with(&ATTACKS) };
    for (name, net, classes) in hostile() {
        for eps in ["0", "1e-30", "1", "1e300"] {
            for norm in [Norm::Linf, Norm::L2] {
                let ball = ball(norm, &[0.0, 0.0], eps);
                let found = attack(&in_ball(&net, &ball, 0), 0, &all, 0, &|| false);
                if let Some(found) = found {
                    check(&net, &ball, 0, &found);
                }
                let nearest = minimum_norm(&in_ball(&net, &ball, 0), &all, 0, &|| false);
                if let Some(nearest) = nearest {
                    check(&net, &ball, 0, &nearest.counterexample);
                    assert!(classes > 1, "{name}");
                }
            }
        }
    }
}

#[test]
fn a_suite_says_who_broke_what() {
    let net = staircase(16);
    let region = ball(Norm::Linf, &[-0.5; 16], "1");
    let property = Property::classification(region, 0, 2);
    let list = [AttackKind::Fgsm, AttackKind::Square];
    let settings = AttackSettings { restarts: 1, ..AttackSettings::default().with(&list) };
    let outcome = attack_suite(&asked(&net, &property), 0, &settings, 0, &|| false);
    assert_eq!(outcome.broken_by(), [AttackKind::Square]);
    assert!(outcome.broken() && outcome.worst().is_some());
    assert_eq!(
        outcome.worst(),
        attack(&asked(&net, &property), 0, &settings, 0, &|| false).as_ref()
    );
    let none = attack_suite(&asked(&net, &property), 0, &settings, 0, &|| true);
    assert_eq!((none.broken(), none.attacks.len()), (false, 2));
}
