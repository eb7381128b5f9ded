//! Convolutions and pooling over one or two spatial axes.
use super::array::{Array, MOST};
use super::build::{Builder, Value, Variable};
use super::error::Problem;
use super::lower::Operation;
use crate::map::{Convolution, Map};
use std::sync::Arc;

/// Sliding windows over an image; with one spatial axis the height is 1.
struct Windows {
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
    spatial: usize,
}

impl Windows {
    fn new(op: &Operation, x: &Variable, kernel: &[usize]) -> Result<Windows, Problem> {
        let spatial = kernel.len();
        let (1, &[batch, channels, ref image @ ..]) = (1, x.shape.as_slice()) else {
            return Err(Problem::Shape);
        };
        if batch != 1 || image.len() != spatial || !(1..=2).contains(&spatial) {
            return Err(Problem::Unsupported("anything but one image with one or two axes"));
        }
        let size = |x: i64| {
            usize::try_from(x).ok().filter(|x| *x < 1 << 20).ok_or(Problem::Operand("sizes"))
        };
        // Lists over the spatial axes, with the axis that is not there in front.
        let list = |name: &'static str, default: usize| -> Result<[usize; 2], Problem> {
            let mut out = [1, default];
            match op.integers(name)? {
                None => Ok([if spatial == 2 { default } else { 1 }, default]),
                Some(l) if l.len() == spatial => {
                    for (i, x) in l.iter().enumerate() {
                        out[2 - spatial + i] = size(*x)?;
                    }
                    Ok(out)
                }
                Some(_) => Err(Problem::Operand("sizes")),
            }
        };
        let lead = |s: &[usize]| if spatial == 2 { [s[0], s[1]] } else { [1, s[0]] };
        let mut w = Windows {
            channels,
            input: lead(image),
            output: [0; 2],
            kernel: lead(kernel),
            strides: list("strides", 1)?,
            dilations: list("dilations", 1)?,
            before: [0; 2],
            after: [0; 2],
            spatial,
        };
        let positive = w.strides.iter().chain(&w.dilations).chain(&w.kernel).all(|x| *x > 0);
        if !positive || w.kernel.iter().any(|k| *k >= 1 << 20) {
            return Err(Problem::Operand("sizes"));
        }
        if let Some(pads) = op.integers("pads")? {
            if pads.len() != 2 * spatial {
                return Err(Problem::Operand("pads"));
            }
            for i in 0..spatial {
                w.before[2 - spatial + i] = size(pads[i])?;
                w.after[2 - spatial + i] = size(pads[spatial + i])?;
            }
        }
        w.place(op)?;
        Ok(w)
    }

    /// Automatic padding and the output's size.
    fn place(&mut self, op: &Operation) -> Result<(), Problem> {
        let automatic = op.text("auto_pad")?.unwrap_or(b"NOTSET");
        let pools = op.proto.operator != "Conv";
        let ceil = pools && op.integer("ceil_mode", 0)? != 0;
        for a in 0..2 {
            let reach = (self.kernel[a] - 1) * self.dilations[a] + 1;
            match automatic {
                b"NOTSET" => {}
                b"VALID" => (self.before[a], self.after[a]) = (0, 0),
                b"SAME_UPPER" | b"SAME_LOWER" => {
                    let count = self.input[a].div_ceil(self.strides[a]).max(1);
                    let needed = (count - 1) * self.strides[a] + reach;
                    // Whether dilations count here, and whether less than nothing is padded, is read in more than one way.
                    if pools && (self.dilations[a] > 1 || needed < self.input[a]) {
                        return Err(Problem::Unsupported("SAME with dilations or wide strides"));
                    }
                    let total = needed.saturating_sub(self.input[a]);
                    let less = total / 2;
                    let lower = automatic == b"SAME_LOWER";
                    self.before[a] = if lower { total - less } else { less };
                    self.after[a] = total - self.before[a];
                }
                _ => return Err(Problem::Operand("auto_pad")),
            }
            let room = self.input[a] + self.before[a] + self.after[a];
            let room = room.checked_sub(reach).ok_or(Problem::Shape)?;
            self.output[a] = room / self.strides[a] + 1;
            if ceil && room % self.strides[a] != 0 {
                if automatic != b"NOTSET" {
                    return Err(Problem::Unsupported("automatic padding together with ceil_mode"));
                }
                // A window that would begin in the padding after the image is left out.
                let begins = self.output[a] * self.strides[a] < self.input[a] + self.before[a];
                self.output[a] += usize::from(begins);
            }
        }
        let all = self.output[0].checked_mul(self.output[1]);
        let taps = self.kernel[0].checked_mul(self.kernel[1]);
        match (all.and_then(|n| n.checked_mul(self.channels)), taps) {
            (Some(n), Some(taps)) if n <= MOST && n.saturating_mul(taps) <= 4 * MOST => Ok(()),
            _ => Err(Problem::TooLarge),
        }
    }

    fn shape(&self, channels: usize) -> Vec<usize> {
        let mut shape = vec![1, channels];
        shape.extend(&self.output[2 - self.spatial..]);
        shape
    }

    /// For each output element the positions of its window that lie in the image, and how many lie in the padded image.
    fn windows(&self) -> Vec<(Vec<usize>, usize)> {
        let mut out = vec![];
        for channel in 0..self.channels {
            for y in 0..self.output[0] {
                for x in 0..self.output[1] {
                    out.push(self.window(channel, y, x));
                }
            }
        }
        out
    }

    fn window(&self, channel: usize, y: usize, x: usize) -> (Vec<usize>, usize) {
        let (mut list, mut padded) = (vec![], 0);
        for ky in 0..self.kernel[0] {
            let row = y * self.strides[0] + ky * self.dilations[0];
            for kx in 0..self.kernel[1] {
                let column = x * self.strides[1] + kx * self.dilations[1];
                let within =
                    |at: usize, a: usize| at < self.before[a] + self.input[a] + self.after[a];
                padded += usize::from(within(row, 0) && within(column, 1));
                let inside = |at: usize, a: usize| {
                    at >= self.before[a] && at < self.before[a] + self.input[a]
                };
                if inside(row, 0) && inside(column, 1) {
                    let row = channel * self.input[0] + row - self.before[0];
                    list.push(row * self.input[1] + column - self.before[1]);
                }
            }
        }
        (list, padded)
    }
}

fn kernel_shape(op: &Operation) -> Result<Vec<usize>, Problem> {
    let kernel = op.integers("kernel_shape")?.ok_or(Problem::Operand("kernel_shape"))?;
    let size = |k: &i64| usize::try_from(*k).map_err(|_| Problem::Operand("kernel_shape"));
    kernel.iter().map(size).collect()
}

impl Builder {
    pub fn convolution(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, w) = (op.variable(0)?, op.constant(1)?);
        let [out_channels, per_group, kernel @ ..] = w.shape.as_slice() else {
            return Err(Problem::Shape);
        };
        if op.integers("kernel_shape")?.is_some() && kernel_shape(op)? != kernel {
            return Err(Problem::Operand("kernel_shape"));
        }
        let windows = Windows::new(op, x, kernel)?;
        let groups =
            usize::try_from(op.integer("group", 1)?).map_err(|_| Problem::Operand("group"))?;
        if per_group.checked_mul(groups) != Some(windows.channels) || groups == 0 {
            return Err(Problem::Shape);
        }
        let shape = windows.shape(*out_channels);
        super::array::small_volume(&shape)?;
        let plane = windows.output[0] * windows.output[1];
        let bias = match op.optional_constant(2)? {
            Some(b) if b.shape == [*out_channels] => {
                b.data.iter().flat_map(|b| std::iter::repeat_n(*b, plane)).collect()
            }
            Some(_) => return Err(Problem::Shape),
            None => vec![0.0; out_channels * plane],
        };
        let map = Map::convolution(Convolution {
            channels: [*out_channels, windows.channels],
            input: windows.input,
            output: windows.output,
            kernel: windows.kernel,
            strides: windows.strides,
            dilations: windows.dilations,
            pads: windows.before,
            groups,
            weights: w.data.clone(),
        });
        let map = map.ok_or(Problem::Shape)?;
        Ok(Value::Variable(self.affine(shape, vec![(x.node, Arc::new(map))], bias)?))
    }

    pub fn average_pool(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let windows = Windows::new(op, x, &kernel_shape(op)?)?;
        let with_padding = op.integer("count_include_pad", 0)? != 0;
        let size = windows.kernel[0] * windows.kernel[1];
        let row = |(list, padded): (Vec<usize>, usize)| {
            if list.is_empty() || with_padding && padded < size {
                return Err(Problem::Unsupported("a window that is all padding, or leaves it"));
            }
            let weight = 1.0 / if with_padding { size } else { list.len() } as f64;
            Ok(list.into_iter().map(|p| (p, weight)).collect())
        };
        let rows = windows.windows().into_iter().map(row).collect::<Result<_, _>>()?;
        let map = Map::sparse(self.circuit.size(x.node), rows);
        self.linear(x, map, windows.shape(windows.channels))
    }

    pub fn max_pool(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let windows = Windows::new(op, x, &kernel_shape(op)?)?;
        let lists = windows.windows().into_iter().map(|(list, _)| list).collect();
        self.maxima(x, lists, windows.shape(windows.channels))
    }

    pub fn global_max_pool(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, planes, shape) = global(op)?;
        self.maxima(x, planes, shape)
    }

    pub fn global_average_pool(&mut self, op: &Operation) -> Result<Value, Problem> {
        let (x, planes, shape) = global(op)?;
        let row = |plane: Vec<usize>| {
            let weight = 1.0 / plane.len() as f64;
            plane.into_iter().map(|p| (p, weight)).collect()
        };
        let rows = planes.into_iter().map(row).collect();
        self.linear(x, Map::sparse(self.circuit.size(x.node), rows), shape)
    }

    /// The maximum of each list of positions, by rounds of pairwise maxima; one block a round.
    fn maxima(
        &mut self,
        x: &Variable,
        mut lists: Vec<Vec<usize>>,
        shape: Vec<usize>,
    ) -> Result<Value, Problem> {
        if lists.iter().any(Vec::is_empty) {
            return Err(Problem::Unsupported("a window that is all padding"));
        }
        if let Some(found) = self.hinged_maxima(x, &lists, &shape)? {
            return Ok(found);
        }
        // A constant comes first in its pair.
        if let Some((operands, from)) = self.hinges.joined.get(&x.node) {
            let constant = |i: usize| matches!(operands[from[i].0], Value::Constant(_));
            for pair in lists.iter_mut().flat_map(|l| l.chunks_exact_mut(2)) {
                if constant(pair[1]) && !constant(pair[0]) {
                    pair.swap(0, 1);
                }
            }
        }
        let mut source = x.node;
        while lists.iter().any(|l| l.len() > 1) {
            let pairs: Vec<[usize; 2]> =
                lists.iter().flat_map(|l| l.chunks_exact(2).map(|p| [p[0], p[1]])).collect();
            let count = self.circuit.size(source);
            let rows = pairs.iter().map(|[a, b]| vec![(*b, 1.0), (*a, -1.0)]).collect();
            let map = Map::sparse(count, rows).ok_or(Problem::TooLarge)?;
            let z = self.affine(
                vec![pairs.len()],
                vec![(source, Arc::new(map))],
                vec![0.0; pairs.len()],
            )?;
            let r = self.relu(&z)?;
            // The next round's elements: the first of each pair plus its ReLU, and the odd last ones.
            let (mut firsts, mut maxima) = (vec![], vec![]);
            let mut pair = 0;
            for list in &mut lists {
                let start = firsts.len();
                for chunk in list.chunks(2) {
                    firsts.push(vec![(chunk[0], 1.0)]);
                    maxima.push(if chunk.len() == 2 { vec![(pair, 1.0)] } else { vec![] });
                    pair += chunk.len() - 1;
                }
                *list = (start..firsts.len()).collect();
            }
            let bias = vec![0.0; firsts.len()];
            let first = Map::sparse(count, firsts).ok_or(Problem::TooLarge)?;
            let second = Map::sparse(pairs.len(), maxima).ok_or(Problem::TooLarge)?;
            let terms = vec![(source, Arc::new(first)), (r.node, Arc::new(second))];
            source = self.affine(vec![bias.len()], terms, bias)?.node;
        }
        let positions = lists.iter().map(|l| Some(l[0])).collect();
        let from = Variable { node: source, shape: vec![self.circuit.size(source)], kind: x.kind };
        self.moved(&from, Array::new(x.kind, shape, positions)?, 0.0)
    }
}

/// The input, for each channel the positions of its plane, and the output's shape.
type Planes<'o> = (&'o Variable, Vec<Vec<usize>>, Vec<usize>);

fn global<'o>(op: &'o Operation) -> Result<Planes<'o>, Problem> {
    let x = op.variable(0)?;
    let [1, channels, image @ ..] = x.shape.as_slice() else { return Err(Problem::Shape) };
    let plane = super::array::small_volume(image)?;
    let planes = (0..*channels).map(|c| (c * plane..(c + 1) * plane).collect()).collect();
    let mut shape = vec![1; x.shape.len()];
    shape[1] = *channels;
    Ok((x, planes, shape))
}
