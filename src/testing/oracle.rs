//! The exact minimum of a ReLU network's functional over a box: every activation pattern, each by a rational simplex.

use super::exact::exact;
use crate::net::{Network, NodeId, Op};
use crate::num::Rational;
use num_traits::{One, Signed, Zero};

/// coefficients · x + constant.
#[derive(Clone, Debug)]
struct Expression {
    coefficients: Vec<Rational>,
    constant: Rational,
}

impl Expression {
    fn zero(n: usize) -> Self {
        Self { coefficients: vec![Rational::zero(); n], constant: Rational::zero() }
    }

    fn add(&mut self, factor: &Rational, other: &Self) {
        for (a, b) in self.coefficients.iter_mut().zip(&other.coefficients) {
            *a += factor * b;
        }
        self.constant += factor * &other.constant;
    }

    fn scaled(&self, factor: &Rational) -> Self {
        let mut out = Self::zero(self.coefficients.len());
        out.add(factor, self);
        out
    }
}

/// A part of the box: the points with e ≥ 0 for each expression.
#[derive(Clone)]
struct Part {
    lower: Vec<Rational>,
    width: Vec<Rational>,
    above: Vec<Expression>,
}

/// The minimum of Σ aᵢ N(x)ᵢ over the box, and over those of its points where the pre-activations named have the signs named
/// (true: ≥ 0); `None` where there is none. Networks of affine nodes and ReLUs with exact weights.
pub fn minimum(
    net: &Network,
    lower: &[f64],
    upper: &[f64],
    functional: &[f64],
    signs: &[(NodeId, usize, bool)],
) -> Option<Rational> {
    let part = Part {
        lower: lower.iter().map(|&l| exact(l)).collect(),
        width: lower.iter().zip(upper).map(|(&l, &u)| exact(u) - exact(l)).collect(),
        above: Vec::new(),
    };
    let mut least = None;
    explore(net, functional, signs, part, Vec::new(), (0, 0), &mut least);
    least
}

/// Goes on from element `at.1` of node `at.0`, the values of everything before known as expressions of x.
fn explore(
    net: &Network,
    functional: &[f64],
    signs: &[(NodeId, usize, bool)],
    mut part: Part,
    mut values: Vec<Vec<Expression>>,
    at: (NodeId, usize),
    least: &mut Option<Rational>,
) {
    let n = net.inputs();
    let mut from = at.1;
    for id in at.0..net.nodes().len() {
        if values.len() == id {
            values.push(Vec::new());
        }
        let node = net.node(id);
        for i in from..node.len {
            let value = match &node.op {
                Op::Input => {
                    let mut e = Expression::zero(n);
                    e.coefficients[i] = Rational::one();
                    e
                }
                Op::Affine(affine) => {
                    let mut e = Expression::zero(n);
                    e.constant = exact(affine.bias[i]);
                    for term in &affine.terms {
                        term.map
                            .for_each_in_row(i, |c, w| e.add(&exact(w), &values[term.source][c]));
                    }
                    if let Some(&(_, _, active)) = signs.iter().find(|s| (s.0, s.1) == (id, i)) {
                        let sign = if active { Rational::one() } else { -Rational::one() };
                        part.above.push(e.scaled(&sign));
                        if part.minimise(&e).is_none() {
                            return;
                        }
                    }
                    e
                }
                Op::Elementwise(..) => {
                    let z = node.op.relu().expect("the oracle knows affine nodes and ReLUs");
                    let z = values[z][i].clone();
                    let negated = z.scaled(&-Rational::one());
                    let Some(low) = part.minimise(&z) else { return };
                    let high = -part.minimise(&negated).unwrap();
                    if !low.is_negative() {
                        z
                    } else if !high.is_positive() {
                        Expression::zero(n)
                    } else {
                        for (sign, value) in [(&z, z.clone()), (&negated, Expression::zero(n))] {
                            let mut part = part.clone();
                            part.above.push(sign.clone());
                            let mut values = values.clone();
                            values[id].push(value);
                            explore(net, functional, signs, part, values, (id, i + 1), least);
                        }
                        return;
                    }
                }
            };
            values[id].push(value);
        }
        from = 0;
    }
    let mut f = Expression::zero(n);
    for (&a, y) in functional.iter().zip(&values[net.output()]) {
        f.add(&exact(a), y);
    }
    if let Some(value) = part.minimise(&f)
        && least.as_ref().is_none_or(|least| value < *least)
    {
        *least = Some(value);
    }
}

impl Part {
    /// The minimum of an expression over the part; `None` where the part is empty.
    fn minimise(&self, e: &Expression) -> Option<Rational> {
        // x = lower + t, 0 ≤ t ≤ width, rows g t ≤ h.
        let n = self.width.len();
        let shift = |e: &Expression| {
            e.coefficients.iter().zip(&self.lower).fold(e.constant.clone(), |s, (a, l)| s + a * l)
        };
        let mut rows: Vec<(Vec<Rational>, Rational)> = (0..n)
            .map(|i| {
                let mut g = vec![Rational::zero(); n];
                g[i] = Rational::one();
                (g, self.width[i].clone())
            })
            .collect();
        for above in &self.above {
            rows.push((above.coefficients.iter().map(|a| -a).collect(), shift(above)));
        }
        let least = Tableau::new(rows, n).minimise(&e.coefficients)?;
        Some(least + shift(e))
    }
}

/// minimise c t over t ≥ 0, rows g t ≤ h: the two-phase simplex method with Bland's rule, in dictionary form.
struct Tableau {
    /// basic = right − Σ a · nonbasic
    rows: Vec<(Vec<Rational>, Rational)>,
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
    variables: usize,
}

impl Tableau {
    fn new(rows: Vec<(Vec<Rational>, Rational)>, variables: usize) -> Self {
        let basic = (variables..variables + rows.len()).collect();
        Self { rows, basic, nonbasic: (0..variables).collect(), variables }
    }

    fn pivot(&mut self, row: usize, column: usize) {
        let p = self.rows[row].0[column].clone();
        for (j, a) in self.rows[row].0.iter_mut().enumerate() {
            *a = if j == column { p.recip() } else { &*a / &p };
        }
        self.rows[row].1 = &self.rows[row].1 / &p;
        let (pivot_row, pivot_right) = self.rows[row].clone();
        for (i, (a, right)) in self.rows.iter_mut().enumerate() {
            if i == row || a[column].is_zero() {
                continue;
            }
            let factor = std::mem::replace(&mut a[column], Rational::zero());
            for (a, b) in a.iter_mut().zip(&pivot_row) {
                *a -= &factor * b;
            }
            *right -= &factor * &pivot_right;
        }
        std::mem::swap(&mut self.basic[row], &mut self.nonbasic[column]);
    }

    /// The cost row in terms of the nonbasic variables: (reduced costs, value), from costs of all variables.
    fn reduced(&self, cost: &dyn Fn(usize) -> Rational) -> (Vec<Rational>, Rational) {
        let mut value = Rational::zero();
        let mut reduced: Vec<Rational> = self.nonbasic.iter().map(|&v| cost(v)).collect();
        for ((a, right), &v) in self.rows.iter().zip(&self.basic) {
            let c = cost(v);
            if !c.is_zero() {
                value += &c * right;
                reduced.iter_mut().zip(a).for_each(|(r, a)| *r -= &c * a);
            }
        }
        (reduced, value)
    }

    fn optimise(&mut self, cost: &dyn Fn(usize) -> Rational, banned: Option<usize>) -> Rational {
        loop {
            let (reduced, value) = self.reduced(cost);
            let entering = (0..reduced.len())
                .filter(|&j| reduced[j].is_negative() && Some(self.nonbasic[j]) != banned)
                .min_by_key(|&j| self.nonbasic[j]);
            let Some(column) = entering else { return value };
            let leaving = (0..self.rows.len())
                .filter(|&i| self.rows[i].0[column].is_positive())
                .min_by(|&i, &k| {
                    let ratio = |i: usize| &self.rows[i].1 / &self.rows[i].0[column];
                    ratio(i).cmp(&ratio(k)).then(self.basic[i].cmp(&self.basic[k]))
                });
            self.pivot(leaving.expect("the box is bounded"), column);
        }
    }

    fn minimise(mut self, c: &[Rational]) -> Option<Rational> {
        let worst = (0..self.rows.len()).min_by(|&i, &k| self.rows[i].1.cmp(&self.rows[k].1))?;
        let mut banned = None;
        if self.rows[worst].1.is_negative() {
            let auxiliary = self.variables + self.rows.len();
            self.rows.iter_mut().for_each(|(a, _)| a.push(-Rational::one()));
            self.nonbasic.push(auxiliary);
            self.pivot(worst, self.nonbasic.len() - 1);
            let one = |v| if v == auxiliary { Rational::one() } else { Rational::zero() };
            if self.optimise(&one, None).is_positive() {
                return None;
            }
            if let Some(row) = self.basic.iter().position(|&v| v == auxiliary) {
                // Degenerate: it is basic at 0; any nonzero entry may take its place.
                let column = (0..self.nonbasic.len()).find(|&j| !self.rows[row].0[j].is_zero())?;
                self.pivot(row, column);
            }
            banned = Some(auxiliary);
        }
        let cost = |v: usize| c.get(v).cloned().unwrap_or_else(Rational::zero);
        Some(self.optimise(&cost, banned))
    }
}

/// Whether an exact minimum takes little time: few inputs, few ReLUs, exact weights.
#[must_use]
pub fn affordable(net: &Network) -> bool {
    let relus: usize = net.relus().map(|(y, _)| net.node(y).len).sum();
    let plain = |node: &crate::net::Node| match &node.op {
        Op::Input => true,
        Op::Affine(affine) => affine.roundings == 0 && affine.slack.iter().all(|&s| s == 0.0),
        Op::Elementwise(..) => node.op.relu().is_some(),
    };
    relus <= 10 && net.inputs() <= 6 && net.nodes().iter().all(plain)
}
