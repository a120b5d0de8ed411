//! Watching an execution's state: for whoever has to stop when it does.

use std::fmt;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::admission;
use crate::clock::{Clock, Timestamp};
use crate::decision::EnforcementViolation;
use crate::execution::Execution;
use crate::kernel::queue::Ticket;
use crate::limits::Action;
use crate::record::Record;
use crate::snapshot::Status;

/// How long an idle timeout of zero is.
const SHORTEST_IDLE_NS: u64 = 1_000_000_000;

/// Watches one execution: a waker that is called when its state or its limits change.
///
/// **Progress.** Each look enters the waker and reads the state only then, so a change that the look does not see calls
/// the waker (W1): a halt, a pause, a resume, the end, other limits; of itself or from above. It is called once, behind
/// every lock, by whoever makes the change or calls other wakers at that moment; look again to be called again. Time
/// calls nobody: look again at [`Watch::wake_at`], too.
///
/// There may be any number of them; each takes a place in a list of its execution's, and a lock while it looks, and an
/// execution that was ever watched takes its steps the longer way. Dropping one leaves the list. To watch is no activity.
///
/// ```
/// use std::task::Waker;
/// use enforce_core::{Cause, Enforcer, Status, ViolationType};
///
/// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
/// let mut watch = run.watch();
/// assert_eq!(watch.look(Waker::noop()), Status::Live);
/// run.halt(Cause::own(ViolationType::Requested)); // calls the waker
/// assert!(matches!(watch.look(Waker::noop()), Status::Halted(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it is called only for what comes behind a look"]
pub struct Watch {
    execution: Execution,
    ticket: Option<Ticket>,
    wake_at: Option<Timestamp>,
}

impl Watch {
    /// The state now; `waker` is called when it may be another.
    pub fn look(&mut self, waker: &Waker) -> Status {
        self.stand(waker);
        self.record().status()
    }

    /// The state at `now`: [`Watch::look`] that ends a pause which ends by itself
    /// ([`Budget::next_period_approves`](crate::Budget::next_period_approves)) when that has come, as a demand would. Look again
    /// at [`Watch::wake_at`], too.
    pub fn look_at(&mut self, waker: &Waker, now: Timestamp) -> Status {
        // Before the look: what changes behind it calls this waker (W1).
        self.stand(waker);
        let record = self.record();
        let mut status = record.status();
        let mut wake_at = None;
        if matches!(status, Status::Paused(_)) {
            if record.roll(now) {
                status = record.status();
            }
            wake_at = record.goes_on_at().filter(|until| *until > now);
        }
        self.wake_at = wake_at;
        status
    }

    /// [`Watch::poll_over_at`] by the enforcer's clock, which is read only if a time is limited, or a pause ends by
    /// itself.
    pub fn poll_over(&mut self, waker: &Waker) -> Poll<EnforcementViolation> {
        let record = self.record();
        let timed = record.plan().needs_time();
        let rolls = record.state().is_paused().then(|| record.time_of_pauses(None)).flatten();
        let clock = || if timed { record.core().clock.now() } else { record.core().epoch };
        let now = rolls.unwrap_or_else(clock);
        self.poll_over_at(waker, now)
    }

    /// Ready when nothing is admitted any more: it is halted, it has ended, or its time is over. It judges wall time,
    /// active time and idleness at `now` as a demand would, and carries out what is over; but it is no activity. Paused it
    /// is not over, and its times are not judged meanwhile; a pause that ends by itself it ends when that has come.
    ///
    /// While a hold is open or a child lives, nothing is idle; that is looked at again one timeout later.
    pub fn poll_over_at(&mut self, waker: &Waker, now: Timestamp) -> Poll<EnforcementViolation> {
        // Before the look: what changes behind it calls this waker (W1).
        let _paused = self.look_at(waker, now);
        if self.record().status() == Status::Live
            && let Some(over) = admission::times(self.record(), now)
        {
            return Poll::Ready(over);
        }
        match self.record().status() {
            Status::Live => {
                self.wake_at = next_look(self.record(), now);
                Poll::Pending
            }
            // Until it goes on by itself, if it does.
            Status::Paused(_) => Poll::Pending,
            over => over.violation().map_or(Poll::Pending, Poll::Ready),
        }
    }

    /// When [`Watch::poll_over_at`] or [`Watch::look_at`] has to be called again even if nobody calls its waker: when a time of
    /// the execution may be over, or its pause ends by itself. Always later than the call. `None` while time changes nothing.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// What it watches.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        &self.execution
    }

    fn stand(&mut self, waker: &Waker) {
        let watchers = &self.execution.record().extra_or_new().watchers;
        match self.ticket {
            Some(ticket) => {
                let _first = watchers.stand(ticket, waker.clone());
            }
            None => self.ticket = Some(watchers.join(waker.clone(), 0, || ())),
        }
    }

    fn record(&self) -> &Record {
        self.execution.record()
    }
}

/// When a time of `record`, none of which is over at `now`, may be.
fn next_look(record: &Record, now: Timestamp) -> Option<Timestamp> {
    let plan = record.plan();
    let limit = plan.idle.as_ref().filter(|limit| limit.action != Action::Observe);
    let idle = limit.map(|limit| {
        let after = |from: Timestamp, ns| from.saturating_add(Duration::from_nanos(ns));
        let last = after(record.core().epoch, record.hot.activity.see().last());
        let due = after(last, limit.block_ns);
        if due > now { due } else { after(now, limit.block_ns.max(SHORTEST_IDLE_NS)) }
    });
    idle.into_iter().chain(record.deadline().filter(|deadline| *deadline > now)).min()
}

impl Execution {
    /// The clock that it is judged by: its enforcer's.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.record().core().clock
    }

    /// Begins to watch its state.
    pub fn watch(&self) -> Watch {
        Watch { execution: self.clone(), ticket: None, wake_at: None }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let (Some(ticket), Some(extra)) = (self.ticket, self.record().extra()) {
            extra.watchers.quit(ticket);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("execution", &self.execution.id())
            .field("wake_at", &self.wake_at)
            .finish_non_exhaustive()
    }
}
