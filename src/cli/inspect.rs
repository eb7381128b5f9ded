//! `certus inspect`: what a network file holds.

use super::arguments::PortArguments;
use super::campaign::{operators, relus};
use super::exit::Failure;
use super::output::{answer, styled};
use crate::load::{LayerInfo, SourceFile, load_network_as};
use crate::prove::Model;
use crate::report::{Inspection, SCHEMA_VERSION, Tool, inspection_text};
use std::path::PathBuf;

/// Layers, shapes, parameters, ReLUs, operators and hash of a network
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx or .nnet, gzipped or not
    model: PathBuf,

    #[command(flatten)]
    ports: PortArguments,
}

/// Whether the proof checker reads the network, and why not.
fn proofs(arguments: &Arguments) -> String {
    let read = |source: SourceFile| {
        Model::beside(&arguments.model, &source.bytes, &arguments.ports.settings())
            .map_err(|error| error.to_string())
    };
    match SourceFile::read(&arguments.model).map_err(|error| error.to_string()).and_then(read) {
        Ok(_) => "yes: the proof checker reads the network".to_owned(),
        Err(error) => format!("none: {error}"),
    }
}

/// The operators that the proof checker does not know.
fn unproved(layers: &[LayerInfo]) -> Vec<String> {
    let mut names: Vec<String> = layers.iter().map(|layer| layer.op.clone()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| !Model::knows(name));
    names
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let loaded = load_network_as(&arguments.model, &arguments.ports.settings())?;
    let (network, sha256) = (&loaded.network, loaded.identity());
    let inspection = Inspection {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        file: arguments.model.display().to_string(),
        parameters: loaded.layers.iter().map(|layer| layer.parameters).sum(),
        relus: relus(network),
        operators: operators(&loaded.layers),
        proofs: proofs(arguments),
        unproved: unproved(&loaded.layers),
        layers: loaded.layers,
        sha256,
        input_shape: loaded.input_shape,
        output_shape: loaded.output_shape,
        notes: loaded.notes,
    };
    answer(&inspection, || inspection_text(&inspection, styled()))?;
    Ok(super::exit::DONE)
}
