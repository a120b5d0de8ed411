//! Whoever's time comes while nobody asks: I1, L1, E1 and G1.

use std::sync::Arc;

use super::node::Node;
use crate::explore::{THREE, THREE_BOUNDED, TWO, model, twin};
use crate::kernel::activity::Activity;
use crate::kernel::cell::Cell;
use crate::kernel::table::Table;
use crate::kernel::timers::{Moment, Reached, Seat, Seated, Timers};
use crate::race;
use crate::sync::Keyed;

const I1: &str = "I1: who is touched in time is not reaped, and who is not is found";
const L1: &str = "L1: a deadline that is brought forward is found when it comes";
const E1: &str = "E1: nothing is taken once an expiry that was to find it has returned";
const E1_FIRST: &str = "E1: nobody who is registered beside the first expiry is missed";
const G1: &str = "G1: who has ended is kept nowhere";

/// A little more than a second, in nanoseconds: a bucket.
const TICK: u64 = 1 << 30;

/// An execution, as far as its time is concerned.
struct Run {
    seat: Seat,
    activity: Activity,
    deadline: Cell,
    node: Node,
}

/// Counted by the standard library's `Arc`, which the explorer does not see.
#[derive(Clone)]
struct Known(Arc<Run>);

impl Seated for Known {
    fn seat(&self) -> &Seat {
        &self.0.seat
    }
}

impl Keyed for Known {
    fn key(&self) -> &[u8] {
        b"exec"
    }
}

struct Ground {
    run: Known,
    timers: Timers<Known>,
    table: Table<Known>,
}

impl Ground {
    fn new(deadline: u64) -> Self {
        let (seat, activity, node) = (Seat::new(), Activity::new(0), Node::new());
        let run = Known(Arc::new(Run { seat, activity, deadline: Cell::new(deadline), node }));
        let ground = Self { run, timers: Timers::new(1), table: Table::new(10) };
        ground.start();
        ground
    }

    /// Where nobody has expired yet.
    fn off() -> Self {
        Self { timers: Timers::new(1), ..Self::new(5 * TICK) }
    }

    fn start(&self) {
        self.timers.start(0, || self.table.entries(), |run| until_its_end(&run.0));
    }

    fn register(&self) {
        self.table.register(None, self.run.clone()).unwrap();
    }

    /// One that waits for `moment` and no longer has to.
    fn placed(self, moment: u64) -> Self {
        self.timers.enter(&self.run, |_| Moment::At(moment));
        self
    }

    fn seat(&self) -> &Seat {
        self.run.seat()
    }

    /// Everyone whose moment has come by `now`.
    fn due(&self, now: u64, when: impl Fn(&Run) -> Moment) -> Vec<Known> {
        let (mut found, mut reached) = (Vec::new(), Reached::default());
        self.timers.due((0, now), &mut reached, usize::MAX, &mut found, |run| when(&run.0));
        found.into_iter().map(|(_, run)| run).collect()
    }

    fn again(&self, now: u64, when: impl Fn(&Run) -> Moment) {
        self.timers.again(self.seat(), now + 1, |run| when(&run.0));
    }
}

const TIMEOUT: u64 = 10 * TICK;

fn idle_from(run: &Run) -> Moment {
    let seen = run.activity.see();
    if seen.reaped() { Moment::Never } else { seen.idle_for(TIMEOUT).map_or(Moment::Never, Moment::At) }
}

/// Whether it has reaped anyone.
fn reap<const PLACED: bool>(ground: &Ground, now: u64) -> bool {
    let mut reaped = false;
    for run in ground.due(now, idle_from) {
        let seen = run.0.activity.see();
        // Its place says that it is due: to believe it is the planted bug.
        reaped |= (PLACED || seen.idle_at(now) >= TIMEOUT) && run.0.activity.reap(seen);
        ground.again(now, idle_from);
    }
    reaped
}

/// A touch at 7 beside two who expire at 11 and at 12, and ten are too long.
fn touched<const PLACED: bool>() -> impl std::fmt::Debug {
    let (touched, a, b, ground) = race::three(
        Ground::new(0).placed(TIMEOUT),
        |ground: &Ground| ground.run.0.activity.touch(7 * TICK),
        |ground: &Ground| reap::<PLACED>(ground, 11 * TICK),
        |ground| reap::<PLACED>(ground, 12 * TICK),
    );
    assert_eq!(u8::from(touched) + u8::from(a) + u8::from(b), 1, "{I1}: touched {touched}, reaped {a} and {b}");
    assert!(!reap::<false>(&ground, 17 * TICK - 1), "{I1}: not before its time");
    assert_eq!(reap::<false>(&ground, 17 * TICK), touched, "{I1}: nor forgotten");
    (touched, a)
}

#[test]
fn i1_who_is_touched_beside_an_expiry_is_not_reaped() {
    model(I1, THREE_BOUNDED, || touched::<false>());
}

#[test]
fn i1_who_is_touched_beside_an_expiry_is_not_reaped_twin() {
    // Reaps whom it finds, whatever has happened since it was found.
    twin(I1, THREE_BOUNDED, || touched::<true>());
}

fn deadline(run: &Run) -> Moment {
    Moment::At(run.deadline.load())
}

/// A deadline of 100 becomes one of 5 while somebody looks at 3, and somebody at 4.
fn brought_forward<const BEFORE: bool>() -> impl std::fmt::Debug {
    let look = |ground: &Ground, now: u64| {
        if BEFORE {
            // The words are read before the lock is taken: the planted bug.
            let moment = deadline(&ground.run.0);
            ground.timers.again(ground.seat(), 0, |_| moment);
            return 0;
        }
        ground.due(now, deadline).len()
    };
    let (_changed, a, b, ground) = race::three(
        Ground::new(100 * TICK).placed(2 * TICK),
        |ground: &Ground| {
            ground.run.0.deadline.apply(|_| (5 * TICK, ()));
            ground.timers.again(ground.seat(), 0, |run| deadline(&run.0));
        },
        move |ground: &Ground| (look(ground, 3 * TICK), ground.timers.first()),
        move |ground| (look(ground, 4 * TICK), ground.timers.first()),
    );
    assert_eq!((a.0, b.0), (0, 0), "{L1}, and not before");
    assert_eq!(ground.due(5 * TICK - 1, deadline).len(), 0, "{L1}, and not before");
    assert_eq!(ground.due(5 * TICK, deadline).len(), 1, "{L1}");
    (a.1, b.1)
}

#[test]
fn l1_a_deadline_brought_forward_beside_an_expiry_is_found() {
    model(L1, THREE, || brought_forward::<false>());
}

#[test]
fn l1_a_deadline_brought_forward_beside_an_expiry_is_found_twin() {
    // Puts it back where it belonged before the change.
    twin(L1, THREE, || brought_forward::<true>());
}

/// At its deadline, and at once if something bars it: that may not have come through yet.
fn to_halt(run: &Run) -> Moment {
    if run.node.life.state().is_halted() { Moment::At(0) } else { deadline(run) }
}

fn when_halted(run: &Run) -> Moment {
    if run.node.life.state().is_halted() { Moment::Never } else { deadline(run) }
}

/// Whether it was the first to halt.
fn halt<const OUT: bool>(ground: &Ground, now: u64) -> bool {
    let mut first = false;
    for run in ground.due(now, to_halt) {
        if OUT {
            // Taken out before anything is done: the planted bug.
            ground.timers.again(ground.seat(), 0, |_| Moment::Never);
        }
        let node = &run.0.node;
        if node.life.state().is_halted() {
            node.life.hold_still(|_| ());
        } else {
            first |= node.halt(|| ());
        }
        ground.again(now, when_halted);
    }
    first
}

/// Two who expire at once; each then asks.
fn both_return<const OUT: bool>() -> impl std::fmt::Debug {
    let call = |ground: &Ground| {
        let first = halt::<OUT>(ground, 6 * TICK);
        assert!(ground.run.0.node.barred(), "{E1}");
        first
    };
    let (a, b, ground) = race::two(Ground::new(5 * TICK).placed(5 * TICK), call, call);
    assert_eq!((u8::from(a) + u8::from(b), ground.timers.first()), (1, None), "{E1}: once");
    a
}

#[test]
fn e1_nothing_is_taken_once_an_expiry_has_returned() {
    model(E1, TWO, || both_return::<false>());
}

#[test]
fn e1_nothing_is_taken_once_an_expiry_has_returned_twin() {
    // Takes out whom it is about to halt: the other finds nobody, and returns.
    twin(E1, TWO, || both_return::<true>());
}

fn until_its_end(run: &Run) -> Moment {
    if run.node.life.state().is_finished() { Moment::Ended } else { deadline(run) }
}

/// One is entered beside its end, while somebody expires.
fn ended<const BEFORE: bool>() -> impl std::fmt::Debug {
    let (_entered, found, _left, ground) = race::three(
        Ground::new(5 * TICK),
        |ground: &Ground| {
            if BEFORE {
                // Looks whether it has ended, then enters it: the planted bug.
                let moment = until_its_end(&ground.run.0);
                ground.timers.enter(&ground.run, |_| moment);
            } else {
                ground.timers.enter(&ground.run, |run| until_its_end(&run.0));
            }
        },
        |ground: &Ground| ground.due(6 * TICK, until_its_end).len(),
        |ground| {
            let node = &ground.run.0.node;
            let ended = node.life.finish(node.words(), None, || ());
            ground.timers.leave(ground.seat());
            assert!(ended.first);
        },
    );
    assert_eq!((ground.timers.len(), ground.timers.first()), (0, None), "{G1}");
    assert_eq!(Arc::strong_count(&ground.run.0), 1, "{G1}");
    found
}

#[test]
fn g1_who_has_ended_is_kept_by_no_timer() {
    model(G1, THREE, || ended::<false>());
}

#[test]
fn g1_who_has_ended_is_kept_by_no_timer_twin() {
    // Enters it although it has ended meanwhile.
    twin(G1, THREE, || ended::<true>());
}

/// One is registered beside the first who expires.
fn registered<const BEFORE: bool>() -> impl std::fmt::Debug {
    let (entered, found, ground) = race::two(
        Ground::off(),
        |ground: &Ground| {
            // To ask before it can be found is the planted bug.
            let was_on = ground.timers.is_on();
            ground.register();
            let on = if BEFORE { was_on } else { ground.timers.is_on() };
            if on {
                ground.timers.enter(&ground.run, |run| until_its_end(&run.0));
            }
            on
        },
        |ground| {
            ground.start();
            ground.due(6 * TICK, until_its_end).len()
        },
    );
    assert_eq!(ground.due(6 * TICK, until_its_end).len(), 1, "{E1_FIRST}");
    (entered, found)
}

#[test]
fn e1_nobody_registered_beside_the_first_expiry_is_missed() {
    model(E1_FIRST, TWO, || registered::<false>());
}

#[test]
fn e1_nobody_registered_beside_the_first_expiry_is_missed_twin() {
    // Looks whether anybody expires, then registers.
    twin(E1_FIRST, TWO, || registered::<true>());
}

/// One ends beside the first who expires.
fn ended_first<const BEFORE: bool>() -> impl std::fmt::Debug {
    let ground = Ground::off();
    ground.register();
    let (_started, left, ground) = race::two(
        ground,
        |ground: &Ground| ground.start(),
        |ground| {
            let node = &ground.run.0.node;
            assert!(node.life.finish(node.words(), None, || ()).first);
            // To ask while it can still be found is the planted bug.
            let was_on = ground.timers.is_on();
            ground.table.remove(b"exec", |_| true);
            let on = if BEFORE { was_on } else { ground.timers.is_on() };
            if on {
                ground.timers.leave(ground.seat());
            }
            on
        },
    );
    assert_eq!((ground.timers.len(), Arc::strong_count(&ground.run.0)), (0, 1), "{G1}");
    left
}

#[test]
fn g1_who_ends_beside_the_first_expiry_is_kept_by_no_timer() {
    model(G1, TWO, || ended_first::<false>());
}

#[test]
fn g1_who_ends_beside_the_first_expiry_is_kept_by_no_timer_twin() {
    // Looks whether anybody expires, then takes it out of the table.
    twin(G1, TWO, || ended_first::<true>());
}
