//! All or nothing over several words.

use super::activity::Activity;
use super::gcra::{Paced, Rate, Tat, TooFast};
use super::tally::{Refusal, Tally, Word};

/// One amount to be taken from one tally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) amount: u64,
    /// The limit only observes: take even what does not fit.
    pub(crate) observed: bool,
}

/// One amount to be admitted by one rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLeg<'a> {
    pub(crate) tat: &'a Tat,
    pub(crate) rate: Rate,
    pub(crate) amount: u64,
}

/// Which part of a bundle did not come through. Everything taken before it has been given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The leg of that number; the last one counts behind all others.
    Leg(usize, Refusal),
    /// The rate of that number.
    Rate(usize, TooFast),
    /// A reaper found the scope idle first.
    Reaped,
}

/// Everything one demand takes.
///
/// **Order.** Legs as listed, then the rates, then `last`, then the touch; everyone takes in one order, and who fails
/// gives back in the opposite one. `last` is for a count that is committed by being taken (steps): no amount comes
/// behind it that could undo it, so its tally never shows a take that will not stay, and its exhaustion can be acted
/// upon (T3). The touch is the very last, so that a refusal is no activity (T2); it fails only if a reaper found the
/// scope idle in between, and that scope ends anyway (I1).
///
/// **Look first.** Callers look at every word before they take the first: a demand that does not fit then takes nothing
/// at all, and only a race between look and take is ever undone.
#[derive(Debug)]
pub(crate) struct Bundle<'a> {
    pub(crate) legs: &'a [Leg<'a>],
    pub(crate) rates: &'a [RateLeg<'a>],
    pub(crate) last: Option<Leg<'a>>,
    pub(crate) activity: Option<&'a Activity>,
    pub(crate) now_ns: u64,
}

impl Leg<'_> {
    #[inline]
    fn take(&self) -> Result<Word, Refusal> {
        if self.observed { self.tally.take_observed(self.amount) } else { self.tally.take(self.amount) }
    }
}

impl Bundle<'_> {
    /// Takes everything, and returns the word of `last` right behind its take; or nothing, and says what stood in the
    /// way. What was taken of each rate is left in the place of its number, of which there have to be as many.
    #[inline(always)]
    pub(crate) fn take(&self, paced: &mut [Option<Paced>]) -> Result<Option<Word>, Lost> {
        self.take_or(paced, |_| ())
    }

    /// [`Bundle::take`] that says of which legs something was given back that had been counted further up meanwhile:
    /// whoever gave it back carries that up (C1).
    #[inline(always)]
    pub(crate) fn take_or(&self, paced: &mut [Option<Paced>], undone: impl Fn(usize)) -> Result<Option<Word>, Lost> {
        if self.rates.len() > paced.len() {
            // What could not be undone is not taken.
            return Err(Lost::Rate(paced.len(), TooFast::Never));
        }
        for (number, leg) in self.legs.iter().enumerate() {
            if let Err(refusal) = leg.take() {
                self.undo(number, &[], undone);
                return Err(Lost::Leg(number, refusal));
            }
        }
        for (number, (leg, place)) in self.rates.iter().zip(&mut *paced).enumerate() {
            match leg.tat.take(&leg.rate, self.now_ns, leg.amount) {
                Ok(taken) => *place = Some(taken),
                Err(too_fast) => {
                    self.undo(self.legs.len(), paced, undone);
                    return Err(Lost::Rate(number, too_fast));
                }
            }
        }
        let after = match self.last.as_ref().map(Leg::take).transpose() {
            Ok(after) => after,
            Err(refusal) => {
                self.undo(self.legs.len(), paced, undone);
                return Err(Lost::Leg(self.legs.len(), refusal));
            }
        };
        if let Some(activity) = self.activity
            && !activity.touch(self.now_ns)
        {
            if let Some(last) = &self.last {
                let recorded = last.tally.settle(last.amount, 0);
                if recorded.late {
                    undone(self.legs.len());
                }
            }
            self.undo(self.legs.len(), paced, undone);
            return Err(Lost::Reaped);
        }
        Ok(after)
    }

    #[cold]
    fn undo(&self, legs: usize, paced: &[Option<Paced>], undone: impl Fn(usize)) {
        for (leg, taken) in self.rates.iter().zip(paced).rev() {
            if let Some(taken) = taken {
                leg.tat.undo(*taken);
            }
        }
        for (number, leg) in self.legs.iter().enumerate().take(legs).rev() {
            if leg.tally.settle(leg.amount, 0).late {
                undone(number);
            }
        }
    }
}
