//! Holds: what has been taken and not yet settled.

use std::fmt;

use crate::admission::Noticed;
use crate::books::{self, Books, Used};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning};
use crate::execution::Execution;
use crate::record::Record;
use crate::resource::{Actual, Demand};
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
    pub(crate) fn release(self, record: &Record) {
        if self.tokens | self.memory | self.cost != 0 {
            books::give_back(record, self.tokens, self.memory, self.cost, self.window);
        }
        if self.bare {
            record.hot.bare_holds.give(1);
        }
    }

    /// Records what was used in place of what was set aside.
    #[inline]
    pub(crate) fn settle(self, record: &Record, actual: &Actual, now: Option<Timestamp>) -> Settlement {
        let Self { tokens, memory, cost, window, bare } = self;
        // By amounts, as in `give_back`.
        Books { tokens, memory, cost, window, bare, ..Books::of(record, now) }.settle(&Used::of(actual))
    }

    /// Records what a child has used in place of the slice that was set aside for it on `parent`.
    pub(crate) fn fold(self, parent: &Record, steps: u64, discovered: u64, used: &Used) {
        let Self { tokens, memory, cost, window, bare: _ } = self;
        Books { steps, discovered, tokens, memory, cost, window, ..Books::of(parent, None) }.settle(used);
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
