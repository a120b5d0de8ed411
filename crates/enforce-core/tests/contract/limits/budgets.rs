//! A budget of each resource, of a tenant and of the process: the rows that the tables of amounts and overdrafts have in
//! common.

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, BudgetResource, BudgetUsage, Cause, Demand, Enforcer, EnforcerBuilder,
    ProcessPolicy, ScopeKind, TenantPolicy,
};

use crate::common::nano;

/// A resource of which a scope may have a budget.
#[derive(Clone, Copy)]
pub(crate) struct Resource {
    pub(crate) name: BudgetResource,
    /// In which unit its budget is configured.
    pub(crate) unit: u64,
    /// Committed by being taken.
    pub(crate) beginnings: bool,
    pub(crate) amount: fn(u64) -> BudgetAmount,
    pub(crate) ask: fn(u64) -> Demand,
    /// A gauge is never used up.
    pub(crate) used: fn(u64) -> Option<Actual>,
}

/// In the order in which they are looked at.
pub(crate) const RESOURCES: [Resource; 5] = [
    Resource {
        name: BudgetResource::Steps,
        unit: 1,
        beginnings: true,
        amount: BudgetAmount::Steps,
        ask: |amount| Demand::none().steps(amount),
        used: |amount| Some(Actual::none().steps(amount)),
    },
    Resource {
        name: BudgetResource::Tokens,
        unit: 1,
        beginnings: false,
        amount: BudgetAmount::Tokens,
        ask: |amount| Demand::none().tokens(amount / 2, amount - amount / 2),
        used: |amount| Some(Actual::tokens(amount, 0)),
    },
    Resource {
        name: BudgetResource::Memory,
        unit: 1 << 20,
        beginnings: false,
        amount: BudgetAmount::MemoryMb,
        ask: |amount| Demand::none().memory_bytes(amount),
        used: |_| None,
    },
    Resource {
        name: BudgetResource::Cost,
        unit: 1,
        beginnings: false,
        amount: |amount| BudgetAmount::CostUsd(nano(amount)),
        ask: |amount| Demand::none().cost(nano(amount)),
        used: |amount| Some(Actual::none().cost(nano(amount))),
    },
    Resource {
        name: BudgetResource::DiscoveredSteps,
        unit: 1,
        beginnings: true,
        amount: BudgetAmount::DiscoveredSteps,
        ask: |amount| Demand::none().discovered_steps(amount),
        used: |amount| Some(Actual::none().discovered_steps(amount)),
    },
];

pub(crate) const SCOPES: [ScopeKind; 2] = [ScopeKind::Tenant, ScopeKind::Process];

impl Resource {
    pub(crate) fn cause(&self, scope: ScopeKind) -> Cause {
        Cause { violation_type: self.name.violation_type(), scope }
    }

    /// So many configured units.
    pub(crate) fn budget(&self, max: u64, per: BudgetPeriod) -> Budget {
        Budget::new((self.amount)(max), per)
    }
}

/// With these budgets on that scope.
pub(crate) fn with(builder: EnforcerBuilder, scope: ScopeKind, budgets: Vec<Budget>) -> EnforcerBuilder {
    if scope == ScopeKind::Process {
        builder.process(ProcessPolicy { budgets, ..Default::default() })
    } else {
        builder.tenant(TenantPolicy { budgets, ..Default::default() })
    }
}

/// All budgets of that scope, as they stand; the tenant is `tenant`.
pub(crate) fn shown(enforcer: &Enforcer, scope: ScopeKind) -> Vec<BudgetUsage> {
    if scope == ScopeKind::Process {
        enforcer.process_usage().budgets
    } else {
        enforcer.tenant_usage("tenant").unwrap().budgets
    }
}
