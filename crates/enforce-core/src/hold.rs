//! Holds: what has been taken and not yet settled.

use std::fmt;

use crate::admission::{Noticed, cost_threshold_violation};
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, EnforcementWarning, ScopeKind};
use crate::execution::Execution;
use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::Action;
use crate::record::Record;
use crate::resource::{Actual, Demand, Resource};
use crate::tenant::WindowKey;

/// What an admission returns: what it set aside, and what it noticed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    kept: Kept,
    noticed: Noticed,
}

/// What an open hold has to give back or to settle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    tokens: u64,
    memory: u64,
    cost: u64,
    /// The window of the tenant's budget in which the money was taken.
    window: Option<WindowKey>,
    /// Counted among the holds that show in no tally.
    bare: bool,
}

/// What settling or charging did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settlement {
    /// The execution had been halted or had ended before: recorded in its record and its tenant's all the same.
    pub late: bool,
    /// What was used above what had been reserved, in tokens.
    pub overrun_tokens: u64,
    /// What was used above what had been reserved, in nano-dollars.
    pub overrun_nano_usd: u64,
    /// The limit that this record exhausted at once: a cost threshold, or a sum cut at its bound. Its action (pause,
    /// halt) has been carried out.
    pub exhausted: Option<EnforcementViolation>,
}

impl Receipt {
    #[inline]
    pub(crate) const fn new(kept: Kept, noticed: Noticed) -> Self {
        Self { kept, noticed }
    }
}

impl Kept {
    /// Nothing set aside.
    #[inline]
    pub(crate) const fn nothing(window: Option<WindowKey>) -> Self {
        Self { tokens: 0, memory: 0, cost: 0, window, bare: false }
    }

    /// The quantities that `demand` asks.
    #[inline]
    pub(crate) const fn of(demand: &Demand, window: Option<WindowKey>, bare: bool) -> Self {
        Self { tokens: demand.total_tokens(), memory: demand.memory_bytes, cost: demand.cost, window, bare }
    }

    /// Gives back what was set aside; what has begun stays.
    #[inline]
    fn release(self, record: &Record) {
        if self.tokens | self.memory | self.cost != 0 {
            give_back(record, self.tokens, self.memory, self.cost, self.window);
        }
        self.forget(record);
    }

    /// Leaves the holds that show in no tally.
    #[inline]
    fn forget(self, record: &Record) {
        if self.bare {
            record.hot.bare_holds.give(1);
        }
    }

    /// Records what was used in place of what was set aside.
    #[inline]
    pub(crate) fn settle(self, record: &Record, actual: &Actual, now: Option<Timestamp>) -> Settlement {
        let Self { tokens, memory, cost, window, bare } = self;
        // By amounts, as in `give_back`.
        Books { record, tokens, memory, cost, window, bare, now, late: false, cut: None }.settle(actual)
    }
}

/// Apart and by amounts, so that a hold without any is never in memory.
fn give_back(record: &Record, tokens: u64, memory: u64, cost: u64, window: Option<WindowKey>) {
    for (resource, amount) in [(Resource::Tokens, tokens), (Resource::Memory, memory), (Resource::Cost, cost)] {
        if amount > 0 {
            record.hot.tally(resource).give(amount);
        }
    }
    if cost > 0
        && let Some(window) = window.and_then(|key| record.tenant.window(key))
    {
        window.tally.give(cost);
    }
}

/// The places in which one record is written, and what had been set aside there.
struct Books<'a> {
    record: &'a Record,
    tokens: u64,
    memory: u64,
    cost: u64,
    window: Option<WindowKey>,
    bare: bool,
    /// When, where somebody has looked at the clock.
    now: Option<Timestamp>,
    late: bool,
    /// A sum that had to be cut at the bound.
    cut: Option<Cause>,
}

impl Books<'_> {
    fn settle(mut self, actual: &Actual) -> Settlement {
        let (record, hot) = (self.record, &self.record.hot);
        if let Some(now) = self.now.filter(|_| record.plan().idle.is_some()) {
            // Before anything is given back: whoever sees the hold gone sees the touch (I1).
            hot.activity.touch(now.nanos_since(record.core().epoch));
        }
        let total = actual.total_tokens();
        self.begun(actual);
        // What was used is taken from the tally before it is committed, so that committed never runs ahead of used.
        self.tally(Resource::Cost, self.cost, actual.cost);
        self.budget(self.window, self.cost, actual.cost);
        self.tally(Resource::Tokens, self.tokens, total);
        let cost = self.cost(actual.cost);
        self.tokens(total, actual.input_tokens);
        if self.memory > 0 {
            hot.tally(Resource::Memory).give(self.memory);
        }
        if self.bare {
            hot.bare_holds.give(1);
        }
        // Before it acts itself: who halts it is not late.
        let state = record.state();
        let settlement = Settlement {
            late: self.late || state.is_finished() || state.is_halted(),
            overrun_tokens: total.saturating_sub(self.tokens),
            overrun_nano_usd: actual.cost.saturating_sub(self.cost),
            exhausted: None,
        };
        if self.exhausts(cost) { Settlement { exhausted: self.exhausted(cost), ..settlement } } else { settlement }
    }

    #[inline]
    fn begun(&mut self, actual: &Actual) {
        if actual.steps > 0 {
            let recorded = self.record.hot.tally(Resource::Steps).settle(0, actual.steps);
            if recorded.late {
                self.late = true;
                self.record.tenant.ended.steps.add(actual.steps);
            }
            // Steps have no meter beside their tally, whose word reaches further than what is counted.
            let limit = self.record.plan().tally(Resource::Steps).limit;
            self.note(Resource::Steps, recorded.cut || recorded.after.is_past_bound(limit));
        }
        if actual.discovered_steps > 0 {
            self.tally(Resource::DiscoveredSteps, 0, actual.discovered_steps);
            let added = self.record.hot.discovered.add(actual.discovered_steps);
            self.note(Resource::DiscoveredSteps, added.cut);
        }
    }

    #[inline]
    fn tally(&mut self, resource: Resource, reserved: u64, actual: u64) {
        // Nothing to write where everything that was set aside was used.
        if reserved != actual {
            let recorded = self.record.hot.tally(resource).settle(reserved, actual);
            self.note(resource, recorded.cut);
        }
    }

    #[inline]
    fn budget(&mut self, window: Option<WindowKey>, reserved: u64, actual: u64) {
        let Some(window) = window.and_then(|key| self.record.tenant.window(key)) else { return };
        if reserved != actual {
            let recorded = window.tally.settle(reserved, actual);
            self.note_of(ScopeKind::Tenant, Resource::Cost, recorded.cut);
        }
        if actual > 0 {
            self.note_of(ScopeKind::Tenant, Resource::Cost, window.committed.add(actual).cut);
        }
    }

    /// The committed cost after it.
    #[inline]
    fn cost(&mut self, actual: u64) -> Option<u64> {
        if actual == 0 {
            return None;
        }
        let added = self.record.hot.cost.add(actual);
        if added.late {
            self.late = true;
            self.record.tenant.ended.cost.add(actual);
        }
        self.note(Resource::Cost, added.cut);
        Some(added.total)
    }

    #[inline]
    fn tokens(&mut self, total: u64, input: u64) {
        if total == 0 {
            return;
        }
        // Total before input: whoever reads the input first never finds it larger (S1).
        let added = self.record.hot.total_tokens.add(total);
        if added.late {
            self.late = true;
            self.record.tenant.ended.total_tokens.add(total);
        }
        self.note(Resource::Tokens, added.cut);
        if input > 0 && self.record.hot.input_tokens.add(input).late {
            self.record.tenant.ended.input_tokens.add(input);
        }
    }

    #[inline]
    fn note(&mut self, resource: Resource, cut: bool) {
        self.note_of(ScopeKind::Execution, resource, cut);
    }

    #[inline]
    fn note_of(&mut self, scope: ScopeKind, resource: Resource, cut: bool) {
        if cut {
            let violation_type = self.record.plan().tally(resource).kind;
            self.cut.get_or_insert(Cause { violation_type, scope });
        }
    }

    /// Whether this record has exhausted something at once.
    #[inline]
    fn exhausts(&self, cost: Option<u64>) -> bool {
        let threshold = self.record.plan().cost_threshold.as_ref();
        self.cut.is_some() || threshold.is_some_and(|threshold| cost.is_some_and(|cost| cost >= threshold.limit))
    }

    /// Carries out what this record has exhausted at once.
    #[cold]
    fn exhausted(&self, cost: Option<u64>) -> Option<EnforcementViolation> {
        if let Some(cause) = self.cut {
            return Some(self.overflowed(cause));
        }
        let threshold = self.record.plan().cost_threshold.as_ref()?;
        self.reached(cost?, threshold.limit, threshold.action)
    }

    fn overflowed(&self, cause: Cause) -> EnforcementViolation {
        let _first = self.record.halt(cause).first;
        EnforcementViolation {
            scope: cause.scope,
            ..EnforcementViolation::new(cause.violation_type, MAX_AMOUNT, MAX_AMOUNT)
        }
    }

    fn reached(&self, committed: u64, threshold: u64, action: Action) -> Option<EnforcementViolation> {
        let violation = cost_threshold_violation(committed, threshold);
        let change = match action {
            Action::Pause => {
                let now = self.now.unwrap_or_else(|| self.record.core().clock.now());
                self.record.pause(&violation, None, now)
            }
            Action::Halt => self.record.halt(violation.as_cause()),
            Action::Refuse | Action::Observe => return None,
        };
        change.first.then_some(violation)
    }
}

/// An open hold that borrows its execution's handle.
///
/// [`Hold::settle`] records what really happened, once: it consumes the hold. Dropped unsettled (an early return, a
/// panic), tokens, money and memory go back and what has begun stays begun.
///
/// ```compile_fail,E0382
/// # fn settle_twice(hold: enforce_core::Hold<'_>) {
/// hold.settle(enforce_core::Actual::none());
/// hold.settle(enforce_core::Actual::none()); // a second settle is impossible
/// # }
/// ```
#[must_use = "a hold that is dropped gives back what it set aside"]
pub struct Hold<'a> {
    execution: &'a Execution,
    receipt: Receipt,
    open: bool,
}

/// An open hold that is `'static + Send`: for tasks and response bodies. Otherwise as [`Hold`].
#[must_use = "a hold that is dropped gives back what it set aside"]
pub struct OwnedHold {
    execution: Execution,
    receipt: Receipt,
    open: bool,
}

macro_rules! hold {
    ($($hold:tt)+) => {
        impl $($hold)+ {
            /// Records what really happened in place of what was set aside: what was not used goes back, and what was
            /// used above it is recorded as well, as debt if it passes the limit. Never refused: also after a halt, a
            /// pause or the end of the execution.
            #[inline]
            pub fn settle(self, actual: Actual) -> Settlement {
                let (closed, kept) = self.close();
                let record = closed.record();
                let needed = record.plan().idle.is_some();
                let now = needed.then(|| record.core().clock.now());
                kept.settle(record, &actual, now)
            }

            /// `settle` at a time that the caller has minted.
            #[inline]
            pub fn settle_at(self, actual: Actual, now: Timestamp) -> Settlement {
                let (closed, kept) = self.close();
                let record = closed.record();
                kept.settle(record, &actual, Some(now))
            }

            /// The first limit that was near when it was admitted.
            #[must_use]
            pub fn warning(&self) -> Option<EnforcementWarning> {
                self.receipt.noticed.warning
            }

            /// The first limit that would have refused it, had it not been set to observe.
            #[must_use]
            pub fn observed(&self) -> Option<EnforcementViolation> {
                self.receipt.noticed.observed
            }

            /// The execution that it belongs to.
            #[must_use]
            pub fn execution(&self) -> &Execution {
                &self.execution
            }
        }

        impl Drop for $($hold)+ {
            #[inline]
            fn drop(&mut self) {
                if self.open {
                    self.receipt.kept.release(self.execution.record());
                }
            }
        }

        impl fmt::Debug for $($hold)+ {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Hold").field("execution", &self.execution.id()).field("receipt", &self.receipt).finish()
            }
        }
    };
}

hold!(Hold<'_>);
hold!(OwnedHold);

impl<'a> Hold<'a> {
    #[inline]
    pub(crate) const fn new(execution: &'a Execution, receipt: Receipt) -> Self {
        Self { execution, receipt, open: true }
    }

    /// Ends it without giving anything back. What is left of it is a reference, so that while it is settled there is
    /// nothing in memory that a panic would have to drop.
    #[inline]
    fn close(mut self) -> (&'a Execution, Kept) {
        self.open = false;
        (self.execution, self.receipt.kept)
    }
}

impl OwnedHold {
    #[inline]
    pub(crate) const fn new(execution: Execution, receipt: Receipt) -> Self {
        Self { execution, receipt, open: true }
    }

    /// As [`Hold::close`], but it keeps its handle until it is settled.
    #[inline]
    fn close(mut self) -> (Self, Kept) {
        self.open = false;
        let kept = self.receipt.kept;
        (self, kept)
    }

    #[inline]
    fn record(&self) -> &Record {
        self.execution.record()
    }
}
