//! Registrations, halts, ends and evictions against each other and against those who ask.

use std::sync::Barrier;

use enforce_core::{
    Actual, Cause, Demand, Execution, LongRunningExecutionPolicy, RegisterError, ResourceLimits, Status, TenantPolicy,
    ViolationType,
};

use crate::common::{builder, disabled, nano, noon, register, run, run_on, unlimited};

#[expect(clippy::disallowed_types, reason = "what has happened in another thread is told by a flag")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use super::{Numbers, THREADS, storm};

#[test]
fn g1_the_id_is_free_for_every_caller_to_whom_finish_has_returned() {
    let enforcer = builder(&noon()).max_executions(1).build().unwrap();
    for _ in 0..2_000 {
        let run = register(&enforcer, "exec", "tenant");
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                run.finish();
            });
            start.wait();
            run.finish();
            register(&enforcer, "exec", "tenant").finish();
        });
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "what has happened in another thread is told by a flag")]
fn e1_once_a_halt_or_an_end_has_returned_no_reserve_succeeds_and_those_before_are_counted() {
    let stops: [fn(&Execution); 3] = [
        |run| {
            run.halt(Cause::own(ViolationType::CostLimit));
        },
        |run| drop(run.finish()),
        // Reaches the cost threshold, which pauses before the charge returns.
        |run| {
            run.charge(Actual::none().cost(nano(1)));
        },
    ];
    let long_running = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(1)), ..disabled() };
    for stop in stops {
        for round in 0..6 {
            let run = run_on(&noon(), unlimited(), long_running.clone());
            let stopped = AtomicBool::new(false);
            let work = |thread| {
                let mut begun = 0;
                for turn in 0..200 {
                    // Acquire: who sees the flag sees that the stop has returned; partner: the store below.
                    let after = stopped.load(Ordering::Acquire);
                    let admitted = run.reserve(Demand::step().tokens(turn % 2, 0)).is_ok();
                    assert!(!(after && admitted), "admitted after the stop had returned");
                    begun += u64::from(admitted);
                    if thread == round * 10 && turn == 20 {
                        stop(&run);
                        // Release: the stop has returned.
                        stopped.store(true, Ordering::Release);
                    }
                }
                begun
            };
            let begun: u64 = storm(work, || ()).iter().sum();
            assert_eq!(run.snapshot().steps, begun);
            assert!(run.reserve(Demand::none()).is_err());
        }
    }
}

#[test]
fn e2_everyone_sees_the_one_cause_that_came_first() {
    let causes =
        [ViolationType::StepLimit, ViolationType::TokenLimit, ViolationType::CostLimit, ViolationType::IdleTimeout];
    for _ in 0..20 {
        let run = run(unlimited());
        let seen = storm(|thread| run.halt(Cause::own(causes[(thread % 4) as usize])), || ());
        assert!(seen.iter().all(|status| *status == seen[0] && *status == run.status()), "{seen:?}");
    }
}

#[test]
fn g1_slots_and_ids_are_exact_whatever_register_halt_finish_and_drop_do_to_each_other() {
    const SLOTS: u64 = 5;
    let limits = ResourceLimits { max_concurrent_executions: Some(SLOTS), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).max_executions(7).build().unwrap();
    let work = |thread| {
        let mut numbers = Numbers::of(thread);
        for _ in 0..60 {
            let id = format!("exec_{}", numbers.below(9));
            let known = enforcer.execution(id.as_str(), "tenant").register().ok().or_else(|| enforcer.get(&id));
            let Some(run) = known else { continue };
            match numbers.below(5) {
                0 => assert_ne!(run.halt(Cause::own(ViolationType::StepLimit)), Status::Live),
                1 => drop(run.finish_on_drop()),
                2 => drop(run.reserve(Demand::step())),
                _ => drop(run.finish()),
            }
        }
    };
    storm(work, || {
        let live = enforcer.tenant_usage("tenant").map_or(0, |usage| usage.live_executions);
        assert!(live <= SLOTS && enforcer.execution_count() <= 7, "{live} live");
    });
    for id in 0..9 {
        let _unknown = enforcer.finish(&format!("exec_{id}")).err();
    }
    assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (0, 1));
    let again: Vec<_> = (0..SLOTS).map(|id| register(&enforcer, &format!("again_{id}"), "tenant")).collect();
    assert!(matches!(enforcer.execution("one_more", "tenant").register(), Err(RegisterError::Refused(_))));
    again.iter().for_each(|run| drop(run.finish()));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().live_executions, 0);
}

#[test]
fn g2_c1_nothing_that_was_admitted_is_forgotten_by_an_eviction() {
    let tenant = TenantPolicy { budget_usd: Some(nano(1_000_000)), ..Default::default() };
    for budget in [TenantPolicy::default(), tenant] {
        let limited = budget.budget_usd.is_some();
        let enforcer = builder(&noon()).tenant(budget).build().unwrap();
        let work = |thread| {
            let mut numbers = Numbers::of(thread);
            let (mut steps, mut cost, mut evicted) = (0, 0, (0, 0));
            for round in 0..60 {
                let tenant = format!("tenant_{}", numbers.below(4));
                let run = register(&enforcer, &format!("exec_{thread}_{round}"), &tenant);
                let spent = numbers.below(3);
                let hold = run.reserve(Demand::step().cost(nano(3))).unwrap();
                run.finish();
                hold.settle(Actual::none().cost(nano(spent)));
                drop(run);
                (steps, cost) = (steps + 1, cost + spent);
                for usage in enforcer.evict_idle_tenants() {
                    evicted = (evicted.0 + usage.steps, evicted.1 + usage.cost_nano_usd);
                }
            }
            (steps, cost, evicted)
        };
        let outcomes = storm(work, || ());
        let known = (0..4).filter_map(|number| enforcer.tenant_usage(&format!("tenant_{number}")));
        let known = known.fold((0, 0), |sum, usage| (sum.0 + usage.steps, sum.1 + usage.cost_nano_usd));
        let all = outcomes.iter().fold([0; 4], |all, (steps, cost, evicted)| {
            [all[0] + steps, all[1] + cost, all[2] + evicted.0, all[3] + evicted.1]
        });
        assert_eq!((known.0 + all[2], known.1 + all[3]), (all[0], all[1]), "steps and cost");
        assert!(!limited || all[3] == 0, "a budget that was used is never evicted");
        assert_eq!(all[0], THREADS * 60);
    }
}
