//! Weights in files beside the model.
use super::error::Problem;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// The folder of the model, if it is a file.
pub struct Folder(pub Option<PathBuf>);

impl Folder {
    /// The bytes of a tensor whose place is described by `entries`; there must be `needed` of them.
    pub fn read(&self, entries: &[(&str, &str)], needed: usize) -> Result<Vec<u8>, Problem> {
        let of: BTreeMap<&str, &str> = entries.iter().copied().collect();
        let location = of.get("location").copied().unwrap_or_default();
        let fail = |what: String| Problem::External(format!("`{location}`: {what}"));
        let number = |key| of.get(key).map(|text| text.parse::<u64>()).transpose();
        let (Ok(offset), Ok(length), true) =
            (number("offset"), number("length"), of.len() == entries.len())
        else {
            return Err(fail("where the data are is not said once, in numbers".to_string()));
        };
        let offset = offset.unwrap_or(0);
        let path = self.resolve(location).map_err(fail)?;
        let io = |error: std::io::Error| fail(error.to_string());
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let found = length.unwrap_or(size.saturating_sub(offset));
        if found != needed as u64 || offset.checked_add(found).is_none_or(|end| end > size) {
            return Err(fail(format!(
                "the tensor takes {needed} bytes, the model says {found} from {offset} of a file of {size}"
            )));
        }
        let mut bytes = vec![];
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        file.take(found).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() == needed { Ok(bytes) } else { Err(fail("it became shorter".to_string())) }
    }

    /// The path of a file, which must lie in the model's folder or below, symbolic links followed.
    fn resolve(&self, location: &str) -> Result<PathBuf, String> {
        let folder = self.0.as_ref().ok_or("the model was not read from a folder")?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let outside = "it must be named by a relative path and lie in the model's folder or below";
        let relative = Path::new(location);
        let plain = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(plain) {
            return Err(outside.to_string());
        }
        let root = folder.canonicalize().map_err(|e| e.to_string())?;
        let path = root.join(relative).canonicalize().map_err(|e| e.to_string())?;
        match path.starts_with(&root) {
            true if path.is_file() => Ok(path),
            true => Err("it is no file".to_string()),
            false => Err(outside.to_string()),
        }
    }
}
