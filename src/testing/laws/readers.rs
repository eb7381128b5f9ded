//! readers: for every encoding of a network as a file, both readers' functions are N, exactly, at points of the region.

use super::{Checked, Said, points, require};
use crate::attack::SplitMix64;
use crate::load::{DenseForm, Encoding, ReluForm, load_network_bytes, write_onnx_as};
use crate::testing::case::Case;
use crate::testing::readers_exactly::{at_doubles, checked_at_doubles};

/// A random way to write a network.
pub(super) fn encoding(dice: &mut SplitMix64) -> Encoding {
    use DenseForm::{Conv, Gemm, MatMul, Scaled};
    use ReluForm::{Clip, Leaky, Max, Parametric, Relu};
    Encoding {
        set: 13 + dice.below(10) as u64,
        relu: [Relu, Max, Clip, Leaky, Parametric][dice.below(5)],
        dense: [Gemm, MatMul, Scaled, Conv][dice.below(4)],
        normalised: dice.below(4) == 0,
    }
}

pub(super) fn readers(case: &Case, seed: u64) -> Said {
    let mut dice = SplitMix64::new(seed, 51);
    let query = case.query();
    let net = query.network();
    let Some(claim) = query.property().claims.first() else {
        return Ok(Checked::skipped("no claims"));
    };
    let points = points(&mut dice, &claim.region, 3);
    let values: Option<Vec<_>> = points.iter().map(|x| at_doubles(net, x)).collect();
    let Some(values) = values else { return Ok(Checked::skipped("no exact values")) };
    let own = query.own_outputs();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    files.extend(case.model().map(|model| ("the file".to_owned(), model.to_vec())));
    if !query.property().uses_inputs {
        for encoding in [encoding(&mut dice), encoding(&mut dice)] {
            let file = write_onnx_as(net, encoding).ok();
            files.extend(file.map(|file| (format!("{encoding:?}"), file)));
        }
    }
    let mut comparisons = 0;
    for (how, file) in &files {
        // A reader may refuse a form, such as one of weights that are rounded.
        let search = load_network_bytes("case.onnx", file).ok();
        let checker = certus_check::onnx::read(file).ok();
        for (x, y) in points.iter().zip(&values) {
            // What is rounded when it is read has no exact values to the search, which charges it.
            let found = search.as_ref().and_then(|loaded| at_doubles(&loaded.network, x));
            let theirs = checker.as_ref().and_then(|circuit| checked_at_doubles(circuit, x));
            for (reader, found) in [("search", found), ("checker", theirs)] {
                let Some(found) = found else { continue };
                require(found[..] == y[..own], || {
                    format!("{how}: the {reader}'s reader gives other values at x = {x:?}")
                })?;
                comparisons += 1;
            }
        }
    }
    Ok(Checked { comparisons, skipped: (comparisons == 0).then_some("both readers refuse it") })
}
