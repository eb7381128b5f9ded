//! What a law looks at: a network and a property that fit each other, and the files that state them.

use crate::load::{
    LoadSettings, NetworkError, SourceFile, Statement, load_network_as, load_network_bytes,
    parse_statement, write_onnx, write_property,
};
use crate::net::Network;
use crate::prove::{Model, NotProved, Question};
use crate::query::{OpenError, Query, QueryError};
use crate::spec::Property;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A network and a property.
#[derive(Clone)]
pub struct Case {
    query: Query,
    files: Option<Files>,
}

/// The statement as files.
#[derive(Debug, Clone)]
struct Files {
    model: Arc<[u8]>,
    property: Arc<str>,
    /// How the checker reads the model, where weights lie beside it.
    read: Option<Model>,
}

impl Case {
    /// The case of a network made in code. Its property's regions are to be boxes of doubles; of others the smallest boxes around them count.
    ///
    /// # Errors
    /// Where the two do not fit each other.
    pub fn new(network: Network, property: Property) -> Result<Self, QueryError> {
        let property = property.of_boxes().into_owned();
        let [inputs, outputs] = [network.inputs(), network.outputs()];
        let text = write_property(&property, inputs, outputs, "");
        let Ok(model) = write_onnx(&network) else {
            return Ok(Self { query: Query::new(network, property)?, files: None });
        };
        // The cases of the text are those of the query; what no file states, such as a comparison of constants, has no file.
        let Ok(statement) = parse_statement("case.vnnlib", text.as_bytes(), inputs, outputs) else {
            return Ok(Self { query: Query::new(network, property)?, files: None });
        };
        let query = Query::of(network, statement)?;
        let files = Files { model: model.into(), property: text.into(), read: None };
        Ok(Self { query, files: Some(files) })
    }

    /// The case that two files state; `ports` says which output is asked about as a function of which input.
    ///
    /// # Errors
    /// Where one of them cannot be read, or they do not fit each other.
    pub fn read(
        model: &Path,
        ports: &LoadSettings,
        property: &[u8],
        name: &str,
    ) -> Result<Self, OpenError> {
        let network = load_network_as(model, ports)?.network;
        let bytes = as_onnx(model, &network)?;
        let statement = parse_statement(name, property, network.inputs(), network.outputs())?;
        let read = Model::beside(model, &bytes, ports).ok();
        let property = String::from_utf8_lossy(property).into_owned();
        let files = Files { model: bytes.into(), property: property.into(), read };
        Ok(Self { query: Query::of(network, statement)?, files: Some(files) })
    }

    /// The case that the contents of two files state.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_bytes(model: &[u8], property: &str) -> Result<Self, OpenError> {
        let network = load_network_bytes("case.onnx", model)?.network;
        let bytes = property.as_bytes();
        let statement = parse_statement("case.vnnlib", bytes, network.inputs(), network.outputs())?;
        let files = Files { model: model.into(), property: property.into(), read: None };
        Ok(Self { query: Query::of(network, statement)?, files: Some(files) })
    }

    /// The case of a network that was read before, from the contents of its file, and of a property's text.
    pub(super) fn of_parts(
        network: &Network,
        model: &[u8],
        read: Option<Model>,
        property: &str,
    ) -> Result<Self, OpenError> {
        let (inputs, outputs) = (network.inputs(), network.outputs());
        let statement = parse_statement("case.vnnlib", property.as_bytes(), inputs, outputs)?;
        let files = Files { model: model.into(), property: property.into(), read };
        Ok(Self { query: Query::of(network.clone(), statement)?, files: Some(files) })
    }

    /// The same network with another property.
    ///
    /// # Errors
    /// Where it does not fit the network.
    pub fn asking(&self, property: Property) -> Result<Self, QueryError> {
        let [inputs, outputs] = [self.query.network().inputs(), self.query.own_outputs()];
        let text: Arc<str> = write_property(&property, inputs, outputs, "").into();
        let Ok(statement) = parse_statement("case.vnnlib", text.as_bytes(), inputs, outputs) else {
            let statement = Statement { property, empty: Vec::new() };
            return Ok(Self { query: self.query.stating(statement)?, files: None });
        };
        let query = self.query.stating(statement)?;
        let files = self.files.clone().map(|files| Files { property: text, ..files });
        Ok(Self { query, files })
    }

    /// What is asked.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The ONNX file; `None` where no file holds the network exactly.
    #[must_use]
    pub fn model(&self) -> Option<&[u8]> {
        self.files.as_ref().map(|files| &*files.model)
    }

    /// The VNN-LIB file.
    #[must_use]
    pub fn property(&self) -> Option<&str> {
        self.files.as_ref().map(|files| &*files.property)
    }

    /// The question as the checker reads it from the files.
    ///
    /// # Errors
    /// Where it cannot, or there are none.
    pub fn question(&self) -> Result<Question, NotProved> {
        let none = || NotProved::Unreadable("no file holds the network exactly".to_owned());
        let files = self.files.as_ref().ok_or_else(none)?;
        let model = files.read.clone().map_or_else(|| Model::new(&files.model), Ok)?;
        model.ask(files.property.as_bytes())
    }
}

/// The contents of a network's file, uncompressed; of a file in another format the network written as ONNX, if one holds it.
pub(super) fn as_onnx(model: &Path, network: &Network) -> Result<Vec<u8>, NetworkError> {
    let own = || SourceFile::read(model).map(|file| file.bytes).map_err(NetworkError::File);
    let name = model.to_string_lossy();
    if !name.trim_end_matches(".gz").ends_with(".nnet") {
        return own();
    }
    write_onnx(network).or_else(|_| own())
}

impl TryFrom<Query> for Case {
    type Error = QueryError;

    /// The case of a query whose network is the one that its property speaks of.
    fn try_from(query: Query) -> Result<Self, QueryError> {
        if query.property().uses_inputs {
            return Ok(Self { query, files: None });
        }
        Self::new(query.network().clone(), query.property().clone())
    }
}

/// What a failing test prints: sizes, and the property.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let net = self.query.network();
        let [inputs, outputs, nodes] = [net.inputs(), net.outputs(), net.nodes().len()];
        writeln!(f, "a network of {nodes} nodes with {inputs} inputs and {outputs} outputs, and")?;
        f.write_str(self.property().unwrap_or("a property that no file holds"))?;
        // Large networks are for files.
        if net.parameters() <= 64 { write!(f, "{:#?}", net.nodes()) } else { Ok(()) }
    }
}
