//! What a run is to do, made of what the command line says.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use super::protocol::Protocol;
use crate::args::StressArgs;

/// How long a run lasts if nobody says.
const DEFAULT_SECONDS: u64 = 10;

/// The fewest operations of all threads between two meetings, and the most.
const LEAST_BETWEEN: u64 = 2_000;
const MOST_BETWEEN: u64 = 1 << 20;

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many operations of all threads.
    Operations(u64),
    /// The first meeting after so long.
    Elapsed(Duration),
}

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) threads: u64,
    pub(crate) executions: usize,
    pub(crate) until: Until,
    pub(crate) protocol: Protocol,
}

impl Plan {
    pub(crate) fn of(args: &StressArgs) -> Self {
        let available = || thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
        let until = match (args.operations, args.seconds) {
            (Some(operations), _) => Until::Operations(operations),
            (None, seconds) => Until::Elapsed(Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))),
        };
        Self {
            // A hasher's random keys are as good a seed as any; half of them, so that it is short to type.
            seed: args.seed.unwrap_or_else(|| RandomState::new().hash_one("seed") >> 32),
            threads: args.threads.unwrap_or_else(available),
            executions: usize::try_from(args.executions).unwrap_or(usize::MAX),
            until,
            protocol: args.protocol,
        }
    }

    /// Operations of one thread up to the next meeting: some for each execution, so that the meetings, which look at all
    /// of them, take a part of the time and not most of it.
    pub(crate) fn between_meetings(&self) -> u64 {
        let all = (self.executions as u64).saturating_mul(16).clamp(LEAST_BETWEEN, MOST_BETWEEN);
        (all / self.threads).max(1)
    }

    /// Operations of one thread in all, if they are counted.
    pub(crate) fn share(&self, thread: u64) -> Option<u64> {
        match self.until {
            Until::Operations(operations) => {
                Some(operations / self.threads + u64::from(thread < operations % self.threads))
            }
            Until::Elapsed(_) => None,
        }
    }

    /// Tenants that stay.
    pub(crate) fn lasting_tenants(&self) -> usize {
        (self.executions / 500).clamp(4, 256)
    }

    /// Tenants that come and go: about one root at a time in two of them.
    pub(crate) fn fleeting_tenants(&self) -> usize {
        (self.executions / 8).max(8)
    }
}
