//! A pool of worker threads that share one execution: each takes jobs from a queue, waits in line for room before it calls
//! a model, and settles what the call really used. A limit that only others' holds keep full is waited for; one that is
//! spent ends the work.
//!
//! `cargo run -p enforce-core --example workers`

use std::error::Error;
use std::thread;
use std::time::Duration;

use enforce_core::{Actual, Demand, EnforcementViolation, Enforcer, Execution, NanoUsd, ResourceLimits};
use parking_lot::Mutex;

const WORKERS: usize = 8;
const JOBS: u64 = 200;
/// The longest that a worker waits for room.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a call keeps in memory while it runs.
const CALL_BYTES: u64 = 1 << 20;
/// What a call may use at most: it is set aside before.
const MOST: (u64, u64) = (1_000, 1_000);

/// The model: takes a moment, and says how much it used, which is rarely the most.
fn call_model(job: u64) -> (u64, u64) {
    thread::sleep(Duration::from_micros(200 + job % 7 * 100));
    (400 + job * 37 % 600, job * 73 % 1_000)
}

/// Three and fifteen dollars per million tokens.
fn price(input: u64, output: u64) -> NanoUsd {
    NanoUsd::new(input * 3_000 + output * 15_000).unwrap_or(NanoUsd::MAX)
}

/// What one worker has done.
#[derive(Default)]
struct Done {
    jobs: u64,
    tokens: u64,
    cost: u64,
}

/// Works through the queue until it is empty or the execution's limits are spent.
fn work(run: &Execution, queue: &Mutex<impl Iterator<Item = u64>>) -> (Done, Option<EnforcementViolation>) {
    let mut done = Done::default();
    loop {
        let next = queue.lock().next();
        let Some(job) = next else { return (done, None) };
        let demand = Demand::step().tokens(MOST.0, MOST.1).cost(price(MOST.0, MOST.1)).memory_bytes(CALL_BYTES);
        // What others hold comes back when they settle: in line until then. What is spent is spent: refused at once.
        let hold = match run.reserve_within(demand, PATIENCE) {
            Ok(hold) => hold,
            Err(refused) => return (done, Some(refused)),
        };
        let (input, output) = call_model(job);
        let cost = price(input, output);
        hold.settle(Actual::tokens(input, output).cost(cost));
        done = Done { jobs: done.jobs + 1, tokens: done.tokens + input + output, cost: done.cost + cost.get() };
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Room for three calls at a time, and money for some of the jobs.
    let limits =
        ResourceLimits { max_memory_mb: Some(3), max_cost_usd: Some("1.25".parse()?), ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build()?;
    let run = enforcer.execution("nightly_batch", "tenant_acme").register()?.finish_on_drop();
    let queue = Mutex::new(0..JOBS);

    let workers = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&run, &queue))).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect::<Vec<_>>()
    });

    let mut all = Done::default();
    for (number, (done, refused)) in workers.iter().enumerate() {
        let end = refused.map_or_else(|| "the queue is empty".to_owned(), |refused| refused.to_string());
        println!("worker {number}: {:>3} jobs, {:>6} tokens; {end}", done.jobs, done.tokens);
        all = Done { jobs: all.jobs + done.jobs, tokens: all.tokens + done.tokens, cost: all.cost + done.cost };
    }
    let usage = run.snapshot();
    println!("\n{} jobs; {} tokens and {} by the workers' own sums", all.jobs, all.tokens, NanoUsd::new(all.cost)?);
    println!(
        "{} steps; {} tokens and {} by the execution",
        usage.steps,
        usage.total_tokens,
        NanoUsd::new(usage.cost_nano_usd)?
    );
    assert_eq!((usage.steps, usage.total_tokens, usage.cost_nano_usd), (all.jobs, all.tokens, all.cost));
    Ok(())
}
