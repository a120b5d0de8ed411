//! The migration guide is whole: nothing of the old API is missing from it. Its blocks are compiled elsewhere.

const GUIDE: &str = include_str!("../../../docs/migration.md");

/// Every public function of the old module and of the types in its signatures, but `new`.
const FUNCTIONS: &[&str] = &[
    // EnforcementMiddleware
    "with_policy",
    "emit_warning_events_enabled",
    "register_execution",
    "unregister_execution",
    "get_usage",
    "get_usage_snapshot",
    "check_step_allowed",
    "check_tokens_allowed",
    "check_wall_time_allowed",
    "check_concurrency_allowed",
    "check_all_limits",
    "check_discovered_step_limit",
    "check_discovery_depth_limit",
    "check_cost_threshold",
    "check_idle_timeout",
    "check_long_running_limits",
    "record_step",
    "record_tokens",
    "record_discovered_step",
    "record_cost",
    "push_discovery_depth",
    "pop_discovery_depth",
    // ExecutionUsage
    "record_cost_usd",
    "touch",
    "step_count",
    "discovered_step_count",
    "current_discovery_depth",
    "total_tokens",
    "cost_usd",
    "wall_time",
    "wall_time_ms",
    "idle_duration",
    "idle_seconds",
    // LongRunningExecutionPolicy
    "standard",
    "extended",
    "unlimited",
    "disabled",
    // EnforcementResult, EnforcementViolation
    "is_allowed",
    "is_blocked",
    "to_error",
    // StepTimeoutGuard
    "is_timed_out",
    "remaining",
    "elapsed",
    "check",
    // ExecutionError
    "llm",
    "tool",
    "policy_violation",
    "timeout",
    "quota_exceeded",
    "kernel_internal",
    "validation",
    "network",
    "with_code",
    "with_attempt",
    "with_step_id",
    "with_provider",
    "with_http_status",
    "with_details",
    "with_retry_policy",
    "is_retryable",
    "is_fatal",
    "should_retry",
    "retry_delay",
    "next_attempt",
    "to_http_status",
    // ExecutionErrorCategory, RetryPolicy, BackoffStrategy
    "default_retry_policy",
    "fatal",
    "retryable",
    "delay_for_attempt",
    "calculate_delay",
    // ExecutionId, TenantId, StepId
    "from_string",
    "as_str",
    // By their types
    "EnforcementMiddleware::new",
    "ExecutionUsage::new",
    "EnforcementViolation::new",
    "EnforcementWarning::new",
    "StepTimeoutGuard::new",
    "ExecutionError::new",
    "ExecutionId::new",
    "TenantId::new",
    "StepId::new",
];

/// Types that are old and new, but have no function of their own.
const DATA: &[&str] = &[
    "EnforcementPolicy",
    "EnforcementResult",
    "LlmErrorCode",
    "ResourceLimits",
    "ToolErrorCode",
    "UsageSnapshot",
    "ViolationType",
];

/// The code of all blocks that begin with this fence.
fn code(fence: &str) -> String {
    let mut inside = false;
    let mut code = String::new();
    for line in GUIDE.lines() {
        match line.strip_prefix("```") {
            Some(language) => inside = language == fence,
            None if inside => code.extend([line, "\n"]),
            None => {}
        }
    }
    code
}

/// Whether `name` is in `code` as a word of its own, with `after` behind it.
fn has(code: &str, name: &str, after: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let behind = &code[at + name.len()..];
        !code[..at].ends_with(of_word) && !behind.starts_with(of_word) && behind.starts_with(after)
    })
}

fn missing_from(fence: &str) -> Vec<&'static str> {
    let code = code(fence);
    let functions = FUNCTIONS.iter().filter(|name| !has(&code, name, "("));
    functions.chain(DATA.iter().filter(|name| !has(&code, name, ""))).copied().collect()
}

#[test]
fn every_old_name_is_in_old_code() {
    assert_eq!(missing_from("rs"), [""; 0]);
}

#[test]
fn every_old_name_is_in_new_code() {
    assert_eq!(missing_from("rust"), [""; 0]);
}
