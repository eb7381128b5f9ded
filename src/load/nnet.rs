//! NNet (Julian et al.): a text format for ReLU networks with input normalisation, output scaling and input limits.
//!
//! ```text
//! // comment lines
//! layers, inputs, outputs, largest layer
//! inputs, size of layer 1, …, outputs
//! 0                                   (a flag without use)
//! minimum of each input
//! maximum of each input
//! mean of each input, and of all outputs
//! range of each input, and of all outputs
//! rows of the weight matrix of layer 1, then its biases, one a line; layer 2, …
//! ```
//!
//! The network is x ↦ N((x − mean)/range)·range_out + mean_out. Its decimals are no floats: each is read as the nearest
//! double, and every bound charges that rounding.

use super::budget::Budget;
use super::{LayerInfo, LoadedNetwork, NetworkError, NnetProblem};
use crate::net::{BuildError, Dense, LinearMap, Matrix, NetworkBuilder, NodeId, Sparse, Term};
use crate::num::{Rational, heap_size, parse_rational};
use std::path::Path;

const NUMBER: &str = "a decimal of ordinary size";

/// The lines of a file with their numbers, comments and blank lines left out.
struct Lines<'a> {
    file: &'a Path,
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    at: usize,
    budget: &'a Budget,
}

impl<'a> Lines<'a> {
    fn fail(&self, problem: NnetProblem) -> NetworkError {
        NetworkError::Nnet { file: self.file.to_owned(), line: self.at, problem }
    }

    fn next_line(&mut self) -> Option<&'a str> {
        loop {
            let (index, line) = self.lines.next()?;
            self.at = index + 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with("//") {
                return Some(line);
            }
        }
    }

    /// The comma-separated words of the next line.
    fn words(&mut self, what: &'static str) -> Result<Vec<&'a str>, NetworkError> {
        let line = self.next_line().ok_or_else(|| self.fail(NnetProblem::Ends(what)))?;
        let line = line.strip_suffix(',').unwrap_or(line);
        Ok(line.split(',').map(str::trim).collect())
    }

    fn sizes(&mut self, what: &'static str) -> Result<Vec<usize>, NetworkError> {
        let words = self.words(what)?;
        let parse = |word: &str| {
            word.parse().ok().filter(|&n| n < MAX_SIZE).ok_or_else(|| {
                let (found, accepted) = (word.to_owned(), "a size below 2^24");
                self.fail(NnetProblem::Number { found, accepted })
            })
        };
        words.into_iter().map(parse).collect()
    }

    fn exactly(
        &mut self,
        expected: usize,
        what: &'static str,
    ) -> Result<Vec<&'a str>, NetworkError> {
        let words = self.words(what)?;
        let found = words.len();
        if found == expected {
            Ok(words)
        } else {
            Err(self.fail(NnetProblem::Count { what, found, expected }))
        }
    }

    fn numbers(&mut self, expected: usize, what: &'static str) -> Result<Vec<f64>, NetworkError> {
        let words = self.exactly(expected, what)?;
        words.into_iter().map(|word| self.number(word)).collect()
    }

    /// The double nearest to a decimal. Where it is so small that its error is not relative to it, it is refused.
    fn number(&self, word: &str) -> Result<f64, NetworkError> {
        let digits = word.split(['e', 'E']).next().unwrap_or(word);
        let zero = !digits.bytes().any(|b| b.is_ascii_digit() && b != b'0');
        let value = word.parse::<f64>().ok();
        value.filter(|v| v.is_finite() && !v.is_subnormal() && (*v != 0.0 || zero)).ok_or_else(
            || self.fail(NnetProblem::Number { found: word.to_owned(), accepted: NUMBER }),
        )
    }

    fn rationals(
        &mut self,
        expected: usize,
        what: &'static str,
    ) -> Result<Vec<Rational>, NetworkError> {
        let words = self.exactly(expected, what)?;
        let parse = |word: &str| {
            let number = parse_rational(word).map_err(|_| {
                self.fail(NnetProblem::Number { found: word.to_owned(), accepted: NUMBER })
            })?;
            let size = size_of::<Rational>() + heap_size(&number);
            self.budget.spend(size).map_err(|exceeded| self.fail(exceeded.into()))?;
            Ok(number)
        };
        words.into_iter().map(parse).collect()
    }
}

/// Layers are no larger; keeps a hostile header from claiming all memory.
const MAX_SIZE: usize = 1 << 24;

/// Reads an NNet file.
pub(super) fn read(
    file: &Path,
    bytes: &[u8],
    budget: &Budget,
) -> Result<LoadedNetwork, NetworkError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        NetworkError::Nnet { file: file.to_owned(), line, problem: NnetProblem::Utf8 }
    })?;
    let mut lines = Lines { file, lines: text.lines().enumerate(), at: 0, budget };
    let sizes = read_sizes(&mut lines)?;
    let (inputs, outputs) = (sizes[0], sizes[sizes.len() - 1]);
    lines.words("the unused flag")?;
    let minima = lines.rationals(inputs, "the minimum of each input")?;
    let maxima = lines.rationals(inputs, "the maximum of each input")?;
    if minima.iter().zip(&maxima).any(|(min, max)| min > max) {
        return Err(lines.fail(NnetProblem::Header("a minimum above its maximum")));
    }
    let means = lines.numbers(inputs + 1, "the mean of each input and of the outputs")?;
    let ranges = lines.numbers(inputs + 1, "the range of each input and of the outputs")?;
    if let Some(input) = ranges[..inputs].iter().position(|&range| range == 0.0) {
        return Err(lines.fail(NnetProblem::ZeroRange(input)));
    }

    let at = |lines: &Lines, e: BuildError| lines.fail(NnetProblem::Build(e));
    let mut builder = NetworkBuilder::new(inputs, "input").map_err(|e| at(&lines, e))?;
    let mut node = normalise(&mut builder, &means, &ranges).map_err(|e| at(&lines, e))?;
    let mut layers = Vec::new();
    for (index, pair) in sizes.windows(2).enumerate() {
        let (columns, rows) = (pair[0], pair[1]);
        let mut weights = Vec::new();
        for _ in 0..rows {
            weights.extend(lines.numbers(columns, "a row of weights")?);
            // As numbers, and as a matrix.
            let size = columns.saturating_mul(3 * size_of::<f64>());
            budget.spend(size).map_err(|exceeded| lines.fail(exceeded.into()))?;
        }
        let mut biases = Vec::new();
        for _ in 0..rows {
            biases.extend(lines.numbers(1, "a bias")?);
        }
        let parameters = weights.len() + biases.len();
        let map = LinearMap::Dense(Dense::new(Matrix::from_row_slice(rows, columns, &weights)));
        let name = format!("layer {}", index + 1);
        let last = index + 2 == sizes.len();
        node = builder
            .affine(vec![Term { source: node, map }], biases, 1, name.clone())
            .and_then(|z| if last { Ok(z) } else { builder.relu(z, name.clone()) })
            .map_err(|e| at(&lines, e))?;
        let op = if last { "Affine" } else { "Affine, Relu" }.to_owned();
        layers.push(LayerInfo { name, op, shape: vec![rows], parameters });
    }
    if lines.next_line().is_some() {
        return Err(lines.fail(NnetProblem::Trailing));
    }
    let (mean, range) = (means[inputs], ranges[inputs]);
    if mean != 0.0 || range != 1.0 {
        let map = LinearMap::Sparse(Sparse::diagonal(&vec![range; outputs]));
        node = builder
            .affine(vec![Term { source: node, map }], vec![mean; outputs], 1, "output scaling")
            .map_err(|e| at(&lines, e))?;
    }
    Ok(LoadedNetwork {
        network: builder.finish(node).map_err(|e| at(&lines, e))?,
        input_shape: vec![inputs],
        output_shape: vec![outputs],
        sha256: String::new(),
        external: Vec::new(),
        notes: Vec::new(),
        layers,
        logits: None,
        input_limits: Some(minima.into_iter().zip(maxima).collect()),
    })
}

/// Sizes of the input and of every layer.
fn read_sizes(lines: &mut Lines) -> Result<Vec<usize>, NetworkError> {
    let header = lines.sizes("the header")?;
    let &[layers, inputs, outputs, ..] = header.as_slice() else {
        let (what, found) = ("layers, inputs, outputs, largest layer", header.len());
        return Err(lines.fail(NnetProblem::Count { what, found, expected: 4 }));
    };
    let sizes = lines.sizes("the layer sizes")?;
    let what = "the size of the input and of each layer";
    if layers == 0 || sizes.len() != layers + 1 {
        let (found, expected) = (sizes.len(), layers + 1);
        return Err(lines.fail(NnetProblem::Count { what, found, expected }));
    }
    if sizes[0] != inputs || sizes[layers] != outputs || sizes.contains(&0) {
        return Err(lines.fail(NnetProblem::Header("layer sizes that contradict the header")));
    }
    Ok(sizes)
}

/// (x − mean) / range. A mean has the rounding of its decimal, a factor those of its decimal and of the division.
fn normalise(
    builder: &mut NetworkBuilder,
    means: &[f64],
    ranges: &[f64],
) -> Result<NodeId, BuildError> {
    let inputs = means.len() - 1;
    let (means, ranges) = (&means[..inputs], &ranges[..inputs]);
    let mut node = 0;
    if means.iter().any(|&m| m != 0.0) {
        let terms = vec![Term { source: node, map: LinearMap::Identity(inputs) }];
        let bias = means.iter().map(|m| -m).collect();
        node = builder.affine(terms, bias, 1, "input mean")?;
    }
    if ranges.iter().any(|&r| r != 1.0) {
        let inverses: Vec<f64> = ranges.iter().map(|r| 1.0 / r).collect();
        let map = LinearMap::Sparse(Sparse::diagonal(&inverses));
        node = builder.affine(
            vec![Term { source: node, map }],
            vec![0.0; inputs],
            2,
            "input range",
        )?;
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::super::load_network_bytes;
    use super::*;
    use proptest::prelude::*;

    const SMALL: &str = "// a comment\n2,2,1,3,\n2,3,1,\n0,\n-1.0,-2.0,\n1.0,2.5,\n0.5,0.0,10.0,\n\
        2.0,1.0,3.0,\n1,0,\n0,1,\n-1,-1,\n0,\n0.25,\n0.5,\n1,2,-1,\n0.125,\n";

    fn load(text: &str) -> Result<LoadedNetwork, NetworkError> {
        load_network_bytes("small.nnet", text.as_bytes())
    }

    fn problem(text: &str) -> (usize, NnetProblem) {
        match load(text) {
            Err(NetworkError::Nnet { line, problem, .. }) => (line, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_function_is_that_of_the_format() {
        let loaded = load(SMALL).unwrap();
        // (1.5, 1) normalises to (0.5, 1), hidden (0.5, 1.25, 0), output 0.5 + 2.5 + 0.125, times 3 plus 10.
        let y = loaded.network.evaluate(&Matrix::from_column_slice(2, 1, &[1.5, 1.0]));
        assert_eq!(y[0], 3.125 * 3.0 + 10.0);
        let limits = loaded.input_limits.unwrap();
        assert_eq!(limits[1], (parse_rational("-2").unwrap(), parse_rational("2.5").unwrap()));
        assert_eq!(loaded.layers.iter().map(|l| l.parameters).sum::<usize>(), 6 + 3 + 3 + 1);
        assert_eq!(loaded.network.relus().count(), 1);
    }

    #[test]
    fn means_and_ranges_that_do_nothing_make_no_nodes() {
        let plain = SMALL.replace("0.5,0.0,10.0,", "0,0,0").replace("2.0,1.0,3.0,", "1,1,1");
        assert_eq!(load(&plain).unwrap().network.nodes().len(), 4);
    }

    #[test]
    fn mistakes_are_located() {
        let edit = |from: &str, to: &str| {
            assert!(SMALL.contains(from));
            problem(&SMALL.replacen(from, to, 1))
        };
        assert_eq!(edit("0.25", "nan").0, 13);
        assert!(matches!(edit("0.25", "inf").1, NnetProblem::Number { .. }));
        assert!(matches!(edit("0.25", "1e-400").1, NnetProblem::Number { .. }));
        assert!(matches!(edit("0.25", "x").1, NnetProblem::Number { .. }));
        assert!(matches!(edit("2.0,1.0,3.0", "2.0,0.0,3.0"), (8, NnetProblem::ZeroRange(1))));
        assert!(matches!(edit("-1,-1,", "-1,"), (11, NnetProblem::Count { .. })));
        assert!(matches!(edit("2,3,1,", "3,3,1,"), (3, NnetProblem::Header(_))));
        assert!(matches!(edit("2,3,1,", "99999999999,3,1,"), (3, NnetProblem::Number { .. })));
        assert!(matches!(edit("0.125,\n", "").1, NnetProblem::Ends("a bias")));
        assert!(matches!(problem(&format!("{SMALL}1,\n")).1, NnetProblem::Trailing));
        assert!(matches!(edit("-1.0,-2.0", "-1.0,3.0").1, NnetProblem::Header(_)));
        assert!(matches!(edit("-1.0,-2.0", "-1.0,1/x").1, NnetProblem::Number { .. }));
        let bytes = load_network_bytes("x.nnet", &[b'1', b'\n', 0xff]).unwrap_err();
        assert!(matches!(bytes, NetworkError::Nnet { line: 2, problem: NnetProblem::Utf8, .. }));
    }

    #[test]
    fn a_huge_header_is_refused_without_allocation() {
        let text = "2,2,1,3\n2,16777215,1\n0\n-1,-1\n1,1\n0,0,0\n1,1,1\n1,1\n";
        assert!(matches!(problem(text).1, NnetProblem::Ends(_)));
    }

    proptest! {
        #[test]
        fn mutated_files_never_panic(at in 0..SMALL.len(), byte in any::<u8>(), cut in 0..SMALL.len()) {
            let mut bytes = SMALL.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = load_network_bytes("x.nnet", &bytes);
            bytes.truncate(cut);
            let _ = load_network_bytes("x.nnet", &bytes);
        }
    }
}
