//! Every certified random ReLU network has a proof that the checker accepts, in both arithmetics.

#[path = "../common/mod.rs"]
mod common;
mod draw;

use certus::internal::attack::{AttackKind, AttackSettings, SplitMix64};
use certus::internal::branch::Limits;
use certus::internal::load::{load_network_bytes, parse_statement};
use certus::internal::net::Matrix;
use certus::internal::prove::{Mode, NotProved, Proved, Question, certify};
use certus::internal::query::Query;
use certus::internal::verify::{
    AssuranceLevel, Method, Outcome, ProofWish, Settings, Verdict, find_proof, verify,
    verify_with_proof,
};
use draw::{Drawn, draw};
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is left between the property and the truth, as a share of the functional's range.
const MARGINS: [f64; 4] = [0.3, 1e-2, 1e-4, 1e-6];

fn settings(seconds: u64) -> Settings {
    Settings {
        method: Method::Complete,
        attack: AttackSettings::default(),
        seed: 0,
        timeout: Some(Duration::from_secs(seconds)),
        memory: None,
        lp_tighten: 0,
        work: None,
    }
}

/// The question as the search reads it.
fn read(drawn: &Drawn, moved: f64) -> Query {
    let net = load_network_bytes("net.onnx", &drawn.model).unwrap().network;
    let text = drawn.property(moved);
    let statement = parse_statement("p.vnnlib", text.as_bytes(), net.inputs(), net.outputs())
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    Query::of(net, statement).unwrap()
}

/// Whether a search of so many domains shows the property: the same on every machine.
fn is_shown(drawn: &Drawn, moved: f64) -> bool {
    let query = read(drawn, moved);
    let none = AttackSettings::default().with(&[AttackKind::None]);
    let searching = Settings { method: Method::Complete, attack: none, ..settings(20) };
    let limits = Limits { domains: 1_000, ..Limits::starting_now(None, &|| false) };
    is_certified(&find_proof(&query, &searching, &limits).0)
}

fn is_certified(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Certified(_))
}

/// Moves the half-spaces through a random point, and then up to the unsafe set: (nearly) the largest move for which the property still
/// holds, as far as the search knows, and the range of the distances.
fn limit(drawn: &mut Drawn, rng: &mut SplitMix64) -> Option<(f64, f64)> {
    let net = load_network_bytes("net.onnx", &drawn.model).unwrap().network;
    let x = drawn.point(rng);
    let y = net.evaluate(&Matrix::from_column_slice(x.len(), 1, &x));
    for half in drawn.polytopes.iter_mut().flatten() {
        let dot = |a: &[f64], v: &[f64]| a.iter().zip(v).map(|(a, v)| a * v).sum::<f64>();
        half.right = dot(&half.outputs, y.as_slice()) + dot(&half.inputs, &x);
    }
    let distances: Vec<f64> = (0..400)
        .map(|_| {
            let x = drawn.point(rng);
            let y = net.evaluate(&Matrix::from_column_slice(x.len(), 1, &x));
            drawn.distance(&x, y.as_slice())
        })
        .collect();
    let mut high = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let range = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max) - high;
    let scale = range.max(1e-3);
    let mut step = 0.25 * scale;
    let mut low = high - step;
    while !is_shown(drawn, low) {
        step *= 4.0;
        low -= step;
        if step > 1e4 * scale {
            return None;
        }
    }
    while high - low > 1e-9 * scale {
        let middle = 0.5 * low + 0.5 * high;
        if is_shown(drawn, middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some((low, scale))
}

/// What became of one property.
struct Told {
    plain: Outcome,
    with_proof: Outcome,
    proof: Option<Result<Proved, NotProved>>,
    /// Whether the proof's text is accepted in exact arithmetic and outward.
    accepted: Option<[bool; 2]>,
    seconds: [f64; 2],
}

fn tell(drawn: &Drawn, moved: f64) -> Told {
    let query = read(drawn, moved);
    let text = drawn.property(moved).into_bytes();
    let start = Instant::now();
    let plain = verify(&query, &settings(20), &|| false);
    let plain_seconds = start.elapsed().as_secs_f64();
    let ask = || Question::new(&drawn.model, &text);
    let wish = ProofWish::CHECKED;
    let start = Instant::now();
    let (with_proof, proof) = verify_with_proof(&ask, &query, &settings(20), wish, &|| false);
    let seconds = [plain_seconds, start.elapsed().as_secs_f64()];
    let accepted = match &proof {
        Some(Ok(proved)) => {
            let bytes = proved.proof.to_bytes();
            Some([Mode::Exact, Mode::Outward].map(|mode| {
                let verdict = certify(&drawn.model, &text, bytes.as_slice(), mode);
                if let Err(why) = &verdict {
                    println!("  {mode:?}: {why}");
                }
                verdict.is_ok()
            }))
        }
        _ => None,
    };
    Told { plain, with_proof, proof, accepted, seconds }
}

/// Networks that are drawn where nobody asks for more.
const FEW: u64 = 12;

/// Properties of random networks with so many inputs: every one that is certified without a proof has one.
fn all_have_proofs(inputs: Range<usize>) {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let count = number("CERTUS_NETWORKS", number("PROPTEST_CASES", FEW));
    let first = number("CERTUS_FIRST_NETWORK", 0);
    let (mut asked, mut certified, mut proved, mut mended, mut without) = (0, 0, 0, 0, 0);
    let (mut seconds, mut domains) = ([0.0; 2], [0; 2]);
    let mut wrong = Vec::new();
    for seed in first..first + count {
        let mut drawn = draw(seed, inputs.clone());
        let Some((limit, scale)) = limit(&mut drawn, &mut SplitMix64::new(seed, 1)) else {
            without += 1;
            continue;
        };
        for margin in MARGINS {
            let told = tell(&drawn, limit - margin * scale);
            asked += 1;
            seconds.iter_mut().zip(told.seconds).for_each(|(sum, s)| *sum += s);
            let visited = [&told.plain, &told.with_proof].map(|outcome| outcome.effort.visited);
            domains.iter_mut().zip(visited).for_each(|(sum, visited)| *sum += visited);
            let level = match &told.with_proof.verdict {
                Verdict::Certified(certificate) => Some(certificate.level()),
                _ => None,
            };
            let holds = is_certified(&told.plain) || level.is_some();
            certified += usize::from(holds);
            let all = level == Some(AssuranceLevel::Proved) && told.accepted == Some([true; 2]);
            proved += usize::from(all);
            if let Some(Ok(found)) = &told.proof {
                mended += usize::from(found.mended > 0);
            }
            let dear = visited[1] > 1_000 + 4 * visited[0];
            if (holds && !all) || dear {
                let why = match told.proof {
                    Some(Err(why)) => why.to_string(),
                    Some(Ok(_)) => format!("accepted {:?}", told.accepted),
                    None => format!("{:?}", told.with_proof.verdict),
                };
                println!(
                    "seed {seed}, margin {margin:e}: {level:?}, {why}, domains {visited:?}, seconds {:?}",
                    told.seconds
                );
            }
            if holds && !all {
                wrong.push((seed, margin));
            }
        }
        if count > 100 && (seed + 1 - first).is_multiple_of(50) {
            println!(
                "after {}: {asked} asked, {certified} certified, {proved} proved",
                seed + 1 - first
            );
        }
    }
    println!(
        "{count} networks, {without} of them without a property that holds; {asked} properties: {certified} certified, {proved} \
         proved in both arithmetics, {mended} of them mended; without proofs {:.1} s and {} domains, with them {:.1} s and {}",
        seconds[0], domains[0], seconds[1], domains[1]
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(certified > 0);
}

#[test]
fn certified_networks_of_few_inputs_have_proofs() {
    all_have_proofs(2..7);
}

/// Here ReLUs are split.
#[test]
fn certified_networks_of_many_inputs_have_proofs() {
    all_have_proofs(21..25);
}
