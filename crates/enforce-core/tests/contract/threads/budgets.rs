//! 64 threads under budgets of tenant and process, while periods turn and lists change.

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Demand, ManualClock, ProcessPolicy, RegisterError, ResourceLimits,
    ScopeKind, TenantPolicy, Timestamp,
};

use crate::common::{DAY, SECOND, builder, nano, noon, pass, register, unlimited};

use super::{Numbers, THREADS, storm};

const HOUR: u64 = 3_600 * SECOND;

#[test]
fn t1_c1_budgets_of_tenant_and_process_are_never_passed_and_their_sums_are_exact() {
    let time = noon();
    let of = |amount, per| Budget::new(amount, per);
    let budgets = |scale: u64| {
        vec![
            of(BudgetAmount::Steps(2_000 * scale), BudgetPeriod::Total),
            of(BudgetAmount::Tokens(30_000 * scale), BudgetPeriod::Total),
            of(BudgetAmount::MemoryMb(scale), BudgetPeriod::Total),
            of(BudgetAmount::CostUsd(nano(9_000 * scale)), BudgetPeriod::Total),
            of(BudgetAmount::CostUsd(nano(8_000 * scale)), BudgetPeriod::Day),
            of(BudgetAmount::DiscoveredSteps(700 * scale), BudgetPeriod::Total),
        ]
    };
    let enforcer = builder(&time)
        .tenant(TenantPolicy { budgets: budgets(1), ..Default::default() })
        .process(ProcessPolicy { budgets: budgets(3), ..Default::default() })
        .build()
        .unwrap();
    let tenants = ["a", "b", "c", "d"];
    let runs: Vec<_> = (0..THREADS)
        .map(|thread| register(&enforcer, &thread.to_string(), tenants[thread as usize % tenants.len()]))
        .collect();
    let work = |thread: u64| {
        let (mut numbers, run) = (Numbers::of(thread), &runs[thread as usize]);
        let mut sums = [0; 4];
        let mut refused = 0;
        for _ in 0..100 {
            let [tokens, cost, discovered] = [60, 30, 2].map(|bound| numbers.below(bound));
            let demand = Demand::step().tokens(tokens, 0).cost(nano(cost)).discovered_steps(discovered);
            let Ok(hold) = run.reserve(demand.memory_bytes(numbers.below(1 << 17))) else {
                refused += 1;
                continue;
            };
            std::thread::yield_now();
            let (tokens, cost) = match numbers.below(3) {
                0 => {
                    drop(hold);
                    (0, 0)
                }
                _ => {
                    hold.settle(Actual::tokens(tokens, 0).cost(nano(cost / 2)));
                    (tokens, cost / 2)
                }
            };
            for (sum, amount) in sums.iter_mut().zip([1, tokens, cost, discovered]) {
                *sum += amount;
            }
        }
        (sums, refused)
    };
    let watch = || {
        let of_tenants = tenants.iter().filter_map(|tenant| enforcer.tenant_usage(tenant)).flat_map(|it| it.budgets);
        for budget in of_tenants.chain(enforcer.process_usage().budgets) {
            assert!(budget.committed + budget.outstanding <= budget.limit, "{budget:?}");
        }
    };
    let outcomes = storm(work, watch);
    assert!(outcomes.iter().any(|(_, refused)| *refused > 0), "no budget was met");
    // Steps, tokens, memory, cost of a day and in all, discovered steps.
    let expected = |[steps, tokens, cost, discovered]: [u64; 4]| [steps, tokens, 0, cost, cost, discovered];
    let sum = |tenant: Option<usize>| {
        let of = |thread: &usize| tenant.is_none_or(|tenant| thread % tenants.len() == tenant);
        let threads = (0..outcomes.len()).filter(of);
        expected(threads.fold([0; 4], |sum, thread| std::array::from_fn(|at| sum[at] + outcomes[thread].0[at])))
    };
    let stands = |budgets: Vec<enforce_core::BudgetUsage>| -> [u64; 6] {
        assert!(budgets.iter().all(|budget| budget.outstanding == 0), "at rest nothing is held");
        std::array::from_fn(|at| budgets[at].committed)
    };
    for (number, tenant) in tenants.into_iter().enumerate() {
        assert_eq!(stands(enforcer.tenant_usage(tenant).unwrap().budgets), sum(Some(number)), "{tenant}");
    }
    assert_eq!(stands(enforcer.process_usage().budgets), sum(None));
}

#[test]
fn c1_while_periods_turn_every_hold_settles_into_its_own_and_what_goes_on_is_whole() {
    let time = noon();
    let budgets = vec![
        Budget::new(BudgetAmount::Tokens(1 << 40), BudgetPeriod::Hour),
        Budget::new(BudgetAmount::Tokens(1 << 40), BudgetPeriod::Total),
    ];
    let enforcer = builder(&time)
        .tenant(TenantPolicy { budgets: budgets.clone(), ..Default::default() })
        .process(ProcessPolicy { budgets, ..Default::default() })
        .build()
        .unwrap();
    let runs: Vec<_> = (0..THREADS).map(|thread| register(&enforcer, &thread.to_string(), "tenant")).collect();
    let work = |thread: u64| {
        let (mut numbers, run) = (Numbers::of(thread), &runs[thread as usize]);
        let mut spent = 0;
        for turn in 0..200 {
            let hold = run.reserve(Demand::none().tokens(numbers.below(50), 0)).unwrap();
            if turn % 8 == thread % 8 {
                pass(&time, HOUR / 16);
            }
            std::thread::yield_now();
            let used = numbers.below(60);
            hold.settle(Actual::tokens(used, 0));
            spent += used;
        }
        spent
    };
    let spent: u64 = storm(work, || ()).into_iter().sum();
    for budgets in [enforcer.tenant_usage("tenant").unwrap().budgets, enforcer.process_usage().budgets] {
        assert_eq!((budgets[1].committed, budgets[1].outstanding), (spent, 0), "in all");
        assert_eq!(budgets[0].outstanding, 0, "in the last hour");
    }
    pass(&time, HOUR);
    assert_eq!(enforcer.process_usage().budgets[0].committed, 0, "nothing has reached a later hour");
}

#[test]
fn c1_threads_settle_on_both_sides_of_a_boundary_of_every_period_and_offset_each_into_its_own() {
    // 2024-03-01, behind a leap day: the end of an hour, a day and a month.
    let local = 19_783 * DAY;
    for per in [BudgetPeriod::Hour, BudgetPeriod::Day, BudgetPeriod::Month] {
        for offset in [0, 330, -570, 840, -840] {
            let end = local.checked_add_signed(-i64::from(offset) * 60 * SECOND as i64).unwrap();
            let time = ManualClock::starting_at(Timestamp::from_nanos(end - 1));
            let budgets = vec![Budget::new(BudgetAmount::Tokens(1_000), per).utc_offset_minutes(offset)];
            let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            let holds = || (0..20).map(|_| run.reserve(Demand::none().tokens(10, 0)).unwrap()).collect::<Vec<_>>();
            let old = [holds(), holds(), holds(), holds()];
            pass(&time, 1);
            let new = [holds(), holds(), holds(), holds()];
            std::thread::scope(|scope| {
                for (old, new) in old.into_iter().zip(new) {
                    scope.spawn(move || {
                        for (number, (old, new)) in old.into_iter().zip(new).enumerate() {
                            // What comes back, what was used and what is debt: all of it stays behind the boundary.
                            if number % 2 == 0 {
                                drop(old);
                            } else {
                                old.settle(Actual::tokens(90, 0));
                            }
                            new.settle(Actual::tokens(7, 0));
                        }
                    });
                }
            });
            let budget = &enforcer.tenant_usage("tenant").unwrap().budgets[0];
            assert_eq!((budget.committed, budget.outstanding, budget.debt), (80 * 7, 0, 0), "{per} at {offset}");
        }
    }
}

#[test]
fn g1_slots_of_tenant_and_process_are_taken_and_given_back_once_whatever_meets() {
    let limits = ResourceLimits { max_concurrent_executions: Some(6), ..unlimited() };
    let process = ProcessPolicy { max_concurrent_executions: Some(10), ..Default::default() };
    let enforcer = builder(&noon()).limits(limits).process(process).build().unwrap();
    let tenants = ["a", "b", "c"];
    let work = |thread: u64| {
        let mut numbers = Numbers::of(thread);
        let mut scopes = [0, 0];
        for turn in 0..60 {
            let tenant = tenants[numbers.below(3) as usize];
            match enforcer.execution(format!("{thread}_{turn}"), tenant).register() {
                Ok(run) => {
                    std::thread::yield_now();
                    if numbers.below(2) == 0 {
                        run.halt(enforce_core::Cause::own(enforce_core::ViolationType::Requested));
                    }
                    run.finish();
                }
                Err(RegisterError::Refused(refused)) => {
                    scopes[usize::from(refused.scope == ScopeKind::Process)] += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        scopes
    };
    let watch = || {
        assert!(enforcer.process_usage().live_executions <= 10);
        assert!(tenants.iter().all(|tenant| enforcer.live_executions(tenant) <= 6));
    };
    let refused = storm(work, watch).into_iter().fold([0, 0], |sum, it| [sum[0] + it[0], sum[1] + it[1]]);
    assert!(refused[0] + refused[1] > 0, "no limit was met");
    assert_eq!(enforcer.process_usage().live_executions, 0);
    assert!(tenants.iter().all(|tenant| enforcer.live_executions(tenant) == 0));
}

#[test]
fn l1_a_list_that_changes_under_load_loses_nothing_of_what_stays() {
    let day = |amount| Budget::new(BudgetAmount::CostUsd(nano(amount)), BudgetPeriod::Day);
    let hour = Budget::new(BudgetAmount::Steps(1 << 40), BudgetPeriod::Hour);
    let enforcer =
        builder(&noon()).process(ProcessPolicy { budgets: vec![day(500)], ..Default::default() }).build().unwrap();
    let runs: Vec<_> = (0..THREADS).map(|thread| register(&enforcer, &thread.to_string(), "tenant")).collect();
    let work = |thread: u64| {
        let run = &runs[thread as usize];
        let mut spent = 0;
        for turn in 0..200 {
            if turn % 50 == 0 && thread == 0 {
                let budgets = if turn % 100 == 0 { vec![day(900), hour] } else { vec![day(700)] };
                enforcer.set_process(&ProcessPolicy { budgets, ..Default::default() }).unwrap();
            }
            let Ok(hold) = run.reserve(Demand::step().cost(nano(3))) else { continue };
            if turn % 2 == 0 {
                hold.settle(Actual::none().cost(nano(1)));
                spent += 1;
            }
        }
        spent
    };
    let watch = || {
        let day = enforcer.process_usage().budgets.into_iter().find(|it| it.per == BudgetPeriod::Day).unwrap();
        assert!(day.committed + day.outstanding <= 900, "{day:?}");
    };
    let spent: u64 = storm(work, watch).into_iter().sum();
    let day = enforcer.process_usage().budgets.into_iter().find(|it| it.per == BudgetPeriod::Day).unwrap();
    assert_eq!((day.committed, day.outstanding), (spent, 0));
}
