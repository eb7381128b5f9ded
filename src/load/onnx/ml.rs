//! The operators of ai.onnx.ml with which scikit-learn's models are written: scalings, linear and support vector models, and what turns
//! their scores into probabilities.

use super::call::Call;
use super::constant::{Constant, Element};
use super::elementwise::{quotient, scale, sigmoid, spread};
use super::lower::{Lowering, Pending, Value, Variable};
use super::place;
use super::shape::{Problem, count, misfit};
use crate::load::NodeProblem;
use crate::net::{Dense, FinalOperator, LinearMap, Matrix, Sparse, Term};

fn refused(name: &'static str, found: impl ToString, accepted: &'static str) -> NodeProblem {
    NodeProblem::Attribute { name, found: found.to_string(), accepted }
}

/// A row of features, which the operators take in one or two dimensions, and their number.
fn row(low: &mut Lowering, call: &Call) -> Problem<(Variable, usize)> {
    let x = call.variable(low, 0)?;
    match *x.shape {
        [features] | [1, features] => Ok((x, features)),
        _ => Err(misfit(&[&x.shape], "a row of features")),
    }
}

/// A list of floats with an element for each of so many.
fn floats(call: &Call, name: &'static str, number: usize) -> Problem<Vec<f64>> {
    let found = call.floats(name)?.unwrap_or_default();
    if found.len() == number {
        return Ok(found.iter().map(|&f| f.into()).collect());
    }
    Err(refused(name, format!("a list of {}", found.len()), "an element for each feature or class"))
}

/// W x + b of stored rows, as a row.
fn linear(low: &mut Lowering, x: &Variable, weights: &[f64], bias: Vec<f64>) -> Problem<Variable> {
    let (rows, shape) = (bias.len(), vec![1, bias.len()]);
    low.spend::<f64>(weights.len())?;
    let matrix = Matrix::from_row_slice(rows, weights.len() / rows.max(1), weights);
    low.element = Element::Float;
    low.affine(x, LinearMap::Dense(Dense::new(matrix)), Some(bias), 0, shape)
}

/// (x − offset)·scale, of one value or one for each feature.
pub fn scaler<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let features = x.shape.last().copied().unwrap_or(1);
    low.spend::<f64>(count(&x.shape)?)?;
    let all = |name| -> Problem<Vec<f64>> {
        let number = call.floats(name)?.map_or(0, <[f32]>::len);
        let values = floats(call, name, if number == 1 { 1 } else { features })?;
        let shape = vec![values.len()];
        spread(&Constant::floats_of(Element::Double, shape, values), &x.shape)
    };
    let negated = all("offset")?.iter().map(|offset| -offset).collect();
    let factors = all("scale")?;
    low.element = Element::Float;
    let centred = low.add_bias(&x, negated)?.cast(Element::Float);
    Ok(scale(low, &centred, &factors, 0, x.shape)?.into())
}

/// x divided by its largest element, by Σ|xᵢ|, or by √Σxᵢ²: the order of the elements stays.
pub fn normalizer<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, features) = row(low, call)?;
    let norm = call.text("norm", "MAX")?;
    low.element = Element::Float;
    let mut last = x.cast(Element::Float);
    match (call.is_last, &*norm) {
        // Probabilities have the sum 1.
        (true, "L1") if x.dropped == Some(FinalOperator::Softmax) => return Ok(last.into()),
        (true, "L1" | "L2") if x.dropped.is_none() => {
            let one = norm == "L1";
            let operator =
                if one { FinalOperator::Normalizer } else { FinalOperator::EuclideanNormalizer };
            last.dropped = Some(operator);
            return Ok(last.into());
        }
        (false, "L1") if x.dropped.is_none() => {}
        _ => return Err(refused("norm", norm, "L1, and L2 at the end")),
    }
    let absolute = low.bend(&x, |_, slopes| Some(slopes.abs()))?;
    let row = Sparse::from_rows(features, [(0..features).map(|i| (i, 1.0))]);
    let sum = low.linear(&absolute, LinearMap::Sparse(row), vec![1])?;
    Ok(quotient(low, &x, &sum, &x.shape)?.into())
}

/// Scores behind what a classifier makes of them.
fn transformed(low: &mut Lowering, call: &Call, scores: Variable) -> Problem<Variable> {
    match &*call.text("post_transform", "NONE")? {
        "NONE" => Ok(scores),
        "LOGISTIC" => sigmoid(low, &scores),
        "SOFTMAX" => Ok(Variable { dropped: Some(FinalOperator::Softmax), ..scores }),
        other => Err(refused("post_transform", other, "NONE, LOGISTIC and SOFTMAX")),
    }
}

/// Class and scores W x + b.
pub fn linear_classifier<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let (x, features) = row(low, call)?;
    let classes = classes(call)?;
    let bias = floats(call, "intercepts", classes)?;
    let weights = floats(call, "coefficients", classes * features)?;
    let scores = linear(low, &x, &weights, bias)?;
    let scores = transformed(low, call, scores)?;
    Ok(vec![decided(scores.clone()).into(), scores.into()])
}

/// The number of classes that are named.
fn classes(call: &Call) -> Problem<usize> {
    let ints = ["classlabels_ints", "classlabels_int64s"].map(|name| call.ints(name));
    for list in ints {
        if let Some(list) = list? {
            return Ok(list.len());
        }
    }
    call.texts("classlabels_strings")
}

/// The class with the largest score.
fn decided(scores: Variable) -> Variable {
    Variable {
        shape: vec![1],
        element: Element::Int64,
        dropped: Some(FinalOperator::ArgMax),
        ..scores
    }
}

/// W x + b.
pub fn linear_regressor<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, features) = row(low, call)?;
    let targets = usize::try_from(call.int("targets", 1)?).unwrap_or(0);
    let bias = match call.floats("intercepts")? {
        None => vec![0.0; targets],
        Some(_) => floats(call, "intercepts", targets)?,
    };
    let weights = floats(call, "coefficients", targets.saturating_mul(features))?;
    let scores = linear(low, &x, &weights, bias)?;
    untransformed(call)?;
    Ok(scores.into())
}

fn untransformed(call: &Call) -> Problem<()> {
    match &*call.text("post_transform", "NONE")? {
        "NONE" => Ok(()),
        other => Err(refused("post_transform", other, "NONE")),
    }
}

/// Σ cᵢ ⟨sᵢ, x⟩ + ρ over support vectors sᵢ.
fn support(low: &mut Lowering, call: &Call, vectors: usize) -> Problem<Variable> {
    let kernel = call.text("kernel_type", "LINEAR")?;
    if kernel != "LINEAR" {
        return Err(refused("kernel_type", kernel, "LINEAR"));
    }
    untransformed(call)?;
    let (x, features) = row(low, call)?;
    let rho = floats(call, "rho", 1)?;
    let coefficients = floats(call, "coefficients", vectors)?;
    let vectors = floats(call, "support_vectors", vectors.saturating_mul(features))?;
    let products = linear(low, &x, &vectors, vec![0.0; coefficients.len()])?;
    linear(low, &products, &coefficients, rho)
}

/// A linear function, by its support vectors.
pub fn svm_regressor<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    call.require("one_class", 0, "0")?;
    let number = call.int("n_supports", 0)?;
    let vectors = usize::try_from(number).ok().filter(|&n| n > 0);
    let vectors = vectors.ok_or_else(|| refused("n_supports", number, "a positive number"))?;
    Ok(support(low, call, vectors)?.into())
}

/// Of two classes: the class, the first where a linear function d is positive. The scores −d and d are not in the order of the classes,
/// and left out.
pub fn svm_classifier<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    if call.floats("prob_a")?.is_some_and(|list| !list.is_empty()) {
        return Err(refused("prob_a", "there", "no probabilities (probability=False)"));
    }
    let vectors = call.ints("vectors_per_class")?.unwrap_or_default();
    if classes(call)? != 2 || vectors.len() != 2 {
        let (found, accepted) =
            (vectors.len(), "2: more classes vote, which jumps (LinearSVC does not)");
        return Err(refused("vectors_per_class", found, accepted));
    }
    let vectors = vectors.iter().sum::<i64>();
    let decision = support(low, call, usize::try_from(vectors).unwrap_or(0))?;
    let signs = Sparse::from_rows(1, [[(0, 1.0)], [(0, -1.0)]]);
    let terms = vec![Term { source: low.node(&decision)?, map: LinearMap::Sparse(signs) }];
    let scores = low.pending(Pending { terms, bias: None, roundings: 0 }, vec![1, 2]);
    Ok(decided(scores).into())
}

/// The probabilities that a map has by class, in its order.
pub fn zip_map<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    Ok(call.value(0)?.clone())
}

/// The columns with constant indices.
pub fn array_feature_extractor<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.value(0)?;
    let old = x.shape().to_vec();
    let (&features, rest) = old.split_last().ok_or_else(|| misfit(&[&old], "a row of features"))?;
    let indices = call.ints_operand(1)?.unwrap_or_default();
    call.needed_constant(1)?;
    let at = indices.iter().map(|&i| usize::try_from(i).ok().filter(|&i| i < features));
    let at: Vec<usize> = at.collect::<Option<_>>().ok_or_else(|| NodeProblem::Operand {
        index: 1,
        found: format!("{indices:?}"),
        accepted: "positions of features",
    })?;
    let shape = [if rest.is_empty() { &[1] } else { rest }, &[at.len()]].concat();
    let rows = rest.iter().product::<usize>();
    low.spend::<u64>(count(&shape)?)?;
    let all: Vec<usize> =
        (0..rows).flat_map(|row| at.iter().map(move |i| row * features + i)).collect();
    low.select(x, shape, &all)
}

/// Rows one after another.
pub fn feature_vectorizer<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let values = (0..call.inputs.len()).map(|i| call.value(i)).collect::<Problem<Vec<_>>>()?;
    let sizes = call.ints("inputdimensions")?.unwrap_or_default();
    let fits =
        |(value, &size): (&&Value, &i64)| matches!(*value.shape(), [1, n] if n as i64 == size);
    if values.is_empty() || values.len() != sizes.len() || !values.iter().zip(sizes).all(fits) {
        return Err(refused(
            "inputdimensions",
            format!("{sizes:?}"),
            "the sizes of the operands, rows",
        ));
    }
    place::joined(low, &values, 1)
}

/// What is missing, replaced: nothing is.
pub fn imputer<'m>(_: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let replaced = call.float("replaced_value_float", 0.0)?;
    if replaced.is_nan() && call.value(0)?.element().is_float() {
        return Ok(call.value(0)?.clone());
    }
    Err(refused("replaced_value_float", replaced, "NaN, of floats"))
}
