//! The cells of one key, and those that take their place when its rates change.

use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::queue::Queue;
use crate::kernel::versions::Versions;
use crate::limits::{RateOn, RatePeriod, RateUnit};
use crate::rate_plan::{RatePlan, Rule};
use crate::sync::{Arc, CachePadded, Mutex};

/// One rate of one key, on cache lines of its own: strangers share it.
#[derive(Debug)]
pub(crate) struct RateCell {
    pub(crate) unit: RateUnit,
    pub(crate) per: RatePeriod,
    pub(crate) rate: Rate,
    pub(crate) tat: Tat,
    /// Those who wait for it. It outlives the cell: whoever takes its place has it, too.
    pub(crate) line: Arc<Queue>,
}

impl RateCell {
    fn new(rule: &Rule, tat: Tat, line: Arc<Queue>) -> CachePadded<Self> {
        let (unit, per) = (rule.limit.unit, rule.limit.per);
        CachePadded::new(Self { unit, per, rate: rule.rate, tat, line })
    }

    /// The cell of `rule`, which changed the rate of this one when `plan` came into force.
    fn changed(&self, rule: &Rule, plan: &RatePlan) -> CachePadded<Self> {
        // What nothing may be taken of has no pace: what is on its way drains as before.
        let rate = if rule.rate.interval == 0 { Rate { burst: 0, ..self.rate } } else { rule.rate };
        let tat = Tat::in_place_of(&rate, &self.rate, self.tat.retire(), plan.since_ns);
        Self::new(&Rule { rate, ..rule.clone() }, tat, Arc::clone(&self.line))
    }
}

/// The rates of one key, as one plan has them.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) version: u64,
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
/// **Invariant (L1).** A cell that is not in the current version is retired, and has been read in the exchange that retired
/// it: what was taken from it before is in the cell that took its place, and nothing is taken from it after.
#[derive(Debug)]
pub(crate) struct Slot {
    versions: Versions<Cells>,
    roll: Mutex<()>,
}

impl Slot {
    /// The cells of the key `name`, in place of others that had passed by `from_ns`.
    pub(crate) fn new(plan: &RatePlan, on: RateOn, name: &str, from_ns: u64) -> Self {
        let fresh = |rule: &Rule| RateCell::new(rule, Tat::new(&rule.rate, from_ns), Arc::new(Queue::new()));
        let all = plan.of(on, Some(name)).into_iter().map(fresh).collect();
        Self { versions: Versions::new(Cells { version: plan.version, all }), roll: Mutex::new(()) }
    }

    /// As they are.
    #[inline]
    pub(crate) fn latest(&self) -> Option<&Cells> {
        self.versions.get()
    }

    /// As `plan`, which is one of `plans`, has them, or a later one.
    #[inline]
    pub(crate) fn cells(&self, plans: &Versions<RatePlan>, plan: &RatePlan, key: (RateOn, &str)) -> Option<&Cells> {
        match self.latest() {
            Some(cells) if cells.version >= plan.version => Some(cells),
            _ => self.roll(plans, plan, key),
        }
    }

    #[cold]
    fn roll(&self, plans: &Versions<RatePlan>, plan: &RatePlan, (on, name): (RateOn, &str)) -> Option<&Cells> {
        let _turn = self.roll.lock();
        let before = self.latest()?;
        // Through every plan in between: so it is the same whether anybody has asked meanwhile or not (T2).
        let since = u32::try_from(before.version).ok()?..u32::try_from(plan.version).ok()?;
        let mut next: Option<Cells> = None;
        for plan in since.filter_map(|number| plans.at(number.saturating_add(1))) {
            next = Some(next.as_ref().unwrap_or(before).rolled(plan, on, name));
        }
        if let Some(next) = next {
            // Past the last version nothing is changed any more: 2^31 of them are out of reach.
            let _changed: bool = self.versions.change(next, || ());
        }
        self.latest()
    }
}

impl Cells {
    /// Those in place of these when `plan` came into force.
    fn rolled(&self, plan: &RatePlan, on: RateOn, name: &str) -> Self {
        let same =
            |rule: &Rule| self.all.iter().find(|cell| (cell.unit, cell.per) == (rule.limit.unit, rule.limit.per));
        let next = |rule: &Rule| match same(rule) {
            Some(cell) => cell.changed(rule, plan),
            None => RateCell::new(rule, Tat::new(&rule.rate, 0), Arc::new(Queue::new())),
        };
        let all = plan.of(on, Some(name)).into_iter().map(next).collect();
        // Those of which nothing is left limit nobody any more, and whoever still looks at one asks again.
        for cell in &self.all {
            let _left = cell.tat.retire();
        }
        Self { version: plan.version, all }
    }
}
