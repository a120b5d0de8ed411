//! Bringing everything to an end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use enforce_core::{Cause, Drain, Enforcer, Outstanding, Timekeeper, Timestamp, ViolationType};

use crate::alarm::Alarm;

/// How long what was halted may take to end its holds, unless [`Shutdown::settle_within`] says otherwise.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// Brings `enforcer` to an end, in the order in which a service does:
///
/// 1. It is closed ([`Enforcer::close`]): nobody new is registered, and is told `closed` of the scope `process`.
/// 2. For up to `grace` what runs goes on as before: it may reserve, wait and have children, for to end well may take some
///    steps. Deadlines come meanwhile as [`drive`](crate::drive) lets them come. If all executions are over and nothing is
///    outstanding before that, the next two take no time.
/// 3. It is halted ([`Enforcer::halt_all`]): every [`run`](crate::ExecutionExt::run) drops its work, whoever waits is
///    refused, and nothing is admitted any more.
/// 4. For up to a second, or what [`Shutdown::settle_within`] says, it waits for the holds of what was halted. Those with
///    a deadline that are open even then are ended by their policies.
///
/// The report says what came of it. The enforcer stays halted; executions that were halted are registered until somebody
/// finishes them, and [`Enforcer::save`] has them as halted ones. To go on with them in another process, close it and
/// wait for [`Enforcer::drain`] as long as suits, and save before anything is halted.
///
/// **Cancel safety.** It does nothing before it is first polled. Dropped during the grace, it leaves the enforcer closed
/// and nothing halted; another `shutdown` takes up from there with a grace of its own, and [`Enforcer::reopen`] undoes
/// the closing. Dropped later, it leaves all halted. Two at once share the work.
///
/// It goes by the enforcer's clock, as everything here does, and is woken by what ends: nothing is polled.
///
/// ```
/// use std::time::Duration;
/// use enforce_async::{Clock, Demand, Enforcer, ExecutionExt, TokioClock, shutdown};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let enforcer = Enforcer::builder().clock(Clock::custom(TokioClock::new())).build()?;
/// let (quick, slow) = (
///     enforcer.execution("exec_1", "tenant_acme").register()?,
///     enforcer.execution("exec_2", "tenant_acme").register()?,
/// );
/// tokio::spawn(async move {
///     tokio::time::sleep(Duration::from_secs(3)).await;
///     quick.finish();
/// });
/// let work = tokio::spawn(async move {
///     let endless = async {
///         let _hold = slow.acquire(Demand::step().tokens(600, 300)).await;
///         std::future::pending::<()>().await;
///     };
///     slow.run(endless).await
/// });
///
/// let report = shutdown(&enforcer, Duration::from_secs(10)).await;
/// assert_eq!((report.ended, report.halted, report.is_settled()), (1, 1, true));
/// assert!(work.await?.is_err()); // stopped, and its hold has given back
/// # Ok(())
/// # }
/// ```
pub fn shutdown(enforcer: &Enforcer, grace: Duration) -> Shutdown {
    Shutdown {
        enforcer: enforcer.clone(),
        grace,
        settle_within: SETTLE_WITHIN,
        cause: Cause::own(ViolationType::Requested),
        stage: Stage::Fresh,
        keeper: enforcer.timekeeper(),
        alarm: Alarm::default(),
    }
}

/// The future of [`shutdown`].
#[must_use = "nothing is brought to an end until it is awaited"]
pub struct Shutdown {
    enforcer: Enforcer,
    grace: Duration,
    settle_within: Duration,
    cause: Cause,
    stage: Stage,
    keeper: Timekeeper,
    alarm: Alarm,
}

enum Stage {
    Fresh,
    /// What runs goes on.
    Grace(Closing),
    /// Everything is halted.
    Halted(Closing, u64),
    Over,
}

/// What is waited for, how long, and how many there were that ran.
struct Closing {
    drain: Drain,
    until: Timestamp,
    running: u64,
}

/// What came of a [`shutdown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many executions without a parent were over before this call halted everything, of those that ran when it was
    /// closed: by themselves, or halted by somebody else meanwhile, another shutdown among them.
    pub ended: u64,
    /// How many executions without a parent it halted.
    pub halted: u64,
    /// How many executions without a parent had something outstanding when the time for it was over: in holds that were
    /// neither settled nor dropped, their own or those of what is below them, or in the slice of a child that nobody
    /// finished.
    pub unsettled: u64,
    /// What that was. It is settled late, if ever.
    pub outstanding: Outstanding,
    /// How many holds were ended because their deadline would have come too late.
    pub holds_ended: u64,
}

impl ShutdownReport {
    /// Whether nothing was outstanding in the end, so that usage is final and a state of it is exact.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.unsettled == 0
    }
}

impl Shutdown {
    /// Why everything is closed and halted; the scope becomes `process`. Default: `requested`.
    pub fn cause(self, cause: Cause) -> Self {
        Self { cause, ..self }
    }

    /// How long the holds of what was halted may take to end. Default: a second.
    pub fn settle_within(self, within: Duration) -> Self {
        Self { settle_within: within, ..self }
    }

    /// Goes on as far as it can at `now`; until when there is nothing to be done otherwise.
    fn step(&mut self, cx: &mut Context<'_>, now: Timestamp) -> Poll<Result<ShutdownReport, Timestamp>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Fresh => {
                    self.enforcer.close(self.cause);
                    // Behind the closing: nobody comes later.
                    let drain = self.enforcer.drain();
                    let closing = Closing { running: drain.running(), drain, until: now.saturating_add(self.grace) };
                    self.stage = Stage::Grace(closing);
                }
                Stage::Grace(mut closing) => {
                    if closing.drain.poll_drained(cx.waker()).is_pending() && now < closing.until {
                        let until = closing.until;
                        self.stage = Stage::Grace(closing);
                        return Poll::Ready(Err(until));
                    }
                    let halted = self.enforcer.halt_all(self.cause);
                    closing.until = now.saturating_add(self.settle_within);
                    self.stage = Stage::Halted(closing, halted);
                }
                Stage::Halted(mut closing, halted) => {
                    if closing.drain.poll_drained(cx.waker()).is_ready() {
                        return Poll::Ready(Ok(report(&closing, halted, 0)));
                    }
                    if now < closing.until {
                        let until = closing.until;
                        self.stage = Stage::Halted(closing, halted);
                        return Poll::Ready(Err(until));
                    }
                    let holds_ended = self.enforcer.end_timed_holds();
                    return Poll::Ready(Ok(report(&closing, halted, holds_ended)));
                }
                // It has said what came of it.
                Stage::Over => return Poll::Pending,
            }
        }
    }
}

fn report(closing: &Closing, halted: u64, holds_ended: u64) -> ShutdownReport {
    let open = closing.drain.left().filter(|execution| !execution.snapshot().outstanding.is_zero());
    ShutdownReport {
        ended: closing.running.saturating_sub(halted),
        halted,
        unsettled: open.count() as u64,
        outstanding: closing.drain.outstanding(),
        holds_ended,
    }
}

impl Future for Shutdown {
    type Output = ShutdownReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        let this = &mut *self;
        loop {
            let now = this.enforcer.clock().now();
            let due = this.keeper.turn_at(cx.waker(), now);
            match ready!(this.step(cx, now)) {
                Ok(report) => return Poll::Ready(report),
                Err(until) => ready!(this.alarm.poll_turn(cx, due.into_iter().chain([until]).min(), now)),
            }
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Fresh => "fresh",
            Stage::Grace(_) => "grace",
            Stage::Halted(..) => "halted",
            Stage::Over => "over",
        };
        f.debug_struct("Shutdown").field("stage", &stage).finish_non_exhaustive()
    }
}
