//! What is noted under locks and told behind them: V1.

use crate::explore::{TWO, model, twin};
use crate::kernel::outbox::Outbox;
use crate::race;
use crate::sync::Mutex;

const V1: &str = "V1: what was noted is told, once and in the order of its number";

/// Somewhere to note and to tell.
trait Notes: Send + Sync + 'static {
    fn note(&self);
    fn tell(&self, hear: impl FnMut(u64));
}

impl Notes for Outbox<()> {
    fn note(&self) {
        Outbox::note(self, ());
    }

    fn tell(&self, mut hear: impl FnMut(u64)) {
        Outbox::tell(self, |number, ()| hear(number));
    }
}

/// Plants a bug: the turn ends behind the lock under which the list was empty.
struct Leaving(Mutex<(Vec<u64>, u64, bool)>);

impl Notes for Leaving {
    fn note(&self) {
        let mut list = self.0.lock();
        list.1 += 1;
        let number = list.1;
        list.0.push(number);
    }

    fn tell(&self, mut hear: impl FnMut(u64)) {
        if std::mem::replace(&mut self.0.lock().2, true) {
            return;
        }
        loop {
            let next = {
                let mut list = self.0.lock();
                (!list.0.is_empty()).then(|| list.0.remove(0))
            };
            match next {
                Some(number) => hear(number),
                None => break,
            }
        }
        self.0.lock().2 = false;
    }
}

/// Two note something, each tells. What is heard is written where the explorer does not look.
#[expect(clippy::disallowed_types, reason = "the listener is no part of what is explored")]
fn told(outbox: impl Notes) -> impl std::fmt::Debug {
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let each = |who: u64| {
        let heard = std::sync::Arc::clone(&heard);
        move |outbox: &_| note_and_tell(outbox, who, &heard)
    };
    let ((), (), _outbox) = race::two(outbox, each(1), each(2));
    let heard = heard.lock().unwrap().clone();
    let numbers: Vec<u64> = heard.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2], "{V1}");
    heard
}

#[expect(clippy::disallowed_types, reason = "the listener is no part of what is explored")]
fn note_and_tell(outbox: &impl Notes, who: u64, heard: &std::sync::Mutex<Vec<(u64, u64)>>) {
    outbox.note();
    outbox.tell(|number| heard.lock().unwrap().push((who, number)));
}

#[test]
fn v1_what_was_noted_is_told_once_in_order() {
    model(V1, TWO, || told(Outbox::new(4)));
}

#[test]
fn v1_what_was_noted_is_told_once_in_order_twin() {
    twin(V1, TWO, || told(Leaving(Mutex::new((Vec::new(), 0, false)))));
}
