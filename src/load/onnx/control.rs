//! Graphs within graphs: functions of the file, and branches and loops that run as constants say. They are read as if their nodes stood in
//! the place of the call.

use super::call::Call;
use super::constant::{Constant, Data, Element};
use super::graph::Plan;
use super::lower::{Lowering, Value};
use super::model::{Attribute, AttributeValue, Definition, Graph, Node};
use super::scope::{Reader, Report, Scope, Stop};
use super::shape::{Problem, Walk, axis, misfit, strides};
use super::{alias, place};
use crate::load::{ModelProblem, NodeProblem};

/// How deep graphs and functions may lie within each other.
const DEPTH: usize = 32;

const DEPENDS: NodeProblem = NodeProblem::Arithmetic(
    "a branch or loop that depends on the input; only constants may say which way it goes, and how often",
);

impl<'m> Reader<'_, 'm> {
    /// What a node with nodes of its own gives; `None` for any other node.
    pub(super) fn within(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Option<Vec<Value<'m>>>> {
        let read_on = report.read_on;
        report.read_on |= !call.is_last || ["Loop", "Scan"].contains(&call.node.op);
        let results = self.of_its_own(low, call, scope, report);
        report.read_on = read_on;
        results
    }

    fn of_its_own(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Option<Vec<Value<'m>>>> {
        let node = call.node;
        let named = |f: &&Definition| f.name == node.op && f.domain == node.domain;
        if let Some(function) =
            self.functions.iter().find(|f| named(f) && f.overload == node.overload)
        {
            if node.domain.is_empty() {
                return Err(NodeProblem::LocalFunction);
            }
            return self.function(low, call, function, report).map(Some);
        }
        match (node.domain, node.op) {
            ("", "If") => self.branch(low, call, scope, report).map(Some),
            ("", "Loop") => self.repeat(low, call, scope, report).map(Some),
            ("", "Scan") => self.scan(low, call, scope, report).map(Some),
            _ => Ok(None),
        }
    }

    fn function(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        function: &Definition<'m>,
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        let mut body = function.body.clone();
        let absent = |name: &str| {
            let at = function.inputs.iter().position(|input| *input == name);
            at.is_some_and(|at| call.optional(at).is_none())
        };
        for node in &mut body.nodes {
            resolve(node, call.node, function);
            node.inputs.iter_mut().filter(|name| absent(name)).for_each(|name| *name = "");
        }
        let operands = function.inputs.iter().copied().zip(&call.inputs);
        let operands = operands.filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        body.outputs.truncate(call.node.outputs.len());
        self.graph(low, &body, operands, None, &function.opsets, report)
    }

    /// The outputs of a graph with these inputs.
    fn graph(
        &self,
        low: &mut Lowering,
        graph: &Graph<'m>,
        inputs: Vec<(&'m str, Value<'m>)>,
        outer: Option<&Scope<'_, 'm>>,
        opsets: &[(&'m str, i64)],
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        if report.depth == DEPTH {
            return Err(NodeProblem::Arithmetic(
                "graphs or functions within each other, without end",
            ));
        }
        // As much as a node may take, so that doubling functions end.
        low.spend::<[u64; 64]>(graph.nodes.len())?;
        let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
        let outputs = graph.outputs.iter().map(|output| output.name).collect();
        let plan = Plan::new(graph, &names, outputs, outer.is_some())
            .map_err(|problem| NodeProblem::Graph(Box::new(problem)))?;
        // Programs do not agree on which of two tensors of one name is meant.
        let taken = |name: &&str| outer.is_some_and(|outer| outer.sees(name));
        if let Some(name) = graph.defined().find(taken) {
            let problem = ModelProblem::Shadows(name.to_owned());
            return Err(NodeProblem::Graph(Box::new(problem)));
        }
        let values = inputs.into_iter().collect();
        let mut scope = Scope { plan: &plan, opsets, values, outer };
        for (name, uses) in plan.read() {
            if let Some(Value::Variable(x)) = scope.computed(name) {
                low.add_uses(x, uses);
            }
        }
        report.depth += 1;
        let done = self.run(low, &mut scope, report);
        report.depth -= 1;
        let inside = |stop| match stop {
            Stop::Tensor(_, problem) => NodeProblem::Tensor(problem),
            Stop::Node(index, problem) => {
                let (name, operator) = match plan.nodes.get(index) {
                    Some(node) => (node.label().to_owned(), node.op.to_owned()),
                    None => (plan.outputs.join(", "), "output".to_owned()),
                };
                NodeProblem::Inside { name, operator, problem: Box::new(problem) }
            }
        };
        done.map_err(inside)?;
        let mut results = Vec::with_capacity(plan.outputs.len());
        for &name in &plan.outputs {
            let value = self.value(&scope, name, plan.nodes.len()).map_err(inside)?;
            if let Value::Variable(x) = &value {
                low.forget_use(x);
            }
            results.push(value);
        }
        Ok(results)
    }

    fn branch(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        let taken = flag(call.value(0)?)?;
        let graph = call.graph(if taken { "then_branch" } else { "else_branch" })?;
        self.graph(low, graph, Vec::new(), Some(scope), scope.opsets, report)
    }

    fn repeat(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        let body = call.graph("body")?;
        let trips = match call.optional(0) {
            None => i64::MAX,
            Some(Value::Constant(trips)) => {
                trips.as_ints().and_then(|t| t.first().copied()).unwrap_or(0)
            }
            Some(_) => return Err(DEPENDS),
        };
        let mut goes_on = call.optional(1).map_or(Ok(true), flag)?;
        let mut carried = (2..call.inputs.len())
            .map(|index| call.value(index).cloned())
            .collect::<Problem<Vec<_>>>()?;
        let (number, names) = (carried.len(), inputs_of(body, carried.len() + 2)?);
        let scanned = body.outputs.len().checked_sub(number + 1);
        let scanned =
            scanned.ok_or(misfit(&[], "a result for each tensor that a loop hands on"))?;
        let mut rows = vec![Vec::new(); scanned];
        let mut trip = 0;
        while goes_on && trip < trips {
            let condition =
                Constant { shape: vec![], element: Element::Bool, data: Data::Ints(vec![1]) };
            let inputs = [Constant::int(trip).into(), condition.into()].into_iter().chain(carried);
            let inputs = names.iter().copied().zip(inputs).collect();
            let mut results = self.graph(low, body, inputs, Some(scope), scope.opsets, report)?;
            for (rows, row) in rows.iter_mut().zip(results.drain(number + 1..)) {
                keep(low, rows, row);
            }
            carried = results.split_off(1);
            goes_on = flag(&results[0])?;
            trip += 1;
        }
        for rows in &rows {
            carried.push(stacked(low, rows, 0)?);
        }
        Ok(carried)
    }

    fn scan(
        &self,
        low: &mut Lowering,
        call: &Call<'_, 'm>,
        scope: &Scope<'_, 'm>,
        report: &mut Report,
    ) -> Problem<Vec<Value<'m>>> {
        if call.opset < 9 {
            return Err(NodeProblem::OperatorSet { opset: call.opset, since: 9 });
        }
        let body = call.graph("body")?;
        let number = usize::try_from(call.needed_int("num_scan_inputs")?).unwrap_or(usize::MAX);
        let unfit = || misfit(&[], "as many tensors to scan as the graph takes");
        let states = call.inputs.len().checked_sub(number).ok_or_else(unfit)?;
        let names = inputs_of(body, call.inputs.len())?;
        let mut carried =
            (0..states).map(|index| call.value(index).cloned()).collect::<Problem<Vec<_>>>()?;
        let scanned = body.outputs.len().checked_sub(states).ok_or_else(unfit)?;
        let list = |name, len: usize| -> Problem<Vec<i64>> {
            match call.ints(name)? {
                None => Ok(vec![0; len]),
                Some(list) if list.len() == len => Ok(list.to_vec()),
                Some(_) => Err(unfit()),
            }
        };
        let (along, back) =
            (list("scan_input_axes", number)?, list("scan_input_directions", number)?);
        let (onto, reversed) =
            (list("scan_output_axes", scanned)?, list("scan_output_directions", scanned)?);
        let mut steps = None;
        let mut axes = Vec::with_capacity(number);
        for (i, &a) in along.iter().enumerate() {
            let shape = call.value(states + i)?.shape();
            axes.push(axis(a, shape.len(), "scan_input_axes")?);
            if *steps.get_or_insert(shape[axes[i]]) != shape[axes[i]] {
                return Err(unfit());
            }
        }
        let steps = steps.ok_or_else(unfit)?;
        let mut rows = vec![Vec::new(); scanned];
        for step in 0..steps {
            let mut inputs = carried;
            for (i, &a) in axes.iter().enumerate() {
                let at = if back[i] == 1 { steps - 1 - step } else { step };
                inputs.push(slab(low, call.value(states + i)?, a, at)?);
            }
            let inputs = names.iter().copied().zip(inputs).collect();
            let mut results = self.graph(low, body, inputs, Some(scope), scope.opsets, report)?;
            for (rows, row) in rows.iter_mut().zip(results.drain(states..)) {
                keep(low, rows, row);
            }
            carried = results;
        }
        for (i, rows) in rows.iter_mut().enumerate() {
            if reversed[i] == 1 {
                rows.reverse();
            }
            carried.push(stacked(low, rows, onto[i])?);
        }
        Ok(carried)
    }
}

/// Attributes that stand for those of the function's call get their values, or are left out.
fn resolve<'m>(node: &mut Node<'m>, caller: &Node<'m>, function: &Definition<'m>) {
    let all = || caller.attributes.iter().chain(&function.defaults);
    for attribute in std::mem::take(&mut node.attributes) {
        let Attribute { name, value } = attribute;
        let value = match value {
            AttributeValue::Reference(of) => match all().find(|known| known.name == of) {
                Some(known) => known.value.clone(),
                None => continue,
            },
            AttributeValue::Graph(mut graph) => {
                graph.nodes.iter_mut().for_each(|node| resolve(node, caller, function));
                AttributeValue::Graph(graph)
            }
            value => value,
        };
        node.attributes.push(Attribute { name, value });
    }
}

/// Names of a graph's inputs, of which there must be so many.
fn inputs_of<'m>(graph: &Graph<'m>, number: usize) -> Problem<Vec<&'m str>> {
    let names: Vec<&str> = graph.inputs.iter().map(|input| input.name).collect();
    if names.len() == number {
        return Ok(names);
    }
    Err(NodeProblem::Shapes {
        found: format!("{number} tensors for a graph of {} inputs", names.len()),
        accepted: "one tensor for each input of the graph",
    })
}

/// A constant condition.
fn flag(value: &Value) -> Problem<bool> {
    match value {
        Value::Constant(constant) => match constant.as_ints() {
            Some(&[flag]) => Ok(flag != 0),
            _ => Err(misfit(&[&constant.shape], "one condition")),
        },
        _ => Err(DEPENDS),
    }
}

/// Of a tensor behind a softmax that is left out only the order is known.
fn not_left_out(x: &Value) -> Problem<()> {
    match x {
        Value::Variable(x) if x.dropped.is_some() => Err(NodeProblem::NotLast),
        _ => Ok(()),
    }
}

/// Keeps a result of a step, which is read once more, when all are put together.
fn keep<'m>(low: &mut Lowering, rows: &mut Vec<Value<'m>>, row: Value<'m>) {
    if let Value::Variable(x) = &row {
        low.add_uses(x, 1);
    }
    rows.push(row);
}

/// The elements at a position of an axis, without the axis.
pub fn slab<'m>(low: &mut Lowering, x: &Value<'m>, along: usize, at: usize) -> Problem<Value<'m>> {
    not_left_out(x)?;
    let mut shape = x.shape().to_vec();
    let mut steps = strides(&shape);
    let start = steps[along] * at as isize;
    shape.remove(along);
    steps.remove(along);
    low.spend::<u64>(shape.iter().product())?;
    let indices: Vec<usize> = Walk::new(&shape, &steps, start).collect();
    low.select(x, shape, &indices)
}

/// Tensors of one shape, one after another along a new axis.
pub fn stacked<'m>(low: &mut Lowering, rows: &[Value<'m>], along: i64) -> Problem<Value<'m>> {
    rows.iter().try_for_each(not_left_out)?;
    let Some(first) = rows.first() else {
        return Err(NodeProblem::Arithmetic("a loop without a step, whose results are used"));
    };
    let mut shape = first.shape().to_vec();
    let along = axis(along, shape.len() + 1, "axis")?;
    shape.insert(along, 1);
    let rows = rows.iter().map(|row| alias::reshaped(row, shape.clone()));
    let rows = rows.collect::<Problem<Vec<_>>>()?;
    low.element = first.element();
    place::joined(low, &rows.iter().collect::<Vec<_>>(), along)
}
