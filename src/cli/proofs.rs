//! The proofs of a campaign: for each input its property, its proof, and a line of the index.

use super::arguments::CampaignArguments;
use super::exit::{Failure, NO_INPUT};
use crate::audit::{Decide, Row, Sought, VerdictName, prove};
use crate::load::{LoadSettings, SourceFile, sha256_hex};
use crate::num::Rational;
use crate::prove::{Model, NotProved, Verified};
use crate::query::{Classifier, Query};
use crate::report::{ProofEntry, ProofFolder, Report};
use crate::verify::{AssuranceLevel, Outcome, ProofWish, Settings, Verdict, verify};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where proofs go, and what they are about.
pub(super) struct Proofs<'a> {
    classifier: &'a Classifier,
    /// The network as the checker reads it, or why it does not.
    model: Result<Model, NotProved>,
    file: PathBuf,
    eps: &'a Rational,
    dir: PathBuf,
    /// The verified checker, where it is to be asked.
    verified: Option<Verified>,
    /// The first thing that went wrong with a proof.
    problem: Mutex<Option<String>>,
    /// The first reason why a proof is accepted by no stronger checker.
    doubt: Mutex<Option<String>>,
}

/// The verified checker that a user names, which must be there, and its SHA-256.
pub(super) fn program(file: &Path) -> Result<(Verified, String), Failure> {
    if !file.is_file() {
        let advice = "make -C proofs/rocq builds the verified checker";
        return Err(Failure::new(
            NO_INPUT,
            format!("{}: no such program; {advice}", file.display()),
        ));
    }
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::new(NO_INPUT, format!("{}: {error}", file.display())))?;
    Ok((Verified(file.to_owned()), sha256_hex(&bytes)))
}

impl Decide for Proofs<'_> {
    /// Decides an input, with a proof where that is possible. `query` is about inputs in the data's units; a proof is about the
    /// network's own inputs.
    fn decide(
        &self,
        index: usize,
        query: &Query,
        settings: &Settings,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Outcome {
        let normalised = query.network().is_normalised();
        let (outcome, problem) = match self.prove(index, settings, stop) {
            // The evidence of a campaign is in the data's units.
            Ok((outcome, _)) if normalised && matches!(outcome.verdict, Verdict::Falsified(_)) => {
                return verify(query, settings, stop);
            }
            Ok((outcome, Some(Ok(proved)))) => {
                if let Some(doubt) = proved.doubt {
                    let mut first = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(format!("input {index}: {doubt}"));
                }
                return outcome;
            }
            Ok((outcome, None)) => return outcome,
            Ok((outcome, Some(Err(problem)))) => (outcome, problem.to_string()),
            Err(problem) => (verify(query, settings, stop), problem),
        };
        if matches!(&outcome.verdict, Verdict::Certified(c) if !c.level().has_proof()) {
            let mut first = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(format!("input {index}: {problem}"));
        }
        outcome
    }
}

impl<'a> Proofs<'a> {
    /// Reads the network once more, with the checker's reader.
    pub(super) fn new(
        common: &'a CampaignArguments,
        classifier: &'a Classifier,
        dir: PathBuf,
        ports: &LoadSettings,
        verified: Option<Verified>,
    ) -> Result<Self, Failure> {
        let source = SourceFile::read(&common.model)
            .map_err(|error| Failure::new(NO_INPUT, error.to_string()))?;
        let file = std::path::absolute(&common.model).unwrap_or_else(|_| common.model.clone());
        let model = Model::beside(&common.model, &source.bytes, ports);
        let unreadable = |error| format!("{}: {error}", common.model.display());
        let problem = Mutex::new(model.as_ref().err().map(unreadable));
        let doubt = Mutex::default();
        Ok(Self { classifier, model, file, eps: &common.eps, dir, verified, problem, doubt })
    }

    fn prove(
        &self,
        index: usize,
        settings: &Settings,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Sought, String> {
        let model = self.model.as_ref().map_err(ToString::to_string)?;
        let (outputs, data) = (self.classifier.own().outputs(), self.classifier.data());
        let text = data.vnnlib(index, self.eps, outputs).map_err(|error| error.to_string())?;
        let file = self.dir.join(ProofEntry::property_of(index));
        let name = file.display().to_string();
        std::fs::write(&file, &text)
            .map_err(|error| format!("{name}: cannot be written: {error}"))?;
        let keep = self.dir.join(ProofEntry::proof_of(index));
        let verified = self.verified.as_ref();
        let wish = ProofWish { keep: Some(&keep), verified, ..ProofWish::CHECKED };
        let found = prove(self.classifier, model, (&name, &text), settings, wish, stop)?;
        if !matches!(found.1, Some(Ok(_))) {
            // A property without a proof is of no use there.
            let _ = std::fs::remove_file(&file);
        }
        Ok(found)
    }

    /// Writes the index of what is proved, and returns it.
    pub(super) fn write_index(
        &self,
        rows: &[Row],
        sha256: &str,
    ) -> Result<Vec<ProofEntry>, Failure> {
        let unread = |error: std::io::Error, index: usize| {
            let dir = self.dir.display();
            Failure::new(NO_INPUT, format!("{dir}: the proof of input {index}: {error}"))
        };
        let proved = |row: &&Row| row.assurance.is_some_and(AssuranceLevel::has_proof);
        let hashed = rows.iter().filter(proved).map(|row| {
            let entry = ProofEntry {
                index: row.index,
                model: self.file.clone(),
                model_sha256: sha256.to_owned(),
                property: ProofEntry::property_of(row.index),
                proof: ProofEntry::proof_of(row.index),
                ..ProofEntry::default()
            };
            entry.hashed(&self.dir).map_err(|error| unread(error, row.index))
        });
        let mut entries = hashed.collect::<Result<Vec<ProofEntry>, Failure>>()?;
        entries.sort_by_key(|entry| entry.index);
        ProofFolder::write(&self.dir, &entries)?;
        Ok(entries)
    }

    /// How many inputs are certified, and how many of these proved.
    fn counts(report: &Report) -> [usize; 2] {
        let certified = report.rows.iter().filter(|row| row.verdict == VerdictName::Certified);
        let proved =
            certified.clone().filter(|row| row.assurance.is_some_and(AssuranceLevel::has_proof));
        [certified.count(), proved.count()]
    }

    /// Whether an input is certified without a proof, or none could have one.
    pub(super) fn lacks(&self, report: &Report) -> bool {
        let [certified, proved] = Self::counts(report);
        proved < certified || self.model.is_err()
    }

    /// How many certified inputs have a proof, and why some have not.
    pub(super) fn text(&self, report: &Report) -> String {
        let [all, proved] = Self::counts(report);
        let dir = self.dir.display();
        let mut text = format!("proofs     {proved} of {all} certified, in {dir}\n");
        let levels = [AssuranceLevel::Mechanised, AssuranceLevel::Proved, AssuranceLevel::Outward];
        let at = |level| report.rows.iter().filter(|row| row.assurance == Some(level)).count();
        let levels = levels.map(|level| (at(level), level)).into_iter().filter(|(n, _)| *n > 0);
        let levels: Vec<String> = levels.map(|(n, level)| format!("{n} {level}")).collect();
        if !levels.is_empty() {
            text += &format!("levels     {}\n", levels.join(" · "));
        }
        let doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doubt) = doubt.as_deref() {
            text += &format!("weaker     {doubt}\n");
        }
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lacks(report) {
            let earlier = "an earlier run found no proof, and did not write down why";
            text += &format!("unproved   {}\n", problem.as_deref().unwrap_or(earlier));
        }
        text
    }
}
