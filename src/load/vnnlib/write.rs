//! Writing VNN-LIB 1.0: the robustness of a classifier around an input, for other verifiers and for the proof checker.

use crate::num::{Rational, from_f64, round_down, round_up};
use crate::spec::{Claim, HalfSpace, Property, Region};
use num_bigint::BigInt;
use std::fmt::Write as _;

/// The claim "arg max stays `label` on the box" as VNN-LIB: reading the text gives the same region and half-spaces.
///
/// Where there is one output, class 1 is decided on where it is positive, and class 0 where it is negative.
///
/// A bound is written exactly where it is a decimal. Where it is not (8/255), it is written as the decimal just outside
/// of it, with at least 17 digits and as many more as it takes for no double to lie between the two. `comment` becomes
/// comment lines at the top.
#[must_use]
pub fn write_vnnlib(
    bounds: &[(Rational, Rational)],
    label: usize,
    classes: usize,
    comment: &str,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for line in comment.lines() {
        let _ = writeln!(text, "; {line}");
    }
    for i in 0..bounds.len() {
        let _ = writeln!(text, "(declare-const X_{i} Real)");
    }
    for j in 0..classes {
        let _ = writeln!(text, "(declare-const Y_{j} Real)");
    }
    for (i, (lower, upper)) in bounds.iter().enumerate() {
        let (lower, upper) = (decimal_below(lower), decimal_above(upper));
        let _ = writeln!(text, "(assert (>= X_{i} {lower}))\n(assert (<= X_{i} {upper}))");
    }
    if classes == 1 {
        // One output decides between two classes by its sign.
        let _ = writeln!(text, "(assert ({} Y_0 0.0))", if label == 0 { ">=" } else { "<=" });
        return text;
    }
    let targets = (0..classes).filter(|&t| t != label);
    let alternatives: Vec<_> = targets.map(|t| format!("(and (>= Y_{t} Y_{label}))")).collect();
    let _ = writeln!(text, "(assert (or {}))", alternatives.join(" "));
    text
}

/// A property about so many inputs and outputs as VNN-LIB: reading the text gives the same half-spaces over the boxes around its regions, one
/// case for each polytope.
#[must_use]
pub fn write_property(property: &Property, inputs: usize, outputs: usize, comment: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    comment.lines().for_each(|line| {
        let _ = writeln!(text, "; {line}");
    });
    (0..inputs).for_each(|i| {
        let _ = writeln!(text, "(declare-const X_{i} Real)");
    });
    (0..outputs).for_each(|j| {
        let _ = writeln!(text, "(declare-const Y_{j} Real)");
    });
    let number = |x: f64| from_f64(x).and_then(|x| exact_decimal(&x)).unwrap_or_default();
    let ends = |region: &Region| -> Vec<String> {
        let ends = region.lower().iter().zip(region.upper()).enumerate();
        let of = |(i, (&l, &u))| {
            [format!("(>= X_{i} {})", number(l)), format!("(<= X_{i} {})", number(u))]
        };
        ends.flat_map(of).collect()
    };
    // The plainest form that says it: other programs' readers know few.
    let half = |half: &HalfSpace| {
        let name = |j: usize| match j.checked_sub(outputs) {
            None => format!("Y_{j}"),
            Some(i) => format!("X_{i}"),
        };
        let [below, above] = if half.strict { ["<", ">"] } else { ["<=", ">="] };
        let term = |&(j, a): &(usize, f64)| format!(" (* {} {})", number(a), name(j));
        match half.coefficients.as_slice() {
            &[(j, 1.0)] => format!("({below} {} {})", name(j), number(half.bound_up)),
            &[(j, -1.0)] => format!("({above} {} {})", name(j), number(-half.bound_up)),
            &[(j, 1.0), (k, -1.0)] | &[(k, -1.0), (j, 1.0)] if half.bound_up == 0.0 => {
                format!("({below} {} {})", name(j), name(k))
            }
            // A sum of nothing is 0.
            all => {
                let sum: String = all.iter().map(term).collect();
                format!("({below} (+ 0{sum}) {})", number(half.bound_up))
            }
        }
    };
    let single = property.claims.len() == 1;
    let mut cases = Vec::new();
    for Claim { region, unsafe_set } in &property.claims {
        let ends = ends(region);
        if single {
            ends.iter().for_each(|end| {
                let _ = writeln!(text, "(assert {end})");
            });
        }
        for polytope in unsafe_set {
            let halves = polytope.iter().map(half);
            let ends = ends.iter().filter(|_| !single).cloned();
            let all: Vec<String> = ends.chain(halves).collect();
            cases.push(format!("(and {})", all.join(" ")));
        }
    }
    let _ = writeln!(text, "(assert (or {}))", cases.join("\n    "));
    text
}

/// The greatest decimal of so many digits ≤ x, and x itself where it is a decimal.
fn decimal_below(x: &Rational) -> String {
    if let Some(exact) = exact_decimal(x) {
        return exact;
    }
    // x is no decimal, hence no double: with enough digits no double lies between.
    let (down, up) = (round_down(x), round_up(x));
    let mut digits = 17;
    loop {
        let rounded = rounded_below(x, digits);
        if round_down(&rounded) == down && round_up(&rounded) == up {
            // Ten to some power over one: always a decimal.
            return exact_decimal(&rounded).unwrap_or_default();
        }
        digits += 3;
    }
}

fn decimal_above(x: &Rational) -> String {
    let negated = decimal_below(&-x);
    match negated.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None if negated == "0.0" => negated,
        None => format!("-{negated}"),
    }
}

/// ⌊x · 10^k⌋ / 10^k for the k that leaves so many significant digits.
fn rounded_below(x: &Rational, digits: i64) -> Rational {
    // log10(2) ≈ 0.301: one digit too many does not hurt.
    let bits = x.numer().bits() as i64 - x.denom().bits() as i64;
    let magnitude = (bits * 301).div_euclid(1000);
    let shift = digits - magnitude;
    let power = Rational::from_integer(BigInt::from(10).pow(shift.unsigned_abs() as u32));
    if shift >= 0 { (x * &power).floor() / power } else { (x / &power).floor() * power }
}

/// x in decimal digits with a point, if finitely many do.
fn exact_decimal(x: &Rational) -> Option<String> {
    let text = crate::num::exact_decimal(x)?;
    Some(if text.contains('.') { text } else { text + ".0" })
}
