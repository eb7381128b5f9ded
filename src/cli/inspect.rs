//! `certus inspect`: what a network file holds.

use super::arguments::PortArguments;
use super::campaign::{operators, relus};
use super::exit::{Failure, INTERNAL};
use super::{print, styled};
use crate::load::load_network_as;
use crate::report::{Inspection, SCHEMA_VERSION, Tool, inspection_text};
use std::path::PathBuf;

/// Layers, shapes, parameters, ReLUs, operators and hash of a network
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx or .nnet, gzipped or not
    model: PathBuf,

    #[command(flatten)]
    ports: PortArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
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
        layers: loaded.layers,
        sha256,
        input_shape: loaded.input_shape,
        output_shape: loaded.output_shape,
        notes: loaded.notes,
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&inspection)
            .map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
        print(&(text + "\n"))?;
    } else {
        print(&inspection_text(&inspection, styled()))?;
    }
    Ok(super::exit::DONE)
}
