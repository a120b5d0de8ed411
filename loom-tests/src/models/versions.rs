//! Values that are replaced in place: L1.

use crate::explore::{TWO, TWO_BOUNDED, model, twin};
use crate::kernel::arena::Arena;
use crate::kernel::bound::Bound;
use crate::kernel::cell::Cell;
use crate::kernel::tally::Tally;
use crate::kernel::versions::Versions;
use crate::race;
use crate::sync::RwLock;

const L1_ROOM: &str = "L1: a version is read only once it is published";
const L1_PLACE: &str = "L1: a value is read with the words that are moved with it";
const L1_BESIDE: &str = "L1: a limit and what belongs to it are read of one version";

/// A value of which no more versions are kept than need be.
trait Replaced: Send + Sync + 'static {
    /// The value is 1.
    fn new() -> Self;
    /// Callers take turns.
    fn change(&self, to: u64);
    fn get(&self) -> u64;
}

impl Replaced for Versions<u64, 1> {
    fn new() -> Self {
        let versions = Versions::new(0);
        versions.change(1, || ());
        versions
    }

    fn change(&self, to: u64) {
        Versions::change(self, to, || ());
    }

    fn get(&self) -> u64 {
        *Versions::get(self).unwrap()
    }
}

/// Two rooms in turns; whoever reads does not look again whether its room is still the current one.
struct Unchecked {
    rooms: Arena<RwLock<u64>>,
    current: Cell,
}

impl Replaced for Unchecked {
    fn new() -> Self {
        let rooms = Arena::new();
        assert!(rooms.put(0, RwLock::new(1)) && rooms.put(1, RwLock::new(0)));
        Self { rooms, current: Cell::new(0) }
    }

    fn change(&self, to: u64) {
        let next = 1 - self.current.load();
        // Somebody holds it: then there would be a third.
        if let Some(mut room) = self.rooms.get(next as u32).unwrap().try_write() {
            *room = to;
            drop(room);
            self.current.apply(|_| (next, ()));
        }
    }

    fn get(&self) -> u64 {
        loop {
            let room = self.rooms.get(self.current.load() as u32).unwrap().try_read();
            if let Some(room) = room {
                return *room;
            }
            crate::sync::yield_now();
        }
    }
}

/// Two changes, the second of which comes to where the value was, while somebody reads twice.
fn replaced<R: Replaced>() -> impl std::fmt::Debug {
    let ((), seen, value) = race::two(
        R::new(),
        |value: &R| {
            value.change(2);
            value.change(3);
        },
        |value| [value.get(), value.get()],
    );
    let [one, other] = seen;
    assert!((1..=3).contains(&one) && one <= other && other <= 3, "{L1_ROOM}: {one}, then {other}");
    assert!(value.get() >= other, "{L1_ROOM}: {other}, then {}", value.get());
    seen
}

#[test]
fn l1_a_version_is_read_only_once_it_is_published() {
    model(L1_ROOM, TWO, || replaced::<Versions<u64, 1>>());
}

#[test]
fn l1_a_version_is_read_only_once_it_is_published_twin() {
    twin(L1_ROOM, TWO, || replaced::<Unchecked>());
}

/// A value that is replaced together with a word that is always the same number.
trait Moved: Send + Sync + 'static {
    /// Both are 1.
    fn new() -> Self;
    /// Callers take turns.
    fn change(&self, to: u64);
    /// The value, and the word.
    fn read(&self) -> (u64, u64);
}

impl Moved for (Versions<u64, 1>, Cell) {
    fn new() -> Self {
        let versions: Versions<u64, 1> = Replaced::new();
        // Behind more changes than its number has bits: each has another one all the same.
        (0..32).for_each(|_| versions.change(1, || ()));
        (versions, Cell::new(1))
    }

    fn change(&self, to: u64) {
        let (versions, word) = self;
        versions.change(to, || word.apply(|_| (to, ())));
    }

    fn read(&self) -> (u64, u64) {
        let (versions, word) = self;
        versions.read(|value| (*value, word.load())).unwrap()
    }
}

/// Two rooms in turns, of which whoever reads remembers the place and no number.
struct ByPlace {
    rooms: Arena<RwLock<u64>>,
    /// The place, and whether the word is being moved.
    current: Cell,
    word: Cell,
}

impl Moved for ByPlace {
    fn new() -> Self {
        let rooms = Arena::new();
        assert!(rooms.put(0, RwLock::new(1)) && rooms.put(1, RwLock::new(0)));
        Self { rooms, current: Cell::new(0), word: Cell::new(1) }
    }

    fn change(&self, to: u64) {
        let next = 1 - (self.current.load() >> 1);
        // Somebody holds it: then there would be a third.
        if let Some(mut room) = self.rooms.get(next as u32).unwrap().try_write() {
            *room = to;
            drop(room);
            self.current.apply(|word| (word | 1, ()));
            self.word.apply(|_| (to, ()));
            self.current.apply(|_| (next << 1, ()));
        }
    }

    fn read(&self) -> (u64, u64) {
        loop {
            let before = self.current.load();
            let place = self.current.load() >> 1;
            if let Some(room) = self.rooms.get(place as u32).unwrap().try_read() {
                let seen = (*room, self.word.load());
                if before & 1 == 0 && self.current.load() == before {
                    return seen;
                }
            }
            crate::sync::yield_now();
        }
    }
}

/// Two changes, the second of which comes to where the value was, while somebody reads it and its word.
fn moved<M: Moved>() -> impl std::fmt::Debug {
    let ((), seen, _) = race::two(
        M::new(),
        |value: &M| {
            value.change(2);
            value.change(3);
        },
        M::read,
    );
    assert!((1..=3).any(|version| seen == (version, version)), "{L1_PLACE}: {seen:?}");
    seen
}

#[test]
fn l1_a_version_in_an_earlier_ones_place_is_another() {
    model(L1_PLACE, TWO_BOUNDED, || moved::<(Versions<u64, 1>, Cell)>());
}

#[test]
fn l1_a_version_in_an_earlier_ones_place_is_another_twin() {
    twin(L1_PLACE, TWO_BOUNDED, || moved::<ByPlace>());
}

/// A limit and what belongs to it, which is the same number.
trait Belonging: Send + Sync + 'static {
    fn change(&self, tally: &Tally, limit: u64);
    fn read(&self, tally: &Tally) -> (u64, u64, u64);
}

impl Belonging for Bound<1> {
    fn change(&self, tally: &Tally, limit: u64) {
        Bound::change(self, tally, limit, [limit]);
    }

    fn read(&self, tally: &Tally) -> (u64, u64, u64) {
        let (limit, [beside], word) = Bound::read(self, tally);
        (limit, beside, word.used(limit))
    }
}

/// Moves what belongs to a limit when the limit has moved.
struct Behind {
    limit: Bound,
    beside: Cell,
}

impl Belonging for Behind {
    fn change(&self, tally: &Tally, limit: u64) {
        self.limit.change(tally, limit, []);
        self.beside.apply(|_| (limit, ()));
    }

    fn read(&self, tally: &Tally) -> (u64, u64, u64) {
        let (limit, [], word) = self.limit.read(tally);
        (limit, self.beside.load(), word.used(limit))
    }
}

/// A limit of 9, of which 2 are used, falls to 4 while somebody reads.
fn belonging<B: Belonging>(limit: B) -> impl std::fmt::Debug {
    let tally = Tally::new(9);
    tally.take(2).unwrap();
    let ((), seen, _) = race::two(
        (limit, tally),
        |(limit, tally): &(B, Tally)| limit.change(tally, 4),
        |(limit, tally)| limit.read(tally),
    );
    assert!(matches!(seen, (9, 9, 2) | (4, 4, 2)), "{L1_BESIDE}: {seen:?}");
    seen
}

#[test]
fn l1_a_limit_and_what_belongs_to_it_are_of_one_version() {
    model(L1_BESIDE, TWO_BOUNDED, || belonging(Bound::new(9, [9])));
}

#[test]
fn l1_a_limit_and_what_belongs_to_it_are_of_one_version_twin() {
    twin(L1_BESIDE, TWO_BOUNDED, || belonging(Behind { limit: Bound::new(9, []), beside: Cell::new(9) }));
}
