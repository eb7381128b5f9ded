//! Another verifier beside this one, by the conventions of the VNN competition; what they do not agree on is settled in exact arithmetic.

use super::exit::{DONE, Failure, INTERNAL, REJECTED};
use super::hunt::keep;
use super::output::answer;
use super::progress::Bar;
use super::{interrupt, print};
use crate::num::{Rational, parse_rational};
use crate::report::{AgainstAnswer, Answer, BrokenRecord, CaseFile, against_text};
use crate::testing::laws::{Settled, settle, violates_exactly};
use crate::testing::{Case, shrink};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The other verifier.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub(crate) command: String,
    pub(crate) timeout: Duration,
}

/// How long, and where disagreements are kept.
pub(super) struct Hunt<'a> {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) out: Option<&'a Path>,
    pub(crate) quiet: bool,
}

/// What the other one says.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Unsat,
    /// With its point, where it gave one.
    Sat(Option<Vec<Rational>>),
    /// unknown, timeout, error, or nothing that is an answer.
    Nothing(String),
}

/// How the two compare.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Compared {
    Agree(&'static str),
    /// The other one is wrong, exactly.
    Wrong(&'static str),
    /// This program is.
    OursWrong(&'static str),
    /// One of them says nothing.
    Undecided(String),
}

impl Compared {
    fn text(&self) -> String {
        match self {
            Self::Agree(how) => format!("agree: {how}"),
            Self::Wrong(how) => format!("the other is wrong: {how}"),
            Self::OursWrong(how) => format!("certus is wrong: {how}"),
            Self::Undecided(how) => format!("undecided: {how}"),
        }
    }

    fn disagrees(&self) -> bool {
        matches!(self, Self::Wrong(_) | Self::OursWrong(_))
    }
}

impl Other {
    /// Asks it about a case.
    fn ask(&self, case: &Case) -> std::io::Result<Said> {
        let Some((model, property)) = case.model().zip(case.property()) else {
            return Ok(Said::Nothing("no file holds the network exactly".to_owned()));
        };
        let folder = scratch()?;
        let [onnx, vnnlib, result, out] =
            ["m.onnx", "p.vnnlib", "result.txt", "out.txt"].map(|name| folder.join(name));
        std::fs::write(&onnx, model)?;
        std::fs::write(&vnnlib, property)?;
        let seconds = self.timeout.as_secs().max(1).to_string();
        let mut text = self.command.clone();
        for (name, file) in [("{onnx}", &onnx), ("{vnnlib}", &vnnlib), ("{result}", &result)] {
            text = text.replace(name, &file.display().to_string());
        }
        let text = text.replace("{timeout}", &seconds);
        let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let output = std::fs::File::create(&out)?;
        let mut child = Command::new(shell)
            .args([flag, &text])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        // It may need a moment more than its limit to say that time is up.
        let grace = self.timeout + Duration::from_secs(5);
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if begun.elapsed() > grace || interrupt::stopped() {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let from = if self.command.contains("{result}") { &result } else { &out };
        let answer = std::fs::read_to_string(from).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&folder);
        Ok(match said(&answer, case.query().network().inputs()) {
            Some(said) => said,
            None if ended.is_none() => Said::Nothing("timeout".to_owned()),
            None => Said::Nothing("no answer".to_owned()),
        })
    }

    /// Both answers about a case, compared. `holds`: whether the property does, where that is known by construction.
    fn compare(&self, case: &Case, holds: Option<bool>) -> Result<(Compared, String), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(INTERNAL, format!("--against: cannot be run: {error}"))
        };
        let theirs = self.ask(case).map_err(failed)?;
        let ours = match settle(case, self.timeout) {
            Ok(settled) => settled,
            Err(what) => return Ok((Compared::OursWrong("its evidence does not hold"), what)),
        };
        let witness = match &theirs {
            Said::Sat(Some(x)) => violates_exactly(case, x),
            _ => None,
        };
        let compared = match (&ours, &theirs) {
            (Settled::Certified, _) if holds == Some(false) => {
                Compared::OursWrong("certified, and violated by construction")
            }
            (Settled::Falsified(_), _) if holds == Some(true) => {
                Compared::OursWrong("falsified, and true by construction")
            }
            (Settled::Certified, Said::Sat(_)) if witness == Some(true) => Compared::OursWrong(
                "certified, and the other's point violates the property exactly",
            ),
            (Settled::Certified, Said::Sat(_)) => {
                Compared::Wrong("it says sat of what has a proof in exact arithmetic")
            }
            (Settled::Falsified(_), Said::Unsat) => {
                Compared::Wrong("it says unsat of what has a counterexample in exact arithmetic")
            }
            (Settled::Certified, Said::Unsat) => Compared::Agree("unsat"),
            (Settled::Falsified(_), Said::Sat(Some(_))) if witness == Some(false) => {
                Compared::Agree("sat, but its own point is none exactly")
            }
            (Settled::Falsified(_), Said::Sat(_)) => Compared::Agree("sat"),
            (_, Said::Nothing(why)) => Compared::Undecided(format!("the other says {why}")),
            (Settled::Open(_), Said::Unsat) if holds == Some(false) => {
                Compared::Wrong("it says unsat of what is violated by construction")
            }
            (Settled::Open(_), Said::Sat(_)) if holds == Some(true) => {
                Compared::Wrong("it says sat of what is true by construction")
            }
            (Settled::Open(why), _) => Compared::Undecided(format!("certus: {why}")),
        };
        let theirs = match theirs {
            Said::Unsat => "unsat".to_owned(),
            Said::Sat(_) => "sat".to_owned(),
            Said::Nothing(why) => why,
        };
        let ours = match ours {
            Settled::Certified => "certified",
            Settled::Falsified(_) => "falsified",
            Settled::Open(_) => "undecided",
        };
        let what = format!("{} (certus: {ours}, the other: {theirs})", compared.text());
        Ok((compared, what))
    }
}

/// A folder of its own.
fn scratch() -> std::io::Result<std::path::PathBuf> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name =
        format!("certus-against-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// An answer in the competition's format: its first word that is one, and the point `((X_0 …) …)` behind sat.
fn said(text: &str, inputs: usize) -> Option<Said> {
    let words = ["sat", "unsat", "unknown", "timeout", "error", "violated", "holds"];
    let mut lines = text.lines();
    let word = lines.by_ref().find_map(|line| {
        let first =
            line.split_whitespace().next()?.trim_matches(|c: char| !c.is_ascii_alphabetic());
        words.into_iter().find(|word| *word == first)
    })?;
    Some(match word {
        "unsat" | "holds" => Said::Unsat,
        "sat" | "violated" => {
            let rest: String = lines.collect::<Vec<_>>().join(" ").replace(['(', ')'], " ");
            let mut point: Vec<Option<Rational>> = vec![None; inputs];
            let mut tokens = rest.split_whitespace();
            while let Some(token) = tokens.next() {
                let Some(at) = token.strip_prefix("X_").and_then(|at| at.parse::<usize>().ok())
                else {
                    continue;
                };
                if let Some((place, value)) = point.get_mut(at).zip(tokens.next()) {
                    *place = parse_rational(value).ok();
                }
            }
            Said::Sat(point.into_iter().collect())
        }
        other => Said::Nothing(other.to_owned()),
    })
}

type Draw<'a> = &'a dyn Fn(u64) -> Result<(Case, Option<bool>), String>;

/// Asks both about cases until time is up.
pub(super) fn run(other: &Other, draw: Draw, hunt: &Hunt, subject: String) -> Result<u8, Failure> {
    let begun = Instant::now();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut broken, mut kept) = (Vec::new(), BTreeMap::<String, usize>::new());
    let (mut cases, mut ours_wrong) = (0, false);
    let bar = Bar::new(hunt.time.as_secs() as usize, 0, " s", hunt.quiet);
    while begun.elapsed() < hunt.time && !interrupt::stopped() {
        let seed = hunt.seed.wrapping_add(cases);
        cases += 1;
        let Ok((case, holds)) = draw(seed) else { continue };
        let (compared, what) = other.compare(&case, holds)?;
        *counts.entry(compared.text()).or_default() += 1;
        bar.message(format!("{cases} cases, {} disagreements", broken.len()));
        if !compared.disagrees() {
            continue;
        }
        ours_wrong |= matches!(compared, Compared::OursWrong(_));
        // The first few of each kind are made small and kept.
        let count = kept.entry(compared.text()).or_default();
        *count += 1;
        let mut record = BrokenRecord { law: "against".to_owned(), seed, what, case: None };
        if let Some(out) = hunt.out.filter(|_| *count <= 2) {
            let small = smallest(other, &case, &compared);
            let file = CaseFile {
                law: "against".to_owned(),
                seed,
                what: record.what.clone(),
                against: other.command.clone(),
                ..CaseFile::default()
            };
            let folder = out.join(format!("against-{seed}"));
            record.case = keep(&folder, &small, file)?.map(|file| file.display().to_string());
        }
        broken.push(record);
    }
    drop(bar);
    let found = AgainstAnswer {
        command: other.command.clone(),
        subject,
        seed: hunt.seed,
        cases,
        counts,
        disagreements: broken,
    };
    let code = match (ours_wrong, found.disagreements.is_empty()) {
        (true, _) => INTERNAL,
        (false, false) => REJECTED,
        (false, true) => DONE,
    };
    answer(&Answer::new("fuzz", &found), || against_text(&found))?;
    Ok(code)
}

/// The smallest case on which the two disagree in the same way.
fn smallest(other: &Other, case: &Case, compared: &Compared) -> Case {
    let begun = Instant::now();
    let stop = || begun.elapsed() > Duration::from_secs(60) || interrupt::stopped();
    let mut same = |case: &Case| other.compare(case, None).is_ok_and(|(now, _)| now == *compared);
    shrink(case, &mut same, &stop)
}

/// Asks both about a kept case again.
pub(super) fn replay(other: &Other, case: &Case, holds: Option<bool>) -> Result<u8, Failure> {
    let (compared, what) = other.compare(case, holds)?;
    print(&format!("{what}\n"))?;
    Ok(match compared {
        Compared::OursWrong(_) => INTERNAL,
        compared if compared.disagrees() => REJECTED,
        _ => DONE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_the_competitions_format() {
        let half = parse_rational("0.5").unwrap();
        let sat = "sat\n((X_0 0.5)\n(X_1 5e-1)\n(Y_0 1.0))\n";
        assert_eq!(said(sat, 2), Some(Said::Sat(Some(vec![half.clone(), half]))));
        assert_eq!(said("sat\n", 2), Some(Said::Sat(None)));
        assert_eq!(said("loading\nunsat\n", 2), Some(Said::Unsat));
        assert_eq!(said("timeout", 2), Some(Said::Nothing("timeout".to_owned())));
        assert_eq!(said("Traceback (most recent call last)", 2), None);
    }
}
