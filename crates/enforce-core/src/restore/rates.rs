//! Rates of which something has not drained.

use crate::clock::Timestamp;
use crate::kernel::gcra::Moment;
use crate::registry::Core;
use crate::state::{EnforcerState, RateState};
use crate::sync::Arc;
use crate::tenant::Tenant;

/// Those of providers, models, and `tenants`.
pub(super) fn save(core: &Core, tenants: &[Arc<Tenant>], now: Timestamp) -> Vec<RateState> {
    let moment = Moment { now_ns: now.nanos_since(core.epoch), passed_ns: 0, early_ns: core.epoch.nanos_since(now) };
    let mut all = core.rates.save(moment);
    for tenant in tenants {
        all.append(&mut core.rates.save_tenant(tenant.rates(), tenant.id().as_str(), moment));
    }
    all.sort_by(|a, b| (a.on, &a.name, &a.tenant, a.unit, a.per).cmp(&(b.on, &b.name, &b.tenant, b.unit, b.per)));
    all
}

/// Raises each to where it has come by now. What goes by a rate that is none any more drains unseen.
pub(super) fn recall(core: &Core, state: &EnforcerState, now: Timestamp) {
    let (passed_ns, early_ns) = (now.nanos_since(state.saved_at), state.saved_at.nanos_since(now));
    let moment = Moment { now_ns: now.nanos_since(core.epoch), passed_ns, early_ns };
    core.rates.begin_at(moment);
    for rate in &state.rates {
        let tenant = rate.tenant.as_deref().and_then(|tenant| core.tenant(tenant));
        core.rates.recall(rate, tenant.as_deref(), moment);
    }
}
