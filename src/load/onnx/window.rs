//! Sliding windows of convolutions and pooling: kernel, strides, dilations, pads in all their spellings.

use super::call::Call;
use super::shape::{Problem, count, count_entries, strides};
use crate::load::NodeProblem;

/// The windows over the spatial axes of a tensor.
#[derive(Debug)]
pub struct Windows {
    /// Sizes of the spatial axes.
    pub input: Vec<usize>,
    /// Kernel size along each.
    pub kernel: Vec<usize>,
    /// Strides.
    pub strides: Vec<usize>,
    /// Dilations.
    pub dilations: Vec<usize>,
    /// Padding before the first element of each axis.
    pub before: Vec<usize>,
    /// Padding after the last.
    pub after: Vec<usize>,
    /// Number of windows along each axis.
    pub output: Vec<usize>,
}

/// Where a kernel tap of a window falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap {
    /// On the element with this flattened spatial index.
    Element(usize),
    /// On the padding.
    Padding,
    /// Beyond the padding, where the last window of `ceil_mode` may reach.
    Outside,
}

/// Sizes above this have no use and would overflow sums of them.
const LARGEST: i64 = 1 << 31;

fn bad(name: &'static str, found: &[i64], accepted: &'static str) -> NodeProblem {
    NodeProblem::Attribute { name, found: format!("{found:?}"), accepted }
}

/// A list attribute with one entry an axis (or two, for pads).
fn sizes(
    call: &Call,
    name: &'static str,
    number: usize,
    default: usize,
    least: i64,
) -> Problem<Vec<usize>> {
    let Some(values) = call.ints(name)? else { return Ok(vec![default; number]) };
    if values.len() != number || values.iter().any(|v| !(least..LARGEST).contains(v)) {
        return Err(bad(
            name,
            values,
            "one size for each spatial axis (pads: two), none negative, strides and dilations positive",
        ));
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

impl Windows {
    /// The windows of a node over spatial axes of the given sizes; `kernel` where it is no attribute.
    pub(super) fn new(call: &Call, input: &[usize], kernel: Option<&[usize]>) -> Problem<Self> {
        let axes = input.len();
        if axes == 0 {
            return Err(NodeProblem::Shapes {
                found: "without spatial axes".to_owned(),
                accepted: "(batch, channels, spatial axes…)",
            });
        }
        let kernel = match (kernel, call.ints("kernel_shape")?) {
            (Some(kernel), None) => kernel.to_vec(),
            (known, Some(_)) => {
                let declared = sizes(call, "kernel_shape", axes, 1, 1)?;
                if known.is_some_and(|known| known != declared) {
                    return Err(bad(
                        "kernel_shape",
                        call.ints("kernel_shape")?.unwrap_or(&[]),
                        "that of the weights",
                    ));
                }
                declared
            }
            (None, None) => return Err(bad("kernel_shape", &[], "one size for each spatial axis")),
        };
        if kernel.contains(&0) {
            return Err(bad("kernel_shape", &[0], "positive sizes"));
        }
        let mut windows = Self {
            input: input.to_vec(),
            kernel,
            strides: sizes(call, "strides", axes, 1, 1)?,
            dilations: sizes(call, "dilations", axes, 1, 1)?,
            before: vec![0; axes],
            after: vec![0; axes],
            output: Vec::new(),
        };
        windows.set_pads(call)?;
        let ceil = call.switch("ceil_mode", false)?;
        for axis in 0..axes {
            let out = windows.windows_along(axis, ceil).ok_or_else(|| NodeProblem::Shapes {
                found: format!("{input:?} under a kernel of {:?}", windows.kernel),
                accepted: "a kernel no larger than the padded tensor",
            })?;
            windows.output.push(out);
        }
        Ok(windows)
    }

    /// Refuses padding that follows from the size where taps lie apart, or where the last window ends before the tensor does:
    /// programs differ on what pooling means by it.
    pub(super) fn refuse_odd_same(&self, call: &Call) -> Problem<()> {
        let auto = call.text("auto_pad", "NOTSET")?;
        let short = |axis: usize| {
            let last = (self.input[axis] - 1) / self.strides[axis] * self.strides[axis];
            last + self.kernel[axis] < self.input[axis]
        };
        let odd = self.dilations.iter().any(|&d| d != 1) || (0..self.input.len()).any(short);
        if !auto.starts_with("SAME") || !odd {
            return Ok(());
        }
        let found = format!("{auto} with dilations, or strides that leave elements out at the end");
        Err(NodeProblem::Attribute { name: "auto_pad", found, accepted: "explicit pads" })
    }

    fn set_pads(&mut self, call: &Call) -> Problem<()> {
        let axes = self.input.len();
        let auto = call.text("auto_pad", "NOTSET")?;
        match auto.as_ref() {
            "NOTSET" | "" => {
                let pads = sizes(call, "pads", 2 * axes, 0, 0)?;
                self.before = pads[..axes].to_vec();
                self.after = pads[axes..].to_vec();
            }
            "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => {
                for axis in 0..axes {
                    let windows = self.input[axis].div_ceil(self.strides[axis]);
                    let needed = windows.saturating_sub(1) * self.strides[axis] + self.reach(axis);
                    if needed + 2 < self.input[axis] {
                        let found =
                            format!("{auto} with strides that leave elements out at the end");
                        let accepted = "explicit pads";
                        return Err(NodeProblem::Attribute { name: "auto_pad", found, accepted });
                    }
                    let total = needed.saturating_sub(self.input[axis]);
                    let (less, more) = (total / 2, total - total / 2);
                    let upper = auto == "SAME_UPPER";
                    (self.before[axis], self.after[axis]) =
                        if upper { (less, more) } else { (more, less) };
                }
            }
            other => {
                return Err(NodeProblem::Attribute {
                    name: "auto_pad",
                    found: other.to_owned(),
                    accepted: "NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                });
            }
        }
        Ok(())
    }

    /// Extent of the dilated kernel.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilations[axis]).saturating_add(1)
    }

    fn windows_along(&self, axis: usize, ceil: bool) -> Option<usize> {
        let padded = self.input[axis] + self.before[axis] + self.after[axis];
        let slack = padded.checked_sub(self.reach(axis))?;
        let stride = self.strides[axis];
        let mut windows = slack / stride + 1;
        // A last window that starts in the padding after the tensor does not count.
        if ceil && slack % stride != 0 && windows * stride < self.input[axis] + self.before[axis] {
            windows += 1;
        }
        Some(windows)
    }

    /// Number of windows and of taps in each, within the limits.
    pub(super) fn counts(&self, channels: usize) -> Problem<(usize, usize)> {
        let windows = count(&self.output)?;
        let taps = count(&self.kernel)?;
        count_entries(count_entries(windows, taps)?, channels)?;
        Ok((windows, taps))
    }

    /// For each window, row-major, its taps in row-major order of the kernel.
    pub(super) fn taps(&self) -> impl Iterator<Item = Vec<Tap>> + '_ {
        let steps = strides(&self.input);
        positions(&self.output).map(move |window| {
            positions(&self.kernel).map(|tap| self.tap(&window, &tap, &steps)).collect()
        })
    }

    fn tap(&self, window: &[usize], tap: &[usize], steps: &[isize]) -> Tap {
        let mut index = 0;
        let mut found = true;
        for axis in 0..self.input.len() {
            let padded = window[axis] * self.strides[axis] + tap[axis] * self.dilations[axis];
            if padded >= self.before[axis] + self.input[axis] + self.after[axis] {
                return Tap::Outside;
            }
            match padded.checked_sub(self.before[axis]).filter(|&i| i < self.input[axis]) {
                Some(i) => index += i * steps[axis].cast_unsigned(),
                None => found = false,
            }
        }
        if found { Tap::Element(index) } else { Tap::Padding }
    }
}

/// All multi-indices of a shape, row-major.
fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let total: usize = shape.iter().product();
    (0..total).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            (index[axis], flat) = (flat % shape[axis], flat / shape[axis]);
        }
        index
    })
}
