//! Parents and children: a tree of executions.

use crate::books::{self, Exhausted};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::execution::{Execution, Known};
use crate::kernel::tally::{Refusal, Tally};
use crate::plan::Plan;
use crate::record::{Ended, Record};
use crate::resource::Amounts;
use crate::sync::Mutex;

/// How deep a tree may be: a root has depth 0.
pub(crate) const MAX_TREE_DEPTH: usize = 8;

/// Where a child gets what it uses.
#[derive(Debug)]
pub(crate) enum Share {
    /// From its parent's budget, step by step.
    Pool,
    /// From a part of its parent's budget that was set aside when it was registered.
    Slice(Slice),
}

/// A part of a parent's budget that is set aside for a child.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) amounts: Amounts,
    /// The periods of the budgets in which it was set aside.
    pub(crate) periods: Periods,
}

/// A child's link to its parent.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) execution: Execution,
    pub(crate) share: Share,
    pub(crate) depth: usize,
}

/// A parent's side of the tree.
#[derive(Debug)]
pub(crate) struct Children {
    /// Those that have not ended. The lock orders registrations, ends and the settling of slices among each other. Known
    /// only: a child keeps its parent in memory, and it is kept itself by the table of executions or by its handles.
    list: Mutex<Vec<Known>>,
    live: Tally,
    total: Tally,
}

impl Children {
    pub(crate) fn new(plan: &Plan) -> Self {
        let [live, total] = plan.bounds_of_children();
        Self { list: Mutex::new(Vec::new()), live: Tally::new(live), total: Tally::new(total) }
    }

    /// The slots of live children.
    pub(crate) fn live(&self) -> &Tally {
        &self.live
    }

    /// How many there ever were, under that limit.
    pub(crate) fn total(&self, limit: u64) -> u64 {
        self.total.word().used(limit)
    }

    /// Makes `child`, which was one in an earlier life, a member again, whatever the limits are by now.
    pub(crate) fn recall(&self, child: &Execution) {
        let mut list = self.list.lock();
        self.live.settle(0, 1);
        list.push(child.downgrade());
        number(&list, list.len().saturating_sub(1));
    }

    /// Counts the children of an earlier life, whatever the limits are by now.
    pub(crate) fn recall_total(&self, total: u64) {
        self.total.settle(0, total);
    }

    /// Moves the limits.
    pub(crate) fn relimit(&self, from: [u64; 2], to: [u64; 2]) {
        for ((tally, from), to) in [&self.live, &self.total].into_iter().zip(from).zip(to) {
            tally.relimit(from, to);
        }
    }

    /// Those that have not ended, as of now.
    pub(crate) fn all(&self) -> Vec<Execution> {
        self.list.lock().iter().filter_map(Known::upgrade).collect()
    }

    /// Makes `child` a member while `enter` registers it, or leaves nothing behind. The caller holds the lock of the
    /// parent's changes, so that its limits stand still.
    pub(crate) fn join<T, E>(
        &self,
        plan: &Plan,
        child: &Execution,
        enter: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, EnforcementViolation> {
        // Until it is in the list nobody ends it: whoever finds it by its id waits here (G1).
        let mut list = self.list.lock();
        self.take(plan)?;
        let entered = enter();
        match entered {
            Ok(_) => {
                if list.len() == list.capacity() {
                    // Only without an enforcer is anyone gone who has not ended. Now and then is often enough.
                    list.retain(|member| !member.is_gone());
                    (0..list.len()).for_each(|place| number(&list, place));
                }
                list.push(child.downgrade());
                number(&list, list.len().saturating_sub(1));
            }
            Err(_) => {
                self.live.give(1);
                self.total.give(1);
            }
        }
        Ok(entered)
    }

    /// Counts one child more, under both limits or neither.
    fn take(&self, plan: &Plan) -> Result<(), EnforcementViolation> {
        let [live, total] = plan.bounds_of_children();
        let refused = |refusal, limit, retry| {
            // As it was when it refused: what was given back since is no part of why.
            let used = if let Refusal::Short(word) = refusal { word.used(limit) } else { limit };
            EnforcementViolation::of(ScopeKind::Parent, ViolationType::ChildLimit, used, 1, limit, retry)
        };
        self.total.take(1).map_err(|refusal| refused(refusal, total, Retry::Never))?;
        self.live.take(1).map_err(|refusal| {
            self.total.give(1);
            refused(refusal, live, if live == 0 { Retry::Never } else { Retry::WhenFreed })
        })?;
        Ok(())
    }

    /// Ends `child`'s membership: runs `end`, and what it says that the child had is settled into its slice. What that
    /// exhausts above is put into `exhausted`.
    pub(crate) fn leave(
        &self,
        child: &Execution,
        now: Timestamp,
        exhausted: &mut Vec<Exhausted>,
        end: impl FnOnce(&mut Vec<Exhausted>) -> Option<Ended>,
    ) {
        let mut list = self.list.lock();
        let Some(Ended { held, committed }) = end(exhausted) else { return };
        if let Some(Parent { execution, share: Share::Slice(slice), .. }) = child.record().parent() {
            // The tallies first: committed never runs ahead of used.
            books::shift(execution, slice.periods, &slice.amounts, &held);
            books::commit(execution, slice.periods, &committed.into(), Some(now), exhausted);
        }
        let place = child.record().place();
        if list.get(place).is_some_and(|member| member.is(child)) {
            list.swap_remove(place);
            number(&list, place);
        }
    }
}

/// Tells who stands at `place` that it does.
fn number(list: &[Known], place: usize) {
    if let Some(member) = list.get(place).and_then(Known::upgrade) {
        member.record().set_place(place);
    }
}

impl Record {
    /// The link to its parent, if it has one.
    #[inline]
    pub(crate) fn parent(&self) -> Option<&Parent> {
        self.extra()?.parent.as_ref()
    }

    /// The record whose budget it shares, if there is one above it.
    #[inline]
    pub(crate) fn pool(&self) -> Option<&Record> {
        match self.parent() {
            Some(Parent { execution, share: Share::Pool, .. }) => Some(execution.record()),
            _ => None,
        }
    }

    /// Every record above it whose budget it shares, nearest first.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Record> {
        std::iter::successors(self.pool(), |record| record.pool())
    }

    /// The parent that set a slice aside for it, or for the pool that it shares.
    pub(crate) fn slice_parent(&self) -> Option<&Record> {
        let top = self.pools().last().unwrap_or(self);
        match top.parent() {
            Some(Parent { execution, share: Share::Slice(_), .. }) => Some(execution.record()),
            _ => None,
        }
    }

    /// How deep in its tree it is: 0 without a parent.
    pub(crate) fn tree_depth(&self) -> usize {
        self.parent().map_or(0, |parent| parent.depth)
    }

    /// Where its slots are: its parent's one for it, or its tenant's and the process's.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Tally> {
        let [first, second] = match self.parent() {
            Some(parent) => [Some(parent.execution.record().children().live()), None],
            None => self.tenant.slots().map(Some),
        };
        first.into_iter().chain(second)
    }

    /// How many of its children are live: registered, neither halted nor ended.
    pub(crate) fn live_children(&self) -> u64 {
        let Some(extra) = self.extra() else { return 0 };
        self.look(|plan| {
            let [live, _] = plan.bounds_of_children();
            extra.children.live.word().used(live)
        })
    }

    /// What is too deep to be registered.
    pub(crate) fn too_deep(&self) -> Option<EnforcementViolation> {
        let (depth, limit) = (self.tree_depth() as u64, MAX_TREE_DEPTH as u64);
        (depth >= limit).then(|| {
            EnforcementViolation::of(ScopeKind::Parent, ViolationType::ChildLimit, depth, 1, limit, Retry::Never)
        })
    }
}

impl Execution {
    /// Its children that have not ended.
    #[must_use]
    pub fn children(&self) -> Vec<Execution> {
        self.record().extra().map(|extra| extra.children.all()).unwrap_or_default()
    }

    /// Its parent, if it is a child.
    #[must_use]
    pub fn parent(&self) -> Option<&Execution> {
        self.record().parent().map(|parent| &parent.execution)
    }
}

impl Execution {
    /// Itself and everything above it whose budget it shares, nearest first.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |execution| match execution.record().parent() {
            Some(Parent { execution, share: Share::Pool, .. }) => Some(execution),
            _ => None,
        })
    }
}

/// Everything under an execution, and itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct TreeSnapshot {
    /// Its own usage: what its children took from it is in it, too.
    pub usage: crate::snapshot::UsageSnapshot,
    /// Its children that have not ended.
    pub children: Vec<TreeSnapshot>,
}

impl Execution {
    /// What it and everything under it has used.
    #[must_use]
    pub fn snapshot_tree(&self) -> TreeSnapshot {
        self.snapshot_tree_at(self.record().core().clock.now())
    }

    /// [`Execution::snapshot_tree`] at a time that the caller has minted.
    #[must_use]
    pub fn snapshot_tree_at(&self, now: Timestamp) -> TreeSnapshot {
        // Trees are at most `MAX_TREE_DEPTH` deep, and so is this recursion.
        let children = self.children().iter().map(|child| child.snapshot_tree_at(now)).collect();
        TreeSnapshot { usage: self.snapshot_at(now), children }
    }
}
