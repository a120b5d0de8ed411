//! Settings as JSON, one struct at a time.

use enforce_core::{
    Budget, EnforcementPolicy, Enforcer, LimitActions, LongRunningExecutionPolicy, NetworkPolicy, ProcessPolicy,
    ProviderPolicy, RateLimit, ResourceLimits, RetryPolicy, TenantPolicy,
};

use crate::{reads, round_trip, text};

/// A JSON document, read as each of the structs. What its `validate` accepts, a builder accepts.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let builder = Enforcer::builder;
    if let Some(it) = round_trip::<ResourceLimits>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().limits(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<LongRunningExecutionPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().long_running(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<EnforcementPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().policy(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<TenantPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().tenant(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<ProcessPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().process(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<ProviderPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().provider(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<RateLimit>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().rate(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<NetworkPolicy>(text) {
        let valid = it.validate().is_ok();
        assert_eq!(builder().network(it).build().is_ok(), valid);
    }
    if let Some(it) = round_trip::<Budget>(text) {
        let policy = TenantPolicy { budgets: vec![it], ..TenantPolicy::default() };
        assert_eq!(policy.validate().is_ok(), it.validate().is_ok());
        assert_eq!(builder().tenant(policy).build().is_ok(), it.validate().is_ok());
    }
    reads::<LimitActions>(text);
    if let Some(it) = round_trip::<RetryPolicy>(text) {
        // However many attempts there were.
        for attempt in [0, 1, 2, 63, u32::MAX] {
            assert!(it.delay_for_attempt(attempt) <= it.max_delay);
        }
    }
}
