//! All or nothing over several words.

use super::activity::Activity;
use super::gcra::{Paced, Rate, Tat, TooFast};
use super::queue::OnceQueue;
use super::tally::{Recorded, Refusal, Tally, Word};
use crate::sync::Waker;

/// One amount to be taken from one tally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) amount: u64,
    /// The limit only observes: take even what does not fit.
    pub(crate) observed: bool,
    /// It is the first in line for this tally.
    pub(crate) first: bool,
}

/// One amount to be admitted by one rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLeg<'a> {
    pub(crate) tat: &'a Tat,
    pub(crate) line: &'a OnceQueue,
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

/// What was taken and had to be given back, where that concerns others.
#[derive(Debug)]
pub(crate) enum Undone {
    /// The leg of that number; the last one counts behind all others. Its tally had been counted further up meanwhile, or
    /// somebody waits for it.
    Leg(usize, Recorded),
    /// A rate for which somebody waits.
    Rate(Waker),
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
        match (self.observed, self.first) {
            (true, _) => self.tally.take_observed(self.amount),
            (false, true) => self.tally.take_first(self.amount),
            (false, false) => self.tally.take(self.amount),
        }
    }
}

impl Bundle<'_> {
    /// Takes everything, and returns the word of `last` right behind its take; or nothing, and says what stood in the
    /// way. What was taken of each rate is left in the place of its number, of which there have to be as many.
    ///
    /// `undone` is told what was given back that others have to know of: who gave it back carries up what had been counted
    /// further up meanwhile (C1), and wakes who waits for it (W1).
    #[inline(always)]
    pub(crate) fn take(&self, paced: &mut [Option<Paced>], undone: impl Fn(Undone)) -> Result<Option<Word>, Lost> {
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
                give_back(self.legs.len(), last, &undone);
            }
            self.undo(self.legs.len(), paced, undone);
            return Err(Lost::Reaped);
        }
        Ok(after)
    }

    #[cold]
    fn undo(&self, legs: usize, paced: &[Option<Paced>], undone: impl Fn(Undone)) {
        for (leg, taken) in self.rates.iter().zip(paced).rev() {
            if let Some(waiter) = taken.and_then(|taken| leg.tat.undo(taken, leg.line.queue())) {
                undone(Undone::Rate(waiter));
            }
        }
        for (number, leg) in self.legs.iter().enumerate().take(legs).rev() {
            give_back(number, leg, &undone);
        }
    }
}

fn give_back(number: usize, leg: &Leg<'_>, undone: &impl Fn(Undone)) {
    let recorded = leg.tally.settle(leg.amount, 0);
    if recorded.concerns_others() {
        undone(Undone::Leg(number, recorded));
    }
}
