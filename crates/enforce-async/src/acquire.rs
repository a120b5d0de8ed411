//! Waiting for room, in the line of whoever has none.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use enforce_core::{Demand, EnforcementViolation, Execution, OwnedHold, Timestamp, Waiting};

use crate::alarm::Alarm;

/// A demand that waits its turn: [`ExecutionExt::acquire`](crate::ExecutionExt::acquire).
///
/// Admitted at once, it is [`Execution::reserve_owned`] and the moving of its hold: it allocates nothing, sets no timer and
/// enters no list. Otherwise it stands in line as [`Waiting`] says, in order and overtaken by nobody (F1), and is woken when there
/// may be room (W1). A timer exists only while time alone can help: a rate that refills, a deadline of the execution, the
/// end of [`Acquire::within`]. Nothing is polled in between.
///
/// **Cancel safety.** It may be dropped at any point: it leaves the line, takes nothing with it, and wakes the next.
/// Polled again after it was ready, it begins anew, behind everyone.
#[must_use = "nothing is asked until it is awaited"]
pub struct Acquire<E> {
    execution: E,
    demand: Demand,
    within: Option<Duration>,
    /// `None` until it has to wait, so that what need not is small.
    parked: Option<Box<Parked>>,
}

/// What stands in line.
struct Parked {
    waiting: Waiting,
    until: Option<Timestamp>,
    alarm: Alarm,
}

impl<E: Borrow<Execution>> Acquire<E> {
    /// For any handle: a reference for a future that lives as long, a handle of its own for one that is `'static`.
    pub const fn new(execution: E, demand: Demand) -> Self {
        Self { execution, demand, within: None, parked: None }
    }

    /// Gives up when it has waited for so long, by the enforcer's clock, with what refused it last. A time of zero asks
    /// once. Default: it waits for as long as waiting helps.
    pub fn within(self, within: Duration) -> Self {
        Self { within: Some(within), ..self }
    }
}

impl<E: Borrow<Execution> + Unpin> Future for Acquire<E> {
    type Output = Result<OwnedHold, EnforcementViolation>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { execution, demand, within, parked } = self.get_mut();
        let (execution, demand, within) = ((*execution).borrow(), &*demand, *within);
        if parked.is_some() {
            return poll_parked(parked, execution, demand, within, cx);
        }
        execution.poll_owned(demand, || poll_parked(parked, execution, demand, within, cx))
    }
}

#[cold]
fn poll_parked(
    place: &mut Option<Box<Parked>>,
    execution: &Execution,
    demand: &Demand,
    within: Option<Duration>,
    cx: &mut Context<'_>,
) -> Poll<Result<OwnedHold, EnforcementViolation>> {
    let parked = place.get_or_insert_with(|| {
        let until = within.map(|within| execution.clock().now().saturating_add(within));
        Box::new(Parked { waiting: execution.wait_for(*demand), until, alarm: Alarm::default() })
    });
    let ended = ready!(parked.poll(execution, cx));
    // It has left the line; the timer goes, too.
    *place = None;
    Poll::Ready(ended)
}

impl Parked {
    fn poll(&mut self, execution: &Execution, cx: &mut Context<'_>) -> Poll<Result<OwnedHold, EnforcementViolation>> {
        loop {
            let now = execution.clock().now();
            if let Poll::Ready(ended) = self.waiting.poll_at(cx.waker(), now) {
                return Poll::Ready(ended);
            }
            if self.until.is_some_and(|until| until <= now)
                && let Some(refused) = self.waiting.give_up_at(now)
            {
                return Poll::Ready(Err(refused));
            }
            let next = self.waiting.wake_at().into_iter().chain(self.until).min();
            ready!(self.alarm.poll(cx, next, || now));
        }
    }
}

impl<E: Borrow<Execution>> fmt::Debug for Acquire<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("execution", &self.execution.borrow().id())
            .field("demand", &self.demand)
            .field("within", &self.within)
            .field("waits", &self.parked.is_some())
            .finish()
    }
}
