//! A small network and dataset as files, and the program run on them.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub const INPUTS: usize = 4;
pub const CLASSES: usize = 3;

/// A folder with `net.nnet` and `data.csv`.
pub struct Bench {
    pub dir: TempDir,
}

/// What a run gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    /// A random network 4 → 12 → 3 and `rows` inputs, of which every seventh has a wrong label.
    pub fn new(rows: usize) -> Self {
        let bench = Self { dir: TempDir::new().unwrap() };
        let mut noise = Noise(7);
        let hidden = Layer::random(12, INPUTS, &mut noise);
        let last = Layer::random(CLASSES, 12, &mut noise);
        bench.write("net.nnet", &nnet(&[&hidden, &last]));
        let mut csv = String::from("a,b,c,d,label\n");
        for row in 0..rows {
            let x: Vec<f64> =
                (0..INPUTS).map(|_| (noise.next() * 1000.0).round() / 1000.0).collect();
            let y = last.apply(&hidden.apply(&x).iter().map(|z| z.max(0.0)).collect::<Vec<_>>());
            let best = (0..CLASSES).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap();
            let label = if row % 7 == 3 { (best + 1) % CLASSES } else { best };
            let _ = writeln!(csv, "{},{},{},{},{label}", x[0], x[1], x[2], x[3]);
        }
        bench.write("data.csv", &csv);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `certus` in this folder.
    pub fn certus(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certus"));
        command.current_dir(self.dir.path()).args(arguments.split_whitespace());
        command
    }

    pub fn run(&self, arguments: &str) -> Ran {
        Ran::from(self.certus(arguments).output().unwrap())
    }

    /// `certus certify net.nnet --data data.csv …`
    pub fn certify(&self, arguments: &str) -> Ran {
        self.run(&certify(arguments))
    }

    pub fn report(&self, dir: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{dir}/report.json"))).unwrap()
    }

    /// A report without the fields that it says may vary.
    pub fn comparable(&self, dir: &str) -> Value {
        let mut report = self.report(dir);
        let varies = report["varies_between_runs"].as_array().unwrap().clone();
        for field in varies {
            let field = field.as_str().unwrap();
            match field.split_once("[].") {
                None => drop(report.as_object_mut().unwrap().remove(field).unwrap()),
                Some((list, field)) => {
                    for row in report[list].as_array_mut().unwrap() {
                        row.as_object_mut().unwrap().remove(field).unwrap();
                    }
                }
            }
        }
        report
    }
}

/// The arguments of `certify` on the folder's files.
pub fn certify(arguments: &str) -> String {
    format!("certify net.nnet --data data.csv --label-column label {arguments}")
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Asserts the exit code, with what was printed in the message.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// A committed file of the repository.
pub fn committed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Pseudo-random numbers in [−1, 1], the same everywhere.
pub struct Noise(u64);

impl Noise {
    pub fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1u32 << 23) - 1.0
    }
}

struct Layer {
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

impl Layer {
    fn random(rows: usize, columns: usize, noise: &mut Noise) -> Self {
        let mut number = || (noise.next() * 64.0).round() / 64.0;
        let weights = (0..rows).map(|_| (0..columns).map(|_| number()).collect()).collect();
        Self { weights, bias: (0..rows).map(|_| number()).collect() }
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let dot = |row: &Vec<f64>| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        self.weights.iter().zip(&self.bias).map(|(row, b)| dot(row) + b).collect()
    }
}

/// The layers as an .nnet file without normalisation.
fn nnet(layers: &[&Layer]) -> String {
    let line = |numbers: &[f64]| {
        numbers.iter().fold(String::new(), |text, n| text + &format!("{n},")) + "\n"
    };
    let sizes: Vec<f64> = std::iter::once(INPUTS)
        .chain(layers.iter().map(|layer| layer.bias.len()))
        .map(|n| n as f64)
        .collect();
    let widest = sizes.iter().copied().fold(0.0, f64::max);
    let mut text = String::from("// a random network\n");
    text += &line(&[layers.len() as f64, INPUTS as f64, CLASSES as f64, widest]);
    text += &line(&sizes);
    text += "0,\n";
    text += &line(&[-10.0; INPUTS]);
    text += &line(&[10.0; INPUTS]);
    text += &line(&[0.0; INPUTS + 1]);
    text += &line(&[1.0; INPUTS + 1]);
    for layer in layers {
        layer.weights.iter().for_each(|row| text += &line(row));
        layer.bias.iter().for_each(|b| text += &line(&[*b]));
    }
    text
}
