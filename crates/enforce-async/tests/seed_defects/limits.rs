//! Limits that wrap, and limits that nothing enforces.

use crate::*;

#[tokio::test]
async fn u32_totals_wrap() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    let most = u64::from(u32::MAX);
    middleware.record_tokens(&id, most, most).await;
    middleware.record_tokens(&id, most, 0).await;
    let snapshot = middleware.get_usage_snapshot(&id).await.ok_or("registered")?;
    assert_eq!((snapshot.input_tokens, snapshot.output_tokens, snapshot.total_tokens), (2 * most, most, 3 * most));
    let limits = ResourceLimits { max_tokens: 3 * most, ..unlimited() };
    assert!(middleware.check_tokens_allowed(&id, &limits, 0).await.is_allowed());
    assert!(middleware.check_tokens_allowed(&id, &limits, 1).await.is_blocked());
    assert!(middleware.check_tokens_allowed(&id, &limits, u64::MAX).await.is_blocked());
    Ok(())
}

#[tokio::test]
async fn limit_plus_grace_wraps() -> Outcome {
    let (middleware, time) = by_hand()?;
    let id = registered(&middleware).await?;
    time.advance(Duration::from_secs(86_400));
    for max_wall_time_ms in [u64::MAX - 1, u64::MAX - 999, u64::MAX] {
        let limits = ResourceLimits { max_wall_time_ms, ..unlimited() };
        assert_eq!(middleware.check_wall_time_allowed(&id, &limits).await, EnforcementResult::Allowed);
    }
    Ok(())
}

#[tokio::test]
async fn the_percentage_of_limit_0() -> Outcome {
    let (middleware, _time) = by_hand()?;
    let id = registered(&middleware).await?;
    let limits = ResourceLimits { max_steps: 0, max_tokens: 0, max_wall_time_ms: 0, ..unlimited() };
    let policy = LongRunningExecutionPolicy {
        max_discovered_steps: Some(0),
        max_discovery_depth: Some(0),
        cost_alert_threshold_usd: Some(NanoUsd::ZERO),
        idle_timeout_seconds: Some(0),
        ..disabled()
    };
    let answers = [
        (middleware.check_step_allowed(&id, &limits).await, "step_limit exceeded: 1 / 0"),
        (middleware.check_tokens_allowed(&id, &limits, 1).await, "token_limit exceeded: 1 / 0"),
        (middleware.check_wall_time_allowed(&id, &limits).await, "wall_time_limit exceeded: 0 / 0"),
        (middleware.check_discovered_step_limit(&id, &policy).await, "discovered_step_limit exceeded: 1 / 0"),
        (middleware.check_discovery_depth_limit(&id, &policy).await, "discovery_depth_limit exceeded: 1 / 0"),
        (middleware.check_cost_threshold(&id, &policy).await, "cost_threshold exceeded: $0.00 / $0.00"),
        (middleware.check_idle_timeout(&id, &policy).await, "idle_timeout exceeded: 0 / 0"),
    ];
    for (answer, message) in answers {
        assert_eq!(blocked(answer).map(|violation| violation.to_string()).as_deref(), Some(message));
    }
    assert_eq!(middleware.check_tokens_allowed(&id, &limits, 0).await, EnforcementResult::Allowed);
    Ok(())
}

#[tokio::test]
async fn the_loop_limit_is_never_enforced() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = ExecutionId::new();
    let policy = LongRunningExecutionPolicy { max_same_step_repetitions: Some(3), ..disabled() };
    middleware.register_execution_with(id.clone(), tenant(), unlimited(), policy).await?;
    let same = Demand::step().fingerprint(7);
    for _ in 0..2 {
        middleware.reserve(&id, same).await?.settle(Actual::none());
    }
    let refused = middleware.reserve(&id, same).await.err().ok_or("a third equal step")?;
    assert_eq!(refused.violation_type, ViolationType::SameStepLoop);
    let halted = middleware.reserve(&id, Demand::step()).await.err().ok_or("halted")?;
    assert_eq!(halted.to_string(), "halted by same_step_loop");
    Ok(())
}

#[tokio::test]
async fn the_memory_limit_is_never_enforced() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let (id, limits) = (ExecutionId::new(), ResourceLimits { max_memory_mb: Some(1), ..unlimited() });
    middleware.register_execution_with(id.clone(), tenant(), limits, disabled()).await?;
    let all = middleware.reserve(&id, Demand::none().memory_bytes(1 << 20)).await?;
    let refused = middleware.reserve(&id, Demand::none().memory_bytes(1)).await.err().ok_or("a byte too many")?;
    assert_eq!((refused.violation_type, refused.to_error().to_http_status()), (ViolationType::MemoryLimit, 429));
    drop(all);
    assert!(middleware.reserve(&id, Demand::none().memory_bytes(1)).await.is_ok());
    Ok(())
}

/// The seed's token bucket is never asked, and would lose the fractions: 60 a minute is one a second, to the nanosecond.
#[tokio::test]
async fn the_rate_limit_is_dead_and_loses_fractions() -> Outcome {
    let time = ManualClock::new();
    let rates = ProviderPolicy { requests_per_minute: Some(60), request_burst: Some(1), ..Default::default() };
    let enforcer = Enforcer::builder().provider(rates).clock(Clock::manual(&time)).build()?;
    let provider = enforcer.provider("anthropic")?;
    let middleware = EnforcementMiddleware::from(enforcer);
    let id = registered(&middleware).await?;
    let call = Demand::step().provider(provider);
    assert!(middleware.reserve(&id, call).await.is_ok());
    for _ in 0..2 {
        time.advance(Duration::from_nanos(499_999_999));
        let refused = middleware.reserve(&id, call).await.err().ok_or("too early")?;
        assert_eq!(refused.rates, Some(RatesRefused::Requests));
    }
    time.advance(Duration::from_nanos(2));
    assert!(middleware.reserve(&id, call).await.is_ok());
    let error = middleware.reserve(&id, call).await.err().ok_or("too early")?.to_error();
    assert_eq!((error.to_http_status(), error.is_retryable()), (429, true));
    assert_eq!(error.retry_delay(), Duration::from_secs(1));
    Ok(())
}

/// In the seed nothing is ever halted: a refusal is forgotten by the next check.
#[tokio::test]
async fn a_check_forgets_that_the_execution_has_been_stopped() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = ExecutionId::new();
    let limits = ResourceLimits { max_steps: 1, ..unlimited() };
    let usage = middleware.register_execution_with(id.clone(), tenant(), limits, disabled()).await?;
    middleware.record_step(&id).await;
    assert!(middleware.reserve(&id, Demand::step()).await.is_err());
    let generous = ResourceLimits { max_steps: 1_000, ..unlimited() };
    let stopped = blocked(middleware.check_all_limits(&id, &generous).await).ok_or("not blocked")?;
    assert_eq!(stopped.to_string(), "halted by step_limit");
    assert_eq!(middleware.enforcer().live_executions("tenant_acme"), 0);

    // What was used is recorded all the same.
    middleware.record_tokens(&id, 7, 5).await;
    assert_eq!((usage.total_tokens(), middleware.records_dropped()), (12, 0));
    Ok(())
}
