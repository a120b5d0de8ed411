//! Operations on lives: registering, halting, ending.

use std::sync::Arc;

use enforce_core::{Cause, Demand, Execution, RegisterError, Status, ViolationType};

use super::amounts::Amounts;
use super::laws::Law;
use super::limits::{Limits, random_slice};
use super::node::{Ledger, Node};
use super::wish::demand;
use super::worker::Worker;
use super::world::World;

/// Ids that several executions may be registered under, one after another and never two at once; how they begin.
const SHARED_IDS: u64 = 8;
pub(crate) const SHARED: &str = "shared_";

/// What is to be registered.
struct Wanted {
    id: String,
    tenant: usize,
    parent: Option<Arc<Node>>,
    slice: Option<Amounts>,
    is_strict: bool,
    limits: Limits,
}

impl Wanted {
    fn register(&self, world: &World) -> Result<Execution, RegisterError> {
        let (resource, long_running) = (self.limits.resource.clone(), self.limits.long_running.clone());
        match (&self.parent, self.slice) {
            (None, _) => {
                let tenant = world.tenants.get(self.tenant).map_or("", |tenant| tenant.name.as_str());
                let builder = world.enforcer.execution(self.id.as_str(), tenant);
                builder.limits(resource).long_running(long_running).register_at(world.now())
            }
            (Some(parent), slice) => {
                let builder = parent.execution.child(self.id.as_str()).limits(resource).long_running(long_running);
                let builder = match slice {
                    Some(slice) => builder.slice(demand(&slice)),
                    None => builder,
                };
                builder.register_at(world.now())
            }
        }
    }
}

impl Worker<'_> {
    /// Fills its part of the places.
    pub(crate) fn populate(&mut self) {
        for place in (self.number..self.world.places.len()).step_by(self.world.handed.len().max(1)) {
            self.renew(place);
        }
    }

    pub(crate) fn renew_one(&mut self) {
        let place = self.numbers.index(self.world.places.len());
        self.renew(place);
    }

    /// Ends whoever lives at a place and registers somebody else there.
    pub(crate) fn renew(&mut self, place: usize) {
        if let Some(node) = self.world.at(place) {
            self.finish(&node);
        }
        let wanted = self.wanted();
        let above_stopped = wanted.parent.as_ref().is_some_and(|parent| parent.is_stopped());
        let execution = match wanted.register(self.world) {
            Ok(execution) => execution,
            Err(error) => return self.tally.counts.not_registered(&error),
        };
        self.tally.counts.registered += 1;
        self.registered += 1;
        let node = Arc::new(Node {
            key: (self.number as u64) << 40 | self.registered,
            execution,
            tenant: wanted.tenant,
            parent: wanted.parent,
            slice: wanted.slice,
            is_strict: wanted.is_strict,
            stopped: std::sync::OnceLock::new(),
            limits: parking_lot::Mutex::new(wanted.limits),
            ledger: parking_lot::Mutex::new(Ledger::default()),
        });
        if above_stopped {
            self.broken(&node, Law::E1, "children registered behind a halt or an end");
        }
        self.record.registered.push(Arc::clone(&node));
        if let Some(place) = self.world.places.get(place) {
            *place.lock() = Some(node);
        }
    }

    fn wanted(&mut self) -> Wanted {
        let numbers = &mut self.numbers;
        let id = match numbers.below(16) {
            0 => format!("{SHARED}{}", numbers.below(SHARED_IDS)),
            _ => format!("x{}_{}", self.number, self.registered),
        };
        let parent = if numbers.one_in(2) {
            self.world.at(numbers.index(self.world.places.len())).filter(|parent| parent.runs() || numbers.one_in(8))
        } else {
            None
        };
        match parent {
            None => {
                let plan = &self.world.plan;
                let (lasting, fleeting) = (plan.lasting_tenants(), plan.fleeting_tenants());
                // One in eight comes and goes.
                let tenant = if numbers.one_in(8) { lasting + numbers.index(fleeting) } else { numbers.index(lasting) };
                let limits = Limits::random(numbers, true, None);
                Wanted { id, tenant, parent: None, slice: None, is_strict: numbers.one_in(2), limits }
            }
            Some(parent) => {
                let slice = numbers.one_in(3).then(|| random_slice(numbers));
                let limits = Limits::random(numbers, false, slice);
                let (tenant, is_strict) = (parent.tenant, parent.is_strict);
                Wanted { id, tenant, parent: Some(parent), slice, is_strict, limits }
            }
        }
    }

    pub(crate) fn finish(&mut self, node: &Node) {
        node.execution.finish_at(self.world.now());
        node.stop();
        self.tally.counts.finished += 1;
        self.try_in_vain(node);
    }

    pub(crate) fn halt(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let before = node.execution.status();
        let after = node.execution.halt_at(Cause::own(ViolationType::Requested), self.world.now());
        node.stop();
        self.tally.counts.halted += 1;
        if let (Status::Halted(first), Status::Halted(now)) = (before, after)
            && first != now
        {
            self.broken(&node, Law::E2, "causes of a halt that changed");
        }
        self.try_in_vain(&node);
    }

    /// Nothing may be admitted once the call that stopped it has returned (E1).
    fn try_in_vain(&mut self, node: &Node) {
        if node.execution.reserve_at(Demand::none(), self.world.now()).is_ok() {
            self.broken(node, Law::E1, "demands admitted right behind a halt or an end");
        }
    }
}
