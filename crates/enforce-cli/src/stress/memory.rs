//! How much of memory is resident.

use std::fs;

/// Resident bytes of this process; `None` where the system does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    // As `statm` says it, but in a unit of its own: that one counts pages, whose size it does not tell.
    read(&fs::read_to_string("/proc/self/status").ok()?)
}

fn read(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_what_is_resident_is_read() {
        assert_eq!(read("Name:\tenforce\nVmRSS:\t    1234 kB\nThreads:\t2\n"), Some(1_234 * 1_024));
        assert_eq!(read("Name:\tenforce\n"), None);
        assert_eq!(read("VmRSS:\t12 MB\n"), None);
    }
}
