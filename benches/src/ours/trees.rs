//! An execution below others: each generation has limits of its own, and a demand is admitted on all of them.

use enforce_core::{Demand, Execution, ResourceLimits};

use super::budgets::{limits, spend};
use super::{FAR, Setting};
use crate::Case;

/// The last of so many generations, each with these limits of its own, and those above it, which live as long.
#[expect(clippy::expect_used, reason = "nothing stands against it")]
fn leaf(scopes: usize, limits: &ResourceLimits) -> Vec<Execution> {
    let enforcer = Setting::Bare.enforcer();
    let root = enforcer.execution("root", "tenant_a").limits(limits.clone()).register().expect("a free id");
    let mut line = vec![root];
    while line.len() < scopes {
        let id = format!("child_{}", line.len());
        let child = line.last().map(|above| above.child(id).limits(limits.clone()).register());
        line.extend(child.map(|child| child.expect("a free id")));
    }
    line
}

/// A step, reserved on every scope and given back; `scopes` of them.
pub fn step(name: impl Into<String>, scopes: usize) -> Case {
    let line = leaf(scopes, &ResourceLimits { max_steps: FAR, ..ResourceLimits::unlimited() });
    Case::new(name, move || {
        if let Some(run) = line.last() {
            drop(run.reserve(Demand::step()));
        }
    })
}

/// A step, tokens and money, reserved on every scope and settled; `scopes` of them.
pub fn whole(name: impl Into<String>, scopes: usize) -> Case {
    let line = leaf(scopes, &limits());
    Case::new(name, move || {
        if let Some(run) = line.last() {
            spend(run);
        }
    })
}
