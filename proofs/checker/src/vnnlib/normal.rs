//! Disjunctive normal form: from a formula to cases, in the order of the file.
use super::error::Error;
use super::parser::{Atom, Formula, Parsed};
use crate::memory::{Full, Memory};
use crate::statement::{Case, Property};
use std::sync::Arc;

/// Each disjunct is the list of its atoms.
type Disjuncts = Vec<Vec<u32>>;

/// Bytes of a list or a case without what is in it.
const LIST: usize = 64;

pub fn cases(parsed: Parsed, memory: &Memory) -> Result<Property, Error> {
    match all_cases(&parsed, memory) {
        Ok(cases) => Ok(Property { inputs: parsed.inputs, outputs: parsed.outputs, cases }),
        Err(problem) => Err(Error { problem, ..parsed.end }),
    }
}

fn all_cases(parsed: &Parsed, memory: &Memory) -> Result<Vec<Case>, String> {
    let disjuncts = product(&parsed.asserts, memory)?;
    let mut cases: Vec<Case> = Vec::with_capacity(disjuncts.len());
    for (k, disjunct) in disjuncts.iter().enumerate() {
        memory.take(LIST + 8 * disjunct.len(), 2)?;
        let mut low = vec![f64::NEG_INFINITY; parsed.inputs];
        let mut high = vec![f64::INFINITY; parsed.inputs];
        let mut half_spaces = vec![];
        for atom in disjunct {
            match &parsed.atoms[*atom as usize] {
                Atom::Half(half_space) => half_spaces.push(half_space.clone()),
                Atom::Bound { input, upper, value } => {
                    let i = *input as usize;
                    if *upper {
                        high[i] = high[i].min(*value);
                    } else {
                        low[i] = low[i].max(*value);
                    }
                }
            }
        }
        let unbounded = low.iter().zip(&high).position(|(l, h)| !(l.is_finite() && h.is_finite()));
        if let Some(input) = unbounded {
            return Err(format!("X_{input} has no lower or no upper bound in case {k}"));
        }
        // Neighbours mostly share their box.
        let case = match cases.last() {
            Some(last) if *last.low == low && *last.high == high => {
                Case { low: last.low.clone(), high: last.high.clone(), half_spaces }
            }
            _ => {
                memory.take(parsed.inputs, 16)?;
                Case { low: Arc::new(low), high: Arc::new(high), half_spaces }
            }
        };
        cases.push(case);
    }
    Ok(cases)
}

fn disjuncts(formula: &Formula, memory: &Memory) -> Result<Disjuncts, Full> {
    match formula {
        Formula::Atom(atom) => {
            memory.take(1, LIST)?;
            Ok(vec![vec![*atom]])
        }
        Formula::And(arms) => product(arms, memory),
        Formula::Or(arms) => {
            let mut all = vec![];
            for arm in arms {
                all.append(&mut disjuncts(arm, memory)?);
            }
            Ok(all)
        }
    }
}

/// All ways to take one disjunct of each factor, the first factor varying slowest.
fn product(factors: &[Formula], memory: &Memory) -> Result<Disjuncts, Full> {
    let mut all: Disjuncts = vec![vec![]];
    for factor in factors {
        let next = disjuncts(factor, memory)?;
        let bytes = |list: &Disjuncts| list.iter().map(|d| 4 * d.len()).sum::<usize>();
        if let [only] = next.as_slice() {
            // Lists double when they grow.
            memory.take(all.len(), 8 * only.len())?;
            all.iter_mut().for_each(|a| a.extend(only));
            continue;
        }
        memory.take(all.len(), LIST.saturating_mul(next.len()))?;
        memory.take(next.len(), bytes(&all))?;
        memory.take(all.len(), bytes(&next))?;
        all = all.iter().flat_map(|a| next.iter().map(|b| [a.as_slice(), b].concat())).collect();
    }
    Ok(all)
}
