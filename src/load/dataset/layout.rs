//! Whether inputs have the shape that a network takes.

use super::{Dataset, DatasetError};

/// How shapes must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Axis by axis, axes of length 1 aside; a list of numbers agrees with every shape.
    Same,
    /// The numbers are in the network's order, whatever the shapes say.
    Flat,
}

impl Dataset {
    /// Checks that an input has the shape of the network's, axes of length 1 aside. A list of numbers agrees with every shape, and a
    /// network that takes a list with every input.
    ///
    /// # Errors
    /// Where they agree only when flattened, and the settings do not say that this is meant.
    pub fn check_shape(&self, network: &[usize]) -> Result<(), DatasetError> {
        let long = |shape: &[usize]| shape.iter().copied().filter(|d| *d != 1).collect::<Vec<_>>();
        let (own, wanted) = (long(&self.shape), long(network));
        let listed = own.len() < 2 || wanted.len() < 2;
        if listed || own == wanted || self.layout == Layout::Flat {
            return Ok(());
        }
        let file = self.file.clone();
        let order = order(&own, &wanted).filter(|_| own.len() == self.shape.len());
        Err(DatasetError::Layout { file, found: self.shape.clone(), expected: wanted, order })
    }
}

/// An order of axes in which one shape is another.
fn order(own: &[usize], wanted: &[usize]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = Vec::new();
    for size in wanted {
        let axis = (0..own.len()).find(|axis| own[*axis] == *size && !order.contains(axis))?;
        order.push(axis);
    }
    (order.len() == own.len()).then_some(order)
}
