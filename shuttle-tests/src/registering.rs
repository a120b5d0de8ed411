//! Who is registered: entering, ending, halting, looking up and evicting, in many threads.
#![expect(clippy::disallowed_types, reason = "what only counts must not be part of what is explored")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::schedules::{explore, threads, twin};
use crate::sync::{Arc, Mutex, yield_now};
use crate::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, Enforcer, Event, EventBuffer, EventKind, Execution,
    RegisterError, ResourceLimits, Status, TenantPolicy, ViolationType,
};

const G1: &str = "G1: at most one registration lives per id";
const C1: &str = "C1: whoever was evicted has taken along what was spent, once";
const T1: &str = "T1: a budget that is set is met by whoever registers beside it";
const E1: &str = "E1: nothing is admitted once a halt has returned";

/// A way of being the only one of an id.
trait Register: Send + Sync + 'static {
    fn register(&self, enforcer: &Enforcer, number: usize) -> Option<Execution>;
    fn end(&self, run: &Execution) {
        run.finish();
    }
}

struct Ours;

impl Register for Ours {
    fn register(&self, enforcer: &Enforcer, number: usize) -> Option<Execution> {
        match enforcer.execution("same", format!("tenant_{}", number % 2)).register() {
            Err(RegisterError::Duplicate { .. }) => None,
            registered => Some(registered.unwrap()),
        }
    }
}

/// Looks whether the id is free, then enters.
#[derive(Default)]
struct Looks(Mutex<BTreeSet<&'static str>>);

impl Register for Looks {
    fn register(&self, enforcer: &Enforcer, number: usize) -> Option<Execution> {
        if self.0.lock().contains("same") {
            return None;
        }
        self.0.lock().insert("same");
        Some(enforcer.execution(format!("same_{number}"), "tenant_0").register().unwrap())
    }

    fn end(&self, run: &Execution) {
        run.finish();
        self.0.lock().remove("same");
    }
}

fn at_most_one_lives(way: impl Register) -> usize {
    let enforcer = Enforcer::builder().limits(ResourceLimits::unlimited()).build().unwrap();
    let all = enforcer.clone();
    // Seen by nobody that is scheduled: it only counts.
    let living = AtomicUsize::new(0);
    let registered = threads(8, move |number| {
        let Some(run) = way.register(&all, number) else { return 0 };
        assert_eq!(living.fetch_add(1, Relaxed), 0, "{G1}");
        yield_now();
        living.fetch_sub(1, Relaxed);
        way.end(&run);
        1
    });
    assert_eq!((enforcer.execution_count(), enforcer.live_executions("tenant_0")), (0, 0), "{G1}");
    registered.iter().sum()
}

#[test]
fn g1_at_most_one_registration_lives_per_id() {
    explore(|| at_most_one_lives(Ours));
}

#[test]
fn g1_at_most_one_registration_lives_per_id_twin() {
    twin(G1, || at_most_one_lives(Looks::default()));
}

#[test]
fn g1_slots_are_given_back_once_whoever_ends_their_execution() {
    explore(|| {
        let limits = ResourceLimits { max_concurrent_executions: Some(2), ..ResourceLimits::unlimited() };
        let enforcer = Enforcer::builder().limits(limits).build().unwrap();
        let all = enforcer.clone();
        let came = threads(12, move |number| {
            // Three threads to an id: one enters and ends, one halts, one ends whomever it finds.
            let id = format!("exec_{}", number / 3);
            match number % 3 {
                0 => all.execution(&*id, "tenant").register().is_ok_and(|run| {
                    assert!(all.live_executions("tenant") <= 2, "T1: no more live than may");
                    run.finish();
                    true
                }),
                1 => all.halt(&id, Cause::own(ViolationType::Requested)).is_ok(),
                _ => all.finish(&id).is_ok(),
            }
        });
        assert_eq!((enforcer.live_executions("tenant"), enforcer.execution_count()), (0, 0), "G1: all slots are back");
        let two = [0, 1].map(|number| enforcer.execution(format!("next_{number}"), "tenant").register());
        assert!(two.iter().all(Result::is_ok), "G1: all slots are back");
        assert!(enforcer.execution("third", "tenant").register().is_err(), "G1: no slot came back twice");
        came
    });
}

#[test]
fn e1_nothing_is_admitted_once_a_halt_has_returned() {
    explore(|| {
        let enforcer = Enforcer::builder().limits(ResourceLimits::unlimited()).build().unwrap();
        let root = enforcer.execution("root", "tenant").register().unwrap();
        let child = root.child("child").register().unwrap();
        // Seen by nobody that is scheduled: it only tells what has happened.
        let returned = AtomicUsize::new(0);
        let (all, halted) = (enforcer.clone(), root.clone());
        let admitted = threads(10, move |number| {
            if number < 2 {
                halted.halt(Cause::own(ViolationType::Requested));
                returned.store(1, Relaxed);
                return 0;
            }
            (0..3)
                .filter(|_| {
                    let over = returned.load(Relaxed) == 1;
                    let id = if number % 2 == 0 { "root" } else { "child" };
                    let hold = all.reserve(id, Demand::step());
                    assert!(!over || hold.is_err(), "{E1}");
                    hold.is_ok()
                })
                .count()
        });
        let by = Cause::own(ViolationType::Requested);
        assert!(root.status() == Status::Halted(by) && child.status() != Status::Live, "{E1}");
        assert_eq!(root.snapshot().steps, admitted.iter().sum::<usize>() as u64, "C1: every step that came through");
        admitted
    });
}

/// Eight register in two tenants, with a child each, while one halts them all and another one of the tenants.
#[test]
fn e1_nobody_registered_beside_a_halt_of_all_goes_on() {
    explore(|| {
        let enforcer = Enforcer::builder().limits(ResourceLimits::unlimited()).build().unwrap();
        let all = enforcer.clone();
        // Seen by nobody that is scheduled: it only tells.
        let halted = AtomicUsize::new(0);
        let admitted = threads(10, move |number| {
            let by = Cause::own(ViolationType::Requested);
            if number < 2 {
                let count = if number == 0 { all.halt_all(by) } else { all.halt_tenant("tenant_1", by).unwrap() };
                halted.fetch_add(1 - number, Relaxed);
                return count;
            }
            let late = halted.load(Relaxed) > 0;
            let Ok(run) = all.execution(format!("exec_{number}"), format!("tenant_{}", number % 2)).register() else {
                return 0;
            };
            assert!(!late, "{E1}");
            let child = run.child(format!("child_{number}")).register();
            for asked in std::iter::once(&run).chain(&child) {
                let late = halted.load(Relaxed) > 0;
                assert!(!(asked.reserve(Demand::step()).is_ok() && late), "{E1}");
            }
            u64::from(child.is_ok())
        });
        assert!(enforcer.executions().all(|run| run.reserve(Demand::step()).is_err()), "{E1}");
        admitted
    });
}

#[test]
fn c1_g2_whoever_was_evicted_took_along_what_was_spent() {
    explore(|| {
        let events = EventBuffer::new(1_000);
        let builder = Enforcer::builder().limits(ResourceLimits::unlimited()).events(events.clone());
        let enforcer = builder.max_tenants(2).build().unwrap();
        let all = enforcer.clone();
        let spent = threads(10, move |number| {
            if number == 0 {
                all.evict_idle_tenants();
                return 0;
            }
            let Ok(run) = all.execution(format!("exec_{number}"), format!("tenant_{}", number % 3)).register() else {
                return 0;
            };
            run.charge(Actual::tokens(7, 0));
            run.finish();
            7
        });
        let evicted = events.drain().into_iter().filter_map(|event| match event.kind {
            EventKind::Evicted { usage } => Some(usage.total_tokens),
            _ => None,
        });
        let evicted: u64 = evicted.sum();
        let there = (0..3).filter_map(|number| enforcer.tenant_usage(&format!("tenant_{number}")));
        let there: u64 = there.map(|usage| usage.total_tokens).sum();
        assert!(enforcer.tenant_count() <= 2, "G2: no more tenants than may be known");
        assert_eq!(evicted + there, spent.iter().sum::<u64>(), "{C1}");
        (evicted, there)
    });
}

/// A tenant gets a budget while others register with it, some of them at once.
#[test]
fn t1_a_budget_that_is_set_is_met_by_whoever_registers_beside_it() {
    explore(|| {
        let limits = ResourceLimits { max_steps: 10, ..ResourceLimits::unlimited() };
        let enforcer = Enforcer::builder().limits(limits).build().unwrap();
        let all = enforcer.clone();
        let registered = threads(6, move |number| {
            if number == 0 {
                let budgets = vec![Budget::new(BudgetAmount::Steps(2), BudgetPeriod::Total)];
                all.set_tenant("tenant", TenantPolicy { budgets, ..TenantPolicy::default() }).unwrap();
                return None;
            }
            let run = all.execution(format!("exec_{number}"), "tenant").register().unwrap();
            Some((run, all.live_executions("tenant")))
        });
        let (runs, live): (Vec<_>, Vec<_>) = registered.into_iter().flatten().unzip();
        let admitted = runs.iter().filter(|run| run.reserve(Demand::step()).is_ok()).count();
        assert_eq!(admitted, 2, "{T1}");
        assert_eq!(enforcer.tenant_usage("tenant").map(|usage| usage.steps), Some(2), "{C1}");
        live
    });
}

/// There is room for one tenant. Whoever lets another go may find that a third has come into the room that this made.
#[test]
fn v1_whoever_was_evicted_is_told_though_another_took_the_room() {
    explore(|| {
        let events = EventBuffer::new(1_000);
        let builder = Enforcer::builder().limits(ResourceLimits::unlimited()).events(events.clone());
        let enforcer = builder.max_tenants(1).build().unwrap();
        let first = enforcer.execution("first", "first").register().unwrap();
        first.charge(Actual::tokens(7, 0));
        drop((first.finish(), first));
        let all = enforcer.clone();
        let came = threads(4, move |number| {
            all.execution(format!("exec_{number}"), format!("tenant_{number}")).register().ok()
        });
        let is_evicted = |event: &Event| matches!(event.kind, EventKind::Evicted { .. });
        assert_eq!(
            events.drain().iter().filter(|event| is_evicted(event)).count(),
            1,
            "V1: it is told that one has gone"
        );
        assert_eq!(enforcer.tenant_count(), 1, "G2: no more tenants than may be known");
        came.iter().position(Option::is_some)
    });
}

/// What the threads share lives as long as they do.
#[test]
fn g1_who_is_looked_up_beside_its_end_is_there_or_is_not() {
    explore(|| {
        let enforcer = Enforcer::builder().limits(ResourceLimits::unlimited()).build().unwrap();
        let run = enforcer.execution("exec", "tenant").register().unwrap();
        let all = Arc::new(enforcer);
        let here = Arc::clone(&all);
        let found = threads(8, move |number| {
            if number == 0 {
                run.finish();
                return false;
            }
            let found = here.get("exec");
            // A handle that was found is good for asking, ended or not.
            found.is_some_and(|found| found.reserve(Demand::step()).is_ok() || found.status() == Status::Finished(None))
        });
        assert!(all.get("exec").is_none(), "{G1}");
        assert_eq!(all.live_executions("tenant"), 0, "{G1}");
        found
    });
}
