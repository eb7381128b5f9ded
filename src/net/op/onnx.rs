//! How ONNX files have the functions.

use super::{Elu, Function, GeluTanh, Power, Step};

/// How an ONNX file has a function of one or two operands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnnxForm {
    /// The operator.
    pub name: &'static str,
    /// The operator set from which on it is there.
    pub since: i64,
    /// A constant second operand.
    pub constant: Option<f64>,
    /// An attribute.
    pub attribute: Option<OnnxAttribute>,
}

/// An attribute's name and value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnnxAttribute {
    /// A number.
    Float(&'static str, f32),
    /// A word.
    Text(&'static str, &'static str),
}

impl Function {
    /// How an ONNX file has it; `None` where no operator is this function.
    #[must_use]
    pub fn as_onnx(self) -> Option<OnnxForm> {
        let plain = |name, since| OnnxForm { name, since, constant: None, attribute: None };
        let with =
            |name, since, attribute| OnnxForm { attribute: Some(attribute), ..plain(name, since) };
        Some(match self {
            Self::Relu => plain("Relu", 6),
            Self::Product => plain("Mul", 7),
            Self::Power(Power(p)) => OnnxForm { constant: Some(p.get()), ..plain("Pow", 7) },
            Self::Elu(Elu(alpha)) => {
                let alpha = Some(alpha.get() as f32).filter(|&a| f64::from(a) == alpha.get())?;
                with("Elu", 6, OnnxAttribute::Float("alpha", alpha))
            }
            Self::GeluTanh(gelu) if gelu == GeluTanh::STANDARD => {
                with("Gelu", 20, OnnxAttribute::Text("approximate", "tanh"))
            }
            Self::GeluTanh(_) | Self::HardSwish | Self::Step(Step::Positive) => return None,
            Self::Step(Step::Sign) => plain("Sign", 9),
            Self::Step(Step::Floor) => plain("Floor", 6),
            Self::Step(Step::Round) => plain("Round", 11),
            Self::Gelu => plain("Gelu", 20),
            Self::Silu => plain("Swish", 24),
            other => {
                let mut rows = Self::ONNX.iter().filter(|row| row.2 == other);
                rows.next_back().map(|row| plain(row.0, row.1))?
            }
        })
    }
}
