//! What one writes first: `Mutex<HashMap<String, _>>`, looked up, compared and counted under the lock.
//!
//! It is exact. It counts steps and nothing else: no hold that comes back, no tenant, no halt, no reason. While one looks,
//! everybody waits.

#![expect(clippy::disallowed_types, reason = "the standard library's own lock is what one writes first")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Case;
use crate::ids::Ids;

/// A limit that no run reaches.
const LIMIT: u64 = 1 << 56;

#[derive(Clone)]
struct Steps(Arc<Mutex<HashMap<String, u64>>>);

impl Steps {
    fn new(ids: &Ids) -> Self {
        Self(Arc::new(Mutex::new(ids.sorted().into_iter().map(|id| (id.to_owned(), 0)).collect())))
    }

    /// One step more, if it is known and has one left.
    #[inline]
    fn step(&self, id: &str) -> bool {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match steps.get_mut(id) {
            Some(used) if *used < black_box(LIMIT) => {
                *used += 1;
                true
            }
            _ => false,
        }
    }
}

/// A step by id: these in turn.
pub fn step(name: impl Into<String>, ids: &Ids) -> Case {
    let (steps, mut ids) = (Steps::new(ids), ids.clone());
    Case::new(name, move || {
        black_box(steps.step(ids.next_id()));
    })
}

/// Two threads, a thousand ids.
pub fn on_two_threads() -> Case {
    let ids = Ids::hot();
    let steps = Steps::new(&ids);
    Case::on_two_threads("Mutex<HashMap>, two threads", move || {
        let (steps, mut ids) = (steps.clone(), ids.clone());
        move |times| {
            for _ in 0..times {
                black_box(steps.step(ids.next_id()));
            }
        }
    })
}
