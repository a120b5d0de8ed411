//! Limits of time that come although nobody asks.

use crate::admission;
use crate::clock::Timestamp;
use crate::decision::Cause;
use crate::enforcer::Enforcer;
use crate::execution::Execution;
use crate::kernel::timers::Reached;
use crate::registry::Core;

/// How many are looked at under one lock, which registrations and ends take, too.
const BATCH: usize = 64;

/// What an expiry has done.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Expired {
    /// The executions that a limit of their own time has halted or paused in this call, and the limit; the earliest deadline
    /// first, and of one deadline parents before children. What was below them has stopped with them and is not listed.
    pub executions: Vec<(Execution, Cause)>,
    /// The executions that this call has let go on, because the next period of the budget that had paused them approves
    /// ([`Budget::next_period_approves`](crate::Budget::next_period_approves)); in the same order. What goes on below them is
    /// not listed, and neither is what else pauses them.
    pub resumed: Vec<Execution>,
    /// How many holds their deadline has ended.
    pub holds: u64,
    /// Nothing comes before this moment, unless it is registered or changed after this call: the earliest at which another
    /// call may find anything. It may find nothing then, and say when next. A moment that has come if this call has left
    /// something over. `None` if nothing is waited for.
    pub next: Option<Timestamp>,
}

impl Enforcer {
    /// Carries out every limit of time that has come: wall time, active time and idleness of executions that have not asked
    /// since, where the limit's action is to halt or to pause, and the deadlines of holds ([`Enforcer::expire_holds`], which
    /// comes first). Whom a budget has paused until its next period, if that approves, goes on. What it does is what the
    /// execution's own next demand would have brought about, with the same cause; limits that refuse or observe are left
    /// alone, for they do nothing until somebody asks.
    ///
    /// The library has no thread of its own: call this as often as a limit of time may be late. Exactly those are found whose
    /// deadline is no later than the time of the call, to the nanosecond, and nobody before. One exception: where a hold is
    /// still open when the timeout has come, and then ends without being settled, which is no activity, the execution is found
    /// an eighth of the timeout later at most (and by the step of a clock that steps back).
    ///
    /// Once it has returned, nothing more is admitted on any of these executions, whoever of several callers found them (E1).
    /// An execution that is touched meanwhile is not found idle (I1).
    ///
    /// **Cost.** Each execution with a limit of time that acts waits in a bucket of about a second, and is looked at when
    /// that has come; if it was touched since, it is put into a later one. So an execution is looked at about once in its
    /// timeout, however often it is touched, and a step pays nothing. Where nothing has come, a call takes a lock for each
    /// of a few shards. The first call enters everyone who is registered, so let it come before the crowd; from then on
    /// registering and ending an execution with a limit of time takes a lock of a shard. Who never calls it pays a load at
    /// each of the two.
    ///
    /// A thread that does it once a second:
    ///
    /// ```
    /// use std::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::Duration;
    /// use enforce_core::Enforcer;
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let (stop, stopped) = channel::<()>();
    /// let expiring = enforcer.clone();
    /// let thread = std::thread::spawn(move || {
    ///     while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
    ///         for (run, cause) in expiring.expire().executions {
    ///             eprintln!("{}: {cause:?}", run.id());
    ///         }
    ///     }
    /// });
    /// // …
    /// drop(stop);
    /// thread.join().map_err(|_| "panicked")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire(&self) -> Expired {
        self.expire_at(self.core().clock.now())
    }

    /// [`Enforcer::expire`] at a time that the caller has minted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{Cause, Clock, Enforcer, ManualClock, ResourceLimits, Status, ViolationType};
    ///
    /// let time = ManualClock::new();
    /// let limits = ResourceLimits { max_wall_time_ms: 5_000, ..ResourceLimits::unlimited() };
    /// let enforcer = Enforcer::builder().limits(limits).clock(Clock::manual(&time)).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    ///
    /// time.advance(Duration::from_millis(5_999)); // the limit and its grace of one second, but for a millisecond
    /// assert!(enforcer.expire_at(time.now()).executions.is_empty());
    /// time.advance(Duration::from_millis(1));
    /// let cause = Cause::own(ViolationType::WallTimeLimit);
    /// assert_eq!(enforcer.expire_at(time.now()).executions.len(), 1);
    /// assert_eq!(run.status(), Status::Halted(cause));
    /// assert_eq!(enforcer.live_executions("tenant_a"), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire_at(&self, now: Timestamp) -> Expired {
        self.expire_some_at(now, usize::MAX)
    }

    /// [`Enforcer::expire_at`] in bounded time: looks at `most` executions and ends `most` holds at most. For a scheduler
    /// that does it once a tick, between steps. What is left over is for the next call; [`Expired::next`] tells whether
    /// there is anything. What one call finds it carries out in the order of deadlines; what it leaves over may have an
    /// earlier one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{Clock, Enforcer, LongRunningExecutionPolicy, ManualClock, Status};
    ///
    /// let time = ManualClock::new();
    /// let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(60), ..LongRunningExecutionPolicy::disabled() };
    /// let enforcer = Enforcer::builder().long_running(idle).clock(Clock::manual(&time)).build()?;
    /// let runs: Vec<_> =
    ///     (0..3).map(|n| enforcer.execution(format!("exec_{n}"), "tenant_a").register()).collect::<Result<_, _>>()?;
    ///
    /// time.advance(Duration::from_secs(60));
    /// runs[2].touch()?;
    /// let mut idle = 0;
    /// for _tick in 0..20 {
    ///     let now = time.now(); // one timestamp a tick
    ///     idle += enforcer.expire_some_at(now, 1).executions.len();
    ///     // … dispatch what is ready …
    /// }
    /// assert_eq!((idle, runs[2].status()), (2, Status::Live));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expire_some_at(&self, now: Timestamp, most: usize) -> Expired {
        self.core().expire(now, most)
    }

    /// How many executions have a limit of time that acts or a pause that ends by itself, or had one, and have not ended;
    /// counted from the first call of [`Enforcer::expire`] on.
    #[must_use]
    pub fn timed_execution_count(&self) -> u64 {
        self.core().timers.len() as u64
    }

    /// Nothing comes before this moment, as in [`Expired::next`].
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.core().next_expiry()
    }
}

impl Core {
    /// What [`Enforcer::expire_some_at`] does.
    pub(crate) fn expire(&self, now: Timestamp, most: usize) -> Expired {
        self.start_timers(now);
        // First: an execution whose forgotten hold ends now may be idle.
        let holds = self.deadlines.expire(now, most);
        let (mut executions, mut resumed) = (Vec::new(), Vec::new());
        loop {
            let before = resumed.len();
            for execution in self.due(now, most) {
                let record = execution.record();
                let done = admission::expire(record, now);
                // Not before the next moment: it is met once in a call.
                let next = now.as_nanos().saturating_add(1);
                self.timers.again(record.seat(), next, |execution| execution.record().moment(now));
                resumed.extend(done.resumed.then(|| execution.clone()));
                executions.extend(done.stopped.map(|cause| (execution, cause)));
            }
            // Of what has gone on below them a limit may have come meanwhile.
            if resumed.len() == before || most < usize::MAX {
                break;
            }
        }
        Expired { executions, resumed, holds, next: self.next_expiry() }
    }

    /// Whose moment has come by `now`, earliest first, of `most` who are looked at.
    fn due(&self, now: Timestamp, most: usize) -> impl Iterator<Item = Execution> + use<> {
        let timers = &self.timers;
        let (mut due, mut left) = (Vec::new(), most);
        for shard in 0..timers.shards() {
            let mut reached = Reached::default();
            loop {
                let batch = left.min(BATCH);
                let moment = |execution: &Execution| execution.record().moment_or_barred(now);
                let looked = timers.due((shard, now.as_nanos()), &mut reached, batch, &mut due, moment);
                left = left.saturating_sub(looked);
                if looked < batch || left == 0 {
                    break;
                }
            }
        }
        due.sort_by(|(a, one), (b, other)| {
            let depth = |execution: &Execution| execution.record().tree_depth();
            a.cmp(b).then_with(|| depth(one).cmp(&depth(other))).then_with(|| one.id().cmp(other.id()))
        });
        due.into_iter().map(|(_, execution)| execution)
    }

    /// Nothing comes before this moment.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.start_timers(self.epoch);
        let execution = self.timers.first().map(Timestamp::from_nanos);
        self.deadlines.first().into_iter().chain(execution).min()
    }
}
