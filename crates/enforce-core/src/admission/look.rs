//! Looking: every limit that a demand meets, in the order that never changes.

use super::{Asked, Found, Look, Looked, Obstacle, Stop};
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::kernel::activity::Seen;
use crate::kernel::repetition::Repetition;
use crate::kernel::tally::{MAX_AMOUNT, METERED, Refusal};
use crate::limits::Action;
use crate::plan::{Plan, TallyLimit, TimeLimit};
use crate::rates;
use crate::record::Record;
use crate::resource::{Demand, Resource};

impl<'a> Look<'a> {
    #[inline]
    pub(super) fn of(
        record: &'a Record,
        plan: &'a Plan,
        demand: &'a Demand,
        asked: &'a Asked,
        memory: Option<&'a Repetition>,
    ) -> Self {
        Self { record, plan, demand, asked, memory, touches: false, first: None, past_pauses: false }
    }

    /// All limits, in the order that never changes.
    #[inline]
    pub(super) fn all(&self, found: &mut Found) -> Looked {
        let record = self.record;
        if record.hot.tally(Resource::Steps).word().is_stopped() {
            self.stopped(found)?;
        } else {
            self.times(found)?;
        }
        // One after another rather than in a loop: each is then compiled for its own word and limit.
        self.tallies(found, record, self.plan, 0)?;
        if self.demand.asks_allowances() {
            self.allowances(found)?;
        }
        if let Some(memory) = self.memory {
            self.repetition(found, memory)?;
        }
        if record.extra().is_some() {
            self.above(found)?;
        }
        if !self.asked.periods.is_none() {
            self.budgets(found)?;
        }
        if record.core().rates.limit(self.demand) {
            let looked = self.rates();
            if let Err((number, violation)) = looked {
                let refused = found.refuse(self.early_too(violation), record.core().rate_action, false);
                refused.inspect_err(|_| found.at(Obstacle::Rate(number)))?;
            }
        }
        Ok(())
    }

    /// Barred, unless it looks past the pauses that do it.
    #[cold]
    fn stopped(&self, found: &mut Found) -> Looked {
        let violation = self.record.state_violation(self.minted());
        if self.looks_past(&violation) { self.times_resumed(found) } else { Err(found.stop(violation, None)) }
    }

    fn looks_past(&self, barred: &EnforcementViolation) -> bool {
        self.past_pauses && barred.violation_type == ViolationType::Paused
    }

    /// When it asks, if that is known.
    pub(super) fn minted(&self) -> Option<Timestamp> {
        self.asked.minted.then_some(self.asked.now)
    }

    /// All rates together; the number of the first that refuses.
    #[inline]
    fn rates(&self) -> Result<(), (usize, EnforcementViolation)> {
        loop {
            let met = self.met().map_err(|scope| (0, rates::unknown(scope)))?;
            let looked = met.look(self.demand, self.asked.now_ns, self.first_at_rate());
            // What was changed in between refuses everybody: then there are others, or its word has come to its end.
            if looked.is_ok() || !met.is_stale() || self.met().is_ok_and(|again| again.is_same(&met)) {
                return looked;
            }
        }
    }

    #[inline]
    pub(super) fn time(
        &self,
        found: &mut Found,
        kind: ViolationType,
        limit: &TimeLimit,
        elapsed_ns: u64,
        unit_ns: u64,
    ) -> Looked {
        // The last nanosecond of the clock stands for *never*.
        let elapsed_ns = elapsed_ns.min(u64::MAX - 1);
        if elapsed_ns >= limit.block_ns {
            let elapsed = elapsed_ns / unit_ns;
            let violation = EnforcementViolation::of(ScopeKind::Execution, kind, elapsed, 0, limit.limit, Retry::Never);
            found.refuse(violation, limit.action, true)?;
        } else if elapsed_ns >= limit.warn_ns {
            found.warn(0, kind, elapsed_ns / unit_ns, limit.limit);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn idle(&self, found: &mut Found, limit: &TimeLimit) -> Looked {
        // Activity is read before the holds: a hold that ends in between has touched it first (I1).
        let seen = self.record.hot.activity.see();
        let idle_ns = seen.idle_at(self.asked.now_ns);
        if seen.reaped() {
            return Err(self.reaped(found, seen));
        }
        if idle_ns < limit.warn_ns && idle_ns < limit.block_ns {
            return Ok(());
        }
        if self.record.has_open_holds() {
            return Ok(());
        }
        let looked = self.time(found, ViolationType::IdleTimeout, limit, idle_ns, 1_000_000_000);
        if let Some(blocked) = &mut found.blocked {
            blocked.idle = Some(seen);
        }
        looked
    }

    /// Whoever found it idle is about to halt it; so is whoever meets the mark, and one of them is the first (E2).
    #[cold]
    pub(super) fn reaped(&self, found: &mut Found, seen: Seen) -> Stop {
        let (kind, idle_ns) = (ViolationType::IdleTimeout, seen.idle_at(self.asked.now_ns));
        let limit = self.plan.idle.as_ref().map_or(0, |limit| limit.limit);
        let (scope, idle_s) = (ScopeKind::Execution, idle_ns / 1_000_000_000);
        let idle = EnforcementViolation::of(scope, kind, idle_s, 0, limit, Retry::Never);
        let stop = found.stop(idle, Some(Action::Halt));
        if let Some(blocked) = &mut found.blocked {
            blocked.idle = Some(seen);
        }
        stop
    }

    /// Everything that `record` counts: the execution itself at level 0, the pools above it from 1 on.
    #[inline(always)]
    pub(super) fn tallies(&self, found: &mut Found, record: &Record, plan: &Plan, level: usize) -> Looked {
        self.tally(found, record, plan, level, Resource::Steps)?;
        self.tally(found, record, plan, level, Resource::Tokens)?;
        self.tally(found, record, plan, level, Resource::Memory)?;
        self.tally(found, record, plan, level, Resource::Cost)?;
        if let Some(threshold) = &plan.cost_threshold {
            self.cost_threshold(found, record, level, threshold)?;
        }
        self.tally(found, record, plan, level, Resource::DiscoveredSteps)
    }

    /// Every pool that it shares, nearest first.
    #[cold]
    pub(super) fn above(&self, found: &mut Found) -> Looked {
        for (level, pool) in (1..).zip(self.record.pools()) {
            let barred = pool.barred(pool.hot.tally(Resource::Steps).word().flags(), self.minted());
            let looked = match barred.filter(|barred| !self.looks_past(barred)) {
                Some(violation) => Err(found.stop(seen_from(ScopeKind::Parent, violation), None)),
                None => self.tallies(found, pool, &pool.plan(), level),
            };
            looked.inspect_err(|_| found.at(Obstacle::Scope(level)))?;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn tally(
        &self,
        found: &mut Found,
        record: &Record,
        plan: &Plan,
        level: usize,
        resource: Resource,
    ) -> Looked {
        let asked = self.demand.amount(resource);
        // What has no limit has a bound: a sum past it could not be counted.
        if asked == 0 && !plan.limits(resource) {
            return Ok(());
        }
        let warn_room = plan.tally(resource).warn_room;
        let word = record.hot.tally(resource).word();
        match word.fits(asked) {
            // Neither term exceeds 2^56.
            Ok(()) if word.remaining() - asked as i64 > warn_room => Ok(()),
            _ => self.near(found, record, level, resource),
        }
    }

    /// At the limit or near it: limit and word are looked at once more, together.
    #[cold]
    pub(super) fn near(&self, found: &mut Found, record: &Record, level: usize, resource: Resource) -> Looked {
        let scope = scope_of(level);
        let asked = self.demand.amount(resource);
        let committed = record.committed_of(resource);
        let (plan, word) = record.read(resource);
        let word = if self.past_pauses { word.unpaused() } else { word };
        let TallyLimit { kind, limit, warn_room, action, .. } = plan;
        let used = word.used(limit);
        let fits = if self.is_first_at(level) { word.fits_first(asked) } else { word.fits(asked) };
        match fits {
            // What only observes never runs out, and so nobody waits for it.
            Err(Refusal::Queued(_)) if action != Action::Observe => {
                let queued = plan.violation(scope, used, asked, Retry::WhenFreed);
                Err(found.stop(EnforcementViolation { queued: true, ..queued }, None))
            }
            Ok(()) | Err(Refusal::Queued(_)) => {
                if word.remaining() - asked as i64 <= warn_room {
                    found.warn(level, kind, used.saturating_add(asked), limit);
                }
                Ok(())
            }
            Err(Refusal::Barred) => Err(found.stop(seen_from(scope, record.state_violation(self.minted())), None)),
            Err(Refusal::Short(_)) if plan.tolerates(asked, used) => {
                found.warn(level, kind, used, limit);
                Ok(())
            }
            Err(Refusal::Short(_)) => {
                // What has begun never comes back, but for what is counted apart: that may be a slice or about to go.
                let begun = matches!(resource, Resource::Steps | Resource::DiscoveredSteps);
                let apart = record.hot.tally(Resource::Steps).word().flags() & METERED != 0;
                let retry = if begun && !apart { Retry::Never } else { when_freed(committed, asked, limit) };
                let violation = plan.violation(scope, used, asked, retry);
                found.refuse(violation, countable(action, used, asked), committed >= limit)
            }
        }
    }

    #[inline(always)]
    pub(super) fn cost_threshold(
        &self,
        found: &mut Found,
        record: &Record,
        level: usize,
        threshold: &TallyLimit,
    ) -> Looked {
        let committed = record.hot.cost.read();
        if committed >= threshold.limit {
            let scope = scope_of(level);
            let violation = EnforcementViolation { scope, ..cost_threshold_violation(committed, threshold.limit) };
            return found.refuse(violation, threshold.action, true);
        }
        let current = record.used(Resource::Cost).saturating_add(self.demand.cost);
        // A threshold is at most 2^56 − 1, and so is what is left of it.
        if threshold.limit as i64 - current.min(MAX_AMOUNT) as i64 <= threshold.warn_room {
            found.warn(level, threshold.kind, current, threshold.limit);
        }
        Ok(())
    }

    pub(super) fn repetition(&self, found: &mut Found, memory: &Repetition) -> Looked {
        let (Some(limit), Some(fingerprint)) = (&self.plan.repetition, self.demand.fingerprint) else {
            return Ok(());
        };
        if memory.would_repeat(fingerprint, limit.times).is_none() {
            return Ok(());
        }
        let before = limit.times.saturating_sub(1);
        let violation = EnforcementViolation {
            remaining: 0,
            ..EnforcementViolation::of(
                ScopeKind::Execution,
                ViolationType::SameStepLoop,
                before,
                1,
                limit.times,
                Retry::Never,
            )
        };
        found.refuse(violation, limit.action, true)
    }

    /// Whether it is the first in line there.
    pub(super) fn is_first_at(&self, level: usize) -> bool {
        self.first == Some(Obstacle::Scope(level))
    }

    /// The rate in whose line it is the first.
    pub(super) const fn first_at_rate(&self) -> Option<usize> {
        match self.first {
            Some(Obstacle::Rate(number)) => Some(number),
            _ => None,
        }
    }
}

/// Whose limits are at that level.
pub(super) const fn scope_of(level: usize) -> ScopeKind {
    if level == 0 { ScopeKind::Execution } else { ScopeKind::Parent }
}

/// Whether what it uses is taken from the budgets of tenant and process now; a slice was taken from them as a whole.
#[inline]
pub(crate) fn asks_budget(record: &Record) -> bool {
    record.extra().is_none() || record.slice_parent().is_none()
}

/// A state of `scope` as its execution is about to see it: who halts or pauses a parent goes on to what is below (E2).
pub(super) fn seen_from(scope: ScopeKind, violation: EnforcementViolation) -> EnforcementViolation {
    let cause = violation.cause.filter(|_| scope == ScopeKind::Parent).map(|cause| Cause { scope, ..cause });
    EnforcementViolation { cause: cause.or(violation.cause), ..violation }
}

/// The action at a limit of which `used` and `asked` together are too much: a sum past the bound could not be counted,
/// so not even a limit that only observes lets it pass.
pub(super) fn countable(action: Action, used: u64, asked: u64) -> Action {
    if action == Action::Observe && used.saturating_add(asked) > MAX_AMOUNT { Action::Refuse } else { action }
}

/// *When freed*, if only holds are in the way; else never.
pub(super) fn when_freed(committed: u64, asked: u64, limit: u64) -> Retry {
    if committed.saturating_add(asked) <= limit { Retry::WhenFreed } else { Retry::Never }
}

pub(crate) fn cost_threshold_violation(committed: u64, threshold: u64) -> EnforcementViolation {
    EnforcementViolation::of(
        ScopeKind::Execution,
        ViolationType::CostThreshold,
        committed,
        0,
        threshold,
        Retry::AfterApproval,
    )
}
