//! Until when everyone waits: buckets of a coarse clock, and in order those whose bucket has come.

use std::collections::BTreeSet;

/// A tick is 2^30 ns, a little more than a second.
const TICK: u32 = 30;
/// Three rings of buckets, by the bits of a tick that they tell apart and how many there are below: of a tick each for 73
/// minutes, of 73 minutes each for 104 days, and of 104 days each to the end of the clock.
const RINGS: [(u32, u32); 3] = [(12, 0), (11, 12), (11, 23)];
/// Of the first bucket of each ring among the lists.
const FIRST: [usize; 3] = [0, 1 << 12, (1 << 12) + (1 << 11)];

/// The list that is ordered by moment.
const NEAR: usize = 1 << 13;
/// No list: it comes at no moment, as things stand.
const NOWHERE: usize = NEAR + 1;
/// No entry.
const NONE: u32 = u32::MAX;

/// A hierarchical timer wheel whose entries have numbers. Used under a lock.
///
/// **Invariants.** An entry stands in one list. The bucket of an entry begins no later than its moment, and no more than one
/// bucket that has entries has begun by `tick`, the one that is being emptied; so whose moment has come is in a bucket that
/// [`Wheel::turn`] comes to, or near. A ring has no bucket for a moment that is a whole turn ahead. An operation costs the
/// same however many there are, but for those near, which are in order.
#[derive(Debug)]
pub(crate) struct Wheel<V> {
    entries: Vec<Entry<V>>,
    /// Entries that nobody has, linked by `next`.
    free: u32,
    /// How far it has turned.
    tick: u64,
    rings: [Ring; 3],
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
            rings: RINGS.map(|(bits, _)| Ring::new(1 << bits)),
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
        let list = self.list_of(at >> TICK);
        let head = self.head(list);
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

    /// The first ring in which its bucket is less than a turn ahead; those that are not ahead are near.
    fn list_of(&self, tick: u64) -> usize {
        if tick <= self.tick {
            return NEAR;
        }
        let fits = |(bits, below): (u32, u32)| (tick >> below).wrapping_sub(self.tick >> below) < 1 << bits;
        let mut rings = RINGS.into_iter().zip(FIRST);
        // The last one reaches to the end of the clock.
        rings.find(|(ring, _)| fits(*ring)).map_or(NEAR, |((bits, below), first)| first + digit(tick, bits, below))
    }

    /// Its ring and its bucket there.
    fn ring(&mut self, list: usize) -> Option<(&mut Ring, usize)> {
        let ring = FIRST.iter().rposition(|first| list >= *first)?;
        Some((self.rings.get_mut(ring)?, list - FIRST.get(ring)?))
    }

    fn head(&mut self, list: usize) -> u32 {
        self.ring(list).and_then(|(ring, bucket)| ring.heads.get(bucket).copied()).unwrap_or(NONE)
    }

    fn set_head(&mut self, list: usize, number: u32) {
        if let Some((ring, bucket)) = self.ring(list) {
            ring.set_head(bucket, number);
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
    /// of the longer ring, whose entries may come before those of the other.
    fn earliest(&self) -> Option<(u64, usize)> {
        let mut earliest: Option<(u64, usize)> = None;
        for ((ring, (bits, below)), first) in self.rings.iter().zip(RINGS).zip(FIRST) {
            // No bucket behind the one in which it stands has entries: round the ring they are ahead.
            if let Some((bucket, ahead)) = ring.ahead(digit(self.tick, bits, below)) {
                let begins = (self.tick >> below).saturating_add(ahead as u64) << below;
                if earliest.is_none_or(|(other, _)| begins <= other) {
                    earliest = Some((begins, first + bucket));
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
                Some(self.head(list))
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

/// The bucket of `tick` in the ring of so many bits above so many.
fn digit(tick: u64, bits: u32, below: u32) -> usize {
    (tick >> below) as usize & ((1 << bits) - 1)
}

/// Buckets of one length, 4,096 at most.
#[derive(Debug)]
struct Ring {
    /// The first entry of each.
    heads: Box<[u32]>,
    /// A bit for each that has entries,
    occupied: Box<[u64]>,
    /// and one for each word of these that is not 0.
    words: u64,
}

impl Ring {
    fn new(buckets: usize) -> Self {
        Self { heads: vec![NONE; buckets].into(), occupied: vec![0; buckets / 64].into(), words: 0 }
    }

    fn set_head(&mut self, bucket: usize, number: u32) {
        if let Some(head) = self.heads.get_mut(bucket) {
            *head = number;
        }
        if let Some(occupied) = self.occupied.get_mut(bucket / 64) {
            let bit = 1 << (bucket % 64);
            *occupied = if number == NONE { *occupied & !bit } else { *occupied | bit };
            let word = 1 << (bucket / 64);
            self.words = if *occupied == 0 { self.words & !word } else { self.words | word };
        }
    }

    /// The first bucket from `from` on, round the ring, that has entries, and how far ahead it is.
    fn ahead(&self, from: usize) -> Option<(usize, usize)> {
        let word = from / 64;
        let here = self.occupied.get(word)? & (u64::MAX << (from % 64));
        let bucket = if here != 0 {
            word * 64 + here.trailing_zeros() as usize
        } else {
            // The words behind it, then the others; its own comes last, where only buckets before `from` are left.
            let behind = self.words & u64::MAX.checked_shl(word as u32 + 1).unwrap_or(0);
            let which = if behind != 0 { behind } else { self.words }.trailing_zeros() as usize;
            which * 64 + self.occupied.get(which)?.trailing_zeros() as usize
        };
        Some((bucket, (bucket + self.heads.len() - from) % self.heads.len()))
    }
}
