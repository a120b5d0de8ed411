//! Named allowances: tool caps of one execution.

use enforce_core::{
    Action, Actual, AllowanceKey, Cause, Demand, Enforcer, EnforcerBuilder, Execution, OnDrop, ResourceLimits, Retry,
    Status, UNLIMITED, UsageSnapshot, ViolationType,
};

use super::all;
use crate::common::{MAX, builder, noon, register, unlimited};

fn enforcer(change: impl FnOnce(EnforcerBuilder) -> EnforcerBuilder) -> (Enforcer, AllowanceKey, AllowanceKey) {
    let enforcer = change(builder(&noon()).allowance("search", 3).allowance("mail", 1)).build().unwrap();
    let (search, mail) = (enforcer.allowance("search").unwrap(), enforcer.allowance("mail").unwrap());
    (enforcer, search, mail)
}

/// How much of each is used.
fn used(run: &Execution) -> Vec<u64> {
    run.snapshot().allowances.iter().map(|allowance| allowance.used).collect()
}

#[test]
fn r1_a_unit_that_has_begun_stays_begun_whatever_becomes_of_its_hold() {
    let (enforcer, search, _) = enforcer(|it| it);
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step().allowance(search)).unwrap());
    run.reserve(Demand::step().allowance(search)).unwrap().settle(Actual::none());
    drop(run.reserve_owned(Demand::step().allowance(search).on_drop(OnDrop::ChargeAll)).unwrap());
    assert_eq!(used(&run), [3, 0]);
    let refused = run.reserve(Demand::step().allowance(search)).unwrap_err();
    assert_eq!(refused.to_string(), "allowance_limit exceeded: 4 / 3 (133%)");
    assert_eq!((refused.used, refused.asked, refused.remaining, refused.retry), (3, 1, 0, Retry::Never));
    assert_eq!(refused.allowance.and_then(|key| enforcer.allowance_name(key)), Some("search"));
    assert_eq!((run.snapshot().steps, run.status()), (3, Status::Live));
    assert!(run.reserve(Demand::step()).is_ok(), "what asks for none of it goes on");
}

#[test]
fn t2_two_allowances_are_taken_with_everything_else_or_not_at_all() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, search, mail) = enforcer(|it| it.limits(limits));
    let run = register(&enforcer, "exec", "tenant");
    let both = Demand::step().allowance_units(search, 2).allowance(mail);
    assert_eq!(run.reserve(both.tokens(11, 0)).unwrap_err().violation_type, ViolationType::TokenLimit);
    assert_eq!((used(&run), run.snapshot().steps), (vec![0, 0], 0));
    drop(run.reserve(both.tokens(10, 0)).unwrap());
    assert_eq!(used(&run), [2, 1]);
    let refused = run.reserve(Demand::step().allowance(search).allowance(mail)).unwrap_err();
    assert_eq!(refused.allowance, Some(mail));
    assert_eq!((used(&run), run.snapshot().steps, run.snapshot().outstanding.tokens), (vec![2, 1], 1, 0));
}

#[test]
fn units_of_one_key_add_up_and_a_third_key_fits_no_limit() {
    let (enforcer, search, mail) = enforcer(|it| it.allowance("third", UNLIMITED));
    let third = enforcer.allowance("third").unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let twice = Demand::step().allowance(mail).allowance(search).allowance_units(search, 1);
    let more = twice.allowance_units(search, 2);
    assert_eq!(run.reserve(more).unwrap_err().asked, 4);
    assert!(run.check(Demand::step().allowance(search).allowance(mail).allowance(third)).is_blocked());
    assert!(run.check(Demand::step().allowance(third).allowance_units(mail, 0).allowance(search)).is_allowed());
    drop(run.reserve(twice).unwrap());
    assert_eq!(used(&run), [2, 1, 0]);
}

#[test]
fn n1_no_amount_wraps_or_turns_into_another_key() {
    for action in [Action::Refuse, Action::Observe] {
        let (enforcer, ..) = enforcer(|it| it.allowance("most", MAX).allowance("any", UNLIMITED).policy(all(action)));
        for (name, units, fits) in [
            ("most", MAX, true),
            ("most", MAX + 1, false),
            ("most", u64::MAX, false),
            ("any", MAX, true),
            ("any", MAX + 1, false),
            ("any", u64::MAX, false),
        ] {
            let run = register(&enforcer, "exec", "tenant");
            let key = enforcer.allowance(name).unwrap();
            let demand = Demand::none().allowance_units(key, units);
            assert_eq!(run.reserve(demand).is_ok(), fits, "{name} {units}");
            assert!(run.reserve(Demand::none().allowance_units(key, 1).allowance_units(key, MAX)).is_err());
            let refused = run.reserve(demand.allowance_units(key, u64::MAX)).unwrap_err();
            assert_eq!((refused.allowance, refused.asked), (Some(key), u64::MAX));
            run.finish();
        }
    }
}

#[test]
fn each_execution_and_each_child_has_its_own() {
    let (enforcer, search, mail) = enforcer(|it| it);
    let root = register(&enforcer, "root", "tenant");
    let child = root.child("child").register().unwrap();
    let sliced = root.child("sliced").slice(Demand::none().steps(5).allowance_units(search, 9)).register().unwrap();
    for run in [&root, &child, &sliced] {
        drop(run.reserve(Demand::step().allowance_units(search, 3).allowance(mail)).unwrap());
        assert!(run.reserve(Demand::step().allowance(search)).is_err());
        assert_eq!(used(run), [3, 1]);
    }
    child.finish();
    let other = register(&enforcer, "other", "tenant");
    assert!(other.reserve(Demand::step().allowance_units(search, 3)).is_ok());
}

#[test]
fn an_exhausted_allowance_halts_or_pauses_if_that_is_its_action() {
    for (action, status) in [
        (Action::Halt, Status::Halted(Cause::own(ViolationType::AllowanceLimit))),
        (Action::Pause, Status::Paused(Cause::own(ViolationType::AllowanceLimit))),
        (Action::Observe, Status::Live),
    ] {
        let (enforcer, _, mail) = enforcer(|it| it.policy(all(action)));
        let run = register(&enforcer, "exec", "tenant");
        assert_eq!(run.reserve(Demand::step().allowance_units(mail, 2)).is_ok(), action == Action::Observe);
        assert_eq!(run.status(), Status::Live, "too many is not exhausted");
        let _begun = run.reserve(Demand::step().allowance(mail)).map(drop);
        let last = run.reserve(Demand::step().allowance(mail)).map(|hold| hold.observed());
        let violation = if action == Action::Observe { last.unwrap().unwrap() } else { last.unwrap_err() };
        assert_eq!((violation.violation_type, violation.allowance), (ViolationType::AllowanceLimit, Some(mail)));
        assert_eq!(run.status(), status);
    }
}

#[test]
fn a_warning_names_its_allowance() {
    let (enforcer, search, mail) = enforcer(|it| it);
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(run.reserve(Demand::step().allowance_units(search, 2)).unwrap().warning(), None);
    let warning = run.reserve(Demand::step().allowance(search).allowance(mail)).unwrap().warning().unwrap();
    assert_eq!((warning.warning_type, warning.allowance), (ViolationType::AllowanceLimit, Some(search)));
    assert_eq!((warning.current, warning.limit, warning.usage_percent), (3, 3, 100));
}

#[test]
fn a_key_of_another_enforcer_fails_closed() {
    let (other, ..) = enforcer(|it| it.allowance("third", 5));
    let third = other.allowance("third").unwrap();
    let (enforcer, ..) = enforcer(|it| it.policy(all(Action::Observe)));
    let run = register(&enforcer, "exec", "tenant");
    let refused = run.reserve(Demand::step().allowance(third)).unwrap_err();
    assert_eq!(
        (refused.violation_type, refused.limit, refused.retry),
        (ViolationType::AllowanceLimit, 0, Retry::Never)
    );
    assert_eq!((enforcer.allowance_name(third), run.snapshot().steps), (None, 0));
}

#[test]
fn an_extension_asks_of_allowances_too() {
    let (enforcer, search, _) = enforcer(|it| it);
    let run = register(&enforcer, "exec", "tenant");
    let mut hold = run.reserve(Demand::step().allowance_units(search, 2)).unwrap();
    hold.extend(Demand::none().allowance(search)).unwrap();
    assert!(hold.extend(Demand::none().allowance(search)).is_err());
    drop(hold);
    assert_eq!(used(&run), [3, 0]);
}

#[test]
fn e1_what_asks_of_an_allowance_alone_is_barred_by_a_halt() {
    let (enforcer, search, _) = enforcer(|it| it);
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::none().allowance(search)).unwrap());
    run.halt(Cause::own(ViolationType::Requested));
    let refused = run.reserve(Demand::none().allowance(search)).unwrap_err();
    assert_eq!((refused.violation_type, used(&run)), (ViolationType::Halted, vec![1, 0]));
}

#[test]
fn a_snapshot_shows_every_allowance_by_its_name() {
    let (enforcer, search, _) = enforcer(|it| it.allowance("counted", UNLIMITED).allowance("search", 4));
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step().allowance_units(search, 4)).unwrap());
    let snapshot = run.finish();
    let shown: Vec<_> = snapshot.allowances.iter().map(|it| (it.name.as_str(), it.used, it.limit)).collect();
    assert_eq!(shown, [("search", 4, Some(4)), ("mail", 0, Some(1)), ("counted", 0, None)]);
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<UsageSnapshot>(&json).unwrap(), snapshot);
    assert_eq!(register(&builder(&noon()).build().unwrap(), "a", "b").snapshot().allowances, []);
}

#[test]
fn names_and_limits_are_validated_when_they_are_built() {
    let key = |name: &str, limit| builder(&noon()).allowance(name, limit).build().err().map(|error| error.key);
    assert_eq!(key("", 1), Some("allowances"));
    assert_eq!(key(&"x".repeat(129), 1), Some("allowances"));
    assert_eq!(key("x", MAX + 1), Some("allowances"));
    assert_eq!((key(&"x".repeat(128), MAX), key("x", UNLIMITED), key("x", 0)), (None, None, None));
    let many = |count: u64| (0..count).fold(builder(&noon()), |it, number| it.allowance(number.to_string(), number));
    assert_eq!(many(128).build().unwrap_err().to_string(), "allowances: 128 names are too many; write at most 127");
    let enforcer = many(127).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    for number in [0, 1, 126] {
        let key = enforcer.allowance(&number.to_string()).unwrap();
        assert!(run.reserve(Demand::none().allowance_units(key, number)).is_ok());
        assert_eq!(run.reserve(Demand::none().allowance(key)).unwrap_err().allowance, Some(key));
    }
}

#[test]
fn t1_threads_that_call_one_tool_never_call_it_too_often() {
    let (enforcer, search, mail) = enforcer(|it| it.allowance("search", 1_000).allowance("mail", 700));
    let run = register(&enforcer, "exec", "tenant");
    let step = Demand::step().allowance(search);
    let begin = || run.reserve(step.allowance(mail)).is_ok() || run.reserve(step).is_ok();
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..300).filter(|_| begin()).count())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((taken, used(&run), run.snapshot().steps), (1_000, vec![1_000, 700], 1_000));
}

#[test]
fn l1_an_allowance_changes_while_it_is_used_and_what_is_used_stays() {
    let (enforcer, search, mail) = enforcer(|builder| builder);
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    let ask = |run: &Execution, units| run.reserve(Demand::none().allowance_units(search, units)).map(drop);
    ask(&run, 2).unwrap();
    run.set_allowance(search, 5).unwrap();
    let refused = ask(&run, 4).unwrap_err();
    assert_eq!((refused.limit, refused.used, refused.remaining, refused.retry), (5, 2, 3, Retry::Never));
    ask(&run, 3).unwrap();
    run.set_allowance(search, 1).unwrap();
    assert_eq!(ask(&run, 1).unwrap_err().to_string(), "allowance_limit exceeded: 6 / 1 (600%)");
    let [search_now, mail_now] = [0, 1].map(|place| run.snapshot().allowances[place].clone());
    assert_eq!((search_now.used, search_now.limit, mail_now.limit), (5, Some(1), Some(1)));
    run.set_allowance(search, UNLIMITED).unwrap();
    ask(&run, 1_000).unwrap();
    assert!(ask(&other, 4).is_err() && ask(&other, 3).is_ok(), "others have what they had");
    assert!(run.reserve(Demand::none().allowance_units(mail, 2)).is_err());
}

#[test]
fn an_allowance_warns_by_the_limit_that_it_has() {
    let (enforcer, search, _) = enforcer(|builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    run.set_allowance(search, 10).unwrap();
    let warned = |units| run.reserve(Demand::none().allowance_units(search, units)).unwrap().warning();
    assert_eq!(warned(7), None);
    assert_eq!(warned(1).map(|warning| (warning.current, warning.limit)), Some((8, 10)));
}

#[test]
fn a_limit_that_cannot_be_counted_and_a_strangers_key_change_nothing() {
    let (enforcer, search, _) = enforcer(|builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(run.set_allowance(search, MAX + 1).unwrap_err().key, "allowance");
    let stranger = builder(&noon()).build().unwrap();
    assert!(register(&stranger, "exec", "tenant").set_allowance(search, 1).is_err());
    assert!(run.reserve(Demand::none().allowance_units(search, 3)).is_ok());
}

#[test]
fn an_allowance_that_is_taken_away_warns_of_no_amount() {
    let (enforcer, search, _) = enforcer(|builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    run.set_allowance(search, UNLIMITED).unwrap();
    assert_eq!(run.reserve(Demand::none().allowance_units(search, MAX)).unwrap().warning(), None);
}
