//! A timer that goes by the enforcer's clock.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use enforce_core::Timestamp;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep};

/// The shortest sleep: tokio's timer counts milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// Sleeps until a moment of the enforcer's clock: for as long as that clock says is left, by tokio's. Who is woken looks at
/// the enforcer's clock again, so one that runs slower costs another sleep, and nothing is early by it.
///
/// A timer exists only while there is something to wait for.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What it is set to.
    at: Option<Timestamp>,
}

impl Alarm {
    /// Ready when the time from `now` to `at` has passed; without an `at` the waker is never called. A moment that has come
    /// is the shortest sleep away, so whoever looks at it in vain does not spin.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        at: Option<Timestamp>,
        now: impl FnOnce() -> Timestamp,
    ) -> Poll<()> {
        let Some(at) = at else {
            *self = Self::default();
            return Poll::Pending;
        };
        if self.at != Some(at) {
            self.set(at, now);
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        ready!(sleep.as_mut().poll(cx));
        // To be set anew, if it still is to come.
        self.at = None;
        Poll::Ready(())
    }

    /// [`Alarm::poll`] for who turns a timekeeper: a moment that has come means that more is due, and is no sleep away, but
    /// a turn of whoever else can run.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>, at: Option<Timestamp>, now: Timestamp) -> Poll<()> {
        if at.is_some_and(|at| at <= now) {
            // To be polled again behind the others, those among them that yield, too: a waker that is called here and now
            // would overtake these.
            return pin!(yield_now()).poll(cx);
        }
        self.poll(cx, at, || now)
    }

    #[cold]
    fn set(&mut self, at: Timestamp, now: impl FnOnce() -> Timestamp) {
        self.at = Some(at);
        let left = Duration::from_nanos(at.as_nanos().saturating_sub(now().as_nanos()));
        // A moment past the end of tokio's clock never comes.
        let end = Instant::now().checked_add(left.max(SHORTEST));
        match (end, &mut self.sleep) {
            (Some(end), Some(sleep)) => sleep.as_mut().reset(end),
            (Some(end), None) => self.sleep = Some(Box::pin(tokio::time::sleep_until(end))),
            (None, _) => self.sleep = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_has_rung_does_not_ring_again_for_nothing() {
        let mut alarm = Alarm::default();
        let at = |nanos| Some(Timestamp::from_nanos(nanos));
        poll_fn(|cx| alarm.poll(cx, at(1_000_000), || Timestamp::ZERO)).await;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(alarm.poll(&mut cx, None, || Timestamp::ZERO).is_pending());
        assert!(alarm.sleep.is_none(), "no timer without anything to wait for");
        assert!(
            alarm.poll(&mut cx, at(1), || Timestamp::from_nanos(1)).is_pending(),
            "no spinning at a time that has come"
        );
        assert!(alarm.poll(&mut cx, at(u64::MAX), || Timestamp::ZERO).is_pending(), "the end of time");
    }
}
