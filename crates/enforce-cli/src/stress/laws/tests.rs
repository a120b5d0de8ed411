//! Each law is broken on purpose, by one, and has to be named.

use std::sync::{Arc, OnceLock};

use enforce_core::{Actual, Demand, EnforcementResult, Enforcer, Execution, ResourceLimits};
use parking_lot::Mutex;

use super::super::amounts::{NO_LIMIT, plus};
use super::super::census::Census;
use super::super::limits::Limits;
use super::super::node::{Ledger, Node};
use super::super::plan::{Plan, Until};
use super::super::protocol::Protocol;
use super::super::world::World;
use super::*;

/// One that has used 2 steps and 30 tokens, 20 of them input, of 25.
fn run() -> (Enforcer, Execution) {
    let limits = ResourceLimits { max_tokens: 25, ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build().unwrap();
    let run = enforcer.execution("run", "tenant").register().unwrap();
    run.charge(Actual::tokens(20, 10).steps(2));
    (enforcer, run)
}

fn amounts(places: &[(usize, i64)]) -> Amounts {
    let mut amounts = NONE;
    places.iter().for_each(|(place, amount)| amounts[*place] = *amount);
    amounts
}

fn used() -> Amounts {
    amounts(&[(STEPS, 2), (TOKENS, 30), (INPUT, 20)])
}

/// The laws that are broken, once each time.
fn laws(judge: impl FnOnce(&mut Judge)) -> Vec<Law> {
    let mut broken = Judge::of("run");
    judge(&mut broken);
    assert!(broken.violations.iter().all(|violation| violation.subject == "run"));
    broken.violations.into_iter().map(|violation| violation.law).collect()
}

#[test]
fn r1_each_amount_that_is_off_by_one_is_found() {
    let (_enforcer, run) = run();
    let seen = run.snapshot();
    let conserved = |sums: &Sums| laws(|judge| assert_eq!(judge.conserved(sums, &seen), plus(used(), sums.held)));
    assert_eq!(conserved(&Sums { committed: used(), ..Sums::default() }), []);
    for place in [STEPS, TOKENS, INPUT, COST, DISCOVERED] {
        for by in [1, -1] {
            let committed = plus(used(), amounts(&[(place, by)]));
            assert_eq!(conserved(&Sums { committed, ..Sums::default() }), [Law::R1], "{place}");
        }
    }
    for place in [TOKENS, MEMORY, COST] {
        let sums = Sums { committed: used(), held: amounts(&[(place, 1)]), ..Sums::default() };
        assert_eq!(laws(|judge| assert_eq!(judge.conserved(&sums, &seen), used())), [Law::R1], "{place}");
    }
}

#[test]
fn t1_l1_what_grew_above_the_limit_without_an_overrun_is_found() {
    let limits = |tokens| plus([NO_LIMIT; 6], amounts(&[(TOKENS, tokens - NO_LIMIT)]));
    let limited = |before: i64, limit: i64, over: i64| {
        let [before, over] = [before, over].map(|tokens| amounts(&[(TOKENS, tokens)]));
        laws(|judge| judge.limited(&used(), &before, &limits(limit), &over))
    };
    assert_eq!(limited(0, 30, 0), []);
    assert_eq!(limited(0, 29, 0), [Law::T1]);
    assert_eq!(limited(0, 25, 5), []);
    assert_eq!(limited(0, 25, 4), [Law::T1]);
    assert_eq!(limited(30, 25, 0), [], "it stood there before the limit was lowered");
    assert_eq!(limited(29, 25, 0), [Law::L1]);
}

#[test]
fn t1_a_refusal_that_sees_more_than_the_limit_is_found() {
    let (_enforcer, run) = run();
    let refused = |run: &Execution| match run.check(Demand::none().tokens(1, 0)) {
        EnforcementResult::Blocked(refused) => refused,
        admitted => panic!("{admitted:?}"),
    };
    assert_eq!(laws(|judge| judge.never_passed(&refused(&run))), [Law::T1]);
    run.set_limits(ResourceLimits { max_tokens: 30, ..ResourceLimits::unlimited() }).unwrap();
    assert_eq!(laws(|judge| judge.never_passed(&refused(&run))), []);
}

#[test]
fn r2_debt_that_is_off_by_one_is_found() {
    let (_enforcer, run) = run();
    let indebted = |tokens| {
        let limits = amounts(&[(TOKENS, tokens), (COST, NO_LIMIT)]);
        laws(|judge| judge.indebted(&limits, &run.snapshot()))
    };
    assert_eq!((indebted(25), indebted(24), indebted(26)), (vec![], vec![Law::R2], vec![Law::R2]));
}

#[test]
fn s1_figures_that_went_down_are_found() {
    let (_enforcer, run) = run();
    let before = run.snapshot();
    run.charge(Actual::tokens(1, 0));
    let after = run.snapshot();
    assert_eq!(laws(|judge| judge.grown(&before, &after)), []);
    assert_eq!(laws(|judge| judge.grown(&after, &before)), [Law::S1; 2], "input and total");
}

#[test]
fn c1_g1_a_tenants_figures_that_are_off_by_one_are_found() {
    let (enforcer, _run) = run();
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!(laws(|judge| judge.of_tenant(&used(), Some(&usage))), []);
    assert_eq!(laws(|judge| judge.of_tenant(&amounts(&[]), None)), [], "nobody has used nothing");
    for place in [STEPS, TOKENS, INPUT, COST] {
        let expected = plus(used(), amounts(&[(place, 1)]));
        assert_eq!(laws(|judge| judge.of_tenant(&expected, Some(&usage))), [Law::C1]);
    }
    let bounds = |slots| Bounds { slots, budget: NO_LIMIT, highest_slots: slots, highest_budget: NO_LIMIT };
    let slots = |live, bound| {
        let books = Books { live, ..Books::default() };
        laws(|judge| judge.has_slots(&books, &bounds(bound), Some(&usage)))
    };
    assert_eq!((slots(1, 1), slots(2, 1), slots(1, 0)), (vec![], vec![Law::G1], vec![Law::T1]));
}

fn plan() -> Plan {
    Plan { seed: 1, threads: 1, executions: 8, until: Until::Operations(1), protocol: Protocol::Reserve }
}

/// What a census of this one finds when its books say so.
fn counted(world: &World, execution: Execution, ledger: Ledger) -> Vec<Violation> {
    let node = Node {
        key: 1,
        execution,
        tenant: 0,
        parent: None,
        slice: None,
        is_strict: true,
        stopped: OnceLock::new(),
        limits: Mutex::new(Limits::tokens(1_000)),
        ledger: Mutex::new(ledger),
    };
    let mut census = Census::default();
    census.enter(Arc::new(node));
    let mut violations = Vec::new();
    census.compare(world, &mut |judge| violations.extend(judge.violations));
    violations
}

#[test]
fn an_error_planted_in_the_books_of_an_execution_is_reported_by_its_id() {
    let world = World::new(plan()).unwrap();
    let register = |id: &str| {
        let limits = Limits::tokens(1_000);
        world.enforcer.execution(id, "t0").limits(limits.resource).long_running(limits.long_running).register().unwrap()
    };
    let ledger = |tokens| {
        let mut ledger = Ledger::default();
        ledger.own.committed = amounts(&[(TOKENS, tokens)]);
        ledger
    };
    let [right, wrong] = ["right", "wrong"].map(register);
    for run in [&right, &wrong] {
        run.charge(Actual::tokens(0, 7));
    }
    assert_eq!(counted(&world, right, ledger(7)), []);
    let found = counted(&world, wrong, ledger(8));
    let [violation] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(violation.to_string(), "R1: wrong: tokens committed: found 7, expected exactly 8");
}
