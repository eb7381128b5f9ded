//! What stands in for file formats that a build leaves out: each refuses its files and names the feature that reads them.

use super::DatasetError;
use std::path::Path;

fn absent(file: &Path, feature: &'static str) -> DatasetError {
    DatasetError::NotBuilt { file: file.to_owned(), feature }
}

#[cfg(not(feature = "npz"))]
pub(super) mod npz {
    use super::{DatasetError, Path};
    use crate::load::budget::Budget;
    use crate::load::dataset::array::Array;

    pub(in crate::load::dataset) fn by_shape(
        file: &Path,
        _: &[u8],
        _: &Budget,
    ) -> Result<Option<(Array, Array)>, DatasetError> {
        Err(super::absent(file, "npz"))
    }

    pub(in crate::load::dataset) fn from_archive(
        file: &Path,
        _: &[u8],
        _: (&[&str], &'static str),
        _: &Budget,
    ) -> Result<Array, DatasetError> {
        Err(super::absent(file, "npz"))
    }
}

#[cfg(not(feature = "tables"))]
pub(super) mod csv {
    use super::{DatasetError, Path};
    use crate::load::budget::Budget;
    use crate::load::dataset::DataSettings;
    use crate::load::dataset::files::Labelled;

    pub(in crate::load::dataset) fn parse(
        file: &Path,
        _: &[u8],
        _: &DataSettings,
        _: &Budget,
    ) -> Result<Labelled, DatasetError> {
        Err(super::absent(file, "tables"))
    }
}

#[cfg(not(feature = "tables"))]
pub(super) mod settings_file {
    use super::DatasetError;
    use crate::load::SourceFile;
    use crate::load::dataset::sidecar::Value;
    use std::collections::BTreeMap;

    pub(in crate::load::dataset) fn read(
        file: &SourceFile,
    ) -> Result<BTreeMap<String, Value>, DatasetError> {
        Err(super::absent(&file.path, "tables"))
    }
}
