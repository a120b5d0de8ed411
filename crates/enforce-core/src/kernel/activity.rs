//! When something last happened, and whether it is too late to happen again.

use super::cell::Cell;

const REAPED: u64 = 1;
const LATEST: u64 = u64::MAX >> 1;

/// The last moment of activity and the mark of the reaper in one word.
///
/// ```text
/// 63                               1 0
/// [ last activity, ns from an epoch ][REAPED]
/// ```
///
/// **Invariants (I1):** the moment never moves back. A reaper replaces exactly the word it judged: a touch that moved
/// the moment in between makes it fail, and once it has succeeded no touch succeeds.
#[derive(Debug)]
pub(crate) struct Activity(Cell);

/// What a reaper looked at; only the very same word can be reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Nanoseconds of the last activity.
    #[inline]
    pub(crate) fn last(self) -> u64 {
        self.0 >> 1
    }

    /// Nanoseconds from the last activity to `now`; time past the end of the word does not pass.
    #[inline]
    pub(crate) fn idle_at(self, now: u64) -> u64 {
        now.min(LATEST).saturating_sub(self.last())
    }

    /// The first moment at which it has been idle for `timeout`; `None` past the end of the word.
    pub(crate) fn idle_for(self, timeout: u64) -> Option<u64> {
        self.last().checked_add(timeout).filter(|moment| *moment <= LATEST)
    }

    #[inline]
    pub(crate) fn reaped(self) -> bool {
        self.0 & REAPED != 0
    }
}

impl Activity {
    pub(crate) fn new(now: u64) -> Self {
        Self(Cell::new(now.min(LATEST) << 1))
    }

    #[inline]
    pub(crate) fn see(&self) -> Seen {
        // Acquire (in `load`): who sees a touch sees what came before it; partner: `touch`, `reap` (I1).
        Seen(self.0.load())
    }

    /// Records activity at `now`; false if the reaper was first.
    #[inline(always)]
    pub(crate) fn touch(&self, now: u64) -> bool {
        let (now, seen) = (now.min(LATEST), self.see());
        // One that moves nothing makes nothing less idle: a reaper may succeed right behind this look as it might right
        // behind an exchange that leaves the word as it is (I1).
        if seen.last() >= now && !seen.reaped() {
            return true;
        }
        // The mark is seen in the exchange that moves the moment: touch and reap cannot both succeed (I1).
        if !seen.reaped() && self.0.exchange(seen.0, now << 1) {
            return true;
        }
        self.touch_again(now)
    }

    #[cold]
    #[inline(never)]
    fn touch_again(&self, now: u64) -> bool {
        // As in `touch`.
        self.0
            .update(|word| match Seen(word).reaped() {
                true => Err(()),
                false => Ok((Seen(word).last().max(now) << 1, ())),
            })
            .is_ok()
    }

    /// Marks the execution as reaped if nothing has moved since `seen`.
    pub(crate) fn reap(&self, seen: Seen) -> bool {
        // Compares with the very word that was judged idle: a touch in between has changed it (I1).
        self.0.update(|word| if word == seen.0 && !seen.reaped() { Ok((word | REAPED, ())) } else { Err(()) }).is_ok()
    }
}
