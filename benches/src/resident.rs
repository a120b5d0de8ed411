//! How much memory an execution takes while it lives.

use std::hint::black_box;

use crate::ours::Setting;

/// Bytes of one live execution among many, everything that it shares with others included.
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// Asked of the allocator and not given back.
    pub counted: f64,
    /// Resident in memory, as the kernel counts its pages; `None` where it does not say.
    pub resident: Option<f64>,
}

fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    // Pages of 4 KiB, as on every machine that this has run on.
    pages.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// Registers `count` executions with ids of 27 characters, of a thousand tenants, with the usual limits.
pub fn bytes_per_execution(count: u32) -> Bytes {
    let enforcer = Setting::Usual.enforcer();
    let now = enforcer.clock().now();
    let tenants: Vec<String> = (0..1_000).map(|number| format!("tenant_{number:027}")).collect();
    let mut id = String::with_capacity(32);
    let before = resident();
    let allocated = allocation_counter::measure(|| {
        for (number, tenant) in (0..count).zip(tenants.iter().cycle()) {
            use std::fmt::Write as _;
            id.clear();
            let named = write!(id, "e{number:026}");
            let run = enforcer.execution(id.as_str(), tenant.as_str()).register_at(now);
            assert!(named.is_ok() && run.is_ok(), "an id was refused");
        }
    });
    let after = resident();
    assert_eq!(enforcer.execution_count(), u64::from(count), "all of them live");
    black_box(&enforcer);
    let each = |bytes: u64| bytes as f64 / f64::from(count);
    Bytes {
        counted: each(u64::try_from(allocated.bytes_current).unwrap_or(0)),
        resident: before.zip(after).map(|(before, after)| each(after.saturating_sub(before))),
    }
}
