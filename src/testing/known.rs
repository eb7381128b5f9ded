//! Small statements on which verifiers have gone wrong, this one among them, each with its answer: files that are read in two ways, ties, equations, decimals.

use super::case::Case;
use super::laws::{Checked, Law, right_on};
use crate::prove::{Mode, Question};
use std::time::Duration;

/// A statement in files.
#[derive(Debug, Clone, Copy)]
pub struct Pitfall {
    /// Its name.
    pub name: &'static str,
    model: &'static [u8],
    property: &'static str,
    /// A proof that shows nothing.
    proof: Option<&'static str>,
    /// Whether the property holds, of the files as onnxruntime reads them. A file that is refused is no wrong verdict.
    holds: bool,
}

macro_rules! pitfalls {
    ($($name:literal $holds:literal $($proof:literal)?;)*) => {
        /// All of them.
        pub const ALL: &[Pitfall] = &[$(Pitfall {
            name: $name,
            model: include_bytes!(concat!("known/", $name, ".onnx")),
            property: include_str!(concat!("known/", $name, ".vnnlib")),
            proof: [$(Some(include_str!(concat!("known/", $name, ".", $proof))),)? None][0],
            holds: $holds,
        },)*];
    };
}

pitfalls! {
    "bool_raw" false "proof";
    "clip_f64" false "proof";
    "int32_overflow" false "proof";
    "int_input" false "proof";
    "matmul_rank" false "proof";
    "protobuf_merge" false "proof";
    "slice_intmax_empty" false "proof";
    "cast_int_to_float" false;
    "clip_infinite_bound" false;
    "fewer_outputs" false;
    "softmax_cast" false;
    "equalities" false;
    "tie_vertex" false;
    "tie_face" false;
    "tie_const_strict" true;
    "fixed_decimal_input" false;
    "exact_min" true;
    "noproof_min" true;
}

impl Pitfall {
    /// Looks at verdicts, evidence and the checker.
    ///
    /// # Errors
    /// Where a verdict is the opposite of the answer, evidence does not hold, or a false proof is accepted.
    pub fn check(&self, seed: u64) -> Result<Checked, String> {
        let mut checked = Checked { comparisons: 1, skipped: None };
        if let Some(proof) = self.proof
            && let Ok(question) = Question::new(self.model, self.property.as_bytes())
        {
            for mode in [Mode::Outward, Mode::Exact] {
                if question.check(proof.as_bytes(), mode).is_ok() {
                    return Err(format!(
                        "{}: {mode:?} arithmetic accepts a false proof",
                        self.name
                    ));
                }
                checked.comparisons += 1;
            }
        }
        // Refused, which is right where files are read in two ways.
        let Ok(case) = Case::of_bytes(self.model, self.property) else { return Ok(checked) };
        checked.comparisons += right_on(&case, self.holds, true, Duration::from_secs(5))
            .map_err(|what| format!("{}: {what}", self.name))?;
        for seed in seed..seed + 3 {
            let said = Law::Evidence
                .check(&case, seed)
                .map_err(|broken| format!("{}: {}", self.name, broken.what));
            checked = checked + said?;
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pitfall_is_fallen_into() {
        for pitfall in ALL {
            pitfall.check(0).unwrap();
        }
        assert!(ALL.len() >= 18);
    }
}
