//! What every format comes down to: executions that begin, take steps and end.

use std::rc::Rc;

use enforce_core::NanoUsd;

/// One execution of a trace: an execution's id is unique within its tenant only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) tenant: Rc<str>,
    pub(crate) execution: Rc<str>,
}

/// Tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost: NanoUsd,
}

/// One data row of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The row's number in decision order, from 1.
    pub(crate) row: u64,
    pub(crate) run: Run,
    pub(crate) step: u64,
    pub(crate) time_ns: u64,
    /// Whom rates are counted for; a trace that doesn't say has one provider.
    pub(crate) provider: Rc<str>,
    pub(crate) model: Option<Rc<str>>,
    /// What was asked for before the step. Equal to `used` where the trace records the truth alone.
    pub(crate) asked: Amounts,
    pub(crate) used: Amounts,
    pub(crate) action: Option<u64>,
    /// Its execution ends right after it.
    pub(crate) last: bool,
}

/// What happens next in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An execution begins before its first step. Where a trace doesn't say so, an execution begins with that step.
    Begin { run: Run, time_ns: u64 },
    /// An execution takes a step.
    Step(Step),
    /// An execution ends that has not ended with its last step.
    End { run: Run, time_ns: u64 },
}

impl Item {
    /// When it happens.
    pub(crate) fn time_ns(&self) -> u64 {
        match self {
            Self::Begin { time_ns, .. } | Self::End { time_ns, .. } => *time_ns,
            Self::Step(step) => step.time_ns,
        }
    }
}

/// The provider of a trace that names none.
pub(crate) const ONE_PROVIDER: &str = "provider";
