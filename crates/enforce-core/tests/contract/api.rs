//! What callers may rely on without running anything: threads, sizes, and the text in which values cross a boundary.

use std::time::Duration;

use enforce_core::{
    Action, Actual, BackoffStrategy, Budget, BudgetAmount, BudgetPeriod, BudgetResource, BudgetUsage, Cause, Clock,
    ConfigError, Demand, DepthGuard, EnforcementPolicy, EnforcementResult, EnforcementViolation, EnforcementWarning,
    Enforcer, EnforcerBuilder, Execution, ExecutionBuilder, ExecutionError, ExecutionErrorCategory, ExecutionId,
    ExecutionUsage, FinishOnDrop, Hold, InvalidId, LimitActions, LlmErrorCode, LongRunningExecutionPolicy, ManualClock,
    ModelError, ModelKey, MoneyError, NanoUsd, Outstanding, OwnedHold, ProcessPolicy, ProcessUsage, ProviderError,
    ProviderKey, ProviderPolicy, RateLimit, RateOn, RatePeriod, RateUnit, RatesRefused, RegisterError, ResourceLimits,
    Retry, RetryPolicy, ScopeKind, Settlement, Status, StepId, StepTimeoutGuard, TenantId, TenantPolicy, TenantUsage,
    Timestamp, ToolErrorCode, UsageSnapshot, ViolationType,
};

use crate::common::{builder, nano, noon, register, unlimited};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn every_public_type_is_shared_between_threads_and_outlives_its_maker() {
    shared::<(Enforcer, EnforcerBuilder, Execution, ExecutionUsage, FinishOnDrop, OwnedHold)>();
    shared::<(Hold<'static>, DepthGuard<'static>, ExecutionBuilder<'static>)>();
    shared::<(Clock, ManualClock, Timestamp, ProviderKey, Demand, Actual, Settlement, StepTimeoutGuard)>();
    shared::<(EnforcementViolation, EnforcementWarning, EnforcementResult, ViolationType, ScopeKind, Cause, Retry)>();
    shared::<(RatesRefused, UsageSnapshot, Outstanding, Status, TenantUsage, ProcessUsage, BudgetUsage)>();
    shared::<(ProcessPolicy, Budget, BudgetAmount, BudgetResource)>();
    shared::<(ResourceLimits, LongRunningExecutionPolicy, EnforcementPolicy, LimitActions, Action)>();
    shared::<(TenantPolicy, BudgetPeriod, ProviderPolicy, ConfigError, RegisterError, ProviderError, InvalidId)>();
    shared::<(ExecutionError, ExecutionErrorCategory, RetryPolicy, BackoffStrategy, LlmErrorCode, ToolErrorCode)>();
    shared::<(ModelKey, ModelError, RateLimit, RateOn, RatePeriod, RateUnit)>();
    shared::<(ExecutionId, TenantId, StepId, NanoUsd, MoneyError)>();
    shared::<(enforce_core::Drain, enforce_core::ScopeStatus)>();
}

#[test]
fn every_error_is_an_error() {
    fn error<E: std::error::Error + Send + Sync + 'static>() {}
    error::<EnforcementViolation>();
    error::<ExecutionError>();
    error::<RegisterError>();
    error::<ProviderError>();
    error::<ModelError>();
    error::<ConfigError>();
    error::<InvalidId>();
    error::<MoneyError>();
    error::<enforce_core::UnknownAllowance>();
    error::<enforce_core::DeadlinesFull>();
    error::<enforce_core::RestoreError>();
}

#[test]
fn what_is_asked_and_answered_on_the_way_of_a_step_is_copied_and_small() {
    fn copied<T: Copy>() -> usize {
        size_of::<T>()
    }
    assert!(copied::<EnforcementViolation>() <= 80, "{}", copied::<EnforcementViolation>());
    assert!(copied::<EnforcementWarning>() <= 32, "{}", copied::<EnforcementWarning>());
    assert!(copied::<EnforcementResult>() <= 88, "{}", copied::<EnforcementResult>());
    assert!(copied::<Demand>() <= 112, "{}", copied::<Demand>());
    assert!(copied::<Actual>() <= 40, "{}", copied::<Actual>());
    assert_eq!((copied::<Timestamp>(), copied::<NanoUsd>(), copied::<ProviderKey>()), (8, 8, 4));
    assert!(copied::<Cause>() <= 2 && copied::<Settlement>() <= 112, "{}", copied::<Settlement>());
    assert_eq!((size_of::<Enforcer>(), size_of::<Execution>()), (8, 8), "handles are pointers");
}

/// Writes and reads it, and returns what was written.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> Value {
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(written.clone()).unwrap(), value, "{written}");
    assert_eq!(&serde_json::from_str::<T>(&written.to_string()).unwrap(), value, "{written}");
    written
}

#[test]
fn every_refusal_and_warning_comes_back_as_it_was_written() {
    let policy = ProviderPolicy { tokens_per_minute: Some(7), ..Default::default() };
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).provider(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("provider").unwrap());
    let hold = run.reserve(demand.tokens(7, 1)).unwrap_err();
    round_trip(&hold);
    let admitted = run.reserve(demand.tokens(7, 0).rate_tokens(6)).unwrap();
    round_trip(&run.reserve(demand.tokens(2, 0)).unwrap_err());
    round_trip(&run.reserve(demand.tokens(4, 0)).unwrap_err());
    let warning = run.reserve(Demand::none().tokens(2, 0)).unwrap().warning().unwrap();
    assert_eq!(round_trip(&warning)["message"], "token_limit at 90%: 9 / 10");
    admitted.settle(Actual::tokens(11, 0));
    let first = run.reserve(Demand::none()).unwrap_err();
    assert_eq!(
        round_trip(&first),
        json!({
            "violation_type": "token_limit", "current": 11, "limit": 10, "message": "token_limit exceeded: 11 / 10 (110%)",
            "scope": "execution", "asked": 0, "used": 11, "remaining": 0, "overdraft": 0, "retry": "never", "cause": null, "rates": null,
            "allowance": null, "queued": false,
        })
    );
    let halted = run.reserve(Demand::none()).unwrap_err();
    assert_eq!(round_trip(&halted)["cause"], json!({ "violation_type": "token_limit", "scope": "execution" }));
    round_trip(&EnforcementViolation::new(ViolationType::CostLimit, u64::MAX, u64::MAX));
}

#[test]
fn the_seeds_violations_and_warnings_are_read_in_its_spelling() {
    let names = [
        ("StepLimit", ViolationType::StepLimit),
        ("TokenLimit", ViolationType::TokenLimit),
        ("WallTimeLimit", ViolationType::WallTimeLimit),
        ("MemoryLimit", ViolationType::MemoryLimit),
        ("ConcurrencyLimit", ViolationType::ConcurrencyLimit),
        ("RateLimit", ViolationType::RateLimit),
        ("NetworkViolation", ViolationType::NetworkViolation),
        ("DiscoveredStepLimit", ViolationType::DiscoveredStepLimit),
        ("DiscoveryDepthLimit", ViolationType::DiscoveryDepthLimit),
        ("CostThreshold", ViolationType::CostThreshold),
        ("IdleTimeout", ViolationType::IdleTimeout),
        ("SameStepLoop", ViolationType::SameStepLoop),
    ];
    for (name, violation_type) in names {
        let seed = json!({ "violation_type": name, "current": 6, "limit": 5, "message": "anything" });
        let read: EnforcementViolation = serde_json::from_value(seed).unwrap();
        assert_eq!(read, EnforcementViolation::new(violation_type, 6, 5));
        let seed = json!({ "warning_type": name, "usage_percent": 80, "message": "anything" });
        let read: EnforcementWarning = serde_json::from_value(seed).unwrap();
        assert_eq!((read.warning_type, read.usage_percent), (violation_type, 80));
        assert_eq!(round_trip(&violation_type), violation_type.as_str());
    }
}

#[test]
fn usage_of_an_execution_and_of_a_tenant_comes_back_and_the_seeds_eleven_fields_are_enough() {
    let tenant = TenantPolicy { budget_usd: Some(nano(50)), ..Default::default() };
    let enforcer = builder(&noon()).tenant(tenant).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let _open = run.reserve(Demand::step().tokens(1, 2).memory_bytes(3).cost(nano(4)).discovered_steps(5)).unwrap();
    run.charge(Actual::tokens(6, 7).cost(nano(8)));
    round_trip(&run.snapshot());
    round_trip(&enforcer.tenant_usage("tenant").unwrap());
    for status in
        [Status::Live, run.halt(Cause::own(ViolationType::IdleTimeout)), run.finish().status, Status::Finished(None)]
    {
        round_trip(&status);
    }
    let seed = json!({
        "execution_id": "exec", "tenant_id": "tenant", "steps": 1, "input_tokens": 2, "output_tokens": 3, "total_tokens": 5,
        "wall_time_ms": 6, "discovered_steps": 7, "discovery_depth": 8, "max_discovery_depth": 9, "cost_usd": 0.5,
    });
    let read: UsageSnapshot = serde_json::from_value(seed).unwrap();
    assert_eq!((read.steps, read.max_discovery_depth, read.status), (1, 9, Status::Live));
}

#[test]
fn policies_and_limits_come_back_and_unknown_keys_are_refused() {
    let limits =
        ResourceLimits { max_memory_mb: Some(1), max_cost_usd: Some("2.50".parse().unwrap()), ..Default::default() };
    assert_eq!(round_trip(&limits)["max_cost_usd"], "2.50");
    round_trip(&ResourceLimits::unlimited());
    for preset in ["standard", "extended", "unlimited", "disabled"] {
        round_trip(&LongRunningExecutionPolicy::preset(preset).unwrap());
    }
    round_trip(&EnforcementPolicy { actions: LimitActions::observe(), ..Default::default() });
    round_trip(&TenantPolicy {
        budget_usd: Some(NanoUsd::MAX),
        budget_period: BudgetPeriod::Day,
        budget_action: Action::Halt,
        max_concurrent_executions: None,
        budget_overdraft_usd: NanoUsd::ZERO,
        budgets: vec![
            Budget::new(BudgetAmount::CostUsd(NanoUsd::MAX), BudgetPeriod::Month).utc_offset_minutes(-90),
            Budget::new(BudgetAmount::Tokens(7), BudgetPeriod::Hour).overdraft(BudgetAmount::Tokens(1)),
        ],
    });
    let memory = Budget::new(BudgetAmount::MemoryMb(512), BudgetPeriod::Total).action(Action::Observe);
    round_trip(&ProcessPolicy { max_concurrent_executions: Some(3), budgets: vec![memory] });
    let short: Budget = serde_json::from_str(r#"{"amount": {"cost_usd": "10"}, "per": "day"}"#).unwrap();
    assert_eq!(short, Budget::new(BudgetAmount::CostUsd("10".parse().unwrap()), BudgetPeriod::Day));
    round_trip(&ProviderPolicy { requests_per_minute: Some(350), request_burst: Some(0), ..Default::default() });
    let unknown = r#"{"max_stepz": 1}"#;
    assert!(serde_json::from_str::<ResourceLimits>(unknown).is_err());
    assert!(serde_json::from_str::<LongRunningExecutionPolicy>(unknown).is_err());
    assert!(serde_json::from_str::<EnforcementPolicy>(unknown).is_err());
    assert!(serde_json::from_str::<TenantPolicy>(unknown).is_err());
    assert!(serde_json::from_str::<ProcessPolicy>(unknown).is_err());
    assert!(serde_json::from_str::<Budget>(r#"{"amount": {"steps": 1}, "pre": "day"}"#).is_err());
    assert!(serde_json::from_str::<ProviderPolicy>(unknown).is_err());
}

#[test]
fn errors_ids_times_and_retries_come_back() {
    let error = EnforcementViolation::new(ViolationType::StepLimit, 6, 5).to_error();
    round_trip(&error.with_step_id(StepId::new()).with_provider("provider").with_http_status(418).with_attempt(3));
    round_trip(&ExecutionId::new());
    round_trip(&TenantId::from("\u{202e}tenant"));
    round_trip(&Timestamp::from_nanos(u64::MAX));
    for retry in [Retry::Never, Retry::WhenFreed, Retry::AfterApproval, Retry::After(Duration::from_nanos(u64::MAX))] {
        round_trip(&retry);
    }
    round_trip(&NanoUsd::MAX);
}
