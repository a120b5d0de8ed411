//! Two threads at once.

use enforce_core::Demand;

use super::Setting;
use crate::Case;
use crate::ids::Ids;

/// Executions that one thread registers and finishes in turn.
const OWN: usize = 1_000;

/// One execution, bare.
pub fn one() -> Case {
    let (run, _) = Setting::Bare.execution();
    Case::on_two_threads("handle, bare, two threads", move || {
        let run = run.clone();
        move |times| (0..times).for_each(|_| drop(run.reserve(Demand::step())))
    })
}

/// A thousand executions by id, bare: both ask all of them, each in the same order from wherever it is.
pub fn by_id() -> Case {
    let (enforcer, ids, _) = Setting::Bare.executions();
    Case::on_two_threads("by id, bare, two threads", move || {
        let (enforcer, mut ids) = (enforcer.clone(), ids.clone());
        move |times| (0..times).for_each(|_| drop(enforcer.reserve(ids.next_id(), Demand::step())))
    })
}

/// Each registers and finishes executions of its own, of one tenant, beside a thousand live ones.
pub fn register_and_finish() -> Case {
    let (enforcer, _, ticks) = Setting::Usual.executions();
    Case::on_two_threads("register + finish, two threads", move || {
        let (enforcer, mut ticks) = (enforcer.clone(), ticks.clone());
        let mut ids = Ids::of(OWN).map(|id| format!("{:?}_{id}", std::thread::current().id()));
        move |times| {
            for _ in 0..times {
                if let Ok(run) = enforcer.execution(ids.next_id().as_str(), "tenant_a").register_at(ticks.tick()) {
                    run.finish_at(ticks.tick());
                }
            }
        }
    })
}
