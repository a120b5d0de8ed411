//! Holds: what has been taken and not yet settled.

use std::fmt;
use std::task::Poll;

use crate::admission::{self, Noticed};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning};
use crate::execution::Execution;
use crate::kept::{Kept, OnDrop};
use crate::record::Record;
use crate::resource::{Actual, Demand};

/// What an admission returns: what it set aside, and what it noticed. In this order, so that what begins [`Kept`] is not
/// padded.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Receipt {
    kept: Kept,
    noticed: Noticed,
}

/// What settling or charging did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settlement {
    /// The execution had been halted or had ended before, or the hold's deadline had ended it: recorded in the
    /// execution's record and its tenant's all the same.
    pub late: bool,
    /// What was used above what had been reserved, in tokens.
    pub overrun_tokens: u64,
    /// What was used above what had been reserved, in nano-dollars.
    pub overrun_nano_usd: u64,
    /// The limit that this record exhausted at once: a cost threshold, or a sum cut at its bound. Its action (pause,
    /// halt) has been carried out.
    pub exhausted: Option<EnforcementViolation>,
}

impl Settlement {
    /// Tells of it where there is something to be told. By reference: it is made where its caller wants it.
    #[inline(always)]
    pub(crate) fn tell(&self, record: &Record, actual: &Actual, now: Option<Timestamp>) {
        if self.late || (self.overrun_tokens | self.overrun_nano_usd) != 0 {
            record.tell_settled(actual, self, true, now);
        }
    }
}

/// Who asks: where the record is that is asked of, and what is made of the answer.
pub(crate) trait Asks: Sized {
    type Answer;

    fn record(&self) -> &Record;

    /// The receipt is made behind everything else and in its place: made before, it would be copied there.
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer;

    fn refused(self, violation: EnforcementViolation) -> Self::Answer;
}

impl<'a> Asks for &'a Execution {
    type Answer = Result<Hold<'a>, EnforcementViolation>;

    #[inline(always)]
    fn record(&self) -> &Record {
        Execution::record(self)
    }

    #[inline(always)]
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer {
        Ok(Hold { execution: self, receipt: receipt() })
    }

    #[inline(always)]
    fn refused(self, violation: EnforcementViolation) -> Self::Answer {
        Err(violation)
    }
}

/// The handle goes into the hold.
impl Asks for Execution {
    type Answer = Result<OwnedHold, EnforcementViolation>;

    #[inline(always)]
    fn record(&self) -> &Record {
        Self::record(self)
    }

    #[inline(always)]
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer {
        Ok(OwnedHold { execution: self, receipt: receipt() })
    }

    #[inline(always)]
    fn refused(self, violation: EnforcementViolation) -> Self::Answer {
        Err(violation)
    }
}

/// A clone of the handle goes into the hold.
pub(crate) struct Lasting<'a>(pub(crate) &'a Execution);

impl Asks for Lasting<'_> {
    type Answer = Result<OwnedHold, EnforcementViolation>;

    #[inline(always)]
    fn record(&self) -> &Record {
        self.0.record()
    }

    #[inline(always)]
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer {
        Ok(OwnedHold { execution: self.0.clone(), receipt: receipt() })
    }

    #[inline(always)]
    fn refused(self, violation: EnforcementViolation) -> Self::Answer {
        Err(violation)
    }
}

/// As [`Lasting`], for a future: the answer is made where its poll returns it, and `wait` where waiting may help.
pub(crate) struct Polling<'a, W> {
    pub(crate) execution: &'a Execution,
    pub(crate) wait: W,
}

impl<W: FnOnce(EnforcementViolation) -> Poll<Result<OwnedHold, EnforcementViolation>>> Asks for Polling<'_, W> {
    type Answer = Poll<Result<OwnedHold, EnforcementViolation>>;

    #[inline(always)]
    fn record(&self) -> &Record {
        self.execution.record()
    }

    #[inline(always)]
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer {
        Poll::Ready(Ok(OwnedHold { execution: self.execution.clone(), receipt: receipt() }))
    }

    #[inline(always)]
    fn refused(self, violation: EnforcementViolation) -> Self::Answer {
        // By way of another place: the one in which the answer is returned stays in registers if no call has its address.
        let mut later = None;
        put(&mut later, || (self.wait)(violation));
        later.unwrap_or(Poll::Pending)
    }
}

#[cold]
#[inline(never)]
fn put<T>(place: &mut Option<T>, make: impl FnOnce() -> T) {
    *place = Some(make());
}

impl Asks for &Record {
    type Answer = Result<Receipt, EnforcementViolation>;

    #[inline(always)]
    fn record(&self) -> &Record {
        self
    }

    #[inline(always)]
    fn admitted(self, receipt: impl FnOnce() -> Receipt) -> Self::Answer {
        Ok(receipt())
    }

    #[inline(always)]
    fn refused(self, violation: EnforcementViolation) -> Self::Answer {
        Err(violation)
    }
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
}

/// An open hold that is `'static + Send`: for tasks and response bodies. Otherwise as [`Hold`].
#[must_use = "a hold that is dropped gives back what it set aside"]
pub struct OwnedHold {
    execution: Execution,
    receipt: Receipt,
}

macro_rules! hold {
    ($hold:ty, $reserve:literal) => {
        impl $hold {
            /// Records what really happened in place of what was set aside: what was not used goes back, and what was
            /// used above it is recorded as well, as debt if it passes the limit. Never refused: also after a halt, a
            /// pause or the end of the execution.
            #[inline(always)]
            pub fn settle(self, actual: Actual) -> Settlement {
                let (closed, kept) = self.close();
                let record = closed.record();
                let needed = record.of_plan(|plan| plan.idle.is_some());
                let now = needed.then(|| record.core().clock.now());
                let settlement = kept.settle(record, &actual, now);
                settlement.tell(record, &actual, now);
                settlement
            }

            /// `settle` at a time that the caller has minted.
            #[inline(always)]
            pub fn settle_at(self, actual: Actual, now: Timestamp) -> Settlement {
                let (closed, kept) = self.close();
                let record = closed.record();
                let settlement = kept.settle(record, &actual, Some(now));
                settlement.tell(record, &actual, Some(now));
                settlement
            }

            /// Grows it while a stream runs: takes what `more` asks as [`Execution::reserve`] would, on every limit or
            /// nothing, and makes it part of this hold. What budgets give for it comes out
            /// of the periods in which the hold was taken; one that is new since records it when it is settled.
            ///
            /// # Errors
            /// As [`Execution::reserve`], and then the hold is what it was. To a stream it says *stop now*: what has
            /// arrived so far can still be settled. [`Retry::WhenFreed`](crate::Retry::WhenFreed) counts what this hold sets
            /// aside among what may be given back, so it is no promise that others have anything to give.
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
                let (more, noticed) = admission::extend(record, more, now, self.receipt.kept.periods)?.parts();
                self.receipt.kept.join(more, record);
                self.receipt.noticed.join(noticed);
                Ok(())
            }

            /// Changes what becomes of it if it is dropped unsettled. Default: what its demand says.
            #[inline]
            pub fn on_drop(&mut self, on_drop: OnDrop) {
                self.receipt.kept.set_on_drop(on_drop);
            }

            /// The tokens that it sets aside, input and output: what was asked, or what was left of it
            /// ([`Demand::tokens_up_to`]), and what it was extended by.
            #[must_use]
            pub fn held_tokens(&self) -> (u64, u64) {
                self.receipt.kept.tokens()
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
                self.receipt.kept.release(self.execution.record());
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
        Self { execution, receipt }
    }

    /// Ends it without giving anything back. What is left of it is a reference, so that while it is settled there is
    /// nothing in memory that a panic would have to drop.
    #[inline]
    fn close(mut self) -> (&'a Execution, Kept) {
        let kept = self.receipt.kept.close();
        (self.execution, kept)
    }
}

impl OwnedHold {
    #[inline]
    pub(crate) const fn new(execution: Execution, receipt: Receipt) -> Self {
        Self { execution, receipt }
    }

    /// As [`Hold::close`], but it keeps its handle until it is settled.
    #[inline]
    fn close(mut self) -> (Self, Kept) {
        let kept = self.receipt.kept.close();
        (self, kept)
    }

    /// What it is made of; nothing is given back.
    pub(crate) fn into_parts(self) -> (Execution, Receipt) {
        let (closed, kept) = self.close();
        (closed.execution.clone(), Receipt { kept, ..closed.receipt })
    }

    #[inline]
    fn record(&self) -> &Record {
        self.execution.record()
    }
}
