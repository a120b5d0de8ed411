//! Tenants that go: those that decide like a fresh one, when nobody is attached or when room is needed.

use super::Core;
use crate::clock::Timestamp;
use crate::kernel::attachments::Unattached;
use crate::snapshot::TenantUsage;
use crate::sync::Arc;
use crate::tenant::Tenant;

/// How many tenants that may not go before their day is over are passed over in search of one that may. With more of
/// them in a row a registration may be refused although one further behind could go; the next one looks there.
const EVICTION_TRIES: usize = 16;

impl Core {
    /// One attachment less. A tenant that never did anything goes at once; another may go when room is needed.
    pub(crate) fn detach(&self, tenant: &Arc<Tenant>) {
        let Some(seen) = tenant.attachments().detach() else { return };
        if tenant.is_blank() {
            // Whoever came meanwhile leaves later, and sees to it then.
            self.retire(tenant, seen);
        } else if !tenant.stays() {
            self.queue(tenant);
        }
    }

    fn queue(&self, tenant: &Arc<Tenant>) {
        // The mark and the queue change under one lock: a tenant stands in it once at most.
        let mut left = self.left.lock();
        if let Some(left) = &mut *left
            && tenant.queued.load() == 0
        {
            tenant.queued.apply(|_| (1, ()));
            left.push_back(Arc::clone(tenant));
        }
    }

    fn unqueue(&self) -> Option<Arc<Tenant>> {
        let mut left = self.left.lock();
        let tenant = left.as_mut()?.pop_front()?;
        tenant.queued.apply(|_| (0, ()));
        Some(tenant)
    }

    /// Takes the tenant, which equals a fresh one by `now`, out of the table if nobody was attached since `seen`.
    fn let_go(&self, tenant: &Arc<Tenant>, seen: Unattached, now: Timestamp) -> bool {
        self.rates.let_go(now.nanos_since(self.epoch));
        let Some(ended) = tenant.budgets.ended_by(now) else { return self.retire(tenant, seen) };
        // Whoever comes with an earlier time must not find that period whole again. AcqRel (in `apply`), though the lock alone
        // orders this and the entry of the next tenant of that id, which finds the time, or this one still there; partner:
        // the load in `made` (G2).
        let _entries = self.tenant_plans.lock();
        self.forgotten.apply(|latest| (latest.max(ended.as_nanos()), ()));
        self.retire(tenant, seen)
    }

    /// Takes the tenant out of the table if nobody was attached since `seen`.
    fn retire(&self, tenant: &Arc<Tenant>, seen: Unattached) -> bool {
        let retired = tenant.attachments().retire(seen);
        if retired {
            self.drop_entry(tenant);
        }
        retired
    }

    pub(super) fn drop_entry(&self, tenant: &Arc<Tenant>) {
        self.tenants.remove(tenant.id().as_str().as_bytes(), |entry| Arc::ptr_eq(&entry.0, tenant));
    }

    /// Makes room for one tenant by letting one go that decides like a fresh one.
    pub(super) fn evict_one(&self, now: Timestamp) -> bool {
        let mut kept = Vec::new();
        let mut evicted = false;
        while !evicted && kept.len() < EVICTION_TRIES {
            let Some(tenant) = self.unqueue() else { break };
            // Looked at before its budget: what is spent from it after that keeps it from being retired (G2).
            let Some(seen) = tenant.attachments().see() else { continue };
            if tenant.equals_fresh(now) {
                evicted = self.let_go(&tenant, seen, now);
                if evicted {
                    self.note_evicted(&tenant, now, || tenant.usage(now));
                }
            } else if !tenant.stays() {
                kept.push(tenant);
            }
        }
        for tenant in &kept {
            self.queue(tenant);
        }
        evicted
    }

    /// Lets every tenant go that decides like a fresh one; their last figures.
    pub(crate) fn evict_all(&self, now: Timestamp) -> Vec<TenantUsage> {
        let left = {
            let mut queue = self.left.lock();
            let left = queue.as_mut().map(std::mem::take).unwrap_or_default();
            // Under the lock, as in `queue`: who is left from here on stands in it again.
            left.iter().for_each(|tenant| tenant.queued.apply(|_| (0, ())));
            left
        };
        let mut evicted = Vec::new();
        for tenant in left {
            // As in `evict_one`.
            let Some(seen) = tenant.attachments().see() else { continue };
            if !tenant.equals_fresh(now) {
                if !tenant.stays() {
                    self.queue(&tenant);
                }
            } else if self.let_go(&tenant, seen, now) {
                let usage = tenant.usage(now);
                self.note_evicted(&tenant, now, || usage.clone());
                evicted.push(usage);
            }
        }
        evicted
    }
}
