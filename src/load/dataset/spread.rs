//! Lists of settings, one value for all features, for each channel or for each feature, spread over the features.

use super::DatasetError;
use super::array::too_much;
use crate::load::budget::Budget;
use std::path::Path;

/// How a list of settings spreads over the features.
pub(super) struct Spread<'a> {
    pub file: &'a Path,
    pub shape: &'a [usize],
    pub features: usize,
    pub budget: &'a Budget,
}

impl Spread<'_> {
    pub(super) fn over<T: Clone>(
        &self,
        field: &'static str,
        values: Vec<T>,
    ) -> Result<Vec<T>, DatasetError> {
        let (found, features) = (values.len(), self.features);
        let channels = self.shape[0];
        if found == features {
            return Ok(values);
        }
        if found != 1 && found != channels {
            let file = self.file.to_owned();
            return Err(DatasetError::SettingLength { file, field, found, channels, features });
        }
        // Rationals have their digits elsewhere.
        self.budget
            .spend(features.saturating_mul(size_of::<T>() + 64))
            .map_err(too_much(self.file))?;
        Ok((0..features).map(|at| values[at * found / features].clone()).collect())
    }
}
