//! The operators that this reader knows, as the operator sets define them: operands, attributes, and the set from which on
//! they hold. What a node has beyond that is refused, so that no part of a file is passed over.

use super::call::Call;
use super::constant::Element;
use super::lower::{Lowering, Value};
use super::shape::Problem;
use super::table::{OF_ML, OPERATORS, Row, Rule};
use super::{alias, last, smooth};
use crate::load::NodeProblem;
use crate::net::{FinalOperator, Function};
use std::sync::LazyLock;

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

/// The operators of a domain that are read.
fn table(domain: &str) -> &'static [Row] {
    match domain {
        "" => &ALL,
        "ai.onnx.ml" => OF_ML,
        _ => &[],
    }
}

/// Whether an operator is read.
pub fn is_known(domain: &str, op: &str) -> bool {
    domain.is_empty() && ["If", "Loop", "Scan"].contains(&op)
        || table(domain).iter().any(|row| row.0 == op)
}

/// The row that holds in the file's operator set.
fn find(call: &Call) -> Problem<&'static Row> {
    let (op, opset) = (call.node.op, call.opset);
    let table = table(call.node.domain);
    let of_name = table.iter().filter(|row| row.0 == op);
    match (of_name.clone().rfind(|row| row.1 <= opset), of_name.map(|row| row.1).min()) {
        (Some(row), _) => Ok(row),
        (None, Some(since)) => Err(NodeProblem::OperatorSet { opset, since }),
        (None, None) => {
            let (accepted, others) = (way_round(call).to_owned(), Vec::new());
            Err(NodeProblem::Operator { others, accepted })
        }
    }
}

/// What can be done about an operator that is not read.
fn way_round(call: &Call) -> &'static str {
    match (call.node.domain, call.node.op) {
        (
            "" | "ai.onnx.ml",
            "TreeEnsembleClassifier" | "TreeEnsembleRegressor" | "TreeEnsemble",
        ) => "trees jump at their thresholds; certify a network or a linear model",
        ("", op) if JUMPS.contains(&op) => {
            "it jumps; --output with the name of a tensor before it asks about that"
        }
        ("", op) if RANDOM.contains(&op) => {
            "its outputs are random; export the network for inference"
        }
        ("", op) if op.starts_with("Q") || op.ends_with("Integer") || op.starts_with("Dynamic") => {
            "certify the network before it was quantised"
        }
        ("", _) => {
            "the operators of docs/operators.md; --output with the name of a tensor before it asks about that, and an export of simpler \
             operators (an older operator set, onnxsim) may do without it"
        }
        ("com.microsoft" | "com.ms.internal.nhwc" | "ai.onnx.contrib", _) => {
            "operators of ONNX; export without onnxruntime's optimisations (it fuses operators into its own)"
        }
        _ => "operators of ONNX; define it as a function in the file, or export without it",
    }
}

/// Operators that jump, or give integers.
const JUMPS: [&str; 14] = [
    "ArgMin",
    "TopK",
    "NonZero",
    "NonMaxSuppression",
    "Unique",
    "IsNaN",
    "IsInf",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Mod",
    "RoiAlign",
];

/// Operators whose results are drawn.
const RANDOM: [&str; 6] = [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

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
            "T" | "V" => (true, ""),
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
                "TVNRAFIJB".contains(&token[..1]) && matches!(&token[1..], "" | "?" | "*")
            };
            assert!(operands.split_whitespace().all(letters), "{name}");
            assert!(attributes.split(' ').is_sorted(), "{name}");
        }
    }
}
