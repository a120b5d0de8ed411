//! A step among live executions while other threads register and finish executions of their own.

#![expect(clippy::disallowed_types, reason = "a flag that tells threads to stop is no part of what is measured")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use enact_core::kernel::{ExecutionId, TenantId};
use enforce_core::Demand;

use super::{Tail, id, tenant};
use crate::ids::Ids;
use crate::ours::{Setting, Ticks};
use crate::rivals::enact;

/// How many executions of each other thread live at once: who comes goes after so many more.
const WINDOW: usize = 1_000;

/// How often each kind of operation is measured: in so many turns, so many times in a row.
const TURNS: u64 = 2_000;
const IN_A_ROW: u64 = 500;

/// Runs `read` here while `churners` threads do `churn` over and over, and says how often they did it.
fn beside<T>(churners: usize, churn: impl Fn(usize, &AtomicBool) -> u64 + Sync, read: impl FnOnce() -> T) -> (T, u64) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, churn) = (&stop, &churn);
        let others: Vec<_> = (0..churners).map(|number| scope.spawn(move || churn(number, stop))).collect();
        let read = read();
        // Relaxed: it carries nothing with it, and the threads are joined.
        stop.store(true, Ordering::Relaxed);
        (read, others.into_iter().filter_map(|other| other.join().ok()).sum())
    })
}

/// A thousand live executions of one thread: `come` makes one, `go` ends the oldest. Says how many came.
fn turn_over<T>(who: usize, stop: &AtomicBool, mut come: impl FnMut(u64) -> T, mut go: impl FnMut(T)) -> u64 {
    let mut live = VecDeque::with_capacity(WINDOW + 1);
    let mut number = 0;
    // Relaxed: as where it is set.
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        live.push_back(come((who as u64 + 1) * 1_000_000_000 + number));
        if live.len() > WINDOW
            && let Some(oldest) = live.pop_front()
        {
            go(oldest);
        }
    }
    live.into_iter().for_each(go);
    number
}

/// What is measured among live executions while others come and go.
#[derive(Debug)]
pub struct Steps {
    /// Nothing at all.
    pub nothing: Tail,
    /// By handle, a thousand of them in turn.
    pub by_handle_hot: Tail,
    /// By handle, all of them in turn.
    pub by_handle: Tail,
    /// By id, a thousand of them in turn.
    pub by_id_hot: Tail,
    /// By id, all of them in turn.
    pub by_id: Tail,
}

/// So many of `op` in a row, each measured.
fn row(tail: &mut Tail, mut op: impl FnMut()) {
    for _ in 0..IN_A_ROW {
        tail.time(&mut op);
    }
}

/// Steps among `live` executions with the usual limits, and how many executions came and went meanwhile.
#[expect(clippy::expect_used, reason = "limits that are known to be valid, and ids that are free")]
pub fn ours_while_others_come_and_go(live: usize, churners: usize) -> (Steps, u64) {
    let (enforcer, mut ids, mut hot_ids) = (Setting::Usual.enforcer(), Ids::of(live), Ids::hot());
    for (number, id) in (0..).zip(ids.sorted()) {
        enforcer.execution(id, tenant(number)).register().expect("a free id");
    }
    let handles = |ids: &Ids| ids.map(|id| enforcer.get(id).expect("it lives"));
    let (mut runs, mut hot_runs) = (handles(&ids), handles(&hot_ids));
    let mut now = Ticks::from(enforcer.clock().now());
    let start = now.clone();
    let churn = |who: usize, stop: &AtomicBool| {
        let mut ticks = start.clone();
        let come =
            |number| enforcer.execution(id(number), tenant(number)).register_at(ticks.tick()).expect("a free id");
        turn_over(who, stop, come, |run| drop(run.finish()))
    };
    let read = || {
        let mut steps = Steps {
            nothing: Tail::new(),
            by_handle_hot: Tail::new(),
            by_handle: Tail::new(),
            by_id_hot: Tail::new(),
            by_id: Tail::new(),
        };
        for _ in 0..TURNS {
            row(&mut steps.nothing, || ());
            row(&mut steps.by_handle_hot, || drop(hot_runs.next_id().reserve_at(Demand::step(), now.tick())));
            row(&mut steps.by_handle, || drop(runs.next_id().reserve_at(Demand::step(), now.tick())));
            row(&mut steps.by_id_hot, || drop(enforcer.reserve_at(hot_ids.next_id(), Demand::step(), now.tick())));
            row(&mut steps.by_id, || drop(enforcer.reserve_at(ids.next_id(), Demand::step(), now.tick())));
        }
        steps
    };
    beside(churners, churn, read)
}

/// The same of enact-core: a step checked and recorded, by id.
pub fn enact_while_others_come_and_go(live: usize, churners: usize) -> (Tail, u64) {
    let (middleware, mut ids) = enact::executions(&Ids::of(live));
    let churn = |who: usize, stop: &AtomicBool| {
        let come = |number| {
            let id = ExecutionId::from(id(number).as_str());
            let tenant = TenantId::from(tenant(number).as_str());
            pollster::block_on(middleware.register_execution(id.clone(), tenant));
            id
        };
        turn_over(who, stop, come, |id| pollster::block_on(middleware.unregister_execution(&id)))
    };
    let read = || {
        let mut tail = Tail::new();
        let limits = enact::limits();
        pollster::block_on(async {
            for _ in 0..TURNS * IN_A_ROW {
                let id = ids.next_id();
                let start = tail.start();
                enact::step(&middleware, id, &limits).await;
                tail.since(start);
            }
        });
        tail
    };
    beside(churners, churn, read)
}
