//! Doors of tenants: shut for whoever comes, whether the tenant is known by now or not.

use super::Core;
use crate::decision::Cause;
use crate::execution::Execution;
use crate::kernel::door::Stand;
use crate::sync::Arc;
use crate::tenant::Tenant;

/// As many tenants are closed as may be known.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Core {
    /// How the door of the tenant `id` stands.
    pub(crate) fn stand_of(&self, id: &str) -> Stand {
        self.tenant_plans.lock().shut.get(id).copied().unwrap_or_default()
    }

    /// Every tenant whose door is shut.
    pub(crate) fn shut(&self) -> Vec<(Box<str>, Stand)> {
        self.tenant_plans.lock().shut.iter().map(|(id, stand)| (id.clone(), *stand)).collect()
    }

    /// Makes `next` of how the door of the tenant `id` stands; its entry, if it has one.
    pub(crate) fn turn_tenant(&self, id: &str, next: impl Fn(Stand) -> Stand) -> Result<Option<Arc<Tenant>>, TooMany> {
        // As in `enter_tenant`: who enters later is made with the door as it stands by then.
        let mut plans = self.tenant_plans.lock();
        let next = next(plans.shut.get(id).copied().unwrap_or_default());
        if next == Stand::Open {
            plans.shut.remove(id);
        } else {
            if plans.shut.len() as u64 >= self.max_tenants && !plans.shut.contains_key(id) {
                return Err(TooMany);
            }
            plans.shut.insert(id.into(), next);
        }
        let tenant = self.tenant(id);
        if let Some(tenant) = &tenant {
            tenant.door.turn(|_| next);
        }
        Ok(tenant)
    }

    /// Every execution without a parent that is registered. Tenant by tenant, so of those who come or go meanwhile some
    /// may be in it.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Execution> + use<> {
        self.tenants().flat_map(|tenant| tenant.roots())
    }
}

/// Halts all of them, and everything below them; how many this call has halted. Behind every lock.
pub(crate) fn halt(roots: impl Iterator<Item = Execution>, cause: Cause) -> u64 {
    roots.map(|root| u64::from(root.record().halt(cause, None).first)).sum()
}
