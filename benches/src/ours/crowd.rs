//! The same step with few and with many live executions.

use enforce_core::{Demand, Enforcer, Execution};

use super::{Setting, register};
use crate::Case;
use crate::ids::Ids;

/// So many live executions of one enforcer, registered in another order than that in which they are asked.
pub struct Crowd {
    enforcer: Enforcer,
    ids: Ids,
}

impl Crowd {
    /// One execution for each of `ids`, whose steps alone are limited.
    pub fn new(ids: &Ids) -> Self {
        let enforcer = Setting::Bare.enforcer();
        for id in ids.sorted() {
            register(&enforcer, id);
        }
        Self { enforcer, ids: ids.clone() }
    }

    /// Bare, by handle: a caller that keeps them all.
    pub fn by_handle(&self, name: impl Into<String>) -> Case {
        let mut runs: Ids<Option<Execution>> = self.ids.map(|id| self.enforcer.get(id));
        Case::new(name, move || {
            if let Some(run) = runs.next_id() {
                drop(run.reserve(Demand::step()));
            }
        })
    }

    /// Bare, by id.
    pub fn by_id(&self, name: impl Into<String>) -> Case {
        let (enforcer, mut ids) = (self.enforcer.clone(), self.ids.clone());
        Case::new(name, move || drop(enforcer.reserve(ids.next_id(), Demand::step())))
    }
}
