//! Many threads in one tree: a grandchild, its parent, the root and the tenant's budget in every bundle.

use std::sync::Barrier;
use std::thread;

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, EnforcementResult, Execution, LimitActions,
    LongRunningExecutionPolicy, NanoUsd, RegisterError, ResourceLimits, Retry, ScopeKind, Status, TenantPolicy,
    ViolationType,
};

use crate::common::{builder, disabled, nano, noon, register, unlimited};

use super::{Numbers, THREADS, storm};

fn refusing() -> EnforcementPolicy {
    let refuse = Action::Refuse;
    let actions = LimitActions { steps: refuse, tokens: refuse, cost: refuse, ..LimitActions::default() };
    EnforcementPolicy { actions, ..EnforcementPolicy::default() }
}

/// What a refused question says of steps, tokens and money: used, of which limit.
fn used(run: &Execution) -> [(u64, u64); 3] {
    let asked = [Demand::none().steps(u64::MAX), Demand::none().tokens(u64::MAX, 0), Demand::none().cost(NanoUsd::MAX)];
    asked.map(|demand| match run.check(demand) {
        EnforcementResult::Blocked(violation) => (violation.used, violation.limit),
        admitted => panic!("{admitted:?}"),
    })
}

/// (steps, tokens, nano-dollars, discovered steps) that are committed.
fn committed(run: &Execution) -> [u64; 4] {
    let usage = run.snapshot();
    [usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.discovered_steps]
}

fn sum<const N: usize>(sums: Vec<[u64; N]>) -> [u64; N] {
    sums.into_iter().fold([0; N], |mut all, sums| {
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        all
    })
}

#[test]
fn t1_t2_r1_c1_bundles_over_four_scopes_never_pass_a_limit_and_their_sums_are_exact() {
    let limits = ResourceLimits { max_steps: 4_000, max_tokens: 6_000, ..unlimited() };
    let tenant = TenantPolicy { budget_usd: Some(nano(20_000)), ..TenantPolicy::default() };
    let enforcer = builder(&noon()).limits(limits).policy(refusing()).tenant(tenant).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let own = ResourceLimits { max_steps: 900, max_tokens: 1_200, max_cost_usd: Some(nano(7_000)), ..unlimited() };
    let middles =
        [0, 1, 2, 3].map(|number| root.child(format!("middle_{number}")).limits(own.clone()).register().unwrap());
    let leaves: Vec<_> = (0..THREADS)
        .map(|number| middles[number as usize % 4].child(format!("leaf_{number}")).register().unwrap())
        .collect();
    let work = |thread: u64| {
        let (mut numbers, leaf) = (Numbers::of(thread), &leaves[thread as usize]);
        let mut sums = [0; 4];
        for _ in 0..120 {
            let (tokens, cost, discovered) = (numbers.below(40), numbers.below(60), numbers.below(2));
            let demand = Demand::step().tokens(tokens, 0).cost(nano(cost)).discovered_steps(discovered);
            let Ok(hold) = leaf.reserve(demand) else { continue };
            std::thread::yield_now();
            let spent = numbers.below(3);
            let actual = [tokens * spent / 2, cost * spent / 2];
            if spent == 0 {
                drop(hold);
            } else {
                hold.settle(Actual::tokens(actual[0], 0).cost(nano(actual[1])));
            }
            sums = sum(vec![sums, [1, actual[0], actual[1], discovered]]);
        }
        assert_eq!(committed(leaf), sums);
        sums
    };
    let watch = || {
        for run in middles.iter().chain([&root]) {
            let seen = used(run);
            assert!(seen.iter().all(|(used, limit)| used <= limit), "T1: {seen:?}");
        }
        let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
        assert!(budget.committed + budget.outstanding <= budget.limit, "T1: {budget:?}");
    };
    let sums = storm(work, watch);
    for (number, middle) in middles.iter().enumerate() {
        let below = sums.iter().enumerate().filter(|(thread, _)| thread % 4 == number).map(|(_, sums)| *sums).collect();
        assert_eq!(committed(middle), sum(below), "R1: {}", middle.id());
    }
    let sums = sum(sums);
    assert_eq!((committed(&root), root.snapshot().outstanding.is_zero()), (sums, true), "R1");
    assert_eq!(used(&root).map(|(used, _)| used), [sums[0], sums[1], sums[2]]);
    let usage = enforcer.tenant_usage("tenant").unwrap();
    let budget = usage.budget.unwrap();
    assert_eq!((budget.committed, budget.outstanding, usage.cost_nano_usd), (sums[2], 0, sums[2]), "C1");
    assert!(sums[0] < THREADS * 120, "no limit was met");
}

#[test]
fn t3_t4_demands_that_fit_together_are_all_admitted_and_nothing_is_halted_for_one_that_is_undone() {
    // Each thread's leaf has room for one hold at a time, the root for all of them, and what a large demand takes of it
    // on the way to its refusal is undone.
    let limits = ResourceLimits { max_tokens: THREADS * 10, ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let middle = root.child("middle").register().unwrap();
    let own = ResourceLimits { max_tokens: 10, ..unlimited() };
    let leaves: Vec<_> = (0..THREADS)
        .map(|number| middle.child(format!("leaf_{number}")).limits(own.clone()).register().unwrap())
        .collect();
    let work = |thread: u64| {
        let leaf = &leaves[thread as usize];
        for _ in 0..200 {
            let hold = leaf.reserve(Demand::none().tokens(10, 0)).unwrap();
            let refused = leaf.reserve(Demand::none().tokens(1, 0)).unwrap_err();
            assert_eq!((refused.scope, refused.retry), (ScopeKind::Execution, Retry::WhenFreed));
            drop(hold);
        }
    };
    storm(work, || ());
    assert_eq!((root.status(), root.snapshot().outstanding.is_zero()), (Status::Live, true));
}

#[test]
fn r1_c1_late_settles_charges_and_ends_of_nested_slices_lose_and_double_nothing() {
    for round in 0..12 {
        let tenant = TenantPolicy { budget_usd: Some(nano(1 << 40)), ..TenantPolicy::default() };
        let enforcer = builder(&noon()).tenant(tenant).build().unwrap();
        let root = register(&enforcer, "root", "tenant");
        let slice = Demand::none().steps(1 << 20).tokens(1 << 20, 0).cost(nano(1 << 20)).discovered_steps(1 << 20);
        let middle = root.child("middle").slice(slice.steps(1 << 22)).register().unwrap();
        let part = middle.child("part").slice(Demand::none().steps(1 << 9).tokens(1 << 14, 0).cost(nano(1 << 14)));
        let leaf = part.register().unwrap().child("leaf").register().unwrap();
        let work = |thread: u64| {
            let (mut numbers, mut sums) = (Numbers::of(thread + round), [0; 3]);
            for turn in 0..40 {
                let (tokens, cost) = (numbers.below(20), numbers.below(20));
                if thread == 7 && turn == 3 {
                    leaf.parent().unwrap().finish();
                } else if thread == 21 && turn == 5 + round {
                    middle.finish();
                } else if thread == 40 && turn == 9 + round {
                    root.finish();
                }
                let hold = leaf.reserve(Demand::step().tokens(tokens, 0).cost(nano(cost)));
                std::thread::yield_now();
                match hold {
                    Err(_) => {
                        leaf.charge(Actual::tokens(1, 0).steps(1));
                        sums = sum(vec![sums, [1, 1, 0]]);
                    }
                    Ok(hold) if turn % 3 == 0 => {
                        drop(hold);
                        sums[0] += 1;
                    }
                    Ok(hold) => {
                        // More than was reserved, now and then.
                        let used = [1, tokens + turn % 2, cost + turn % 2];
                        hold.settle(Actual::tokens(used[1], 0).cost(nano(used[2])));
                        sums = sum(vec![sums, used]);
                    }
                }
            }
            sums
        };
        let sums = sum(storm(work, || ()));
        for run in [&leaf, leaf.parent().unwrap(), &middle, &root] {
            let usage = run.snapshot();
            assert_eq!([usage.steps, usage.total_tokens, usage.cost_nano_usd], sums, "{}", run.id());
            assert!(usage.outstanding.is_zero(), "{}: {:?}", run.id(), usage.outstanding);
        }
        let usage = enforcer.tenant_usage("tenant").unwrap();
        let budget = usage.budget.unwrap();
        assert_eq!([usage.steps, usage.total_tokens, usage.cost_nano_usd], sums, "C1");
        assert_eq!((budget.committed, budget.outstanding), (sums[2], 0), "C1");
    }
}

#[test]
fn g1_children_registered_against_halts_and_ends_leave_no_slot_no_slice_and_no_id_behind() {
    for (round, stop) in [Some(false), Some(true), None].into_iter().cycle().take(15).enumerate() {
        let limits = ResourceLimits { max_children: Some(16), max_tokens: 1 << 20, ..unlimited() };
        let enforcer = builder(&noon()).limits(limits).build().unwrap();
        let root = register(&enforcer, "root", "tenant");
        let work = |thread: u64| {
            let mut numbers = Numbers::of(thread + round as u64);
            for turn in 0..12 {
                // Two threads share an id, so that one may find and end the other's before it has returned.
                let id = format!("leaf_{}", thread / 2);
                let slice = Demand::none().tokens(1 + numbers.below(50), 0);
                let leaf = match root.child(id.as_str()).slice(slice).register() {
                    Ok(leaf) => leaf,
                    Err(RegisterError::Duplicate { .. }) => {
                        if let Some(leaf) = enforcer.get(&id) {
                            leaf.finish();
                        }
                        continue;
                    }
                    Err(RegisterError::Refused(_)) => continue,
                    Err(error) => panic!("{error}"),
                };
                if numbers.below(2) == 0 {
                    leaf.halt(Cause::own(ViolationType::CostLimit));
                }
                if thread == 9 && turn == 3 {
                    match stop {
                        Some(true) => drop(root.finish()),
                        Some(false) => {
                            assert!(matches!(root.halt(Cause::own(ViolationType::StepLimit)), Status::Halted(_)))
                        }
                        None => {}
                    }
                }
                leaf.finish();
            }
        };
        storm(work, || assert!(root.children().len() <= 32));
        let all = |run: &Execution| run.snapshot().outstanding;
        assert_eq!((root.children().len(), all(&root)), (0, enforce_core::Outstanding::default()), "{stop:?}");
        if stop.is_none() {
            let children: Vec<_> =
                (0..16).map(|number| root.child(format!("next_{number}")).register().unwrap()).collect();
            assert!(root.child("more").register().is_err(), "no slot was lost or doubled");
            drop(children);
        }
        root.finish();
        assert_eq!(enforcer.execution_count(), 0);
    }
}

#[test]
fn e1_once_a_halt_a_pause_or_an_end_of_the_root_has_returned_nothing_below_it_is_admitted_or_registered() {
    let stops: [fn(&Execution) -> bool; 3] = [
        |root| matches!(root.halt(Cause::own(ViolationType::CostLimit)), Status::Halted(_)),
        |root| matches!(root.pause("wait"), Status::Paused(_)),
        |root| matches!(root.finish().status, Status::Finished(_)),
    ];
    for stop in stops {
        for round in 0..8 {
            let enforcer = builder(&noon()).build().unwrap();
            let root = register(&enforcer, "root", "tenant");
            let middle = root.child("middle").slice(Demand::none().steps(1 << 30)).register().unwrap();
            let work = |thread: u64| {
                let mut begun = 0;
                for turn in 0..60 {
                    if thread % 16 == 3 && turn == round + 2 {
                        assert!(stop(&root));
                        // To every caller to whom it has returned.
                        let registered = middle.child(format!("late_{thread}")).register();
                        assert!(registered.is_err() && middle.reserve(Demand::step()).is_err());
                        return begun;
                    }
                    let slice = Demand::none().steps(1);
                    let leaf = middle.child(format!("leaf_{thread}_{turn}"));
                    let leaf = if turn % 2 == 0 { leaf.register() } else { leaf.slice(slice).register() };
                    let Ok(leaf) = leaf else { continue };
                    begun += u64::from(leaf.reserve(Demand::step()).is_ok());
                }
                begun
            };
            let begun: u64 = storm(work, || ()).iter().sum();
            assert!(middle.children().iter().all(|leaf| leaf.status() != Status::Live));
            root.finish();
            assert_eq!(root.snapshot().steps, begun, "those before it are counted");
            assert_eq!(enforcer.execution_count(), 0);
        }
    }
}

#[test]
fn r1_a_take_that_is_undone_while_its_pool_ends_comes_back_all_the_way_up() {
    let enforcer = builder(&noon()).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    for round in 0..300 {
        let slice = Demand::none().steps(1 << 20).tokens(1 << 20, 0).memory_bytes(1 << 20);
        let part = root.child(format!("part_{round}")).slice(slice).register().unwrap();
        let leaves = [0, 1].map(|number| part.child(format!("leaf_{number}_{round}")).register().unwrap());
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for leaf in &leaves {
                scope.spawn(|| {
                    start.wait();
                    while leaf.reserve(Demand::step().tokens(1, 0).memory_bytes(1)).is_ok() {}
                });
            }
            start.wait();
            part.finish();
        });
        assert!(root.snapshot().outstanding.is_zero(), "{round}");
    }
}

#[test]
fn the_end_of_a_slice_that_reaches_a_threshold_and_changes_of_its_parent_wait_for_each_other_never_for_both() {
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(10)), ..disabled() };
    let enforcer = builder(&noon()).build().unwrap();
    for round in 0..200 {
        let root = enforcer.execution(format!("root_{round}"), "tenant").long_running(policy.clone());
        let root = root.register().unwrap();
        let leaf = root.child(format!("leaf_{round}")).slice(Demand::none().cost(nano(20))).register().unwrap();
        leaf.charge(Actual::none().cost(nano(10)));
        let start = Barrier::new(3);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                leaf.finish();
            });
            scope.spawn(|| {
                start.wait();
                match round % 4 {
                    0 => drop(root.finish()),
                    1 => drop(root.child(format!("next_{round}")).register()),
                    2 => assert_ne!(root.pause("wait"), Status::Live),
                    _ => assert_ne!(root.halt(Cause::own(ViolationType::Requested)), Status::Live),
                }
            });
            start.wait();
            root.child(format!("other_{round}")).register().ok();
        });
        assert_ne!(root.status(), Status::Live, "reached, whoever came first");
        assert_eq!((committed(&root)[2], root.snapshot().outstanding.is_zero()), (10, true));
        root.finish();
    }
}
