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
        let tat = Tat::in_place_of(&rule.rate, &self.rate, self.tat.retire(), plan.since_ns);
        Self::new(rule, tat, Arc::clone(&self.line))
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

    /// As `plan` has them, or a later one.
    #[inline]
    pub(crate) fn cells(&self, plan: &RatePlan, on: RateOn, name: &str) -> Option<&Cells> {
        match self.latest() {
            Some(cells) if cells.version >= plan.version => Some(cells),
            _ => self.roll(plan, on, name),
        }
    }

    #[cold]
    fn roll(&self, plan: &RatePlan, on: RateOn, name: &str) -> Option<&Cells> {
        let _turn = self.roll.lock();
        let before = self.latest()?;
        if before.version < plan.version {
            let same =
                |rule: &Rule| before.all.iter().find(|cell| (cell.unit, cell.per) == (rule.limit.unit, rule.limit.per));
            let rules = plan.of(on, Some(name));
            let next = |rule: &Rule| match same(rule) {
                Some(cell) => cell.changed(rule, plan),
                None => RateCell::new(rule, Tat::new(&rule.rate, 0), Arc::new(Queue::new())),
            };
            let all = rules.into_iter().map(next).collect();
            // Those of which nothing is left limit nobody any more, and whoever still looks at one asks again.
            for cell in &before.all {
                let _left = cell.tat.retire();
            }
            // Past the last version nothing is changed any more: 2^31 of them are out of reach.
            let _changed: bool = self.versions.change(Cells { version: plan.version, all }, || ());
        }
        self.latest()
    }
}
