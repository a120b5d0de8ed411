//! Waiting until nothing runs any more and nothing is outstanding.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::enforcer::Enforcer;
use crate::execution::Execution;
use crate::kernel::queue::Ticket;
use crate::kernel::tally::WAITERS;
use crate::resource::Resource;
use crate::snapshot::{Outstanding, Status};
use crate::wait::Unpark;
use crate::watch::Watch;

/// What of an execution can be outstanding.
const HELD: [Resource; 3] = [Resource::Tokens, Resource::Memory, Resource::Cost];

/// Waits until executions are over, halted or ended, and until nothing of what they and everything below them had set
/// aside is outstanding: [`Enforcer::drain`], [`Enforcer::drain_tenant`].
///
/// It is about those that were registered without a parent when it was made, and about no others: close what they belong
/// to before ([`Enforcer::close`]). It halts nothing. Who is paused is waited for; so is a hold that nobody ends. A hold
/// that sets neither tokens nor money nor memory aside has nothing outstanding. Those that had ended before it was made
/// are not known any more; their holds settle late.
///
/// **Progress.** Exact, and without polling: it looks at one execution at a time, and is called by what ends it and by
/// what settles or drops its holds (W1). None that is over begins again, so all are over and settled when the last one
/// is. Only the one that is looked at takes its steps the longer way.
///
/// **Cancel safety.** It changes nothing, and may be dropped at any point.
///
/// ```
/// use std::time::Duration;
/// use enforce_core::{Actual, Cause, Demand, Enforcer, ViolationType};
///
/// let enforcer = Enforcer::builder().build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
/// let hold = run.reserve(Demand::step().tokens(600, 300))?;
///
/// enforcer.close(Cause::own(ViolationType::Requested));
/// let mut drain = enforcer.drain();
/// assert!(!drain.wait_within(Duration::ZERO)); // it runs
/// enforcer.halt_all(Cause::own(ViolationType::Requested));
/// assert!(!drain.wait_within(Duration::ZERO)); // its hold is open
/// assert_eq!(drain.outstanding().tokens, 900);
/// hold.settle(Actual::tokens(587, 212));
/// assert!(drain.wait_within(Duration::ZERO));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it waits only while it is polled"]
pub struct Drain {
    clock: Clock,
    /// Those that are not known to be over and settled. The last one is looked at.
    left: Vec<Execution>,
    stage: Stage,
}

/// How far the one that is looked at has got.
#[derive(Debug)]
enum Stage {
    Fresh,
    Running(Watch),
    /// It is over, and waited for in its line.
    Settling(Ticket),
}

impl Drain {
    fn new(clock: &Clock, left: Vec<Execution>) -> Self {
        Self { clock: clock.clone(), left, stage: Stage::Fresh }
    }

    /// Ready when all are over and nothing is outstanding; `waker` is called when that may be so.
    pub fn poll_drained(&mut self, waker: &Waker) -> Poll<()> {
        while let Some(execution) = self.left.last() {
            let record = execution.record();
            match &mut self.stage {
                Stage::Settling(ticket) => {
                    let _first = record.extra_or_new().line.stand(*ticket, waker.clone());
                    if !is_settled(execution) {
                        return Poll::Pending;
                    }
                    self.next();
                    continue;
                }
                Stage::Running(watch) => {
                    if matches!(watch.look(waker), Status::Live | Status::Paused(_)) {
                        return Poll::Pending;
                    }
                }
                Stage::Fresh => {
                    if !record.is_over() {
                        self.stage = Stage::Running(execution.watch());
                        continue;
                    }
                }
            }
            // From here on nothing is set aside (E1), and what is outstanding only becomes less.
            record.wait_for_change();
            if record.outstanding().is_zero() {
                self.next();
            } else {
                self.stage = Stage::Settling(join(execution, waker));
            }
        }
        Poll::Ready(())
    }

    /// Parks the thread until all are over and nothing is outstanding, for up to `within` by the enforcer's clock; whether
    /// it is so. It may be called again.
    ///
    /// A clock of the user's own ([`Clock::custom`]) is looked at again every ten milliseconds; any other wakes the
    /// thread in time.
    pub fn wait_within(&mut self, within: Duration) -> bool {
        let (waker, mut now) = (Unpark::waker(), self.clock.now());
        let until = now.saturating_add(within);
        loop {
            if self.poll_drained(&waker).is_ready() {
                return true;
            }
            if now >= until {
                return false;
            }
            self.clock.park(until, now, &waker);
            now = self.clock.now();
        }
    }

    /// How many of them run: they are neither halted nor ended. Looks at those that are left.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.left.iter().map(|execution| u64::from(!execution.record().is_over())).sum()
    }

    /// What open holds of theirs, and of everything below them, have set aside. Looks at those that are left.
    #[must_use]
    pub fn outstanding(&self) -> Outstanding {
        self.left.iter().map(|execution| execution.record().outstanding()).fold(Outstanding::default(), |sum, more| {
            Outstanding {
                tokens: sum.tokens.saturating_add(more.tokens),
                cost_nano_usd: sum.cost_nano_usd.saturating_add(more.cost_nano_usd),
                memory_bytes: sum.memory_bytes.saturating_add(more.memory_bytes),
            }
        })
    }

    /// Those that are not known to be over and settled.
    pub fn left(&self) -> impl Iterator<Item = &Execution> {
        self.left.iter()
    }

    /// Goes on to the next one.
    fn next(&mut self) {
        self.leave();
        self.left.pop();
    }

    fn leave(&mut self) {
        if let (Stage::Settling(ticket), Some(execution)) =
            (std::mem::replace(&mut self.stage, Stage::Fresh), self.left.last())
        {
            leave(execution, ticket);
        }
    }
}

fn held() -> u8 {
    HELD.iter().fold(0, |bits, resource| bits | resource.bit())
}

fn join(execution: &Execution, waker: &Waker) -> Ticket {
    execution.record().extra_or_new().line.join(waker.clone(), held(), || ())
}

/// Whether nothing is outstanding of one that is over. If something is, what ends it calls who stands in line: each word is
/// exchanged before it is read. What was written to it before that is read; who writes to it later has acquired that
/// somebody stands there, and calls them when all is written (W1).
fn is_settled(execution: &Execution) -> bool {
    let hot = &execution.record().hot;
    for resource in HELD {
        // Who gives back meets the mark in the exchange that gives back.
        hot.tally(resource).mark(WAITERS);
    }
    for meter in [&hot.input_tokens, &hot.output_tokens, &hot.cost] {
        meter.read_latest();
    }
    execution.record().outstanding().is_zero()
}

fn leave(execution: &Execution, ticket: Ticket) {
    let record = execution.record();
    let unmark = |gone: u8| {
        let tallies = HELD.into_iter().filter(|resource| gone & resource.bit() != 0);
        tallies.for_each(|resource| record.hot.tally(resource).unmark(WAITERS));
    };
    if let Some(next) = record.extra_or_new().line.leave(ticket, unmark) {
        next.wake();
    }
}

/// [`Drain::poll_drained`], for whoever awaits it.
impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_drained(cx.waker())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

impl Enforcer {
    /// Begins to wait for all executions that are registered now.
    pub fn drain(&self) -> Drain {
        Drain::new(self.clock(), self.core().roots().collect())
    }

    /// Begins to wait for those of one tenant.
    pub fn drain_tenant(&self, tenant: &str) -> Drain {
        let roots = self.core().tenant(tenant).map(|tenant| tenant.roots()).unwrap_or_default();
        Drain::new(self.clock(), roots)
    }

    /// Ends every hold that has a deadline ([`OwnedHold::with_deadline`](crate::OwnedHold::with_deadline)) as its
    /// deadline would, whether it has come or not; how many it has ended. For the end of a process: nobody is left to
    /// settle them, and who does all the same is recorded.
    pub fn end_timed_holds(&self) -> u64 {
        self.core().deadlines.expire_due(Timestamp::from_nanos(u64::MAX), self.clock().now(), usize::MAX)
    }
}
