//! 64 threads: every number once, in order, and counts that add up exactly.

use std::collections::HashMap;

use enforce_core::{Action, Actual, Cause, Demand, EventKind, ResourceLimits, ViolationType};

use crate::common::{register, unlimited};
use crate::limits::all;
use crate::threads::{Numbers, storm};

use super::heard;

#[test]
fn v1_of_many_threads_every_event_is_told_once_in_order_and_every_refusal_is_counted() {
    let limits = ResourceLimits { max_tokens: 300, max_memory_mb: Some(1), ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let runs: Vec<_> = (0..4).map(|number| register(&enforcer, &format!("exec_{number}"), "tenant")).collect();
    let work = |thread: u64| {
        let mut numbers = Numbers::of(thread);
        let mut refused = HashMap::<(String, ViolationType), u64>::new();
        for _ in 0..100 {
            let run = &runs[numbers.below(4) as usize];
            let demand = Demand::step().tokens(numbers.below(60), 0).memory_bytes(numbers.below(1 << 18));
            match run.reserve(demand) {
                Ok(hold) if numbers.below(2) == 0 => drop(hold),
                Ok(hold) => drop(hold.settle(Actual::none())),
                Err(violation) => *refused.entry((run.id().into(), violation.violation_type)).or_default() += 1,
            }
            if numbers.below(200) == 0 {
                run.halt(Cause::own(ViolationType::Requested));
            }
        }
        refused
    };
    let watch = || drop(enforcer.tenant_usage("tenant"));
    let mut refused = HashMap::<(String, ViolationType), u64>::new();
    for (key, count) in storm(work, watch).into_iter().flatten() {
        *refused.entry(key).or_default() += count;
    }
    for run in &runs {
        run.finish();
    }
    drop(runs);
    drop(enforcer);
    let told = events.drain();
    let numbers: Vec<_> = told.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=told.len() as u64).collect::<Vec<_>>());
    let mut counted = HashMap::<(String, ViolationType), u64>::new();
    let (mut open, mut halted) = (HashMap::new(), HashMap::<String, u64>::new());
    for event in told {
        let id = event.execution_id.unwrap();
        match event.kind {
            EventKind::Blocked { violation } => {
                open.insert(event.sequence, (id, violation.violation_type));
            }
            EventKind::Cleared { count, since, .. } => {
                *counted.entry(open.remove(&since).unwrap()).or_default() += count;
            }
            EventKind::Halted { .. } => *halted.entry(id).or_default() += 1,
            _ => {}
        }
    }
    assert_eq!((counted, open.len()), (refused, 0));
    assert!(halted.values().all(|count| *count == 1), "a halt is told once");
}
