//! What has been compared, and what was wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use super::amounts::signed;
use super::laws::{Judge, Law, Violation};

/// The broken laws that a report names; all are counted.
const NAMED_VIOLATIONS: usize = 20;

/// What all comparisons have found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) meetings: u64,
    /// States that were saved and taken over.
    pub(crate) restored: u64,
    /// Figures that were compared.
    pub(crate) compared: u64,
    /// How often each law was broken.
    pub(crate) broken: BTreeMap<Law, u64>,
    /// The first of them.
    pub(crate) violations: Vec<Violation>,
    /// How long the threads worked, without the meetings.
    pub(crate) worked: Duration,
    pub(crate) resident_at_start: Option<u64>,
    pub(crate) resident_at_end: Option<u64>,
}

impl Findings {
    pub(crate) fn judged(&mut self, judge: Judge) {
        self.compared += judge.compared;
        judge.violations.into_iter().for_each(|violation| self.note(violation));
    }

    pub(crate) fn note(&mut self, violation: Violation) {
        *self.broken.entry(violation.law).or_default() += 1;
        if self.violations.len() < NAMED_VIOLATIONS {
            self.violations.push(violation);
        }
    }

    pub(crate) fn exactly(&mut self, subject: &str, law: Law, figure: &'static str, expected: u64, found: u64) {
        let mut judge = Judge::of(subject);
        judge.exactly(law, figure, signed(expected), signed(found));
        self.judged(judge);
    }
}
