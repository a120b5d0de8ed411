//! When the clock is read: once by a verb that needs it, never by one that does not.

use std::sync::mpsc;
use std::time::Duration;

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Clock, Demand, Enforcer, EnforcerBuilder, LongRunningExecutionPolicy,
    ProcessPolicy, ProviderPolicy, ResourceLimits, TenantPolicy, TimeSource, Timestamp, UNLIMITED,
};

use crate::common::{NOON, nano, register};

/// A clock that says when it is read.
struct Watched(mpsc::Sender<()>);

impl TimeSource for Watched {
    fn now(&self) -> Timestamp {
        self.0.send(()).unwrap();
        Timestamp::from_nanos(NOON)
    }
}

/// How often each verb reads the clock: reserve, reserve with a provider, check, charge, settle, drop, refused reserve.
fn reads(configure: impl FnOnce(EnforcerBuilder) -> EnforcerBuilder) -> [usize; 7] {
    let (sender, readings) = mpsc::channel();
    let enforcer = configure(Enforcer::builder()).clock(Clock::custom(Watched(sender))).build().unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().tokens(1, 1).cost(nano(1)).fingerprint(1);
    readings.try_iter().count();
    let count = || readings.try_iter().count();
    let hold = run.reserve(demand).unwrap();
    let reserve = count();
    let other = run.reserve(demand.fingerprint(2).provider(provider)).unwrap();
    let with_provider = count();
    assert!(run.check(demand.fingerprint(3)).is_allowed());
    let check = count();
    run.charge(Actual::tokens(1, 1).cost(nano(1)));
    let charge = count();
    hold.settle(Actual::tokens(1, 1));
    let settle = count();
    drop(other);
    let dropped = count();
    assert!(run.reserve(demand.tokens(u64::MAX, 0)).is_err());
    [reserve, with_provider, check, charge, settle, dropped, count()]
}

#[test]
fn no_verb_reads_the_clock_where_no_limit_needs_it() {
    let long_running =
        LongRunningExecutionPolicy { idle_timeout_seconds: None, ..LongRunningExecutionPolicy::standard() };
    let limits = ResourceLimits { max_wall_time_ms: UNLIMITED, ..ResourceLimits::default() };
    let tenant = TenantPolicy { budget_usd: Some(nano(100)), ..Default::default() };
    assert_eq!(reads(|it| it.limits(limits).long_running(long_running).tenant(tenant)), [0; 7]);
}

#[test]
fn a_wall_time_is_looked_at_once_by_whoever_asks_and_by_nobody_who_records() {
    assert_eq!(reads(|it| it.limits(ResourceLimits::default())), [1, 1, 1, 0, 0, 0, 1]);
}

#[test]
fn idleness_is_looked_at_once_by_whoever_asks_or_records() {
    let long_running = LongRunningExecutionPolicy::standard();
    assert_eq!(reads(|it| it.long_running(long_running)), [1, 1, 1, 1, 1, 0, 1]);
}

#[test]
fn a_rate_is_looked_at_once_by_demands_that_name_a_provider() {
    let policy = ProviderPolicy { requests_per_minute: Some(60), ..Default::default() };
    assert_eq!(reads(|it| it.provider(policy)), [0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_budget_of_a_day_is_looked_at_once_by_whoever_asks_or_charges() {
    let tenant = TenantPolicy { budget_usd: Some(nano(100)), budget_period: BudgetPeriod::Day, ..Default::default() };
    assert_eq!(reads(|it| it.tenant(tenant)), [1, 1, 1, 1, 0, 0, 1]);
}

#[test]
fn all_limits_together_read_the_clock_once() {
    let tenant = TenantPolicy { budget_usd: Some(nano(100)), budget_period: BudgetPeriod::Day, ..Default::default() };
    let policy = ProviderPolicy { requests_per_minute: Some(60), ..Default::default() };
    let everything = |it: EnforcerBuilder| {
        it.limits(ResourceLimits::default())
            .long_running(LongRunningExecutionPolicy::standard())
            .tenant(tenant)
            .process(ProcessPolicy { budgets: hours(), ..Default::default() })
            .provider(policy)
    };
    assert_eq!(reads(everything), [1, 1, 1, 1, 1, 0, 1]);
}

/// A budget of an hour.
fn hours() -> Vec<Budget> {
    vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Hour)]
}

#[test]
fn budgets_of_both_scopes_are_looked_at_once_also_by_a_settle_to_which_they_are_new() {
    let both = |it: EnforcerBuilder| {
        it.tenant(TenantPolicy { budgets: hours(), ..Default::default() })
            .process(ProcessPolicy { budgets: hours(), ..Default::default() })
    };
    assert_eq!(reads(both), [1, 1, 1, 1, 0, 0, 1]);
    let (sender, readings) = mpsc::channel();
    let enforcer = Enforcer::builder().clock(Clock::custom(Watched(sender))).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step().tokens(1, 1)).unwrap();
    enforcer.set_tenant("tenant", TenantPolicy { budgets: hours(), ..Default::default() }).unwrap();
    enforcer.set_process(&ProcessPolicy { budgets: hours(), ..Default::default() }).unwrap();
    readings.try_iter().count();
    hold.settle(Actual::tokens(1, 1));
    assert_eq!(readings.try_iter().count(), 1);
    assert_eq!(enforcer.process_usage().budgets[0].committed, 2);
}

#[test]
fn a_coarse_clock_passes_every_moment_that_the_system_passes() {
    let (coarse, system) = (Clock::coarse(), Clock::system());
    let moment = system.now().saturating_add(Duration::from_millis(1));
    while coarse.now() <= moment {
        assert!(system.now() < moment.saturating_add(Duration::from_secs(60)), "it stands still");
    }
}
