//! Steps that are counted apart because others take from their tally, too: C1, S1, T3.

use crate::explore::{THREE_BOUNDED, model, twin};
use crate::kernel::bundle::{Bundle, Leg};
use crate::kernel::meter::Meter;
use crate::kernel::tally::{METERED, Tally};
use crate::race;

const C1: &str = "C1: a step is metered once, whenever the metering begins";
const S1: &str = "S1: steps never look fewer than have begun";
const T3: &str = "T3: steps of others that do not stay never look begun";

const LIMIT: u64 = 9;

/// The steps of one scope.
struct Steps {
    tally: Tally,
    meter: Meter,
}

impl Steps {
    /// Two have begun.
    fn new() -> Self {
        let steps = Self { tally: Tally::new(LIMIT), meter: Meter::new() };
        steps.tally.take(2).unwrap();
        steps
    }

    fn count(&self, amount: u64) {
        assert!(!self.meter.add(amount).late, "nothing closes it");
    }

    /// Counts what the tally says, then sets the flag on the very word that was counted.
    fn meter(&self) {
        let (mut seen, mut counted) = (self.tally.word(), 0);
        while seen.flags() & METERED == 0 {
            self.count(seen.used(LIMIT) - counted);
            counted = seen.used(LIMIT);
            match self.tally.mark_seen(seen, METERED) {
                Ok(()) => return,
                Err(word) => seen = word,
            }
        }
    }

    /// Sets the flag, then counts what the tally said before.
    fn flag_first(&self) {
        self.count(self.tally.mark(METERED).used(LIMIT));
    }

    /// Takes a step of its own, which stays.
    fn take(&self) {
        if self.tally.take(1).unwrap().flags() & METERED != 0 {
            self.count(1);
        }
    }

    /// Looks at the flag, then takes.
    fn look_then_take(&self) {
        let metered = self.tally.word().flags() & METERED != 0;
        self.tally.take(1).unwrap();
        if metered {
            self.count(1);
        }
    }

    /// What has begun.
    fn begun(&self) -> u64 {
        let word = self.tally.word();
        if word.flags() & METERED == 0 { word.used(LIMIT) } else { self.meter.read() }
    }
}

/// The metering begins while two others take steps.
fn metered(take: fn(&Steps)) -> impl std::fmt::Debug {
    let ((), (), seen, steps) = race::three(Steps::new(), Steps::meter, take, move |steps: &Steps| {
        take(steps);
        steps.tally.word().flags()
    });
    assert_eq!((steps.meter.read(), steps.begun()), (4, 4), "{C1}: {seen}");
    seen
}

#[test]
fn c1_steps_are_metered_exactly_once() {
    model(C1, THREE_BOUNDED, || metered(Steps::take));
}

#[test]
fn c1_steps_are_metered_exactly_once_twin() {
    twin(C1, THREE_BOUNDED, || metered(Steps::look_then_take));
}

/// The metering begins while somebody takes a step and somebody looks twice.
fn begun(meter: fn(&Steps)) -> impl std::fmt::Debug {
    let ((), own, seen, steps) = race::three(
        Steps::new(),
        meter,
        |steps: &Steps| {
            steps.take();
            steps.begun()
        },
        |steps| [steps.begun(), steps.begun()],
    );
    let [first, second] = seen;
    assert!(first >= 2 && second >= first && own == 3, "{S1}: {seen:?}, {own} behind the third");
    assert_eq!(steps.begun(), 3, "{S1}: at rest");
    seen
}

#[test]
fn s1_steps_never_look_fewer_than_have_begun() {
    model(S1, THREE_BOUNDED, || begun(Steps::meter));
}

#[test]
fn s1_steps_never_look_fewer_than_have_begun_twin() {
    twin(S1, THREE_BOUNDED, || begun(Steps::flag_first));
}

/// Two demands of a child of which one gets its last step; each takes from its parent first.
fn undone(look: fn(&Steps) -> u64) -> impl std::fmt::Debug {
    let parent = Steps::new();
    parent.meter();
    let take = |(parent, own): &(Steps, Tally)| {
        let leg = |tally| Leg { tally, amount: 1, observed: false, first: false };
        let legs = [leg(&parent.tally)];
        let bundle = Bundle { legs: &legs, rates: &[], last: Some(leg(own)), activity: None, now_ns: 0 };
        let taken = bundle.take(&mut [], |_| ()).is_ok();
        if taken {
            parent.count(1);
        }
        taken
    };
    let (a, b, seen, ground) =
        race::three((parent, Tally::new(1)), take, take, move |(parent, _): &(Steps, Tally)| look(parent));
    assert!(a != b, "one of the two gets the step: {a}, {b}");
    assert!(matches!(seen, 2 | 3), "{T3}: {seen}");
    let parent = &ground.0;
    assert_eq!((parent.begun(), parent.tally.word().used(LIMIT)), (3, 3), "{T3}: at rest");
    (a, seen)
}

#[test]
fn t3_undone_steps_of_others_never_look_begun() {
    model(T3, THREE_BOUNDED, || undone(Steps::begun));
}

#[test]
fn t3_undone_steps_of_others_never_look_begun_twin() {
    // Takes what is used for what has begun.
    twin(T3, THREE_BOUNDED, || undone(|steps| steps.tally.word().used(LIMIT)));
}
