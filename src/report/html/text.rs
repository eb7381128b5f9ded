//! Numbers as a reader likes them.

use crate::audit::Exact;
use crate::audit::interval::{Counted, Interval};
use crate::num::parse_rational;
use crate::report::terminal::grouped;
pub(super) use crate::report::terminal::{percent, seconds};

/// A count's share in percent.
pub(super) fn share(count: &Counted) -> String {
    percent(count.value)
}

/// An interval in percent.
pub(super) fn interval(interval: Option<&Interval>) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |ends| format!("{:.1}–{:.1} %", 100.0 * ends.low, 100.0 * ends.high),
    )
}

/// A count with everything: 93 / 100 = 93.0 % (95 % interval 86.1–97.1 %).
pub(super) fn full(count: &Counted) -> String {
    format!(
        "{} of {}, {} (95 % interval {})",
        grouped(count.count),
        grouped(count.total),
        share(count),
        interval(count.interval.as_ref())
    )
}

/// A number with three digits behind the point, or a dash.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// A text of the plan, if it has one.
pub(super) fn stated(text: &str) -> &str {
    if text.is_empty() { "not stated" } else { text }
}

/// A radius: a decimal where that is exact, a fraction such as 8/255 as it is.
pub(super) fn radius(exact: &str, value: f64) -> String {
    Exact { exact: exact.to_owned(), value }.to_string()
}

/// A radius given by its exact text alone.
pub(super) fn radius_of(exact: &str) -> String {
    parse_rational(exact).map_or_else(|_| exact.to_owned(), |q| Exact::from(&q).to_string())
}

/// "1 input", "2 inputs".
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Sides of a tensor: 1 × 28 × 28.
pub(super) fn shape(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}
