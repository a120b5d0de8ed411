//! What is answered instead of a completion: one shape for limits and for everything else.

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use enforce_async::answer;
use enforce_core::{EnforcementViolation, RegisterError, Retry, ScopeKind, ViolationType};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

/// The number of the pause that awaits an approval.
const PAUSE: HeaderName = HeaderName::from_static("x-enforce-pause");
/// Whether trying again helps, as OpenAI's client libraries read it.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// In seconds: what is later than that, client libraries do not wait for, but try again before it.
const SOON: u64 = 60;

/// Why there is no completion.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A limit stands against it.
    Limit {
        violation: Box<EnforcementViolation>,
        /// The pause of the execution, if it is paused.
        pause: Option<u64>,
    },
    /// The upstream has refused, and its client is shown what it says.
    Passed(Box<Response<Bytes>>),
    /// Something else is wrong.
    Other { status: StatusCode, code: &'static str, message: String },
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::Other { status, code, message: message.into() }
    }

    /// The request is not one that can be served.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// The upstream has failed.
    pub(crate) fn upstream(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream_error", message)
    }

    /// An object that is a problem (RFC 9457) and has the `error` that OpenAI's client libraries look for beside it.
    pub(crate) fn object(&self) -> Value {
        match self {
            Self::Limit { violation, .. } => limit(violation, &self.answer()),
            Self::Passed(answer) => String::from_utf8_lossy(answer.body()).into(),
            Self::Other { status, code, message } => {
                let kind = if status.is_client_error() { "invalid_request_error" } else { "api_error" };
                let title = status.canonical_reason().unwrap_or("Refused");
                let problem =
                    json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": message});
                with_error(problem, kind, code, message)
            }
        }
    }

    /// The answer without its body.
    fn answer(&self) -> Response<String> {
        match self {
            Self::Limit { violation, .. } => answer(violation),
            Self::Passed(answer) => answer.clone().map(|_| String::new()),
            Self::Other { status, .. } => {
                let mut answer = Response::new(String::new());
                *answer.status_mut() = *status;
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
                answer
            }
        }
    }
}

/// Whose limit it is besides the tenant's: what is left of it is told to nobody.
const fn is_shared(violation: &EnforcementViolation) -> bool {
    matches!(violation.scope, ScopeKind::Process | ScopeKind::Provider | ScopeKind::Model)
}

/// Whether the gateway itself takes nobody any more.
const fn is_over(violation: &EnforcementViolation) -> bool {
    matches!(violation.scope, ScopeKind::Process)
        && matches!(violation.violation_type, ViolationType::Closed | ViolationType::Halted)
}

fn limit(violation: &EnforcementViolation, answer: &Response<String>) -> Value {
    let mut problem: Value = serde_json::from_str(answer.body()).unwrap_or_default();
    let mut message = violation.message();
    if let (true, Some(members)) = (is_shared(violation), problem.as_object_mut()) {
        message = format!("{} of what all tenants share", violation.violation_type);
        members.remove("violation");
        members.insert("detail".to_owned(), message.as_str().into());
    }
    let kind = if violation.retry == Retry::Never { "insufficient_quota" } else { "rate_limit_error" };
    with_error(problem, kind, violation.violation_type.as_str(), &message)
}

fn with_error(problem: Value, kind: &str, code: &str, message: &str) -> Value {
    let mut members = match problem {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("error".to_owned(), json!({"message": message, "type": kind, "param": null, "code": code}));
    Value::Object(members)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        if let Self::Passed(answer) = self {
            return answer.map(Body::from);
        }
        let object = self.object();
        let (mut parts, _) = self.answer().into_parts();
        if let Self::Limit { violation, pause } = &self {
            let headers = &mut parts.headers;
            if is_shared(violation) {
                headers.remove("ratelimit");
                headers.remove("ratelimit-policy");
            }
            // What others hold comes back when their calls end: nobody knows when, so whoever comes may come soon.
            if violation.retry == Retry::WhenFreed && !headers.contains_key(RETRY_AFTER) {
                headers.insert(RETRY_AFTER, HeaderValue::from(1));
            }
            let after = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse::<u64>().ok());
            let again = after.is_some_and(|seconds| seconds <= SOON);
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(if again { "true" } else { "false" }));
            if let Some(pause) = pause {
                headers.insert(PAUSE, HeaderValue::from(*pause));
            }
        }
        Response::from_parts(parts, Body::from(object.to_string()))
    }
}

impl From<EnforcementViolation> for Refusal {
    fn from(violation: EnforcementViolation) -> Self {
        Self::Limit { violation: Box::new(violation), pause: None }
    }
}

impl From<RegisterError> for Refusal {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Refused(violation) if is_over(&violation) => {
                let message = "this gateway comes to its end and takes no new executions; ask another";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
            }
            RegisterError::Refused(violation) => violation.into(),
            RegisterError::InvalidId(error) => Self::bad_request(error.to_string()),
            RegisterError::Duplicate { .. } => {
                Self::new(StatusCode::CONFLICT, "execution_changes", "it is just ending")
            }
            error => Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string()),
        }
    }
}
