//! The operators that this reader knows, as the operator sets define them: operands, attributes, and the set from which on
//! they hold. What a node has beyond that is refused, so that no part of a file is passed over.

use super::call::Call;
use super::constant::Element;
use super::lower::{Lowering, Value};
use super::shape::Problem;
use super::{
    alias, choice, conv, elementwise, fold, last, legacy, matmul, ml, piecewise, place, reduce,
    select, smooth,
};
use crate::load::NodeProblem;
use crate::net::{FinalOperator, Function};
use std::sync::LazyLock;

type One = for<'m> fn(&mut Lowering, &Call<'_, 'm>) -> Problem<Value<'m>>;
type Many = for<'m> fn(&mut Lowering, &Call<'_, 'm>) -> Problem<Vec<Value<'m>>>;

/// How a node is read.
#[derive(Clone, Copy)]
enum Rule {
    One(One),
    Many(Many),
    Smooth(Function),
}

/// An operator from an operator set on: its name, that set, how it is read, its operands and its attributes.
///
/// Operands are letters for the element type: T any, N numeric, R float or double, all of these one type for the whole node;
/// A numeric of its own, F float or double, I int64, J int64 or int32, B bool. `?` marks one that may be left out, `*` any number of them.
type Row = (&'static str, i64, Rule, &'static str, &'static str);

const POOL: &str = "auto_pad ceil_mode dilations kernel_shape pads storage_order strides";
const AVERAGE: &str = "auto_pad ceil_mode count_include_pad kernel_shape pads strides";

/// Sorted by name and operator set; smooth functions are listed where they are defined ([`Function::ONNX`]).
const OPERATORS: &[Row] = {
    use Rule::{Many, One};
    &[
        ("Abs", 1, One(piecewise::abs), "R", "consumed_inputs"),
        ("Abs", 6, One(piecewise::abs), "R", ""),
        ("Add", 1, One(legacy::add), "N N", "axis broadcast consumed_inputs"),
        ("Add", 6, One(legacy::add), "N N", "axis broadcast"),
        ("Add", 7, One(elementwise::add), "N N", ""),
        ("ArgMax", 1, One(last::arg_max), "R", "axis keepdims"),
        ("ArgMax", 12, One(last::arg_max), "R", "axis keepdims select_last_index"),
        ("AveragePool", 1, One(reduce::average_pool), "R", "auto_pad kernel_shape pads strides"),
        (
            "AveragePool",
            7,
            One(reduce::average_pool),
            "R",
            "auto_pad count_include_pad kernel_shape pads strides",
        ),
        ("AveragePool", 10, One(reduce::average_pool), "R", AVERAGE),
        (
            "AveragePool",
            19,
            One(reduce::average_pool),
            "R",
            "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides",
        ),
        (
            "BatchNormalization",
            1,
            One(legacy::batch_normalization),
            "R F F F F",
            "consumed_inputs epsilon is_test momentum spatial",
        ),
        (
            "BatchNormalization",
            6,
            One(legacy::batch_normalization),
            "R F F F F",
            "epsilon is_test momentum spatial",
        ),
        (
            "BatchNormalization",
            7,
            One(conv::batch_normalization),
            "R F F F F",
            "epsilon momentum spatial",
        ),
        ("BatchNormalization", 9, One(conv::batch_normalization), "R F F F F", "epsilon momentum"),
        (
            "BatchNormalization",
            14,
            One(conv::batch_normalization),
            "R F F F F",
            "epsilon momentum training_mode",
        ),
        ("Cast", 6, One(fold::cast), "T", "to"),
        ("Cast", 19, One(fold::cast), "T", "saturate to"),
        ("Ceil", 1, One(smooth::ceil), "R", "consumed_inputs"),
        ("Ceil", 6, One(smooth::ceil), "R", ""),
        ("Celu", 12, One(smooth::celu), "R", "alpha"),
        ("Clip", 1, One(piecewise::clip), "R", "consumed_inputs max min"),
        ("Clip", 6, One(piecewise::clip), "R", "max min"),
        ("Clip", 11, One(piecewise::clip), "R R? R?", ""),
        ("Concat", 4, One(place::concat), "T*", "axis"),
        ("Constant", 1, One(fold::constant), "", "value"),
        (
            "Constant",
            12,
            One(fold::constant),
            "",
            "value value_float value_floats value_int value_ints",
        ),
        ("ConstantOfShape", 9, One(fold::constant_of_shape), "I", "value"),
        (
            "Conv",
            1,
            One(conv::conv),
            "R R R?",
            "auto_pad dilations group kernel_shape pads strides",
        ),
        ("Div", 1, One(legacy::div), "N N", "axis broadcast consumed_inputs"),
        ("Div", 6, One(legacy::div), "N N", "axis broadcast"),
        ("Div", 7, One(elementwise::div), "N N", ""),
        ("Dropout", 1, One(legacy::dropout), "R", "consumed_inputs is_test ratio"),
        ("Dropout", 6, One(legacy::dropout), "R", "is_test ratio"),
        ("Dropout", 7, One(alias::dropout), "R", "ratio"),
        ("Dropout", 12, One(alias::dropout), "R F? B?", "seed"),
        ("Elu", 1, One(smooth::elu), "R", "alpha consumed_inputs"),
        ("Elu", 6, One(smooth::elu), "R", "alpha"),
        ("Equal", 7, One(fold::equal), "T T", ""),
        ("Expand", 8, One(select::expand), "T I", ""),
        ("Flatten", 1, One(alias::flatten), "T", "axis"),
        ("Floor", 1, One(smooth::floor), "R", "consumed_inputs"),
        ("Floor", 6, One(smooth::floor), "R", ""),
        ("Gather", 1, One(select::gather), "T J", "axis"),
        ("Gelu", 20, One(smooth::gelu), "R", "approximate"),
        ("Gemm", 1, One(legacy::gemm), "R R R", "alpha beta broadcast transA transB"),
        ("Gemm", 7, One(matmul::gemm), "R R R", "alpha beta transA transB"),
        ("Gemm", 11, One(matmul::gemm), "R R R?", "alpha beta transA transB"),
        ("GlobalAveragePool", 1, One(reduce::global_average_pool), "R", ""),
        ("GlobalMaxPool", 1, One(piecewise::global_max_pool), "R", ""),
        ("Greater", 7, One(choice::greater), "N N", ""),
        ("GreaterOrEqual", 12, One(choice::greater_or_equal), "N N", ""),
        ("HardSigmoid", 1, One(smooth::hard_sigmoid), "R", "alpha beta consumed_inputs"),
        ("HardSigmoid", 6, One(smooth::hard_sigmoid), "R", "alpha beta"),
        ("HardSwish", 14, One(smooth::hard_swish), "R", ""),
        ("Identity", 1, One(alias::identity), "T", ""),
        ("LeakyRelu", 1, One(piecewise::leaky_relu), "R", "alpha consumed_inputs"),
        ("LeakyRelu", 6, One(piecewise::leaky_relu), "R", "alpha"),
        ("Less", 7, One(choice::less), "N N", ""),
        ("LessOrEqual", 12, One(choice::less_or_equal), "N N", ""),
        ("LogSoftmax", 1, One(last::log_softmax), "R", "axis"),
        ("MatMul", 1, One(matmul::matmul), "R R", ""),
        ("Max", 1, One(legacy::max), "N*", "consumed_inputs"),
        ("Max", 6, One(legacy::max), "N*", ""),
        ("Max", 8, One(piecewise::max), "N*", ""),
        ("MaxPool", 1, One(piecewise::max_pool), "R", "auto_pad kernel_shape pads strides"),
        (
            "MaxPool",
            8,
            One(piecewise::max_pool),
            "R",
            "auto_pad kernel_shape pads storage_order strides",
        ),
        ("MaxPool", 10, One(piecewise::max_pool), "R", POOL),
        ("Min", 1, One(legacy::min), "N*", "consumed_inputs"),
        ("Min", 6, One(legacy::min), "N*", ""),
        ("Min", 8, One(piecewise::min), "N*", ""),
        ("Mul", 1, One(legacy::mul), "N N", "axis broadcast consumed_inputs"),
        ("Mul", 6, One(legacy::mul), "N N", "axis broadcast"),
        ("Mul", 7, One(elementwise::mul), "N N", ""),
        ("Neg", 1, One(elementwise::neg), "N", "consumed_inputs"),
        ("Neg", 6, One(elementwise::neg), "N", ""),
        ("Not", 1, One(choice::not), "B", ""),
        ("PRelu", 1, One(legacy::prelu), "R R", "consumed_inputs"),
        ("PRelu", 6, One(legacy::prelu), "R R", ""),
        ("PRelu", 7, One(piecewise::prelu), "R R", ""),
        ("Pad", 2, One(place::pad), "R", "mode pads value"),
        ("Pad", 11, One(place::pad), "R I R?", "mode"),
        ("Pad", 18, One(place::pad), "R I R? J?", "mode"),
        ("Pow", 7, One(smooth::pow), "R R", ""),
        ("Pow", 12, One(smooth::pow), "R A", ""),
        ("Range", 11, One(fold::range), "N N N", ""),
        ("ReduceMean", 1, One(reduce::reduce_mean), "R", "axes keepdims"),
        ("ReduceMean", 18, One(reduce::reduce_mean), "R I?", "keepdims noop_with_empty_axes"),
        ("ReduceSum", 1, One(reduce::reduce_sum), "R", "axes keepdims"),
        ("ReduceSum", 13, One(reduce::reduce_sum), "R I?", "keepdims noop_with_empty_axes"),
        ("Relu", 1, One(piecewise::relu), "R", "consumed_inputs"),
        ("Relu", 6, One(piecewise::relu), "R", ""),
        ("Reshape", 1, One(legacy::reshape), "T", "consumed_inputs shape"),
        ("Reshape", 5, One(alias::reshape), "T I", ""),
        ("Reshape", 14, One(alias::reshape), "T I", "allowzero"),
        ("Round", 11, One(smooth::round), "R", ""),
        ("Selu", 1, One(smooth::selu), "R", "alpha consumed_inputs gamma"),
        ("Selu", 6, One(smooth::selu), "R", "alpha gamma"),
        ("Shape", 1, One(fold::shape), "T", ""),
        ("Shape", 15, One(fold::shape), "T", "end start"),
        ("Shrink", 9, One(smooth::shrink), "R", "bias lambd"),
        ("Sign", 9, One(smooth::sign), "R", ""),
        ("Size", 1, One(fold::size), "T", ""),
        ("Slice", 1, One(select::slice), "T", "axes ends starts"),
        ("Slice", 10, One(select::slice), "T J J J? J?", ""),
        ("Softmax", 1, One(last::softmax), "R", "axis"),
        ("Split", 2, Many(select::split), "T", "axis split"),
        ("Split", 13, Many(select::split), "T I?", "axis"),
        ("Split", 18, Many(select::split), "T I?", "axis num_outputs"),
        ("Squeeze", 1, One(alias::squeeze), "T", "axes"),
        ("Squeeze", 13, One(alias::squeeze), "T I?", ""),
        ("Sub", 1, One(legacy::sub), "N N", "axis broadcast consumed_inputs"),
        ("Sub", 6, One(legacy::sub), "N N", "axis broadcast"),
        ("Sub", 7, One(elementwise::sub), "N N", ""),
        ("Sum", 1, One(legacy::sum), "R*", "consumed_inputs"),
        ("Sum", 6, One(legacy::sum), "R*", ""),
        ("Sum", 8, One(elementwise::sum), "R*", ""),
        ("Swish", 24, One(smooth::swish), "R", "alpha"),
        ("ThresholdedRelu", 10, One(smooth::thresholded_relu), "R", "alpha"),
        ("Transpose", 1, One(select::transpose), "T", "perm"),
        ("Unsqueeze", 1, One(alias::unsqueeze), "T", "axes"),
        ("Unsqueeze", 13, One(alias::unsqueeze), "T I", ""),
        ("Where", 9, One(choice::where_), "B T T", ""),
    ]
};

/// The operators of ai.onnx.ml, likewise.
const OF_ML: &[Row] = {
    use Rule::{Many, One};
    &[
        ("ArrayFeatureExtractor", 1, One(ml::array_feature_extractor), "T I", ""),
        ("FeatureVectorizer", 1, One(ml::feature_vectorizer), "R*", "inputdimensions"),
        (
            "Imputer",
            1,
            One(ml::imputer),
            "R",
            "imputed_value_floats imputed_value_int64s replaced_value_float replaced_value_int64",
        ),
        (
            "LinearClassifier",
            1,
            Many(ml::linear_classifier),
            "R",
            "classlabels_ints classlabels_strings coefficients intercepts multi_class post_transform",
        ),
        (
            "LinearRegressor",
            1,
            One(ml::linear_regressor),
            "R",
            "coefficients intercepts post_transform targets",
        ),
        ("Normalizer", 1, One(ml::normalizer), "R", "norm"),
        (
            "SVMClassifier",
            1,
            One(ml::svm_classifier),
            "R",
            "classlabels_ints classlabels_strings coefficients kernel_params kernel_type post_transform prob_a prob_b rho \
             support_vectors vectors_per_class",
        ),
        (
            "SVMRegressor",
            1,
            One(ml::svm_regressor),
            "R",
            "coefficients kernel_params kernel_type n_supports one_class post_transform rho support_vectors",
        ),
        ("Scaler", 1, One(ml::scaler), "R", "offset scale"),
        ("ZipMap", 1, One(ml::zip_map), "R", "classlabels_int64s classlabels_strings"),
    ]
};

/// The results of a node.
pub fn run<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let &(name, _, rule, operands, attributes) = find(call)?;
    check_dropped(call, name)?;
    check_attributes(call, attributes)?;
    low.element = check_operands(call, operands)?;
    match rule {
        Rule::One(rule) => Ok(vec![rule(low, call)?]),
        Rule::Many(rule) => rule(low, call),
        Rule::Smooth(function) => Ok(vec![smooth::smooth(low, call, function)?]),
    }
}

/// All operators, sorted by name and operator set.
static ALL: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let smooth =
        |&(name, since, f, attributes): &_| (name, since, Rule::Smooth(f), "R", attributes);
    let mut rows = [OPERATORS, &Function::ONNX.iter().map(smooth).collect::<Vec<_>>()].concat();
    rows.sort_by_key(|row| (row.0, row.1));
    rows
});

/// The row that holds in the file's operator set.
fn find(call: &Call) -> Problem<&'static Row> {
    let (op, opset) = (call.node.op, call.opset);
    let table: &[Row] = match call.node.domain {
        "" => &ALL,
        "ai.onnx.ml" => OF_ML,
        _ => &[],
    };
    let of_name = table.iter().filter(|row| row.0 == op);
    match (of_name.clone().rfind(|row| row.1 <= opset), of_name.map(|row| row.1).min()) {
        (Some(row), _) => Ok(row),
        (None, Some(since)) => Err(NodeProblem::OperatorSet { opset, since }),
        (None, None) => {
            let mut names: Vec<&str> = ALL.iter().map(|row| row.0).collect();
            names.dedup();
            let last = |name: &&str| !last::NAMES.contains(name);
            names.retain(last);
            let accepted =
                format!("{}, and at the end {}", names.join(", "), last::NAMES.join(", "));
            Err(NodeProblem::Operator { accepted })
        }
    }
}

/// Where a softmax was left out, elements have only its order: nothing may read them but what passes them on in order.
fn check_dropped(call: &Call, name: &str) -> Problem<()> {
    for (index, value) in call.inputs.iter().enumerate() {
        let Some(Value::Variable(x)) = value else { continue };
        let Some(dropped) = x.dropped else { continue };
        let again = last::NAMES.contains(&name) && dropped != FinalOperator::ArgMax;
        if index > 0 || !(again || alias::PASS_ON.contains(&name)) {
            return Err(NodeProblem::NotLast);
        }
    }
    Ok(())
}

fn check_attributes(call: &Call, known: &str) -> Problem<()> {
    let given = &call.node.attributes;
    for (index, attribute) in given.iter().enumerate() {
        let name = attribute.name;
        let twice = given[..index].iter().any(|other| other.name == name);
        if twice || !known.split(' ').any(|known| known == name) {
            let accepted = if known.is_empty() { "none" } else { known }.replace(' ', ", ");
            return Err(NodeProblem::UnknownAttribute { found: name.to_owned(), accepted });
        }
    }
    Ok(())
}

/// Checks number and element types of the operands; the type that those have in common.
fn check_operands(call: &Call, known: &str) -> Problem<Element> {
    let refuse = |index, found: &str, accepted| {
        Err(NodeProblem::Operand { index, found: found.to_owned(), accepted })
    };
    let known: Vec<&str> = known.split_whitespace().collect();
    let mut common = None;
    for index in 0..call.inputs.len().max(known.len()) {
        let many = known.last().filter(|last| last.ends_with('*'));
        let rule = known.get(index).or(many);
        let Some(value) = call.optional(index) else {
            if rule.is_some_and(|rule| rule.len() == 1 || (rule.ends_with('*') && index == 0)) {
                return refuse(index, "missing", "a tensor");
            }
            continue;
        };
        let element = value.element();
        let Some(rule) = rule else {
            return refuse(index, "given", "nothing, in this operator set");
        };
        let (fits, accepted) = match &rule[..1] {
            "T" => (true, ""),
            "N" | "A" => (element != Element::Bool, "numbers"),
            "R" | "F" => (element.is_float(), "float or double"),
            "I" => (element == Element::Int64, "int64"),
            "J" => (matches!(element, Element::Int32 | Element::Int64), "int64 or int32"),
            _ => (element == Element::Bool, "bool"),
        };
        let found = format!("a tensor of {}", element.name());
        if !fits {
            return refuse(index, &found, accepted);
        }
        if "TNR".contains(&rule[..1]) && *common.get_or_insert(element) != element {
            return refuse(index, &found, "the element type of the other operands");
        }
    }
    Ok(common.unwrap_or(Element::Float))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_spelled_right() {
        assert!(OPERATORS.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        assert!(ALL.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        assert!(OF_ML.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        for (name, _, _, operands, attributes) in ALL.iter().chain(OF_ML) {
            let letters = |token: &str| {
                "TNRAFIJB".contains(&token[..1]) && matches!(&token[1..], "" | "?" | "*")
            };
            assert!(operands.split_whitespace().all(letters), "{name}");
            assert!(attributes.split(' ').is_sorted(), "{name}");
        }
    }
}
