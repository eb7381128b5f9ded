//! What the lines of a proof do to the state of a node.
use crate::circuit::Circuit;
use crate::grammar::{Hints, Set, Side, Slab, Target, Var};
use crate::reject::Reason;
use crate::state::Intervals;
use crate::statement::{Port, Statement};
use crate::sweep::{Arithmetic, Batch, Region, Seed, sweep};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Functionals that are swept together, and those of them that have little in common.
const LANES: usize = 64;
const SPARSE_LANES: usize = 8;

pub struct Context<'a, A> {
    pub statement: &'a Statement,
    pub arithmetic: A,
}

/// A node's intervals, and which of its section's cases are open.
#[derive(Clone)]
pub struct State {
    intervals: Intervals,
    /// The section's cases: ranges with the positions of their starts.
    cases: Arc<Vec<(Range<usize>, usize)>>,
    /// The closed cases, by their position in the section; all are open while this is empty.
    closed: Arc<Vec<bool>>,
}

/// A case to be refuted, perhaps only in a slab of its box.
type Task = (usize, Option<Slab>);

/// A way to refute a case: weighted half-spaces, and the numbers of the tasks that it may do.
struct Lane {
    case: usize,
    weights: Vec<(usize, f64)>,
    tasks: Vec<usize>,
}

impl State {
    /// The position of a case in the section.
    fn position(&self, case: usize) -> Option<usize> {
        let at = self.cases.partition_point(|(range, _)| range.end <= case);
        let (range, before) = self.cases.get(at)?;
        range.contains(&case).then(|| before + case - range.start)
    }

    fn is_closed(&self, position: usize) -> bool {
        self.closed.get(position).copied().unwrap_or(false)
    }

    fn close(&mut self, position: usize) {
        let count = self.cases.last().map_or(0, |(range, before)| before + range.len());
        let closed = Arc::make_mut(&mut self.closed);
        closed.resize(count, false);
        closed[position] = true;
    }

    /// The open cases with their positions.
    fn open_cases(&self) -> Vec<(usize, usize)> {
        let all = self.cases.iter().flat_map(|(range, _)| range.clone());
        all.enumerate()
            .filter(|(at, _)| !self.is_closed(*at))
            .map(|(at, case)| (case, at))
            .collect()
    }
}

impl<A: Arithmetic> Context<'_, A> {
    fn circuit(&self) -> &Circuit {
        self.statement.circuit()
    }

    /// The state at the root of a section: the smallest box that holds the cases' boxes.
    pub fn root(&mut self, cases: &Set) -> Result<State, Reason> {
        let known = self.statement.cases().len();
        let end = cases.last().map_or(0, |r| r.end);
        if end > known {
            return Err(Reason::NoSuchCase { case: known.max(end - 1) });
        }
        let inputs = self.circuit().inputs();
        let (mut low, mut high) = (vec![f64::INFINITY; inputs], vec![f64::NEG_INFINITY; inputs]);
        let all = cases.iter().flat_map(|r| &self.statement.cases()[r.clone()]);
        for case in all.filter(|c| !c.is_empty()) {
            low.iter_mut().zip(case.low.iter()).for_each(|(l, x)| *l = l.min(*x));
            high.iter_mut().zip(case.high.iter()).for_each(|(h, x)| *h = h.max(*x));
        }
        let circuit = self.statement.circuit();
        let mut intervals = Intervals::new(circuit, low, high);
        intervals.rebuild(&self.arithmetic, circuit, circuit.nodes().len() - 1);
        if !intervals.is_empty() {
            self.arithmetic.enter(circuit, intervals.all());
        }
        let mut count = 0;
        let place = |range: &Range<usize>| {
            count += range.len();
            (range.clone(), count - range.len())
        };
        let cases = Arc::new(cases.iter().map(place).collect());
        Ok(State { intervals, cases, closed: Arc::default() })
    }

    /// The tensor and element that a variable of the proof names.
    fn locate(&self, var: Var) -> Result<(usize, usize), Reason> {
        let (node, i) = match var {
            Var::X(i) => (Some(0), i),
            Var::R(k, i) => (self.circuit().blocks().get(k).copied(), i),
        };
        match node {
            Some(node) if i < self.circuit().size(node) => Ok((node, i)),
            _ => Err(Reason::NoSuchVariable { name: var.name() }),
        }
    }

    /// Checks that all that the hints name is there; brings the intervals up to date for everything that a
    /// sweep from `top` downwards, with these lifts, can meet.
    fn prepare(&self, state: &mut State, hints: &Hints, top: usize) -> Result<(), Reason> {
        for (k, i) in hints.slopes.keys() {
            self.locate(Var::R(*k, *i))?;
        }
        let mut last = top;
        for (var, _) in hints.lifts.keys() {
            last = last.max(self.locate(*var)?.0);
        }
        let blocks = self.circuit().blocks();
        // Past the last pre-activation below `last` there is nothing that a sweep looks at.
        let needed = blocks.iter().copied().filter(|node| *node <= last).max().unwrap_or(0);
        state.intervals.rebuild(&self.arithmetic, self.circuit(), needed);
        Ok(())
    }

    /// Adds the lifts to a lane: −g·(v − l) and −g·(u − v), none of them above 0.
    fn lift(
        &self,
        state: &State,
        hints: &Hints,
        lane: usize,
        batch: &mut Batch,
    ) -> Result<(), Reason> {
        for ((var, side), g) in &hints.lifts {
            let (node, element) = self.locate(*var)?;
            let ends = state.intervals.of(node);
            let (sign, end) = match side {
                Side::Lower => (-1.0, ends.low[element]),
                Side::Upper => (1.0, ends.high[element]),
            };
            if !end.is_finite() {
                return Err(Reason::LiftOnInfiniteEnd { name: var.name() });
            }
            batch.seeds.push(Seed { node, element, lane, factor: sign * g, coefficient: 1.0 });
            batch.constants.push((lane, -sign * g, end));
        }
        Ok(())
    }

    pub fn crown(
        &self,
        state: &mut State,
        range: Option<Range<usize>>,
        hints: &Hints,
    ) -> Result<(), Reason> {
        let count = self.circuit().blocks().len();
        let range = range.unwrap_or(0..count);
        if range.end > count {
            return Err(Reason::NoSuchVariable { name: format!("r{}", range.end - 1) });
        }
        self.prepare(state, hints, 0)?;
        for k in range {
            if !self.circuit().is_first_layer(self.circuit().blocks()[k]) {
                self.tighten(state, &Target::Unstable(k), None, hints)?;
            }
        }
        Ok(())
    }

    pub fn tighten(
        &self,
        state: &mut State,
        target: &Target,
        side: Option<Side>,
        hints: &Hints,
    ) -> Result<(), Reason> {
        let (node, elements) = match target {
            Target::Inputs(set) => (self.last_of(set, Var::X)?, Some(set)),
            Target::Elements(k, set) => (self.last_of(set, |i| Var::R(*k, i))?, Some(set)),
            Target::Unstable(k) => {
                let node = self.circuit().blocks().get(*k);
                let name = format!("r{k}");
                (*node.ok_or(Reason::NoSuchVariable { name })?, None)
            }
        };
        // Upper ends first: an element that they show inactive needs no lower one.
        for one in [Side::Upper, Side::Lower] {
            if side.is_none_or(|side| side == one) {
                self.prepare(state, hints, node)?;
                if state.intervals.is_empty() {
                    return Ok(());
                }
                self.tighten_side(state, (node, elements), one, hints)?;
            }
        }
        Ok(())
    }

    /// One end of the elements of a set, or of all those that are unstable now.
    fn tighten_side(
        &self,
        state: &mut State,
        (node, elements): (usize, Option<&Set>),
        side: Side,
        hints: &Hints,
    ) -> Result<(), Reason> {
        let ends = state.intervals.of(node);
        let mut elements: Vec<usize> = match elements {
            Some(set) => set.iter().flat_map(Range::clone).collect(),
            None => {
                (0..ends.low.len()).filter(|i| ends.low[*i] < 0.0 && ends.high[*i] > 0.0).collect()
            }
        };
        // Of a convolution's output, all channels of one place look at the same inputs: together, they are few.
        if let Some(plane) = self.circuit().plane(node) {
            elements.sort_by_key(|i| i % plane);
        }
        let coefficient = if side == Side::Lower { 1.0 } else { -1.0 };
        let mut found = Vec::with_capacity(elements.len());
        let together = if self.circuit().is_sparse(node) { SPARSE_LANES } else { LANES };
        for chunk in elements.chunks(together) {
            let mut batch = Batch::default();
            for (lane, element) in chunk.iter().enumerate() {
                batch.seeds.push(Seed { node, element: *element, lane, factor: 1.0, coefficient });
                batch.boxes.push((lane, self.inputs(state)));
                self.lift(state, hints, lane, &mut batch)?;
            }
            found.extend(self.sweep(state, &mut batch, hints));
        }
        for (i, bound) in elements.into_iter().zip(found) {
            let (low, high) = match side {
                Side::Lower => (bound, f64::INFINITY),
                Side::Upper => (f64::NEG_INFINITY, -bound),
            };
            state.intervals.meet(self.statement.circuit(), node, i, low, high);
        }
        Ok(())
    }

    /// The tensor of a set of variables, the last of which must exist.
    fn last_of(&self, set: &Set, var: impl Fn(usize) -> Var) -> Result<usize, Reason> {
        let last = set.last().map_or(0, |r| r.end - 1);
        Ok(self.locate(var(last))?.0)
    }

    fn inputs<'s>(&self, state: &'s State) -> Region<'s> {
        let ends = state.intervals.of(0);
        (&ends.low, &ends.high)
    }

    /// One lower bound for each box of the batch.
    fn sweep(&self, state: &State, batch: &mut Batch, hints: &Hints) -> Vec<f64> {
        let all = state.intervals.all();
        sweep(&self.arithmetic, self.circuit(), all, batch, &hints.slopes)
    }

    /// The cases of a set that are open, with their positions; all of the set must be in the section.
    fn open_of(&self, state: &State, set: &Set) -> Result<Vec<(usize, usize)>, Reason> {
        let mut open = vec![];
        let known = self.statement.cases().len();
        for range in set {
            if range.end > known {
                return Err(Reason::NoSuchCase { case: known.max(range.start) });
            }
            for case in range.clone() {
                let at = state.position(case).ok_or(Reason::CaseNotInSection { case })?;
                if !state.is_closed(at) {
                    open.push((case, at));
                }
            }
        }
        Ok(open)
    }

    pub fn refute(
        &self,
        state: &mut State,
        cases: Option<&Set>,
        hints: &Hints,
    ) -> Result<(), Reason> {
        let tasks = match cases {
            None => state.open_cases(),
            Some(set) => self.open_of(state, set)?,
        };
        let list: Vec<Task> = tasks.iter().map(|(case, _)| (*case, None)).collect();
        self.prove(state, &list, hints)?;
        tasks.into_iter().for_each(|(_, at)| state.close(at));
        Ok(())
    }

    pub fn clip(&self, state: &mut State, slabs: &[Slab], hints: &Hints) -> Result<(), Reason> {
        for slab in slabs {
            self.locate(Var::X(slab.input))?;
        }
        let cases = state.open_cases();
        let each =
            |slab: &Slab| cases.iter().map(|(case, _)| (*case, Some(*slab))).collect::<Vec<_>>();
        let tasks: Vec<Task> = slabs.iter().flat_map(each).collect();
        self.prove(state, &tasks, hints)?;
        for slab in slabs {
            let (low, high) = match slab.side {
                Side::Lower => (f64::NEG_INFINITY, slab.at),
                Side::Upper => (slab.at, f64::INFINITY),
            };
            state.intervals.meet(self.statement.circuit(), 0, slab.input, low, high);
        }
        Ok(())
    }

    /// Refutes every task on this state, or says which case it was that could not be refuted.
    fn prove(&self, state: &mut State, tasks: &[Task], hints: &Hints) -> Result<(), Reason> {
        self.prepare(state, hints, self.circuit().nodes().len())?;
        if let Some(weights) = &hints.using {
            let last = weights.last_key_value().map_or(0, |(h, _)| *h);
            for (case, _) in tasks {
                if last >= self.statement.cases()[*case].half_spaces.len() {
                    return Err(Reason::NoSuchHalfSpace { case: *case, half_space: last });
                }
            }
        }
        if state.intervals.is_empty() {
            return Ok(());
        }
        // As many tasks at a time as fill the lanes; one with many half-spaces may take several sweeps.
        let mut rest = tasks;
        while !rest.is_empty() {
            let (mut count, mut lanes) = (0, 0);
            while count < rest.len() && (count == 0 || lanes < LANES) {
                lanes += match hints.using {
                    Some(_) => 1,
                    None => self.statement.cases()[rest[count].0].half_spaces.len(),
                };
                count += 1;
            }
            self.prove_some(state, &rest[..count], hints)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn prove_some(&self, state: &State, tasks: &[Task], hints: &Hints) -> Result<(), Reason> {
        let regions: Vec<_> = tasks.iter().map(|task| self.region(state, task)).collect();
        let lanes = self.lanes(tasks, |at| regions[at].is_some(), hints);
        let mut done: Vec<bool> = regions.iter().map(Option::is_none).collect();
        for chunk in lanes.chunks(LANES) {
            let mut batch = Batch::default();
            for (lane, Lane { case, weights, tasks }) in chunk.iter().enumerate() {
                let boxes = tasks.iter().filter_map(|at| regions[*at].as_ref());
                batch.boxes.extend(boxes.map(|(low, high)| (lane, (&low[..], &high[..]))));
                let case = &self.statement.cases()[*case];
                for (h, w) in weights {
                    let half_space = &case.half_spaces[*h];
                    batch.constants.push((lane, -*w, half_space.right));
                    for (port, coefficient) in &half_space.terms {
                        let (node, element) = match port {
                            Port::X(i) => (0, *i),
                            Port::Y(j) => (self.circuit().output(), *j),
                        };
                        let coefficient = *coefficient;
                        batch.seeds.push(Seed { node, element, lane, factor: *w, coefficient });
                    }
                }
                self.lift(state, hints, lane, &mut batch)?;
            }
            let numbers = chunk.iter().flat_map(|lane| &lane.tasks);
            for (at, bound) in numbers.zip(self.sweep(state, &mut batch, hints)) {
                done[*at] |= bound > 0.0;
            }
        }
        match done.iter().position(|d| !d) {
            Some(at) => Err(Reason::BoundTooWeak { case: tasks[at].0 }),
            None => Ok(()),
        }
    }

    /// A lane for each case of the tasks that are `wanted`, and for each way to refute it.
    fn lanes(&self, tasks: &[Task], wanted: impl Fn(usize) -> bool, hints: &Hints) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = vec![];
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, (case, _)) in tasks.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let ways: Vec<Vec<(usize, f64)>> = match &hints.using {
                Some(weights) => vec![weights.iter().map(|(h, w)| (*h, *w)).collect()],
                None => {
                    let count = self.statement.cases()[*case].half_spaces.len();
                    (0..count).map(|h| vec![(h, 1.0)]).collect()
                }
            };
            let (count, start) = (ways.len(), *first.entry(*case).or_insert(lanes.len()));
            if start == lanes.len() {
                let lane = |weights| Lane { case: *case, weights, tasks: vec![] };
                lanes.extend(ways.into_iter().map(lane));
            }
            lanes[start..start + count].iter_mut().for_each(|lane| lane.tasks.push(at));
        }
        lanes
    }

    /// The state's inputs in the case's box and the slab; `None` if there are none.
    fn region(&self, state: &State, (case, slab): &Task) -> Option<(Vec<f64>, Vec<f64>)> {
        let case = &self.statement.cases()[*case];
        let ends = state.intervals.of(0);
        let meet = |a: &[f64], b: &[f64], f: fn(f64, f64) -> f64| -> Vec<f64> {
            a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
        };
        let mut low = meet(&ends.low, &case.low, f64::max);
        let mut high = meet(&ends.high, &case.high, f64::min);
        match slab {
            Some(Slab { input, side: Side::Lower, at }) => low[*input] = low[*input].max(*at),
            Some(Slab { input, side: Side::Upper, at }) => high[*input] = high[*input].min(*at),
            None => {}
        }
        low.iter().zip(&high).all(|(l, h)| l <= h).then_some((low, high))
    }

    /// Cuts the state down to v ≤ at and returns that of v ≥ at.
    pub fn split(&self, state: &mut State, var: Var, at: f64) -> Result<State, Reason> {
        let (node, i) = self.locate(var)?;
        let circuit = self.statement.circuit();
        let mut above = state.clone();
        above.intervals.meet(circuit, node, i, at, f64::INFINITY);
        state.intervals.meet(circuit, node, i, f64::NEG_INFINITY, at);
        Ok(above)
    }

    /// Leaves the state only the open cases of the set, and returns that of the other open cases.
    pub fn part(&self, state: &mut State, set: &Set) -> Result<State, Reason> {
        let mine: Vec<usize> =
            self.open_of(state, set)?.into_iter().map(|(_, position)| position).collect();
        let mut others = state.clone();
        mine.iter().for_each(|position| others.close(*position));
        for (_, position) in others.open_cases() {
            state.close(position);
        }
        Ok(others)
    }

    /// A leaf holds if nothing is open, or no point is left for what is.
    pub fn leaf(&self, state: &mut State) -> Result<(), Reason> {
        let open = state.open_cases();
        if open.is_empty() {
            return Ok(());
        }
        self.prepare(state, &Hints::default(), self.circuit().nodes().len())?;
        if state.intervals.is_empty() {
            return Ok(());
        }
        for (case, _) in open {
            if self.region(state, &(case, None)).is_some() {
                return Err(Reason::CaseLeftOpen { case });
            }
        }
        Ok(())
    }
}
