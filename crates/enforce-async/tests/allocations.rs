//! What a future that need not wait allocates: nothing. By itself, because the counting allocator is everybody's.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use enforce_async::{Actual, Demand, Enforcer, ExecutionExt, ResourceLimits};

#[test]
fn a_demand_that_is_admitted_at_once_allocates_nothing() {
    let limits = ResourceLimits { max_tokens: 1_000, max_wall_time_ms: 60_000, ..ResourceLimits::default() };
    let run = Enforcer::builder().limits(limits).build().unwrap().execution("exec", "tenant").register().unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let demand = Demand::step().tokens(12, 28);
    let allocated = measure(|| {
        for _ in 0..10 {
            let acquire = pin!(run.acquire(demand).within(Duration::from_secs(1)));
            let Poll::Ready(Ok(hold)) = acquire.poll(&mut cx) else { panic!("there is room") };
            hold.settle(Actual::tokens(12, 6));
        }
    });
    assert_eq!(allocated.count_total, 0);
}
