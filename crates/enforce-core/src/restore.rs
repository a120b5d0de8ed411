//! Executions that outlive their enforcer: saving what was used, and taking it over under the limits of today.

mod books;
mod check;
mod enter;
mod rates;
mod save;

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::enforcer::Enforcer;
use crate::limits::{ConfigError, LongRunningExecutionPolicy, ResourceLimits};
use crate::snapshot::Outstanding;
use crate::state::{EnforcerState, ExecutionState, STATE_VERSION};

/// What becomes of the tokens and the money of holds that were open when the state was saved: nobody is left to settle them.
///
/// Memory always goes back, for a restart frees it, and what has begun always stays begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OpenHolds {
    /// They are charged in full, as [`OnDrop::ChargeAll`](crate::OnDrop::ChargeAll) would; tokens as output. A cost
    /// threshold that this reaches acts. The default: what was asked for may have been used.
    #[default]
    ChargeInFull,
    /// They go back: for a caller who knows that nothing of it was used, or who charges what was.
    GiveBack,
}

/// The limits of one execution.
type OwnLimits = (ResourceLimits, LongRunningExecutionPolicy);

/// How a state is taken over.
#[derive(Default)]
pub struct RestoreOptions<'a> {
    holds: OpenHolds,
    limits: Option<Box<LimitsOf<'a>>>,
}

/// What the caller knows of an execution's limits.
type LimitsOf<'a> = dyn FnMut(&ExecutionState) -> Option<OwnLimits> + 'a;

impl<'a> RestoreOptions<'a> {
    /// Open holds are charged in full, and every execution has the limits of the enforcer's configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of open holds. Default: [`OpenHolds::ChargeInFull`].
    #[must_use]
    pub fn open_holds(self, holds: OpenHolds) -> Self {
        Self { holds, ..self }
    }

    /// The limits of executions that have their own; `None` of one that has those of the configuration: a root the
    /// enforcer's, a child none but the guards of its parent, as [`ChildBuilder`](crate::ChildBuilder) says. A slice is
    /// not looked for here: it is a part of what the parent has used, and comes with the state. Default: `None` of all.
    ///
    /// Limits that were changed while it ran, by an approval or by [`Execution::set_limits`](crate::Execution::set_limits),
    /// are not in the state: whoever wants them again says so here. The approvals are in [`ExecutionState::approvals`].
    #[must_use]
    pub fn limits(self, limits: impl FnMut(&ExecutionState) -> Option<OwnLimits> + 'a) -> Self {
        Self { limits: Some(Box::new(limits)), ..self }
    }
}

impl fmt::Debug for RestoreOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOptions").field("holds", &self.holds).finish_non_exhaustive()
    }
}

/// What was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// How many executions.
    pub executions: usize,
    /// How many tenants.
    pub tenants: usize,
    /// How long nothing ran: from the moment of the state until now; 0 if the clock stepped back.
    pub downtime: Duration,
    /// What open holds had set aside, all executions that have not ended taken together: charged or given back, as was
    /// chosen.
    pub open_holds: Outstanding,
}

/// Why a state was not taken over. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It was written by another version of this library.
    Version {
        /// The version of the state.
        found: u32,
    },
    /// The enforcer has clones, or handles of its executions are around.
    Shared,
    /// The enforcer has executions, tenants, or something used already.
    NotFresh,
    /// The state contradicts itself or what is possible.
    Invalid {
        /// Where, such as `executions[3].parent`.
        place: String,
        /// What is wrong there, and what would be right.
        wrong: String,
    },
    /// More than a table of the enforcer may hold.
    Full {
        /// Which: `executions`, `tenants`, `providers` or `models`.
        table: &'static str,
        /// How many it may hold.
        cap: u64,
    },
    /// The limits that the caller gave to an execution make no sense.
    Config {
        /// The id of the execution.
        id: String,
        /// Which limit, and what would be right.
        error: ConfigError,
    },
    /// The clock stands too near the beginning of time for what has passed already.
    Clock {
        /// Where it stands.
        now: Timestamp,
        /// Where it would have to stand at least.
        least: Timestamp,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { found } => {
                write!(f, "a state of version {found}; this library reads version {STATE_VERSION}")
            }
            Self::Shared => f.write_str("the enforcer is in use; restore it before it is cloned or handed out"),
            Self::NotFresh => f.write_str("the enforcer has counted something already; restore into a new one"),
            Self::Invalid { place, wrong } => write!(f, "invalid state at {place}: {wrong}"),
            Self::Full { table, cap } => write!(f, "the state has more than {cap} {table}; raise max_{table}"),
            Self::Config { id, error } => write!(f, "limits of execution {id:?}: {error}"),
            Self::Clock { now, least } => {
                let (now, least) = (now.as_nanos(), least.as_nanos());
                write!(f, "the clock stands at {now} ns; it must stand at {least} ns at least")
            }
        }
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Enforcer {
    /// All that it has counted, as data that outlives it.
    ///
    /// At rest it is exact. While others go on asking, settling and ending, it can be taken over all the same, and that
    /// grants nothing (S1, T1):
    ///
    /// - What an execution and what a tenant has committed lies between its values at the start and at the end of the call;
    ///   in a tenant's totals each of its executions is in it once (C1).
    /// - Of every limit of an execution and of every budget, as much is used after the restore as was when the call began, but
    ///   for what came back meanwhile; if open holds go back ([`OpenHolds::GiveBack`]), as much as was committed. An
    ///   amount that is settled meanwhile and a slice that is registered or ends meanwhile may count twice, but never not at
    ///   all.
    /// - Who had ended when the call began is not in it; whose halt or pause had returned is halted or paused in it. Who
    ///   ends meanwhile may be in it as if it had not, and who is registered meanwhile may be missing.
    ///
    /// Takes the small locks of what it reads, one at a time; steps are not held up but for those that need one of these.
    /// Works as long as there are executions, tenants and budgets to be read. Nothing calls it but the caller, who also keeps
    /// what it returns; what happens after it is lost with the process.
    #[must_use]
    pub fn save(&self) -> EnforcerState {
        self.save_at(self.core().clock.now())
    }

    /// [`Enforcer::save`] at a time that the caller has minted.
    #[must_use]
    pub fn save_at(&self, now: Timestamp) -> EnforcerState {
        save::state(self.core(), now)
    }

    /// Takes over what another enforcer has saved, under the limits of this one, whole or not at all. Afterwards
    /// [`Enforcer::get`] finds its executions, and they are decided as if they had never stopped.
    ///
    /// - **Limits** come from this enforcer and from [`RestoreOptions::limits`], never from the state. What is used above
    ///   a limit that is lower by now is debt, which blocks.
    /// - **Open holds** end as [`RestoreOptions::open_holds`] says. Open discoveries and waiting demands end.
    /// - **Time** did not run while nothing ran: wall and active time and idleness go on where they were, so
    ///   `started_at` moves along. Periods of budgets and rates follow the clock: a period that is over by now is over,
    ///   and what has drained has drained.
    /// - **Pauses** go on under the same ticket, and no other pause gets its number. Halts stay, for the same cause.
    ///
    /// Limits of tenants of their own ([`Enforcer::set_tenant`]) are to be set before.
    ///
    /// # Errors
    /// A state of another version, one that makes no sense, or one that is too large; an enforcer that is not fresh or
    /// that somebody else holds a handle of; limits of the caller's that make no sense. Nothing was taken over.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, EnforcerState, ResourceLimits, RestoreError, RestoreOptions};
    ///
    /// let limits = ResourceLimits { max_steps: 3, ..ResourceLimits::unlimited() };
    /// let before = Enforcer::builder().limits(limits.clone()).build()?;
    /// let run = before.execution("exec_1", "tenant_a").register()?;
    /// drop(run.reserve(Demand::step().steps(2))?);
    /// let text = serde_json::to_string(&before.save())?;
    ///
    /// let mut after = Enforcer::builder().limits(limits).build()?;
    /// let state: EnforcerState = serde_json::from_str(&text)?;
    /// after.restore(&state, RestoreOptions::new())?;
    /// let run = after.get("exec_1").ok_or("not restored")?;
    /// drop(run.reserve(Demand::step())?);
    /// assert_eq!(run.reserve(Demand::step()).unwrap_err().to_string(), "step_limit exceeded: 4 / 3 (133%)");
    ///
    /// drop(run);
    /// assert_eq!(after.restore(&state, RestoreOptions::new()), Err(RestoreError::NotFresh));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&mut self, state: &EnforcerState, options: RestoreOptions<'_>) -> Result<Restored, RestoreError> {
        let now = self.core().clock.now();
        self.restore_at(state, options, now)
    }

    /// [`Enforcer::restore`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Enforcer::restore`].
    pub fn restore_at(
        &mut self,
        state: &EnforcerState,
        options: RestoreOptions<'_>,
        now: Timestamp,
    ) -> Result<Restored, RestoreError> {
        enter::restore(self, state, options, now)
    }
}
