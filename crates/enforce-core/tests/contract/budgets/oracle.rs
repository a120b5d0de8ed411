//! Any sequence of calls under any lists of budgets, against plain sums.

use std::cell::Cell;

use enforce_core::{
    Action, Actual, Budget, BudgetPeriod, BudgetResource, Demand, Enforcer, Execution, ManualClock, OpenHolds,
    OwnedHold, RestoreOptions, Timestamp,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::changes::set;
use super::model::{Amounts, Held, Oracle, Refusal, place};
use super::{clock, figures};
use crate::common::{DAY, NOON, SECOND, builder, nano, register};
use crate::limits::budgets::{RESOURCES, SCOPES, shown};

#[derive(Debug, Clone)]
enum Call {
    Reserve(Amounts),
    Extend(usize, Amounts),
    Settle(usize, Amounts),
    Drop(usize),
    Charge(Amounts),
    Pass(u64),
    StepBack(u64),
    Set(bool, Vec<Budget>),
    /// Nothing runs for so long, or the clock steps back by it; open holds are charged or go back.
    Restart {
        charge: bool,
        nanos: u64,
        back: bool,
    },
}

fn demand([steps, tokens, memory, cost, discovered]: Amounts) -> Demand {
    Demand::none().steps(steps).tokens(tokens, 0).memory_bytes(memory).cost(nano(cost)).discovered_steps(discovered)
}

fn actual([steps, tokens, _, cost, discovered]: Amounts) -> Actual {
    Actual::tokens(0, tokens).cost(nano(cost)).steps(steps).discovered_steps(discovered)
}

fn told(refused: &enforce_core::EnforcementViolation) -> Refusal {
    let of = RESOURCES.iter().find(|of| of.name.violation_type() == refused.violation_type).unwrap();
    (refused.scope, of.name, refused.used, refused.asked, refused.limit, refused.retry)
}

/// The library and the oracle, side by side.
struct Pair {
    enforcer: Enforcer,
    run: Execution,
    time: ManualClock,
    now: u64,
    oracle: Oracle,
    holds: Vec<(OwnedHold, Held)>,
    refused: u64,
}

impl Pair {
    fn new() -> Self {
        let time = clock(NOON);
        let enforcer = builder(&time).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        Self { enforcer, run, time, now: NOON, oracle: Oracle::default(), holds: Vec::new(), refused: 0 }
    }

    fn call(&mut self, call: &Call) {
        match call {
            Call::Reserve(asked) => {
                let took = self.run.reserve_owned(demand(*asked));
                match self.oracle.take(asked, self.now, None) {
                    Err(refusal) => {
                        self.refused += 1;
                        assert_eq!(took.as_ref().err().map(told), Some(refusal));
                    }
                    Ok((held, observed)) => {
                        let hold = took.unwrap();
                        assert_eq!(hold.observed().as_ref().map(told), observed);
                        self.holds.push((hold, held));
                    }
                }
            }
            Call::Extend(number, asked) if !self.holds.is_empty() => {
                let place = number % self.holds.len();
                let (hold, held) = &mut self.holds[place];
                let took = hold.extend(demand(*asked));
                match self.oracle.take(asked, self.now, Some(held)) {
                    Err(refusal) => {
                        self.refused += 1;
                        assert_eq!(took.as_ref().err().map(told), Some(refusal));
                    }
                    Ok(_) => {
                        took.unwrap();
                        held.amounts.iter_mut().zip(asked).for_each(|(held, more)| *held += more);
                    }
                }
            }
            Call::Settle(number, used) if !self.holds.is_empty() => {
                let (hold, held) = self.holds.swap_remove(number % self.holds.len());
                hold.settle(actual(*used));
                self.oracle.end(&held, Some(used), self.now);
            }
            Call::Drop(number) if !self.holds.is_empty() => {
                let (hold, held) = self.holds.swap_remove(number % self.holds.len());
                drop(hold);
                self.oracle.end(&held, None, self.now);
            }
            Call::Charge(used) => {
                self.run.charge(actual(*used));
                let rows = [0, 1].map(|scope| self.oracle.scopes[scope].enter(self.now));
                self.oracle.end(&Held { amounts: [0; 5], rows }, Some(used), self.now);
            }
            Call::Pass(nanos) => self.set(self.now + nanos),
            Call::StepBack(nanos) => self.set(self.now - nanos),
            Call::Set(process, budgets) => {
                set(&self.enforcer, SCOPES[usize::from(*process)], budgets.clone());
                self.oracle.scopes[usize::from(*process)].set(budgets.clone(), self.now);
            }
            Call::Restart { charge, nanos, back } => {
                let state = serde_json::to_string(&self.enforcer.save()).unwrap();
                self.set(if *back { self.now - nanos } else { self.now + nanos });
                self.restart(&state, *charge);
            }
            Call::Extend(..) | Call::Settle(..) | Call::Drop(_) => {}
        }
        for (scope, kind) in self.oracle.scopes.iter().zip(SCOPES) {
            assert_eq!(figures(&self.enforcer, kind), scope.figures(self.now), "{kind} after {call:?}");
            let listed = shown(&self.enforcer, kind).into_iter().map(|it| (it.resource, it.per, it.limit));
            let expected = scope.list.iter().map(|it| (it.amount.resource(), it.per, it.amount.counted()));
            assert!(listed.eq(expected));
        }
    }

    /// Another enforcer under the same lists goes on where the first one was.
    fn restart(&mut self, state: &str, charge: bool) {
        for (_, held) in std::mem::take(&mut self.holds) {
            self.oracle.abandon(&held, charge);
        }
        // A restart begins the periods of its moment, as whoever asks does.
        for scope in &mut self.oracle.scopes {
            scope.enter(self.now);
        }
        self.enforcer = builder(&self.time).build().unwrap();
        for (scope, kind) in self.oracle.scopes.iter().zip(SCOPES) {
            set(&self.enforcer, kind, scope.list.clone());
        }
        let holds = if charge { OpenHolds::ChargeInFull } else { OpenHolds::GiveBack };
        let options = RestoreOptions::new().open_holds(holds);
        self.enforcer.restore(&serde_json::from_str(state).unwrap(), options).unwrap();
        self.run = self.enforcer.get("exec").unwrap();
    }

    fn set(&mut self, now: u64) {
        self.now = now;
        self.time.set(Timestamp::from_nanos(now));
    }
}

fn amounts() -> impl Strategy<Value = Amounts> {
    let one = || prop_oneof![2 => Just(0), 3 => 0..7_u64];
    // Memory in halves of a MiB, for that is its limit's unit.
    (one(), one(), 0..4_u64, one(), one())
        .prop_map(|(steps, tokens, halves, cost, discovered)| [steps, tokens, halves << 19, cost, discovered])
}

fn budget() -> impl Strategy<Value = Budget> {
    let per = prop_oneof![
        Just(BudgetPeriod::Hour),
        Just(BudgetPeriod::Day),
        Just(BudgetPeriod::Month),
        Just(BudgetPeriod::Total)
    ];
    let offset = prop_oneof![3 => Just(0), 1 => Just(330), 1 => Just(-840)];
    (0..RESOURCES.len(), per, 0..25_u64, offset, 0..4_u64, any::<bool>()).prop_map(
        |(of, per, max, offset, overdraft, observed)| {
            let of = &RESOURCES[of];
            let gauge = of.name == BudgetResource::Memory;
            let (per, max) = if gauge { (BudgetPeriod::Total, max % 4) } else { (per, max) };
            let action = if observed && max % 3 == 0 { Action::Observe } else { Action::Refuse };
            of.budget(max, per).overdraft((of.amount)(overdraft)).action(action).utc_offset_minutes(offset)
        },
    )
}

/// Budgets of which no two stand in the same place.
fn list() -> impl Strategy<Value = Vec<Budget>> {
    prop::collection::vec(budget(), 0..6).prop_map(|mut budgets| {
        budgets.sort_by_key(place);
        budgets.dedup_by_key(|budget| place(budget));
        budgets.reverse();
        budgets
    })
}

fn call() -> impl Strategy<Value = Call> {
    let time = prop_oneof![1..3_600 * SECOND, 1..2 * DAY, 1..40 * DAY];
    prop_oneof![
        8 => amounts().prop_map(Call::Reserve),
        2 => (any::<usize>(), amounts()).prop_map(|(number, asked)| Call::Extend(number, asked)),
        5 => (any::<usize>(), amounts()).prop_map(|(number, used)| Call::Settle(number, used)),
        2 => any::<usize>().prop_map(Call::Drop),
        1 => amounts().prop_map(Call::Charge),
        4 => time.prop_map(Call::Pass),
        1 => (1..DAY).prop_map(Call::StepBack),
        2 => (any::<bool>(), list()).prop_map(|(process, budgets)| Call::Set(process, budgets)),
        2 => (any::<bool>(), prop_oneof![1..3_600 * SECOND, 1..2 * DAY], any::<bool>())
            .prop_map(|(charge, nanos, back)| Call::Restart { charge, nanos, back }),
    ]
}

#[test]
fn any_calls_under_any_budgets_are_decided_and_counted_as_the_oracle_says() {
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let sequences = ([list(), list()], prop::collection::vec(call(), 1..60));
    let refusals = Cell::new(0_u64);
    let outcome = runner.run(&sequences, |(lists, calls)| {
        let mut pair = Pair::new();
        for (process, list) in [false, true].into_iter().zip(lists) {
            pair.call(&Call::Set(process, list));
        }
        calls.iter().for_each(|call| pair.call(call));
        refusals.set(refusals.get() + pair.refused);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(refusals.get() > 1_000, "{} refusals are few", refusals.get());
}
