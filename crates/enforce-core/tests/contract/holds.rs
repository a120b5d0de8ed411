//! What becomes of a hold, of its execution and of its tenant's sums (R1, R2, E1, G1, G2, C1).

use enforce_core::{Cause, ResourceLimits, ViolationType};

use crate::common::{builder, noon, register, unlimited};

#[test]
fn g1_a_halted_execution_occupies_no_slot_of_its_tenants_usage() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let live = || enforcer.tenant_usage("tenant").unwrap().live_executions;
    let first = register(&enforcer, "first", "tenant");
    assert_eq!(live(), 1);
    first.halt(Cause::own(ViolationType::StepLimit));
    assert_eq!(live(), 0);
    let second = register(&enforcer, "second", "tenant");
    assert_eq!(live(), 1);
    first.finish();
    assert_eq!(live(), 1, "the slot came back once");
    second.finish();
    assert_eq!(live(), 0);
}
