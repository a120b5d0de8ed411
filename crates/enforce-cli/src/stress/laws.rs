//! The laws, as comparisons of what has to be with what is. They change nothing, so they can be tried on figures that are
//! wrong on purpose.

use std::fmt;

use enforce_core::{EnforcementViolation, ScopeKind, TenantUsage, UsageSnapshot, ViolationType};
use serde::Serialize;

use super::amounts::{Amounts, COST, DISCOVERED, INPUT, LIMITED, MEMORY, NONE, STEPS, TOKENS, above, signed};
use super::node::Sums;
use super::tenant::{Books, Bounds, Kind};

/// A promise, by its id in `docs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum Law {
    T1,
    T2,
    T3,
    R1,
    R2,
    L1,
    E1,
    E2,
    E3,
    G1,
    G2,
    C1,
    Q1,
    D1,
    I1,
    N1,
    S1,
    W1,
}

/// How what was found should have stood to what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Relation {
    Exactly,
    AtMost,
    AtLeast,
}

/// A law that was broken: about whom, of what, and by which figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) law: Law,
    pub(crate) subject: String,
    pub(crate) figure: &'static str,
    pub(crate) relation: Relation,
    pub(crate) expected: i64,
    pub(crate) found: i64,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, subject, figure, relation, expected, found } = self;
        let relation = match relation {
            Relation::Exactly => "exactly",
            Relation::AtMost => "at most",
            Relation::AtLeast => "at least",
        };
        write!(f, "{law}: {subject}: {figure}: found {found}, expected {relation} {expected}")
    }
}

/// Compares the figures of one subject and keeps what is wrong, and how much was compared.
#[derive(Debug)]
pub(crate) struct Judge {
    subject: String,
    pub(crate) compared: u64,
    pub(crate) violations: Vec<Violation>,
}

impl Judge {
    pub(crate) fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), compared: 0, violations: Vec::new() }
    }

    pub(crate) fn exactly(&mut self, law: Law, figure: &'static str, expected: i64, found: i64) {
        self.judge(law, figure, Relation::Exactly, expected, found, found == expected);
    }

    pub(crate) fn at_most(&mut self, law: Law, figure: &'static str, expected: i64, found: i64) {
        self.judge(law, figure, Relation::AtMost, expected, found, found <= expected);
    }

    pub(crate) fn at_least(&mut self, law: Law, figure: &'static str, expected: i64, found: i64) {
        self.judge(law, figure, Relation::AtLeast, expected, found, found >= expected);
    }

    /// Something that must not have happened: it happened so often.
    pub(crate) fn never(&mut self, law: Law, figure: &'static str, happened: bool) {
        self.exactly(law, figure, 0, i64::from(happened));
    }

    fn judge(&mut self, law: Law, figure: &'static str, relation: Relation, expected: i64, found: i64, holds: bool) {
        self.compared += 1;
        if !holds {
            let subject = self.subject.clone();
            self.violations.push(Violation { law, subject, figure, relation, expected, found });
        }
    }

    /// R1: committed and set aside are what was recorded, to the unit. What is used, as far as a snapshot shows it.
    pub(crate) fn conserved(&mut self, expected: &Sums, seen: &UsageSnapshot) -> Amounts {
        let (committed, held) = (committed(seen), held(seen));
        for (kind, figure) in COMMITTED {
            self.exactly(Law::R1, figure, expected.committed[kind], committed[kind]);
        }
        for (kind, figure) in OUTSTANDING {
            self.exactly(Law::R1, figure, expected.held[kind], held[kind]);
        }
        let mut used = super::amounts::plus(committed, held);
        // Of what counts beginnings, live slices alone are set aside, and no snapshot shows them.
        for kind in [STEPS, DISCOVERED] {
            used[kind] = used[kind].saturating_add(expected.held[kind]);
        }
        used
    }

    /// T1, L1: since the last meeting used has not grown above the highest limit that there was, but for what was
    /// recorded without having been admitted.
    pub(crate) fn limited(&mut self, used: &Amounts, before: &Amounts, highest: &Amounts, over: &Amounts) {
        for (kind, name) in LIMITED {
            let most = highest[kind].max(before[kind]).saturating_add(over[kind]);
            // What stood above its limit at the last meeting does so because the limit was lowered, or by debt.
            let law = if before[kind] > highest[kind] { Law::L1 } else { Law::T1 };
            self.at_most(law, name, most, used[kind]);
        }
    }

    /// R2: what is committed above the limit shows as debt.
    pub(crate) fn indebted(&mut self, limits: &Amounts, seen: &UsageSnapshot) {
        let debt = above(committed(seen), *limits);
        self.exactly(Law::R2, "tokens in debt", debt[TOKENS], signed(seen.debt_tokens));
        self.exactly(Law::R2, "nano-dollars in debt", debt[COST], signed(seen.debt_nano_usd));
    }

    /// T1: where nobody uses more than was set aside, no refusal ever sees a limit passed.
    pub(crate) fn never_passed(&mut self, refused: &EnforcementViolation) {
        let counts = matches!(
            refused.violation_type,
            ViolationType::StepLimit
                | ViolationType::TokenLimit
                | ViolationType::MemoryLimit
                | ViolationType::CostLimit
                | ViolationType::DiscoveredStepLimit
                | ViolationType::AllowanceLimit
        );
        if counts && refused.scope != ScopeKind::Tenant {
            self.at_most(Law::T1, refused.violation_type.as_str(), signed(refused.limit), signed(refused.used));
        }
    }

    /// S1: what only grows has grown, and the total is the sum of its parts.
    pub(crate) fn grown(&mut self, before: &UsageSnapshot, after: &UsageSnapshot) {
        for (figure, before, after) in [
            ("steps", before.steps, after.steps),
            ("input tokens", before.input_tokens, after.input_tokens),
            ("output tokens", before.output_tokens, after.output_tokens),
            ("total tokens", before.total_tokens, after.total_tokens),
            ("nano-dollars", before.cost_nano_usd, after.cost_nano_usd),
            ("discovered steps", before.discovered_steps, after.discovered_steps),
            ("deepest discovery", before.max_discovery_depth, after.max_discovery_depth),
        ] {
            self.at_least(Law::S1, figure, signed(before), signed(after));
        }
        let parts = after.input_tokens.saturating_add(after.output_tokens);
        self.exactly(Law::S1, "input and output tokens", signed(after.total_tokens), signed(parts));
    }

    /// S1: a tenant's total is the sum of its parts.
    pub(crate) fn adds_up(&mut self, seen: &TenantUsage) {
        let parts = seen.input_tokens.saturating_add(seen.output_tokens);
        self.exactly(Law::S1, "input and output tokens", signed(seen.total_tokens), signed(parts));
    }

    /// C1: a tenant's totals are the sums over its roots.
    pub(crate) fn of_tenant(&mut self, expected: &Amounts, seen: Option<&TenantUsage>) {
        let seen = seen.map_or(NONE, totals);
        let figures = [(STEPS, "steps"), (TOKENS, "tokens"), (INPUT, "input tokens"), (COST, "nano-dollars")];
        for (kind, figure) in figures {
            self.exactly(Law::C1, figure, expected[kind], seen[kind]);
        }
    }

    /// G1, T1: as many slots are taken as roots live, and since the last meeting not more than there were.
    pub(crate) fn has_slots(&mut self, books: &Books, bounds: &Bounds, seen: Option<&TenantUsage>) {
        let live = seen.map_or(0, |seen| signed(seen.live_executions));
        self.exactly(Law::G1, "slots", books.live, live);
        self.at_most(Law::T1, "slots", bounds.highest_slots.max(books.live_before), live);
    }

    /// C1, T1: a budget in all is what the roots have committed and hold; none is passed but by overruns. What is used of
    /// it.
    pub(crate) fn has_budget(
        &mut self,
        kind: Kind,
        expected: &Amounts,
        books: &Books,
        bounds: &Bounds,
        seen: Option<&TenantUsage>,
    ) -> i64 {
        let Some(budget) = seen.and_then(|seen| seen.budget) else { return 0 };
        let (committed, outstanding) = (signed(budget.committed), signed(budget.outstanding));
        if kind == Kind::Total {
            self.exactly(Law::C1, "nano-dollars of the budget", expected[COST], committed);
            self.exactly(Law::C1, "nano-dollars held of the budget", books.roots.held[COST], outstanding);
        }
        // Holds of another day, or older than the budget, are not in it.
        self.at_most(Law::C1, "nano-dollars held of the budget", books.roots.held[COST], outstanding);
        let used = committed.saturating_add(outstanding);
        if kind == Kind::Fickle {
            // What is older than the budget is debt when it is settled, and which holds are no thread knows.
            return used;
        }
        let most = bounds.highest_budget.max(books.used_before).saturating_add(books.roots.over[COST]);
        self.at_most(Law::T1, "nano-dollars used of the budget", most, used);
        used
    }
}

/// What is committed, by name.
pub(crate) const COMMITTED: [(usize, &str); 5] = [
    (STEPS, "steps committed"),
    (TOKENS, "tokens committed"),
    (INPUT, "input tokens committed"),
    (COST, "nano-dollars committed"),
    (DISCOVERED, "discovered steps committed"),
];

/// What is set aside, by name, as far as a snapshot shows it.
pub(crate) const OUTSTANDING: [(usize, &str); 3] =
    [(TOKENS, "tokens outstanding"), (MEMORY, "bytes outstanding"), (COST, "nano-dollars outstanding")];

/// What a snapshot shows as committed.
pub(crate) fn committed(seen: &UsageSnapshot) -> Amounts {
    let mut amounts = NONE;
    amounts[STEPS] = signed(seen.steps);
    amounts[TOKENS] = signed(seen.total_tokens);
    amounts[INPUT] = signed(seen.input_tokens);
    amounts[COST] = signed(seen.cost_nano_usd);
    amounts[DISCOVERED] = signed(seen.discovered_steps);
    amounts
}

/// What a snapshot shows as set aside.
pub(crate) fn held(seen: &UsageSnapshot) -> Amounts {
    let mut amounts = NONE;
    amounts[TOKENS] = signed(seen.outstanding.tokens);
    amounts[MEMORY] = signed(seen.outstanding.memory_bytes);
    amounts[COST] = signed(seen.outstanding.cost_nano_usd);
    amounts
}

pub(crate) fn totals(seen: &TenantUsage) -> Amounts {
    let mut amounts = NONE;
    amounts[STEPS] = signed(seen.steps);
    amounts[TOKENS] = signed(seen.total_tokens);
    amounts[INPUT] = signed(seen.input_tokens);
    amounts[COST] = signed(seen.cost_nano_usd);
    amounts
}

#[cfg(test)]
mod tests;
