//! Two bisections that enclose an input's robust radius: proved below, refuted above.

use super::Grid;
use crate::audit::stored::exact;
use crate::num::Rational;
use crate::verify::AssuranceLevel;
use serde::{Deserialize, Serialize};

/// What is known about an input's robust radius, the least upper bound of the radii within which the label holds.
///
/// certified ≤ robust radius ≤ attacked, and certified < attacked: the first from a certificate at exactly this radius, the
/// second the exact distance of a validated counterexample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Bracket {
    /// The largest radius of the grid with a certificate; it covers all smaller ones. `None` where not even the input as it is
    /// could be certified (its margin is lost in rounding).
    #[serde(with = "exact")]
    #[cfg_attr(test, schemars(with = "Option<crate::audit::Exact>"))]
    pub(crate) certified: Option<Rational>,
    /// What must be trusted to believe that certificate.
    pub(crate) assurance: Option<AssuranceLevel>,
    /// The distance of the nearest counterexample found, at most the grid's maximum; `None` where none was found up to there.
    #[serde(with = "exact")]
    #[cfg_attr(test, schemars(with = "Option<crate::audit::Exact>"))]
    pub(crate) attacked: Option<Rational>,
    /// Why the next radius of the grid was left undecided; `None` where it is refuted or beyond the maximum.
    pub(crate) reason: Option<String>,
    /// Number of questions asked.
    pub(crate) questions: usize,
}

/// How a radius is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// For a proof or a counterexample.
    Verify,
    /// For a counterexample.
    Attack,
}

/// The answer for a radius.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// The label holds within it.
    Certified(AssuranceLevel),
    /// There is a counterexample at this distance, at most the radius.
    Broken(Rational),
    /// Neither was shown.
    Unknown(String),
    /// The caller asked to stop.
    Stopped,
}

/// Why there is no bracket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoBracket<E> {
    /// A question failed.
    Failed(E),
    /// The caller asked to stop.
    Stopped,
    /// A certificate and a counterexample contradict each other: an error of this program.
    Contradiction { certified: Box<Rational>, attacked: Box<Rational> },
}

/// Encloses the robust radius.
///
/// What holds within a radius holds within every smaller one, and what is broken at a distance is broken within every
/// larger radius. So radii are halved until a certificate and a counterexample are neighbours on the grid, or a radius
/// stays undecided. From there two searches go on: for proofs below it, for counterexamples above. A counterexample
/// counts with its own distance, which may lie far below the radius that was asked about.
///
/// # Errors
/// Where a question fails, says stop, or contradicts an earlier one.
pub(super) fn bisect<E>(
    grid: &Grid,
    ask: &mut dyn FnMut(u64, Ask) -> Result<Reply, E>,
) -> Result<Bracket, NoBracket<E>> {
    let mut search =
        Bisection { grid, ask, proved: None, broken: None, reason: None, questions: 0 };
    let mut undecided = None;
    while let Some(k) = middle(search.first_open(), search.first_broken()) {
        if !search.decides(k, Ask::Verify)? {
            undecided = Some(k);
            break;
        }
    }
    if let Some(k) = undecided {
        let mut open = k;
        while let Some(k) = middle(search.first_open(), open.min(search.first_broken())) {
            if !search.decides(k, Ask::Verify)? {
                open = k;
            }
        }
        let mut survived = k;
        while let Some(k) = middle(survived + 1, search.first_broken()) {
            if !search.decides(k, Ask::Attack)? {
                survived = k;
            }
        }
    }
    Ok(search.bracket())
}

/// The middle of first..end; `None` where that is empty.
fn middle(first: u64, end: u64) -> Option<u64> {
    (first < end).then(|| first + (end - first) / 2)
}

struct Bisection<'a, E> {
    grid: &'a Grid,
    ask: &'a mut dyn FnMut(u64, Ask) -> Result<Reply, E>,
    proved: Option<(u64, AssuranceLevel)>,
    broken: Option<Rational>,
    /// The least radius known to be undecided, and why.
    reason: Option<(u64, String)>,
    questions: usize,
}

impl<E> Bisection<'_, E> {
    /// The least k that is not certified.
    fn first_open(&self) -> u64 {
        self.proved.map_or(0, |(k, _)| k + 1)
    }

    /// The least k that is refuted; n + 1 where none is.
    fn first_broken(&self) -> u64 {
        self.broken
            .as_ref()
            .map_or(self.grid.steps() + 1, |distance| self.grid.first_reaching(distance))
    }

    /// Asks about ks; whether the answer moves an end of the bracket to it or past it.
    fn decides(&mut self, k: u64, how: Ask) -> Result<bool, NoBracket<E>> {
        self.questions += 1;
        match (self.ask)(k, how).map_err(NoBracket::Failed)? {
            Reply::Stopped => return Err(NoBracket::Stopped),
            Reply::Certified(level) => self.proved = Some((k, level)),
            Reply::Broken(distance) => {
                // The counterexample lies within ks in any case.
                let distance = distance.min(self.grid.radius(k));
                let nearest = self.broken.take();
                self.broken = Some(nearest.map_or(distance.clone(), |d| d.min(distance)));
            }
            Reply::Unknown(reason) => {
                if how == Ask::Verify && self.reason.as_ref().is_none_or(|(least, _)| k < *least) {
                    self.reason = Some((k, reason));
                }
                return Ok(false);
            }
        }
        match (self.proved, &self.broken) {
            (Some((k, _)), Some(attacked)) if self.grid.radius(k) >= *attacked => {
                let certified = Box::new(self.grid.radius(k));
                Err(NoBracket::Contradiction { certified, attacked: Box::new(attacked.clone()) })
            }
            _ => Ok(true),
        }
    }

    fn bracket(self) -> Bracket {
        let next = self.first_open();
        let undecided = next < self.first_broken();
        Bracket {
            certified: self.proved.map(|(k, _)| self.grid.radius(k)),
            assurance: self.proved.map(|(_, level)| level),
            reason: self.reason.filter(|(k, _)| undecided && *k == next).map(|(_, why)| why),
            attacked: self.broken,
            questions: self.questions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::from_f64;
    use num_traits::Zero;
    use proptest::prelude::*;
    use std::convert::Infallible;

    const SOUND: Reply = Reply::Certified(AssuranceLevel::Sound);

    fn whole(n: u64) -> Rational {
        Rational::from_integer(n.into())
    }

    fn grid(n: u64) -> Grid {
        Grid::new(&whole(n), &whole(1)).unwrap()
    }

    /// A verifier that proves up to `provable` and finds counterexamples of distance `distance` from radius `findable` on.
    fn oracle(
        provable: i64,
        findable: u64,
        distance: Rational,
    ) -> impl FnMut(u64, Ask) -> Result<Reply, Infallible> {
        move |k, how| {
            Ok(if k >= findable {
                Reply::Broken(distance.clone())
            } else if how == Ask::Verify && k as i64 <= provable {
                SOUND
            } else {
                Reply::Unknown("too weak".to_owned())
            })
        }
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(300))]

        /// Both ends are found exactly, in a logarithmic number of questions, and in the right order.
        #[test]
        fn the_ends_are_those_of_the_verifier(n in 1u64..200, a in 0.0..1.0f64, b in 0.0..1.0f64, c in 0.0..1.0f64) {
            let grid = grid(n);
            let provable = (a * (n + 2) as f64) as i64 - 1;
            let provable = provable.min(n as i64);
            let findable = (provable + 1) as u64 + (b * (n + 2) as f64) as u64;
            // Somewhere in (provable, findable].
            let distance = whole(findable) - from_f64(c).unwrap() * (whole(findable) - Rational::from_integer(provable.into()));
            let found = bisect(&grid, &mut oracle(provable, findable, distance.clone())).unwrap();
            prop_assert_eq!(&found.certified, &(provable >= 0).then(|| whole(provable as u64)));
            prop_assert_eq!(found.assurance.is_some(), provable >= 0);
            prop_assert_eq!(&found.attacked, &(findable <= n).then(|| distance.min(whole(findable))));
            if let (Some(certified), Some(attacked)) = (&found.certified, &found.attacked) {
                prop_assert!(certified < attacked);
            }
            let open = (provable + 1) as u64;
            let broken = found.attacked.as_ref().map_or(n + 1, |d| grid.first_reaching(d));
            prop_assert_eq!(found.reason.is_some(), open < broken);
            prop_assert!(found.questions <= 3 * 9, "{} questions", found.questions);
        }

        /// Whatever a verifier answers, the bracket is ordered or there is none.
        #[test]
        fn lies_make_no_bracket_that_is_out_of_order(n in 1u64..50, words in proptest::collection::vec((0u8..3, 0.0..1.0f64), 1..20)) {
            let mut at = 0;
            let mut ask = |k: u64, _: Ask| -> Result<Reply, Infallible> {
                let (kind, share) = words[at % words.len()];
                at += 1;
                Ok(match kind {
                    0 => SOUND,
                    1 => Reply::Broken(from_f64(share).unwrap() * whole(k)),
                    _ => Reply::Unknown(String::new()),
                })
            };
            match bisect(&grid(n), &mut ask) {
                Ok(Bracket { certified: Some(c), attacked: Some(a), .. }) => prop_assert!(c < a),
                Ok(_) => {}
                Err(NoBracket::Contradiction { certified, attacked }) => prop_assert!(certified >= attacked),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn a_counterexample_below_a_certificate_is_a_contradiction() {
        let mut ask = |k: u64, _: Ask| -> Result<Reply, Infallible> {
            Ok(if k < 6 { SOUND } else { Reply::Broken(whole(2)) })
        };
        let expected = NoBracket::Contradiction {
            certified: Box::new(whole(5)),
            attacked: Box::new(whole(2)),
        };
        assert_eq!(bisect(&grid(10), &mut ask), Err(expected));
    }

    #[test]
    fn an_input_that_is_broken_as_it_is_has_radius_zero() {
        let mut ask = |_: u64, _: Ask| -> Result<Reply, Infallible> { Ok(Reply::Broken(whole(0))) };
        let found = bisect(&grid(10), &mut ask).unwrap();
        assert_eq!(
            (found.certified, found.attacked, found.questions),
            (None, Some(Rational::zero()), 1)
        );
    }

    #[test]
    fn stopping_and_failing_end_the_search() {
        let stopped = bisect(&grid(10), &mut |_, _| Ok::<_, Infallible>(Reply::Stopped));
        assert_eq!(stopped, Err(NoBracket::Stopped));
        assert_eq!(bisect(&grid(10), &mut |_, _| Err("no")), Err(NoBracket::Failed("no")));
    }
}
