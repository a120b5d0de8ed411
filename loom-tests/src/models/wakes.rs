//! Wakers that are called once no lock is held: W1 where two meet at it.

use std::sync::Arc;

use super::queue::Bell;
use crate::explore::{TWO, model, twin};
use crate::kernel::cell::Cell;
use crate::kernel::wakes::Wakes;
use crate::race;
use crate::sync::{Mutex, Waker};

const W1_LATER: &str = "W1: who is to be woken once no lock is held is woken";

/// Wakers that are called later.
trait Later: Send + Sync + 'static {
    fn put(&self, waker: Waker);
    fn flush(&self);
}

impl Later for Wakes {
    fn put(&self, waker: Waker) {
        Wakes::put(self, [waker]);
    }

    fn flush(&self) {
        Wakes::flush(self);
    }
}

/// Says that there is one before it is there.
struct Announced {
    pending: Cell,
    list: Mutex<Vec<Waker>>,
}

impl Later for Announced {
    fn put(&self, waker: Waker) {
        self.pending.apply(|_| (1, ()));
        self.list.lock().push(waker);
    }

    fn flush(&self) {
        if self.pending.apply(|pending| (0, pending)) > 0 {
            let all = std::mem::take(&mut *self.list.lock());
            all.into_iter().for_each(Waker::wake);
        }
    }
}

/// Two who each find somebody to be woken.
fn later<L: Later>(wakes: L) -> impl std::fmt::Debug {
    let bells: [Arc<Bell>; 2] = Default::default();
    let each = |bell: &Arc<Bell>| {
        let (bell, bells) = (Arc::clone(bell), bells.clone());
        move |wakes: &L| {
            wakes.put(Waker::from(bell));
            wakes.flush();
            bells.iter().filter(|bell| bell.rung()).count()
        }
    };
    let (one, other, _wakes) = race::two(wakes, each(&bells[0]), each(&bells[1]));
    assert!(bells.iter().all(|bell| bell.rung()), "{W1_LATER}");
    (one, other)
}

#[test]
fn w1_who_is_to_be_woken_later_is_woken() {
    model(W1_LATER, TWO, || later(Wakes::new()));
}

#[test]
fn w1_who_is_to_be_woken_later_is_woken_twin() {
    twin(W1_LATER, TWO, || later(Announced { pending: Cell::new(0), list: Mutex::new(Vec::new()) }));
}
