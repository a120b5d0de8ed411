//! The decision: look at every limit in order, then take everything or nothing.

mod allowances;
mod budgets;
mod counts;
mod expiry;
mod fitted;
mod found;
mod look;
mod paused;
mod question;
mod short;
mod take;
mod times;
mod usual;
mod wide;

use self::counts::{count, count_above, count_begun};
pub(crate) use self::expiry::expire;
use self::found::{Blocked, Found, Looked, Stop};
pub(crate) use self::found::{Noticed, Obstacle};
pub(crate) use self::look::{asks_budget, cost_threshold_violation};
use self::look::{countable, when_freed};
use self::paused::go_on;
pub(crate) use self::question::check;
pub(crate) use self::times::times;
use self::usual::Usual;

use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning, ScopeKind};
use crate::hold::{Asks, Receipt};
use crate::kept::Kept;
use crate::kernel::repetition::Repetition;
use crate::kernel::tally::{METERED, Refusal, Word};
use crate::limits::Action;
use crate::plan::Plan;
use crate::record::Record;
use crate::resource::{Amounts, Demand, Resource};
use crate::told::{Asked as Asking, Near};

/// When and where a question is asked, worked out once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Nanoseconds since the enforcer's epoch; 0 where no limit needs the time.
    pub(crate) now_ns: u64,
    now: Timestamp,
    /// Whether `now` is a time that was minted, and no stand-in where no limit needs one.
    minted: bool,
    /// The periods of the budgets in which something is taken now.
    periods: Periods,
    /// Those in which the hold was taken that is extended.
    held: Option<Periods>,
}

impl Asked {
    /// The periods in which what happened now, or at `now`, is recorded, and the time, where anything needs it.
    #[inline]
    pub(crate) fn to_record(record: &Record, now: Option<Timestamp>) -> (Periods, Option<Timestamp>) {
        // What is only recorded misses no deadline, so the wall is not looked at.
        let needed = record.of_plan(|plan| plan.idle.is_some()) || record.budgets_need_time();
        let now = now.or_else(|| needed.then(|| record.core().clock.now()));
        (Self::given(record, now.unwrap_or(record.core().epoch)).periods, now)
    }

    /// At a time that is known, where no window is met.
    fn at(now: Timestamp, now_ns: u64) -> Self {
        Self { now_ns, now, minted: true, periods: Periods::NONE, held: None }
    }

    #[inline(always)]
    fn of(record: &Record, demand: &Demand, now: Option<Timestamp>) -> Self {
        let needed = needs_time(record, demand);
        Self { minted: needed || now.is_some(), ..Self::given(record, time(record, now, needed)) }
    }

    #[inline(always)]
    fn given(record: &Record, now: Timestamp) -> Self {
        let pays = record.has_budgets() && asks_budget(record);
        let periods = if pays { Periods::enter(record, now) } else { Periods::NONE };
        Self { now_ns: now.nanos_since(record.core().epoch), now, minted: true, periods, held: None }
    }
}

/// Whether any limit that `demand` meets needs the time.
#[inline(always)]
fn needs_time(record: &Record, demand: &Demand) -> bool {
    record.of_plan(Plan::needs_time) || record.core().rates.limit(demand) || record.budgets_need_time()
}

#[inline(always)]
fn time(record: &Record, now: Option<Timestamp>, needed: bool) -> Timestamp {
    match now {
        Some(now) => now,
        None if needed => record.core().clock.now(),
        None => record.core().epoch,
    }
}

/// Everything that is looked at for one demand.
#[derive(Clone, Copy)]
struct Look<'a> {
    record: &'a Record,
    /// Its limits when this look began. A change of limits moves the words, which decide.
    plan: &'a Plan,
    demand: &'a Demand,
    asked: &'a Asked,
    memory: Option<&'a Repetition>,
    /// Whether to come through is activity.
    touches: bool,
    /// The line in which it is the first.
    first: Option<Obstacle>,
    /// Whether it looks as if every pause had ended that it is in.
    past_pauses: bool,
}

/// Takes everything that `demand` asks, or says which limit stands against it, having carried out that limit's action.
///
/// Always inlined, and all that leaves the short way goes in registers: were the result built in memory, copying it to
/// where the caller wants it would cost several times the exchange. For the same reason each way out makes its own hold.
#[inline(always)]
pub(crate) fn reserve<A: Asks>(asks: A, demand: &Demand, now: Option<Timestamp>) -> A::Answer {
    reserve_as(asks, demand, now, Way::default())
}

/// [`reserve`] for a demand that waits if it is refused: then nobody is told of it.
#[inline(always)]
pub(crate) fn reserve_or_wait<A: Asks>(asks: A, demand: &Demand) -> A::Answer {
    reserve_as(asks, demand, None, Way { waits: true, ..Way::default() })
}

#[inline(always)]
fn reserve_as<A: Asks>(asks: A, demand: &Demand, now: Option<Timestamp>, way: Way) -> A::Answer {
    let record = asks.record();
    // One exchange is the whole decision where everything else is unlimited and not asked for.
    if record.is_bare() && demand.is_bare() {
        match record.hot.tally(Resource::Steps).take(demand.steps) {
            Ok(after) => {
                if after.flags() & METERED != 0 {
                    count_begun(record, demand.steps);
                }
                if after.remaining() <= record.registered_plan().tally(Resource::Steps).warn_room {
                    let receipt = near(record, *demand, after, now);
                    return asks.admitted(|| receipt);
                }
                // It may be extended, and its policy is that of all of it.
                let on_drop = demand.on_drop;
                return asks.admitted(|| Receipt::new(Kept::nothing(Periods::NONE, on_drop), Noticed::default()));
            }
            Err(Refusal::Short(word)) => {
                if let Some(short) = short::of_steps(record, demand.steps, word) {
                    let violation = short.violation();
                    return asks.refused(violation);
                }
            }
            Err(_) => {}
        }
    }
    // A copy for the calls below: the caller's own never has an address, so up to here it is not in memory.
    let demand = &{ *demand };
    if demand.up_to {
        return match fitted::reserve(record, demand, now, way) {
            Ok(receipt) => asks.admitted(|| receipt),
            Err(violation) => asks.refused(violation),
        };
    }
    let mut now = now;
    let usual = usual::take(record, demand, &mut now);
    match usual {
        Usual::Taken { bare } => {
            return asks.admitted(|| Receipt::new(Kept::of(demand, Periods::NONE, bare, None), Noticed::default()));
        }
        Usual::Near => {
            if let Some(short) = short::short(record, demand) {
                let violation = short.violation();
                return asks.refused(violation);
            }
        }
        Usual::Wide | Usual::Not => {}
    }
    let (mut found, wide) = (Found::default(), matches!(usual, Usual::Wide));
    match reserve_wide(record, demand, now, way, (wide, &mut found)) {
        // Put together from what is known here to be nothing, so that it need not be copied.
        Ok(Granted { periods, bare }) if found.is_plain() => {
            asks.admitted(|| Receipt::new(Kept::of(demand, periods, bare, None), Noticed::default()))
        }
        Ok(Granted { periods, bare }) if found.is_quiet() => {
            asks.admitted(|| Receipt::new(Kept::of(demand, periods, bare, found.paces), Noticed::default()))
        }
        Ok(granted) => asks.admitted(|| found.receipt(demand, granted)),
        Err(Stop) => {
            let violation = found.violation(record);
            asks.refused(violation)
        }
    }
}

/// Why a demand waits, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) violation: EnforcementViolation,
    pub(crate) obstacle: Obstacle,
}

/// What is admitted to an execution of which nothing but steps is limited, near that limit; tells of it.
#[cold]
#[inline(never)]
fn near(record: &Record, demand: Demand, after: Word, now: Option<Timestamp>) -> Receipt {
    let limit = record.registered_plan().tally(Resource::Steps);
    let warning = EnforcementWarning::of(ScopeKind::Execution, limit.kind, after.used(limit.limit), limit.limit);
    let noticed = Noticed { warning: Some(warning), observed: None };
    record.tell_admitted(&demand, &noticed, &[Near { warning, level: 0, period: None }], now);
    Receipt::new(Kept::nothing(Periods::NONE, demand.on_drop), noticed)
}

/// [`reserve`] for a demand that is the first in the line of `first`, if in any; who waits tells how it ends.
pub(crate) fn reserve_in_line(
    record: &Record,
    demand: &Demand,
    now: Timestamp,
    first: Option<Obstacle>,
) -> Result<Receipt, Refused> {
    if demand.up_to {
        return fitted::reserve_in_line(record, demand, now, first);
    }
    let mut found = Found::default();
    match reserve_whole(record, demand, Some(now), Way { held: None, first, waits: true }, &mut found) {
        Ok(granted) => Ok(found.receipt(demand, granted)),
        Err(Stop) => Err(Refused {
            violation: found.violation(record),
            obstacle: found.blocked.map_or(Obstacle::Scope(0), |blocked| blocked.obstacle),
        }),
    }
}

/// [`reserve`] for a hold that is open: what it sets aside comes out of the periods in which the hold was taken.
pub(crate) fn extend(
    record: &Record,
    more: &Demand,
    now: Option<Timestamp>,
    held: Periods,
) -> Result<Receipt, EnforcementViolation> {
    extend_as(record, more, now, Way { held: Some(held), ..Way::default() })
}

fn extend_as(
    record: &Record,
    more: &Demand,
    now: Option<Timestamp>,
    way: Way,
) -> Result<Receipt, EnforcementViolation> {
    if more.up_to {
        return fitted::extend(record, more, now, way);
    }
    let mut found = Found::default();
    match reserve_whole(record, more, now, way, &mut found) {
        Ok(granted) => Ok(found.receipt(more, granted)),
        Err(Stop) => Err(found.violation(record)),
    }
}

/// What an admission says beside the amounts that were asked.
#[derive(Debug, Clone, Copy)]
struct Granted {
    periods: Periods,
    bare: bool,
}

/// What is unusual about how a demand comes.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// It extends a hold that was taken in these periods.
    held: Option<Periods>,
    /// The line in which it is the first.
    first: Option<Obstacle>,
    /// A refusal is not the end of it.
    waits: bool,
}

/// [`reserve_whole`], and where the usual way is `wide` that first. It ends as the whole way does, for each way out makes a
/// hold of its own.
#[inline(never)]
fn reserve_wide(
    record: &Record,
    demand: &Demand,
    mut now: Option<Timestamp>,
    way: Way,
    (wide, found): (bool, &mut Found),
) -> Result<Granted, Stop> {
    let usual = if wide { wide::take(record, demand, &mut now, found) } else { None };
    usual.map_or_else(|| reserve_whole(record, demand, now, way, found), Ok)
}

/// Takes everything.
#[inline(never)]
fn reserve_whole(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    way: Way,
    found: &mut Found,
) -> Result<Granted, Stop> {
    let mut asked = Asked { held: way.held, ..Asked::of(record, demand, now) };
    let admitted = loop {
        let admitted = judge(record, demand, &asked, way, found);
        if admitted.is_ok() || !found.is_paused() || !go_on(record, demand, &mut asked, way, found) {
            break admitted;
        }
    };
    if found.undone {
        record.core().flush();
    }
    let at = asked.minted.then_some(asked.now);
    if let (Err(Stop), Some(blocked)) = (admitted, &mut found.blocked) {
        carry_out(record, blocked, at);
    }
    if record.core().telling.is_some() {
        tell(record, demand, admitted.is_ok(), way, found, at);
    }
    admitted
}

/// Judges a demand once.
#[inline(always)]
fn judge(record: &Record, demand: &Demand, asked: &Asked, way: Way, found: &mut Found) -> Result<Granted, Stop> {
    let plan = record.plan();
    // A step without a fingerprint only matters to the memory if there is a run that it breaks.
    let remembers = plan.repetition.is_some()
        && (demand.fingerprint.is_some() || (demand.steps > 0 && !record.repetition.is_empty()));
    if remembers {
        let fingerprint = demand.fingerprint;
        record.repetition.within(fingerprint, |memory| {
            attempt(Look { first: way.first, ..Look::of(record, &plan, demand, asked, Some(memory)) }, found)
        })
    } else {
        attempt(Look { first: way.first, ..Look::of(record, &plan, demand, asked, None) }, found)
    }
}

/// Tells how a demand went.
#[inline(never)]
fn tell(record: &Record, demand: &Demand, admitted: bool, way: Way, found: &Found, at: Option<Timestamp>) {
    if admitted {
        record.tell_admitted(demand, &found.noticed, &found.near, at);
    } else if !way.waits {
        record.tell_refused(Asking::Demand, &found.violation(record), Some(demand), at);
    }
}

/// Sets `amounts` aside on `record` and on every pool that it shares, for a child that gets a slice of them. The periods
/// of the budgets in which they are.
pub(crate) fn set_aside(record: &Record, amounts: &Amounts, now: Timestamp) -> Result<Periods, EnforcementViolation> {
    let (asked, demand) = (Asked::given(record, now), Demand::of_amounts(amounts));
    let mut found = Found::default();
    // Nothing has begun and nothing has happened: what the child begins is counted when it ends, and its registration,
    // if it comes about, is its parent's activity.
    let plan = record.plan();
    let look = Look::of(record, &plan, &demand, &asked, None);
    let looked = look.all(&mut found).and_then(|()| look.take(&mut found).map_err(|lost| look.lost(lost, &mut found)));
    if found.undone {
        record.core().flush();
    }
    if let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) {
        carry_out(record, blocked, Some(now));
    }
    looked.map(|_| asked.periods).map_err(|Stop| found.violation(record))
}

/// Carries out the action of the limit that refused, if it is exhausted. The caller is told that limit, if this call
/// acted on it, or the state in which another has put the execution (E2). Whether this call acted.
#[cold]
fn carry_out(record: &Record, blocked: &mut Blocked, now: Option<Timestamp>) -> bool {
    if blocked.act.is_none() {
        return false;
    }
    if let Some(seen) = blocked.idle
        && blocked.act == Some(Action::Halt)
        && !record.hot.activity.reap(seen)
        && !record.hot.activity.see().reaped()
    {
        // Something happened after it was judged idle (I1): refused, as it was when asked, but not acted upon.
        return false;
    }
    // The action falls on the execution that owns the limit, and with it on everything below.
    let above = match blocked.obstacle {
        Obstacle::Scope(level) => level.checked_sub(1).and_then(|above| record.pools().nth(above)),
        Obstacle::Tenant | Obstacle::Process | Obstacle::Rate(_) | Obstacle::Passing => None,
    };
    let (target, violation) = match above {
        None => (record, blocked.violation),
        Some(pool) => (pool, EnforcementViolation { scope: ScopeKind::Execution, ..blocked.violation }),
    };
    let change = match blocked.act {
        Some(Action::Halt) => target.halt(violation.as_cause(), now),
        Some(Action::Pause) => {
            let now = now.unwrap_or_else(|| record.core().clock.now());
            target.pause(&violation, None, blocked.until, now)
        }
        _ => return false,
    };
    if !change.first {
        blocked.violation = record.state_violation(now);
    }
    change.first
}

/// Looks at everything, then takes everything.
#[inline]
fn attempt(look: Look<'_>, found: &mut Found) -> Result<Granted, Stop> {
    let look = Look { touches: true, ..look };
    let Look { record, demand, asked, .. } = look;
    look.all(found)?;
    let bare = look.plan.idle.is_some() && demand.leaves_no_trace();
    let after = match look.take(found) {
        Ok(after) => after,
        Err(lost) => return Err(look.lost(lost, found)),
    };
    count(record, demand, after, bare);
    if record.extra().is_some() {
        count_above(record, demand);
    }
    if !asked.periods.is_none() && (demand.steps | demand.discovered_steps) > 0 {
        budgets::count(record, demand, asked.periods);
    }
    if demand.asks_allowances() {
        allowances::count(record, demand);
    }
    Ok(Granted { periods: asked.periods, bare })
}
