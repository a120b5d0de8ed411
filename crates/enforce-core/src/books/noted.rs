//! What writing something down has shown: what has to be followed up.

use super::Used;
use super::carry::act;
use crate::admission::cost_threshold_violation;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation};
use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::Action;
use crate::record::Record;

/// What has to be followed up. Four bytes, so that it travels in registers: nearly always there is nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    /// The amounts whose count had been carried up before, and so have to follow it.
    late: u8,
    /// There may be somebody to wake.
    others: bool,
    /// The first sum that had to be cut at the bound.
    cut: Option<Cause>,
}

impl Noted {
    pub(super) const NOTHING: Self = Self { late: 0, others: false, cut: None };

    pub(super) const STEPS: u8 = 1 << 0;
    pub(super) const DISCOVERED: u8 = 1 << 1;
    pub(super) const INPUT: u8 = 1 << 2;
    pub(super) const OUTPUT: u8 = 1 << 3;
    pub(super) const COST: u8 = 1 << 4;

    pub(super) const fn others(others: bool) -> Self {
        Self { others, ..Self::NOTHING }
    }

    pub(super) const fn late_of(which: u8, late: bool) -> Self {
        Self { late: if late { which } else { 0 }, ..Self::NOTHING }
    }

    pub(super) const fn cut_by(cut: Option<Cause>) -> Self {
        Self { cut, ..Self::NOTHING }
    }

    /// Both.
    #[inline(always)]
    pub(super) fn and(self, next: Self) -> Self {
        Self { late: self.late | next.late, others: self.others | next.others, cut: self.cut.or(next.cut) }
    }

    #[inline(always)]
    pub(super) const fn is_nothing(&self) -> bool {
        self.late == 0 && !self.others && self.cut.is_none()
    }

    #[inline(always)]
    pub(super) const fn is_late(&self) -> bool {
        self.late != 0
    }

    /// What of `used` came late, if anything did.
    pub(super) fn late(&self, used: &Used) -> Option<Used> {
        if !self.is_late() {
            return None;
        }
        let of = |which: u8, amount| if self.late & which != 0 { amount } else { 0 };
        Some(Used {
            steps: of(Self::STEPS, used.steps),
            discovered: of(Self::DISCOVERED, used.discovered),
            input: of(Self::INPUT, used.input),
            output: of(Self::OUTPUT, used.output),
            cost: of(Self::COST, used.cost),
        })
    }
}

/// What one record has come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) noted: Noted,
    /// The committed cost after it, where any was committed.
    pub(super) cost: Option<u64>,
    /// When, where somebody has looked at the clock by now.
    pub(super) now: Option<Timestamp>,
    /// The number of the last part that is written.
    parts: u8,
}

impl Written {
    #[inline(always)]
    pub(super) const fn nothing(now: Option<Timestamp>) -> Self {
        Self { noted: Noted::NOTHING, cost: None, now, parts: 0 }
    }

    /// Whether the part of that number is still to be written.
    #[inline(always)]
    pub(super) const fn lacks(&self, number: u8) -> bool {
        number > self.parts
    }

    /// With the part of that number, of which that was noted. In `BRIEF` an error if there is anything.
    #[inline(always)]
    pub(super) fn with<const BRIEF: bool>(self, number: u8, noted: Noted) -> Result<Self, Self> {
        let written = Self { parts: number, ..self };
        if BRIEF && noted.is_nothing() {
            return Ok(written);
        }
        let all = Self { noted: self.noted.and(noted), ..written };
        if BRIEF { Err(all) } else { Ok(all) }
    }

    /// With the committed cost.
    #[inline(always)]
    pub(super) const fn costing(self, cost: Option<u64>) -> Self {
        Self { cost, ..self }
    }

    /// With the time, if it was looked at.
    #[inline(always)]
    pub(super) const fn at(self, now: Option<Timestamp>) -> Self {
        Self { now, ..self }
    }

    #[inline(always)]
    pub(super) fn reaches_threshold(&self, record: &Record) -> bool {
        record.of_plan(|plan| {
            let threshold = plan.cost_threshold.as_ref();
            threshold.is_some_and(|threshold| self.cost.is_some_and(|cost| cost >= threshold.limit))
        })
    }

    /// What it has exhausted at once, and what happens by it.
    pub(super) fn verdict(&self, record: &Record) -> Option<(EnforcementViolation, Action)> {
        if let Some(Cause { violation_type, scope }) = self.noted.cut {
            let cut = EnforcementViolation::new(violation_type, MAX_AMOUNT, MAX_AMOUNT);
            return Some((EnforcementViolation { scope, ..cut }, Action::Halt));
        }
        let plan = record.plan();
        let (cost, threshold) = (self.cost?, plan.cost_threshold.as_ref()?);
        (cost >= threshold.limit).then(|| (cost_threshold_violation(cost, threshold.limit), threshold.action))
    }

    /// Carries out what it has exhausted at once.
    pub(super) fn exhausted(&self, record: &Record) -> Option<EnforcementViolation> {
        let (violation, action) = self.verdict(record)?;
        act(record, violation, action, self.now)
    }
}
