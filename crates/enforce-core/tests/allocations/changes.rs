//! Limits that change for months leave nothing behind: however often they change, no more bytes are live.

use std::time::Duration;

use allocation_counter::measure;
use enforce_core::{
    Actual, AllowanceKey, Budget, BudgetAmount, BudgetPeriod, Clock, Demand, Enforcer, Execution,
    LongRunningExecutionPolicy, ManualClock, NanoUsd, NetworkPolicy, ProcessPolicy, ProviderPolicy, RateLimit,
    RatePeriod, RateUnit, ResourceLimits, TenantPolicy,
};

/// So many changes make what is made once.
const FIRST: u64 = 120;
const ALL: u64 = FIRST + CHANGES;
const CHANGES: u64 = 10_200;

/// An enforcer with limits of every kind that changes.
struct Ground {
    enforcer: Enforcer,
    run: Execution,
    demand: Demand,
    tool: AllowanceKey,
    time: ManualClock,
}

impl Ground {
    fn new() -> Self {
        let time = ManualClock::new();
        let enforcer = Enforcer::builder()
            .provider(rates(0))
            .rate(RateLimit::tenant_provider(RateUnit::Requests, 600, RatePeriod::Minute))
            .tenant(tenant(0))
            .process(process(0))
            .allowance("tool", 1 << 40)
            .clock(Clock::manual(&time))
            .build()
            .unwrap();
        let run = enforcer.execution("exec", "tenant").register().unwrap();
        let tool = enforcer.allowance("tool").unwrap();
        let demand = Demand::step().tokens(1, 1).provider(enforcer.provider("provider").unwrap()).allowance(tool);
        Self { enforcer, run, demand, tool, time }
    }

    /// How many bytes are live behind 10,200 changes, between which steps are taken, that were not before.
    fn left_by(&self, mut change: impl FnMut(u64)) -> i64 {
        let mut step = |number| {
            change(number);
            self.time.advance(Duration::from_secs(1));
            self.run.reserve(self.demand).unwrap().settle(Actual::tokens(1, 0));
        };
        (0..FIRST).for_each(&mut step);
        measure(|| (FIRST..ALL).for_each(&mut step)).bytes_current
    }
}

/// Others for every number that follows another.
fn rates(number: u64) -> ProviderPolicy {
    let limit = Some(60 * (1 + number % 50));
    ProviderPolicy { requests_per_minute: limit, tokens_per_minute: limit, ..ProviderPolicy::default() }
}

fn budgets(number: u64) -> Vec<Budget> {
    vec![
        Budget::new(BudgetAmount::Tokens((1 << 40) + number), BudgetPeriod::Total),
        Budget::new(BudgetAmount::Steps((1 << 40) + number), BudgetPeriod::Month),
    ]
}

fn tenant(number: u64) -> TenantPolicy {
    TenantPolicy { budget_usd: NanoUsd::new(number).ok(), budgets: budgets(number), ..TenantPolicy::default() }
}

fn process(number: u64) -> ProcessPolicy {
    ProcessPolicy { budgets: budgets(number), ..ProcessPolicy::default() }
}

fn limits(number: u64) -> ResourceLimits {
    ResourceLimits { max_tokens: (1 << 40) + number, ..ResourceLimits::unlimited() }
}

#[test]
fn changes_of_an_executions_limits_leave_nothing_behind() {
    let ground = Ground::new();
    assert_eq!(ground.left_by(|number| ground.run.set_limits(limits(number)).unwrap()), 0);
}

#[test]
fn changes_of_an_executions_allowances_leave_nothing_behind() {
    let ground = Ground::new();
    assert_eq!(ground.left_by(|number| ground.run.set_allowance(ground.tool, (1 << 40) + number).unwrap()), 0);
}

#[test]
fn changes_of_a_tenants_budgets_leave_nothing_behind() {
    let ground = Ground::new();
    assert_eq!(ground.left_by(|number| ground.enforcer.set_tenant("tenant", tenant(number)).unwrap()), 0);
}

#[test]
fn changes_of_every_tenants_budgets_leave_nothing_behind() {
    let ground = Ground::new();
    assert_eq!(ground.left_by(|number| ground.enforcer.set_every_tenant(&tenant(number)).unwrap()), 0);
}

#[test]
fn budgets_that_come_and_go_leave_nothing_behind() {
    let ground = Ground::new();
    let change = |number| {
        let mut policy = tenant(number);
        policy.budgets.truncate(number as usize % 3);
        ground.enforcer.set_tenant("tenant", policy).unwrap();
    };
    assert_eq!(ground.left_by(change), 0);
}

#[test]
fn changes_of_the_budgets_of_the_process_leave_nothing_behind() {
    let ground = Ground::new();
    assert_eq!(ground.left_by(|number| ground.enforcer.set_process(&process(number)).unwrap()), 0);
}

#[test]
fn changes_of_rates_leave_nothing_behind() {
    let ground = Ground::new();
    let change = |number| {
        let model = RateLimit::model(RateUnit::Requests, 60 * (1 + number % 50), RatePeriod::Minute);
        let own = RateLimit::tenant_provider(RateUnit::Requests, 60 * (1 + number % 50), RatePeriod::Minute);
        ground.enforcer.set_rates(&rates(number), &[model, own]).unwrap();
    };
    assert_eq!(ground.left_by(change), 0);
}

#[test]
fn changes_of_what_is_to_come_leave_nothing_behind() {
    let ground = Ground::new();
    let change = |number| {
        let disabled = LongRunningExecutionPolicy::disabled();
        ground.enforcer.set_defaults(limits(number), disabled).unwrap();
        ground.enforcer.set_network(NetworkPolicy::AllowList(vec![format!("host-{}.example", number % 10)])).unwrap();
    };
    assert_eq!(ground.left_by(change), 0);
}

#[test]
fn a_period_leaves_no_more_than_its_windows_behind() {
    let ground = Ground::new();
    let hours = Budget::new(BudgetAmount::Tokens(1 << 40), BudgetPeriod::Hour);
    let policy = TenantPolicy { budgets: vec![hours], ..TenantPolicy::default() };
    ground.enforcer.set_tenant("tenant", policy).unwrap();
    ground.enforcer.set_process(&ProcessPolicy::default()).unwrap();
    let mut next = |_| {
        ground.time.advance(Duration::from_secs(3_600));
        ground.run.reserve(ground.demand).unwrap().settle(Actual::tokens(1, 0));
    };
    (0..FIRST).for_each(&mut next);
    // Over so many periods the list has doubled once, by places that are filled later.
    let left = measure(|| (FIRST..ALL).for_each(&mut next)).bytes_current;
    assert!(left <= CHANGES as i64 * 256, "{} bytes a period", left / CHANGES as i64);
}
