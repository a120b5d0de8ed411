//! Rates that only observe, in threads.

use std::sync::Barrier;
use std::thread;

use enforce_core::{Demand, EnforcementPolicy, Enforcer, LimitActions, ProviderPolicy};

#[test]
fn a_rate_that_only_observes_stops_nobody_whoever_is_faster() {
    const ROUNDS: usize = 300;
    const THREADS: usize = 4;
    let policy = EnforcementPolicy { actions: LimitActions::observe(), ..Default::default() };
    let rates = ProviderPolicy { requests_per_minute: Some(1), request_burst: Some(3), ..Default::default() };
    for round in 0..ROUNDS {
        let enforcer = Enforcer::builder().policy(policy.clone()).provider(rates.clone()).build().unwrap();
        let provider = enforcer.provider("p").unwrap();
        let run = enforcer.execution("1", "a").register().unwrap();
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..4 {
                        let admitted = run.reserve(Demand::step().provider(provider));
                        assert!(admitted.is_ok(), "round {round}: {admitted:?}");
                    }
                });
            }
        });
        assert_eq!(run.snapshot().steps, 16, "round {round}");
    }
}
