//! Events: what is told of decisions, how often, and that telling is in nobody's way (V1).

mod crowd;
mod kinds;
mod runs;
mod sinks;
mod warnings;

use enforce_core::{
    Enforcer, EnforcerBuilder, Event, EventBuffer, EventKind, Execution, ManualClock, ResourceLimits, ViolationType,
};

use crate::common::{builder, noon, register};

/// An enforcer that is listened to, on a clock of its own.
fn heard(limits: ResourceLimits, with: impl FnOnce(EnforcerBuilder) -> EnforcerBuilder) -> (Enforcer, EventBuffer) {
    heard_at(&noon(), limits, with)
}

fn heard_at(
    time: &ManualClock,
    limits: ResourceLimits,
    with: impl FnOnce(EnforcerBuilder) -> EnforcerBuilder,
) -> (Enforcer, EventBuffer) {
    let events = EventBuffer::new(100_000);
    let builder = with(builder(time).limits(limits).events(events.clone()));
    (builder.build().unwrap(), events)
}

/// An execution of which its registration has been heard.
fn heard_run(limits: ResourceLimits) -> (Execution, EventBuffer, Enforcer) {
    let (enforcer, events) = heard(limits, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(names(&events.drain()), ["registered"]);
    (run, events, enforcer)
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// What was told, without who and when.
fn kinds(events: &EventBuffer) -> Vec<EventKind> {
    events.drain().into_iter().map(|event| event.kind).collect()
}

/// (limit, count) of each run that is over.
fn cleared(events: &[Event]) -> Vec<(ViolationType, u64)> {
    let over = |event: &Event| match &event.kind {
        EventKind::Cleared { violation, count, .. } => Some((violation.violation_type, *count)),
        _ => None,
    };
    events.iter().filter_map(over).collect()
}
