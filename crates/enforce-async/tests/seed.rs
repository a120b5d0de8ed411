//! The eight tests of the module that this crate took its names from: imports changed, struct literals completed,
//! registration unwrapped; every assertion as it was.

use std::time::Duration;

use enforce_async::{
    EnforcementMiddleware, EnforcementPolicy, EnforcementResult, EnforcementViolation, ExecutionErrorCategory,
    ExecutionId, ExecutionUsage, ResourceLimits, StepId, StepTimeoutGuard, TenantId, ViolationType,
};

#[tokio::test]
async fn test_usage_tracking() {
    let exec_id = ExecutionId::new();
    let tenant_id = TenantId::from("tenant_test123456789012345");
    let usage = ExecutionUsage::new(exec_id, tenant_id);

    usage.record_step();
    usage.record_step();
    assert_eq!(usage.step_count(), 2);

    usage.record_tokens(100, 50);
    assert_eq!(usage.total_tokens(), 150);
}

#[tokio::test]
async fn test_step_limit_enforcement() {
    let middleware = EnforcementMiddleware::new();
    let exec_id = ExecutionId::new();
    let tenant_id = TenantId::from("tenant_test123456789012345");

    let limits = ResourceLimits {
        max_steps: 5,
        max_tokens: 1000,
        max_wall_time_ms: 60000,
        max_memory_mb: None,
        max_concurrent_executions: None,
        ..Default::default()
    };

    let usage = middleware.register_execution(exec_id.clone(), tenant_id).await.unwrap();

    for _ in 0..5 {
        let result = middleware.check_step_allowed(&exec_id, &limits).await;
        assert!(result.is_allowed(), "Step should be allowed");
        usage.record_step();
    }

    let result = middleware.check_step_allowed(&exec_id, &limits).await;
    assert!(result.is_blocked(), "Step should be blocked");
}

#[tokio::test]
async fn test_token_limit_enforcement() {
    let middleware = EnforcementMiddleware::new();
    let exec_id = ExecutionId::new();
    let tenant_id = TenantId::from("tenant_test123456789012345");

    let limits = ResourceLimits {
        max_steps: 100,
        max_tokens: 100,
        max_wall_time_ms: 60000,
        max_memory_mb: None,
        max_concurrent_executions: None,
        ..Default::default()
    };

    let usage = middleware.register_execution(exec_id.clone(), tenant_id).await.unwrap();

    usage.record_tokens(50, 30);

    let result = middleware.check_tokens_allowed(&exec_id, &limits, 25).await;
    assert!(result.is_blocked(), "Should be blocked when exceeding limit");

    let result = middleware.check_tokens_allowed(&exec_id, &limits, 10).await;
    assert!(result.is_allowed(), "Should be allowed within limit");
}

#[tokio::test]
async fn test_warning_threshold() {
    let policy = EnforcementPolicy { warning_threshold: 80, ..Default::default() };
    let middleware = EnforcementMiddleware::with_policy(policy);
    let exec_id = ExecutionId::new();
    let tenant_id = TenantId::from("tenant_test123456789012345");

    let limits = ResourceLimits {
        max_steps: 10,
        max_tokens: 1000,
        max_wall_time_ms: 60000,
        max_memory_mb: None,
        max_concurrent_executions: None,
        ..Default::default()
    };

    let usage = middleware.register_execution(exec_id.clone(), tenant_id).await.unwrap();

    for _ in 0..7 {
        usage.record_step();
    }

    let result = middleware.check_step_allowed(&exec_id, &limits).await;
    assert!(matches!(result, EnforcementResult::Warning(_)));
}

#[test]
fn test_step_timeout_guard() {
    let step_id = StepId::new();
    let guard = StepTimeoutGuard::new(step_id, Duration::from_millis(100));

    assert!(!guard.is_timed_out());
    assert!(guard.check().is_ok());

    // The one test that sleeps: this guard goes by the system's time.
    std::thread::sleep(Duration::from_millis(150));

    assert!(guard.is_timed_out());
    assert!(guard.check().is_err());
}

#[tokio::test]
async fn test_concurrency_limit() {
    let middleware = EnforcementMiddleware::new();
    let tenant_id = TenantId::from("tenant_test123456789012345");

    let limits = ResourceLimits {
        max_steps: 100,
        max_tokens: 1000,
        max_wall_time_ms: 60000,
        max_memory_mb: None,
        max_concurrent_executions: Some(2),
        ..Default::default()
    };

    let exec1 = ExecutionId::new();
    let exec2 = ExecutionId::new();
    middleware.register_execution(exec1.clone(), tenant_id.clone()).await.unwrap();
    middleware.register_execution(exec2.clone(), tenant_id.clone()).await.unwrap();

    let result = middleware.check_concurrency_allowed(&tenant_id, &limits).await;
    assert!(result.is_blocked());

    middleware.unregister_execution(&exec1).await;

    let result = middleware.check_concurrency_allowed(&tenant_id, &limits).await;
    assert!(result.is_allowed());
}

#[test]
fn test_network_violation_type() {
    let violation = EnforcementViolation::new(ViolationType::NetworkViolation, 0, 0);

    let error = violation.to_error();
    assert_eq!(error.category, ExecutionErrorCategory::PolicyViolation);
    assert!(!error.is_retryable());
    assert!(error.is_fatal());
}

#[test]
fn test_violation_type_display_network() {
    assert_eq!(format!("{}", ViolationType::NetworkViolation), "network_violation");
}
