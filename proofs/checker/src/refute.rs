//! Refuting cases: no point of a case, or of a slab of it, is reached.
use crate::grammar::{Hints, Set, Side, Slab, Var};
use crate::memory::BEGUN;
use crate::node::{Context, State};
use crate::reject::Reason;
use crate::statement::Port;
use crate::sweep::{Arithmetic, Batch, Seed, sweep};
use std::collections::BTreeMap;

/// A case to be refuted, perhaps only in a slab of its box.
type Task = (usize, Option<Slab>);

/// A way to refute a case: weighted half-spaces, and the numbers of the tasks that it may do.
struct Lane {
    case: usize,
    weights: Vec<(usize, f64)>,
    tasks: Vec<usize>,
}

impl<A: Arithmetic> Context<'_, A> {
    /// The cases of a set that are open, with their positions; all of the set must be in the section.
    pub fn open_of(&self, state: &State, set: &Set) -> Result<Vec<(usize, usize)>, Reason> {
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
        if slabs.len().saturating_mul(cases.len()) > BEGUN {
            return Err(Reason::TooLarge);
        }
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
        let terms = |(case, _): &Task| {
            let lengths = self.statement.cases()[*case].half_spaces.iter().map(|h| h.terms.len());
            if hints.using.is_some() { lengths.sum::<usize>() } else { lengths.max().unwrap_or(0) }
        };
        let most = tasks.iter().map(terms).max().unwrap_or(0);
        let together = self.together(most + self.lifted(hints)?)?;
        // As many tasks at a time as fill the lanes; one with many half-spaces may take several sweeps.
        let mut rest = tasks;
        while !rest.is_empty() {
            let (mut count, mut lanes) = (0, 0);
            while count < rest.len() && (count == 0 || lanes < together) {
                lanes += match hints.using {
                    Some(_) => 1,
                    None => self.statement.cases()[rest[count].0].half_spaces.len(),
                };
                count += 1;
            }
            self.prove_some(state, &rest[..count], hints, together)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn prove_some(
        &self,
        state: &State,
        tasks: &[Task],
        hints: &Hints,
        together: usize,
    ) -> Result<(), Reason> {
        let regions: Vec<_> = tasks.iter().map(|task| self.region(state, task)).collect();
        let lanes = self.lanes(tasks, |at| regions[at].is_some(), hints);
        let mut done: Vec<bool> = regions.iter().map(Option::is_none).collect();
        let relaxed = self.relaxed(state, hints);
        for chunk in lanes.chunks(together) {
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
            let numbers = chunk.iter().flat_map(|lane| lane.tasks.iter().map(move |at| (lane, at)));
            for ((lane, at), bound) in numbers.zip(sweep(&self.arithmetic, &relaxed, &mut batch)) {
                done[*at] |= bound > 0.0 || (bound == 0.0 && self.is_strict(lane));
            }
        }
        match done.iter().position(|d| !d) {
            Some(at) => Err(Reason::BoundTooWeak { case: tasks[at].0 }),
            None => Ok(()),
        }
    }

    /// Whether every point of the case makes the lane's weighted sum negative, and not only 0 or less.
    fn is_strict(&self, lane: &Lane) -> bool {
        let halves = &self.statement.cases()[lane.case].half_spaces;
        lane.weights.iter().any(|(h, w)| *w > 0.0 && halves[*h].strict)
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
    pub fn region(&self, state: &State, (case, slab): &Task) -> Option<(Vec<f64>, Vec<f64>)> {
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
}
