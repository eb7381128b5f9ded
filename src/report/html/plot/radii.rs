//! The distribution of radii: how many inputs are certified, and how many unbroken, up to every radius.

use super::{Axis, Frame, Picture, at};
use crate::report::audit::{RadiiRecord, SubjectRecord};
use crate::report::html::text;
use maud::html;

/// Two falling staircases: the share of inputs whose certified radius, and whose distance to the nearest counterexample found,
/// reaches at least r.
pub(in crate::report::html) fn radii(
    subject: &SubjectRecord,
    unit: &str,
    id: &str,
) -> Option<Picture> {
    let found = subject.radius.as_ref().filter(|found| found.inputs > 0 && found.up_to > 0.0)?;
    let frame = Frame {
        left: 46.0,
        right: 330.0,
        top: 24.0,
        bottom: 200.0,
        x: (0.0, found.up_to),
        y: (0.0, 1.0),
    };
    let below = stairs(found, 0);
    let above = stairs(found, 1);
    let ring: Vec<(f64, f64)> = above.iter().chain(below.iter().rev()).copied().collect();
    let tick = |n: u32| {
        let value = found.up_to * f64::from(n) / 4.0;
        (value, format!("{}", (value * 1e6).round() / 1e6))
    };
    let name = if unit.is_empty() { "radius r".to_owned() } else { format!("radius r ({unit})") };
    let x = Axis { name, ticks: (0..=4).map(tick).collect() };
    let drawing = html! {
        (frame.axes(&x, &Axis::percent("share of inputs with a radius of at least r")))
        polygon.band points=(frame.points(&ring)) {}
        polyline.line.l-broken points=(frame.points(&above)) {}
        polyline.line.l-certified points=(frame.points(&below)) {}
        @for (value, class) in [(found.certified.mean, "line dash l-certified"), (found.attacked.mean, "line dash l-broken")] {
            @if let Some(value) = value {
                line class=(class) x1=(at(frame.across(value))) x2=(at(frame.across(value))) y1=(at(frame.top)) y2=(at(frame.bottom)) {
                    title { "mean " (text::number(Some(value))) }
                }
            }
        }
    };
    Some(Picture {
        id: id.to_owned(),
        size: (344.0, 240.0),
        title: format!("{} on {}: distribution of radii", subject.model, subject.data),
        words: format!(
            "Mean certified radius {}, mean distance of the nearest counterexample found {}, both cut off at {}.",
            text::number(found.certified.mean),
            text::number(found.attacked.mean),
            found.up_to
        ),
        caption: html! { b { (subject.model) } " on " (subject.data) ", n = " (found.inputs) },
        drawing,
    })
}

/// The corners of a staircase, from radius 0 to the largest; end 0 is certified, end 1 attacked.
fn stairs(found: &RadiiRecord, end: usize) -> Vec<(f64, f64)> {
    let missing = if end == 0 { 0.0 } else { f64::INFINITY };
    let mut radii: Vec<f64> =
        found.brackets.iter().map(|bracket| bracket[end].unwrap_or(missing)).collect();
    radii.sort_by(f64::total_cmp);
    let share = |count: usize| count as f64 / found.inputs as f64;
    let mut left = radii.len();
    let mut corners = vec![(0.0, share(left))];
    for radius in radii.into_iter().take_while(|radius| *radius < found.up_to) {
        corners.push((radius, share(left)));
        left -= 1;
        corners.push((radius, share(left)));
    }
    corners.push((found.up_to, share(left)));
    corners
}
