//! What each registration needs of what everybody shares, once for each of a few threads.

use crate::plan::Plan;
use crate::sync::{Arc, CachePadded, Mutex, lane};
use crate::tenant::Tenant;

/// So many threads may register at once without getting in each other's way; a power of two.
const LANES: usize = 16;
/// So many tenants are at hand in a lane.
const AT_HAND: usize = 4;

/// For each of a few threads the limits of executions that bring none of their own, and the tenants it last asked for.
///
/// Every execution refers to its limits, and a reference is counted beside what it refers to: limits that all threads
/// shared would be a line that each registration hands from core to core. So each lane has a copy.
///
/// **Invariants.** A tenant at hand is not attached for that: it may be retired like any other, and whoever finds it so asks
/// the table (G2). All lanes have the same limits whenever nobody changes them; a change holds the locks of all.
#[derive(Debug)]
pub(crate) struct Lanes(Box<[CachePadded<Mutex<Lane>>; LANES]>);

#[derive(Debug)]
struct Lane {
    plan: Arc<Plan>,
    /// The one that was found last stands first.
    tenants: [Option<Arc<Tenant>>; AT_HAND],
}

impl Lanes {
    pub(super) fn new(plan: &Plan) -> Self {
        let lane = |_| CachePadded::new(Mutex::new(Lane { plan: Arc::new(plan.clone()), tenants: Default::default() }));
        Self(Box::new(std::array::from_fn(lane)))
    }

    fn mine(&self) -> &Mutex<Lane> {
        let [first, ..] = &*self.0;
        self.0.get(lane() % LANES).unwrap_or(first)
    }

    /// The limits of an execution that brings none of its own.
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.mine().lock().plan)
    }

    /// The same, and the tenant of that id with one more attachment, if it is at hand.
    #[inline]
    pub(super) fn enter(&self, id: &str) -> (Arc<Plan>, Option<Arc<Tenant>>) {
        let lane = self.mine().lock();
        let at_hand = lane.tenants.iter().map_while(Option::as_ref).find(|tenant| tenant.id().as_str() == id);
        // Whoever is attached works on the entry that everybody finds; one that is retired attaches nobody (G2).
        let tenant = at_hand.filter(|tenant| tenant.attachments().attach()).map(Arc::clone);
        (Arc::clone(&lane.plan), tenant)
    }

    /// Has a tenant at hand from here on, in place of the one of that id, or of the one that has been there longest.
    pub(super) fn keep(&self, tenant: &Arc<Tenant>) {
        let mut lane = self.mine().lock();
        let tenants = &mut lane.tenants;
        let same = tenants.iter().position(|kept| kept.as_ref().is_some_and(|kept| kept.id() == tenant.id()));
        let place = same.unwrap_or(AT_HAND - 1);
        let gone = tenants.get_mut(place).and_then(|kept| kept.replace(Arc::clone(tenant)));
        if let Some(first) = tenants.get_mut(..=place) {
            first.rotate_right(1);
        }
        drop(lane);
        // Behind the lock: it may be the last reference.
        drop(gone);
    }

    /// Replaces the limits.
    pub(super) fn set(&self, plan: &Plan) {
        let mut lanes: Vec<_> = self.0.iter().map(|lane| lane.lock()).collect();
        let before: Vec<_> =
            lanes.iter_mut().map(|lane| std::mem::replace(&mut lane.plan, Arc::new(plan.clone()))).collect();
        drop(lanes);
        drop(before);
    }

    /// Has no tenant at hand any more.
    pub(crate) fn forget(&self) {
        for lane in self.0.iter() {
            let tenants = std::mem::take(&mut lane.lock().tenants);
            drop(tenants);
        }
    }
}
