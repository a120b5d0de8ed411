//! What has been told of one scope: runs of refusals that are not over, and limits that were near.

use crate::allowance::AllowanceKey;
use crate::decision::{Cause, EnforcementViolation, EnforcementWarning, RatesRefused, ScopeKind, ViolationType};
use crate::kernel::cell::Cell;
use crate::limits::BudgetPeriod;
use crate::model::ModelKey;
use crate::provider::ProviderKey;
use crate::resource::Demand;
use crate::sync::Mutex;

/// The most limits of one scope that are remembered as near; of periods that are over, the oldest go first.
const MOST_NEAR: usize = 128;

/// The memory of whoever is told of: an execution, a tenant, or the enforcer.
///
/// **Invariant.** A refusal is counted in exactly one run. A run is told when it begins, and with its count when it ends;
/// both under the lock, so that of one scope nothing is told out of turn.
#[derive(Debug)]
pub(crate) struct Told {
    /// How many runs there are. Changes under the lock.
    open: Cell,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    runs: Vec<Run>,
    near: Vec<Warned>,
}

/// Refusals by one limit that has not let anything through since the first.
#[derive(Debug)]
struct Run {
    limit: Limit,
    /// The number under which the first was told.
    since: u64,
    count: u64,
    last: EnforcementViolation,
}

/// What is refused, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A demand.
    Demand,
    /// A demand, by a limit that only observes.
    Observed,
    /// A registration.
    Registration,
    /// One level of discovery more.
    Level,
    /// A host.
    Host,
    /// An execution that is known.
    Id,
}

/// Which limit refuses what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    asked: Asked,
    kind: ViolationType,
    scope: ScopeKind,
    cause: Option<Cause>,
    rates: Option<RatesRefused>,
    allowance: Option<AllowanceKey>,
    provider: Option<ProviderKey>,
    model: Option<ModelKey>,
}

/// The end of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    pub(crate) last: EnforcementViolation,
    pub(crate) count: u64,
    pub(crate) since: u64,
}

/// A limit that is near, and which of those that a warning calls the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    pub(crate) warning: EnforcementWarning,
    /// Of whom above the execution; 0 is itself.
    pub(crate) level: usize,
    /// Over which time the budget is spent, and when that ends; nothing of what is no budget. Periods of different lengths end
    /// at once now and then, so both tell.
    pub(crate) period: Option<(BudgetPeriod, u64)>,
}

/// What was told of a limit that is near.
#[derive(Debug)]
struct Warned {
    near: Near,
    /// The limit as it was seen last.
    limit: u64,
    /// The level that was told: near, or reached.
    reached: bool,
}

impl Limit {
    fn of(asked: Asked, violation: &EnforcementViolation, demand: Option<&Demand>) -> Self {
        let rated = demand.filter(|_| violation.violation_type == ViolationType::RateLimit);
        let by_model = violation.scope == ScopeKind::Model;
        Self {
            asked,
            kind: violation.violation_type,
            scope: violation.scope,
            cause: violation.cause,
            rates: violation.rates,
            allowance: violation.allowance,
            provider: rated.filter(|_| !by_model).and_then(|demand| demand.provider),
            model: rated.filter(|_| by_model).and_then(|demand| demand.model),
        }
    }
}

impl Run {
    /// Whether the limit has let `demand` through, which has come through; `observed` if some limit would not have.
    fn is_over_by(&self, demand: &Demand, observed: bool) -> bool {
        let Self { limit, last, .. } = self;
        match limit.asked {
            Asked::Registration | Asked::Level | Asked::Host | Asked::Id => return false,
            // Which of several would have refused is told of the first alone.
            Asked::Observed if observed => return false,
            Asked::Demand | Asked::Observed => {}
        }
        // What asked nothing met debt: whatever comes through shows that it is covered.
        last.asked == 0
            || match limit.kind {
                ViolationType::StepLimit => demand.steps > 0,
                ViolationType::TokenLimit => demand.total_tokens() > 0,
                ViolationType::MemoryLimit => demand.memory_bytes > 0,
                ViolationType::CostLimit => demand.cost > 0,
                ViolationType::DiscoveredStepLimit => demand.discovered_steps > 0,
                ViolationType::AllowanceLimit => demand.allowances().any(|(key, _)| Some(key) == limit.allowance),
                ViolationType::RateLimit if limit.scope == ScopeKind::Model => demand.model == limit.model,
                ViolationType::RateLimit => demand.provider == limit.provider,
                ViolationType::SameStepLoop => demand.fingerprint.is_some(),
                _ => true,
            }
    }
}

impl Near {
    pub(crate) fn is_same_limit(&self, other: &Self) -> bool {
        let key = |near: &Self| {
            let EnforcementWarning { warning_type, scope, allowance, .. } = near.warning;
            (warning_type, scope, allowance, near.level, near.period)
        };
        key(self) == key(other)
    }

    /// Whether nothing is left.
    fn is_reached(&self) -> bool {
        self.warning.current >= self.warning.limit
    }
}

impl Told {
    pub(crate) fn new() -> Self {
        Self { open: Cell::new(0), notes: Mutex::new(Notes::default()) }
    }

    /// Whether a run is not over.
    #[inline]
    pub(crate) fn has_runs(&self) -> bool {
        // Acquire (in `load`): who was refused before sees its own run; partner: `count`. Who is refused meanwhile may be
        // found by the next.
        self.open.load() > 0
    }

    /// Counts a refusal; `tell` tells the first of a run, and says under which number.
    pub(crate) fn refused(
        &self,
        asked: Asked,
        violation: &EnforcementViolation,
        demand: Option<&Demand>,
        tell: impl FnOnce() -> u64,
    ) {
        let limit = Limit::of(asked, violation, demand);
        let mut notes = self.notes.lock();
        if let Some(run) = notes.runs.iter_mut().find(|run| run.limit == limit) {
            run.count = run.count.saturating_add(1);
            run.last = *violation;
        } else {
            notes.runs.push(Run { limit, since: tell(), count: 1, last: *violation });
            self.count(&notes);
        }
    }

    /// Ends the runs that `demand` ends by having come through.
    pub(crate) fn admitted(&self, demand: &Demand, observed: bool, tell: impl FnMut(Over)) {
        self.end(|run| run.is_over_by(demand, observed), tell);
    }

    /// Ends the runs of what is `asked` without a demand, and was let through.
    pub(crate) fn answered(&self, asked: Asked, tell: impl FnMut(Over)) {
        self.end(|run| run.limit.asked == asked, tell);
    }

    /// Ends all runs.
    pub(crate) fn close(&self, tell: impl FnMut(Over)) {
        self.end(|_| true, tell);
    }

    fn end(&self, is_over: impl Fn(&Run) -> bool, mut tell: impl FnMut(Over)) {
        if !self.has_runs() {
            return;
        }
        let mut notes = self.notes.lock();
        notes.runs.retain(|run| {
            let over = is_over(run);
            if over {
                tell(Over { last: run.last, count: run.count, since: run.since });
            }
            !over
        });
        self.count(&notes);
    }

    fn count(&self, notes: &Notes) {
        // AcqRel (in `apply`): with the count goes the run; partner: `has_runs`. Under the lock, so no change is lost.
        self.open.apply(|_| (notes.runs.len() as u64, ()));
    }

    /// Whether `near` is told for the first time: of this limit as it is, at this level.
    pub(crate) fn is_news(&self, near: &Near) -> bool {
        let notes = &mut *self.notes.lock();
        let (limit, reached) = (near.warning.limit, near.is_reached());
        if let Some(told) = notes.near.iter_mut().find(|told| told.near.is_same_limit(near)) {
            let raised = limit > told.limit;
            let news = raised || (reached && !told.reached);
            told.limit = limit;
            told.reached = reached || (told.reached && !raised);
            return news;
        }
        if notes.near.len() >= MOST_NEAR {
            let ends = |(place, told): (usize, &Warned)| Some((place, told.near.period?.1));
            if let Some((oldest, _)) = notes.near.iter().enumerate().filter_map(ends).min_by_key(|(_, ends)| *ends) {
                notes.near.swap_remove(oldest);
            }
        }
        notes.near.push(Warned { near: *near, limit, reached });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(scope: ScopeKind, ends: Option<u64>) -> Near {
        let warning = EnforcementWarning { scope, ..EnforcementWarning::new(ViolationType::TokenLimit, 8, 10) };
        Near { warning, level: 0, period: ends.map(|ends| (BudgetPeriod::Hour, ends)) }
    }

    #[test]
    fn of_periods_the_latest_are_remembered_and_a_limit_without_one_for_ever() {
        let told = Told::new();
        let (own, of_hour) = (near(ScopeKind::Execution, None), |ends| near(ScopeKind::Tenant, Some(ends)));
        assert!(told.is_news(&own));
        for ends in 1..=1_000 {
            assert!(told.is_news(&of_hour(ends)));
        }
        assert!(!told.is_news(&own) && !told.is_news(&of_hour(1_000)));
        assert_eq!(told.notes.lock().near.len(), MOST_NEAR);
    }
}
