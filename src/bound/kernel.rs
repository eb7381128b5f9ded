//! Inner loops of slope optimisation over the neurons of one column, without branches, compiled as those of [`crate::net::kernel`].

use crate::net::kernel::vectorised;

/// Adam's decays, the correction of the iteration and the size of its step.
#[derive(Clone, Copy)]
pub struct Adam {
    /// Decay of the first moments.
    pub b1: f64,
    /// Decay of the second moments.
    pub b2: f64,
    /// What corrects the bias of first moment / √second moment.
    pub correction: f64,
    /// The step.
    pub step: f64,
}

/// What the derivative by a slope depends on: its neuron's coefficient, value and interval.
#[derive(Clone, Copy)]
pub struct Neurons<'a> {
    /// Coefficients.
    pub a: &'a [f64],
    /// Pre-activations at the minimiser.
    pub z: &'a [f64],
    /// Lower ends.
    pub lower: &'a [f64],
    /// Upper ends.
    pub upper: &'a [f64],
}

/// Adding this to a number of [0, 1] and taking it away again leaves the nearest multiple of 2⁻²⁴, which single precision holds.
const SHORT: f64 = (1u64 << 28) as f64;

/// One projected Adam step of the slopes of unstable neurons; the derivative is a·z where a > 0. One that is not finite moves nothing.
/// Slopes become multiples of 2⁻²⁴: what a proof says of them is what was used.
pub fn step(neurons: Neurons, adam: Adam, moments: [&mut [f64]; 2], slopes: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            let n = slopes.len();
            let [first, second] = moments;
            let (first, second) = (&mut first[..n], &mut second[..n]);
            let (a, z) = (&neurons.a[..n], &neurons.z[..n]);
            let (lower, upper) = (&neurons.lower[..n], &neurons.upper[..n]);
            let Adam { b1, b2, correction, step } = adam;
            for i in 0..n {
                let gradient = if a[i] > 0.0 { a[i] * z[i] } else { 0.0 };
                let moves = (lower[i] < 0.0) & (upper[i] > 0.0) & (gradient.abs() < f64::INFINITY);
                let m = b1 * first[i] + (1.0 - b1) * gradient;
                let v = b2 * second[i] + (1.0 - b2) * gradient * gradient;
                let direction = if v > 0.0 { correction * m / v.sqrt() } else { 0.0 };
                let slope = (slopes[i] + step * direction).clamp(0.0, 1.0) + SHORT - SHORT;
                first[i] = if moves { m } else { first[i] };
                second[i] = if moves { v } else { second[i] };
                slopes[i] = if moves { slope } else { slopes[i] };
            }
        },
    )
}

/// The lines of ReLUs.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    /// Slopes of lower lines, by default.
    pub lower: &'a [f64],
    /// Slopes of lower lines of unstable neurons.
    pub slopes: &'a [f64],
    /// Slopes of upper lines.
    pub upper: &'a [f64],
    /// Intercepts of upper lines, 0 of stable neurons.
    pub intercept: &'a [f64],
}

/// The values of the lines that a sweep chose, by the signs of coefficients a, at pre-activations z.
pub fn follow(a: &[f64], z: &[f64], lines: Lines, y: &mut [f64]) {
    vectorised(
        #[inline(always)]
        || {
            let n = y.len();
            let (a, z, lower, slopes) = (&a[..n], &z[..n], &lines.lower[..n], &lines.slopes[..n]);
            let (upper, intercept) = (&lines.upper[..n], &lines.intercept[..n]);
            for i in 0..n {
                let slope = if intercept[i] == 0.0 { lower[i] } else { slopes[i] };
                let above = upper[i] * z[i] + intercept[i];
                y[i] = if a[i] < 0.0 { above } else { z[i] * slope };
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slopes_of_unstable_neurons_move() {
        let neurons = Neurons {
            a: &[1.0, 1.0, -1.0, 1.0, f64::INFINITY, 1.0, 1.0, 2.0, 1.0],
            z: &[0.5, -0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.25, f64::NAN],
            lower: &[-1.0, -1.0, -1.0, 0.0, -1.0, -1.0, -1.0, -1.0, -1.0],
            upper: &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
        };
        let adam = Adam { b1: 0.5, b2: 0.5, correction: 2f64.sqrt(), step: 0.25 };
        let (mut first, mut second, mut slopes) = ([0.0; 9], [0.0; 9], [0.5; 9]);
        slopes[7] = 0.875;
        step(neurons, adam, [&mut first, &mut second], &mut slopes);
        // The first step is ±√½·√2 times its size whatever the derivative's.
        let moved = |i: usize, to: f64| (slopes[i] - to).abs() < 1e-15;
        assert!(moved(0, 0.75) && moved(1, 0.25) && moved(7, 1.0), "{slopes:?}");
        assert!([2, 3, 4, 5, 6, 8].iter().all(|&i| slopes[i] == 0.5), "{slopes:?}");
        assert!(first[0] == 0.25 && first[3] == 0.0 && first[4] == 0.0 && first[8] == 0.0);
        let mut y = [0.0; 9];
        let lines =
            Lines { lower: &[1.0; 9], slopes: &slopes, upper: &[0.5; 9], intercept: &[0.5; 9] };
        follow(neurons.a, neurons.z, lines, &mut y);
        assert!((y[0] - 0.375).abs() < 1e-15 && y[2] == 0.75 && y[3] == 0.25, "{y:?}");
        follow(neurons.a, neurons.z, Lines { intercept: &[0.0; 9], ..lines }, &mut y);
        assert_eq!((y[0], y[1]), (0.5, -0.5));
    }
}
