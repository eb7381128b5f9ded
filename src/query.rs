//! A question is a value: a network as it is asked about, and a property that fits it.

mod look;
mod reading;

pub(crate) use look::arg_max;
pub use look::{FirstLook, Warning};

use crate::load::{Dataset, DatasetError, NetworkError, PropertyError, Statement, load_network};
use crate::net::{BuildError, FinalOperator, Network};
use crate::num::Rational;
use crate::spec::{Claim, HalfSpace, Norm, Property, Region, RegionError};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// Why a network cannot be asked about a property.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A region of another number of inputs.
    #[error("claim {claim}: the region has {found} inputs, the network {expected}")]
    Inputs {
        /// The claim's number.
        claim: usize,
        /// Inputs of its region.
        found: usize,
        /// Inputs of the network.
        expected: usize,
    },
    /// A half-space that speaks of an output that is not there.
    #[error("claim {claim} speaks of output {output}, and the network has {outputs}")]
    Output {
        /// The claim's number.
        claim: usize,
        /// The output's number.
        output: usize,
        /// Outputs of the network, with its inputs where the property speaks of these.
        outputs: usize,
    },
    /// A half-space whose numbers are not finite, twice the same output, or a bound whose roundings are the wrong way round.
    #[error("claim {0} has a half-space that is none: {1}")]
    HalfSpace(usize, &'static str),
    /// A property of values that the network does not compute.
    #[error(
        "the network ends in {0}, which is left out: a property may only ask which of two outputs is the larger"
    )]
    LeftOut(FinalOperator),
    /// A region in the data's units, and a network that reads normalised inputs.
    #[error(
        "the data are normalised before the network reads them: fold the normalisation into it (Classifier::new)"
    )]
    Normalisation,
    /// A class that the network does not have.
    #[error("there is no class {label}: the network has {classes} outputs")]
    Label {
        /// The class.
        label: usize,
        /// Outputs of the network.
        classes: usize,
    },
    /// An input that the dataset does not have.
    #[error("there is no input {index}: there are {inputs}")]
    Index {
        /// The input's position.
        index: usize,
        /// How many there are.
        inputs: usize,
    },
    /// A radius out of all proportion to the data.
    #[error("{0}")]
    Radius(String),
    /// There is no such region.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The network cannot be given its inputs as outputs.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Why two files make no query.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The network cannot be read.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The property cannot be read.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The two do not fit each other.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What is asked: whether no input of a claim's region takes the network's output into the claim's unsafe set, for every claim
/// of a property.
///
/// It can only be made of parts that fit. The network is the one that bounds, attacks and proofs are about: with the data's
/// normalisation folded in where the region is in the data's units, and with its inputs as further outputs where the property
/// speaks of them.
///
/// A network made in code, and a question about it:
///
/// ```
/// use certus::{LinearMap, Matrix, NetworkBuilder, Query, Region, Settings, Verdict, parse_rational, verify};
/// // y = (x₀ − x₁, x₁ − x₀) behind a ReLU.
/// let mut builder = NetworkBuilder::new(2, "x")?;
/// let weights = Matrix::from_row_slice(2, 2, &[1.0, -1.0, -1.0, 1.0]);
/// let z = builder.linear(0, LinearMap::from_matrix(weights), "z")?;
/// let y = builder.relu(z, "y")?;
/// let network = builder.finish(y)?;
/// let number = |text| parse_rational(text).unwrap();
/// let region = Region::from_bounds(&[(number("0.5"), number("1")), (number("0.1"), number("0.4"))])?;
/// let query = Query::classification(network, region, 0)?;
/// let outcome = verify(&query, &Settings::default(), &|| false);
/// assert!(matches!(outcome.verdict, Verdict::Certified(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    network: Arc<Network>,
    statement: Statement,
    own_outputs: usize,
}

impl Query {
    /// A network and a property of its outputs: output j has the index j, and input i, where the property [speaks of
    /// inputs](Property::uses_inputs), the index `outputs + i`.
    ///
    /// # Errors
    /// Where the two do not fit each other, or the network is not the one that the property speaks of.
    pub fn new(network: impl Into<Arc<Network>>, property: Property) -> Result<Self, QueryError> {
        Self::of(network, Statement { property, empty: Vec::new() })
    }

    /// Reads a network (ONNX or NNet) and a VNN-LIB property about its inputs and outputs.
    ///
    /// # Errors
    /// Where a file cannot be read, or the two do not fit each other.
    pub fn open(model: &Path, property: &Path) -> Result<Self, OpenError> {
        let loaded = load_network(model)?;
        let statement = loaded.load_statement(property)?;
        Ok(Self::of(loaded.network, statement)?)
    }

    /// As [`Self::new`], of a property from a file, with the numbers that its cases have there.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(network: impl Into<Arc<Network>>, statement: Statement) -> Result<Self, QueryError> {
        let mut network = network.into();
        let own_outputs = network.outputs();
        check(&network, &statement.property)?;
        if statement.property.uses_inputs {
            network = Arc::new(Arc::unwrap_or_clone(network).with_inputs_as_outputs()?);
        }
        Ok(Self { network, statement, own_outputs })
    }

    /// The same network, asked about another property, which speaks of inputs only where the first one does.
    ///
    /// # Errors
    /// Where the property does not fit.
    pub(crate) fn stating(&self, mut statement: Statement) -> Result<Self, QueryError> {
        // What it says of inputs are outputs of this network.
        statement.property.uses_inputs = false;
        check(&self.network, &statement.property)?;
        statement.property.uses_inputs = self.statement.property.uses_inputs;
        Ok(Self { statement, ..self.clone() })
    }

    /// Whether the arg max of the outputs is `label` on a whole region. Of a Euclidean ball, bounds are those of the smallest box around
    /// it, so what they certify holds on the ball; counterexamples lie in the ball.
    ///
    /// # Errors
    /// As [`Self::new`], and where there is no such class.
    pub fn classification(
        network: impl Into<Arc<Network>>,
        region: Region,
        label: usize,
    ) -> Result<Self, QueryError> {
        let network = network.into();
        let classes = network.outputs();
        if label >= classes {
            return Err(QueryError::Label { label, classes });
        }
        Self::new(network, Property::classification(region, label, classes))
    }

    /// The network as it is asked about.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Number of outputs of the network alone, without its inputs.
    #[must_use]
    pub fn own_outputs(&self) -> usize {
        self.own_outputs
    }

    /// The property.
    #[must_use]
    pub fn property(&self) -> &Property {
        &self.statement.property
    }

    /// The property, with the numbers of its cases in the file.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
}

/// Whether a property fits a network.
fn check(network: &Network, property: &Property) -> Result<(), QueryError> {
    let inputs = network.inputs();
    let outputs = network.outputs() + if property.uses_inputs { inputs } else { 0 };
    for (claim, Claim { region, unsafe_set }) in property.claims.iter().enumerate() {
        if region.dimension() != inputs {
            let found = region.dimension();
            return Err(QueryError::Inputs { claim, found, expected: inputs });
        }
        if region.is_before_normalisation() && !network.is_normalised() {
            return Err(QueryError::Normalisation);
        }
        for half in unsafe_set.iter().flatten() {
            check_half_space(half).map_err(|what| QueryError::HalfSpace(claim, what))?;
            let last = half.coefficients.last().map_or(0, |(output, _)| *output);
            if last >= outputs && !half.coefficients.is_empty() {
                return Err(QueryError::Output { claim, output: last, outputs });
            }
        }
    }
    match network.left_out() {
        Some(operator) if !property.only_compares(network.outputs()) => {
            Err(QueryError::LeftOut(operator))
        }
        _ => Ok(()),
    }
}

fn check_half_space(half: &HalfSpace) -> Result<(), &'static str> {
    if !half.coefficients.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("its outputs do not increase");
    }
    if !half.coefficients.iter().all(|(_, a)| a.is_finite()) {
        return Err("a coefficient is not finite");
    }
    // Infinite ones come from numbers beyond the doubles, and are rounded outward.
    if half.bound_down <= half.bound_up { Ok(()) } else { Err("its bound is none") }
}

/// A network that classifies the inputs of a dataset: the two fit each other, and the data's normalisation is part of the network.
///
/// ```
/// use certus::{AttackSettings, Classifier, DataSettings, Dataset, Norm, attack, load_network, parse_rational};
/// # if !cfg!(feature = "tables") { return Ok(()) }
/// let loaded = load_network("models/breast_cancer/mlp_plain.onnx".as_ref())?;
/// let data = Dataset::load("models/breast_cancer/test.csv".as_ref(), &DataSettings::default())?;
/// let classifier = Classifier::new(loaded.network, &loaded.input_shape, data)?;
/// let query = classifier.query(0, Norm::Linf, &parse_rational("1/2")?)?;
/// let found = attack(&query, 0, &AttackSettings::default(), 0, &|| false);
/// assert!(found.is_some_and(|found| query.property().claims[0].region.contains(found.input())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Classifier {
    own: Arc<Network>,
    network: Arc<Network>,
    data: Arc<Dataset>,
    shape: Vec<usize>,
}

/// Why a network does not classify a dataset.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// A network that gives nothing but the class.
    #[error(
        "the network's one output is the class; a classifier's outputs are the scores of classes, or one whose sign decides"
    )]
    OneOutput,
    /// One output that is always positive, so that its sign says nothing.
    #[error(
        "the network's one output is always positive, and its sign is to decide between two classes: choose the tensor before the last function as the output"
    )]
    AlwaysPositive,
    /// Outputs that cannot be those of two classes.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Inputs or labels that are not the network's.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A normalisation that is none of the network's inputs.
    #[error("normalisation: {0}")]
    Normalisation(BuildError),
}

impl Classifier {
    /// Folds the data's normalisation into the network, whose input has the given shape. Of one output the sign decides: class 1 where it
    /// is positive, else class 0; of a sigmoid, which is above ½ where its operand is positive, that operand is to be the output.
    ///
    /// # Errors
    /// Where the data are not the network's.
    pub fn new(
        network: impl Into<Arc<Network>>,
        input_shape: &[usize],
        data: impl Into<Arc<Dataset>>,
    ) -> Result<Self, ClassifierError> {
        let (own, data) = (Arc::unwrap_or_clone(network.into()).only_ordered()?, data.into());
        let own = Arc::new(own);
        let two = match (own.outputs(), own.left_out()) {
            (1, Some(_)) => return Err(ClassifierError::OneOutput),
            (1, None) if own.ends_positive() => return Err(ClassifierError::AlwaysPositive),
            (1, None) => Arc::new(Network::clone(&own).with_two_classes()?),
            _ => own.clone(),
        };
        data.check_against(two.inputs(), two.outputs())?;
        data.check_shape(input_shape)?;
        let network = match data.normalisation() {
            None => two,
            Some((mean, inverse_std)) => {
                let folded = Network::clone(&two).with_normalisation(&mean, &inverse_std);
                Arc::new(folded.map_err(ClassifierError::Normalisation)?)
            }
        };
        Ok(Self { own, network, data, shape: input_shape.to_vec() })
    }

    /// The network with the data's normalisation folded in: a function of inputs in the data's units.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The network as its file has it, but for increasing functions at its end: the one that proofs are about.
    #[must_use]
    pub fn own(&self) -> &Arc<Network> {
        &self.own
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Whether the network gives the dataset's label to all inputs of a ball around an input, in the data's units (times
    /// `eps_per_feature`), cut to the domain.
    ///
    /// # Errors
    /// Where there is no such input, ε is negative, or out of all proportion ([`Dataset::check_eps`]).
    pub fn query(&self, index: usize, norm: Norm, eps: &Rational) -> Result<Query, QueryError> {
        self.data.check_eps(norm, eps).map_err(|error| QueryError::Radius(error.to_string()))?;
        let label = self.data.labels().get(index).copied();
        self.query_as(index, norm, eps, label.unwrap_or_default())
    }

    /// As [`Self::query`], about another class than the dataset's, and whatever the radius.
    ///
    /// # Errors
    /// As [`Self::query`], and where there is no such class.
    pub fn query_as(
        &self,
        index: usize,
        norm: Norm,
        eps: &Rational,
        label: usize,
    ) -> Result<Query, QueryError> {
        if index >= self.data.len() {
            return Err(QueryError::Index { index, inputs: self.data.len() });
        }
        Query::classification(self.network.clone(), self.data.region(index, norm, eps)?, label)
    }
}
