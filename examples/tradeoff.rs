//! The trade-off table of the README from the reports of campaigns: `cargo run --release --example tradeoff -- DIR…`

use certus::report::{Report, ShareRecord};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| network | ε | clean accuracy | survives attack | certified | undecided | time an input |\n\
         | --- | --- | --- | --- | --- | --- | --- |"
    );
    for dir in std::env::args_os().skip(1) {
        let file = Path::new(&dir).join("report.json");
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let report: Report =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let summary = &report.summary;
        println!(
            "| `{}` | {} | {} | {} | {} | {} | {:.0} ms |",
            report.header.model.file.trim_start_matches("models/").trim_end_matches(".onnx"),
            report.header.settings.epsilon.value,
            percent(&summary.clean_accuracy),
            percent(&summary.adversarial_accuracy),
            summary.certified_accuracy.as_ref().map_or("–".to_owned(), percent),
            summary.undecided.as_ref().map_or("–".to_owned(), percent),
            1e3 * report.timing.input_seconds / report.rows.len().max(1) as f64,
        );
    }
    Ok(())
}

fn percent(share: &ShareRecord) -> String {
    share.value.map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}
