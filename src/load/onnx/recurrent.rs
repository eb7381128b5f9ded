//! RNN, GRU and LSTM, step by step.

use super::alias;
use super::call::Call;
use super::constant::{Constant, Element};
use super::control::{slab, stacked};
use super::elementwise::{product, sigmoid, tanh};
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::{Problem, misfit};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// A function between layers.
type Activation = fn(&mut Lowering, &Variable) -> Problem<Variable>;

/// What the operators have in common.
struct Cell<'a, 'm> {
    call: &'a Call<'a, 'm>,
    /// Gates: 1, 3 or 4.
    gates: usize,
    hidden: usize,
    steps: usize,
    batch: usize,
    inputs: usize,
    activations: Vec<Activation>,
}

/// Rows of a constant of one direction: weights of all gates, [gates · hidden, columns].
struct Gates {
    columns: usize,
    values: Vec<f64>,
}

impl<'a, 'm> Cell<'a, 'm> {
    fn new(call: &'a Call<'a, 'm>, gates: usize, defaults: &[&str]) -> Problem<Self> {
        let (x, r) = (call.value(0)?.shape(), call.needed_constant(2)?);
        let unfit = || {
            misfit(
                &[x, &r.shape],
                "(steps, batch, inputs), and weights (directions, gates · hidden, hidden)",
            )
        };
        let (&[steps, batch, inputs], &[directions, rows, hidden]) = (x, r.shape.as_slice()) else {
            return Err(unfit());
        };
        call.require("layout", 0, "0: steps before the batch")?;
        call.require("hidden_size", hidden as i64, "that of the weights")?;
        if call.has("clip") || call.has("activation_alpha") || call.has("activation_beta") {
            return Err(NodeProblem::Attribute {
                name: "clip",
                found: "clip, activation_alpha or activation_beta".to_owned(),
                accepted: "none of them",
            });
        }
        if rows != gates * hidden || call.optional(4).is_some() {
            return Err(NodeProblem::Operand {
                index: 4,
                found: "lengths of sequences, or weights that do not fit".to_owned(),
                accepted: "sequences of all steps",
            });
        }
        let names = call.names("activations")?;
        let names: Vec<&str> = match &names {
            None => defaults.iter().copied().cycle().take(defaults.len() * directions).collect(),
            Some(names) => names.iter().map(AsRef::as_ref).collect(),
        };
        if names.len() != defaults.len() * directions {
            return Err(unfit());
        }
        let activations = names.into_iter().map(activation).collect::<Problem<_>>()?;
        Ok(Self { call, gates, hidden, steps, batch, inputs, activations })
    }

    /// For each direction whether it runs backwards.
    fn directions(&self) -> Problem<Vec<bool>> {
        let all = match &*self.call.text("direction", "forward")? {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => {
                let found = other.to_owned();
                let accepted = "forward, reverse or bidirectional";
                return Err(NodeProblem::Attribute { name: "direction", found, accepted });
            }
        };
        let stored = self.call.needed_constant(2)?.shape[0];
        if stored == all.len() {
            Ok(all)
        } else {
            Err(misfit(&[&[stored]], "weights for each direction"))
        }
    }

    fn weights(&self, index: usize, direction: usize, columns: usize) -> Problem<Gates> {
        let stored = self.call.needed_constant(index)?;
        let rows = self.gates * self.hidden;
        if stored.shape[1..] != [rows, columns] || direction >= stored.shape[0] {
            return Err(misfit(&[&stored.shape], "weights of all gates"));
        }
        let all = stored.floats()?;
        let size = rows * columns;
        let values = all[direction * size..(direction + 1) * size].to_vec();
        Ok(Gates { columns, values })
    }

    /// The biases of input and hidden state, zero where there are none.
    fn biases(&self, direction: usize) -> Problem<[Vec<f64>; 2]> {
        let rows = self.gates * self.hidden;
        let Some(stored) = self.call.constant(3)? else {
            return Ok([vec![0.0; rows], vec![0.0; rows]]);
        };
        if stored.shape.get(1) != Some(&(2 * rows)) || direction >= stored.shape[0] {
            return Err(misfit(&[&stored.shape], "two biases for all gates"));
        }
        let all = stored.floats()?;
        let own = &all[direction * 2 * rows..(direction + 1) * 2 * rows];
        Ok([own[..rows].to_vec(), own[rows..].to_vec()])
    }

    /// The state before the first step, [batch, hidden].
    fn initial(&self, low: &mut Lowering, index: usize, direction: usize) -> Problem<Variable> {
        let shape = vec![self.batch, self.hidden];
        let zero =
            Constant::floats_of(Element::Float, shape.clone(), vec![0.0; self.batch * self.hidden]);
        let value = match self.call.optional(index) {
            None => zero.into(),
            Some(value) => alias::reshaped(&slab(low, value, 0, direction)?, shape)?,
        };
        low.variable(&value)
    }

    /// b + Σ Wₖ xₖ for one gate, over all of a batch.
    fn gate(
        &self,
        low: &mut Lowering,
        gate: usize,
        terms: &[(&Variable, &Gates)],
        biases: &[&[f64]],
    ) -> Problem<Variable> {
        let (batch, hidden) = (self.batch, self.hidden);
        let mut maps = Vec::with_capacity(terms.len());
        for (x, weights) in terms {
            let columns = weights.columns;
            low.spend::<[u64; 2]>(batch * hidden * columns)?;
            let rows = (0..batch).flat_map(|b| {
                (0..hidden).map(move |i| {
                    let row = &weights.values[(gate * hidden + i) * columns..][..columns];
                    row.iter().enumerate().map(move |(j, &w)| (b * columns + j, w))
                })
            });
            let map = LinearMap::Sparse(Sparse::from_rows(low.len(x), rows));
            maps.push(Term { source: low.node(x)?, map });
        }
        let shape = vec![batch, hidden];
        let mut sum = low.pending(Pending { terms: maps, bias: None, roundings: 0 }, shape.clone());
        for bias in biases {
            let own = &bias[gate * hidden..(gate + 1) * hidden];
            let all: Vec<f64> = (0..batch).flat_map(|_| own.iter().copied()).collect();
            low.add_uses(&sum, 1);
            sum = low.add_bias(&sum, all)?;
        }
        Ok(sum)
    }

    /// Runs through the steps of all directions: outputs Y, and the last of each state.
    fn run(
        &self,
        low: &mut Lowering,
        states: usize,
        mut step: impl FnMut(&mut Lowering, usize, &Variable, &[Variable]) -> Problem<Vec<Variable>>,
    ) -> Problem<Vec<Value<'m>>> {
        let directions = self.directions()?;
        let mut rows: Vec<Vec<Value<'m>>> = vec![Vec::new(); self.steps];
        let mut last: Vec<Vec<Value<'m>>> = vec![Vec::new(); states];
        for (direction, back) in directions.into_iter().enumerate() {
            let mut state = (0..states)
                .map(|k| self.initial(low, 5 + k, direction))
                .collect::<Problem<Vec<_>>>()?;
            for i in 0..self.steps {
                let at = if back { self.steps - 1 - i } else { i };
                let x = slab(low, self.call.value(0)?, 0, at)?;
                let x = low.variable(&x)?;
                state = step(low, direction, &x, &state)?;
                rows[at].push(state[0].clone().into());
            }
            for (last, state) in last.iter_mut().zip(state) {
                last.push(state.into());
            }
        }
        let mut outputs = Vec::with_capacity(states + 1);
        let rows = rows.iter().map(|row| stacked(low, row, 0)).collect::<Problem<Vec<_>>>()?;
        outputs.push(stacked(low, &rows, 0)?);
        for last in &last {
            outputs.push(stacked(low, last, 0)?);
        }
        Ok(outputs)
    }
}

fn activation(name: &str) -> Problem<Activation> {
    match name {
        "Sigmoid" => Ok(sigmoid),
        "Tanh" => Ok(tanh),
        "Relu" => Ok(|low, x| low.relu(x)),
        other => Err(NodeProblem::Attribute {
            name: "activations",
            found: other.to_owned(),
            accepted: "Sigmoid, Tanh and Relu",
        }),
    }
}

/// h ← f(W x + R h + b).
pub fn rnn<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let cell = Cell::new(call, 1, &["Tanh"])?;
    cell.run(low, 1, |low, d, x, state| {
        let (w, r) = (cell.weights(1, d, cell.inputs)?, cell.weights(2, d, cell.hidden)?);
        let [wb, rb] = cell.biases(d)?;
        let sum = cell.gate(low, 0, &[(x, &w), (&state[0], &r)], &[&wb, &rb])?;
        Ok(vec![cell.activations[d](low, &sum)?])
    })
}

/// Gates z and r; h ← (1 − z) ĥ + z h with ĥ of x and r h.
pub fn gru<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let cell = Cell::new(call, 3, &["Sigmoid", "Tanh"])?;
    let before = call.switch("linear_before_reset", false)?;
    cell.run(low, 1, |low, d, x, state| {
        let (w, r) = (cell.weights(1, d, cell.inputs)?, cell.weights(2, d, cell.hidden)?);
        let [wb, rb] = cell.biases(d)?;
        let (f, g) = (cell.activations[2 * d], cell.activations[2 * d + 1]);
        let h = &state[0];
        let shape = [cell.batch, cell.hidden];
        let z = cell.gate(low, 0, &[(x, &w), (h, &r)], &[&wb, &rb])?;
        let z = f(low, &z)?;
        let reset = cell.gate(low, 1, &[(x, &w), (h, &r)], &[&wb, &rb])?;
        let reset = f(low, &reset)?;
        let sum = if before {
            let own = cell.gate(low, 2, &[(h, &r)], &[&rb])?;
            let own = product(low, &reset, &own, &shape)?;
            let x = cell.gate(low, 2, &[(x, &w)], &[&wb])?;
            low.combine(&[(&x, 1.0), (&own, 1.0)], None, shape.to_vec())?
        } else {
            let own = product(low, &reset, h, &shape)?;
            cell.gate(low, 2, &[(x, &w), (&own, &r)], &[&wb, &rb])?
        };
        let new = g(low, &sum)?;
        // ĥ + z (h − ĥ).
        let gap = low.combine(&[(h, 1.0), (&new, -1.0)], None, shape.to_vec())?;
        let kept = product(low, &z, &gap, &shape)?;
        Ok(vec![low.combine(&[(&new, 1.0), (&kept, 1.0)], None, shape.to_vec())?])
    })
}

/// Gates i, o, f and candidates c; c ← f c + i ĉ, h ← o tanh c.
pub fn lstm<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Vec<Value<'m>>> {
    let cell = Cell::new(call, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    call.require("input_forget", 0, "0")?;
    let (rows, directions) = (3 * cell.hidden, cell.directions()?.len());
    let peepholes = match call.constant(7)? {
        None => vec![0.0; directions * rows],
        Some(stored) if stored.shape == [directions, rows] => stored.floats()?.into_owned(),
        Some(stored) => return Err(misfit(&[&stored.shape], "three peepholes for each direction")),
    };
    cell.run(low, 2, |low, d, x, state| {
        let (w, r) = (cell.weights(1, d, cell.inputs)?, cell.weights(2, d, cell.hidden)?);
        let [wb, rb] = cell.biases(d)?;
        let (f, g, h) =
            (cell.activations[3 * d], cell.activations[3 * d + 1], cell.activations[3 * d + 2]);
        let shape = [cell.batch, cell.hidden];
        let gate = |low: &mut Lowering, k: usize, peephole: Option<usize>, c: &Variable| {
            let sum = cell.gate(low, k, &[(x, &w), (&state[0], &r)], &[&wb, &rb])?;
            let Some(p) = peephole else { return Ok(sum) };
            let own = &peepholes[d * rows + p * cell.hidden..][..cell.hidden];
            if own.iter().all(|&p| p == 0.0) {
                return Ok(sum);
            }
            let all: Vec<f64> = (0..cell.batch).flat_map(|_| own.iter().copied()).collect();
            let map = LinearMap::Sparse(Sparse::diagonal(&all));
            let seen = low.linear(c, map, shape.to_vec())?;
            low.combine(&[(&sum, 1.0), (&seen, 1.0)], None, shape.to_vec())
        };
        let old = &state[1];
        let input = gate(low, 0, Some(0), old)?;
        let input = f(low, &input)?;
        let forget = gate(low, 2, Some(2), old)?;
        let forget = f(low, &forget)?;
        let candidate = gate(low, 3, None, old)?;
        let candidate = g(low, &candidate)?;
        let (kept, added) =
            (product(low, &forget, old, &shape)?, product(low, &input, &candidate, &shape)?);
        let new = low.combine(&[(&kept, 1.0), (&added, 1.0)], None, shape.to_vec())?;
        let output = gate(low, 1, Some(1), &new)?;
        let output = f(low, &output)?;
        let seen = h(low, &new)?;
        Ok(vec![product(low, &output, &seen, &shape)?, new])
    })
}
