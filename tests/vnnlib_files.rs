//! Every VNN-LIB file of the shared benchmark set and of the corpus of odd ones: read, counted, or refused.
//!
//! Both lie outside the repository; where they are absent the tests say so and pass.

#[path = "common/skip.rs"]
mod skip;

use certus::internal::load::{Problem, PropertyError, SourceFile, parse_statement};
use certus::internal::spec::Property;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench");
    if !root.is_dir() {
        skip::skipped(&format!("{} is absent", root.display()));
        return None;
    }
    Some(root)
}

/// Reads a file for a network with as many inputs and outputs as it declares.
fn read(path: &Path) -> Result<Property, PropertyError> {
    let file = SourceFile::read(path).unwrap();
    let text = String::from_utf8_lossy(&file.bytes);
    let declared = |prefix: &str| text.matches(prefix).count();
    let (inputs, outputs) = (declared("declare-const X_"), declared("declare-const Y_"));
    let start = Instant::now();
    let property = parse_statement(&path.display().to_string(), &file.bytes, inputs, outputs);
    if file.bytes.len() > 1_000_000 {
        println!("{}: {} bytes in {:?}", path.display(), file.bytes.len(), start.elapsed());
    }
    property.map(|read| read.property)
}

fn vnnlib_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            // Odd files have tests of their own, and version 2 is refused.
            if name != "vnnlib_corpus" && name != "vnnlib2" {
                vnnlib_files(&path, found);
            }
        } else if name.ends_with(".vnnlib") || name.ends_with(".vnnlib.gz") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_benchmark_set_is_read() {
    let Some(root) = shared() else { return };
    let mut files = Vec::new();
    vnnlib_files(&root, &mut files);
    for path in &files {
        let property = read(path).unwrap_or_else(|e| panic!("{e}"));
        assert!(property.cases() > 0 && !property.uses_inputs, "{}", path.display());
    }
    println!("{} files read", files.len());
    assert!(files.len() >= 264);
}

#[test]
fn corpus_files_have_the_cases_that_their_readme_tells() {
    let Some(root) = shared() else { return };
    let corpus = root.join("vnnlib_corpus");
    // (file, claims, cases)
    let expected = [
        ("01_acasxu_prop_6.vnnlib", 2, 8),
        ("02_nn4sys_lindex_200.vnnlib", 200, 400),
        ("03_nn4sys_lindex_60000.vnnlib.gz", 60_000, 120_000),
        ("04_nn4sys_cardinality_1_11000_2048_dual.vnnlib.gz", 11_000, 11_000),
        ("05_nn4sys2021_lognormal_exponents.vnnlib", 50, 50),
        ("06_test_tiny.vnnlib", 1, 1),
        ("07_rl_dubinsrejoin_unsafe_55.vnnlib", 1, 1),
        ("08_collins_if_then_7levels_w20.vnnlib", 1, 1),
        ("09_marabou_mul_var_const.vnnlib", 1, 1),
        ("10_marabou_crlf_acasxu_prop1.vnnlib", 1, 1),
        ("11_vggnet16_spec0_screw.vnnlib.gz", 1, 1),
        ("m_test_add_const.vnnlib", 1, 1),
        ("m_test_add_var.vnnlib", 1, 1),
        ("m_test_and.vnnlib", 1, 1),
        ("m_test_exp_notation.vnnlib", 1, 1),
        ("m_test_sub_const.vnnlib", 1, 1),
        ("m_test_sub_var.vnnlib", 1, 1),
    ];
    for (name, claims, cases) in expected {
        let property = read(&corpus.join(name)).unwrap_or_else(|e| panic!("{e}"));
        println!("{name}: {} claims, {} cases", property.claims.len(), property.cases());
        assert_eq!((property.claims.len(), property.cases()), (claims, cases), "{name}");
    }
}

#[test]
fn what_is_not_version_one_is_refused() {
    let Some(root) = shared() else { return };
    let problem = |name: &str| match read(&root.join("vnnlib_corpus").join(name)) {
        Err(PropertyError::At { line, column, problem, .. }) => (line, column, problem),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(problem("m_test_mul_var_var.vnnlib"), (4, 13, Problem::Nonlinear));
    assert_eq!(
        problem("m_test_assert_operator_not_implemented.vnnlib"),
        (4, 10, Problem::UnknownRelation("xor".to_owned()))
    );
    assert_eq!(
        problem("m_test_command_not_implemented.vnnlib"),
        (3, 2, Problem::UnknownCommand("declare-sore".to_owned()))
    );
}
