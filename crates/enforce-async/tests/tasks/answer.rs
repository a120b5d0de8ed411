//! Refusals as HTTP answers.

use std::time::Duration;

use enforce_async::{
    Cause, Clock, Demand, EnforcementViolation, Enforcer, Execution, ManualClock, NetworkPolicy, ProviderPolicy,
    RegisterError, ResourceLimits, ViolationType, answer,
};
use http::Response;

/// Status, Retry-After, RateLimit-Policy, RateLimit.
fn head(violation: &EnforcementViolation) -> (u16, [Option<String>; 3]) {
    let answer: Response<String> = answer(violation);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let field = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), ["retry-after", "ratelimit-policy", "ratelimit"].map(field))
}

fn body(violation: &EnforcementViolation) -> serde_json::Value {
    serde_json::from_str(answer::<String>(violation).body()).unwrap()
}

fn run(limits: ResourceLimits) -> Execution {
    Enforcer::builder().limits(limits).build().unwrap().execution("exec", "tenant").register().unwrap()
}

fn fields(policy: &str, state: &str) -> [Option<String>; 2] {
    [Some(policy.to_owned()), Some(state.to_owned())]
}

fn tokens(max: u64) -> ResourceLimits {
    ResourceLimits { max_tokens: max, ..ResourceLimits::unlimited() }
}

#[test]
fn a_rate_says_when_to_come_back_and_never_too_early() {
    let time = ManualClock::new();
    let rates = ProviderPolicy { requests_per_minute: Some(6), request_burst: Some(1), ..Default::default() };
    let enforcer = Enforcer::builder().provider(rates).clock(Clock::manual(&time)).build().unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    let demand = Demand::none().provider(enforcer.provider("provider").unwrap());
    drop(run.reserve(demand).unwrap());
    time.advance(Duration::from_nanos(1));
    let (status, [retry_after, policy, state]) = head(&run.reserve(demand).unwrap_err());
    assert_eq!((status, retry_after.as_deref()), (429, Some("10")), "9.999999999 seconds, rounded up");
    // A rate's quota is its burst.
    assert_eq!([policy, state], fields(r#""rate_limit";q=1"#, r#""rate_limit";r=0;t=10"#));
}

#[test]
fn a_budget_says_what_is_left_and_not_to_come_back() {
    let refused = run(tokens(100)).reserve(Demand::step().tokens(60, 60)).unwrap_err();
    let (status, [retry_after, policy, state]) = head(&refused);
    assert_eq!((status, retry_after), (429, None));
    assert_eq!([policy, state], fields(r#""token_limit";q=100;qu="tokens""#, r#""token_limit";r=100"#));
}

#[test]
fn slots_are_to_be_tried_again() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build().unwrap();
    let _one = enforcer.execution("one", "tenant").register().unwrap();
    let Err(RegisterError::Refused(refused)) = enforcer.execution("two", "tenant").register() else {
        panic!("refused")
    };
    let (status, [retry_after, policy, _]) = head(&refused);
    assert_eq!((status, retry_after.as_deref()), (429, Some("1")));
    assert_eq!(policy.as_deref(), Some(r#""concurrency_limit";q=1;qu="concurrent-requests""#));
}

#[test]
fn what_is_no_quota_has_no_fields_of_one() {
    let stopped = run(tokens(1));
    stopped.halt(Cause::own(ViolationType::Requested));
    let halted = stopped.reserve(Demand::step()).unwrap_err();
    assert_eq!(head(&halted), (429, [None, None, None]));
    assert_eq!(body(&halted)["type"], "about:blank");
    assert_eq!(body(&halted)["title"], "Too Many Requests");

    let enforcer = Enforcer::builder().network(NetworkPolicy::AirGapped).build().unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    assert_eq!(head(&run.check_host("example.com").unwrap_err()), (403, [None, None, None]));
    assert_eq!(head(&EnforcementViolation::new(ViolationType::WallTimeLimit, 7, 5)).0, 504);
}

#[test]
fn the_problem_has_the_violation_in_it() {
    let refused = run(tokens(100)).reserve(Demand::step().tokens(60, 60)).unwrap_err();
    let body = body(&refused);
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!((body["status"].as_u64(), body["detail"].as_str()), (Some(429), Some(refused.to_string().as_str())));
    assert_eq!(body["violated-policies"], serde_json::json!(["token_limit"]));
    let read: EnforcementViolation = serde_json::from_value(body["violation"].clone()).unwrap();
    assert_eq!(read, refused);
}

#[test]
fn numbers_however_large_are_integers_of_a_structured_field() {
    let refused = EnforcementViolation::new(ViolationType::TokenLimit, 0, u64::MAX);
    let (_, [_, policy, state]) = head(&refused);
    let most = "999999999999999";
    assert_eq!(
        [policy, state],
        fields(&format!(r#""token_limit";q={most};qu="tokens""#), &format!(r#""token_limit";r={most}"#))
    );
}
