//! Functions of one variable that a file spells as products: x·σ(x), x·½(1 + erf(x/√2)), x·½(1 + tanh(…)), x·clip(x/6 + ½), x·x. As one
//! function they have far tighter bounds than as a product of two.
//!
//! What is known of a tensor is kept as a sum of terms of one other tensor, its root, element by element with one coefficient for all elements.
//! Where a product is no such function, or its coefficients are no doubles, it stays a product.

use super::elementwise::normal;
use super::lower::{Lowering, Variable};
use super::shape::Problem;
use super::smooth::multiple;
use crate::net::{Function, Gated};
use crate::num::two_sum;
use std::collections::HashMap;

/// A function of the root.
#[derive(Debug, Clone)]
enum Term {
    /// Its power.
    Power(u32),
    /// A function of a tensor.
    Call(Function, Variable),
    /// h · min(max(a·root + ½, 0), 1), with a and h.
    Ramp(f64, f64),
}

impl Term {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Power(a), Self::Power(b)) => a == b,
            (Self::Call(f, x), Self::Call(g, y)) => f == g && x.form == y.form,
            _ => false,
        }
    }
}

/// constant + Σ coefficient · term, each of them within so many roundings.
#[derive(Debug, Clone)]
struct Sum {
    root: Variable,
    constant: f64,
    terms: Vec<(Term, f64)>,
    roundings: usize,
}

impl Sum {
    fn of(root: &Variable) -> Self {
        let terms = vec![(Term::Power(1), 1.0)];
        Self { root: root.clone(), constant: 0.0, terms, roundings: 0 }
    }

    /// a, where the sum is a · root.
    fn multiple(&self) -> Option<f64> {
        match self.terms[..] {
            [(Term::Power(1), a)] if self.constant == 0.0 => Some(a),
            _ => None,
        }
    }

    /// The coefficients of a polynomial, from that of degree 0 on, where they are doubles.
    fn polynomial(&self) -> Option<Vec<f64>> {
        let mut all = vec![self.constant];
        for (term, coefficient) in &self.terms {
            let Term::Power(n) = term else { return None };
            all.resize(all.len().max(*n as usize + 1), 0.0);
            all[*n as usize] = *coefficient;
        }
        (self.roundings == 0).then_some(all)
    }
}

fn exact_product(a: f64, b: f64) -> Option<f64> {
    let product = a * b;
    // Far above the smallest numbers the rest is a double, and so the test is one.
    let exact = product == 0.0 || (product.abs() >= 1e-200 && a.mul_add(b, -product) == 0.0);
    (product.is_finite() && exact && (product != 0.0 || a == 0.0 || b == 0.0)).then_some(product)
}

fn exact_sum(a: f64, b: f64) -> Option<f64> {
    Some(two_sum(a, b)).filter(|s| s.0.is_finite() && s.1 == 0.0).map(|s| s.0)
}

/// What is known of the graph's tensors as sums of functions of other ones, by their forms.
#[derive(Debug, Default)]
pub struct Gates(HashMap<usize, Sum>);

impl Lowering<'_> {
    fn sum_of(&self, x: &Variable) -> Sum {
        self.gates.0.get(&x.form).cloned().unwrap_or_else(|| Sum::of(x))
    }

    fn note(&mut self, to: &Variable, sum: Option<Sum>) {
        if let Some(sum) = sum.filter(|sum| sum.root.form != to.form) {
            self.gates.0.entry(to.form).or_insert(sum);
        }
    }

    /// Notes that `to` is factor · x, the factor being within so many roundings.
    pub(super) fn note_scaled(
        &mut self,
        x: &Variable,
        to: &Variable,
        factor: f64,
        roundings: usize,
    ) {
        let mut sum = self.sum_of(x);
        let mut inexact = roundings;
        for coefficient in
            sum.terms.iter_mut().map(|(_, c)| c).chain(std::iter::once(&mut sum.constant))
        {
            if exact_product(*coefficient, factor).is_none() {
                inexact = roundings + 1;
            }
            *coefficient *= factor;
        }
        sum.roundings += inexact;
        let finite = sum.terms.iter().all(|(_, c)| c.is_finite()) && sum.constant.is_finite();
        self.note(to, finite.then_some(sum));
    }

    /// Notes that `to` is x + constant.
    pub(super) fn note_shifted(&mut self, x: &Variable, to: &Variable, constant: f64) {
        let mut sum = self.sum_of(x);
        let shifted = exact_sum(sum.constant, constant);
        sum.constant = shifted.unwrap_or(0.0);
        // A sum of rounded numbers may have lost all its places.
        let fits = shifted.is_some() && (sum.roundings == 0 || sum.constant == constant);
        self.note(to, fits.then_some(sum));
    }

    /// Notes that `to` is x + sign · y, where these are sums over one root.
    pub(super) fn note_sum(&mut self, x: &Variable, y: &Variable, sign: f64, to: &Variable) {
        let (mut sum, other) = (self.sum_of(x), self.sum_of(y));
        if sum.root.form != other.root.form || sum.roundings + other.roundings > 0 {
            return;
        }
        let Some(constant) = exact_sum(sum.constant, sign * other.constant) else { return };
        sum.constant = constant;
        for (term, coefficient) in other.terms {
            match sum.terms.iter_mut().find(|(known, _)| known.is(&term)) {
                None => sum.terms.push((term, sign * coefficient)),
                Some((_, known)) => match exact_sum(*known, sign * coefficient) {
                    Some(both) => *known = both,
                    None => return,
                },
            }
        }
        self.note(to, Some(sum));
    }

    /// Notes that `to` is a function of x.
    pub(super) fn note_call(&mut self, function: Function, x: &Variable, to: &Variable) {
        let of_root = self.sum_of(x);
        let term = match function.small_exponent() {
            Some(n) if of_root.root.form == x.form => Term::Power(n),
            None if function.opens() => Term::Call(function, x.clone()),
            _ => return,
        };
        let sum = Sum { terms: vec![(term, 1.0)], constant: 0.0, roundings: 0, root: of_root.root };
        self.note(to, Some(sum));
    }

    /// Notes that `to` is h · min(max(a x + b, 0), 1), if b is ½.
    pub(super) fn note_ramp(&mut self, x: &Variable, to: &Variable, [a, b]: [f64; 2], h: f64) {
        let Sum { root, roundings, .. } = self.sum_of(x);
        if let Some(multiple) = self.sum_of(x).multiple()
            && b == 0.5
            && let Some(slope) = exact_product(multiple, a)
        {
            let terms = vec![(Term::Ramp(slope, h), 1.0)];
            self.note(to, Some(Sum { root, constant: 0.0, terms, roundings }));
        }
    }

    /// Notes that `to` is min(max(x, 0), h), if x is a·root + h/2.
    pub(super) fn note_clipped(&mut self, x: &Variable, to: &Variable, h: f64) {
        let Sum { root, constant, terms, roundings } = self.sum_of(x);
        if let [(Term::Power(1), a)] = terms[..]
            && 2.0 * constant == h
            && h > 0.0
        {
            let terms = vec![(Term::Ramp(a / h, h), 1.0)];
            let sum = Sum { root, constant: 0.0, terms, roundings: roundings + 1 };
            self.note(to, Some(sum));
        }
    }

    /// x · y as a function of one variable, if it is known to be one.
    pub(super) fn gate(&mut self, x: &Variable, y: &Variable) -> Problem<Option<Variable>> {
        let (a, b) = (self.sum_of(x), self.sum_of(y));
        if x.form == y.form {
            return self.power(x, 2.0).map(Some);
        }
        if a.root.form != b.root.form || !self.is_there(&a.root) {
            return Ok(None);
        }
        if let Some(product) = self.polynomial(x, &a, &b)? {
            return Ok(Some(product));
        }
        match self.gated(x, &a, &b)? {
            Some(product) => Ok(Some(product)),
            None => self.gated(y, &b, &a),
        }
    }

    /// The product of two polynomials of a root.
    fn polynomial(&mut self, x: &Variable, a: &Sum, b: &Sum) -> Problem<Option<Variable>> {
        const LARGEST: usize = 8;
        let (Some(p), Some(q)) = (a.polynomial(), b.polynomial()) else { return Ok(None) };
        if p.len() + q.len() - 2 > LARGEST {
            return Ok(None);
        }
        let mut product = vec![0.0; p.len() + q.len() - 1];
        for (i, &a) in p.iter().enumerate() {
            for (j, &b) in q.iter().enumerate() {
                let sum = exact_product(a, b).and_then(|ab| exact_sum(product[i + j], ab));
                let Some(sum) = sum else { return Ok(None) };
                product[i + j] = sum;
            }
        }
        let root = a.root.reshaped(x.shape.clone()).cast(x.element);
        let mut powers = Vec::new();
        let mut terms = Vec::new();
        for (n, &c) in product.iter().enumerate().skip(1).filter(|(_, c)| **c != 0.0) {
            powers.push((self.power(&root, n as f64)?, c));
            terms.push((Term::Power(n as u32), c));
        }
        if let ([(power, 1.0)], 0.0) = (&powers[..], product[0]) {
            return Ok(Some(power.clone()));
        }
        let powers: Vec<(&Variable, f64)> = powers.iter().map(|(x, c)| (x, *c)).collect();
        let bias = Some(vec![product[0]; self.len(&root)]);
        let sum = self.combine(&powers, bias, x.shape.clone())?;
        let known = Sum { root, constant: product[0], terms, roundings: 0 };
        self.note(&sum, Some(known));
        Ok(Some(sum))
    }

    /// x = a · root times b = k + f F(…), as line · root + factor · G(s · root) for a gate G.
    fn gated(&mut self, x: &Variable, a: &Sum, b: &Sum) -> Problem<Option<Variable>> {
        let [(term, f)] = &b.terms[..] else { return Ok(None) };
        let (k, f) = (b.constant, *f);
        // With the operand of F itself as the root, whatever it is a function of.
        let own = matches!(term, Term::Call(_, operand) if operand.form == x.form);
        let a = if own { Sum::of(x) } else { a.clone() };
        let inner = match term {
            Term::Call(_, operand) if !own => self.sum_of(operand),
            &Term::Ramp(slope, _) => Sum {
                terms: vec![(Term::Power(1), slope)],
                ..Sum { roundings: b.roundings, ..Sum::of(&b.root) }
            },
            _ => Sum::of(x),
        };
        let Some(scale) = a.multiple().filter(|_| self.is_there(&a.root)) else { return Ok(None) };
        let gated = match (term, inner.multiple()) {
            (Term::Call(function, _), Some(s)) => function.gated([k, f], s),
            (Term::Call(function, _), None) => match inner.polynomial().as_deref() {
                Some(&[0.0, c, 0.0, e]) => function.gated_by_cubic([k, f], [c, e]),
                _ => None,
            },
            // x min(max(s x + ½, 0), 1) = H(s x) / s.
            (&Term::Ramp(_, height), Some(s)) => {
                Some(Gated { line: k, factor: f * height / s, gate: Function::HardSwish, scale: s })
            }
            _ => None,
        };
        // A difference of rounded numbers may have lost all its places.
        let gated = gated.filter(|gated| gated.line == k || b.roundings == 0);
        let Some(Gated { line, factor, gate, scale: s }) = gated else { return Ok(None) };
        let (line, factor) = (scale * line, scale * factor);
        let usable = |x: f64| x.is_finite() && normal(x).is_ok();
        if !(usable(factor) && usable(s) && (line == 0.0 || usable(line))) {
            return Ok(None);
        }
        // Of a factor's own roundings there are four at most.
        let roundings = a.roundings + b.roundings + inner.roundings + 4;
        let inexact = |x: f64| if x == 1.0 && roundings == 4 { 0 } else { roundings };
        let root = a.root.reshaped(x.shape.clone());
        let scaled = multiple(self, &root, s, inexact(s))?;
        let gated = self.function(gate, &scaled)?;
        let gated = multiple(self, &gated, factor, inexact(factor))?;
        if line == 0.0 {
            return Ok(Some(gated));
        }
        let straight = multiple(self, &root, line, inexact(line))?;
        self.add(&straight, &gated, x.shape.clone()).map(Some)
    }
}
