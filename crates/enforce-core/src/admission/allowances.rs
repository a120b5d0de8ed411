//! Named allowances, as one demand meets them.

use super::{Found, Look, Looked, Obstacle, countable, when_freed};
use crate::allowance::{self, AllowanceKey, Spent};
use crate::decision::{EnforcementViolation, EnforcementWarning, Retry, ScopeKind};
use crate::kernel::bundle::Leg;
use crate::kernel::tally::Word;
use crate::limits::Action;
use crate::plan::TallyLimit;
use crate::record::Record;
use crate::resource::Demand;
use crate::told::Near;

/// Counts what has come through.
#[cold]
pub(super) fn count(record: &Record, demand: &Demand) {
    for (key, units) in demand.allowances() {
        if let Some(spent) = Spent::of(record.spent_or_new(), key) {
            spent.committed.add(units);
        }
    }
}

/// The violation of an allowance by a demand that met `word`.
///
/// *When freed* only if another's take is in the way that has not come through: it may be about to be undone (T3).
pub(super) fn refused(
    key: AllowanceKey,
    limit: &TallyLimit,
    word: Word,
    asked: u64,
    committed: u64,
) -> EnforcementViolation {
    let retry = when_freed(committed, asked, limit.limit);
    EnforcementViolation {
        allowance: Some(key),
        ..limit.violation(ScopeKind::Execution, word.used(limit.limit), asked, retry)
    }
}

impl<'a> Look<'a> {
    /// Every allowance that the demand asks of.
    #[cold]
    pub(super) fn allowances(&self, found: &mut Found) -> Looked {
        for (key, asked) in self.demand.allowances() {
            let Some(limit) = self.record.core().allowances.limit(key) else {
                return Err(found.stop(allowance::unknown(key, asked), None));
            };
            // Committed before used: what has come through is never missed.
            let spent = self.record.spent().and_then(|all| Spent::of(all, key));
            let committed = spent.map_or(0, |spent| spent.committed.read());
            let (own, word) = spent.map_or_else(|| (limit.limit, Word::full(limit.limit)), Spent::read);
            let limit = &limit.moved(own, self.plan.source.policy.warning_threshold);
            if word.fits(asked).is_err() {
                let violation = refused(key, limit, word, asked, committed);
                let action = countable(limit.action, violation.used, asked);
                let looked = found.refuse(violation, action, committed >= limit.limit);
                looked.inspect_err(|_| {
                    if violation.retry == Retry::WhenFreed {
                        found.at(Obstacle::Passing);
                    }
                })?;
            } else if word.remaining() - asked as i64 <= limit.warn_room {
                let current = word.used(limit.limit).saturating_add(asked);
                let warning = EnforcementWarning::of(ScopeKind::Execution, limit.kind, current, limit.limit);
                let warning = EnforcementWarning { allowance: Some(key), ..warning };
                found.near(Near { warning, level: 0, period: None });
            }
        }
        Ok(())
    }

    /// What is taken of them.
    pub(super) fn allowance_legs(&self) -> impl Iterator<Item = Leg<'a>> + use<'a> {
        let record = self.record;
        self.demand.allowances().filter_map(move |(key, amount)| {
            let limit = record.core().allowances.limit(key)?;
            let spent = Spent::of(record.spent_or_new(), key)?;
            Some(Leg { tally: &spent.tally, amount, observed: limit.action == Action::Observe, first: false })
        })
    }
}
