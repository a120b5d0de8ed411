//! The order of traces that are read as they stand: time may stand still from row to row, but not fall.

use super::error::{Mismatch, Place, TraceError};

/// The time of the row before.
#[derive(Debug, Default)]
pub(crate) struct FileOrder {
    before: u64,
}

impl FileOrder {
    /// Takes the time of the next row.
    pub(crate) fn take(&mut self, place: Place<'_>, column: &str, time_ns: u64) -> Result<u64, TraceError> {
        if time_ns < self.before {
            let found = format!("a time {} ns earlier than the row before", self.before - time_ns);
            return Err(place.wrong(column, Mismatch::said(found, "rows in the order of their times")));
        }
        self.before = time_ns;
        Ok(time_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn time_may_stand_still_but_not_fall() {
        let mut order = FileOrder::default();
        let place = Place::file(Path::new("t"));
        for time in [0, 5, 5, 9] {
            assert_eq!(order.take(place, "time", time), Ok(time));
        }
        let error = order.take(place, "time", 8).unwrap_err().to_string();
        assert_eq!(
            error,
            "t: column time, found a time 1 ns earlier than the row before, expected rows in the order of their times"
        );
    }
}
