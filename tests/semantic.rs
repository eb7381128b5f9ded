//! Semantic perturbations against their definitions in exact arithmetic: what is composed, what is enclosed, what is proved.

mod common;

use certus::internal::attack::AttackSettings;
use certus::internal::audit::Finding;
use certus::internal::audit::semantic::{
    Fill, Patch, Perturbation, PerturbationError, Scene, SemanticError, SemanticQuery, certify,
};
use certus::internal::audit::shift::Image;
use certus::internal::net::{Boxes, Matrix, Network};
use certus::internal::num::{Rational, parse_rational};
use certus::internal::spec::Region;
use certus::internal::verify::{Method, Settings, Verdict, verify};
use common::exact::{at_least, at_most, evaluate, exact};
use common::nets::Choices;
use common::seeded::random_relu_net;
use num_traits::{One, Zero};
use proptest::prelude::*;

const IMAGE: Image = Image { channels: 2, height: 4, width: 4 };
const PIXELS: usize = 16;
const CLASSES: usize = 3;

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

fn ratio(n: u32, d: u32) -> Rational {
    Rational::new(n.into(), d.into())
}

fn domain() -> Vec<(Rational, Rational)> {
    vec![(Rational::zero(), Rational::one()); IMAGE.len()]
}

/// A network of 32 inputs and 3 classes with single-precision weights.
fn network(seed: u64) -> Network {
    random_relu_net(&[IMAGE.len(), 6, CLASSES], seed)
}

fn settings() -> Settings {
    let (attack, timeout) = (AttackSettings::default(), None);
    Settings {
        method: Method::Auto,
        attack,
        seed: 0,
        timeout,
        memory: None,
        lp_tighten: 0,
        work: None,
    }
}

/// Values in k/denominator, many at the ends of the domain, as in images.
fn values(choices: &mut Choices, denominator: u32) -> Vec<Rational> {
    let value = |choices: &mut Choices| match choices.below(4) {
        0 => Rational::zero(),
        1 => Rational::one(),
        _ => ratio(choices.below(denominator + 1), denominator),
    };
    (0..IMAGE.len()).map(|_| value(choices)).collect()
}

fn perturbation(choices: &mut Choices, denominator: u32) -> Perturbation {
    let mut size = || ratio(choices.below(denominator / 2 + 1), denominator);
    let (by, other) = (size(), size());
    let patch = |choices: &mut Choices, most: u32| {
        let (height, width) = (1 + choices.below(most) as usize, 1 + choices.below(most) as usize);
        let top = choices.below(5 - height as u32) as usize;
        let left = choices.below(5 - width as u32) as usize;
        Patch { top, left, height, width }
    };
    match choices.below(7) {
        0 => Perturbation::Brightness { by },
        1 => Perturbation::Contrast { by },
        2 => Perturbation::Light { brightness: by, contrast: other },
        3 => Perturbation::Haze { up_to: by },
        4 => Perturbation::Occlusion { patch: patch(choices, 1), fill: Fill::Anything },
        5 => Perturbation::Occlusion { patch: patch(choices, 4), fill: Fill::Colour },
        _ => Perturbation::Occlusion { patch: patch(choices, 4), fill: Fill::Shadow },
    }
}

/// The perturbed image at p, from the definition.
fn perturbed(x: &[Rational], perturbation: &Perturbation, p: &[Rational]) -> Vec<Rational> {
    let one = Rational::one();
    let mean = |channel: usize| {
        let values = &x[channel * PIXELS..(channel + 1) * PIXELS];
        values.iter().sum::<Rational>() / Rational::from_integer(PIXELS.into())
    };
    let light = |b: &Rational, c: &Rational| -> Vec<Rational> {
        let value = |(i, x): (usize, &Rational)| {
            let m = mean(i / PIXELS);
            &m + (&one + c) * (x - &m) + b
        };
        x.iter().enumerate().map(value).collect()
    };
    let moved = match perturbation {
        Perturbation::Brightness { .. } => light(&p[0], &Rational::zero()),
        Perturbation::Contrast { .. } => light(&Rational::zero(), &p[0]),
        Perturbation::Light { .. } => light(&p[0], &p[1]),
        Perturbation::Haze { .. } => x.iter().map(|x| x + &p[0] * (&one - x)).collect(),
        Perturbation::Occlusion { patch, fill } => {
            let mut next = 0;
            let value = |(i, x): (usize, &Rational)| {
                let (channel, row, column) = (i / PIXELS, i % PIXELS / 4, i % 4);
                let inside = (patch.top..patch.top + patch.height).contains(&row)
                    && (patch.left..patch.left + patch.width).contains(&column);
                match fill {
                    _ if !inside => x.clone(),
                    Fill::Shadow => x * (&one - &p[0]),
                    Fill::Colour => p[channel].clone(),
                    Fill::Anything => {
                        next += 1;
                        p[next - 1].clone()
                    }
                }
            };
            x.iter().enumerate().map(value).collect()
        }
    };
    moved.into_iter().map(|x| x.max(Rational::zero()).min(one.clone())).collect()
}

/// Points of a region with dyadic coordinates: corners, and between.
fn points(choices: &mut Choices, region: &Region) -> Vec<Vec<f64>> {
    let mut point = |steps: u32| -> Vec<f64> {
        let ends = region.lower().iter().zip(region.upper());
        ends.map(|(l, u)| l + (u - l) * f64::from(choices.below(steps + 1)) / f64::from(steps))
            .collect()
    };
    let mut all: Vec<Vec<f64>> = (0..8).map(|k| point(if k < 3 { 1 } else { 16 })).collect();
    all.retain(|p| region.contains(p));
    all
}

fn exactly(p: &[f64]) -> Vec<Rational> {
    p.iter().map(|&p| exact(p)).collect()
}

/// The exact outputs of the network at the perturbed image.
fn outputs(net: &Network, x: &[Rational], perturbation: &Perturbation, p: &[f64]) -> Vec<Rational> {
    evaluate(net, &perturbed(x, perturbation, &exactly(p))).pop().unwrap()
}

proptest! {
    #![proptest_config(common::cases(40))]

    /// Where all constants are dyadic, the composed network is the composition exactly.
    #[test]
    fn dyadic_compositions_are_exact(words in common::nets::words(), seed in any::<u64>()) {
        let mut choices = Choices::new(&words);
        let net = network(seed);
        let (x, domain) = (values(&mut choices, 64), domain());
        let perturbation = perturbation(&mut choices, 64);
        let scene = Scene { image: IMAGE, values: &x, domain: Some(&domain) };
        let asked = SemanticQuery::new(&net, &scene, 0, &perturbation).unwrap();
        for p in points(&mut choices, &asked.query.property().claims[0].region) {
            let composed = evaluate(asked.query.network(), &exactly(&p)).pop().unwrap();
            prop_assert_eq!(composed, outputs(&net, &x, &perturbation, &p), "{}", perturbation);
            let image = asked.image(&p);
            let expected = perturbed(&x, &perturbation, &exactly(&p));
            let far = |(a, b): (&f64, &Rational)| exact(*a) != *b;
            prop_assert!(!image.iter().zip(&expected).any(far));
        }
    }

    /// Where they are not, every enclosure holds the exact composition: at points, and over the whole box.
    #[test]
    fn roundings_are_charged(words in common::nets::words(), seed in any::<u64>()) {
        let mut choices = Choices::new(&words);
        let net = network(seed);
        let (x, domain) = (values(&mut choices, 255), domain());
        let perturbation = perturbation(&mut choices, 10);
        let scene = Scene { image: IMAGE, values: &x, domain: Some(&domain) };
        let asked = SemanticQuery::new(&net, &scene, 0, &perturbation).unwrap();
        let region = &asked.query.property().claims[0].region;
        let whole = asked.query.network().enclose(&region.boxes());
        for p in points(&mut choices, region) {
            let here = asked.query.network().enclose(&Boxes::points(&Matrix::from_column_slice(p.len(), 1, &p)));
            let value = outputs(&net, &x, &perturbation, &p);
            for enclosure in [&whole, &here] {
                let boxes = enclosure.node(asked.query.network().output());
                for (j, y) in value.iter().enumerate() {
                    prop_assert!(at_least(y, boxes.lower[j]) && at_most(y, boxes.upper[j]), "{}", perturbation);
                }
            }
        }
    }

    /// What is proved holds at every sampled parameter in exact arithmetic; what refutes does so in exact arithmetic.
    #[test]
    fn verdicts_hold_exactly(words in common::nets::words(), seed in any::<u64>()) {
        let mut choices = Choices::new(&words);
        let net = network(seed);
        let (x, domain) = (values(&mut choices, 255), domain());
        let perturbation = perturbation(&mut choices, 10);
        let scene = Scene { image: IMAGE, values: &x, domain: Some(&domain) };
        let label = {
            let y = evaluate(&net, &x).pop().unwrap();
            (0..CLASSES).max_by_key(|&j| y[j].clone()).unwrap()
        };
        let asked = SemanticQuery::new(&net, &scene, label, &perturbation).unwrap();
        let holds = |p: &[f64]| {
            let y = outputs(&net, &x, &perturbation, p);
            (0..CLASSES).all(|j| j == label || y[label] > y[j])
        };
        let region = &asked.query.property().claims[0].region;
        match verify(&asked.query, &settings(), &|| false).verdict {
            Verdict::Certified(_) => {
                for p in points(&mut choices, region) {
                    prop_assert!(holds(&p), "{} at {:?}", perturbation, p);
                }
            }
            Verdict::Falsified(found) => {
                prop_assert!(region.contains(found.input()) && !holds(found.input()), "{}", perturbation);
            }
            // Seldom: see the test below.
            Verdict::Unknown(_) => {}
        }
    }
}

#[test]
fn few_parameters_are_decided_both_ways() {
    let (mut certified, mut falsified) = (0, 0);
    for seed in 0..12 {
        let net = network(seed);
        let words: Vec<u32> = (0..9).map(|k| seed as u32 * 77 + k).collect();
        let x = values(&mut Choices::new(&words), 255);
        let domain = domain();
        let scene = Scene { image: IMAGE, values: &x, domain: Some(&domain) };
        let y = net.evaluate(&Matrix::from_iterator(
            IMAGE.len(),
            1,
            x.iter().map(certus::internal::num::to_f64_nearest),
        ));
        let label = (0..CLASSES).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap();
        let covered = Patch::squares(IMAGE, 2, 2)
            .into_iter()
            .map(|patch| Perturbation::Occlusion { patch, fill: Fill::Shadow });
        for all in [
            vec![Perturbation::Brightness { by: q("0.3") }],
            vec![Perturbation::Light { brightness: q("1/10"), contrast: q("1/2") }],
            vec![Perturbation::Haze { up_to: q("0.2") }],
            covered.collect(),
        ] {
            let found =
                certify(&net, &scene, label, &all, &settings(), &|| false).unwrap().unwrap();
            match found.finding {
                Finding::Certified(_) => {
                    certified += 1;
                    let shown = (seed, &all[0], found.bound, &found.stage);
                    assert!(found.bound.unwrap() >= 0.0 && found.broken.is_none(), "{shown:?}");
                }
                Finding::Falsified => {
                    falsified += 1;
                    let broken = found.broken.unwrap();
                    let image = Matrix::from_column_slice(IMAGE.len(), 1, &broken.image);
                    let y = net.evaluate(&image);
                    let beaten = (0..CLASSES).any(|j| j != label && y[j] > y[label] - 1e-9);
                    assert!(beaten && broken.image.iter().all(|x| (0.0..=1.0).contains(x)));
                    assert!(broken.perturbation < all.len());
                }
                other => panic!("{}: {other:?}", all[0]),
            }
        }
    }
    assert!(certified >= 5 && falsified >= 5, "{certified} certified, {falsified} falsified");
}

#[test]
fn what_does_not_fit_is_refused() {
    let (net, x, domain) = (network(1), vec![Rational::zero(); IMAGE.len()], domain());
    let scene = Scene { image: IMAGE, values: &x, domain: Some(&domain) };
    let refused = |scene: &Scene, perturbation: Perturbation| {
        let error = SemanticQuery::new(&net, scene, 0, &perturbation).unwrap_err();
        match error {
            SemanticError::Perturbation(error) => error,
            other => panic!("{other}"),
        }
    };
    let size = |perturbation| {
        assert!(matches!(refused(&scene, perturbation), PerturbationError::Size { .. }));
    };
    size(Perturbation::Brightness { by: q("-0.1") });
    size(Perturbation::Contrast { by: q("1.1") });
    size(Perturbation::Haze { up_to: q("2") });
    let patch = Patch { top: 3, left: 0, height: 2, width: 1 };
    let outside = refused(&scene, Perturbation::Occlusion { patch, fill: Fill::Shadow });
    assert!(outside.to_string().contains("row 3"), "{outside}");
    let open = Scene { domain: None, ..scene };
    let haze = refused(&open, Perturbation::Haze { up_to: q("0.1") });
    assert_eq!(haze, PerturbationError::NeedsDomain("haze"));
    let short = Scene { values: &x[1..], ..scene };
    let length = refused(&short, Perturbation::Brightness { by: q("0.1") });
    assert!(matches!(length, PerturbationError::Length { found: 31, expected: 32, .. }));
    let mut tiny = x.clone();
    tiny[3] = q("1e-320");
    let tiny = Scene { values: &tiny, ..scene };
    let error = SemanticQuery::new(&net, &tiny, 0, &Perturbation::Brightness { by: q("0.1") });
    assert!(matches!(error, Err(SemanticError::Tiny(_))));
    let other = random_relu_net(&[5, 3], 0);
    let error = SemanticQuery::new(&other, &scene, 0, &Perturbation::Brightness { by: q("0.1") });
    assert!(matches!(error, Err(SemanticError::Network(_))));
}

#[test]
fn without_a_domain_nothing_is_cut() {
    let (net, x) = (network(2), vec![Rational::one(); IMAGE.len()]);
    let scene = Scene { image: IMAGE, values: &x, domain: None };
    let query = SemanticQuery::new(&net, &scene, 0, &Perturbation::Brightness { by: q("1/2") });
    assert_eq!(query.unwrap().image(&[0.5]), vec![1.5; IMAGE.len()]);
}

#[test]
fn squares_cover_the_image() {
    for (side, stride) in [(1, 1), (2, 2), (3, 3), (3, 2), (4, 1)] {
        let squares = Patch::squares(IMAGE, side, stride);
        assert!(squares.iter().all(|square| square.fits(IMAGE)));
        let covered = |row: usize, column: usize| {
            let inside = |s: &Patch| {
                (s.top..s.top + s.height).contains(&row)
                    && (s.left..s.left + s.width).contains(&column)
            };
            squares.iter().any(inside)
        };
        assert!((0..4).all(|row| (0..4).all(|column| covered(row, column))), "{side} {stride}");
    }
    assert_eq!(Patch::squares(IMAGE, 2, 1).len(), 9);
    assert!(Patch::squares(IMAGE, 5, 1).is_empty() && Patch::squares(IMAGE, 0, 1).is_empty());
}
