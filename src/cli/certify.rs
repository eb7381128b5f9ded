//! `certus certify`: attack and bound every input of a dataset.

use super::arguments::{CampaignArguments, share};
use super::campaign::{self, Request};
use super::exit::{DONE, FALSIFIED, Failure, UNPROVED};
use crate::attack::AttackKind;
use crate::audit::Task;
use crate::num::Rational;
use crate::spec::Norm;
use crate::verify::{Method, Settings};

/// Certified accuracy beside attack success, over a dataset
///
/// For every input that the network classifies correctly: search a counterexample by attack, then prove by bounds that
/// there is none. Prints the figures; with --out, keeps a report and the evidence.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    campaign: CampaignArguments,

    /// How far to go: ibp, crown, lp, milp (the solver's word), complete, or auto for whatever can help, cheap before dear
    #[arg(long, default_value = "auto", value_name = "METHOD")]
    method: Method,

    /// Tighten the N most influential neurons by LP before the LP stage
    #[arg(long, default_value_t = 0, value_name = "N")]
    lp_tighten: usize,

    /// The attacks that come first, one after the other until one succeeds: pgd, fgsm, apgd-ce, apgd-dlr, fab, square; or none
    #[arg(long, default_value = "pgd", value_name = "ATTACK,…", value_delimiter = ',')]
    attack: Vec<AttackKind>,

    /// Keep a proof for 'certus-check' and its property for each certified input, in DIR/proofs of --out DIR
    #[arg(long, requires = "out")]
    proofs: bool,

    /// Exit with code 10 where the certified accuracy is below this share, such as 0.9
    #[arg(long, value_name = "SHARE", value_parser = share)]
    require_certified: Option<Rational>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let common = &arguments.campaign;
    let settings = Settings {
        method: arguments.method,
        attack: common.budget.settings(&arguments.attack)?,
        seed: common.seed,
        timeout: common.timeout,
        memory: None,
        lp_tighten: arguments.lp_tighten,
    };
    let Some((report, unproved)) = campaign::run(&Request {
        task: Task::Certify,
        settings,
        common,
        proofs: arguments.proofs,
        norm: Norm::Linf,
    })?
    else {
        return Ok(super::exit::INTERRUPTED);
    };
    let whole = |n: usize| Rational::from_integer(n.into());
    let enough = match (&arguments.require_certified, &report.summary.certified_accuracy) {
        (Some(required), Some(certified)) => {
            whole(certified.numerator) >= required * whole(certified.denominator)
        }
        _ => true,
    };
    Ok(match (enough, unproved) {
        (false, _) => FALSIFIED,
        (true, true) => UNPROVED,
        (true, false) => DONE,
    })
}
