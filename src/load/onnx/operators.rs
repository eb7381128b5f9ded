//! The operators that this reader knows.

use super::call::Call;
use super::lower::{Lowering, Value};
use super::shape::Problem;
use super::{alias, conv, elementwise, fold, matmul, piecewise, place, reduce, select};
use crate::load::NodeProblem;

type Single = for<'m> fn(&mut Lowering, &Call<'_, 'm>) -> Problem<Value<'m>>;

/// Every operator with one result; Split is the only other one.
const OPERATORS: &[(&str, Single)] = &[
    ("Abs", piecewise::abs),
    ("Add", elementwise::add),
    ("AveragePool", reduce::average_pool),
    ("BatchNormalization", conv::batch_normalization),
    ("Cast", fold::cast),
    ("Clip", piecewise::clip),
    ("Concat", place::concat),
    ("Constant", fold::constant),
    ("ConstantOfShape", fold::constant_of_shape),
    ("Conv", conv::conv),
    ("Div", elementwise::div),
    ("Dropout", alias::dropout),
    ("Equal", fold::equal),
    ("Expand", select::expand),
    ("Flatten", alias::flatten),
    ("Gather", select::gather),
    ("Gemm", matmul::gemm),
    ("GlobalAveragePool", reduce::global_average_pool),
    ("GlobalMaxPool", piecewise::global_max_pool),
    ("Identity", alias::identity),
    ("LeakyRelu", piecewise::leaky_relu),
    ("MatMul", matmul::matmul),
    ("Max", piecewise::max),
    ("MaxPool", piecewise::max_pool),
    ("Min", piecewise::min),
    ("Mul", elementwise::mul),
    ("Neg", elementwise::neg),
    ("PRelu", piecewise::prelu),
    ("Pad", place::pad),
    ("Range", fold::range),
    ("ReduceMean", reduce::reduce_mean),
    ("ReduceSum", reduce::reduce_sum),
    ("Relu", piecewise::relu),
    ("Reshape", alias::reshape),
    ("Shape", fold::shape),
    ("Sigmoid", elementwise::sigmoid),
    ("Size", fold::size),
    ("Slice", select::slice),
    ("Squeeze", alias::squeeze),
    ("Sub", elementwise::sub),
    ("Sum", elementwise::sum),
    ("Tanh", elementwise::tanh),
    ("Transpose", select::transpose),
    ("Unsqueeze", alias::unsqueeze),
    ("Where", fold::where_),
];

/// The results of a node.
pub fn run<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let (op, domain) = (call.node.op, call.node.domain);
    if super::model::is_standard_domain(domain) {
        if op == "Split" {
            return select::split(low, call);
        }
        if super::is_final(op).is_some() {
            return Err(NodeProblem::NotLast);
        }
        if let Ok(found) = OPERATORS.binary_search_by_key(&op, |(name, _)| name) {
            return Ok(vec![OPERATORS[found].1(low, call)?]);
        }
    }
    let mut known: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
    known.extend(["Split", "and at the end Softmax, LogSoftmax, ArgMax"]);
    Err(NodeProblem::Operator { accepted: known.join(", ") })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted() {
        assert!(super::OPERATORS.is_sorted_by_key(|(name, _)| name));
    }
}
