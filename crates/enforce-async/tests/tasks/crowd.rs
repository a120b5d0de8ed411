//! Many who wait at once, with others coming, giving up and being stopped meanwhile.

use std::time::Duration;

use enforce_async::{Demand, ExecutionExt, NanoUsd, TenantPolicy};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};

use crate::common::{REQUESTED, SECOND, builder, of, register, run_of, tokens};

fn nano(amount: u64) -> NanoUsd {
    NanoUsd::new(amount).unwrap()
}

fn budget(amount: u64) -> TenantPolicy {
    TenantPolicy { budget_usd: Some(nano(amount)), ..Default::default() }
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Served,
    Refused,
    Dropped,
}

#[tokio::test(start_paused = true)]
async fn w1_of_ten_thousand_who_wait_on_one_tenant_none_is_lost() {
    const WAITERS: u64 = 10_000;
    let enforcer = builder().tenant(budget(100)).max_waiters(WAITERS).build().unwrap();
    let runs: Vec<_> = (0..100).map(|number| register(&enforcer, &format!("exec_{number}"))).collect();
    let first = runs[0].reserve_owned(Demand::none().cost(nano(100))).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..WAITERS {
        let run = runs[usize::try_from(number % 100).unwrap()].clone();
        tasks.spawn(async move {
            let amount = if number % 97 == 0 { 100 } else { 1 + number % 13 };
            let acquire = run.acquire(Demand::none().cost(nano(amount)));
            let acquired = match number % 5 {
                // Some are dropped while they wait, and some give up by themselves.
                0 => match timeout(Duration::from_millis(number % 777), acquire).await {
                    Ok(acquired) => acquired,
                    Err(_) => return Ended::Dropped,
                },
                1 => acquire.within(Duration::from_millis(number % 333)).await,
                _ => acquire.await,
            };
            let Ok(hold) = acquired else { return Ended::Refused };
            sleep(Duration::from_millis(number % 3)).await;
            drop(hold);
            Ended::Served
        });
    }
    while enforcer.waiting_count() < WAITERS / 2 {
        yield_now().await;
    }
    drop(first);
    // Others come and change things meanwhile.
    for number in 0..50 {
        sleep(Duration::from_millis(7)).await;
        enforcer.set_tenant("tenant", budget(100 + number % 2)).unwrap();
        if number % 10 == 0 {
            runs[usize::try_from(number).unwrap()].halt(REQUESTED);
        }
    }
    let mut ended = Vec::new();
    while let Some(one) = tasks.join_next().await {
        ended.push(one.unwrap());
    }
    assert_eq!(ended.len(), 10_000);
    for one in [Ended::Served, Ended::Refused, Ended::Dropped] {
        assert!(ended.contains(&one), "{one:?} has to come about");
    }
    assert_eq!(enforcer.waiting_count(), 0);
    let left = enforcer.tenant_usage("tenant").and_then(|usage| usage.budget).unwrap();
    assert_eq!((left.outstanding, left.committed), (0, 0));
    assert!(runs[1].reserve(Demand::none().cost(nano(100))).is_ok(), "T4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn w1_of_many_who_wait_on_several_threads_none_is_lost() {
    let run = run_of(tokens(64));
    let mut tasks = JoinSet::new();
    for number in 0..2_000_u64 {
        let run = run.clone();
        tasks.spawn(async move {
            for round in 0..10 {
                let amount = if number % 50 == 0 { 64 } else { 1 + (number + round) % 7 };
                let hold = run.acquire(of(amount)).await.unwrap();
                yield_now().await;
                drop(hold);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!((run.waiting_count(), run.snapshot().outstanding.tokens), (0, 0));
    assert!(run.reserve(of(64)).is_ok(), "T4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn w1_of_many_who_are_aborted_on_several_threads_none_leaves_anything_behind() {
    let run = run_of(tokens(8));
    for round in 0..50 {
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let run = run.clone();
                tokio::spawn(async move {
                    loop {
                        drop(run.acquire(of(1 + (number + round) % 8)).await.unwrap());
                        yield_now().await;
                    }
                })
            })
            .collect();
        yield_now().await;
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!((run.waiting_count(), run.snapshot().outstanding.tokens), (0, 0));
        assert!(run.reserve(of(8)).is_ok(), "T4");
    }
}

#[tokio::test(start_paused = true)]
async fn f1_who_gives_up_in_the_middle_delays_nobody() {
    let run = run_of(tokens(10));
    let held = run.reserve_owned(of(10)).unwrap();
    let begun = Instant::now();
    let (first, large, last, ()) = tokio::join!(
        run.acquire(of(5)),
        run.acquire(of(10)).within(3 * SECOND),
        async {
            let last = run.acquire(of(5)).await;
            (last, begun.elapsed())
        },
        async {
            sleep(SECOND).await;
            drop(held);
        },
    );
    assert!(first.is_ok() && large.is_err());
    assert_eq!((last.0.is_ok(), last.1), (true, 3 * SECOND), "when the large one has left");
}
