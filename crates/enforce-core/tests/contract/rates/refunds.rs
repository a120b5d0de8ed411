//! What a hold gives back to rates of tokens, and what it charges above them.

use enforce_core::{
    Actual, Demand, Enforcer, Execution, ManualClock, OnDrop, RateLimit, RatePeriod, RateUnit, Retry, ScopeKind,
};

use super::{after, of_each_kind, step};
use crate::common::{MAX, SECOND, builder, noon, pass, register};

/// One of 60 a minute, 100 at once, on each kind of key in turn.
fn rated(unit: RateUnit) -> impl Iterator<Item = (ManualClock, Enforcer, Execution, Demand)> {
    of_each_kind(RateLimit::provider(unit, 60, RatePeriod::Minute).burst(100)).into_iter().map(|limit| {
        let time = noon();
        let enforcer = builder(&time).rate(limit).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let demand = step(&enforcer);
        (time, enforcer, run, demand)
    })
}

/// How much of the burst is left.
fn left(run: &Execution, demand: Demand) -> u64 {
    run.reserve(demand.tokens(100, 100).rate_tokens(100)).map_or_else(|refused| refused.remaining, |_| 100)
}

#[test]
fn a_settle_gives_back_what_was_not_used_and_a_drop_gives_back_everything_but_the_request() {
    for (_, _, run, demand) in rated(RateUnit::TotalTokens) {
        let hold = run.reserve(demand.tokens(30, 40)).unwrap();
        assert_eq!(left(&run, demand), 30);
        hold.settle(Actual::tokens(5, 6));
        assert_eq!(left(&run, demand), 89);
        drop(run.reserve(demand.tokens(30, 40)).unwrap());
        assert_eq!(left(&run, demand), 89);
    }
    for (_, _, run, demand) in rated(RateUnit::Requests) {
        for _ in 0..100 {
            drop(run.reserve(demand).unwrap());
        }
        assert!(run.reserve(demand).is_err(), "a request that was made was made");
    }
}

#[test]
fn input_and_output_are_corrected_apart() {
    for (_, _, run, demand) in rated(RateUnit::InputTokens) {
        run.reserve(demand.tokens(30, 90)).unwrap().settle(Actual::tokens(10, 500));
        assert_eq!(left(&run, demand), 90);
    }
    for (_, _, run, demand) in rated(RateUnit::OutputTokens) {
        run.reserve(demand.tokens(90, 30)).unwrap().settle(Actual::tokens(500, 10));
        assert_eq!(left(&run, demand), 90);
    }
}

#[test]
fn r2_what_was_used_above_it_is_charged_and_drains_as_debt() {
    for (time, _, run, demand) in rated(RateUnit::TotalTokens) {
        let hold = run.reserve(demand.tokens(60, 0)).unwrap();
        pass(&time, 10 * SECOND);
        // 50 are left of the 60, and 100 more are charged now.
        hold.settle(Actual::tokens(160, 0));
        let refused = run.reserve(demand.tokens(0, 0)).unwrap_err();
        assert_eq!((refused.used, refused.asked, refused.limit, refused.remaining), (150, 0, 100, 0));
        assert_eq!(refused.retry, after(50), "debt blocks who asks nothing of it, too");
        pass(&time, 50 * SECOND - 1);
        assert!(run.reserve(demand).is_err());
        pass(&time, 1);
        assert!(run.reserve(demand).is_ok());
        assert_eq!(run.reserve(demand.tokens(1, 0)).unwrap_err().retry, after(1));
    }
}

#[test]
fn r2_a_late_settle_is_charged_too() {
    for (_, _, run, demand) in rated(RateUnit::TotalTokens) {
        let hold = run.reserve(demand.tokens(10, 0)).unwrap();
        run.finish();
        assert!(hold.settle(Actual::tokens(70, 0)).late);
    }
    for (_, enforcer, run, demand) in rated(RateUnit::TotalTokens) {
        let next = register(&enforcer, "next", "tenant");
        let hold = run.reserve(demand.tokens(10, 0)).unwrap();
        run.finish();
        hold.settle(Actual::tokens(70, 0));
        assert_eq!(left(&next, demand), 30);
    }
}

#[test]
fn q1_what_has_drained_does_not_come_back() {
    for (time, _, run, demand) in rated(RateUnit::TotalTokens) {
        let hold = run.reserve(demand.tokens(50, 0)).unwrap();
        pass(&time, 30 * SECOND);
        run.reserve(demand.tokens(80, 0)).unwrap().settle(Actual::tokens(80, 0));
        // 20 of the first 50 had not drained when the second was admitted; both together stand 100 ahead.
        drop(hold);
        assert_eq!(left(&run, demand), 20);
        pass(&time, 80 * SECOND);
        assert_eq!(left(&run, demand), 100);
    }
}

#[test]
fn what_stood_behind_another_demand_and_has_not_drained_comes_back() {
    for (time, _, run, demand) in rated(RateUnit::TotalTokens) {
        run.reserve(demand.tokens(40, 0)).unwrap().settle(Actual::tokens(40, 0));
        let hold = run.reserve(demand.tokens(40, 0)).unwrap();
        pass(&time, 50 * SECOND);
        // Shows what time it is by now.
        run.reserve(demand.tokens(1, 0)).unwrap().settle(Actual::tokens(1, 0));
        assert_eq!(left(&run, demand), 69);
        // 30 of its own 40: the first ten have drained behind those of the other.
        drop(hold);
        assert_eq!(left(&run, demand), 99);
    }
}

#[test]
fn n1_an_overrun_that_cannot_be_counted_blocks_for_good_and_nothing_takes_it_back() {
    for (time, _, run, demand) in rated(RateUnit::TotalTokens) {
        let hold = run.reserve(demand.tokens(40, 0)).unwrap();
        let over = run.reserve(demand.tokens(0, 0)).unwrap();
        over.settle(Actual::tokens(u64::MAX, 0));
        drop(hold);
        pass(&time, 1_000_000_000 * SECOND);
        let refused = run.reserve(demand.tokens(0, 0)).unwrap_err();
        assert_eq!(refused.retry, Retry::Never);
    }
    let debt = RateLimit::provider(RateUnit::TotalTokens, 1_000_000_000, RatePeriod::Second);
    let enforcer = builder(&noon()).rate(debt).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.reserve(step(&enforcer)).unwrap().settle(Actual::tokens(MAX, 0));
    let next = register(&enforcer, "next", "tenant");
    let refused = next.reserve(step(&enforcer)).unwrap_err();
    assert_eq!((refused.scope, refused.used), (ScopeKind::Provider, MAX), "and one that can is counted to the token");
}

#[test]
fn what_many_slow_calls_did_not_use_comes_back_whole_while_nobody_else_takes() {
    for (time, _, run, demand) in rated(RateUnit::TotalTokens) {
        let holds = [0; 4].map(|_| run.reserve(demand.tokens(25, 0)).unwrap());
        pass(&time, 30 * SECOND);
        for hold in holds {
            hold.settle(Actual::tokens(10, 0));
        }
        // 40 were used, of which 30 have drained; with all 100 taken, 30 of 100 would have.
        assert_eq!(left(&run, demand), 90);
    }
}

#[test]
fn a_dropped_hold_charges_rates_what_its_policy_says() {
    for (on_drop, left_over) in [(OnDrop::GiveBack, 100), (OnDrop::ChargeAll, 30), (OnDrop::ChargeInput, 60)] {
        for (_, _, run, demand) in rated(RateUnit::TotalTokens) {
            drop(run.reserve(demand.tokens(40, 30).on_drop(on_drop)).unwrap());
            assert_eq!(left(&run, demand), left_over, "{on_drop:?}");
        }
    }
    for (_, _, run, demand) in rated(RateUnit::OutputTokens) {
        drop(run.reserve(demand.tokens(40, 30).on_drop(OnDrop::ChargeInput)).unwrap());
        assert_eq!(left(&run, demand), 100);
    }
}

#[test]
fn what_an_extension_takes_without_a_key_is_charged_by_the_settle() {
    for (_, _, run, demand) in rated(RateUnit::TotalTokens) {
        let mut hold = run.reserve(demand.tokens(40, 10)).unwrap();
        hold.extend(Demand::none().tokens(0, 30)).unwrap();
        assert_eq!(left(&run, demand), 50, "it asks no rate");
        hold.settle(Actual::tokens(40, 35));
        assert_eq!(left(&run, demand), 25);
    }
}

#[test]
fn what_an_extension_takes_with_the_same_keys_is_counted_with_the_rest_and_asked_before() {
    for (_, _, run, demand) in rated(RateUnit::TotalTokens) {
        let mut hold = run.reserve(demand.tokens(40, 10)).unwrap();
        let more = demand.steps(0);
        hold.extend(more.tokens(0, 30)).unwrap();
        assert_eq!(hold.extend(more.tokens(0, 30)).unwrap_err().remaining, 20);
        hold.settle(Actual::tokens(40, 15));
        assert_eq!(left(&run, demand), 45);
        drop(run.reserve(demand.tokens(10, 10)).unwrap());
        assert_eq!(left(&run, demand), 45);
    }
}

#[test]
fn a_hold_that_was_forgotten_gives_back_at_its_deadline_and_its_late_settle_charges_the_rest() {
    for (on_drop, left_over) in [(OnDrop::GiveBack, 100), (OnDrop::ChargeInput, 60), (OnDrop::ChargeAll, 30)] {
        for (time, enforcer, run, demand) in rated(RateUnit::TotalTokens) {
            let hold = run.reserve_owned(demand.tokens(40, 30).on_drop(on_drop)).unwrap();
            let hold = hold.with_deadline(time.now()).unwrap();
            enforcer.expire_holds();
            assert_eq!(left(&run, demand), left_over, "{on_drop:?}");
            hold.settle(Actual::tokens(40, 35));
            assert_eq!(left(&run, demand), 25, "{on_drop:?}");
        }
    }
}
