//! The question about one input of a dataset as VNN-LIB, in the units of the network's own inputs.

use super::Dataset;
use crate::load::write_vnnlib;
use crate::num::{Rational, from_f64};
use crate::spec::{Norm, RegionError};

impl Dataset {
    /// The claim that the label of input i is the largest output on the ball of radius eps around it, as VNN-LIB about a
    /// network with so many outputs. The same arguments give the same bytes.
    ///
    /// Where the settings normalise, the bounds are those of (x − mean)·(1/std), exact until they are written: the network's
    /// file knows nothing of the normalisation.
    ///
    /// # Errors
    /// Where eps is negative or the ball misses the domain.
    pub fn vnnlib(&self, i: usize, eps: &Rational, classes: usize) -> Result<String, RegionError> {
        self.region(i, Norm::Linf, eps)?;
        let mut bounds = self.bounds(i, eps)?;
        if let Some((mean, inverse_std)) = self.normalisation() {
            for ((low, high), (mean, inverse)) in
                bounds.iter_mut().zip(mean.iter().zip(inverse_std))
            {
                // The settings hold finite numbers only.
                let (Some(mean), Some(inverse)) = (from_f64(*mean), from_f64(inverse)) else {
                    continue;
                };
                let ends = [(&*low - &mean) * &inverse, (&*high - &mean) * &inverse];
                let [a, b] = ends;
                (*low, *high) = if a <= b { (a, b) } else { (b, a) };
            }
        }
        let data = self.hashes.first().map_or("", |(_, sha256)| sha256.as_str());
        let label = self.label(i);
        let comment = format!(
            "Is there an input within {eps} of input {i} (label {label}) where {label} is not the only largest output?\n\
             data sha-256 {data}"
        );
        Ok(write_vnnlib(&bounds, label, classes, &comment))
    }
}
