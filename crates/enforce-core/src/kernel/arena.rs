//! An append-only list whose entries never move: found by number, without a lock.

use crate::sync::OnceLock;

/// Entries are numbered 0, 1, 2 … by their owner. Bucket 0 holds entry 0, bucket *b* holds the 2^(b−1)
/// entries from 2^(b−1) on, so nothing is ever copied and a reader needs no lock. All of them hold 2^31 entries; a list that
/// is known to be short has fewer.
///
/// **Invariant:** an entry never changes once it is there. Whoever gives numbers away serialises that by a lock of its
/// own, and gives none away before its entry is complete; where the numbers come from elsewhere, the first entry under
/// each stays.
#[derive(Debug)]
pub(crate) struct Arena<T, const BUCKETS: usize = 32>([OnceLock<Box<[OnceLock<T>]>>; BUCKETS]);

/// (bucket, place in it, size of the bucket)
fn locate(number: u32) -> (usize, usize, usize) {
    match number.checked_ilog2() {
        None => (0, 0, 1),
        Some(log) => (log as usize + 1, (number - (1 << log)) as usize, 1 << log),
    }
}

impl<T, const BUCKETS: usize> Arena<T, BUCKETS> {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; BUCKETS])
    }

    /// The entry of that number, if there is one.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (bucket, place, _) = locate(number);
        self.0.get(bucket)?.get()?.get(place)?.get()
    }

    /// Stores the entry of that number; false (and the value dropped) if the number is taken or past the end.
    pub(crate) fn put(&self, number: u32, value: T) -> bool {
        let (bucket, place, size) = locate(number);
        let Some(bucket) = self.0.get(bucket) else { return false };
        let places = bucket.get_or_init(|| (0..size).map(|_| OnceLock::new()).collect());
        places.get(place).is_some_and(|slot| slot.set(value).is_ok())
    }
}
