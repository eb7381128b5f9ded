//! Datasets of arrays in memory, checked as those of files are.

use super::array::{Array, too_much};
use super::{DataSettings, Dataset, DatasetError, npy};
use crate::load::budget::Budget;
use crate::load::sha256_hex;
use std::path::Path;

/// An array of NumPy's: the name of its type, such as `<f4` or `|u1`, its shape, and its bytes in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawArray {
    /// The name of its type.
    pub descr: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements in row-major order.
    pub bytes: Vec<u8>,
}

impl RawArray {
    /// SHA-256 of the type, the shape and the elements.
    fn sha256(&self) -> String {
        let head = format!("{} {:?}\n", self.descr, self.shape);
        sha256_hex(&[head.as_bytes(), &self.bytes].concat())
    }

    fn read(self, name: &Path, budget: &Budget) -> Result<Array, DatasetError> {
        budget.spend(self.bytes.len()).map_err(too_much(name))?;
        npy::plain(name, &self.descr, self.shape, self.bytes)
    }
}

impl Dataset {
    /// Inputs and labels that lie in memory; `names` stand for their files in messages and reports. No file is read: what they mean is what `settings` say.
    ///
    /// # Errors
    /// As [`Self::load`], of the arrays.
    pub fn from_arrays(
        names: [&str; 2],
        [inputs, labels]: [RawArray; 2],
        settings: &DataSettings,
    ) -> Result<Self, DatasetError> {
        let [inputs_name, labels_name] = names.map(Path::new);
        let hashes =
            vec![(names[0].to_owned(), inputs.sha256()), (names[1].to_owned(), labels.sha256())];
        let budget = Budget::new(inputs.bytes.len() + labels.bytes.len());
        let inputs = inputs.read(inputs_name, &budget)?;
        let labels = labels.read(labels_name, &budget)?.into_labels(labels_name, &budget)?;
        Self::new(inputs_name, inputs, labels, settings.clone(), hashes, &budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<const N: usize>(descr: &str, shape: &[usize], bytes: [&[u8]; N]) -> RawArray {
        RawArray { descr: descr.to_owned(), shape: shape.to_vec(), bytes: bytes.concat() }
    }

    #[test]
    fn arrays_in_memory_are_read_and_refused_as_files_are() {
        let settings = DataSettings { scale: "1/255".parse().ok(), ..DataSettings::default() };
        let inputs = raw("|u1", &[2, 3], [&[0, 51, 255, 1, 2, 3]]);
        let labels = raw(">i8", &[2], [&1i64.to_be_bytes(), &0i64.to_be_bytes()]);
        let of = |inputs: &RawArray, labels: &RawArray| {
            Dataset::from_arrays(["X", "y"], [inputs.clone(), labels.clone()], &settings)
        };
        let data = of(&inputs, &labels).unwrap();
        assert_eq!((data.len(), data.features(), data.labels()), (2, 3, &[1, 0][..]));
        assert_eq!(data.point(0), [0.0, 0.2, 1.0]);
        assert_eq!(data.sha256()[1].0, "y");
        let said =
            |inputs: &RawArray, labels: &RawArray| of(inputs, labels).unwrap_err().to_string();
        let half = raw("<f8", &[2], [&0.5f64.to_le_bytes(), &1f64.to_le_bytes()]);
        assert!(said(&inputs, &half).starts_with("y: row 0: the label '0.5'"));
        let nan = raw("<f4", &[2, 1], [&f32::NAN.to_le_bytes(), &1f32.to_le_bytes()]);
        assert_eq!(said(&nan, &labels), "X: row 0, column 0: NaN or infinite");
        assert!(said(&raw("<c8", &[2, 1], [&[0; 16]]), &labels).contains("elements of type <c8"));
        assert!(said(&raw("|u1", &[2, 9], [&[0; 6]]), &labels).contains("6 bytes of data"));
        let other = raw("|u1", &[3, 2], [&[0, 51, 255, 1, 2, 3]]);
        assert_ne!(inputs.sha256(), other.sha256());
        assert!(said(&other, &labels).starts_with("X: 3 inputs but 2 labels"));
    }
}
