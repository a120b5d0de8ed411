//! `enforce stress`: random operations on many threads, and the laws that have to hold whatever they do.

use std::io::{self, Write};
use std::thread;

use parking_lot::Mutex;

mod amounts;
mod asking;
mod census;
mod conductor;
mod error;
mod findings;
mod hold;
mod laws;
mod limits;
mod lives;
mod memory;
mod node;
mod numbers;
mod operation;
mod people;
mod plan;
mod progress;
mod protocol;
mod record;
mod report;
mod restart;
mod saving;
mod tally;
mod tenant;
mod waiting;
mod watching;
mod wish;
mod worker;
mod world;

use crate::args::StressArgs;
use conductor::Conductor;
pub(crate) use error::StressError;
use people::People;
use plan::Plan;
use progress::Progress;
pub(crate) use protocol::Protocol;
use report::Report;
use tally::Tally;
use worker::{Meeting, Worker};
use world::World;

/// What is said of a run in which a law was broken.
#[derive(Debug)]
pub(crate) struct Broken(String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs and prints the report; what was broken, if a law was.
pub(crate) fn run(args: &StressArgs, to: &mut impl Write) -> Result<Option<Broken>, StressError> {
    let plan = Plan::of(args);
    let progress = Progress::new(plan.seed);
    let report = soak(plan, &progress);
    progress.finish();
    let report = report?;
    let printed = if args.json {
        serde_json::to_writer(&mut *to, &report).map_err(io::Error::from).and_then(|()| writeln!(to))
    } else {
        write!(to, "{}", People(&report))
    };
    printed.and_then(|()| to.flush()).map_err(StressError::Output)?;
    Ok(broken(&report))
}

fn soak(plan: Plan, progress: &Progress) -> Result<Report, StressError> {
    let world = World::new(plan)?;
    let meeting = Meeting::of(&plan);
    let workers = (0..meeting.records.len()).map(|number| Worker::new(&world, number));
    let workers = workers.collect::<Result<Vec<_>, _>>()?;
    // Whether all have been started: nobody may wait for one that could not be.
    let started = Mutex::new(false);
    let work = |worker: Worker<'_>| {
        let all_started = *started.lock();
        all_started.then(|| worker.work(&meeting))
    };
    let (tally, findings) = thread::scope(|scope| {
        let mut starting = started.lock();
        let start = |worker| thread::Builder::new().spawn_scoped(scope, || work(worker));
        let threads = workers.into_iter().map(start);
        let threads = threads.collect::<io::Result<Vec<_>>>().map_err(StressError::Thread)?;
        *starting = true;
        drop(starting);
        let findings = Conductor::new(&world).conduct(&meeting, progress);
        let mut all = Tally::new()?;
        for thread in threads {
            // Nobody panics outside what is guarded; whoever does has counted nothing.
            if let Ok(Some(tally)) = thread.join() {
                all.add(&tally);
            }
        }
        Ok::<_, StressError>((all, findings))
    })?;
    Ok(Report::of(&plan, world.tenants.len(), tally, findings))
}

fn broken(report: &Report) -> Option<Broken> {
    let first = report.violations.first()?;
    let more = report.broken.values().sum::<u64>() - 1;
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Some(Broken(format!("seed {}: {first}{more}", report.seed)))
}
