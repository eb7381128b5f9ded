//! What LP bounds gain and cost, measured: `cargo test --release --test lp_measurements -- --ignored --nocapture --test-threads 1`.

#[path = "common/skip.rs"]
mod skip;

use certus::internal::attack::{AttackSettings, attack_any};
use certus::internal::bound::{Analysis, Functionals, Intermediate};
use certus::internal::load::{DataSettings, Dataset, load_network, load_statement};
use certus::internal::lp::{Clarabel, DualSolver, TriangleLp, prospect, raise, tighten};
use certus::internal::net::{Matrix, Network};
use certus::internal::num::parse_rational;
use certus::internal::query::Query;
use certus::internal::spec::{Claim, Norm, Property};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The public mnist_fc networks, where they lie beside this checkout.
fn bench() -> Option<PathBuf> {
    let folder = root().join("../shared/bench/mnist_fc");
    if folder.exists() {
        return Some(folder);
    }
    skip::skipped("no mnist_fc beside this checkout");
    None
}

fn mnist(model: &str) -> (Network, Dataset) {
    let folder = root().join("models/mnist");
    let data = Dataset::load(&folder.join("test.npz"), &DataSettings::default()).unwrap();
    let net = load_network(&folder.join(format!("{model}.onnx"))).unwrap().network;
    let net = match data.normalisation() {
        Some((mean, inverse_std)) => net.with_normalisation(&mean, &inverse_std).unwrap(),
        None => net,
    };
    (net, data)
}

/// The question about an input that is classified correctly.
fn query(net: &Network, data: &Dataset, index: usize, eps: &str) -> Option<Property> {
    let point = data.point(index);
    let y = net.evaluate(&Matrix::from_column_slice(point.len(), 1, &point));
    let label = data.label(index);
    if y.column(0).imax() != label {
        return None;
    }
    let region = data.region(index, Norm::Linf, &parse_rational(eps).unwrap()).unwrap();
    Some(Property::classification(region, label, net.outputs()))
}

/// Sorted numbers, to be asked for quantiles.
struct Sorted(Vec<f64>);

impl Sorted {
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((share * last).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

#[derive(Default)]
struct Recovery {
    errors: Vec<f64>,
    gains: Vec<f64>,
    below_crown: usize,
    build: f64,
    solve: f64,
    total: f64,
    unstable: usize,
    entries: usize,
    inputs: usize,
}

impl Recovery {
    /// All functionals of a claim, by LP, against CROWN over the same intermediate bounds.
    fn add(&mut self, net: &Network, claim: &Claim, solver: &dyn DualSolver) {
        let functionals = Functionals::of(claim, net.outputs());
        let analysis = Analysis::of_region(net, &claim.region.boxes(), Intermediate::Crown);
        // One by one, as the LPs do it: a batch is rounded in another order.
        let crown: Vec<f64> = (0..functionals.len())
            .map(|c| analysis.lower(&functionals.matrix.select_columns(&[c]), &[0]).bounds[0])
            .collect();
        let start = Instant::now();
        let wanted = vec![true; net.outputs()];
        let mut lp = TriangleLp::new(analysis.sweep(), net.output(), &wanted, 0, &[], solver);
        self.build += start.elapsed().as_secs_f64();
        self.unstable = self.unstable.max(lp.size().unstable);
        self.entries = self.entries.max(lp.size().entries);
        for (c, crown) in crown.iter().enumerate() {
            let functional: Vec<f64> = functionals.matrix.column(c).iter().copied().collect();
            let found = lp.lower(&functional, None);
            self.errors.push((found.claimed - found.bound) / found.claimed.abs().max(1e-9));
            self.gains.push(found.bound - crown);
            self.below_crown += usize::from(found.bound < *crown);
            self.solve += found.time.as_secs_f64();
        }
        self.total += start.elapsed().as_secs_f64();
        self.inputs += 1;
    }

    fn print(self, name: &str) {
        let n = self.errors.len();
        let within = self.errors.iter().filter(|e| e.abs() <= 1e-5).count();
        let share = 100.0 * within as f64 / n as f64;
        let (errors, gains) = (Sorted::new(self.errors), Sorted::new(self.gains));
        println!(
            "{name}: {} inputs, {n} LPs, at most {} unstable, {} entries; below CROWN {}; (claimed − sound)/|claimed|: median {:.1e}, 95 % {:.1e}, 99 % {:.1e}, largest {:.1e}; within 1e-5: {share:.1} %; gain over CROWN: least {:.3}, median {:.3}, largest {:.3}; seconds an LP {:.3} of which solver {:.3} (model {:.4} an input)",
            self.inputs,
            self.unstable,
            self.entries,
            self.below_crown,
            errors.at(0.5),
            errors.at(0.95),
            errors.at(0.99),
            errors.at(1.0),
            gains.at(0.0),
            gains.at(0.5),
            gains.at(1.0),
            self.total / n as f64,
            self.solve / n as f64,
            self.build / self.inputs as f64,
        );
        assert_eq!(self.below_crown, 0);
        assert!(share >= 95.0);
    }
}

#[test]
#[ignore = "a measurement"]
fn duals_recover_the_optimum_on_mnist_fc() {
    let Some(folder) = bench() else { return };
    for depth in ["256x2", "256x4"] {
        let path = folder.join(format!("onnx/mnist-net_{depth}.onnx"));
        let net = load_network(&path).unwrap().network;
        let mut direct = Recovery::default();
        for instance in 0..16 {
            let file = folder.join(format!("vnnlib/prop_{instance}_0.03.vnnlib"));
            if !file.exists() {
                continue;
            }
            let property = load_statement(&file, net.inputs(), net.outputs()).unwrap().property;
            direct.add(&net, &property.claims[0], &Clarabel);
        }
        direct.print(&format!("mnist_fc {depth}, 0.03"));
    }
}

#[test]
#[ignore = "a measurement"]
fn duals_recover_the_optimum_on_mnist_models() {
    for (model, eps) in [
        ("mlp_plain", "0.03"),
        ("mlp_adv", "0.1"),
        ("mlp_cert", "0.1"),
        ("cnn_plain", "0.03"),
        ("cnn_adv", "0.1"),
        ("cnn_cert", "0.1"),
    ] {
        let (net, data) = mnist(model);
        let mut recovery = Recovery::default();
        for property in (0..10).filter_map(|index| query(&net, &data, index, eps)).take(4) {
            recovery.add(&net, &property.claims[0], &Clarabel);
        }
        recovery.print(&format!("mnist/{model}, {eps}"));
    }
}

/// A campaign of 200 images: what LP certifies that CROWN and optimised slopes do not.
#[test]
#[ignore = "a measurement"]
fn extra_certified_inputs() {
    for (model, eps) in
        [("mlp_plain", "0.02"), ("mlp_adv", "0.07"), ("cnn_plain", "0.02"), ("cnn_adv", "0.07")]
    {
        let (net, data) = mnist(model);
        let [mut correct, mut broken, mut by_crown, mut by_slopes, mut by_lp, mut tightened] =
            [0; 6];
        let [mut hopeless, mut wrongly_hopeless, mut undecided, mut tried] = [0; 4];
        let [mut programs, mut seconds, mut slope_seconds, mut slope_runs] = [0.0f64; 4];
        for property in (0..200).filter_map(|index| query(&net, &data, index, eps)) {
            correct += 1;
            let attack = AttackSettings { restarts: 1, ..AttackSettings::default() };
            if attack_any(&Query::new(net.clone(), property.clone()).unwrap(), &attack, 0, &|| {
                false
            })
            .is_some()
            {
                broken += 1;
                continue;
            }
            let claim = &property.claims[0];
            let functionals = Functionals::of(claim, net.outputs());
            let analysis = Analysis::of_region(&net, &claim.region.boxes(), Intermediate::Crown);
            let domains = vec![0; functionals.len()];
            let lows = analysis.lower(&functionals.matrix, &domains).bounds;
            if functionals.proved_by(&lows) {
                by_crown += 1;
                continue;
            }
            let start = Instant::now();
            let mut climbed = lows.clone();
            let spares = vec![0.0; functionals.len()];
            let promising = prospect(&analysis, &functionals, &mut climbed, &spares).promising;
            slope_seconds += start.elapsed().as_secs_f64();
            slope_runs += 1.0;
            let proved = functionals.proved_by(&climbed);
            by_slopes += usize::from(proved);
            hopeless += usize::from(!promising);
            undecided += usize::from(promising && !proved);
            let start = Instant::now();
            let mut raised = lows.clone();
            let left = || Some(Duration::MAX);
            let used = raise(&analysis, &functionals, &mut raised, &Clarabel, &left);
            seconds += start.elapsed().as_secs_f64();
            programs += used.multipliers.len() as f64;
            if functionals.proved_by(&raised) {
                by_lp += 1;
                wrongly_hopeless += usize::from(!promising);
                continue;
            }
            // 64 LPs an input: a few inputs show what it brings.
            if model.starts_with("mlp") && tried < 6 {
                tried += 1;
                let open = functionals.matrix.select_columns(&functionals.open(&raised));
                let (analysis, _) = tighten(analysis, &open, 32, &Clarabel, &left);
                let mut lows: Vec<f64> = analysis.lower(&functionals.matrix, &domains).bounds;
                lows.iter_mut().zip(&raised).for_each(|(low, r)| *low = low.max(*r));
                let _ = raise(&analysis, &functionals, &mut lows, &Clarabel, &left);
                tightened += usize::from(functionals.proved_by(&lows));
            }
        }
        println!(
            "mnist/{model}, {eps}: of 200, {correct} correct, {broken} broken by PGD, CROWN {by_crown}; of the rest optimised slopes {by_slopes} ({:.3} s an input), LP {by_lp} ({:.2} LPs an input, {:.3} s an LP), 32 neurons tightened first: {tightened} more of {tried} tried; ruled out beforehand {hopeless} (of these proved after all {wrongly_hopeless}), left for LPs in auto {undecided}",
            slope_seconds / slope_runs.max(1.0),
            programs / slope_runs.max(1.0),
            seconds / programs.max(1.0),
        );
        assert_eq!(wrongly_hopeless, 0);
    }
}

/// Peak memory of this process in MiB, where the system says so.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

#[test]
#[ignore = "a measurement"]
fn more_than_a_thousand_unstable_neurons() {
    for (model, eps) in [("cnn_plain", "0.1"), ("cnn_adv", "0.3")] {
        let (net, data) = mnist(model);
        let property = (0..10).find_map(|index| query(&net, &data, index, eps)).unwrap();
        let claim = &property.claims[0];
        let functionals = Functionals::of(claim, net.outputs());
        let analysis = Analysis::of_region(&net, &claim.region.boxes(), Intermediate::Crown);
        let functional: Vec<f64> = functionals.matrix.column(0).iter().copied().collect();
        let start = Instant::now();
        let wanted = vec![true; net.outputs()];
        let mut lp = TriangleLp::new(analysis.sweep(), net.output(), &wanted, 0, &[], &Clarabel);
        let found = lp.lower(&functional, Some(Duration::from_secs(120)));
        println!(
            "mnist/{model}, {eps}: {:?}, {:.2} s, claimed {}, sound {}, CROWN {}; peak memory {:.0} MiB",
            lp.size(),
            start.elapsed().as_secs_f64(),
            found.claimed,
            found.bound,
            analysis.lower(&functionals.matrix, &vec![0; functionals.len()]).bounds[0],
            peak_memory().unwrap_or(f64::NAN),
        );
    }
}
