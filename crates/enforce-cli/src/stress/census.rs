//! Everyone who is known, and the comparison of what they should stand at with what they do. It is made while all threads
//! stand still.

use std::sync::Arc;

use enforce_core::{Cause, Demand, EnforcementResult, ScopeKind, Status, Timestamp, ViolationType};

use super::amounts::{Amounts, LIMITED, NONE, STEPS, above, plus, signed};
use super::laws::{Judge, Law};
use super::node::{Node, Sums};
use super::numbers::Numbers;
use super::world::{ALLOWED_UNITS, World};

/// More than any number of steps that is ever used, and not more than can be counted.
const MANY_STEPS: u64 = 1 << 55;

/// Executions by how many are above them; those that have ended stay until nobody has anything to do with them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    levels: Vec<Vec<Arc<Node>>>,
}

impl Census {
    pub(crate) fn enter(&mut self, node: Arc<Node>) {
        let level = node.depth() - 1;
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        if let Some(level) = self.levels.get_mut(level) {
            level.push(node);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.levels.iter().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Those that have not ended.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.all().filter(|node| !node.has_ended())
    }

    /// Compares everyone, from below, and leaves the sums of roots with their tenants.
    pub(crate) fn compare(&self, world: &World, found: &mut impl FnMut(Judge)) {
        let now = world.now();
        for node in self.levels.iter().rev().flatten() {
            let mut judge = Judge::of(node.execution.id());
            let sums = compare_one(node, now, &mut judge);
            found(judge);
            if node.parent.is_none()
                && let Some(tenant) = world.tenants.get(node.tenant)
            {
                let mut books = tenant.books.lock();
                books.roots = books.roots.plus(&sums);
                books.live += i64::from(node.runs());
            }
        }
    }

    /// T2: a refusal changes nothing. Asked of some, while nobody else asks anything.
    pub(crate) fn ask_in_vain(&self, numbers: &mut Numbers, now: Timestamp, found: &mut impl FnMut(Judge)) {
        for level in &self.levels {
            for _ in 0..level.len().min(16) {
                let Some(node) = level.get(numbers.index(level.len())) else { continue };
                let mut judge = Judge::of(node.execution.id());
                let before = node.execution.snapshot_at(now);
                let admitted = node.execution.reserve_at(Demand::step().tokens(u64::MAX, 0), now).is_ok();
                let mut after = node.execution.snapshot_at(now);
                judge.never(Law::T1, "demands admitted of more than can be counted", admitted);
                // What it leads to is another matter: the limit may have been exhausted before.
                after.status = before.status;
                judge.never(Law::T2, "refusals that changed an amount", before != after);
                found(judge);
            }
        }
    }

    /// Lets those go that have ended and that nobody has anything to do with any more: what they leave goes to their
    /// parents and tenants. Who lives and has no place any more is ended.
    pub(crate) fn let_go(&mut self, world: &World) {
        let now = world.now();
        for level in self.levels.iter_mut().rev() {
            level.retain(|node| {
                // By the list alone: no place, no hold, no child.
                if Arc::strong_count(node) > 1 {
                    return true;
                }
                if !node.has_ended() {
                    node.execution.finish_at(now);
                    return true;
                }
                let ledger = node.ledger.lock();
                let left = plus(ledger.own.committed, ledger.carried);
                match (&node.parent, world.tenants.get(node.tenant)) {
                    (Some(parent), _) => {
                        let mut above = parent.ledger.lock();
                        above.carried = plus(above.carried, left);
                    }
                    (None, Some(tenant)) => {
                        let mut books = tenant.books.lock();
                        books.carried = plus(books.carried, left);
                    }
                    (None, None) => {}
                }
                false
            });
        }
    }
}

/// Compares one, and hands what it stands at to its parent.
fn compare_one(node: &Node, now: Timestamp, judge: &mut Judge) -> Sums {
    let seen = node.execution.snapshot_at(now);
    let mut ledger = node.ledger.lock();
    let sums = ledger.sums();
    let used = judge.conserved(&sums, &seen);
    {
        let mut limits = node.limits.lock();
        judge.limited(&used, &ledger.used_before, &limits.highest, &sums.over);
        judge.indebted(&limits.now(), &seen);
        limits.settle_down();
        judge.at_most(
            Law::D1,
            "deepest discovery",
            limits.depth().map_or(i64::MAX, signed),
            signed(seen.max_discovery_depth),
        );
        let idle = Status::Halted(Cause::own(ViolationType::IdleTimeout));
        if limits.has_idle_timeout() && seen.status == idle {
            judge.exactly(Law::I1, "open holds of one that was found idle", 0, ledger.own.open);
        }
    }
    judge.exactly(Law::D1, "open discoveries", 0, signed(seen.discovery_depth));
    judge.at_least(Law::D1, "deepest discovery", signed(ledger.own.deepest), signed(seen.max_discovery_depth));
    let units = seen.allowances.first().map_or(0, |usage| usage.used);
    judge.exactly(Law::R1, "units of the allowance", signed(ledger.own.units), signed(units));
    judge.at_most(Law::T1, "units of the allowance", signed(ALLOWED_UNITS), signed(units));
    judge.exactly(Law::E3, "approvals", signed(ledger.own.approvals), signed(node.execution.approvals().len() as u64));
    let cause = match seen.status {
        Status::Halted(cause) => Some(cause),
        Status::Finished(cause) => cause,
        _ => None,
    };
    if let Some(first) = ledger.halted {
        judge.never(Law::E2, "causes of a halt that changed", cause != Some(first));
    } else if let Status::Halted(cause) = seen.status {
        ledger.halted = Some(cause);
    }
    if let Some(steps) = steps_used(node, now) {
        judge.exactly(Law::R1, "steps used", used[STEPS], steps);
    }
    hand_up(node, &sums, &used, &mut ledger.slice_ended, matches!(seen.status, Status::Finished(_)));
    ledger.settle_down(used);
    sums
}

/// Steps that are used, of one that says so: live slices are in it.
fn steps_used(node: &Node, now: Timestamp) -> Option<i64> {
    match node.execution.check_at(Demand::none().steps(MANY_STEPS), now) {
        EnforcementResult::Blocked(refused)
            if refused.violation_type == ViolationType::StepLimit && refused.scope == ScopeKind::Execution =>
        {
            Some(signed(refused.used))
        }
        _ => None,
    }
}

/// What one stands at is its parent's, too, if it shares the parent's budget or its slice has been given back; before that
/// the slice is.
fn hand_up(node: &Node, sums: &Sums, used: &Amounts, slice_ended: &mut bool, ended: bool) {
    let Some(parent) = &node.parent else { return };
    let up = match node.slice {
        None => *sums,
        Some(slice) if !ended => Sums { held: limited_kinds(&slice), ..Sums::default() },
        Some(slice) => {
            // At the end the parent takes over what was used above the slice.
            let debt = if *slice_ended { NONE } else { above(limited_kinds(used), slice) };
            *slice_ended = true;
            Sums { over: plus(sums.over, debt), ..*sums }
        }
    };
    let mut above = parent.ledger.lock();
    above.below = above.below.plus(&up);
}

fn limited_kinds(amounts: &Amounts) -> Amounts {
    let mut limited = NONE;
    for (kind, _) in LIMITED {
        limited[kind] = amounts[kind];
    }
    limited
}
