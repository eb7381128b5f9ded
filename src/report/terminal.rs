//! Reports as text for a terminal.

use super::{
    AttackRecord, AuditReport, CountRecord, Decimal, Inspection, Level, Rendered, Report,
    ShareRecord, Timing,
};
use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::{UTF8_BORDERS_ONLY, UTF8_FULL_CONDENSED};
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A report's figures, what they are of, and where the evidence lies. `styled` for colours and bold.
#[must_use]
pub fn report_text(report: &Report, dir: Option<&Path>, styled: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let (model, data) = (&report.header.model, &report.header.data);
    line(
        "model",
        &format!(
            "{} ({} classes, {} parameters, {} ReLUs)",
            model.file,
            model.outputs,
            grouped(model.parameters),
            grouped(model.relus)
        ),
    );
    line("data", &format!("{} ({} of {} inputs)", data.file, report.rows.len(), data.inputs));
    line("question", &question(report));
    line("method", &method(report));
    text.push('\n');
    let _ = writeln!(text, "{}\n", figures(report, styled));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    if let Some(certified) = &report.summary.certified_accuracy {
        line("meaning", &bracket(certified, &report.summary.adversarial_accuracy));
    }
    if !report.summary.stages.is_empty() {
        line("decided by", &counts(&report.summary.stages));
    }
    if !report.summary.reasons.is_empty() && report.summary.certified_accuracy.is_some() {
        line("undecided", &counts(&report.summary.reasons));
    }
    if let Some(level) = report.assurance_level {
        line("assurance", assurance(level));
    }
    if !report.summary.attacks.is_empty() {
        line("broken by", &successes(&report.summary.attacks));
    }
    line("time", &time_text(&report.timing, report.rows.len()));
    if let Some(dir) = dir {
        line("evidence", &evidence(report, dir));
    }
    text
}

fn question(report: &Report) -> String {
    let epsilon = decimal(&report.header.settings.epsilon);
    let norm = match report.header.settings.norm.as_str() {
        "linf" => "L∞",
        "l2" => "L2",
        other => other,
    };
    format!("does the label hold under every {norm} perturbation up to ε = {epsilon}?")
}

fn method(report: &Report) -> String {
    let settings = &report.header.settings;
    method_text(&settings.attack, settings.method.as_deref(), settings.seed)
}

pub(super) fn method_text(attack: &AttackRecord, method: Option<&str>, seed: u64) -> String {
    let mut text = match attack.kind.as_str() {
        "none" => "no attack".to_owned(),
        kind => format!("attack {} ({})", kind.replace(',', ", "), budget(attack)),
    };
    if let Some(method) = method {
        let _ = write!(text, ", then bounds ({method})");
    }
    let _ = write!(text, "; seed {seed}");
    text
}

/// Attacks that were run side by side, the strongest first.
fn successes(attacks: &BTreeMap<String, ShareRecord>) -> String {
    let mut attacks: Vec<_> = attacks.iter().collect();
    attacks.sort_by_key(|(_, share)| std::cmp::Reverse(share.numerator));
    let counts: Vec<String> =
        attacks.iter().map(|(kind, share)| format!("{kind} {}", share.numerator)).collect();
    counts.join(" · ")
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

/// A fraction such as 8/255 as it is; a decimal as such.
pub(super) fn decimal(number: &Decimal) -> String {
    let as_double = format!("{}", number.value);
    let same = crate::num::parse_rational(&as_double).is_ok_and(|q| q.to_string() == number.exact);
    if same { as_double } else { format!("{} ≈ {:.6}", number.exact, number.value) }
}

fn figures(report: &Report, styled: bool) -> Table {
    let summary = &report.summary;
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).apply_modifier(UTF8_ROUND_CORNERS);
    style(&mut table, styled);
    let mut row = |name: &str, share: &ShareRecord, colour: Color, meaning: &str| {
        table.add_row(vec![
            Cell::new(name).add_attribute(Attribute::Bold),
            Cell::new(format!("{} / {}", share.numerator, share.denominator))
                .set_alignment(CellAlignment::Right),
            Cell::new(percent(share))
                .set_alignment(CellAlignment::Right)
                .add_attribute(Attribute::Bold)
                .fg(colour),
            Cell::new(meaning),
        ]);
    };
    let unattacked = report.header.settings.attack.kind == "none";
    row("clean accuracy", &summary.clean_accuracy, Color::Reset, "classified correctly");
    row(
        "adversarial accuracy",
        &summary.adversarial_accuracy,
        Color::Cyan,
        if unattacked { "correct (no attack was run)" } else { "correct, no counterexample found" },
    );
    if let Some(certified) = &summary.certified_accuracy {
        row("certified accuracy", certified, Color::Green, "proved for every perturbation");
    }
    if let Some(undecided) = &summary.undecided {
        row("undecided", undecided, Color::Yellow, "neither broken nor proved");
    }
    row(
        "attack success rate",
        &summary.attack_success_rate,
        Color::Red,
        "of the correct ones, broken",
    );
    table
}

/// An audit's figures, and where the report lies.
#[must_use]
pub fn audit_text(report: &AuditReport, rendered: &Rendered, styled: bool) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    style(&mut table, styled);
    let header = ["model", "data", "ε", "n", "clean", "not broken", "certified", "undecided"];
    table.set_header(header.map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    for subject in &report.subjects {
        for cell in &subject.cells {
            let share = |count: &CountRecord| {
                let value =
                    count.value.map_or_else(|| "–".to_owned(), |v| format!("{:.1} %", 100.0 * v));
                Cell::new(value).set_alignment(CellAlignment::Right)
            };
            let exact = Decimal { exact: cell.epsilon.clone(), value: cell.epsilon_value };
            table.add_row(vec![
                Cell::new(&subject.model),
                Cell::new(&subject.data),
                Cell::new(decimal(&exact)).set_alignment(CellAlignment::Right),
                Cell::new(cell.clean.total).set_alignment(CellAlignment::Right),
                share(&cell.clean),
                share(&cell.adversarial).fg(Color::Cyan),
                share(&cell.certified).fg(Color::Green),
                share(&cell.undecided).fg(Color::Yellow),
            ]);
        }
    }
    let mut text = format!("{table}\n");
    let met = report.criteria.iter().filter(|criterion| criterion.met).count();
    if !report.criteria.is_empty() {
        let _ = writeln!(text, "criteria   {met} of {} met", report.criteria.len());
    }
    let _ = writeln!(text, "report     {}", rendered.page.display());
    let _ = writeln!(text, "report id  {}", rendered.id);
    text
}

/// What the two accuracies say together.
fn bracket(certified: &ShareRecord, adversarial: &ShareRecord) -> String {
    if certified.numerator == adversarial.numerator {
        return format!("the robust accuracy on these inputs is {}", percent(certified));
    }
    format!(
        "the robust accuracy on these inputs lies between {} and {}",
        percent(certified),
        percent(adversarial)
    )
}

pub(super) fn assurance(level: Level) -> &'static str {
    match level {
        Level::Solver => "solver: trusts an external floating-point solver's word",
        Level::Sound => {
            "sound: over the real numbers, this program's rounding errors accounted for"
        }
        Level::Proved => "proved: an independent checker accepted a proof of each",
    }
}

pub(super) fn time_text(timing: &Timing, rows: usize) -> String {
    let fresh = rows - timing.resumed_rows;
    let mut text = format!(
        "{} with {} {}",
        seconds(timing.wall_seconds),
        timing.jobs,
        if timing.jobs == 1 { "job" } else { "jobs" }
    );
    if rows > 0 {
        let mean = timing.input_seconds / rows as f64;
        let _ = write!(text, "; {} an input on average", seconds(mean));
    }
    if timing.resumed_rows > 0 {
        let _ = write!(text, "; {fresh} inputs now, {} earlier", timing.resumed_rows);
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

/// A network, layer by layer.
#[must_use]
pub fn inspection_text(inspection: &Inspection, styled: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("model", &inspection.file);
    line("sha-256", &inspection.sha256);
    line("input", &shape(&inspection.input_shape));
    line("output", &shape(&inspection.output_shape));
    line("parameters", &grouped(inspection.parameters));
    line("ReLUs", &grouped(inspection.relus));
    line("operators", &counts(&inspection.operators));
    for note in &inspection.notes {
        line("note", note);
    }
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    style(&mut table, styled);
    table.set_header(
        ["#", "layer", "operator", "output", "parameters"]
            .map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
    );
    for (position, layer) in inspection.layers.iter().enumerate() {
        let number = |n: String| Cell::new(n).set_alignment(CellAlignment::Right);
        let parameters =
            if layer.parameters == 0 { String::new() } else { grouped(layer.parameters) };
        table.add_row(vec![
            number((position + 1).to_string()),
            Cell::new(&layer.name),
            Cell::new(&layer.operator),
            Cell::new(shape(&layer.shape)),
            number(parameters),
        ]);
    }
    let _ = writeln!(text, "\n{table}");
    text
}

pub(super) fn style(table: &mut Table, styled: bool) {
    if styled {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
}

fn shape(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if sides.is_empty() { "scalar".to_owned() } else { sides.join(" × ") }
}

fn counts(counts: &BTreeMap<String, usize>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    parts.join(" · ")
}

pub(super) fn percent(share: &ShareRecord) -> String {
    share.value.map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}

pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", 1e3 * s),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::parse_rational;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(125.0), "2 min 5 s");
        let exact = |text| decimal(&Decimal::from(&parse_rational(text).unwrap()));
        assert_eq!(exact("0.1"), "0.1");
        assert_eq!(exact("8/255"), "8/255 ≈ 0.031373");
    }
}
