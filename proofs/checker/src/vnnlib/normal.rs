//! Disjunctive normal form: from a formula to cases, in the order of the file.
use super::error::{Error, Problem};
use super::parser::{Atom, Formula, Parsed};
use crate::statement::{Case, Property};
use std::sync::Arc;

/// Most atoms in all cases together, and most ends of boxes.
const MOST: usize = 1 << 27;

/// Each disjunct is the list of its atoms.
type Disjuncts = Vec<Vec<u32>>;

pub fn cases(parsed: Parsed) -> Result<Property, Error> {
    let fail = |problem| Error { problem, ..parsed.end.clone() };
    let disjuncts = product(&parsed.asserts).ok_or_else(|| fail(Problem::TooManyCases))?;
    let mut cases: Vec<Case> = Vec::with_capacity(disjuncts.len());
    let mut ends = 0usize;
    for (k, disjunct) in disjuncts.iter().enumerate() {
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
            return Err(fail(Problem::Unbounded { input, case: k }));
        }
        // Neighbours mostly share their box.
        let case = match cases.last() {
            Some(last) if *last.low == low && *last.high == high => {
                Case { low: last.low.clone(), high: last.high.clone(), half_spaces }
            }
            _ => {
                ends += 2 * parsed.inputs;
                Case { low: Arc::new(low), high: Arc::new(high), half_spaces }
            }
        };
        if ends > MOST {
            return Err(fail(Problem::TooManyCases));
        }
        cases.push(case);
    }
    Ok(Property { inputs: parsed.inputs, outputs: parsed.outputs, cases })
}

fn disjuncts(formula: &Formula) -> Option<Disjuncts> {
    match formula {
        Formula::Atom(atom) => Some(vec![vec![*atom]]),
        Formula::And(arms) => product(arms),
        Formula::Or(arms) => {
            let mut all = vec![];
            for arm in arms {
                all.append(&mut disjuncts(arm)?);
            }
            Some(all)
        }
    }
}

/// All ways to take one disjunct of each factor, the first factor varying slowest; `None` if too many.
fn product(factors: &[Formula]) -> Option<Disjuncts> {
    let mut all: Disjuncts = vec![vec![]];
    let mut grown = 0usize;
    for factor in factors {
        let next = disjuncts(factor)?;
        if let [only] = next.as_slice() {
            grown = grown.checked_add(all.len().checked_mul(only.len())?).filter(|g| *g <= MOST)?;
            all.iter_mut().for_each(|a| a.extend(only));
            continue;
        }
        let atoms = |list: &Disjuncts| list.iter().map(|d| d.len() + 1).sum::<usize>();
        let size = atoms(&all)
            .checked_mul(next.len())?
            .checked_add(atoms(&next).checked_mul(all.len())?)?;
        if size > MOST {
            return None;
        }
        all = all.iter().flat_map(|a| next.iter().map(|b| [a.as_slice(), b].concat())).collect();
    }
    Some(all)
}
