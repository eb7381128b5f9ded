//! Sliding windows of convolutions and pooling: kernel, strides, dilations, pads in all their spellings.

use super::call::Call;
use super::rearrange::positions;
use super::shape::{Problem, count, count_entries, misfit, strides};
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

/// The elements among a window's taps.
pub fn elements(taps: &[Tap]) -> Vec<usize> {
    let element = |tap: &Tap| if let Tap::Element(index) = tap { Some(*index) } else { None };
    taps.iter().filter_map(element).collect()
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

    /// The windows of a pool over the spatial axes of a tensor, and its number of planes.
    pub(super) fn of_pool(call: &Call, shape: &[usize]) -> Problem<(Self, usize)> {
        if shape.len() < 3 {
            return Err(misfit(&[shape], "(batch, channels, spatial axes…)"));
        }
        let windows = Self::new(call, &shape[2..], None)?;
        windows.refuse_odd_same(call)?;
        Ok((windows, shape[0] * shape[1]))
    }

    /// The windows of a transposed convolution with stride 1 over the elements moved apart, and where along each axis these come from.
    pub(super) fn transposed(
        call: &Call,
        input: &[usize],
        kernel: &[usize],
    ) -> Problem<(Self, Vec<Vec<Option<usize>>>)> {
        let axes = input.len();
        if call.ints("kernel_shape")?.is_some()
            && sizes(call, "kernel_shape", axes, 1, 1)? != kernel
        {
            return Err(bad(
                "kernel_shape",
                call.ints("kernel_shape")?.unwrap_or(&[]),
                "that of the weights",
            ));
        }
        let (strides, dilations) =
            (sizes(call, "strides", axes, 1, 1)?, sizes(call, "dilations", axes, 1, 1)?);
        let more = sizes(call, "output_padding", axes, 0, 0)?;
        let mut pads = sizes(call, "pads", 2 * axes, 0, 0)?;
        let auto = call.text("auto_pad", "NOTSET")?;
        let shape = match call.ints("output_shape")? {
            None => None,
            // Some files have the batch and the channels before.
            Some(all) if all.len() == axes + 2 => Some(all[2..].to_vec()),
            Some(all) if all.len() == axes => Some(all.to_vec()),
            Some(all) => return Err(bad("output_shape", all, "one size for each spatial axis")),
        };
        let (mut wide, mut output, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for a in 0..axes {
            let reach = (kernel[a] - 1).saturating_mul(dilations[a]).saturating_add(1);
            let full = (input[a] - 1)
                .saturating_mul(strides[a])
                .saturating_add(reach)
                .saturating_add(more[a]);
            let size = match (&shape, auto.as_ref()) {
                (Some(shape), _) => Some(shape[a]),
                (None, "SAME_UPPER" | "SAME_LOWER") => Some((input[a] * strides[a]) as i64),
                _ => None,
            };
            if let Some(size) = size {
                // What is too much is cut off at both ends, and what is too little added.
                let total = full as i64 - size;
                if !(0..LARGEST).contains(&total) || size < 1 {
                    return Err(bad(
                        "output_shape",
                        &[size],
                        "sizes no larger than without padding",
                    ));
                }
                let (less, greater) = (total as usize / 2, total as usize - total as usize / 2);
                let upper = auto == "SAME_UPPER";
                (pads[a], pads[axes + a]) = if upper { (less, greater) } else { (greater, less) };
            }
            let out = full.checked_sub(pads[a]).and_then(|n| n.checked_sub(pads[axes + a]));
            let out = out.filter(|&n| n > 0 && n < LARGEST as usize).ok_or_else(|| {
                bad("pads", &[pads[a] as i64, pads[axes + a] as i64], "less than the result's size")
            })?;
            let width = out + reach - 1;
            count(&[width])?;
            let mut from = vec![None; width];
            for i in 0..input[a] {
                // Where the last tap of the first window that meets it lies.
                if let Some(at) = (i * strides[a] + reach - 1).checked_sub(pads[a])
                    && at < width
                {
                    from[at] = Some(i);
                }
            }
            wide.push(width);
            output.push(out);
            places.push(from);
        }
        let (ones, none) = (vec![1; axes], vec![0; axes]);
        let windows = Self {
            input: wide,
            kernel: kernel.to_vec(),
            strides: ones,
            dilations,
            before: none.clone(),
            after: none,
            output,
        };
        Ok((windows, places))
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
