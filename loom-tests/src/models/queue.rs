//! Those who wait in line: W1 and F1, and E1 where the first in line meets a halt.
//!
//! Nobody really sleeps here: who would go to sleep says so, and at the end nobody may be asleep who has room and was not
//! woken. So a lost wake-up is a broken assertion, and not a model that hangs.

use std::sync::{Arc, OnceLock};
use std::task::Wake;

use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Paced, Rate, Tat};
use crate::kernel::queue::{Found, Queue, Ticket, Turn};
use crate::kernel::tally::{HALTED, Refusal, Tally, WAITERS};
use crate::race;
use crate::sync::Waker;

const W1_FREED: &str = "W1: room that is freed wakes who waits for it";
const W1_LEFT: &str = "W1: who leaves the line lets the next one know";
const W1_STATE: &str = "W1: a change of state wakes who waits";
const W1_QUIT: &str = "W1: who leaves a list takes nobody else's call with it";
const W1_RATE: &str = "W1: what comes back to a rate wakes who waits for it";
const F1_OVERTAKEN: &str = "F1: nobody who does not wait overtakes who does";
const F1_ORDER: &str = "F1: the first in line is served first";
const E1_FIRST: &str = "E1: the first in line passes no halt";

/// Remembers that it was called. The explorer does not see it: it is looked at when everyone is done.
#[derive(Default)]
pub(super) struct Bell(OnceLock<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.get_or_init(|| ());
    }
}

impl Bell {
    pub(super) fn rung(&self) -> bool {
        self.0.get().is_some()
    }
}

/// How somebody's turn went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    Served,
    /// It has looked, and sleeps.
    Asleep,
    /// It is not the first, and sleeps.
    Behind,
}

/// A scope with one counter, and those who wait for it.
struct Scope {
    tally: Tally,
    line: Queue,
    bells: [Arc<Bell>; 2],
    /// Plants a bug: the mark comes behind the look.
    late: bool,
    /// Plants a bug: any in line may look.
    crowd: bool,
}

impl Scope {
    /// `used` of `limit` is used.
    fn of(limit: u64, used: u64) -> Self {
        let tally = Tally::new(limit);
        tally.take(used).unwrap();
        Self { tally, line: Queue::new(), bells: Default::default(), late: false, crowd: false }
    }

    fn waker(&self, who: usize) -> Waker {
        Waker::from(Arc::clone(&self.bells[who]))
    }

    fn mark(&self) -> bool {
        !self.tally.mark(WAITERS).has_waiters()
    }

    fn join(&self, who: usize) -> Ticket {
        self.line.join(self.waker(who), 1, || {
            if !self.late {
                self.mark();
            }
        })
    }

    fn leave(&self, ticket: Ticket) -> Option<Waker> {
        self.line.leave(ticket, |_all| self.tally.unmark(WAITERS))
    }

    /// One turn in line; who is served leaves, and wakes the next.
    fn turn(&self, who: usize, ticket: Ticket, amount: u64) -> Went {
        let look = || match self.tally.take_first(amount) {
            Ok(_) => Found::Something(true),
            Err(_) => Found::Nothing(false),
        };
        let turn = if self.crowd {
            Turn::Looked(self.tally.take_first(amount).is_ok())
        } else {
            self.line.turn(ticket, self.waker(who), || !self.late && self.mark(), look)
        };
        if self.late {
            self.mark();
        }
        match turn {
            Turn::Looked(true) => {
                wake(self.leave(ticket));
                Went::Served
            }
            Turn::Looked(false) => Went::Asleep,
            Turn::Behind => Went::Behind,
        }
    }

    fn give(&self, amount: u64) {
        if self.tally.settle(amount, 0).after.has_waiters() {
            wake(self.line.first());
        }
    }

    fn remaining(&self) -> i64 {
        self.tally.word().remaining()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Somebody comes to wait while what it waits for is freed.
fn freed(scope: Scope) -> impl std::fmt::Debug {
    let wait = |scope: &Scope| {
        let ticket = scope.join(0);
        (scope.turn(0, ticket, 1), ticket)
    };
    let ((went, ticket), (), scope) = race::two(scope, wait, |scope: &Scope| scope.give(1));
    match went {
        Went::Served => assert_eq!(scope.remaining(), 0, "{W1_FREED}"),
        Went::Asleep | Went::Behind => {
            assert!(scope.bells[0].rung(), "{W1_FREED}: it sleeps, and {} remains", scope.remaining());
            assert_eq!(scope.turn(0, ticket, 1), Went::Served, "{W1_FREED}, and is served");
        }
    }
    assert!(!scope.tally.word().has_waiters(), "{W1_FREED}, and nothing stays barred");
    went
}

#[test]
fn w1_freed_room_wakes_who_waits() {
    model(W1_FREED, TWO, || freed(Scope::of(1, 1)));
}

#[test]
fn w1_freed_room_wakes_who_waits_twin() {
    twin(W1_FREED, TWO, || freed(Scope { late: true, ..Scope::of(1, 1) }));
}

type Leave = fn(&Scope, Ticket);

fn leave(scope: &Scope, ticket: Ticket) {
    wake(scope.leave(ticket));
}

fn leave_silently(scope: &Scope, ticket: Ticket) {
    let _taken_along = scope.leave(ticket);
}

/// The first in line is dropped while room is freed, and the second looks.
fn left(leave: Leave) -> impl std::fmt::Debug {
    let scope = Scope::of(1, 1);
    let (first, second) = (scope.join(0), scope.join(1));
    let ((), (), went, scope) = race::three(
        scope,
        move |scope: &Scope| leave(scope, first),
        |scope: &Scope| scope.give(1),
        move |scope: &Scope| scope.turn(1, second, 1),
    );
    if went != Went::Served {
        assert!(scope.bells[1].rung(), "{W1_LEFT}: it sleeps, and {} remains", scope.remaining());
        assert_eq!(scope.turn(1, second, 1), Went::Served, "{W1_LEFT}, and it is served");
    }
    assert!(!scope.tally.word().has_waiters(), "{W1_LEFT}, and nothing stays barred");
    (went, scope.bells[0].rung())
}

#[test]
fn w1_who_leaves_lets_the_next_one_know() {
    model(W1_LEFT, THREE, || left(leave));
}

#[test]
fn w1_who_leaves_lets_the_next_one_know_twin() {
    twin(W1_LEFT, THREE, || left(leave_silently));
}

/// Somebody comes to wait among those of its execution, and looks, while that is halted; `early` puts it there before.
fn halted(early: bool) -> impl std::fmt::Debug {
    let wait = move |scope: &Scope| {
        let look = || scope.tally.take(1) == Err(Refusal::Barred);
        let join = || scope.line.join(scope.waker(0), 0, || ());
        if early {
            join();
            return look();
        }
        let seen = look();
        join();
        seen
    };
    let halt = |scope: &Scope| {
        let _before = scope.tally.mark(HALTED);
        let woken = scope.line.everyone();
        let count = woken.len();
        woken.into_iter().for_each(Waker::wake);
        count
    };
    let (seen, woken, scope) = race::two(Scope::of(1, 1), wait, halt);
    assert!(seen || scope.bells[0].rung(), "{W1_STATE}: it sleeps");
    (seen, woken)
}

#[test]
fn w1_a_change_of_state_wakes_who_waits() {
    model(W1_STATE, TWO, || halted(true));
}

#[test]
fn w1_a_change_of_state_wakes_who_waits_twin() {
    twin(W1_STATE, TWO, || halted(false));
}

/// The first of two who watch is dropped while their execution is halted, and the second is the one to be told.
fn quitted(quit: fn(&Queue, Ticket)) -> impl std::fmt::Debug {
    let scope = Scope::of(1, 1);
    let [first, second] = [0, 1].map(|who| scope.line.join(scope.waker(who), 0, || ()));
    let watch = move |scope: &Scope| {
        // A second look, as whoever watches for long takes it.
        scope.line.stand(second, scope.waker(1));
        scope.tally.take(1) == Err(Refusal::Barred)
    };
    let halt = |scope: &Scope| {
        let _before = scope.tally.mark(HALTED);
        scope.line.everyone().into_iter().for_each(Waker::wake);
    };
    let ((), seen, (), scope) = race::three(scope, move |scope: &Scope| quit(&scope.line, first), watch, halt);
    assert!(seen || scope.bells[1].rung(), "{W1_QUIT}: it sleeps");
    (seen, scope.bells[0].rung())
}

#[test]
fn w1_who_leaves_a_list_takes_no_other_call_with_it() {
    model(W1_QUIT, THREE, || quitted(Queue::quit));
}

#[test]
fn w1_who_leaves_a_list_takes_no_other_call_with_it_twin() {
    let leave = |list: &Queue, ticket| {
        let _taken_along = list.leave(ticket, |_all| ());
    };
    twin(W1_QUIT, THREE, move || quitted(leave));
}

const RATE: Rate = Rate { interval: 10, scale: 1, burst: 1 };

/// A rate, all of which was taken at 0 by somebody who gives it back.
struct Paces {
    tat: Tat,
    line: Queue,
    taken: Paced,
    bell: Arc<Bell>,
    /// Plants a bug: who gives back looks for who waits behind no lock.
    unlocked: Option<Cell>,
}

impl Paces {
    fn of(unlocked: bool) -> Self {
        let tat = Tat::new(&RATE, 0);
        let taken = tat.take(&RATE, 0, 1).unwrap();
        Self { tat, line: Queue::new(), taken, bell: Arc::default(), unlocked: unlocked.then(|| Cell::new(10)) }
    }

    fn give_back(&self) {
        match &self.unlocked {
            None => wake(self.tat.undo(self.taken, &self.line)),
            Some(tat) => {
                tat.apply(|_| (0, ()));
                if !self.line.is_empty() {
                    wake(self.line.first());
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        match &self.unlocked {
            None => self.tat.look(&RATE, 0, 1).is_ok(),
            Some(tat) => tat.load() == 0,
        }
    }
}

/// Somebody comes to wait for a rate while another gives it back.
fn refunded(unlocked: bool) -> impl std::fmt::Debug {
    let wait = |paces: &Paces| {
        let waker = || Waker::from(Arc::clone(&paces.bell));
        let ticket = paces.line.join(waker(), 0, || ());
        let look = || if paces.has_room() { Found::Something(true) } else { Found::Nothing(false) };
        paces.line.turn(ticket, waker(), || false, look) == Turn::Looked(true)
    };
    let (seen, (), paces) = race::two(Paces::of(unlocked), wait, Paces::give_back);
    assert!(seen || paces.bell.rung(), "{W1_RATE}: it sleeps, and there is room: {}", paces.has_room());
    seen
}

#[test]
fn w1_what_comes_back_to_a_rate_wakes_who_waits() {
    model(W1_RATE, TWO, || refunded(false));
}

#[test]
fn w1_what_comes_back_to_a_rate_wakes_who_waits_twin() {
    twin(W1_RATE, TWO, || refunded(true));
}

type Take = fn(&Tally) -> Result<(), Refusal>;

fn take(tally: &Tally) -> Result<(), Refusal> {
    tally.take(1).map(|_| ())
}

fn push_in(tally: &Tally) -> Result<(), Refusal> {
    tally.take_first(1).map(|_| ())
}

/// Room is freed for the one in line, while somebody asks who does not wait.
fn overtaken(take: Take) -> impl std::fmt::Debug {
    let scope = Scope::of(2, 2);
    let ticket = scope.join(0);
    let serve = move |scope: &Scope| {
        // One after the other: what is left of the first is waited for as well.
        scope.give(1);
        scope.give(1);
        scope.turn(0, ticket, 2)
    };
    let (went, asked, scope) = race::two(scope, serve, move |scope: &Scope| take(&scope.tally));
    assert_eq!(went, Went::Served, "{F1_OVERTAKEN}: {asked:?}");
    assert_eq!(scope.remaining(), 0, "{F1_OVERTAKEN}");
    asked
}

#[test]
fn f1_nobody_overtakes_who_waits() {
    model(F1_OVERTAKEN, TWO, || overtaken(take));
}

#[test]
fn f1_nobody_overtakes_who_waits_twin() {
    twin(F1_OVERTAKEN, TWO, || overtaken(push_in));
}

/// Room is freed in two parts for the first, who needs both, while the second would be content with one.
fn ordered(crowd: bool) -> impl std::fmt::Debug {
    let scope = Scope { crowd, ..Scope::of(2, 2) };
    let (first, second) = (scope.join(0), scope.join(1));
    let serve = move |scope: &Scope| {
        scope.give(1);
        scope.give(1);
        scope.turn(0, first, 2)
    };
    let (one, other, scope) = race::two(scope, serve, move |scope: &Scope| scope.turn(1, second, 1));
    assert!(one == Went::Served && other != Went::Served, "{F1_ORDER}: {one:?}, and the second {other:?}");
    assert_eq!(scope.remaining(), 0, "{F1_ORDER}");
    other
}

#[test]
fn f1_the_first_in_line_is_served_first() {
    model(F1_ORDER, TWO, || ordered(false));
}

#[test]
fn f1_the_first_in_line_is_served_first_twin() {
    twin(F1_ORDER, TWO, || ordered(true));
}

fn take_past_flags(tally: &Tally) -> Result<(), Refusal> {
    tally.settle(0, 1);
    Ok(())
}

/// The first in line takes while its scope is halted.
fn first_halted(take: Take) -> impl std::fmt::Debug {
    let scope = Scope::of(2, 0);
    let _ticket = scope.join(0);
    let halt = |scope: &Scope| scope.tally.mark(HALTED).used(2);
    let (counted, taken, scope) = race::two(scope, halt, move |scope: &Scope| take(&scope.tally).is_ok());
    assert_eq!(scope.tally.word().used(2), counted, "{E1_FIRST}: taken {taken}");
    (counted, taken)
}

#[test]
fn e1_the_first_in_line_passes_no_halt() {
    model(E1_FIRST, TWO, || first_halted(push_in));
}

#[test]
fn e1_the_first_in_line_passes_no_halt_twin() {
    twin(E1_FIRST, TWO, || first_halted(take_past_flags));
}
