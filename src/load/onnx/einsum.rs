//! Products of tensors that an equation or a matrix product names, one of them constant or both depending on the input.

use super::call::Call;
use super::choice::JUMPS;
use super::elementwise::product;
use super::lower::{Lowering, Pending, Value, Variable};
use super::rearrange::positions;
use super::shape::{Problem, count, count_entries, misfit};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// Σ x[i]·y[j] over a list of pairs for each element of the result.
pub fn contracted<'m>(
    low: &mut Lowering,
    (x, y): (&Value<'m>, &Value<'m>),
    pairs: &[Vec<(usize, usize)>],
    shape: Vec<usize>,
) -> Problem<Value<'m>> {
    let (variable, constant, swapped) = match (x, y) {
        (Value::Variable(x), Value::Variable(y)) => {
            return Ok(both(low, x, y, pairs, shape)?.into());
        }
        (Value::Variable(x), Value::Constant(c)) => (x.clone(), c, false),
        (Value::Constant(c), Value::Variable(y)) => (y.clone(), c, true),
        (Value::Constant(_), Value::Constant(c)) => (low.variable(x)?, c, false),
        (Value::Condition(_), _) | (_, Value::Condition(_)) => return Err(JUMPS),
    };
    let weights = constant.floats()?;
    let rows = pairs.iter().map(|row| {
        row.iter().map(|&(i, j)| if swapped { (j, weights[i]) } else { (i, weights[j]) })
    });
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(&variable), rows));
    let terms = vec![Term { source: low.node(&variable)?, map }];
    Ok(low.pending(Pending { terms, bias: None, roundings: 0 }, shape).into())
}

fn both(
    low: &mut Lowering,
    x: &Variable,
    y: &Variable,
    pairs: &[Vec<(usize, usize)>],
    shape: Vec<usize>,
) -> Problem<Variable> {
    let terms = pairs.iter().map(Vec::len).sum();
    count(&[terms])?;
    let picked = |low: &mut Lowering, of: &Variable, side: fn(&(usize, usize)) -> usize| {
        let map = Sparse::gather(low.len(of), pairs.iter().flatten().map(side));
        low.linear(of, LinearMap::Sparse(map), vec![terms])
    };
    let (x, y) = (picked(low, x, |pair| pair.0)?, picked(low, y, |pair| pair.1)?);
    let products = product(low, &x, &y, &[terms])?;
    let mut start = 0;
    let rows = pairs.iter().map(|row| {
        start += row.len();
        (start - row.len()..start).map(|i| (i, 1.0))
    });
    let map = LinearMap::Sparse(Sparse::from_rows(terms, rows.collect::<Vec<_>>()));
    low.linear(&products, map, shape)
}

/// Einstein's sums: axes of one letter run together, and are summed where the result has none of that letter.
pub fn einsum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let equation = call.text("equation", "")?;
    let refused = || NodeProblem::Attribute {
        name: "equation",
        found: equation.clone().into_owned(),
        accepted: "one or two operands, a letter for each of their axes, '...' for those in common",
    };
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left.to_owned(), Some(right.to_owned())),
        None => (text, None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != call.inputs.len() || !matches!(terms.len(), 1 | 2) {
        return Err(refused());
    }
    // The letters of each axis; those of '...' are digits, counted from the last one.
    let letters = |term: &str, rank: usize| -> Option<Vec<char>> {
        let Some((before, after)) = term.split_once("...") else {
            return (term.chars().count() == rank && term.chars().all(char::is_alphabetic))
                .then(|| term.chars().collect());
        };
        let named = before.chars().count() + after.chars().count();
        let common = u32::try_from(rank.checked_sub(named)?).ok().filter(|&n| n < 10)?;
        let digits = (0..common).rev().filter_map(|i| char::from_digit(i, 10));
        let all: Vec<char> = before.chars().chain(digits).chain(after.chars()).collect();
        all.iter().all(|c| c.is_alphanumeric()).then_some(all)
    };
    let mut operands = Vec::with_capacity(2);
    // Letters and the sizes of their axes; an axis of '...' may be 1 and is broadcast.
    let mut sizes: Vec<(char, usize)> = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        let shape = call.value(index)?.shape();
        let letters = letters(term, shape.len()).ok_or_else(refused)?;
        for (&letter, &size) in letters.iter().zip(shape) {
            match sizes.iter_mut().find(|(known, _)| *known == letter) {
                None => sizes.push((letter, size)),
                Some((_, known)) if *known == size || size == 1 && letter.is_ascii_digit() => {}
                Some((_, known)) if *known == 1 && letter.is_ascii_digit() => *known = size,
                Some(_) => return Err(misfit(&[shape], "equal sizes along axes of one letter")),
            }
        }
        operands.push((letters, shape.to_vec()));
    }
    let result: Vec<char> = match right {
        Some(right) => {
            let common = sizes.iter().filter(|(c, _)| c.is_ascii_digit()).count();
            let named = right.replace("...", "").chars().count();
            letters(&right, named + if right.contains("...") { common } else { 0 })
                .ok_or_else(refused)?
        }
        None => {
            // Letters that occur once, in alphabetical order, behind those of '...'.
            let once =
                |c: &char| operands.iter().flat_map(|(l, _)| l).filter(|l| *l == c).count() == 1;
            let mut named: Vec<char> = sizes.iter().map(|(c, _)| *c).collect();
            named.retain(|c| c.is_ascii_digit() || once(c));
            named.sort_by_key(|c| {
                if c.is_ascii_digit() { (0, u32::MAX - *c as u32) } else { (1, *c as u32) }
            });
            named
        }
    };
    let size_of = |c: &char| sizes.iter().find(|(known, _)| known == c).map(|(_, size)| *size);
    let shape: Vec<usize> =
        result.iter().map(size_of).collect::<Option<_>>().ok_or_else(refused)?;
    if result.iter().enumerate().any(|(i, c)| result[..i].contains(c)) {
        return Err(refused());
    }
    let summed: Vec<(char, usize)> =
        sizes.iter().filter(|(c, _)| !result.contains(c)).copied().collect();
    let inner: Vec<usize> = summed.iter().map(|(_, size)| *size).collect();
    low.spend::<[u64; 8]>(count_entries(count(&shape)?, count(&inner)?)?)?;
    let order: Vec<char> = result.iter().copied().chain(summed.iter().map(|(c, _)| *c)).collect();
    // For each operand, the step along each letter.
    let steps: Vec<Vec<usize>> = operands
        .iter()
        .map(|(letters, shape)| {
            let mut steps = vec![0; order.len()];
            let mut step = 1;
            for (letter, &size) in letters.iter().zip(shape).rev() {
                if let Some(at) = order.iter().position(|c| c == letter)
                    && size > 1
                {
                    steps[at] += step;
                }
                step *= size;
            }
            steps
        })
        .collect();
    let at = |steps: &[usize], out: &[usize], sum: &[usize]| -> usize {
        out.iter().chain(sum).zip(steps).map(|(i, step)| i * step).sum()
    };
    let all: Vec<Vec<usize>> = positions(&inner).collect();
    if let [steps] = steps.as_slice() {
        let x = call.variable(low, 0)?;
        let rows = positions(&shape)
            .map(|out| all.iter().map(|sum| (at(steps, &out, sum), 1.0)).collect::<Vec<_>>());
        let map = LinearMap::Sparse(Sparse::from_rows(low.len(&x), rows));
        return Ok(low.linear(&x, map, shape)?.into());
    }
    let pairs: Vec<Vec<(usize, usize)>> = positions(&shape)
        .map(|out| {
            all.iter().map(|sum| (at(&steps[0], &out, sum), at(&steps[1], &out, sum))).collect()
        })
        .collect();
    contracted(low, (call.value(0)?, call.value(1)?), &pairs, shape)
}
