//! What the lines of a proof do to the state of a node.
use crate::circuit::Circuit;
use crate::grammar::{Hints, Set, Side, Target, Term, Var};
use crate::memory::{BEGUN, Memory, OF_MODEL, SWEPT};
use crate::reject::Reason;
use crate::state::Intervals;
use crate::statement::Statement;
use crate::sweep::{Arithmetic, Batch, Region, Relaxed, Seed, sweep};
use std::ops::Range;
use std::sync::Arc;

/// Functionals that are swept together, and those of them that have little in common.
pub const LANES: usize = 64;
const SPARSE_LANES: usize = 8;

pub struct Context<'a, A> {
    pub statement: &'a Statement,
    pub arithmetic: A,
    /// The sums that the proof has defined so far: (node, element, coefficient) of their terms.
    sums: Vec<Vec<(usize, usize, f64)>>,
    pub memory: Memory,
    /// The functionals that a sweep has room for.
    room: usize,
}

/// A node's intervals, and which of its section's cases are open.
#[derive(Clone)]
pub struct State {
    pub intervals: Intervals,
    /// The section's cases: ranges with the positions of their starts.
    cases: Arc<Vec<(Range<usize>, usize)>>,
    /// The closed cases, by their position in the section; all are open while this is empty.
    closed: Arc<Vec<bool>>,
}

impl State {
    /// The position of a case in the section.
    pub fn position(&self, case: usize) -> Option<usize> {
        let at = self.cases.partition_point(|(range, _)| range.end <= case);
        let (range, before) = self.cases.get(at)?;
        range.contains(&case).then(|| before + case - range.start)
    }

    pub fn is_closed(&self, position: usize) -> bool {
        self.closed.get(position).copied().unwrap_or(false)
    }

    pub fn close(&mut self, position: usize) {
        let count = self.cases.last().map_or(0, |(range, before)| before + range.len());
        let closed = Arc::make_mut(&mut self.closed);
        closed.resize(count, false);
        closed[position] = true;
    }

    /// The bytes of what this state does not share with another.
    pub fn own(&self, other: Option<&State>) -> usize {
        let closed = other.is_some_and(|other| Arc::ptr_eq(&self.closed, &other.closed));
        let intervals = self.intervals.own(other.map(|other| &other.intervals));
        intervals + if closed { 0 } else { self.closed.len() }
    }

    /// The open cases with their positions.
    pub fn open_cases(&self) -> Vec<(usize, usize)> {
        let all = self.cases.iter().flat_map(|(range, _)| range.clone());
        all.enumerate()
            .filter(|(at, _)| !self.is_closed(*at))
            .map(|(at, case)| (case, at))
            .collect()
    }
}

impl<'a, A: Arithmetic> Context<'a, A> {
    pub fn new(statement: &'a Statement, mut arithmetic: A) -> Result<Self, Reason> {
        let memory = Memory::new(OF_MODEL);
        memory.take(statement.circuit().bytes(), 1)?;
        let room = arithmetic.room(statement.circuit(), SWEPT);
        Ok(Context { statement, arithmetic, sums: vec![], memory, room })
    }

    /// How many functionals of so many terms are swept together.
    pub fn together(&self, terms: usize) -> Result<usize, Reason> {
        match self.room.min(BEGUN / terms.max(1)) {
            0 => Err(Reason::TooLarge),
            lanes => Ok(lanes.min(LANES)),
        }
    }

    /// The number of terms that lifts add to a functional.
    pub fn lifted(&self, hints: &Hints) -> Result<usize, Reason> {
        hints.lifts.keys().map(|(var, _)| Ok(self.terms(*var)?.count())).sum()
    }

    /// Enters the definition of a sum, which must be the next one.
    pub fn define(&mut self, number: usize, terms: &[Term]) -> Result<(), Reason> {
        if number != self.sums.len() {
            return Err(Reason::NoSuchVariable { name: Var::Q(number).name() });
        }
        let place = |term: &Term| {
            let (node, i) = self.locate(term.var)?;
            match term.var {
                Var::R(k, _) if term.relu => match self.circuit().relu(k) {
                    Some(relu) => Ok((relu, i, term.coefficient)),
                    None => Err(Reason::NoSuchVariable { name: term.var.name() }),
                },
                _ => Ok((node, i, term.coefficient)),
            }
        };
        self.memory.take(terms.len() + 4, 24)?;
        let terms = terms.iter().map(place).collect::<Result<_, Reason>>()?;
        self.sums.push(terms);
        Ok(())
    }

    pub fn circuit(&self) -> &Circuit {
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
        let mut intervals = Intervals::new(circuit, low, high, self.sums.len());
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

    /// The tensor and element that an input or pre-activation is.
    pub fn locate(&self, var: Var) -> Result<(usize, usize), Reason> {
        let (node, i) = match var {
            Var::X(i) => (Some(0), i),
            Var::R(k, i) => (self.circuit().blocks().get(k).copied(), i),
            Var::Q(k) => (None, k),
        };
        match node {
            Some(node) if i < self.circuit().size(node) => Ok((node, i)),
            _ => Err(Reason::NoSuchVariable { name: var.name() }),
        }
    }

    /// The terms of a defined sum.
    fn sum(&self, k: usize) -> Result<&[(usize, usize, f64)], Reason> {
        let name = || Var::Q(k).name();
        self.sums.get(k).map(Vec::as_slice).ok_or_else(|| Reason::NoSuchVariable { name: name() })
    }

    /// What a variable is the sum of: (node, element, coefficient).
    fn terms(&self, var: Var) -> Result<impl Iterator<Item = (usize, usize, f64)>, Reason> {
        let (sum, own) = match var {
            Var::Q(k) => (self.sum(k)?, None),
            _ => (&[][..], Some(self.locate(var)?)),
        };
        Ok(sum.iter().copied().chain(own.map(|(node, element)| (node, element, 1.0))))
    }

    /// The last tensor that a variable has to do with.
    fn last(&self, var: Var) -> Result<usize, Reason> {
        Ok(self.terms(var)?.map(|(node, ..)| node).max().unwrap_or(0))
    }

    /// Adds factor·v to a lane.
    fn seed(&self, var: Var, factor: f64, lane: usize, batch: &mut Batch) -> Result<(), Reason> {
        let seed = |(node, element, coefficient)| Seed { node, element, lane, factor, coefficient };
        batch.seeds.extend(self.terms(var)?.map(seed));
        Ok(())
    }

    /// A variable's interval.
    fn ends(&self, state: &State, var: Var) -> Result<(f64, f64), Reason> {
        let (ends, i) = match var {
            Var::Q(k) => {
                self.sum(k)?;
                (state.intervals.sums(), k)
            }
            _ => {
                let (node, i) = self.locate(var)?;
                (state.intervals.of(node), i)
            }
        };
        Ok((ends.low[i], ends.high[i]))
    }

    /// Intersects a variable's interval.
    fn meet(&self, state: &mut State, var: Var, low: f64, high: f64) -> Result<(), Reason> {
        match var {
            Var::Q(k) => {
                self.sum(k)?;
                state.intervals.meet_sum(k, low, high);
            }
            _ => {
                let (node, i) = self.locate(var)?;
                state.intervals.meet(self.circuit(), node, i, low, high);
            }
        }
        Ok(())
    }

    /// Checks that all that the hints name is there; brings the intervals up to date for everything that a
    /// sweep from `top` downwards, with these lifts, can meet.
    pub fn prepare(&self, state: &mut State, hints: &Hints, top: usize) -> Result<(), Reason> {
        for (k, i) in hints.slopes.keys() {
            self.locate(Var::R(*k, *i))?;
        }
        let mut last = top;
        for (var, _) in hints.lifts.keys() {
            last = last.max(self.last(*var)?);
        }
        let blocks = self.circuit().blocks();
        // Past the last pre-activation below `last` there is nothing that a sweep looks at.
        let needed = blocks.iter().copied().filter(|node| *node <= last).max().unwrap_or(0);
        state.intervals.rebuild(&self.arithmetic, self.circuit(), needed);
        Ok(())
    }

    /// Adds the lifts to a lane: −g·(v − l) and −g·(u − v), none of them above 0.
    pub fn lift(
        &self,
        state: &State,
        hints: &Hints,
        lane: usize,
        batch: &mut Batch,
    ) -> Result<(), Reason> {
        for ((var, side), g) in &hints.lifts {
            let (low, high) = self.ends(state, *var)?;
            let (sign, end) = match side {
                Side::Lower => (-1.0, low),
                Side::Upper => (1.0, high),
            };
            if !end.is_finite() {
                return Err(Reason::LiftOnInfiniteEnd { name: var.name() });
            }
            self.seed(*var, sign * g, lane, batch)?;
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
        let (top, fixed) = match target {
            Target::Inputs(set) => self.named(set, Var::X)?,
            Target::Elements(k, set) => self.named(set, |i| Var::R(*k, i))?,
            Target::Sums(set) => self.named(set, Var::Q)?,
            Target::Unstable(k) => {
                let node = self.circuit().blocks().get(*k);
                let name = format!("r{k}");
                (*node.ok_or(Reason::NoSuchVariable { name })?, None)
            }
        };
        // Upper ends first: an element that they show inactive needs no lower one.
        for one in [Side::Upper, Side::Lower] {
            if side.is_none_or(|side| side == one) {
                self.prepare(state, hints, top)?;
                if state.intervals.is_empty() {
                    return Ok(());
                }
                let vars = match target {
                    Target::Unstable(k) => self.unstable(state, *k),
                    _ => fixed.clone().unwrap_or_default(),
                };
                self.tighten_side(state, vars, top, one, hints)?;
            }
        }
        Ok(())
    }

    /// The variables of a set, which must exist, and the last tensor that they have to do with.
    fn named(
        &self,
        set: &Set,
        var: impl Fn(usize) -> Var,
    ) -> Result<(usize, Option<Vec<Var>>), Reason> {
        // Before there is a list of them, as it may be long: the last one exists, and so all do.
        self.last(var(set.last().map_or(0, |r| r.end - 1)))?;
        let vars: Vec<Var> = set.iter().flat_map(Range::clone).map(var).collect();
        let tops = vars.iter().map(|var| self.last(*var));
        let top = tops.collect::<Result<Vec<usize>, Reason>>()?.into_iter().max();
        Ok((top.unwrap_or(0), Some(vars)))
    }

    /// The unstable elements of a block, and those that are stable by so little that it may be rounding's doing.
    fn unstable(&self, state: &State, k: usize) -> Vec<Var> {
        let ends = state.intervals.of(self.circuit().blocks()[k]);
        let unstable = |i: &usize| {
            let (l, u) = (ends.low[*i], ends.high[*i]);
            l < u / 1024.0 && u > l / 1024.0
        };
        (0..ends.low.len()).filter(unstable).map(|i| Var::R(k, i)).collect()
    }

    /// One end of some variables of the tensor `top`, or of sums.
    fn tighten_side(
        &self,
        state: &mut State,
        mut vars: Vec<Var>,
        top: usize,
        side: Side,
        hints: &Hints,
    ) -> Result<(), Reason> {
        // Of a convolution's output, all channels of one place look at the same inputs: together, they are few.
        if let Some(plane) = self.circuit().plane(top) {
            vars.sort_by_key(|var| match var {
                Var::X(i) | Var::R(_, i) => i % plane,
                Var::Q(_) => 0,
            });
        }
        let sign = if side == Side::Lower { 1.0 } else { -1.0 };
        let mut found = Vec::with_capacity(vars.len());
        let lengths = vars.iter().map(|var| Ok(self.terms(*var)?.count()));
        let longest =
            lengths.collect::<Result<Vec<usize>, Reason>>()?.into_iter().max().unwrap_or(0);
        let most = if self.circuit().is_sparse(top) { SPARSE_LANES } else { LANES };
        let together = self.together(longest + self.lifted(hints)?)?.min(most);
        let relaxed = self.relaxed(state, hints);
        for chunk in vars.chunks(together) {
            let mut batch = Batch::default();
            for (lane, var) in chunk.iter().enumerate() {
                self.seed(*var, sign, lane, &mut batch)?;
                batch.boxes.push((lane, self.inputs(state)));
                self.lift(state, hints, lane, &mut batch)?;
            }
            found.extend(sweep(&self.arithmetic, &relaxed, &mut batch));
        }
        for (var, bound) in vars.into_iter().zip(found) {
            let (low, high) = match side {
                Side::Lower => (bound, f64::INFINITY),
                Side::Upper => (f64::NEG_INFINITY, -bound),
            };
            self.meet(state, var, low, high)?;
        }
        Ok(())
    }

    fn inputs<'s>(&self, state: &'s State) -> Region<'s> {
        let ends = state.intervals.of(0);
        (&ends.low, &ends.high)
    }

    /// The relaxations of this state's ReLUs.
    pub fn relaxed<'s>(&'s self, state: &'s State, hints: &'s Hints) -> Relaxed<'s> {
        Relaxed::new(self.circuit(), &state.intervals, &hints.slopes)
    }

    /// Cuts the state down to v ≤ at and returns that of v ≥ at.
    pub fn split(&self, state: &mut State, var: Var, at: f64) -> Result<State, Reason> {
        let mut above = state.clone();
        self.meet(&mut above, var, at, f64::INFINITY)?;
        self.meet(state, var, f64::NEG_INFINITY, at)?;
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
