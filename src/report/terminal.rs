//! Reports as text for a terminal: what they share, and those of audits and networks.

use super::{AuditReport, Inspection, Rendered, Setup};
use crate::audit::Exact;
use crate::audit::interval::Counted;
use crate::net::Semantics;
use crate::verify::AssuranceLevel;
use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

/// Lines of a name and a value.
#[derive(Default)]
pub(super) struct Text(pub String);

impl Text {
    pub(super) fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name:<10} {value}");
    }

    /// Something between two empty lines.
    pub(super) fn block(&mut self, block: impl Display) {
        let _ = writeln!(self.0, "\n{block}\n");
    }
}

/// A table without rows; `styled` for colours and bold.
pub(super) fn table(preset: &str, styled: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(preset).apply_modifier(UTF8_ROUND_CORNERS);
    if styled {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

pub(super) fn bold(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

pub(super) fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A fraction such as 8/255 as it is; a decimal as such.
pub(super) fn decimal(number: &Exact) -> String {
    let fraction = || format!("{} ≈ {:.6}", number.exact, number.value);
    number.decimal().unwrap_or_else(fraction)
}

/// What an audit looks at: said before the work begins.
pub(crate) fn audit_head(setup: &Setup) -> String {
    let mut text = Text::default();
    for look in &setup.looks {
        text.line("subject", format!("{} on {}", look.model, look.data));
        look.as_read.lines(&mut text);
        text.0.push('\n');
    }
    text.0
}

/// An audit's figures, and where the report lies.
pub(crate) fn audit_text(report: &AuditReport, rendered: &Rendered, styled: bool) -> String {
    let mut table = table(UTF8_FULL_CONDENSED, styled);
    let header = ["model", "data", "ε", "n", "clean", "not broken", "certified", "undecided"];
    table.set_header(header.map(bold));
    for subject in &report.subjects {
        for cell in &subject.cells {
            let share = |count: &Counted| right(percent(count.value));
            let exact = Exact { exact: cell.epsilon.clone(), value: cell.epsilon_value };
            table.add_row(vec![
                Cell::new(&subject.model),
                Cell::new(&subject.data),
                right(decimal(&exact)),
                right(cell.clean.total),
                share(&cell.clean),
                share(&cell.adversarial).fg(Color::Cyan),
                share(&cell.certified).fg(Color::Green),
                share(&cell.undecided).fg(Color::Yellow),
            ]);
        }
    }
    let mut text = Text(format!("{table}\n"));
    for criterion in &report.criteria {
        let radius =
            criterion.epsilon.as_ref().map_or(String::new(), |eps| format!(" at ε = {eps}"));
        let (model, data, measure) = (&criterion.model, &criterion.data, criterion.measure);
        let what = format!("{model} on {data}, {measure}{radius}: {}", criterion.sentence());
        text.line("criterion", what);
    }
    text.line("report", rendered.page.display());
    text.line("report id", &rendered.id);
    text.0
}

/// A network, layer by layer.
pub(crate) fn inspection_text(inspection: &Inspection, styled: bool) -> String {
    let mut text = Text::default();
    text.line("model", &inspection.file);
    text.line("sha-256", &inspection.sha256);
    text.line("input", shape(&inspection.input_shape));
    text.line("output", shape(&inspection.output_shape));
    text.line("parameters", grouped(inspection.parameters));
    text.line("ReLUs", grouped(inspection.relus));
    text.line("operators", counts(&inspection.operators, " · "));
    text.line("proofs", &inspection.proofs);
    for note in &inspection.notes {
        text.line("note", note);
    }
    let mut table = table(UTF8_FULL_CONDENSED, styled);
    table.set_header(["#", "layer", "operator", "output", "parameters", "proofs"].map(bold));
    for (position, layer) in inspection.layers.iter().enumerate() {
        let parameters =
            if layer.parameters == 0 { String::new() } else { grouped(layer.parameters) };
        table.add_row(vec![
            right(position + 1),
            Cell::new(&layer.name),
            Cell::new(&layer.op),
            Cell::new(shape(&layer.shape)),
            right(parameters),
            Cell::new(if inspection.unproved.contains(&layer.op) { "none yet" } else { "yes" }),
        ]);
    }
    let _ = writeln!(text.0, "\n{table}");
    text.0
}

/// What must be trusted, and what the verdict speaks of (`real` or `float32`).
pub(super) fn assurance(level: AssuranceLevel, semantics: &str) -> &'static str {
    let single = semantics == Semantics::Float32.to_string();
    match level {
        AssuranceLevel::Sound if single => {
            "sound: in single precision, whatever the order of sums, this program's rounding errors accounted for"
        }
        AssuranceLevel::Solver => "solver: trusts an external floating-point solver's word",
        AssuranceLevel::Sound => {
            "sound: over the real numbers, this program's rounding errors accounted for"
        }
        AssuranceLevel::Outward => {
            "proved (outward): an independent checker accepted a proof of each, in f64 with its roundings charged; exact arithmetic was too dear for some"
        }
        AssuranceLevel::Proved => {
            "proved: an independent checker accepted a proof of each in exact arithmetic"
        }
        AssuranceLevel::Mechanised => {
            "proved (mechanised): the checker that is extracted from its proof in Rocq accepted a proof of each"
        }
    }
}

fn shape(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if sides.is_empty() { "scalar".to_owned() } else { sides.join(" × ") }
}

/// Counts by name, the largest first.
pub(super) fn counts(counts: &BTreeMap<String, usize>, between: &str) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    parts.join(between)
}

/// A share in percent, with one digit; a dash for 0 / 0.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", 100.0 * value))
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
        let exact = |text| decimal(&Exact::from(&parse_rational(text).unwrap()));
        assert_eq!(exact("0.1"), "0.1");
        assert_eq!(exact("8/255"), "8/255 ≈ 0.031373");
    }
}
