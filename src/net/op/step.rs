//! Functions that jump: sign, the step from 0 to 1, rounding to integers. They never decrease, so ranges are exact; at a jump both sides
//! count, wherever an interval touches it.

use super::Line;
use super::unary::Unary;
use crate::num::{Rational, add_up, mul_down, mul_up, sub_down};
use num_traits::{One, Signed, Zero};

/// A function that is constant between jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// 1 for x > 0, else 0.
    Positive,
    /// −1, 0 or 1.
    Sign,
    /// The largest integer ≤ x.
    Floor,
    /// The nearest integer; of two the even one.
    Round,
}

impl Step {
    /// Where the function jumps from `low` to `high`, if that is one jump.
    fn jump(self, low: f64, high: f64) -> Option<f64> {
        match self {
            Self::Positive | Self::Sign => Some(0.0),
            Self::Floor => (high - low == 1.0).then_some(high),
            Self::Round => (high - low == 1.0).then_some(low + 0.5),
        }
    }
}

impl Unary for Step {
    fn value(&self, x: f64) -> f64 {
        match self {
            Self::Positive => f64::from(u8::from(x > 0.0)),
            Self::Sign if x == 0.0 => 0.0,
            Self::Sign => x.signum(),
            Self::Floor => x.floor(),
            Self::Round => x.round_ties_even(),
        }
    }

    fn exact(&self, l: &Rational, u: &Rational) -> Option<[Rational; 2]> {
        let at = |x: &Rational| match self {
            Self::Positive if x.is_positive() => Rational::one(),
            Self::Positive => Rational::zero(),
            Self::Sign => x.signum(),
            Self::Floor => x.floor(),
            Self::Round => {
                let two = Rational::from_integer(2.into());
                let (floor, half) = (x.floor(), two.recip());
                let up = x - &floor > half || (x - &floor == half && !(&floor / two).is_integer());
                if up { floor + Rational::one() } else { floor }
            }
        };
        Some([at(l), at(u)])
    }

    /// As if it were a line: the derivative, which is 0, would lead attacks nowhere (the straight-through estimator of Bengio, Léonard and
    /// Courville 2013).
    fn chain(&self, _x: f64, g: f64, _leak: f64) -> f64 {
        g
    }

    fn range(&self, l: f64, u: f64) -> (f64, f64) {
        (self.value(l), self.value(u))
    }

    /// Over one jump, lines through the corners of the two treads; over several integers, x − 1 ≤ ⌊x⌋ ≤ x, or half of that to both sides.
    fn lines(&self, l: f64, u: f64) -> [Line; 2] {
        let (low, high) = self.range(l, u);
        let [below, above] = [Line::constant(low), Line::constant(high)];
        if !(low < high && l.is_finite() && u.is_finite()) {
            return [below, above];
        }
        let Some(jump) = self.jump(low, high) else {
            let (under, over) = if *self == Self::Floor { (-1.0, 0.0) } else { (-0.5, 0.5) };
            return [under, over].map(|intercept| Line { slope: 1.0, intercept });
        };
        // That line leaves the smaller area whose upper end of the slope is the longer.
        let middle = 0.5 * l + 0.5 * u;
        let line = |run: f64| Some((high - low) / run).filter(|k| k.is_finite() && *k >= 0.0);
        let rising = |k: f64| {
            let corners = [sub_down(low, mul_up(k, jump)), sub_down(high, mul_up(k, u))];
            Line { slope: k, intercept: corners[0].min(corners[1]) }
        };
        let below = line(u - jump).filter(|_| middle > jump).map_or(below, rising);
        let falling = |k: f64| {
            let corners = [add_up(low, -mul_down(k, l)), add_up(high, -mul_down(k, jump))];
            Line { slope: k, intercept: corners[0].max(corners[1]) }
        };
        let above = line(jump - l).filter(|_| middle < jump).map_or(above, falling);
        [below, above]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::hostile::exact;
    use proptest::prelude::*;

    const ALL: [Step; 4] = [Step::Positive, Step::Sign, Step::Floor, Step::Round];

    #[test]
    fn values_at_jumps() {
        let at = |x: f64| ALL.map(|step| step.value(x));
        assert_eq!(at(0.0), [0.0; 4]);
        assert_eq!(at(-0.0), [0.0; 4]);
        assert_eq!(at(0.5), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(at(-0.5), [0.0, -1.0, -1.0, 0.0]);
        assert_eq!(at(1.5), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(at(2.5), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(at(f64::from_bits(1)), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(at(-f64::from_bits(1)), [0.0, -1.0, -1.0, 0.0]);
    }

    #[test]
    fn exact_values_are_those_of_doubles() {
        for x in (-20..20).map(|i| 0.25 * f64::from(i)) {
            for step in ALL {
                let value = exact(step.value(x));
                assert_eq!(step.exact(&exact(x), &exact(x)), Some([value.clone(), value]));
            }
        }
    }

    /// An interval that only touches a jump has both of its sides.
    #[test]
    fn an_interval_that_touches_a_jump_has_both_sides() {
        let after = 1.0f64.next_down();
        assert_eq!(Step::Floor.range(after, 1.0), (0.0, 1.0));
        assert_eq!(Step::Floor.range(0.0, after), (0.0, 0.0));
        assert_eq!(Step::Sign.range(0.0, 1.0), (0.0, 1.0));
        assert_eq!(Step::Sign.range(-1.0, 0.0), (-1.0, 0.0));
        assert_eq!(Step::Positive.range(-1.0, 0.0), (0.0, 0.0));
        assert_eq!(Step::Round.range(0.5, 0.5f64.next_up()), (0.0, 1.0));
    }

    proptest! {
        #![proptest_config(crate::num::hostile::cases(4000))]

        /// At the ends and on both sides of every jump, where a step is furthest from a line, in exact arithmetic.
        #[test]
        fn step_lines_enclose(l in -4.0f64..4.0, width in 0.0f64..6.0, how in 0usize..5, t in 0.0f64..1.0) {
            let round = |x: f64| (x * 2.0).round() / 2.0;
            let (l, u) = match how {
                0 => (l, l + width),
                1 => (round(l), l + width),
                2 => (l, round(l + width)),
                3 => (round(l).next_down(), round(l)),
                _ => (round(l), round(l).next_up()),
            };
            let (l, u) = (l.min(u), l.max(u));
            for step in ALL {
                let [below, above] = step.lines(l, u);
                let corners = (-9..=21).map(|i| 0.5 * f64::from(i)).flat_map(|x| [x.next_down(), x, x.next_up()]);
                for z in corners.chain([l, u, l + t * (u - l)]).filter(|z| l <= *z && *z <= u) {
                    let at = |line: Line| exact(line.slope) * exact(z) + exact(line.intercept);
                    let value = exact(step.value(z));
                    prop_assert!(at(below) <= value && value <= at(above), "{step:?} [{l}, {u}] at {z}");
                }
            }
        }
    }
}
