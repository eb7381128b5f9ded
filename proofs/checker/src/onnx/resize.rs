//! Resize and Upsample by the nearest element or linearly, where every weight is an f64 exactly: FORMAT.md, section 1.
use super::array::{Array, Kind, axis, small_volume};
use super::build::{Builder, Value};
use super::error::{Problem, unsupported};
use super::lower::Operation;

/// A fraction of whole numbers, the second one positive.
#[derive(Clone, Copy)]
struct Fraction(i128, i128);

impl Fraction {
    fn floor(self) -> i128 {
        self.0.div_euclid(self.1)
    }

    /// What is left above the floor, as an f64, if it is one.
    fn rest(self) -> Result<f64, Problem> {
        let rest = self.0.rem_euclid(self.1);
        let mut divisor = self.1;
        let mut common = rest;
        // The greatest common divisor.
        while common != 0 {
            (divisor, common) = (common, divisor % common);
        }
        let (rest, whole) = (rest / divisor, self.1 / divisor);
        if whole & (whole - 1) != 0 || whole > 1 << 16 {
            return unsupported("a resize whose weights are not dyadic");
        }
        Ok(rest as f64 / whole as f64)
    }
}

/// A factor n/d, and the sizes before and after.
struct Scale {
    n: i128,
    d: i128,
    old: usize,
    new: usize,
}

impl Scale {
    /// From a float: a mantissa over, or times, a power of two.
    fn of(scale: f64, old: usize) -> Result<Scale, Problem> {
        if !(1.0 / 1048576.0..=1048576.0).contains(&scale) {
            return Err(Problem::Operand("scales"));
        }
        // An f32 in this range is a multiple of 2^-44.
        let (n, d) = ((scale * 2f64.powi(44)) as i128, 1i128 << 44);
        let new = usize::try_from(old as i128 * n / d).map_err(|_| Problem::TooLarge)?;
        if (old as f32 * scale as f32) as usize != new {
            return unsupported("a resize whose size is rounded");
        }
        Ok(Scale { n, d, old, new })
    }

    /// The place in the old axis.
    fn place(&self, mode: &[u8], x: usize) -> Result<Fraction, Problem> {
        let (x, n, d) = (x as i128, self.n, self.d);
        let (old, new) = (self.old as i128, self.new as i128);
        match mode {
            // (x + 1/2)·d/n − 1/2.
            b"half_pixel" => Ok(Fraction((2 * x + 1) * d - n, 2 * n)),
            b"pytorch_half_pixel" if self.new == 1 => Ok(Fraction(0, 1)),
            b"pytorch_half_pixel" => Ok(Fraction((2 * x + 1) * d - n, 2 * n)),
            b"asymmetric" => Ok(Fraction(x * d, n)),
            // Where the new axis ends is read in two ways if its size was rounded.
            b"align_corners" if old * n != new * d => unsupported("a resize whose size is rounded"),
            b"align_corners" if self.new == 1 => Ok(Fraction(0, 1)),
            b"align_corners" => Ok(Fraction(x * (old - 1), new - 1)),
            _ => unsupported("this way to place the elements of a resize"),
        }
    }
}

impl Builder {
    pub fn resize(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.variable(0)?;
        let rank = x.shape.len();
        let early = op.opset < 11 || op.proto.operator == "Upsample";
        let text = |name, default: &'static [u8]| {
            Ok::<_, Problem>(op.text(name)?.unwrap_or(default).to_vec())
        };
        let mode = text("mode", b"nearest")?;
        let (place, round) = match early {
            true => (b"asymmetric".to_vec(), b"floor".to_vec()),
            false => (
                text("coordinate_transformation_mode", b"half_pixel")?,
                text("nearest_mode", b"round_prefer_floor")?,
            ),
        };
        op.float("cubic_coeff_a")?;
        op.float("extrapolation_value")?;
        if op.switch("antialias", false)?
            || op.switch("exclude_outside", false)?
            || op.text("keep_aspect_ratio_policy")?.is_some_and(|p| p != b"stretch")
        {
            return unsupported("this form of a resize");
        }
        let axes = match op.integers("axes")? {
            Some(axes) => axes.iter().map(|a| axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        let filled = |i| Ok::<_, Problem>(op.optional_constant(i)?.filter(|c| !c.data.is_empty()));
        let scales: Option<Vec<f64>> = match (op.floats("scales")?, early) {
            (Some(list), _) => Some(list.to_vec()),
            (None, true) => filled(1)?.map(|c| c.data.clone()),
            (None, false) => filled(2)?.map(|c| c.data.clone()),
        };
        let sizes = if early { None } else { filled(3)?.map(|c| c.integers()).transpose()? };
        let given = scales.as_ref().map_or(axes.len(), Vec::len);
        let sized = sizes.as_ref().map_or(axes.len(), Vec::len);
        if scales.is_some() == sizes.is_some() || given != axes.len() || sized != axes.len() {
            return Err(Problem::Operand("scales"));
        }
        let mut all: Vec<Scale> =
            x.shape.iter().map(|n| Scale { n: 1, d: 1, old: *n, new: *n }).collect();
        for (k, a) in axes.iter().enumerate() {
            let old = x.shape[*a];
            all[*a] = match (&scales, &sizes) {
                (Some(scales), _) => Scale::of(scales[k], old)?,
                (None, Some(sizes)) => {
                    let new = usize::try_from(sizes[k]).map_err(|_| Problem::Shape)?;
                    small_volume(&[new])?;
                    Scale { n: new as i128, d: old as i128, old, new }
                }
                (None, None) => return Err(Problem::Operand("scales")),
            };
        }
        let shape: Vec<usize> = all.iter().map(|s| s.new).collect();
        small_volume(&[small_volume(&shape)?, 4])?;
        // Rows of (position, weight), axis by axis.
        let mut rows: Vec<Vec<(usize, f64)>> = vec![vec![(0, 1.0)]];
        for scale in &all {
            if scale.new == 0 {
                return Err(Problem::Shape);
            }
            let still = scale.new == scale.old && scale.n == scale.d;
            let mut taps = vec![];
            for i in 0..scale.new {
                taps.push(if still {
                    vec![(i, 1.0)]
                } else {
                    tap(scale, i, &mode, &place, &round, op.opset < 11)?
                });
            }
            let next = |row: &Vec<(usize, f64)>| -> Vec<Vec<(usize, f64)>> {
                let one = |taps: &Vec<(usize, f64)>| {
                    let pairs = row.iter().flat_map(|(at, w)| {
                        taps.iter().map(move |(i, v)| (at * scale.old + i, w * v))
                    });
                    pairs.collect()
                };
                taps.iter().map(one).collect()
            };
            rows = rows.iter().flat_map(next).collect();
        }
        let term = self.sparse(x.node, rows)?;
        self.linear(shape, term).map(Value::Variable)
    }

    /// A matrix with ones on a diagonal.
    pub fn eye_like(&mut self, op: &Operation) -> Result<Value, Problem> {
        let x = op.input(0)?;
        let &[rows, columns] = x.shape() else { return Err(Problem::Shape) };
        let k = op.integer("k", 0)?;
        let kind = match op.given("dtype")? {
            Some(number) => Kind::of(number)?,
            None => x.kind(),
        };
        let one = |at: usize| f64::from((at % columns) as i64 - (at / columns) as i64 == k);
        let data = (0..small_volume(&[rows, columns])?).map(one).collect();
        Array::new(kind, vec![rows, columns], data).map(Value::constant)
    }
}

/// What the element i of the new axis is made of.
fn tap(
    scale: &Scale,
    i: usize,
    mode: &[u8],
    place: &[u8],
    round: &[u8],
    early: bool,
) -> Result<Vec<(usize, f64)>, Problem> {
    let at = scale.place(place, i)?;
    let last = scale.old as i128 - 1;
    if mode == b"nearest" {
        if early && scale.n < scale.d && at.0 % at.1 != 0 {
            return unsupported("a resize to fewer elements, which is read in more than one way");
        }
        let Fraction(n, d) = at;
        // What is that close to a jump depends on how a program rounds.
        let (edge, whole) = if round.starts_with(b"round") { (2 * n - d, 2 * d) } else { (n, d) };
        let rest = edge.rem_euclid(whole);
        let gap = rest.min(whole - rest).checked_mul(65536).ok_or(Problem::TooLarge)?;
        if rest != 0 && gap < whole {
            return unsupported("a place next to the middle between two elements");
        }
        // Halves up or down.
        let nearest = match round {
            b"round_prefer_floor" => -Fraction(d - 2 * n, 2 * d).floor(),
            b"round_prefer_ceil" => Fraction(2 * n + d, 2 * d).floor(),
            b"floor" => at.floor(),
            b"ceil" => -Fraction(-n, d).floor(),
            _ => return Err(Problem::Operand("nearest_mode")),
        };
        return Ok(vec![(nearest.clamp(0, last) as usize, 1.0)]);
    }
    if mode != b"linear" && mode != b"bilinear" {
        return unsupported("this mode of a resize");
    }
    if at.0 <= 0 || at.floor() >= last {
        return Ok(vec![(if at.0 <= 0 { 0 } else { last as usize }, 1.0)]);
    }
    let (below, t) = (at.floor() as usize, at.rest()?);
    let both = vec![(below, 1.0 - t), (below + 1, t)];
    Ok(both.into_iter().filter(|(_, w)| *w != 0.0).collect())
}
