//! Functions of one variable that are more than a name: those with parameters, and those that are put together of others.

use super::call::Call;
use super::constant::{Constant, Element};
use super::elementwise::{expand, normal, scale, spread};
use super::fold;
use super::lower::{Lowering, Pending, Value, Variable};
use super::piecewise;
use super::shape::Problem;
use crate::load::NodeProblem;
use crate::net::{Elu, Function, GeluTanh, LinearMap, Parameter, Power, Sparse, Step, Term};

/// A function without parameters.
pub fn smooth<'m>(
    low: &mut Lowering,
    call: &Call<'_, 'm>,
    function: Function,
) -> Problem<Value<'m>> {
    if let Value::Constant(x) = call.value(0)? {
        return fold::map(x, |x| function.at(&[x]));
    }
    let x = call.variable(low, 0)?;
    Ok(low.function(function, &x)?.into())
}

/// x Φ(x), or its approximation by tanh.
pub fn gelu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    match &*call.text("approximate", "none")? {
        "none" => smooth(low, call, Function::Gelu),
        "tanh" => smooth(low, call, Function::GeluTanh(GeluTanh::STANDARD)),
        found => Err(NodeProblem::Attribute {
            name: "approximate",
            found: found.to_owned(),
            accepted: "none or tanh",
        }),
    }
}

/// x for x > 0, else α (e^x − 1).
pub fn elu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let alpha = finite("alpha", call.float("alpha", 1.0)?)?;
    smooth(low, call, Function::Elu(Elu(Parameter::new(alpha))))
}

/// γ times an ELU.
pub fn selu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    // Until operator set 6 the defaults had five digits.
    let (alpha, gamma) = if call.opset < 6 { (1.6732, 1.0507) } else { (1.673_263_2, 1.050_701) };
    let alpha = finite("alpha", call.float("alpha", alpha)?)?;
    let gamma = finite("gamma", call.float("gamma", gamma)?)?;
    let elu = Function::Elu(Elu(Parameter::new(alpha)));
    if let Value::Constant(x) = call.value(0)? {
        return fold::map(x, |x| gamma * elu.at(&[x]));
    }
    let x = call.variable(low, 0)?;
    let y = low.function(elu, &x)?;
    Ok(multiple(low, &y, gamma, 0)?.into())
}

/// max(0, x) + min(0, α (e^(x/α) − 1)): α times an ELU of x/α.
pub fn celu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let alpha = finite("alpha", call.float("alpha", 1.0)?)?;
    if alpha <= 0.0 {
        return Err(NodeProblem::Attribute {
            name: "alpha",
            found: alpha.to_string(),
            accepted: "a positive number",
        });
    }
    let x = call.variable(low, 0)?;
    let inverse = normal(1.0 / alpha)?;
    let x = multiple(low, &x, inverse, usize::from(alpha * inverse != 1.0 || alpha != 1.0))?;
    let y = low.function(Function::Elu(Elu(Parameter::new(1.0))), &x)?;
    Ok(multiple(low, &y, alpha, 0)?.into())
}

/// min(max(α x + β, 0), 1).
pub fn hard_sigmoid<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let alpha = finite("alpha", call.float("alpha", 0.2)?)?;
    let beta = finite("beta", call.float("beta", 0.5)?)?;
    let x = call.variable(low, 0)?;
    let len = low.len(&x);
    let line = low.combine(&[(&x, alpha)], Some(vec![beta; len]), x.shape.clone())?;
    let above = piecewise::limit(low, &line, vec![0.0; len], 1.0)?;
    let y = piecewise::limit(low, &above, vec![1.0; len], -1.0)?;
    low.note_ramp(&x, &y, [alpha, beta], 1.0);
    Ok(y.into())
}

/// x min(max(x/6 + ½, 0), 1).
pub fn hard_swish<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let x = call.variable(low, 0)?;
    let x = multiple(low, &x, 1.0 / 6.0, 1)?;
    let y = low.function(Function::HardSwish, &x)?;
    Ok(multiple(low, &y, 6.0, 0)?.into())
}

/// x for x > α, else 0: a ramp from α on, and a step of height α.
pub fn thresholded_relu<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let alpha = finite("alpha", call.float("alpha", 1.0)?)?;
    let x = call.variable(low, 0)?;
    let (ramp, step) = beyond(low, &x, 1.0, alpha)?;
    if alpha == 0.0 {
        return Ok(ramp.into());
    }
    Ok(low.combine(&[(&ramp, 1.0), (&step, alpha)], None, x.shape.clone())?.into())
}

/// x + b for x < −λ, x − b for x > λ, else 0: two ramps, and two steps of height λ − b.
pub fn shrink<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let bias = finite("bias", call.float("bias", 0.0)?)?;
    let lambda = finite("lambd", call.float("lambd", 0.5)?)?;
    let height = lambda - bias;
    if lambda < 0.0 || height + bias != lambda || lambda - height != bias {
        return Err(NodeProblem::Attribute {
            name: "lambd",
            found: format!("{lambda}, with a bias of {bias}"),
            accepted: "a number that is not negative, and whose distance from the bias is a double",
        });
    }
    let x = call.variable(low, 0)?;
    let (right, up) = beyond(low, &x, 1.0, lambda)?;
    let (left, down) = beyond(low, &x, -1.0, lambda)?;
    let mut terms = vec![(&right, 1.0), (&left, -1.0)];
    if height != 0.0 {
        terms.extend([(&up, height), (&down, -height)]);
    }
    Ok(low.combine(&terms, None, x.shape.clone())?.into())
}

/// max(±x − c, 0), and 1 where ±x > c, else 0.
fn beyond(low: &mut Lowering, x: &Variable, sign: f64, c: f64) -> Problem<(Variable, Variable)> {
    let shift = Some(vec![-c; low.len(x)]);
    let gap = low.combine(&[(x, sign)], shift, x.shape.clone())?;
    Ok((low.relu(&gap)?, low.is_positive(&gap)?))
}

/// −1, 0 or 1.
pub fn sign<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    smooth(low, call, Function::Step(Step::Sign))
}

/// The largest integer that is not above x.
pub fn floor<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    smooth(low, call, Function::Step(Step::Floor))
}

/// The least integer that is not below x: −⌊−x⌋.
pub fn ceil<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    if let Value::Constant(x) = call.value(0)? {
        return fold::map(x, f64::ceil);
    }
    let x = call.variable(low, 0)?;
    let minus = low.combine(&[(&x, -1.0)], None, x.shape.clone())?;
    let floor = low.function(Function::Step(Step::Floor), &minus)?;
    Ok(low.combine(&[(&floor, -1.0)], None, x.shape.clone())?.into())
}

/// The nearest integer, of two the even one.
pub fn round<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    smooth(low, call, Function::Step(Step::Round))
}

/// x / (1 + e^−αx): a SiLU of αx, over α.
pub fn swish<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let alpha = finite("alpha", call.float("alpha", 1.0)?)?;
    let x = call.variable(low, 0)?;
    if alpha == 1.0 {
        return Ok(low.function(Function::Silu, &x)?.into());
    }
    let inverse = normal(1.0 / alpha)?;
    let x = multiple(low, &x, alpha, 0)?;
    let y = low.function(Function::Silu, &x)?;
    Ok(multiple(low, &y, inverse, 1)?.into())
}

/// x^p with constant exponents.
pub fn pow<'m>(low: &mut Lowering, call: &Call<'_, 'm>) -> Problem<Value<'m>> {
    let exponent = call.needed_constant(1)?;
    let exponent = match exponent.as_ints() {
        None => exponent.clone(),
        Some(ints) => {
            let floats = ints.iter().map(|&n| n as f64).collect();
            Constant::floats_of(Element::Double, exponent.shape.clone(), floats)
        }
    };
    let shape = low.broadcast(call.value(0)?.shape(), &exponent.shape)?;
    if let Value::Constant(x) = call.value(0)? {
        return fold::pow(x, &exponent);
    }
    let exponents = spread(&exponent, &shape)?;
    let x = call.variable(low, 0)?;
    let x = expand(low, &x, &shape)?;
    let mut distinct: Vec<f64> = Vec::new();
    for &p in &exponents {
        if !distinct.contains(&p) {
            distinct.push(p);
        }
        if distinct.len() > MOST_EXPONENTS {
            return Err(NodeProblem::Operand {
                index: 1,
                found: "a tensor of many exponents".to_owned(),
                accepted: "one of 64 different exponents",
            });
        }
    }
    if let [p] = distinct[..] {
        return Ok(low.power(&x, p)?.into());
    }
    // For each exponent its elements, and where their powers go.
    let mut terms = Vec::new();
    for &p in &distinct {
        let own: Vec<usize> = (0..exponents.len()).filter(|&i| exponents[i] == p).collect();
        let Value::Variable(part) = low.select(&x.clone().into(), vec![own.len()], &own)? else {
            return Err(NodeProblem::Internal("a part of a tensor is no tensor"));
        };
        let power = low.power(&part, p)?;
        let mut places = vec![None; exponents.len()];
        own.iter().enumerate().for_each(|(place, &i)| places[i] = Some((place, 1.0)));
        let map = LinearMap::Sparse(Sparse::from_rows(own.len(), places));
        terms.push(Term { source: low.node(&power)?, map });
    }
    Ok(low.pending(Pending { terms, bias: None, roundings: 0 }, shape).into())
}

const MOST_EXPONENTS: usize = 64;

impl Lowering<'_> {
    /// A function of one tensor's elements.
    pub fn function(&mut self, function: Function, x: &Variable) -> Problem<Variable> {
        let y = self.elementwise(function, &[x])?;
        self.note_call(function, x, &y);
        Ok(y)
    }

    /// ln(1 + e^x).
    pub(super) fn softplus(&mut self, x: &Variable) -> Problem<Variable> {
        self.function(Function::Softplus, x)
    }

    /// e^x.
    pub(super) fn exp(&mut self, x: &Variable) -> Problem<Variable> {
        self.function(Function::Exp, x)
    }

    /// ln x.
    pub(super) fn log(&mut self, x: &Variable) -> Problem<Variable> {
        self.function(Function::Log, x)
    }

    /// 1 where x is positive, else 0.
    pub(super) fn is_positive(&mut self, x: &Variable) -> Problem<Variable> {
        self.function(Function::Step(Step::Positive), x)
    }

    /// x^p.
    pub(super) fn power(&mut self, x: &Variable, p: f64) -> Problem<Variable> {
        match p {
            0.0 => {
                let one =
                    Pending { terms: Vec::new(), bias: Some(vec![1.0; self.len(x)]), roundings: 0 };
                Ok(self.pending(one, x.shape.clone()))
            }
            1.0 => Ok(x.clone()),
            0.5 => self.function(Function::Sqrt, x),
            -1.0 => self.function(Function::Reciprocal, x),
            _ if p.is_finite() => self.function(Function::Power(Power(Parameter::new(p))), x),
            _ => Err(NodeProblem::Arithmetic("an exponent that is not finite")),
        }
    }
}

/// factor · x.
pub fn multiple(
    low: &mut Lowering,
    x: &Variable,
    factor: f64,
    roundings: usize,
) -> Problem<Variable> {
    let factors = vec![factor; low.len(x)];
    scale(low, x, &factors, roundings, x.shape.clone())
}

fn finite(name: &'static str, value: f64) -> Problem<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    let (found, accepted) = (value.to_string(), "a finite number");
    Err(NodeProblem::Attribute { name, found, accepted })
}
