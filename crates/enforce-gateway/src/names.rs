//! The named executions, and how often each was asked.

use std::collections::HashMap;

use parking_lot::Mutex;

/// The named executions, and how often each was asked: a refusal changes nothing of an execution, but one whose requests
/// are refused is not idle.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    named: HashMap<String, Named>,
    /// How many have ever entered: tells those of one name apart.
    entered: u64,
}

#[derive(Debug)]
struct Named {
    number: u64,
    asked: u64,
}

impl Names {
    /// An execution of that id has begun; its number.
    pub(crate) fn enter(&self, id: &str) -> u64 {
        let mut known = self.0.lock();
        known.entered += 1;
        let number = known.entered;
        known.named.insert(id.to_owned(), Named { number, asked: 0 });
        number
    }

    /// Whoever has that id is about to be asked: noted before it is looked up, so that it is either not ended as idle or
    /// not found.
    pub(crate) fn note(&self, id: &str) {
        if let Some(named) = self.0.lock().named.get_mut(id) {
            named.asked += 1;
        }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self, id: &str, number: u64) -> u64 {
        let known = self.0.lock();
        known.named.get(id).filter(|named| named.number == number).map_or(0, |named| named.asked)
    }

    /// Does `end`, and forgets it, unless it was asked more often than so; whether it has.
    pub(crate) fn end(&self, id: &str, number: u64, asked: u64, end: impl FnOnce()) -> bool {
        let mut known = self.0.lock();
        if known.named.get(id).is_some_and(|named| named.number == number && named.asked != asked) {
            return false;
        }
        // Under the lock: whoever notes that it asks comes before it, or finds it no more.
        end();
        known.leave(id, number);
        true
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().named.is_empty()
    }

    /// It has ended.
    pub(crate) fn leave(&self, id: &str, number: u64) {
        self.0.lock().leave(id, number);
    }
}

impl Known {
    /// Another of the same name may have begun meanwhile, and stays.
    fn leave(&mut self, id: &str, number: u64) {
        if self.named.get(id).is_some_and(|named| named.number == number) {
            self.named.remove(id);
        }
    }
}
