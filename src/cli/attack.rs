//! `certus attack`: the attack alone, over a dataset.

use super::arguments::CampaignArguments;
use super::campaign::{self, Request};
use super::exit::{DONE, Failure, INTERRUPTED, USAGE};
use crate::attack::{AttackKind, AttackSettings};
use crate::audit::Task;
use crate::verify::{Method, Settings};

/// Attack success over a dataset, without any proof
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    campaign: CampaignArguments,

    /// The attack: pgd or fgsm
    #[arg(long, default_value = "pgd", value_name = "ATTACK")]
    attack: AttackKind,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let common = &arguments.campaign;
    if arguments.attack == AttackKind::None {
        return Err(Failure::new(USAGE, "'certus attack' needs an attack: pgd or fgsm"));
    }
    let settings = Settings {
        method: Method::default(),
        attack: common.attack(AttackSettings { kind: arguments.attack, ..Default::default() }),
        seed: common.seed,
        timeout: common.timeout,
        memory: None,
        lp_tighten: 0,
    };
    let report = campaign::run(&Request { task: Task::Attack, settings, common, proofs: false })?;
    Ok(if report.is_some() { DONE } else { INTERRUPTED })
}
