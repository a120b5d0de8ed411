//! Names: of executions, tenants, steps, providers, models and allowances.

use enforce_core::{Enforcer, ExecutionId, ResourceLimits, StepId, TenantId};

use crate::{round_trip, text};

const LONGEST: usize = 128;

/// A name, and perhaps a second one on a line of its own.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (id, tenant) = text.split_once('\n').unwrap_or((text, text));
    let quoted = serde_json::to_string(id).expect("any text can be written");
    assert_eq!(round_trip::<ExecutionId>(&quoted), Some(ExecutionId::from_string(id)));
    assert_eq!(round_trip::<StepId>(&quoted), Some(StepId::from(id)));
    assert_eq!(TenantId::from(tenant).as_str(), tenant);
    assert_eq!(ExecutionId::from(id).to_string(), id);

    let is_name = |text: &str| (1..=LONGEST).contains(&text.len());
    let builder = Enforcer::builder().limits(ResourceLimits::unlimited()).max_providers(1).max_models(1);
    let Ok(enforcer) = builder.clone().allowance(id, 3).build() else {
        assert!(builder.build().is_ok(), "the name alone was refused");
        return;
    };
    match enforcer.execution(id, tenant).register() {
        Ok(run) => {
            assert!(is_name(id) && is_name(tenant));
            assert_eq!((run.id(), run.tenant_id()), (id, tenant));
            assert!(enforcer.execution(id, "another").register().is_err(), "G1");
            assert!(enforcer.get(id).is_some() && enforcer.tenant_usage(tenant).is_some());
            run.finish();
            assert!(enforcer.get(id).is_none(), "G1");
        }
        Err(error) => {
            assert!(!is_name(id) || !is_name(tenant), "{error}");
            assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (0, 0), "G1");
        }
    }
    let again = |known: bool, same: bool| assert!(!known || same, "a name is one key");
    again(enforcer.provider(id).is_ok(), enforcer.provider(id) == enforcer.provider(id));
    again(enforcer.model(id).is_ok(), enforcer.model(id) == enforcer.model(id));
    let key = enforcer.allowance(id).expect("the allowance that was set");
    assert_eq!(enforcer.allowance_name(key), Some(id));
}
