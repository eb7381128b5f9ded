//! Tests of the dataset readers on small files: formats, settings, every refusal, hostile bytes.

use super::*;
use crate::load::FileError;
use crate::num::from_f64;
use crate::num::parse_rational;
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;
use tempfile::TempDir;

/// A folder of files that goes away with the test.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, bytes) in files {
            fs::write(folder.path(name), bytes).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, name: &str) -> Result<Dataset, DatasetError> {
        Dataset::load(&self.path(name), &DataSettings::default())
    }
}

fn q(text: &str) -> Rational {
    parse_rational(text).unwrap()
}

fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn idx(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// An archive with stored (uncompressed) members, as `numpy.savez` makes.
fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, content) in members {
        let (mut entry, config) = archive.new_file(format!("{name}.npy")).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The error, with the file names that it holds checked only to be there.
fn refusal(files: &[(&str, &[u8])], name: &str) -> DatasetError {
    let error = Folder::with(files).load(name).unwrap_err();
    assert!(!error.to_string().is_empty());
    error
}

#[test]
fn every_stored_type_is_exact() {
    let le = |x: &[f32]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let f64s = [0.1f64, -2.5].iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<_>>();
    let labels = npy("<i4", "False", "(2,)", &[1, 0, 0, 0, 0, 0, 0, 0]);
    for (x, expected) in [
        (npy("|u1", "False", "(2, 1)", &[7, 255]), ["7", "255"]),
        (npy("<i8", "False", "(2,)", &[[255; 8], [0; 8]].concat()), ["-1", "0"]),
        (npy("<f4", "False", "(2, 1, 1)", &le(&[0.5, -3.0])), ["0.5", "-3"]),
        (
            npy(">f8", "False", "(2, 1)", &f64s),
            ["0.1000000000000000055511151231257827021181583404541015625", "-2.5"],
        ),
    ] {
        let archive = npz(&[("x", x), ("y", labels.clone())]);
        let set = Folder::with(&[("d.npz", &archive), ("d.toml", b"scale = 1")]);
        let set = set.load("d.npz").unwrap();
        assert_eq!([set.exact(0), set.exact(1)].concat(), expected.map(q));
        assert_eq!(set.labels(), [1, 0]);
    }
}

#[test]
fn column_major_arrays_are_put_in_rows() {
    let x = npy("|u1", "True", "(2, 2, 2)", &[0, 4, 2, 6, 1, 5, 3, 7]);
    let y = npy("<f4", "False", "(2, 1)", &[0; 8]);
    let archive = npz(&[("images", x), ("labels", y)]);
    let error = refusal(&[("d.npz", &archive)], "d.npz");
    assert!(matches!(error, DatasetError::Unscaled { high: 7.0, .. }));
    let set = Folder::with(&[("d.npz", &archive), ("d.toml", b"scale = 1")]);
    let set = set.load("d.npz").unwrap();
    assert_eq!(set.shape(), [2, 2]);
    assert_eq!([set.point(0), set.point(1)].concat(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn a_sidecar_in_either_language_means_the_same() {
    let x = npy("|u1", "False", "(1, 2, 2)", &[0, 51, 255, 1]);
    let archive = npz(&[("x", x), ("y", npy("|u1", "False", "(1,)", &[1]))]);
    let toml = "scale = \"1/255\"\nmean = [0.1, \"1/3\"]\nstd = 0.3\ndomain = [0, 1]\n\
                eps_per_feature = [1, 2, 3, 0]\nlabels = [\"cat\", \"dog\"]";
    let json = r#"{"scale": "1/255", "mean": [0.1, "1/3"], "std": 0.3, "domain": [[0, 1]],
                   "eps_per_feature": [1, 2, 3, 0], "labels": ["cat", "dog"]}"#;
    for (name, sidecar) in [("d.toml", toml), ("d.json", json)] {
        let set = Folder::with(&[("d.npz", &archive), (name, sidecar.as_bytes())]);
        let set = set.load("d.npz").unwrap();
        assert_eq!(set.exact(0), ["0", "0.2", "1", "1/255"].map(q));
        assert_eq!(set.point(0), [0.0, 0.2, 1.0, 1.0 / 255.0]);
        let (mean, inverse) = set.normalisation().unwrap();
        assert_eq!(mean, [0.1, 0.1, 1.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(inverse, [10.0 / 3.0; 4]);
        let bounds = set.bounds(0, &q("0.1")).unwrap();
        let ends = [("0", "0.1"), ("0", "0.4"), ("0.7", "1"), ("1/255", "1/255")];
        assert_eq!(bounds, ends.map(|(a, b)| (q(a), q(b))));
        assert_eq!(set.label_names().unwrap()[set.label(0)], "dog");
        assert_eq!(set.sha256().len(), 2);
        assert!(set.region(0, Norm::Linf, &q("-1")).is_err());
    }
}

#[test]
fn idx_labels_are_found_by_name_and_by_setting() {
    let (images, labels) = (idx(8, &[2, 1, 2], &[1, 2, 3, 4]), idx(8, &[2], &[3, 9]));
    let files: [(&str, &[u8]); 3] = [
        ("t-images-idx3-ubyte.gz", &gz(&images)),
        ("t-labels-idx1-ubyte", &labels),
        ("t-images-idx3-ubyte.toml", b"scale = 1"),
    ];
    let set = Folder::with(&files).load("t-images-idx3-ubyte.gz").unwrap();
    assert_eq!((set.labels(), set.point(1)), (&[3, 9][..], vec![3.0, 4.0]));
    let files: [(&str, &[u8]); 3] =
        [("a.idx", &images), ("b", &labels), ("a.toml", b"labels_file = \"b\"\nscale = 1")];
    assert_eq!(Folder::with(&files).load("a.idx").unwrap().label(1), 9);
}

#[test]
fn csv_cells_are_exact_and_labels_may_be_names() {
    let text = b"a, kind ,b\r\n0.1,yes,1e-3\r\n-2,no,\"8\"\r\n";
    let toml = b"label_column = 'kind'\nlabels = ['no', 'yes']";
    let set = Folder::with(&[("d.csv", text), ("d.toml", toml)]).load("d.csv").unwrap();
    assert_eq!([set.exact(0), set.exact(1)].concat(), ["0.1", "0.001", "-2", "8"].map(q));
    assert_eq!(set.labels(), [1, 0]);
}

#[test]
fn damaged_files_are_refused() {
    use DatasetError as E;
    let labels: (&str, &[u8]) = ("t-labels-idx1", &idx(8, &[2], &[0, 1]));
    let of = |bytes: &[u8]| refusal(&[("t-images-idx3", bytes), labels], "t-images-idx3");
    assert!(matches!(refusal(&[], "d.npz"), E::File(FileError::Missing(_))));
    assert!(matches!(of(b"\0\0\x08"), E::Magic { .. }));
    assert!(matches!(of(b"\0\x01\x08\x01"), E::Magic { .. }));
    assert!(matches!(of(b"\0\0\x08\x03\0\0"), E::Header { .. }));
    assert!(matches!(of(&idx(8, &[2, 3], &[0; 5])), E::Size { expected: 6, found: 5, .. }));
    assert!(matches!(of(&idx(8, &[2, 3], &[0; 7])), E::Size { found: 7, .. }));
    let huge = [u32::MAX; 8];
    assert!(matches!(of(&idx(0x0e, &huge, &[])), E::Size { found: 0, .. }));
    assert!(matches!(of(&idx(7, &[1], &[1])), E::ElementType { .. }));
    assert!(matches!(of(&idx(8, &[3, 1], &[0; 3])), E::Count { inputs: 3, labels: 2, .. }));
    assert!(matches!(of(&idx(8, &[0, 1], &[])), E::Empty(_)));
    assert!(matches!(of(&idx(8, &[2, 0], &[])), E::Empty(_)));
    let mut nan = idx(0x0d, &[2, 2], &[0; 12]);
    nan.extend(f32::NAN.to_be_bytes());
    assert!(matches!(of(&nan), E::NotFinite { row: 1, column, .. } if column == "1"));
    let alone = refusal(&[("t-images-idx3", &idx(8, &[1, 1], &[0]))], "t-images-idx3");
    assert!(matches!(alone, E::MissingLabels(_)));
    assert!(matches!(refusal(&[("d.bin", b"hello")], "d.bin"), E::UnknownFormat { .. }));

    let of = |bytes: Vec<u8>| refusal(&[("d.npy", &bytes)], "d.npy");
    assert!(matches!(of(b"NUMPY".to_vec()), E::Magic { .. }));
    assert!(matches!(of(b"\x93NUMPY\x01\0\xff\0".to_vec()), E::Header { .. }));
    assert!(matches!(of(npy("<f4", "Maybe", "(1,)", &[0; 4])), E::Header { .. }));
    assert!(matches!(of(npy("<f4", "False", "(x,)", &[0; 4])), E::Header { .. }));
    assert!(matches!(of(npy("<c8", "False", "(1,)", &[0; 8])), E::ElementType { .. }));
    let truncated = of(npy("<f4", "False", "(2, 3)", &[0; 20]));
    assert!(matches!(truncated, E::Size { expected: 24, found: 20, .. }));
    assert!(matches!(of(npy("<f4", "False", "(1, 1)", &[0; 4])), E::MissingLabels(_)));

    let of = |bytes: Vec<u8>| refusal(&[("d.npz", &bytes)], "d.npz");
    assert!(matches!(of(b"PK\x03\x04".to_vec()), E::Archive { .. }));
    let one = || npy("|u1", "False", "(1, 1)", &[0]);
    let missing = of(npz(&[("p", one()), ("q", one())]));
    assert!(matches!(missing, E::MissingArray { available, .. } if available == "p, q"));
    let negative = npy("|i1", "False", "(1,)", &[0xff]);
    assert!(matches!(of(npz(&[("x", one()), ("y", negative)])), E::Label { row: 0, .. }));
    let half = npy("<f4", "False", "(1,)", &0.5f32.to_le_bytes());
    assert!(matches!(of(npz(&[("x", one()), ("y", half)])), E::Label { row: 0, .. }));
    let one_hot = npy("|u1", "False", "(1, 2)", &[0, 1]);
    assert!(matches!(of(npz(&[("x", one()), ("y", one_hot)])), E::Shape { .. }));
    let scalar = npy("|u1", "False", "()", &[0]);
    assert!(matches!(of(npz(&[("x", scalar), ("y", one())])), E::Shape { .. }));
}

#[test]
fn two_arrays_of_other_names_are_told_apart_by_their_shapes() {
    let inputs = npy("<f4", "False", "(2, 2)", &[0.5f32.to_le_bytes(); 4].concat());
    let labels = npy("|u1", "False", "(2,)", &[1, 0]);
    for names in [["a", "b"], ["b", "a"]] {
        let archive = npz(&[(names[0], inputs.clone()), (names[1], labels.clone())]);
        let set = Folder::with(&[("d.npz", &archive)]).load("d.npz").unwrap();
        assert_eq!((set.shape(), set.labels()), (&[2][..], &[1, 0][..]));
    }
    let three = [("a", inputs.clone()), ("b", labels), ("c", inputs)];
    let error = refusal(&[("d.npz", &npz(&three))], "d.npz").to_string();
    assert!(error.contains("it has a, b, c; inputs_array (--inputs-array NAME)"), "{error}");
}

#[test]
fn wrong_tables_are_refused() {
    use DatasetError as E;
    let of = |text: &str| refusal(&[("d.csv", text.as_bytes())], "d.csv");
    let missing = of("a,b\n1,2\n");
    assert!(matches!(missing, E::MissingColumn { columns, .. } if columns == "a, b"));
    assert!(matches!(of("a,label\n"), E::Empty(_)));
    assert!(matches!(of("label\n1\n"), E::Empty(_)));
    assert!(matches!(of("a,label\n1,0\n1\n"), E::Ragged { line: 3, found: 1, expected: 2, .. }));
    assert!(matches!(of("a,label\n1,0\nx,0\n"), E::Cell { line: 3, column, .. } if column == "a"));
    assert!(matches!(of("a,label\n,0\n"), E::Cell { .. }));
    assert!(matches!(of("a,label\n1,0\nNaN,0\n"), E::NotFinite { row: 1, .. }));
    assert!(matches!(of("a,label\n1,cat\n"), E::Label { row: 0, text, .. } if text == "cat"));
    assert!(matches!(of("a,label\n1,1.5\n"), E::Label { .. }));
    let bytes = b"a,label\n\xff,0\n";
    assert!(matches!(refusal(&[("d.csv", bytes)], "d.csv"), E::Csv { .. }));
}

#[test]
fn wrong_settings_are_refused() {
    use DatasetError as E;
    let table = b"a,b,c,label\n1.5,2,3,2\n";
    let of = |toml: &str| refusal(&[("d.csv", table), ("d.toml", toml.as_bytes())], "d.csv");
    assert!(matches!(of("scale = "), E::Sidecar { .. }));
    assert!(matches!(of("skale = 1"), E::UnknownField { field, .. } if field == "skale"));
    for wrong in [
        "scale = 0",
        "scale = -1",
        "scale = nan",
        "scale = true",
        "scale = 0x10",
        "scale = [1]",
        "std = 0.0",
        "std = [1, -1, 1]",
        "std = []",
        "mean = 'x'",
        "mean = inf",
        "domain = [1, 0]",
        "domain = [1]",
        "domain = 1",
        "eps_per_feature = [1, -1, 1]",
        "labels = []",
        "labels = 'a'",
        "labels_file = []",
        "label_column = 1979-05-27",
    ] {
        let field = wrong.split(' ').next().unwrap();
        assert!(matches!(of(wrong), E::Setting { field: f, .. } if f == field), "{wrong}");
    }
    let length = of("mean = [1, 2]");
    assert!(matches!(length, E::SettingLength { found: 2, features: 3, .. }));
    let range = of("labels = ['x', 'y']");
    assert!(matches!(range, E::LabelRange { row: 0, label: 2, classes: 2, .. }));
    assert!(matches!(of("label_column = 'z'"), E::MissingColumn { .. }));
    let both: [(&str, &[u8]); 3] = [("d.csv", table), ("d.toml", b""), ("d.json", b"{}")];
    assert!(matches!(refusal(&both, "d.csv"), E::TwoSidecars { .. }));
    let json: [(&str, &[u8]); 2] = [("d.csv", table), ("d.json", b"{\"scale\": [1, {}]}")];
    assert!(matches!(refusal(&json, "d.csv"), E::Setting { .. }));
    let error = DataSettings::default().set("sigma", "1").unwrap_err();
    assert!(error.to_string().starts_with("the command line: unknown field 'sigma'"));
}

#[test]
fn what_a_file_expands_to_counts_towards_memory() {
    let file = Path::new("d");
    let memory = |error: DatasetError| {
        assert!(matches!(error, DatasetError::File(FileError::Memory { .. })), "{error}");
        assert!(error.to_string().contains("MiB of memory"), "{error}");
    };
    let small = || Budget::with_limit(1 << 20);
    // A byte takes a byte, in an archive and out of it.
    let x = |n: usize, order| npy("|u1", order, &format!("({n}, 2)"), &vec![7; 2 * n]);
    let archive = npz(&[("x", x(500_000, "False"))]);
    let read = npz::from_archive(file, &archive, (&["x"], "inputs_array"), &small()).unwrap();
    assert_eq!(read.values.len(), 1_000_000);
    memory(
        npz::from_archive(
            file,
            &npz(&[("x", x(600_000, "False"))]),
            (&["x"], "inputs_array"),
            &small(),
        )
        .unwrap_err(),
    );
    memory(npy::parse(file, x(600_000, "True"), &small()).unwrap_err());
    memory(idx::parse(file, &idx(8, &[1 << 21], &[0; 1 << 21]), &small()).unwrap_err());
    let labels = npy::parse(file, npy("|u1", "False", "(200000,)", &[1; 200_000]), &small());
    memory(labels.unwrap().into_labels(file, &small()).unwrap_err());
    let table = |cells: usize| format!("a,label\n{}", "1,0\n".repeat(cells));
    assert!(csv::parse(file, table(1000).as_bytes(), &DataSettings::default(), &small()).is_ok());
    memory(
        csv::parse(file, table(80_000).as_bytes(), &DataSettings::default(), &small()).unwrap_err(),
    );
    let long = format!("a,label\n{}", "1e4999,0\n".repeat(600));
    memory(csv::parse(file, long.as_bytes(), &DataSettings::default(), &small()).unwrap_err());
    // A gzipped gigabyte of zeros is a megabyte.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..1200 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    memory(refusal(&[("t-images-idx3.gz", &bomb)], "t-images-idx3.gz"));
    let wide = npz(&[
        ("x", npy("|u1", "False", "(1, 9000000)", &vec![0; 9_000_000])),
        ("y", npy("|u1", "False", "(1,)", &[0])),
    ]);
    let files: [(&str, &[u8]); 2] = [("d.npz", &wide), ("d.toml", b"domain = [0, 1]")];
    memory(refusal(&files, "d.npz"));
}

proptest! {
    #[test]
    fn mutated_bytes_are_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let x = npy("<f4", "True", "(2, 3)", &[0; 24]);
        let mutate = |mut bytes: Vec<u8>| {
            for (at, byte) in &edits {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), |c| c.index(bytes.len())));
            bytes
        };
        let file = Path::new("mutated");
        let budget = Budget::new(0);
        let _ = npy::parse(file, mutate(x.clone()), &budget);
        let archive = mutate(npz(&[("x", x)]));
        let _ = npz::from_archive(file, &archive, (&["x"], "inputs_array"), &budget);
        let _ = idx::parse(file, &mutate(idx(0x0c, &[2, 2], &[0; 16])), &budget);
        let table = mutate(b"a,label\n1.5,0\n\"2e3\",1\n".to_vec());
        let _ = csv::parse(file, &table, &DataSettings::default(), &budget);
        let toml = mutate(b"scale = \"1/255\"\nmean = [0.5, 1]\ndomain = [[0, 1]]\n".to_vec());
        let source = |name: &str, bytes| SourceFile { path: name.into(), bytes, sha256: String::new(), stored: 0 };
        let _ = DataSettings::from_sidecar(&source("d.toml", toml));
        let json = mutate(b"{\"scale\": \"1/255\", \"mean\": [0.5, 1]}".to_vec());
        let _ = DataSettings::from_sidecar(&source("d.json", json));
    }
}

#[test]
fn distances_are_exact_and_in_units_of_epsilon() {
    let folder = Folder::with(&[
        ("d.csv", b"a,b,c,label\n0.1,2,5,0\n"),
        ("d.toml", b"label_column = \"label\"\neps_per_feature = [1, 4, 0]\n"),
    ]);
    let data = folder.load("d.csv").unwrap();
    let exact = |x: &[f64]| x.iter().map(|&x| from_f64(x).unwrap()).collect::<Vec<_>>();
    let point = |x: &[f64]| data.distance(0, &exact(x));
    // 0.1 is no double, and the distance says so.
    let off = q("0.1") - from_f64(0.1).unwrap();
    assert_eq!(point(&[0.1, 2.0, 5.0]), Some(off.abs()));
    assert_eq!(point(&[0.1, 0.0, 5.0]), Some(q("1/2")));
    assert_eq!(data.distance(0, &["0.1", "6", "5"].map(q)), Some(q("1")));
    assert_eq!(point(&[0.1, 2.0, 5.5]), None, "the last feature cannot move");
    assert_eq!(point(&[0.1, 2.0]), None);
    // The ball of that radius holds the point, and no smaller one does.
    let x = [0.625, 3.0, 5.0];
    let radius = point(&x).unwrap();
    assert!(data.region(0, Norm::Linf, &radius).unwrap().contains(&x));
    assert!(!data.region(0, Norm::Linf, &(radius - q("1e-30"))).unwrap().contains(&x));
}
