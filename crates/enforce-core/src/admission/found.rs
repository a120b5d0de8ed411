//! What looking finds: what stands against a demand, and what is worth telling.

use arrayvec::ArrayVec;

use super::Granted;
use super::look::scope_of;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning, ViolationType};
use crate::hold::Receipt;
use crate::kept::Kept;
use crate::kernel::activity::Seen;
use crate::limits::Action;
use crate::paces::Paces;
use crate::record::Record;
use crate::resource::Demand;
use crate::told::Near;

/// What was noticed about a demand that nothing stands against.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noticed {
    /// The first limit that is near.
    pub(crate) warning: Option<EnforcementWarning>,
    /// The first limit that only observes and would have refused.
    pub(crate) observed: Option<EnforcementViolation>,
}

impl Noticed {
    /// What was noticed last comes first.
    pub(crate) fn join(&mut self, later: Self) {
        self.warning = later.warning.or(self.warning);
        self.observed = later.observed.or(self.observed);
    }
}

/// The first limit that stands against a demand, and what it does about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocked {
    pub(super) violation: EnforcementViolation,
    /// Halt or pause, if the limit is exhausted and says so.
    pub(super) act: Option<Action>,
    /// What was judged idle.
    pub(super) idle: Option<Seen>,
    pub(super) obstacle: Obstacle,
    /// Until when the pause lasts that it brings about, if not until somebody approves.
    pub(super) until: Option<Timestamp>,
}

/// Where a demand has met the limit that stands against it, and so where it would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// At the execution, or at the pool of that number above it.
    Scope(usize),
    /// At a budget of its tenant's.
    Tenant,
    /// At a budget of the process's.
    Process,
    /// At the rate of that number, of those that it meets.
    Rate(usize),
    /// At somebody else's take that has come through or is undone in a moment.
    Passing,
}

/// What looking has found. It is put down where it is found: on the way back goes one bit, not a violation that every
/// caller in between would have to copy.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) noticed: Noticed,
    pub(super) blocked: Option<Blocked>,
    /// What was taken of rates of tokens.
    pub(super) paces: Option<Paces>,
    /// A take was undone, so there may be somebody to wake.
    pub(super) undone: bool,
    /// Limits that are near, as many as are told of one demand.
    pub(super) near: ArrayVec<Near, MOST_NEAR>,
}

/// The most limits that one demand is told to be near to; those behind them are told when these have been.
const MOST_NEAR: usize = 8;

/// Something stands against the demand; [`Found::blocked`] says what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop;

pub(super) type Looked = Result<(), Stop>;

impl Found {
    /// Blocks.
    #[inline]
    pub(super) fn stop(&mut self, violation: EnforcementViolation, act: Option<Action>) -> Stop {
        self.blocked = Some(Blocked { violation, act, idle: None, obstacle: Obstacle::Scope(0), until: None });
        Stop
    }

    /// Says where what blocks was met.
    #[inline]
    pub(super) fn at(&mut self, obstacle: Obstacle) {
        if let Some(blocked) = &mut self.blocked {
            blocked.obstacle = obstacle;
        }
    }

    /// Whether a pause stands against the demand.
    pub(super) fn is_paused(&self) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| blocked.violation.violation_type == ViolationType::Paused)
    }

    /// Says until when the pause lasts that what blocks may bring about.
    #[cold]
    pub(super) fn until(&mut self, until: Timestamp) {
        if let Some(blocked) = &mut self.blocked {
            blocked.until = Some(until);
        }
    }

    /// Blocks, unless the limit only observes.
    #[inline]
    pub(super) fn refuse(&mut self, violation: EnforcementViolation, action: Action, exhausted: bool) -> Looked {
        match action {
            Action::Observe => {
                self.noticed.observed.get_or_insert(violation);
                Ok(())
            }
            Action::Halt | Action::Pause if exhausted => Err(self.stop(violation, Some(action))),
            Action::Halt | Action::Pause | Action::Refuse => Err(self.stop(violation, None)),
        }
    }

    /// What stands against the demand.
    #[inline]
    pub(super) fn violation(&self, record: &Record) -> EnforcementViolation {
        self.blocked.as_ref().map_or_else(|| record.state_violation(None), |blocked| blocked.violation)
    }

    /// Whether there is nothing to be told and nothing to be remembered of rates.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.is_quiet() && self.paces.is_none()
    }

    /// Whether there is nothing to be told.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.noticed.warning.is_none() && self.noticed.observed.is_none()
    }

    /// What is granted, with all that was found.
    #[inline(never)]
    pub(super) fn receipt(&self, demand: &Demand, granted: Granted) -> Receipt {
        let Granted { periods, bare } = granted;
        Receipt::new(Kept::of(demand, periods, bare, self.paces), self.noticed)
    }

    /// Warns of a limit of the execution's, or of the pool's at that level.
    #[cold]
    pub(super) fn warn(&mut self, level: usize, kind: ViolationType, current: u64, limit: u64) {
        self.near(Near { warning: EnforcementWarning::of(scope_of(level), kind, current, limit), level, period: None });
    }

    #[cold]
    pub(super) fn near(&mut self, near: Near) {
        self.noticed.warning.get_or_insert(near.warning);
        // One that is met again was lost in between.
        if !self.near.iter().any(|before| before.is_same_limit(&near)) {
            let _room = self.near.try_push(near);
        }
    }
}
