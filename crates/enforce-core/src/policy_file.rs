//! The policy file: limits written in TOML, where a key that is absent sets no limit.

mod budget;
mod read;

use std::fmt;

use self::budget::BUDGET;
use self::read::{Entry, Key, Section, document, keys};
use crate::limits::{
    ConfigError, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, ProcessPolicy, ProviderPolicy, RateLimit,
    RatePeriod, RateUnit, ResourceLimits, TenantPolicy,
};
use crate::network::NetworkPolicy;

const LIMITS: &[Key<ResourceLimits>] = keys!(ResourceLimits:
    max_steps, max_tokens, max_wall_time_ms, max_memory_mb, max_concurrent_executions, max_cost_usd,
    max_active_time_ms, max_children, max_children_total, token_overdraft, cost_overdraft_usd);

const LONG_RUNNING: &[Key<LongRunningExecutionPolicy>] = keys!(LongRunningExecutionPolicy:
    max_discovered_steps, max_discovery_depth, cost_alert_threshold_usd, approval_ceiling_usd, idle_timeout_seconds,
    max_same_step_repetitions, max_cycle_length);

const ENFORCEMENT: &[Key<EnforcementPolicy>] = keys!(EnforcementPolicy:
    warning_threshold, emit_warning_events, emit_block_events, timeout_grace_ms);

const ACTIONS: &[Key<LimitActions>] = keys!(LimitActions:
    steps, tokens, cost, wall_time, idle, same_step_loop, memory, discovered_steps, discovery_depth, concurrency, rate,
    cost_threshold, allowances);

const TENANT: &[Key<TenantPolicy>] = keys!(TenantPolicy: budget_usd, budget_period, budget_action,
    max_concurrent_executions, budget_overdraft_usd);

const PROCESS: &[Key<ProcessPolicy>] = keys!(ProcessPolicy: max_concurrent_executions);

const PROVIDER: &[Key<ProviderPolicy>] = keys!(ProviderPolicy:
    requests_per_minute, request_burst, tokens_per_minute, token_burst);

const NETWORK: &[Key<Network>] = keys!(Network: air_gapped, allowed_hosts);

const RATE: &[Key<RateLimit>] = keys!(RateLimit: on, name, unit, limit, per, burst);

/// What a `[[rate]]` may not leave out.
const RATE_NEEDS: [&str; 4] = ["on", "unit", "limit", "per"];

/// The key of `[long_running]` that loads a preset.
const PRESET: &str = "preset";

/// What a policy file says, resolved and validated.
///
/// The keys are the fields of the structs below, in sections `[limits]`, `[long_running]`, `[enforcement]`,
/// `[actions]` (of the enforcement policy), `[tenant]`, `[process]` and `[provider]`; `[network]` has `air_gapped = true`
/// or a list of `allowed_hosts`, and the keys of `[allowances]` are names. Each `[[rate]]` is one rate more, and each
/// `[[budget]]` one budget of every tenant (`on = "tenant"`) or of all together (`on = "process"`), whose amount is that
/// of its key `steps`, `tokens`, `memory_mb`, `cost_usd` or `discovered_steps`. A limit that the file does not name is not
/// set, unlike in the structs' `Default`; other keys have their defaults. `preset` in `[long_running]` loads a preset,
/// which the keys beside it override in any order. Money is a decimal string, or an integer of whole dollars.
///
/// ```
/// use enforce_core::{PolicyFile, UNLIMITED};
///
/// let policy = PolicyFile::parse(
///     r#"
///     [limits]
///     max_steps = 200
///     max_cost_usd = "2.50"
///
///     [long_running]
///     idle_timeout_seconds = 600
///     preset = "standard"
///
///     [actions]
///     tokens = "observe"
///
///     [[budget]]
///     on = "tenant"
///     cost_usd = "10"
///     per = "day"
///     "#,
/// )?;
/// assert_eq!((policy.limits.max_steps, policy.limits.max_tokens), (200, UNLIMITED));
/// assert_eq!(policy.long_running.idle_timeout_seconds, Some(600));
/// assert_eq!(policy.long_running.max_discovery_depth, Some(5));
/// # Ok::<(), enforce_core::PolicyFileError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// `[limits]`: what one execution may use.
    pub limits: ResourceLimits,
    /// `[long_running]`: what keeps a long execution from running away.
    pub long_running: LongRunningExecutionPolicy,
    /// `[enforcement]` and `[actions]`: when to warn, what to report, what happens at a limit.
    pub enforcement: EnforcementPolicy,
    /// `[tenant]`, and `[[budget]]` on tenants: what a tenant may use.
    pub tenant: TenantPolicy,
    /// `[process]`, and `[[budget]]` on the process: what all tenants may use together.
    pub process: ProcessPolicy,
    /// `[provider]`: how fast a provider may be asked.
    pub provider: ProviderPolicy,
    /// `[network]`: which hosts may be reached.
    pub network: NetworkPolicy,
    /// `[[rate]]`: how fast providers, tenants with providers, and models may be asked.
    pub rates: Vec<RateLimit>,
    /// `[allowances]`: how many units an execution has of what goes by a name, in the order of the text.
    pub allowances: Vec<(String, u64)>,
}

impl PolicyFile {
    /// What an empty file says: no limit at all.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            limits: ResourceLimits::unlimited(),
            long_running: LongRunningExecutionPolicy::disabled(),
            enforcement: EnforcementPolicy::default(),
            tenant: TenantPolicy::default(),
            process: ProcessPolicy::default(),
            provider: ProviderPolicy::default(),
            network: NetworkPolicy::Open,
            rates: Vec::new(),
            allowances: Vec::new(),
        }
    }

    /// Reads the text of a policy file.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown section or key, a value of the wrong type, or a configuration that its struct's
    /// `validate` refuses: the first of them in the file, with its place.
    ///
    /// ```
    /// use enforce_core::PolicyFile;
    ///
    /// let error = PolicyFile::parse("[limits]\nmax_stepz = 5").unwrap_err();
    /// assert_eq!(error.to_string(), "line 2, column 1: limits.max_stepz: unknown key; did you mean max_steps?");
    /// ```
    pub fn parse(text: &str) -> Result<Self, PolicyFileError> {
        let mut file = Self::unlimited();
        let mut budgets = Vec::new();
        for entry in document(text)? {
            match entry.name() {
                "limits" => entry.section()?.read(&mut file.limits, LIMITS, ResourceLimits::validate)?,
                "long_running" => read_long_running(entry.section()?, &mut file.long_running)?,
                "enforcement" => {
                    entry.section()?.read(&mut file.enforcement, ENFORCEMENT, EnforcementPolicy::validate)?;
                }
                "actions" => entry.section()?.read(&mut file.enforcement.actions, ACTIONS, LimitActions::validate)?,
                "tenant" => entry.section()?.read(&mut file.tenant, TENANT, TenantPolicy::validate)?,
                "process" => entry.section()?.read(&mut file.process, PROCESS, ProcessPolicy::validate)?,
                "budget" => budgets = entry.tables()?.into_iter().map(budget::read).collect::<Result<_, _>>()?,
                "provider" => entry.section()?.read(&mut file.provider, PROVIDER, ProviderPolicy::validate)?,
                "network" => file.network = read_network(&entry.section()?)?,
                "rate" => file.rates = entry.tables()?.iter().map(read_rate).collect::<Result<_, _>>()?,
                "allowances" => file.allowances = entry.section()?.allowances()?,
                _ => return Err(entry.unknown_section()),
            }
        }
        // Behind the sections that they add to, wherever those stand.
        for budget in budgets {
            budget.add_to(&mut file)?;
        }
        Ok(file)
    }
}

/// Reads the preset first, wherever it stands, so that the keys beside it override it.
fn read_long_running(mut section: Section<'_>, policy: &mut LongRunningExecutionPolicy) -> Result<(), PolicyFileError> {
    if let Some(preset) = section.take(PRESET) {
        *policy = preset.read()?;
    }
    section.read(policy, LONG_RUNNING, LongRunningExecutionPolicy::validate)
}

/// `[network]`, as it is written.
#[derive(Default)]
struct Network {
    air_gapped: bool,
    allowed_hosts: Option<Vec<String>>,
}

impl Network {
    fn policy(&self) -> NetworkPolicy {
        match &self.allowed_hosts {
            Some(hosts) => NetworkPolicy::AllowList(hosts.clone()),
            None if self.air_gapped => NetworkPolicy::AirGapped,
            None => NetworkPolicy::Open,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.air_gapped && self.allowed_hosts.is_some() {
            return Err(ConfigError::new("air_gapped", "allows no host of the list", "leave allowed_hosts out"));
        }
        self.policy().validate()
    }
}

fn read_network(section: &Section<'_>) -> Result<NetworkPolicy, PolicyFileError> {
    let mut network = Network::default();
    section.read(&mut network, NETWORK, Network::validate)?;
    Ok(network.policy())
}

fn read_rate(section: &Section<'_>) -> Result<RateLimit, PolicyFileError> {
    let mut rate = RateLimit::provider(RateUnit::Requests, 0, RatePeriod::Minute);
    section.needs(&RATE_NEEDS)?;
    section.read(&mut rate, RATE, RateLimit::validate)?;
    Ok(rate)
}

/// Every section with its keys.
fn known_keys() -> [(&'static str, Vec<&'static str>); 11] {
    fn names<T>(keys: &[Key<T>]) -> Vec<&'static str> {
        keys.iter().map(|(name, _)| *name).collect()
    }
    let mut long_running = names(LONG_RUNNING);
    long_running.push(PRESET);
    [
        ("limits", names(LIMITS)),
        ("long_running", long_running),
        ("enforcement", names(ENFORCEMENT)),
        ("actions", names(ACTIONS)),
        ("tenant", names(TENANT)),
        ("process", names(PROCESS)),
        ("provider", names(PROVIDER)),
        ("network", names(NETWORK)),
        ("rate", names(RATE)),
        ("budget", names(BUDGET)),
        ("allowances", Vec::new()),
    ]
}

/// Why a policy file is refused, and where. Prints as one line that lacks only the file's name.
///
/// ```
/// use enforce_core::PolicyFile;
///
/// let error = PolicyFile::parse("[limits]\nmax_cost_usd = 5.0").unwrap_err();
/// assert_eq!((error.line, error.column), (Some(2), Some(16)));
/// assert_eq!(error.message, r#"a float is not exact money: write cost as a string: "5.0""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyFileError {
    /// The line, counted from 1; `None` where the TOML parser knows no place.
    pub line: Option<usize>,
    /// The column in characters, counted from 1.
    pub column: Option<usize>,
    /// The section or the section and key, such as `limits.max_steps`; `None` where the text is not TOML.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl PolicyFileError {
    /// An error at this byte of the text.
    fn at(text: &str, offset: usize, key: Option<&str>, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: Some(before.matches('\n').count() + 1),
            column: Some(before[line_start..].chars().count() + 1),
            key: key.map(str::to_owned),
            message: message.into(),
        }
    }
}

impl fmt::Display for PolicyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{}: ", key.escape_debug())?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyFileError {}

#[cfg(test)]
mod tests;
