//! Random sequences of every verb against a plain sequential oracle (T1, T2, R1, R2, E1, E2, G1, C1, Q1, N1): the same
//! decisions, the same figures in them, the same counters after every call.

mod drain;
mod look;
mod model;
mod policy;
mod restart;

use std::cell::RefCell;
use std::collections::BTreeSet;

use enforce_core::{
    Actual, Cause, Clock, Demand, EnforcementResult, EnforcementViolation, EnforcementWarning, Enforcer, Execution,
    ManualClock, NanoUsd, OwnedHold, ProviderKey, RegisterError, ScopeKind, Status, Timestamp, ViolationType,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::model::{Asked, NS_PER_DAY, Noticed, Oracle, Refusal, State, Used, Warning};
use self::policy::{MIB, Policy};
use crate::common::NOON;

/// Sequences that are tried.
const CASES: u32 = 800;

const IDS: [&str; 4] = ["exec_0", "exec_1", "exec_2", "exec_3"];
const TENANTS: [&str; 2] = ["tenant_0", "tenant_1"];

/// What the sequences have to meet, or they show nothing.
const EVERY_REFUSAL: [(ViolationType, ScopeKind); 15] = [
    (ViolationType::WallTimeLimit, ScopeKind::Execution),
    (ViolationType::IdleTimeout, ScopeKind::Execution),
    (ViolationType::StepLimit, ScopeKind::Execution),
    (ViolationType::TokenLimit, ScopeKind::Execution),
    (ViolationType::MemoryLimit, ScopeKind::Execution),
    (ViolationType::CostLimit, ScopeKind::Execution),
    (ViolationType::CostThreshold, ScopeKind::Execution),
    (ViolationType::DiscoveredStepLimit, ScopeKind::Execution),
    (ViolationType::SameStepLoop, ScopeKind::Execution),
    (ViolationType::CostLimit, ScopeKind::Tenant),
    (ViolationType::ConcurrencyLimit, ScopeKind::Tenant),
    (ViolationType::RateLimit, ScopeKind::Provider),
    (ViolationType::Paused, ScopeKind::Execution),
    (ViolationType::Halted, ScopeKind::Execution),
    (ViolationType::Closed, ScopeKind::Execution),
];

#[derive(Debug, Clone)]
enum Step {
    Register { id: usize, tenant: usize },
    Reserve { run: usize, asked: Asked },
    Settle { hold: usize, used: Used },
    Drop { hold: usize },
    Charge { run: usize, used: Used },
    Touch { run: usize },
    Halt { run: usize },
    Finish { run: usize },
    Forward { ns: u64 },
    Back { ns: u64 },
}

fn amount(most: u64) -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 6 => 0..most]
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let large = prop_oneof![40 => amount(20), 1 => prop::sample::select(vec![1 << 56, u64::MAX])];
    let amounts = (prop_oneof![1 => Just(0), 5 => Just(1), 1 => 2..4_u64], large, amount(20), amount(20), amount(3));
    let keys = (
        prop::option::weighted(0.4, 0..2_usize),
        prop::option::weighted(0.2, 0..60_u64),
        prop::option::weighted(0.7, 0..2_u64),
        amount(4),
    );
    (amounts, keys).prop_map(
        |((steps, input, output, cost, discovered), (provider, rate_tokens, fingerprint, half))| Asked {
            steps,
            input,
            output,
            memory: half * (MIB / 2),
            cost,
            discovered,
            provider,
            rate_tokens,
            fingerprint,
        },
    )
}

fn any_used() -> impl Strategy<Value = Used> {
    (
        amount(20),
        amount(20),
        amount(25),
        prop_oneof![8 => Just(0), 1 => 1..3_u64],
        prop_oneof![8 => Just(0), 1 => 1..3_u64],
    )
        .prop_map(|(input, output, cost, steps, discovered)| Used { steps, input, output, cost, discovered })
}

fn any_step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    prop_oneof![
        3 => (0..4_usize, 0..2_usize).prop_map(|(id, tenant)| Step::Register { id, tenant }),
        12 => (which.clone(), any_asked()).prop_map(|(run, asked)| Step::Reserve { run, asked }),
        5 => (which.clone(), any_used()).prop_map(|(hold, used)| Step::Settle { hold, used }),
        2 => which.clone().prop_map(|hold| Step::Drop { hold }),
        2 => (which.clone(), any_used()).prop_map(|(run, used)| Step::Charge { run, used }),
        1 => which.clone().prop_map(|run| Step::Touch { run }),
        1 => which.clone().prop_map(|run| Step::Halt { run }),
        1 => which.prop_map(|run| Step::Finish { run }),
        3 => prop_oneof![
            0..3_000_000_000_u64,
            (0..4_000_u64).prop_map(|ms| ms * 1_000_000),
            Just(NS_PER_DAY / 2),
            Just(NS_PER_DAY),
        ]
        .prop_map(|ns| Step::Forward { ns }),
        1 => prop_oneof![0..1_500_000_000_u64, Just(NS_PER_DAY)].prop_map(|ns| Step::Back { ns }),
    ]
}

/// The library and the oracle, side by side.
struct Pair {
    time: ManualClock,
    enforcer: Enforcer,
    providers: [ProviderKey; 2],
    runs: Vec<Execution>,
    /// Open holds: whose, its number there, and the hold.
    holds: Vec<(usize, usize, OwnedHold)>,
    oracle: Oracle,
    /// Those that had ended before a restart: nobody can ask them any more.
    past: BTreeSet<usize>,
    /// Refusals so far.
    met: BTreeSet<(ViolationType, ScopeKind)>,
}

fn refusal(violation: &EnforcementViolation) -> Refusal {
    Refusal {
        kind: violation.violation_type,
        scope: violation.scope,
        used: violation.used.into(),
        asked: violation.asked.into(),
        limit: violation.limit.into(),
        remaining: violation.remaining.into(),
        retry: violation.retry,
        cause: violation.cause.map(|cause| (cause.violation_type, cause.scope)),
        rates: violation.rates,
    }
}

fn warning(warning: &EnforcementWarning) -> Warning {
    let EnforcementWarning { warning_type, usage_percent, scope, current, limit, .. } = *warning;
    (warning_type, scope, usage_percent.into(), current.into(), limit.into())
}

fn actual(used: &Used) -> Actual {
    let cost = NanoUsd::new(used.cost).unwrap();
    Actual::tokens(used.input, used.output).cost(cost).steps(used.steps).discovered_steps(used.discovered)
}

fn enforcer(time: &ManualClock, policy: &Policy) -> Enforcer {
    Enforcer::builder()
        .limits(policy.limits())
        .long_running(policy.long_running())
        .policy(policy.enforcement())
        .tenant(policy.tenant())
        .provider(policy.provider())
        .clock(Clock::manual(time))
        .build()
        .unwrap()
}

impl Pair {
    fn new(policy: Policy) -> Self {
        let time = ManualClock::starting_at(Timestamp::from_nanos(NOON));
        let enforcer = enforcer(&time, &policy);
        let providers = ["provider_0", "provider_1"].map(|name| enforcer.provider(name).unwrap());
        let oracle = Oracle::new(policy, NOON);
        let (past, met) = (BTreeSet::new(), BTreeSet::new());
        Self { time, enforcer, providers, runs: Vec::new(), holds: Vec::new(), oracle, past, met }
    }

    fn now(&self) -> u64 {
        self.time.now().as_nanos()
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        if let Step::Reserve { run, .. }
        | Step::Charge { run, .. }
        | Step::Touch { run }
        | Step::Halt { run }
        | Step::Finish { run } = step
            && self.past.contains(&(run % self.runs.len().max(1)))
        {
            return;
        }
        match step {
            Step::Forward { ns } => self.time.set(Timestamp::from_nanos(now + ns)),
            Step::Back { ns } => self.time.set(Timestamp::from_nanos(now - ns)),
            Step::Register { id, tenant } => self.register(*id, *tenant, now),
            Step::Settle { hold, used } if !self.holds.is_empty() => {
                let (run, number, hold) = self.holds.swap_remove(hold % self.holds.len());
                let settlement = hold.settle(actual(used));
                self.compare_record(settlement, run, Some(number), used, now);
            }
            Step::Drop { hold } if !self.holds.is_empty() => {
                let (run, number, hold) = self.holds.swap_remove(hold % self.holds.len());
                drop(hold);
                self.oracle.drop_hold(run, number);
            }
            Step::Reserve { run, asked } if !self.runs.is_empty() => self.reserve(run % self.runs.len(), asked, now),
            Step::Charge { run, used } if !self.runs.is_empty() => {
                let run = run % self.runs.len();
                let settlement = self.runs[run].charge(actual(used));
                self.compare_record(settlement, run, None, used, now);
            }
            Step::Touch { run } if !self.runs.is_empty() => {
                let run = run % self.runs.len();
                let touched = self.runs[run].touch().map_err(|violation| refusal(&violation));
                assert_eq!(touched, self.oracle.touch(run, now));
            }
            Step::Halt { run } if !self.runs.is_empty() => {
                let run = run % self.runs.len();
                self.runs[run].halt(Cause::own(ViolationType::SameStepLoop));
                self.oracle.halt(run, (ViolationType::SameStepLoop, ScopeKind::Execution));
            }
            Step::Finish { run } if !self.runs.is_empty() => {
                let run = run % self.runs.len();
                self.runs[run].finish();
                self.oracle.finish(run);
            }
            _ => {}
        }
        self.compare();
    }

    fn register(&mut self, id: usize, tenant: usize, now: u64) {
        let registered = self.enforcer.execution(IDS[id], TENANTS[tenant]).register();
        match (registered, self.oracle.register(id, tenant, now)) {
            (Ok(run), Ok(())) => self.runs.push(run),
            (Err(RegisterError::Duplicate { id: taken }), Err(None)) => assert_eq!(taken, IDS[id]),
            (Err(RegisterError::Refused(violation)), Err(Some(expected))) => {
                assert_eq!(refusal(&violation), expected);
                self.met.insert((expected.kind, expected.scope));
            }
            (registered, expected) => panic!("{registered:?}, expected {expected:?}"),
        }
    }

    fn demand(&self, asked: &Asked) -> Demand {
        let demand = Demand::none().steps(asked.steps).tokens(asked.input, asked.output).memory_bytes(asked.memory);
        let demand = demand.cost(NanoUsd::new(asked.cost).unwrap()).discovered_steps(asked.discovered);
        let demand = asked.provider.map_or(demand, |provider| demand.provider(self.providers[provider]));
        let demand = asked.rate_tokens.map_or(demand, |tokens| demand.rate_tokens(tokens));
        asked.fingerprint.map_or(demand, |fingerprint| demand.fingerprint(fingerprint))
    }

    /// Asks first, and finds nothing changed by that; then reserves.
    fn reserve(&mut self, run: usize, asked: &Asked, now: u64) {
        let demand = self.demand(asked);
        let expected = self.oracle.look(run, asked, now);
        match (self.runs[run].check(demand), &expected) {
            (EnforcementResult::Allowed, Ok(Noticed { warning: None, .. })) => {}
            (EnforcementResult::Warning(near), Ok(Noticed { warning: Some(expected), .. })) => {
                assert_eq!(warning(&near), *expected);
            }
            (EnforcementResult::Blocked(violation), Err(blocked)) => assert_eq!(refusal(&violation), blocked.refusal),
            (result, expected) => {
                panic!("check: {result:?}, expected {:?}", expected.as_ref().map_err(|it| it.refusal))
            }
        }
        self.compare();
        let taken = self.runs[run].reserve_owned(demand);
        match (taken, self.oracle.reserve(run, asked, now)) {
            (Ok(hold), Ok(expected)) => {
                let noticed = Noticed {
                    warning: hold.warning().as_ref().map(warning),
                    observed: hold.observed().as_ref().map(refusal),
                };
                assert_eq!(noticed, expected);
                self.holds.push((run, self.oracle.runs[run].holds.len() - 1, hold));
            }
            (Err(violation), Err(expected)) => {
                assert_eq!(refusal(&violation), expected);
                self.met.insert((expected.kind, expected.scope));
            }
            (taken, expected) => panic!("reserve: {taken:?}, expected {expected:?}"),
        }
    }

    fn compare_record(
        &mut self,
        settlement: enforce_core::Settlement,
        run: usize,
        hold: Option<usize>,
        used: &Used,
        now: u64,
    ) {
        let done = (
            settlement.late,
            settlement.overrun_tokens.into(),
            settlement.overrun_nano_usd.into(),
            settlement.exhausted.as_ref().map(refusal),
        );
        assert_eq!(done, self.oracle.record(run, hold, used, now));
    }

    /// Every counter there is.
    fn compare(&self) {
        let now = self.now();
        for (run, expected) in self.runs.iter().zip(&self.oracle.runs) {
            let usage = run.snapshot();
            let debt =
                |committed: u128, limit: Option<u64>| limit.map_or(0, |limit| committed.saturating_sub(limit.into()));
            let counters = [
                usage.steps,
                usage.input_tokens,
                usage.output_tokens,
                usage.total_tokens,
                usage.cost_nano_usd,
                usage.discovered_steps,
                usage.outstanding.tokens,
                usage.outstanding.cost_nano_usd,
                usage.outstanding.memory_bytes,
                usage.debt_tokens,
                usage.debt_nano_usd,
                usage.wall_time_ms,
            ];
            let expected_counters = [
                expected.steps,
                expected.input,
                expected.output,
                expected.tokens(),
                expected.cost,
                expected.discovered,
                expected.held(|open| open.tokens),
                expected.held(|open| open.cost),
                expected.held(|open| open.memory),
                debt(expected.tokens(), self.oracle.policy.tokens.0),
                debt(expected.cost, self.oracle.policy.cost.0),
                u128::from(now.saturating_sub(expected.started) / 1_000_000),
            ];
            assert_eq!(counters.map(u128::from), expected_counters);
            assert_eq!(usage.status, status(expected.state));
        }
        for (id, name) in IDS.iter().enumerate() {
            assert_eq!(self.enforcer.get(name).is_some(), self.oracle.registered(id).is_some());
        }
        (0..2).for_each(|tenant| self.compare_tenant(tenant, now));
    }

    fn compare_tenant(&self, tenant: usize, now: u64) {
        let Some(usage) = self.enforcer.tenant_usage(TENANTS[tenant]) else {
            // One for which nothing was ever recorded does not outlive its enforcer.
            let past = |(place, run): (usize, &model::Run)| {
                let unused = run.steps + run.input + run.output + run.cost == 0;
                run.tenant != tenant || unused && self.past.contains(&place)
            };
            assert!(self.oracle.runs.iter().enumerate().all(past));
            return;
        };
        let sum = |amount: fn(&model::Run) -> u128| -> u128 {
            self.oracle.runs.iter().filter(|run| run.tenant == tenant).map(amount).sum()
        };
        let counters = [usage.steps, usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cost_nano_usd];
        let expected = [
            sum(|run| run.steps),
            sum(|run| run.input),
            sum(|run| run.output),
            sum(model::Run::tokens),
            sum(|run| run.cost),
        ];
        assert_eq!(counters.map(u128::from), expected, "C1");
        assert_eq!(usage.live_executions, self.oracle.live(tenant));
        let budget = usage.budget.map(|budget| (u128::from(budget.committed), u128::from(budget.outstanding)));
        let expected = self.oracle.policy.budget.0.map(|_| {
            let (committed, used) = self.oracle.budget(tenant, self.oracle.current_period(tenant, now));
            (committed, used - committed)
        });
        assert_eq!(budget, expected);
    }
}

fn status(state: State) -> Status {
    let cause = |violation_type, scope| Cause { violation_type, scope };
    match state {
        State::Live => Status::Live,
        State::Paused(kind, scope) => Status::Paused(cause(kind, scope)),
        State::Halted(kind, scope) => Status::Halted(cause(kind, scope)),
        State::Finished(by) => Status::Finished(by.map(|(kind, scope)| cause(kind, scope))),
    }
}

#[test]
fn any_sequence_of_calls_is_decided_and_counted_as_the_oracle_says() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let sequences = (policy::any_policy(), prop::collection::vec(any_step(), 1..70));
    let met = RefCell::new(BTreeSet::new());
    let outcome = runner.run(&sequences, |(policy, steps)| {
        let mut pair = Pair::new(policy);
        pair.take(&Step::Register { id: 0, tenant: 0 });
        steps.iter().for_each(|step| pair.take(step));
        met.borrow_mut().append(&mut pair.met);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let never_met: Vec<_> = EVERY_REFUSAL.iter().filter(|kind| !met.borrow().contains(kind)).collect();
    assert!(never_met.is_empty(), "the sequences met none of {never_met:?}");
}
