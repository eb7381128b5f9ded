//! A proof line by line, for whoever writes one. It accepts nothing: nothing here needs to be trusted.
use crate::check::Next;
use crate::grammar::{self, Hints, Line};
use crate::node::{Context, State};
use crate::outward::Outward;
use crate::reject::Reason;
use crate::statement::Statement;

/// A walk through trees of a proof that is being written: which lines hold, and what is known where.
pub struct Walk<'a> {
    context: Context<'a, Outward>,
    place: Mark,
}

/// A place of a walk: the node that the next line belongs to, after the second children that wait for their first siblings. None between
/// trees.
#[derive(Clone, Default)]
pub struct Mark(Vec<State>);

impl<'a> Walk<'a> {
    /// The beginning.
    pub fn new(statement: &'a Statement) -> Result<Self, Reason> {
        let context = Context::new(statement, Outward::new())?;
        Ok(Walk { context, place: Mark::default() })
    }

    /// Follows one line, which is neither the first of a proof nor the last. One that does not hold closes nothing, and
    /// what it has found out about intervals by then is true.
    pub fn line(&mut self, text: &str) -> Result<(), Reason> {
        let line = grammar::parse(text)?;
        let context = &mut self.context;
        let Some(state) = self.place.0.last_mut() else {
            match line {
                Line::Let(number, terms) => context.define(number, &terms)?,
                Line::Cases(set) => self.place.0.push(context.root(&set)?),
                _ => return Err(Reason::Syntax),
            }
            return Ok(());
        };
        match context.follow(state, line)? {
            Next::Line => {}
            Next::Children(second) => {
                let before = self.place.0.len() - 1;
                self.place.0.insert(before, second);
            }
            Next::Sibling => self.skip(),
        }
        Ok(())
    }

    /// Leaves this node as it is, and goes on with what comes after it.
    pub fn skip(&mut self) {
        self.place.0.pop();
    }

    /// What is known of a block's pre-activations at this place, or of the inputs: lower ends and upper ends; none between trees.
    pub fn ends(&mut self, block: Option<usize>) -> Option<(&[f64], &[f64])> {
        let state = self.place.0.last_mut()?;
        let circuit = self.context.circuit();
        let node = block.map_or(Some(0), |k| circuit.blocks().get(k).copied())?;
        self.context.prepare(state, &Hints::default(), circuit.nodes().len()).ok()?;
        let ends = state.intervals.of(node);
        Some((&ends.low, &ends.high))
    }

    /// Notes the place.
    pub fn mark(&self) -> Mark {
        self.place.clone()
    }

    /// Goes back to a place.
    pub fn back(&mut self, mark: Mark) {
        self.place = mark;
    }
}
