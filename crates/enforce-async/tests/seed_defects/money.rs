//! Money.

use crate::*;

#[tokio::test]
async fn cost_is_truncated_to_whole_cents_2500_calls_of_0_004_are_10_dollars() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    for _ in 0..2_500 {
        middleware.record_cost(&id, 0.004).await;
    }
    let snapshot = middleware.get_usage_snapshot(&id).await.ok_or("registered")?;
    assert_eq!((snapshot.cost_nano_usd, snapshot.cost_usd), (10_000_000_000, 10.0));
    Ok(())
}

#[tokio::test]
async fn cost_is_truncated_to_whole_cents_1250_calls_of_0_004_reach_a_threshold_of_5_dollars() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    let policy = LongRunningExecutionPolicy::standard();
    for _ in 0..1_249 {
        middleware.record_cost(&id, 0.004).await;
    }
    let near = middleware.check_cost_threshold(&id, &policy).await;
    assert!(matches!(near, EnforcementResult::Warning(warning) if warning.usage_percent == 99), "{near:?}");
    middleware.record_cost(&id, 0.004).await;
    let reached = blocked(middleware.check_cost_threshold(&id, &policy).await).ok_or("not blocked")?;
    assert_eq!(reached.to_string(), "cost_threshold exceeded: $5.00 / $5.00 (100%)");
    Ok(())
}

#[tokio::test]
async fn cost_that_is_no_money_is_recorded_as_something() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let id = registered(&middleware).await?;
    for cost in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.01, 1e300] {
        middleware.record_cost(&id, cost).await;
        assert!(middleware.try_record_cost(&id, cost).await.is_err(), "{cost}");
    }
    assert_eq!(middleware.get_usage(&id).await.map(|usage| usage.cost_nano_usd()), Some(0));
    assert_eq!(middleware.records_dropped(), 5);
    Ok(())
}

/// The seed reads `cost_threshold` as "pause for approval" and returns a fatal error, and nothing pauses.
#[tokio::test]
async fn the_cost_threshold_says_pause_and_returns_a_fatal_error() -> Outcome {
    let middleware = EnforcementMiddleware::new();
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some("0.01".parse()?), ..disabled() };
    let id = ExecutionId::new();
    let usage = middleware.register_execution_with(id.clone(), tenant(), unlimited(), policy.clone()).await?;

    let hold = middleware.reserve(&id, Demand::step().cost("0.02".parse()?)).await?;
    let settled = hold.settle(Actual::none().cost("0.01".parse()?));
    assert_eq!(settled.exhausted.map(|violation| violation.retry), Some(Retry::AfterApproval));
    assert!(matches!(usage.execution().status(), Status::Paused(_)));
    let refused = middleware.reserve(&id, Demand::step()).await.err().ok_or("paused")?;
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::Paused, Retry::AfterApproval));

    // Passed to a check, the threshold pauses nothing, but says what it waits for.
    let other = registered(&middleware).await?;
    middleware.record_cost(&other, 0.01).await;
    let advised = blocked(middleware.check_cost_threshold(&other, &policy).await).ok_or("not blocked")?;
    assert_eq!((advised.violation_type, advised.retry), (ViolationType::CostThreshold, Retry::AfterApproval));
    Ok(())
}
