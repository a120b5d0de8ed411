//! From id to entry: at most one live registration per id, and never more entries than the table may hold.

use super::door::Stand;
use super::tally::{CLOSED, Tally};
use crate::sync::{CachePadded, Inserted, Keyed, Map};

/// Why an entry was not admitted. Nothing is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The id is taken by a live registration.
    Duplicate,
    /// The table holds as many entries as it may.
    Full,
    /// The scope of that number has no slot to give.
    NoSlot(usize),
    /// The scope of that number lets nobody in, as its door says.
    Shut(usize, Stand),
    /// The table takes no more entries, ever.
    Closed,
}

/// A capped table.
///
/// **Invariants (G1).** An id maps to one entry; entries in the table ≤ cap. Of a registration that is rejected nothing
/// remains: what it took on the way it has given back before it returns.
#[derive(Debug)]
pub(crate) struct Table<V: Keyed, B = ()> {
    entries: Map<V>,
    cap: u64,
    /// Written by every registration and every end: nobody who looks something up reads the lines of these.
    counts: CachePadded<Counts<B>>,
}

#[derive(Debug)]
#[repr(C)]
struct Counts<B> {
    room: Tally,
    beside: B,
}

impl<V: Keyed> Table<V> {
    pub(crate) fn new(cap: u64) -> Self {
        Self::with(cap, ())
    }
}

impl<V: Keyed, B> Table<V, B> {
    /// With something else that every registration writes, and that lies beside what the table itself counts.
    pub(crate) fn with(cap: u64, beside: B) -> Self {
        let counts = Counts { room: Tally::new(cap), beside };
        Self { entries: Map::new(), cap, counts: CachePadded::new(counts) }
    }

    pub(crate) fn beside(&self) -> &B {
        &self.counts.beside
    }

    pub(crate) fn get(&self, id: &[u8]) -> Option<V> {
        self.entries.get(id)
    }

    /// Takes every slot and enters `entry`, or nothing of it.
    pub(crate) fn register<'a>(
        &self,
        slots: impl IntoIterator<Item = &'a Tally, IntoIter: Clone>,
        entry: V,
    ) -> Result<(), Rejected> {
        let mut admitted = Ok(());
        // Slots and room are taken where the key is seen to be free, under the one lock of its shard: who comes with a key
        // that is taken takes nothing from others (T3), and nobody registers the same key meanwhile (G1).
        let entered = self.entries.insert_if(entry, || {
            admitted = self.admit(slots.into_iter());
            admitted.is_ok()
        });
        if entered == Inserted::Taken { Err(Rejected::Duplicate) } else { admitted }
    }

    /// Takes every slot and a place, or nothing of it.
    #[inline]
    fn admit<'a>(&self, slots: impl Iterator<Item = &'a Tally> + Clone) -> Result<(), Rejected> {
        // Looked at before the first is taken: who finds one missing keeps none of the others from anybody (T3).
        if let Some(number) = slots.clone().position(|slot| slot.word().fits(1).is_err()) {
            return Err(Rejected::NoSlot(number));
        }
        for (number, slot) in slots.clone().enumerate() {
            if slot.take(1).is_err() {
                give_back(slots.take(number));
                return Err(Rejected::NoSlot(number));
            }
        }
        if self.counts.room.take(1).is_err() {
            give_back(slots);
            return Err(self.full());
        }
        Ok(())
    }

    #[cold]
    fn full(&self) -> Rejected {
        if self.counts.room.word().flags() & CLOSED != 0 { Rejected::Closed } else { Rejected::Full }
    }

    /// Removes the entry under `id` if it is the one that `same` means; true if this call removed it.
    pub(crate) fn remove(&self, id: &[u8], same: impl FnOnce(&V) -> bool) -> bool {
        let removed = self.entries.remove_if(id, same).is_some();
        if removed {
            self.counts.room.give(1);
        }
        removed
    }

    /// How many entries it may hold.
    pub(crate) fn cap(&self) -> u64 {
        self.cap
    }

    /// How many entries it holds.
    pub(crate) fn len(&self) -> u64 {
        self.counts.room.word().used(self.cap)
    }

    pub(crate) fn entries(&self) -> Vec<V> {
        self.entries.entries()
    }

    /// Takes no more entries: a registration has come through before this, or is rejected.
    pub(crate) fn close(&self) {
        // The flag shares the word of the room that every registration takes.
        self.counts.room.mark(CLOSED);
    }

    /// Forgets every entry that it holds now.
    pub(crate) fn clear(&self) {
        for entry in self.entries.entries() {
            self.remove(entry.key(), |_| true);
        }
    }
}

#[cold]
fn give_back<'a>(slots: impl Iterator<Item = &'a Tally>) {
    slots.for_each(|slot| slot.give(1));
}
