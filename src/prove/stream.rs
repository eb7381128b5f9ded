//! A proof on its way to the checker, through a pipe or a file: never in memory as a whole.

use super::{Accepted, NotProved, Proof, Rejected};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// What a checker reads.
pub(super) type Reader = BufReader<Box<dyn Read>>;

/// Counts the bytes that pass.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(text)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A fifth larger than the default makes them, in 40 % of its time, which counts as the search's.
const PACKING: Compression = Compression::new(3);

/// Texts of at most so many bytes are handled in memory.
const SHORT: usize = 1 << 22;

/// A proof's text, if it is short.
fn text_of(proof: &Proof) -> Option<Vec<u8>> {
    struct Short(Vec<u8>);
    impl Write for Short {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            if self.0.len() + text.len() > SHORT {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.0.extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut text = Short(Vec::new());
    proof.write(&mut text).ok()?;
    Some(text.0)
}

fn in_memory(bytes: &[u8]) -> Reader {
    BufReader::with_capacity(bytes.len(), Box::new(Cursor::new(bytes.to_vec())))
}

/// The checker's verdict about a proof that is not kept; with it, the bytes of its text.
pub(super) fn through_pipe(
    proof: &Proof,
    check: impl FnOnce(Reader) -> Result<Accepted, Rejected>,
) -> Result<(Accepted, u64), NotProved> {
    if let Some(text) = text_of(proof) {
        let accepted = check(in_memory(&text)).map_err(NotProved::Rejected)?;
        return Ok((accepted, text.len() as u64));
    }
    let unwritten = |error| NotProved::NotWritten { file: PathBuf::from("a pipe"), error };
    let (reader, writer) = io::pipe().map_err(unwritten)?;
    std::thread::scope(|scope| {
        let write = move || {
            let mut out = Counted { inner: BufWriter::with_capacity(1 << 16, writer), bytes: 0 };
            // A checker that has read enough closes the pipe: its verdict is what counts.
            let _ = proof.write(&mut out).and_then(|()| out.flush());
            out.bytes
        };
        let writing = scope.spawn(write);
        let verdict = check(BufReader::with_capacity(1 << 16, Box::new(reader)));
        let bytes = writing.join().unwrap_or_default();
        Ok((verdict.map_err(NotProved::Rejected)?, bytes))
    })
}

/// The checker's verdict about a proof that stays in a file if it is accepted, gzipped where the name ends in `.gz`.
pub(super) fn through_file(
    proof: &Proof,
    file: &Path,
    check: impl FnOnce(Reader) -> Result<Accepted, Rejected>,
) -> Result<(Accepted, u64), NotProved> {
    let unwritten = |error| NotProved::NotWritten { file: file.to_owned(), error };
    let mut name = file.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let packed = file.extension().is_some_and(|extension| extension == "gz");
    if let Some(text) = text_of(proof) {
        let bytes = text.len() as u64;
        let text = if packed { pack(&text).map_err(unwritten)? } else { text };
        // The bytes that are checked are those that are written.
        let accepted = check(in_memory(&text)).map_err(NotProved::Rejected)?;
        let written = std::fs::write(&unfinished, &text);
        written.and_then(|()| std::fs::rename(&unfinished, file)).map_err(unwritten)?;
        return Ok((accepted, bytes));
    }
    let result = write_file(proof, &unfinished, packed)
        .and_then(|bytes| Ok((File::open(&unfinished)?, bytes)))
        .map_err(unwritten)
        .and_then(|(reader, bytes)| {
            let verdict = check(BufReader::with_capacity(1 << 16, Box::new(reader)));
            Ok((verdict.map_err(NotProved::Rejected)?, bytes))
        });
    match result {
        Ok(accepted) => {
            std::fs::rename(&unfinished, file).map_err(unwritten)?;
            Ok(accepted)
        }
        Err(error) => {
            // That nothing is left is a courtesy; the error says what happened.
            let _ = std::fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

fn pack(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), PACKING);
    encoder.write_all(text)?;
    encoder.finish()
}

fn write_file(proof: &Proof, file: &Path, packed: bool) -> io::Result<u64> {
    let file = BufWriter::with_capacity(1 << 16, File::create(file)?);
    if packed {
        let inner = GzEncoder::new(file, PACKING);
        let mut out = Counted { inner: BufWriter::with_capacity(1 << 16, inner), bytes: 0 };
        proof.write(&mut out)?;
        let encoder = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut file = encoder.finish()?;
        file.flush()?;
        Ok(out.bytes)
    } else {
        let mut out = Counted { inner: file, bytes: 0 };
        proof.write(&mut out)?;
        out.flush()?;
        Ok(out.bytes)
    }
}
