//! What the seed's two steps, check and then record, let through, beside the one step that takes their place.

use std::sync::Barrier;

use enforce_core::{Demand, ResourceLimits};

use crate::common::{run, unlimited};

#[expect(clippy::disallowed_types, reason = "the replica does what the seed did")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::{THREADS, storm};

/// The seed's protocol: `check_step_allowed` looks, `record_step` counts, and anything may happen in between.
#[expect(clippy::disallowed_types, reason = "the replica does what the seed did")]
struct SeedUsage {
    steps: AtomicU64,
    max_steps: u64,
}

impl SeedUsage {
    fn check_step_allowed(&self) -> bool {
        self.steps.load(Ordering::SeqCst) < self.max_steps
    }

    fn record_step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_seeds_check_then_record_lets_every_thread_past_a_limit_of_one() {
    let usage = SeedUsage { steps: 0.into(), max_steps: 1 };
    let checked = Barrier::new(THREADS as usize);
    let work = |_| {
        let allowed = usage.check_step_allowed();
        checked.wait();
        if allowed {
            usage.record_step();
        }
        allowed
    };
    assert!(storm(work, || ()).into_iter().all(|allowed| allowed));
    assert_eq!(usage.steps.into_inner(), THREADS);
}

#[test]
fn t1_one_reserve_lets_one_thread_past_a_limit_of_one() {
    let run = run(ResourceLimits { max_steps: 1, ..unlimited() });
    let taken = Barrier::new(THREADS as usize);
    let work = |_| {
        let hold = run.reserve(Demand::step());
        taken.wait();
        hold.is_ok()
    };
    assert_eq!(storm(work, || ()).into_iter().filter(|admitted| *admitted).count(), 1);
    assert_eq!(run.snapshot().steps, 1);
}
