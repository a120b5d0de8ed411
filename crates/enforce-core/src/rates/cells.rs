//! The cells of one key, and those that take their place when its rates change.

use super::Rates;
use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::queue::Queue;
use crate::kernel::versions::{Version, Versions};
use crate::limits::{RateOn, RatePeriod, RateUnit};
use crate::rate_plan::{RatePlan, Rule};
use crate::sync::{Arc, CachePadded, Mutex};

/// One rate of one key, on cache lines of its own: strangers share it.
#[derive(Debug)]
pub(crate) struct RateCell {
    pub(crate) unit: RateUnit,
    pub(crate) per: RatePeriod,
    pub(crate) rate: Rate,
    /// The rate as the plan has it: of a limit of nothing another.
    listed: Rate,
    pub(crate) tat: Tat,
    /// Those who wait for it. It outlives the cell: whoever takes its place has it, too.
    pub(crate) line: Arc<Queue>,
}

impl RateCell {
    fn new(rule: &Rule, rate: Rate, tat: Tat, line: Arc<Queue>) -> CachePadded<Self> {
        let (unit, per) = (rule.limit.unit, rule.limit.per);
        CachePadded::new(Self { unit, per, rate, listed: rule.rate, tat, line })
    }

    fn fresh(rule: &Rule, from_ns: u64) -> CachePadded<Self> {
        Self::new(rule, rule.rate, Tat::new(&rule.rate, from_ns), Arc::new(Queue::new()))
    }

    /// The cell of `rule`, which changed the rate of this one when `plan` came into force; until `until_ns` it drained.
    fn changed(&self, rule: &Rule, plan: &RatePlan, until_ns: u64) -> CachePadded<Self> {
        // What nothing may be taken of has no pace: what is on its way drains as before.
        let rate = if rule.rate.interval == 0 { Rate { burst: 0, ..self.rate } } else { rule.rate };
        let tat = Tat::in_place_of(&rate, &self.rate, self.tat.retire(), until_ns, plan.since_ns);
        Self::new(rule, rate, tat, Arc::clone(&self.line))
    }
}

/// The rates of one key, from the plan on that gave it these.
#[derive(Debug)]
pub(crate) struct Cells {
    /// The version of that plan.
    pub(crate) since: u64,
    pub(crate) all: Box<[CachePadded<RateCell>]>,
}

impl Cells {
    /// Whether all have passed by `now_ns`.
    pub(crate) fn have_passed(&self, now_ns: u64) -> bool {
        self.all.iter().all(|cell| cell.tat.has_passed(&cell.rate, now_ns))
    }
}

/// The rates of one key.
///
/// **Invariant (L1).** A cell that is not in the current list is retired, and has been read in the exchange that retired
/// it: what was taken from it before is in the cell that took its place, and nothing is taken from it after. A key whose
/// rates a plan leaves as they are keeps its cells.
#[derive(Debug)]
pub(crate) struct Slot {
    lists: Versions<Cells>,
    /// The version of the plan that the list follows.
    follows: Cell,
    roll: Mutex<()>,
}

impl Slot {
    /// The cells of the key `name`, in place of others that had passed by `from_ns`.
    pub(crate) fn new(plan: &RatePlan, on: RateOn, name: &str, from_ns: u64) -> Self {
        let all = plan.of(on, Some(name)).into_iter().map(|rule| RateCell::fresh(rule, from_ns)).collect();
        let lists = Versions::new(Cells { since: plan.version, all });
        Self { lists, follows: Cell::new(plan.version), roll: Mutex::new(()) }
    }

    /// As they are.
    #[inline]
    pub(crate) fn latest(&self) -> Option<Version<'_, Cells>> {
        self.lists.get()
    }

    /// As the plan of that version has them, or a later one.
    #[inline(always)]
    pub(crate) fn cells(&self, rates: &Rates, version: u64, (on, name): (RateOn, &str)) -> Option<Version<'_, Cells>> {
        // Acquire (in `load`): the list was there before; partner: `follow` (L1).
        if self.follows.load() < version {
            self.follow(&rates.plan(), on, name);
        }
        self.latest()
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
        let same = cells.all.iter().map(|cell| (cell.unit, cell.per, cell.listed));
        if (skips && !passed) || !same.eq(rules.iter().map(|rule| (rule.limit.unit, rule.limit.per, rule.rate))) {
            // What that call took has drained at a pace that nobody knows any more, and counts as if it had not (Q1).
            let until_ns = if skips && !passed { 0 } else { plan.since_ns };
            self.lists.change(cells.changed(&rules, plan, until_ns), || ());
        }
        // AcqRel (in `apply`): behind the list; partner: the load in `cells`.
        self.follows.apply(|_| (plan.version, ()));
    }
}

impl Cells {
    /// Those in place of these when `plan` came into force.
    fn changed(&self, rules: &[&Rule], plan: &RatePlan, until_ns: u64) -> Self {
        let same =
            |rule: &Rule| self.all.iter().find(|cell| (cell.unit, cell.per) == (rule.limit.unit, rule.limit.per));
        let next = |rule: &&Rule| match same(rule) {
            Some(cell) => cell.changed(rule, plan, until_ns),
            None => RateCell::fresh(rule, 0),
        };
        let all = rules.iter().map(next).collect();
        // Those of which nothing is left limit nobody any more, and whoever still looks at one asks again.
        for cell in &self.all {
            let _left = cell.tat.retire();
        }
        Self { since: plan.version, all }
    }
}
