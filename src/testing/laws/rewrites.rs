//! rewrites: N' = N written in another way ⇒ N'(x) = N(x) exactly, N'(x) lies in the bounds of N', and no verdict is the opposite one.

use super::readers::encoding;
use super::{Checked, Said, Word, points, require, settings};
use crate::attack::SplitMix64;
use crate::load::write_onnx_as;
use crate::testing::case::Case;
use crate::testing::rewrite::Rewrite;
use crate::testing::values::Values;
use crate::verify::Method;

pub(super) fn rewrites(case: &Case, seed: u64) -> Said {
    if case.query().property().uses_inputs {
        return Ok(Checked::skipped("the property speaks of inputs"));
    }
    let mut dice = SplitMix64::new(seed, 61);
    let settings = settings(Method::Auto, seed);
    let before = Word::about(case, &settings);
    let mut comparisons = 0;
    for _ in 0..3 {
        let rewrite = Rewrite::ALL[dice.below(Rewrite::ALL.len())];
        let Some(other) = rewrite.apply(case, &mut dice) else { continue };
        same_values(case, &other, rewrite, &mut dice)?;
        let after = Word::about(&other, &settings);
        require(!before.contradicts(after), || {
            format!("{before:?}, and {after:?} after '{rewrite}'")
        })?;
        let seed = dice.next_u64();
        super::contains(&other, seed).map_err(|what| format!("after '{rewrite}': {what}"))?;
        comparisons += 2;
    }
    let encoding = encoding(&mut dice);
    let written = write_onnx_as(case.query().network(), encoding).ok().zip(case.property());
    // A reader may refuse a form.
    if let Some(other) = written.and_then(|(file, property)| Case::of_bytes(&file, property).ok()) {
        let after = Word::about(&other, &settings);
        require(!before.contradicts(after), || {
            format!("{before:?}, and {after:?} as {encoding:?}")
        })?;
        comparisons += 1;
    }
    Ok(Checked { comparisons, skipped: (comparisons == 0).then_some("nothing to rewrite") })
}

/// The values are the same numbers.
fn same_values(
    case: &Case,
    other: &Case,
    rewrite: Rewrite,
    dice: &mut SplitMix64,
) -> Result<(), String> {
    let (net, again) = (case.query().network(), other.query().network());
    let Some(claim) = other.query().property().claims.first() else { return Ok(()) };
    for x in points(dice, &claim.region, 3) {
        let [ours, theirs] = [Values::at(net, &x[..net.inputs()]), Values::at(again, &x)];
        if let (Values::Exact(ours), Values::Exact(theirs)) = (ours, theirs) {
            let same = ours[net.output()] == theirs[again.output()];
            require(same, || format!("'{rewrite}' changes the values at x = {x:?}"))?;
        }
    }
    Ok(())
}
