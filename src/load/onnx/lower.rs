//! From tensors to the network graph: affine maps are gathered until something needs their value, so that a product
//! and the bias added to it become one node.

use super::choice::{Condition, JUMPS};
use super::constant::{Constant, Element};
use super::gate::Gates;
use super::hinge::Hinges;
pub use super::pending::Pending;
use super::shape::{Problem, broadcast, count_entries};
use crate::load::NodeProblem;
use crate::load::budget::{Budget, Exceeded};
use crate::net::{
    BuildError, Computed, FinalOperator, Function, LinearMap, Network, NetworkBuilder, NodeId,
    Sparse, Term,
};
use std::rc::Rc;

/// The value of a tensor of the file.
#[derive(Debug, Clone)]
pub enum Value<'m> {
    /// Known now.
    Constant(Rc<Constant<'m>>),
    /// A function of the input.
    Variable(Variable),
    /// A comparison that depends on the input.
    Condition(Rc<Condition<'m>>),
}

impl Value<'_> {
    /// The type of the tensor's elements.
    pub fn element(&self) -> Element {
        match self {
            Self::Constant(constant) => constant.element,
            Self::Variable(variable) => variable.element,
            Self::Condition(condition) => condition.element,
        }
    }

    /// The tensor's shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Constant(constant) => &constant.shape,
            Self::Variable(variable) => &variable.shape,
            Self::Condition(condition) => &condition.shape,
        }
    }
}

impl<'m> From<Constant<'m>> for Value<'m> {
    fn from(constant: Constant<'m>) -> Self {
        Self::Constant(Rc::new(constant))
    }
}

impl From<Variable> for Value<'_> {
    fn from(variable: Variable) -> Self {
        Self::Variable(variable)
    }
}

/// A tensor that depends on the input. Tensors that differ in shape only share their form.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements, which counts for no value: those are real numbers.
    pub element: Element,
    /// The last operator that was dropped on the way here, if any: then the elements only have the order of the tensor's.
    pub dropped: Option<FinalOperator>,
    /// Its number among the forms.
    pub(super) form: usize,
}

impl Variable {
    /// The same elements in another shape.
    pub fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self { shape, ..self.clone() }
    }

    /// The same elements in another type.
    pub fn cast(&self, element: Element) -> Self {
        Self { element, ..self.clone() }
    }
}

#[derive(Debug)]
enum State {
    Node(NodeId),
    Pending(Pending, Origin),
    Merged,
}

#[derive(Debug)]
struct Form {
    state: State,
    len: usize,
    uses: usize,
    computed: Computed,
}

/// The refusal of a tensor without elements.
pub const EMPTY: NodeProblem =
    NodeProblem::Arithmetic("a tensor without elements, on which the output depends");

/// The operator that a tensor comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Index of the node in the file.
    pub index: usize,
    /// Its name, given to the nodes made for it.
    pub name: String,
}

/// The graph under construction.
#[derive(Debug)]
pub struct Lowering<'b> {
    builder: NetworkBuilder,
    forms: Vec<Form>,
    /// The memory left.
    pub budget: &'b Budget,
    overdrawn: Option<Exceeded>,
    /// Whether values are meant in single precision: then every operator that computes is a node of its own.
    pub single: bool,
    /// The type of the operands at hand, and of the tensors computed from them.
    pub element: Element,
    /// The operator at hand.
    pub origin: Origin,
    /// The operator whose parameters were refused, if it is another one than that at hand.
    pub blamed: Option<usize>,
    /// Tensors that are functions of other ones, element by element.
    pub hinges: Hinges,
    /// Tensors that are sums of functions of other ones.
    pub gates: Gates,
    /// Nodes of functions that are not defined everywhere.
    partial: Vec<NodeId>,
}

impl<'b> Lowering<'b> {
    /// A graph with only its input.
    pub fn new(len: usize, name: &str, element: Element, budget: &'b Budget) -> Problem<Self> {
        let builder = NetworkBuilder::new(len, name)?;
        let computed = Computed::default();
        let forms = vec![Form { state: State::Node(0), len, uses: 0, computed }];
        Ok(Self {
            builder,
            forms,
            budget,
            overdrawn: None,
            single: false,
            element,
            origin: Origin::default(),
            blamed: None,
            hinges: Hinges::default(),
            gates: Gates::default(),
            partial: Vec::new(),
        })
    }

    /// The input.
    pub fn input(&self, shape: Vec<usize>) -> Variable {
        Variable { shape, element: self.element, dropped: None, form: 0 }
    }

    /// Ends the construction. Of a function that is not defined everywhere whatever becomes of it stays, if as a summand with the factor 0:
    /// log x · 0 is a number only where log x is one.
    pub fn finish(mut self, output: NodeId) -> Result<Network, BuildError> {
        let needed = self.builder.needed(output)?;
        let len = self.builder.len(output)?;
        self.partial.retain(|&id| !needed[id]);
        if self.partial.is_empty() {
            return self.builder.finish(output);
        }
        let mut terms = vec![Term { source: output, map: LinearMap::Identity(len) }];
        for &source in &self.partial {
            let rows = std::iter::repeat_n([], len);
            let map = LinearMap::Sparse(Sparse::from_rows(self.builder.len(source)?, rows));
            terms.push(Term { source, map });
        }
        let output = self.builder.affine(terms, vec![0.0; len], 0, "defined")?;
        self.builder.finish(output)
    }

    /// Says that so many operands will read a tensor.
    pub fn add_uses(&mut self, variable: &Variable, uses: usize) {
        self.forms[variable.form].uses += uses;
    }

    /// Says that an operator read a tensor only to rename it.
    pub fn forget_use_if_same(&mut self, operand: &Variable, result: &Variable) {
        if operand.form == result.form {
            self.forget_use(operand);
        }
    }

    /// Says that something read a tensor only to pass it on.
    pub fn forget_use(&mut self, variable: &Variable) {
        self.forms[variable.form].uses = self.forms[variable.form].uses.saturating_sub(1);
    }

    /// Charges so many values of a type, before they are made.
    pub fn spend<T>(&self, number: usize) -> Problem<()> {
        Ok(self.budget.spend_values::<T>(number)?)
    }

    /// The common shape of two operands, with room charged for a tensor of that shape and for the places that its elements come
    /// from.
    pub fn broadcast(&self, a: &[usize], b: &[usize]) -> Problem<Vec<usize>> {
        let shape = broadcast(a, b)?;
        self.spend::<[u64; 3]>(shape.iter().product())?;
        Ok(shape)
    }

    /// Charges what is there already; the operator at hand is refused at its end if it was too much.
    fn charge(&mut self, bytes: usize) {
        if let Err(exceeded) = self.budget.spend(bytes) {
            self.overdrawn = Some(exceeded);
        }
    }

    /// Charges folded constants, and refuses what was too much.
    pub fn settle(&mut self, values: &[Value]) -> Problem<()> {
        for value in values {
            if let Value::Constant(constant) = value {
                self.charge(constant.bytes());
            }
        }
        self.overdrawn.map_or(Ok(()), |exceeded| Err(exceeded.into()))
    }

    /// Number of elements.
    pub fn len(&self, variable: &Variable) -> usize {
        self.forms[variable.form].len
    }

    /// Whether a tensor can still be read: it is not part of another one.
    pub fn is_there(&self, variable: &Variable) -> bool {
        !matches!(self.forms[variable.form].state, State::Merged)
    }

    /// Whether both are the same function of the input.
    pub fn is_same(&self, x: &Variable, y: &Variable) -> bool {
        x.form == y.form
    }

    /// The node of a tensor, made now if it is pending.
    pub fn node(&mut self, variable: &Variable) -> Problem<NodeId> {
        let form = &mut self.forms[variable.form];
        let id = match std::mem::replace(&mut form.state, State::Merged) {
            State::Node(id) => id,
            State::Pending(Pending { terms, bias, roundings }, origin) => {
                let bias = bias.unwrap_or_else(|| vec![0.0; form.len]);
                let made = self.builder.affine(terms, bias, roundings, origin.name);
                let id = made.inspect_err(|_| self.blamed = Some(origin.index))?;
                self.builder.computed(id, form.computed);
                id
            }
            State::Merged => return Err(NodeProblem::Internal("a merged map is used again")),
        };
        form.state = State::Node(id);
        Ok(id)
    }

    fn push(&mut self, state: State, len: usize, shape: Vec<usize>) -> Variable {
        // Its constant part, and what refers to it.
        self.charge(len.saturating_mul(size_of::<f64>()) + 512);
        self.forms.push(Form { state, len, uses: 0, computed: Computed::default() });
        Variable { shape, element: self.element, dropped: None, form: self.forms.len() - 1 }
    }

    /// A tensor computed by an affine map.
    pub fn pending(&mut self, pending: Pending, shape: Vec<usize>) -> Variable {
        let len = shape.iter().product();
        for term in &pending.terms {
            let map = &term.map;
            let entry = size_of::<f64>() + size_of::<u32>();
            let rows = if matches!(map, LinearMap::Sparse(_)) { map.outputs() } else { 0 };
            self.charge(map.parameters() * entry + rows * size_of::<usize>());
        }
        let origin = self.origin.clone();
        self.push(State::Pending(pending, origin), len, shape)
    }

    /// W x.
    pub fn linear(&mut self, x: &Variable, map: LinearMap, shape: Vec<usize>) -> Problem<Variable> {
        self.affine(x, map, None, 0, shape)
    }

    /// W x + b.
    pub fn affine(
        &mut self,
        x: &Variable,
        map: LinearMap,
        bias: Option<Vec<f64>>,
        roundings: usize,
        shape: Vec<usize>,
    ) -> Problem<Variable> {
        let terms = vec![Term { source: self.node(x)?, map }];
        Ok(self.pending(Pending { terms, bias, roundings }, shape))
    }

    /// Says how programs compute a tensor that is part of a function which is no affine one, before anything reads it.
    pub fn mark(&mut self, variable: &Variable, computed: Computed) {
        if self.single {
            self.forms[variable.form].computed = computed;
        }
    }

    /// Whether two maps may be added in one node.
    fn add_up(&self, x: &Pending, y: &Pending) -> bool {
        // What cancels in a sum of constants is forgotten, and single precision does not forget it.
        x.adds_exactly(y) && !(self.single && x.bias.is_some() && y.bias.is_some())
    }

    /// Takes an affine map out of its tensor if the operator at hand is all that reads it.
    fn take(&mut self, variable: &Variable, other: Option<&Pending>) -> Option<Pending> {
        let form = &self.forms[variable.form];
        match &form.state {
            State::Pending(pending, _)
                if form.uses == 1
                    && form.computed == Computed::Chained
                    && other.is_none_or(|other| self.add_up(pending, other)) => {}
            _ => return None,
        }
        let form = &mut self.forms[variable.form];
        match std::mem::replace(&mut form.state, State::Merged) {
            State::Pending(pending, _) => Some(pending),
            _ => None,
        }
    }

    /// x + b, in the node of x where that is exact.
    pub fn add_bias(&mut self, x: &Variable, bias: Vec<f64>) -> Problem<Variable> {
        if bias.iter().all(|&b| b == 0.0) {
            return Ok(x.clone());
        }
        let added = Pending { terms: Vec::new(), bias: Some(bias), roundings: 0 };
        let pending = match self.take(x, Some(&added)) {
            Some(pending) => pending.plus(added),
            None => Pending { terms: vec![self.identity(x)?], ..added },
        };
        Ok(self.pending(pending, x.shape.clone()))
    }

    /// x + y of equal sizes, in one node where that is exact.
    pub fn add(&mut self, x: &Variable, y: &Variable, shape: Vec<usize>) -> Problem<Variable> {
        if let Some(sum) = self.hinged_sum(&[(x, 1.0), (y, 1.0)], &shape)? {
            return Ok(sum);
        }
        if self.is_same(x, y) {
            let twice = self.scaled(x, 2.0)?;
            return Ok(self.pending(twice, shape));
        }
        let x = self.summand(x, None)?;
        let y = self.summand(y, Some(&x))?;
        let sum = x.plus(y);
        Ok(self.pending(sum, shape))
    }

    /// x − y of equal sizes.
    pub fn subtract(&mut self, x: &Variable, y: &Variable, shape: Vec<usize>) -> Problem<Variable> {
        if let Some(difference) = self.hinged_sum(&[(x, 1.0), (y, -1.0)], &shape)? {
            return Ok(difference);
        }
        let y = self.scaled(y, -1.0)?;
        let x = self.summand(x, None)?;
        Ok(self.pending(x.plus(y), shape))
    }

    /// The tensor as a summand: its own map if nothing else needs it and it can be added to `other` exactly.
    fn summand(&mut self, x: &Variable, other: Option<&Pending>) -> Problem<Pending> {
        match self.take(x, other) {
            Some(pending) => Ok(pending),
            None => Ok(Pending { terms: vec![self.identity(x)?], bias: None, roundings: 0 }),
        }
    }

    fn identity(&mut self, x: &Variable) -> Problem<Term> {
        Ok(Term { source: self.node(x)?, map: LinearMap::Identity(self.len(x)) })
    }

    /// c·x.
    pub fn scaled(&mut self, x: &Variable, factor: f64) -> Problem<Pending> {
        Ok(Pending { terms: vec![self.scaled_term(x, factor)?], bias: None, roundings: 0 })
    }

    /// c·x as a summand.
    pub fn scaled_term(&mut self, x: &Variable, factor: f64) -> Problem<Term> {
        if factor == 1.0 {
            return self.identity(x);
        }
        let map = LinearMap::Sparse(Sparse::diagonal(&vec![factor; self.len(x)]));
        Ok(Term { source: self.node(x)?, map })
    }

    /// Σ cᵢ xᵢ + b over tensors of one shape.
    pub fn combine(
        &mut self,
        terms: &[(&Variable, f64)],
        bias: Option<Vec<f64>>,
        shape: Vec<usize>,
    ) -> Problem<Variable> {
        let bias = bias.filter(|bias| bias.iter().any(|&b| b != 0.0));
        if bias.is_none()
            && let Some(sum) = self.hinged_sum(terms, &shape)?
        {
            return Ok(sum);
        }
        let terms = terms
            .iter()
            .map(|(x, factor)| self.scaled_term(x, *factor))
            .collect::<Problem<Vec<_>>>()?;
        Ok(self.pending(Pending { terms, bias, roundings: 0 }, shape))
    }

    /// A new ReLU node, max(x, 0).
    pub(super) fn new_relu(&mut self, x: &Variable) -> Problem<Variable> {
        let z = self.node(x)?;
        let id = self.builder.relu(z, self.origin.name.clone())?;
        Ok(self.push(State::Node(id), self.len(x), x.shape.clone()))
    }

    /// An elementwise function of operands of equal shapes.
    pub fn elementwise(&mut self, function: Function, x: &[&Variable]) -> Problem<Variable> {
        let operands = x.iter().map(|x| self.node(x)).collect::<Problem<Vec<_>>>()?;
        let id = self.builder.elementwise(function, &operands, self.origin.name.clone())?;
        if !function.is_total() {
            self.partial.push(id);
        }
        Ok(self.push(State::Node(id), self.len(x[0]), x[0].shape.clone()))
    }

    /// The tensor of the given shape whose elements are those with the given indices.
    pub fn select<'m>(
        &mut self,
        value: &Value<'m>,
        shape: Vec<usize>,
        indices: &[usize],
    ) -> Problem<Value<'m>> {
        match value {
            Value::Constant(constant) => {
                self.spend::<f64>(indices.len())?;
                Ok(constant.select(shape, indices)?.into())
            }
            Value::Variable(x) => {
                let len = self.len(x);
                if indices.len() == len && indices.iter().enumerate().all(|(i, &j)| i == j) {
                    return Ok(x.reshaped(shape).into());
                }
                count_entries(indices.len(), 1)?;
                let map = LinearMap::Sparse(Sparse::gather(len, indices.iter().copied()));
                Ok(self.linear(x, map, shape)?.into())
            }
            Value::Condition(_) => Err(JUMPS),
        }
    }

    /// The value as a tensor of the graph, a constant as an affine node without summands.
    pub fn variable(&mut self, value: &Value) -> Problem<Variable> {
        match value {
            Value::Variable(variable) => Ok(variable.clone()),
            Value::Condition(_) => Err(JUMPS),
            Value::Constant(constant) if constant.len() == 0 => Err(EMPTY),
            Value::Constant(constant) => {
                self.spend::<f64>(constant.len())?;
                let bias = constant.floats()?.into_owned();
                let pending = Pending { terms: Vec::new(), bias: Some(bias), roundings: 0 };
                Ok(self.pending(pending, constant.shape.clone()))
            }
        }
    }
}
