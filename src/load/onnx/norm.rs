//! Normalisations and the reductions that are functions of sums: roots, logarithms and powers of them, and products.

use super::call::Call;
use super::constant::Constant;
use super::elementwise::{expand, inverse, normal, product, quotient, scale, spread};
use super::lower::{EMPTY, Lowering, Pending, Value, Variable};
use super::reduce::{groups, reduce_axes, reduced_axes};
use super::shape::{Problem, axis, count_entries, misfit};
use super::window::{Windows, elements};
use crate::load::NodeProblem;
use crate::net::{LinearMap, Sparse, Term};

/// What is added to a variance.
fn epsilon(call: &Call) -> Problem<f64> {
    let epsilon = call.float("epsilon", 1e-5)?;
    if epsilon >= 0.0 {
        return Ok(epsilon);
    }
    let found = epsilon.to_string();
    Err(NodeProblem::Attribute {
        name: "epsilon",
        found,
        accepted: "a number that is not negative",
    })
}

fn square(low: &mut Lowering, x: &Variable) -> Problem<Variable> {
    product(low, x, x, &x.shape.clone())
}

fn mean(low: &mut Lowering, x: &Variable, axes: &[usize]) -> Problem<Variable> {
    reduce_axes(low, x, axes, true, |n| inverse(n as f64))
}

/// x − mean x.
fn centred(low: &mut Lowering, x: &Variable, axes: &[usize]) -> Problem<Variable> {
    let mean = mean(low, x, axes)?;
    let mean = expand(low, &mean, &x.shape)?;
    low.subtract(x, &mean, x.shape.clone())
}

/// x · (mean x² + ε)^−½.
fn divided_by_root(
    low: &mut Lowering,
    x: &Variable,
    axes: &[usize],
    epsilon: f64,
) -> Problem<Variable> {
    let squares = square(low, x)?;
    let variance = mean(low, &squares, axes)?;
    let len = low.len(&variance);
    let variance = low.add_bias(&variance, vec![epsilon; len])?;
    let factor = low.power(&variance, -0.5)?;
    let factor = expand(low, &factor, &x.shape)?;
    product(low, x, &factor, &x.shape.clone())
}

/// scale · x + bias, constants that are broadcast.
fn scaled_and_shifted(
    low: &mut Lowering,
    x: &Variable,
    factors: &Constant,
    bias: Option<&Constant>,
) -> Problem<Variable> {
    let product = scale(low, x, &spread(factors, &x.shape)?, 0, x.shape.clone())?;
    match bias {
        Some(bias) => low.add_bias(&product, spread(bias, &x.shape)?),
        None => Ok(product),
    }
}

/// One value for each channel, as a constant that is broadcast to (batch, channels, …).
fn per_channel(call: &Call, index: usize, x: &Variable) -> Problem<Constant<'static>> {
    let constant = call.needed_constant(index)?;
    if x.shape.len() < 3 || constant.shape != [x.shape[1]] {
        let accepted = "(batch, channels, …), and one value for each channel";
        return Err(misfit(&[&x.shape, &constant.shape], accepted));
    }
    let mut shape = vec![x.shape[1]];
    shape.resize(x.shape.len() - 1, 1);
    Ok(Constant::floats_of(constant.element, shape, constant.floats()?.into_owned()))
}

/// The axes from `axis` on.
fn last_axes(call: &Call, rank: usize) -> Problem<Vec<usize>> {
    Ok((axis(call.int("axis", -1)?, rank, "axis")?..rank).collect())
}

/// (x − mean) / √(variance + ε) over the last axes, scaled and shifted (Ba, Kiros and Hinton 2016).
pub fn layer<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let axes = last_axes(call, x.shape.len())?;
    let (factors, bias) = (call.needed_constant(1)?, call.constant(2)?);
    let centred = centred(low, &x, &axes)?;
    let unit = divided_by_root(low, &centred, &axes, epsilon(call)?)?;
    Ok(scaled_and_shifted(low, &unit, factors, bias)?.into())
}

/// x / √(mean x² + ε) over the last axes, scaled (Zhang and Sennrich 2019).
pub fn rms<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let axes = last_axes(call, x.shape.len())?;
    let factors = call.needed_constant(1)?;
    let unit = divided_by_root(low, &x, &axes, epsilon(call)?)?;
    Ok(scaled_and_shifted(low, &unit, factors, None)?.into())
}

/// As [`layer`], over the spatial axes of each channel.
pub fn instance<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let (factors, bias) = (per_channel(call, 1, &x)?, per_channel(call, 2, &x)?);
    let axes: Vec<usize> = (2..x.shape.len()).collect();
    let centred = centred(low, &x, &axes)?;
    let unit = divided_by_root(low, &centred, &axes, epsilon(call)?)?;
    Ok(scaled_and_shifted(low, &unit, &factors, Some(&bias))?.into())
}

/// As [`layer`], over groups of channels (Wu and He 2018); scales and shifts are those of channels from operator set 21 on, of groups before.
pub fn group<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let number = usize::try_from(call.needed_int("num_groups")?).unwrap_or(0);
    if x.shape.len() < 2 || number == 0 || !x.shape[1].is_multiple_of(number) {
        return Err(misfit(
            &[&x.shape],
            "(batch, channels, …), the channels in groups of equal size",
        ));
    }
    let (batch, channels) = (x.shape[0], x.shape[1]);
    let rest: usize = x.shape[2..].iter().product();
    let grouped = x.reshaped(vec![batch, number, channels / number * rest]);
    let centred = centred(low, &grouped, &[2])?;
    let unit = divided_by_root(low, &centred, &[2], epsilon(call)?)?;
    let constants = |index: usize| -> Problem<Constant<'static>> {
        let constant = call.needed_constant(index)?;
        let (given, values) = (constant.shape.as_slice(), constant.floats()?);
        let size = if call.opset < 21 { number } else { channels };
        if given != [size] {
            return Err(misfit(
                &[&x.shape, given],
                "one value for each group (before set 21) or channel",
            ));
        }
        let each = channels / size;
        let values = values.iter().flat_map(|&v| std::iter::repeat_n(v, each)).collect();
        Ok(Constant::floats_of(constant.element, vec![channels, 1], values))
    };
    let unit = unit.reshaped(vec![batch, channels, rest]);
    let done = scaled_and_shifted(low, &unit, &constants(1)?, Some(&constants(2)?))?;
    Ok(done.reshaped(x.shape).into())
}

/// (x − mean) / (√variance + 10⁻⁹).
pub fn mean_variance<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let axes = match call.ints("axes")? {
        None => vec![0, 2, 3],
        Some(axes) => axes.to_vec(),
    };
    let rank = x.shape.len();
    let axes = axes.iter().map(|&a| axis(a, rank, "axes")).collect::<Problem<Vec<usize>>>()?;
    let centred = centred(low, &x, &axes)?;
    let squares = square(low, &centred)?;
    let variance = mean(low, &squares, &axes)?;
    let deviation = low.power(&variance, 0.5)?;
    let len = low.len(&deviation);
    let deviation = low.add_bias(&deviation, vec![f64::from(1e-9f32); len])?;
    Ok(quotient(low, &centred, &deviation, &x.shape)?.into())
}

/// (Σ |x|^p)^(1/p) over axes.
fn norm(low: &mut Lowering, x: &Variable, axes: &[usize], keep: bool, p: i64) -> Problem<Variable> {
    let powers = powers(low, x, p)?;
    let sum = reduce_axes(low, &powers, axes, keep, |_| Ok(1.0))?;
    root(low, &sum, p)
}

/// |x|^p.
fn powers(low: &mut Lowering, x: &Variable, p: i64) -> Problem<Variable> {
    match p {
        1 => low.bend(x, |_, slopes| Some(slopes.abs())),
        2 => square(low, x),
        3..=8 => {
            let size = low.bend(x, |_, slopes| Some(slopes.abs()))?;
            low.power(&size, p as f64)
        }
        _ => Err(NodeProblem::Attribute { name: "p", found: p.to_string(), accepted: "1 to 8" }),
    }
}

/// x^(1/p) of a sum of p-th powers. Where 1/p is no double, the power of the double beside it is off by a factor of at most
/// exp(u/3 · |ln x|), and |ln x| < 746: less than this many roundings.
fn root(low: &mut Lowering, sum: &Variable, p: i64) -> Problem<Variable> {
    const ROUNDINGS: usize = 256;
    let root = low.power(sum, 1.0 / p as f64)?;
    if (p as u64).is_power_of_two() {
        return Ok(root);
    }
    let near = Term { source: low.node(&root)?, map: LinearMap::Identity(low.len(&root)) };
    let near = Pending { terms: vec![near], bias: None, roundings: ROUNDINGS };
    Ok(low.pending(near, root.shape))
}

/// The p-norm of each window, padding being 0.
pub fn lp_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let (windows, planes) = Windows::of_pool(call, &x.shape)?;
    let (number, taps) = windows.counts(planes)?;
    low.spend::<[u64; 4]>(number * taps + planes * number)?;
    let p = call.int("p", 2)?;
    let powers = powers(low, &x, p)?;
    let plane: usize = windows.input.iter().product();
    let rows: Vec<Vec<usize>> = windows.taps().map(|taps| elements(&taps)).collect();
    let rows = (0..planes)
        .flat_map(|c| rows.iter().map(move |row| row.iter().map(move |&i| (c * plane + i, 1.0))));
    let map = LinearMap::Sparse(Sparse::from_rows(low.len(&powers), rows));
    let mut shape = x.shape[..2].to_vec();
    shape.extend(&windows.output);
    let sum = low.linear(&powers, map, shape)?;
    Ok(root(low, &sum, p)?.into())
}

/// The p-norm of each channel.
pub fn global_lp_pool<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    if x.shape.len() < 3 {
        return Err(misfit(&[&x.shape], "(batch, channels, spatial axes…)"));
    }
    let axes: Vec<usize> = (2..x.shape.len()).collect();
    Ok(norm(low, &x, &axes, true, call.int("p", 2)?)?.into())
}

/// x / (bias + α/size · Σ x²)^β, the sum over `size` channels around each (Krizhevsky, Sutskever and Hinton 2012).
pub fn local_response<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let size = usize::try_from(call.needed_int("size")?).unwrap_or(0);
    if x.shape.len() < 2 || size == 0 {
        return Err(misfit(&[&x.shape], "(batch, channels, …), and a positive size"));
    }
    let (alpha, beta) = (call.float("alpha", 1e-4)?, call.float("beta", 0.75)?);
    let bias = call.float("bias", 1.0)?;
    let (channels, rest) = (x.shape[1], x.shape[2..].iter().product::<usize>());
    let weight = normal(alpha / size as f64)?;
    low.spend::<[u64; 4]>(count_entries(low.len(&x), size)?)?;
    // From (size − 1)/2 before to the rest behind, both rounded as the definition says.
    let (before, behind) = ((size - 1) / 2, size / 2);
    let row = |at: usize| {
        let (c, place) = (at / rest % channels, at % rest);
        let start = at - c * rest - place;
        let around = c.saturating_sub(before)..(c + behind + 1).min(channels);
        around.map(move |c| (start + c * rest + place, weight))
    };
    let squares = square(low, &x)?;
    let len = low.len(&x);
    let map = LinearMap::Sparse(Sparse::from_rows(len, (0..len).map(row)));
    let sum = low.affine(&squares, map, Some(vec![bias; len]), 1, x.shape.clone())?;
    let factor = low.power(&sum, -beta)?;
    Ok(product(low, &x, &factor, &x.shape)?.into())
}

/// What a node reduces over which axes, and whether these stay; none where it reduces nothing.
fn reduced(low: &mut Lowering, call: &Call) -> Problem<(Variable, Option<Vec<usize>>, bool)> {
    let x = call.variable(low, 0)?;
    let axes = reduced_axes(call, &x.shape)?.map(|(axes, _)| axes);
    Ok((x, axes, call.switch("keepdims", true)?))
}

/// √Σ x².
pub fn reduce_l2<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, axes, keep) = reduced(low, call)?;
    match axes {
        Some(axes) => Ok(norm(low, &x, &axes, keep, 2)?.into()),
        None => Ok(powers(low, &x, 1)?.into()),
    }
}

/// log Σ x.
pub fn reduce_log_sum<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, axes, keep) = reduced(low, call)?;
    let sum = match axes {
        Some(axes) => reduce_axes(low, &x, &axes, keep, |_| Ok(1.0))?,
        None => x,
    };
    Ok(low.log(&sum)?.into())
}

/// log Σ exp x.
pub fn reduce_log_sum_exp<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, axes, _) = reduced(low, call)?;
    let Some(axes) = axes else { return Ok(x.into()) };
    let (_, shape) = reduced_axes(call, &x.shape)?.unwrap_or_default();
    Ok(log_sum_exp(low, &x, &axes, shape)?.into())
}

/// log Σ exp x over axes, in pairs: log(eˣ + eʸ) = x + log(1 + e^(y − x)), which does not overflow.
pub fn log_sum_exp(
    low: &mut Lowering,
    x: &Variable,
    axes: &[usize],
    shape: Vec<usize>,
) -> Problem<Variable> {
    in_pairs(low, x, axes, shape, |low, x, y| {
        let difference = low.subtract(y, x, x.shape.clone())?;
        let rest = low.softplus(&difference)?;
        low.add(x, &rest, x.shape.clone())
    })
}

/// Π x, in pairs.
pub fn reduce_prod<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let (x, axes, _) = reduced(low, call)?;
    let Some(axes) = axes else { return Ok(x.into()) };
    let (_, shape) = reduced_axes(call, &x.shape)?.unwrap_or_default();
    Ok(in_pairs(low, &x, &axes, shape, |low, x, y| product(low, x, y, &x.shape))?.into())
}

/// What is left of the elements over axes when pairs of them are joined until there is one.
fn in_pairs(
    low: &mut Lowering,
    x: &Variable,
    axes: &[usize],
    shape: Vec<usize>,
    join: impl Fn(&mut Lowering, &Variable, &Variable) -> Problem<Variable>,
) -> Problem<Variable> {
    let groups = groups(&x.shape, axes);
    let (number, mut size) = (groups.len(), groups.first().map_or(0, Vec::len));
    if size == 0 {
        return Err(EMPTY);
    }
    let gather = |low: &mut Lowering, x: &Variable, from: Vec<usize>| {
        low.spend::<[u64; 4]>(from.len())?;
        let map = Sparse::gather(low.len(x), from.iter().copied());
        low.linear(x, LinearMap::Sparse(map), vec![from.len()])
    };
    // Group by group, and then the first element of all groups, the second, …
    let mut rest =
        gather(low, x, (0..size).flat_map(|k| groups.iter().map(move |g| g[k])).collect())?;
    while size > 1 {
        let half = size / 2;
        let left = gather(low, &rest, (0..half * number).collect())?;
        let right = gather(low, &rest, (half * number..2 * half * number).collect())?;
        let joined = join(low, &left, &right)?;
        rest = if size % 2 == 1 {
            // The odd one comes behind the pairs.
            let odd: Vec<usize> = (2 * half * number..size * number).collect();
            let (before, len) = (half * number, size * number);
            let all = vec![before + number];
            let place = (0..before).map(|k| vec![(k, 1.0)]).chain(vec![vec![]; number]);
            let place = LinearMap::Sparse(Sparse::from_rows(before, place));
            let place = low.linear(&joined, place, all.clone())?;
            let odd = vec![vec![]; before].into_iter().chain(odd.iter().map(|&k| vec![(k, 1.0)]));
            let odd = LinearMap::Sparse(Sparse::from_rows(len, odd));
            let odd = low.linear(&rest, odd, all.clone())?;
            low.add(&place, &odd, all)?
        } else {
            joined
        };
        size = half + size % 2;
    }
    Ok(rest.reshaped(shape))
}
