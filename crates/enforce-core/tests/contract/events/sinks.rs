//! Sinks that are full, slow, loud, or call back.

use std::sync::OnceLock;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier};

use enforce_core::{Cause, Demand, Enforcer, Event, EventBuffer, EventKind, ResourceLimits, Status, ViolationType};

use crate::common::{builder, noon, register, unlimited};

use super::names;

#[test]
fn a_buffer_that_is_full_counts_what_it_drops_and_goes_on_when_it_was_drained() {
    let events = EventBuffer::new(2);
    let enforcer = builder(&noon()).events(events.clone()).build().unwrap();
    for number in 0..3_u64 {
        register(&enforcer, &number.to_string(), "tenant").finish();
    }
    assert_eq!((events.len(), events.dropped()), (2, 4));
    assert_eq!(names(&events.drain()), ["registered", "ended"]);
    register(&enforcer, "more", "tenant");
    let told = events.drain();
    assert_eq!((told[0].sequence, events.dropped(), events.is_empty()), (7, 4, true), "the gap shows");
    assert_eq!(enforcer.dropped_events(), 0, "the sink was told all of it");
}

#[test]
fn v1_what_happens_while_a_sink_is_busy_is_told_next_up_to_the_cap_and_blocks_nobody() {
    let (busy, goes_on, (told, hears)) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)), channel());
    let sink = {
        let (busy, goes_on) = (Arc::clone(&busy), Arc::clone(&goes_on));
        move |event: &Event| {
            told.send(event.sequence).unwrap();
            if event.sequence == 1 {
                busy.wait();
                goes_on.wait();
            }
        }
    };
    let enforcer = builder(&noon()).events(sink).max_pending_events(3).build().unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| register(&enforcer, "first", "tenant"));
        busy.wait();
        // The sink is in the middle of the first event. Nobody else waits for it.
        for number in 0..5_u64 {
            register(&enforcer, &number.to_string(), "tenant");
        }
        assert_eq!(enforcer.dropped_events(), 2);
        goes_on.wait();
        first.join().unwrap();
    });
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    register(&enforcer, "more", "tenant");
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), [7]);
}

/// An enforcer whose sink calls `act` with it.
fn calling_back(limits: ResourceLimits, act: fn(&Enforcer, &Event)) -> (Enforcer, EventBuffer) {
    let (events, this) = (EventBuffer::new(1_000), Arc::new(OnceLock::<Enforcer>::new()));
    let sink = {
        let (events, this) = (events.clone(), Arc::clone(&this));
        move |event: &Event| {
            enforce_core::EventSink::emit(&events, event);
            if let Some(enforcer) = this.get() {
                act(enforcer, event);
            }
        }
    };
    let enforcer = builder(&noon()).limits(limits).events(sink).build().unwrap();
    this.set(enforcer.clone()).unwrap();
    (enforcer, events)
}

#[test]
fn v1_a_sink_may_halt_the_execution_that_it_hears_of() {
    let (enforcer, events) = calling_back(ResourceLimits { max_tokens: 10, ..unlimited() }, |enforcer, event| {
        if let (EventKind::Blocked { .. }, Some(id)) = (&event.kind, &event.execution_id) {
            enforcer.halt(id, Cause::own(ViolationType::Requested)).unwrap();
        }
    });
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve(Demand::step().tokens(11, 0)).is_err());
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::Requested)), "before the refusal has returned");
    assert_eq!(names(&events.drain()), ["registered", "blocked", "halted"]);
}

#[test]
fn v1_a_sink_may_ask_wait_settle_register_and_end_wherever_it_is_called() {
    let (enforcer, events) = calling_back(ResourceLimits { max_tokens: 10, ..unlimited() }, |enforcer, event| {
        let Some(run) = event.execution_id.as_deref().and_then(|id| enforcer.get(id)) else { return };
        // Everything that takes one of the library's locks.
        run.set_limits(ResourceLimits { max_tokens: 10, ..unlimited() }).unwrap();
        drop(run.reserve(Demand::step().fingerprint(event.sequence)));
        drop(run.reserve_within(Demand::step().tokens(1, 0), std::time::Duration::ZERO));
        let _tree = (run.snapshot_tree(), run.children(), run.pause_ticket(), enforcer.tenant_usage("tenant"));
        if event.sequence == 1 {
            run.child("child").register().unwrap();
            run.pause("heard of it");
            run.finish();
        }
    });
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(run.status(), Status::Finished(Some(Cause::own(ViolationType::Requested))));
    let told = names(&events.drain());
    let expected = ["registered", "registered", "paused", "paused", "ended", "ended"];
    assert_eq!(told, expected);
}

#[test]
fn v1_a_sink_that_panics_loses_that_event_and_nothing_else() {
    let (told, hears) = sync_channel(100);
    let sink = move |event: &Event| {
        assert!(!matches!(event.kind, EventKind::Halted { .. }), "as loud as it likes");
        told.send(event.sequence).unwrap();
    };
    let limits = ResourceLimits { max_steps: 1, max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).events(sink).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.reserve(Demand::step()).is_err());
    assert_eq!((run.status(), enforcer.dropped_events()), (Status::Halted(Cause::own(ViolationType::StepLimit)), 1));
    assert_eq!(enforcer.live_executions("tenant"), 0);
    run.finish();
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
}

#[test]
fn nobody_listens_and_nothing_is_kept() {
    let enforcer = builder(&noon()).limits(ResourceLimits { max_steps: 0, ..unlimited() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve(Demand::step()).is_err());
    assert_eq!(enforcer.dropped_events(), 0);
}

#[test]
fn a_buffer_is_empty_until_it_hears_of_something_and_when_that_is_taken() {
    let events = EventBuffer::new(2);
    assert!(events.is_empty());
    register(&builder(&noon()).events(events.clone()).build().unwrap(), "exec", "tenant");
    assert!(!events.is_empty());
    events.drain().clear();
    assert!(events.is_empty());
}
