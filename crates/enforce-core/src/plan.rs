//! Limits, compiled: what a decision needs of a configuration, and nothing to be worked out on the way.

mod far;

pub(crate) use self::far::{Far, TAKEN};

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::{Action, ConfigError, EnforcementPolicy, LongRunningExecutionPolicy, ResourceLimits, UNLIMITED};
use crate::resource::{Amounts, Resource};
use crate::sync::Arc;

const NS_PER_MS: u64 = 1_000_000;
pub(crate) const NS_PER_SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// A remainder that no tally reaches.
const NEVER: i64 = i64::MIN;

/// The compiled limit of one tally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TallyLimit {
    pub(crate) kind: ViolationType,
    /// [`MAX_AMOUNT`] if there is none.
    pub(crate) limit: u64,
    /// What may be used above the limit before it blocks who asks nothing of it.
    pub(crate) overdraft: u64,
    /// Warn when no more than this remains after the demand; [`NEVER`] never warns.
    pub(crate) warn_room: i64,
    pub(crate) action: Action,
    /// The end of its period ends its pauses.
    pub(crate) next_period_approves: bool,
}

/// What remains of `limit` when (used · 100) / limit, rounded down, has just reached `threshold`.
fn warn_room(limit: u64, threshold: u32) -> i64 {
    if limit == 0 {
        return NEVER;
    }
    let reached = (u128::from(limit) * u128::from(threshold)).div_ceil(100);
    // `reached` ≤ `limit` < 2^56, since a threshold is at most 100.
    i64::try_from(u128::from(limit).saturating_sub(reached)).unwrap_or(NEVER)
}

impl TallyLimit {
    pub(crate) fn new(kind: ViolationType, limit: Option<u64>, action: Action, threshold: u32) -> Self {
        let room = limit.map_or(NEVER, |limit| warn_room(limit, threshold));
        let limit = limit.unwrap_or(MAX_AMOUNT).min(MAX_AMOUNT);
        Self { kind, limit, overdraft: 0, warn_room: room, action, next_period_approves: false }
    }

    /// The same with another limit.
    pub(crate) fn moved(&self, limit: u64, threshold: u32) -> Self {
        if limit == self.limit {
            *self
        } else {
            Self::new(self.kind, (limit < MAX_AMOUNT).then_some(limit), self.action, threshold)
        }
    }

    /// With an overdraft; a limit of 0 allows nothing, so it has none.
    pub(crate) fn overdraft(self, overdraft: u64) -> Self {
        Self { overdraft: if self.limit == 0 { 0 } else { overdraft }, ..self }
    }

    /// Whether a demand that asks `asked` passes although `used` is above the limit.
    pub(crate) const fn tolerates(&self, asked: u64, used: u64) -> bool {
        asked == 0 && used.saturating_sub(self.limit) <= self.overdraft
    }

    /// Its violation by a demand of `asked` when `used` is used.
    pub(crate) const fn violation(
        &self,
        scope: ScopeKind,
        used: u64,
        asked: u64,
        retry: Retry,
    ) -> EnforcementViolation {
        EnforcementViolation {
            overdraft: self.overdraft,
            ..EnforcementViolation::of(scope, self.kind, used, asked, self.limit, retry)
        }
    }
}

/// A deadline that is compared with a time that has passed, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimit {
    /// Block from here on; `u64::MAX` is past the end of time.
    pub(crate) block_ns: u64,
    /// Warn from here on; `u64::MAX` is past the end of time.
    pub(crate) warn_ns: u64,
    /// As configured, in the unit that is printed.
    pub(crate) limit: u64,
    pub(crate) action: Action,
}

impl TimeLimit {
    fn new(limit: u64, unit_ns: u64, grace_ns: u64, action: Action, threshold: u32) -> Self {
        // A limit of 0 allows nothing, so it has no grace; a deadline past the end of time never comes.
        let block = if limit == 0 { 0 } else { limit.saturating_mul(unit_ns).saturating_add(grace_ns) };
        // In whole units, as the percentage is: (elapsed · 100) / limit ≥ threshold.
        let warn = (u128::from(limit) * u128::from(threshold)).div_ceil(100) * u128::from(unit_ns);
        Self {
            block_ns: block,
            warn_ns: if limit == 0 { u64::MAX } else { u64::try_from(warn).unwrap_or(u64::MAX) },
            limit,
            action,
        }
    }
}

impl TimeLimit {
    /// Whether it halts or pauses, and may ever come.
    const fn acts(&self) -> bool {
        matches!(self.action, Action::Halt | Action::Pause) && self.block_ns < u64::MAX
    }

    /// The limit, if it acts.
    pub(crate) fn acting(limit: &Option<Self>) -> Option<&Self> {
        limit.as_ref().filter(|limit| limit.acts())
    }

    /// The moment at which it comes, counted from `start`; `None` past the end of time. A limit of 0 has come before.
    pub(crate) const fn comes_after(&self, start: u64) -> Option<u64> {
        if self.block_ns == 0 { Some(0) } else { start.checked_add(self.block_ns) }
    }
}

/// The guard against repeated steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoopLimit {
    pub(crate) times: u64,
    pub(crate) longest: usize,
    pub(crate) action: Action,
}

/// What a plan was compiled from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) limits: ResourceLimits,
    pub(crate) long_running: LongRunningExecutionPolicy,
    pub(crate) policy: Arc<EnforcementPolicy>,
    /// No more than this, whatever the limits: a slice of its parent's budget.
    pub(crate) slice: Option<Amounts>,
}

/// The compiled limits of an execution.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    tallies: [TallyLimit; Resource::ALL.len()],
    /// The resources that have a limit.
    set: u8,
    pub(crate) wall: Option<TimeLimit>,
    pub(crate) active: Option<TimeLimit>,
    pub(crate) idle: Option<TimeLimit>,
    /// Whether one of the three acts.
    pub(crate) times_out: bool,
    pub(crate) repetition: Option<LoopLimit>,
    pub(crate) cost_threshold: Option<TallyLimit>,
    pub(crate) max_children: Option<u64>,
    pub(crate) max_children_total: Option<u64>,
    pub(crate) depth_limit: Option<u64>,
    pub(crate) depth_action: Action,
    /// Steps are the only thing that is limited, and no time matters.
    pub(crate) bare: bool,
    pub(crate) far: Far,
}

impl Plan {
    pub(crate) fn compile(source: Source) -> Result<Self, ConfigError> {
        source.limits.validate()?;
        source.long_running.validate()?;
        source.policy.validate()?;
        Ok(Self::of_valid(source))
    }

    /// The plan that limits nothing.
    pub(crate) fn unlimited() -> Self {
        Self::of_valid(Source {
            limits: ResourceLimits::unlimited(),
            long_running: LongRunningExecutionPolicy::disabled(),
            policy: Arc::default(),
            slice: None,
        })
    }

    fn of_valid(source: Source) -> Self {
        let Source { limits, long_running, policy, slice } = &source;
        let actions = &policy.actions;
        let warn = policy.warning_threshold;
        let plain = |limit: u64| (limit != UNLIMITED).then_some(limit);
        let tally = |kind, limit, action| TallyLimit::new(kind, limit, action, warn);
        let memory = limits.max_memory_mb.map(|mib| mib.saturating_mul(MIB));
        let cost = limits.max_cost_usd.map(crate::money::NanoUsd::get);
        let limit_of = |resource| {
            let own = match resource {
                Resource::Steps => plain(limits.max_steps),
                Resource::Tokens => plain(limits.max_tokens),
                Resource::Memory => memory,
                Resource::Cost => cost,
                Resource::DiscoveredSteps => long_running.max_discovered_steps,
            };
            let slice = slice.map(|slice| slice.get(resource));
            own.into_iter().chain(slice).min()
        };
        let set = Resource::ALL.into_iter().filter(|resource| limit_of(*resource).is_some());
        let set = set.fold(0, |set, resource| set | resource.bit());
        let grace = policy.timeout_grace_ms.saturating_mul(NS_PER_MS);
        let time = |ms| TimeLimit::new(ms, NS_PER_MS, grace, actions.wall_time, warn);
        let wall = plain(limits.max_wall_time_ms).map(time);
        let active = limits.max_active_time_ms.map(time);
        let idle = long_running.idle_timeout_seconds.map(|s| TimeLimit::new(s, NS_PER_SECOND, 0, actions.idle, warn));
        let repetition = long_running.max_same_step_repetitions.map(|times| LoopLimit {
            times,
            longest: usize::try_from(long_running.max_cycle_length).unwrap_or(1),
            action: actions.same_step_loop,
        });
        let cost_threshold = long_running
            .cost_alert_threshold_usd
            .map(|usd| tally(ViolationType::CostThreshold, Some(usd.get()), actions.cost_threshold));
        let bare = set & !Resource::Steps.bit() == 0
            && wall.is_none()
            && active.is_none()
            && idle.is_none()
            && repetition.is_none()
            && cost_threshold.is_none();
        let plan = Self {
            // In the order of `Resource`.
            tallies: [
                tally(ViolationType::StepLimit, limit_of(Resource::Steps), actions.steps),
                tally(ViolationType::TokenLimit, limit_of(Resource::Tokens), actions.tokens)
                    .overdraft(limits.token_overdraft),
                tally(ViolationType::MemoryLimit, limit_of(Resource::Memory), actions.memory),
                tally(ViolationType::CostLimit, limit_of(Resource::Cost), actions.cost)
                    .overdraft(limits.cost_overdraft_usd.get()),
                tally(
                    ViolationType::DiscoveredStepLimit,
                    limit_of(Resource::DiscoveredSteps),
                    actions.discovered_steps,
                ),
            ],
            set,
            times_out: [wall, active, idle].iter().flatten().any(TimeLimit::acts),
            wall,
            active,
            idle,
            repetition,
            cost_threshold,
            max_children: limits.max_children,
            max_children_total: limits.max_children_total,
            depth_limit: long_running.max_discovery_depth,
            depth_action: actions.discovery_depth,
            bare: bare && actions.steps != Action::Observe,
            far: Far::never(),
            source,
        };
        Self { far: Far::of(&plan), ..plan }
    }

    #[inline]
    pub(crate) fn tally(&self, resource: Resource) -> &TallyLimit {
        let [steps, tokens, memory, cost, discovered] = &self.tallies;
        match resource {
            Resource::Steps => steps,
            Resource::Tokens => tokens,
            Resource::Memory => memory,
            Resource::Cost => cost,
            Resource::DiscoveredSteps => discovered,
        }
    }

    /// Whether it sets a limit on `resource`.
    #[inline]
    pub(crate) fn limits(&self, resource: Resource) -> bool {
        self.set & resource.bit() != 0
    }

    /// The bounds of live children and of all.
    pub(crate) fn bounds_of_children(&self) -> [u64; 2] {
        [self.max_children, self.max_children_total].map(|limit| limit.unwrap_or(MAX_AMOUNT))
    }

    /// Whether any decision of this plan needs the time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.wall.is_some() || self.active.is_some() || self.idle.is_some()
    }
}
