//! Runs a scenario under one order of its threads after another, at random and by priorities that change now and then, and
//! sees to it that a green result means something.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread;

/// How many orders are tried of each kind; more than the default for a longer run.
const ORDERS: &str = "ENFORCE_SHUTTLE_ORDERS";
const FEW: usize = 60;
/// Where chance begins. The same orders come each time, unless this says otherwise.
const SEED: &str = "ENFORCE_SHUTTLE_SEED";

/// At so many places priorities change: a bug that needs no more orderings than that is found with a known chance.
const DEPTH: usize = 3;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What the runs have shown. Outside what is scheduled: nothing in it waits for this lock.
#[expect(clippy::disallowed_types, reason = "the recorder must not be part of what is explored")]
type Recorder = Arc<std::sync::Mutex<BTreeSet<String>>>;

fn run<W: Debug>(scenario: impl Fn() -> W + Send + Sync + 'static, ends: &Recorder) {
    let scenario = Arc::new(scenario);
    let orders = from_environment(ORDERS).and_then(|orders| usize::try_from(orders).ok()).unwrap_or(FEW);
    let seed = from_environment(SEED).unwrap_or(1);
    let under = |scheduler: Box<dyn Scheduler + Send>| {
        let (scenario, ends) = (Arc::clone(&scenario), Arc::clone(ends));
        let mut config = shuttle::Config::new();
        // Unoptimised code that is many calls deep.
        config.stack_size = 1 << 19;
        shuttle::Runner::new(scheduler, config).run(move || {
            let end = format!("{:?}", scenario());
            ends.lock().unwrap().insert(end);
        });
    };
    under(Box::new(RandomScheduler::new_from_seed(seed, orders)));
    under(Box::new(PctScheduler::new_from_seed(seed, DEPTH, orders)));
}

/// Tries `scenario`, which asserts the end state in the words of a promise and returns a witness of what happened: one that
/// never varies has not raced.
pub(crate) fn explore<W: Debug>(scenario: impl Fn() -> W + Send + Sync + 'static) {
    let ends = Recorder::default();
    run(scenario, &ends);
    let ends = ends.lock().unwrap();
    assert!(ends.len() > 1, "vacuous: it always ends in {ends:?}");
}

/// Tries a `scenario` with a bug planted in it; passes if it fails in the words of `promise`.
pub(crate) fn twin<W: Debug>(promise: &str, scenario: impl Fn() -> W + Send + Sync + 'static) {
    let found = catch_unwind(AssertUnwindSafe(|| run(scenario, &Recorder::default())));
    let found = found.expect_err("the planted bug was not found");
    let said = found.downcast_ref::<String>().map(String::as_str).or(found.downcast_ref::<&str>().copied());
    assert!(said.is_some_and(|said| said.contains(promise)), "failed, but not of “{promise}”: {said:?}");
}

/// Runs `work` with its number in so many threads at once, and returns what came of it.
pub(crate) fn threads<T: Send + 'static>(number: usize, work: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let work = Arc::new(work);
    let started: Vec<_> = (0..number)
        .map(|number| {
            let work = Arc::clone(&work);
            thread::spawn(move || work(number))
        })
        .collect();
    started.into_iter().map(|thread| thread.join().unwrap()).collect()
}
