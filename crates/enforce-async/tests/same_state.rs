//! Threads with handles and tasks with ids spend from the same counters: sums are exact, and no limit is passed.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use enforce_async::{
    Actual, Cause, Demand, EnforcementMiddleware, Enforcer, Execution, ExecutionId, ExecutionUsage, NanoUsd,
    ResourceLimits, TenantPolicy, ViolationType,
};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const THREADS: u64 = 4;
const TASKS: u64 = 8;
const ATTEMPTS: u64 = 400;
const LIMIT: u64 = 500;

/// What one worker was granted and has used.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sums {
    admitted: u64,
    input: u64,
    output: u64,
    nanos: u64,
}

impl Sums {
    /// What is used of a grant: now all of it, now less, now nothing (the hold is dropped).
    fn grant(&mut self, attempt: u64) -> Option<Actual> {
        self.admitted += 1;
        let (input, output, nanos) = match attempt % 3 {
            0 => (60, 40, 1_000),
            1 => (7, 5, 999),
            _ => return None,
        };
        self.input += input;
        self.output += output;
        self.nanos += nanos;
        Some(Actual::tokens(input, output).cost(NanoUsd::new(nanos).ok()?))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            admitted: self.admitted + other.admitted,
            input: self.input + other.input,
            output: self.output + other.output,
            nanos: self.nanos + other.nanos,
        }
    }
}

fn demand() -> Demand {
    Demand::step().tokens(60, 40).cost(NanoUsd::new(1_000).unwrap_or(NanoUsd::ZERO))
}

/// A worker thread: the handle, holds that borrow it. `done` is dropped when it ends.
fn worker(run: Execution, done: Sender<()>) -> JoinHandle<Sums> {
    thread::spawn(move || {
        let mut sums = Sums::default();
        for attempt in 0..ATTEMPTS {
            if let Ok(hold) = run.reserve(demand()) {
                match sums.grant(attempt) {
                    Some(actual) => drop(hold.settle(actual)),
                    None => drop(hold),
                }
            }
        }
        drop(done);
        sums
    })
}

/// A task: the id, holds that live across an await point.
async fn task(middleware: EnforcementMiddleware, id: ExecutionId, done: Sender<()>) -> Sums {
    let mut sums = Sums::default();
    for attempt in 0..ATTEMPTS {
        if let Ok(hold) = middleware.reserve(&id, demand()).await {
            tokio::task::yield_now().await;
            match sums.grant(attempt) {
                Some(actual) => drop(hold.settle(actual)),
                None => drop(hold),
            }
        }
    }
    drop(done);
    sums
}

/// The most that was ever seen used, in steps and tokens, until every worker is done.
fn observer(usage: ExecutionUsage, workers: Receiver<()>) -> JoinHandle<(u64, u64)> {
    thread::spawn(move || {
        let (mut steps, mut tokens) = (0, 0);
        while workers.try_recv() == Err(TryRecvError::Empty) {
            steps = steps.max(usage.step_count());
            tokens = tokens.max(usage.used_tokens());
        }
        (steps, tokens)
    })
}

/// All workers at once on one execution of `enforcer`: what they were granted, and the most that was seen used.
async fn contend(enforcer: &Enforcer) -> Result<(Sums, (u64, u64)), Box<dyn std::error::Error + Send + Sync>> {
    let middleware = EnforcementMiddleware::new_over(enforcer.clone());
    let id = ExecutionId::from("exec_1");
    let usage = middleware.register_execution(id.clone(), "tenant_acme".into()).await?;
    let (done, workers) = channel();
    let watched = observer(usage.as_ref().clone(), workers);
    let threads: Vec<_> = (0..THREADS).map(|_| worker(usage.execution().clone(), done.clone())).collect();
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task(middleware.clone(), id.clone(), done.clone()))).collect();
    drop(done);
    let mut sums = Sums::default();
    for task in tasks {
        sums = sums.plus(task.await?);
    }
    for thread in threads {
        sums = sums.plus(thread.join().map_err(|_| "a worker panicked")?);
    }
    Ok((sums, watched.join().map_err(|_| "the observer panicked")?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_steps_never_pass_their_limit_and_c1_sums_are_exact() -> Outcome {
    let limits = ResourceLimits { max_steps: LIMIT, ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build()?;
    let (sums, (most_steps, _)) = contend(&enforcer).await?;
    assert_eq!(sums.admitted, LIMIT);
    assert!(most_steps <= LIMIT, "{most_steps}");

    let snapshot = enforcer.snapshot("exec_1").ok_or("registered")?;
    assert_eq!((snapshot.steps, snapshot.outstanding.is_zero()), (LIMIT, true));
    assert_eq!((snapshot.input_tokens, snapshot.output_tokens), (sums.input, sums.output));
    assert_eq!(snapshot.cost_nano_usd, sums.nanos);
    let tenant = enforcer.tenant_usage("tenant_acme").ok_or("known")?;
    assert_eq!((tenant.steps, tenant.input_tokens, tenant.output_tokens), (LIMIT, sums.input, sums.output));
    assert_eq!(tenant.cost_nano_usd, sums.nanos);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_tokens_never_pass_their_limit_and_r1_no_hold_is_lost() -> Outcome {
    let limits = ResourceLimits { max_tokens: LIMIT * 20, ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build()?;
    let (sums, (_, most_tokens)) = contend(&enforcer).await?;
    assert!(most_tokens <= LIMIT * 20, "{most_tokens}");

    let snapshot = enforcer.snapshot("exec_1").ok_or("registered")?;
    assert_eq!((snapshot.steps, snapshot.outstanding.is_zero()), (sums.admitted, true));
    assert_eq!((snapshot.input_tokens, snapshot.output_tokens), (sums.input, sums.output));
    // What was given back can be used to the last token, and not one more.
    let left = LIMIT * 20 - snapshot.total_tokens;
    assert!(enforcer.reserve("exec_1", Demand::none().tokens(left + 1, 0)).is_err());
    assert!(left == 0 || enforcer.reserve("exec_1", Demand::none().tokens(left, 0)).is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_a_tenants_budget_is_shared_by_threads_and_tasks() -> Outcome {
    let budget = NanoUsd::new(LIMIT * 1_000)?;
    let tenant = TenantPolicy { budget_usd: Some(budget), ..TenantPolicy::default() };
    let enforcer = Enforcer::builder().tenant(tenant).build()?;
    let middleware = EnforcementMiddleware::new_over(enforcer.clone());
    let call = Demand::step().cost(NanoUsd::new(1_000)?);
    let spent = Actual::none().cost(NanoUsd::new(1_000)?);

    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let enforcer = enforcer.clone();
            thread::spawn(move || {
                let run = enforcer.execution(format!("thread_{number}"), "tenant_acme").register()?;
                let mut admitted = 0;
                for _ in 0..ATTEMPTS {
                    if let Ok(hold) = run.reserve(call) {
                        hold.settle(spent);
                        admitted += 1;
                    }
                }
                run.finish();
                Ok::<_, enforce_async::RegisterError>(admitted)
            })
        })
        .collect();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (middleware, id) = (middleware.clone(), ExecutionId::from(format!("task_{number}")));
            tokio::spawn(async move {
                middleware.register_execution(id.clone(), "tenant_acme".into()).await?;
                let mut admitted = 0;
                for _ in 0..ATTEMPTS {
                    if let Ok(hold) = middleware.reserve(&id, call).await {
                        tokio::task::yield_now().await;
                        hold.settle(spent);
                        admitted += 1;
                    }
                }
                middleware.unregister_execution(&id).await;
                Ok::<_, enforce_async::RegisterError>(admitted)
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await??;
    }
    for thread in threads {
        admitted += thread.join().map_err(|_| "a worker panicked")??;
    }
    assert_eq!(admitted, LIMIT);
    let usage = enforcer.tenant_usage("tenant_acme").ok_or("known")?;
    assert_eq!((usage.cost_nano_usd, usage.steps, usage.live_executions), (budget.get(), LIMIT, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_slots_are_shared_by_threads_and_tasks() -> Outcome {
    let limits = ResourceLimits { max_concurrent_executions: Some(5), ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build()?;
    let middleware = EnforcementMiddleware::new_over(enforcer.clone());
    let threads: Vec<_> = (0..32)
        .map(|number| {
            let enforcer = enforcer.clone();
            thread::spawn(move || {
                u64::from(enforcer.execution(format!("thread_{number}"), "tenant_acme").register().is_ok())
            })
        })
        .collect();
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let (middleware, id) = (middleware.clone(), ExecutionId::from(format!("task_{number}")));
            tokio::spawn(
                async move { u64::from(middleware.register_execution(id, "tenant_acme".into()).await.is_ok()) },
            )
        })
        .collect();
    let mut registered = 0;
    for task in tasks {
        registered += task.await?;
    }
    for thread in threads {
        registered += thread.join().map_err(|_| "a worker panicked")?;
    }
    assert_eq!((registered, enforcer.live_executions("tenant_acme"), enforcer.execution_count()), (5, 5, 5));

    for kind in ["thread", "task"] {
        for number in 0..32 {
            middleware.unregister_execution(&format!("{kind}_{number}").into()).await;
        }
    }
    assert_eq!((enforcer.live_executions("tenant_acme"), enforcer.execution_count()), (0, 0));
    Ok(())
}

#[tokio::test]
async fn each_side_sees_what_the_other_did_at_once() -> Outcome {
    let limits = ResourceLimits { max_steps: 3, ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits.clone()).build()?;
    let middleware = EnforcementMiddleware::from(enforcer.clone());
    let run = enforcer.execution("exec_1", "tenant_acme").register()?;
    let id = ExecutionId::from("exec_1");

    drop(run.reserve(Demand::step())?);
    drop(middleware.reserve(&id, Demand::step()).await?);
    middleware.record_step(&id).await;
    assert!(middleware.check_step_allowed(&id, &limits).await.is_blocked());
    assert_eq!(run.check(Demand::step()).to_error().and_then(|error| error.code).as_deref(), Some("step_limit"));

    run.halt(Cause::own(ViolationType::StepLimit));
    let refused = middleware.reserve(&id, Demand::none()).await.err().ok_or("halted")?;
    assert_eq!(refused.violation_type, ViolationType::Halted);
    middleware.unregister_execution(&id).await;
    let closed = run.reserve(Demand::none()).err().ok_or("ended")?;
    assert_eq!(closed.violation_type, ViolationType::Closed);
    assert!(middleware.get_usage_snapshot(&id).await.is_none());
    Ok(())
}
