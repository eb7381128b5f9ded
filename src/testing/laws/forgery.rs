//! forgery: no proof, taken from a statement that holds and changed or not, is accepted for one that a known point refutes.

use super::evidence::{Evidence, of};
use super::{Checked, Said, points, require, searching};
use crate::attack::SplitMix64;
use crate::prove::{Mode, Question};
use crate::spec::{Claim, Property};
use crate::testing::case::Case;
use crate::testing::oracle;
use crate::testing::values::{Upper, Values};
use crate::verify::Method;
use certus_check::float::{format_hex, parse_hex};

/// Changes of one proof.
const CHANGES: usize = 40;

pub(super) fn forgery(case: &Case, seed: u64) -> Said {
    let mut dice = SplitMix64::new(seed, 31);
    let property = case.query().property();
    let [claim, ..] = &property.claims[..] else { return Ok(Checked::skipped("no claims")) };
    let Some(half) = claim.unsafe_set.first().and_then(|polytope| polytope.first()) else {
        return Ok(Checked::skipped("no half-space"));
    };
    let net = case.query().network();
    let row = super::dense(half, net.outputs());
    let about = |bound: f64, strict: bool| {
        let half =
            crate::spec::HalfSpace { bound_up: bound, bound_down: bound, strict, ..half.clone() };
        let claim = Claim { region: claim.region.clone(), unsafe_set: vec![vec![half]] };
        let property = Property { claims: vec![claim], uses_inputs: property.uses_inputs };
        case.asking(property).map_err(|error| error.to_string())
    };
    // The least value that is known, exactly: nothing below it is claimed to be unreachable falsely.
    let known =
        points(&mut dice, &claim.region, 12).into_iter().filter(|x| claim.region.contains(x));
    let exact = |x: Vec<f64>| match Values::at(net, &x).functional(net, &row) {
        Upper::Exact(value) => Some(value.rational()),
        Upper::Rounded(_) => None,
    };
    let least = known.filter_map(exact).min();
    let Some(least) = least else { return Ok(Checked::skipped("no exact values")) };
    let [lower, upper] = [claim.region.lower(), claim.region.upper()];
    let least = oracle::affordable(net)
        .then(|| oracle::minimum(net, lower, upper, &row, &[]))
        .flatten()
        .unwrap_or(least);
    let reached = crate::num::round_up(&least);
    if !reached.is_finite() {
        return Ok(Checked::skipped("values beyond the doubles"));
    }
    let Ok(false_one) = about(reached, false)?.question() else {
        return Ok(Checked::skipped("the checker does not read the network"));
    };
    // True by more or less, so that proofs come close.
    let scale = 1.0 + reached.abs();
    for power in [-40, -20, -4, 2] {
        let true_one = about(reached - scale * 2f64.powi(power), false)?;
        let Evidence::Proof(text) = of(&true_one, &searching(Method::Auto, seed))? else {
            continue;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<String> = text.lines().map(String::from).collect();
        let mut comparisons = 0;
        let mut rejected = |question: &Question, text: &str| {
            for mode in [Mode::Outward, Mode::Exact] {
                let accepted = question.check(text.as_bytes(), mode).is_ok();
                require(!accepted, || {
                    format!(
                        "{mode:?} arithmetic accepts a proof of what is false (a value of {reached:e} is reached):\n{text}"
                    )
                })?;
                comparisons += 1;
            }
            Ok::<(), String>(())
        };
        rejected(&false_one, &text)?;
        for _ in 0..CHANGES {
            rejected(&false_one, &changed(&lines, &mut dice))?;
        }
        return Ok(Checked { comparisons, skipped: None });
    }
    Ok(Checked::skipped("no proof nearby"))
}

/// Lines that may come in.
const LINES: [&str; 12] = [
    "leaf",
    "refute all",
    "crown",
    "tighten r0",
    "refute 0 using 0:0x1p-1",
    "clip >x0:0x0p0",
    "clip <x0:0x0p0",
    "split x0 at 0x1p0",
    "split r0.0 at 0x0p0",
    "tighten x0 upper lift >r0.0:0x1p0",
    "refute 0 lift <x0:0x1p0 >x0:0x1p0",
    "cases 0",
];

/// One change of a proof's lines, or two.
fn changed(lines: &[String], dice: &mut SplitMix64) -> String {
    let mut lines: Vec<String> = lines[..lines.len().saturating_sub(1)].to_vec();
    for _ in 0..1 + dice.below(2) {
        if lines.is_empty() {
            break;
        }
        let at = dice.below(lines.len());
        match dice.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[dice.below(lines.len())].clone()),
            2 => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.insert(at, LINES[dice.below(LINES.len())].to_owned()),
            4 => {
                let words = [
                    ("upper", "lower"),
                    ("lower", "upper"),
                    ("<", ">"),
                    (">", "<"),
                    ("x0", "r0.0"),
                    ("r0", "r1"),
                    ("refute", "clip"),
                    (" slope ", " lift >"),
                ];
                let (from, to) = words[dice.below(words.len())];
                lines[at] = lines[at].replacen(from, to, 1);
            }
            _ => another_number(&mut lines[at], dice),
        }
    }
    format!("{}\nend {}\n", lines.join("\n"), lines.len())
}

/// A number of a line becomes another one.
fn another_number(line: &mut String, dice: &mut SplitMix64) {
    let is_number = |c: char| c.is_ascii_hexdigit() || "x.p-+".contains(c);
    let starts: Vec<usize> = line.match_indices("0x").map(|(at, _)| at).collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[dice.below(starts.len())];
    let end = line[start..].find(|c: char| !is_number(c)).map_or(line.len(), |end| start + end);
    let Some(x) = parse_hex(&line[start..end]) else { return };
    let near = x + dice.sign() * 2f64.powi(-(dice.below(60) as i32));
    let new = [near, near, x.next_up(), x.next_down(), 0.0, 1.0, 2.0 * x][dice.below(7)];
    *line = format!("{}{}{}", &line[..start], format_hex(new.abs()), &line[end..]);
}
