//! What is to be proved: no point of any case is reached by the network.
use crate::circuit::Circuit;
use crate::memory::{OF_MODEL, OF_PROPERTY};
use crate::{onnx, vnnlib};
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A variable of the property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    X(usize),
    Y(usize),
}

/// `Σ coefficient · port ≤ right`, or `< right`.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfSpace {
    pub terms: Vec<(Port, f64)>,
    pub right: f64,
    pub strict: bool,
}

impl HalfSpace {
    /// Whether it says c·Y_i ≤ c·Y_j and nothing else.
    fn only_compares(&self) -> bool {
        matches!(self.terms.as_slice(), [(Port::Y(i), a), (Port::Y(j), b)] if i != j && *a == -*b)
            && self.right == 0.0
    }
}

/// A box of inputs and a polytope: the unsafe points (x, y) of one disjunct.
#[derive(Clone, Debug)]
pub struct Case {
    pub low: Arc<Vec<f64>>,
    pub high: Arc<Vec<f64>>,
    pub half_spaces: Vec<Arc<HalfSpace>>,
}

impl Case {
    /// No input is in the box.
    pub fn is_empty(&self) -> bool {
        self.low.iter().zip(self.high.iter()).any(|(l, h)| l > h)
    }

    fn fits(&self, [inputs, outputs]: [usize; 2]) -> bool {
        let known = |port: &Port| match port {
            Port::X(i) => *i < inputs,
            Port::Y(j) => *j < outputs,
        };
        let fine = |h: &Arc<HalfSpace>| {
            h.right.is_finite() && h.terms.iter().all(|(port, c)| known(port) && c.is_finite())
        };
        let ends = [&self.low, &self.high];
        ends.iter().all(|e| e.len() == inputs && e.iter().all(|x| x.is_finite()))
            && self.half_spaces.iter().all(fine)
    }
}

/// The unsafe set, as a union of cases, of a property with so many inputs and outputs.
#[derive(Clone, Debug)]
pub struct Property {
    pub inputs: usize,
    pub outputs: usize,
    pub cases: Vec<Case>,
}

/// A network and an unsafe set that fit together.
#[derive(Debug)]
pub struct Statement {
    circuit: Arc<Circuit>,
    cases: Vec<Case>,
}

/// Why there is no statement.
#[derive(Debug)]
pub enum LoadError {
    /// A file cannot be opened or read.
    File(PathBuf, std::io::Error),
    /// What the files say is refused, in words.
    Refused(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::File(path, error) => write!(f, "{}: {error}", path.display()),
            LoadError::Refused(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl Statement {
    /// Reads an ONNX and a VNN-LIB file, either of them perhaps gzip-compressed.
    pub fn load(model: &Path, property: &Path) -> Result<Statement, LoadError> {
        Statement::load_as(model, &onnx::Ports::default(), property)
    }

    /// The same, of one of several outputs of a model, or with some of its inputs constant.
    pub fn load_as(
        model: &Path,
        ports: &onnx::Ports,
        property: &Path,
    ) -> Result<Statement, LoadError> {
        let folder = model.parent().unwrap_or(Path::new(""));
        let unread = |e| LoadError::Refused(format!("{}: {e}", model.display()));
        let circuit = onnx::read_in(folder, &read(model, OF_MODEL)?, ports).map_err(unread)?;
        let wrong = |e| LoadError::Refused(format!("{}:{e}", property.display()));
        Statement::new(circuit, vnnlib::read(&read(property, OF_PROPERTY)?).map_err(wrong)?)
    }

    /// The same from the (unpacked) contents of the files; the model's weights are all in it.
    pub fn from_bytes(model: &[u8], property: &[u8]) -> Result<Statement, LoadError> {
        let unread = |e| LoadError::Refused(format!("the network: {e}"));
        let circuit = onnx::read(model).map_err(unread)?;
        let wrong = |e| LoadError::Refused(format!("the property:{e}"));
        Statement::new(circuit, vnnlib::read(property).map_err(wrong)?)
    }

    /// A statement from its parts. Many statements may share a circuit.
    pub fn new(
        circuit: impl Into<Arc<Circuit>>,
        property: Property,
    ) -> Result<Statement, LoadError> {
        let circuit = circuit.into();
        let mut all = property.cases.iter().flat_map(|case| &case.half_spaces);
        if circuit.only_ordered && !all.all(|h| h.only_compares()) {
            return Err(LoadError::Refused(
                "of the network's outputs only the order is known, as a Softmax at the end is left out: a property may only ask \
                 which of two is the larger"
                    .to_string(),
            ));
        }
        let network = [circuit.inputs(), circuit.size(circuit.output())];
        let declared = [property.inputs, property.outputs];
        if network != declared {
            let [[n, m], [x, y]] = [network, declared];
            return Err(LoadError::Refused(format!(
                "the network has {n} inputs and {m} outputs, the property {x} and {y}"
            )));
        }
        match property.cases.iter().position(|case| !case.fits(declared)) {
            Some(case) => Err(LoadError::Refused(format!("case {case} does not fit the network"))),
            None => Ok(Statement { circuit, cases: property.cases }),
        }
    }

    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}

/// The contents of a file, unpacked, of at most so many bytes.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, LoadError> {
    let fail = |error| LoadError::File(path.to_path_buf(), error);
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    let packed = file.fill_buf().map_err(fail)?.starts_with(&[0x1f, 0x8b]);
    let (mut bytes, limit) = (vec![], most as u64 + 1);
    let size = match packed {
        true => MultiGzDecoder::new(file).take(limit).read_to_end(&mut bytes),
        false => file.take(limit).read_to_end(&mut bytes),
    };
    match size.map_err(fail)? {
        size if size <= most => Ok(bytes),
        _ => Err(LoadError::Refused(format!("{}: more than {most} bytes", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn no_more_is_read_of_a_file_than_its_share() {
        let folder = std::env::temp_dir().join(format!("certus-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (plain, packed) = (folder.join("plain"), folder.join("packed"));
        std::fs::write(&plain, [7; 1000]).unwrap();
        let mut zip =
            flate2::write::GzEncoder::new(File::create(&packed).unwrap(), Default::default());
        zip.write_all(&[7; 1000]).unwrap();
        zip.finish().unwrap();
        for file in [plain, packed] {
            assert_eq!(read(&file, 1000).unwrap(), [7; 1000]);
            let error = read(&file, 999).unwrap_err().to_string();
            assert!(error.contains("more than 999 bytes"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
