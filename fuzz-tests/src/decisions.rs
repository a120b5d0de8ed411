//! What was decided and what happened, as JSON: refusals, warnings, errors, snapshots, events.

use enforce_core::{
    Approval, Approved, Cause, EnforcementViolation, EnforcementWarning, Event, ExecutionError, PauseTicket,
    ProcessUsage, Status, TenantUsage, TreeSnapshot, UsageSnapshot,
};
use serde_json::Value;

use crate::{reads, round_trip, text};

/// A JSON document, read as each of them.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(violation) = round_trip::<EnforcementViolation>(text) {
        assert!(!violation.to_string().is_empty() && !violation.message().contains('\n'));
        assert_eq!(violation.as_cause().violation_type, violation.violation_type);
        // As an error it says the same, and can be written, too.
        let error = serde_json::to_string(&violation.to_error()).expect("an error can be written");
        assert!(round_trip::<ExecutionError>(&error).is_some());
        other_spelling(text, &violation);
    }
    if let Some(warning) = round_trip::<EnforcementWarning>(text) {
        assert!(!warning.message().contains('\n'));
    }
    if let Some(error) = round_trip::<ExecutionError>(text) {
        assert!(!error.to_string().is_empty());
        let status = error.to_http_status();
        assert!(error.http_status == Some(status) || (400..600).contains(&status));
        assert!(error.retry_delay() <= error.retry_policy.max_delay);
        assert!(error.clone().next_attempt().retry_delay() <= error.retry_policy.max_delay);
    }
    if let Some(status) = round_trip::<Status>(text) {
        assert_eq!(status.violation().is_none(), status == Status::Live);
    }
    reads::<Cause>(text);
    reads::<UsageSnapshot>(text);
    reads::<TreeSnapshot>(text);
    reads::<TenantUsage>(text);
    reads::<ProcessUsage>(text);
    reads::<PauseTicket>(text);
    reads::<Approval>(text);
    reads::<Approved>(text);
}

/// A limit's name in capitals and without lines under it means the same limit, where it means one.
fn other_spelling(text: &str, violation: &EnforcementViolation) {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return };
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    value["violation_type"] =
        Value::from(violation.violation_type.as_str().split('_').map(capital).collect::<String>());
    if let Ok(again) = serde_json::from_value::<EnforcementViolation>(value) {
        assert_eq!(again, *violation);
    }
}

/// An event.
pub(crate) fn events(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(event) = round_trip::<Event>(text) else { return };
    let written = serde_json::to_value(&event).expect("an event can be written");
    // It is flat, and names itself.
    assert_eq!(written["kind"], event.kind.as_str());
    assert_eq!(written["sequence"], event.sequence);
}
