//! The data sets of `models/` as a user would load them, and their regions.

use certus::internal::load::{DataSettings, Dataset, DatasetError, parse_statement, write_vnnlib};
use certus::internal::num::parse_rational;
use certus::internal::spec::{Norm, Property};
use std::path::{Path, PathBuf};

fn models(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file)
}

fn load(file: &str) -> Dataset {
    Dataset::load(&models(file), &DataSettings::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn digits_from_an_archive() {
    let digits = load("mnist/test.npz");
    assert_eq!((digits.len(), digits.features()), (500, 784));
    assert_eq!(digits.label_names().unwrap().len(), 10);
    assert_eq!(digits.normalisation(), None);
    assert_eq!(digits.sha256().len(), 2);
    digits.check_against(784, 10).unwrap();
    assert!(matches!(
        digits.check_against(785, 10),
        Err(DatasetError::Width { found: 784, expected: 785, .. })
    ));
    assert!(matches!(
        digits.check_against(784, 9),
        Err(DatasetError::LabelRange { label: 9, classes: 9, .. })
    ));
    let region = digits.region(0, Norm::Linf, &parse_rational("8/255").unwrap()).unwrap();
    assert!(region.lower().iter().all(|&l| l >= 0.0) && region.upper().iter().all(|&u| u <= 1.0));
    assert!(region.contains(&digits.point(0)) || digits.point(0).iter().any(|x| x.fract() != 0.0));
}

#[test]
fn clothes_from_zipped_idx_files_with_a_normalisation() {
    let clothes = load("fashion/t500-images-idx3-ubyte.gz");
    assert_eq!((clothes.len(), clothes.features(), clothes.sha256().len()), (500, 784, 3));
    let (mean, inverse) = clothes.normalisation().unwrap();
    assert_eq!((mean[0], mean[783]), (0.286, 0.286));
    assert_eq!(inverse[0], 1000.0 / 353.0);
    let mut counts = [0; 10];
    clothes.labels().iter().for_each(|&label| counts[label] += 1);
    assert_eq!(counts, [50; 10]);
}

#[test]
fn patients_from_a_csv_file_with_a_radius_for_each_feature() {
    let patients = load("breast_cancer/test.csv");
    assert_eq!((patients.len(), patients.features()), (200, 30));
    assert_eq!(patients.point(0)[0], 15.85);
    let tenth = parse_rational("0.1").unwrap();
    let bounds = patients.bounds(0, &tenth).unwrap();
    assert_eq!(bounds[0].0, parse_rational("15.505").unwrap());
    assert_eq!(patients.normalisation().unwrap().0[3], 651.0);
}

#[test]
fn what_is_written_reads_back_as_the_same_property() {
    let digits = load("mnist/test.npz");
    for (i, eps) in [(0, "8/255"), (1, "0.1"), (2, "0"), (3, "1/7")] {
        let eps = parse_rational(eps).unwrap();
        let bounds = digits.bounds(i, &eps).unwrap();
        let text = write_vnnlib(&bounds, digits.label(i), 10, "a digit\nof the test set");
        let read = parse_statement("written", text.as_bytes(), 784, 10).unwrap().property;
        let region = digits.region(i, Norm::Linf, &eps).unwrap();
        let [asked] = &read.claims[..] else { panic!("{} claims", read.claims.len()) };
        assert_eq!(asked.unsafe_set, Property::margins(digits.label(i), 10));
        // A fixed fraction, such as 2/255 with ε = 0, is written as the decimals just outside of it; the doubles are the same.
        assert_eq!((asked.region.lower(), asked.region.upper()), (region.lower(), region.upper()));
        let point = region.midpoint();
        assert_eq!(asked.region.project(&point), region.project(&point));
    }
}

#[test]
fn settings_of_the_caller_override_the_sidecar() {
    let mut settings = DataSettings::default();
    settings.set("mean", "0.5").unwrap();
    settings.set("domain", "0,0.5").unwrap();
    settings.set("accept", "outside-domain").unwrap();
    let clothes = Dataset::load(&models("fashion/t500-images-idx3-ubyte.gz"), &settings).unwrap();
    let (mean, inverse) = clothes.normalisation().unwrap();
    assert_eq!((mean[0], inverse[0]), (0.5, 1000.0 / 353.0));
    let half = parse_rational("1").unwrap();
    assert_eq!(clothes.region(0, Norm::Linf, &half).unwrap().upper(), vec![0.5; 784]);
}
