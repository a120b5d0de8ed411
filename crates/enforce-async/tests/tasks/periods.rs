//! Pauses that the next period of a budget ends, under tokio's time.

use enforce_async::{
    Action, Budget, BudgetAmount, BudgetPeriod, Demand, Enforcer, Execution, ExecutionExt, Status, TenantPolicy, drive,
};
use tokio::time::Instant;

use crate::common::{SECOND, builder, register};

/// A step an hour for all of the tenant together; who asks for more is paused until its end.
fn enforcer() -> Enforcer {
    let hourly = Budget::new(BudgetAmount::Steps(1), BudgetPeriod::Hour).action(Action::Pause);
    let budgets = vec![hourly.next_period_approves(true)];
    builder().tenant(TenantPolicy { budgets, ..TenantPolicy::default() }).build().unwrap()
}

fn paused(enforcer: &Enforcer) -> Execution {
    let run = register(enforcer, "exec");
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.reserve(Demand::step()).is_err());
    assert!(matches!(run.status(), Status::Paused(_)));
    run
}

#[tokio::test(start_paused = true)]
async fn acquire_goes_on_when_the_hour_ends() {
    let (began, enforcer) = (Instant::now(), enforcer());
    let run = paused(&enforcer);
    assert!(run.acquire(Demand::step()).await.is_ok());
    assert_eq!(began.elapsed(), 3_600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn acquire_that_brings_the_pause_about_waits_it_out() {
    let (began, enforcer) = (Instant::now(), enforcer());
    let run = register(&enforcer, "exec");
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.acquire(Demand::step()).await.is_ok());
    assert_eq!((began.elapsed(), run.approvals().len()), (3_600 * SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn acquire_within_less_is_refused_in_time() {
    let (began, enforcer) = (Instant::now(), enforcer());
    let run = paused(&enforcer);
    assert!(run.acquire(Demand::step()).within(60 * SECOND).await.is_err());
    assert_eq!((began.elapsed(), run.approvals().len()), (60 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn resumed_is_told_when_the_hour_ends() {
    let (began, enforcer) = (Instant::now(), enforcer());
    let run = paused(&enforcer);
    let child = run.child("child").register();
    assert!(child.is_err(), "paused");
    assert_eq!(run.resumed().await, Status::Live);
    assert_eq!(began.elapsed(), 3_600 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_driver_ends_it_though_nobody_waits() {
    let enforcer = enforcer();
    let _driven = drive(&enforcer);
    let run = paused(&enforcer);
    tokio::time::sleep(3_599 * SECOND).await;
    assert!(matches!(run.status(), Status::Paused(_)));
    tokio::time::sleep(SECOND + SECOND / 100).await;
    assert_eq!(run.status(), Status::Live);
}

#[tokio::test(start_paused = true)]
async fn work_that_runs_through_it_is_judged_by_its_wall_time_again() {
    let (began, enforcer) = (Instant::now(), enforcer());
    let limits =
        enforce_async::ResourceLimits { max_wall_time_ms: 2 * 3_600_000, ..enforce_async::ResourceLimits::unlimited() };
    let run = enforcer.execution("exec", "tenant").limits(limits).register().unwrap();
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.reserve(Demand::step()).is_err());
    let stopped = run.run(std::future::pending::<()>()).await;
    assert!(stopped.is_err());
    assert_eq!(began.elapsed(), 7_201 * SECOND, "the limit and its grace");
    assert_eq!(run.approvals().len(), 1);
}
