//! Whole scopes that are halted while others register (E1): whoever has got in is halted, and nobody else gets in.

use enforce_core::{Cause, Demand, Enforcer, RegisterError, ViolationType};

use crate::common::{builder, noon};

#[expect(clippy::disallowed_types, reason = "what has happened in another thread is told by a flag")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::storm;

/// Threads register, reserve and end, until they are turned away, each with a tenant out of `tenants`; one halts them
/// all. Whoever began to ask when the halt had returned is admitted nothing.
#[expect(clippy::disallowed_types, reason = "what has happened in another thread is told by a flag")]
fn beside(tenants: u64, halt: impl Fn(&Enforcer) -> u64 + Sync) {
    for _ in 0..20 {
        let enforcer = builder(&noon()).build().unwrap();
        let halted = AtomicBool::new(false);
        let work = |number: u64| {
            if number == 0 {
                let count = halt(&enforcer);
                halted.store(true, Ordering::Release);
                return count;
            }
            let tenant = format!("tenant-{}", number % tenants);
            for round in 0.. {
                match enforcer.execution(format!("exec-{number}-{round}"), &*tenant).register() {
                    Ok(run) => {
                        let child = run.child(format!("child-{number}-{round}")).register();
                        for asked in std::iter::once(&run).chain(&child) {
                            let late = halted.load(Ordering::Acquire);
                            let admitted = asked.reserve(Demand::step().tokens(1, 1)).is_ok();
                            assert!(!(late && admitted), "admitted behind the halt");
                        }
                        if round % 2 == 0 {
                            run.finish();
                        }
                    }
                    Err(RegisterError::Refused(refused)) => {
                        assert_eq!(refused.violation_type, ViolationType::Halted);
                        return 0;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            0
        };
        let watch = || {
            let late = halted.load(Ordering::Acquire);
            let admitted = enforcer.executions().filter(|run| run.reserve(Demand::step()).is_ok()).count();
            assert!(!late || admitted == 0, "admitted behind the halt");
        };
        storm(work, watch);
        assert_eq!(enforcer.process_usage().live_executions, 0);
    }
}

const REQUESTED: Cause = Cause::own(ViolationType::Requested);

#[test]
fn e1_nobody_registered_beside_a_halt_of_everything_goes_on() {
    beside(7, |enforcer| enforcer.halt_all(REQUESTED));
}

#[test]
fn e1_nobody_registered_beside_a_halt_of_its_tenant_goes_on() {
    beside(1, |enforcer| enforcer.halt_tenant("tenant-0", REQUESTED).unwrap());
}
