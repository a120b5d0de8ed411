//! Any sequence of calls under any lists of budgets, against plain sums: each period a row, nothing shared, no words.

use std::cell::Cell;
use std::time::Duration;

use enforce_core::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, BudgetResource, Demand, Enforcer, Execution, ManualClock,
    OpenHolds, OwnedHold, RestoreOptions, Retry, ScopeKind, Timestamp,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::changes::set;
use super::{clock, figures};
use crate::common::{DAY, NOON, SECOND, builder, nano, register};
use crate::limits::budgets::{RESOURCES, SCOPES, shown};

/// Of each resource, in the order in which they are looked at.
type Amounts = [u64; 5];

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

/// What is used of one budget in one period.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// That of the list while it is current; what is over keeps the last it had.
    limit: u64,
    ends: Option<u64>,
    committed: u64,
    held: u64,
}

/// One scope: every row there ever was, and which of them is current for each budget that it ever had.
#[derive(Debug, Default)]
struct Scope {
    list: Vec<Budget>,
    rows: Vec<Row>,
    current: Vec<(Budget, usize)>,
}

fn same(a: &Budget, b: &Budget) -> bool {
    place(a) == place(b) && a.utc_offset_minutes == b.utc_offset_minutes
}

/// The place in the order of resources, and of periods.
fn place(budget: &Budget) -> (usize, BudgetPeriod) {
    (RESOURCES.iter().position(|of| of.name == budget.amount.resource()).unwrap(), budget.per)
}

/// When the period ends in which `now` lies, counted month by month from 1970 on.
fn end(budget: &Budget, now: u64) -> Option<u64> {
    let ahead = i64::from(budget.utc_offset_minutes) * 60 * SECOND as i64;
    let local = now as i64 + ahead;
    let local_end = match budget.per {
        BudgetPeriod::Hour => (local / (3_600 * SECOND as i64) + 1) * 3_600 * SECOND as i64,
        BudgetPeriod::Day => (local / DAY as i64 + 1) * DAY as i64,
        BudgetPeriod::Month => {
            let months = (1970..).flat_map(|year| (1..=12).map(move |month| (year, month)));
            let lengths = months.map(|(year, month): (u64, u64)| match month {
                2 => 28 + i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            });
            let mut ends = lengths.scan(0, |days, length| {
                *days += length;
                Some(*days * DAY as i64)
            });
            ends.find(|end| *end > local).unwrap()
        }
        _ => return None,
    };
    Some((local_end - ahead) as u64)
}

impl Scope {
    fn set(&mut self, mut list: Vec<Budget>, now: u64) {
        list.sort_by_key(place);
        self.list = list;
        for (budget, row) in self.enter(now) {
            self.rows[row].limit = budget.amount.counted();
        }
    }

    fn row(&self, budget: &Budget) -> Option<usize> {
        self.current.iter().find(|(known, _)| same(known, budget)).map(|(_, row)| *row)
    }

    /// The row of each budget of the list at `now`.
    fn enter(&mut self, now: u64) -> Vec<(Budget, usize)> {
        for budget in self.list.clone() {
            let known = self.row(&budget).filter(|row| self.rows[*row].ends.is_none_or(|end| now < end));
            if known.is_none() {
                let limit = budget.amount.counted();
                self.rows.push(Row { limit, ends: end(&budget, now), committed: 0, held: 0 });
                self.current.retain(|(known, _)| !same(known, &budget));
                self.current.push((budget, self.rows.len() - 1));
            }
        }
        self.list.iter().map(|budget| (*budget, self.row(budget).unwrap())).collect()
    }

    /// Each budget of the list: (committed, held, debt) at `now`.
    fn figures(&self, now: u64) -> Vec<(u64, u64, u64)> {
        let row = |budget| {
            let row = self.row(budget).map(|row| self.rows[row]).filter(|row| row.ends.is_none_or(|end| now < end));
            let (committed, held) = row.map_or((0, 0), |row| (row.committed, row.held));
            (committed, held, committed.saturating_sub(budget.amount.counted()))
        };
        self.list.iter().map(row).collect()
    }
}

/// A hold of the oracle: what it holds, and in which rows of each scope.
#[derive(Debug, Clone)]
struct Held {
    amounts: Amounts,
    rows: [Vec<(Budget, usize)>; 2],
}

/// A refusal, as far as it is compared.
type Refusal = (ScopeKind, BudgetResource, u64, u64, u64, Retry);

#[derive(Debug, Default)]
struct Oracle {
    scopes: [Scope; 2],
}

/// Whether what is asked is too much, and the limit that says so.
fn refuses(budget: &Budget, row: &Row, asked: u64) -> bool {
    let (limit, used) = (row.limit, row.committed + row.held);
    let overdraft = if budget.amount.counted() == 0 { 0 } else { budget.overdraft.map_or(0, BudgetAmount::counted) };
    if asked == 0 { used > limit + overdraft } else { used + asked > limit }
}

fn retry(row: &Row, asked: u64, now: u64, extended: bool) -> Retry {
    match row.ends.filter(|_| asked <= row.limit && !extended) {
        _ if row.committed + asked <= row.limit => Retry::WhenFreed,
        Some(end) => Retry::After(Duration::from_nanos(end - now)),
        None => Retry::Never,
    }
}

fn latest(retries: impl IntoIterator<Item = Retry>) -> Retry {
    let rank = |retry: &Retry| match retry {
        Retry::WhenFreed => (0, Duration::ZERO),
        Retry::After(delay) => (1, *delay),
        _ => (2, Duration::ZERO),
    };
    retries.into_iter().max_by_key(rank).unwrap()
}

impl Oracle {
    /// Takes `asked`, or says which budget refuses; for a hold that is extended, quantities where it was taken.
    fn take(&mut self, asked: &Amounts, now: u64, extended: Option<&Held>) -> Result<(Held, Option<Refusal>), Refusal> {
        let entered = [0, 1].map(|scope| self.scopes[scope].enter(now));
        // (scope, budget, row, extended), in order; of one that is no budget any more nothing is asked, but it is counted.
        let mut met: Vec<(usize, Option<Budget>, usize, bool, usize)> = Vec::new();
        for scope in [0, 1] {
            let of = |budget: &Budget| place(budget).0;
            let begun = |budget: &Budget| RESOURCES[of(budget)].beginnings;
            match extended {
                None => met.extend(entered[scope].iter().map(|(it, row)| (scope, Some(*it), *row, false, of(it)))),
                Some(held) => {
                    let now = entered[scope].iter().filter(|(it, _)| begun(it));
                    met.extend(now.map(|(it, row)| (scope, Some(*it), *row, false, of(it))));
                    for (it, row) in held.rows[scope].iter().filter(|(it, _)| !begun(it)) {
                        let limits = self.scopes[scope].list.iter().find(|listed| same(listed, it));
                        met.push((scope, limits.copied(), *row, true, of(it)));
                    }
                }
            }
        }
        met.sort_by_key(|(scope, _, _, _, of)| (*scope, *of));
        let refusing: Vec<_> = met
            .iter()
            .filter_map(|(scope, budget, row, extended, of)| {
                let (budget, row) = ((*budget)?, self.scopes[*scope].rows[*row]);
                let retry = retry(&row, asked[*of], now, *extended);
                let (resource, used) = (budget.amount.resource(), row.committed + row.held);
                let refusal = (SCOPES[*scope], resource, used, asked[*of], row.limit, retry);
                refuses(&budget, &row, asked[*of]).then_some((refusal, budget.action == Action::Observe))
            })
            .collect();
        let mut stopping = refusing.iter().filter(|(_, observed)| !observed).map(|(refusal, _)| *refusal);
        if let Some(first) = stopping.next() {
            let (scope, resource, used, asked, limit, retry) = first;
            let retry = latest(stopping.map(|refusal| refusal.5).chain([retry]));
            return Err((scope, resource, used, asked, limit, retry));
        }
        for (scope, _, row, _, of) in met {
            let row = &mut self.scopes[scope].rows[row];
            if RESOURCES[of].beginnings { row.committed += asked[of] } else { row.held += asked[of] }
        }
        let observed = refusing.first().map(|(refusal, _)| *refusal);
        Ok((Held { amounts: *asked, rows: entered }, observed))
    }

    /// Ends a hold: what it held goes back, what was used is committed; of a budget that is new since as well.
    fn end(&mut self, held: &Held, used: Option<&Amounts>, now: u64) {
        for scope in [0, 1] {
            for (budget, row) in &held.rows[scope] {
                let of = place(budget).0;
                let row = &mut self.scopes[scope].rows[*row];
                if !RESOURCES[of].beginnings {
                    row.held -= held.amounts[of];
                }
                row.committed += used.map_or(0, |used| committed(used, of));
            }
            let Some(used) = used else { continue };
            let there = |budget: &Budget| held.rows[scope].iter().any(|(before, _)| same(before, budget));
            if self.scopes[scope].list.iter().any(|budget| !there(budget)) {
                for (budget, row) in self.scopes[scope].enter(now).into_iter().filter(|(budget, _)| !there(budget)) {
                    self.scopes[scope].rows[row].committed += committed(used, place(&budget).0);
                }
            }
        }
    }
}

/// A gauge commits nothing.
fn committed(used: &Amounts, of: usize) -> u64 {
    if RESOURCES[of].name == BudgetResource::Memory { 0 } else { used[of] }
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
            for scope in [0, 1] {
                for (budget, row) in &held.rows[scope] {
                    let of = place(budget).0;
                    let row = &mut self.oracle.scopes[scope].rows[*row];
                    if !RESOURCES[of].beginnings {
                        row.held -= held.amounts[of];
                        row.committed += if charge { committed(&held.amounts, of) } else { 0 };
                    }
                }
            }
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
