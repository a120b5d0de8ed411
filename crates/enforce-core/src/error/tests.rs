use proptest::prelude::*;

use super::ExecutionErrorCategory::*;
use super::*;

const CATEGORIES: [ExecutionErrorCategory; 8] =
    [LlmError, ToolError, PolicyViolation, Timeout, QuotaExceeded, KernelInternal, ValidationError, NetworkError];

const STRATEGIES: [BackoffStrategy; 4] =
    [BackoffStrategy::None, BackoffStrategy::Constant, BackoffStrategy::Linear, BackoffStrategy::Exponential];

fn any_policy() -> impl Strategy<Value = RetryPolicy> {
    (any::<bool>(), any::<u32>(), 0..4_usize, any::<Duration>(), any::<Duration>(), any::<bool>()).prop_map(
        |(retryable, max_retries, strategy, base_delay, max_delay, requires_idempotency_key)| RetryPolicy {
            retryable,
            max_retries,
            backoff_strategy: STRATEGIES[strategy],
            base_delay,
            max_delay,
            requires_idempotency_key,
        },
    )
}

proptest! {
    #[test]
    fn fatal_and_retryable_never_agree(category in 0..8_usize, policy in proptest::option::of(any_policy())) {
        let mut error = ExecutionError::new(CATEGORIES[category], "");
        if let Some(policy) = policy {
            error = error.with_retry_policy(policy);
        }
        prop_assert_ne!(error.is_fatal(), error.is_retryable());
        prop_assert!(!(error.is_fatal() && error.should_retry()));
    }

    #[test]
    fn no_delay_passes_the_longest(policy in any_policy(), attempt: u32) {
        prop_assert!(policy.delay_for_attempt(attempt) <= policy.max_delay);
    }

    #[test]
    fn a_delay_never_shrinks_with_the_attempts(policy in any_policy(), attempt: u32) {
        prop_assert!(policy.delay_for_attempt(attempt) <= policy.delay_for_attempt(attempt.saturating_add(1)));
    }
}

#[test]
fn an_overridden_policy_makes_a_quota_error_retryable() {
    let error = ExecutionError::quota_exceeded("full").with_retry_policy(RetryPolicy::retryable(2));
    assert!(error.is_retryable() && !error.is_fatal() && error.should_retry());
}

#[test]
fn four_categories_are_fatal() {
    let fatal: Vec<_> = CATEGORIES.into_iter().filter(ExecutionErrorCategory::is_fatal).collect();
    assert_eq!(fatal, [PolicyViolation, QuotaExceeded, KernelInternal, ValidationError]);
}

#[test]
fn each_category_has_its_http_status() {
    let statuses = CATEGORIES.map(|category| ExecutionError::new(category, "").to_http_status());
    assert_eq!(statuses, [502, 500, 403, 504, 429, 500, 400, 503]);
}

#[test]
fn an_http_status_of_its_own_replaces_the_category_s() {
    assert_eq!(ExecutionError::network("").with_http_status(418).to_http_status(), 418);
}

#[test]
fn each_constructor_has_its_category() {
    let errors = [
        ExecutionError::llm(LlmErrorCode::RateLimit, ""),
        ExecutionError::tool(ToolErrorCode::NotFound, ""),
        ExecutionError::policy_violation(""),
        ExecutionError::timeout(""),
        ExecutionError::quota_exceeded(""),
        ExecutionError::kernel_internal(""),
        ExecutionError::validation(""),
        ExecutionError::network(""),
    ];
    assert_eq!(errors.map(|error| error.category), CATEGORIES);
}

#[test]
fn each_strategy_spaces_attempts_in_its_way() {
    let (base, max) = (Duration::from_secs(2), Duration::from_secs(15));
    for (strategy, expected) in STRATEGIES.into_iter().zip([[0, 0, 0, 0], [2, 2, 2, 2], [2, 4, 6, 8], [2, 4, 8, 15]]) {
        let delays = [1, 2, 3, 4].map(|attempt| strategy.calculate_delay(base, attempt, max).as_secs());
        assert_eq!(delays, expected, "{strategy:?}");
    }
}

#[test]
fn a_doubling_beyond_32_bits_is_exact() {
    let delay = BackoffStrategy::Exponential.calculate_delay(Duration::from_nanos(1), 41, Duration::MAX);
    assert_eq!(delay, Duration::from_nanos(1 << 40));
}

#[test]
fn huge_attempts_wait_the_longest_delay() {
    for strategy in [BackoffStrategy::Linear, BackoffStrategy::Exponential] {
        for max in [Duration::from_secs(30), Duration::MAX] {
            assert_eq!(strategy.calculate_delay(Duration::from_secs(u64::MAX / 2), u32::MAX, max), max);
        }
    }
}

#[test]
fn retries_end_after_max_retries() {
    let policy = RetryPolicy::retryable(2);
    assert_eq!([1, 2, 3].map(|attempt| policy.should_retry(attempt)), [true, true, false]);
}

#[test]
fn the_attempt_number_stops_at_its_largest() {
    let error = ExecutionError::timeout("").with_attempt(u32::MAX);
    assert_eq!(error.next_attempt().attempt, u32::MAX);
    assert_eq!(ExecutionError::timeout("").next_attempt().attempt, 2);
}

#[test]
fn it_prints_category_message_code_and_later_attempts() {
    let error = ExecutionError::llm(LlmErrorCode::RateLimit, "Too many requests");
    assert_eq!(error.to_string(), "[LlmError] Too many requests (rate_limit)");
    assert_eq!(error.with_attempt(3).to_string(), "[LlmError] Too many requests (rate_limit) [attempt 3]");
    assert_eq!(ExecutionError::timeout("late").to_string(), "[Timeout] late");
}

#[test]
fn codes_print_as_they_serialize() {
    use {LlmErrorCode as Llm, ToolErrorCode as Tool};
    for code in [
        Llm::RateLimit,
        Llm::ContextOverflow,
        Llm::ContentFiltered,
        Llm::InvalidRequest,
        Llm::AuthFailed,
        Llm::ModelUnavailable,
        Llm::ProviderError,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.to_string());
    }
    for code in [
        Tool::NotFound,
        Tool::PermissionDenied,
        Tool::InvalidInput,
        Tool::ExecutionFailed,
        Tool::Timeout,
        Tool::OutputInvalid,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.to_string());
    }
    for category in CATEGORIES {
        assert_eq!(serde_json::to_value(category).unwrap(), category.to_string());
    }
}

#[test]
fn an_error_survives_json() {
    let error = ExecutionError::tool(ToolErrorCode::Timeout, "slow")
        .with_step_id(StepId::from("step_1"))
        .with_provider("shell")
        .with_details(serde_json::json!({"after": 3}));
    let json = serde_json::to_value(&error).unwrap();
    assert_eq!(json["retry_policy"]["base_delay"], 500);
    assert_eq!(serde_json::from_value::<ExecutionError>(json).unwrap(), error);
}

#[test]
fn a_delay_is_written_in_milliseconds_never_shorter_than_it_is() {
    let mut policy = RetryPolicy::retryable(1);
    policy.base_delay = Duration::from_nanos(1_000_001);
    policy.max_delay = Duration::MAX;
    let json = serde_json::to_value(&policy).unwrap();
    assert_eq!((json["base_delay"].as_u64(), json["max_delay"].as_u64()), (Some(2), Some(u64::MAX)));
}

#[test]
fn malformed_json_is_a_validation_error() {
    let error = ExecutionError::from(serde_json::from_str::<u8>("x").unwrap_err());
    assert_eq!(error.category, ValidationError);
    assert!(error.message.starts_with("JSON error: "), "{}", error.message);
}

#[test]
fn io_errors_are_sorted_by_kind() {
    for (kind, category) in [
        (io::ErrorKind::TimedOut, Timeout),
        (io::ErrorKind::ConnectionRefused, NetworkError),
        (io::ErrorKind::ConnectionReset, NetworkError),
        (io::ErrorKind::ConnectionAborted, NetworkError),
        (io::ErrorKind::NotFound, KernelInternal),
    ] {
        assert_eq!(ExecutionError::from(io::Error::new(kind, "x")).category, category, "{kind:?}");
    }
}

#[test]
fn an_error_is_stamped_in_milliseconds_of_this_age() {
    // 2020 to 2200.
    assert!((1_577_836_800_000..7_258_118_400_000).contains(&ExecutionError::timeout("").occurred_at));
}

#[test]
fn a_clock_that_stands_before_1970_gives_a_negative_stamp() {
    let second = Duration::from_secs(1);
    assert_eq!((unix_ms(UNIX_EPOCH - second), unix_ms(UNIX_EPOCH + second)), (-1_000, 1_000));
}
