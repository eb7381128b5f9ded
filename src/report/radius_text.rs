//! The report of `certus radius` as text for a terminal.

use super::json::ShareRecord;
use super::radius::{RadiusReport, SpreadRecord};
use super::terminal::{assurance, decimal, grouped, method_text, percent, style, time_text};
use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table};
use std::fmt::Write as _;
use std::path::Path;

/// A report's figures, what they are of, and where the evidence lies. `styled` for colours and bold.
#[must_use]
pub fn radius_text(report: &RadiusReport, dir: Option<&Path>, styled: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let (model, data, settings) =
        (&report.header.model, &report.header.data, &report.header.settings);
    let (classes, parameters, relus) =
        (model.outputs, grouped(model.parameters), grouped(model.relus));
    line(
        "model",
        &format!("{} ({classes} classes, {parameters} parameters, {relus} ReLUs)", model.file),
    );
    line("data", &format!("{} ({} of {} inputs)", data.file, report.rows.len(), data.inputs));
    let (max, step) = (decimal(&settings.max_epsilon), decimal(&settings.step));
    let question = "up to which L∞ perturbation ε does the label hold?";
    line("question", &format!("{question} Asked up to {max}, in steps of {step}"));
    line("method", &method_text(&settings.attack, Some(&settings.method), settings.seed));
    let _ = writeln!(text, "\n{}\n", figures(report, styled));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let (certified, attacked) = (&report.summary.certified, &report.summary.attacked);
    if let (Some(low), Some(high), Some(score)) =
        (certified.mean, attacked.mean, report.summary.robustness_score)
    {
        let cut = format!("cut off at {max}");
        line(
            "meaning",
            &format!("the mean robust radius, {cut}, lies between {low:.5} and {high:.5}"),
        );
        line(
            "score",
            &format!("{score:.4}, the mean of the certified accuracy over ε from 0 to {max}"),
        );
    }
    line(
        "cut off",
        &format!(
            "{} certified up to {max} or further, {} without a counterexample up to there",
            certified.censored, attacked.censored
        ),
    );
    if let Some(level) = report.assurance_level {
        line("assurance", assurance(level));
    }
    line("time", &time_text(&report.timing, report.rows.len()));
    if let Some(dir) = dir {
        let file = dir.join("report.json");
        line("evidence", &file.display().to_string());
    }
    text
}

fn figures(report: &RadiusReport, styled: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).apply_modifier(UTF8_ROUND_CORNERS);
    style(&mut table, styled);
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(["radius", "certified", "attacked", ""].map(bold));
    let clean: &ShareRecord = &report.summary.clean_accuracy;
    let (certified, attacked) = (&report.summary.certified, &report.summary.attacked);
    let mut row = |name: &str, low: String, high: String, meaning: &str| {
        table.add_row(vec![
            bold(name),
            right(low).fg(Color::Green),
            right(high).fg(Color::Cyan),
            Cell::new(meaning),
        ]);
    };
    let number =
        |mean: Option<f64>| mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.5}"));
    let correct = format!("of the {} classified correctly ({})", clean.numerator, percent(clean));
    row("mean", number(certified.mean), number(attacked.mean), "of all inputs, misclassified as 0");
    row("", number(certified.mean_of_correct), number(attacked.mean_of_correct), &correct);
    for at in 0..certified.quantiles.len() {
        let order = 100.0 * certified.quantiles[at].order;
        let name = if order == 50.0 { "median".to_owned() } else { format!("{order:.0} %") };
        let meaning =
            format!("of all inputs have {} at most", if at == 0 { "this radius" } else { "this" });
        let meaning = if order == 50.0 { String::new() } else { meaning };
        row(&name, quantile(certified, at, "≥ "), quantile(attacked, at, "none up to "), &meaning);
    }
    table
}

fn quantile(spread: &SpreadRecord, at: usize, beyond: &str) -> String {
    let quantile = &spread.quantiles[at];
    let mark = if quantile.censored { beyond } else { "" };
    format!("{mark}{:.5}", quantile.radius.value)
}
