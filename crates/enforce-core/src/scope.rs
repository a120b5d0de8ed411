//! Tenants and the process as a whole: closed against new executions, halted with all that they have, opened again.

use serde::{Deserialize, Serialize};

use crate::decision::{Cause, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::enforcer::Enforcer;
use crate::execution::Execution;
use crate::id::validate;
use crate::kernel::door::Stand;
use crate::limits::ConfigError;
use crate::registry::doors;

/// Whether a tenant, or the process, takes new executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScopeStatus {
    /// It does.
    #[default]
    Open,
    /// It does not; what runs goes on.
    Closed(Cause),
    /// It does not, and all that it had is halted.
    Halted(Cause),
}

impl ScopeStatus {
    pub(crate) fn of(stand: Stand) -> Self {
        let cause = |code| Cause::from_code(code).unwrap_or(Cause::own(ViolationType::Requested));
        match stand {
            Stand::Open => Self::Open,
            Stand::Closed(code) => Self::Closed(cause(code)),
            Stand::Halted(code) => Self::Halted(cause(code)),
        }
    }

    pub(crate) const fn stand(self) -> Stand {
        match self {
            Self::Open => Stand::Open,
            Self::Closed(cause) => Stand::Closed(cause.code()),
            Self::Halted(cause) => Stand::Halted(cause.code()),
        }
    }

    /// What a registration is told.
    pub(crate) fn violation(self, scope: ScopeKind) -> EnforcementViolation {
        let (kind, cause) = match self {
            Self::Open => (ViolationType::Closed, None),
            Self::Closed(cause) => (ViolationType::Closed, Some(cause)),
            Self::Halted(cause) => (ViolationType::Halted, Some(cause)),
        };
        EnforcementViolation { cause, ..EnforcementViolation::of(scope, kind, 0, 0, 0, Retry::Never) }
    }
}

/// What everything in a scope is told: the limit that the caller acts upon, and that it is the scope's.
const fn cause_of(scope: ScopeKind, cause: Cause) -> Cause {
    Cause { scope, ..cause }
}

impl Enforcer {
    /// Takes no new executions from here on: once this has returned, every registration without a parent is refused with
    /// `closed` of the scope `process`, also one that had begun. What runs goes on, and may have children. The first cause
    /// stays; its scope becomes `process`. [`Enforcer::reopen`] undoes it.
    ///
    /// ```
    /// use enforce_core::{Cause, Demand, Enforcer, RegisterError, ViolationType};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// enforcer.close(Cause::own(ViolationType::Requested));
    /// let Err(RegisterError::Refused(refused)) = enforcer.execution("exec_2", "tenant_a").register() else {
    ///     panic!("it was let in")
    /// };
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "closed by process:requested: the process takes no new executions unless it is reopened",
    /// );
    /// assert!(run.reserve(Demand::step()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self, cause: Cause) {
        let code = cause_of(ScopeKind::Process, cause).code();
        // Whoever is in the middle of coming in has been let in, or sees the door, when each list has been passed.
        self.core().process.door.turn(|stand| stand.closed(code));
        self.core().tenants().for_each(|tenant| tenant.wait_for_ends());
    }

    /// Halts everything, and takes no new executions from here on: once this has returned, to whichever caller, nothing is
    /// admitted on any execution, also not on one that was being registered meanwhile (E1). Each is halted as by
    /// [`Execution::halt`], with a slot that is free and holds that can be settled; who was halted before, or has ended,
    /// stays so. The first cause stays; its scope becomes `process`. How many executions without a parent this call halted.
    ///
    /// [`Enforcer::reopen`] lets executions be registered again; none that was halted goes on (E2). Walks the executions.
    ///
    /// ```
    /// use enforce_core::{Cause, Demand, Enforcer, ScopeKind, Status, ViolationType};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// assert_eq!(enforcer.halt_all(Cause::own(ViolationType::Requested)), 1);
    /// assert!(run.reserve(Demand::step()).is_err());
    /// assert!(matches!(run.status(), Status::Halted(cause) if cause.scope == ScopeKind::Process));
    /// assert!(enforcer.execution("exec_2", "tenant_b").register().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn halt_all(&self, cause: Cause) -> u64 {
        let cause = cause_of(ScopeKind::Process, cause);
        self.core().process.door.turn(|stand| stand.halted(cause.code()));
        // Behind the door: whoever is not found here finds it shut (E1).
        doors::halt(self.core().roots(), cause)
    }

    /// Takes executions again, after [`Enforcer::close`] or [`Enforcer::halt_all`]. What was halted stays halted, and
    /// tenants that are closed by themselves stay closed.
    pub fn reopen(&self) {
        self.core().process.door.turn(|_| Stand::Open);
    }

    /// Whether it takes new executions, but for tenants that are closed by themselves.
    #[must_use]
    pub fn status(&self) -> ScopeStatus {
        ScopeStatus::of(self.core().process.door.stand())
    }

    /// [`Enforcer::close`] for one tenant, whether it is known by now or not, and for good: it stays closed when it has
    /// nothing left and is let go, and after a restart ([`Enforcer::save`]), until [`Enforcer::reopen_tenant`]. The
    /// cause's scope becomes `tenant`.
    ///
    /// # Errors
    /// An id that is empty or too long; as many tenants are closed as may be known. Nothing has changed.
    pub fn close_tenant(&self, tenant: &str, cause: Cause) -> Result<(), ConfigError> {
        let code = cause_of(ScopeKind::Tenant, cause).code();
        self.turn_tenant(tenant, |stand| stand.closed(code)).map(drop)
    }

    /// [`Enforcer::halt_all`] for one tenant, whether it is known by now or not. It stays halted as
    /// [`Enforcer::close_tenant`] says: a tenant that is to be stopped would otherwise go on with its next registration.
    /// Who only wants to be rid of what runs reopens it at once. How many executions without a parent this call halted.
    ///
    /// # Errors
    /// As [`Enforcer::close_tenant`].
    ///
    /// ```
    /// use enforce_core::{Cause, Enforcer, RegisterError, ViolationType};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// assert_eq!(enforcer.halt_tenant("tenant_a", Cause::own(ViolationType::Requested))?, 1);
    /// assert_eq!(run.status().violation().map(|it| it.to_string()).as_deref(), Some("halted by tenant:requested"));
    /// assert!(matches!(enforcer.execution("exec_2", "tenant_a").register(), Err(RegisterError::Refused(_))));
    /// assert!(enforcer.execution("exec_2", "tenant_b").register().is_ok());
    /// enforcer.reopen_tenant("tenant_a");
    /// assert!(enforcer.execution("exec_3", "tenant_a").register().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn halt_tenant(&self, tenant: &str, cause: Cause) -> Result<u64, ConfigError> {
        let cause = cause_of(ScopeKind::Tenant, cause);
        let roots = self.turn_tenant(tenant, |stand| stand.halted(cause.code()))?;
        Ok(doors::halt(roots.into_iter(), cause))
    }

    /// Turns its door; its executions behind that.
    fn turn_tenant(&self, id: &str, next: impl Fn(Stand) -> Stand) -> Result<Vec<Execution>, ConfigError> {
        validate("tenant id", id)
            .map_err(|error| ConfigError::new("tenant", error.to_string(), "write an id of 1 to 128 bytes"))?;
        let full = |doors::TooMany| {
            ConfigError::new("tenant", "as many tenants are closed as may be known", "reopen some or raise max_tenants")
        };
        let tenant = self.core().turn_tenant(id, next).map_err(full)?;
        Ok(tenant.map(|tenant| tenant.roots()).unwrap_or_default())
    }

    /// Takes executions of that tenant again. What was halted stays halted.
    pub fn reopen_tenant(&self, tenant: &str) {
        // To open a door needs no room.
        drop(self.core().turn_tenant(tenant, |_| Stand::Open));
    }

    /// Whether that tenant takes new executions, as far as it is closed by itself.
    #[must_use]
    pub fn tenant_status(&self, tenant: &str) -> ScopeStatus {
        ScopeStatus::of(self.core().stand_of(tenant))
    }

    /// The handles of all executions that are registered: those that run, those that are halted, and children. A copy of
    /// the table: of those that come or go meanwhile some may be in it.
    ///
    /// ```
    /// use enforce_core::Enforcer;
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// run.child("exec_1.1").register()?;
    /// enforcer.execution("exec_2", "tenant_b").register()?;
    /// assert_eq!(enforcer.executions().count(), 3);
    /// assert_eq!(enforcer.tenant_executions("tenant_a").count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn executions(&self) -> impl Iterator<Item = Execution> + use<> {
        self.core().executions.entries().into_iter()
    }

    /// The same of one tenant, parents before their children. Walks that tenant's alone.
    pub fn tenant_executions(&self, tenant: &str) -> impl Iterator<Item = Execution> + use<> {
        let roots = self.core().tenant(tenant).map(|tenant| tenant.roots()).unwrap_or_default();
        roots.into_iter().flat_map(tree)
    }
}

/// It and everything below it. Trees are eight deep at most, and so is this recursion.
fn tree(execution: Execution) -> Vec<Execution> {
    let below: Vec<_> = execution.children().into_iter().flat_map(tree).collect();
    std::iter::once(execution).chain(below).collect()
}
