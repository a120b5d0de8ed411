//! Demands that take what is left.

use super::{Asking, Obstacle, Way, extend_as, needs_time, reserve_as, time};
use super::{Refused, asks_budget, check as check_all, reserve_in_line as reserve_all_in_line};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{EnforcementResult, EnforcementViolation};
use crate::hold::Receipt;
use crate::kernel::tally::{MAX_AMOUNT, Word};
use crate::limits::{Action, RateUnit};
use crate::rates::Keys;
use crate::record::Record;
use crate::resource::{Demand, Resource};

/// How often it looks again after another was faster. Each time somebody has taken something.
const TRIES: usize = 16;

#[cold]
pub(super) fn reserve(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    way: Way,
) -> Result<Receipt, EnforcementViolation> {
    let once = Way { waits: true, ..way };
    let ended = attempt(record, demand, now, None, |fitted, now| reserve_as(record, fitted, Some(now), once));
    told(record, demand, now, way, ended)
}

/// Tells a refusal once, however often it was looked.
fn told<T>(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    way: Way,
    ended: Result<T, EnforcementViolation>,
) -> Result<T, EnforcementViolation> {
    if let Err(violation) = &ended
        && !way.waits
    {
        record.tell_refused(Asking::Demand, violation, Some(demand), now);
    }
    ended
}

#[cold]
pub(super) fn reserve_in_line(
    record: &Record,
    demand: &Demand,
    now: Timestamp,
    first: Option<Obstacle>,
) -> Result<Receipt, Refused> {
    attempt(record, demand, Some(now), None, |fitted, now| reserve_all_in_line(record, fitted, now, first))
}

#[cold]
pub(super) fn extend(
    record: &Record,
    more: &Demand,
    now: Option<Timestamp>,
    way: Way,
) -> Result<Receipt, EnforcementViolation> {
    let once = Way { waits: true, ..way };
    let ended = attempt(record, more, now, way.held, |fitted, now| extend_as(record, fitted, Some(now), once));
    told(record, more, now, way, ended)
}

#[cold]
pub(super) fn check(record: &Record, demand: &Demand, now: Option<Timestamp>) -> EnforcementResult {
    let now = moment(record, demand, now);
    check_all(record, &fitted(record, demand, now, None), Some(now))
}

fn attempt<T, E>(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    held: Option<Periods>,
    mut reserve: impl FnMut(&Demand, Timestamp) -> Result<T, E>,
) -> Result<T, E> {
    let now = moment(record, demand, now);
    let mut asked = fitted(record, demand, now, held);
    for _ in 0..TRIES {
        match reserve(&asked, now) {
            Ok(taken) => return Ok(taken),
            Err(refused) => {
                let again = fitted(record, demand, now, held);
                // Refused for another reason than that less is left by now.
                if again.output_tokens >= asked.output_tokens {
                    return Err(refused);
                }
                asked = again;
            }
        }
    }
    reserve(&asked, now)
}

/// When it asks, where any limit or the end of a pause needs the time.
fn moment(record: &Record, demand: &Demand, now: Option<Timestamp>) -> Timestamp {
    let stopped = record.hot.tally(Resource::Steps).word().is_stopped();
    let now = if stopped { record.time_of_pauses(now).or(now) } else { now };
    time(record, now, needs_time(record, demand))
}

/// `demand` with as much output as fits now, but one token at least, so that where nothing is left it is refused. It
/// extends a hold of the periods `held`, if of any.
fn fitted(record: &Record, demand: &Demand, now: Timestamp, held: Option<Periods>) -> Demand {
    let room = left(record, demand, now, held).saturating_sub(demand.input_tokens);
    let room = room.min(paced(record, demand, now, RateUnit::OutputTokens)).max(1);
    demand.tokens(demand.input_tokens, demand.output_tokens.min(room))
}

/// How many tokens are left of everything that counts input and output together.
fn left(record: &Record, demand: &Demand, now: Timestamp, held: Option<Periods>) -> u64 {
    let of = |word: Word| u64::try_from(word.remaining()).unwrap_or(0);
    let mut left = MAX_AMOUNT;
    for scope in std::iter::once(record).chain(record.pools()) {
        let (limit, word) = scope.read(Resource::Tokens);
        if limit.action != Action::Observe {
            left = left.min(of(word));
        }
    }
    if asks_budget(record) {
        for payer in record.payers(held.unwrap_or_else(|| Periods::current(record))) {
            let budgets = payer.windows().filter(|(terms, _)| terms.resource == Resource::Tokens);
            for (terms, window) in budgets {
                let (limit, word) = terms.read(window);
                if limit.action != Action::Observe {
                    let fresh = held.is_none() && window.has_ended(now.as_nanos());
                    left = left.min(if fresh { limit.limit } else { of(word) });
                }
            }
        }
    }
    // What rates of total tokens are asked may be said apart.
    match demand.rate_tokens {
        Some(_) => left,
        None => left.min(paced(record, demand, now, RateUnit::TotalTokens)),
    }
}

/// How many units fit all rates of that unit at once.
fn paced(record: &Record, demand: &Demand, now: Timestamp, unit: RateUnit) -> u64 {
    let core = record.core();
    if core.rate_action == Action::Observe || !core.rates.limit(demand) {
        return MAX_AMOUNT;
    }
    let Ok(met) = core.rates.met(&record.tenant, Keys::of(demand)) else { return MAX_AMOUNT };
    let now_ns = now.nanos_since(core.epoch);
    let cells = met.cells().filter(|cell| cell.unit == unit);
    cells.map(|cell| cell.tat.room(&cell.rate, now_ns)).min().unwrap_or(MAX_AMOUNT)
}
