//! The `certus-check` command: MODEL PROPERTY PROOF [--arith exact|outward], or --export MODEL PROPERTY.
use certus_check::onnx::Ports;
use certus_check::{LoadError, Mode, Statement, check, export};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
certus-check MODEL.onnx PROPERTY.vnnlib PROOF [--arith exact|outward] [--output NAME] [--input NAME=FILE.npy]…
certus-check --export MODEL.onnx PROPERTY.vnnlib [--output NAME] [--input NAME=FILE.npy]…

Checks that PROOF shows: no input that the property allows takes the network's output into the
property's unsafe set. Files may be gzip-compressed. `outward` (the default) computes in f64 and charges
every rounding error; `exact` rounds nothing. Of a model with several outputs `--output` says which one is
meant, and `--input`, once for each but one of several inputs, which constant it is.

With `--export` the statement is written to standard output instead, in integers only (STATEMENT.md), for the verified checker.

Prints `accepted` (exit code 0) or `rejected at PATH: REASON` (1).
64: wrong usage, 65: a model or property that cannot be read, 66: a missing file.";

fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = vec![];
    let (mut mode, mut ports, mut exports) = (Mode::Outward, Ports::default(), false);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("--version" | "-V") => {
                println!("certus-check {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            Some("--export") => exports = true,
            Some("--arith") => match arguments.next().as_ref().and_then(|a| a.to_str()) {
                Some("exact") => mode = Mode::Exact,
                Some("outward") => mode = Mode::Outward,
                _ => return usage("--arith takes exact or outward"),
            },
            Some("--output") => match arguments.next().and_then(|a| a.into_string().ok()) {
                Some(name) => ports.output = Some(name),
                None => return usage("--output takes a name"),
            },
            Some("--input") => {
                let given = arguments.next().and_then(|a| a.into_string().ok());
                match given.as_ref().and_then(|given| given.split_once('=')) {
                    Some((name, file)) => ports.inputs.push((name.to_string(), file.into())),
                    None => return usage("--input takes NAME=FILE.npy"),
                }
            }
            Some(option) if option.starts_with("--") => {
                return usage(&format!("unknown option {option}"));
            }
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let (model, property, proof) = match files.as_slice() {
        [model, property] if exports => (model, property, None),
        [model, property, proof] if !exports => (model, property, Some(proof)),
        _ if exports => return usage("--export takes two files"),
        _ => return usage("three files are needed"),
    };
    let opened = match proof.map(|proof| (proof, File::open(proof))) {
        Some((proof, Err(error))) => return fail(66, &format!("{}: {error}", proof.display())),
        opened => opened.and_then(|(_, file)| file.ok()).map(BufReader::new),
    };
    let statement = match Statement::load_as(model, &ports, property) {
        Ok(statement) => statement,
        Err(LoadError::File(path, error)) if !path.is_file() => {
            return fail(66, &format!("{}: {error}", path.display()));
        }
        Err(error) => return fail(65, &error.to_string()),
    };
    let Some(opened) = opened else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return match export(&statement, &mut out).and_then(|()| out.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(65, &error.to_string()),
        };
    };
    match check(&statement, opened, mode) {
        Ok(_) => {
            println!("accepted");
            ExitCode::SUCCESS
        }
        Err(rejected) => {
            println!("{rejected}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    fail(64, &format!("{problem}\n\n{USAGE}"))
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("certus-check: {message}");
    ExitCode::from(code)
}
