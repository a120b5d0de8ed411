//! Random trees of executions against a plain sequential oracle (T1, T2, R1, R2, L1, E1, E2, E3, G1, C1, I1): the same
//! decisions, the same figures in them, the same counters of every execution after every call.

mod approve;
mod compare;
pub(crate) mod look;
pub(crate) mod model;
mod restart;
mod steps;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use enforce_core::{
    Approval, ApprovalError, Cause, EnforcementPolicy, EnforcementResult, EnforcementViolation, Enforcer, Execution,
    LimitActions, ManualClock, NanoUsd, OnDrop, OwnedHold, PauseTicket, RegisterError, Retry, ScopeKind, Settlement,
    Status, TenantPolicy, ViolationType,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::approve::Denied;
use self::look::{Noticed, refusal};
use self::model::{Actions, Amounts, COST, DISCOVERED, Forest, Node, Refusal, State};
use self::steps::{Step, actual, demand};
use crate::common::{builder, noon, pass};

/// Sequences that are tried.
const CASES: u32 = 2_000;

const TENANTS: [&str; 2] = ["tenant_0", "tenant_1"];

/// What the sequences have to meet, or they show nothing.
const EVERY_REFUSAL: [(ViolationType, ScopeKind); 19] = [
    (ViolationType::WallTimeLimit, ScopeKind::Execution),
    (ViolationType::WallTimeLimit, ScopeKind::Parent),
    (ViolationType::IdleTimeout, ScopeKind::Execution),
    (ViolationType::StepLimit, ScopeKind::Execution),
    (ViolationType::StepLimit, ScopeKind::Parent),
    (ViolationType::TokenLimit, ScopeKind::Parent),
    (ViolationType::MemoryLimit, ScopeKind::Parent),
    (ViolationType::CostLimit, ScopeKind::Execution),
    (ViolationType::CostLimit, ScopeKind::Parent),
    (ViolationType::CostLimit, ScopeKind::Tenant),
    (ViolationType::CostThreshold, ScopeKind::Execution),
    (ViolationType::CostThreshold, ScopeKind::Parent),
    (ViolationType::DiscoveredStepLimit, ScopeKind::Parent),
    (ViolationType::ChildLimit, ScopeKind::Parent),
    (ViolationType::Paused, ScopeKind::Execution),
    (ViolationType::Paused, ScopeKind::Parent),
    (ViolationType::Halted, ScopeKind::Execution),
    (ViolationType::Halted, ScopeKind::Parent),
    (ViolationType::Closed, ScopeKind::Execution),
];

/// The library and the oracle, side by side.
struct Pair {
    time: ManualClock,
    enforcer: Enforcer,
    runs: Vec<Execution>,
    /// Open holds: whose, its number there, and the hold.
    holds: Vec<(usize, usize, OwnedHold)>,
    /// Every pause so far: whose, its number in the oracle, and its ticket.
    tickets: Vec<(usize, usize, PauseTicket)>,
    forest: Forest,
    /// Those that had ended before a restart: nobody can ask them any more.
    past: BTreeSet<usize>,
    met: BTreeSet<(ViolationType, ScopeKind)>,
    /// How often what came about.
    seen: BTreeMap<&'static str, u64>,
}

fn told(violation: &EnforcementViolation) -> Refusal {
    let (kind, scope, used) = (violation.violation_type, violation.scope, violation.used.into());
    let cause = violation.cause.map(|cause| (cause.violation_type, cause.scope));
    assert_eq!(violation.remaining, violation.limit.saturating_sub(violation.used));
    assert_eq!(violation.current, violation.used + violation.asked);
    Refusal { cause, ..refusal(kind, scope, used, violation.asked.into(), violation.limit.into(), violation.retry) }
}

pub(crate) fn status(state: State) -> Status {
    let cause = |(violation_type, scope)| Cause { violation_type, scope };
    match state {
        State::Live => Status::Live,
        State::Paused(by) => Status::Paused(cause(by)),
        State::Halted(by) => Status::Halted(cause(by)),
        State::Finished(by) => Status::Finished(by.map(cause)),
    }
}

fn policy(actions: &Actions) -> EnforcementPolicy {
    let [steps, tokens, memory, cost, discovered_steps] = actions.amounts;
    let actions = LimitActions {
        steps,
        tokens,
        memory,
        cost,
        discovered_steps,
        wall_time: actions.time,
        idle: actions.idle,
        cost_threshold: actions.threshold,
        ..LimitActions::default()
    };
    EnforcementPolicy { actions, timeout_grace_ms: 0, ..EnforcementPolicy::default() }
}

fn enforcer(time: &ManualClock, actions: &Actions, budget: Option<u64>) -> Enforcer {
    let tenant = TenantPolicy {
        budget_usd: budget.map(|nanos| NanoUsd::new(nanos).unwrap()),
        budget_action: actions.budget,
        ..TenantPolicy::default()
    };
    builder(time).policy(policy(actions)).tenant(tenant).build().unwrap()
}

impl Pair {
    fn new(actions: Actions, budget: Option<u64>) -> Self {
        let time = noon();
        let enforcer = enforcer(&time, &actions, budget);
        let forest = Forest { actions, budget, nodes: Vec::new(), pauses: 0, now: 0 };
        let (past, met, seen) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { time, enforcer, runs: Vec::new(), holds: Vec::new(), tickets: Vec::new(), forest, past, met, seen }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn take(&mut self, step: &Step) {
        let now = self.time.now().as_nanos();
        self.forest.now = now;
        let run_of = |run: &usize| {
            let run = (!self.runs.is_empty()).then(|| run % self.runs.len());
            run.filter(|run| !self.past.contains(run))
        };
        match step {
            Step::Forward { ms } => pass(&self.time, ms * 1_000_000),
            Step::Root { id, tenant, limits } => {
                let builder = self.enforcer.execution(format!("exec_{id}"), TENANTS[*tenant]);
                match builder.limits(limits.resources()).long_running(limits.long_running()).register() {
                    Ok(run) if !self.forest.registered(*id) => {
                        self.forest.nodes.push(Node::new(*id, *tenant, limits, now));
                        self.runs.push(run);
                    }
                    Err(RegisterError::Duplicate { .. }) if self.forest.registered(*id) => {}
                    outcome => panic!("{outcome:?}"),
                }
            }
            Step::Spawn { parent, .. } => {
                if let Some(parent) = run_of(parent) {
                    self.spawn(parent, step, now);
                }
            }
            Step::Reserve { run, asked } => {
                if let Some(run) = run_of(run) {
                    self.reserve(run, asked, now);
                }
            }
            Step::Settle { hold, used } if !self.holds.is_empty() => {
                let (run, number, hold) = self.holds.swap_remove(hold % self.holds.len());
                let settlement = hold.settle(actual(used));
                self.compare_record(settlement, run, Some(number), *used, now);
            }
            Step::Drop { hold, policy } if !self.holds.is_empty() => {
                let (run, number, mut hold) = self.holds.swap_remove(hold % self.holds.len());
                hold.on_drop(*policy);
                drop(hold);
                self.forest.drop_hold(run, number, *policy);
                self.note(if *policy == OnDrop::GiveBack { "dropped" } else { "dropped and charged" });
            }
            Step::Extend { hold, more } if !self.holds.is_empty() => {
                let at = hold % self.holds.len();
                let (run, number, hold) = &mut self.holds[at];
                let extended = hold.extend(demand(more)).map_err(|violation| told(&violation));
                assert_eq!(extended, self.forest.extend(*run, *number, more, now).map(drop));
                self.note(if extended.is_ok() { "extended" } else { "not extended" });
            }
            Step::Charge { run, used } => {
                if let Some(run) = run_of(run) {
                    let settlement = self.runs[run].charge(actual(used));
                    self.compare_record(settlement, run, None, *used, now);
                }
            }
            Step::Approve { ticket, next } => self.approve(*ticket, *next),
            Step::Reject { ticket } => {
                if let Some((run, number, ticket)) = self.ticket(*ticket) {
                    assert_eq!(self.runs[run].reject(&ticket).is_ok(), self.forest.reject(run, number), "E3");
                }
            }
            Step::Touch { run }
            | Step::Halt { run }
            | Step::Pause { run }
            | Step::Relimit { run, .. }
            | Step::Finish { run } => {
                if let Some(run) = run_of(run) {
                    self.change(run, step, now);
                }
            }
            Step::Settle { .. } | Step::Drop { .. } | Step::Extend { .. } => {}
        }
        self.forest.pass(now);
        self.compare(self.time.now().as_nanos());
    }

    fn change(&mut self, run: usize, step: &Step, now: u64) {
        let (handle, forest) = (&self.runs[run], &mut self.forest);
        match step {
            Step::Touch { .. } => {
                assert_eq!(handle.touch().map_err(|violation| told(&violation)), forest.touch(run, now));
            }
            Step::Halt { .. } => {
                handle.halt(Cause::own(ViolationType::SameStepLoop));
                forest.halt(run, (ViolationType::SameStepLoop, ScopeKind::Execution));
            }
            Step::Pause { .. } => {
                handle.pause("why not");
                let why = refusal(ViolationType::Requested, ScopeKind::Execution, 0, 0, 0, Retry::Never);
                forest.pause(run, why, true);
            }
            Step::Relimit { limits, long_running: false, .. } => {
                handle.set_limits(limits.resources()).unwrap();
                let to = &mut forest.nodes[run].limits;
                to.amounts[..=COST].copy_from_slice(&limits.amounts[..=COST]);
                to.overdrafts = limits.overdrafts;
                (to.active_ms, to.children, to.children_total) =
                    (limits.active_ms, limits.children, limits.children_total);
            }
            Step::Relimit { limits, .. } => {
                handle.set_long_running(limits.long_running()).unwrap();
                let it = &mut forest.nodes[run];
                if it.limits.idle_s.is_none() {
                    it.active = it.active.max(now);
                }
                it.limits.amounts[DISCOVERED] = limits.amounts[DISCOVERED];
                (it.limits.threshold, it.limits.ceiling, it.limits.idle_s) =
                    (limits.threshold, limits.ceiling, limits.idle_s);
            }
            _ => {
                handle.finish();
                forest.finish(run, now);
            }
        }
    }

    fn spawn(&mut self, parent: usize, step: &Step, now: u64) {
        let Step::Spawn { id, limits, slice, .. } = step else { return };
        if self.forest.depth(parent) >= 4 {
            return;
        }
        let builder = self.runs[parent].child(format!("exec_{id}"));
        let builder = builder.limits(limits.resources()).long_running(limits.long_running());
        let builder = match slice {
            Some(slice) => builder.slice(demand(slice)),
            None => builder,
        };
        match (builder.register(), self.forest.spawn(parent, *id, limits, *slice, now)) {
            (Ok(run), Ok(node)) => {
                assert_eq!(node, self.runs.len());
                self.runs.push(run);
                self.note(if slice.is_some() { "slice" } else { "pool" });
                if self.forest.depth(node) > 2 {
                    self.note("great-grandchild");
                }
            }
            (Err(RegisterError::Duplicate { .. }), Err(None)) => {}
            (Err(RegisterError::Refused(violation)), Err(Some(expected))) => {
                assert_eq!(told(&violation), expected);
                self.met.insert((expected.kind, expected.scope));
            }
            (registered, expected) => panic!("{registered:?}, expected {expected:?}"),
        }
    }

    /// Asks first; then reserves, and finds nothing changed beyond that.
    fn reserve(&mut self, run: usize, asked: &Amounts, now: u64) {
        let expected = self.forest.look(run, asked, now);
        match (self.runs[run].check(demand(asked)), &expected) {
            (EnforcementResult::Allowed, Ok(Noticed { warning: None, .. })) => {}
            (EnforcementResult::Warning(near), Ok(Noticed { warning: Some(expected), .. })) => {
                let told =
                    (near.warning_type, near.scope, near.usage_percent.into(), near.current.into(), near.limit.into());
                assert_eq!(told, *expected);
            }
            (EnforcementResult::Blocked(violation), Err(blocked)) => assert_eq!(told(&violation), blocked.refusal),
            (result, expected) => panic!("check: {result:?}, expected {expected:?}"),
        }
        match (self.runs[run].reserve_owned(demand(asked)), self.forest.reserve(run, asked, now)) {
            (Ok(hold), Ok(expected)) => {
                assert_eq!(hold.observed().as_ref().map(told), expected.observed);
                assert_eq!(hold.warning().is_some(), expected.warning.is_some());
                self.holds.push((run, self.forest.nodes[run].holds.len() - 1, hold));
            }
            (Err(violation), Err(expected)) => {
                assert_eq!(told(&violation), expected);
                self.met.insert((expected.kind, expected.scope));
            }
            (taken, expected) => panic!("reserve: {taken:?}, expected {expected:?}"),
        }
    }

    fn compare_record(&mut self, it: Settlement, run: usize, hold: Option<usize>, used: Amounts, now: u64) {
        let done = (it.late, it.overrun_tokens.into(), it.overrun_nano_usd.into(), it.exhausted.as_ref().map(told));
        let expected = self.forest.record(run, hold, used, now);
        assert_eq!(done, expected);
        if let (true, Some(parent)) = (expected.0, self.forest.nodes[run].parent) {
            self.note(if self.forest.ended(parent) { "late below an end" } else { "late child" });
        }
    }

    /// The ticket that was handed out so many before the latest.
    fn ticket(&self, back: usize) -> Option<(usize, usize, PauseTicket)> {
        self.tickets.iter().rev().nth(back).cloned()
    }

    fn approve(&mut self, back: usize, next: Option<u64>) {
        let Some((run, number, ticket)) = self.ticket(back) else { return };
        let approval = Approval { next_limit: next, ..Approval::new("ada", "go on") };
        let approved = self.runs[run].approve(&ticket, approval).map(|approved| approved.next_limit.map(u128::from));
        let approved = approved.map_err(|error| match error {
            ApprovalError::NotPaused => Denied::NotPaused,
            ApprovalError::TooLow { next_limit, committed } => Denied::TooLow(next_limit.into(), committed.into()),
            ApprovalError::AboveCeiling { next_limit, ceiling } => {
                Denied::AboveCeiling(next_limit.into(), ceiling.into())
            }
            error => panic!("{error}"),
        });
        assert_eq!(approved, self.forest.approve(run, number, next), "E3");
        self.note(match approved {
            Ok(Some(_)) => "raised",
            Ok(None) => "resumed",
            Err(Denied::NotPaused) => "stale",
            Err(Denied::TooLow(..)) => "too low",
            Err(Denied::AboveCeiling(..)) => "above the ceiling",
        });
    }

    /// Ends everything: at rest used is the sum of what was used (R1, C1), and nothing is left behind (G1).
    fn close(mut self) -> Self {
        let now = self.time.now().as_nanos();
        while let Some((run, number, hold)) = self.holds.pop() {
            drop(hold);
            self.forest.nodes[run].holds[number] = None;
        }
        for run in 0..self.runs.len() {
            self.runs[run].finish();
            self.forest.finish(run, now);
            self.forest.pass(now);
            self.compare(now);
        }
        assert_eq!(self.enforcer.execution_count(), 0);
        self.runs.clear();
        let unspent = (0..TENANTS.len()).all(|tenant| self.forest.of_tenant(tenant).0[COST] == 0);
        if unspent || self.forest.budget.is_none() {
            self.enforcer.evict_idle_tenants();
            assert_eq!(self.enforcer.tenant_count(), 0);
        }
        self
    }
}

#[test]
fn any_tree_of_executions_is_decided_and_counted_as_the_oracle_says() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let budget = prop::option::weighted(0.5, 0..90_u64);
    let sequences = (steps::any_actions(), budget, prop::collection::vec(steps::any_step(), 1..60));
    let met = RefCell::new((BTreeSet::new(), BTreeMap::new()));
    let outcome = runner.run(&sequences, |(actions, budget, steps)| {
        let mut pair = Pair::new(actions, budget);
        for (id, tenant) in [(0, 0), (1, 1)] {
            pair.take(&Step::Root { id, tenant, limits: model::Limits::default() });
        }
        steps.iter().for_each(|step| pair.take(step));
        let mut pair = pair.close();
        let mut met = met.borrow_mut();
        met.0.append(&mut pair.met);
        for (what, times) in pair.seen {
            *met.1.entry(what).or_insert(0_u64) += times;
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (met, seen) = met.into_inner();
    let never_met: Vec<_> = EVERY_REFUSAL.iter().filter(|kind| !met.contains(kind)).collect();
    assert!(never_met.is_empty(), "the sequences met none of {never_met:?}");
    assert!(seen.len() == 14 && seen.values().all(|times| *times > 20), "{seen:?}");
}
