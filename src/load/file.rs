//! Reading whole files: transparently unzipped, hashed as they lie on disk, with errors that name the file.

use super::budget::{Budget, Exceeded};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum FileError {
    /// There is no such file.
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{}: the file is empty", .0.display())]
    Empty(PathBuf),
    /// What stands for a file until it is fetched.
    #[error("{}: this is a pointer of Git LFS to a file that was not fetched; 'git lfs pull' fetches it", .0.display())]
    Pointer(PathBuf),
    /// The gzip stream is damaged.
    #[error("{}: damaged gzip stream: {source}", file.display())]
    Gzip {
        /// The file.
        file: PathBuf,
        /// What the decompressor said.
        source: io::Error,
    },
    /// More than memory should hold.
    #[error("{}: {exceeded}", file.display())]
    Memory {
        /// The file.
        file: PathBuf,
        /// The limit.
        exceeded: Exceeded,
    },
}

/// A file's content, unzipped if it was gzipped, and the SHA-256 of the file as it is on disk.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it was read.
    pub path: PathBuf,
    /// The content, unzipped.
    pub bytes: Vec<u8>,
    /// SHA-256 of the stored bytes, in hexadecimal.
    pub sha256: String,
    /// Number of bytes on disk.
    pub stored: usize,
}

impl SourceFile {
    /// Reads a file; gzip is recognised by its first two bytes, not by the name.
    ///
    /// # Errors
    /// Where it is missing, unreadable, or a damaged gzip stream.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let stored = std::fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
            _ => FileError::Io { file: path.to_owned(), source },
        })?;
        if stored.is_empty() {
            return Err(FileError::Empty(path.to_owned()));
        }
        if stored.starts_with(b"version https://git-lfs.github.com/spec/") {
            return Err(FileError::Pointer(path.to_owned()));
        }
        let sha256 = sha256_hex(&stored);
        let size = stored.len();
        let bytes = if stored.starts_with(&[0x1f, 0x8b]) {
            let unzipped =
                read_all(&mut MultiGzDecoder::new(stored.as_slice()), &Budget::new(size));
            unzipped
                .map_err(|source| FileError::Gzip { file: path.to_owned(), source })?
                .map_err(|exceeded| FileError::Memory { file: path.to_owned(), exceeded })?
        } else {
            stored
        };
        Ok(Self { path: path.to_owned(), bytes, sha256, stored: size })
    }

    /// What understanding the content may take.
    pub(super) fn budget(&self) -> Budget {
        let budget = Budget::new(self.stored);
        // As much fitted in before.
        let _ = budget.spend(self.bytes.len().saturating_sub(self.stored));
        budget
    }
}

/// Reads to the end, as far as the budget goes. In blocks: a vector that grows has twice its size while it moves.
pub(super) fn read_all(
    from: &mut impl Read,
    budget: &Budget,
) -> io::Result<Result<Vec<u8>, Exceeded>> {
    const BLOCK: usize = 1 << 25;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::with_capacity(if blocks.is_empty() { 0 } else { BLOCK });
        let read = from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if let Err(exceeded) = budget.spend(read) {
            return Ok(Err(exceeded));
        }
        blocks.push(block);
        if read < BLOCK {
            break;
        }
    }
    if blocks.len() == 1 {
        return Ok(Ok(blocks.remove(0)));
    }
    let mut bytes = Vec::with_capacity(blocks.iter().map(Vec::len).sum());
    blocks.into_iter().for_each(|block| bytes.extend_from_slice(&block));
    Ok(Ok(bytes))
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
