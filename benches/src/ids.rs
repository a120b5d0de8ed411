//! Names of executions, as long as real ones.

/// Live executions that are asked in turn where a row speaks of ids.
const HOT: usize = 1_000;

/// Names (32 bytes: `exec_` and 27 characters) that are handed out round and round.
#[derive(Debug, Clone)]
pub struct Ids<T = String> {
    ids: Vec<T>,
    next: usize,
}

impl Ids {
    fn of(count: usize) -> Self {
        // 7 shares no factor with a thousand: neighbours in memory are not neighbours in time.
        Self { ids: (0..count).map(|number| format!("exec_{:027}", number * 7 % count)).collect(), next: 0 }
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
    /// The same in another form.
    pub fn map<U>(self, form: impl FnMut(T) -> U) -> Ids<U> {
        Ids { ids: self.ids.into_iter().map(form).collect(), next: self.next }
    }

    /// All of them.
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
