//! `certus spec`: the property of one input of a dataset, as a campaign's proofs have it.

use super::arguments::{PortArguments, ReadingArguments, epsilon};
use super::campaign::load_classifier;
use super::exit::{DATA, DONE, Failure, USAGE};
use super::output::answer;
use super::print_error;
use crate::load::Dataset;
use crate::num::Rational;
use crate::report::{Answer, SpecAnswer};
use crate::spec::Norm;
use std::path::PathBuf;

/// Write the property of one input as VNN-LIB
///
/// Byte for byte the file that 'certus certify --proofs' keeps beside the input's proof. The bounds are in the units of the
/// network's own inputs, after the normalisation that the data's settings describe.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx or .nnet, gzipped or not
    model: PathBuf,

    #[command(flatten)]
    ports: PortArguments,

    /// The dataset: .npz, .npy, IDX or .csv; a .toml of the same stem beside it says how to read it
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Position of the input in the dataset, from 0
    #[arg(long, value_name = "I")]
    index: usize,

    /// The largest perturbation of each feature, exactly as written: 0.1 or 8/255
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = epsilon)]
    eps: Rational,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let loaded = load_classifier(&arguments.model, arguments.ports.settings())?.0;
    let network = &loaded.network;
    let data = Dataset::load(&arguments.data, &arguments.reading.settings()?)?;
    data.check_against(network.inputs(), network.outputs().max(2))?;
    data.check_shape(&loaded.input_shape)?;
    if arguments.index >= data.len() {
        let file = arguments.data.display();
        let message = format!("{file}: there is no input {}, only {}", arguments.index, data.len());
        return Err(Failure::new(USAGE, message));
    }
    data.check_eps(Norm::Linf, &arguments.eps)?;
    let warnings = data.warnings(network.outputs().max(2), data.len(), &[&arguments.eps]);
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    warnings.iter().for_each(|warning| print_error(&format!("warning: {warning}")));
    let property =
        data.vnnlib(arguments.index, &arguments.eps, network.outputs()).map_err(|error| {
            let file = arguments.data.display();
            Failure::new(DATA, format!("{file}: input {}: {error}", arguments.index))
        })?;
    let (index, label, epsilon) =
        (arguments.index, data.label(arguments.index), arguments.eps.to_string());
    let spec = Answer::new("spec", SpecAnswer { index, label, epsilon, property, warnings });
    answer(&spec, || spec.answer.property.clone())?;
    Ok(DONE)
}
