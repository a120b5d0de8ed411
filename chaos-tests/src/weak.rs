//! That exchanges fail for no reason here, that the kernel does not mind, and that who minds is found.

use std::sync::Barrier;
use std::thread;

use crate::chance::disturbed;
use crate::kernel::cell::Cell;
use crate::kernel::tally::Tally;
use crate::sync::{AtomicU64, Ordering};

/// Something of which a part can be taken, one at a time.
trait Takes: Sync {
    fn take(&self) -> bool;
    fn remaining(&self) -> u64;
}

impl Takes for Tally {
    fn take(&self) -> bool {
        self.take(1).is_ok()
    }

    fn remaining(&self) -> u64 {
        self.word().remaining().unsigned_abs()
    }
}

/// Believes that an exchange that finds the word as it was has come through.
struct Believing(AtomicU64);

impl Takes for Believing {
    fn take(&self) -> bool {
        // The orderings are the kernel's: the bug is another.
        let mut word = self.0.load(Ordering::Acquire);
        while word > 0 {
            match self.0.compare_exchange_weak(word, word - 1, Ordering::AcqRel, Ordering::Acquire) {
                Err(fresh) if fresh != word => word = fresh,
                _ => return true,
            }
        }
        false
    }

    fn remaining(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

const THREADS: u64 = 4;
/// Miri takes its time.
const LIMIT: u64 = if cfg!(miri) { 200 } else { 1_000 };
const T1: &str = "T1: as much is taken as there was";

fn everyone_takes_what_there_is(room: &impl Takes) {
    let start = Barrier::new(THREADS as usize);
    let takes = || {
        start.wait();
        (0..LIMIT).filter(|_| room.take()).count() as u64
    };
    let taken: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(takes)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((taken, room.remaining()), (LIMIT, 0), "{T1}");
}

#[test]
fn exchanges_fail_although_nobody_came_between() {
    let cell = Cell::new(0);
    let mut rounds = 0;
    let (failures, interruptions) = disturbed();
    for _ in 0..LIMIT {
        cell.apply(|word| {
            rounds += 1;
            (word + 1, ())
        });
    }
    assert_eq!(cell.load(), LIMIT);
    // In one thread no round is lost to another.
    assert!(rounds > LIMIT + LIMIT / 10, "{rounds} rounds");
    // Some machines have failures of their own.
    let after = disturbed();
    assert!(after.0 > failures && after.1 > interruptions);
}

#[test]
fn t1_a_tally_does_not_mind() {
    everyone_takes_what_there_is(&Tally::new(LIMIT));
}

#[test]
fn t1_a_tally_does_not_mind_twin() {
    let twin = Believing(AtomicU64::new(LIMIT));
    let found = thread::scope(|scope| scope.spawn(|| everyone_takes_what_there_is(&twin)).join()).unwrap_err();
    assert!(found.downcast_ref::<String>().is_some_and(|said| said.contains(T1)));
}
