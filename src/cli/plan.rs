//! `certus plan`: how many inputs it takes to show a share.

use super::arguments::share;
use super::exit::{DATA, DONE, Failure, USAGE};
use super::output::{answer, styled};
use crate::audit::sampling::{MOST, rows, with_power};
use crate::num::{Rational, to_f64_nearest};
use crate::report::{Answer, PlanAnswer, plan_text};

/// How many inputs it takes to show that a share holds
///
/// A criterion of an audit is met when the lower end of its interval (Clopper and Pearson's, two-sided) reaches the share that is demanded. For each number of
/// inputs that may fail: the smallest sample that shows the share all the same. With --expect, the probability that a sample does so where
/// that is the true share, and with --power the smallest sample that does so with that probability.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The share to be shown, such as 0.9
    #[arg(long, value_name = "SHARE", value_parser = share)]
    share: Rational,

    /// The confidence of the interval
    #[arg(long, value_name = "LEVEL", default_value = "0.95", value_parser = share)]
    confidence: Rational,

    /// The largest number of inputs that may fail, in the table
    #[arg(long, value_name = "N", default_value_t = 10)]
    failures: usize,

    /// The share that is expected
    #[arg(long, value_name = "SHARE", value_parser = share)]
    expect: Option<Rational>,

    /// The probability with which the share is to be shown
    #[arg(long, value_name = "P", value_parser = share, requires = "expect")]
    power: Option<Rational>,
}

/// So many rows are a table.
const ROWS: usize = 1000;

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let inside = |name: &str, value: &Rational| {
        let value = to_f64_nearest(value);
        if value > 0.0 && value < 1.0 {
            return Ok(value);
        }
        let message = format!("{name} must be between 0 and 1, and neither: no sample shows more");
        Err(Failure::new(USAGE, message))
    };
    let share = inside("--share", &arguments.share)?;
    let confidence = inside("--confidence", &arguments.confidence)?;
    let expect = arguments.expect.as_ref().map(to_f64_nearest);
    let power = arguments.power.as_ref().map(|p| inside("--power", p)).transpose()?;
    if arguments.failures >= ROWS {
        return Err(Failure::new(USAGE, format!("--failures must be below {ROWS}")));
    }
    if expect.is_some_and(|expect| expect <= share) {
        let message = "--expect must be above --share: what holds no more often than that is not shown by any sample";
        return Err(Failure::new(USAGE, message));
    }
    let rows = rows(share, confidence, 0..=arguments.failures, expect);
    if rows.is_empty() {
        return Err(Failure::new(
            DATA,
            format!("--share: no sample of up to {MOST} inputs shows it"),
        ));
    }
    let chosen = match power.zip(expect) {
        None => None,
        Some((power, expect)) => {
            let chosen = with_power(share, confidence, expect, power);
            let message = || {
                let why = format!(
                    "no sample of up to {MOST} inputs shows the share with this probability"
                );
                Failure::new(DATA, format!("--power: {why}"))
            };
            Some(chosen.ok_or_else(message)?)
        }
    };
    let plan =
        PlanAnswer { share, confidence, expected: expect, wanted_power: power, chosen, rows };
    let plan = Answer::new("plan", plan);
    answer(&plan, || plan_text(&plan.answer, styled()))?;
    Ok(DONE)
}
