//! Waiting for a state.

use enforce_async::{Approval, Execution, ExecutionExt, ResourceLimits, Status};

use crate::common::{ByHand, REQUESTED, run_of};

fn run() -> Execution {
    run_of(ResourceLimits::unlimited())
}

#[test]
fn halted_sees_a_halt_and_an_end_and_no_pause() {
    let (one, other) = (run(), run());
    let (mut halted, mut ended) = (ByHand::new(one.halted()), ByHand::new(other.halted()));
    assert_eq!((halted.poll(), ended.poll()), (None, None));
    one.pause("look at it");
    assert_eq!(halted.poll(), None);
    halted.bell.rung();
    one.halt(REQUESTED);
    other.finish();
    assert_eq!((halted.bell.rung(), ended.bell.rung()), (1, 1), "W1");
    assert_eq!((halted.poll(), ended.poll()), (Some(Status::Halted(REQUESTED)), Some(Status::Finished(None))));
    assert_eq!(ByHand::new(one.halted()).poll(), Some(Status::Halted(REQUESTED)), "at once");
}

#[test]
fn resumed_waits_out_a_pause() {
    let run = run();
    assert_eq!(ByHand::new(run.resumed()).poll(), Some(Status::Live));
    run.pause("look at it");
    let mut resumed = ByHand::new(run.resumed());
    assert_eq!(resumed.poll(), None);
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    assert_eq!((resumed.bell.rung(), resumed.poll()), (1, Some(Status::Live)), "W1");
}

#[test]
fn resumed_ends_with_the_execution() {
    let run = run();
    run.pause("look at it");
    let mut resumed = ByHand::new(run.resumed());
    assert_eq!(resumed.poll(), None);
    run.reject(&run.pause_ticket().unwrap()).unwrap();
    assert_eq!((resumed.bell.rung(), resumed.poll()), (1, Some(Status::Halted(REQUESTED))), "W1");
}

#[test]
fn a_child_stays_paused_while_either_pause_stands() {
    let run = run();
    let child = run.child("child").register().unwrap();
    child.pause("look at it");
    run.pause("look at all");
    let approve = |run: &Execution| run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    let mut resumed = ByHand::new(child.resumed());
    assert_eq!(resumed.poll(), None);
    approve(&run);
    assert_eq!(resumed.poll(), None);
    approve(&child);
    assert_eq!(resumed.poll(), Some(Status::Live));
}
