//! All or nothing over the tallies of one scope, where all are far from their limits: the short way of a bundle.

use super::activity::Activity;
use super::tally::{MAX_AMOUNT, Recorded, Tally, Word};

/// How many tallies a scope has.
pub(crate) const TALLIES: usize = 5;

/// What has to be left of a tally, and more, for it to be far from its limit. At least −1: a demand that leaves 0 fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room(i64);

impl Room {
    pub(crate) const fn of(room: i64) -> Self {
        Self(if room < -1 { -1 } else { room })
    }
}

/// Everything one demand takes, where that is amounts of one scope alone, all of which have been seen to fit.
///
/// Order and undoing are those of [`Bundle`](super::bundle::Bundle): the tallies as listed, of which the last is committed
/// by being taken, then the touch; who fails gives back in the opposite order. There are always as many, so it is a row of
/// exchanges without a loop, and nothing of it is in memory. What else it takes stands before the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    tallies: [&'a Tally; TALLIES],
    seen: [Word; TALLIES],
    amounts: [u64; TALLIES],
}

/// What is taken of a tally of another scope, which has been seen to fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a> {
    tally: &'a Tally,
    seen: Word,
    amount: u64,
}

impl<'a> Shared<'a> {
    /// Looks at it as it was `seen`; nothing if a flag is set, or if not more than its room would be left.
    #[inline(always)]
    pub(crate) fn look(tally: &'a Tally, seen: Word, amount: u64, Room(room): Room) -> Option<Self> {
        let far = !seen.is_barred() && amount <= MAX_AMOUNT && seen.leaves_more(amount, room);
        far.then_some(Self { tally, seen, amount })
    }

    /// Takes it; false, and nothing has changed, if it does not fit any more.
    #[inline(always)]
    pub(crate) fn take(&self) -> bool {
        take(self.tally, self.seen, self.amount).is_some()
    }

    /// Gives it back.
    pub(crate) fn give_back(&self) -> Recorded {
        self.tally.settle(self.amount, 0)
    }
}

/// How far a take came before something could not be taken. It has to be given back.
#[derive(Debug)]
#[must_use = "what was taken has to be given back"]
pub(crate) struct Half {
    /// How many of the own tallies.
    own: usize,
    /// Everything else, too.
    others: bool,
}

impl Half {
    /// All of it.
    pub(crate) const ALL: Self = Self { own: TALLIES, others: true };

    const fn own(own: usize) -> Self {
        Self { own, others: false }
    }
}

/// A take of which all but the last stands.
#[derive(Debug)]
#[must_use = "it has to be ended, or given back"]
pub(crate) struct Begun<'a> {
    tally: &'a Tally,
    seen: Word,
    amount: u64,
}

impl<'a> Own<'a> {
    /// Looks at all; nothing if a flag is set, or if not more than its room would be left of one of them.
    #[inline(always)]
    pub(crate) fn look(
        tallies: [&'a Tally; TALLIES],
        amounts: [u64; TALLIES],
        rooms: &[Room; TALLIES],
    ) -> Option<Self> {
        let seen = tallies.map(Tally::word);
        // One after another rather than in a loop: each is then compiled for its own word.
        let ([a, b, c, d, e], [of_a, of_b, of_c, of_d, of_e]) = (seen, amounts);
        let [Room(to_a), Room(to_b), Room(to_c), Room(to_d), Room(to_e)] = *rooms;
        let far = !Word::any_barred(seen)
            && of_a | of_b | of_c | of_d | of_e <= MAX_AMOUNT
            && a.leaves_more(of_a, to_a)
            && b.leaves_more(of_b, to_b)
            && c.leaves_more(of_c, to_c)
            && d.leaves_more(of_d, to_d)
            && e.leaves_more(of_e, to_e);
        far.then_some(Self { tallies, seen, amounts })
    }

    /// The same tallies and amounts, for whoever has to give back.
    pub(crate) fn again(tallies: [&'a Tally; TALLIES], amounts: [u64; TALLIES]) -> Self {
        Self { tallies, seen: tallies.map(Tally::word), amounts }
    }

    /// Takes everything, and touches `activity`. The word of the last tally right behind its take.
    #[inline(always)]
    pub(crate) fn take(self, activity: Option<&Activity>, now_ns: u64) -> Result<Word, Half> {
        let Begun { tally, seen, amount } = self.begin()?;
        touched(take(tally, seen, amount), activity, now_ns)
    }

    /// Takes everything but the last. What else the demand takes stands between this and [`Begun::end`].
    #[inline(always)]
    pub(crate) fn begin(self) -> Result<Begun<'a>, Half> {
        let Self { tallies: [a, b, c, d, tally], seen: [see_a, see_b, see_c, see_d, seen], amounts } = self;
        let [of_a, of_b, of_c, of_d, amount] = amounts;
        take(a, see_a, of_a).ok_or(Half::own(0))?;
        take(b, see_b, of_b).ok_or(Half::own(1))?;
        take(c, see_c, of_c).ok_or(Half::own(2))?;
        take(d, see_d, of_d).ok_or(Half::own(3))?;
        Ok(Begun { tally, seen, amount })
    }

    /// Gives back what was taken by a take that came so far; `others` gives back what was taken in between. `undone` is told what
    /// others have to know of, with the number of the tally.
    #[cold]
    pub(crate) fn undo(self, half: Half, others: impl FnOnce(), undone: impl Fn(usize, Recorded)) {
        let give = |(number, (tally, amount)): (usize, (&Tally, u64))| {
            if number < half.own && amount > 0 {
                let recorded = tally.settle(amount, 0);
                if recorded.concerns_others() {
                    undone(number, recorded);
                }
            }
        };
        // In the order opposite to that of taking.
        let mut all = self.tallies.into_iter().zip(self.amounts).enumerate().rev();
        all.next().into_iter().for_each(give);
        if half.others {
            others();
        }
        all.for_each(give);
    }
}

impl Begun<'_> {
    /// Takes the last, and touches `activity`. It is taken even if it is nothing: the exchange on an own word behind what
    /// others give is what a halt cannot be missed by (E1).
    #[inline(always)]
    pub(crate) fn end(self, activity: Option<&Activity>, now_ns: u64) -> Result<Word, Half> {
        touched(self.tally.take_seen(self.seen, self.amount), activity, now_ns)
    }

    /// What is to be given back, where others had not everything.
    pub(crate) const fn fail(self) -> Half {
        Half::own(TALLIES - 1)
    }
}

/// The end of a take whose last tally was taken from, or not.
#[inline(always)]
fn touched(after: Option<Word>, activity: Option<&Activity>, now_ns: u64) -> Result<Word, Half> {
    let after = after.ok_or(Half { own: TALLIES - 1, others: true })?;
    match activity {
        Some(activity) if !activity.touch(now_ns) => Err(Half::ALL),
        _ => Ok(after),
    }
}

/// Of an amount of 0 the look has decided.
#[inline(always)]
fn take(tally: &Tally, seen: Word, amount: u64) -> Option<Word> {
    if amount == 0 { Some(seen) } else { tally.take_seen(seen, amount) }
}
