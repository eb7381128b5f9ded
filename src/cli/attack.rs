//! `certus attack`: the attack alone, over a dataset.

use super::arguments::CampaignArguments;
use super::campaign::{self, Request};
use super::exit::{DONE, Failure, INTERRUPTED, USAGE};
use crate::attack::AttackKind;
use crate::audit::Task;
use crate::spec::Norm;
use crate::verify::{Method, Settings};

/// Attack success over a dataset, without any proof
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    campaign: CampaignArguments,

    /// The attacks, each run on every input: pgd, fgsm, apgd-ce, apgd-dlr, fab, square
    #[arg(long, default_value = "pgd", value_name = "ATTACK,…", value_delimiter = ',')]
    attack: Vec<AttackKind>,

    /// How perturbations are measured: linf, or l2 for their Euclidean length
    #[arg(long, default_value = "linf", value_name = "NORM")]
    norm: Norm,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let common = &arguments.campaign;
    let attack = common.budget.settings(&arguments.attack)?;
    if attack.kinds().is_empty() {
        let names = AttackKind::names();
        return Err(Failure::new(
            USAGE,
            format!("'certus attack' needs an attack other than none; there are {names}"),
        ));
    }
    let settings = Settings {
        method: Method::default(),
        attack,
        seed: common.seed,
        timeout: common.timeout,
        memory: None,
        lp_tighten: 0,
    };
    let report = campaign::run(&Request {
        task: Task::Attack,
        settings,
        common,
        norm: arguments.norm,
        proofs: false,
    })?;
    Ok(if report.is_some() { DONE } else { INTERRUPTED })
}
