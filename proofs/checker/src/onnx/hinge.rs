//! Tensors that bend at 0, functions of one tensor z element by element, made in one way however the file writes them: FORMAT.md, section 1.
use super::array::{Array, volume};
use super::build::{Builder, Value, Variable};
use super::error::Problem;
use crate::circuit::NODE;
use std::collections::HashMap;

/// The slopes of a function of z that is linear on both sides of 0: where z ≤ 0, where z ≥ 0.
pub type Slopes = [f64; 2];

const LINE: Slopes = [1.0, 1.0];

/// max(f, g) for functions of the same z.
pub fn larger(f: Slopes, g: Slopes) -> Slopes {
    [f[0].min(g[0]), f[1].max(g[1])]
}

/// min(f, g) for functions of the same z.
pub fn smaller(f: Slopes, g: Slopes) -> Slopes {
    [f[0].max(g[0]), f[1].min(g[1])]
}

/// f where it is positive, a·f where it is negative.
pub fn leaky([below, above]: Slopes, a: f64) -> Option<Slopes> {
    let below = if below < 0.0 { below } else { product(below, a)? };
    Some([below, if above > 0.0 { above } else { product(above, a)? }])
}

/// a·b, if it is an f64. (Far above the subnormal numbers the error of a product is one, so that the test is exact.)
fn product(a: f64, b: f64) -> Option<f64> {
    let p = a * b;
    let trivial = [a, b].iter().any(|x| *x == 0.0 || x.abs() == 1.0);
    let exact = trivial || p.abs() > 1e-270 && a.mul_add(b, -p) == 0.0;
    (exact && p.is_finite()).then_some(p)
}

/// a + b, if it is an f64.
fn sum(a: f64, b: f64) -> Option<f64> {
    let s = a + b;
    let t = s - a;
    (s.is_finite() && (a - (s - t)) + (b - t) == 0.0).then_some(s)
}

/// c·f.
pub fn times(f: Slopes, c: f64) -> Option<Slopes> {
    Some([product(f[0], c)?, product(f[1], c)?])
}

/// f + g.
pub fn plus(f: Slopes, g: Slopes) -> Option<Slopes> {
    Some([sum(f[0], g[0])?, sum(f[1], g[1])?])
}

/// The operands of a concatenation, and for each element its operand and its position there.
type Joined = (Vec<Value>, Vec<(usize, usize)>);

/// What is known of tensors, by their nodes.
#[derive(Default)]
pub struct Hinges {
    /// The tensor z that each is a function of, and its elements' slopes.
    known: HashMap<usize, (usize, Vec<Slopes>)>,
    /// relu(z), relu(−z).
    relus: [HashMap<usize, usize>; 2],
    pub joined: HashMap<usize, Joined>,
}

impl Builder {
    fn hinge(&self, v: &Variable) -> (usize, Vec<Slopes>) {
        let own = || (v.node, vec![LINE; self.circuit.size(v.node)]);
        self.hinges.known.get(&v.node).cloned().unwrap_or_else(own)
    }

    /// f(v₁, v₂, …), element by element, if all vs are functions of one z and f finds its slopes (of element i) from theirs.
    pub fn hinged(
        &mut self,
        shape: &[usize],
        operands: &[&Variable],
        f: impl Fn(usize, &[Slopes]) -> Option<Slopes>,
    ) -> Result<Option<Variable>, Problem> {
        let root = |v: &&Variable| self.hinges.known.get(&v.node).map_or(v.node, |h| h.0);
        let Some(z) = operands.first().map(root) else { return Ok(None) };
        let count = volume(shape)?;
        if operands.iter().any(|v| root(v) != z || self.circuit.size(v.node) != count) {
            return Ok(None);
        }
        let hinges: Vec<_> = operands.iter().map(|v| self.hinge(v).1).collect();
        let at = |i: usize| f(i, &hinges.iter().map(|h| h[i]).collect::<Vec<_>>());
        match (0..count).map(at).collect() {
            Some(slopes) => self.bent(shape, z, slopes).map(Some),
            None => Ok(None),
        }
    }

    /// f(v), element by element; f has slopes at least of v itself.
    pub fn bend(
        &mut self,
        v: &Variable,
        f: impl Fn(usize, Slopes) -> Option<Slopes>,
    ) -> Result<Variable, Problem> {
        if let Some(bent) = self.hinged(&v.shape, &[v], |i, s| f(i, s[0]))? {
            return Ok(bent);
        }
        let own = (0..self.circuit.size(v.node)).map(|i| f(i, LINE)).collect::<Option<Vec<_>>>();
        self.bent(&v.shape, v.node, own.ok_or(Problem::NotFinite)?)
    }

    /// b·z + (a − b)·relu(z) for the slopes b below and a above 0, or a·z + (a − b)·relu(−z) where no |b| < |a|.
    fn bent(
        &mut self,
        shape: &[usize],
        z: usize,
        slopes: Vec<Slopes>,
    ) -> Result<Variable, Problem> {
        let kind = self.kind;
        let variable = |node| Variable { node, shape: shape.to_vec(), kind, ordered: false };
        let all = |s: Slopes| slopes.iter().all(|t| *t == s);
        if all(LINE) {
            return Ok(variable(z));
        }
        let mirrored = slopes.iter().any(|[b, a]| b.abs() > a.abs())
            && !slopes.iter().any(|[b, a]| b.abs() < a.abs());
        let line = usize::from(mirrored);
        let mut terms = vec![(z, slopes.iter().map(|s| vec![s[line]]).collect::<Vec<_>>())];
        if slopes.iter().any(|[b, a]| a != b) {
            let relu = self.relu_of(z, mirrored)?;
            if all(if mirrored { [-1.0, 0.0] } else { [0.0, 1.0] }) {
                return Ok(variable(relu));
            }
            // A difference that is no f64 stays two weights.
            let bend = |[b, a]: &Slopes| sum(*a, -b).map_or(vec![*a, -b], |d| vec![d]);
            terms.push((relu, slopes.iter().map(bend).collect()));
        }
        let mut maps = vec![];
        for (node, weights) in terms {
            if weights.iter().flatten().any(|w| *w != 0.0) {
                let rows = weights.into_iter().enumerate();
                let rows = rows.map(|(i, w)| w.into_iter().map(|w| (i, w)).collect()).collect();
                maps.push(self.sparse(node, rows)?);
            }
        }
        self.memory.take(slopes.len(), size_of::<Slopes>())?;
        let made = self.affine(shape.to_vec(), maps, vec![0.0; slopes.len()])?;
        self.hinges.known.insert(made.node, (z, slopes));
        Ok(made)
    }

    /// relu(z) or relu(−z), made once.
    fn relu_of(&mut self, z: usize, mirrored: bool) -> Result<usize, Problem> {
        if let Some(relu) = self.hinges.relus[usize::from(mirrored)].get(&z) {
            return Ok(*relu);
        }
        let size = self.circuit.size(z);
        let (source, slopes) = if mirrored {
            (self.bent(&[size], z, vec![[-1.0, -1.0]; size])?.node, [-1.0, 0.0])
        } else {
            (z, [0.0, 1.0])
        };
        self.memory.take(1, NODE)?;
        self.memory.take(size, size_of::<Slopes>())?;
        let relu = self.circuit.push_relu(source).ok_or(Problem::TooLarge)?;
        self.hinges.known.insert(relu, (z, vec![slopes; size]));
        self.hinges.relus[usize::from(mirrored)].insert(z, relu);
        Ok(relu)
    }

    /// The maxima of lists of a concatenation's elements, if it joins functions of one tensor and constants, and each list holds
    /// functions of one element and zeros.
    pub fn hinged_maxima(
        &mut self,
        x: &Variable,
        lists: &[Vec<usize>],
        shape: &[usize],
    ) -> Result<Option<Value>, Problem> {
        let Some((operands, from)) = self.hinges.joined.get(&x.node) else { return Ok(None) };
        let hinge = |v: &Value| v.variable().map(|v| self.hinge(v));
        let hinges: Vec<_> = operands.iter().map(hinge).collect();
        let Some(z) = hinges.iter().flatten().next().map(|h| h.0) else { return Ok(None) };
        if hinges.iter().flatten().any(|h| h.0 != z) {
            return Ok(None);
        }
        let mut found = vec![];
        for list in lists {
            let (mut position, mut slopes) = (None, None);
            for element in list {
                let (operand, at) = from[*element];
                let next = match (&hinges[operand], &operands[operand]) {
                    (Some((_, slopes)), _) if position.is_none_or(|known| known == at) => {
                        position = Some(at);
                        slopes[at]
                    }
                    (None, Value::Constant(c)) if c.data[at] == 0.0 => [0.0; 2],
                    _ => return Ok(None),
                };
                slopes = Some(slopes.map_or(next, |best| larger(best, next)));
            }
            let (Some(at), Some(slopes)) = (position, slopes) else { return Ok(None) };
            found.push((Some(at), slopes));
        }
        let (positions, slopes): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let flat = vec![self.circuit.size(z)];
        let whole = Variable { node: z, shape: flat, ..x.clone() };
        let positions = Array::new(x.kind, vec![positions.len()], positions)?;
        let z = self.moved(&whole, positions, 0.0)?;
        Ok(Some(Value::Variable(self.bent(shape, z.node, slopes)?)))
    }
}
