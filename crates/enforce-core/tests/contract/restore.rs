//! State that outlives its enforcer: taken over whole or not at all, under the limits of today, and never a gain. That
//! random sequences go on as if nothing had stopped is shown beside their oracles.

mod closed;
mod guards;
mod hostile;
mod killed;
mod load;
mod mutated;
mod scopes;
mod stops;
mod time;

use enforce_core::{Enforcer, EnforcerBuilder, EnforcerState, OpenHolds, RestoreError, RestoreOptions, Restored};

/// The state of `enforcer`, through its text.
pub(crate) fn saved(enforcer: &Enforcer) -> EnforcerState {
    serde_json::from_str(&serde_json::to_string(&enforcer.save()).unwrap()).unwrap()
}

/// Restores into a new enforcer, or says why not.
pub(crate) fn try_into(builder: EnforcerBuilder, state: &EnforcerState) -> Result<(Enforcer, Restored), RestoreError> {
    let mut after = builder.build().unwrap();
    after.restore(state, RestoreOptions::new()).map(|restored| (after, restored))
}

/// Restores into a new enforcer.
pub(crate) fn into(builder: EnforcerBuilder, state: &EnforcerState) -> Enforcer {
    try_into(builder, state).unwrap().0
}

/// Restores into a new enforcer, with what open holds have set aside given back.
pub(crate) fn into_giving_back(builder: EnforcerBuilder, state: &EnforcerState) -> Enforcer {
    let mut after = builder.build().unwrap();
    after.restore(state, RestoreOptions::new().open_holds(OpenHolds::GiveBack)).unwrap();
    after
}
