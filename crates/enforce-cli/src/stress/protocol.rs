//! How a step is let in: the library's own way, and the naive one that it is there to replace.

use enforce_core::{Actual, Demand, EnforcementResult, EnforcementViolation, Execution, NanoUsd, Timestamp};
use serde::Serialize;

use super::amounts::{Amounts, COST, DISCOVERED, INPUT, STEPS, TOKENS, unsigned};
use super::hold::Held;

/// The protocol of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// One call takes everything or nothing: `reserve`, then `settle`
    Reserve,
    /// Two calls, with the work between them: `check`, then `charge`. It overspends as soon as there are two threads, and
    /// the soak has to find it out
    CheckThenRecord,
}

impl Protocol {
    /// Asks for `demand`, for a hold that borrows its execution.
    pub(crate) fn ask<'a>(
        self,
        execution: &'a Execution,
        demand: Demand,
        now: Timestamp,
    ) -> Result<Held<'a>, EnforcementViolation> {
        match self {
            Self::Reserve => execution.reserve_at(demand, now).map(Held::Borrowed),
            Self::CheckThenRecord => check(execution, demand, now),
        }
    }

    /// Asks for `demand`, for a hold that can be kept.
    pub(crate) fn ask_owned(
        self,
        execution: &Execution,
        demand: Demand,
        now: Timestamp,
    ) -> Result<Held<'static>, EnforcementViolation> {
        match self {
            Self::Reserve => execution.reserve_owned_at(demand, now).map(Held::Owned),
            Self::CheckThenRecord => check(execution, demand, now),
        }
    }
}

/// The first call of check-then-record.
fn check<'a>(execution: &Execution, demand: Demand, now: Timestamp) -> Result<Held<'a>, EnforcementViolation> {
    match execution.check_at(demand, now) {
        EnforcementResult::Blocked(violation) => Err(violation),
        _ => Ok(Held::Checked),
    }
}

/// Tokens and money that were used, without what has begun.
pub(crate) fn quantities(used: &Amounts) -> Actual {
    let [input, output] = [used[INPUT], used[TOKENS].saturating_sub(used[INPUT])].map(unsigned);
    Actual::tokens(input, output).cost(money(used[COST]))
}

/// All that was used, beginnings too.
pub(crate) fn everything(used: &Amounts) -> Actual {
    quantities(used).steps(unsigned(used[STEPS])).discovered_steps(unsigned(used[DISCOVERED]))
}

pub(crate) fn money(nanos: i64) -> NanoUsd {
    NanoUsd::new(unsigned(nanos)).unwrap_or(NanoUsd::MAX)
}
