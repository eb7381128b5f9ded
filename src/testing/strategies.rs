//! Strategies for proptest: cases that shrink to the smallest one, and cases near a model's own data.

use super::case::Case;
use super::draft::Draft;
use super::laws::{circuit, random};
use super::near::Near;
use super::nets::Kind;
use super::truth::Known;
use proptest::prelude::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{Reason, TestRunner};
use std::fmt;
use std::sync::Arc;

/// What random networks are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Networks {
    /// Dense and sparse layers, convolutions, residual sums, ReLUs; weights are small multiples of 2⁻⁶.
    Relu,
    /// The same with numbers of which single precision holds no more than the first half.
    Fine,
    /// The same with weights across 2^±60, cancellation and huge biases.
    Hostile,
    /// Products and reciprocals, too.
    Rational,
    /// Curves of all kinds, too.
    Curves,
    /// Long sums, fans and chains, tensors read many times, subnormals, overflow.
    Circuits,
    /// Robust or not by construction.
    Known,
}

type Draw = Arc<dyn Fn(u64) -> Result<Case, String> + Send + Sync>;

/// Cases, each a function of a random number; they shrink by leaving out what a failure does not need.
#[derive(Clone)]
pub struct Cases(Draw);

impl fmt::Debug for Cases {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Cases")
    }
}

/// Random networks with claims whose truth is in doubt.
#[must_use]
pub fn cases(networks: Networks) -> Cases {
    Cases(Arc::new(move |seed| {
        Ok(match networks {
            Networks::Relu => random(seed, Kind::Relu),
            Networks::Fine => random(seed, Kind::Fine),
            Networks::Hostile => random(seed, Kind::Hostile),
            Networks::Rational => random(seed, Kind::Rational),
            Networks::Curves => random(seed, Kind::Curves),
            Networks::Circuits => circuit(seed),
            Networks::Known => Known::random(seed).case,
        })
    }))
}

/// Cases near a model's own data.
#[must_use]
pub fn near(near: Near) -> Cases {
    Cases(Arc::new(move |seed| near.draw(seed).map_err(|error| error.to_string())))
}

impl Strategy for Cases {
    type Tree = Shrinking;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        let case = (self.0)(seed).map_err(Reason::from)?;
        Ok(Shrinking { draft: None, case, trying: None, at: 0, in_vain: 0 })
    }
}

/// A case as it shrinks.
#[derive(Debug, Clone)]
pub struct Shrinking {
    /// The parts of `case`, once it was taken apart.
    draft: Option<Draft>,
    /// The smallest case that failed.
    case: Case,
    /// What is tried instead.
    trying: Option<(Draft, Case)>,
    at: usize,
    in_vain: usize,
}

impl Shrinking {
    /// Tries the next step that makes another case.
    fn next(&mut self) -> bool {
        let draft = self.draft.get_or_insert_with(|| Draft::of(&self.case));
        let steps = draft.steps();
        while self.in_vain < steps.len() {
            let next = draft.after(&steps[self.at % steps.len()]);
            (self.at, self.in_vain) = (self.at + 1, self.in_vain + 1);
            self.trying = next.and_then(|draft| Some((draft.clone(), draft.case()?)));
            if self.trying.is_some() {
                return true;
            }
        }
        self.trying = None;
        false
    }
}

impl ValueTree for Shrinking {
    type Value = Case;

    fn current(&self) -> Case {
        self.trying.as_ref().map_or(&self.case, |(_, case)| case).clone()
    }

    fn simplify(&mut self) -> bool {
        if let Some((draft, case)) = self.trying.take() {
            (self.draft, self.case, self.in_vain) = (Some(draft), case, 0);
            self.at = self.at.saturating_sub(1);
        }
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.next()
    }
}
