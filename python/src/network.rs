//! A network as Python holds it: what is known of it, its outputs, and bounds of these.

use crate::raised;
use certus::internal::Failure;
use certus::internal::load::LoadedNetwork;
use certus::internal::net::Matrix;
use certus::{Intermediate, LoadSettings, Property, Query, Region, bounds, load_network_as};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use std::sync::Arc;

/// A network that was read from a file.
#[pyclass(frozen, module = "certus._native")]
pub(crate) struct Network {
    loaded: Arc<LoadedNetwork>,
}

/// Doubles as they lie in an array.
fn doubles(bytes: &[u8]) -> Vec<f64> {
    let of = |chunk: &[u8]| f64::from_ne_bytes(chunk.try_into().unwrap_or_default());
    bytes.chunks_exact(8).map(of).collect()
}

fn bytes<'py>(py: Python<'py>, numbers: &[f64]) -> Bound<'py, PyBytes> {
    let all: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
    PyBytes::new(py, &all)
}

fn wrong(message: impl ToString) -> PyErr {
    raised(Failure { code: 65, message: message.to_string() })
}

#[pymethods]
impl Network {
    /// Reads a file: one output of it as a function of one input, the others being constants in .npy files.
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        output: Option<String>,
        inputs: Vec<(String, PathBuf)>,
    ) -> PyResult<Self> {
        let settings = LoadSettings { output, inputs, ..LoadSettings::default() };
        let loaded = py.detach(|| load_network_as(&path, &settings));
        let loaded = loaded.map_err(|error| raised(Failure::from(error)))?;
        Ok(Self { loaded: Arc::new(loaded) })
    }

    /// SHA-256 of all that it was read from.
    #[getter]
    fn sha256(&self) -> String {
        self.loaded.identity()
    }

    /// Shape of an input, without the batch.
    #[getter]
    fn input_shape(&self) -> Vec<usize> {
        self.loaded.input_shape.clone()
    }

    /// Numbers of inputs, outputs and parameters.
    #[getter]
    fn sizes(&self) -> (usize, usize, usize) {
        let network = &self.loaded.network;
        let parameters = self.loaded.layers.iter().map(|layer| layer.parameters).sum();
        (network.inputs(), network.outputs(), parameters)
    }

    /// What the reader has to say.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.loaded.notes.clone()
    }

    /// Operators in order: name, operator, shape, parameters.
    #[getter]
    fn layers(&self) -> Vec<(String, String, Vec<usize>, usize)> {
        let layers = self.loaded.layers.iter();
        layers
            .map(|layer| {
                (layer.name.clone(), layer.op.clone(), layer.shape.clone(), layer.parameters)
            })
            .collect()
    }

    /// The outputs at rows of doubles, in double precision, with what was left out at the end.
    fn outputs<'py>(&self, py: Python<'py>, inputs: Vec<u8>) -> PyResult<Bound<'py, PyBytes>> {
        let network = &self.loaded.network;
        let all = py.detach(|| {
            let rows = doubles(&inputs);
            let mut all = Vec::new();
            for row in rows.chunks_exact(network.inputs().max(1)) {
                let y = network.evaluate(&Matrix::from_column_slice(row.len(), 1, row));
                match network.left_out() {
                    None => all.extend_from_slice(y.as_slice()),
                    Some(operator) => all.extend(operator.apply(y.as_slice())),
                }
            }
            all
        });
        Ok(bytes(py, &all))
    }

    /// Lower and upper bounds of every output on a box, one after the other.
    fn bounds<'py>(
        &self,
        py: Python<'py>,
        lower: Vec<u8>,
        upper: Vec<u8>,
        crown: bool,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let network = &self.loaded.network;
        if let Some(operator) = network.left_out() {
            let message = format!(
                "the network ends in {operator}, which is left out: bounds would be those before it; name the tensor before it as the output \
                 (output=...)"
            );
            return Err(wrong(message));
        }
        let region = Region::from_f64(&doubles(&lower), &doubles(&upper)).map_err(wrong)?;
        let property = Property::classification(region, 0, network.outputs());
        let query = Query::new(network.clone(), property).map_err(wrong)?;
        let how = if crown { Intermediate::Crown } else { Intermediate::Interval };
        let found = py.detach(|| bounds(&query, how));
        let found = found.first().ok_or_else(|| wrong("there is no output"))?;
        Ok((bytes(py, &found.lower), bytes(py, &found.upper)))
    }
}
