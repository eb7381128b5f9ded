//! The reports of `certus certify`, `attack` and `radius` as text for a terminal.

use super::terminal::{
    Text, assurance, bold, counts, decimal, grouped, percent, right, seconds, table,
};
use super::{AttackRecord, CampaignSettings, Header, RadiusReport, Report, Timing};
use crate::audit::Share;
use crate::audit::radius::Spread;
use crate::net::Semantics;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Attribute, Cell, Color, Table};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A report's figures, and where the evidence lies. `styled` for colours and bold.
pub(crate) fn report_text(report: &Report, dir: Option<&Path>, styled: bool) -> String {
    let mut text = Text::default();
    text.block(figures(report, styled));
    let summary = &report.summary;
    if let Some(certified) = &summary.certified {
        text.line("meaning", bracket(certified, &summary.adversarial));
    }
    if !summary.stages.is_empty() {
        text.line("decided by", counts(&summary.stages, " · "));
    }
    if !summary.reasons.is_empty() && summary.certified.is_some() {
        text.line("undecided", counts(&summary.reasons, " · "));
    }
    if let Some(level) = report.assurance_level {
        text.line("assurance", assurance(level, &report.header.semantics));
    }
    if !summary.attacks.is_empty() {
        text.line("broken by", successes(&summary.attacks));
    }
    text.line("time", time(&report.timing, report.rows.len()));
    if let Some(dir) = dir {
        text.line("evidence", evidence(report, dir));
    }
    text.0
}

/// The same of a search for radii.
pub(crate) fn radius_text(report: &RadiusReport, dir: Option<&Path>, styled: bool) -> String {
    let settings = &report.header.settings;
    let max = settings.max_epsilon.as_ref().map(decimal).unwrap_or_default();
    let mut text = Text::default();
    text.block(radii(report, styled));
    let (certified, attacked) = (&report.summary.certified, &report.summary.attacked);
    if let (Some(low), Some(high), Some(score)) =
        (certified.mean, attacked.mean, report.summary.robustness_score)
    {
        text.line(
            "meaning",
            format!(
                "the mean robust radius, cut off at {max}, lies between {low:.5} and {high:.5}"
            ),
        );
        text.line(
            "score",
            format!("{score:.4}, the mean of the certified accuracy over ε from 0 to {max}"),
        );
    }
    let (further, whole) = (certified.censored, attacked.censored);
    text.line(
        "cut off",
        format!(
            "{further} certified up to {max} or further, {whole} without a counterexample up to there"
        ),
    );
    if let Some(level) = report.assurance_level {
        text.line("assurance", assurance(level, &report.header.semantics));
    }
    text.line("time", time(&report.timing, report.rows.len()));
    if let Some(dir) = dir {
        text.line("evidence", dir.join("report.json").display());
    }
    text.0
}

/// What is asked of so many inputs, and how: what is said before the work begins.
pub(crate) fn head_text(header: &Header, rows: usize) -> String {
    let Header { model, data, settings, .. } = header;
    let mut text = Text::default();
    let (parameters, relus) = (grouped(model.parameters), grouped(model.relus));
    text.line(
        "model",
        format!(
            "{} ({} classes, {parameters} parameters, {relus} ReLUs)",
            model.file, model.outputs
        ),
    );
    let shard = settings.shard.map(|shard| format!("; shard {shard} of these"));
    let asked = format!("{rows} of {} inputs{}", data.inputs, shard.unwrap_or_default());
    text.line("data", format!("{} ({asked})", data.file));
    if header.semantics == Semantics::Float32.to_string() {
        text.line("arithmetic", "float32, whatever the order of its sums (docs/semantics.md)");
    }
    if let Some(as_read) = &header.as_read {
        as_read.lines(&mut text);
    }
    text.line("question", question(settings));
    let attack = match settings.attack.kind.as_str() {
        "none" => "no attack".to_owned(),
        kind => format!("attack {} ({})", kind.replace(',', ", "), budget(&settings.attack)),
    };
    let method = settings.method.as_ref().map(|method| format!(", then bounds ({method})"));
    text.line("method", format!("{attack}{}; seed {}", method.unwrap_or_default(), settings.seed));
    text.0
}

/// The question in words.
fn question(settings: &CampaignSettings) -> String {
    let norm = match settings.norm.as_str() {
        "linf" => "L∞",
        "l2" => "L2",
        other => other,
    };
    let number = |exact: &Option<_>| exact.as_ref().map(decimal).unwrap_or_default();
    if settings.max_epsilon.is_none() {
        let epsilon = number(&settings.epsilon);
        return format!("does the label hold under every {norm} perturbation up to ε = {epsilon}?");
    }
    let (max, step) = (number(&settings.max_epsilon), number(&settings.step));
    format!(
        "up to which {norm} perturbation ε does the label hold? Asked up to {max}, in steps of {step}"
    )
}

/// What the attacks might spend, as far as it concerns them: "2 starts of 40 steps".
fn budget(attack: &AttackRecord) -> String {
    let kinds: Vec<&str> = attack.kind.split(',').collect();
    let mut spent = Vec::new();
    if kinds.iter().any(|kind| !["fgsm", "square"].contains(kind)) {
        spent.push(format!("{} steps", attack.steps));
    }
    if kinds.contains(&"square") {
        spent.push(format!("{} queries", attack.queries));
    }
    let of = if spent.is_empty() { String::new() } else { format!(" of {}", spent.join(", ")) };
    format!("{} starts{of}", attack.restarts)
}

fn figures(report: &Report, styled: bool) -> Table {
    let summary = &report.summary;
    let mut table = table(UTF8_BORDERS_ONLY, styled);
    let mut row = |name: &str, share: &Share, colour: Color, meaning: &str| {
        let percent = right(percent(share.value())).add_attribute(Attribute::Bold).fg(colour);
        let count = right(format!("{} / {}", share.count, share.total));
        table.add_row(vec![bold(name), count, percent, Cell::new(meaning)]);
    };
    let unattacked = report.header.settings.attack.kind == "none";
    row("clean accuracy", &summary.clean, Color::Reset, "classified correctly");
    row(
        "adversarial accuracy",
        &summary.adversarial,
        Color::Cyan,
        if unattacked { "correct (no attack was run)" } else { "correct, no counterexample found" },
    );
    if let Some(certified) = &summary.certified {
        row("certified accuracy", certified, Color::Green, "proved for every perturbation");
    }
    if let Some(undecided) = &summary.undecided {
        row("undecided", undecided, Color::Yellow, "neither broken nor proved");
    }
    row("attack success rate", &summary.attack_success, Color::Red, "of the correct ones, broken");
    table
}

fn radii(report: &RadiusReport, styled: bool) -> Table {
    let mut table = table(UTF8_BORDERS_ONLY, styled);
    table.set_header(["radius", "certified", "attacked", ""].map(bold));
    let clean = &report.summary.clean;
    let (certified, attacked) = (&report.summary.certified, &report.summary.attacked);
    let mut row = |name: &str, low: String, high: String, meaning: &str| {
        let (low, high) = (right(low).fg(Color::Green), right(high).fg(Color::Cyan));
        table.add_row(vec![bold(name), low, high, Cell::new(meaning)]);
    };
    let number =
        |mean: Option<f64>| mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.5}"));
    let correct =
        format!("of the {} classified correctly ({})", clean.count, percent(clean.value()));
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

fn quantile(spread: &Spread, at: usize, beyond: &str) -> String {
    let quantile = &spread.quantiles[at];
    let mark = if quantile.censored { beyond } else { "" };
    format!("{mark}{:.5}", quantile.radius.value)
}

/// What the two accuracies say together.
fn bracket(certified: &Share, adversarial: &Share) -> String {
    let low = percent(certified.value());
    if certified.count == adversarial.count {
        return format!("the robust accuracy on these inputs is {low}");
    }
    let high = percent(adversarial.value());
    format!("the robust accuracy on these inputs lies between {low} and {high}")
}

/// Attacks that were run side by side, the strongest first.
fn successes(attacks: &BTreeMap<String, Share>) -> String {
    let broken = attacks.iter().map(|(kind, share)| (kind.clone(), share.count));
    counts(&broken.collect(), " · ")
}

fn time(timing: &Timing, rows: usize) -> String {
    let (jobs, resumed) = (timing.jobs, timing.resumed_rows);
    let word = if jobs == 1 { "job" } else { "jobs" };
    let mut text = format!("{} with {jobs} {word}", seconds(timing.wall_seconds));
    if rows > 0 {
        let mean = timing.input_seconds / rows as f64;
        let _ = write!(text, "; {} an input on average", seconds(mean));
    }
    if resumed > 0 {
        let _ = write!(text, "; {} inputs now, {resumed} earlier", rows - resumed);
    }
    text
}

fn evidence(report: &Report, dir: &Path) -> String {
    let file = dir.join("report.json");
    match report.rows.iter().filter(|row| row.counterexample.is_some()).count() {
        0 => file.display().to_string(),
        n => format!(
            "{}, and {n} {} in {}",
            file.display(),
            if n == 1 { "counterexample" } else { "counterexamples" },
            dir.join("counterexamples").display()
        ),
    }
}
