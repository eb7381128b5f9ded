//! `certus certify` and `certus attack`: every input of a dataset attacked, and bounded.

use super::arguments::{CampaignArguments, CommonArguments, EngineArguments, share};
use super::campaign::{Session, load};
use super::exit::{DONE, FALSIFIED, Failure, INTERRUPTED, UNPROVED, USAGE};
use super::front::{Front, Terminal};
use super::output::{answer, styled, write_cases};
use super::progress::Verdicts;
use super::proofs::{Proofs, program};
use crate::attack::AttackKind;
use crate::audit::{Campaign, Decide, Ended, Row, Task};
use crate::num::Rational;
use crate::report::{CampaignSettings, Cases, ProofEntry, Report, report_text};
use crate::spec::Norm;
use crate::verify::Settings;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Certified accuracy beside attack success, over a dataset
///
/// For every input that the network classifies correctly: search a counterexample by attack, then prove by bounds that
/// there is none. Prints the figures; with --out, keeps a report and the evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(crate) campaign: CampaignArguments,

    #[command(flatten)]
    engine: EngineArguments,

    /// Keep a proof for 'certus-check' and its property for each certified input, in DIR/proofs of --out DIR
    #[arg(long, requires = "out", help_heading = "Output")]
    proofs: bool,

    /// Ask the verified checker about each proof as well, for at most ten minutes: the program that proofs/rocq makes, certus-check-verified
    #[arg(long, requires = "proofs", value_name = "PROGRAM", help_heading = "Output")]
    verified: Option<PathBuf>,

    /// Exit with code 10 where the certified accuracy is below this share, such as 0.9
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "Output")]
    require_certified: Option<Rational>,
}

/// Attack success over a dataset, without any proof
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct AttackArguments {
    #[command(flatten)]
    pub(crate) campaign: CampaignArguments,

    /// The attacks, each run on every input: pgd, fgsm, apgd-ce, apgd-dlr, fab, square
    #[arg(
        long,
        default_value = "pgd",
        value_name = "ATTACK,…",
        value_delimiter = ',',
        help_heading = "Search"
    )]
    attack: Vec<AttackKind>,

    /// How perturbations are measured: linf, or l2 for their Euclidean length
    #[arg(long, default_value = "linf", value_name = "NORM", help_heading = "Search")]
    norm: Norm,
}

/// What was typed, understood.
struct Request<'a> {
    task: Task,
    settings: Settings,
    common: &'a CampaignArguments,
    /// How perturbations are measured; where it is not the max norm, there are attacks only.
    norm: Norm,
    proofs: bool,
    verified: Option<&'a Path>,
}

/// Runs `certus attack`.
pub(super) fn attack(arguments: &AttackArguments) -> Result<u8, Failure> {
    Found::tell(attacked(arguments, &Terminal)?, &arguments.campaign)
}

/// Runs `certus certify`.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    Found::tell(certified(arguments, &Terminal)?, &arguments.campaign)
}

/// What `certus attack` finds; `None` where it was interrupted.
pub(super) fn attacked(
    arguments: &AttackArguments,
    front: &dyn Front,
) -> Result<Option<Found>, Failure> {
    let common = &arguments.campaign;
    let attack = common.budget.settings(&arguments.attack)?;
    if attack.kinds().is_empty() {
        let names = AttackKind::names();
        return Err(Failure::new(
            USAGE,
            format!("'certus attack' needs an attack other than none; there are {names}"),
        ));
    }
    let (task, norm, settings) = (Task::Attack, arguments.norm, common.settings(attack));
    let (proofs, verified) = (false, None);
    campaign(Request { task, settings, common, norm, proofs, verified }, front)
}

/// What `certus certify` finds; `None` where it was interrupted.
pub(super) fn certified(
    arguments: &Arguments,
    front: &dyn Front,
) -> Result<Option<Found>, Failure> {
    let common = &arguments.campaign;
    let request = Request {
        task: Task::Certify,
        settings: arguments.engine.settings(common)?,
        common,
        norm: Norm::Linf,
        proofs: arguments.proofs,
        verified: arguments.verified.as_deref(),
    };
    let Some(found) = campaign(request, front)? else { return Ok(None) };
    let whole = |n: usize| Rational::from_integer(n.into());
    let enough = match (&arguments.require_certified, &found.report.summary.certified) {
        (Some(required), Some(found)) => whole(found.count) >= required * whole(found.total),
        _ => true,
    };
    Ok(Some(if enough { found } else { Found { code: FALSIFIED, ..found } }))
}

/// What a campaign found.
pub(super) struct Found {
    pub(crate) report: Report,
    /// The exit code.
    pub(crate) code: u8,
    /// What is to be said of its proofs.
    proofs: String,
}

impl Found {
    /// Writes the files that build servers read.
    pub(super) fn write(&self, common: &CommonArguments) -> Result<(), Failure> {
        let cases = || Cases::of_campaign(&self.report);
        write_cases(common.junit.as_deref(), common.sarif.as_deref(), cases)
    }

    /// Prints the figures of a campaign.
    fn tell(found: Option<Self>, common: &CommonArguments) -> Result<u8, Failure> {
        let Some(found) = found else { return Ok(INTERRUPTED) };
        found.write(common)?;
        let Self { report, code, proofs } = found;
        answer(&report, || report_text(&report, common.out.as_deref(), styled()) + &proofs)?;
        Ok(code)
    }
}

/// Runs the campaign; `None` where it was interrupted.
fn campaign(request: Request, front: &dyn Front) -> Result<Option<Found>, Failure> {
    let started = Instant::now();
    let Request { task, mut settings, common, norm, proofs, verified } = request;
    let verified = verified.map(program).transpose()?;
    let (classifier, model) = load(common, front)?;
    let data = classifier.data();
    settings.attack.image = data.image();
    let limit = common.limit.map(NonZeroUsize::get);
    let asked = (norm, &common.eps);
    let part = (limit, common.shard);
    let mut record = CampaignSettings::campaign(task, &settings, asked, part, proofs);
    record.verified = verified.as_ref().map(|(_, sha256)| sha256.clone());
    let command = if task == Task::Certify { "certify" } else { "attack" };
    let subject = (model, &classifier);
    let mut session =
        Session::<Row>::open((common, front), started, command, subject, asked, record)?;
    let proofs = match session.folder.as_ref().filter(|_| proofs) {
        Some(folder) => {
            let ports = session.header.model.ports();
            let verified = verified.map(|(program, _)| program);
            Some(Proofs::new(common, &classifier, folder.proofs()?, &ports, verified)?)
        }
        None => None,
    };
    let work = Campaign {
        classifier: &classifier,
        inputs: session.inputs,
        shard: common.shard,
        norm,
        epsilon: &common.eps,
        task,
        settings: &settings,
        decide: proofs.as_ref().map(|proofs| proofs as &dyn Decide),
    };
    let (ended, rows, timing) = session.run(&work, Verdicts::default())?;
    let proved = match &proofs {
        Some(proofs) => proofs.write_index(&rows, &session.header.model.sha256)?,
        None => Vec::new(),
    };
    if ended == Ended::Cancelled {
        return Ok(None);
    }
    let mut report = Report::campaign(session.header, rows, timing)?;
    if let Some(folder) = &session.folder {
        let mut files = folder.counterexamples(&report.rows)?;
        files.extend(proved.iter().flat_map(ProofEntry::files));
        report.files = Some(files);
        folder.write_report(&report)?;
    }
    let unproved = proofs.as_ref().is_some_and(|proofs| proofs.lacks(&report));
    let proofs = proofs.as_ref().map(|proofs| proofs.text(&report)).unwrap_or_default();
    Ok(Some(Found { report, code: if unproved { UNPROVED } else { DONE }, proofs }))
}
