//! Weights in files beside the model: read from where the model says, and nowhere else.
mod common;

use certus_check::{LoadError, Mode, Statement, check};
use common::onnx::{Message, Model};
use std::path::{Path, PathBuf};

const PROPERTY: &str = "(declare-const X_0 Real)(declare-const Y_0 Real)\
    (assert (and (>= X_0 0) (<= X_0 1) (>= Y_0 3)))";
const PROOF: &str = "certus-proof 1\ncases 0\nrefute all\nleaf\nend 4\n";

/// A folder of a test's own, with the property and, in a folder below, w.data: 1.5 after four other bytes.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("certus-check-{}-{name}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(folder.join("p.vnnlib"), PROPERTY).unwrap();
    std::fs::write(folder.join("sub/w.data"), [&[9; 4][..], &1.5f32.to_le_bytes()].concat())
        .unwrap();
    folder
}

/// x + w, with w described by these entries.
fn model(entries: &[(&str, &str)]) -> Model {
    let tensor = Message::default().int(1, 1).int(2, 1).bytes(8, b"w").int(14, 1);
    let one = |(key, value): &(&str, &str)| {
        Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes())
    };
    let tensor = entries.iter().fold(tensor, |t, e| t.bytes(13, &one(e).0));
    Model::new(&[1]).field(5, tensor).node("Add x w -> y")
}

fn load(folder: &Path, entries: &[(&str, &str)]) -> Result<Statement, LoadError> {
    let path = folder.join("m.onnx");
    std::fs::write(&path, model(entries).bytes()).unwrap();
    Statement::load(&path, &folder.join("p.vnnlib"))
}

#[test]
fn weights_come_from_where_the_model_says() {
    let folder = folder("good");
    for entries in [
        &[("location", "sub/w.data"), ("offset", "4"), ("length", "4")][..],
        &[("location", "./sub/w.data"), ("offset", "4")],
    ] {
        let statement = load(&folder, entries).unwrap();
        assert_eq!(common::evaluate(statement.circuit(), &[0.25]), [1.75]);
        for mode in [Mode::Exact, Mode::Outward] {
            check(&statement, PROOF.as_bytes(), mode).unwrap();
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_not_there_or_not_beside_the_model_is_refused_in_a_sentence() {
    let folder = folder("bad");
    let outside = folder.with_extension("data");
    std::fs::write(&outside, 1.5f32.to_le_bytes()).unwrap();
    let above = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
    let (absolute, at) = (outside.to_str().unwrap(), "sub/w.data");
    let mut tries = vec![
        (vec![("location", above.as_str())], "relative path"),
        (vec![("location", absolute)], "relative path"),
        (vec![("offset", "4")], "relative path"),
        (vec![("location", "none.data")], "`none.data`"),
        (vec![("location", "sub")], "no file"),
        (vec![("location", at)], "8 from 0"),
        (vec![("location", at), ("offset", "6")], "2 from 6"),
        (vec![("location", at), ("offset", "6"), ("length", "4")], "file of 8"),
        (vec![("location", at), ("offset", "18446744073709551615"), ("length", "4")], "file of 8"),
        (vec![("location", at), ("offset", "4"), ("length", "8")], "takes 4 bytes"),
        (vec![("location", at), ("offset", "-4"), ("length", "4")], "numbers"),
        (vec![("location", at), ("offset", "4"), ("offset", "0")], "once"),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, folder.join("link.data")).unwrap();
        tries.push((vec![("location", "link.data")], "relative path"));
    }
    for (entries, why) in tries {
        let error = load(&folder, &entries).unwrap_err().to_string();
        println!("{error}");
        assert!(error.contains(why) && error.contains("m.onnx: node 0 (Add"), "{error}");
    }
    // Values in the model besides, and a model that is no file.
    let tensor = Message::default().int(1, 1).int(2, 1).float(4, 1.0).bytes(8, b"w").int(14, 1);
    let both = Model::new(&[1]).field(5, tensor).node("Add x w -> y").bytes();
    assert!(certus_check::onnx::read_in(&folder, &both, &Default::default()).is_err());
    let bytes = model(&[("location", at), ("offset", "4")]).bytes();
    let error = Statement::from_bytes(&bytes, PROPERTY.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("not read from a folder"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::remove_file(outside).unwrap();
}
