//! Rates of every kind of key, unit and period; what comes back of them, and what is charged above them (Q1, R2, G2).

use enforce_core::{Demand, Enforcer, ModelKey, ProviderKey, RateLimit, RatePeriod, Retry};

mod changes;
mod eviction;
mod histories;
mod keys;
mod observed;
mod refunds;

const PERIODS: [(RatePeriod, u64); 4] =
    [(RatePeriod::Second, 1), (RatePeriod::Minute, 60), (RatePeriod::Hour, 3_600), (RatePeriod::Day, 86_400)];

fn provider(enforcer: &Enforcer, name: &str) -> ProviderKey {
    enforcer.provider(name).unwrap()
}

fn model(enforcer: &Enforcer, name: &str) -> ModelKey {
    enforcer.model(name).unwrap()
}

/// A step that names a provider and a model.
fn step(enforcer: &Enforcer) -> Demand {
    Demand::step().provider(provider(enforcer, "lab")).model(model(enforcer, "large"))
}

/// Of one of each kind of key, every key that [`step`] names has it.
fn of_each_kind(limit: RateLimit) -> [RateLimit; 3] {
    [RateLimit::provider, RateLimit::tenant_provider, RateLimit::model]
        .map(|of| RateLimit { burst: limit.burst, ..of(limit.unit, limit.limit, limit.per) })
}

fn after(seconds: u64) -> Retry {
    Retry::After(std::time::Duration::from_secs(seconds))
}
