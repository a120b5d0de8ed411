//! enact-core 0.0.2, the first rival: the same questions to its `EnforcementMiddleware`.
//!
//! It checks and records in separate calls, reads its own clock in each, and knows executions by id alone. Its counters
//! are 32 bits wide, so the amounts are small enough never to wrap while it is measured.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use enact_core::ResourceLimits;
use enact_core::kernel::{EnforcementMiddleware, ExecutionId, LongRunningExecutionPolicy, TenantId};

use crate::Case;
use crate::ids::Ids;
use crate::pair::Span;
use crate::rounds::now;

pub(crate) fn limits() -> ResourceLimits {
    ResourceLimits {
        max_steps: u32::MAX,
        max_tokens: u32::MAX,
        max_wall_time_ms: 1 << 40,
        max_memory_mb: None,
        max_concurrent_executions: None,
    }
}

fn policy() -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy {
        max_discovered_steps: Some(1 << 30),
        cost_alert_threshold_usd: Some(1e12),
        ..LongRunningExecutionPolicy::standard()
    }
}

pub(crate) fn executions(ids: &Ids) -> (Arc<EnforcementMiddleware>, Ids<ExecutionId>) {
    let middleware = Arc::new(EnforcementMiddleware::new());
    for id in ids.sorted() {
        pollster::block_on(middleware.register_execution(ExecutionId::from(id), TenantId::from("tenant_a")));
    }
    (middleware, ids.map(|id| ExecutionId::from(id.as_str())))
}

/// Both of its checks, then a step, tokens and money recorded.
async fn whole(
    middleware: &EnforcementMiddleware,
    id: &ExecutionId,
    asked: &(ResourceLimits, LongRunningExecutionPolicy),
) {
    let (limits, policy) = asked;
    if middleware.check_all_limits(id, limits).await.is_allowed()
        && middleware.check_long_running_limits(id, policy).await.is_allowed()
    {
        middleware.record_step(id).await;
        middleware.record_tokens(id, black_box(12), black_box(6)).await;
        middleware.record_cost(id, black_box(0.01)).await;
    }
}

pub(crate) async fn step(middleware: &EnforcementMiddleware, id: &ExecutionId, limits: &ResourceLimits) {
    if middleware.check_step_allowed(id, limits).await.is_allowed() {
        middleware.record_step(id).await;
    }
}

/// Does `op` so many times within one future, so that entering it is not counted.
fn time_async(times: u32, mut op: impl AsyncFnMut()) -> Duration {
    pollster::block_on(async {
        let start = now();
        for _ in 0..times {
            op().await;
        }
        start.elapsed()
    })
}

/// A step checked and recorded: one execution.
pub fn step_of_one() -> Case {
    step_of("enact step, one", &Ids::one())
}

/// A step checked and recorded: a thousand executions in turn.
pub fn step_of_many() -> Case {
    step_of("enact step, 1k", &Ids::hot())
}

/// A step checked and recorded: these executions in turn.
pub fn step_of(name: impl Into<String>, ids: &Ids) -> Case {
    let (middleware, mut ids) = executions(ids);
    let limits = limits();
    Case::timed(name, move |times| time_async(times, async || step(&middleware, ids.next_id(), &limits).await))
}

/// The whole cycle: one execution.
pub fn whole_of_one() -> Case {
    whole_of("enact whole, one", Ids::one())
}

/// The whole cycle: a thousand executions in turn.
pub fn whole_of_many() -> Case {
    whole_of("enact whole, 1k", Ids::hot())
}

fn whole_of(name: &'static str, ids: Ids) -> Case {
    let (middleware, mut ids) = executions(&ids);
    let asked = (limits(), policy());
    Case::timed(name, move |times| time_async(times, async || whole(&middleware, ids.next_id(), &asked).await))
}

/// Two tasks on one execution, on the two workers of a runtime: the whole cycle.
#[expect(clippy::expect_used, reason = "threads can be started, and tasks that do not panic can be joined")]
pub fn whole_on_two_threads() -> Case {
    let (middleware, ids) = executions(&Ids::one());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("two threads");
    Case::at_once("enact whole, two threads", move |times| {
        let task = || {
            let (middleware, mut ids, asked) = (Arc::clone(&middleware), ids.clone(), (limits(), policy()));
            runtime.spawn(async move {
                let start = now();
                for _ in 0..times {
                    whole(&middleware, ids.next_id(), &asked).await;
                }
                Span::since(start)
            })
        };
        let (one, other) = (task(), task());
        runtime.block_on(async { [one.await.expect("no panic"), other.await.expect("no panic")] })
    })
}

/// Registers and unregisters one execution beside a thousand live ones. Making the ids that it takes is not counted.
pub fn register_and_unregister() -> Case {
    let (middleware, _) = executions(&Ids::hot());
    let tenant = TenantId::from("tenant_a");
    Case::timed("enact register + unregister", move |times| {
        let ids = (0..times).map(|number| ExecutionId::from(format!("run_{number:028}").as_str()));
        let ids: Vec<(ExecutionId, TenantId)> = ids.map(|id| (id, tenant.clone())).collect();
        let mut taken = ids.clone().into_iter();
        let mut left = ids.iter();
        time_async(times, async || {
            if let (Some((id, tenant)), Some((same, _))) = (taken.next(), left.next()) {
                middleware.register_execution(id, tenant).await;
                middleware.unregister_execution(same).await;
            }
        })
    })
}

/// Two tasks register and unregister executions of their own, of one tenant, beside a thousand live ones. Making the ids
/// is not counted.
#[expect(clippy::expect_used, reason = "threads can be started, and tasks that do not panic can be joined")]
pub fn registering_on_two_threads() -> Case {
    let (middleware, _) = executions(&Ids::hot());
    let tenant = TenantId::from("tenant_a");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("two threads");
    Case::at_once("enact register + unregister, two threads", move |times| {
        let ids = ["one", "two"].map(|who| {
            let named = |number| ExecutionId::from(format!("run_{who}_{number:024}").as_str());
            (0..times).map(|number| (named(number), tenant.clone())).collect::<Vec<_>>()
        });
        let taken = ids.clone();
        let mut both = taken.into_iter().zip(ids).map(|(taken, ids)| {
            let middleware = Arc::clone(&middleware);
            runtime.spawn(async move {
                let start = now();
                for ((id, tenant), (same, _)) in taken.into_iter().zip(&ids) {
                    middleware.register_execution(id, tenant).await;
                    middleware.unregister_execution(same).await;
                }
                Span::since(start)
            })
        });
        let [one, other] = [both.next(), both.next()].map(|task| task.expect("one of two"));
        runtime.block_on(async { [one.await.expect("no panic"), other.await.expect("no panic")] })
    })
}
