//! States are doctored, each in one place, and the law that this breaks has to be named.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use enforce_core::{Actual, Cause, Demand, OwnedHold, TenantState, ViolationType};
use parking_lot::Mutex;

use super::super::limits::Limits;
use super::super::node::Ledger;
use super::super::plan::{Plan, Until};
use super::super::protocol::{Protocol, money};
use super::super::saving::{Saved, Seen};
use super::*;

const LIMIT: u64 = 1_000;

/// A root that has used 7 tokens and holds 30, with a child that has a slice of 100; one that was halted; and one that is
/// paused. Their tenant has a budget, of which 5 nano-dollars are used and 11 are held.
struct Rest {
    world: World,
    nodes: Vec<Arc<Node>>,
    _open: OwnedHold,
}

impl Rest {
    fn new() -> Self {
        let plan =
            Plan { seed: 1, threads: 1, executions: 48, until: Until::Operations(1), protocol: Protocol::Reserve };
        let world = World::new(plan).unwrap();
        let limits = Limits::tokens(LIMIT).resource;
        let register = |id: &str| world.enforcer.execution(id, "t1").limits(limits.clone()).register().unwrap();
        let [root, halted, paused] = ["root", "halted", "paused"].map(register);
        root.charge(Actual::tokens(3, 4).cost(money(5)));
        let open = root.reserve_owned(Demand::none().tokens(10, 20).cost(money(11))).unwrap();
        let child = root.child("child").limits(limits.clone()).slice(Demand::none().tokens(0, 100)).register().unwrap();
        halted.halt(Cause::own(ViolationType::Requested));
        paused.pause("look");
        let nodes = [(root, 137), (child, 0), (halted, 0), (paused, 0)];
        let nodes = nodes.into_iter().enumerate().map(|(key, (run, used))| node(key as u64, run, used)).collect();
        Self { world, nodes, _open: open }
    }

    fn living(&self) -> Living<'_> {
        self.nodes.iter().map(|node| (node.execution.id(), &**node)).collect()
    }

    /// The laws that are broken if this is saved in the place of what stands there.
    fn broken(&self, holds: OpenHolds, doctor: impl FnOnce(&mut EnforcerState)) -> BTreeSet<Law> {
        let mut state = self.world.enforcer.save();
        doctor(&mut state);
        let (living, mut findings) = (self.living(), Findings::default());
        if let Some(restart) = Restart::of(&self.world, &living, &state, holds, &mut findings) {
            restart.compare(&state, &living, &mut findings);
        }
        findings.broken.into_keys().collect()
    }

    /// The same of what is saved while others work; the two looks at the root may be doctored, too.
    fn broken_under_load(&self, doctor: impl FnOnce(&mut EnforcerState, &mut Seen)) -> BTreeSet<Law> {
        let node = Arc::clone(&self.nodes[0]);
        let (before, after) = (node.execution.snapshot(), node.execution.snapshot());
        let (mut state, mut seen) = (self.world.enforcer.save(), Seen { node, before, after });
        doctor(&mut state, &mut seen);
        let saved = Saved { state, seen: vec![seen] };
        let mut findings = Findings::default();
        let restart =
            Restart::of(&self.world, &self.living(), &saved.state, OpenHolds::GiveBack, &mut findings).unwrap();
        saved.compare(&restart, &mut findings);
        findings.broken.into_keys().collect()
    }
}

fn node(key: u64, execution: Execution, used: i64) -> Arc<Node> {
    let mut ledger = Ledger::default();
    ledger.used_before[TOKENS] = used;
    Arc::new(Node {
        key,
        execution,
        tenant: 1,
        parent: None,
        slice: None,
        is_strict: true,
        stopped: OnceLock::new(),
        limits: Mutex::new(Limits::tokens(LIMIT)),
        ledger: Mutex::new(ledger),
    })
}

fn of<'a>(state: &'a mut EnforcerState, id: &str) -> &'a mut ExecutionState {
    state.executions.iter_mut().find(|it| it.id == id).unwrap()
}

fn tenant(state: &mut EnforcerState) -> &mut TenantState {
    state.tenants.iter_mut().find(|it| it.id == "t1").unwrap()
}

/// [`Rest::broken`] if open holds are charged.
fn charged(doctor: impl FnOnce(&mut EnforcerState)) -> Vec<Law> {
    Rest::new().broken(OpenHolds::ChargeInFull, doctor).into_iter().collect()
}

#[test]
fn what_was_saved_at_rest_breaks_nothing() {
    for holds in [OpenHolds::ChargeInFull, OpenHolds::GiveBack] {
        assert_eq!(Rest::new().broken(holds, |_| {}), BTreeSet::new(), "{holds:?}");
    }
}

#[test]
fn t1_r1_c1_a_token_that_is_lost_is_missed_everywhere() {
    assert_eq!(charged(|state| of(state, "root").committed.output_tokens -= 1), [Law::T1, Law::R1, Law::C1]);
}

#[test]
fn t1_an_open_hold_that_is_forgotten_grants_what_it_holds() {
    assert_eq!(charged(|state| of(state, "root").outstanding.tokens -= 1), [Law::T1, Law::C1]);
    let rest = Rest::new();
    let given_back = rest.broken(OpenHolds::GiveBack, |state| of(state, "root").outstanding.tokens -= 1);
    assert_eq!(given_back, BTreeSet::new(), "it goes back in any case");
}

#[test]
fn t1_a_slice_that_shrinks_is_found() {
    assert!(charged(|state| of(state, "child").slice.as_mut().unwrap().tokens -= 1).contains(&Law::T1));
}

#[test]
fn t1_c1_a_budget_of_which_less_is_used_is_found() {
    let forget = |state: &mut EnforcerState| tenant(state).budgets.clear();
    assert_eq!(charged(forget), [Law::T1]);
    assert_eq!(Rest::new().broken(OpenHolds::GiveBack, forget), [Law::C1].into());
}

#[test]
fn c1_totals_that_ended_executions_have_never_used_are_found() {
    assert_eq!(charged(|state| tenant(state).ended.steps += 1), [Law::C1]);
}

#[test]
fn e2_e3_halts_and_pauses_that_are_lifted_are_found() {
    // It has its slot again.
    assert_eq!(charged(|state| of(state, "halted").halted = None), [Law::E2, Law::G1]);
    assert_eq!(charged(|state| of(state, "paused").pause = None), [Law::E3]);
}

#[test]
fn g1_who_is_missing_is_found() {
    assert!(charged(|state| state.executions.retain(|it| it.id != "child")).contains(&Law::G1));
}

#[test]
fn s1_a_state_that_cannot_be_taken_over_is_a_finding_that_says_why() {
    let rest = Rest::new();
    let mut state = rest.world.enforcer.save();
    state.version += 1;
    let mut findings = Findings::default();
    let restart = Restart::of(&rest.world, &rest.living(), &state, OpenHolds::GiveBack, &mut findings);
    assert!(restart.is_none());
    let said = findings.violations[0].to_string();
    assert!(said.starts_with("S1: saved state: a state of version 2; "), "{said}");
}

#[test]
fn what_is_saved_under_load_and_does_not_lie_within_the_call_is_found() {
    let rest = Rest::new();
    let broken = |doctor: fn(&mut EnforcerState, &mut Seen)| rest.broken_under_load(doctor);
    assert_eq!(broken(|_, _| {}), BTreeSet::new());
    assert_eq!(broken(|state, _| of(state, "root").committed.input_tokens -= 1), [Law::S1, Law::T1].into());
    assert_eq!(broken(|state, _| of(state, "root").committed.input_tokens += 1), [Law::S1].into());
    assert_eq!(broken(|state, _| state.executions.retain(|it| it.tenant != "t1")), [Law::G1].into());
    assert_eq!(broken(|_, seen| seen.before.status = Status::Finished(None)), [Law::E1].into());
    let halted = Status::Halted(Cause::own(ViolationType::Requested));
    rest.nodes[0].execution.halt(Cause::own(ViolationType::Requested));
    assert_eq!(rest.nodes[0].execution.status(), halted);
    assert_eq!(broken(|state, _| of(state, "root").halted = None), [Law::E2].into());
}
