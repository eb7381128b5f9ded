//! A network that tells negative from positive numbers, and numbers to ask it about.

use crate::attack::{AttackKind, AttackSettings};
use crate::load::{DataSettings, Dataset};
use crate::net::{LinearMap, Matrix, NetworkBuilder};
use crate::num::{Rational, parse_rational};
use crate::query::Classifier;
use crate::verify::{Method, Settings};

pub(crate) fn number(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

/// Class 0 where x < 0, class 1 where x > 0, and values of x with labels.
pub(crate) fn classifier(inputs: &[(&str, usize)]) -> Classifier {
    let mut builder = NetworkBuilder::new(1, "x").unwrap();
    let map = LinearMap::from_matrix(Matrix::from_column_slice(2, 1, &[-1.0, 1.0]));
    let y = builder.linear(0, map, "y").unwrap();
    let network = builder.finish(y).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.csv");
    let lines: String = inputs.iter().map(|(x, label)| format!("{x},{label}\n")).collect();
    std::fs::write(&file, format!("x,label\n{lines}")).unwrap();
    let settings = DataSettings { label_column: Some("label".to_owned()), ..Default::default() };
    let data = Dataset::load(&file, &settings).unwrap();
    Classifier::new(network, &[1], data).unwrap()
}

pub(crate) fn settings(method: Method, kind: AttackKind) -> Settings {
    let attack = AttackSettings { kind, ..AttackSettings::default() };
    Settings { method, attack, seed: 1, ..Settings::default() }
}
