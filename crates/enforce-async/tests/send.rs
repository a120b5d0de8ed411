//! Compiles only if every public type may cross threads and every future may be spawned.

use std::future::Future;

use enforce_async::{
    Acquire, Actual, Clock, ConfigError, Demand, Drain, Driven, Ended, EnforcementMiddleware, EnforcementPolicy,
    EnforcementResult, EnforcementViolation, EnforcementWarning, Enforcer, Execution, ExecutionError, ExecutionId,
    ExecutionUsage, LongRunningExecutionPolicy, ManualClock, NanoUsd, OwnedHold, RecordError, RegisterError,
    ResourceLimits, Run, Settlement, Shutdown, ShutdownReport, StepTimeoutGuard, Stopped, TenantId, TimedHold,
    TokioClock, UsageSnapshot, Waiting, Watch,
};

fn shared<T: Send + Sync + 'static>() {}

fn spawnable(_future: impl Future + Send) {}

#[test]
fn public_types_are_send_sync_and_static() {
    shared::<EnforcementMiddleware>();
    shared::<Enforcer>();
    shared::<Execution>();
    shared::<ExecutionUsage>();
    shared::<OwnedHold>();
    shared::<Demand>();
    shared::<Drain>();
    shared::<Shutdown>();
    shared::<ShutdownReport>();
    shared::<Actual>();
    shared::<Settlement>();
    shared::<UsageSnapshot>();
    shared::<EnforcementResult>();
    shared::<EnforcementViolation>();
    shared::<EnforcementWarning>();
    shared::<EnforcementPolicy>();
    shared::<ResourceLimits>();
    shared::<LongRunningExecutionPolicy>();
    shared::<ExecutionError>();
    shared::<RegisterError>();
    shared::<RecordError>();
    shared::<ConfigError>();
    shared::<ExecutionId>();
    shared::<TenantId>();
    shared::<NanoUsd>();
    shared::<Clock>();
    shared::<ManualClock>();
    shared::<StepTimeoutGuard>();
    shared::<TimedHold>();
    shared::<TokioClock>();
    shared::<Watch>();
    shared::<Waiting>();
    shared::<Acquire<Execution>>();
    shared::<Run<()>>();
    shared::<Stopped>();
    shared::<Driven>();
    shared::<Ended<()>>();
}

#[test]
fn futures_are_send() {
    let middleware = EnforcementMiddleware::new();
    let (id, tenant) = (ExecutionId::from("exec_1"), TenantId::from("tenant_acme"));
    let (limits, policy) = (ResourceLimits::default(), LongRunningExecutionPolicy::default());
    spawnable(middleware.register_execution(id.clone(), tenant.clone()));
    spawnable(middleware.register_execution_with(id.clone(), tenant.clone(), limits.clone(), policy.clone()));
    spawnable(middleware.unregister_execution(&id));
    spawnable(middleware.get_usage(&id));
    spawnable(middleware.get_usage_snapshot(&id));
    spawnable(middleware.reserve(&id, Demand::step()));
    spawnable(middleware.charge(&id, Actual::none()));
    spawnable(middleware.check_step_allowed(&id, &limits));
    spawnable(middleware.check_tokens_allowed(&id, &limits, 1));
    spawnable(middleware.check_wall_time_allowed(&id, &limits));
    spawnable(middleware.check_concurrency_allowed(&tenant, &limits));
    spawnable(middleware.check_all_limits(&id, &limits));
    spawnable(middleware.check_discovered_step_limit(&id, &policy));
    spawnable(middleware.check_discovery_depth_limit(&id, &policy));
    spawnable(middleware.check_cost_threshold(&id, &policy));
    spawnable(middleware.check_idle_timeout(&id, &policy));
    spawnable(middleware.check_long_running_limits(&id, &policy));
    spawnable(middleware.record_step(&id));
    spawnable(middleware.record_tokens(&id, 1, 1));
    spawnable(middleware.record_discovered_step(&id));
    spawnable(middleware.record_cost(&id, 0.004));
    spawnable(middleware.push_discovery_depth(&id));
    spawnable(middleware.pop_discovery_depth(&id));
    spawnable(middleware.try_record_step(&id));
    spawnable(middleware.try_record_tokens(&id, 1, 1));
    spawnable(middleware.try_record_discovered_step(&id));
    spawnable(middleware.try_record_cost(&id, 0.004));
    spawnable(middleware.try_push_discovery_depth(&id));

    // Cancel safety: none of them was polled, so none of them did anything.
    assert_eq!((middleware.enforcer().execution_count(), middleware.records_dropped()), (0, 0));
}
