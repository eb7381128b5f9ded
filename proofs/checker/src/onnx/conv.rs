//! Convolutions and pooling.
use super::array::{Array, MOST};
use super::build::{Builder, Value, Variable};
use super::error::{Problem, unsupported};
use super::lower::Operation;
use crate::map::{Convolution, Map};
use std::sync::Arc;

/// Sliding windows over the axes of images; all lists have a number for each axis.
struct Windows {
    images: usize,
    channels: usize,
    input: Vec<usize>,
    output: Vec<usize>,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Windows {
    fn new(op: &Operation, x: &Variable, kernel: &[usize]) -> Result<Windows, Problem> {
        let axes = kernel.len();
        let &[images, channels, ref input @ ..] = x.shape.as_slice() else {
            return Err(Problem::Shape);
        };
        if input.len() != axes || axes == 0 {
            return Err(Problem::Shape);
        }
        let list = |name: &'static str, count: usize, default: usize| {
            let list = op
                .integers(name)?
                .map(|list| list.iter().map(|x| usize::try_from(*x).ok()).collect());
            let list: Option<Vec<usize>> = list.unwrap_or_else(|| Some(vec![default; count]));
            let fine = |list: &Vec<usize>| list.len() == count && list.iter().all(|x| *x < 1 << 20);
            list.filter(fine).ok_or(Problem::Operand(name))
        };
        let pads = list("pads", 2 * axes, 0)?;
        let mut w = Windows {
            images,
            channels,
            input: input.to_vec(),
            output: vec![0; axes],
            kernel: kernel.to_vec(),
            strides: list("strides", axes, 1)?,
            dilations: list("dilations", axes, 1)?,
            before: pads[..axes].to_vec(),
            after: pads[axes..].to_vec(),
        };
        let positive = w.strides.iter().chain(&w.dilations).chain(&w.kernel).all(|x| *x > 0);
        if !positive || w.kernel.iter().any(|k| *k >= 1 << 20) {
            return Err(Problem::Operand("sizes"));
        }
        w.place(op)?;
        Ok(w)
    }

    /// Automatic padding and the output's size.
    fn place(&mut self, op: &Operation) -> Result<(), Problem> {
        let automatic = op.text("auto_pad")?.unwrap_or(b"NOTSET");
        let pools = op.proto.operator != "Conv";
        let ceil = pools && op.switch("ceil_mode", false)?;
        for a in 0..self.input.len() {
            let reach = (self.kernel[a] - 1) * self.dilations[a] + 1;
            match automatic {
                b"NOTSET" => {}
                b"VALID" => (self.before[a], self.after[a]) = (0, 0),
                b"SAME_UPPER" | b"SAME_LOWER" => {
                    let count = self.input[a].div_ceil(self.strides[a]).max(1);
                    let needed = (count - 1) * self.strides[a] + reach;
                    // Whether dilations count here, and whether less than nothing is padded, is read in more than one way.
                    let odd = pools && (self.dilations[a] > 1 || needed < self.input[a]);
                    if odd || needed + 2 < self.input[a] {
                        return unsupported("SAME with dilations or wide strides");
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
                    return unsupported("automatic padding together with ceil_mode");
                }
                // A window that would begin in the padding after the image is left out.
                let begins = self.output[a] * self.strides[a] < self.input[a] + self.before[a];
                self.output[a] += usize::from(begins);
            }
        }
        let product = |list: &[usize]| list.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        let planes = self.images.checked_mul(self.channels);
        let all = product(&self.output).and_then(|n| n.checked_mul(planes?));
        match (all, product(&self.kernel)) {
            (Some(n), Some(taps)) if n <= MOST && n.saturating_mul(taps) <= 4 * MOST => Ok(()),
            _ => Err(Problem::TooLarge),
        }
    }

    fn shape(&self, channels: usize) -> Vec<usize> {
        [&[self.images, channels], self.output.as_slice()].concat()
    }

    /// For each window, in row-major order, its taps in row-major order: whether one lies in the padded image, and its place in the plane.
    fn taps(&self) -> Vec<Vec<(bool, Option<usize>)>> {
        let mut windows = vec![vec![(true, Some(0))]];
        for a in 0..self.input.len() {
            let end = self.before[a] + self.input[a] + self.after[a];
            let tap = |at: usize, k: usize| {
                let place = at * self.strides[a] + k * self.dilations[a];
                let inside = place.checked_sub(self.before[a]).filter(|i| *i < self.input[a]);
                (place < end, inside)
            };
            let one = |window: &Vec<(bool, Option<usize>)>, at: usize| {
                let mut longer = Vec::with_capacity(window.len() * self.kernel[a]);
                for (padded, place) in window {
                    for k in 0..self.kernel[a] {
                        let (own, inside) = tap(at, k);
                        let place = place.and_then(|p| Some(p * self.input[a] + inside?));
                        longer.push((*padded && own, place));
                    }
                }
                longer
            };
            let next = |window| (0..self.output[a]).map(move |at| (window, at));
            windows = windows.iter().flat_map(next).map(|(w, at)| one(w, at)).collect();
        }
        windows
    }

    /// For each output element the positions of its window that lie in the image, and how many lie in the padded image.
    fn windows(&self) -> Vec<(Vec<usize>, usize)> {
        let plane: usize = self.input.iter().product();
        let taps = self.taps();
        let one = |start: usize, window: &Vec<(bool, Option<usize>)>| {
            let list = window.iter().filter_map(|(_, place)| Some(start + (*place)?)).collect();
            (list, window.iter().filter(|(padded, _)| *padded).count())
        };
        let planes = 0..self.images * self.channels;
        planes.flat_map(|p| taps.iter().map(move |w| one(p * plane, w))).collect()
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
        let plane: usize = windows.output.iter().product();
        let bias: Vec<f64> = match op.optional_constant(2)? {
            Some(b) if b.shape == [*out_channels] => {
                b.data.iter().flat_map(|b| std::iter::repeat_n(*b, plane)).collect()
            }
            Some(_) => return Err(Problem::Shape),
            None => vec![0.0; out_channels * plane],
        };
        let axes = kernel.len();
        if windows.images > 1 || axes > 2 {
            return self.spelled_out(x, w, &windows, groups, bias);
        }
        // With one axis, the other one comes first.
        let two = |s: &[usize], first: usize| if let [a, b] = *s { [a, b] } else { [first, s[0]] };
        let map = Map::convolution(Convolution {
            channels: [*out_channels, windows.channels],
            input: two(&windows.input, 1),
            output: two(&windows.output, 1),
            kernel: two(&windows.kernel, 1),
            strides: two(&windows.strides, 1),
            dilations: two(&windows.dilations, 1),
            pads: two(&windows.before, 0),
            groups,
            weights: w.data.clone(),
        });
        let map = map.ok_or(Problem::Shape)?;
        self.affine(shape, vec![(x.node, Arc::new(map))], bias).map(Value::Variable)
    }

    /// A convolution of several images, or over more than two axes, weight by weight.
    fn spelled_out(
        &mut self,
        x: &Variable,
        w: &Array<f64>,
        windows: &Windows,
        groups: usize,
        bias: Vec<f64>,
    ) -> Result<Value, Problem> {
        let (channels, per_group) = (w.shape[0], w.shape[1]);
        let (taps, plane) = (windows.taps(), windows.input.iter().product::<usize>());
        let size: usize = windows.kernel.iter().product();
        if channels % groups != 0 {
            return Err(Problem::Shape);
        }
        let entries = windows.images * channels * taps.len();
        if entries.saturating_mul(per_group * size) > 4 * MOST {
            return Err(Problem::TooLarge);
        }
        let mut rows = Vec::with_capacity(entries);
        for n in 0..windows.images {
            for channel in 0..channels {
                let first = n * windows.channels + channel / (channels / groups) * per_group;
                for window in &taps {
                    let mut row = vec![];
                    for c in 0..per_group {
                        let weights = &w.data[(channel * per_group + c) * size..][..size];
                        for ((_, place), weight) in window.iter().zip(weights) {
                            row.extend(place.map(|place| ((first + c) * plane + place, *weight)));
                        }
                    }
                    rows.push(row);
                }
            }
        }
        let term = self.sparse(x.node, rows)?;
        let bias = (0..windows.images).flat_map(|_| bias.iter().copied()).collect();
        self.affine(windows.shape(channels), vec![term], bias).map(Value::Variable)
    }

    pub fn average_pool(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let windows = Windows::new(op, x, &kernel_shape(op)?)?;
        let with_padding = op.switch("count_include_pad", false)?;
        let size: usize = windows.kernel.iter().product();
        let row = |(list, padded): (Vec<usize>, usize)| {
            if list.is_empty() || with_padding && padded < size {
                return unsupported("a window that is all padding, or leaves it");
            }
            let weight = 1.0 / if with_padding { size } else { list.len() } as f64;
            Ok(list.into_iter().map(|p| (p, weight)).collect())
        };
        let rows = windows.windows().into_iter().map(row).collect::<Result<_, _>>()?;
        let term = self.sparse(x.node, rows)?;
        self.linear(windows.shape(windows.channels), term).map(Value::Variable)
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
        let term = self.sparse(x.node, planes.into_iter().map(row).collect())?;
        self.linear(shape, term).map(Value::Variable)
    }

    /// The convolution of an image of one or two axes, with strides of 1 and no padding.
    pub fn convolved(
        &mut self,
        x: &Variable,
        w: &Array<f64>,
        bias: Option<&Array<f64>>,
        (dilations, groups): (&[usize], usize),
        output: Vec<usize>,
    ) -> Result<Value, Problem> {
        let two = |s: &[usize], first: usize| if let [a, b] = *s { [a, b] } else { [first, s[0]] };
        let (channels, inputs) = (w.shape[0], x.shape[1]);
        let plane = super::array::small_volume(&output)?;
        let shape = [&[1, channels], output.as_slice()].concat();
        super::array::small_volume(&shape)?;
        let bias = match bias {
            Some(b) if b.shape == [channels] => {
                b.data.iter().flat_map(|b| std::iter::repeat_n(*b, plane)).collect()
            }
            Some(_) => return Err(Problem::Shape),
            None => vec![0.0; channels * plane],
        };
        let map = Map::convolution(Convolution {
            channels: [channels, inputs],
            input: two(&x.shape[2..], 1),
            output: two(&output, 1),
            kernel: two(&w.shape[2..], 1),
            strides: [1, 1],
            dilations: two(dilations, 1),
            pads: [0, 0],
            groups,
            weights: w.data.clone(),
        });
        let map = map.ok_or(Problem::Shape)?;
        self.affine(shape, vec![(x.node, Arc::new(map))], bias).map(Value::Variable)
    }

    /// The maximum of each list of positions, by rounds of pairwise maxima; one block a round.
    pub fn maxima(
        &mut self,
        x: &Variable,
        mut lists: Vec<Vec<usize>>,
        shape: Vec<usize>,
    ) -> Result<Value, Problem> {
        if lists.iter().any(Vec::is_empty) {
            return unsupported("a window that is all padding");
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
            let rows = pairs.iter().map(|[a, b]| vec![(*b, 1.0), (*a, -1.0)]).collect();
            let differences = self.sparse(source, rows)?;
            let z = self.linear(vec![pairs.len()], differences)?;
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
            let terms = vec![self.sparse(source, firsts)?, self.sparse(r.node, maxima)?];
            source = self.affine(vec![bias.len()], terms, bias)?.node;
        }
        let positions = lists.iter().map(|l| Some(l[0])).collect();
        let shape_of = vec![self.circuit.size(source)];
        let from = Variable { node: source, shape: shape_of, ..x.clone() };
        self.moved(&from, Array::new(x.kind, shape, positions)?, 0.0).map(Value::Variable)
    }
}

/// The input, for each channel the positions of its plane, and the output's shape.
type Planes<'o> = (&'o Variable, Vec<Vec<usize>>, Vec<usize>);

fn global<'o>(op: &'o Operation) -> Result<Planes<'o>, Problem> {
    let x = op.variable(0)?;
    let [images, channels, image @ ..] = x.shape.as_slice() else { return Err(Problem::Shape) };
    let plane = super::array::small_volume(image)?;
    let planes = (0..images * channels).map(|c| (c * plane..(c + 1) * plane).collect()).collect();
    let mut shape = vec![1; x.shape.len()];
    (shape[0], shape[1]) = (*images, *channels);
    Ok((x, planes, shape))
}
