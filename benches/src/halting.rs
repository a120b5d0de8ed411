//! How long after a halt what runs is dropped.

use std::future::pending;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use enforce_async::ExecutionExt;
use enforce_core::{Cause, Enforcer, Execution, ViolationType};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::rounds::now;

/// Enough for the runtime's threads to go to sleep.
const PAUSE: Duration = Duration::from_micros(300);

/// What the tasks of an execution do when it is halted.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// They wait for something, and the thread that ran them sleeps.
    Asleep,
    /// They are polled over and over.
    Busy,
}

/// From the call of `halt`, sorted: until it returned, and until the last of the futures was dropped.
#[derive(Debug, Default)]
pub struct Stops {
    /// Until `halt` returned.
    pub returned: Vec<Duration>,
    /// Until nothing of the work was left.
    pub dropped: Vec<Duration>,
}

impl Stops {
    /// Half, 99 of a hundred, and all are below these; zero of none.
    pub fn spread(sorted: &[Duration]) -> [Duration; 3] {
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
        [50, 99, 100].map(|share| at(share).copied().unwrap_or_default())
    }
}

/// Tells when it is dropped.
struct Told(Sender<Instant>);

impl Drop for Told {
    fn drop(&mut self) {
        // Nobody is told where nobody listens any more.
        let _told = self.0.send(now());
    }
}

/// Halts so many executions one after another, each with so many tasks that [`ExecutionExt::run`] this work on a runtime of
/// two threads; the caller's thread is another.
#[expect(clippy::expect_used, reason = "a runtime can be built, and ids are free")]
pub fn halted(rounds: u64, tasks: usize, work: Work) -> Stops {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("threads");
    let enforcer = Enforcer::default();
    let mut stops = Stops::default();
    for number in 0..rounds {
        let run = enforcer.execution(format!("exec_{number}"), "tenant").register().expect("a free id");
        let dropped = begin(&runtime, &run, tasks, work);
        std::thread::sleep(PAUSE);
        let asked = now();
        run.halt(Cause::own(ViolationType::Requested));
        stops.returned.push(asked.elapsed());
        // It ends when the last task has told and is gone.
        let last = dropped.iter().max().unwrap_or(asked);
        stops.dropped.push(last.saturating_duration_since(asked));
        run.finish();
    }
    stops.returned.sort_unstable();
    stops.dropped.sort_unstable();
    stops
}

/// Begins all tasks, and returns when each was polled.
fn begin(runtime: &Runtime, run: &Execution, tasks: usize, work: Work) -> Receiver<Instant> {
    let (begun, begins) = channel();
    let (tell, dropped) = channel();
    for _ in 0..tasks {
        let (run, begun, told) = (run.clone(), begun.clone(), Told(tell.clone()));
        drop(runtime.spawn(async move {
            let works = async move {
                let _told = told;
                let _sent = begun.send(());
                match work {
                    Work::Asleep => pending::<()>().await,
                    Work::Busy => loop {
                        yield_now().await;
                    },
                }
            };
            run.run(works).await
        }));
    }
    for () in begins.iter().take(tasks) {}
    dropped
}
