//! How much memory an execution takes while it lives.

use std::fmt::Write as _;
use std::hint::black_box;

use enforce_core::{Enforcer, Timestamp};

use crate::ours::Setting;

/// An enforcer with the usual limits, and the names of a thousand tenants.
pub struct Crowd {
    enforcer: Enforcer,
    now: Timestamp,
    tenants: Vec<String>,
    id: String,
}

impl Crowd {
    /// Without any executions.
    pub fn empty() -> Self {
        let enforcer = Setting::Usual.enforcer();
        let now = enforcer.clock().now();
        let tenants = (0..1_000).map(|number| format!("tenant_{number:027}")).collect();
        Self { enforcer, now, tenants, id: String::with_capacity(32) }
    }

    /// Registers `count` executions with ids of 27 characters.
    pub fn register(&mut self, count: u32) {
        for (number, tenant) in (0..count).zip(self.tenants.iter().cycle()) {
            self.id.clear();
            let named = write!(self.id, "e{number:026}");
            let run = self.enforcer.execution(self.id.as_str(), tenant.as_str()).register_at(self.now);
            assert!(named.is_ok() && run.is_ok(), "an id was refused");
        }
        assert_eq!(self.enforcer.execution_count(), u64::from(count), "all of them live");
        black_box(&self.enforcer);
    }
}

/// Resident bytes of this process; `None` where the system does not tell.
pub fn now() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    // Pages of 4 KiB, as on every machine that this has run on.
    pages.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// Bytes by which the resident size grows for each of `count` live executions, with everything that they share; `None`
/// where the system does not tell.
pub fn bytes_per_execution(count: u32) -> Option<f64> {
    let mut crowd = Crowd::empty();
    let before = self::now()?;
    crowd.register(count);
    let after = self::now()?;
    Some(after.saturating_sub(before) as f64 / f64::from(count))
}
