//! What belongs to one execution: holds, loops, depth, allowances, children.

use enforce_core::{Demand, LongRunningExecutionPolicy, ResourceLimits, ViolationType};

use super::{into, into_giving_back, saved, try_into};
use crate::common::{builder, disabled, kind, nano, noon, register, unlimited};

fn limits() -> ResourceLimits {
    ResourceLimits { max_steps: 10, max_tokens: 1_000, max_memory_mb: Some(4), ..unlimited() }
}

#[test]
fn r1_open_holds_are_charged_in_full_and_memory_goes_back() {
    let time = noon();
    let before = builder(&time).limits(limits()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let _hold = run.reserve(Demand::step().tokens(300, 400).cost(nano(9)).memory_bytes(1 << 20)).unwrap();
    let (after, restored) = try_into(builder(&time).limits(limits()), &saved(&before)).unwrap();
    let usage = after.get("exec").unwrap().snapshot();
    assert_eq!((usage.steps, usage.total_tokens, usage.cost_nano_usd), (1, 700, 9));
    assert!(usage.outstanding.is_zero());
    let held = restored.open_holds;
    assert_eq!((held.tokens, held.cost_nano_usd, held.memory_bytes), (700, 9, 1 << 20));
}

#[test]
fn r1_open_holds_go_back_where_the_caller_says_so_and_what_has_begun_stays() {
    let time = noon();
    let before = builder(&time).limits(limits()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let _hold = run.reserve(Demand::step().tokens(300, 400)).unwrap();
    let usage = into_giving_back(builder(&time), &saved(&before)).get("exec").unwrap().snapshot();
    assert_eq!((usage.steps, usage.total_tokens, usage.outstanding.tokens), (1, 0, 0));
}

#[test]
fn l1_a_limit_that_is_lower_by_now_leaves_debt_that_blocks() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.reserve(Demand::step().tokens(700, 0)).unwrap().settle(enforce_core::Actual::tokens(700, 0));
    let lower = ResourceLimits { max_tokens: 600, ..unlimited() };
    let run = into(builder(&time).limits(lower), &saved(&before)).get("exec").unwrap();
    assert_eq!(run.snapshot().debt_tokens, 100);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::TokenLimit));
}

#[test]
fn a_loop_goes_on_where_it_was() {
    let time = noon();
    let guarded = || {
        let policy =
            LongRunningExecutionPolicy { max_same_step_repetitions: Some(3), max_cycle_length: 2, ..disabled() };
        builder(&time).long_running(policy)
    };
    let before = guarded().build().unwrap();
    let (same, cycle) = (register(&before, "same", "tenant"), register(&before, "cycle", "tenant"));
    (0..2).for_each(|_| drop(same.reserve(Demand::step().fingerprint(7)).unwrap()));
    [1, 2, 1, 2, 1].into_iter().for_each(|step| drop(cycle.reserve(Demand::step().fingerprint(step)).unwrap()));
    let after = into(guarded(), &saved(&before));
    let (same, cycle) = (after.get("same").unwrap(), after.get("cycle").unwrap());
    assert_eq!(kind(same.reserve(Demand::step().fingerprint(7))), Some(ViolationType::SameStepLoop));
    assert_eq!(kind(cycle.reserve(Demand::step().fingerprint(2))), Some(ViolationType::SameStepLoop));
}

#[test]
fn d1_the_deepest_discovery_is_remembered_and_open_ones_have_ended() {
    let before = builder(&noon()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let (_one, _two) = (run.enter_discovery().unwrap(), run.enter_discovery().unwrap());
    let usage = into(builder(&noon()), &saved(&before)).get("exec").unwrap().snapshot();
    assert_eq!((usage.discovery_depth, usage.max_discovery_depth), (0, 2));
}

#[test]
fn t1_an_allowance_goes_on_where_it_was() {
    let time = noon();
    let allowed = || builder(&time).allowance("other", 9).allowance("search", 2);
    let before = builder(&time).allowance("search", 2).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let search = before.allowance("search").unwrap();
    drop(run.reserve(Demand::step().allowance(search)).unwrap());
    let after = into(allowed(), &saved(&before));
    let (run, search) = (after.get("exec").unwrap(), after.allowance("search").unwrap());
    drop(run.reserve(Demand::step().allowance(search)).unwrap());
    assert_eq!(kind(run.reserve(Demand::step().allowance(search))), Some(ViolationType::AllowanceLimit));
}

#[test]
fn g1_children_keep_their_places() {
    let time = noon();
    let bounded = || builder(&time).limits(ResourceLimits { max_children: Some(2), ..unlimited() });
    let before = bounded().build().unwrap();
    let run = register(&before, "exec", "tenant");
    let (_a, b) = (run.child("a").register().unwrap(), run.child("b").register().unwrap());
    b.halt(enforce_core::Cause::own(ViolationType::Requested));
    let after = into(bounded(), &saved(&before));
    let run = after.get("exec").unwrap();
    assert_eq!(run.children().len(), 2);
    let c = run.child("c").register().unwrap(); // the halted one has given its place back
    assert!(run.child("d").register().is_err());
    c.finish();
    assert!(run.child("d").register().is_ok());
}
