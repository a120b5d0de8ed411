//! States that are saved while other threads go on.

use std::sync::Arc;

use enforce_core::{EnforcerState, Status, UsageSnapshot};

use super::findings::Findings;
use super::laws::{COMMITTED, Judge, Law, committed};
use super::node::Node;
use super::restart::{Restart, said};
use super::worker::Worker;

/// Of so many executions at most it is noted how they stood when the call began and when it had returned.
const SEEN: usize = 256;

/// A state that was saved while others worked.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) state: EnforcerState,
    pub(crate) seen: Vec<Seen>,
}

/// How one execution stood when the call began, and when it had returned.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) node: Arc<Node>,
    pub(crate) before: UsageSnapshot,
    pub(crate) after: UsageSnapshot,
}

impl Worker<'_> {
    /// Saves while others work.
    pub(crate) fn save(&mut self) {
        let some = SEEN.min(self.world.places.len());
        // Ids that others had before tell nobody apart.
        let nodes: Vec<_> = (0..some).filter_map(|_| self.pick()).map(|(_, node)| node).collect();
        let nodes = nodes.into_iter().filter(|node| node.has_its_own_id());
        let before: Vec<_> = nodes.map(|node| (node.execution.snapshot_at(self.world.now()), node)).collect();
        let state = self.world.enforcer.save_at(self.world.now());
        let seen = before.into_iter().map(|(before, node)| {
            let after = node.execution.snapshot_at(self.world.now());
            Seen { node, before, after }
        });
        let seen = seen.collect();
        self.record.saved.push(Saved { state, seen });
    }
}

impl Saved {
    /// S1, T1: it lies within the call, and whoever takes it over grants nothing of what was used when the call began.
    pub(crate) fn compare(&self, restart: &Restart<'_>, findings: &mut Findings) {
        for seen in &self.seen {
            let mut judge = Judge::of(seen.node.execution.id());
            seen.compare(restart, &mut judge);
            findings.judged(judge);
        }
    }
}

impl Seen {
    fn compare(&self, restart: &Restart<'_>, judge: &mut Judge) {
        let Self { node, before, after } = self;
        let id = node.execution.id();
        let had_ended = |seen: &UsageSnapshot| matches!(seen.status, Status::Finished(_));
        let Some(it) = restart.said.get(id) else {
            return judge.never(Law::G1, "executions missing in a state", !had_ended(after));
        };
        judge.never(Law::E1, "executions that had ended in a state", had_ended(before));
        let (low, said, high) = (committed(before), said(it), committed(after));
        for (kind, figure) in COMMITTED {
            judge.at_least(Law::S1, figure, low[kind], said[kind]);
            judge.at_most(Law::S1, figure, high[kind], said[kind]);
        }
        if let Status::Halted(cause) = before.status {
            judge.never(Law::E2, "halts missing in a state", it.halted != Some(cause));
        }
        let Some(run) = restart.after.get(id) else {
            return judge.never(Law::G1, "executions missing after a restart", true);
        };
        let now = committed(&run.snapshot());
        for (kind, figure) in COMMITTED {
            judge.at_least(Law::T1, figure, low[kind], now[kind]);
        }
    }
}
