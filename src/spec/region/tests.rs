//! Membership at the exact boundary, and projections that are members.

use super::*;
use crate::num::parse_rational;
use proptest::prelude::*;

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

/// Membership by the exact size.
fn holds(ball: &Region, x: &[Rational]) -> bool {
    ball.size(x).is_some_and(|size| size <= q("1"))
}

fn linf(
    centre: &[Rational],
    radii: &[Rational],
    domain: Option<&[(Rational, Rational)]>,
) -> Result<Region, RegionError> {
    Region::ball(Norm::Linf, centre, radii, domain)
}

#[test]
fn doubles_are_the_numbers_that_they_are() {
    let region = Region::from_f64(&[0.1, -1.0], &[0.1, 2.0]).unwrap();
    assert!(region.contains(&[0.1, 0.0]) && !region.contains(&[0.1f64.next_up(), 0.0]));
    let refused = |lower: &[f64], upper: &[f64]| Region::from_f64(lower, upper).unwrap_err();
    assert!(matches!(refused(&[1.0], &[0.0]), RegionError::Empty { input: 0, .. }));
    assert!(matches!(refused(&[1.0], &[]), RegionError::Length { .. }));
    assert_eq!(refused(&[0.0, 0.0], &[1.0, f64::INFINITY]), RegionError::NotFinite(1));
    assert_eq!(refused(&[f64::NAN], &[1.0]), RegionError::NotFinite(0));
}

#[test]
fn the_ball_is_rounded_outward_and_clipped_exactly() {
    let domain = vec![(q("0"), q("1")); 2];
    let ball = linf(&[q("0.1"), q("1")], &[q("8/255"), q("8/255")], Some(&domain)).unwrap();
    assert!(ball.lower()[0] < 0.1 - 8.0 / 255.0 + 1e-15 && ball.upper()[1] == 1.0);
    assert!(ball.contains(&[0.1, 1.0]) && !ball.contains(&[0.1, 1.0f64.next_up()]));
}

#[test]
fn a_point_that_is_no_float_has_no_projection() {
    let region = Region::from_bounds(&[(q("0.1"), q("0.1")), (q("0.5"), q("0.5"))]).unwrap();
    assert!(region.lower()[0] < region.upper()[0]);
    assert!(!region.contains(&[0.1, 0.5]));
    let projected = region.project(&[0.1, 0.7]).unwrap();
    assert_eq!(projected, vec![None, Some(0.5)]);
    assert_eq!(region.exact(&projected), Some(vec![q("0.1"), q("0.5")]));
    assert_eq!(region.exact(&[None, Some(f64::NAN)]), None);
}

#[test]
fn projections_are_single_precision_inside_the_exact_box() {
    let region = Region::from_bounds(&[(q("0.6"), q("0.6799"))]).unwrap();
    let at = region.project(&[0.0]).unwrap()[0].unwrap();
    assert_eq!(at, f64::from(0.6f32));
    assert!(region.contains(&[at]) && !region.contains(&[0.6f64.next_down()]));
}

#[test]
fn bad_bounds_are_refused() {
    assert!(matches!(
        Region::from_bounds(&[(q("1"), q("0"))]),
        Err(RegionError::Empty { input: 0, .. })
    ));
    assert!(matches!(linf(&[q("1")], &[], None), Err(RegionError::Length { .. })));
    assert!(matches!(linf(&[q("1")], &[q("-1")], None), Err(RegionError::NegativeRadius(0))));
}

#[test]
fn membership_is_exact() {
    let domain = [(q("0"), q("1")), (q("0"), q("1"))];
    let ball = Region::ball(Norm::L2, &[q("0.3"), q("0.4")], &[q("0.5"), q("0.5")], Some(&domain));
    let ball = ball.unwrap();
    assert!(holds(&ball, &[q("0"), q("0")]), "0.3² + 0.4² is 0.5² exactly");
    assert!(!holds(&ball, &[q("0"), q("1/100000000000000000000")].map(|x| -x)));
    assert!(!holds(&ball, &[q("0.7"), q("0.70000000000000000000000001")]));
    assert!(holds(&ball, &[q("0.6"), q("0.8")]));
    assert_eq!(ball.size(&[q("0.3"), q("0.65")]), Some(q("0.25")));
    assert_eq!(ball.size(&[q("0.3")]), None);
}

#[test]
fn a_feature_of_radius_zero_is_fixed() {
    for norm in [Norm::Linf, Norm::L2] {
        let ball = Region::ball(norm, &[q("0.1"), q("0")], &[q("0"), q("1")], None).unwrap();
        assert!(holds(&ball, &[q("0.1"), q("1")]));
        assert!(!holds(&ball, &[q("0.100000001"), q("0")]));
        let at = ball.project(&[9.0, 0.5]).unwrap();
        assert_eq!(at, [None, Some(0.5)]);
        assert_eq!(ball.exact(&at).unwrap()[0], q("0.1"));
    }
}

proptest! {
    /// What is projected lies in the exact ball, wherever it came from.
    #[test]
    fn projections_are_members(
        centre in prop::collection::vec(0u32..256, 5),
        x in prop::collection::vec(-0.5..1.5f64, 5),
        eps in 1u32..2000,
    ) {
        let centre: Vec<Rational> = centre.iter().map(|c| q(&format!("{c}/255"))).collect();
        let radii = vec![q(&format!("{eps}/1000")); 5];
        let domain = vec![(q("0"), q("1")); 5];
        for norm in [Norm::Linf, Norm::L2] {
            let ball = Region::ball(norm, &centre, &radii, Some(&domain)).unwrap();
            let projected = ball.project(&x).unwrap();
            prop_assert!(holds(&ball, &ball.exact(&projected).unwrap()));
        }
    }
}
