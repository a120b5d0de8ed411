//! Trees of three generations: a pause in the middle beside one at the top.

use enforce_core::{Approval, Demand, Enforcer, Execution, Status};

/// Parent, child and grandchild, each with steps of its own.
struct Line {
    top: Execution,
    middle: Execution,
    leaf: Execution,
    _enforcer: Enforcer,
}

impl Line {
    fn new() -> Self {
        let enforcer = Enforcer::builder().build().unwrap();
        let top = enforcer.execution("top", "a").register().unwrap();
        let middle = top.child("middle").slice(Demand::step().steps(9)).register().unwrap();
        let leaf = middle.child("leaf").slice(Demand::step().steps(3)).register().unwrap();
        Self { top, middle, leaf, _enforcer: enforcer }
    }

    /// Pauses both, resumes `first`, and then the other.
    fn resume(&self, first: &Execution, other: &Execution) {
        for run in [&self.middle, &self.top] {
            run.pause("looks lost");
        }
        let approve = |run: &Execution| run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "goes on"));
        approve(first).unwrap();
        for run in [&self.middle, &self.leaf] {
            assert!(matches!(run.status(), Status::Paused(_)), "{:?}", run.id());
            assert!(run.reserve(Demand::step()).is_err(), "{:?}", run.id());
        }
        approve(other).unwrap();
        for run in [&self.top, &self.middle, &self.leaf] {
            assert_eq!(run.status(), Status::Live);
            assert!(run.reserve(Demand::step()).is_ok(), "{:?}", run.id());
        }
    }
}

#[test]
fn e3_what_is_below_stays_paused_when_the_middle_is_resumed_before_the_top() {
    let line = Line::new();
    line.resume(&line.middle, &line.top);
}

#[test]
fn e3_what_is_below_stays_paused_when_the_top_is_resumed_before_the_middle() {
    let line = Line::new();
    line.resume(&line.top, &line.middle);
}
