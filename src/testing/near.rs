//! Cases near a model's own data: balls around inputs, parts of them, and claims whose truth is in doubt there.

use super::case::{Case, as_onnx};
use crate::attack::SplitMix64;
use crate::load::{
    DataSettings, Dataset, DatasetError, LoadSettings, LoadedNetwork, NetworkError,
    load_network_as, write_onnx,
};
use crate::net::Matrix;
use crate::num::{ParseRationalError, Rational, parse_rational};
use crate::prove::Model;
use crate::query::OpenError;
use crate::spec::{Claim, HalfSpace, Property, Region};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// Inputs that vary where only a few of many do, so that a search ends.
const FEW: usize = 6;

/// A model and its data, and how far from these to look.
#[derive(Debug, Clone)]
pub struct Near(Arc<Subject>);

#[derive(Debug)]
struct Subject {
    loaded: LoadedNetwork,
    bytes: Vec<u8>,
    /// How the checker reads the file.
    read: Option<Model>,
    data: Dataset,
    eps: [Rational; 2],
}

/// Why there are no such cases.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NearError {
    /// The network cannot be read.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data cannot be read, or are not the network's.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A radius that is no number.
    #[error(transparent)]
    Radius(#[from] ParseRationalError),
    /// A radius that leaves no region around an input.
    #[error("input {0}: {1}")]
    Region(usize, crate::spec::RegionError),
    /// What is asked does not fit the network.
    #[error(transparent)]
    Case(#[from] OpenError),
}

impl Near {
    /// Cases of the model and the data in two files, within `eps` of an input: a decimal or a fraction.
    ///
    /// # Errors
    /// Where a file cannot be read, or the data are not the network's.
    pub fn open(
        model: impl AsRef<Path>,
        data: impl AsRef<Path>,
        eps: &str,
    ) -> Result<Self, NearError> {
        let (model, mut ports) = (model.as_ref(), LoadSettings::default());
        let mut loaded = load_network_as(model, &ports)?;
        if let Some(logits) = loaded.logits.take() {
            ports.output = Some(logits);
            loaded = load_network_as(model, &ports)?;
        }
        let data = Dataset::load(data.as_ref(), &DataSettings::default())?;
        Self::new(
            model,
            loaded,
            &ports,
            data,
            [Rational::from_integer(0.into()), parse_rational(eps)?],
        )
    }

    /// Cases of a network and its data, within radii of an interval.
    ///
    /// # Errors
    /// Where the data are not the network's.
    pub(crate) fn new(
        model: &Path,
        loaded: LoadedNetwork,
        ports: &LoadSettings,
        data: Dataset,
        eps: [Rational; 2],
    ) -> Result<Self, NearError> {
        data.check_against(loaded.network.inputs(), loaded.network.outputs().max(2))?;
        data.check_shape(&loaded.input_shape)?;
        let file = as_onnx(model, &loaded.network)?;
        let read = Model::beside(model, &file, ports).ok();
        // What is kept of a failure is to be one file, which says by itself what is asked about.
        let whole = loaded.external.is_empty() && ports.output.is_none() && ports.inputs.is_empty();
        let bytes = if whole { file } else { write_onnx(&loaded.network).unwrap_or(file) };
        Ok(Self(Arc::new(Subject { loaded, bytes, read, data, eps })))
    }

    /// A random case; everything random comes from the seed.
    ///
    /// # Errors
    /// Where the radius leaves no region around an input.
    pub fn draw(&self, seed: u64) -> Result<Case, NearError> {
        let Subject { loaded, bytes, read, data, eps: [least, most] } = &*self.0;
        let network = &loaded.network;
        let mut dice = SplitMix64::new(seed, 81);
        let index = dice.below(data.len());
        let share = Rational::new(dice.below(65).into(), 64.into());
        let eps = least + (most - least) * share;
        let outputs = network.outputs();
        let text =
            data.vnnlib(index, &eps, outputs).map_err(|error| NearError::Region(index, error))?;
        let case = Case::of_parts(network, bytes, read.clone(), &text)?;
        let (few, in_doubt) =
            (dice.below(2) == 0, dice.below(2) == 0 && network.left_out().is_none());
        if !few && !in_doubt {
            return Ok(case);
        }
        let Some(claim) = case.query().property().claims.first().cloned() else { return Ok(case) };
        let region = if few { few_inputs(&claim.region, &mut dice) } else { claim.region.clone() };
        let mut asked = Claim { region, ..claim };
        if in_doubt {
            let row: Vec<f64> =
                (0..outputs).map(|_| (dice.below(257) as f64 - 128.0) / 128.0).collect();
            let points = super::laws::points(&mut dice, &asked.region, 16);
            let batch = Matrix::from_fn(network.inputs(), points.len(), |i, p| points[p][i]);
            let values = network.evaluate(&batch);
            let value =
                |p: usize| row.iter().enumerate().map(|(j, a)| a * values[(j, p)]).sum::<f64>();
            let (low, high) = (0..points.len())
                .map(value)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            let bound = low - (high - low) * dice.unit() * 2.0 * dice.below(2) as f64;
            let coefficients = row.into_iter().enumerate().filter(|(_, a)| *a != 0.0).collect();
            asked.unsafe_set = vec![vec![HalfSpace {
                coefficients,
                bound_up: bound,
                bound_down: bound,
                strict: false,
            }]];
        }
        let property = Property { claims: vec![asked], uses_inputs: false };
        Ok(case.asking(property).map_err(OpenError::Query)?)
    }
}

/// The region with all inputs but a few at the middle of their intervals.
fn few_inputs(region: &Region, dice: &mut SplitMix64) -> Region {
    let (mut lower, mut upper) = (region.lower().to_vec(), region.upper().to_vec());
    let free: Vec<usize> = (0..FEW).map(|_| dice.below(lower.len())).collect();
    for i in (0..lower.len()).filter(|i| !free.contains(i)) {
        let middle = (0.5 * lower[i] + 0.5 * upper[i]).clamp(lower[i], upper[i]);
        (lower[i], upper[i]) = (middle, middle);
    }
    Region::from_f64(&lower, &upper).unwrap_or_else(|_| region.clone())
}
