//! The decision: look at every limit in order, then take everything or nothing.

mod allowances;

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::allowance::{self, AllowanceKey, Spent};
use crate::books::{self, Used};
use crate::clock::Timestamp;
use crate::decision::{
    Cause, EnforcementResult, EnforcementViolation, EnforcementWarning, Retry, ScopeKind, ViolationType,
};
use crate::family::MAX_TREE_DEPTH;
use crate::hold::Receipt;
use crate::kept::Kept;
use crate::kernel::activity::Seen;
use crate::kernel::bundle::{Bundle, Leg, Lost, RateLeg};
use crate::kernel::gcra::{Paced, TooFast};
use crate::kernel::repetition::Repetition;
use crate::kernel::tally::{MAX_AMOUNT, METERED, Refusal, Word};
use crate::kernel::window::Window;
use crate::limits::Action;
use crate::paces::Paces;
use crate::plan::{Plan, TallyLimit, TimeLimit};
use crate::rate_plan::MAX_RATES;
use crate::rates::{self, Keys, Met};
use crate::record::Record;
use crate::resource::{Amounts, Demand, Resource};
use crate::tenant::WindowKey;

/// When and where a question is asked, worked out once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Nanoseconds since the enforcer's epoch; 0 where no limit needs the time.
    pub(crate) now_ns: u64,
    now: Timestamp,
    /// Whether `now` is a time that was minted, and no stand-in where no limit needs one.
    minted: bool,
    /// The number of the tenant's budget window, if it has a budget.
    pub(crate) window: Option<WindowKey>,
}

impl Asked {
    /// The budget window in which what happened now, or at `now`, is recorded, and the time, where anything needs it.
    #[inline]
    pub(crate) fn to_record(record: &Record, now: Option<Timestamp>) -> (Option<WindowKey>, Option<Timestamp>) {
        // What is only recorded misses no deadline, so the wall is not looked at.
        let needed = record.plan().idle.is_some() || record.tenant.plan().needs_time();
        let now = now.or_else(|| needed.then(|| record.core().clock.now()));
        (Self::given(record, now.unwrap_or(record.core().epoch)).window, now)
    }

    #[inline(always)]
    fn of(record: &Record, demand: &Demand, now: Option<Timestamp>) -> Self {
        let needed = needs_time(record, demand);
        Self { minted: needed || now.is_some(), ..Self::given(record, time(record, now, needed)) }
    }

    #[inline(always)]
    fn given(record: &Record, now: Timestamp) -> Self {
        let window = if asks_budget(record) { record.tenant.enter_window(now) } else { None };
        Self { now_ns: now.nanos_since(record.core().epoch), now, minted: true, window }
    }
}

/// Whether any limit that `demand` meets needs the time.
#[inline(always)]
fn needs_time(record: &Record, demand: &Demand) -> bool {
    record.plan().needs_time() || record.core().rates.limit(demand) || record.tenant.plan().needs_time()
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
        return Ok(Receipt::new(Kept::nothing(None), Noticed { warning, observed: None }));
    }
    let mut found = Found::default();
    match reserve_whole(record, demand, now, None, &mut found) {
        Ok(Granted { window, bare }) => Ok(Receipt::new(Kept::of(demand, window, bare, found.paces), found.noticed)),
        Err(Stop) => Err(found.violation(record)),
    }
}

/// [`reserve`] for a hold that is open: its money comes out of the period in which the hold was taken.
pub(crate) fn extend(
    record: &Record,
    more: &Demand,
    now: Option<Timestamp>,
    window: Option<WindowKey>,
) -> Result<Receipt, EnforcementViolation> {
    let mut found = Found::default();
    match reserve_whole(record, more, now, window, &mut found) {
        Ok(Granted { window, bare }) => Ok(Receipt::new(Kept::of(more, window, bare, found.paces), found.noticed)),
        Err(Stop) => Err(found.violation(record)),
    }
}

/// What an admission says beside the amounts that were asked.
#[derive(Debug, Clone, Copy)]
struct Granted {
    window: Option<WindowKey>,
    bare: bool,
}

/// Takes everything; money out of `window`, if one is named.
#[inline(never)]
fn reserve_whole(
    record: &Record,
    demand: &Demand,
    now: Option<Timestamp>,
    window: Option<WindowKey>,
    found: &mut Found,
) -> Result<Granted, Stop> {
    let asked = Asked::of(record, demand, now);
    let asked = Asked { window: window.or(asked.window), ..asked };
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
    // The window is only looked for: a question does not begin a period.
    let asked = Asked { now_ns: now.nanos_since(record.core().epoch), now, minted: true, window: None };
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

/// Sets `amounts` aside on `record` and on every pool that it shares, for a child that gets a slice of them. The window
/// of the tenant's budget in which its money is.
pub(crate) fn set_aside(
    record: &Record,
    amounts: &Amounts,
    now: Timestamp,
) -> Result<Option<WindowKey>, EnforcementViolation> {
    let (asked, demand) = (Asked::given(record, now), Demand::of_amounts(amounts));
    let mut found = Found::default();
    // Nothing has begun and nothing has happened: what the child begins is counted when it ends, and its registration,
    // if it comes about, is its parent's activity.
    let look = Look::of(record, &demand, &asked, None);
    let looked = look.all(&mut found).and_then(|()| look.take(&mut found).map_err(|lost| look.lost(lost, &mut found)));
    if let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) {
        carry_out(record, blocked, Some(now));
    }
    looked.map(|_| asked.window).map_err(|Stop| found.violation(record))
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
    if demand.asks_allowances() {
        allowances::count(record, demand);
    }
    if bare {
        record.hot.bare_holds.settle(0, 1);
    }
    Ok(Granted { window: asked.window, bare })
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

impl<'a> Look<'a> {
    #[inline]
    fn of(record: &'a Record, demand: &'a Demand, asked: &'a Asked, memory: Option<&'a Repetition>) -> Self {
        Self { record, plan: record.plan(), demand, asked, memory, touches: false }
    }

    /// All limits, in the order that never changes.
    #[inline]
    fn all(&self, found: &mut Found) -> Looked {
        let record = self.record;
        if let Some(violation) = record.barred(record.hot.tally(Resource::Steps).word().flags()) {
            return Err(found.stop(violation, None));
        }
        if let Some(wall) = &self.plan.wall {
            let elapsed = self.asked.now.nanos_since(record.started);
            self.time(found, ViolationType::WallTimeLimit, wall, elapsed, 1_000_000)?;
        }
        if let Some(active) = &self.plan.active {
            let elapsed = record.active_ns(self.asked.now);
            self.time(found, ViolationType::WallTimeLimit, active, elapsed, 1_000_000)?;
        }
        if let Some(idle) = &self.plan.idle {
            self.idle(found, idle)?;
        }
        // One after another rather than in a loop: each is then compiled for its own word and limit.
        self.tallies(found, record, self.plan, ScopeKind::Execution)?;
        if self.demand.asks_allowances() {
            self.allowances(found)?;
        }
        if let Some(memory) = self.memory {
            self.repetition(found, memory)?;
        }
        if record.extra().is_some() {
            self.above(found)?;
        }
        if let Some(budget) = &record.tenant.plan().budget
            && asks_budget(record)
        {
            self.budget(found, budget)?;
        }
        if record.core().rates.limit(self.demand) {
            let looked = match self.met() {
                Ok(met) => met.look(self.demand, self.asked.now_ns),
                Err(scope) => Err(rates::unknown(scope)),
            };
            if let Err(violation) = looked {
                found.refuse(self.early_too(violation), record.core().rate_action, false)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn time(&self, found: &mut Found, kind: ViolationType, limit: &TimeLimit, elapsed_ns: u64, unit_ns: u64) -> Looked {
        // The last nanosecond of the clock stands for *never*.
        let elapsed_ns = elapsed_ns.min(u64::MAX - 1);
        if elapsed_ns >= limit.block_ns {
            let elapsed = elapsed_ns / unit_ns;
            let violation = EnforcementViolation::of(ScopeKind::Execution, kind, elapsed, 0, limit.limit, Retry::Never);
            found.refuse(violation, limit.action, true)?;
        } else if elapsed_ns >= limit.warn_ns {
            found.warn(ScopeKind::Execution, kind, elapsed_ns / unit_ns, limit.limit);
        }
        Ok(())
    }

    #[inline]
    fn idle(&self, found: &mut Found, limit: &TimeLimit) -> Looked {
        // Activity is read before the holds: a hold that ends in between has touched it first (I1).
        let seen = self.record.hot.activity.see();
        if seen.reaped() {
            return Err(found.stop(self.record.reaped_violation(Some(self.asked.now)), None));
        }
        let idle_ns = seen.idle_at(self.asked.now_ns);
        if idle_ns < limit.warn_ns && idle_ns < limit.block_ns {
            return Ok(());
        }
        if self.record.has_open_holds() {
            return Ok(());
        }
        let looked = self.time(found, ViolationType::IdleTimeout, limit, idle_ns, 1_000_000_000);
        if let Some(blocked) = &mut found.blocked {
            blocked.idle = Some(seen);
        }
        looked
    }

    /// Everything that `record` counts, whose limits are of `scope`.
    #[inline(always)]
    fn tallies(&self, found: &mut Found, record: &Record, plan: &Plan, scope: ScopeKind) -> Looked {
        self.tally(found, record, plan, scope, Resource::Steps)?;
        self.tally(found, record, plan, scope, Resource::Tokens)?;
        self.tally(found, record, plan, scope, Resource::Memory)?;
        self.tally(found, record, plan, scope, Resource::Cost)?;
        if let Some(threshold) = &plan.cost_threshold {
            self.cost_threshold(found, record, scope, threshold)?;
        }
        self.tally(found, record, plan, scope, Resource::DiscoveredSteps)
    }

    /// Every pool that it shares, nearest first.
    #[cold]
    fn above(&self, found: &mut Found) -> Looked {
        for (level, pool) in self.record.pools().enumerate() {
            let barred = pool.barred(pool.hot.tally(Resource::Steps).word().flags());
            let looked = match barred {
                Some(violation) => Err(found.stop(seen_from(ScopeKind::Parent, violation), None)),
                None => self.tallies(found, pool, pool.plan(), ScopeKind::Parent),
            };
            if let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) {
                blocked.level = level.saturating_add(1);
                return looked;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn tally(&self, found: &mut Found, record: &Record, plan: &Plan, scope: ScopeKind, resource: Resource) -> Looked {
        let asked = self.demand.amount(resource);
        // What has no limit has a bound: a sum past it could not be counted.
        if asked == 0 && !plan.limits(resource) {
            return Ok(());
        }
        let warn_room = plan.tally(resource).warn_room;
        let word = record.hot.tally(resource).word();
        match word.fits(asked) {
            // Neither term exceeds 2^56.
            Ok(()) if word.remaining() - asked as i64 > warn_room => Ok(()),
            Err(Refusal::Barred) => Err(found.stop(seen_from(scope, record.state_violation()), None)),
            Ok(()) | Err(Refusal::Short(_)) => self.near(found, record, scope, resource),
        }
    }

    /// At the limit or near it: limit and word are looked at once more, together.
    #[cold]
    fn near(&self, found: &mut Found, record: &Record, scope: ScopeKind, resource: Resource) -> Looked {
        let asked = self.demand.amount(resource);
        let committed = record.committed_of(resource);
        let (plan, word) = record.read(resource);
        let TallyLimit { kind, limit, warn_room, action, .. } = plan;
        let used = word.used(limit);
        match word.fits(asked) {
            Ok(()) => {
                if word.remaining() - asked as i64 <= warn_room {
                    found.warn(scope, kind, used.saturating_add(asked), limit);
                }
                Ok(())
            }
            Err(Refusal::Barred) => Err(found.stop(seen_from(scope, record.state_violation()), None)),
            Err(Refusal::Short(_)) if plan.tolerates(asked, used) => {
                found.warn(scope, kind, used, limit);
                Ok(())
            }
            Err(Refusal::Short(_)) => {
                // What has begun never comes back, but for what is counted apart: that may be a slice or about to go.
                let begun = matches!(resource, Resource::Steps | Resource::DiscoveredSteps);
                let apart = record.hot.tally(Resource::Steps).word().flags() & METERED != 0;
                let retry = if begun && !apart { Retry::Never } else { when_freed(committed, asked, limit) };
                let violation = plan.violation(scope, used, asked, retry);
                found.refuse(violation, countable(action, used, asked), committed >= limit)
            }
        }
    }

    #[inline(always)]
    fn cost_threshold(&self, found: &mut Found, record: &Record, scope: ScopeKind, threshold: &TallyLimit) -> Looked {
        let committed = record.hot.cost.read();
        if committed >= threshold.limit {
            let violation = EnforcementViolation { scope, ..cost_threshold_violation(committed, threshold.limit) };
            return found.refuse(violation, threshold.action, true);
        }
        let current = record.used(Resource::Cost).saturating_add(self.demand.cost);
        // A threshold is at most 2^56 − 1, and so is what is left of it.
        if threshold.limit as i64 - current.min(MAX_AMOUNT) as i64 <= threshold.warn_room {
            found.warn(scope, threshold.kind, current, threshold.limit);
        }
        Ok(())
    }

    fn repetition(&self, found: &mut Found, memory: &Repetition) -> Looked {
        let (Some(limit), Some(fingerprint)) = (&self.plan.repetition, self.demand.fingerprint) else {
            return Ok(());
        };
        if memory.would_repeat(fingerprint, limit.times).is_none() {
            return Ok(());
        }
        let before = limit.times.saturating_sub(1);
        let violation = EnforcementViolation {
            remaining: 0,
            ..EnforcementViolation::of(
                ScopeKind::Execution,
                ViolationType::SameStepLoop,
                before,
                1,
                limit.times,
                Retry::Never,
            )
        };
        found.refuse(violation, limit.action, true)
    }

    #[inline]
    fn budget(&self, found: &mut Found, budget: &TallyLimit) -> Looked {
        let Some((_, windows)) = self.record.tenant.budget() else { return Ok(()) };
        let window = match self.asked.window {
            Some(key) => self.record.tenant.window(key),
            None => windows.peek(self.record.tenant.plan().period_at(self.asked.now)),
        };
        let asked = self.demand.cost;
        // A period that has not begun is a full one.
        let word = window.map_or_else(|| Word::full(budget.limit), |window| window.tally.word());
        if word.fits(asked).is_ok() && word.remaining() - asked as i64 > budget.warn_room {
            return Ok(());
        }
        let committed = window.map_or(0, |window| window.committed.read());
        let (limit, word) = window.map_or((budget.limit, word), Window::read);
        // The limit that the word counts from.
        let budget = TallyLimit { limit, ..*budget };
        let used = word.used(limit);
        if word.fits(asked).is_ok() || budget.tolerates(asked, used) {
            found.warn(ScopeKind::Tenant, budget.kind, used.saturating_add(asked), limit);
            return Ok(());
        }
        let violation = budget.violation(ScopeKind::Tenant, used, asked, when_freed(committed, asked, limit));
        found.refuse(violation, countable(budget.action, used, asked), committed >= limit)
    }

    #[inline]
    fn met(&self) -> Result<Met<'a>, ScopeKind> {
        self.record.core().rates.met(&self.record.tenant, Keys::of(self.demand))
    }

    /// Takes what was looked at.
    #[inline]
    fn take(&self, found: &mut Found) -> Result<Option<Word>, Lost> {
        if self.record.extra().is_some() || self.demand.asks_allowances() {
            return self.take_in_tree(found);
        }
        if self.demand.is_bare() {
            return self.bundle(&[], &[]).take(&mut []);
        }
        let mut legs = [leg(self.record, self.plan, self.demand, Resource::Steps); 5];
        let mut count = 0;
        let mut push = |leg: Leg<'a>| {
            if leg.amount > 0
                && let Some(place) = legs.get_mut(count)
            {
                *place = leg;
                count += 1;
            }
        };
        // In the order of `OWN_LEGS`; one after another, as they are looked at.
        push(leg(self.record, self.plan, self.demand, Resource::Tokens));
        push(leg(self.record, self.plan, self.demand, Resource::Memory));
        push(leg(self.record, self.plan, self.demand, Resource::Cost));
        push(leg(self.record, self.plan, self.demand, Resource::DiscoveredSteps));
        if let Some(leg) = self.budget_leg() {
            push(leg);
        }
        let legs = legs.get(..count).unwrap_or(&[]);
        if self.record.core().rates.limit(self.demand) {
            self.take_rated(legs, found, |_| ())
        } else {
            self.bundle(legs, &[]).take(&mut [])
        }
    }

    /// With all rates that the demand meets.
    #[inline(never)]
    fn take_rated(&self, legs: &[Leg<'_>], found: &mut Found, undone: impl Fn(usize)) -> Result<Option<Word>, Lost> {
        let Some(met) = self.charged() else { return self.bundle(legs, &[]).take_or(&mut [], undone) };
        let rates = met.legs(self.demand);
        let mut paced: ArrayVec<Option<Paced>, MAX_RATES> = rates.iter().map(|_| None).collect();
        let after = match self.bundle(legs, &rates).take_or(&mut paced, &undone) {
            // Another was faster than the look: a rate that only observes is then not charged, and stops nobody.
            Err(Lost::Rate(..)) if self.record.core().rate_action == Action::Observe => {
                return self.bundle(legs, &[]).take_or(&mut [], undone);
            }
            outcome => outcome?,
        };
        found.paces = Paces::of(self.demand, self.asked.now_ns, &met, &paced);
        Ok(after)
    }

    /// As [`Look::take`], with a leg for every allowance and for everything that is taken from the pools above.
    #[cold]
    fn take_in_tree(&self, found: &mut Found) -> Result<Option<Word>, Lost> {
        // Steps of a pool are counted when everything has come through, so here they are a quantity like others.
        let mut legs = ArrayVec::<Leg<'_>, { MAX_COUNTED + 3 }>::new();
        legs.extend(
            self.legs().into_iter().map(|(_, record, resource)| leg(record, record.plan(), self.demand, resource)),
        );
        legs.extend(self.budget_leg().filter(|leg| leg.amount > 0));
        legs.extend(self.allowance_legs());
        let undone = |number| self.follow_undone(number);
        if self.record.core().rates.limit(self.demand) {
            self.take_rated(&legs, found, undone)
        } else {
            self.bundle(&legs, &[]).take_or(&mut [], undone)
        }
    }

    /// Follows an amount that was taken and given back while it was counted further up.
    #[cold]
    fn follow_undone(&self, number: usize) {
        // The budget and the allowances belong to nobody's slice.
        if let Whose::Counted(_, record, resource) = self.whose(number) {
            books::follow(record, resource, self.demand.amount(resource), 0);
        }
    }

    /// What is taken before the budget: whose, and of what.
    fn legs(&self) -> ArrayVec<(ScopeKind, &'a Record, Resource), MAX_COUNTED> {
        let asks = |resource: &Resource| self.demand.amount(*resource) > 0;
        let own = OWN_LEGS.into_iter().filter(asks).map(|resource| (ScopeKind::Execution, self.record, resource));
        let above = self.record.pools().flat_map(|pool| {
            POOL_LEGS.into_iter().filter(asks).map(move |resource| (ScopeKind::Parent, pool, resource))
        });
        own.chain(above).collect()
    }

    /// Whose amount the leg of that number takes, in the order of [`Look::take_in_tree`].
    fn whose(&self, number: usize) -> Whose<'a> {
        let counted = self.legs();
        if let Some((scope, record, resource)) = counted.get(number) {
            return Whose::Counted(*scope, record, *resource);
        }
        let budget = self.budget_leg().filter(|leg| leg.amount > 0).and(self.record.tenant.plan().budget.as_ref());
        let budget = budget.map(Whose::Budget).into_iter();
        let allowances = self.demand.allowances().map(|(key, units)| Whose::Allowance(key, units));
        let behind = number.saturating_sub(counted.len());
        // Behind everything else, own steps are taken.
        budget.chain(allowances).nth(behind).unwrap_or(Whose::Counted(
            ScopeKind::Execution,
            self.record,
            Resource::Steps,
        ))
    }

    #[inline]
    fn budget_leg(&self) -> Option<Leg<'a>> {
        let budget = self.record.tenant.plan().budget.as_ref()?;
        let window = self.record.tenant.window(self.asked.window?)?;
        let observed = budget.action == Action::Observe;
        Some(Leg { tally: &window.tally, amount: self.demand.cost, observed })
    }

    /// The rates that are charged, if any: those that only observe are charged for what they would have admitted.
    #[inline]
    fn charged(&self) -> Option<Met<'a>> {
        let observes = self.record.core().rate_action == Action::Observe;
        self.met().ok().filter(|met| !observes || met.look(self.demand, self.asked.now_ns).is_ok())
    }

    #[inline(always)]
    fn bundle<'b>(&'b self, legs: &'b [Leg<'b>], rates: &'b [RateLeg<'b>]) -> Bundle<'b> {
        let steps = leg(self.record, self.plan, self.demand, Resource::Steps);
        Bundle {
            legs,
            rates,
            // Taken even when it is nothing: the exchange on an own word is what a halt cannot be missed by (E1).
            last: (steps.amount > 0 || legs.is_empty() || self.record.extra().is_some()).then_some(steps),
            activity: self.plan.idle.as_ref().filter(|_| self.touches).map(|_| &self.record.hot.activity),
            now_ns: self.asked.now_ns,
        }
    }

    /// What stood in the way of a take that had looked possible: looked at again, or what was met.
    ///
    /// If it looks possible again by now, what stood in the way was another's hold, or a take about to be undone:
    /// refused, and nothing is acted upon (T3).
    #[cold]
    fn lost(&self, lost: Lost, found: &mut Found) -> Stop {
        // With the limits as they are by now.
        if let Err(stop) = (Look { plan: self.record.plan(), ..*self }).all(found) {
            return stop;
        }
        let violation = match lost {
            Lost::Reaped => self.record.reaped_violation(Some(self.asked.now)),
            Lost::Leg(_, Refusal::Barred) => self.record.state_violation(),
            Lost::Leg(number, Refusal::Short(word)) => self.lost_leg(number, word),
            Lost::Rate(number, too_fast) => self.lost_rate(number, too_fast),
        };
        found.stop(violation, None)
    }

    fn lost_leg(&self, number: usize, word: Word) -> EnforcementViolation {
        let refused = |scope, limit: &TallyLimit, word: Word, asked, committed| {
            let (used, retry) = (word.used(limit.limit), when_freed(committed, asked, limit.limit));
            limit.violation(scope, used, asked, retry)
        };
        let of = |scope, record: &Record, resource| {
            let (asked, committed) = (self.demand.amount(resource), record.committed_of(resource));
            let (limit, read) = record.read(resource);
            // Whose limit was changed: the word that was met may count from another one.
            let word = if record.extra().is_some_and(|extra| extra.plans().is_some()) { read } else { word };
            refused(scope, &limit, word, asked, committed)
        };
        match self.whose(number) {
            Whose::Counted(scope, record, resource) => of(scope, record, resource),
            Whose::Budget(budget) => {
                let window = self.asked.window.and_then(|key| self.record.tenant.window(key));
                let committed = window.map_or(0, |window| window.committed.read());
                refused(ScopeKind::Tenant, budget, word, self.demand.cost, committed)
            }
            Whose::Allowance(key, asked) => {
                let spent = self.record.spent().and_then(|all| Spent::of(all, key));
                match self.record.core().allowances.limit(key).zip(spent) {
                    Some((limit, spent)) => allowances::refused(key, limit, word, asked, spent.committed.read()),
                    None => allowance::unknown(key, asked),
                }
            }
        }
    }

    /// Rates count from when the enforcer was built: who asks before has to wait for that as well (Q1).
    #[cold]
    fn early_too(&self, violation: EnforcementViolation) -> EnforcementViolation {
        let early = Duration::from_nanos(self.record.core().epoch.nanos_since(self.asked.now));
        match violation.retry {
            Retry::After(delay) => {
                EnforcementViolation { retry: Retry::After(delay.saturating_add(early)), ..violation }
            }
            _ => violation,
        }
    }

    fn lost_rate(&self, number: usize, too_fast: TooFast) -> EnforcementViolation {
        let violation = match self.met() {
            Ok(met) => met.lost(self.demand, number, too_fast),
            Err(scope) => Some(rates::unknown(scope)),
        };
        self.early_too(violation.unwrap_or_else(|| rates::unknown(ScopeKind::Provider)))
    }
}

/// The most that is counted of one demand in a tree, but for its last leg.
const MAX_COUNTED: usize = OWN_LEGS.len() + POOL_LEGS.len() * MAX_TREE_DEPTH;

/// Whose amount a leg takes.
#[derive(Debug, Clone, Copy)]
enum Whose<'a> {
    Counted(ScopeKind, &'a Record, Resource),
    Budget(&'a TallyLimit),
    Allowance(AllowanceKey, u64),
}

/// What of a pool is taken: as its own quantities, and its steps behind them.
const POOL_LEGS: [Resource; 5] =
    [Resource::Tokens, Resource::Memory, Resource::Cost, Resource::DiscoveredSteps, Resource::Steps];

/// What `demand` takes of `record`'s `resource`.
#[inline]
fn leg<'a>(record: &'a Record, plan: &Plan, demand: &Demand, resource: Resource) -> Leg<'a> {
    Leg {
        tally: record.hot.tally(resource),
        amount: demand.amount(resource),
        observed: plan.tally(resource).action == Action::Observe,
    }
}

/// Whether what it spends is taken from its tenant's budget now; a slice was taken from it as a whole.
#[inline]
pub(crate) fn asks_budget(record: &Record) -> bool {
    record.extra().is_none() || record.slice_parent().is_none()
}

/// The order in which an execution's own quantities are taken; steps follow behind everything else.
const OWN_LEGS: [Resource; 4] = [Resource::Tokens, Resource::Memory, Resource::Cost, Resource::DiscoveredSteps];

/// A state of `scope` as its execution is about to see it: who halts or pauses a parent goes on to what is below (E2).
fn seen_from(scope: ScopeKind, violation: EnforcementViolation) -> EnforcementViolation {
    let cause = violation.cause.filter(|_| scope == ScopeKind::Parent).map(|cause| Cause { scope, ..cause });
    EnforcementViolation { cause: cause.or(violation.cause), ..violation }
}

/// The action at a limit of which `used` and `asked` together are too much: a sum past the bound could not be counted,
/// so not even a limit that only observes lets it pass.
fn countable(action: Action, used: u64, asked: u64) -> Action {
    if action == Action::Observe && used.saturating_add(asked) > MAX_AMOUNT { Action::Refuse } else { action }
}

/// *When freed*, if only holds are in the way; else never.
fn when_freed(committed: u64, asked: u64, limit: u64) -> Retry {
    if committed.saturating_add(asked) <= limit { Retry::WhenFreed } else { Retry::Never }
}

pub(crate) fn cost_threshold_violation(committed: u64, threshold: u64) -> EnforcementViolation {
    EnforcementViolation::of(
        ScopeKind::Execution,
        ViolationType::CostThreshold,
        committed,
        0,
        threshold,
        Retry::AfterApproval,
    )
}
