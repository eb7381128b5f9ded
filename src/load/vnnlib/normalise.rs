//! From a formula to its cases: a union of (box, polytope) pairs in the order of the file.

use super::Statement;
use super::error::{Failure, Problem, fail};
use super::formula::{Atom, Bound, Formula, Script};
use crate::load::budget::Budget;
use crate::num::Decimal;
use crate::spec::{Claim, HalfSpace, Property, Region};
use std::cmp::Ordering;

/// The most cases accepted; the largest file of the competitions has 120,000.
pub(super) const MAX_CASES: usize = 1 << 20;
/// The most atoms and intervals visited over all cases; the largest file of the competitions has ten million.
pub(super) const MAX_WORK: usize = 1 << 26;

/// What is left to satisfy once the present conjunction is through.
struct Rest<'a, 'r> {
    items: &'a [Formula],
    next: Option<&'r Rest<'a, 'r>>,
}

/// How to take back one step.
enum Undo<'a> {
    Bound { upper: bool, input: usize, old: Option<&'a Bound> },
    HalfSpace,
    False { closed: bool },
}

struct Cases<'a> {
    lower: Vec<Option<&'a Bound>>,
    upper: Vec<Option<&'a Bound>>,
    polytope: Vec<&'a HalfSpace>,
    /// How many constant atoms among the conjuncts are false.
    falsities: usize,
    /// And how many of them would be so if they were not strict.
    closed_falsities: usize,
    /// The number of the next case, empty ones counted.
    number: usize,
    empty: Vec<usize>,
    undo: Vec<Undo<'a>>,
    /// Whether `lower` and `upper` have changed since the region of the last claim was made from them.
    moved: bool,
    claims: Vec<Claim>,
    /// Where each input is declared, for errors.
    declared: &'a [Option<usize>],
    /// Where the innermost alternative chosen starts.
    place: Option<usize>,
    end: usize,
    work: usize,
    budget: &'a Budget,
    /// Why the first case without inputs has none.
    vacuous: Option<(usize, String)>,
}

/// Lists the cases of a file. The alternatives of an earlier `or` vary more slowly than those of a later one.
pub(super) fn normalise(
    script: Script,
    outputs: usize,
    budget: &Budget,
) -> Result<Statement, Failure> {
    let count = script.assertions.iter().map(count).fold(1, usize::saturating_mul);
    if count > MAX_CASES {
        return fail(script.end, Problem::Blowup { limit: MAX_CASES, what: "cases" });
    }
    // Bounds commute with everything; those of the top level are taken first, so that no alternative repeats them.
    let (bounds, others): (Vec<_>, Vec<_>) =
        script.assertions.into_iter().partition(|f| matches!(f, Formula::Atom(Atom::Bound { .. })));
    let inputs = script.inputs.len();
    let mut cases = Cases {
        lower: vec![None; inputs],
        upper: vec![None; inputs],
        polytope: Vec::new(),
        falsities: 0,
        closed_falsities: 0,
        number: 0,
        empty: Vec::new(),
        undo: Vec::new(),
        moved: true,
        claims: Vec::new(),
        declared: &script.inputs,
        place: None,
        end: script.end,
        work: 0,
        budget,
        vacuous: None,
    };
    for bound in &bounds {
        if let Formula::Atom(atom) = bound {
            cases.add(atom);
        }
    }
    cases.expand(&others, None)?;
    let claims = cases.claims;
    if claims.is_empty() {
        let (at, reason) = cases.vacuous.unwrap_or((script.end, "it is empty".to_owned()));
        return fail(at, Problem::Vacuous(reason));
    }
    let uses_inputs = claims
        .iter()
        .flat_map(|c| c.unsafe_set.iter().flatten())
        .flat_map(|h| &h.coefficients)
        .any(|(index, _)| *index >= outputs);
    let property = Property { claims, uses_inputs };
    Ok(Statement { property, empty: cases.empty })
}

/// How many cases a formula has, empty ones included.
fn count(formula: &Formula) -> usize {
    match formula {
        Formula::Atom(_) => 1,
        Formula::And(parts) => parts.iter().map(count).fold(1, usize::saturating_mul),
        Formula::Or(parts) => parts.iter().map(|p| count(&p.1)).fold(0, usize::saturating_add),
    }
}

impl<'a> Cases<'a> {
    /// Lists the cases of the conjunction of `items` and `next` with what has been added so far.
    ///
    /// Recurses once for each `or` with several alternatives on the way to a case, so at most as deep as the
    /// nesting times the logarithm of the number of cases.
    fn expand(&mut self, items: &'a [Formula], next: Option<&Rest<'a, '_>>) -> Result<(), Failure> {
        let (mut items, mut next) = (items, next);
        loop {
            let Some((first, tail)) = items.split_first() else {
                let Some(rest) = next else { return self.emit() };
                (items, next) = (rest.items, rest.next);
                continue;
            };
            items = tail;
            match first {
                Formula::Atom(atom) => self.add(atom),
                Formula::And(parts) => {
                    let rest = Rest { items: tail, next };
                    return self.expand(parts, Some(&rest));
                }
                Formula::Or(alternatives) => {
                    let rest = Rest { items: tail, next };
                    let outer = self.place;
                    for (at, alternative) in alternatives {
                        let mark = self.undo.len();
                        self.place = Some(*at);
                        let parts = match alternative {
                            Formula::And(parts) => parts.as_slice(),
                            single => std::slice::from_ref(single),
                        };
                        self.expand(parts, Some(&rest))?;
                        self.take_back(mark);
                    }
                    self.place = outer;
                    return Ok(());
                }
            }
        }
    }

    fn add(&mut self, atom: &'a Atom) {
        self.work += 1;
        match atom {
            Atom::Constant { holds: true, .. } => {}
            Atom::Constant { holds: false, closed } => {
                self.falsities += 1;
                self.closed_falsities += usize::from(!closed);
                self.undo.push(Undo::False { closed: *closed });
            }
            Atom::HalfSpace(half_space) => {
                self.polytope.push(half_space);
                self.undo.push(Undo::HalfSpace);
            }
            Atom::Bound { input, upper, bound } => {
                let (upper, input) = (*upper, *input as usize);
                let slot = if upper { &mut self.upper[input] } else { &mut self.lower[input] };
                if slot.is_none_or(|old| tighter(bound, old, upper)) {
                    self.undo.push(Undo::Bound { upper, input, old: slot.replace(bound) });
                    self.moved = true;
                }
            }
        }
    }

    fn take_back(&mut self, mark: usize) {
        for step in self.undo.drain(mark..).rev() {
            match step {
                Undo::Bound { upper, input, old } => {
                    let slots = if upper { &mut self.upper } else { &mut self.lower };
                    slots[input] = old;
                    self.moved = true;
                }
                Undo::HalfSpace => {
                    self.polytope.pop();
                }
                Undo::False { closed } => {
                    self.falsities -= 1;
                    self.closed_falsities -= usize::from(!closed);
                }
            }
        }
    }

    /// The conjunction is complete: one case.
    fn emit(&mut self) -> Result<(), Failure> {
        self.work += 1 + self.polytope.len();
        if self.moved {
            self.work += self.lower.len();
        }
        if self.work > MAX_WORK {
            let what = "bounds and output constraints";
            return fail(self.end, Problem::Blowup { limit: MAX_WORK, what });
        }
        let number = self.number;
        self.number += usize::from(self.closed_falsities == 0);
        if self.falsities > 0 {
            if self.closed_falsities == 0 {
                self.empty.push(number);
            }
            let reason = "a comparison of constants is false";
            self.vacuous.get_or_insert((self.place.unwrap_or(self.end), reason.to_owned()));
            return Ok(());
        }
        let stored = |h: &&HalfSpace| size_of::<HalfSpace>() + size_of_val(&h.coefficients[..]);
        let case = self.polytope.iter().map(stored).sum::<usize>();
        // Both ends, and the two doubles within.
        let ends = if self.moved { self.lower.len() * size_of::<[f64; 4]>() } else { 0 };
        let whole = size_of::<Claim>() + case + ends;
        self.budget.spend(whole).map_err(|exceeded| Failure {
            at: self.place.unwrap_or(self.end),
            problem: exceeded.into(),
        })?;
        let polytope: Vec<HalfSpace> = self.polytope.iter().map(|&h| h.clone()).collect();
        // The box of the last claim, unless an empty one came between: that leaves `moved` set.
        if !self.moved
            && let Some(last) = self.claims.last_mut()
        {
            last.unsafe_set.push(polytope);
            return Ok(());
        }
        let Some(region) = self.region()? else {
            self.empty.push(number);
            return Ok(());
        };
        self.moved = false;
        match self.claims.last_mut() {
            Some(last) if last.region == region => last.unsafe_set.push(polytope),
            _ => self.claims.push(Claim { region, unsafe_set: vec![polytope] }),
        }
        Ok(())
    }

    /// The box of the present bounds; `None` where it is empty.
    fn region(&mut self) -> Result<Option<Region>, Failure> {
        let inputs = self.lower.len();
        let (mut lower, mut upper) = (Vec::with_capacity(inputs), Vec::with_capacity(inputs));
        let (mut inner, mut between) = (Vec::with_capacity(inputs), Vec::new());
        for (input, (low, high)) in self.lower.iter().zip(&self.upper).enumerate() {
            let place = self.place.or(self.declared[input]).unwrap_or(self.end);
            let name = || format!("X_{input}");
            let (Some(low), Some(high)) = (low, high) else {
                let side = if low.is_none() { "lower" } else { "upper" };
                return fail(place, Problem::Unbounded { name: name(), side });
            };
            let ([a_down, a_up], [b_down, b_up]) = (low.value.enclosure(), high.value.enclosure());
            // Where the doubles around the two ends do not overlap, the ends are in order without exact comparison.
            let empty = a_up >= b_down
                && match low.value.cmp(&high.value) {
                    Ordering::Less => false,
                    Ordering::Equal => low.strict || high.strict,
                    Ordering::Greater => true,
                };
            if empty {
                let reason = format!("the bounds of X_{input} exclude each other");
                self.vacuous.get_or_insert((place, reason));
                return Ok(None);
            }
            if !(a_down.is_finite() && b_up.is_finite()) {
                return fail(place, Problem::Infinite(name()));
            }
            // A strict end that is a double is not in the box itself.
            let a_in = if low.strict && a_down == a_up { a_up.next_up() } else { a_up };
            let b_in = if high.strict && b_down == b_up { b_down.next_down() } else { b_down };
            lower.push(a_down);
            upper.push(b_up);
            inner.push([a_in, b_in]);
            if a_in > b_in {
                let open = [low.strict, high.strict];
                between.push((input, Decimal::within(&low.value, &high.value, open)));
            }
        }
        Ok(Some(Region::from_rounded(lower, upper, inner, between)))
    }
}

/// Whether the bound `new` leaves less than `old`.
fn tighter(new: &Bound, old: &Bound, upper: bool) -> bool {
    match new.value.cmp(&old.value) {
        Ordering::Equal => new.strict && !old.strict,
        order => (order == Ordering::Less) == upper,
    }
}
