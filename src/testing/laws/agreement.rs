//! agreement: no two methods, no two ways to split, and no verdict and known point contradict each other.

use super::{Checked, Said, Word, points, require, searching, settings, violates};
use crate::attack::SplitMix64;
use crate::branch::{Answer, Limits, Searched, split_inputs, split_relus};
use crate::testing::case::Case;
use crate::verify::Method;
use std::time::Duration;

/// Domains that each way to split may bound.
const DOMAINS: usize = 400;

pub(super) fn agreement(case: &Case, seed: u64) -> Said {
    let query = case.query();
    let (net, property) = (query.network(), query.property());
    let mut words: Vec<(String, Word)> = Vec::new();
    words.push(("attacks and search".to_owned(), Word::about(case, &settings(Method::Auto, seed))));
    // The verdict of a mixed-integer program is a floating-point solver's word, within its tolerances.
    for method in Method::ALL.into_iter().filter(|&method| method != Method::Milp) {
        words.push((method.to_string(), Word::about(case, &searching(method, seed))));
    }
    let limits = Limits {
        domains: DOMAINS,
        ..Limits::starting_now(Some(Duration::from_secs(3)), &|| false)
    };
    let word = |searched: &Searched| match searched.answer {
        Answer::Proved => Word::Certified,
        Answer::Refuted(_) => Word::Falsified,
        Answer::Open(_) => Word::Unknown,
    };
    if net.multiplications() < 50_000 {
        words.push((
            "splitting inputs".to_owned(),
            word(&split_inputs(net, property, &limits, None, &mut [])),
        ));
        let none = || vec![None; property.claims.len()];
        let bends = |node: &crate::net::Node| {
            node.op.function().is_none_or(|f| f.splits() != crate::net::Splits::Never)
        };
        if net.nodes().iter().all(bends) {
            let searched = split_relus(net, property, &limits, None, (none(), &mut []));
            words.push(("splitting neurons".to_owned(), word(&searched)));
        }
    }
    let mut comparisons = 0;
    for (i, (name, word)) in words.iter().enumerate() {
        for (other, their) in &words[i + 1..] {
            require(!word.contradicts(*their), || {
                format!("{name}: {word:?}, and {other}: {their:?}")
            })?;
            comparisons += 1;
        }
    }
    // And points.
    let mut dice = SplitMix64::new(seed, 41);
    if let Some((name, _)) = words.iter().find(|(_, word)| *word == Word::Certified) {
        for claim in &property.claims {
            for x in points(&mut dice, &claim.region, 12) {
                require(!violates(case, claim, &x), || {
                    format!("{name} certifies, and x = {x:?} violates the claim")
                })?;
                comparisons += 1;
            }
        }
    }
    Ok(Checked { comparisons, skipped: None })
}
