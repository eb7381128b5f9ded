//! Sampling plans, and models side by side, as text for a terminal.

use super::audit::{ComparisonRecord, MEASURES, side_by_side};
use super::terminal::{bold, grouped, percent, right, table};
use super::{AuditReport, PlanAnswer};
use comfy_table::Cell;
use comfy_table::presets::UTF8_FULL_CONDENSED;

/// How many inputs it takes.
pub(crate) fn plan_text(plan: &PlanAnswer, styled: bool) -> String {
    let level = format!("{} %", 100.0 * plan.confidence);
    let mut text = format!(
        "To show a share of at least {} by the lower end of a two-sided {level} interval (Clopper–Pearson):\n\n",
        exact_percent(plan.share)
    );
    let mut rows = table(UTF8_FULL_CONDENSED, styled);
    let mut header = vec!["may fail", "inputs", "share found", "lower bound"];
    if plan.expected.is_some() {
        header.push("probability");
    }
    rows.set_header(header.into_iter().map(bold));
    for row in &plan.rows {
        let found = (row.inputs - row.failures) as f64 / row.inputs as f64;
        let mut cells = vec![
            right(row.failures),
            right(grouped(row.inputs)),
            right(percent(Some(found))),
            right(format!("{:.2} %", 100.0 * row.lower_bound)),
        ];
        cells.extend(plan.expected.map(|_| right(percent(row.power))));
        rows.add_row(cells);
    }
    text += &format!("{rows}\n");
    if let Some(expected) = plan.expected {
        text += &format!(
            "\nprobability: that at most so many fail, where the true share is {}\n",
            exact_percent(expected)
        );
    }
    if let (Some(row), Some(power)) = (plan.chosen, plan.wanted_power) {
        text += &format!(
            "for a probability of at least {}: {} inputs, of which {} may fail (probability {})\n",
            exact_percent(power),
            grouped(row.inputs),
            grouped(row.failures),
            percent(row.power)
        );
    }
    text + "inputs are taken to be a random sample of those that the model will meet\n"
}

/// A percentage with the digits that it has.
fn exact_percent(share: f64) -> String {
    format!("{} %", (1e6 * share).round() / 1e4)
}

/// Models side by side.
pub(crate) fn side_text(report: &AuditReport, styled: bool) -> String {
    let sides = side_by_side(report);
    let shown = |at: &usize| sides.iter().any(|side| side.values[*at].is_some());
    let shown: Vec<usize> = (0..MEASURES.len()).filter(shown).collect();
    let mut rows = table(UTF8_FULL_CONDENSED, styled);
    let header = ["model", "n", "ε"].into_iter().chain(shown.iter().map(|&at| MEASURES[at].1));
    rows.set_header(header.map(bold));
    for side in &sides {
        let first =
            [Cell::new(side.model), right(side.n), right(side.epsilon.as_deref().unwrap_or("–"))];
        let values = shown.iter().map(|&at| {
            right(side.values[at].map_or_else(|| "–".to_owned(), |value| format!("{value:.3}")))
        });
        rows.add_row(first.into_iter().chain(values).collect::<Vec<_>>());
    }
    let mut text = format!("{rows}\n");
    // Of many comparisons those that show a difference.
    let few = report.comparisons.len() <= 9;
    let shows = |record: &&ComparisonRecord| few || record.adjusted < 0.05;
    let told = report.comparisons.iter().filter(shows);
    for record in told.clone() {
        let radius = record.epsilon.as_ref().map_or(String::new(), |eps| format!(" at ε = {eps}"));
        let paired = &record.paired;
        text += &format!(
            "{} against {}, {}{radius}: {} inputs only the first, {} only the second, of {}; p = {:.4}, adjusted {:.4} (exact McNemar, Holm)\n",
            record.first,
            record.second,
            record.measure,
            paired.only_first,
            paired.only_second,
            paired.n,
            paired.p_value,
            record.adjusted
        );
    }
    let others = report.comparisons.len() - told.count();
    if others > 0 {
        text += &format!(
            "{others} other comparisons show no difference (adjusted p of 0.05 or more); the page has all\n"
        );
    }
    text
}
