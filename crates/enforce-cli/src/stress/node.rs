//! An execution and what is known of it beside the library.

use std::sync::{Arc, OnceLock};

use enforce_core::{Cause, Execution, Status};
use parking_lot::Mutex;

use super::amounts::{Amounts, NONE, plus};
use super::limits::Limits;
use super::lives::SHARED;
use super::record::Change;

/// One registered execution.
#[derive(Debug)]
pub(crate) struct Node {
    /// Tells it from every other that ever was, also of the same id.
    pub(crate) key: u64,
    pub(crate) execution: Execution,
    /// Number of its tenant.
    pub(crate) tenant: usize,
    pub(crate) parent: Option<Arc<Node>>,
    /// What was set aside for it, if it has a slice of its parent's budget.
    pub(crate) slice: Option<Amounts>,
    /// Nobody in its tree ever uses more than was set aside, or lowers a limit: it never is above one, not for a moment.
    pub(crate) is_strict: bool,
    /// Set once a halt or an end of it has returned to somebody: nothing that begins after it was seen may be admitted,
    /// here or below (E1).
    pub(crate) stopped: OnceLock<()>,
    pub(crate) limits: Mutex<Limits>,
    /// Written at meetings alone.
    pub(crate) ledger: Mutex<Ledger>,
}

/// What one execution should stand at: the sum of what threads have recorded about it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Its own demands, charges and holds.
    pub(crate) own: Change,
    /// What those below it that are gone have left with it.
    pub(crate) carried: Amounts,
    /// What came up from those below it in the sum that is being made.
    pub(crate) below: Sums,
    /// What was used at the last meeting.
    pub(crate) used_before: Amounts,
    /// Whether its slice has been given back.
    pub(crate) slice_ended: bool,
    /// Why it was halted, once that was seen.
    pub(crate) halted: Option<Cause>,
}

/// What is counted up the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) committed: Amounts,
    pub(crate) held: Amounts,
    /// What was used since the last meeting without having been admitted.
    pub(crate) over: Amounts,
}

impl Sums {
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            committed: plus(self.committed, other.committed),
            held: plus(self.held, other.held),
            over: plus(self.over, other.over),
        }
    }
}

impl Node {
    pub(crate) fn depth(&self) -> usize {
        self.line().count()
    }

    /// Itself and everyone above it.
    pub(crate) fn line(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }

    /// Whether it or someone above it is known to be stopped for good.
    pub(crate) fn is_stopped(&self) -> bool {
        self.line().any(|node| node.stopped.get().is_some())
    }

    pub(crate) fn stop(&self) {
        self.stopped.get_or_init(|| ());
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.execution.status(), Status::Finished(_))
    }

    /// Nobody else ever has its id.
    pub(crate) fn has_its_own_id(&self) -> bool {
        !self.execution.id().starts_with(SHARED)
    }

    /// Neither halted nor ended.
    pub(crate) fn runs(&self) -> bool {
        !matches!(self.execution.status(), Status::Finished(_) | Status::Halted(_))
    }
}

impl Ledger {
    /// What stands here, children included.
    pub(crate) fn sums(&self) -> Sums {
        let Change { committed, held, over, .. } = self.own;
        Sums { committed: plus(committed, self.carried), held, over }.plus(&self.below)
    }

    /// A meeting is over.
    pub(crate) fn settle_down(&mut self, used: Amounts) {
        self.used_before = used;
        self.own.over = NONE;
        self.below = Sums::default();
    }
}
