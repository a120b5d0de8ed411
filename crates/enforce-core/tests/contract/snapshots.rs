//! What a snapshot shows while others settle.

use std::sync::Barrier;
use std::thread;

use enforce_core::{Actual, Demand, Enforcer, RegisterError, TenantPolicy, UsageSnapshot};

use crate::common::nano;

const SETTLES: u64 = 20_000;

/// Counts that only grow, in one order.
fn counts(usage: &UsageSnapshot) -> [u64; 5] {
    [usage.steps, usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cost_nano_usd]
}

#[test]
fn s1_counts_only_grow_and_the_total_is_the_sum_of_what_the_same_snapshot_shows() {
    let enforcer = Enforcer::builder().build().unwrap();
    let run = enforcer.execution("1", "a").register().unwrap();
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..SETTLES {
                    // Input alone: an output that shows up was never there.
                    let hold = run.reserve(Demand::step().tokens(50, 0).cost(nano(5))).unwrap();
                    hold.settle(Actual::tokens(48, 0).cost(nano(5)));
                }
            });
        }
        start.wait();
        let mut before = [0; 5];
        while before[0] < 2 * SETTLES {
            let usage = run.snapshot();
            let now = counts(&usage);
            assert!(before.iter().zip(now).all(|(before, now)| *before <= now), "{before:?} then {now:?}");
            assert_eq!((usage.output_tokens, usage.total_tokens), (0, usage.input_tokens));
            let tenant = enforcer.tenant_usage("a").unwrap();
            assert_eq!((tenant.output_tokens, tenant.total_tokens), (0, tenant.input_tokens));
            before = now;
        }
    });
    assert_eq!(counts(&run.snapshot()), [2 * SETTLES, 96 * SETTLES, 0, 96 * SETTLES, 10 * SETTLES]);
}

#[test]
fn s1_outstanding_never_shows_more_than_was_ever_held() {
    let policy = TenantPolicy { budget_usd: Some(nano(u64::from(u32::MAX))), ..TenantPolicy::default() };
    let enforcer = Enforcer::builder().tenant(policy).build().unwrap();
    let run = enforcer.execution("1", "a").register().unwrap();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            start.wait();
            for _ in 0..SETTLES {
                let hold = run.reserve(Demand::step().tokens(100, 0).cost(nano(100))).unwrap();
                hold.settle(Actual::tokens(100, 0).cost(nano(100)));
            }
        });
        start.wait();
        while !worker.is_finished() {
            let held = run.snapshot().outstanding;
            assert!(held.tokens <= 100 && held.cost_nano_usd <= 100, "{held:?}");
            let budget = enforcer.tenant_usage("a").unwrap().budget.unwrap();
            assert!(budget.outstanding <= 100, "{budget:?}");
        }
    });
}

#[test]
fn g1_who_comes_with_an_id_that_is_taken_is_told_so_at_a_full_table_too() {
    const ROUNDS: usize = 300;
    for round in 0..ROUNDS {
        let enforcer = Enforcer::builder().max_executions(1).max_tenants(1).build().unwrap();
        let start = Barrier::new(3);
        let registered: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        enforcer.execution("1", "a").register()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let refused: Vec<_> = registered.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert_eq!(refused.len(), 2, "round {round}");
        let duplicate = |error: &&RegisterError| matches!(error, RegisterError::Duplicate { .. });
        assert!(refused.iter().all(duplicate), "round {round}: {refused:?}");
    }
}
