//! What a check says of one limit: pure functions from numbers to an answer.

use enforce_core::{
    Action, EnforcementPolicy, EnforcementResult, EnforcementViolation, EnforcementWarning, NanoUsd, Retry, ScopeKind,
    UNLIMITED, ViolationType,
};

/// The largest amount that is counted: an amount beyond it fits no limit, not even none.
const MAX_AMOUNT: u64 = NanoUsd::MAX.get();

/// One limit and what is asked of it, in the unit of its violation type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) kind: ViolationType,
    pub(crate) scope: ScopeKind,
    pub(crate) used: u64,
    pub(crate) asked: u64,
    pub(crate) limit: u64,
    pub(crate) retry: Retry,
    pub(crate) action: Action,
}

impl Question {
    /// Of the execution's own limit, which is never free again.
    pub(crate) const fn own(kind: ViolationType, action: Action, used: u64, asked: u64, limit: u64) -> Self {
        Self { kind, scope: ScopeKind::Execution, used, asked, limit, retry: Retry::Never, action }
    }

    /// Used and asked together. Saturates: no sum, however large, becomes a small one.
    pub(crate) const fn current(&self) -> u64 {
        self.used.saturating_add(self.asked)
    }

    /// Blocks where used and asked together pass the limit; warns near it.
    pub(crate) fn amount(self, policy: &EnforcementPolicy) -> EnforcementResult {
        let passed = self.current() > self.limit.min(MAX_AMOUNT);
        if self.limit == UNLIMITED && !passed {
            return EnforcementResult::Allowed;
        }
        self.blocked_if(passed, policy)
    }

    /// Blocks where a time or a sum has come to `end`; warns near the limit.
    pub(crate) fn reached(self, end: u64, policy: &EnforcementPolicy) -> EnforcementResult {
        self.blocked_if(self.used >= end, policy)
    }

    /// Blocks where it would be too deep or too many at once; these never warn, as in the seed.
    pub(crate) fn level(self, policy: &EnforcementPolicy) -> EnforcementResult {
        match self.amount(policy) {
            EnforcementResult::Warning(_) if self.current() <= self.limit => EnforcementResult::Allowed,
            answer => answer,
        }
    }

    fn blocked_if(self, blocked: bool, policy: &EnforcementPolicy) -> EnforcementResult {
        // A sum past the bound could not be counted: not even a limit that only observes lets it pass.
        if blocked && (self.action != Action::Observe || self.current() > MAX_AMOUNT) {
            return EnforcementResult::Blocked(self.violation());
        }
        let warning = self.warning();
        // Of a limit of 0 there is no percentage. A limit that only observes reports as a warning what it would block.
        let near = self.limit > 0 && warning.usage_percent >= policy.warning_threshold;
        if blocked || near { EnforcementResult::Warning(warning) } else { EnforcementResult::Allowed }
    }

    fn warning(&self) -> EnforcementWarning {
        let mut warning = EnforcementWarning::new(self.kind, self.current(), self.limit);
        warning.scope = self.scope;
        warning
    }

    fn violation(&self) -> EnforcementViolation {
        let mut violation = EnforcementViolation::new(self.kind, self.current(), self.limit);
        violation.scope = self.scope;
        violation.used = self.used;
        violation.asked = self.asked;
        violation.remaining = self.limit.saturating_sub(self.used);
        violation.retry = self.retry;
        violation
    }
}

/// The seed's order: the first that blocks, else the first that warns.
pub(crate) fn first<const N: usize>(answers: [EnforcementResult; N]) -> EnforcementResult {
    let warns = |answer: &&EnforcementResult| matches!(answer, EnforcementResult::Warning(_));
    let blocks = answers.iter().find(|answer| answer.is_blocked());
    blocks.or_else(|| answers.iter().find(warns)).copied().unwrap_or(EnforcementResult::Allowed)
}

/// *When freed* where only what is held or open stands in the way: without it, the demand would fit. Else never.
pub(crate) fn when_freed(kept: u64, asked: u64, limit: u64) -> Retry {
    if kept.saturating_add(asked) <= limit { Retry::WhenFreed } else { Retry::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(used: u64, asked: u64, limit: u64) -> EnforcementResult {
        Question::own(ViolationType::StepLimit, Action::Halt, used, asked, limit).amount(&EnforcementPolicy::default())
    }

    #[test]
    fn an_amount_is_allowed_up_to_its_limit_and_warns_from_the_threshold() {
        assert_eq!(steps(6, 1, 10), EnforcementResult::Allowed);
        assert!(matches!(steps(7, 1, 10), EnforcementResult::Warning(warning) if warning.usage_percent == 80));
        assert!(matches!(steps(9, 1, 10), EnforcementResult::Warning(warning) if warning.usage_percent == 100));
        let EnforcementResult::Blocked(violation) = steps(10, 1, 10) else { panic!("passed") };
        assert_eq!((violation.current, violation.used, violation.asked, violation.remaining), (11, 10, 1, 0));
    }

    #[test]
    fn a_percentage_is_rounded_down_in_integers() {
        assert_eq!(steps(799_998, 1, 1_000_000), EnforcementResult::Allowed); // 79.9999 %
        assert!(matches!(steps(799_999, 1, 1_000_000), EnforcementResult::Warning(_)));
    }

    #[test]
    fn no_limit_never_warns_and_admits_what_can_be_counted() {
        assert_eq!(steps(MAX_AMOUNT - 1, 1, UNLIMITED), EnforcementResult::Allowed);
        assert!(steps(0, MAX_AMOUNT + 1, UNLIMITED).is_blocked());
        assert!(steps(1, u64::MAX, UNLIMITED).is_blocked());
    }

    #[test]
    fn a_limit_of_0_blocks_without_a_percentage() {
        let EnforcementResult::Blocked(violation) = steps(0, 1, 0) else { panic!("passed") };
        assert_eq!(violation.to_string(), "step_limit exceeded: 1 / 0");
        assert_eq!(steps(0, 0, 0), EnforcementResult::Allowed);
    }

    #[test]
    fn an_observed_limit_reports_as_a_warning_what_it_would_block() {
        let policy = EnforcementPolicy::default();
        let asked = Question::own(ViolationType::StepLimit, Action::Observe, 6, 0, 5);
        for answer in [asked.amount(&policy), asked.level(&policy), asked.reached(5, &policy)] {
            assert!(
                matches!(answer, EnforcementResult::Warning(warning) if warning.usage_percent == 120),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn not_even_an_observed_limit_admits_what_cannot_be_counted() {
        let asked = Question::own(ViolationType::TokenLimit, Action::Observe, 1, MAX_AMOUNT, UNLIMITED);
        assert!(asked.amount(&EnforcementPolicy::default()).is_blocked());
    }

    #[test]
    fn a_level_never_warns() {
        let asked = Question::own(ViolationType::DiscoveryDepthLimit, Action::Refuse, 4, 1, 5);
        assert_eq!(asked.level(&EnforcementPolicy::default()), EnforcementResult::Allowed);
    }

    #[test]
    fn blocks_come_before_warnings_and_each_in_order() {
        let (allowed, warning, blocked) = (steps(0, 1, 10), steps(7, 1, 10), steps(10, 1, 10));
        assert_eq!(first([allowed, warning, blocked]), blocked);
        assert_eq!(first([allowed, warning, steps(8, 1, 10)]), warning);
        assert_eq!(first([allowed, allowed]), EnforcementResult::Allowed);
    }
}
