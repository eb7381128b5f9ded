//! Tensors that bend at 0: element by element functions of one tensor z, linear where z ≤ 0 and where z ≥ 0.
//!
//! However a file writes such a function, it becomes the same affine map of z and one ReLU, so that bounds and search do not depend on
//! how it is written. The rules are those of the proof format, section 1: they say which ReLUs there are.

use super::choice::JUMPS;
use super::lower::{Lowering, Pending, Value, Variable};
use super::shape::Problem;
use crate::load::NodeProblem;
use crate::net::{Computed, LinearMap, Sparse, Term};
use crate::num::two_sum;
use std::collections::HashMap;

/// The function that is `below`·z for z ≤ 0 and `above`·z for z ≥ 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slopes {
    /// Its slope where z is negative.
    pub below: f64,
    /// Its slope where z is positive.
    pub above: f64,
}

impl Slopes {
    /// z itself.
    const LINE: Self = Self { below: 1.0, above: 1.0 };
    /// 0.
    pub(super) const ZERO: Self = Self { below: 0.0, above: 0.0 };

    /// max(f, 0).
    pub(super) fn relu(self) -> Self {
        Self { below: self.below.min(0.0), above: self.above.max(0.0) }
    }

    /// min(f, 0).
    pub(super) fn negative_part(self) -> Self {
        Self { below: self.below.max(0.0), above: self.above.min(0.0) }
    }

    /// |f|.
    pub(super) fn abs(self) -> Self {
        Self { below: -self.below.abs(), above: self.above.abs() }
    }

    /// f where it is positive, a·f where it is negative; `None` where that is no number of this precision.
    pub(super) fn leaky(self, a: f64) -> Option<Self> {
        // Below 0 it is positive where its slope is negative.
        let Self { below, above } = self;
        Some(Self {
            below: if below < 0.0 { below } else { exact_product(below, a)? },
            above: if above > 0.0 { above } else { exact_product(above, a)? },
        })
    }

    /// The larger of two functions of the same z.
    pub(super) fn max(self, other: Self) -> Self {
        Self { below: self.below.min(other.below), above: self.above.max(other.above) }
    }

    /// The smaller of two functions of the same z.
    pub(super) fn min(self, other: Self) -> Self {
        Self { below: self.below.max(other.below), above: self.above.min(other.above) }
    }

    fn scaled(self, factor: f64) -> Option<Self> {
        let times = |slope| exact_product(slope, factor);
        Some(Self { below: times(self.below)?, above: times(self.above)? })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let sum = |a, b| Some(two_sum(a, b)).filter(|s| s.0.is_finite() && s.1 == 0.0).map(|s| s.0);
        Some(Self { below: sum(self.below, other.below)?, above: sum(self.above, other.above)? })
    }
}

/// a·b, where that is a double.
fn exact_product(a: f64, b: f64) -> Option<f64> {
    let product = a * b;
    let plain = |x: f64| x == 0.0 || x.abs() == 1.0;
    // Far above the smallest numbers the rest is a double, and so the test is one.
    let no_rest = || product.abs() >= 1e-280 && a.mul_add(b, -product) == 0.0;
    (product.is_finite() && (plain(a) || plain(b) || no_rest())).then_some(product)
}

/// A tensor as a function of another one of as many elements.
#[derive(Debug, Clone)]
struct Hinge {
    root: Variable,
    slopes: Vec<Slopes>,
}

/// An element of a concatenation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Constant(f64),
    /// Of an operand, by its number, and the position there.
    Element(usize, usize),
}

/// The operands of a concatenation and where its elements come from.
#[derive(Debug, Clone)]
struct Joined {
    operands: Vec<Variable>,
    parts: Vec<Part>,
}

/// What is known of the graph's tensors as functions of other ones.
#[derive(Debug, Default)]
pub struct Hinges {
    known: HashMap<usize, Hinge>,
    /// relu(z), and relu(−z) (mirrored), where they were made.
    relus: HashMap<(usize, bool), Variable>,
    joined: HashMap<usize, Joined>,
}

impl Lowering<'_> {
    /// The tensor as a function of another one, or of itself.
    fn hinge_of(&self, x: &Variable) -> Hinge {
        self.known(x)
            .cloned()
            .unwrap_or_else(|| Hinge { root: x.clone(), slopes: vec![Slopes::LINE; self.len(x)] })
    }

    fn root_of(&self, x: &Variable) -> usize {
        self.known(x).map_or(x.form, |hinge| hinge.root.form)
    }

    /// What is known of a tensor as a function of another one: in single precision nothing, as each operator rounds.
    fn known(&self, x: &Variable) -> Option<&Hinge> {
        self.hinges.known.get(&x.form).filter(|_| !self.single)
    }

    /// The tensor whose elements are the given functions of those of x; `f` finds an element's slopes, if it can, from those of x, and always of z itself.
    pub(super) fn bend(
        &mut self,
        x: &Variable,
        f: impl Fn(usize, Slopes) -> Option<Slopes>,
    ) -> Problem<Variable> {
        let Hinge { root, slopes } = self.hinge_of(x);
        let all = |slopes: &[Slopes]| {
            slopes.iter().enumerate().map(|(i, s)| f(i, *s)).collect::<Option<Vec<_>>>()
        };
        if let Some(bent) = all(&slopes) {
            return self.hinged(&root, bent, x.shape.clone());
        }
        let own = all(&vec![Slopes::LINE; slopes.len()]);
        let own = own.ok_or(NodeProblem::Arithmetic("a slope that is not finite"))?;
        self.hinged(x, own, x.shape.clone())
    }

    /// max(x, 0).
    pub(super) fn relu(&mut self, x: &Variable) -> Problem<Variable> {
        self.bend(x, |_, slopes| Some(slopes.relu()))
    }

    /// The larger or the smaller of two tensors of one shape, if both are functions of the same one.
    pub(super) fn hinged_extremum(
        &mut self,
        x: &Variable,
        y: &Variable,
        pick: impl Fn(Slopes, Slopes) -> Slopes,
    ) -> Problem<Option<Variable>> {
        self.hinged_function(&[x, y], |_, s| Some(pick(s[0], s[1])), &x.shape)
    }

    /// Σ cᵢ xᵢ over tensors of one shape, if all are functions of the same one and the slopes are doubles.
    pub(super) fn hinged_sum(
        &mut self,
        terms: &[(&Variable, f64)],
        shape: &[usize],
    ) -> Problem<Option<Variable>> {
        if self.single {
            return Ok(None);
        }
        let tensors: Vec<&Variable> = terms.iter().map(|(x, _)| *x).collect();
        let sum = |_: usize, slopes: &[Slopes]| {
            let scaled = slopes.iter().zip(terms).map(|(s, (_, factor))| s.scaled(*factor));
            scaled.reduce(|a, b| a?.plus(b?)).flatten()
        };
        self.hinged_function(&tensors, sum, shape)
    }

    /// factors · x, if the slopes are doubles.
    pub(super) fn hinged_product(
        &mut self,
        x: &Variable,
        factors: &[f64],
        shape: &[usize],
    ) -> Problem<Option<Variable>> {
        if self.single {
            return Ok(None);
        }
        self.hinged_function(&[x], |i, slopes| slopes[0].scaled(factors[i]), shape)
    }

    /// The tensor whose elements are functions of those of tensors of one size, if all of these are functions of the same one.
    pub(super) fn hinged_function(
        &mut self,
        tensors: &[&Variable],
        f: impl Fn(usize, &[Slopes]) -> Option<Slopes>,
        shape: &[usize],
    ) -> Problem<Option<Variable>> {
        let root = tensors.first().map(|x| self.root_of(x));
        if tensors.iter().any(|x| Some(self.root_of(x)) != root) {
            return Ok(None);
        }
        let hinges: Vec<Hinge> = tensors.iter().map(|x| self.hinge_of(x)).collect();
        let Some(first) = hinges.first() else { return Ok(None) };
        let at = |i: usize| f(i, &hinges.iter().map(|h| h.slopes[i]).collect::<Vec<_>>());
        let Some(slopes) = (0..first.slopes.len()).map(at).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        self.hinged(&first.root, slopes, shape.to_vec()).map(Some)
    }

    /// The tensor whose elements are functions of those of z: b z + (a − b) relu(z), or where slopes below 0 are the steeper ones
    /// a z + (a − b) relu(−z).
    fn hinged(
        &mut self,
        z: &Variable,
        slopes: Vec<Slopes>,
        shape: Vec<usize>,
    ) -> Problem<Variable> {
        let are = |below: f64, above: f64| slopes.iter().all(|s| *s == Slopes { below, above });
        if are(1.0, 1.0) {
            return Ok(z.reshaped(shape).cast(self.element));
        }
        let steeper = |s: &Slopes| s.below.abs() > s.above.abs();
        let flatter = |s: &Slopes| s.below.abs() < s.above.abs();
        let mirrored = slopes.iter().any(steeper) && !slopes.iter().any(flatter);
        let mut terms = Vec::new();
        let mut roundings = 0;
        let line: Vec<f64> =
            slopes.iter().map(|s| if mirrored { s.above } else { s.below }).collect();
        if line.iter().any(|&a| a != 0.0) {
            terms.push(Term { source: self.node(z)?, map: diagonal(&line) });
        }
        if slopes.iter().any(|s| s.below != s.above) {
            let relu = self.relu_of(z, mirrored)?;
            if if mirrored { are(-1.0, 0.0) } else { are(0.0, 1.0) } {
                return Ok(relu.reshaped(shape).cast(self.element));
            }
            let bends: Vec<(f64, f64)> =
                slopes.iter().map(|s| two_sum(s.above, -s.below)).collect();
            roundings = usize::from(bends.iter().any(|(_, rest)| *rest != 0.0));
            let bends: Vec<f64> = bends.into_iter().map(|(bend, _)| bend).collect();
            terms.push(Term { source: self.node(&relu)?, map: diagonal(&bends) });
        }
        self.spend::<Slopes>(slopes.len())?;
        let made = self.pending(Pending { terms, bias: None, roundings }, shape);
        self.mark(&made, Computed::Apart);
        self.hinges.known.insert(made.form, Hinge { root: z.clone(), slopes });
        Ok(made)
    }

    /// relu(z) or relu(−z), made where there is none yet.
    fn relu_of(&mut self, z: &Variable, mirrored: bool) -> Problem<Variable> {
        if let Some(relu) = self.hinges.relus.get(&(z.form, mirrored)) {
            return Ok(relu.clone());
        }
        let side = |below, above| vec![Slopes { below, above }; self.len(z)];
        let (own, slopes) = if mirrored {
            let minus = side(-1.0, -1.0);
            let slopes = side(-1.0, 0.0);
            (self.hinged(z, minus, z.shape.clone())?, slopes)
        } else {
            (z.clone(), side(0.0, 1.0))
        };
        self.spend::<Slopes>(slopes.len())?;
        let relu = self.new_relu(&own)?;
        self.hinges.known.insert(relu.form, Hinge { root: z.clone(), slopes });
        self.hinges.relus.insert((z.form, mirrored), relu.clone());
        Ok(relu)
    }

    /// Notes where the elements of a concatenation come from: `targets` are the places of each operand's elements.
    pub(super) fn note_joined(
        &mut self,
        joined: &Variable,
        values: &[&Value],
        targets: &[Vec<usize>],
    ) -> Problem<()> {
        self.spend::<Part>(self.len(joined))?;
        let mut parts = vec![Part::Constant(0.0); self.len(joined)];
        let mut operands = Vec::new();
        for (value, targets) in values.iter().zip(targets) {
            match value {
                Value::Variable(x) => {
                    let number = operands.len();
                    targets
                        .iter()
                        .enumerate()
                        .for_each(|(p, &t)| parts[t] = Part::Element(number, p));
                    operands.push(x.clone());
                }
                Value::Condition(_) => return Err(JUMPS),
                Value::Constant(c) => {
                    let values = c.floats()?;
                    targets
                        .iter()
                        .zip(values.iter())
                        .for_each(|(&t, &v)| parts[t] = Part::Constant(v));
                }
            }
        }
        self.hinges.joined.insert(joined.form, Joined { operands, parts });
        Ok(())
    }

    /// Which elements of a tensor are known to be constant.
    pub(super) fn constants(&self, x: &Variable) -> Vec<bool> {
        match self.hinges.joined.get(&x.form) {
            Some(joined) => joined.parts.iter().map(|p| matches!(p, Part::Constant(_))).collect(),
            None => vec![false; self.len(x)],
        }
    }

    /// The maxima of lists of a concatenation's elements, if each list holds functions of one element only, and zeros.
    pub(super) fn hinged_maxima(
        &mut self,
        x: &Variable,
        lists: &[Vec<usize>],
        shape: &[usize],
    ) -> Problem<Option<Variable>> {
        let Some(Joined { operands, parts }) = self.hinges.joined.get(&x.form) else {
            return Ok(None);
        };
        let hinges: Vec<Hinge> = operands.iter().map(|x| self.hinge_of(x)).collect();
        let Some(root) = hinges.first().map(|h| h.root.clone()) else { return Ok(None) };
        if hinges.iter().any(|h| h.root.form != root.form) {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(lists.len());
        for list in lists {
            let mut best: Option<(usize, Slopes)> = None;
            let mut zero = false;
            for &element in list {
                match parts[element] {
                    Part::Constant(0.0) => zero = true,
                    Part::Constant(_) => return Ok(None),
                    Part::Element(operand, at) => {
                        let slopes = hinges[operand].slopes[at];
                        best = match best {
                            None => Some((at, slopes)),
                            Some((known, other)) if known == at => Some((at, other.max(slopes))),
                            Some(_) => return Ok(None),
                        };
                    }
                }
            }
            let Some((at, slopes)) = best else { return Ok(None) };
            found.push((at, if zero { slopes.relu() } else { slopes }));
        }
        let (indices, slopes): (Vec<usize>, Vec<Slopes>) = found.into_iter().unzip();
        let z = self.select(&root.into(), vec![indices.len()], &indices)?;
        let Value::Variable(z) = z else { return Ok(None) };
        self.hinged(&z, slopes, shape.to_vec()).map(Some)
    }
}

fn diagonal(values: &[f64]) -> LinearMap {
    if values.iter().all(|&v| v == 1.0) {
        return LinearMap::Identity(values.len());
    }
    LinearMap::Sparse(Sparse::diagonal(values))
}
