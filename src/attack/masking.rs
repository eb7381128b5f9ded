//! Signs of masked gradients: what attacks achieved that honest gradients would not let them achieve.

use super::objective::Objective;
use super::{AttackKind, Loss};
use crate::net::{Matrix, Network, column, column_mut};
use crate::spec::Property;
use std::fmt;

/// How many gradients at which points vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(all(test, feature = "cli"), derive(schemars::JsonSchema))]
pub struct Gradients {
    /// Points looked at.
    pub points: usize,
    /// Points where the gradient of the margin has no entry other than zero.
    pub zero: usize,
    /// Points where it is infinite or no number.
    pub not_finite: usize,
}

/// Looks at the gradient, by the input, of the margin of the given class at each column of `points`.
///
/// # Panics
/// Where the points do not fit the network, or there are not as many labels as points.
#[must_use]
pub fn probe_gradients(net: &Network, points: &Matrix, labels: &[usize]) -> Gradients {
    assert_eq!(points.ncols(), labels.len(), "a label for each point");
    let values = net.forward(points);
    let outputs = values.node(net.output());
    let mut weights = Matrix::zeros(outputs.nrows(), outputs.ncols());
    for (c, &label) in labels.iter().enumerate() {
        let margins = Property::margins(label, net.outputs());
        let objective = Objective::new(&margins);
        let y = column(outputs, c);
        if let Some(nearest) = objective.nearest(y) {
            objective.gradient(Loss::Margin, &nearest, false, y, column_mut(&mut weights, c));
        }
    }
    let gradient = net.gradient(&values, &weights);
    let mut found = Gradients { points: labels.len(), ..Gradients::default() };
    for c in 0..labels.len() {
        let slope = column(&gradient, c);
        found.not_finite += usize::from(slope.iter().any(|g| !g.is_finite()));
        found.zero += usize::from(slope.iter().all(|&g| g == 0.0));
    }
    found
}

/// Success of the strongest attacks as perturbations grow: (ε, inputs broken), for the same inputs at each ε.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ladder {
    /// How many inputs are attacked.
    pub inputs: usize,
    /// ε and how many of the inputs are broken there, ε increasing. The last should be as large as the domain.
    pub steps: Vec<(f64, usize)>,
}

/// One sign: whether it shows, in one sentence with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// A name for programs.
    pub name: &'static str,
    /// Whether gradients look masked by this sign; `None` where the attacks that it compares were not all run.
    pub raised: Option<bool>,
    /// What was compared, with every number.
    pub evidence: String,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self.raised {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not checked",
        };
        write!(f, "{}: {found} ({})", self.name, self.evidence)
    }
}

/// The signs of Athalye, Carlini and Wagner (*Obfuscated Gradients Give a False Sense of Security*, ICML 2018, section 3.1),
/// as far as outcomes of attacks show them. A sign is no proof: it says that gradient-based attacks may have missed
/// counterexamples, and that the accuracy that survives them is worth less than it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masking {
    /// An attack without gradients breaks more inputs than the best one with them.
    pub black_box_beats_white_box: Sign,
    /// A single step breaks more inputs than the best attack with many.
    pub one_step_beats_many: Sign,
    /// At the largest ε some inputs are unbroken, or success falls as ε grows.
    pub success_stays_below_all: Sign,
    /// Some gradients vanish or are no numbers.
    pub zero_gradients: Sign,
}

impl Masking {
    /// Judges from the outcomes of attacks: for each attack whether it broke each input, the same inputs in the same order,
    /// at one ε; success at growing ε; and gradients probed at some points.
    ///
    /// Attacks of unequal length are compared on the inputs that both have.
    #[must_use]
    pub(crate) fn of(
        outcomes: &[(AttackKind, Vec<bool>)],
        ladder: Option<&Ladder>,
        gradients: Option<Gradients>,
    ) -> Self {
        let black = compare(
            "black box beats white box",
            Side::of(outcomes, "without gradients", AttackKind::is_black_box),
            Side::of(outcomes, "with gradients", |k| k.is_iterated() || k.is_single_step()),
        );
        let one_step = compare(
            "one step beats many",
            Side::of(outcomes, "of one step", AttackKind::is_single_step),
            Side::of(outcomes, "of many steps", AttackKind::is_iterated),
        );
        Self {
            black_box_beats_white_box: black,
            one_step_beats_many: one_step,
            success_stays_below_all: growth(ladder),
            zero_gradients: vanishing(gradients),
        }
    }

    /// All signs.
    #[must_use]
    pub(crate) fn signs(&self) -> [&Sign; 4] {
        [
            &self.black_box_beats_white_box,
            &self.one_step_beats_many,
            &self.success_stays_below_all,
            &self.zero_gradients,
        ]
    }
}

/// The attacks on one side of a comparison.
struct Side<'a> {
    what: &'static str,
    attacks: Vec<(AttackKind, &'a [bool])>,
}

impl<'a> Side<'a> {
    fn of(
        outcomes: &'a [(AttackKind, Vec<bool>)],
        what: &'static str,
        belongs: impl Fn(AttackKind) -> bool,
    ) -> Self {
        let attacks =
            outcomes.iter().filter(|(kind, _)| belongs(*kind)).map(|(k, b)| (*k, b.as_slice()));
        Self { what, attacks: attacks.collect() }
    }

    /// The attack that broke most of the first `inputs`; of equal ones the first.
    fn best(&self, inputs: usize) -> Option<(AttackKind, usize)> {
        let counts = self.attacks.iter().map(|(kind, broken)| {
            (*kind, broken[..inputs].iter().filter(|&&broken| broken).count())
        });
        counts.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    fn broke(&self, input: usize) -> bool {
        self.attacks.iter().any(|(_, broken)| broken[input])
    }
}

/// Whether an attack of the first side, which should be the weaker one, breaks more than the best of the second.
fn compare(name: &'static str, weak: Side, strong: Side) -> Sign {
    let lengths = weak.attacks.iter().chain(&strong.attacks).map(|(_, broken)| broken.len());
    let inputs = lengths.min().unwrap_or(0);
    let (Some((by_weak, few)), Some((by_strong, many))) = (weak.best(inputs), strong.best(inputs))
    else {
        let missing = if weak.attacks.is_empty() { weak.what } else { strong.what };
        return Sign { name, raised: None, evidence: format!("no attack {missing} was run") };
    };
    let alone = (0..inputs).filter(|&i| weak.broke(i) && !strong.broke(i)).count();
    let evidence = format!(
        "{by_weak} breaks {few}, {by_strong} {many} of {inputs}; {alone} only by attacks {}",
        weak.what
    );
    Sign { name, raised: Some(few > many), evidence }
}

fn growth(ladder: Option<&Ladder>) -> Sign {
    let name = "success stays below 100 %";
    let Some((ladder, last)) = ladder.and_then(|l| Some((l, l.steps.last()?))) else {
        let evidence = "success at growing ε was not measured".to_owned();
        return Sign { name, raised: None, evidence };
    };
    if ladder.inputs == 0 {
        return Sign { name, raised: None, evidence: "no input was attacked".to_owned() };
    }
    let falls = ladder.steps.windows(2).find(|pair| pair[1].1 < pair[0].1);
    let steps: Vec<String> =
        ladder.steps.iter().map(|(eps, broken)| format!("{broken} at ε = {eps}")).collect();
    let mut evidence = format!("of {}: {}", ladder.inputs, steps.join(", "));
    if let Some(pair) = falls {
        evidence.push_str(&format!("; fewer at {} than at {}", pair[1].0, pair[0].0));
    }
    Sign { name, raised: Some(last.1 < ladder.inputs || falls.is_some()), evidence }
}

fn vanishing(gradients: Option<Gradients>) -> Sign {
    let name = "zero gradients";
    let Some(Gradients { points, zero, not_finite }) = gradients.filter(|g| g.points > 0) else {
        return Sign { name, raised: None, evidence: "no gradient was looked at".to_owned() };
    };
    let mut evidence = format!("{zero} of {points} gradients are zero");
    if not_finite > 0 {
        evidence.push_str(&format!(", {not_finite} are not finite"));
    }
    Sign { name, raised: Some(zero + not_finite > 0), evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(all: &[(AttackKind, &str)]) -> Vec<(AttackKind, Vec<bool>)> {
        let bits = |text: &str| text.chars().map(|c| c == '1').collect();
        all.iter().map(|&(kind, text)| (kind, bits(text))).collect()
    }

    #[test]
    fn honest_gradients_raise_no_sign() {
        use AttackKind::{ApgdCe, Fgsm, Pgd, Square};
        let all =
            outcomes(&[(Pgd, "11100"), (Fgsm, "10000"), (Square, "11000"), (ApgdCe, "11110")]);
        let ladder = Ladder { inputs: 5, steps: vec![(0.1, 3), (0.3, 5)] };
        let gradients = Gradients { points: 5, zero: 0, not_finite: 0 };
        let masking = Masking::of(&all, Some(&ladder), Some(gradients));
        assert!(masking.signs().iter().all(|sign| sign.raised == Some(false)), "{masking:?}");
        let evidence = &masking.black_box_beats_white_box.evidence;
        assert_eq!(
            evidence,
            "square breaks 2, apgd-ce 4 of 5; 0 only by attacks without gradients"
        );
    }

    #[test]
    fn every_sign_can_be_raised() {
        use AttackKind::{Fgsm, Pgd, Square};
        let all = outcomes(&[(Pgd, "1000"), (Fgsm, "0110"), (Square, "0111")]);
        let stuck = Ladder { inputs: 4, steps: vec![(0.1, 2), (1.0, 3)] };
        let gradients = Gradients { points: 4, zero: 1, not_finite: 0 };
        let masking = Masking::of(&all, Some(&stuck), Some(gradients));
        assert!(masking.signs().iter().all(|sign| sign.raised == Some(true)), "{masking:?}");
        assert!(masking.black_box_beats_white_box.evidence.contains("1 only by attacks without"));
        let falling = Ladder { inputs: 4, steps: vec![(0.1, 4), (0.2, 3), (1.0, 4)] };
        let sign = Masking::of(&[], Some(&falling), None).success_stays_below_all;
        assert!(sign.raised == Some(true) && sign.evidence.contains("fewer at 0.2 than at 0.1"));
    }

    #[test]
    fn what_was_not_run_raises_nothing() {
        let masking = Masking::of(&outcomes(&[(AttackKind::Pgd, "10")]), None, None);
        assert!(masking.signs().iter().all(|sign| sign.raised.is_none()));
        assert!(masking.one_step_beats_many.to_string().contains("no attack of one step was run"));
        let none = Masking::of(&[], Some(&Ladder::default()), Some(Gradients::default()));
        assert!(none.signs().iter().all(|sign| sign.raised != Some(true)));
    }
}
