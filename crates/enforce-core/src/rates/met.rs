//! The rates that one demand meets, looked at together.

use std::time::Duration;

use arrayvec::ArrayVec;

use super::amount;
use super::cells::{Cells, RateCell};
use crate::decision::{EnforcementViolation, RatesRefused, Retry, ScopeKind, ViolationType};
use crate::kernel::bundle::RateLeg;
use crate::kernel::gcra::{Rate, TooFast};
use crate::kernel::queue::Queue;
use crate::kernel::versions::Version;
use crate::limits::RateUnit;
use crate::rate_plan::MAX_RATES;
use crate::resource::Demand;
use crate::sync::Arc;

/// The rates that one demand meets, in the order in which they are looked at.
#[derive(Debug)]
pub(crate) struct Met<'a> {
    /// Of the plan that they are of.
    pub(crate) version: u64,
    pub(super) provider: Option<Version<'a, Cells>>,
    pub(super) tenant: Option<Version<'a, Cells>>,
    pub(super) model: Option<Version<'a, Cells>>,
}

/// A rate that refuses.
struct Refused {
    scope: ScopeKind,
    unit: RateUnit,
    rate: Rate,
    asked: u64,
    why: Why,
}

/// Why a rate refuses.
enum Why {
    TooFast(TooFast),
    /// It would fit, but others wait for it.
    Queued,
}

impl Met<'_> {
    /// None, of the plan of that version.
    #[inline]
    pub(super) const fn of(version: u64) -> Self {
        Self { version, provider: None, tenant: None, model: None }
    }

    /// From which version on they are the same.
    pub(crate) fn since(&self) -> u64 {
        let lists = [&self.provider, &self.tenant, &self.model];
        lists.into_iter().flatten().map(|cells| cells.since).max().unwrap_or(0)
    }

    /// Whether these are the same cells.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.cells().map(std::ptr::from_ref).eq(other.cells().map(std::ptr::from_ref))
    }

    /// Whether one of them was retired, so that others have taken their place.
    pub(crate) fn is_stale(&self) -> bool {
        self.cells().any(|cell| cell.tat.is_over())
    }

    #[inline]
    pub(crate) fn cells(&self) -> impl Iterator<Item = &RateCell> {
        of(&self.provider).chain(of(&self.tenant)).chain(of(&self.model))
    }

    #[inline]
    pub(crate) fn legs<'b>(&'b self, demand: &Demand) -> ArrayVec<RateLeg<'b>, MAX_RATES> {
        // There are no more of them: so says the plan.
        let leg = |cell: &'b RateCell| {
            let (tat, line, rate) = (&cell.tat, &cell.line, cell.rate);
            RateLeg { tat, line, rate, amount: amount(demand, cell.unit) }
        };
        self.cells().map(leg).take(MAX_RATES).collect()
    }

    /// Looks at all of them together: when several refuse, the retry is the latest of them. Also refused by a rate that
    /// others wait for, unless it is the first in the line of that one. The number of the first rate that refuses.
    #[inline]
    pub(crate) fn look(
        &self,
        demand: &Demand,
        now_ns: u64,
        first: Option<usize>,
    ) -> Result<(), (usize, EnforcementViolation)> {
        let fits = |cell: &RateCell| {
            cell.line.is_empty() && cell.tat.look(&cell.rate, now_ns, amount(demand, cell.unit)).is_ok()
        };
        if self.cells().all(fits) { Ok(()) } else { self.refused(demand, now_ns, first) }
    }

    /// Looks again, now for what to say; by then the last of them may have room.
    #[cold]
    fn refused(&self, demand: &Demand, now_ns: u64, first: Option<usize>) -> Result<(), (usize, EnforcementViolation)> {
        let mut at = None;
        let refusals = self.scoped().enumerate().filter_map(|(number, (scope, cell))| {
            let asked = amount(demand, cell.unit);
            let why = match cell.tat.look(&cell.rate, now_ns, asked) {
                Err(too_fast) => Why::TooFast(too_fast),
                Ok(()) if asked > 0 && !cell.line.is_empty() && first != Some(number) => Why::Queued,
                Ok(()) => return None,
            };
            at.get_or_insert(number);
            Some(Refused { scope, unit: cell.unit, rate: cell.rate, asked, why })
        });
        let refused = violation(refusals);
        at.zip(refused).map_or(Ok(()), Err)
    }

    /// The line of the rate of that number.
    pub(crate) fn line(&self, number: usize) -> Option<&Arc<Queue>> {
        self.cells().nth(number).map(|cell| cell.line.queue())
    }

    /// The rate whose line that is.
    pub(crate) fn with_line(&self, line: &Arc<Queue>) -> Option<&RateCell> {
        self.cells().find(|cell| cell.line.is(line))
    }

    /// The number of the rate whose line that is.
    pub(crate) fn number(&self, line: &Arc<Queue>) -> Option<usize> {
        self.cells().position(|cell| cell.line.is(line))
    }

    /// What the rate of that number says that was met in a race.
    pub(crate) fn lost(&self, demand: &Demand, number: usize, too_fast: TooFast) -> Option<EnforcementViolation> {
        let (scope, cell) = self.scoped().nth(number)?;
        let (unit, asked) = (cell.unit, amount(demand, cell.unit));
        let why = Why::TooFast(too_fast);
        violation([Refused { scope, unit, rate: cell.rate, asked, why }].into_iter())
    }

    fn scoped(&self) -> impl Iterator<Item = (ScopeKind, &RateCell)> {
        let scoped = |scope, cells| of(cells).map(move |cell| (scope, cell));
        let (provider, tenant) = (scoped(ScopeKind::Provider, &self.provider), scoped(ScopeKind::Tenant, &self.tenant));
        provider.chain(tenant).chain(scoped(ScopeKind::Model, &self.model))
    }
}

#[inline]
fn of<'a>(cells: &'a Option<Version<'_, Cells>>) -> impl Iterator<Item = &'a RateCell> {
    cells.iter().flat_map(|cells| cells.all())
}

/// What several rates say together. The figures are the first one's: what was asked of its burst.
#[cold]
fn violation(refusals: impl Iterator<Item = Refused>) -> Option<EnforcementViolation> {
    let mut all: Option<EnforcementViolation> = None;
    for refused in refusals {
        let which = if refused.unit == RateUnit::Requests { RatesRefused::Requests } else { RatesRefused::Tokens };
        let (retry, queued) = match refused.why {
            Why::TooFast(TooFast::After(ns)) => (Retry::After(Duration::from_nanos(ns)), false),
            Why::TooFast(TooFast::Never) => (Retry::Never, false),
            Why::Queued => (Retry::WhenFreed, true),
        };
        all = Some(match all {
            None => {
                let (used, burst) = (used(&refused), refused.rate.burst);
                let kind = ViolationType::RateLimit;
                let violation = EnforcementViolation::of(refused.scope, kind, used, refused.asked, burst, retry);
                EnforcementViolation { rates: Some(which), queued, ..violation }
            }
            Some(first) => EnforcementViolation {
                rates: if first.rates == Some(which) { first.rates } else { Some(RatesRefused::Both) },
                retry: match (first.retry, retry) {
                    (Retry::After(one), Retry::After(other)) => Retry::After(one.max(other)),
                    (Retry::Never, _) | (_, Retry::Never) => Retry::Never,
                    // When those who wait have had their turns, nobody knows; before this, it does not fit.
                    (Retry::After(delay), _) | (_, Retry::After(delay)) => Retry::After(delay),
                    _ => Retry::WhenFreed,
                },
                queued: first.queued && queued,
                ..first
            },
        });
    }
    all
}

/// What of the burst had not drained yet, and the debt above it. What never fits is measured against the whole burst.
///
/// Worked out from the delay, which is in whole nanoseconds: one unit too many if it drains within the last of them.
fn used(refused: &Refused) -> u64 {
    let Refused { rate, asked, why: Why::TooFast(TooFast::After(ns)), .. } = refused else { return 0 };
    let missing = (u128::from(*ns) * u128::from(rate.scale)).div_ceil(u128::from(rate.interval.max(1)));
    let used = (u128::from(rate.burst) + missing).saturating_sub(u128::from(*asked));
    u64::try_from(used).unwrap_or(u64::MAX)
}
