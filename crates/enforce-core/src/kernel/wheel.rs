//! Until when everyone waits: buckets of a coarse clock, and in order those whose bucket has come.

use std::collections::BTreeSet;

/// A tick is 2^30 ns, a little more than a second.
const TICK: u32 = 30;
/// Each level has 64 buckets, and those of the next are 64 times as long: 34 bits of ticks, the end of the clock.
const DIGIT: u32 = 6;
const BUCKETS: usize = 1 << DIGIT;
const LEVELS: usize = 6;

/// The list that is ordered by moment.
const NEAR: usize = LEVELS * BUCKETS;
/// No list: it comes at no moment, as things stand.
const NOWHERE: usize = NEAR + 1;
/// No entry.
const NONE: u32 = u32::MAX;

/// A hierarchical timer wheel whose entries have numbers. Used under a lock.
///
/// **Invariants.** An entry stands in one list. The bucket of an entry begins no later than its moment, and `tick` is past
/// the beginning of no bucket that has entries; so whose moment has come is in a bucket that has begun, or near. An
/// operation costs the same however many there are, but for those near, which are in order.
#[derive(Debug)]
pub(crate) struct Wheel<V> {
    entries: Vec<Entry<V>>,
    /// Entries that nobody has, linked by `next`.
    free: u32,
    /// How far it has turned.
    tick: u64,
    /// The first entry of each bucket, level by level.
    heads: Box<[u32]>,
    /// A bit for each bucket that has entries.
    occupied: [u64; LEVELS],
    near: BTreeSet<(u64, u32)>,
    taken: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: Option<V>,
    at: u64,
    list: u16,
    before: u32,
    next: u32,
}

impl<V> Wheel<V> {
    /// One that has turned to `now`.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            tick: now >> TICK,
            heads: vec![NONE; NEAR].into(),
            occupied: [0; LEVELS],
            near: BTreeSet::new(),
            taken: 0,
        }
    }

    /// How many entries are taken.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    pub(crate) fn get(&self, number: u32) -> Option<&V> {
        self.entries.get(number as usize)?.value.as_ref()
    }

    /// A number for `value`, which comes at no moment yet; gives it back if there are 2^32 − 1.
    pub(crate) fn insert(&mut self, value: V) -> Result<u32, V> {
        let number = if let Some(entry) = self.entries.get_mut(self.free as usize) {
            let number = self.free;
            self.free = entry.next;
            entry.value = Some(value);
            number
        } else {
            let number = u32::try_from(self.entries.len()).unwrap_or(NONE);
            if number == NONE {
                return Err(value);
            }
            self.entries.push(Entry { value: Some(value), at: 0, list: NOWHERE as u16, before: NONE, next: NONE });
            number
        };
        self.taken = self.taken.saturating_add(1);
        Ok(number)
    }

    /// Frees the number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<V> {
        self.unlink(number);
        let free = self.free;
        let entry = self.entries.get_mut(number as usize)?;
        let value = entry.value.take()?;
        entry.next = free;
        self.free = number;
        self.taken = self.taken.saturating_sub(1);
        Some(value)
    }

    /// Has it come at `at`, or, with `None`, at no moment.
    pub(crate) fn place(&mut self, number: u32, at: Option<u64>) {
        self.unlink(number);
        let Some(at) = at else { return };
        let tick = at >> TICK;
        let list = match (tick ^ self.tick).checked_ilog2() {
            Some(bit) if tick > self.tick => {
                let level = bit / DIGIT;
                level as usize * BUCKETS + digit(tick, level)
            }
            _ => NEAR,
        };
        let head = self.heads.get(list).copied().unwrap_or(NONE);
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        (entry.at, entry.list, entry.before, entry.next) = (at, list as u16, NONE, head);
        if list == NEAR {
            self.near.insert((at, number));
            return;
        }
        if let Some(next) = self.entries.get_mut(head as usize) {
            next.before = number;
        }
        self.set_head(list, number);
    }

    fn set_head(&mut self, list: usize, number: u32) {
        if let Some(head) = self.heads.get_mut(list) {
            *head = number;
        }
        if let Some(occupied) = self.occupied.get_mut(list / BUCKETS) {
            let bit = 1 << (list % BUCKETS);
            *occupied = if number == NONE { *occupied & !bit } else { *occupied | bit };
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        let (at, list, before, next) = (entry.at, usize::from(entry.list), entry.before, entry.next);
        if list == NOWHERE {
            return;
        }
        (entry.list, entry.before, entry.next) = (NOWHERE as u16, NONE, NONE);
        if list == NEAR {
            self.near.remove(&(at, number));
            return;
        }
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.before = before;
        }
        match self.entries.get_mut(before as usize) {
            Some(before) => before.next = next,
            None => self.set_head(list, next),
        }
    }

    /// The earliest bucket that has entries: the tick at which it begins, and its list. Of two that begin at once the one
    /// of the higher level, whose entries may come before those of the lower.
    fn earliest(&self) -> Option<(u64, usize)> {
        let mut earliest: Option<(u64, usize)> = None;
        for (level, occupied) in (0..).zip(&self.occupied) {
            // No bucket before the one in which it stands has entries.
            let ahead = occupied & (u64::MAX << digit(self.tick, level));
            if ahead != 0 {
                let bucket = ahead.trailing_zeros();
                let above = DIGIT * level + DIGIT;
                let begins = ((self.tick >> above) << above) | (u64::from(bucket) << (DIGIT * level));
                if earliest.is_none_or(|(other, _)| begins <= other) {
                    earliest = Some((begins, level as usize * BUCKETS + bucket as usize));
                }
            }
        }
        earliest
    }

    /// Turns to `now` as far as it may: an entry of the first bucket that has begun by then, which is to be placed anew,
    /// or `None` if there is none.
    pub(crate) fn turn(&mut self, now: u64) -> Option<u32> {
        let tick = now >> TICK;
        match self.earliest() {
            Some((begins, list)) if begins <= tick => {
                self.tick = self.tick.max(begins);
                self.heads.get(list).copied()
            }
            _ => {
                self.tick = self.tick.max(tick);
                None
            }
        }
    }

    /// The first of those near from `from` on whose moment has come by `now`.
    pub(crate) fn near(&self, from: (u64, u32), now: u64) -> Option<(u64, u32)> {
        self.near.range(from..).next().copied().filter(|(at, _)| *at <= now)
    }

    /// No entry comes before this moment.
    pub(crate) fn first(&self) -> Option<u64> {
        let bucket = self.earliest().map(|(begins, _)| begins << TICK);
        let near = self.near.first().map(|(at, _)| *at);
        near.into_iter().chain(bucket).min()
    }

    /// Everyone who has a number.
    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.entries.into_iter().filter_map(|entry| entry.value)
    }
}

/// The bucket of `tick` at `level`.
fn digit(tick: u64, level: u32) -> usize {
    (tick >> (DIGIT * level)) as usize % BUCKETS
}
