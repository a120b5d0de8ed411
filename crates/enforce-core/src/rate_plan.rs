//! Rates, compiled: which are whose.

use crate::kernel::gcra::Rate;
use crate::limits::rate::rate_ratio;
use crate::limits::{ConfigError, ProviderPolicy, RateLimit, RateOn, RateUnit};

/// So many rates of tokens may meet in one demand: each leaves a word in its hold.
pub(crate) const MAX_TOKEN_RATES: usize = 6;

/// So many rates can meet in one demand: those, and one of requests for each period of each kind of key.
pub(crate) const MAX_RATES: usize = MAX_TOKEN_RATES + 4 * 3;

/// The rate of which nothing may be taken.
pub(crate) const NOTHING: Rate = Rate { interval: 0, scale: 1, burst: 0 };

/// A rate as configured, with its ratio worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) limit: RateLimit,
    pub(crate) rate: Rate,
}

/// All rates, compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct RatePlan {
    /// Which of its enforcer's plans it is.
    pub(crate) version: u64,
    /// When it came into force, in nanoseconds since the enforcer's epoch.
    pub(crate) since_ns: u64,
    rules: Vec<Rule>,
    /// Whether there is any of a provider, of a tenant with a provider, of a model.
    pub(crate) provider: bool,
    pub(crate) tenant: bool,
    pub(crate) model: bool,
}

/// What every demand looks at of a plan, in one word: its version, 61 bits, and whether it has rates of a model, of a tenant
/// with a provider, of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts(u64);

impl Facts {
    const KINDS: u32 = 3;

    #[inline]
    pub(crate) const fn of(word: u64) -> Self {
        Self(word)
    }

    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn version(self) -> u64 {
        self.0 >> Self::KINDS
    }

    #[inline]
    pub(crate) const fn provider(self) -> bool {
        self.0 & 1 != 0
    }

    #[inline]
    pub(crate) const fn tenant(self) -> bool {
        self.0 & 2 != 0
    }

    #[inline]
    pub(crate) const fn model(self) -> bool {
        self.0 & 4 != 0
    }
}

impl RatePlan {
    pub(crate) fn compile(policy: &ProviderPolicy, limits: &[RateLimit]) -> Result<Self, ConfigError> {
        policy.validate()?;
        let mut plan = Self::default();
        for limit in policy.rates().chain(limits.iter().cloned()) {
            limit.validate()?;
            let same = |rule: &Rule| {
                let other = &rule.limit;
                (other.on, &other.name, other.unit, other.per) == (limit.on, &limit.name, limit.unit, limit.per)
            };
            if plan.rules.iter().any(same) {
                let (on, unit, per) = (limit.on, limit.unit, limit.per);
                return Err(ConfigError::new("rate", format!("two rates of {on}, {unit} per {per}"), "write one"));
            }
            match limit.on {
                RateOn::Provider => plan.provider = true,
                RateOn::TenantProvider => plan.tenant = true,
                RateOn::Model => plan.model = true,
            }
            let rate = match limit.limit {
                0 => NOTHING,
                some => {
                    let (interval, scale) = rate_ratio(limit.per, some);
                    Rate { interval, scale, burst: limit.burst.unwrap_or(some) }
                }
            };
            plan.rules.push(Rule { limit, rate });
        }
        let meeting: usize =
            [RateOn::Provider, RateOn::TenantProvider, RateOn::Model].map(|on| plan.most(on)).iter().sum();
        if meeting > MAX_TOKEN_RATES {
            let wrong = format!("{meeting} rates of tokens could meet in one demand");
            return Err(ConfigError::new("rate", wrong, format!("write at most {MAX_TOKEN_RATES}")));
        }
        Ok(plan)
    }

    /// Whether it sets the same rates as `other`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.rules == other.rules
    }

    /// What of it every demand looks at.
    pub(crate) fn facts(&self) -> Facts {
        let kinds = u64::from(self.provider) | u64::from(self.tenant) << 1 | u64::from(self.model) << 2;
        Facts(self.version << Facts::KINDS | kinds)
    }

    /// The most rates of tokens that any key of that kind has.
    fn most(&self, on: RateOn) -> usize {
        let names = self.rules.iter().map(|rule| rule.limit.name.as_deref());
        let counts = names
            .chain([None])
            .map(|name| self.of(on, name).iter().filter(|rule| rule.limit.unit != RateUnit::Requests).count());
        counts.max().unwrap_or(0)
    }

    /// The rates of one key: those of its name, and for other units and periods those of every name. Requests first.
    pub(crate) fn of(&self, on: RateOn, name: Option<&str>) -> Vec<&Rule> {
        let its =
            |rule: &&Rule| rule.limit.on == on && (rule.limit.name.is_none() || rule.limit.name.as_deref() == name);
        let mut rules: Vec<&Rule> = self.rules.iter().filter(its).collect();
        rules.sort_by_key(|rule| (rule.limit.unit, rule.limit.per, rule.limit.name.is_none()));
        rules.dedup_by_key(|rule| (rule.limit.unit, rule.limit.per));
        rules
    }
}
