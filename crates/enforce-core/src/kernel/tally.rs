//! The bounded counter: budgets (what is taken stays taken) and gauges (what is taken comes back).

use super::cell::Cell;

/// The largest amount, limit or sum: 2^56 − 1. It leaves a sign bit and seven flag bits beside it in one word.
pub(crate) const MAX_AMOUNT: u64 = (1 << 56) - 1;
const MAX: i64 = MAX_AMOUNT as i64;

/// Nothing is admitted: the scope is halted for good.
pub(crate) const HALTED: u64 = 1 << 0;
/// Nothing is admitted until an approval.
pub(crate) const PAUSED: u64 = 1 << 1;
/// Nothing is admitted: the scope has ended.
pub(crate) const CLOSED: u64 = 1 << 2;
/// Nothing is admitted: the entry has left its table, look it up again.
pub(crate) const RETIRED: u64 = 1 << 3;
/// Somebody waits in line: who does not wait takes nothing, and who frees room wakes the first.
pub(crate) const WAITERS: u64 = 1 << 4;
/// What has been used is counted further up: who changes it from here on carries the change up. Bars nothing.
pub(crate) const COUNTED: u64 = 1 << 5;

/// Takes by others than its own execution come and may go again: what is committed is kept in a meter beside it. Bars
/// nothing.
pub(crate) const METERED: u64 = 1 << 6;

const FLAG_BITS: u32 = 7;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;
/// Bars everyone.
const STOPPED: u64 = HALTED | PAUSED | CLOSED | RETIRED;
/// Bars those who do not wait.
const BARRED: u64 = STOPPED | WAITERS;

/// What a tally's word says.
///
/// ```text
/// 63                              7    6        5        4        3       2       1       0
/// [ remaining = limit − used, i57 ][METERED][COUNTED][WAITERS][RETIRED][CLOSED][PAUSED][HALTED]
/// ```
///
/// **Invariants.** `−MAX ≤ remaining ≤ MAX`. The word holds what *remains*, so a take needs no look at the limit and a
/// change of the limit is an addition that every take in flight notices. A negative remainder is debt. Amount and flags
/// share the word, so a take and a halt cannot miss each other: one of the two exchanges comes second and sees the
/// first (E1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// Why a take was refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A flag bars the scope.
    Barred,
    /// Less than what was asked remains; the word that was seen.
    Short(Word),
    /// It would fit, but others wait for it in line; the word that was seen.
    Queued(Word),
}

impl Word {
    #[inline]
    fn new(remaining: i64, flags: u64) -> Self {
        Self(((remaining.clamp(-MAX, MAX) << FLAG_BITS) as u64) | (flags & FLAGS))
    }

    /// The word of a tally from which nothing has been taken.
    pub(crate) fn full(limit: u64) -> Self {
        Self::new(limit.min(MAX_AMOUNT) as i64, 0)
    }

    /// limit − used; negative when in debt.
    #[inline]
    pub(crate) fn remaining(self) -> i64 {
        (self.0 as i64) >> FLAG_BITS
    }

    #[inline]
    pub(crate) fn flags(self) -> u64 {
        self.0 & FLAGS
    }

    /// used, given the limit that the remainder counts from; cut at [`MAX_AMOUNT`].
    #[inline]
    pub(crate) fn used(self, limit: u64) -> u64 {
        // Both terms are below 2^57 in size, so the difference fits; it is negative only after a saturated sum.
        (limit.min(MAX_AMOUNT) as i64).saturating_sub(self.remaining()).clamp(0, MAX) as u64
    }

    /// Whether more is used than is counted.
    #[inline]
    pub(crate) fn is_past_bound(self, limit: u64) -> bool {
        (limit.min(MAX_AMOUNT) as i64).saturating_sub(self.remaining()) > MAX
    }

    /// Whether somebody waits in line.
    #[inline]
    pub(crate) fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    /// Whether `amount` may be taken. An amount of 0 is refused by debt alone.
    #[inline]
    pub(crate) fn fits(self, amount: u64) -> Result<(), Refusal> {
        if self.0 & BARRED != 0 {
            return self.fits_barred(amount);
        }
        self.holds(amount)
    }

    /// Whether more than `room` is left behind `amount`, neither of which is above [`MAX_AMOUNT`]. A look: it decides
    /// nothing.
    #[inline]
    pub(crate) fn leaves_more(self, amount: u64, room: i64) -> bool {
        // Below 2^57 in size, both of them.
        self.remaining() - amount as i64 > room
    }

    /// Whether a flag bars who does not wait.
    #[inline]
    pub(crate) fn is_barred(self) -> bool {
        self.0 & BARRED != 0
    }

    /// Whether a flag bars everybody.
    #[inline]
    pub(crate) fn is_stopped(self) -> bool {
        self.0 & STOPPED != 0
    }

    /// The same word if nothing paused it.
    pub(crate) fn unpaused(self) -> Self {
        Self(self.0 & !PAUSED)
    }

    /// Whether a flag bars one of these.
    #[inline]
    pub(crate) fn any_barred(words: [Self; 5]) -> bool {
        words.iter().fold(0, |all, word| all | word.0) & BARRED != 0
    }

    #[cold]
    fn fits_barred(self, amount: u64) -> Result<(), Refusal> {
        self.fits_first(amount)?;
        // Who asks nothing overtakes nobody (F1).
        if self.has_waiters() && amount > 0 { Err(Refusal::Queued(self)) } else { Ok(()) }
    }

    /// Whether `amount` may be taken by the first in line.
    pub(crate) fn fits_first(self, amount: u64) -> Result<(), Refusal> {
        if self.0 & STOPPED != 0 { Err(Refusal::Barred) } else { self.holds(amount) }
    }

    #[inline]
    fn holds(self, amount: u64) -> Result<(), Refusal> {
        let remaining = self.remaining();
        if remaining < 0 || amount > remaining as u64 { Err(Refusal::Short(self)) } else { Ok(()) }
    }

    /// The word without `amount`, which fits.
    #[inline]
    fn less(self, amount: u64) -> Self {
        // `amount ≤ remaining`, so neither the subtraction nor the shift loses anything.
        Self(self.0.wrapping_sub(amount << FLAG_BITS))
    }

    /// The word after `back` came back and `spent` was spent, whatever flag is set; and whether the sum was cut at the
    /// bound.
    #[inline]
    fn settle(self, back: u64, spent: u64) -> (Self, bool) {
        if back | spent > MAX_AMOUNT {
            return self.settle_large(back, spent);
        }
        // No term is above 2^56 in size.
        let sum = self.remaining() + (back as i64 - spent as i64);
        if (-MAX..=MAX).contains(&sum) {
            // The flags stay where they are; the shift loses only what the sum has been seen not to need.
            (Self(self.0.wrapping_add(back.wrapping_sub(spent) << FLAG_BITS)), false)
        } else {
            (self.cut(sum), true)
        }
    }

    /// Of amounts that no tally holds. Saturates beyond the bounds alone, where the sum is cut anyway.
    #[cold]
    fn settle_large(self, back: u64, spent: u64) -> (Self, bool) {
        let sum = if back >= spent {
            self.remaining().saturating_add_unsigned(back - spent)
        } else {
            self.remaining().saturating_sub_unsigned(spent - back)
        };
        (self.cut(sum), !(-MAX..=MAX).contains(&sum))
    }

    #[cold]
    fn cut(self, sum: i64) -> Self {
        Self::new(sum, self.flags())
    }
}

/// The word to be written, and the same to be told.
#[inline]
fn taken(word: Word, amount: u64) -> (u64, Word) {
    let next = word.less(amount);
    (next.0, next)
}

/// What recording an amount did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The sum had to be cut at the bound.
    pub(crate) cut: bool,
    /// The word after it.
    pub(crate) after: Word,
}

impl Recorded {
    /// Whether the tally had been counted further up before: a change touches no flag, so the word after it bears those that
    /// it met.
    #[inline]
    pub(crate) fn is_late(&self) -> bool {
        self.after.0 & COUNTED != 0
    }

    /// Whether the tally had been counted further up before, or somebody waits for it.
    #[inline]
    pub(crate) fn concerns_others(&self) -> bool {
        // One test of the word.
        self.after.0 & (COUNTED | WAITERS) != 0
    }
}

/// A counter that never passes its limit through [`Tally::take`], in any interleaving (T1).
///
/// - A refused take changes nothing (T2): it never reaches an exchange.
/// - No take adds first and takes back later, so a demand that fits is never refused for the sake of one that does not
///   (T3), and what came back can be taken at once (T4).
/// - [`Tally::settle`] is never refused, by no flag either: the truth is recorded, debt and all (R2), so that at rest
///   the sum is that of what was really spent (R1).
#[derive(Debug)]
pub(crate) struct Tally(Cell);

impl Tally {
    /// A tally from which `limit` may be taken (at most [`MAX_AMOUNT`], which also stands for no limit).
    pub(crate) fn new(limit: u64) -> Self {
        Self(Cell::new(Word::full(limit).0))
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Acquire (in `load`): who sees a flag sees the state behind it; partner: `mark` (E2). A look decides nothing.
        Word(self.0.load())
    }

    /// Takes `amount` or changes nothing.
    #[inline]
    pub(crate) fn take(&self, amount: u64) -> Result<Word, Refusal> {
        // Decision and change are one exchange on one word: no two takes can both use the last of it (T1), and none
        // passes a flag that was set before (E1), nor those who wait (F1).
        self.0.update(|word| Word(word).fits(amount).map(|()| taken(Word(word), amount)))
    }

    /// [`Tally::take`] by a caller who has `seen` that `amount` fits. The word after it.
    #[inline(always)]
    pub(super) fn take_seen(&self, seen: Word, amount: u64) -> Option<Word> {
        let next = seen.less(amount);
        // As in `take` (T1, E1, F1): it was decided about the very word that is exchanged.
        if self.0.exchange(seen.0, next.0) { Some(next) } else { self.take_again(amount) }
    }

    #[cold]
    #[inline(never)]
    fn take_again(&self, amount: u64) -> Option<Word> {
        self.take(amount).ok()
    }

    /// [`Tally::take`] for the first in line, which the mark of its own line does not bar.
    pub(crate) fn take_first(&self, amount: u64) -> Result<Word, Refusal> {
        // As in `take` (T1, E1).
        self.0.update(|word| Word(word).fits_first(amount).map(|()| taken(Word(word), amount)))
    }

    /// Gives back what was taken. Not barred by any flag.
    #[inline]
    pub(crate) fn give(&self, amount: u64) {
        self.settle(amount, 0);
    }

    /// Takes `amount` whatever remains, but not past a flag nor past the bound: for limits that only observe.
    #[inline]
    pub(crate) fn take_observed(&self, amount: u64) -> Result<Word, Refusal> {
        // As in `take`: flag and amount are one exchange, so a halt is not passed here either (E1).
        self.0.update(|word| {
            let word = Word(word);
            // What never runs out, nobody waits for.
            if word.0 & STOPPED != 0 {
                return Err(Refusal::Barred);
            }
            match word.settle(0, amount) {
                (_, true) => Err(Refusal::Short(word)),
                (next, false) => Ok((next.0, next)),
            }
        })
    }

    /// Gives `reserved` back and records `actual`, in one exchange. Not barred by any flag.
    #[inline]
    pub(crate) fn settle(&self, reserved: u64, actual: u64) -> Recorded {
        // One exchange, so nobody sees the room given back without the spending (T1), COUNTED is seen by exactly those
        // whose change its setter has not (C1), and who frees room for somebody in line sees that there is one (W1).
        self.0.apply(|word| {
            let (next, cut) = Word(word).settle(reserved, actual);
            (next.0, Recorded { cut, after: next })
        })
    }

    /// Moves the limit from `from` to `to`; what is used stays (L1).
    pub(crate) fn relimit(&self, from: u64, to: u64) {
        // A take that decided on the old word finds another one and decides again (L1). A limit that falls below what
        // is used leaves debt, which blocks.
        self.0.apply(|word| {
            let word = Word(word);
            let moved = word.remaining() + to.min(MAX_AMOUNT) as i64 - from.min(MAX_AMOUNT) as i64;
            (Word::new(moved, word.flags()).0, ())
        });
    }

    /// Takes `flags` away.
    pub(crate) fn unmark(&self, flags: u64) {
        // Takes after this exchange are admitted again; the caller holds the lock under which they were set (E3).
        self.0.apply(|word| (word & !(flags & FLAGS), ()));
    }

    /// Sets `flags`; returns the word right before, which no take changes any more.
    pub(crate) fn mark(&self, flags: u64) -> Word {
        // Takes before this exchange are counted in the returned word; takes after it are refused (E1).
        self.0.apply(|word| (word | (flags & FLAGS), Word(word)))
    }

    /// Sets `flags` if the word is still the one that was `seen`; else the word that is there.
    pub(crate) fn mark_seen(&self, seen: Word, flags: u64) -> Result<(), Word> {
        // What its caller wrote about that very word before is seen by whoever sees the flag (S1); who changes the word
        // after this exchange sees the flag in its own (C1).
        self.0.update(|word| if word == seen.0 { Ok((word | (flags & FLAGS), ())) } else { Err(Word(word)) })
    }
}
