//! Days of the calendar, as the time at which they begin in UTC.

use std::time::Duration;

use enforce_core::Timestamp;
use toml::value::Datetime;

const DAY: Duration = Duration::from_secs(86_400);

/// The last day that a [`Timestamp`] reaches wholly: the clock ends in 2554.
const LAST_YEAR: u16 = 2553;

/// The beginning of this day, if it is a date and nothing more, from 1970 to 2553.
pub(crate) fn beginning(day: &Datetime) -> Option<Timestamp> {
    let (Some(date), None, None) = (day.date, day.time, day.offset) else { return None };
    if !(1970..=LAST_YEAR).contains(&date.year) {
        return None;
    }
    let years = u32::from(date.year) - 1970;
    // Leap days of the years before this one: 1968 was a leap year, 2000 was, 2100 will not be.
    let leaps = |year: u32| year / 4 - year / 100 + year / 400;
    let before_year = years * 365 + leaps(1969 + years) - leaps(1969);
    let leap_year = leaps(1970 + years) - leaps(1969 + years);
    let february = 28 + leap_year;
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before_month: u32 = months.iter().take(usize::from(date.month.saturating_sub(1))).sum();
    let days = before_year + before_month + u32::from(date.day.saturating_sub(1));
    Some(Timestamp::ZERO.saturating_add(DAY * days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(day: &str) -> Option<u64> {
        beginning(&day.parse().unwrap()).map(|time| time.as_nanos() / 1_000_000_000)
    }

    #[test]
    fn days_begin_where_the_calendar_says() {
        for (day, expected) in [
            ("1970-01-01", 0),
            ("1972-02-29", 68_169_600),
            ("1972-03-01", 68_256_000),
            ("2000-02-29", 951_782_400),
            ("2026-03-13", 1_773_360_000),
            ("2100-03-01", 4_107_542_400),
            ("2553-12-31", 18_429_206_400),
        ] {
            assert_eq!(seconds(day), Some(expected), "{day}");
        }
    }

    #[test]
    fn what_is_no_day_of_the_clock_has_no_beginning() {
        for day in ["1969-12-31", "2554-01-01", "2026-03-13T10:00:00", "10:00:00", "2026-03-13T10:00:00Z"] {
            assert_eq!(seconds(day), None, "{day}");
        }
    }
}
