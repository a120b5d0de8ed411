//! The live usage under the names of the seed, and the watch over a single step.

use std::time::Duration;

use enforce_core::{
    Actual, Demand, ExecutionId, ExecutionUsage, LongRunningExecutionPolicy, OnDrop, ResourceLimits, StepId,
    StepTimeoutGuard, TenantId, TenantPolicy,
};

use crate::common::{NOON, SECOND, builder, disabled, nano, noon, pass, register, run, unlimited};

#[test]
fn usage_names_whose_it_is_and_when_it_was_registered() {
    let run = run(unlimited());
    let usage = ExecutionUsage::from(run.clone());
    assert_eq!((usage.execution_id().as_str(), usage.tenant_id().as_str()), ("exec", "tenant"));
    assert_eq!(usage.started_at().as_nanos(), NOON);
    assert_eq!(usage.execution().id(), run.id());
    let (execution, tenant) = (ExecutionId::new(), TenantId::new());
    let unknown = ExecutionUsage::new(execution.clone(), tenant.clone());
    assert_eq!((unknown.execution_id(), unknown.tenant_id()), (&execution, &tenant));
}

#[test]
fn what_is_recorded_is_read_under_the_seeds_names() {
    let usage = ExecutionUsage::from(run(unlimited()));
    let read = || {
        (
            usage.step_count(),
            usage.discovered_step_count(),
            usage.total_tokens(),
            usage.cost_nano_usd(),
            usage.cost_usd(),
        )
    };
    assert_eq!(read(), (0, 0, 0, 0, 0.0));
    usage.record_step();
    usage.record_step();
    (0..3).for_each(|_| usage.record_discovered_step());
    usage.record_tokens(4, 5);
    usage.record_cost(nano(500_000_000));
    usage.record_cost_usd(1.5);
    usage.record_cost_usd(f64::NAN);
    assert_eq!(read(), (2, 3, 9, 2_000_000_000, 2.0));
}

#[test]
fn used_is_what_is_recorded_and_what_open_holds_set_aside() {
    let run = run(unlimited());
    let usage = ExecutionUsage::from(run.clone());
    let hold = run.reserve(Demand::step().tokens(3, 4).cost(nano(5))).unwrap();
    run.charge(Actual::tokens(10, 0).cost(nano(20)));
    assert_eq!((usage.used_tokens(), usage.total_tokens()), (17, 10));
    assert_eq!((usage.used_nano_usd(), usage.cost_nano_usd()), (25, 20));
    drop(hold);
    assert_eq!((usage.used_tokens(), usage.used_nano_usd()), (10, 20));
}

#[test]
fn the_deepest_discovery_is_kept_and_one_that_is_too_deep_changes_nothing() {
    let policy = LongRunningExecutionPolicy { max_discovery_depth: Some(2), ..disabled() };
    let usage = ExecutionUsage::from(crate::common::run_long(policy));
    let depths = || (usage.current_discovery_depth(), usage.max_discovery_depth_reached());
    assert_eq!(depths(), (0, 0));
    (0..3).for_each(|_| usage.push_discovery_depth());
    assert_eq!(depths(), (2, 2));
    usage.pop_discovery_depth();
    assert_eq!(depths(), (1, 2));
    (0..2).for_each(|_| usage.pop_discovery_depth());
    assert_eq!(depths(), (0, 2));
}

#[test]
fn a_touch_is_activity_and_the_time_since_registration_goes_on() {
    let time = noon();
    let usage = ExecutionUsage::from(register(&builder(&time).build().unwrap(), "exec", "tenant"));
    pass(&time, 7 * SECOND + 8_000_000);
    assert_eq!((usage.idle_duration(), usage.idle_seconds()), (Duration::from_millis(7_008), 7));
    usage.touch();
    assert_eq!((usage.idle_duration(), usage.idle_seconds()), (Duration::ZERO, 0));
    assert_eq!((usage.wall_time(), usage.wall_time_ms()), (Duration::from_millis(7_008), 7_008));
}

#[test]
fn a_step_has_timed_out_once_it_has_taken_longer_than_it_may() {
    let [none, any] = [Duration::ZERO, Duration::MAX].map(|timeout| StepTimeoutGuard::new(StepId::new(), timeout));
    // A million readings take longer than a tick of the clock.
    assert!((0..1_000_000).any(|_| any.elapsed() > Duration::ZERO && none.elapsed() > Duration::ZERO));
    assert_eq!((none.is_timed_out(), none.remaining()), (true, Duration::ZERO));
    assert!(none.check().is_err());
    assert!(!any.is_timed_out() && any.remaining() > Duration::ZERO);
    assert_eq!(any.check(), Ok(()));
}

#[test]
fn a_hold_that_sets_nothing_aside_is_seen_only_where_idleness_is_limited() {
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let budget = || TenantPolicy { budget_usd: Some(nano(100)), ..TenantPolicy::default() };
    for (long_running, seen) in [(disabled(), false), (idle, true)] {
        for changed in [false, true] {
            for tenant in [TenantPolicy::default(), budget()] {
                let limits = ResourceLimits { max_tokens: 1_000, ..unlimited() };
                let enforcer =
                    builder(&noon()).limits(limits).long_running(long_running.clone()).tenant(tenant).build().unwrap();
                let run = register(&enforcer, "exec", "tenant");
                if changed {
                    run.set_limits(ResourceLimits { max_steps: 9, ..unlimited() }).unwrap();
                }
                let usage = ExecutionUsage::from(run.clone());
                let hold = run.reserve(Demand::step()).unwrap();
                assert_eq!(usage.has_open_holds(), seen);
                drop(hold);
                let hold = run.reserve(Demand::step().tokens(1, 0)).unwrap();
                assert!(usage.has_open_holds());
                drop(hold);
                assert!(!usage.has_open_holds());
            }
        }
    }
}

#[test]
fn i1_what_ends_below_it_ends_no_hold_of_its_own() {
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let enforcer = builder(&noon()).long_running(idle.clone()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").long_running(idle).register().unwrap();
    let held = run.reserve(Demand::step()).unwrap();
    child.reserve(Demand::step()).unwrap().settle(Actual::tokens(1, 0));
    child.finish();
    assert!(ExecutionUsage::from(run.clone()).has_open_holds());
    drop(held);
    assert!(!ExecutionUsage::from(run).has_open_holds());
}

#[test]
fn i1_a_hold_that_ends_by_its_policy_or_was_extended_is_counted_once() {
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let enforcer = builder(&noon()).long_running(idle).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let usage = ExecutionUsage::from(run.clone());
    drop(run.reserve(Demand::step().on_drop(OnDrop::ChargeAll)).unwrap());
    run.reserve(Demand::step().on_drop(OnDrop::ChargeAll)).unwrap().settle(Actual::none());
    assert!(!usage.has_open_holds());
    let bare = run.reserve(Demand::step()).unwrap();
    let mut extended = run.reserve(Demand::step().tokens(1, 0)).unwrap();
    extended.extend(Demand::none()).unwrap();
    drop(extended);
    assert!(usage.has_open_holds(), "the other one is open");
    drop(bare);
    assert!(!usage.has_open_holds());
}
