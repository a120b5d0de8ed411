//! What a future that need not wait allocates: nothing; and what waiting has taken is given back. By itself, because the
//! counting allocator is everybody's.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use enforce_async::{Actual, Demand, Enforcer, ExecutionExt, NanoUsd, ResourceLimits, TenantPolicy};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

#[test]
fn a_demand_that_is_admitted_at_once_allocates_nothing() {
    let limits = ResourceLimits { max_tokens: 1_000, max_wall_time_ms: 60_000, ..ResourceLimits::default() };
    let run = Enforcer::builder().limits(limits).build().unwrap().execution("exec", "tenant").register().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let demand = Demand::step().tokens(12, 28);
    let allocated = measure(|| {
        for _ in 0..10 {
            let acquire = pin!(run.acquire(demand).within(Duration::from_secs(1)));
            let Poll::Ready(Ok(hold)) = acquire.poll(&mut cx) else { panic!("there is room") };
            hold.settle(Actual::tokens(12, 6));
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn what_ten_thousand_who_wait_on_one_tenant_have_taken_is_given_back() {
    const WAITERS: u64 = 10_000;
    let amount = |amount| Demand::none().cost(NanoUsd::new(amount).unwrap());
    let tenant = TenantPolicy { budget_usd: NanoUsd::new(100).ok(), ..Default::default() };
    let enforcer = Enforcer::builder().tenant(tenant).max_waiters(WAITERS).build().unwrap();
    let runs: Vec<_> =
        (0..100).map(|number| enforcer.execution(format!("exec_{number}"), "tenant").register().unwrap()).collect();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let crowd = || {
        runtime.block_on(async {
            let all = runs[0].reserve_owned(amount(100)).unwrap();
            let mut tasks = JoinSet::new();
            for (number, run) in (0..WAITERS).zip(runs.iter().cycle()) {
                let (run, asks) = (run.clone(), amount(1 + number % 13));
                tasks.spawn(async move {
                    let time = Duration::from_millis(1 + number % 300);
                    match number % 3 {
                        0 => drop(timeout(time, run.acquire(asks)).await),
                        1 => drop(run.acquire(asks).within(time).await),
                        _ => {
                            let hold = run.acquire(asks).await.unwrap();
                            sleep(time).await;
                            drop(hold);
                        }
                    }
                });
            }
            while enforcer.waiting_count() < WAITERS {
                yield_now().await;
            }
            sleep(Duration::from_millis(100)).await;
            drop(all);
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
    };
    // What grows once, and is used again, is there after the first.
    crowd();
    let second = measure(crowd);
    assert!(second.bytes_max > WAITERS, "they took something");
    assert_eq!((second.count_current, second.bytes_current), (0, 0));
    assert_eq!(enforcer.waiting_count(), 0);
}
