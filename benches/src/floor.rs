//! What the machine itself costs: no decision can be cheaper.

#![expect(clippy::disallowed_types, reason = "the floors are the bare atomics and the bare map")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::Case;
use crate::ids::Ids;

/// As many as `enforce-core` gives its maps.
const SHARDS: usize = 256;

/// One check-and-add by compare-and-swap, on a word of its own.
pub fn cas() -> Case {
    let word = AtomicU64::new(0);
    Case::new("CAS", move || {
        let mut used = word.load(Ordering::Acquire);
        loop {
            let next = used + black_box(1);
            if next > black_box(1 << 56) {
                break;
            }
            match word.compare_exchange_weak(used, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(fresh) => used = fresh,
            }
        }
    })
}

fn map(ids: &Ids) -> DashMap<Box<str>, Arc<u64>, ahash::RandomState> {
    let map = DashMap::with_capacity_and_hasher_and_shard_amount(0, ahash::RandomState::new(), SHARDS);
    for (number, id) in (0..).zip(ids.sorted()) {
        map.insert(Box::from(id), Arc::new(number));
    }
    map
}

/// A look-up in the map that by-id calls use, same hasher and shards, a thousand entries in turn: the entry is seen under
/// its guard and let go.
pub fn map_get() -> Case {
    map_get_of("map get", Ids::hot())
}

/// The same with so many entries.
pub fn map_get_of(name: impl Into<String>, mut ids: Ids) -> Case {
    let map = map(&ids);
    Case::new(name, move || {
        if let Some(entry) = map.get(ids.next_id().as_str()) {
            black_box(**entry);
        }
    })
}

/// The same, but the entry is taken out of its guard, as it has to be for a hold that outlives the look-up.
pub fn map_get_clone() -> Case {
    let mut ids = Ids::hot();
    let map = map(&ids);
    Case::new("map get, clone", move || {
        let entry = map.get(ids.next_id().as_str()).map(|entry| Arc::clone(&entry));
        black_box(entry);
    })
}
