//! Who is to be looked at when: everyone at their earliest possible moment, and nobody before.

use super::cell::Cell;
use super::wheel::Wheel;
use crate::sync::{CachePadded, Mutex};

const HIGH: u32 = 32;
const LOW: u64 = u32::MAX as u64;

/// Where somebody stands: among the timers, and in the list of whoever they belong to.
///
/// ```text
/// 63                     32 31          0
/// [ 1 + number, 0 for none ][ place, u32 ]
/// ```
///
/// **Invariant:** each half changes under the lock of its own list, and by an exchange that keeps the other.
#[derive(Debug)]
pub(crate) struct Seat(Cell);

impl Seat {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    pub(crate) fn place(&self) -> u32 {
        (self.0.load() & LOW) as u32
    }

    pub(crate) fn set_place(&self, place: u32) {
        // AcqRel (in `apply`): the other half may change meanwhile and is kept; the order is that of the list's lock.
        self.0.apply(|word| (word & !LOW | u64::from(place), ()));
    }

    fn number(&self) -> Option<u32> {
        ((self.0.load() >> HIGH) as u32).checked_sub(1)
    }

    fn set_number(&self, number: Option<u32>) {
        let number = number.map_or(0, |number| u64::from(number.wrapping_add(1)));
        // As in `set_place`.
        self.0.apply(|word| (word & LOW | number << HIGH, ()));
    }
}

/// Who can stand among the timers.
pub(crate) trait Seated: Clone {
    fn seat(&self) -> &Seat;
}

/// When somebody is to be looked at, as far as their words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Not before this.
    At(u64),
    /// At no moment, as things stand.
    Never,
    /// At no moment any more.
    Ended,
}

/// How far a caller has got with those of one shard whose moment has come.
pub(crate) type Reached = (u64, u32);

/// Everyone who has a limit of time or a pause that ends by itself, in shards, each at a moment that is not after the first
/// at which that limit may act, or the pause ends.
///
/// Words alone decide when that is, and what is done about it is decided once more on the words: a place here only says
/// whom to look at. What moves the moment on (a touch) changes words and nothing here. What brings it forward (a change of
/// limits, a resume, a pause that ends by itself) changes words and then calls [`Timers::again`] or [`Timers::enter`].
///
/// Nobody stands here before the first call of [`Timers::start`]: until then it is off, and costs a load.
///
/// **Invariants.** The words are read under the lock of the shard. So who looked at words from before a change has put
/// them back before the change comes here, and nobody is put back behind it (L1); and who enters beside their end either
/// sees that they have ended, or is there for their [`Timers::leave`] (G1). Who is due stays where they are until somebody
/// has acted: to every caller of [`Timers::due`] they are due until then, so whoever returns has seen it done (E1).
#[derive(Debug)]
pub(crate) struct Timers<V> {
    shards: Box<[Shard<V>]>,
    stage: Cell,
    /// Held by whoever starts it.
    starting: Mutex<()>,
}

/// `None` before it is on, and once it is closed.
type Shard<V> = CachePadded<Mutex<Option<Wheel<V>>>>;

const OFF: u64 = 0;
const ON: u64 = 1;
const WHOLE: u64 = 2;

impl<V: Seated> Timers<V> {
    /// With so many shards, a power of two; off.
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| CachePadded::new(Mutex::new(None))).collect(),
            stage: Cell::new(OFF),
            starting: Mutex::new(()),
        }
    }

    /// Whether it has been started. Who registers asks behind the registration, who ends asks when nobody finds them by
    /// their id any more, both under one lock; whoever changes limits does not ask, but enters in any case, and leaves.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // Acquire (in `load`): whoever was registered too late for a starter's look sees that it is on, by the lock of the
        // table, and so does whoever was taken out of the table after it; partner: `start` (E1, G1).
        self.stage.load() != OFF
    }

    /// Starts it at `now`, unless somebody has: `all` says who is registered, and those have entered when this returns.
    pub(crate) fn start(&self, now: u64, all: impl FnOnce() -> Vec<V>, when: impl Fn(&V) -> Moment) {
        // Acquire (in `load`): who sees WHOLE sees everyone in their places; partner: the last line.
        if self.stage.load() == WHOLE {
            return;
        }
        let _turn = self.starting.lock();
        if self.stage.load() == WHOLE {
            return;
        }
        for shard in &self.shards {
            shard.lock().get_or_insert_with(|| Wheel::new(now));
        }
        // AcqRel (in `apply`): before the look at who is registered, which passes the locks of the table; partner: `is_on`.
        self.stage.apply(|_| (ON, ()));
        for value in all() {
            self.enter(&value, &when);
        }
        self.stage.apply(|_| (WHOLE, ()));
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Whoever has that seat is in this shard: seats do not move.
    fn shard(&self, seat: &Seat) -> Option<&Shard<V>> {
        let address = std::ptr::from_ref(seat).addr() as u64;
        let spread = address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> HIGH;
        self.shards.get(spread as usize & self.shards.len().wrapping_sub(1))
    }

    /// Gives `value` a place at the moment that `when` says, unless it has ended; or moves it there.
    pub(crate) fn enter(&self, value: &V, when: impl FnOnce(&V) -> Moment) {
        let Some(shard) = self.shard(value.seat()) else { return };
        let mut wheel = shard.lock();
        let Some(wheel) = &mut *wheel else { return };
        // Under the lock: an end comes to `leave` behind it, or is seen here (G1).
        let at = match when(value) {
            Moment::At(at) => Some(at),
            Moment::Never => None,
            Moment::Ended => return,
        };
        let number = value.seat().number().or_else(|| wheel.insert(value.clone()).ok());
        if let Some(number) = number {
            value.seat().set_number(Some(number));
            wheel.place(number, at);
        }
    }

    /// Moves whoever has that seat to the moment that `when` says now, but not before `from`.
    pub(crate) fn again(&self, seat: &Seat, from: u64, when: impl FnOnce(&V) -> Moment) {
        let Some(shard) = self.shard(seat) else { return };
        let mut wheel = shard.lock();
        let Some(wheel) = &mut *wheel else { return };
        // Whoever has no number yet is about to enter, and says when then.
        let Some(number) = seat.number() else { return };
        // Under the lock: what has been changed before another came here is seen (L1).
        let moment = wheel.get(number).map(when);
        put(wheel, number, moment.unwrap_or(Moment::Never), from);
    }

    /// Takes whoever has that seat, and has ended, out; nothing happens to who was never there.
    #[inline(never)]
    pub(crate) fn leave(&self, seat: &Seat) {
        let Some(shard) = self.shard(seat) else { return };
        let mut wheel = shard.lock();
        let left = wheel.as_mut().and_then(|wheel| wheel.remove(seat.number()?));
        seat.set_number(None);
        drop(wheel);
        // Behind the lock: it may be the last reference.
        drop(left);
    }

    /// Looks at `most` at most of those in the shard of that index whose place has come by `now`, from `reached` on. Puts
    /// those whose moment has come into `found`, with their moment, and the others where they belong. How many it has looked
    /// at: fewer than `most` if there are no more. The last moment of the clock never comes.
    pub(crate) fn due(
        &self,
        (shard, now): (usize, u64),
        reached: &mut Reached,
        most: usize,
        found: &mut Vec<(u64, V)>,
        when: impl Fn(&V) -> Moment,
    ) -> usize {
        let Some(shard) = self.shards.get(shard) else { return 0 };
        let mut wheel = shard.lock();
        let Some(wheel) = &mut *wheel else { return 0 };
        let mut looked = 0;
        while looked < most {
            let turned = wheel.turn(now);
            let near = if turned.is_none() { wheel.near(*reached, now) } else { None };
            let Some(number) = turned.or(near.map(|(_, number)| number)) else { break };
            looked = looked.saturating_add(1);
            if let Some((at, number)) = near {
                *reached = (at, number.saturating_add(1));
            }
            // Under the lock, as in `again` (L1).
            let value = wheel.get(number);
            match (value.map_or(Moment::Ended, &when), value) {
                // It stays: until somebody has acted it is due to everyone (E1).
                (Moment::At(moment), Some(value)) if near.is_some() && moment <= now && moment < u64::MAX => {
                    found.push((moment, value.clone()));
                }
                (moment, _) => put(wheel, number, moment, 0),
            }
        }
        looked
    }

    /// Nobody's moment comes before this.
    pub(crate) fn first(&self) -> Option<u64> {
        self.shards.iter().filter_map(|shard| shard.lock().as_ref()?.first()).min()
    }

    /// How many stand here.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().as_ref().map_or(0, Wheel::len)).sum()
    }

    /// Lets everyone go; nobody enters any more.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            let wheel = shard.lock().take();
            wheel.into_iter().flat_map(Wheel::into_values).for_each(drop);
        }
    }
}

fn put<V>(wheel: &mut Wheel<V>, number: u32, moment: Moment, from: u64) {
    let at = match moment {
        Moment::At(at) => Some(at.max(from)),
        Moment::Never | Moment::Ended => None,
    };
    wheel.place(number, at);
}
