//! Tenants that are closed, and restoring where something is.

use enforce_core::{
    Cause, Demand, EnforcerState, RegisterError, RestoreError, RestoreOptions, ScopeKind, ScopeStatus, Status,
    ViolationType,
};

use super::{into, saved, try_into};
use crate::common::{builder, noon, register};

const REQUESTED: Cause = Cause::own(ViolationType::Requested);

fn of(scope: ScopeKind) -> Cause {
    Cause { scope, ..REQUESTED }
}

#[test]
fn a_tenant_stays_closed_or_halted_known_or_not() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    register(&before, "exec", "known");
    before.halt_tenant("known", REQUESTED).unwrap();
    before.close_tenant("unknown", REQUESTED).unwrap();
    let state = saved(&before);
    let after = into(builder(&time), &state);
    assert_eq!(after.tenant_status("known"), ScopeStatus::Halted(of(ScopeKind::Tenant)));
    assert_eq!(after.tenant_status("unknown"), ScopeStatus::Closed(of(ScopeKind::Tenant)));
    for tenant in ["known", "unknown"] {
        assert!(matches!(after.execution("new", tenant).register(), Err(RegisterError::Refused(_))));
    }
    assert_eq!((after.tenant_count(), saved(&after).closed_tenants), (1, state.closed_tenants));
    after.reopen_tenant("known");
    assert!(after.execution("new", "known").register().is_ok());
}

#[test]
fn the_process_begins_open_whatever_its_last_life_came_to() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    register(&before, "exec", "tenant");
    before.close(REQUESTED);
    let after = into(builder(&time), &saved(&before));
    assert_eq!(after.status(), ScopeStatus::Open);
    assert!(after.get("exec").unwrap().reserve(Demand::step()).is_ok());
    assert!(after.execution("new", "tenant").register().is_ok());
}

#[test]
fn who_comes_back_into_a_closed_process_goes_on_and_into_a_halted_one_does_not() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    register(&before, "exec", "tenant").child("child").register().unwrap();
    let state = saved(&before);
    let mut closed = builder(&time).build().unwrap();
    closed.close(REQUESTED);
    closed.restore(&state, RestoreOptions::new()).unwrap();
    assert!(closed.get("exec").unwrap().reserve(Demand::step()).is_ok());
    assert!(closed.execution("new", "tenant").register().is_err());

    let mut halted = builder(&time).build().unwrap();
    halted.halt_all(REQUESTED);
    halted.restore(&state, RestoreOptions::new()).unwrap();
    assert_eq!(halted.get("exec").unwrap().status(), Status::Halted(of(ScopeKind::Process)));
    assert_eq!(halted.get("child").unwrap().status(), Status::Halted(of(ScopeKind::Parent)));
}

#[test]
fn e1_who_was_saved_before_a_halt_of_its_tenant_had_found_it_is_halted() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    register(&before, "exec", "tenant");
    before.close_tenant("tenant", REQUESTED).unwrap();
    let halted = serde_json::to_string(&before.save()).unwrap().replace(r#"{"closed":"#, r#"{"halted":"#);
    let after = into(builder(&time), &serde_json::from_str(&halted).unwrap());
    assert_eq!(after.get("exec").unwrap().status(), Status::Halted(of(ScopeKind::Tenant)));
}

#[test]
fn what_was_closed_before_the_restore_stays_as_it_was_closed() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    before.halt_tenant("tenant", REQUESTED).unwrap();
    let mut after = builder(&time).build().unwrap();
    after.close_tenant("tenant", Cause::own(ViolationType::CostLimit)).unwrap();
    after.restore(&saved(&before), RestoreOptions::new()).unwrap();
    let cost = Cause { scope: ScopeKind::Tenant, ..Cause::own(ViolationType::CostLimit) };
    assert_eq!(after.tenant_status("tenant"), ScopeStatus::Closed(cost));
}

#[test]
fn a_state_without_closed_tenants_says_nothing_of_them_and_one_from_before_is_read() {
    let time = noon();
    let text = serde_json::to_string(&builder(&time).build().unwrap().save()).unwrap();
    assert!(!text.contains("closed_tenants"), "{text}");
    assert!(serde_json::from_str::<EnforcerState>(&text).unwrap().closed_tenants.is_empty());
}

#[test]
fn closed_tenants_that_make_no_sense_are_refused_whole() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    before.close_tenant("tenant", REQUESTED).unwrap();
    let state = before.save();
    let place = |change: fn(&mut EnforcerState)| {
        let mut changed = state.clone();
        change(&mut changed);
        match try_into(builder(&time), &changed).map(|(_, restored)| restored) {
            Err(RestoreError::Invalid { place, .. }) => place,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(place(|it| it.closed_tenants[0].id.clear()), "closed_tenants[0].id");
    assert_eq!(place(|it| it.closed_tenants.push(it.closed_tenants[0].clone())), "closed_tenants[1].id");
    assert_eq!(place(|it| it.closed_tenants[0].status = ScopeStatus::Open), "closed_tenants[0].status");
}

#[test]
fn more_closed_tenants_than_may_be_closed_are_refused_whole() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    before.close_tenant("tenant", REQUESTED).unwrap();
    let (state, full) = (before.save(), Err(RestoreError::Full { table: "tenants", cap: 1 }));
    let into_one_with = |closed: &str| {
        let mut after = builder(&time).max_tenants(1).build().unwrap();
        after.close_tenant(closed, REQUESTED).unwrap();
        after.restore(&state, RestoreOptions::new()).map(drop)
    };
    assert_eq!((into_one_with("tenant"), into_one_with("other")), (Ok(()), full));
}

#[test]
fn e1_who_was_not_found_by_the_halt_of_its_tenant_is_halted_by_it_when_it_comes_back() {
    let before = builder(&noon()).build().unwrap();
    register(&before, "exec", "tenant");
    let mut state = saved(&before);
    before.halt_tenant("tenant", REQUESTED).unwrap();
    state.closed_tenants = saved(&before).closed_tenants;
    let after = into(builder(&noon()), &state);
    let cause = Cause { scope: ScopeKind::Tenant, ..REQUESTED };
    assert_eq!(after.get("exec").unwrap().status(), Status::Halted(cause));
}
