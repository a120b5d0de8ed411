//! Many threads at once (T1, E1, G1, G2, C1, Q1): no limit is passed on the way, sums are exact at the end.

mod budgets;
mod changes;
mod families;
mod lifetimes;
mod scopes;
mod seed;
mod shared;

use std::sync::Barrier;
use std::thread;

/// Threads that start together. Two cores run them in every order that preemption finds.
const THREADS: u64 = 64;

/// Runs `work` with its number on every thread at once, while `watch` looks on from outside, and returns what came out.
pub(crate) fn storm<T: Send>(work: impl Fn(u64) -> T + Sync, watch: impl Fn() + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS as usize + 1);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(number)
                })
            })
            .collect();
        start.wait();
        while workers.iter().any(|worker| !worker.is_finished()) {
            watch();
            thread::yield_now();
        }
        watch();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn of(thread: u64) -> Self {
        Self(thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
