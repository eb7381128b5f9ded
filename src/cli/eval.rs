//! `certus eval`: what a network gives for inputs, as its file says.

use super::arguments::{PortArguments, ReadingArguments};
use super::exit::{DATA, DONE, Failure, INTERNAL};
use super::print;
use crate::load::{Dataset, LoadedNetwork, load_network_as, load_tensor};
use crate::net::{Matrix, Network};
use crate::num::to_f64_nearest;
use crate::report::{Evaluation, SCHEMA_VERSION, Tool, Worst};
use clap::ValueEnum;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Print what a network gives for inputs, and how far that is from given outputs
///
/// Outputs are those of the file, a softmax at its end included, computed in double precision.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx or .nnet, gzipped or not
    model: PathBuf,

    #[command(flatten)]
    ports: PortArguments,

    /// The inputs: a dataset, or an .npy array of rows as the network takes them
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Only the first N inputs
    #[arg(long, value_name = "N", help_heading = "Output")]
    limit: Option<NonZeroUsize>,

    /// Outputs that another program gave: an .npy array, a row for each input
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    reference: Option<PathBuf>,

    /// How to print
    #[arg(long, value_enum, default_value = "json", help_heading = "Output")]
    format: Format,
}

/// How outputs are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One object with all outputs, and the largest difference from the reference
    Json,
    /// A row for each input; the largest difference goes to stderr
    Csv,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let loaded = load_network_as(&arguments.model, &arguments.ports.settings())?;
    let inputs = inputs(arguments, &loaded)?;
    let network = &loaded.network;
    let outputs: Vec<Vec<f64>> = inputs.1.iter().map(|x| output(&inputs.0, x)).collect();
    let worst = match &arguments.reference {
        None => None,
        Some(file) => Some(worst(file, &outputs)?),
    };
    if arguments.format == Format::Csv {
        let width = outputs.first().map_or(network.outputs(), Vec::len);
        let mut text = (0..width).map(|j| format!("y{j}")).collect::<Vec<_>>().join(",") + "\n";
        for row in &outputs {
            let row: Vec<String> = row.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "{}", row.join(","));
        }
        if let Some(worst) = &worst {
            super::print_error(&format!(
                "the largest difference from the reference is {:e}, of output {} of input {}",
                worst.difference, worst.output, worst.input
            ));
        }
        print(&text)?;
        return Ok(DONE);
    }
    let evaluation = Evaluation {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        model: arguments.model.display().to_string(),
        sha256: loaded.identity(),
        data: arguments.data.display().to_string(),
        notes: loaded.notes,
        outputs,
        worst,
    };
    let text = serde_json::to_string_pretty(&evaluation)
        .map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    print(&(text + "\n"))?;
    Ok(DONE)
}

/// The outputs at an input, with what was left out at the end.
fn output(network: &Network, x: &[f64]) -> Vec<f64> {
    let y = network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
    match network.left_out() {
        None => y.as_slice().to_vec(),
        Some(operator) => operator.apply(y.as_slice()),
    }
}

/// The inputs, and the network that takes them as they are.
fn inputs(
    arguments: &Arguments,
    loaded: &LoadedNetwork,
) -> Result<(Arc<Network>, Vec<Vec<f64>>), Failure> {
    let (file, width) = (&arguments.data, loaded.network.inputs());
    let limit = arguments.limit.map_or(usize::MAX, NonZeroUsize::get);
    let network = Arc::new(loaded.network.clone());
    let is_array = file.extension().is_some_and(|extension| extension == "npy");
    if is_array && arguments.reading.given().next().is_none() {
        return Ok((network, rows(file, width, limit)?));
    }
    let data = Dataset::load(file, &arguments.reading.settings()?)?;
    if data.features() != width {
        let message = format!(
            "{}: its inputs have {} values where the network takes {width}",
            file.display(),
            data.features()
        );
        return Err(Failure::new(DATA, message));
    }
    data.check_shape(&loaded.input_shape)?;
    let network = match data.normalisation() {
        None => network,
        Some((mean, inverse_std)) => {
            let folded = Network::clone(&network).with_normalisation(&mean, &inverse_std);
            Arc::new(
                folded
                    .map_err(|error| Failure::new(DATA, format!("{}: {error}", file.display())))?,
            )
        }
    };
    Ok((network, (0..data.len().min(limit)).map(|i| data.point(i)).collect()))
}

/// The rows of an array, each of so many numbers.
fn rows(file: &Path, width: usize, limit: usize) -> Result<Vec<Vec<f64>>, Failure> {
    let tensor = load_tensor(file)?;
    let number = tensor.shape.first().copied().unwrap_or(0);
    if width == 0 || tensor.values.len() != number * width {
        let message = format!(
            "{}: an array of shape {:?}; accepted: a row of {width} numbers for each input",
            file.display(),
            tensor.shape
        );
        return Err(Failure::new(DATA, message));
    }
    let values: Vec<f64> = tensor.values.iter().map(to_f64_nearest).collect();
    Ok(values.chunks(width).take(limit).map(<[f64]>::to_vec).collect())
}

/// Where outputs are farthest from those of a file.
fn worst(file: &Path, outputs: &[Vec<f64>]) -> Result<Worst, Failure> {
    let width = outputs.first().map_or(0, Vec::len);
    let theirs = rows(file, width, usize::MAX)?;
    if theirs.len() < outputs.len() {
        let message =
            format!("{}: {} rows for {} inputs", file.display(), theirs.len(), outputs.len());
        return Err(Failure::new(DATA, message));
    }
    let mut worst = Worst { difference: 0.0, input: 0, output: 0 };
    for (input, (ours, theirs)) in outputs.iter().zip(&theirs).enumerate() {
        for (output, (a, b)) in ours.iter().zip(theirs).enumerate() {
            let difference = (a - b).abs();
            // What is no number is as far as can be.
            if difference > worst.difference || difference.is_nan() {
                worst = Worst { difference, input, output };
            }
        }
    }
    Ok(worst)
}
