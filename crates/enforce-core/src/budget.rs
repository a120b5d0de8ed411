//! What a scope may use over its executions, and in which periods something was taken from it.

mod recalled;

pub(crate) use self::recalled::Saved;

use std::num::NonZeroU32;

use crate::calendar;
use crate::clock::Timestamp;
use crate::decision::ScopeKind;
use crate::kernel::epochs::{Epochs, Term};
use crate::kernel::queue::Queue;
use crate::kernel::tally::Word;
use crate::kernel::window::{BESIDE, NEVER_ENDS, Window};
use crate::limits::{Action, Budget, BudgetAmount, BudgetPeriod, BudgetResource};
use crate::plan::TallyLimit;
use crate::record::Record;
use crate::resource::Resource;
use crate::snapshot::BudgetUsage;
use crate::sync::{CachePadded, OnceLock};

/// The most budgets of one scope: four resources by four periods, and memory.
pub(crate) const MAX_BUDGETS: usize = 17;

/// One budget, compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// As it was compiled; what limits now is in the window, where it may have been changed since.
    listed: TallyLimit,
    pub(crate) resource: Resource,
    per: BudgetPeriod,
    utc_offset_minutes: i16,
    /// It is the one that a tenant's policy has fields of its own for.
    has_fields: bool,
}

impl Term for Terms {
    fn is(&self, other: &Self) -> bool {
        self.resource == other.resource && self.per == other.per && self.utc_offset_minutes == other.utc_offset_minutes
    }

    fn reads_as(&self, other: &Self) -> bool {
        self.is(other) && self.has_fields == other.has_fields
    }

    fn limit(&self) -> u64 {
        self.listed.limit
    }

    fn beside(&self) -> [u64; BESIDE] {
        let TallyLimit { overdraft, warn_room, action, next_period_approves, .. } = self.listed;
        // An overdraft is an amount, of 56 bits.
        [warn_room.cast_unsigned(), overdraft << 3 | u64::from(next_period_approves) << 2 | action_code(action)]
    }

    fn ends(&self, now: u64) -> u64 {
        calendar::end_of(self.per, self.utc_offset_minutes, now)
    }
}

impl Terms {
    fn of(budget: &Budget, warning_threshold: u32) -> Self {
        let of = budget.amount.resource();
        let (kind, resource) = (of.violation_type(), Resource::from(of));
        let limit = TallyLimit::new(kind, Some(budget.amount.counted()), budget.action, warning_threshold)
            .overdraft(budget.overdraft.map_or(0, BudgetAmount::counted));
        let Budget { per, utc_offset_minutes, next_period_approves, .. } = *budget;
        let limit = TallyLimit { next_period_approves, ..limit };
        Self { listed: limit, resource, per, utc_offset_minutes, has_fields: false }
    }

    /// What limits it, and the word that counts from that limit, of one version (L1).
    pub(crate) fn read(&self, window: &Window) -> (TallyLimit, Word) {
        let (limit, [warn_room, rest], word) = window.read();
        let (warn_room, action) = (warn_room.cast_signed(), action_of(rest));
        let (kind, next_period_approves) = (self.listed.kind, rest & 4 != 0);
        (TallyLimit { kind, limit, overdraft: rest >> 3, warn_room, action, next_period_approves }, word)
    }

    /// Over which time it is spent, and when that of `window` ends.
    pub(crate) fn period(&self, window: &Window) -> (BudgetPeriod, u64) {
        (self.per, window.ends())
    }

    fn usage(&self, window: &Window, now: u64) -> BudgetUsage {
        let (committed, outstanding) = if window.has_ended(now) { (0, 0) } else { window.split() };
        BudgetUsage::new(self.resource.into(), self.per, &self.read(window).0, committed, outstanding)
    }
}

/// When it warns: what remains then.
#[inline]
pub(crate) fn warn_room(window: &Window) -> i64 {
    let [warn_room, _] = window.beside();
    // Acquire (in `load`): at least as new as a word that was loaded before it; partner: `Bound::change` (L1).
    warn_room.load().cast_signed()
}

/// Whether it only observes.
#[inline]
pub(crate) fn observes(window: &Window) -> bool {
    let [_, rest] = window.beside();
    // Acquire (in `load`), as in `warn_room`.
    action_of(rest.load()) == Action::Observe
}

const fn action_code(action: Action) -> u64 {
    match action {
        Action::Refuse => 0,
        Action::Pause => 1,
        Action::Halt => 2,
        Action::Observe => 3,
    }
}

#[inline]
const fn action_of(rest: u64) -> Action {
    match rest & 3 {
        0 => Action::Refuse,
        1 => Action::Pause,
        2 => Action::Halt,
        _ => Action::Observe,
    }
}

impl From<Resource> for BudgetResource {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Steps => Self::Steps,
            Resource::Tokens => Self::Tokens,
            Resource::Memory => Self::Memory,
            Resource::Cost => Self::Cost,
            Resource::DiscoveredSteps => Self::DiscoveredSteps,
        }
    }
}

impl From<BudgetResource> for Resource {
    fn from(resource: BudgetResource) -> Self {
        match resource {
            BudgetResource::Steps => Self::Steps,
            BudgetResource::Tokens => Self::Tokens,
            BudgetResource::Memory => Self::Memory,
            BudgetResource::Cost => Self::Cost,
            BudgetResource::DiscoveredSteps => Self::DiscoveredSteps,
        }
    }
}

/// The budgets of one scope, compiled: in the order in which limits are looked at, of each resource the shorter period
/// first. `usd` is the one that has fields of its own.
pub(crate) fn compile(budgets: &[Budget], usd: Option<Budget>, warning_threshold: u32) -> Box<[Terms]> {
    let own = usd.map(|usd| Terms { has_fields: true, ..Terms::of(&usd, warning_threshold) });
    let others = budgets.iter().map(|budget| Terms::of(budget, warning_threshold));
    let mut terms: Vec<_> = own.into_iter().chain(others).collect();
    terms.sort_by_key(|terms| (terms.resource as u8, terms.per));
    terms.into()
}

/// The number of an epoch. Optional in four bytes, because it travels with every hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochKey(NonZeroU32);

impl EpochKey {
    #[inline]
    const fn of(number: u32) -> Self {
        // Numbers end far below the last one.
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    #[inline]
    const fn number(self) -> u32 {
        self.0.get() - 1
    }
}

/// In which periods of its tenant's budgets and of the process's something was taken; nothing of a scope that had none.
///
/// Both in one word, the tenant's above the process's and 0 for none: it travels with every hold, and what is written as one is
/// read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Periods(u64);

impl Periods {
    pub(crate) const NONE: Self = Self(0);

    #[inline]
    /// Those of its tenant and of the process.
    pub(crate) const fn of(tenant: Option<EpochKey>, process: Option<EpochKey>) -> Self {
        const fn word(key: Option<EpochKey>) -> u64 {
            match key {
                Some(key) => key.0.get() as u64,
                None => 0,
            }
        }
        Self(word(tenant) << u32::BITS | word(process))
    }

    #[inline]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn tenant(self) -> Option<EpochKey> {
        NonZeroU32::new((self.0 >> u32::BITS) as u32).map(EpochKey)
    }

    #[inline]
    pub(crate) fn process(self) -> Option<EpochKey> {
        // Cut to its 32 bits.
        NonZeroU32::new(self.0 as u32).map(EpochKey)
    }

    /// The current ones of `record`'s scopes at `now`, begun if need be.
    #[inline(never)]
    pub(crate) fn enter(record: &Record, now: Timestamp) -> Self {
        Self::of(record.tenant.budgets.enter(now), record.core().process.budgets.enter(now))
    }

    /// The current ones, without beginning any.
    pub(crate) fn current(record: &Record) -> Self {
        Self::of(record.tenant.budgets.current(), record.core().process.budgets.current())
    }
}

/// The budgets of one scope. One that never had any has no words.
#[derive(Debug)]
pub(crate) struct Budgets {
    epochs: OnceLock<Box<CachePadded<Epochs<Terms>>>>,
    /// Those who wait for one of them.
    pub(crate) line: Queue,
}

impl Budgets {
    pub(crate) fn new(plan: &[Terms], now: Timestamp) -> Self {
        let budgets = Self { epochs: OnceLock::new(), line: Queue::new() };
        budgets.replace(plan, now);
        budgets
    }

    /// Whether it has, or had, any.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.epochs.get().is_some()
    }

    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.epochs.get().is_some_and(|epochs| epochs.needs_time())
    }

    /// Replaces them; what is used of those that stay stays (L1). The caller's lock serialises changes.
    pub(crate) fn replace(&self, plan: &[Terms], now: Timestamp) {
        match self.epochs.get() {
            Some(epochs) => epochs.replace(plan.iter().copied(), now.as_nanos()),
            None if plan.is_empty() => {}
            None => self.begin(plan, now),
        }
    }

    fn begin(&self, plan: &[Terms], now: Timestamp) {
        self.epochs.get_or_init(|| Box::new(CachePadded::new(Epochs::new(plan.iter().copied(), now.as_nanos()))));
    }

    #[inline]
    fn enter(&self, now: Timestamp) -> Option<EpochKey> {
        Some(EpochKey::of(self.epochs.get()?.enter(now.as_nanos())))
    }

    fn current(&self) -> Option<EpochKey> {
        Some(EpochKey::of(self.epochs.get()?.current()))
    }

    /// Every budget in its current period, or in the one that `now` would begin.
    pub(crate) fn usage(&self, now: Timestamp) -> Vec<BudgetUsage> {
        self.now().map(|(terms, window)| terms.usage(window, now.as_nanos())).collect()
    }

    /// The same of the one that a tenant's policy has fields of its own for.
    pub(crate) fn usd_usage(&self, now: Timestamp) -> Option<BudgetUsage> {
        let (terms, window) = self.now().find(|(terms, _)| terms.has_fields)?;
        Some(terms.usage(window, now.as_nanos()))
    }

    /// Whether nothing is used of any in the period of `now`.
    pub(crate) fn are_whole(&self, now: Timestamp) -> bool {
        self.now().all(|(_, window)| window.has_ended(now.as_nanos()) || window.is_untouched())
    }

    /// Whether something is used of one that has no periods, and so stays used.
    pub(crate) fn are_marked(&self) -> bool {
        self.now().any(|(terms, window)| terms.per == BudgetPeriod::Total && !window.is_untouched())
    }

    /// When the last of those periods ended that are over by `now` and in which something is used.
    pub(crate) fn ended_by(&self, now: Timestamp) -> Option<Timestamp> {
        let known = self.epochs.get().map(|epochs| epochs.known())?;
        let over = known.iter().filter(|(_, window)| window.has_ended(now.as_nanos()) && !window.is_untouched());
        over.map(|(_, window)| Timestamp::from_nanos(window.ends())).max()
    }

    /// When a period of one of them ends, if that is after `now`.
    pub(crate) fn ends_after(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.now().map(|(_, window)| window.ends()).filter(|ends| *ends > now.as_nanos());
        ends.min().filter(|ends| *ends != NEVER_ENDS).map(Timestamp::from_nanos)
    }

    /// Its budgets now, each with its window.
    pub(crate) fn now(&self) -> impl Iterator<Item = (&Terms, &Window)> {
        self.epochs.get().into_iter().flat_map(|epochs| epochs.of(epochs.current()))
    }
}

/// A scope that pays for what an execution uses, at the periods in which it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payer<'a> {
    pub(crate) scope: ScopeKind,
    /// Those who wait for one of its budgets.
    pub(crate) line: &'a Queue,
    epochs: &'a Epochs<Terms>,
    key: Option<EpochKey>,
}

impl<'a> Payer<'a> {
    fn of(scope: ScopeKind, budgets: &'a Budgets, key: Option<EpochKey>) -> Option<Self> {
        Some(Self { scope, line: &budgets.line, epochs: budgets.epochs.get()?, key })
    }

    /// Its budgets in those periods, each with its window; none of a scope that had none then.
    #[inline]
    pub(crate) fn windows(self) -> impl Iterator<Item = (&'a Terms, &'a Window)> + Clone {
        // No epoch has the last number.
        self.epochs.of(self.key.map_or(u32::MAX, EpochKey::number))
    }

    /// The same scope at other periods.
    pub(crate) fn at(self, periods: Periods) -> Self {
        let key = if self.scope == ScopeKind::Process { periods.process() } else { periods.tenant() };
        Self { key, ..self }
    }

    /// The window that tells what limits `terms` now; nothing if it is no budget any more.
    pub(crate) fn now_of(self, terms: &Terms) -> Option<&'a Window> {
        Some(self.epochs.now_of(terms)?.1)
    }

    /// Whether those periods are the current ones, so that none of its budgets is new since.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self.key.is_some_and(|key| key.number() == self.epochs.current())
    }

    /// The windows of budgets that are new since those periods; `now` is asked for if there are any.
    pub(crate) fn windows_since(
        self,
        now: impl FnOnce() -> Timestamp,
    ) -> impl Iterator<Item = (&'a Terms, &'a Window)> {
        let current = self.epochs.current();
        let was_there = move |terms: &Terms| self.windows().any(|(before, _)| before.is(terms));
        let since = !self.is_current() && self.epochs.of(current).any(|(terms, _)| !was_there(terms));
        let entered = since.then(|| self.epochs.enter(now().as_nanos()));
        entered.into_iter().flat_map(move |number| self.epochs.of(number)).filter(move |(terms, _)| !was_there(terms))
    }
}

impl Record {
    /// Whether its tenant or the process has budgets.
    #[inline(always)]
    pub(crate) fn has_budgets(&self) -> bool {
        self.tenant.budgets.is_set() || self.core().process.budgets.is_set()
    }

    #[inline]
    pub(crate) fn budgets_need_time(&self) -> bool {
        self.tenant.budgets.needs_time() || self.core().process.budgets.needs_time()
    }

    /// Who pays for it, in the order in which limits are looked at, at `periods`.
    #[inline]
    pub(crate) fn payers(&self, periods: Periods) -> impl Iterator<Item = Payer<'_>> {
        [self.tenant_pays(periods), self.process_pays(periods)].into_iter().flatten()
    }

    #[inline(always)]
    fn tenant_pays(&self, periods: Periods) -> Option<Payer<'_>> {
        Payer::of(ScopeKind::Tenant, &self.tenant.budgets, periods.tenant())
    }

    #[inline(always)]
    fn process_pays(&self, periods: Periods) -> Option<Payer<'_>> {
        Payer::of(ScopeKind::Process, &self.core().process.budgets, periods.process())
    }

    /// Runs `act` on each of [`Record::payers`], until it fails. Compiled for each of them: an iterator over both is larger.
    #[inline(always)]
    pub(crate) fn each_payer<'a, E>(
        &'a self,
        periods: Periods,
        mut act: impl FnMut(Payer<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(tenant) = self.tenant_pays(periods) {
            act(tenant)?;
        }
        self.process_pays(periods).map_or(Ok(()), act)
    }
}
