//! What one thread has done since the last meeting, kept by that thread alone: what is added up for the comparison must
//! not order the threads whose order is under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use enforce_core::TenantUsage;

use super::amounts::{Amounts, plus};
use super::laws::Violation;
use super::node::Node;
use super::saving::Saved;
use super::world::PROVIDERS;

/// What was done to one execution.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    /// Steps that began, and what was settled, charged, or kept by drop policies.
    pub(crate) committed: Amounts,
    /// What holds have set aside, less what they gave back.
    pub(crate) held: Amounts,
    /// What was used above what had been set aside for it.
    pub(crate) over: Amounts,
    /// Holds that were opened, less those that were ended.
    pub(crate) open: i64,
    /// Units of the allowance.
    pub(crate) units: u64,
    /// The deepest discovery.
    pub(crate) deepest: u64,
    /// Approvals that came through.
    pub(crate) approvals: u64,
}

impl Change {
    pub(crate) fn add(&mut self, other: &Self) {
        self.committed = plus(self.committed, other.committed);
        self.held = plus(self.held, other.held);
        self.over = plus(self.over, other.over);
        self.open += other.open;
        self.units += other.units;
        self.deepest = self.deepest.max(other.deepest);
        self.approvals += other.approvals;
    }
}

/// The record of one thread since the last meeting.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// By the keys of executions.
    changes: BTreeMap<u64, (Arc<Node>, Change)>,
    /// Executions that it has registered.
    pub(crate) registered: Vec<Arc<Node>>,
    /// Last figures of tenants that were let go.
    pub(crate) evicted: Vec<TenantUsage>,
    /// Requests that each provider's rate let through.
    pub(crate) requests: [u64; PROVIDERS],
    /// Holds with a deadline that have neither ended nor expired.
    pub(crate) timed: u64,
    /// Takes of the last rush that came through.
    pub(crate) rushed: u64,
    /// States that it has saved while others worked.
    pub(crate) saved: Vec<Saved>,
    /// Figures that it has compared itself.
    pub(crate) compared: u64,
    /// Laws that it has seen broken itself.
    pub(crate) violations: Vec<Violation>,
}

impl Record {
    pub(crate) fn of(&mut self, node: &Arc<Node>) -> &mut Change {
        &mut self.changes.entry(node.key).or_insert_with(|| (Arc::clone(node), Change::default())).1
    }

    pub(crate) fn take_changes(&mut self) -> impl Iterator<Item = (Arc<Node>, Change)> + use<> {
        std::mem::take(&mut self.changes).into_values()
    }
}
