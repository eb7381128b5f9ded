//! Windows, products and index maps against their definitions, on random sizes.

mod common;

use common::onnx_writer::*;
use proptest::prelude::*;

/// One spatial axis of a window operator.
#[derive(Debug, Clone, Copy)]
struct Axis {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
}

impl Axis {
    /// Positions in the input that each window reads; −1 for padding, −2 beyond it. By ONNX's formula.
    fn windows(&self, ceil: bool) -> Vec<Vec<isize>> {
        let reach = self.dilation * (self.kernel - 1) + 1;
        let padded = self.size + self.before + self.after;
        let quotient = (padded - reach) as f64 / self.stride as f64;
        let mut number = 1 + if ceil { quotient.ceil() } else { quotient.floor() } as usize;
        if ceil && (number - 1) * self.stride >= self.size + self.before {
            number -= 1;
        }
        let read = |w: usize, k: usize| {
            let at = w * self.stride + k * self.dilation;
            match at.checked_sub(self.before) {
                _ if at >= padded => -2,
                Some(i) if i < self.size => i as isize,
                _ => -1,
            }
        };
        (0..number).map(|w| (0..self.kernel).map(|k| read(w, k)).collect()).collect()
    }
}

fn axis() -> impl Strategy<Value = Axis> {
    (1usize..7, 1usize..4, 1usize..4, 1usize..3, 0usize..3, 0usize..3)
        .prop_map(|(size, kernel, stride, dilation, before, after)| Axis {
            size,
            kernel,
            stride,
            dilation,
            before,
            after,
        })
        .prop_filter("fits", |a| a.size + a.before + a.after > a.dilation * (a.kernel - 1))
        // A window of padding alone has no maximum; the formulas are compared where there is one.
        .prop_filter("no window in the padding", |a| {
            [false, true].iter().all(|&c| a.windows(c).iter().all(|w| w.iter().any(|&i| i >= 0)))
        })
}

fn attributes(axes: &[Axis], ceil: bool, dilations: bool) -> Vec<rten_onnx::onnx::AttributeProto> {
    let list = |f: fn(&Axis) -> usize| axes.iter().map(|a| f(a) as i64).collect::<Vec<_>>();
    let mut attributes = vec![
        ints("kernel_shape", &list(|a| a.kernel)),
        ints("strides", &list(|a| a.stride)),
        ints("pads", &[list(|a| a.before), list(|a| a.after)].concat()),
    ];
    if dilations {
        attributes.push(ints("dilations", &list(|a| a.dilation)));
    }
    if ceil {
        attributes.push(int("ceil_mode", 1));
    }
    attributes
}

fn values(len: usize, seed: u64) -> Vec<f64> {
    let next =
        |s: u64| s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let states = std::iter::successors(Some(next(seed)), |&s| Some(next(s)));
    states.take(len).map(|s| ((s >> 40) as f64) / f64::from(1 << 20) - 8.0).collect()
}

fn close(found: &[f64], expected: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        prop_assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{:?} against {:?}", found, expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn pooling_follows_its_definition(
        channels in 1usize..3, rows in axis(), cols in axis(), ceil: bool, padding: bool, seed: u64,
    ) {
        let x = values(channels * rows.size * cols.size, seed);
        let dims = [1, channels as i64, rows.size as i64, cols.size as i64];
        let (mut maxima, mut means) = (Vec::new(), Vec::new());
        for c in 0..channels {
            for wr in rows.windows(ceil) {
                for wc in cols.windows(ceil) {
                    let taps: Vec<(isize, isize)> = wr.iter().flat_map(|&r| wc.iter().map(move |&c| (r, c))).collect();
                    let at = |&(r, k): &(isize, isize)| x[(c * rows.size + r as usize) * cols.size + k as usize];
                    let inside: Vec<f64> = taps.iter().filter(|(r, k)| *r >= 0 && *k >= 0).map(at).collect();
                    let counted = taps.iter().filter(|(r, k)| *r > -2 && *k > -2).count();
                    let n = if padding { counted } else { inside.len() };
                    maxima.push(inside.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                    means.push(inside.iter().sum::<f64>() / n as f64);
                }
            }
        }
        let shape = vec![1, channels, rows.windows(ceil).len(), cols.windows(ceil).len()];
        let max = Model::new(13, &dims).node("MaxPool", &["x"], "y", attributes(&[rows, cols], ceil, true)).run(&x);
        prop_assert_eq!(&max.0, &shape);
        close(&max.1, &maxima)?;
        let mut with = attributes(&[rows, cols], ceil, true);
        with.push(int("count_include_pad", i64::from(padding)));
        let mean = Model::new(19, &dims).node("AveragePool", &["x"], "y", with);
        // Programs differ on what a mean divides by whose window reaches beyond the padding.
        let beyond = [rows, cols].iter().any(|a| a.windows(ceil).concat().contains(&-2));
        if padding && beyond {
            let refused = matches!(mean.node_problem(), certus::internal::load::NodeProblem::Attribute { name: "ceil_mode", .. });
            prop_assert!(refused);
        } else {
            let mean = mean.run(&x);
            prop_assert_eq!(&mean.0, &shape);
            close(&mean.1, &means)?;
        }
    }

    #[test]
    fn convolution_follows_its_definition(
        groups in 1usize..3, inner in 1usize..3, outer in 1usize..3, rows in axis(), cols in axis(), flat: bool, seed: u64,
    ) {
        let one = Axis { size: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };
        let rows = if flat { one } else { rows };
        let (ci, co) = (groups * inner, groups * outer);
        let x = values(ci * rows.size * cols.size, seed);
        let w = values(co * inner * rows.kernel * cols.kernel, seed ^ 1);
        let b = values(co, seed ^ 2);
        let mut expected = Vec::new();
        for o in 0..co {
            for wr in rows.windows(false) {
                for wc in cols.windows(false) {
                    let mut sum = b[o];
                    for i in 0..inner {
                        for (kr, &r) in wr.iter().enumerate() {
                            for (kc, &c) in wc.iter().enumerate() {
                                if r >= 0 && c >= 0 {
                                    let channel = o / outer * inner + i;
                                    let at = (channel * rows.size + r as usize) * cols.size + c as usize;
                                    sum += x[at] * w[((o * inner + i) * rows.kernel + kr) * cols.kernel + kc];
                                }
                            }
                        }
                    }
                    expected.push(sum);
                }
            }
        }
        let axes = if flat { vec![cols] } else { vec![rows, cols] };
        let mut dims = vec![1, ci as i64];
        dims.extend(axes.iter().map(|a| a.size as i64));
        let mut kernel = vec![co as i64, inner as i64];
        kernel.extend(axes.iter().map(|a| a.kernel as i64));
        let mut with = attributes(&axes, false, true);
        with.push(int("group", groups as i64));
        let single = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let model = Model::new(13, &dims)
            .floats("w", &kernel, &single(&w))
            .floats("b", &[co as i64], &single(&b))
            .node("Conv", &["x", "w", "b"], "y", with);
        close(&model.run(&x).1, &expected)?;
    }

    #[test]
    fn same_padding_gives_one_window_a_stride(size in 1i64..9, kernel in 1i64..5, stride in 1i64..4, upper: bool) {
        let attributes = vec![
            ints("kernel_shape", &[kernel]),
            ints("strides", &[stride]),
            text("auto_pad", if upper { "SAME_UPPER" } else { "SAME_LOWER" }),
        ];
        let ones = vec![1.0; kernel as usize];
        let model = Model::new(13, &[1, 1, size]).floats("w", &[1, 1, kernel], &ones).node("Conv", &["x", "w"], "y", attributes);
        let windows = (size + stride - 1) / stride;
        let total = ((windows - 1) * stride + kernel - size).max(0);
        let before = if upper { total / 2 } else { total - total / 2 };
        let x: Vec<f64> = (0..size).map(|i| f64::from(1u32 << i)).collect();
        let expected: Vec<f64> = (0..windows)
            .map(|w| (0..kernel).map(|k| w * stride + k - before).filter(|i| (0..size).contains(i)).map(|i| x[i as usize]).sum())
            .collect();
        prop_assert_eq!(model.run(&x).1, expected);
    }

    #[test]
    fn products_follow_their_definition(
        stack in 1usize..3, m in 1usize..4, k in 1usize..4, n in 1usize..4, left: bool, wide: bool, seed: u64,
    ) {
        // Variable (stack, m, k) times constant (k, n) or (stack, k, n); or the constant from the left.
        let weight_stack = if wide { stack } else { 1 };
        let (r, c) = if left { (m, k) } else { (k, n) };
        let w = values(weight_stack * r * c, seed);
        let (xr, xc) = if left { (k, n) } else { (m, k) };
        let x = values(stack * xr * xc, seed ^ 1);
        let mut expected = Vec::new();
        for s in 0..stack {
            for i in 0..m {
                for j in 0..n {
                    let term = |l: usize| {
                        let ws = if wide { s * r * c } else { 0 };
                        let (wi, xi) = if left { (i * k + l, l * n + j) } else { (l * n + j, i * k + l) };
                        w[ws + wi] * x[s * xr * xc + xi]
                    };
                    expected.push((0..k).map(term).sum::<f64>());
                }
            }
        }
        let mut dims = vec![r as i64, c as i64];
        if wide {
            dims.insert(0, stack as i64);
        }
        let single: Vec<f32> = w.iter().map(|&v| v as f32).collect();
        let operands = if left { ["w", "x"] } else { ["x", "w"] };
        let model = Model::new(13, &[stack as i64, xr as i64, xc as i64])
            .floats("w", &dims, &single)
            .node("MatMul", &operands, "y", vec![]);
        let (shape, y) = model.run(&x);
        prop_assert_eq!(shape, vec![stack, m, n]);
        close(&y, &expected)?;
    }

    #[test]
    fn transpositions_follow_their_definition(dims in [1usize..4, 1..4, 1..4], order in Just([0usize, 1, 2]).prop_shuffle()) {
        let x: Vec<f64> = (0..dims.iter().product::<usize>()).map(|i| i as f64).collect();
        let turned = order.map(|a| dims[a]);
        let mut expected = Vec::new();
        for i in 0..turned[0] {
            for j in 0..turned[1] {
                for k in 0..turned[2] {
                    let mut at = [0; 3];
                    (at[order[0]], at[order[1]], at[order[2]]) = (i, j, k);
                    expected.push(x[(at[0] * dims[1] + at[1]) * dims[2] + at[2]]);
                }
            }
        }
        let perm = order.map(|a| a as i64);
        let model = Model::new(13, &dims.map(|d| d as i64)).node("Transpose", &["x"], "y", vec![ints("perm", &perm)]);
        prop_assert_eq!(model.run(&x), (turned.to_vec(), expected));
    }

    #[test]
    fn pads_follow_their_definition(size in 1i64..5, before in -2i64..4, after in -2i64..4) {
        prop_assume!(size + before + after > 0);
        let model = Model::new(13, &[size]).ints("p", &[before, after]).node("Pad", &["x", "p"], "y", vec![]);
        let x: Vec<f64> = (1..=size).map(|i| i as f64).collect();
        let expected: Vec<f64> = (-before..size + after)
            .map(|i| if (0..size).contains(&i) { x[i as usize] } else { 0.0 })
            .collect();
        prop_assert_eq!(model.run(&x).1, expected);
    }
}
