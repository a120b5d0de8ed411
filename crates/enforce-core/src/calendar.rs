//! When hours, days and months end: civil dates as Unix time counts them, without leap seconds.

use crate::kernel::window::NEVER_ENDS;
use crate::limits::BudgetPeriod;
use crate::plan::NS_PER_SECOND;

const NS_PER_MINUTE: i128 = 60 * NS_PER_SECOND as i128;
const NS_PER_HOUR: i128 = 60 * NS_PER_MINUTE;
const NS_PER_DAY: i128 = 24 * NS_PER_HOUR;

/// Days from 0000-03-01 to 1970-01-01.
const SINCE_MARCH_0: i128 = 719_468;

/// When the period ends in which `now` lies, in nanoseconds since 1970, where clocks are `offset_minutes` ahead of UTC.
/// Always later than `now`; a period that lasts longer than the clock never ends.
pub(crate) fn end_of(per: BudgetPeriod, offset_minutes: i16, now: u64) -> u64 {
    let offset = i128::from(offset_minutes) * NS_PER_MINUTE;
    // Below 2^65 in size, so that nothing here comes near the end of its type.
    let local = i128::from(now) + offset;
    let next = |length: i128| (local.div_euclid(length) + 1) * length;
    let end = match per {
        BudgetPeriod::Total => return NEVER_ENDS,
        BudgetPeriod::Hour => next(NS_PER_HOUR),
        BudgetPeriod::Day => next(NS_PER_DAY),
        BudgetPeriod::Month => first_day(month_of(local.div_euclid(NS_PER_DAY)) + 1) * NS_PER_DAY,
    };
    u64::try_from(end - offset).unwrap_or(NEVER_ENDS)
}

/// The number of the month in which `day` lies; months count from March of the year 0, so that a leap day is the last of
/// its year, and days from 1970-01-01.
fn month_of(day: i128) -> i128 {
    // By the mean length of 400 years' 4,800 months: at most one month off.
    let mut month = (day + SINCE_MARCH_0) * 4_800 / 146_097;
    while first_day(month + 1) <= day {
        month += 1;
    }
    while first_day(month) > day {
        month -= 1;
    }
    month
}

/// The first day of a month.
fn first_day(month: i128) -> i128 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // From March on, five months have 153 days, in the order 31, 30, 31, 30, 31.
    year * 365 + leap_days + (153 * month + 2) / 5 - SINCE_MARCH_0
}

#[cfg(test)]
mod tests {
    use super::{NEVER_ENDS, NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, end_of};
    use crate::limits::BudgetPeriod;

    const OFFSETS: [i16; 7] = [0, 60, -60, 330, -570, 840, -840];

    /// Days of that month, counted as the calendar's rule is written.
    fn length(year: u32, month: u32) -> i128 {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        match month {
            2 => 28 + i128::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The first days of all months that begin within the clock's 584 years, counted day by day.
    fn firsts() -> Vec<i128> {
        let months = (1970..2556).flat_map(|year| (1..=12).map(move |month| (year, month)));
        months
            .scan(0, |day, (year, month)| {
                let first = *day;
                *day += length(year, month);
                Some(first)
            })
            .collect()
    }

    /// An end as the clock can show it.
    fn shown(nanos: i128) -> u64 {
        u64::try_from(nanos).unwrap_or(NEVER_ENDS)
    }

    #[test]
    fn every_month_ends_where_a_count_of_days_says_to_the_nanosecond_at_every_offset() {
        let firsts = firsts();
        for offset in OFFSETS {
            let ahead = i128::from(offset) * NS_PER_MINUTE;
            for months in firsts.windows(3) {
                let [first, second, third] = [0, 1, 2].map(|place| months[place] * NS_PER_DAY - ahead);
                let at = |now: i128| u64::try_from(now).ok().map(|now| end_of(BudgetPeriod::Month, offset, now));
                for within in [first, first + 1, (first + second) / 2, second - 1] {
                    assert!(at(within).is_none_or(|end| end == shown(second)), "{within} at {offset}");
                }
                assert!(at(second).is_none_or(|end| end == shown(third)), "{second} at {offset}");
            }
        }
    }

    #[test]
    fn a_leap_day_belongs_to_february_in_2000_and_2024_and_there_is_none_in_2100() {
        let second = 1_000_000_000;
        for (last_of_february, march) in [
            (951_782_400, 951_868_800),     // 2000-02-29
            (1_709_164_800, 1_709_251_200), // 2024-02-29
            (1_677_542_400, 1_677_628_800), // 2023-02-28
            (4_107_456_000, 4_107_542_400), // 2100-02-28
        ] {
            let end = end_of(BudgetPeriod::Month, 0, last_of_february * second);
            assert_eq!(end, march * second);
        }
    }

    #[test]
    fn hours_and_days_end_at_their_multiples_in_local_time() {
        for offset in OFFSETS {
            let ahead = i128::from(offset) * NS_PER_MINUTE;
            for (per, length) in [(BudgetPeriod::Hour, NS_PER_HOUR), (BudgetPeriod::Day, NS_PER_DAY)] {
                for number in [1, 2, 3, 20_000, 100_000] {
                    let end = number * length - ahead;
                    let at = |now: i128| u64::try_from(now).ok().map(|now| end_of(per, offset, now));
                    assert!(at(end - 1).is_none_or(|found| found == shown(end)), "{per} {number} at {offset}");
                    assert!(at(end).is_none_or(|found| found == shown(end + length)), "{per} {number} at {offset}");
                }
            }
        }
    }

    #[test]
    fn n1_every_end_is_later_than_its_moment_and_the_last_period_of_the_clock_never_ends() {
        for per in [BudgetPeriod::Hour, BudgetPeriod::Day, BudgetPeriod::Month, BudgetPeriod::Total] {
            for offset in (-840..=840).step_by(7).chain([i16::MIN, i16::MAX]) {
                for now in [0, 1, u64::MAX / 2, u64::MAX - 1] {
                    assert!(end_of(per, offset, now) > now, "{per} of {now} at {offset}");
                }
                assert_eq!(end_of(per, offset, u64::MAX), NEVER_ENDS);
            }
        }
    }
}
