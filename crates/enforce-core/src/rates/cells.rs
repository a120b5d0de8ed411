//! The cells of one key, and those that take their place when its rates change.

use arrayvec::ArrayVec;

use super::Rates;
use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::queue::{OnceQueue, Queue};
use crate::kernel::versions::{Version, Versions};
use crate::limits::{RateOn, RatePeriod, RateUnit};
use crate::rate_plan::{NOTHING, RatePlan, Rule};
use crate::sync::{Arc, CachePadded, Mutex, OnceLock};

/// One rate of one key.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RateCell {
    pub(crate) tat: Tat,
    pub(crate) rate: Rate,
    /// Those who wait for it. It outlives the cell: whoever takes its place has it, too.
    pub(crate) line: OnceQueue,
    pub(crate) unit: RateUnit,
    pub(crate) per: RatePeriod,
    /// The plan has a limit of nothing, and `rate` is that at which what is on its way drains.
    nothing: bool,
}

impl RateCell {
    fn fresh(rule: &Rule, from_ns: u64) -> Self {
        // Whoever gives tokens back needs the line, and a settle allocates nothing.
        let line = match rule.limit.unit {
            RateUnit::Requests => OnceQueue::new(),
            RateUnit::InputTokens | RateUnit::OutputTokens | RateUnit::TotalTokens => {
                OnceQueue::of(Arc::new(Queue::new()))
            }
        };
        Self::of(rule, rule.rate, Tat::new(&rule.rate, from_ns), line)
    }

    fn of(rule: &Rule, rate: Rate, tat: Tat, line: OnceQueue) -> Self {
        Self { tat, rate, line, unit: rule.limit.unit, per: rule.limit.per, nothing: rule.rate == NOTHING }
    }

    /// The cell of `rule`, which changed the rate of this one when `plan` came into force; until `until_ns` it drained.
    fn changed(&self, rule: &Rule, plan: &RatePlan, until_ns: u64) -> Self {
        // What nothing may be taken of has no pace: what is on its way drains as before.
        let rate = if rule.rate == NOTHING { Rate { burst: 0, ..self.rate } } else { rule.rate };
        let tat = Tat::in_place_of(&rate, &self.rate, self.tat.retire(), until_ns, plan.since_ns);
        Self::of(rule, rate, tat, OnceQueue::of(Arc::clone(self.line.queue())))
    }

    /// Whether it is the cell of `rule` as it is.
    fn is_of(&self, rule: &Rule) -> bool {
        let listed = if self.nothing { NOTHING } else { self.rate };
        (self.unit, self.per, listed) == (rule.limit.unit, rule.limit.per, rule.rate)
    }
}

/// The rates of one key, from the plan on that gave it these. Most keys have one: it stands here.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Cells {
    first: Option<RateCell>,
    /// The others, on cache lines of their own: strangers share them.
    others: Box<[CachePadded<RateCell>]>,
    /// The version of that plan.
    pub(crate) since: u64,
}

impl Cells {
    fn new(since: u64, all: impl IntoIterator<Item = RateCell>) -> Self {
        let mut all = all.into_iter();
        Self { first: all.next(), others: all.map(CachePadded::new).collect(), since }
    }

    /// All of them, requests first.
    #[inline]
    pub(crate) fn all(&self) -> impl Iterator<Item = &RateCell> {
        self.first.iter().chain(self.others.iter().map(|cell| &**cell))
    }

    /// Puts them behind `all`, if there is room.
    #[inline(always)]
    pub(crate) fn push_to<'a, const N: usize>(&'a self, all: &mut ArrayVec<&'a RateCell, N>) -> Option<()> {
        if let Some(first) = &self.first {
            all.try_push(first).ok()?;
        }
        self.others.iter().try_for_each(|cell| all.try_push(cell).ok())
    }

    /// Whether all have passed by `now_ns`.
    pub(crate) fn have_passed(&self, now_ns: u64) -> bool {
        self.all().all(|cell| cell.tat.has_passed(&cell.rate, now_ns))
    }
}

/// The rates of one key.
///
/// **Invariant (L1).** A cell that is not in the current list is retired, and has been read in the exchange that retired
/// it: what was taken from it before is in the cell that took its place, and nothing is taken from it after. A key whose
/// rates a plan leaves as they are keeps its cells.
///
/// In the order in which it lies in memory: what a request under its first rate looks at stands in one block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot {
    /// The version of the plan that the current list follows.
    follows: Cell,
    /// The lists that took the place of the first.
    later: OnceLock<Box<Versions<Cells>>>,
    first: Cells,
    roll: Mutex<()>,
    /// Of the provider or the model.
    number: u32,
}

// Where a lock is a byte, as it is but in models.
const _: () = assert!(
    std::mem::size_of::<CachePadded<Slot>>() <= 128 || std::mem::size_of::<Mutex<()>>() > 1,
    "a block of two cache lines"
);

impl Slot {
    /// The cells of the key `name`, which has that `number`, in place of others that had passed by `from_ns`.
    pub(crate) fn new(plan: &RatePlan, (on, name, number): (RateOn, &str, u32), from_ns: u64) -> CachePadded<Self> {
        let all = plan.of(on, Some(name)).into_iter().map(|rule| RateCell::fresh(rule, from_ns));
        CachePadded::new(Self {
            follows: Cell::new(plan.version),
            later: OnceLock::new(),
            first: Cells::new(plan.version, all),
            roll: Mutex::new(()),
            number,
        })
    }

    #[inline]
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    /// As they are.
    #[inline]
    pub(crate) fn latest(&self) -> Option<Version<'_, Cells>> {
        match self.later.get() {
            None => Some(Version::Kept(&self.first)),
            Some(lists) => lists.get(),
        }
    }

    /// As the plan of that version has them, or a later one. The name is asked for where they are behind.
    #[inline(always)]
    pub(crate) fn cells<'n>(
        &self,
        rates: &Rates,
        version: u64,
        (on, name): (RateOn, impl FnOnce() -> Option<&'n str>),
    ) -> Option<Version<'_, Cells>> {
        // Acquire (in `load`): the list was there before; partner: `follow` (L1).
        if self.follows.load() < version {
            self.follow(&rates.plan(), on, name()?);
        }
        self.latest()
    }

    /// As the plan of that version has them, or a later one, where they can be had without holding them.
    #[inline(always)]
    pub(crate) fn kept(&self, version: u64) -> Option<&Cells> {
        // Acquire (in `load`), as in `cells`.
        if self.follows.load() < version {
            return None;
        }
        match self.later.get() {
            None => Some(&self.first),
            Some(lists) => lists.kept(),
        }
    }

    /// Lets the cells follow `plan` if something of them is on its way; the others follow when they are next asked.
    pub(crate) fn follow_if_under_way(&self, plan: &RatePlan, on: RateOn, name: &str) {
        if self.latest().is_some_and(|cells| !cells.have_passed(plan.since_ns)) {
            self.follow(plan, on, name);
        }
    }

    #[cold]
    fn follow(&self, plan: &RatePlan, on: RateOn, name: &str) {
        let _turn = self.roll.lock();
        let (before, Some(cells)) = (self.follows.load(), self.latest()) else { return };
        if before >= plan.version {
            return;
        }
        // Whoever has something on its way follows every plan before the next one comes. So these had passed when the first
        // came that they did not follow, and what is on its way by now was taken by a call that had begun before.
        let skips = before.saturating_add(1) < plan.version;
        let passed = cells.have_passed(plan.since_ns);
        let rules = plan.of(on, Some(name));
        let same = cells.all().count() == rules.len() && cells.all().zip(&rules).all(|(cell, rule)| cell.is_of(rule));
        if (skips && !passed) || !same {
            // What that call took has drained at a pace that nobody knows any more, and counts as if it had not (Q1).
            let until_ns = if skips && !passed { 0 } else { plan.since_ns };
            let next = cells.changed(&rules, plan, until_ns);
            match self.later.get() {
                Some(lists) => lists.change(next, || ()),
                // Nobody else sets it: so says the lock.
                None => drop(self.later.set(Box::new(Versions::new(next)))),
            }
        }
        // AcqRel (in `apply`): behind the list; partner: the load in `cells`.
        self.follows.apply(|_| (plan.version, ()));
    }
}

impl Cells {
    /// Those in place of these when `plan` came into force.
    fn changed(&self, rules: &[&Rule], plan: &RatePlan, until_ns: u64) -> Self {
        let same = |rule: &Rule| self.all().find(|cell| (cell.unit, cell.per) == (rule.limit.unit, rule.limit.per));
        let next = |rule: &&Rule| match same(rule) {
            Some(cell) => cell.changed(rule, plan, until_ns),
            None => RateCell::fresh(rule, 0),
        };
        let next = Self::new(plan.version, rules.iter().map(next));
        // Those of which nothing is left limit nobody any more, and whoever still looks at one asks again.
        for cell in self.all() {
            let _left = cell.tat.retire();
        }
        next
    }
}
