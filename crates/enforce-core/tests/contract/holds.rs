//! What becomes of a hold, of its execution and of its tenant's sums (R1, R2, E1, G1, G2, C1).

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, Execution, LimitActions, ResourceLimits, Retry, Settlement,
    Status, ViolationType,
};

use crate::common::{builder, kind, nano, noon, register, run, unlimited};

mod deadlines;
mod ends;
mod extend;
mod on_drop;
mod periods;
mod up_to;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// (tokens, money, memory) that open holds of it have set aside.
fn outstanding(run: &Execution) -> (u64, u64, u64) {
    let open = run.snapshot().outstanding;
    (open.tokens, open.cost_nano_usd, open.memory_bytes)
}

/// (steps, input tokens, output tokens, nano-dollars, discovered steps) that are committed.
fn committed(run: &Execution) -> (u64, u64, u64, u64, u64) {
    let usage = run.snapshot();
    (usage.steps, usage.input_tokens, usage.output_tokens, usage.cost_nano_usd, usage.discovered_steps)
}

fn whole() -> Demand {
    Demand::step().tokens(60, 40).cost(nano(30)).memory_bytes(7).discovered_steps(2)
}

fn roomy() -> ResourceLimits {
    ResourceLimits { max_tokens: 100, max_cost_usd: Some(nano(100)), max_memory_mb: Some(1), ..unlimited() }
}

#[test]
fn r1_a_settled_hold_leaves_what_was_used_and_gives_the_rest_back() {
    let run = run(roomy());
    let hold = run.reserve(whole()).unwrap();
    assert_eq!((outstanding(&run), committed(&run)), ((100, 30, 7), (1, 0, 0, 0, 2)));
    let settlement = hold.settle(Actual::tokens(10, 5).cost(nano(4)));
    assert_eq!(settlement, Settlement::default());
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 10, 5, 4, 2)));
    assert!(run.reserve(Demand::step().tokens(85, 0)).is_ok(), "T4: what came back can be used at once");
}

#[test]
fn r1_a_dropped_hold_gives_quantities_back_and_leaves_beginnings() {
    let run = run(roomy());
    drop(run.reserve(whole()).unwrap());
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 0, 0, 0, 2)));
}

#[test]
fn r1_an_agent_that_fails_every_step_runs_out_of_steps() {
    let run = run(ResourceLimits { max_steps: 3, ..unlimited() });
    let begun = (0..).take_while(|_| run.reserve(Demand::step()).is_ok()).count();
    assert_eq!((begun, run.snapshot().steps), (3, 3));
}

#[test]
fn r1_a_panic_gives_back_what_its_holds_had_set_aside() {
    let run = run(roomy());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _borrowed = run.reserve(Demand::step().tokens(40, 0)).unwrap();
        let _owned = run.reserve_owned(Demand::step().tokens(0, 60).cost(nano(5)).memory_bytes(1)).unwrap();
        assert_eq!(outstanding(&run), (100, 5, 1));
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 0, 0, 0, 0)));
}

#[test]
fn r1_an_owned_hold_is_settled_by_another_thread_than_took_it() {
    let run = run(roomy());
    let settled = run.reserve_owned(whole()).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || settled.settle(Actual::tokens(1, 2).cost(nano(3))));
    });
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 1, 2, 3, 2)));
    let dropped = run.reserve_owned(Demand::step().tokens(90, 0)).unwrap();
    thread::spawn(move || drop(dropped)).join().unwrap();
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 1, 2, 3, 2)));
}

#[test]
fn r2_an_overrun_is_kept_as_debt_exactly_and_blocks_even_who_asks_nothing_of_it() {
    let refuse = LimitActions { tokens: Action::Refuse, cost: Action::Refuse, ..Default::default() };
    let policy = EnforcementPolicy { actions: refuse, ..Default::default() };
    let run = register(&builder(&noon()).limits(roomy()).policy(policy).build().unwrap(), "exec", "tenant");
    let other = run.reserve(Demand::step().tokens(50, 0).cost(nano(50))).unwrap();
    let settlement = run
        .reserve(Demand::step().tokens(50, 0).cost(nano(50)))
        .unwrap()
        .settle(Actual::tokens(90, 31).cost(nano(101)));
    assert_eq!((settlement.overrun_tokens, settlement.overrun_nano_usd, settlement.late), (71, 51, false));
    let usage = run.snapshot();
    assert_eq!((usage.total_tokens, usage.debt_tokens, usage.cost_nano_usd, usage.debt_nano_usd), (121, 21, 101, 1));
    let refused = run.reserve(Demand::step()).unwrap_err();
    assert_eq!(
        (refused.violation_type, refused.used, refused.asked, refused.remaining),
        (ViolationType::TokenLimit, 171, 0, 0)
    );
    assert_eq!(refused.retry, Retry::Never, "what is committed alone is above the limit");
    drop(other);
    assert_eq!(run.reserve(Demand::none()).unwrap_err().used, 121, "debt stays when the hold has gone");
    assert_eq!((run.status(), run.snapshot().steps), (Status::Live, 2));
}

#[test]
fn r2_debt_that_only_an_open_hold_causes_blocks_until_the_hold_has_gone() {
    let run = run(ResourceLimits { max_tokens: 100, ..unlimited() });
    let hold = run.reserve(Demand::step().tokens(80, 0)).unwrap();
    run.charge(Actual::tokens(30, 0));
    let refused = run.reserve(Demand::step()).unwrap_err();
    assert_eq!((refused.used, refused.retry, run.status()), (110, Retry::WhenFreed, Status::Live));
    drop(hold);
    assert!(run.reserve(Demand::step().tokens(70, 0)).is_ok());
}

#[test]
fn r2_a_charge_is_never_refused_and_its_debt_halts_at_the_next_ask() {
    let run = run(ResourceLimits { max_steps: 1, max_tokens: 10, max_cost_usd: Some(nano(10)), ..unlimited() });
    let settlement = run.charge(Actual::tokens(20, 0).cost(nano(30)).steps(4).discovered_steps(5));
    assert_eq!((settlement.exhausted, settlement.late, settlement.overrun_tokens), (None, false, 20));
    assert_eq!((committed(&run), run.status()), ((4, 20, 0, 30, 5), Status::Live));
    assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::StepLimit));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::StepLimit)));
}

#[test]
fn r1_steps_that_are_settled_come_on_top_of_those_that_were_reserved() {
    let run = run(unlimited());
    run.reserve(Demand::step().discovered_steps(1)).unwrap().settle(Actual::none().steps(2).discovered_steps(3));
    assert_eq!(committed(&run), (3, 0, 0, 0, 4));
}

#[test]
fn r1_every_order_of_ending_three_holds_ends_in_the_same_sums() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let run = run(roomy());
        let mut holds: Vec<_> =
            (1..=3).map(|tokens| run.reserve_owned(Demand::step().tokens(10 * tokens, 0)).ok()).collect();
        for (at, which) in order.into_iter().enumerate() {
            let hold = holds[which].take().unwrap();
            match which {
                0 => drop(hold),
                1 => drop(hold.settle(Actual::tokens(25, 0)).late),
                _ => drop(hold.settle(Actual::tokens(0, 1)).late),
            }
            let open: u64 = order[at + 1..].iter().map(|which| 10 * (*which as u64 + 1)).sum();
            assert_eq!(outstanding(&run).0, open, "{order:?}");
        }
        assert_eq!(committed(&run), (3, 25, 1, 0, 0), "{order:?}");
    }
}
