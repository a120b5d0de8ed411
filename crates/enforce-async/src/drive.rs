//! Deadlines that come by themselves.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use enforce_core::{Clock, Enforcer, Timekeeper};
use tokio::task::JoinHandle;

use crate::alarm::Alarm;

/// Ends what is due of `enforcer`, in one task of the current runtime, for as long as the guard lives: executions whose
/// wall, active or idle time is over ([`Enforcer::expire`]), and holds whose deadline has come
/// ([`OwnedHold::with_deadline`](enforce_core::OwnedHold::with_deadline)). The task sleeps until the earliest deadline and is
/// woken when an earlier one is given; where there is none it has no timer.
///
/// A deadline comes at its very instant, rounded up to tokio's next millisecond. Where very many come at once, the task lets
/// others run behind each thousand. The task does not keep the enforcer. One
/// is enough; several share the work.
///
/// # Panics
/// Outside of a tokio runtime; with the first deadline, in a runtime without time.
///
/// ```
/// use std::time::Duration;
/// use enforce_async::{Clock, Demand, Enforcer, TokioClock, drive};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let enforcer = Enforcer::builder().clock(Clock::custom(TokioClock::new())).build()?;
/// let _driven = drive(&enforcer);
/// let run = enforcer.execution("exec_1", "tenant_acme").register()?;
/// let deadline = enforcer.clock().now().saturating_add(Duration::from_secs(60));
/// std::mem::forget(run.reserve_owned(Demand::step().tokens(600, 300))?.with_deadline(deadline)?);
///
/// tokio::time::sleep(Duration::from_secs(61)).await;
/// assert_eq!(run.snapshot().outstanding.tokens, 0);
/// # Ok(())
/// # }
/// ```
pub fn drive(enforcer: &Enforcer) -> Driven {
    let mut driver = Driver { clock: enforcer.clock().clone(), keeper: enforcer.timekeeper(), alarm: Alarm::default() };
    Driven(tokio::spawn(poll_fn(move |cx| driver.poll(cx))))
}

/// The task of [`drive`]; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the task ends when it is dropped"]
pub struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Driver {
    clock: Clock,
    keeper: Timekeeper,
    alarm: Alarm,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.clock.now();
            let next = self.keeper.turn_at(cx.waker(), now);
            ready!(self.alarm.poll_turn(cx, next, now));
        }
    }
}
