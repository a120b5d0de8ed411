//! The limits of one execution: so tight that most of them are met, and what becomes of them while it runs.

use enforce_core::{Approved, LongRunningExecutionPolicy, ResourceLimits, UNLIMITED, ViolationType};

use super::amounts::{
    Amounts, COST, DISCOVERED, LIMITED, MEMORY, NO_LIMIT, NONE, STEPS, TOKENS, largest, signed, unsigned,
};
use super::numbers::Numbers;
use super::protocol::money;

const MIB: i64 = 1 << 20;

/// Limits as they stand. Whoever changes them at the library does it under the lock that this stands under, so that it is
/// known which change was the last.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) resource: ResourceLimits,
    pub(crate) long_running: LongRunningExecutionPolicy,
    /// The largest that each limit has been since the last meeting.
    pub(crate) highest: Amounts,
    /// What it has of its parent's budget, and no more.
    slice: Option<Amounts>,
}

impl Limits {
    /// Those of a new execution. A root has more, since others share it.
    pub(crate) fn random(numbers: &mut Numbers, is_root: bool, slice: Option<Amounts>) -> Self {
        if numbers.one_in(8) {
            // The library has a short way for those of which nothing but steps is limited.
            let max_steps = if numbers.one_in(2) { UNLIMITED } else { numbers.below(200) };
            let resource = ResourceLimits { max_steps, ..ResourceLimits::unlimited() };
            return Self::of(resource, LongRunningExecutionPolicy::disabled(), slice);
        }
        let wide = if is_root { 4 } else { 1 };
        let maybe = |numbers: &mut Numbers, bound: u64| (!numbers.one_in(3)).then(|| numbers.below(bound * wide));
        let resource = ResourceLimits {
            max_steps: maybe(numbers, 60).unwrap_or(UNLIMITED),
            max_tokens: maybe(numbers, 3_000).unwrap_or(UNLIMITED),
            max_memory_mb: maybe(numbers, 6),
            max_cost_usd: maybe(numbers, 30_000).map(|nanos| money(signed(nanos))),
            max_wall_time_ms: if numbers.one_in(4) { 3_600_000 } else { UNLIMITED },
            max_active_time_ms: numbers.one_in(4).then_some(1_800_000),
            max_children: numbers.one_in(4).then(|| numbers.below(4)),
            max_children_total: numbers.one_in(4).then(|| numbers.below(16)),
            ..ResourceLimits::unlimited()
        };
        let long_running = LongRunningExecutionPolicy {
            max_discovered_steps: maybe(numbers, 20),
            max_discovery_depth: maybe(numbers, 4),
            cost_alert_threshold_usd: maybe(numbers, 20_000).map(|nanos| money(signed(nanos))),
            idle_timeout_seconds: numbers.one_in(4).then_some(600),
            max_same_step_repetitions: numbers.one_in(4).then_some(3),
            max_cycle_length: 1 + numbers.below(3),
            ..LongRunningExecutionPolicy::disabled()
        };
        Self::of(resource, long_running, slice)
    }

    fn of(resource: ResourceLimits, long_running: LongRunningExecutionPolicy, slice: Option<Amounts>) -> Self {
        let mut limits = Self { resource, long_running, highest: NONE, slice };
        limits.highest = limits.now();
        limits
    }

    /// What nothing but tokens limits.
    pub(crate) fn tokens(max_tokens: u64) -> Self {
        let resource = ResourceLimits { max_tokens, ..ResourceLimits::unlimited() };
        Self::of(resource, LongRunningExecutionPolicy::disabled(), None)
    }

    /// Each limit now.
    pub(crate) fn now(&self) -> Amounts {
        let mut now = [NO_LIMIT; 6];
        now[STEPS] = signed(self.resource.max_steps);
        now[TOKENS] = signed(self.resource.max_tokens);
        now[MEMORY] = self.resource.max_memory_mb.map_or(NO_LIMIT, |limit| signed(limit).saturating_mul(MIB));
        now[COST] = self.resource.max_cost_usd.map_or(NO_LIMIT, |limit| signed(limit.get()));
        now[DISCOVERED] = self.long_running.max_discovered_steps.map_or(NO_LIMIT, signed);
        if let Some(slice) = self.slice {
            for (kind, _) in LIMITED {
                now[kind] = now[kind].min(slice[kind]);
            }
        }
        now
    }

    pub(crate) fn depth(&self) -> Option<u64> {
        self.long_running.max_discovery_depth
    }

    pub(crate) fn has_idle_timeout(&self) -> bool {
        self.long_running.idle_timeout_seconds.is_some()
    }

    /// Other resource limits: raised if `only_up`, else anything.
    pub(crate) fn next_resource(&self, numbers: &mut Numbers, only_up: bool) -> ResourceLimits {
        let mut moved = |limit: u64, step: u64| {
            let more = limit.saturating_add(numbers.below(step));
            if only_up || numbers.one_in(2) { more } else { limit.saturating_sub(numbers.below(step)) }
        };
        let before = &self.resource;
        ResourceLimits {
            max_steps: if before.max_steps == UNLIMITED { UNLIMITED } else { moved(before.max_steps, 30) },
            max_tokens: if before.max_tokens == UNLIMITED { UNLIMITED } else { moved(before.max_tokens, 1_500) },
            max_memory_mb: before.max_memory_mb.map(|limit| moved(limit, 3)),
            max_cost_usd: before.max_cost_usd.map(|limit| money(signed(moved(limit.get(), 15_000)))),
            ..before.clone()
        }
    }

    /// Other long-running limits; idleness and depth stay as they were registered.
    pub(crate) fn next_long_running(&self, numbers: &mut Numbers, only_up: bool) -> LongRunningExecutionPolicy {
        let mut moved = |limit: u64, step: u64| {
            let more = limit.saturating_add(numbers.below(step));
            if only_up || numbers.one_in(2) { more } else { limit.saturating_sub(numbers.below(step)) }
        };
        let before = &self.long_running;
        LongRunningExecutionPolicy {
            max_discovered_steps: before.max_discovered_steps.map(|limit| moved(limit, 10)),
            cost_alert_threshold_usd: before
                .cost_alert_threshold_usd
                .map(|limit| money(signed(moved(limit.get(), 10_000)))),
            ..before.clone()
        }
    }

    /// They have been replaced.
    pub(crate) fn replaced(&mut self) {
        self.highest = largest(self.highest, self.now());
    }

    /// One of them was raised, or lowered, by an approval.
    pub(crate) fn approved(&mut self, approved: &Approved) {
        let Some(next) = approved.next_limit else { return };
        match approved.cause.violation_type {
            ViolationType::StepLimit => self.resource.max_steps = next,
            ViolationType::TokenLimit => self.resource.max_tokens = next,
            ViolationType::CostLimit => self.resource.max_cost_usd = Some(money(signed(next))),
            ViolationType::CostThreshold => self.long_running.cost_alert_threshold_usd = Some(money(signed(next))),
            ViolationType::DiscoveredStepLimit => self.long_running.max_discovered_steps = Some(next),
            _ => {}
        }
        self.replaced();
    }

    /// A meeting is over: what counts from here on is what stands now.
    pub(crate) fn settle_down(&mut self) {
        self.highest = self.now();
    }
}

/// A slice of a parent's budget, with something of everything.
pub(crate) fn random_slice(numbers: &mut Numbers) -> Amounts {
    let mut slice = NONE;
    for (kind, bound) in [(STEPS, 30), (TOKENS, 1_500), (MEMORY, 3 * unsigned(MIB)), (COST, 15_000), (DISCOVERED, 10)] {
        slice[kind] = signed(1 + numbers.below(bound));
    }
    slice
}
