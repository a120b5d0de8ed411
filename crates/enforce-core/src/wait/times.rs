//! When a demand that waits has to look again although nobody calls it.

use super::Waiting;
use crate::clock::Timestamp;

impl Waiting {
    /// When the pauses that it is in have ended by themselves.
    pub(super) fn goes_on_after(&self, now: Timestamp) -> Option<Timestamp> {
        let paused = self.record().state().is_paused();
        paused.then(|| self.record().goes_on_at()).flatten().filter(|until| *until > now)
    }

    /// When its execution's time is over. One that has passed waits for the end of a pause, which calls the waker.
    pub(super) fn deadline_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.record().deadline().filter(|deadline| *deadline > now)
    }
}
