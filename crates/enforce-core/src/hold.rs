//! Holds: what has been taken and not yet settled.

use std::fmt;

use crate::admission::{self, Noticed};
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
    /// How many of the tokens are input.
    input: u64,
    memory: u64,
    cost: u64,
    /// The window of the tenant's budget in which the money was taken.
    pub(crate) window: Option<WindowKey>,
    /// Counted among the holds that show in no tally.
    bare: bool,
    on_drop: OnDrop,
}

/// What becomes of the tokens and the money of a hold that is dropped unsettled. Memory always goes back, and what has
/// begun always stays begun.
///
/// What is charged is committed as a settle would commit it: exactly, on the whole chain, and a cost threshold that it
/// reaches acts. A caller who knows better settles: `settle(Actual::none())` gives everything back under each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDrop {
    /// They go back. The default.
    #[default]
    GiveBack,
    /// They are charged: for work that is paid for once it is asked for, whoever listens to the answer.
    ChargeAll,
    /// The input is charged and the output goes back: for a request that was sent and may not have been answered. Of the
    /// money goes with the input what is its share of the tokens, rounded half up; all of it where no tokens are named.
    ChargeInput,
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

    /// What is kept of it, and what was noticed.
    pub(crate) const fn parts(self) -> (Kept, Noticed) {
        (self.kept, self.noticed)
    }
}

impl Kept {
    /// Nothing set aside.
    #[inline]
    pub(crate) const fn nothing(window: Option<WindowKey>) -> Self {
        Self { tokens: 0, input: 0, memory: 0, cost: 0, window, bare: false, on_drop: OnDrop::GiveBack }
    }

    /// The quantities that `demand` asks.
    #[inline]
    pub(crate) const fn of(demand: &Demand, window: Option<WindowKey>, bare: bool) -> Self {
        Self {
            tokens: demand.total_tokens(),
            input: demand.input_tokens,
            memory: demand.memory_bytes,
            cost: demand.cost,
            window,
            bare,
            on_drop: demand.on_drop,
        }
    }

    /// Ends it unsettled, as its policy says; what has begun stays.
    #[inline]
    pub(crate) fn release(self, record: &Record) {
        if self.on_drop != OnDrop::GiveBack {
            let Self { tokens, input, memory, cost, window, bare, on_drop } = self;
            return charge_dropped(record, [tokens, input, memory, cost], window, bare, on_drop);
        }
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
        let Self { tokens, input: _, memory, cost, window, bare, on_drop: _ } = self;
        // By amounts, as in `give_back`.
        Books { tokens, memory, cost, window, bare, ..Books::of(record, now) }.settle(&Used::of(actual))
    }

    /// [`Kept::settle`] by someone who was not told what happened, which is no activity.
    pub(crate) fn settle_used(self, record: &Record, used: &Used) -> Settlement {
        let Self { tokens, input: _, memory, cost, window, bare, on_drop: _ } = self;
        Books { tokens, memory, cost, window, bare, ..Books::of(record, None) }.settle(used)
    }

    /// Records what a child has used in place of the slice that was set aside for it on `parent`.
    pub(crate) fn fold(self, parent: &Record, steps: u64, discovered: u64, used: &Used) {
        let Self { tokens, memory, cost, window, .. } = self;
        Books { steps, discovered, tokens, memory, cost, window, ..Books::of(parent, None) }.settle(used);
    }

    /// What its policy charges.
    pub(crate) fn charged(&self) -> Used {
        let (total, input) = (self.tokens, self.input);
        match self.on_drop {
            OnDrop::GiveBack => Used::default(),
            OnDrop::ChargeAll => Used { total, input, cost: self.cost, ..Used::default() },
            OnDrop::ChargeInput => {
                Used { total: input, input, cost: share(self.cost, input, total), ..Used::default() }
            }
        }
    }

    /// Takes what was set aside in addition; the period and the policy stay its own.
    pub(crate) fn join(&mut self, more: Self, record: &Record) {
        if self.bare && more.bare {
            // One hold, counted once.
            record.hot.bare_holds.give(1);
        }
        // What is set aside fits a limit, so no sum of two comes near the end of the word.
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.input = self.input.saturating_add(more.input);
        self.memory = self.memory.saturating_add(more.memory);
        self.cost = self.cost.saturating_add(more.cost);
        self.bare |= more.bare;
    }
}

/// Settles a dropped hold for what its policy charges.
///
/// By amounts, as [`books::give_back`], so that a hold that gives back is never in memory.
#[cold]
fn charge_dropped(record: &Record, amounts: [u64; 4], window: Option<WindowKey>, bare: bool, on_drop: OnDrop) {
    let [tokens, input, memory, cost] = amounts;
    let kept = Kept { tokens, input, memory, cost, window, bare, on_drop };
    let _nobody_is_told: Settlement = kept.settle_used(record, &kept.charged());
}

/// `part` of `whole` tokens' share of `cost`, rounded half up; all of it of no tokens.
fn share(cost: u64, part: u64, whole: u64) -> u64 {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let doubled = u128::from(cost).saturating_mul(part).saturating_mul(2).saturating_add(whole);
    // A part is at most the whole, so the share is at most the cost.
    doubled.checked_div(whole.saturating_mul(2)).map_or(cost, |share| u64::try_from(share).unwrap_or(cost))
}

/// An open hold that borrows its execution's handle.
///
/// [`Hold::settle`] records what really happened, once: it consumes the hold. Dropped unsettled (an early return, a
/// panic), tokens, money and memory go back and what has begun stays begun; [`OnDrop`] says what else may become of them.
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
    ($hold:ty, $reserve:literal) => {
        impl $hold {
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

            /// Grows it while a stream runs: takes what `more` asks as [`Execution::reserve`] would, on every limit or
            /// nothing, and makes it part of this hold. Money comes out of the period in which the hold was taken.
            ///
            /// # Errors
            /// As [`Execution::reserve`], and then the hold is what it was. To a stream it says *stop now*: what has
            /// arrived so far can still be settled.
            ///
            /// ```
            /// use enforce_core::{Actual, Demand, Enforcer, ResourceLimits};
            ///
            /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
            /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
            #[doc = concat!("let mut stream = run.", $reserve, "(Demand::step().tokens(300, 256))?;")]
            /// stream.extend(Demand::none().tokens(0, 256))?;
            /// let stop = stream.extend(Demand::none().tokens(0, 256)).unwrap_err();
            /// assert_eq!(stop.remaining, 188);
            /// stream.settle(Actual::tokens(300, 512));
            /// assert_eq!(run.finish().total_tokens, 812);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn extend(&mut self, more: Demand) -> Result<(), EnforcementViolation> {
                self.extend_with(&more, None)
            }

            /// `extend` at a time that the caller has minted.
            ///
            /// # Errors
            /// As `extend`.
            pub fn extend_at(&mut self, more: Demand, now: Timestamp) -> Result<(), EnforcementViolation> {
                self.extend_with(&more, Some(now))
            }

            fn extend_with(&mut self, more: &Demand, now: Option<Timestamp>) -> Result<(), EnforcementViolation> {
                let record = self.execution.record();
                let (more, noticed) = admission::extend(record, more, now, self.receipt.kept.window)?.parts();
                self.receipt.kept.join(more, record);
                self.receipt.noticed.join(noticed);
                Ok(())
            }

            /// Changes what becomes of it if it is dropped unsettled. Default: what its demand says.
            #[inline]
            pub fn on_drop(&mut self, on_drop: OnDrop) {
                self.receipt.kept.on_drop = on_drop;
            }

            /// The first limit that was near when it was admitted, or when it was last extended near one.
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

        impl Drop for $hold {
            #[inline]
            fn drop(&mut self) {
                if self.open {
                    self.receipt.kept.release(self.execution.record());
                }
            }
        }

        impl fmt::Debug for $hold {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Hold").field("execution", &self.execution.id()).field("receipt", &self.receipt).finish()
            }
        }
    };
}

hold!(Hold<'_>, "reserve");
hold!(OwnedHold, "reserve_owned");

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
