//! Trees of executions (T1, R1, R2, E1, E2, G1, C1, I1): what a child takes from above, what comes back, and what reaches
//! everything below.

mod lifetimes;
mod marks;
mod pools;
mod registering;
mod slices;

use enforce_core::{Demand, Enforcer, Execution, ResourceLimits, TenantPolicy};

use crate::common::{builder, nano, noon, register};

/// (steps, tokens, nano-dollars, discovered steps) that are committed.
fn committed(run: &Execution) -> [u64; 4] {
    let usage = run.snapshot();
    [usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.discovered_steps]
}

/// (tokens, nano-dollars, bytes) that are set aside.
fn held(run: &Execution) -> [u64; 3] {
    let open = run.snapshot().outstanding;
    [open.tokens, open.cost_nano_usd, open.memory_bytes]
}

/// (committed, set aside) of the tenant's budget.
fn budget(enforcer: &Enforcer) -> (u64, u64) {
    let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
    (budget.committed, budget.outstanding)
}

/// An enforcer whose tenants have a budget, and a root with these limits.
fn rooted(limits: ResourceLimits, budget: u64) -> (Enforcer, Execution) {
    let tenant = TenantPolicy { budget_usd: Some(nano(budget)), ..TenantPolicy::default() };
    let enforcer = builder(&noon()).limits(limits).tenant(tenant).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    (enforcer, root)
}

fn child(parent: &Execution, id: &str) -> Execution {
    parent.child(id).register().unwrap()
}

fn sliced(parent: &Execution, id: &str, slice: Demand) -> Execution {
    parent.child(id).slice(slice).register().unwrap()
}

/// Some of everything that is counted.
fn some() -> Demand {
    Demand::step().tokens(20, 10).cost(nano(8)).memory_bytes(5).discovered_steps(2)
}
