//! Saving while others go on (S1): every state can be taken over, its figures lie between those at the start and at the end
//! of the call, and what it grants is no more than what was left when the call began.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use enforce_core::{
    Actual, Approval, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, Enforcer, EnforcerBuilder, EnforcerState,
    Execution, ManualClock, OpenHolds, ProcessPolicy, ProviderKey, RateLimit, RatePeriod, RateUnit, ResourceLimits,
    RestoreOptions, Status, TenantPolicy, UsageSnapshot, ViolationType,
};

use crate::common::{builder, nano, noon, pass, register, unlimited};
use crate::threads::Numbers;

const WORKERS: u64 = 6;
const SAVES: usize = 250;
const TENANTS: [&str; 2] = ["tenant_0", "tenant_1"];

/// What each root holds all the while.
const HELD_TOKENS: u64 = 7;
const HELD_COST: u64 = 5;

fn budgets(scale: u64) -> Vec<Budget> {
    vec![
        Budget::new(BudgetAmount::Tokens(scale << 40), BudgetPeriod::Total),
        Budget::new(BudgetAmount::CostUsd(nano(scale << 40)), BudgetPeriod::Day),
    ]
}

fn tenant(scale: u64) -> TenantPolicy {
    TenantPolicy { budgets: budgets(scale), ..TenantPolicy::default() }
}

fn policies(time: &ManualClock) -> EnforcerBuilder {
    builder(time)
        .limits(unlimited())
        .tenant(tenant(1))
        .process(ProcessPolicy { budgets: budgets(1), ..ProcessPolicy::default() })
        .rate(RateLimit::tenant_provider(RateUnit::Requests, 1_000, RatePeriod::Second))
        // Both tables are full now and then.
        .max_executions(24)
        .max_tenants(5)
}

/// What the workers share.
struct Load {
    time: ManualClock,
    enforcer: Enforcer,
    provider: ProviderKey,
    roots: Vec<Execution>,
    /// Hears of everyone else whose registration has returned.
    others: Sender<Execution>,
    done: OnceLock<()>,
}

impl Load {
    fn work(&self, worker: u64) {
        let mut numbers = Numbers::of(worker + 1);
        let mut turn = 0_u64;
        while self.done.get().is_none() {
            turn += 1;
            let root = &self.roots[numbers.below(WORKERS) as usize];
            let id = format!("{worker}_{turn}");
            match numbers.below(8) {
                0 | 1 => spend(root, &mut numbers),
                2 => self.child(root, &id, true, &mut numbers),
                3 => self.child(root, &id, false, &mut numbers),
                4 => {
                    root.pause("look");
                    if let Some(ticket) = root.pause_ticket() {
                        // Somebody else may have been first.
                        drop(root.approve(&ticket, Approval::new("ada", "go on")));
                    }
                }
                5 => {
                    let scale = 1 + numbers.below(2);
                    root.set_limits(ResourceLimits { max_tokens: scale << 40, ..unlimited() }).unwrap();
                    self.enforcer.set_tenant(TENANTS[numbers.below(2) as usize], tenant(scale)).unwrap();
                }
                6 => self.short(&id, &mut numbers),
                _ => self.guest(&id, &mut numbers),
            }
            pass(&self.time, 1_000_000);
        }
    }

    fn note(&self, execution: &Execution) {
        self.others.send(execution.clone()).unwrap();
    }

    /// A child, with one below it now and then; it ends with a hold that is settled late.
    fn child(&self, above: &Execution, id: &str, sliced: bool, numbers: &mut Numbers) {
        let slice = Demand::none().steps(9).tokens(0, 100 + numbers.below(100)).cost(nano(60));
        let builder = above.child(id);
        let builder = if sliced { builder.slice(slice) } else { builder };
        let Ok(child) = builder.register() else { return };
        self.note(&child);
        spend(&child, numbers);
        let below = slice.tokens(0, 10 + numbers.below(10)).cost(nano(6)).steps(1);
        if let Ok(below) = child.child(format!("{id}_below")).slice(below).register() {
            self.note(&below);
            spend(&below, numbers);
            if numbers.below(2) == 0 {
                below.finish();
            }
        }
        let hold = child.reserve(Demand::step().tokens(3, 4).cost(nano(2)));
        child.finish();
        if let Ok(hold) = hold {
            hold.settle(Actual::tokens(3, 3).cost(nano(2)));
        }
    }

    /// A root that is halted or ends.
    fn short(&self, id: &str, numbers: &mut Numbers) {
        let tenant = TENANTS[numbers.below(2) as usize];
        let Ok(run) = self.enforcer.execution(id, tenant).register() else { return };
        self.note(&run);
        spend(&run, numbers);
        if numbers.below(2) == 0 {
            run.halt(Cause::own(ViolationType::Requested));
            thread::yield_now();
        }
        run.finish();
    }

    /// One of a tenant that comes and goes.
    fn guest(&self, id: &str, numbers: &mut Numbers) {
        let guest = format!("guest_{}", numbers.below(9));
        let Ok(run) = self.enforcer.execution(id, guest).register() else { return };
        self.note(&run);
        if numbers.below(2) == 0 {
            drop(run.reserve(Demand::none().provider(self.provider)));
        }
        run.finish();
    }
}

/// A step, settled with less or more than was set aside, or dropped.
fn spend(run: &Execution, numbers: &mut Numbers) {
    let [input, output, cost] = [20, 20, 9].map(|bound| numbers.below(bound));
    let Ok(hold) = run.reserve(Demand::step().tokens(input, output).cost(nano(cost))) else { return };
    if numbers.below(3) > 0 {
        thread::yield_now();
        hold.settle(Actual::tokens(numbers.below(25), numbers.below(25)).cost(nano(numbers.below(10))));
    }
}

fn committed(usage: &UsageSnapshot) -> [u64; 4] {
    [usage.steps, usage.input_tokens, usage.output_tokens, usage.cost_nano_usd]
}

/// Nothing in the one is above the other.
fn at_most(low: &[u64], high: &[u64]) -> bool {
    low.iter().zip(high).all(|(low, high)| low <= high)
}

/// What was so when the call began, or when it had returned.
struct Seen {
    /// Of everyone, in the order of the list.
    everyone: Vec<(UsageSnapshot, Status, Option<u64>)>,
    /// Steps, input, output and cost of each tenant.
    tenants: [[u64; 4]; 2],
    /// Tokens and cost that are committed: of each tenant, and of the process.
    budgets: [[u64; 2]; 3],
}

fn budgets_of(enforcer: &Enforcer) -> [[u64; 2]; 3] {
    let of = |budgets: Vec<enforce_core::BudgetUsage>| [budgets[0].committed, budgets[1].committed];
    let [a, b] = TENANTS.map(|tenant| of(enforcer.tenant_usage(tenant).unwrap().budgets));
    [a, b, of(enforcer.process_usage().budgets)]
}

fn see(enforcer: &Enforcer, everyone: &[Execution]) -> Seen {
    let number = |run: &Execution| run.pause_ticket().map(|ticket| ticket.pause);
    let tenants = TENANTS.map(|tenant| {
        let usage = enforcer.tenant_usage(tenant).unwrap();
        [usage.steps, usage.input_tokens, usage.output_tokens, usage.cost_nano_usd]
    });
    Seen {
        everyone: everyone.iter().map(|run| (run.snapshot(), run.status(), number(run))).collect(),
        tenants,
        budgets: budgets_of(enforcer),
    }
}

/// The figures and the standing of everyone lie between the two.
fn check_everyone(state: &EnforcerState, everyone: &[Execution], [start, end]: [&Seen; 2]) {
    let saved: HashMap<_, _> = state.executions.iter().map(|it| (it.id.as_str(), it)).collect();
    for (run, (start, end)) in everyone.iter().zip(start.everyone.iter().zip(&end.everyone)) {
        let Some(it) = saved.get(run.id()) else {
            assert!(matches!(end.1, Status::Finished(_)), "G1: {} is missing", run.id());
            continue;
        };
        assert!(!matches!(start.1, Status::Finished(_)), "E1: {} had ended", run.id());
        let said = it.committed;
        let said = [said.steps, said.input_tokens, said.output_tokens, said.cost_nano_usd];
        assert!(
            at_most(&committed(&start.0), &said) && at_most(&said, &committed(&end.0)),
            "S1: {} {said:?}",
            run.id()
        );
        if matches!(start.1, Status::Halted(_)) {
            assert!(it.halted.is_some(), "E2: {} was halted", run.id());
        }
        if start.2.is_some() && start.2 == end.2 && it.halted.is_none() {
            assert_eq!(it.pause.as_ref().map(|pause| pause.number), start.2, "E3: {}", run.id());
        }
    }
    for (place, tenant) in TENANTS.into_iter().enumerate() {
        let ended = state.tenants.iter().find(|it| it.id == tenant).unwrap().ended;
        let roots = state.executions.iter().filter(|it| it.parent.is_none() && it.tenant == tenant);
        let mut sum = [0; 4];
        for it in roots.map(|it| it.committed).chain([ended]) {
            let amounts = [it.steps, it.input_tokens, it.output_tokens, it.cost_nano_usd];
            sum.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
        }
        assert!(at_most(&start.tenants[place], &sum), "C1: {tenant} {sum:?} at least {:?}", start.tenants[place]);
        assert!(at_most(&sum, &end.tenants[place]), "C1: {tenant} {sum:?} at most {:?}", end.tenants[place]);
    }
}

/// Taken over, with everything below the roots at its end, no less is used than was when the call began.
fn check_restored(time: &ManualClock, state: &EnforcerState, roots: &[Execution], start: &Seen, holds: OpenHolds) {
    let mut after = policies(time).build().unwrap();
    after.restore(state, RestoreOptions::new().open_holds(holds)).unwrap_or_else(|error| panic!("{error}: {state:?}"));
    let held = if holds == OpenHolds::ChargeInFull { 1 } else { 0 };
    let (tokens, cost) = (held * HELD_TOKENS, held * HELD_COST);
    for (run, (usage, ..)) in roots.iter().zip(&start.everyone) {
        let run = after.get(run.id()).unwrap();
        run.children().iter().for_each(|child| drop(child.finish()));
        let now = run.snapshot();
        assert_eq!(now.total_tokens, now.input_tokens + now.output_tokens, "S1");
        assert!(now.outstanding.is_zero() && now.steps >= usage.steps);
        assert!(now.total_tokens >= usage.total_tokens + tokens, "T1: {} {now:?} {usage:?}", run.id());
        assert!(now.cost_nano_usd >= usage.cost_nano_usd + cost, "T1: {} {now:?} {usage:?}", run.id());
    }
    let roots = [WORKERS / 2, WORKERS / 2, WORKERS];
    for ((now, then), roots) in budgets_of(&after).iter().zip(start.budgets).zip(roots) {
        assert!(at_most(&[then[0] + roots * tokens, then[1] + roots * cost], now), "T1: {now:?}, before {then:?}");
    }
}

#[test]
fn s1_a_state_that_is_saved_under_load_lies_within_the_call_and_grants_nothing() {
    let time = noon();
    let enforcer = policies(&time).build().unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let roots: Vec<_> = (0..WORKERS)
        .map(|worker| register(&enforcer, &format!("root_{worker}"), TENANTS[worker as usize % 2]))
        .collect();
    let held = Demand::none().tokens(HELD_TOKENS, 0).cost(nano(HELD_COST));
    let _held: Vec<_> = roots.iter().map(|root| root.reserve_owned(held).unwrap()).collect();
    let (others, registered) = channel();
    let load = Load { time, enforcer, provider, roots, others, done: OnceLock::new() };
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let load = &load;
            scope.spawn(move || load.work(worker));
        }
        // Also when it panics, so that the workers end.
        let _stop = Stop(&load);
        let mut everyone = load.roots.clone();
        for save in 0..SAVES {
            everyone.extend(registered.try_iter());
            let start = see(&load.enforcer, &everyone);
            let state = load.enforcer.save();
            let end = see(&load.enforcer, &everyone);
            check_everyone(&state, &everyone, [&start, &end]);
            let holds = if save % 2 == 0 { OpenHolds::ChargeInFull } else { OpenHolds::GiveBack };
            check_restored(&load.time, &state, &load.roots, &start, holds);
            everyone.retain(|run| !matches!(run.status(), Status::Finished(_)));
        }
    });
}

/// Ends the work when it goes.
struct Stop<'a>(&'a Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let _first = self.0.done.set(());
    }
}
