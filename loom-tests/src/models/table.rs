//! Registration and its slot: G1.

use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::state::Lifecycle;
use crate::kernel::table::{Rejected, Table};
use crate::kernel::tally::Tally;
use crate::race::{self, Ground};
use crate::sync::{Inserted, Keyed, Map};

const G1_SLOT: &str = "G1: a slot is taken and given back exactly once";
const G1_HALT: &str = "G1: who is told of a halt finds the slot free";
const G1_ONE: &str = "G1: at most one registration lives per id";
const G1_REST: &str = "G1: of a rejected registration nothing remains";

/// An execution as its table has it.
#[derive(Debug, Clone)]
struct Entry(Ground<Record>);

#[derive(Debug)]
struct Record {
    id: u8,
    life: Lifecycle,
    tally: Tally,
}

impl Entry {
    fn new(id: u8, slot: bool) -> Self {
        Self(Ground::new(Record { id, life: Lifecycle::new(slot), tally: Tally::new(1) }))
    }

    fn is(&self, other: &Self) -> bool {
        Ground::ptr_eq(&self.0, &other.0)
    }
}

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        std::slice::from_ref(&self.0.id)
    }
}

/// Halts or finishes the entry; true if this call changed its state.
type End = fn(&Entry, &Tally) -> bool;

struct Registry {
    table: Table<Entry>,
    slots: Tally,
}

impl Registry {
    fn new(slots: u64) -> Self {
        Self { table: Table::new(2), slots: Tally::new(slots) }
    }

    fn register(&self, entry: Entry) -> Result<(), Rejected> {
        self.table.register([&self.slots], entry)
    }
}

/// One execution holds the only slot; it is halted and finished and registered again, all at once.
fn slot(slot_bit: bool, halt: End, finish: End) -> impl std::fmt::Debug {
    let registry = Registry::new(1);
    let entry = Entry::new(7, slot_bit);
    registry.register(entry.clone()).unwrap();
    let same = entry.clone();
    let (halted, finished, again, registry) = race::three(
        registry,
        move |registry: &Registry| halt(&entry, &registry.slots),
        move |registry: &Registry| {
            let finished = finish(&same, &registry.slots);
            finished && registry.table.remove(same.key(), |found| found.is(&same))
        },
        |registry| registry.register(Entry::new(7, true)),
    );
    assert!(finished, "{G1_SLOT}: the one that finished it takes it out, {halted}");
    let live = u64::from(again.is_ok());
    assert_eq!(registry.slots.word().remaining(), 1 - live as i64, "{G1_SLOT}: {halted}, {again:?}");
    assert_eq!(registry.table.len(), live, "{G1_SLOT}, as is its place in the table");
    assert_eq!(registry.table.get(&[7]).is_some(), again.is_ok(), "{G1_SLOT}, as is its id");
    (halted, again)
}

#[test]
fn g1_a_slot_is_taken_and_given_back_once() {
    model(G1_SLOT, THREE, || {
        slot(
            true,
            |entry, slots| entry.0.life.halt(1, [&entry.0.tally].into_iter(), [slots], || ()).first,
            |entry, slots| entry.0.life.finish([&entry.0.tally].into_iter(), [slots], || ()).first,
        )
    });
}

#[test]
fn g1_a_slot_is_taken_and_given_back_once_twin() {
    // Who halts gives the slot back unless it has been finished, and who finishes unless it has been halted.
    twin(G1_SLOT, THREE, || {
        slot(
            false,
            |entry, slots| {
                let first = !entry.0.life.state().is_finished();
                let halted = entry.0.life.halt(1, [&entry.0.tally].into_iter(), [], || ()).first;
                (first && halted).then(|| slots.give(1));
                halted
            },
            |entry, slots| {
                let first = !entry.0.life.state().is_halted();
                let finished = entry.0.life.finish([&entry.0.tally].into_iter(), [], || ()).first;
                (first && finished).then(|| slots.give(1));
                finished
            },
        )
    });
}

/// One execution holds the only slot; it is halted twice, and each caller then looks at the slots.
fn halted(slot_bit: bool, halt: End) -> impl std::fmt::Debug {
    let registry = Registry::new(1);
    let entry = Entry::new(7, slot_bit);
    registry.register(entry.clone()).unwrap();
    let same = entry.clone();
    let halt_and_look = move |entry: &Entry, registry: &Registry| {
        let first = halt(entry, &registry.slots);
        (first, registry.slots.word().remaining())
    };
    let (a, b, _) = race::two(
        registry,
        move |registry: &Registry| halt_and_look(&entry, registry),
        move |registry| halt_and_look(&same, registry),
    );
    assert_eq!((a.1, b.1), (1, 1), "{G1_HALT}: {a:?}, {b:?}");
    a.0
}

#[test]
fn g1_a_halt_that_has_returned_has_freed_the_slot() {
    model(G1_HALT, TWO, || {
        halted(true, |entry, slots| entry.0.life.halt(1, [&entry.0.tally].into_iter(), [slots], || ()).first)
    });
}

#[test]
fn g1_a_halt_that_has_returned_has_freed_the_slot_twin() {
    // Gives the slot back behind the lock: who comes second may be told before.
    twin(G1_HALT, TWO, || {
        halted(false, |entry, slots| {
            let first = entry.0.life.halt(1, [&entry.0.tally].into_iter(), [], || ()).first;
            first.then(|| slots.give(1));
            first
        })
    });
}

/// Two registrations of one id.
fn one<T: Send + Sync + 'static>(
    table: T,
    register: fn(&T, Entry) -> bool,
    get: fn(&T) -> Option<Entry>,
) -> impl std::fmt::Debug {
    let (mine, yours) = (Entry::new(7, true), Entry::new(7, true));
    let (first, second) = (mine.clone(), yours.clone());
    let (a, b, table) = race::two(table, move |table| register(table, first), move |table| register(table, second));
    let found = get(&table).map(|entry| (entry.is(&mine), entry.is(&yours)));
    assert!(a != b, "{G1_ONE}: {a}, {b}");
    assert_eq!(found, Some((a, b)), "{G1_ONE}, the one that was told so");
    a
}

#[test]
fn g1_at_most_one_registration_lives_per_id() {
    model(G1_ONE, TWO, || {
        one(Registry::new(2), |registry, entry| registry.register(entry).is_ok(), |registry| registry.table.get(&[7]))
    });
}

#[test]
fn g1_at_most_one_registration_lives_per_id_twin() {
    // Looks whether the id is free, and then writes over whatever is there.
    twin(G1_ONE, TWO, || {
        one(
            Map::new(),
            |map, entry| {
                let free = map.get(&[7]).is_none();
                while free && map.insert_if(entry.clone(), || true) != Inserted::Done {
                    map.remove_if(&[7], |_| true);
                }
                free
            },
            |map| map.get(&[7]),
        )
    });
}

/// Two registrations of one id, and one of another, for which there is a place and a slot however it goes.
fn rejected(register: fn(&Registry, Entry) -> Result<(), Rejected>) -> impl std::fmt::Debug {
    let registry = Registry::new(3);
    let (a, b, registry) = race::two(
        registry,
        move |registry| register(registry, Entry::new(7, true)),
        move |registry| register(registry, Entry::new(7, true)),
    );
    assert!(a.is_ok() != b.is_ok(), "one of the two is a duplicate: {a:?}, {b:?}");
    assert_eq!(registry.slots.word().remaining(), 2, "{G1_REST}: slots");
    assert_eq!(registry.table.len(), 1, "{G1_REST}: places");
    assert_eq!(registry.register(Entry::new(8, true)), Ok(()), "{G1_REST}: the next one is admitted");
    (a, b)
}

#[test]
fn g1_a_rejected_registration_leaves_nothing() {
    model(G1_REST, TWO, || rejected(Registry::register));
}

#[test]
fn g1_a_rejected_registration_leaves_nothing_twin() {
    // Takes the slot when it looks, and forgets it when the id turns out to be taken.
    twin(G1_REST, TWO, || {
        rejected(|registry, entry| {
            if registry.table.get(entry.key()).is_some() {
                return Err(Rejected::Duplicate);
            }
            registry.slots.take(1).map_err(|_| Rejected::NoSlot(0))?;
            registry.table.register([], entry)
        })
    });
}
