//! Registering an execution.

use std::borrow::Cow;
use std::fmt;

use crate::clock::Timestamp;
use crate::decision::EnforcementViolation;
use crate::enforcer::Enforcer;
use crate::execution::Execution;
use crate::id::{InvalidId, validate};
use crate::kernel::table::Rejected;
use crate::kernel::tally::Tally;
use crate::limits::{ConfigError, LongRunningExecutionPolicy, ResourceLimits};
use crate::plan::Plan;
use crate::sync::Arc;
use crate::tenant::Tenant;

/// Registers one execution.
#[derive(Debug)]
#[must_use = "nothing is registered until `register`"]
pub struct ExecutionBuilder<'a> {
    enforcer: &'a Enforcer,
    id: Cow<'a, str>,
    tenant: Cow<'a, str>,
    limits: Option<ResourceLimits>,
    long_running: Option<LongRunningExecutionPolicy>,
}

/// Why an execution was not registered. Nothing is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The execution's or the tenant's id is empty or too long.
    InvalidId(InvalidId),
    /// The id belongs to an execution that has not ended.
    Duplicate {
        /// The id.
        id: String,
    },
    /// A table holds as many entries as it may.
    Full {
        /// Which: `executions` or `tenants`.
        table: &'static str,
    },
    /// The tenant, or the process, has no room for another live execution, or takes none any more: it is closed or halted.
    Refused(EnforcementViolation),
    /// The execution's own limits make no sense.
    Config(ConfigError),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidId(error) => error.fmt(f),
            Self::Duplicate { id } => write!(f, "execution {id:?} is registered already; finish it first"),
            Self::Full { table } => write!(f, "the table of {table} is full; finish some or raise max_{table}"),
            Self::Refused(violation) => violation.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InvalidId(error) => Some(error),
            Self::Refused(violation) => Some(violation),
            Self::Config(error) => Some(error),
            Self::Duplicate { .. } | Self::Full { .. } => None,
        }
    }
}

impl<'a> ExecutionBuilder<'a> {
    pub(crate) fn new(enforcer: &'a Enforcer, id: Cow<'a, str>, tenant: Cow<'a, str>) -> Self {
        Self { enforcer, id, tenant, limits: None, long_running: None }
    }
}

impl ExecutionBuilder<'_> {
    /// Its own limits, in place of the enforcer's. `max_concurrent_executions` is the tenant's and is not looked at
    /// here. Default: the enforcer's.
    pub fn limits(self, limits: ResourceLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Its own long-running limits, in place of the enforcer's. Default: the enforcer's.
    pub fn long_running(self, long_running: LongRunningExecutionPolicy) -> Self {
        Self { long_running: Some(long_running), ..self }
    }

    /// Takes a slot of the tenant's and one of the process's and registers it, or says why not.
    ///
    /// # Errors
    /// An id that is empty or longer than 128 bytes; an id that is registered already; limits that make no sense; a
    /// tenant or a process that has no slot left, or that is closed or halted ([`Enforcer::close`]); a full table.
    /// Nothing is left behind.
    ///
    /// ```
    /// use enforce_core::{Enforcer, RegisterError, ResourceLimits, Retry};
    ///
    /// let limits = ResourceLimits { max_concurrent_executions: Some(1), ..ResourceLimits::unlimited() };
    /// let enforcer = Enforcer::builder().limits(limits).build()?;
    /// let first = enforcer.execution("exec_1", "tenant_a").register()?;
    /// let Err(RegisterError::Refused(violation)) = enforcer.execution("exec_2", "tenant_a").register() else {
    ///     panic!("a second slot was given out")
    /// };
    /// assert_eq!((violation.to_string().as_str(), violation.retry),
    ///            ("concurrency_limit exceeded: 2 / 1 (200%)", Retry::WhenFreed));
    /// first.finish();
    /// assert!(enforcer.execution("exec_2", "tenant_a").register().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register(self) -> Result<Execution, RegisterError> {
        let now = self.enforcer.core().clock.now();
        self.register_at(now)
    }

    /// [`ExecutionBuilder::register`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`ExecutionBuilder::register`].
    pub fn register_at(self, now: Timestamp) -> Result<Execution, RegisterError> {
        let core = self.enforcer.core();
        validate("execution id", &self.id).map_err(RegisterError::InvalidId)?;
        validate("tenant id", &self.tenant).map_err(RegisterError::InvalidId)?;
        let own = self.own_plan().map_err(RegisterError::Config)?;
        let (plan, tenant) = core.enter(&self.tenant, now);
        let tenant = tenant.ok_or(RegisterError::Full { table: "tenants" })?;
        // From here on the record holds the attachment and gives it back, whatever comes.
        let execution = Execution::new(&self.id, tenant, own.unwrap_or(plan), None, now);
        let tenant = &execution.record().tenant;
        let enter = |slots: [&Tally; 2]| {
            // Under the lock of its members, behind which a halt looks for them (E1).
            tenant.let_in()?;
            core.executions.register(slots, execution.clone())?;
            core.note_registered(execution.record());
            core.time(&execution);
            Ok(())
        };
        let joined = tenant.join(&execution, enter);
        let refused = joined.err().map(|rejected| self.refused(rejected, tenant, now));
        core.flush();
        refused.map_or(Ok(execution), Err)
    }

    #[cold]
    fn refused(&self, rejected: Rejected, tenant: &Tenant, now: Timestamp) -> RegisterError {
        let violation = match rejected {
            Rejected::Duplicate => return RegisterError::Duplicate { id: self.id.to_string() },
            // Never closed as long as there is an enforcer.
            Rejected::Full | Rejected::Closed => return RegisterError::Full { table: "executions" },
            Rejected::NoSlot(number) => tenant.no_slot(number),
            Rejected::Shut(number, stand) => Tenant::shut(number, stand),
        };
        self.enforcer.core().note_no_slot(tenant, &violation, &self.id, now);
        RegisterError::Refused(violation)
    }

    /// The limits that it brings, if it does.
    fn own_plan(&self) -> Result<Option<Arc<Plan>>, ConfigError> {
        if self.limits.is_none() && self.long_running.is_none() {
            return Ok(None);
        }
        let mut source = self.enforcer.core().plan().source.clone();
        if let Some(limits) = &self.limits {
            source.limits = limits.clone();
        }
        if let Some(long_running) = &self.long_running {
            source.long_running = long_running.clone();
        }
        Plan::compile(source).map(Arc::new).map(Some)
    }
}
