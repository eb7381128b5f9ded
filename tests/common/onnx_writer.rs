//! Small ONNX models, written by an encoder that shares no code with the reader under test.

use certus::internal::load::{LoadedNetwork, NetworkError, load_network_bytes};
use certus::internal::net::Matrix;
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use std::cell::RefCell;

/// A model with the input `x` and the output `y`.
#[derive(Clone)]
pub struct Model {
    pub opset: i64,
    pub graph: GraphProto,
}

impl Model {
    /// A model without nodes; a dimension below 0 is symbolic.
    pub fn new(opset: i64, input: &[i64]) -> Self {
        let graph = GraphProto {
            input: vec![tensor_info("x", Some(input))],
            output: vec![tensor_info("y", None)],
            ..Default::default()
        };
        Self { opset, graph }
    }

    /// With one more node, named after its operator and position.
    pub fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) -> Self {
        let own = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        self.graph.node.push(NodeProto {
            name: Some(format!("{op}_{}", self.graph.node.len())),
            op_type: Some(op.to_owned()),
            input: own(inputs),
            output: own(&output.split(' ').collect::<Vec<_>>()),
            attribute: attributes,
            ..Default::default()
        });
        self
    }

    /// With one more initializer of floats.
    pub fn floats(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.graph.initializer.push(float_tensor(name, dims, values));
        self
    }

    /// With one more initializer of integers, a vector.
    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(int_tensor(name, &[values.len() as i64], values));
        self
    }

    /// With an input of doubles.
    pub fn of_doubles(mut self) -> Self {
        let kind = self.graph.input[0].r#type.as_mut().unwrap();
        kind.tensor_type.as_mut().unwrap().elem_type = Some(DataType::DOUBLE);
        self
    }

    /// With any initializer.
    pub fn tensor(mut self, tensor: TensorProto) -> Self {
        self.graph.initializer.push(tensor);
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: Some(8),
            graph: Some(self.graph.clone()),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(self.opset) }],
            ..Default::default()
        };
        model.write_buf().unwrap()
    }

    pub fn try_load(&self) -> Result<LoadedNetwork, NetworkError> {
        load_network_bytes("model.onnx", &self.bytes())
    }

    pub fn load(&self) -> LoadedNetwork {
        self.try_load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Output shape and outputs at a point.
    pub fn run(&self, x: &[f64]) -> (Vec<usize>, Vec<f64>) {
        let loaded = self.load();
        let y = loaded.network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
        (loaded.output_shape, y.as_slice().to_vec())
    }

    /// The problem at a node for which the model is refused.
    pub fn node_problem(&self) -> certus::internal::load::NodeProblem {
        match self.try_load() {
            Err(NetworkError::Node { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }
}

pub fn tensor_info(name: &str, dims: Option<&[i64]>) -> ValueInfoProto {
    let dimension = |&d: &i64| Dimension {
        dim_value: (d >= 0).then_some(d),
        dim_param: (d < 0).then(|| "N".to_owned()),
    };
    let shape = dims.map(|dims| TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape };
    let kind = TypeProto { tensor_type: Some(tensor), ..Default::default() };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind) }
}

/// In `raw_data`.
pub fn float_tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::FLOAT),
        raw_data: Some(RefCell::new(values.iter().flat_map(|v| v.to_le_bytes()).collect())),
        ..Default::default()
    }
}

/// In `double_data`.
pub fn double_tensor(name: &str, dims: &[i64], values: &[f64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::DOUBLE),
        double_data: values.to_vec(),
        ..Default::default()
    }
}

/// In `int64_data`.
pub fn int_tensor(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::INT64),
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind), ..Default::default() }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::INT) }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::INTS) }
}

pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::FLOAT) }
}

pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.to_owned()), ..attribute(name, AttributeType::STRING) }
}

pub fn tensor(name: &str, value: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(value), ..attribute(name, AttributeType::TENSOR) }
}
