//! A node with its operands: typed access to operands and attributes.

use super::constant::{Constant, External};
use super::lower::{Lowering, Value, Variable};
use super::model::{AttributeValue, Graph, Node, Tensor};
use super::shape::{Problem, axis};
use crate::load::NodeProblem;
use std::borrow::Cow;

/// A node at its turn: all operands are known.
#[derive(Debug, Clone)]
pub struct Call<'a, 'm> {
    /// The node.
    pub node: &'a Node<'m>,
    /// Its operands, `None` where left out.
    pub inputs: Vec<Option<Value<'m>>>,
    /// Version of the operator set.
    pub opset: i64,
    /// Contents of the files beside the model.
    pub external: &'m External,
    /// Whether nothing comes after it but what keeps the order of its elements.
    pub is_last: bool,
}

impl<'a, 'm> Call<'a, 'm> {
    /// Operand `index`, if present.
    pub(super) fn optional(&self, index: usize) -> Option<&Value<'m>> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// Operand `index`.
    pub(super) fn value(&self, index: usize) -> Problem<&Value<'m>> {
        self.optional(index).ok_or(NodeProblem::Operand {
            index,
            found: "missing".to_owned(),
            accepted: "a tensor",
        })
    }

    /// Operand `index` as a tensor of the graph.
    pub(super) fn variable(&self, low: &mut Lowering, index: usize) -> Problem<Variable> {
        low.variable(self.value(index)?)
    }

    /// Operand `index`, which must be known now, if present.
    pub(super) fn constant(&self, index: usize) -> Problem<Option<&Constant<'m>>> {
        match self.optional(index) {
            None => Ok(None),
            Some(Value::Constant(constant)) => Ok(Some(constant)),
            Some(Value::Variable(_) | Value::Condition(_)) => Err(NodeProblem::Operand {
                index,
                found: "computed from the network's input".to_owned(),
                accepted: "a constant",
            }),
        }
    }

    /// Operand `index`, which must be there and known now.
    pub(super) fn needed_constant(&self, index: usize) -> Problem<&Constant<'m>> {
        self.value(index)?;
        self.constant(index)?.ok_or(NodeProblem::Internal("an operand vanished"))
    }

    /// Operand `index` as constant integers, which its type says that it is, if present.
    pub(super) fn ints_operand(&self, index: usize) -> Problem<Option<&[i64]>> {
        Ok(self.constant(index)?.and_then(Constant::as_ints))
    }

    /// Operand `index` as one constant float, if present.
    pub(super) fn scalar_operand(&self, index: usize) -> Problem<Option<f64>> {
        let Some(constant) = self.constant(index)? else { return Ok(None) };
        match constant.floats()?.as_ref() {
            [value] => Ok(Some(*value)),
            values => Err(NodeProblem::Operand {
                index,
                found: format!("a tensor of {} elements", values.len()),
                accepted: "a constant scalar",
            }),
        }
    }

    /// An attribute's value.
    fn attribute(&self, name: &str) -> Option<&'a AttributeValue<'m>> {
        self.node.attributes.iter().find(|a| a.name == name).map(|a| &a.value)
    }

    /// Whether an attribute is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// A list of strings, if present.
    pub(super) fn names(&self, name: &'static str) -> Problem<Option<Vec<Cow<'a, str>>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Texts(texts)) => {
                Ok(Some(texts.iter().map(|text| String::from_utf8_lossy(text)).collect()))
            }
            Some(_) => Err(wrong_kind(name, "a list of strings")),
        }
    }

    /// An integer attribute, or its default.
    pub(super) fn int(&self, name: &'static str, default: i64) -> Problem<i64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(&AttributeValue::Int(value)) => Ok(value),
            Some(_) => Err(wrong_kind(name, "an integer")),
        }
    }

    /// A switch: 0 or 1, as programs disagree on what else it would mean.
    pub(super) fn switch(&self, name: &'static str, default: bool) -> Problem<bool> {
        match self.int(name, i64::from(default))? {
            0 => Ok(false),
            1 => Ok(true),
            found => {
                let found = found.to_string();
                Err(NodeProblem::Attribute { name, found, accepted: "0 or 1" })
            }
        }
    }

    /// An integer attribute that must be there.
    pub(super) fn needed_int(&self, name: &'static str) -> Problem<i64> {
        if self.attribute(name).is_some() {
            return self.int(name, 0);
        }
        let (found, accepted) = ("missing".to_owned(), "an integer");
        Err(NodeProblem::Attribute { name, found, accepted })
    }

    /// A float attribute, or its default.
    pub(super) fn float(&self, name: &'static str, default: f32) -> Problem<f64> {
        match self.attribute(name) {
            None => Ok(f64::from(default)),
            Some(&AttributeValue::Float(value)) => Ok(f64::from(value)),
            Some(_) => Err(wrong_kind(name, "a float")),
        }
    }

    /// A list of integers, if present.
    pub(super) fn ints(&self, name: &'static str) -> Problem<Option<&'a [i64]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(wrong_kind(name, "a list of integers")),
        }
    }

    /// A list of floats, if present.
    pub(super) fn floats(&self, name: &'static str) -> Problem<Option<&'a [f32]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Floats(values)) => Ok(Some(values)),
            Some(_) => Err(wrong_kind(name, "a list of floats")),
        }
    }

    /// The number of strings in a list.
    pub(super) fn texts(&self, name: &'static str) -> Problem<usize> {
        match self.attribute(name) {
            None => Ok(0),
            Some(AttributeValue::Texts(texts)) => Ok(texts.len()),
            Some(_) => Err(wrong_kind(name, "a list of strings")),
        }
    }

    /// A text attribute, or its default.
    pub(super) fn text(&self, name: &'static str, default: &'static str) -> Problem<Cow<'a, str>> {
        match self.attribute(name) {
            None => Ok(default.into()),
            Some(&AttributeValue::Text(value)) => Ok(String::from_utf8_lossy(value)),
            Some(_) => Err(wrong_kind(name, "text")),
        }
    }

    /// A tensor, if present.
    pub(super) fn tensor(&self, name: &'static str) -> Problem<Option<&'a Tensor<'m>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Tensor(value)) => Ok(Some(value)),
            Some(_) => Err(wrong_kind(name, "a tensor")),
        }
    }

    /// A graph.
    pub(super) fn graph(&self, name: &'static str) -> Problem<&'a Graph<'m>> {
        match self.attribute(name) {
            Some(AttributeValue::Graph(graph)) => Ok(graph),
            _ => Err(wrong_kind(name, "a graph")),
        }
    }

    /// A flag that must have one value, there being no support for another.
    pub(super) fn require(
        &self,
        name: &'static str,
        value: i64,
        accepted: &'static str,
    ) -> Problem<()> {
        let found = self.int(name, value)?;
        if found == value {
            return Ok(());
        }
        Err(NodeProblem::Attribute { name, found: found.to_string(), accepted })
    }

    /// The attribute `axis` (or its default) as a position.
    pub(super) fn axis(&self, default: i64, rank: usize) -> Problem<usize> {
        axis(self.int("axis", default)?, rank, "axis")
    }

    /// Axes from an attribute (old operator sets) or else from operand `index`; `None` where neither is given.
    pub(super) fn axes(&self, index: usize, rank: usize) -> Problem<Option<Vec<usize>>> {
        let values = match self.ints("axes")? {
            Some(values) => Some(values),
            None => self.ints_operand(index)?,
        };
        let Some(values) = values else { return Ok(None) };
        let mut axes: Vec<usize> =
            values.iter().map(|&a| axis(a, rank, "axes")).collect::<Problem<_>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|w| w[0] == w[1]) {
            return Err(NodeProblem::Attribute {
                name: "axes",
                found: format!("{values:?}"),
                accepted: "axes that differ from one another",
            });
        }
        Ok(Some(axes))
    }
}

fn wrong_kind(name: &'static str, accepted: &'static str) -> NodeProblem {
    NodeProblem::Attribute { name, found: "of another type".to_owned(), accepted }
}
