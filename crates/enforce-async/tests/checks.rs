//! What a check answers, on a clock that is moved by hand.

use std::time::Duration;

use enforce_async::{
    Action, Actual, Clock, Demand, EnforcementMiddleware, EnforcementPolicy, EnforcementResult, EnforcementViolation,
    Enforcer, ExecutionId, LimitActions, LongRunningExecutionPolicy, ManualClock, RegisterError, ResourceLimits, Retry,
    ScopeKind, TenantId, ViolationType,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn tenant() -> TenantId {
    TenantId::from("tenant_acme")
}

fn unlimited() -> ResourceLimits {
    ResourceLimits::unlimited()
}

fn disabled() -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy::disabled()
}

fn blocked(result: EnforcementResult) -> Option<EnforcementViolation> {
    match result {
        EnforcementResult::Blocked(violation) => Some(violation),
        _ => None,
    }
}

/// A middleware whose executions have no limits.
fn by_hand() -> Result<(EnforcementMiddleware, ManualClock), Box<dyn std::error::Error>> {
    let time = ManualClock::new();
    let enforcer = Enforcer::builder().clock(Clock::manual(&time)).build()?;
    Ok((EnforcementMiddleware::new_over(enforcer), time))
}

async fn registered(middleware: &EnforcementMiddleware) -> Result<ExecutionId, RegisterError> {
    let id = ExecutionId::new();
    middleware.register_execution(id.clone(), tenant()).await?;
    Ok(id)
}

#[tokio::test]
async fn wall_time_ends_when_limit_and_grace_have_passed() -> Outcome {
    let (middleware, time) = by_hand()?;
    let id = registered(&middleware).await?;
    let limits = ResourceLimits { max_wall_time_ms: 10_000, ..unlimited() };
    time.advance(Duration::from_millis(7_999));
    assert_eq!(middleware.check_wall_time_allowed(&id, &limits).await, EnforcementResult::Allowed);
    time.advance(Duration::from_millis(1));
    assert!(matches!(middleware.check_wall_time_allowed(&id, &limits).await, EnforcementResult::Warning(_)));
    time.advance(Duration::from_millis(2_999));
    assert!(middleware.check_wall_time_allowed(&id, &limits).await.is_allowed());
    time.advance(Duration::from_millis(1));
    let late = blocked(middleware.check_wall_time_allowed(&id, &limits).await).ok_or("not blocked")?;
    assert_eq!(late.to_string(), "wall_time_limit exceeded: 11000 / 10000 (110%)");
    Ok(())
}

#[tokio::test]
async fn blocks_and_warnings_come_in_the_order_of_the_seed() -> Outcome {
    let (middleware, time) = by_hand()?;
    let id = registered(&middleware).await?;
    let limits = ResourceLimits { max_steps: 10, max_tokens: 10, max_wall_time_ms: 10_000, ..unlimited() };
    let kind = |answer| match answer {
        EnforcementResult::Blocked(violation) => Some((true, violation.violation_type)),
        EnforcementResult::Warning(warning) => Some((false, warning.warning_type)),
        _ => None,
    };
    middleware.record_tokens(&id, 9, 0).await;
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((false, ViolationType::TokenLimit)));
    middleware.charge(&id, Actual::none().steps(8)).await?;
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((false, ViolationType::StepLimit)));
    time.advance(Duration::from_secs(9));
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((false, ViolationType::WallTimeLimit)));
    middleware.record_tokens(&id, 2, 0).await;
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((true, ViolationType::TokenLimit)));
    middleware.charge(&id, Actual::none().steps(2)).await?;
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((true, ViolationType::StepLimit)));
    time.advance(Duration::from_secs(2));
    assert_eq!(kind(middleware.check_all_limits(&id, &limits).await), Some((true, ViolationType::WallTimeLimit)));

    let id = registered(&middleware).await?;
    let policy = LongRunningExecutionPolicy {
        max_discovered_steps: Some(10),
        max_discovery_depth: Some(1),
        cost_alert_threshold_usd: Some("1".parse()?),
        idle_timeout_seconds: Some(10),
        ..disabled()
    };
    let asked = async || kind(middleware.check_long_running_limits(&id, &policy).await);
    time.advance(Duration::from_secs(9));
    assert_eq!(asked().await, Some((false, ViolationType::IdleTimeout)));
    for _ in 0..8 {
        middleware.record_discovered_step(&id).await;
    }
    assert_eq!(asked().await, Some((false, ViolationType::DiscoveredStepLimit)));
    middleware.record_cost(&id, 0.9).await;
    assert_eq!(asked().await, Some((false, ViolationType::CostThreshold)));
    time.advance(Duration::from_secs(10));
    assert_eq!(asked().await, Some((true, ViolationType::IdleTimeout)));
    for _ in 0..2 {
        middleware.record_discovered_step(&id).await;
    }
    assert_eq!(asked().await, Some((true, ViolationType::DiscoveredStepLimit)));
    middleware.push_discovery_depth(&id).await;
    assert_eq!(asked().await, Some((true, ViolationType::DiscoveryDepthLimit)));
    middleware.record_cost(&id, 0.1).await;
    assert_eq!(asked().await, Some((true, ViolationType::CostThreshold)));
    Ok(())
}

/// Where no idle limit is set, too; as in the seed for records, and beyond it for reservations.
#[tokio::test]
async fn records_and_reservations_count_as_activity() -> Outcome {
    let time = ManualClock::new();
    let enforcer = Enforcer::builder().clock(Clock::manual(&time)).build()?;
    let middleware = EnforcementMiddleware::from(enforcer);
    let policy = LongRunningExecutionPolicy { idle_timeout_seconds: Some(60), ..disabled() };
    let id = registered(&middleware).await?;
    let minute = Duration::from_secs(60);
    for _ in 0..3 {
        time.advance(minute);
        assert!(middleware.check_idle_timeout(&id, &policy).await.is_blocked());
        middleware.record_tokens(&id, 0, 0).await;
        assert_eq!(middleware.check_idle_timeout(&id, &policy).await, EnforcementResult::Allowed);
    }

    let id = ExecutionId::new();
    middleware.register_execution_with(id.clone(), tenant(), unlimited(), disabled()).await?;
    time.advance(minute);
    let hold = middleware.reserve(&id, Demand::step()).await?;
    time.advance(minute);
    assert_eq!(middleware.check_idle_timeout(&id, &policy).await, EnforcementResult::Allowed);
    hold.settle(Actual::none());
    time.advance(minute / 2);
    assert_eq!(middleware.check_idle_timeout(&id, &policy).await, EnforcementResult::Allowed);
    time.advance(minute / 2);
    assert!(middleware.check_idle_timeout(&id, &policy).await.is_blocked());
    Ok(())
}

/// What open holds have set aside is spoken for: room that they may give back is worth waiting for, debt is not.
#[tokio::test]
async fn tokens_in_open_holds_count_as_used() -> Outcome {
    let (middleware, _time) = by_hand()?;
    let (id, limits) = (registered(&middleware).await?, ResourceLimits { max_tokens: 100, ..unlimited() });
    let hold = middleware.reserve(&id, Demand::step().tokens(40, 20)).await?;
    let refused = blocked(middleware.check_tokens_allowed(&id, &limits, 50).await).ok_or("not blocked")?;
    assert_eq!((refused.used, refused.asked, refused.remaining), (60, 50, 40));
    assert_eq!(refused.retry, Retry::WhenFreed);
    hold.settle(Actual::tokens(40, 20));
    let refused = blocked(middleware.check_tokens_allowed(&id, &limits, 50).await).ok_or("not blocked")?;
    assert_eq!(refused.retry, Retry::Never);
    Ok(())
}

#[tokio::test]
async fn money_in_open_holds_brings_the_threshold_near_but_does_not_reach_it() -> Outcome {
    let (middleware, _time) = by_hand()?;
    let id = registered(&middleware).await?;
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some("1".parse()?), ..disabled() };
    let hold = middleware.reserve(&id, Demand::step().cost("2".parse()?)).await?;
    let near = middleware.check_cost_threshold(&id, &policy).await;
    assert!(matches!(near, EnforcementResult::Warning(warning) if warning.usage_percent == 200), "{near:?}");
    hold.settle(Actual::none().cost("1".parse()?));
    let reached = blocked(middleware.check_cost_threshold(&id, &policy).await).ok_or("not blocked")?;
    assert_eq!((reached.current, reached.limit), (1_000_000_000, 1_000_000_000));
    Ok(())
}

#[tokio::test]
async fn a_concurrency_violation_is_the_tenants_and_retryable() -> Outcome {
    let (middleware, _time) = by_hand()?;
    let id = registered(&middleware).await?;
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let refused = blocked(middleware.check_concurrency_allowed(&tenant(), &limits).await).ok_or("not blocked")?;
    assert_eq!((refused.scope, refused.retry), (ScopeKind::Tenant, Retry::WhenFreed));
    assert_eq!(refused.to_string(), "concurrency_limit exceeded: 2 / 1 (200%)");
    assert!(refused.to_error().is_retryable());
    middleware.unregister_execution(&id).await;
    assert_eq!(middleware.check_concurrency_allowed(&tenant(), &limits).await, EnforcementResult::Allowed);
    assert!(middleware.get_usage(&id).await.is_none());
    Ok(())
}

/// The limits that count are those that are passed, not those of the registration.
#[tokio::test]
async fn a_check_looks_at_the_passed_limits_alone() -> Outcome {
    let (middleware, _time) = by_hand()?;
    let id = ExecutionId::new();
    let own = ResourceLimits { max_tokens: 10, ..unlimited() };
    middleware.register_execution_with(id.clone(), tenant(), own, disabled()).await?;
    assert_eq!(middleware.check_tokens_allowed(&id, &unlimited(), 50).await, EnforcementResult::Allowed);
    assert!(middleware.reserve(&id, Demand::none().tokens(50, 0)).await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_observed_limit_warns_of_what_it_would_block() -> Outcome {
    let policy = EnforcementPolicy {
        actions: LimitActions { steps: Action::Observe, ..Default::default() },
        ..Default::default()
    };
    let middleware = EnforcementMiddleware::with_policy(policy);
    let id = registered(&middleware).await?;
    let limits = ResourceLimits { max_steps: 0, max_tokens: 0, ..unlimited() };
    let answer = middleware.check_step_allowed(&id, &limits).await;
    assert!(matches!(answer, EnforcementResult::Warning(warning) if warning.current == 1), "{answer:?}");
    assert!(middleware.check_tokens_allowed(&id, &limits, 1).await.is_blocked());
    Ok(())
}
