//! The usual refusal: of an amount that is asked there is not enough, and nothing happens by it.
//!
//! It decides nothing by itself either. What it refuses, the whole way would refuse with the same words; whatever else it
//! meets, the whole way looks at.

use super::when_freed;
use crate::decision::{EnforcementViolation, Retry, ScopeKind};
use crate::kernel::tally::{METERED, Refusal, Word};
use crate::limits::Action;
use crate::plan::TallyLimit;
use crate::record::Record;
use crate::resource::{Demand, Resource};

/// What there is to be said of it. Put together as a violation by whoever returns it, where it is to be: to copy one that
/// has just been written costs more than to write it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short<'a> {
    /// By reference, for the same reason.
    limit: &'a TallyLimit,
    used: u64,
    asked: u64,
    retry: Retry,
}

impl Short<'_> {
    #[inline(always)]
    pub(super) const fn violation(&self) -> EnforcementViolation {
        self.limit.violation(ScopeKind::Execution, self.used, self.asked, self.retry)
    }
}

/// What is short of `demand`, which meets amounts of the execution alone and no limit of time. Nothing, if that is not all
/// there is to it: a flag is set, somebody is told of it, or the limit has been reached and acts.
#[inline(never)]
pub(super) fn short<'a>(record: &'a Record, demand: &Demand) -> Option<Short<'a>> {
    let words = Resource::ALL.map(|resource| record.hot.tally(resource).word());
    if record.core().telling.is_some() || Word::any_barred(words) {
        return None;
    }
    let short = |(resource, word): (Resource, Word)| word.fits(demand.amount(resource)).err().map(|_| resource);
    let resource = Resource::ALL.into_iter().zip(words).find_map(short)?;
    // What is counted apart may be a slice, or about to go.
    if resource.is_begun() && record.hot.tally(Resource::Steps).word().flags() & METERED != 0 {
        return None;
    }
    // A threshold comes before what is looked at last.
    if resource == Resource::DiscoveredSteps && record.of_plan(|plan| plan.cost_threshold.is_some()) {
        return None;
    }
    // Committed is read before the word, as it is on the whole way.
    let (asked, committed) = (demand.amount(resource), record.committed_of(resource));
    let (limit, word) = (record.registered_plan().tally(resource), record.hot.tally(resource).word());
    // Whose limit was changed before its word was read has an extra by now (L1).
    let (Err(Refusal::Short(_)), true) = (word.fits(asked), record.extra().is_none()) else { return None };
    let acts = matches!(limit.action, Action::Halt | Action::Pause) && committed >= limit.limit;
    if asked == 0 || acts || limit.action == Action::Observe {
        return None;
    }
    let retry = if resource.is_begun() { Retry::Never } else { when_freed(committed, asked, limit.limit) };
    Some(Short { limit, used: word.used(limit.limit), asked, retry })
}

/// [`short`] where steps are all that is limited, and `word` is what refused so many.
#[inline(always)]
pub(super) fn of_steps(record: &Record, steps: u64, word: Word) -> Option<Short<'_>> {
    let limit = record.registered_plan().tally(Resource::Steps);
    // Of steps what is used is committed, where they are not counted apart.
    let used = word.used(limit.limit);
    let acts = matches!(limit.action, Action::Halt | Action::Pause) && used >= limit.limit;
    if acts || limit.action == Action::Observe || steps == 0 || word.flags() & METERED != 0 {
        return None;
    }
    // Whose limit was changed before its word was read has an extra by now (L1), and a child has one anyway.
    let plain = record.is_bare() && record.core().telling.is_none();
    plain.then_some(Short { limit, used, asked: steps, retry: Retry::Never })
}
