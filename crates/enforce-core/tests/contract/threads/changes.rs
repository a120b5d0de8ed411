//! Pauses, approvals and changes of limits against each other and against those who ask.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use enforce_core::{
    Action, Actual, Approval, Cause, Demand, EnforcementResult, Execution, LongRunningExecutionPolicy, ResourceLimits,
    Status, ViolationType,
};

use crate::common::{DAY, MAX, builder, disabled, nano, noon, pass, register, run, run_long, run_on, unlimited};

use crate::limits::all;

use super::{Numbers, storm};

#[test]
fn e3_each_pause_ends_by_its_own_ticket_once_however_many_approve_it() {
    let run = run(unlimited());
    let leaf = run.child("leaf").slice(Demand::none().steps(1 << 40)).register().unwrap();
    let work = |thread: u64| {
        let (mut stale, mut approved) = (Vec::new(), 0);
        for turn in 0..60 {
            if (thread + turn).is_multiple_of(3) {
                run.pause("wait");
            }
            if let Some(ticket) = run.pause_ticket() {
                stale.push(ticket.clone());
                approved += u64::from(run.approve(&ticket, Approval::new("ada", "go on")).is_ok());
            }
            // Long ended, and ending nothing.
            if turn % 5 == 0
                && let Some(ticket) =
                    stale.first().filter(|ticket| Some(ticket.pause) != run.pause_ticket().map(|it| it.pause))
            {
                assert!(run.approve(ticket, Approval::new("bob", "late")).is_err());
            }
            drop(leaf.reserve(Demand::step()));
        }
        approved
    };
    let approved: u64 = storm(work, || ()).iter().sum();
    let kept = run.approvals();
    assert_eq!(kept.len() as u64, approved, "each approval that was told so is kept, and no other");
    let pauses: BTreeSet<_> = kept.iter().map(|approved| approved.pause).collect();
    assert_eq!(pauses.len(), kept.len(), "each of another pause");
    if let Some(ticket) = run.pause_ticket() {
        run.approve(&ticket, Approval::new("ada", "the last")).unwrap();
    }
    assert_eq!([run.status(), leaf.status()], [Status::Live; 2]);
}

#[test]
fn e2_e3_no_approval_undoes_a_halt_and_none_passes_it_by() {
    for round in 0..200 {
        let run = run(unlimited());
        run.pause("wait");
        let ticket = run.pause_ticket().unwrap();
        let ([approved, halted], rejected) = std::thread::scope(|scope| {
            let approve = scope.spawn(|| run.approve(&ticket, Approval::new("ada", "go on")).is_ok());
            let halt = scope.spawn(|| round % 2 == 0 && run.halt(Cause::own(ViolationType::CostLimit)) != Status::Live);
            let rejected = round % 2 == 1 && run.reject(&ticket).is_ok();
            ([approve.join().unwrap(), halt.join().unwrap()], rejected)
        });
        if round % 2 == 0 {
            assert_eq!((halted, run.status()), (true, Status::Halted(Cause::own(ViolationType::CostLimit))));
        } else {
            assert!(approved != rejected, "one of the two ended that pause");
            assert_eq!(run.status() == Status::Live, approved);
        }
        assert_eq!(run.reserve(Demand::none()).is_ok(), run.status() == Status::Live);
    }
}

#[test]
fn e3_a_threshold_that_is_reached_again_and_again_pauses_for_each_time_it_was_raised() {
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(100)), ..disabled() };
    let run = run_long(policy);
    let work = |thread: u64| {
        for turn in 0..60 {
            run.charge(Actual::none().cost(nano(3)));
            if (thread + turn).is_multiple_of(4)
                && let Some(ticket) = run.pause_ticket()
            {
                drop(run.approve(&ticket, Approval::new("ada", "go on")));
            }
        }
    };
    storm(work, || ());
    let raised: Vec<_> = run.approvals().iter().map(|approved| approved.next_limit.unwrap()).collect();
    assert!(raised.windows(2).all(|pair| pair[0] + 100 == pair[1]), "{raised:?}");
    // If all charges come between a pause and its first approval, no approval leaves room.
    let (cost, limit) = (run.snapshot().cost_nano_usd, raised.last().copied().unwrap_or(100));
    assert_eq!(run.status() == Status::Live, cost < limit, "{cost} of {limit}");
}

/// What a refused question says of tokens: used, of which limit.
fn used(run: &Execution) -> (u64, u64) {
    match run.check(Demand::none().tokens(MAX, 1)) {
        EnforcementResult::Blocked(violation) => {
            assert_eq!(violation.remaining, violation.limit.saturating_sub(violation.used));
            (violation.used, violation.limit)
        }
        admitted => panic!("{admitted:?}"),
    }
}

#[test]
fn l1_limits_raised_and_lowered_under_load_are_passed_by_nobody_and_read_with_what_is_used() {
    const HIGH: u64 = 1 << 40;
    let tokens = |max_tokens| ResourceLimits { max_tokens, max_steps: MAX, ..unlimited() };
    let enforcer = builder(&noon()).build().unwrap();
    for number in 0..6 {
        // A limit of its own each time, so that the first change of all is among those that are raced.
        let root = enforcer.execution(format!("root_{number}"), "tenant").limits(tokens(HIGH)).register().unwrap();
        let leaf = root.child(format!("leaf_{number}")).register().unwrap();
        let work = |thread: u64| {
            let mut numbers = Numbers::of(thread + number);
            let mut open = Vec::new();
            for turn in 0..80 {
                if thread == 5 || thread == 6 {
                    root.set_limits(tokens(if (turn + thread).is_multiple_of(2) { HIGH } else { 2_000 })).unwrap();
                    continue;
                }
                let asker = if thread.is_multiple_of(2) { &root } else { &leaf };
                match asker.reserve_owned(Demand::none().tokens(1 + numbers.below(9), 0)) {
                    Ok(hold) => open.push(hold),
                    Err(violation) => {
                        assert!(violation.limit == HIGH || violation.limit == 2_000, "{violation:?}");
                        assert!(violation.used <= 64 * 80 * 9, "used and limit of two versions: {violation:?}");
                    }
                }
                if turn % 3 == 0 {
                    open.clear();
                }
            }
        };
        let watch = || {
            let (used, limit) = used(&root);
            assert!((limit == HIGH || limit == 2_000) && used <= 64 * 80 * 9, "{used} of {limit}");
            assert!(root.snapshot().outstanding.tokens <= 64 * 80 * 9);
        };
        storm(work, watch);
        assert_eq!(root.snapshot().outstanding.tokens, 0);
    }
}

#[test]
fn l1_no_hold_that_is_taken_after_a_limit_was_lowered_passes_it() {
    let enforcer = builder(&noon()).policy(all(Action::Refuse)).build().unwrap();
    for number in 0..20 {
        let root = register(&enforcer, &format!("root_{number}"), "tenant");
        let tokens = |max_tokens| ResourceLimits { max_tokens, ..unlimited() };
        let work = |thread: u64| {
            let mut taken = 0;
            for turn in 0..40 {
                if thread == 11 && turn == 10 {
                    root.set_limits(tokens(500)).unwrap();
                    // What was used at that moment, or less: nothing is given back here.
                    let at_most = used(&root).0.max(500);
                    return (taken, Some(at_most));
                }
                taken += root.reserve(Demand::none().tokens(1, 0)).map_or(0, |hold| {
                    hold.settle(Actual::tokens(1, 0));
                    1
                });
            }
            (taken, None)
        };
        let outcomes = storm(work, || ());
        let most = outcomes.iter().find_map(|(_, most)| *most).unwrap();
        let taken: u64 = outcomes.iter().map(|(taken, _)| taken).sum();
        assert!(taken <= most, "{taken} above {most}");
        assert_eq!((used(&root), root.snapshot().total_tokens), ((taken, 500), taken));
    }
}

#[test]
fn l1_the_very_first_change_is_read_whole_or_not_at_all() {
    let enforcer = builder(&noon()).build().unwrap();
    for number in 0..150 {
        let tokens = |max_tokens| ResourceLimits { max_tokens, ..unlimited() };
        let root = enforcer.execution(format!("root_{number}"), "tenant").limits(tokens(10)).register().unwrap();
        root.charge(Actual::tokens(7, 0));
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                root.set_limits(tokens(1_000)).unwrap();
            });
            start.wait();
            while let (used, limit) = used(&root)
                && limit == 10
            {
                assert_eq!(used, 7);
                assert_eq!(root.snapshot().outstanding.tokens, 0);
            }
        });
        root.finish();
    }
}

#[test]
fn e3_i1_the_first_take_after_a_resume_finds_the_time_of_the_pause_taken_off() {
    for round in 0..200 {
        let time = noon();
        let limits = ResourceLimits { max_active_time_ms: Some(1_000), ..unlimited() };
        let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(1), ..disabled() };
        let root = run_on(&time, limits.clone(), long_running.clone());
        let leaf = root.child("leaf").limits(limits).long_running(long_running).register().unwrap();
        root.pause("wait");
        let ticket = root.pause_ticket().unwrap();
        pass(&time, DAY);
        let run = if round % 2 == 0 { &root } else { &leaf };
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                root.approve(&ticket, Approval::new("ada", "go on")).unwrap();
            });
            start.wait();
            while run.reserve(Demand::step()).is_err() {
                assert!(!matches!(run.status(), Status::Halted(_)), "{:?}", run.status());
            }
        });
    }
}
