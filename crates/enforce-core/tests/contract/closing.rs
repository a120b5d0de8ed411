//! Tenants and the process as a whole: closed, halted (E1, E2), opened again; and who is told of it.

use enforce_core::{
    Cause, Demand, EnforcementViolation, Enforcer, EventBuffer, EventKind, Execution, ExecutionErrorCategory,
    RegisterError, ScopeKind, ScopeStatus, Status, TenantPolicy, ViolationType,
};

use crate::common::{builder, kind, noon, register};

const REQUESTED: Cause = Cause::own(ViolationType::Requested);
const COST: Cause = Cause::own(ViolationType::CostLimit);

fn of(scope: ScopeKind, cause: Cause) -> Cause {
    Cause { scope, ..cause }
}

fn enforcer() -> Enforcer {
    builder(&noon()).build().unwrap()
}

/// Why nobody is let in.
fn refused(enforcer: &Enforcer, tenant: &str) -> EnforcementViolation {
    match enforcer.execution("new", tenant).register() {
        Err(RegisterError::Refused(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

fn what(violation: &EnforcementViolation) -> (ViolationType, ScopeKind, Option<Cause>) {
    (violation.violation_type, violation.scope, violation.cause)
}

fn ids(executions: impl Iterator<Item = Execution>) -> Vec<String> {
    let mut ids: Vec<_> = executions.map(|execution| execution.id().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_closed_process_registers_no_root_and_what_runs_goes_on() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    enforcer.close(REQUESTED);
    let cause = of(ScopeKind::Process, REQUESTED);
    assert_eq!(enforcer.status(), ScopeStatus::Closed(cause));
    assert_eq!(what(&refused(&enforcer, "tenant")), (ViolationType::Closed, ScopeKind::Process, Some(cause)));
    let child = run.child("child").register().unwrap();
    assert!(run.reserve(Demand::step()).is_ok() && child.reserve(Demand::step()).is_ok());
    assert_eq!((enforcer.live_executions("tenant"), enforcer.execution_count()), (1, 2));
}

#[test]
fn a_refused_registration_leaves_no_tenant_behind() {
    let enforcer = enforcer();
    enforcer.close(REQUESTED);
    refused(&enforcer, "tenant");
    assert_eq!((enforcer.tenant_count(), enforcer.process_usage().live_executions), (0, 0));
}

#[test]
fn e1_nothing_is_admitted_anywhere_once_everything_is_halted() {
    let enforcer = enforcer();
    let runs = ["a", "b", "c"].map(|tenant| register(&enforcer, tenant, tenant));
    let child = runs[0].child("child").register().unwrap();
    assert_eq!(enforcer.halt_all(REQUESTED), 3);
    for run in &runs {
        assert_eq!(run.status(), Status::Halted(of(ScopeKind::Process, REQUESTED)));
        assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Halted));
    }
    assert_eq!(child.status(), Status::Halted(of(ScopeKind::Parent, REQUESTED)));
    assert!(runs[0].child("other").register().is_err());
    assert_eq!(what(&refused(&enforcer, "d")).0, ViolationType::Halted);
    assert_eq!(enforcer.process_usage().live_executions, 0);
    assert_eq!(enforcer.halt_all(COST), 0);
}

#[test]
fn e1_a_tenant_is_halted_and_nobody_elses_executions() {
    let enforcer = enforcer();
    let [mine, other] = ["tenant", "other"].map(|tenant| register(&enforcer, tenant, tenant));
    assert_eq!(enforcer.halt_tenant("tenant", REQUESTED).unwrap(), 1);
    let cause = of(ScopeKind::Tenant, REQUESTED);
    assert_eq!((mine.status(), other.status()), (Status::Halted(cause), Status::Live));
    assert_eq!(what(&refused(&enforcer, "tenant")), (ViolationType::Halted, ScopeKind::Tenant, Some(cause)));
    assert!(enforcer.execution("new", "other").register().is_ok());
    assert_eq!((enforcer.tenant_status("tenant"), enforcer.status()), (ScopeStatus::Halted(cause), ScopeStatus::Open));
}

#[test]
fn a_tenant_that_nobody_knows_yet_is_closed_for_whenever_it_comes() {
    let enforcer = enforcer();
    enforcer.close_tenant("tenant", REQUESTED).unwrap();
    assert_eq!(refused(&enforcer, "tenant").violation_type, ViolationType::Closed);
    assert_eq!(enforcer.tenant_count(), 0);
    // It has been let go meanwhile, and is closed all the same.
    assert_eq!(refused(&enforcer, "tenant").violation_type, ViolationType::Closed);
    enforcer.reopen_tenant("tenant");
    assert!(enforcer.execution("new", "tenant").register().is_ok());
}

#[test]
fn e2_the_first_cause_stays_and_a_halt_comes_on_top_of_a_closing() {
    let enforcer = enforcer();
    enforcer.close(REQUESTED);
    enforcer.close(COST);
    assert_eq!(enforcer.status(), ScopeStatus::Closed(of(ScopeKind::Process, REQUESTED)));
    enforcer.halt_all(COST);
    enforcer.halt_all(REQUESTED);
    enforcer.close(REQUESTED);
    assert_eq!(enforcer.status(), ScopeStatus::Halted(of(ScopeKind::Process, COST)));
}

#[test]
fn e2_reopening_lets_new_executions_in_and_no_halted_one_go_on() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    enforcer.halt_tenant("tenant", COST).unwrap();
    enforcer.halt_all(REQUESTED);
    enforcer.reopen();
    assert_eq!(what(&refused(&enforcer, "tenant")).1, ScopeKind::Tenant);
    enforcer.reopen_tenant("tenant");
    assert!(enforcer.execution("new", "tenant").register().is_ok());
    assert_eq!(run.status(), Status::Halted(of(ScopeKind::Tenant, COST)));
}

#[test]
fn what_a_tenant_may_do_is_changed_while_it_is_closed() {
    let enforcer = enforcer();
    register(&enforcer, "exec", "tenant");
    enforcer.close_tenant("tenant", REQUESTED).unwrap();
    enforcer.set_tenant("tenant", TenantPolicy { max_concurrent_executions: Some(1), ..Default::default() }).unwrap();
    assert_eq!(refused(&enforcer, "tenant").violation_type, ViolationType::Closed);
    enforcer.reopen_tenant("tenant");
    assert_eq!(refused(&enforcer, "tenant").violation_type, ViolationType::ConcurrencyLimit);
}

#[test]
fn no_more_tenants_are_closed_than_may_be_known_and_nothing_is_done_to_one_more() {
    let enforcer = builder(&noon()).max_tenants(1).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    enforcer.close_tenant("other", REQUESTED).unwrap();
    let error = enforcer.halt_tenant("tenant", REQUESTED).unwrap_err();
    assert!(error.to_string().contains("reopen some or raise max_tenants"), "{error}");
    assert_eq!(run.status(), Status::Live);
    enforcer.reopen_tenant("other");
    assert_eq!(enforcer.halt_tenant("tenant", REQUESTED).unwrap(), 1);
    assert!(enforcer.close_tenant("", REQUESTED).is_err());
}

#[test]
fn who_is_refused_by_a_scope_is_told_which_and_what_would_help() {
    let enforcer = enforcer();
    enforcer.close_tenant("tenant", COST).unwrap();
    let refused_by_tenant = refused(&enforcer, "tenant");
    assert_eq!(
        refused_by_tenant.to_string(),
        "closed by tenant:cost_limit: the tenant takes no new executions unless it is reopened"
    );
    assert_eq!(refused_by_tenant.to_error().to_http_status(), 429);
    enforcer.halt_all(REQUESTED);
    let error = refused(&enforcer, "other").to_error();
    assert_eq!((error.category, error.to_http_status()), (ExecutionErrorCategory::QuotaExceeded, 503));
    assert!(error.is_fatal());
}

#[test]
fn each_execution_is_told_of_and_refused_registrations_are_one_run() {
    let events = EventBuffer::new(100);
    let enforcer = builder(&noon()).events(events.clone()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.child("child").register().unwrap();
    register(&enforcer, "other", "tenant");
    drop(events.drain());
    enforcer.halt_tenant("tenant", REQUESTED).unwrap();
    let halted: Vec<_> = events
        .drain()
        .into_iter()
        .map(|event| match event.kind {
            EventKind::Halted { cause } => (event.execution_id.unwrap(), cause.scope),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("exec", ScopeKind::Tenant), ("child", ScopeKind::Parent), ("other", ScopeKind::Tenant)];
    assert_eq!(halted, expected.map(|(id, scope)| (id.to_owned(), scope)));

    refused(&enforcer, "tenant");
    refused(&enforcer, "tenant");
    enforcer.reopen_tenant("tenant");
    register(&enforcer, "new", "tenant");
    let told: Vec<_> = events.drain().into_iter().map(|event| event.kind).collect();
    assert!(matches!(&told[0], EventKind::RegistrationRefused { violation } if violation.scope == ScopeKind::Tenant));
    assert!(matches!(&told[1], EventKind::Cleared { count: 2, .. }));
    assert!(matches!(&told[2..], [EventKind::Registered { .. }]));
}

#[test]
fn everything_that_is_registered_is_listed_children_and_halted_ones_too() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    run.child("child").register().unwrap().child("leaf").register().unwrap();
    register(&enforcer, "ended", "tenant").finish();
    register(&enforcer, "other", "other").halt(REQUESTED);
    assert_eq!(ids(enforcer.executions()), ["child", "exec", "leaf", "other"]);
    assert_eq!(ids(enforcer.tenant_executions("tenant")), ["child", "exec", "leaf"]);
    assert_eq!(enforcer.tenant_executions("nobody").count(), 0);
}
