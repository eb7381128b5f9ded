//! `certus audit --init`: a plan to start from, with the user's own models and data where these are named.

use super::load::Inventory;
use crate::audit::{Plan, TEMPLATE};
use crate::cli::arguments::ReadingArguments;
use crate::cli::exit::{DONE, Failure, USAGE};
use crate::cli::output::answer;
use crate::cli::print_error;
use crate::load::{Dataset, load_network};
use crate::report::{Answer, InitAnswer};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where the plan goes unless it is said.
const DEFAULT: &str = "AUDIT.toml";

/// Writes a plan; a file that is there already is left alone. `files` are the plan, if it ends in .toml, then models, then their data.
pub(super) fn init(files: &[PathBuf], reading: &ReadingArguments) -> Result<u8, Failure> {
    let named = files.first().filter(|file| file.extension().is_some_and(|e| e == "toml"));
    let plan = named.map_or(Path::new(DEFAULT), PathBuf::as_path);
    let text = match &files[usize::from(named.is_some())..] {
        [] if reading.given().next().is_none() => TEMPLATE.to_owned(),
        [models @ .., data] if !models.is_empty() => filled(plan, models, data, reading)?,
        _ => {
            let message = "--init takes no files, or networks and then their data: certus audit --init MODEL DATA";
            return Err(Failure::new(USAGE, message));
        }
    };
    let created = OpenOptions::new().write(true).create_new(true).open(plan);
    let mut created = created.map_err(|error| Failure::create(plan, error))?;
    created.write_all(text.as_bytes()).map_err(|error| Failure::write(plan, error))?;
    let plan = plan.display().to_string();
    let written = Answer::new("audit --init", InitAnswer { plan });
    answer(&written, || {
        format!("{0}: edit it, then: certus audit {0} --out audit-out\n", written.answer.plan)
    })?;
    Ok(DONE)
}

/// The template with these models and data; read as the audit will read it, so that what it would refuse is refused now.
fn filled(
    plan: &Path,
    models: &[PathBuf],
    data: &Path,
    reading: &ReadingArguments,
) -> Result<String, Failure> {
    let dataset = Dataset::load(data, &reading.settings()?)?;
    let mut image = dataset.image().is_some();
    let mut listed = String::new();
    for model in models {
        image |= load_network(model)?.input_shape.len() > 3;
        let (name, file) = (toml(&stem(model)), toml(&from_plan(plan, model)));
        let _ = write!(
            listed,
            "[[model]]\nname = {name}\nfile = {file}\ntraining = \"\"                  # how it was trained\n\n"
        );
    }
    let mut text = String::new();
    let template = TEMPLATE.replacen("digit classifier", &stem(&models[0]), 1);
    for (at, section) in template.split_inclusive("\n\n").enumerate() {
        let key = section.lines().find(|line| line.starts_with('['));
        match key {
            Some("[report]") => text += &unsaid(section),
            Some("[[data]]") => text += &data_section(plan, data, &dataset, image, reading),
            Some("[[model]]") => text += &listed,
            Some("[[semantic]]" | "[shift]") if !image => {}
            None if at > 0 && section.contains("[data.read]") => {}
            _ => text += section,
        }
    }
    let parsed = Plan::parse(plan, &text)?;
    let (inventory, ..) = Inventory::load(plan, &parsed)?;
    for look in inventory.looks(&parsed) {
        for warning in &look.as_read.warnings {
            print_error(&format!("warning: {} on {}: {warning}", look.model, look.data));
        }
    }
    Ok(text)
}

/// A section of examples with what only the user knows left open.
fn unsaid(section: &str) -> String {
    let open = |line: &str| match line.split_once(" = ") {
        Some((key @ ("intended_use" | "goal" | "knowledge" | "capability"), example)) => {
            format!("{key} = \"\"{:1$}# such as: {example}\n", "", 15 - key.len().min(14))
        }
        Some((key @ ("assumptions" | "out_of_scope"), example)) => {
            format!("{key} = []{:1$}# such as: {example}\n", "", 15 - key.len().min(14))
        }
        _ => format!("{line}\n"),
    };
    section.lines().map(open).collect()
}

fn data_section(
    plan: &Path,
    file: &Path,
    data: &Dataset,
    image: bool,
    reading: &ReadingArguments,
) -> String {
    let (name, file) = (toml(&stem(file)), toml(&from_plan(plan, file)));
    let epsilons = data.usual_eps(image).join(", ");
    let inputs = data.len();
    let limit = if inputs > 100 {
        "limit = 100                    "
    } else {
        "# limit = 100                  "
    };
    let mut text = format!(
        "# One [[data]] for each dataset: .npz, .npy, IDX or .csv. A small .toml beside the data says how to read it.\n\
         [[data]]\nname = {name}\nfile = {file}\n{limit}# the first 100 of {inputs} inputs; default: all\n\
         split = \"\"                     # where the inputs come from, and that they were not trained on\n\
         unit = \"\"                      # of ε: stored value × {}\n\
         epsilons = [{epsilons}]   # the radii, increasing, in these units: a guess, set your own\n\n",
        data.scale()
    );
    text += &read_section(plan, reading);
    text
}

/// How the data are to be read, as far as options say it.
pub(in crate::cli) fn read_section(plan: &Path, reading: &ReadingArguments) -> String {
    let given: Vec<(&str, &str)> = reading.given().collect();
    if given.is_empty() {
        return String::new();
    }
    let mut text = "[data.read]\n".to_owned();
    for (field, value) in given {
        let value = if field == "labels_file" {
            from_plan(plan, Path::new(value))
        } else {
            value.to_owned()
        };
        let list: Vec<String> = value.split(',').map(|part| toml(part.trim())).collect();
        let value = if list.len() == 1 { toml(&value) } else { format!("[{}]", list.join(", ")) };
        let _ = writeln!(text, "{field} = {value}");
    }
    text.push('\n');
    text
}

/// A file as the plan has to name it: as it was given where the plan lies here, else in full.
fn from_plan(plan: &Path, file: &Path) -> String {
    let here = plan.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let full = if here { None } else { file.canonicalize().ok() };
    full.unwrap_or_else(|| file.to_owned()).display().to_string()
}

pub(in crate::cli) fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "model".to_owned());
    name.split('.').next().unwrap_or("model").to_owned()
}

pub(in crate::cli) fn toml(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
