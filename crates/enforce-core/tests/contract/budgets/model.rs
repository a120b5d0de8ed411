//! Budgets by plain sums: each period a row, nothing shared, no words.

use std::time::Duration;

use enforce_core::{Action, Budget, BudgetAmount, BudgetPeriod, BudgetResource, Retry, ScopeKind};

use crate::common::{DAY, SECOND};
use crate::limits::budgets::{RESOURCES, SCOPES};

/// Of each resource, in the order in which they are looked at.
pub(crate) type Amounts = [u64; 5];

/// What is used of one budget in one period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// That of the list while it is current; what is over keeps the last it had.
    limit: u64,
    ends: Option<u64>,
    pub(crate) committed: u64,
    pub(crate) held: u64,
}

/// One scope: every row there ever was, and which of them is current for each budget that it ever had.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scope {
    pub(crate) list: Vec<Budget>,
    pub(crate) rows: Vec<Row>,
    current: Vec<(Budget, usize)>,
}

fn same(a: &Budget, b: &Budget) -> bool {
    place(a) == place(b) && a.utc_offset_minutes == b.utc_offset_minutes
}

/// The place in the order of resources, and of periods.
pub(crate) fn place(budget: &Budget) -> (usize, BudgetPeriod) {
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
    pub(crate) fn set(&mut self, mut list: Vec<Budget>, now: u64) {
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
    pub(crate) fn enter(&mut self, now: u64) -> Vec<(Budget, usize)> {
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
    pub(crate) fn figures(&self, now: u64) -> Vec<(u64, u64, u64)> {
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
pub(crate) struct Held {
    pub(crate) amounts: Amounts,
    pub(crate) rows: [Vec<(Budget, usize)>; 2],
}

/// A refusal, as far as it is compared.
pub(crate) type Refusal = (ScopeKind, BudgetResource, u64, u64, u64, Retry);

#[derive(Debug, Default, Clone)]
pub(crate) struct Oracle {
    pub(crate) scopes: [Scope; 2],
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
    pub(crate) fn take(
        &mut self,
        asked: &Amounts,
        now: u64,
        extended: Option<&Held>,
    ) -> Result<(Held, Option<Refusal>), Refusal> {
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
    pub(crate) fn end(&mut self, held: &Held, used: Option<&Amounts>, now: u64) {
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

impl Oracle {
    /// Holds what was held elsewhere until now.
    pub(crate) fn hold(&mut self, held: &Held) {
        for scope in [0, 1] {
            for (budget, row) in &held.rows[scope] {
                let of = place(budget).0;
                self.scopes[scope].rows[*row].held += if RESOURCES[of].beginnings { 0 } else { held.amounts[of] };
            }
        }
    }

    /// Ends a hold that a restart has left behind: it is charged in full, or goes back.
    pub(crate) fn abandon(&mut self, held: &Held, charge: bool) {
        for scope in [0, 1] {
            for (budget, row) in &held.rows[scope] {
                let of = place(budget).0;
                let row = &mut self.scopes[scope].rows[*row];
                if !RESOURCES[of].beginnings {
                    row.held -= held.amounts[of];
                    row.committed += if charge { committed(&held.amounts, of) } else { 0 };
                }
            }
        }
    }
}

/// A gauge commits nothing.
fn committed(used: &Amounts, of: usize) -> u64 {
    if RESOURCES[of].name == BudgetResource::Memory { 0 } else { used[of] }
}
