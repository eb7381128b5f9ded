//! The checker that is extracted from its proof (`proofs/rocq`), where it was built: it accepts what this one accepts, and no false proof.
mod common;

use certus_check::{Statement, export};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, or `None` with a word on the terminal.
fn verified() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rocq/certus-check-verified");
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (make -C proofs/rocq builds it)", path.display());
    None
}

/// What it says of proofs of one statement.
struct Verified {
    program: PathBuf,
    folder: tempfolder::Folder,
}

mod tempfolder {
    pub struct Folder(pub std::path::PathBuf);

    impl Folder {
        pub fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("certus-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

impl Verified {
    fn new(name: &str) -> Option<Verified> {
        Some(Verified { program: verified()?, folder: tempfolder::Folder::new(name) })
    }

    fn says(&self, statement: &Statement, proof: &Path) -> String {
        let written = self.folder.0.join("statement");
        let mut text = vec![];
        export(statement, &mut text).unwrap();
        std::fs::write(&written, text).unwrap();
        let ran = Command::new(&self.program).arg(&written).arg(proof).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).trim().to_string();
        assert_eq!(ran.status.code(), Some((said != "accepted") as i32), "{said} {ran:?}");
        said
    }
}

fn example() -> Statement {
    let property = include_bytes!("statement.vnnlib");
    Statement::from_bytes(&common::models::example(), property).unwrap()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect()
}

#[test]
fn good_proofs_are_accepted() {
    let Some(verified) = Verified::new("good") else { return };
    for path in files("accept") {
        assert_eq!(verified.says(&example(), &path), "accepted", "{}", path.display());
    }
}

#[test]
fn bad_proofs_are_rejected() {
    let Some(verified) = Verified::new("bad") else { return };
    for path in files("reject").into_iter().chain(files("malformed")) {
        let said = verified.says(&example(), &path);
        assert!(said.starts_with("rejected: "), "{}: {said}", path.display());
    }
}

/// The theorem is about real arithmetic; a proof about another is refused, in words.
#[test]
fn other_semantics_are_refused() {
    let Some(verified) = Verified::new("semantics") else { return };
    let good = files("accept").into_iter().find(|f| f.ends_with("one-section.proof")).unwrap();
    let text = std::fs::read_to_string(good).unwrap();
    let proof = verified.folder.0.join("other.proof");
    std::fs::write(&proof, text.replacen('\n', "\nsemantics float32\n", 1)).unwrap();
    let said = verified.says(&example(), &proof);
    assert!(
        said.starts_with("rejected: line 2: the theorem speaks of networks over the real"),
        "{said}"
    );
}

/// Proofs of falsehoods that readers or arithmetic once believed.
#[test]
fn false_proofs_are_rejected() {
    let (Some(verified), Some(bench)) = (Verified::new("false"), common::bench()) else { return };
    let mut all = vec![];
    common::below(&bench.with_file_name("faults").join("checker"), &mut all);
    all.retain(|file| file.extension().is_some_and(|e| e == "proof"));
    for proof in &all {
        let beside = |ending: &str| {
            let own = proof.with_extension(ending);
            let common = proof.with_file_name(if ending == "onnx" { "m.onnx" } else { "p.vnnlib" });
            if own.is_file() { own } else { common }
        };
        match Statement::load(&beside("onnx"), &beside("vnnlib")) {
            // No statement, no proof of it.
            Err(error) => println!("{}: {error}", proof.display()),
            Ok(statement) => {
                let said = verified.says(&statement, proof);
                println!("{}: {said}", proof.display());
                assert!(said.starts_with("rejected: "), "{}: {said}", proof.display());
            }
        }
    }
    assert!(all.len() >= 8);
}

/// A statement that was damaged anywhere is refused, or means something else, but brings nothing down.
#[test]
fn damaged_statements_are_refused() {
    let Some(verified) = Verified::new("damaged") else { return };
    let mut text = vec![];
    export(&example(), &mut text).unwrap();
    let written = verified.folder.0.join("damaged");
    let proof = files("accept").into_iter().find(|f| f.ends_with("one-section.proof")).unwrap();
    let mut refused = 0;
    for cut in (0..text.len()).step_by(7) {
        std::fs::write(&written, &text[..cut]).unwrap();
        let ran = Command::new(&verified.program).arg(&written).arg(&proof).output().unwrap();
        assert_eq!(ran.status.code(), Some(65), "{ran:?}");
        let mut other = text.clone();
        other[cut] = b'9';
        std::fs::write(&written, &other).unwrap();
        let ran = Command::new(&verified.program).arg(&written).arg(&proof).output().unwrap();
        assert!(matches!(ran.status.code(), Some(0 | 1 | 65)), "{ran:?}");
        refused += (ran.status.code() == Some(65)) as usize;
    }
    assert!(refused > 0);
}
