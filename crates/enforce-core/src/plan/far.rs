//! Limits, compiled once more: what the usual way compares with, side by side.

use super::{Plan, TallyLimit, TimeLimit};
use crate::kernel::own::{Room, TALLIES};
use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::Action;
use crate::resource::Resource;

/// The order in which an execution's own tallies are taken from: steps, which are committed by it, behind everything else.
pub(crate) const TAKEN: [Resource; TALLIES] =
    [Resource::Tokens, Resource::Memory, Resource::Cost, Resource::DiscoveredSteps, Resource::Steps];

/// How far is far: what neither blocks nor warns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Far {
    /// How far a tally has to be from its limit, and money from its threshold; in the order of [`TAKEN`].
    pub(crate) rooms: [Room; TALLIES],
    /// The last nanosecond since registration at which no deadline is near, while nothing has been paused.
    pub(crate) running_ns: u64,
    /// The last nanosecond since activity at which it is not nearly idle.
    pub(crate) idle_ns: u64,
    /// Idleness is limited, so that activity matters.
    pub(crate) touches: bool,
    pub(crate) needs_time: bool,
    /// Repeated steps are limited.
    pub(crate) remembers: bool,
    /// Anything can be far: no limit only observes, and none of time is 0.
    pub(crate) is_ever: bool,
}

impl Far {
    pub(super) fn of(plan: &Plan) -> Self {
        let observes = |limit: &TallyLimit| limit.action == Action::Observe;
        let running = [last_quiet(&plan.wall), last_quiet(&plan.active)];
        let [Some(wall), Some(active)] = running else { return Self::never() };
        let Some(idle_ns) = last_quiet(&plan.idle) else { return Self::never() };
        let room = |resource| {
            let limit = plan.tally(resource);
            Room::of(match &plan.cost_threshold {
                Some(threshold) if resource == Resource::Cost => {
                    limit.warn_room.max(room_of_threshold(threshold, limit.limit))
                }
                _ => limit.warn_room,
            })
        };
        Self {
            rooms: TAKEN.map(room),
            running_ns: wall.min(active),
            idle_ns,
            touches: plan.idle.is_some(),
            needs_time: plan.needs_time(),
            remembers: plan.repetition.is_some(),
            is_ever: !plan.tallies.iter().any(observes),
        }
    }

    /// Nothing is far.
    pub(super) const fn never() -> Self {
        Self {
            rooms: [Room::of(MAX_AMOUNT as i64); TALLIES],
            running_ns: 0,
            idle_ns: 0,
            touches: false,
            needs_time: false,
            remembers: false,
            is_ever: false,
        }
    }
}

/// The last nanosecond at which a limit of time neither blocks nor warns; the end of time if it never does, nothing if it
/// always does.
const fn last_quiet(limit: &Option<TimeLimit>) -> Option<u64> {
    let Some(TimeLimit { block_ns, warn_ns, .. }) = limit else { return Some(u64::MAX) };
    match if *block_ns < *warn_ns { *block_ns } else { *warn_ns } {
        u64::MAX => Some(u64::MAX),
        first => first.checked_sub(1),
    }
}

/// What has to be left of `limit` for a threshold of what is used of it to be far. Committed is no more than used.
const fn room_of_threshold(threshold: &TallyLimit, limit: u64) -> i64 {
    // Far: threshold − used > warn_room, and > 0. What is left is limit − used; no term is above 2^56.
    let warn_room = if threshold.warn_room > 0 { threshold.warn_room } else { 0 };
    limit as i64 - threshold.limit as i64 + warn_room
}
