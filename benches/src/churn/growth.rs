//! A step among the first thousand executions while another thread registers a million more.

use enact_core::kernel::{ExecutionId, TenantId};
use enforce_core::Demand;

use super::{Tail, tenant};
use crate::ids::Ids;
use crate::ours::{Setting, Ticks};
use crate::resident;
use crate::rivals::enact;

/// What was seen while it grew.
#[derive(Debug)]
pub struct Grown {
    /// Nothing at all, measured in turn with the steps.
    pub nothing: Tail,
    /// A step by id.
    pub step: Tail,
    /// Each registration.
    pub registration: Tail,
    /// Bytes by which the resident size grew for each execution, where the system tells.
    pub bytes: Option<f64>,
}

/// Grows here what `register` registers, up to `live`, and measures `step` in another thread until that is done.
fn growing(live: u32, mut register: impl FnMut(u32, &mut Tail), mut step: impl FnMut(&mut Tail) + Send) -> Grown {
    let before = resident::now();
    let mut registration = Tail::new();
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let (nothing, steps) = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut nothing, mut steps) = (Tail::new(), Tail::new());
            // Looked at now and then, so that the look is not what the caches are filled with.
            while waits.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                for _ in 0..1_000 {
                    nothing.time(|| ());
                    step(&mut steps);
                }
            }
            (nothing, steps)
        });
        for number in 0..live {
            register(number, &mut registration);
        }
        drop(done);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let bytes =
        before.zip(resident::now()).map(|(before, after)| after.saturating_sub(before) as f64 / f64::from(live));
    Grown { nothing, step: steps, registration, bytes }
}

fn newcomer(number: u32) -> String {
    format!("e{number:026}")
}

/// Ours, with the usual limits.
#[expect(clippy::expect_used, reason = "limits that are known to be valid, and ids that are free")]
pub fn ours_growing(live: u32) -> Grown {
    let (enforcer, ids, ticks) = Setting::Usual.executions();
    let tenants: Vec<String> = (0..1_000).map(tenant).collect();
    let (mut mine, mut theirs): (Ticks, Ticks) = (ticks.clone(), ticks);
    let mut tenants = tenants.iter().cycle();
    let register = |number, tail: &mut Tail| {
        let (id, tenant, now) = (newcomer(number), tenants.next().map_or("tenant_a", String::as_str), mine.tick());
        let run = tail.time(|| enforcer.execution(id.as_str(), tenant).register_at(now));
        drop(run.expect("a free id"));
    };
    let mut ids: Ids = ids;
    let step = |tail: &mut Tail| {
        let (id, now) = (ids.next_id(), theirs.tick());
        tail.time(|| drop(enforcer.reserve_at(id, Demand::step(), now)));
    };
    growing(live, register, step)
}

/// enact-core's: a step checked and recorded.
pub fn enact_growing(live: u32) -> Grown {
    let (middleware, mut ids) = enact::executions(&Ids::hot());
    let limits = enact::limits();
    let register = |number, tail: &mut Tail| {
        let id = ExecutionId::from(newcomer(number).as_str());
        let tenant = TenantId::from(tenant(u64::from(number)).as_str());
        tail.time(|| pollster::block_on(middleware.register_execution(id, tenant)));
    };
    let step = |tail: &mut Tail| {
        let id = ids.next_id();
        tail.time(|| pollster::block_on(enact::step(&middleware, id, &limits)));
    };
    growing(live, register, step)
}
