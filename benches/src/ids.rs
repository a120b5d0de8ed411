//! Names of executions, as long as real ones.

use std::sync::Arc;

/// Live executions that are asked in turn where a row speaks of ids.
const HOT: usize = 1_000;

/// Names (32 bytes: `exec_` and 27 characters) that are handed out round and round.
#[derive(Debug, Clone)]
pub struct Ids<T = String> {
    ids: Arc<[T]>,
    next: usize,
}

impl Ids {
    /// So many, a power of ten. They are handed out in an order that is not that of their numbers.
    pub fn of(count: usize) -> Self {
        // This step shares no factor with a power of ten, so each number comes once.
        Self { ids: (0..count).map(|turn| format!("exec_{:027}", turn * 618_047 % count)).collect(), next: 0 }
    }

    /// All of them in the order of their numbers: who is registered in this order does not lie in memory in the order in
    /// which it is asked.
    pub fn sorted(&self) -> Vec<&str> {
        let mut sorted: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted
    }

    /// One.
    pub fn one() -> Self {
        Self::of(1)
    }

    /// A thousand.
    pub fn hot() -> Self {
        Self::of(HOT)
    }
}

impl<T> Ids<T> {
    /// One for each of these, in the order in which they are handed out.
    pub fn map<U>(&self, form: impl FnMut(&T) -> U) -> Ids<U> {
        Ids { ids: self.ids.iter().map(form).collect(), next: self.next }
    }

    /// All of them, in the order in which they are handed out.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.ids.iter()
    }

    /// The next one.
    #[inline]
    pub fn next_id(&mut self) -> &T {
        self.next = if self.next + 1 >= self.ids.len() { 0 } else { self.next + 1 };
        &self.ids[self.next]
    }
}
