//! The operators of a network, one file each: values, derivatives, ranges, lines with their free slopes, and where to split.
//!
//! Whoever walks through a network knows three kinds of nodes: the input, affine maps, and elementwise functions. Of the latter it
//! asks [`Operator`] for what it needs; no other file tells one function from another, but for the ReLU ([`Op::relu`]), which is
//! linear on either side of 0.

mod curve;
mod onnx;
mod product;
mod relu;
mod step;
mod unary;

use self::curve::{erf, exponential, gates, hyperbolic, power, softsign, trigonometric};
use super::{Affine, Boxes, Matrix, NodeId};
use crate::num::Rational;
use std::borrow::Cow;
use std::ops::Deref;

pub use curve::elu::Elu;
pub use curve::gates::{Gated, GeluTanh};
pub use curve::power::Power;
pub use onnx::OnnxAttribute;
pub use relu::{default_in_doubt, default_slope, upper_slope};
pub use step::Step;

/// A function as ONNX has it: name, operator set from which on, function, attributes.
pub type OnnxFunction = (&'static str, i64, Function, &'static str);

/// [`Function`], from a list of the functions without parameters: name, type, and the operator with the sets at which it changed and
/// the attributes that it has there.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $curve:expr, $onnx:literal [$($since:literal $attributes:literal)*];)*) => {
        /// An elementwise function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Function {
            /// max(x, 0): piecewise linear functions that are continuous are lowered to it exactly.
            Relu,
            /// x · y.
            Product,
            /// x^p.
            Power(Power),
            /// x for x > 0, else α (e^x − 1).
            Elu(Elu),
            /// x (1 + tanh(c (x + d x³))) / 2.
            GeluTanh(GeluTanh),
            /// A function that jumps.
            Step(Step),
            $($(#[$doc])* $name,)*
        }

        impl Function {
            /// The functions of one operand that ONNX files have as an operator, by name and operator set.
            pub const ONNX: &[OnnxFunction] = &[$($(($onnx, $since, Self::$name, $attributes),)*)*];
        }

        impl Deref for Function {
            type Target = dyn Operator;

            fn deref(&self) -> &Self::Target {
                match self {
                    Self::Relu => &relu::Relu,
                    Self::Product => &product::Product,
                    Self::Power(power) => power,
                    Self::Elu(elu) => elu,
                    Self::GeluTanh(gelu) => gelu,
                    Self::Step(step) => step,
                    $(Self::$name => &$curve,)*
                }
            }
        }
    };
}

functions! {
    /// 1 / (1 + e^−x).
    Sigmoid = exponential::Sigmoid, "Sigmoid" [1 "consumed_inputs" 6 ""];
    /// ln(1 + e^x).
    Softplus = exponential::Softplus, "Softplus" [1 ""];
    /// e^x.
    Exp = exponential::Exp, "Exp" [1 "consumed_inputs" 6 ""];
    /// ln x.
    Log = exponential::Log, "Log" [1 "consumed_inputs" 6 ""];
    /// √x.
    Sqrt = power::Sqrt, "Sqrt" [1 "consumed_inputs" 6 ""];
    /// 1 / x.
    Reciprocal = power::Reciprocal, "Reciprocal" [1 "consumed_inputs" 6 ""];
    /// sin x.
    Sin = trigonometric::Sin, "Sin" [7 ""];
    /// cos x.
    Cos = trigonometric::Cos, "Cos" [7 ""];
    /// tan x.
    Tan = trigonometric::Tan, "Tan" [7 ""];
    /// The inverse of the sine.
    Asin = trigonometric::Asin, "Asin" [7 ""];
    /// The inverse of the cosine.
    Acos = trigonometric::Acos, "Acos" [7 ""];
    /// The inverse of the tangent.
    Atan = trigonometric::Atan, "Atan" [7 ""];
    /// (e^x − e^−x) / 2.
    Sinh = hyperbolic::Sinh, "Sinh" [9 ""];
    /// (e^x + e^−x) / 2.
    Cosh = hyperbolic::Cosh, "Cosh" [9 ""];
    /// (e^x − e^−x) / (e^x + e^−x).
    Tanh = hyperbolic::Tanh, "Tanh" [1 "consumed_inputs" 6 ""];
    /// The inverse of the hyperbolic sine.
    Asinh = hyperbolic::Asinh, "Asinh" [9 ""];
    /// The inverse of the hyperbolic cosine.
    Acosh = hyperbolic::Acosh, "Acosh" [9 ""];
    /// The inverse of the hyperbolic tangent.
    Atanh = hyperbolic::Atanh, "Atanh" [9 ""];
    /// 2/√π ∫₀ˣ e^(−t²) dt.
    Erf = erf::Erf, "Erf" [9 ""];
    /// x (1 + erf(x/√2)) / 2.
    Gelu = gates::Gelu, "Gelu" [];
    /// x / (1 + e^−x).
    Silu = gates::Silu, "Swish" [];
    /// x tanh(ln(1 + e^x)).
    Mish = gates::Mish, "Mish" [18 ""];
    /// x · min(max(x + ½, 0), 1).
    HardSwish = gates::HardSwish, "HardSwish" [];
    /// x / (1 + |x|).
    Softsign = softsign::Softsign, "Softsign" [1 ""];
}

impl Function {
    /// Whether it is strictly increasing, so that it keeps the order of whatever it is applied to.
    #[must_use]
    pub fn is_increasing(self) -> bool {
        matches!(
            self,
            Self::Sigmoid
                | Self::Tanh
                | Self::Softplus
                | Self::Exp
                | Self::Sinh
                | Self::Asinh
                | Self::Atan
                | Self::Erf
                | Self::Softsign
        )
    }

    /// Whether it is strictly increasing and 0 at 0, so that it keeps signs, too.
    #[must_use]
    pub fn keeps_signs(self) -> bool {
        self.is_increasing() && !self.is_positive()
    }

    /// Whether all its values are positive.
    #[must_use]
    pub fn is_positive(self) -> bool {
        matches!(self, Self::Sigmoid | Self::Softplus | Self::Exp)
    }

    /// n, of a power xⁿ with 2 ≤ n ≤ 8.
    #[must_use]
    pub fn small_exponent(self) -> Option<u32> {
        let Self::Power(power) = self else { return None };
        (2..=8).find(|&n| f64::from(n) == power.exponent())
    }
}

/// A constant of a function: functions are the same if these are, bit by bit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parameter(u64);

impl Parameter {
    /// A number.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// What is known of an elementwise function of one or two operands. A function of one variable is a [`unary::Unary`].
pub trait Operator: Sync {
    /// How many operands there are.
    fn operands(&self) -> usize;

    /// The value at one element's operands, rounded.
    fn at(&self, x: &[f64]) -> f64;

    /// The exact range over one element's intervals of exact operands; `None` where it is no rational, or is not known.
    fn exact(&self, _x: &[&[Rational; 2]]) -> Option<[Rational; 2]> {
        None
    }

    /// Values at batches of operands, rounded.
    fn values(&self, x: &[&Matrix]) -> Matrix;

    /// Values in single precision.
    fn values_f32(&self, x: &[&[f32]]) -> Vec<f32>;

    /// to += g ∂f/∂xₖ, elementwise; `leak` is the slope of a ReLU that is off.
    fn add_chain(&self, k: usize, x: &[&Matrix], g: &Matrix, leak: f64, to: &mut Matrix);

    /// The range over boxes of the operands, rounded outward.
    fn enclose(&self, x: &[&Boxes]) -> Boxes;

    /// Whether it is defined everywhere in column d of boxes of the operands.
    fn is_defined(&self, _x: &[&Boxes], _d: usize) -> bool {
        true
    }

    /// Whether it is defined everywhere.
    fn is_total(&self) -> bool {
        true
    }

    /// Lines (planes) below and above over boxes of the operands.
    fn relax(&self, x: &[&Boxes]) -> Relaxation;

    /// Where the operand may be split.
    fn splits(&self) -> Splits {
        Splits::Never
    }

    /// Whether lines have a free parameter in [0, 1] each where the operand is not constant.
    fn has_free_slopes(&self) -> bool {
        false
    }

    /// The parameters in [0, 1] of the lines that [`Self::relax`] draws, where they are free.
    fn parameters(&self, lines: &Relaxation) -> Matrix {
        lines.lower.slopes[0].clone()
    }

    /// Replaces slopes and intercepts of lines on intervals [l, u] by those that parameters, which are clamped, stand for: below where a
    /// coefficient a is positive, above where it is negative. Where a parameter is no number the line stays. For lines through the origin
    /// there is nothing to do but to take the parameter as the slope.
    fn choose(&self, _a: &[f64], _chosen: &[f64], _ends: &[[&[f64]; 2]], _lines: &mut Drawn) {}

    /// The derivative of a times the line by its parameter at values x of the operands, but for positive factors.
    fn ascent(&self, at: Ascent) -> Vec<f64> {
        vec![0.0; at.chosen.len()]
    }
}

/// Where an operand may be split into a part below and a part above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splits {
    /// Nowhere: not worth it.
    Never,
    /// At 0, where it leaves two linear pieces.
    AtZero,
    /// At any value.
    Anywhere,
}

impl Splits {
    /// Whether an element with values in [l, u] can be split.
    #[must_use]
    pub fn divide(self, l: f64, u: f64) -> bool {
        match self {
            Self::Never => false,
            Self::AtZero => l < 0.0 && u > 0.0,
            Self::Anywhere => l < u,
        }
    }

    /// Where to split such an element: at 0 or, where any value will do, in the middle of its interval or, if that is well off the
    /// middle, at 0, where curves bend most or turn. Intervals shorter than a millionth of their ends are not split.
    #[must_use]
    pub fn points(self, l: f64, u: f64) -> [Option<f64>; 2] {
        const SHORTEST: f64 = 1e-6;
        let inside = |at: f64| Some(at).filter(|at| l < *at && *at < u);
        match self {
            Self::Never => [None, None],
            Self::AtZero => [inside(0.0), None],
            Self::Anywhere if u - l < SHORTEST * l.abs().max(u.abs()) => [None, None],
            Self::Anywhere => {
                let middle = 0.5 * l + 0.5 * u;
                [inside(middle), inside(0.0).filter(|_| middle.abs() > 0.1 * (u - l))]
            }
        }
    }
}

/// The line z ↦ slope·z + intercept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Slope.
    pub slope: f64,
    /// Intercept, rounded to the side that keeps the line a bound.
    pub intercept: f64,
}

impl Line {
    /// The line of slope 0.
    #[must_use]
    pub fn constant(intercept: f64) -> Self {
        Self { slope: 0.0, intercept }
    }

    /// The line mirrored at the axis.
    #[must_use]
    pub fn negative(self) -> Self {
        Self { slope: -self.slope, intercept: -self.intercept }
    }
}

/// Planes on one side of an elementwise node, for each element (rows) and domain (columns): Σ slopesₖ xₖ + intercept.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Slopes, for each operand.
    pub slopes: Vec<Matrix>,
    /// Intercepts.
    pub intercept: Matrix,
}

/// Planes below and above an elementwise node over the boxes of its operands.
#[derive(Debug, Clone)]
pub struct Relaxation {
    /// Those below.
    pub lower: Lines,
    /// Those above.
    pub upper: Lines,
    /// Whether all those below are lines through the origin.
    pub through_origin: bool,
}

impl Relaxation {
    /// Zeros for so many operands, elements and domains.
    #[must_use]
    pub fn zeros(operands: usize, (rows, columns): (usize, usize)) -> Self {
        let zeros = || Matrix::zeros(rows, columns);
        let lines =
            || Lines { slopes: (0..operands).map(|_| zeros()).collect(), intercept: zeros() };
        Self { lower: lines(), upper: lines(), through_origin: false }
    }
}

/// The lines (planes) below and above a function that one functional meets.
#[derive(Debug, Clone)]
pub struct Drawn<'a> {
    /// Those below.
    pub below: DrawnLines<'a>,
    /// Those above.
    pub above: DrawnLines<'a>,
}

/// Lines on one side.
#[derive(Debug, Clone)]
pub struct DrawnLines<'a> {
    /// Slopes by the first and the second operand, which there may not be.
    pub slopes: [Cow<'a, [f64]>; 2],
    /// Intercepts.
    pub intercept: Cow<'a, [f64]>,
}

/// Where a bound is to be raised by the parameters of the lines of one functional.
#[derive(Debug, Clone, Copy)]
pub struct Ascent<'a> {
    /// Coefficients of the function's values.
    pub a: &'a [f64],
    /// Parameters.
    pub chosen: &'a [f64],
    /// Values of the operands.
    pub x: &'a [&'a [f64]],
    /// Ends of their intervals.
    pub ends: &'a [[&'a [f64]; 2]],
    /// The lines that [`Operator::relax`] drew.
    pub lines: &'a Drawn<'a>,
}

/// What a node computes.
#[derive(Debug, Clone)]
pub enum Op {
    /// The network's only input.
    Input,
    /// b + Σ Wₖ xₖ.
    Affine(Affine),
    /// An elementwise function of its operands.
    Elementwise(Function, Vec<NodeId>),
}

impl Op {
    /// The nodes this one reads.
    #[must_use]
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Input => Vec::new(),
            Self::Affine(affine) => affine.terms.iter().map(|t| t.source).collect(),
            Self::Elementwise(_, operands) => operands.clone(),
        }
    }

    /// The affine map, of a node that is one.
    #[must_use]
    pub fn affine(&self) -> Option<&Affine> {
        if let Self::Affine(affine) = self { Some(affine) } else { None }
    }

    /// The function, of a node that is elementwise.
    #[must_use]
    pub fn function(&self) -> Option<Function> {
        if let Self::Elementwise(function, _) = self { Some(*function) } else { None }
    }

    /// The operand of a ReLU.
    #[must_use]
    pub fn relu(&self) -> Option<NodeId> {
        match self {
            Self::Elementwise(Function::Relu, operands) => Some(operands[0]),
            _ => None,
        }
    }

    /// Whether it is elementwise, so that bounds relax it.
    #[must_use]
    pub fn is_elementwise(&self) -> bool {
        matches!(self, Self::Elementwise(..))
    }

    pub(super) fn renumber(&mut self, to: &[NodeId]) {
        match self {
            Self::Input => {}
            Self::Affine(affine) => affine.terms.iter_mut().for_each(|t| t.source = to[t.source]),
            Self::Elementwise(_, operands) => operands.iter_mut().for_each(|x| *x = to[*x]),
        }
    }
}
