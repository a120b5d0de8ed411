//! Operations from outside: pauses and decisions about them, changes of limits, looks, time.

use std::sync::Arc;
use std::time::Duration;

use enforce_core::{Approval, ApprovalError, Demand, Status};

use super::laws::{Judge, Law};
use super::node::Node;
use super::worker::Worker;

/// Executions that one thread looks at again and again between two meetings.
const MOST_WATCHED: usize = 8;

impl Worker<'_> {
    pub(crate) fn touch(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let stopped = node.is_stopped();
        if node.execution.touch_at(self.world.now()).is_ok() && stopped {
            self.broken(&node, Law::E1, "touches accepted behind a halt or an end");
        }
    }

    pub(crate) fn discover(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let deepest = 1 + self.numbers.below(4);
        let reached = descend(&node, deepest);
        let change = self.record.of(&node);
        change.deepest = change.deepest.max(reached);
    }

    pub(crate) fn pause(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let now = self.world.now();
        if !matches!(node.execution.pause_at("looks lost", now), Status::Paused(_)) {
            return;
        }
        self.tally.counts.paused += 1;
        // Whoever approves it meanwhile makes a difference: so it counts only if the same pause stands before and after.
        let Some(before) = node.execution.pause_ticket() else { return };
        let admitted = node.execution.reserve_at(Demand::none(), now).is_ok();
        let after = node.execution.pause_ticket();
        if admitted && after.is_some_and(|after| after.pause == before.pause) {
            self.broken(&node, Law::E1, "demands admitted right behind a pause");
        }
    }

    pub(crate) fn decide(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        self.decide_about(&node);
    }

    /// Approves or rejects the pause of an execution, or of the nearest above it that was paused itself.
    pub(crate) fn decide_about(&mut self, node: &Arc<Node>) {
        let mut above = Some(node);
        while let Some(node) = above {
            if let Some(ticket) = node.execution.pause_ticket() {
                return if self.numbers.one_in(8) { self.reject(node, &ticket) } else { self.approve(node, &ticket) };
            }
            above = node.parent.as_ref();
        }
    }

    fn reject(&mut self, node: &Node, ticket: &enforce_core::PauseTicket) {
        if node.execution.reject_at(ticket, self.world.now()).is_ok() {
            node.stop();
            self.tally.counts.rejected += 1;
            self.stale(node, ticket);
        }
    }

    fn approve(&mut self, node: &Arc<Node>, ticket: &enforce_core::PauseTicket) {
        let mut limits = node.limits.lock();
        let approved = node.execution.approve_at(ticket, Approval::new("stress", "go on"), self.world.now());
        if let Ok(approved) = &approved {
            limits.approved(approved);
        }
        drop(limits);
        match approved {
            Ok(_) => {
                self.tally.counts.approved += 1;
                self.record.of(node).approvals += 1;
                self.stale(node, ticket);
            }
            // Its slice leaves no room: it never goes on.
            Err(ApprovalError::AboveCeiling { .. } | ApprovalError::TooLow { .. }) => self.reject(node, ticket),
            Err(_) => {}
        }
    }

    /// A ticket whose pause has ended does nothing (E3).
    fn stale(&mut self, node: &Node, ticket: &enforce_core::PauseTicket) {
        if node.execution.approve_at(ticket, Approval::new("stress", "late"), self.world.now()).is_ok() {
            self.broken(node, Law::E3, "approvals of a pause that had ended");
        }
    }

    pub(crate) fn relimit(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let mut limits = node.limits.lock();
        if self.numbers.one_in(2) {
            let next = limits.next_resource(&mut self.numbers, node.is_strict);
            if node.execution.set_limits(next.clone()).is_ok() {
                limits.resource = next;
            }
        } else {
            let next = limits.next_long_running(&mut self.numbers, node.is_strict);
            if node.execution.set_long_running(next.clone()).is_ok() {
                limits.long_running = next;
            }
        }
        limits.replaced();
    }

    pub(crate) fn relimit_tenant(&mut self) {
        let index = self.numbers.index(self.world.plan.lasting_tenants());
        if let Some(tenant) = self.world.tenants.get(index) {
            tenant.change(&self.world.enforcer, &mut self.numbers);
        }
    }

    pub(crate) fn evict(&mut self) {
        let evicted = self.world.enforcer.evict_idle_tenants();
        self.tally.counts.tenants_evicted += evicted.len() as u64;
        self.record.evicted.extend(evicted);
    }

    /// Looks at an execution, at best one that it has looked at before (S1).
    pub(crate) fn look(&mut self) {
        let now = self.world.now();
        if !self.watched.is_empty() && self.numbers.one_in(2) {
            let index = self.numbers.index(self.watched.len());
            let Some((node, before)) = self.watched.get_mut(index) else { return };
            let after = node.execution.snapshot_at(now);
            let mut judge = Judge::of(node.execution.id());
            judge.grown(before, &after);
            *before = after;
            return self.judged(judge);
        }
        let Some((_, node)) = self.pick() else { return };
        let seen = node.execution.snapshot_at(now);
        if self.watched.len() >= MOST_WATCHED {
            let index = self.numbers.index(self.watched.len());
            self.watched.swap_remove(index);
        }
        self.watched.push((node, seen));
    }

    pub(crate) fn look_at_tenant(&mut self) {
        let index = self.numbers.index(self.world.tenants.len());
        let Some(tenant) = self.world.tenants.get(index) else { return };
        if let Some(seen) = self.world.enforcer.tenant_usage(&tenant.name) {
            let mut judge = Judge::of(tenant.name.as_str());
            judge.adds_up(&seen);
            self.judged(judge);
        }
    }

    /// Lets time pass: mostly little, now and then longer than holds may take, and rarely longer than anyone may be idle.
    pub(crate) fn pass(&mut self) {
        let rarely = (self.world.plan.executions as u64 / 10).max(300);
        let by = if self.numbers.one_in(rarely) {
            Duration::from_secs(1_200)
        } else if self.numbers.one_in(50) {
            Duration::from_secs(1)
        } else {
            Duration::from_millis(self.numbers.below(20))
        };
        self.world.pass(by);
    }
}

/// Discovers inside a discovery, so deep or as deep as may be; how deep that was.
fn descend(node: &Node, levels: u64) -> u64 {
    if levels == 0 {
        return 0;
    }
    match node.execution.enter_discovery() {
        Ok(guard) => {
            let reached = 1 + descend(node, levels - 1);
            drop(guard);
            reached
        }
        Err(_) => 0,
    }
}
