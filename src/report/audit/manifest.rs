//! The manifest: SHA-256 of every file of the folder, in the format of `sha256sum`, sealed by its own last line.
//!
//! ```text
//! 4f…  report.json
//! …
//! # report id: 4f…
//! # seal: SHA-256 of everything above this line
//! ```
//!
//! `sha256sum --check manifest.sha256` understands it too; lines that start with # are comments to it. The report's id is the SHA-256 of
//! report.json, which holds the hashes of all evidence; so whoever knows the id can tell whether anything was altered, even if
//! the manifest was made anew.

use crate::load::sha256_hex;
use crate::report::folder::{self, FolderError, REPORT};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.sha256";
/// A difference between a folder and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// A file's content is another.
    Altered(String),
    /// A file is gone.
    Missing(String),
    /// A file is new.
    Extra(String),
    /// The manifest itself is not what was written.
    Manifest(String),
    /// The report is another than the one asked about.
    Id(String),
    /// A file is not what this program makes of report.json.
    Rendering(String),
    /// The signature, or what is signed, is not as it should be.
    Signature(String),
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered(file) => write!(f, "{file}: altered"),
            Self::Missing(file) => write!(f, "{file}: missing"),
            Self::Extra(file) => write!(f, "{file}: not in the manifest"),
            Self::Manifest(what) => write!(f, "{MANIFEST}: {what}"),
            Self::Id(id) => write!(f, "{REPORT}: its id is {id}, which is not the one given"),
            Self::Signature(what) => write!(f, "{ENVELOPE}: {what}"),
            Self::Rendering(file) => write!(f, "{file}: not what this program makes of {REPORT}"),
        }
    }
}

/// A folder that is as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The report's id: SHA-256 of report.json.
    pub(crate) id: String,
    /// How many files the manifest lists.
    pub(crate) files: usize,
}

/// The signed statement's name: it speaks of the manifest, which therefore does not list it.
pub(super) const ENVELOPE: &str = "attestation.intoto.jsonl";

/// Every file below a folder but the manifest, and what is signed about it.
pub(super) fn files(dir: &Path) -> Result<Vec<String>, FolderError> {
    let mut files = folder::files(dir, |_| true)?;
    files.retain(|name| ![MANIFEST, ENVELOPE].contains(&name.as_str()));
    Ok(files)
}

/// The manifest of a folder's files, by their hashes.
pub(super) fn text(hashes: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (file, hash) in hashes {
        let _ = writeln!(text, "{hash}  {file}");
    }
    let id = hashes.get(REPORT).map_or("", String::as_str);
    let _ = writeln!(text, "# report id: {id}");
    let seal = sha256_hex(text.as_bytes());
    text + &format!("# seal: {seal}\n")
}

/// SHA-256 of a file of the folder.
pub(super) fn hash(dir: &Path, name: &str) -> Result<String, FolderError> {
    Ok(sha256_hex(&folder::read(&dir.join(name))?))
}

/// Compares a folder with its manifest, and its report's id with `id` where one is given.
///
/// # Errors
/// Where there is no manifest or something cannot be read.
pub(crate) fn verify_folder(
    dir: &Path,
    id: Option<&str>,
) -> Result<Result<Sealed, Vec<Alteration>>, FolderError> {
    let written = folder::finished(&dir.join(MANIFEST))?;
    let written = String::from_utf8_lossy(&written).into_owned();
    let mut altered = Vec::new();
    let listed = match parse(&written) {
        Ok(listed) => listed,
        Err(what) => {
            altered.push(Alteration::Manifest(what));
            // What can still be read of it tells more.
            written.lines().filter_map(line).collect()
        }
    };
    let mut present = BTreeMap::new();
    for name in files(dir)? {
        let hash = hash(dir, &name)?;
        match listed.get(&name) {
            None => altered.push(Alteration::Extra(name.clone())),
            Some(known) if *known != hash => altered.push(Alteration::Altered(name.clone())),
            Some(_) => {}
        }
        present.insert(name, hash);
    }
    let gone = listed.keys().filter(|name| !present.contains_key(*name));
    altered.extend(gone.map(|name| Alteration::Missing(name.clone())));
    let found = present.get(REPORT).cloned().unwrap_or_default();
    if id.is_some_and(|id| !id.eq_ignore_ascii_case(&found)) {
        altered.push(Alteration::Id(found.clone()));
    }
    if altered.is_empty() && text(&present) != written {
        altered.push(Alteration::Manifest("not what was written".to_owned()));
    }
    if altered.is_empty() {
        Ok(Ok(Sealed { id: found, files: present.len() }))
    } else {
        Ok(Err(altered))
    }
}

fn line(line: &str) -> Option<(String, String)> {
    let (hash, name) = line.split_once("  ")?;
    let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| (name.to_owned(), hash.to_owned()))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let Some((above, seal)) = text.strip_suffix('\n').and_then(|text| text.rsplit_once('\n'))
    else {
        return Err("its seal is missing".to_owned());
    };
    let above = format!("{above}\n");
    let sealed = seal.strip_prefix("# seal: ").ok_or("its seal is missing")?;
    if sealed != sha256_hex(above.as_bytes()) {
        return Err("its seal is broken: the manifest itself was altered".to_owned());
    }
    let mut listed = BTreeMap::new();
    for text in above.lines().filter(|line| !line.starts_with('#')) {
        let (name, hash) = line(text).ok_or_else(|| format!("the line '{text}' is none"))?;
        listed.insert(name, hash);
    }
    Ok(listed)
}
