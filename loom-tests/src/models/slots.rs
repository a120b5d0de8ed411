//! Slots of several scopes for one registration: G1.

use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::state::Lifecycle;
use crate::kernel::table::{Rejected, Table};
use crate::kernel::tally::Tally;
use crate::race::{self, Ground};
use crate::sync::Keyed;

const G1_BOTH: &str = "G1: the slots of both scopes are given back exactly once";
const G1_LACKS: &str = "G1: of a registration that lacks one slot none is taken";

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
    fn new(id: u8) -> Self {
        Self(Ground::new(Record { id, life: Lifecycle::new(true), tally: Tally::new(1) }))
    }

    fn halt<'a>(&'a self, slots: &'a [Tally]) -> bool {
        self.0.life.halt(1, [&self.0.tally].into_iter(), slots, || ()).first
    }

    fn finish<'a>(&'a self, slots: &'a [Tally]) -> bool {
        self.0.life.finish([&self.0.tally].into_iter(), slots, || ()).first
    }
}

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        std::slice::from_ref(&self.0.id)
    }
}

/// Where executions are known, and the slots of a tenant and of the process.
struct Registry {
    table: Table<Entry>,
    slots: [Tally; 2],
}

impl Registry {
    fn new(tenant: u64, process: u64) -> Self {
        Self { table: Table::new(2), slots: [tenant, process].map(Tally::new) }
    }

    fn register(&self, id: u8) -> Result<Entry, Rejected> {
        let entry = Entry::new(id);
        self.table.register(&self.slots, entry.clone()).map(|()| entry)
    }

    /// How many slots there are left.
    fn left(&self) -> [i64; 2] {
        self.slots.each_ref().map(|slot| slot.word().remaining())
    }
}

/// Ends the entry by a halt or a finish; true if this call did.
type End = fn(&Entry, &[Tally; 2]) -> bool;

/// One execution has the only slot of both scopes. It is halted and finished, and another registers meanwhile.
fn both(halt: End, finish: End) -> impl std::fmt::Debug {
    let registry = Registry::new(1, 1);
    let entry = registry.register(7).unwrap();
    let same = entry.clone();
    let (halted, finished, other, registry) = race::three(
        registry,
        move |registry: &Registry| halt(&entry, &registry.slots),
        move |registry: &Registry| finish(&same, &registry.slots),
        |registry| registry.register(8).map(drop),
    );
    let live = i64::from(other.is_ok());
    assert!(finished, "{G1_BOTH}: nobody else ends it");
    assert_eq!(registry.left(), [1 - live; 2], "{G1_BOTH}: {halted}, {other:?}");
    (halted, other)
}

#[test]
fn g1_the_slots_of_both_scopes_are_given_back_once() {
    model(G1_BOTH, THREE, || both(|entry, slots| entry.halt(slots), |entry, slots| entry.finish(slots)));
}

#[test]
fn g1_the_slots_of_both_scopes_are_given_back_once_twin() {
    // The tenant's by the change of the state, the process's by whoever finds that it has not ended before.
    twin(G1_BOTH, THREE, || {
        both(
            |entry, [tenant, process]| {
                let live = !entry.0.life.state().is_finished();
                let halted = entry.halt(std::slice::from_ref(tenant));
                (live && halted).then(|| process.give(1));
                halted
            },
            |entry, [tenant, process]| {
                let live = !entry.0.life.state().is_halted();
                let finished = entry.finish(std::slice::from_ref(tenant));
                (live && finished).then(|| process.give(1));
                finished
            },
        )
    });
}

/// Two registrations of a tenant that has a slot for each; the process has one.
fn lacking(register: fn(&Registry, u8) -> bool) -> impl std::fmt::Debug {
    let (a, b, registry) =
        race::two(Registry::new(2, 1), move |registry| register(registry, 7), move |registry| register(registry, 8));
    assert!(a != b, "one of the two has the slot of the process: {a}, {b}");
    assert_eq!(registry.left(), [1, 0], "{G1_LACKS}: {a}, {b}");
    assert_eq!(registry.table.len(), 1, "{G1_LACKS}, and no place");
    a
}

#[test]
fn g1_a_registration_that_lacks_one_slot_takes_none() {
    model(G1_LACKS, TWO, || lacking(|registry, id| registry.register(id).is_ok()));
}

#[test]
fn g1_a_registration_that_lacks_one_slot_takes_none_twin() {
    // Forgets the tenant's when the process has none.
    twin(G1_LACKS, TWO, || {
        lacking(|registry, id| {
            let [tenant, process] = &registry.slots;
            tenant.take(1).is_ok() && process.take(1).is_ok() && registry.table.register([], Entry::new(id)).is_ok()
        })
    });
}
