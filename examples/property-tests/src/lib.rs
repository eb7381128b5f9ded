//! A crate with a model of its own; its tests look at the laws of Certus near the model's data (docs/testing.md).

/// Where the model lies.
pub const MODEL: &str = "../../models/breast_cancer/mlp_plain.onnx";

/// Where its data lie.
pub const DATA: &str = "../../models/breast_cancer/test.csv";
