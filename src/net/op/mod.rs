//! The operators of a network, one file each: values, derivatives, ranges, lines with their free slopes, and where to split.
//!
//! Whoever walks through a network knows three kinds of nodes: the input, affine maps, and elementwise functions. Of the latter it
//! asks [`Operator`] for what it needs; no other file tells one function from another, but for the ReLU ([`Op::relu`]), which is
//! linear on either side of 0.

mod curve;
mod product;
mod reciprocal;
mod relu;
mod softplus;
mod unary;

use super::{Affine, Boxes, Matrix, NodeId};
use crate::num::Rational;
use std::ops::Deref;

pub use relu::{default_in_doubt, default_slope, upper_slope};

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Function {
    /// max(x, 0): the only one that is piecewise linear; all others that are, are lowered to it exactly.
    Relu,
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// (e^x − e^−x) / (e^x + e^−x).
    Tanh,
    /// ln(1 + e^x).
    Softplus,
    /// 1 / x.
    Reciprocal,
    /// x · y.
    Product,
}

/// A smooth function as ONNX has it: name, operator set from which on, function, attributes.
pub type OnnxFunction = (&'static str, i64, Function, &'static str);

impl Function {
    /// The smooth functions of one operand that ONNX files have, by name and operator set.
    pub const ONNX: &[OnnxFunction] = &[
        ("Sigmoid", 1, Self::Sigmoid, "consumed_inputs"),
        ("Sigmoid", 6, Self::Sigmoid, ""),
        ("Softplus", 1, Self::Softplus, ""),
        ("Tanh", 1, Self::Tanh, "consumed_inputs"),
        ("Tanh", 6, Self::Tanh, ""),
    ];
}

impl Function {
    /// Whether it is strictly increasing, so that it keeps the order of whatever it is applied to.
    #[must_use]
    pub fn is_increasing(self) -> bool {
        matches!(self, Self::Sigmoid | Self::Tanh | Self::Softplus)
    }

    /// How an ONNX file has it: the operator, and a constant that is its first operand.
    #[must_use]
    pub fn as_onnx(self) -> (&'static str, Option<f64>) {
        match self {
            Self::Relu => ("Relu", None),
            Self::Sigmoid => ("Sigmoid", None),
            Self::Tanh => ("Tanh", None),
            Self::Softplus => ("Softplus", None),
            Self::Reciprocal => ("Div", Some(1.0)),
            Self::Product => ("Mul", None),
        }
    }
}

impl Deref for Function {
    type Target = dyn Operator;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Relu => &relu::Relu,
            Self::Sigmoid => &curve::Curve::Sigmoid,
            Self::Tanh => &curve::Curve::Tanh,
            Self::Softplus => &softplus::Softplus,
            Self::Reciprocal => &reciprocal::Reciprocal,
            Self::Product => &product::Product,
        }
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

    /// Lines (planes) below and above over boxes of the operands.
    fn relax(&self, x: &[&Boxes]) -> Relaxation;

    /// Where the operand may be split.
    fn splits(&self) -> Splits {
        Splits::Never
    }

    /// Whether the line below may have any slope of [0, 1] where the operand is not constant.
    fn has_free_slopes(&self) -> bool {
        false
    }

    /// Replaces slopes and intercepts of lines below, on intervals [l, u], by those of chosen slopes, which are clamped; where a slope is
    /// no number the line stays. For lines through the origin there is nothing to do but to take the slope.
    fn tangents(&self, _chosen: &[f64], _ends: [&[f64]; 2], _lines: [&mut [f64]; 2]) {}

    /// Where lines of such slopes touch the function: minus the derivative of their intercepts.
    fn touching(&self, slopes: &[f64]) -> Vec<f64> {
        vec![0.0; slopes.len()]
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
