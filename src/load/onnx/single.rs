//! What has a bound in single precision: operators that are sums of products, moves, maxima and choices by sign, of float32 numbers.
//!
//! docs/semantics.md says of each what evaluations it has, element by element.

use super::call::Call;
use super::constant::Element;
use super::lower::Value;
use super::shape::Problem;
use crate::load::NodeProblem;

/// Operators that compute on what depends on the input.
const COMPUTED: [&str; 27] = [
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Conv",
    "ConvTranspose",
    "Div",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LeakyRelu",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Sub",
    "Sum",
];

/// Operators that only move elements, or give them another shape; of constants, too.
const MOVED: [&str; 19] = [
    "Cast",
    "Concat",
    "DepthToSpace",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Constant",
    "ConstantOfShape",
];

/// Operators on constants whose results are rounded once, so that all programs agree on them.
const FOLDED: [&str; 11] =
    ["Abs", "Add", "CastLike", "Div", "EyeLike", "Max", "Min", "Mul", "Neg", "Sqrt", "Sub"];

/// Refuses what has no bound.
pub fn check(call: &Call, outputs: &[Value]) -> Problem<()> {
    let refuse = |what| Err(NodeProblem::Single(what));
    let (name, plain) = (call.node.op, call.node.domain.is_empty());
    let depends = |value: &Value| !matches!(value, Value::Constant(_));
    let variable = call.inputs.iter().flatten().any(depends) || outputs.iter().any(depends);
    let within = |names: &[&str]| plain && names.contains(&name);
    if variable {
        if !within(&COMPUTED) && !within(&MOVED) {
            return refuse("this operator");
        }
        let single = |value: &Value| {
            let element = value.element();
            !element.is_float() || element == Element::Float
        };
        if !call.inputs.iter().flatten().all(single) || !outputs.iter().all(single) {
            return refuse("numbers of another type than float32");
        }
    } else {
        let float = |value: &Value| value.element().is_float();
        if outputs.iter().any(float) && !within(&MOVED) && !within(&FOLDED) {
            return refuse("this operator on constants, which programs round in more than one way");
        }
    }
    if name == "Gemm" && (call.float("alpha", 1.0)? != 1.0 || call.float("beta", 1.0)? != 1.0) {
        return refuse("alpha or beta that is not 1");
    }
    Ok(())
}
