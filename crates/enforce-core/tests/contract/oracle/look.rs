//! The oracle's decision: every limit in order, and the first that stands against a demand.

use std::time::Duration;

use enforce_core::{Action, RatesRefused, Retry, ScopeKind, ViolationType};

use super::model::{Asked, NS_PER_DAY, Noticed, Oracle, Refusal, Run};
use super::policy::{Policy, Rate};

pub(super) const MINUTE_NS: u128 = 60_000_000_000;
const BOUND: u128 = (1 << 56) - 1;

/// A limit on an amount, and what stands against it.
struct Amount {
    kind: ViolationType,
    scope: ScopeKind,
    limit: Option<u64>,
    used: u128,
    committed: u128,
    asked: u128,
    action: Action,
    beginnings: bool,
    /// In how many nanoseconds it is whole again, if it has periods.
    whole_in: Option<u64>,
}

/// What a limit that is violated does.
pub(crate) struct Blocked {
    pub(crate) refusal: Refusal,
    pub(crate) act: Option<Action>,
}

/// Collects what is noticed, and stops at the first limit that refuses.
struct Decision<'a> {
    policy: &'a Policy,
    noticed: Noticed,
}

impl Decision<'_> {
    fn violated(&mut self, refusal: Refusal, action: Action, exhausted: bool) -> Result<(), Blocked> {
        match action {
            Action::Observe if refusal.used + refusal.asked <= BOUND || refusal.scope == ScopeKind::Provider => {
                self.noticed.observed.get_or_insert(refusal);
                Ok(())
            }
            Action::Halt | Action::Pause if exhausted => Err(Blocked { refusal, act: Some(action) }),
            _ => Err(Blocked { refusal, act: None }),
        }
    }

    fn near(&mut self, kind: ViolationType, scope: ScopeKind, current: u128, limit: u128) {
        if limit > 0 && current * 100 / limit >= u128::from(self.policy.warning_threshold) {
            self.noticed.warning.get_or_insert((kind, scope, current * 100 / limit, current, limit));
        }
    }

    fn amount(&mut self, it: &Amount) -> Result<(), Blocked> {
        // What has no limit has a bound, and nothing is near it.
        let limit = it.limit.map_or(BOUND, u128::from);
        if it.used + it.asked <= limit {
            if it.limit.is_some() {
                self.near(it.kind, it.scope, it.used + it.asked, limit);
            }
            return Ok(());
        }
        let freeable = !it.beginnings && it.committed + it.asked <= limit;
        let acts = it.committed >= limit && matches!(it.action, Action::Halt | Action::Pause);
        let retry = match it.whole_in.filter(|_| it.asked <= limit && !acts) {
            _ if freeable => Retry::WhenFreed,
            Some(wait) => Retry::After(Duration::from_nanos(wait)),
            None => Retry::Never,
        };
        let refusal = refusal(it.kind, it.scope, it.used, it.asked, limit, retry);
        self.violated(refusal, it.action, it.committed >= limit)
    }

    fn time(&mut self, kind: ViolationType, elapsed: u64, unit: u64, limit: u64, grace: u64) -> Result<(), Blocked> {
        let action = if kind == ViolationType::IdleTimeout { self.policy.idle.1 } else { self.policy.wall.1 };
        let (whole, limit) = (u128::from(elapsed / unit), u128::from(limit));
        let grace = if limit == 0 { 0 } else { u128::from(grace) };
        if u128::from(elapsed) >= (limit + grace) * u128::from(unit) {
            return self.violated(refusal(kind, ScopeKind::Execution, whole, 0, limit, Retry::Never), action, true);
        }
        self.near(kind, ScopeKind::Execution, whole, limit);
        Ok(())
    }
}

pub(super) fn refusal(
    kind: ViolationType,
    scope: ScopeKind,
    used: u128,
    asked: u128,
    limit: u128,
    retry: Retry,
) -> Refusal {
    let remaining = limit.saturating_sub(used);
    Refusal { kind, scope, used, asked, limit, remaining, retry, cause: None, rates: None }
}

impl Oracle {
    /// Looks at every limit in order.
    pub(crate) fn look(&self, index: usize, asked: &Asked, now: u64) -> Result<Noticed, Blocked> {
        if let Some(refusal) = self.barred(index) {
            return Err(Blocked { refusal, act: None });
        }
        let (policy, run) = (&self.policy, &self.runs[index]);
        let mut decision = Decision { policy, noticed: Noticed::default() };
        if let Some(limit) = policy.wall.0 {
            let elapsed = now.saturating_sub(run.started);
            decision.time(ViolationType::WallTimeLimit, elapsed, 1_000_000, limit, policy.grace_ms)?;
        }
        if let Some(limit) = policy.idle.0.filter(|_| !run.has_open_holds()) {
            let idle = now.saturating_sub(run.active);
            decision.time(ViolationType::IdleTimeout, idle, 1_000_000_000, limit, 0)?;
        }
        for amount in self.amounts(run, asked) {
            decision.amount(&amount)?;
            if amount.kind == ViolationType::CostLimit {
                self.threshold(&mut decision, run, amount.used + amount.asked)?;
            }
        }
        if let ((Some(times), action), Some(fingerprint)) = (policy.repetitions, asked.fingerprint)
            && run.loops(fingerprint, times as usize, policy.longest as usize)
        {
            let times = u128::from(times);
            let looped = refusal(ViolationType::SameStepLoop, ScopeKind::Execution, times - 1, 1, times, Retry::Never);
            decision.violated(Refusal { remaining: 0, ..looped }, action, true)?;
        }
        if policy.budget.0.is_some() {
            let period = self.current_period(run.tenant, now);
            let (committed, used) = self.budget(run.tenant, period);
            let whole_in = policy.by_day.then(|| (period + 1) * NS_PER_DAY - now);
            let (kind, scope, (limit, action)) = (ViolationType::CostLimit, ScopeKind::Tenant, policy.budget);
            let asked = u128::from(asked.cost);
            let beginnings = false;
            decision.amount(&Amount { kind, scope, limit, used, committed, asked, action, beginnings, whole_in })?;
        }
        if let Some(refusal) = self.too_fast(asked, now) {
            decision.violated(refusal, policy.rate_action, false)?;
        }
        Ok(decision.noticed)
    }

    fn threshold(&self, decision: &mut Decision<'_>, run: &Run, current: u128) -> Result<(), Blocked> {
        let (Some(limit), action) = self.policy.threshold else { return Ok(()) };
        let limit = u128::from(limit);
        if run.cost >= limit {
            return decision.violated(self.reached(run), action, true);
        }
        decision.near(ViolationType::CostThreshold, ScopeKind::Execution, current, limit);
        Ok(())
    }

    pub(super) fn reached(&self, run: &Run) -> Refusal {
        let limit = u128::from(self.policy.threshold.0.unwrap_or(0));
        refusal(ViolationType::CostThreshold, ScopeKind::Execution, run.cost, 0, limit, Retry::AfterApproval)
    }

    /// The execution's own amounts, in order; what has no limit has a bound.
    fn amounts(&self, run: &Run, asked: &Asked) -> Vec<Amount> {
        let policy = &self.policy;
        let tokens = u128::from(asked.input.saturating_add(asked.output));
        let rows = [
            (ViolationType::StepLimit, policy.steps, run.steps, 0, u128::from(asked.steps)),
            (ViolationType::TokenLimit, policy.tokens, run.tokens(), run.held(|open| open.tokens), tokens),
            (ViolationType::MemoryLimit, policy.memory, 0, run.held(|open| open.memory), u128::from(asked.memory)),
            (ViolationType::CostLimit, policy.cost, run.cost, run.held(|open| open.cost), u128::from(asked.cost)),
            (ViolationType::DiscoveredStepLimit, policy.discovered, run.discovered, 0, u128::from(asked.discovered)),
        ];
        let amount = |(kind, (limit, action), committed, held, asked): (_, (Option<u64>, _), _, _, _)| Amount {
            kind,
            scope: ScopeKind::Execution,
            limit,
            used: committed + held,
            committed,
            asked,
            action,
            beginnings: matches!(kind, ViolationType::StepLimit | ViolationType::DiscoveredStepLimit),
            whole_in: None,
        };
        rows.into_iter().map(amount).collect()
    }

    /// The legs of a demand on its provider: the rate, when it will have drained, and what is asked of it.
    pub(super) fn legs(&self, asked: &Asked) -> [Option<(Rate, u128, u128)>; 2] {
        let Some(provider) = asked.provider else { return [None, None] };
        let tokens = asked.rate_tokens.unwrap_or(asked.input.saturating_add(asked.output));
        let [requests_drained, tokens_drained] = self.drains[provider].map(|drain| drain.end);
        [
            self.policy.requests.map(|rate| (rate, requests_drained, 1)),
            self.policy.rated_tokens.map(|rate| (rate, tokens_drained, u128::from(tokens))),
        ]
    }

    /// In shares of a minute since the epoch: a minute has as many nanoseconds' shares as the limit says units.
    pub(super) fn shares(&self, rate: &Rate, now: u64) -> u128 {
        u128::from(now.saturating_sub(self.epoch)) * u128::from(rate.per_minute)
    }

    pub(super) fn too_fast(&self, asked: &Asked, now: u64) -> Option<Refusal> {
        let legs = self.legs(asked);
        // The delay in nanoseconds, if it ever fits.
        let wait = |leg: &(Rate, u128, u128)| -> Option<Option<u128>> {
            let (rate, drained, amount) = leg;
            if *amount > u128::from(rate.burst) {
                return Some(None);
            }
            let ahead = (*drained).max(self.shares(rate, now)) - self.shares(rate, now) + amount * MINUTE_NS;
            let over = ahead.checked_sub(u128::from(rate.burst) * MINUTE_NS).filter(|over| *over > 0)?;
            Some(Some(over.div_ceil(u128::from(rate.per_minute))))
        };
        let waits = [legs[0].as_ref().and_then(wait), legs[1].as_ref().and_then(wait)];
        let rates = match waits {
            [None, None] => return None,
            [Some(_), None] => RatesRefused::Requests,
            [None, Some(_)] => RatesRefused::Tokens,
            [Some(_), Some(_)] => RatesRefused::Both,
        };
        let latest = waits.iter().flatten().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        let early = self.epoch.saturating_sub(now);
        let retry = latest.map_or(Retry::Never, |ns| Retry::After(Duration::from_nanos(ns as u64 + early)));
        let (leg, wait) = legs.iter().zip(waits).find_map(|(leg, wait)| Some((leg.as_ref()?, wait?)))?;
        let (rate, _, amount) = leg;
        let used = wait.map_or(0, |ns| {
            (u128::from(rate.burst) + (ns * u128::from(rate.per_minute)).div_ceil(MINUTE_NS)).saturating_sub(*amount)
        });
        let (burst, kind) = (u128::from(rate.burst), ViolationType::RateLimit);
        let violation = refusal(kind, ScopeKind::Provider, used, *amount, burst, retry);
        Some(Refusal { rates: Some(rates), ..violation })
    }
}
