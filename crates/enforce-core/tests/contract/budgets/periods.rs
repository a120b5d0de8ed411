//! Where a period ends, to the nanosecond, and into which one a hold settles.

use std::time::Duration;

use enforce_core::{
    Action, Actual, Approval, Budget, BudgetAmount, BudgetPeriod, BudgetResource, Demand, Retry, Timestamp,
};

use super::{clock, figures};
use crate::common::{DAY, NOON, SECOND, builder, nano, pass, register};
use crate::limits::budgets::{RESOURCES, SCOPES, with};

/// Where a period of each kind ends in UTC: its days since 1970, and seconds into that day.
const ENDS: [(BudgetPeriod, u64, u64); 12] = [
    (BudgetPeriod::Hour, 19_000, 3_600),
    (BudgetPeriod::Hour, 19_001, 0),
    (BudgetPeriod::Day, 19_001, 0),
    (BudgetPeriod::Day, 11_017, 0), // 2000-03-01, behind a leap day
    (BudgetPeriod::Month, 11_017, 0),
    (BudgetPeriod::Month, 10_957, 0), // 2000-01-01
    (BudgetPeriod::Month, 19_358, 0), // 2023-01-01
    (BudgetPeriod::Month, 19_417, 0), // 2023-03-01, behind 28 days
    (BudgetPeriod::Month, 19_783, 0), // 2024-03-01, behind a leap day
    (BudgetPeriod::Month, 19_844, 0), // 2024-05-01, behind 30 days
    (BudgetPeriod::Month, 47_541, 0), // 2100-03-01, behind no leap day
    (BudgetPeriod::Month, 47_482, 0), // 2100-01-01
];

/// Minutes ahead of UTC; an hour ends where one does in UTC only if they are whole hours.
const OFFSETS: [i16; 7] = [0, 60, -60, 330, -570, 840, -840];

#[test]
fn every_budget_is_whole_again_at_the_end_of_its_period_in_local_time_and_not_before() {
    for (per, days, seconds) in ENDS {
        for offset in OFFSETS {
            let local = days * DAY + seconds * SECOND;
            let end = local.checked_add_signed(-i64::from(offset) * 60 * SECOND as i64).unwrap();
            for scope in SCOPES {
                for of in RESOURCES.iter().filter(|of| of.name != BudgetResource::Memory) {
                    let time = clock(end - 1);
                    let budget = of.budget(10, per).utc_offset_minutes(offset);
                    let enforcer = with(builder(&time), scope, vec![budget]).build().unwrap();
                    let run = register(&enforcer, "exec", "tenant");
                    run.charge((of.used)(10).unwrap());
                    let what = format!("{} per {per} of the {scope} at {offset}", of.name);
                    let refused = run.reserve((of.ask)(1)).unwrap_err();
                    assert_eq!((refused.used, refused.retry), (10, Retry::After(Duration::from_nanos(1))), "{what}");
                    assert_eq!(run.reserve((of.ask)(11)).unwrap_err().retry, Retry::Never, "{what}");
                    assert!(run.check_at((of.ask)(1), Timestamp::from_nanos(end)).is_allowed(), "{what}");
                    assert!(run.check((of.ask)(1)).is_blocked(), "{what}: a question begins no period");
                    pass(&time, 1);
                    assert_eq!(figures(&enforcer, scope), [(0, 0, 0)], "{what}");
                    assert!(run.reserve((of.ask)(10)).is_ok(), "{what}");
                }
            }
        }
    }
}

#[test]
fn c1_holds_on_both_sides_of_a_boundary_settle_each_into_its_own_period_however_late() {
    let midnight = 19_001 * DAY;
    for scope in SCOPES {
        for of in RESOURCES.iter().filter(|of| !of.beginnings && of.name != BudgetResource::Memory) {
            let time = clock(midnight - 1);
            let enforcer = with(builder(&time), scope, vec![of.budget(10, BudgetPeriod::Day)]).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            let (spent, dropped) = (run.reserve((of.ask)(6)).unwrap(), run.reserve((of.ask)(4)).unwrap());
            pass(&time, 1);
            let today = run.reserve((of.ask)(9)).unwrap();
            assert_eq!(figures(&enforcer, scope), [(0, 9, 0)]);
            spent.settle((of.used)(25).unwrap());
            drop(dropped);
            assert_eq!(figures(&enforcer, scope), [(0, 9, 0)], "yesterday's debt and refund stay there");
            today.settle((of.used)(12).unwrap());
            assert_eq!(figures(&enforcer, scope), [(12, 0, 2)]);
            pass(&time, DAY);
            assert_eq!(figures(&enforcer, scope), [(0, 0, 0)]);
        }
    }
}

#[test]
fn budgets_of_several_periods_count_the_same_hold_and_the_shorter_refuses_first() {
    let last_hour = 19_000 * DAY + 23 * 3_600 * SECOND;
    let tokens = |amount, per| Budget::new(BudgetAmount::Tokens(amount), per);
    for scope in SCOPES {
        let time = clock(last_hour);
        let budgets = vec![
            tokens(40, BudgetPeriod::Total),
            tokens(30, BudgetPeriod::Month),
            tokens(20, BudgetPeriod::Day),
            tokens(10, BudgetPeriod::Hour),
        ];
        let enforcer = with(builder(&time), scope, budgets).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let refused = |tokens| run.reserve(Demand::none().tokens(tokens, 0)).unwrap_err().limit;
        assert_eq!([11, 21, 31, 41].map(refused), [10; 4]);
        let late = run.reserve(Demand::none().tokens(8, 0)).unwrap();
        assert_eq!(figures(&enforcer, scope), [(0, 8, 0); 4], "hour, day, month, total");
        pass(&time, 3_600 * SECOND);
        assert_eq!(figures(&enforcer, scope), [(0, 0, 0), (0, 0, 0), (0, 8, 0), (0, 8, 0)], "another hour and day");
        run.reserve(Demand::none().tokens(9, 0)).unwrap().settle(Actual::tokens(9, 0));
        late.settle(Actual::tokens(7, 0));
        assert_eq!(figures(&enforcer, scope), [(9, 0, 0), (9, 0, 0), (16, 0, 0), (16, 0, 0)]);
        pass(&time, 3_600 * SECOND);
        run.reserve(Demand::none().tokens(10, 0)).unwrap().settle(Actual::tokens(10, 0));
        assert_eq!(figures(&enforcer, scope), [(10, 0, 0), (19, 0, 0), (26, 0, 0), (26, 0, 0)]);
        pass(&time, 3_600 * SECOND);
        assert_eq!(refused(2), 20, "the day is first");
        pass(&time, DAY);
        assert_eq!(refused(5), 30, "then the month");
        pass(&time, 31 * DAY);
        run.charge(Actual::tokens(9, 0));
        pass(&time, 3_600 * SECOND);
        assert_eq!(refused(6), 40, "and what has no periods last");
    }
}

#[test]
fn the_retry_is_the_latest_of_all_budgets_that_refuse() {
    let time = clock(NOON);
    let cost = |amount, per| Budget::new(BudgetAmount::CostUsd(nano(amount)), per);
    for scope in SCOPES {
        let retry = |committed: u64, held: u64, asked: u64, budgets: &[Budget]| {
            let enforcer = with(builder(&time), scope, budgets.to_vec()).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            run.charge(Actual::none().cost(nano(committed)));
            let _hold = run.reserve(Demand::none().cost(nano(held))).unwrap();
            run.reserve(Demand::none().cost(nano(asked))).unwrap_err().retry
        };
        let after = |nanos| Retry::After(Duration::from_nanos(nanos));
        let (hour, day) = (cost(10, BudgetPeriod::Hour), cost(10, BudgetPeriod::Day));
        let midnight = DAY / 2;
        assert_eq!(retry(9, 0, 2, &[hour]), after(3_600 * SECOND));
        assert_eq!(retry(9, 0, 2, &[hour, day]), after(midnight), "the day refuses as well");
        assert_eq!(retry(9, 0, 2, &[hour, cost(11, BudgetPeriod::Day)]), after(3_600 * SECOND), "the day does not");
        assert_eq!(retry(4, 5, 2, &[hour]), Retry::WhenFreed, "only the hold is in the way");
        assert_eq!(retry(4, 5, 2, &[cost(10, BudgetPeriod::Hour), cost(5, BudgetPeriod::Day)][..1]), Retry::WhenFreed);
        assert_eq!(retry(9, 0, 2, &[hour, cost(10, BudgetPeriod::Total)]), Retry::Never, "the total never comes back");
        let observed = cost(10, BudgetPeriod::Total).action(Action::Observe);
        assert_eq!(retry(9, 0, 2, &[hour, observed]), after(3_600 * SECOND), "and is not asked if it only observes");
        assert_eq!(retry(0, 0, 11, &[hour, day]), Retry::Never);
    }
}

#[test]
fn what_is_about_to_halt_is_not_waited_for_and_what_waits_becomes_an_error_that_may_be_retried() {
    let hour = |action| Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Hour).action(action);
    let refused = |action| {
        let enforcer = with(builder(&clock(NOON)), SCOPES[0], vec![hour(action)]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(Actual::tokens(10, 0));
        run.reserve(Demand::none().tokens(1, 0)).unwrap_err()
    };
    assert_eq!(refused(Action::Halt).retry, Retry::Never);
    assert_eq!(refused(Action::Pause).retry, Retry::Never);
    let error = refused(Action::Refuse).to_error();
    assert_eq!((error.to_http_status(), error.is_retryable(), error.is_fatal()), (429, true, false));
    assert_eq!(error.retry_policy.delay_for_attempt(1), Duration::from_secs(3_600));
}

#[test]
fn e3_the_next_period_of_a_budget_ends_no_pause_but_has_room_behind_the_approval() {
    for scope in SCOPES {
        let time = clock(NOON);
        let budget = Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Hour).action(Action::Pause);
        let enforcer = with(builder(&time), scope, vec![budget]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(Actual::tokens(10, 0));
        assert!(run.reserve(Demand::none().tokens(1, 0)).is_err());
        pass(&time, DAY);
        assert_eq!(run.reserve(Demand::none().tokens(1, 0)).unwrap_err().retry, Retry::AfterApproval);
        run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "a new hour")).unwrap();
        assert!(run.reserve(Demand::none().tokens(10, 0)).is_ok());
    }
}

#[test]
fn n1_a_clock_at_its_end_and_one_that_steps_back_stay_in_the_period_that_had_begun() {
    for per in [BudgetPeriod::Hour, BudgetPeriod::Day, BudgetPeriod::Month, BudgetPeriod::Total] {
        for offset in OFFSETS {
            let time = clock(0);
            let budget = Budget::new(BudgetAmount::Tokens(10), per).utc_offset_minutes(offset);
            let enforcer = with(builder(&time), SCOPES[1], vec![budget]).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            let early = run.reserve(Demand::none().tokens(3, 0)).unwrap();
            for now in [u64::MAX, u64::MAX - 1, 0] {
                time.set(Timestamp::from_nanos(now));
                assert!(run.reserve(Demand::none().tokens(8, 0)).is_ok() || per == BudgetPeriod::Total);
                assert!(run.reserve(Demand::none().tokens(11, 0)).is_err());
            }
            early.settle(Actual::tokens(3, 0));
            let here = if per == BudgetPeriod::Total { 3 } else { 0 };
            assert_eq!(figures(&enforcer, SCOPES[1]), [(here, 0, 0)], "{per} at {offset}");
        }
    }
}

#[test]
fn a_hold_that_grows_takes_quantities_in_its_own_period_and_begins_steps_in_the_current_one() {
    let time = clock(19_001 * DAY - 1);
    for scope in SCOPES {
        time.set(Timestamp::from_nanos(19_001 * DAY - 1));
        let budgets = vec![
            Budget::new(BudgetAmount::Steps(3), BudgetPeriod::Day),
            Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Day),
        ];
        let enforcer = with(builder(&time), scope, budgets).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let mut hold = run.reserve(Demand::step().tokens(4, 0)).unwrap();
        pass(&time, 1);
        hold.extend(Demand::step().tokens(6, 0)).unwrap();
        assert_eq!(figures(&enforcer, scope), [(1, 0, 0), (0, 0, 0)], "the step is today's, the tokens yesterday's");
        let refused = hold.extend(Demand::none().tokens(1, 0)).unwrap_err();
        assert_eq!((refused.used, refused.retry), (10, Retry::WhenFreed));
        assert!(hold.extend(Demand::none().steps(3)).is_err(), "three a day, and one has begun");
        hold.settle(Actual::tokens(10, 0));
        assert_eq!(figures(&enforcer, scope), [(1, 0, 0), (0, 0, 0)]);
    }
}
