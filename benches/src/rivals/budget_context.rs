//! budget-context 0.2: nodes of a tree, each with a lock around an ordered map from the names of resources to what is used.
//!
//! The same question: amounts of several resources are reserved on a node and all above it, all or none, and what was not
//! used comes back when the reservation is committed or dropped. It takes the locks of the whole line at once, so what it
//! shows is one consistent moment.
//!
//! What it does more: resources are the caller's own, any number of them. What it does less: an overrun is an error and is
//! not counted, a node cannot be halted or paused (without its tokio feature, which is not built here), limits do not
//! change, and there are no rates, tenants, ids or periods. It reads its clock only for a deadline, and none is set here.

use std::hint::black_box;

use budget_context::{Budget, Resource};

use crate::Case;

/// A limit that no run reaches.
const FAR: u64 = (1 << 56) - 1;

#[derive(Clone)]
struct Line {
    leaf: Budget,
    resources: [Resource; 3],
}

impl Line {
    /// The last of so many nodes, each below the one before, all with limits on steps, tokens and money.
    #[expect(clippy::expect_used, reason = "names and limits that are known to be valid")]
    fn new(scopes: usize) -> Self {
        let resources = ["steps", "tokens", "nano_usd"].map(|name| Resource::new(name).expect("a name"));
        let mut leaf: Option<Budget> = None;
        for _ in 0..scopes.max(1) {
            let builder = leaf.as_ref().map_or_else(Budget::builder, Budget::child);
            let limited = resources.iter().fold(builder, |builder, resource| builder.limit(resource.clone(), FAR));
            leaf = Some(limited.build().expect("valid limits"));
        }
        Self { leaf: leaf.expect("at least one"), resources }
    }

    /// A step, tokens and money are reserved, and less is committed.
    #[inline]
    fn spend(&self) {
        let [steps, tokens, money] = &self.resources;
        let asked = [(steps, 1), (tokens, black_box(40)), (money, black_box(12_000_000))];
        if let Ok(reserved) = self.leaf.reserve_many(asked) {
            let used = [(steps, 1), (tokens, black_box(18)), (money, black_box(10_000_000))];
            black_box(reserved.commit(used).is_ok());
        }
    }

    /// A step is reserved and given back.
    #[inline]
    fn step(&self) {
        drop(black_box(self.leaf.reserve(&self.resources[0], 1).ok()));
    }
}

/// A step, tokens and money, reserved and committed on so many scopes.
pub fn whole(name: impl Into<String>, scopes: usize) -> Case {
    let line = Line::new(scopes);
    Case::new(name, move || line.spend())
}

/// A step, reserved and given back on so many scopes.
pub fn step(name: impl Into<String>, scopes: usize) -> Case {
    let line = Line::new(scopes);
    Case::new(name, move || line.step())
}

/// Two threads on one node: a step, tokens and money.
pub fn on_two_threads() -> Case {
    let line = Line::new(1);
    Case::on_two_threads("budget-context, two threads", move || {
        let line = line.clone();
        move |times| (0..times).for_each(|_| line.spend())
    })
}
