//! A refusal as an HTTP answer.

use enforce_core::{EnforcementViolation, RatesRefused, Retry, ViolationType};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;

/// Fields of draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The problem type of the same draft.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The largest integer of a structured field (RFC 9651).
const LARGEST: u64 = 999_999_999_999_999;

/// The answer to whoever was refused:
///
/// - the status of [`ExecutionError::to_http_status`](enforce_core::ExecutionError::to_http_status): 429 for rates, quotas
///   and states, 504 for the wall time, 403 for the network;
/// - `Retry-After` in whole seconds, rounded up, where trying again helps. Who comes back then does not come too early, but
///   others may have come first;
/// - `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10 where a limit counts something: its
///   name, how much there is (of a rate: its burst) and in what unit, what is left of it, and when there is more, if that is
///   known. They tell whoever asks how much is left; take them out for strangers where the limit is not theirs alone;
/// - a body of `application/problem+json` (RFC 9457) that has the violation in it, as it serializes.
///
/// ```
/// use std::time::Duration;
/// use enforce_async::{Demand, Enforcer, ProviderPolicy, answer};
///
/// let rates = ProviderPolicy { requests_per_minute: Some(6), request_burst: Some(1), ..Default::default() };
/// let enforcer = Enforcer::builder().provider(rates).build()?;
/// let run = enforcer.execution("exec_1", "tenant_acme").register()?;
/// let demand = Demand::step().provider(enforcer.provider("model-api")?);
/// run.reserve(demand)?.settle(enforce_async::Actual::none());
///
/// let refused = run.reserve(demand).unwrap_err();
/// let answer: http::Response<String> = answer(&refused);
/// assert_eq!(answer.status(), 429);
/// assert_eq!(answer.headers()["retry-after"], "10");
/// assert_eq!(answer.headers()["ratelimit"], r#""rate_limit";r=0;t=10"#);
/// assert!(answer.body().contains("quota-exceeded"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn answer<B: From<String>>(violation: &EnforcementViolation) -> Response<B> {
    let error = violation.to_error();
    let status = StatusCode::from_u16(error.to_http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = error.is_retryable().then(|| seconds(error.retry_delay()));
    let unit = unit(violation);

    let mut answer = Response::new(B::from(problem(violation, status, unit.is_some())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM);
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(unit) = unit {
        let (name, limit, left) = (violation.violation_type, capped(violation.limit), capped(violation.remaining));
        let unit = if unit == REQUESTS { String::new() } else { format!(";qu=\"{unit}\"") };
        let reset = match violation.retry {
            Retry::After(delay) => format!(";t={}", capped(seconds(delay))),
            _ => String::new(),
        };
        let fields = [(POLICY, format!("\"{name}\";q={limit}{unit}")), (STATE, format!("\"{name}\";r={left}{reset}"))];
        for (field, value) in fields {
            // Names, digits and punctuation: always a value.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(field, value);
            }
        }
    }
    answer
}

/// The unit that the draft takes where none is named.
const REQUESTS: &str = "requests";

/// What its limit counts, in words of the draft where it has them; `None` of what is no quota.
fn unit(violation: &EnforcementViolation) -> Option<&'static str> {
    Some(match violation.violation_type {
        ViolationType::RateLimit if violation.rates == Some(RatesRefused::Tokens) => "tokens",
        ViolationType::RateLimit => REQUESTS,
        ViolationType::ConcurrencyLimit => "concurrent-requests",
        ViolationType::TokenLimit => "tokens",
        ViolationType::StepLimit | ViolationType::DiscoveredStepLimit => "steps",
        ViolationType::CostLimit | ViolationType::CostThreshold => "nano-usd",
        ViolationType::AllowanceLimit => "calls",
        _ => return None,
    })
}

fn problem(violation: &EnforcementViolation, status: StatusCode, quota: bool) -> String {
    let (kind, title) = match quota {
        true => (QUOTA_EXCEEDED, "Request cannot be satisfied as assigned quota has been exceeded"),
        // Of a problem without a type of its own the title is the status's.
        false => ("about:blank", status.canonical_reason().unwrap_or("Refused")),
    };
    let policies = if quota { vec![violation.violation_type.as_str()] } else { Vec::new() };
    json!({
        "type": kind,
        "title": title,
        "status": status.as_u16(),
        "detail": violation.message(),
        "violated-policies": policies,
        "violation": violation,
    })
    .to_string()
}

/// Rounded up: who comes back a moment too early comes in vain.
fn seconds(delay: std::time::Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}

fn capped(number: u64) -> u64 {
    number.min(LARGEST)
}
