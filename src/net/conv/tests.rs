//! Convolutions against their matrices.

use super::super::linear::{LinearMap, check_three_maps};
use super::*;
use proptest::prelude::*;

/// The convolution as a matrix, straight from its definition.
fn expand(g: &ConvGeometry, kernels: &[f64]) -> Matrix {
    let [oh, ow] = g.output().unwrap();
    let (ci, co) = (g.input[0] / g.groups, g.channels / g.groups);
    let mut dense = Matrix::zeros(g.outputs(), g.inputs());
    for o in 0..g.channels {
        for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            for (c, ky, kx) in g.taps() {
                let iy = (y * g.stride[0] + ky * g.dilation[0]) as isize - g.pads[0] as isize;
                let ix = (x * g.stride[1] + kx * g.dilation[1]) as isize - g.pads[1] as isize;
                if iy < 0 || ix < 0 || iy >= g.input[1] as isize || ix >= g.input[2] as isize {
                    continue;
                }
                let input =
                    ((o / co * ci + c) * g.input[1] + iy as usize) * g.input[2] + ix as usize;
                let w = ((o * ci + c) * g.kernel[0] + ky) * g.kernel[1] + kx;
                dense[((o * oh + y) * ow + x, input)] += kernels[w];
            }
        }
    }
    dense
}

proptest! {
    #[test]
    fn a_convolution_is_its_matrix(
        groups in 1usize..3, ci in 1usize..3, co in 1usize..3, h in 1usize..6, w in 1usize..6,
        kernel in [1usize..4, 1usize..4], stride in [1usize..3, 1usize..3], dilation in [1usize..3, 1usize..3],
        pads in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
    ) {
        let geometry = ConvGeometry {
            input: [ci * groups, h, w], channels: co * groups, kernel, stride, dilation, pads, groups,
        };
        prop_assume!(geometry.output().is_some());
        let kernels: Vec<f64> =
            (0..geometry.fan_in() * geometry.channels).map(|i| ((i * 5) % 9) as f64 - 4.0).collect();
        let conv = Conv::new(geometry, &kernels).unwrap();
        check_three_maps(&LinearMap::Conv(conv), &expand(&geometry, &kernels));
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let geometry = ConvGeometry {
        input: [2, 2, 2],
        channels: 2,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pads: [0; 4],
        groups: 1,
    };
    assert_eq!(geometry.output(), None);
    assert!(Conv::new(ConvGeometry { kernel: [1, 1], ..geometry }, &[1.0; 3]).is_none());
    assert_eq!(ConvGeometry { kernel: [1, 1], groups: 3, ..geometry }.output(), None);
    assert_eq!(ConvGeometry { kernel: [1, 1], stride: [0, 1], ..geometry }.output(), None);
}
