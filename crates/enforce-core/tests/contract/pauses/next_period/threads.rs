//! Whoever comes first carries it out, and nobody else.

use std::sync::Barrier;

use enforce_core::{
    Action, Actual, Approval, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, ScopeKind, Status, ViolationType,
};

use crate::common::{builder, noon, pass, register};
use crate::limits::budgets::with;

use super::super::ticket;
use super::{Approved, HOUR, deciders, enforcer, is_paused, paused};

const ROUNDS: usize = 200;

#[test]
fn e3_of_all_who_come_by_one_carries_it_out_and_the_new_period_is_spent_once() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = paused(&enforcer);
    for round in 1..=ROUNDS {
        let barrier = Barrier::new(4);
        pass(&time, HOUR);
        let at_once = |act: &(dyn Fn() -> bool + Sync)| {
            barrier.wait();
            act()
        };
        let [first, second, third, fourth] = std::thread::scope(|scope| {
            let asks = || run.reserve(Demand::step()).is_ok();
            let expires = || enforcer.expire().resumed.len() == 1;
            let [first, second] = [(); 2].map(|()| scope.spawn(move || at_once(&asks)));
            let third = scope.spawn(move || at_once(&expires));
            let fourth = scope.spawn(|| at_once(&|| run.touch().is_ok()));
            [first, second, third, fourth].map(|thread| thread.join().unwrap())
        });
        assert_eq!(usize::from(first) + usize::from(second), 1, "one step an hour: {third}, {fourth}");
        assert_eq!(deciders(&run), vec![Approved::NEXT_PERIOD; round]);
        // Who asked in vain beside them may not have found the step committed yet.
        assert!(run.reserve(Demand::step()).is_err() && is_paused(&run));
    }
}

#[test]
fn e3_beside_an_approval_and_a_halt_there_is_one_end() {
    for round in 0..ROUNDS {
        let time = noon();
        let enforcer = enforcer(&time);
        let run = paused(&enforcer);
        let (old, barrier) = (ticket(&run), Barrier::new(3));
        pass(&time, HOUR);
        let (approved, touched) = std::thread::scope(|scope| {
            let approves = scope.spawn(|| {
                barrier.wait();
                run.approve(&old, Approval::new("ada", "go on")).is_ok()
            });
            let touches = scope.spawn(|| {
                barrier.wait();
                run.touch().is_ok()
            });
            barrier.wait();
            if round % 2 == 0 {
                run.halt(Cause::own(ViolationType::Requested));
            }
            (approves.join().unwrap(), touches.join().unwrap())
        });
        let halted = matches!(run.status(), Status::Halted(_));
        assert_eq!(halted, round % 2 == 0);
        let deciders = deciders(&run);
        assert!(deciders.len() <= 1, "{deciders:?}");
        assert_eq!(deciders.contains(&"ada".to_owned()), approved);
        assert!(halted || (touched && deciders.len() == 1));
    }
}

#[test]
fn whoever_asks_at_that_instant_is_let_through_however_many_do() {
    let time = noon();
    let tokens = Budget::new(BudgetAmount::Tokens(1_000), BudgetPeriod::Hour).action(Action::Pause);
    let budgets = vec![tokens.next_period_approves(true)];
    let enforcer = with(builder(&time), ScopeKind::Process, budgets).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").register().unwrap();
    let ask = Demand::none().tokens(1, 0);
    for _ in 0..ROUNDS {
        run.charge(Actual::tokens(1_000, 0));
        assert!(run.reserve(ask).is_err() && is_paused(&run) && is_paused(&child));
        pass(&time, HOUR);
        let barrier = Barrier::new(4);
        let refused = std::thread::scope(|scope| {
            let asks = [&run, &child, &run, &child].map(|run| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    run.reserve(ask).err()
                })
            });
            asks.map(|thread| thread.join().unwrap())
        });
        assert_eq!(refused, [None; 4]);
    }
}
