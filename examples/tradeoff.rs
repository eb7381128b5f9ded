//! The trade-off table of the README from the reports of campaigns: `cargo run --release --example tradeoff -- DIR…`

use serde_json::Value;
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
        let report: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let percent = |figure: &str| {
            let share = report["summary"][figure]["value"].as_f64();
            share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
        };
        let model = report["model"]["file"].as_str().unwrap_or_default();
        let inputs = report["rows"].as_array().map_or(1, |rows| rows.len().max(1)) as f64;
        let seconds = report["timing"]["input_seconds"].as_f64().unwrap_or(f64::NAN);
        println!(
            "| `{}` | {} | {} | {} | {} | {} | {:.0} ms |",
            model.trim_start_matches("models/").trim_end_matches(".onnx"),
            report["settings"]["epsilon"]["value"],
            percent("clean_accuracy"),
            percent("adversarial_accuracy"),
            percent("certified_accuracy"),
            percent("undecided"),
            1e3 * seconds / inputs,
        );
    }
    Ok(())
}
