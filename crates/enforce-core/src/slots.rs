//! The slots of a tenant and of the process: one for each live execution that has no parent.

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::kernel::bound::Bound;
use crate::kernel::tally::{MAX_AMOUNT, Tally};
use crate::limits::{Action, EnforcementPolicy};

/// How many slots there are: a limit that only observes counts them all the same, but never runs out of them.
pub(crate) fn live_limit(configured: Option<u64>, enforcement: &EnforcementPolicy) -> Option<u64> {
    configured.filter(|_| enforcement.actions.concurrency != Action::Observe)
}

/// The live executions of a scope, and how many there may be.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slots {
    tally: Tally,
    limit: Bound,
}

impl Slots {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(MAX_AMOUNT);
        Self { tally: Tally::new(limit), limit: Bound::new(limit, []) }
    }

    /// Where a slot is taken and given back.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Moves the limit; the caller's lock serialises changes.
    pub(crate) fn relimit(&self, limit: Option<u64>) {
        self.limit.change(&self.tally, limit.unwrap_or(MAX_AMOUNT), []);
    }

    /// How many are taken.
    pub(crate) fn live(&self) -> u64 {
        let (limit, [], word) = self.limit.read(&self.tally);
        word.used(limit)
    }

    /// Why there is none to give.
    pub(crate) fn refusal(&self, scope: ScopeKind) -> EnforcementViolation {
        let (limit, ..) = self.limit.read(&self.tally);
        let retry = if limit == 0 { Retry::Never } else { Retry::WhenFreed };
        // When it refused, all were taken: a slot that was given back since is no longer part of why.
        EnforcementViolation::of(scope, ViolationType::ConcurrencyLimit, limit, 1, limit, retry)
    }
}
