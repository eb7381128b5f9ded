//! How a dataset was read: what its numbers are, what they mean, and what a first look at them says.

use super::terminal::{Text, grouped, percent};
use crate::load::Dataset;
use crate::num::to_f64_nearest;
use crate::query::{Classifier, FirstLook};
use serde::{Deserialize, Serialize};

/// What a dataset's numbers are and mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AsRead {
    /// Shape of an input.
    pub(crate) shape: Vec<usize>,
    /// How a value is stored: `u8`, `f32`, …, or `decimal` in a CSV file.
    pub(crate) stored: String,
    /// Stored value × scale = the units of ε and of everything below.
    pub(crate) scale: String,
    /// The least and the largest value.
    pub(crate) range: [f64; 2],
    /// The valid range, where all features have the same one; null where there is none.
    pub(crate) domain: Option<[f64; 2]>,
    /// Whether features have valid ranges of their own.
    pub(crate) domain_by_feature: bool,
    /// Whether the network is given (value − mean) / std.
    pub(crate) normalised: bool,
    /// Whether ε is multiplied by a factor for each feature.
    pub(crate) scaled_epsilon: bool,
    /// How often each class occurs among the inputs asked about.
    pub(crate) class_counts: Vec<usize>,
    /// How many of these inputs are classified correctly.
    pub(crate) correct: usize,
    /// What may be wrong, a sentence each.
    pub(crate) warnings: Vec<String>,
}

impl AsRead {
    /// What was read, and seen at a first look.
    pub(crate) fn new(classifier: &Classifier, look: &FirstLook) -> Self {
        let data: &Dataset = classifier.data();
        let domain = data.common_domain();
        Self {
            shape: data.shape().to_vec(),
            stored: data.stored().to_owned(),
            scale: data.scale().to_string(),
            range: data.range(),
            domain_by_feature: domain.is_none() && data.domain().is_some(),
            domain: domain.map(|(low, high)| [low, high].map(|end| to_f64_nearest(&end))),
            normalised: data.normalisation().is_some(),
            scaled_epsilon: data.scaled_epsilon(),
            class_counts: look.class_counts.clone(),
            correct: look.correct,
            warnings: look.warnings.iter().map(ToString::to_string).collect(),
        }
    }

    /// Lines of a report's head.
    pub(super) fn lines(&self, text: &mut Text) {
        text.line("inputs", self.inputs());
        text.line("labels", self.labels());
        for warning in &self.warnings {
            text.line("warning", warning);
        }
    }

    /// "1 × 28 × 28 values, u8 × 1/255: 0 to 1; domain 0 to 1; ε in the same units".
    fn inputs(&self) -> String {
        let sides: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let scale = if self.scale == "1" { String::new() } else { format!(" × {}", self.scale) };
        let [low, high] = self.range;
        let domain = match self.domain {
            Some([low, high]) => format!("domain {low} to {high}"),
            None if self.domain_by_feature => "a domain for each feature".to_owned(),
            None => "no domain".to_owned(),
        };
        let eps = if self.scaled_epsilon {
            "ε times a factor for each feature"
        } else {
            "ε in the same units"
        };
        let normal = if self.normalised { "; then (value − mean) / std" } else { "" };
        format!(
            "{} values, {}{scale}: {} to {}; {domain}; {eps}{normal}",
            sides.join(" × "),
            self.stored,
            short(low),
            short(high)
        )
    }

    /// "10 classes of 42 to 57 inputs; 484 of 500 (96.8 %) classified correctly".
    fn labels(&self) -> String {
        let counts = &self.class_counts;
        let inputs: usize = counts.iter().sum();
        let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        let each = if least == most {
            grouped(*most)
        } else {
            format!("{} to {}", grouped(*least), grouped(*most))
        };
        let share = percent((inputs > 0).then(|| self.correct as f64 / inputs as f64));
        format!(
            "{} classes of {each} inputs; {} of {} ({share}) classified correctly",
            counts.len(),
            grouped(self.correct),
            grouped(inputs)
        )
    }
}

/// A number of a range as it reads well.
fn short(x: f64) -> String {
    if x == 0.0 || (1e-3..1e7).contains(&x.abs()) {
        let text = format!("{x:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{x:.3e}")
    }
}
