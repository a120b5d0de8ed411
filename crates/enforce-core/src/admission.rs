//! The decision: look at every limit in order, then take everything or nothing.

mod allowances;
mod budgets;
mod look;
mod take;

pub(crate) use self::look::{asks_budget, cost_threshold_violation};
use self::look::{countable, when_freed};

use crate::books::{self, Used};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{EnforcementResult, EnforcementViolation, EnforcementWarning, ScopeKind, ViolationType};
use crate::hold::Receipt;
use crate::kept::Kept;
use crate::kernel::activity::Seen;
use crate::kernel::repetition::Repetition;
use crate::kernel::tally::METERED;
use crate::limits::Action;
use crate::paces::Paces;
use crate::plan::Plan;
use crate::record::Record;
use crate::resource::{Amounts, Demand, Resource};

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
        let needed = record.plan().idle.is_some() || record.budgets_need_time();
        let now = now.or_else(|| needed.then(|| record.core().clock.now()));
        (Self::given(record, now.unwrap_or(record.core().epoch)).periods, now)
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
    record.plan().needs_time() || record.core().rates.limit(demand) || record.budgets_need_time()
}

#[inline(always)]
fn time(record: &Record, now: Option<Timestamp>, needed: bool) -> Timestamp {
    match now {
        Some(now) => now,
        None if needed => record.core().clock.now(),
        None => record.core().epoch,
    }
}

/// What was noticed about a demand that nothing stands against.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noticed {
    /// The first limit that is near.
    pub(crate) warning: Option<EnforcementWarning>,
    /// The first limit that only observes and would have refused.
    pub(crate) observed: Option<EnforcementViolation>,
}

impl Noticed {
    /// What was noticed last comes first.
    pub(crate) fn join(&mut self, later: Self) {
        self.warning = later.warning.or(self.warning);
        self.observed = later.observed.or(self.observed);
    }
}

/// The first limit that stands against a demand, and what it does about it.
#[derive(Debug, Clone, Copy)]
struct Blocked {
    violation: EnforcementViolation,
    /// Halt or pause, if the limit is exhausted and says so.
    act: Option<Action>,
    /// What was judged idle.
    idle: Option<Seen>,
    /// Whose limit it is: 0 for the execution's own and what is shared by all, else the number of the pool above it.
    level: usize,
}

/// What looking has found. It is put down where it is found: on the way back goes one bit, not a violation that every
/// caller in between would have to copy.
#[derive(Debug, Default)]
struct Found {
    noticed: Noticed,
    blocked: Option<Blocked>,
    /// What was taken of rates of tokens.
    paces: Option<Paces>,
}

/// Something stands against the demand; [`Found::blocked`] says what.
#[derive(Debug, Clone, Copy)]
struct Stop;

type Looked = Result<(), Stop>;

impl Found {
    /// Blocks.
    #[inline]
    fn stop(&mut self, violation: EnforcementViolation, act: Option<Action>) -> Stop {
        self.blocked = Some(Blocked { violation, act, idle: None, level: 0 });
        Stop
    }

    /// Blocks, unless the limit only observes.
    #[inline]
    fn refuse(&mut self, violation: EnforcementViolation, action: Action, exhausted: bool) -> Looked {
        match action {
            Action::Observe => {
                self.noticed.observed.get_or_insert(violation);
                Ok(())
            }
            Action::Halt | Action::Pause if exhausted => Err(self.stop(violation, Some(action))),
            Action::Halt | Action::Pause | Action::Refuse => Err(self.stop(violation, None)),
        }
    }

    /// What stands against the demand.
    #[inline]
    fn violation(&self, record: &Record) -> EnforcementViolation {
        self.blocked.as_ref().map_or_else(|| record.state_violation(), |blocked| blocked.violation)
    }

    #[cold]
    fn warn(&mut self, scope: ScopeKind, kind: ViolationType, current: u64, limit: u64) {
        self.noticed.warning.get_or_insert_with(|| EnforcementWarning::of(scope, kind, current, limit));
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
}

/// Takes everything that `demand` asks, or says which limit stands against it, having carried out that limit's action.
///
/// Always inlined, and all that leaves the short way goes in registers: were the result built in memory, copying it to
/// where the caller wants it would cost several times the exchange.
#[inline(always)]
pub(crate) fn reserve(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
) -> Result<Receipt, EnforcementViolation> {
    // One exchange is the whole decision where everything else is unlimited and not asked for.
    if record.is_bare()
        && demand.is_bare()
        && let Ok(after) = record.hot.tally(Resource::Steps).take(demand.steps)
    {
        if after.flags() & METERED != 0 {
            count_begun(record, demand.steps);
        }
        let limit = record.plan().tally(Resource::Steps);
        let warning = (after.remaining() <= limit.warn_room).then(|| {
            let current = after.used(limit.limit);
            EnforcementWarning::of(ScopeKind::Execution, limit.kind, current, limit.limit)
        });
        return Ok(Receipt::new(Kept::nothing(Periods::NONE), Noticed { warning, observed: None }));
    }
    let mut found = Found::default();
    match reserve_whole(record, demand, now, None, &mut found) {
        Ok(Granted { periods, bare }) => Ok(Receipt::new(Kept::of(demand, periods, bare, found.paces), found.noticed)),
        Err(Stop) => Err(found.violation(record)),
    }
}

/// [`reserve`] for a hold that is open: what it sets aside comes out of the periods in which the hold was taken.
pub(crate) fn extend(
    record: &Record,
    more: &Demand,
    now: Option<Timestamp>,
    held: Periods,
) -> Result<Receipt, EnforcementViolation> {
    let mut found = Found::default();
    match reserve_whole(record, more, now, Some(held), &mut found) {
        Ok(Granted { periods, bare }) => Ok(Receipt::new(Kept::of(more, periods, bare, found.paces), found.noticed)),
        Err(Stop) => Err(found.violation(record)),
    }
}

/// What an admission says beside the amounts that were asked.
#[derive(Debug, Clone, Copy)]
struct Granted {
    periods: Periods,
    bare: bool,
}

/// Takes everything; for a hold that was taken in `held`, if it is extended.
#[inline(never)]
fn reserve_whole(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    held: Option<Periods>,
    found: &mut Found,
) -> Result<Granted, Stop> {
    let asked = Asked { held, ..Asked::of(record, demand, now) };
    // A step without a fingerprint only matters to the memory if there is a run that it breaks.
    let remembers = record.plan().repetition.is_some()
        && (demand.fingerprint.is_some() || (demand.steps > 0 && !record.repetition.is_empty()));
    let admitted = if remembers {
        let fingerprint = demand.fingerprint;
        record.repetition.within(fingerprint, |memory| attempt(record, demand, &asked, Some(memory), found))
    } else {
        attempt(record, demand, &asked, None, found)
    };
    if let (Err(Stop), Some(blocked)) = (admitted, &mut found.blocked) {
        carry_out(record, blocked, asked.minted.then_some(asked.now));
    }
    admitted
}

/// Whether `demand` would be admitted.
pub(crate) fn check(record: &Record, demand: &Demand, now: Option<Timestamp>) -> EnforcementResult {
    let now = time(record, now, needs_time(record, demand));
    // The periods are only looked for: a question does not begin any.
    let pays = record.has_budgets() && asks_budget(record);
    let periods = if pays { Periods::current(record) } else { Periods::NONE };
    let now_ns = now.nanos_since(record.core().epoch);
    let asked = Asked { now_ns, now, minted: true, periods, held: None };
    let mut found = Found::default();
    let looked = match demand.fingerprint {
        Some(_) if record.plan().repetition.is_some() => {
            record.repetition.look(|memory| Look::of(record, demand, &asked, Some(memory)).all(&mut found))
        }
        _ => Look::of(record, demand, &asked, None).all(&mut found),
    };
    match (looked, found.blocked, found.noticed.warning) {
        (Err(Stop), Some(blocked), _) => EnforcementResult::Blocked(blocked.violation),
        (_, _, Some(warning)) => EnforcementResult::Warning(warning),
        (_, _, None) => EnforcementResult::Allowed,
    }
}

/// Sets `amounts` aside on `record` and on every pool that it shares, for a child that gets a slice of them. The periods
/// of the budgets in which they are.
pub(crate) fn set_aside(record: &Record, amounts: &Amounts, now: Timestamp) -> Result<Periods, EnforcementViolation> {
    let (asked, demand) = (Asked::given(record, now), Demand::of_amounts(amounts));
    let mut found = Found::default();
    // Nothing has begun and nothing has happened: what the child begins is counted when it ends, and its registration,
    // if it comes about, is its parent's activity.
    let look = Look::of(record, &demand, &asked, None);
    let looked = look.all(&mut found).and_then(|()| look.take(&mut found).map_err(|lost| look.lost(lost, &mut found)));
    if let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) {
        carry_out(record, blocked, Some(now));
    }
    looked.map(|_| asked.periods).map_err(|Stop| found.violation(record))
}

/// Carries out the action of the limit that refused, if it is exhausted. The caller is told that limit, if this call
/// acted on it, or the state in which another has put the execution (E2).
#[cold]
fn carry_out(record: &Record, blocked: &mut Blocked, now: Option<Timestamp>) {
    if blocked.act.is_none() {
        return;
    }
    if let Some(seen) = blocked.idle
        && blocked.act == Some(Action::Halt)
        && !record.hot.activity.reap(seen)
        && !record.hot.activity.see().reaped()
    {
        // Something happened after it was judged idle (I1): refused, as it was when asked, but not acted upon.
        return;
    }
    // The action falls on the execution that owns the limit, and with it on everything below.
    let above = blocked.level.checked_sub(1).and_then(|level| record.pools().nth(level));
    let (target, violation) = match above {
        None => (record, blocked.violation),
        Some(pool) => (pool, EnforcementViolation { scope: ScopeKind::Execution, ..blocked.violation }),
    };
    let change = match blocked.act {
        Some(Action::Halt) => target.halt(violation.as_cause(), now),
        Some(Action::Pause) => target.pause(&violation, None, now.unwrap_or_else(|| record.core().clock.now())),
        _ => return,
    };
    if !change.first {
        blocked.violation = record.state_violation();
    }
}

/// Counts steps that have begun where they are counted apart from the tally.
#[cold]
fn count_begun(record: &Record, steps: u64) {
    if record.hot.steps.add(steps).late {
        let _acted = books::carry_up(record, &Used { steps, ..Used::default() }, None);
    }
}

fn count_discovered(record: &Record, discovered: u64) {
    if record.hot.discovered.add(discovered).late {
        let _acted = books::carry_up(record, &Used { discovered, ..Used::default() }, None);
    }
}

/// Looks at everything, then takes everything.
#[inline]
fn attempt(
    record: &Record,
    demand: &Demand,
    asked: &Asked,
    memory: Option<&Repetition>,
    found: &mut Found,
) -> Result<Granted, Stop> {
    let look = Look { touches: true, ..Look::of(record, demand, asked, memory) };
    look.all(found)?;
    let bare = look.plan.idle.is_some() && demand.leaves_no_trace();
    let after = match look.take(found) {
        Ok(after) => after,
        Err(lost) => return Err(look.lost(lost, found)),
    };
    if demand.discovered_steps > 0 {
        count_discovered(record, demand.discovered_steps);
    }
    if after.is_some_and(|after| after.flags() & METERED != 0) && demand.steps > 0 {
        count_begun(record, demand.steps);
    }
    if record.extra().is_some() {
        count_above(record, demand);
    }
    if !asked.periods.is_none() && (demand.steps | demand.discovered_steps) > 0 {
        budgets::count(record, demand, asked);
    }
    if demand.asks_allowances() {
        allowances::count(record, demand);
    }
    if bare {
        record.hot.bare_holds.settle(0, 1);
    }
    Ok(Granted { periods: asked.periods, bare })
}

/// Counts what has begun on every pool that it was taken from.
#[cold]
fn count_above(record: &Record, demand: &Demand) {
    for pool in record.pools() {
        if demand.steps > 0 {
            count_begun(pool, demand.steps);
        }
        if demand.discovered_steps > 0 {
            count_discovered(pool, demand.discovered_steps);
        }
    }
}
