//! Who is called when something about an execution changes.

use super::Record;

impl Record {
    /// Has those who wait look again: its state or its limits are others now. The caller may hold a lock; who holds none
    /// wakes them.
    pub(crate) fn call_waiters(&self) {
        if let Some(extra) = self.extra() {
            self.core().wakes.put(extra.waiters.everyone());
        }
        self.call_watchers();
    }

    /// Has those who watch its state look again. A pause calls nobody else: it is waited out. The caller may hold a lock;
    /// who holds none wakes them.
    pub(super) fn call_watchers(&self) {
        if let Some(extra) = self.extra() {
            self.core().wakes.put(extra.watchers.everyone());
        }
    }

    /// Has those look who stand in its line, because something was given back: the first; of one that is over everyone, for
    /// there is nothing to be overtaken. The caller may hold a lock; who holds none wakes them.
    pub(crate) fn call_line(&self) {
        let Some(extra) = self.extra() else { return };
        match self.is_over() {
            true => self.core().wakes.put(extra.line.everyone()),
            false => self.core().wakes.put(extra.line.first()),
        }
    }

    /// Has those look who wait until it has nothing outstanding: all of a settle is written here (W1). The caller may
    /// hold a lock; who holds none wakes them.
    #[inline]
    pub(crate) fn call_settled(&self) {
        if let Some(extra) = self.extra()
            && !extra.line.is_empty()
            && self.is_over()
        {
            self.call_line();
        }
    }

    /// Whether it is halted or has ended.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.is_halted() || state.is_finished()
    }
}
