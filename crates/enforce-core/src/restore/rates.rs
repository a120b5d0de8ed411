//! Rates of which something has not drained.

use crate::clock::Timestamp;
use crate::registry::Core;
use crate::state::{EnforcerState, RateState};
use crate::sync::Arc;

pub(super) fn save(_core: &Core, _now: Timestamp) -> Vec<RateState> {
    Vec::new()
}

pub(super) fn recall(_core: &Arc<Core>, _state: &EnforcerState, _now: Timestamp) {}
