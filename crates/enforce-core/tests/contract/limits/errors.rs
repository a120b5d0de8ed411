//! Refusals as lines and as errors.

use std::time::Duration;

use enforce_core::{
    Actual, BackoffStrategy, Demand, EnforcementResult, EnforcementViolation, EnforcementWarning,
    ExecutionErrorCategory, NanoUsd, ProviderPolicy, RegisterError, ResourceLimits, TenantPolicy, ViolationType,
};

use crate::common::{MAX, builder, noon, register, unlimited};

/// (category, HTTP status, retryable) of each violation, made by hand.
#[test]
fn every_violation_has_its_category_its_status_and_its_answer_to_trying_again() {
    use ExecutionErrorCategory as Category;
    let table = [
        (ViolationType::StepLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::TokenLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::WallTimeLimit, Category::Timeout, 504, true),
        (ViolationType::MemoryLimit, Category::QuotaExceeded, 429, true),
        (ViolationType::ConcurrencyLimit, Category::QuotaExceeded, 429, true),
        (ViolationType::RateLimit, Category::LlmError, 429, true),
        (ViolationType::NetworkViolation, Category::PolicyViolation, 403, false),
        (ViolationType::DiscoveredStepLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::DiscoveryDepthLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::CostThreshold, Category::QuotaExceeded, 429, false),
        (ViolationType::CostLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::IdleTimeout, Category::QuotaExceeded, 429, false),
        (ViolationType::SameStepLoop, Category::QuotaExceeded, 429, false),
        (ViolationType::UnknownExecution, Category::QuotaExceeded, 429, false),
        (ViolationType::Halted, Category::QuotaExceeded, 429, false),
        (ViolationType::Paused, Category::QuotaExceeded, 429, false),
        (ViolationType::Closed, Category::QuotaExceeded, 429, false),
        (ViolationType::ChildLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::AllowanceLimit, Category::QuotaExceeded, 429, false),
        (ViolationType::HoldExpired, Category::QuotaExceeded, 429, false),
    ];
    for (violation_type, category, status, retryable) in table {
        let violation = EnforcementViolation::new(violation_type, 6, 5);
        let error = EnforcementResult::Blocked(violation).to_error().unwrap();
        assert_eq!((error.category, error.to_http_status()), (category, status), "{violation_type}");
        assert_eq!((error.is_retryable(), error.is_fatal()), (retryable, !retryable), "{violation_type}");
        assert_eq!((error.message, error.code.as_deref()), (violation.to_string(), Some(violation_type.as_str())));
        let details = error.details.unwrap();
        assert_eq!(
            (&details["current"], &details["limit"], &details["violation_type"]),
            (&6.into(), &5.into(), &violation_type.as_str().into())
        );
    }
    assert_eq!(EnforcementResult::Allowed.to_error(), None);
}

#[test]
fn a_rate_is_retried_after_its_delay_and_never_when_it_never_fits() {
    let policy = ProviderPolicy { tokens_per_minute: Some(60), token_burst: Some(10), ..Default::default() };
    let enforcer = builder(&noon()).provider(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("provider").unwrap());
    run.reserve(demand.tokens(10, 0)).unwrap().settle(Actual::tokens(10, 0));
    let error = run.reserve(demand.tokens(3, 0)).unwrap_err().to_error();
    assert_eq!(
        (error.should_retry(), error.retry_delay(), error.to_http_status()),
        (true, Duration::from_secs(3), 429)
    );
    assert_eq!(error.retry_policy.backoff_strategy, BackoffStrategy::Constant);
    assert_eq!(error.next_attempt().retry_delay(), Duration::from_secs(3));
    let never = run.reserve(demand.tokens(11, 0)).unwrap_err().to_error();
    assert_eq!((never.is_fatal(), never.to_http_status()), (true, 429));
}

#[test]
fn a_quota_that_frees_itself_is_retried_and_one_that_never_fits_is_not() {
    let limits = ResourceLimits { max_memory_mb: Some(1), max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let _hold = run.reserve(Demand::none().memory_bytes(1 << 20)).unwrap();
    assert!(run.reserve(Demand::none().memory_bytes(1)).unwrap_err().to_error().is_retryable());
    assert!(run.reserve(Demand::none().memory_bytes((1 << 20) + 1)).unwrap_err().to_error().is_fatal());
    let refused = |enforcer: &enforce_core::Enforcer| match enforcer.execution("next", "tenant").register() {
        Err(RegisterError::Refused(violation)) => violation.to_error(),
        other => panic!("{other:?}"),
    };
    assert!(refused(&enforcer).is_retryable());
    let none = ResourceLimits { max_concurrent_executions: Some(0), ..unlimited() };
    assert!(refused(&builder(&noon()).limits(none).build().unwrap()).is_fatal());
}

#[test]
fn messages_have_the_seeds_form() {
    let lines = [
        (ViolationType::StepLimit, 6, 5, "step_limit exceeded: 6 / 5 (120%)"),
        (ViolationType::TokenLimit, 105, 100, "token_limit exceeded: 105 / 100 (105%)"),
        (ViolationType::CostThreshold, 5_004_000_000, 5_000_000_000, "cost_threshold exceeded: $5.004 / $5.00 (100%)"),
        (ViolationType::CostLimit, 1, MAX, "cost_limit exceeded: $0.000000001 / $72057594.037927935 (0%)"),
        (ViolationType::NetworkViolation, 0, 0, "network_violation exceeded: 0 / 0"),
        (ViolationType::MemoryLimit, u64::MAX, 1, "memory_limit exceeded: 18446744073709551615 / 1 (4294967295%)"),
    ];
    for (violation_type, current, limit, line) in lines {
        assert_eq!(EnforcementViolation::new(violation_type, current, limit).message(), line);
    }
    assert_eq!(EnforcementWarning::new(ViolationType::StepLimit, 8, 10).message(), "step_limit at 80%: 8 / 10");
    assert_eq!(EnforcementWarning::new(ViolationType::StepLimit, 0, 0).usage_percent, 0);
}

#[test]
fn a_code_says_whether_the_same_request_may_succeed_later() {
    use enforce_core::{LlmErrorCode as Llm, ToolErrorCode as Tool};
    let llm = [
        (Llm::RateLimit, true),
        (Llm::ContextOverflow, false),
        (Llm::ContentFiltered, false),
        (Llm::InvalidRequest, false),
        (Llm::AuthFailed, false),
        (Llm::ModelUnavailable, true),
        (Llm::ProviderError, true),
    ];
    let tool = [
        (Tool::NotFound, false),
        (Tool::PermissionDenied, false),
        (Tool::InvalidInput, false),
        (Tool::ExecutionFailed, true),
        (Tool::Timeout, true),
        (Tool::OutputInvalid, false),
    ];
    assert_eq!(llm.map(|(code, _)| (code, code.is_retryable())), llm);
    assert_eq!(tool.map(|(code, _)| (code, code.is_retryable())), tool);
}

#[test]
fn an_error_names_the_one_that_it_comes_from() {
    use std::error::Error;
    let enforcer = builder(&noon()).max_executions(2).build().unwrap();
    let why = |id: &str, limits: ResourceLimits| {
        let error = enforcer.execution(id, "tenant").limits(limits).register().unwrap_err();
        error.source().map(|from| (from.to_string(), error.to_string()))
    };
    let _run = register(&enforcer, "exec", "tenant");
    for same in [why("", unlimited()), why("more", ResourceLimits { max_steps: u64::MAX - 1, ..unlimited() }), {
        enforcer
            .set_tenant("tenant", TenantPolicy { max_concurrent_executions: Some(1), ..Default::default() })
            .unwrap();
        why("more", unlimited())
    }] {
        let (from, error) = same.unwrap();
        assert_eq!(from, error);
    }
    assert_eq!(why("exec", unlimited()), None, "a duplicate comes from nothing");
}

#[test]
fn text_that_is_no_money_is_told_what_money_is() {
    let error = serde_json::from_str::<NanoUsd>("[]").unwrap_err().to_string();
    assert!(error.contains("expected dollars as a decimal string such as \"5.00\" or as a whole number"), "{error}");
}

#[test]
fn every_field_of_a_refusal_is_read_again() {
    let enforcer = builder(&noon()).allowance("search", 0).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let refused = run.reserve(Demand::step().allowance(enforcer.allowance("search").unwrap())).unwrap_err();
    assert!(refused.allowance.is_some());
    let (mut in_debt, mut behind) = (refused, refused);
    in_debt.overdraft = 7;
    behind.queued = true;
    for whole in [refused, in_debt, behind] {
        let written = serde_json::to_value(whole).unwrap();
        assert_eq!(serde_json::from_value::<EnforcementViolation>(written).unwrap(), whole);
    }
}

#[test]
fn an_allowance_that_another_enforcer_knows_is_refused_by_its_key() {
    let [other, enforcer] = [["search", "mail"].as_slice(), &["search"]]
        .map(|names| names.iter().fold(builder(&noon()), |builder, name| builder.allowance(*name, 5)).build().unwrap());
    let mail = other.allowance("mail").unwrap();
    let refused = register(&enforcer, "exec", "tenant").reserve(Demand::step().allowance(mail)).unwrap_err();
    assert_eq!((refused.violation_type, refused.allowance), (ViolationType::AllowanceLimit, Some(mail)));
}
