//! Records the commit that the program is built from, so that a report can name it.

use std::path::Path;
use std::process::Command;

/// What git says, where there is git and a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The commit of a checkout, marked where what is built has changed since; of a package, the one that it was made from.
fn commit() -> Option<String> {
    // A package below another project's repository has no history of its own.
    let own = Path::new(".git").exists();
    if let Some(commit) = git(&["rev-parse", "HEAD"]).filter(|_| own) {
        let changed = git(&[
            "status",
            "--porcelain",
            "--",
            "src",
            "proofs/checker/src",
            "Cargo.toml",
            "Cargo.lock",
        ]);
        let mark = if changed.is_none_or(|changed| !changed.is_empty()) { "-modified" } else { "" };
        return Some(commit + mark);
    }
    let package = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = package.split_once("\"sha1\"")?;
    rest.split('"').nth(1).map(str::to_owned)
}

fn main() {
    println!("cargo::rerun-if-env-changed=CERTUS_COMMIT");
    for watched in ["build.rs", "src", "proofs/checker/src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(file) =
            git(&["rev-parse", "--git-path", name]).filter(|file| Path::new(file).exists())
        {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    if std::env::var_os("CERTUS_COMMIT").is_none()
        && let Some(commit) = commit()
    {
        println!("cargo::rustc-env=CERTUS_COMMIT={commit}");
    }
}
