//! Figures as people read them.

use std::fmt;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// A line of a table, under its title.
pub(crate) fn line(f: &mut fmt::Formatter<'_>, title: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{}", format_args!("{title:<11}{text}").to_string().trim_end())
}

/// A number of rows and how many of all they are.
pub(crate) fn share(rows: u64, all: u64) -> String {
    // In tenths of a percent, rounded down.
    let tenths = (u128::from(rows) * 1_000).checked_div(u128::from(all)).unwrap_or(0);
    format!("{:>14}  {}.{} %", grouped(rows), tenths / 10, tenths % 10)
}

/// So many of something that forms its plural with s.
pub(crate) fn counted((number, one): (impl Into<u128>, &str)) -> String {
    let number = number.into();
    format!("{} {}", grouped(number), noun(number, one))
}

pub(crate) fn noun(number: u128, one: &str) -> String {
    if number == 1 { one.to_owned() } else { format!("{one}s") }
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Nano-dollars as dollars, to the last digit and at least to the cent.
pub(crate) fn dollars(nanos: u128) -> String {
    let nanos_per_usd = u128::from(NS_PER_SECOND);
    let fraction = format!("{:09}", nanos % nanos_per_usd);
    let (cents, rest) = fraction.split_at(2);
    format!("${}.{cents}{}", grouped(nanos / nanos_per_usd), rest.trim_end_matches('0'))
}

/// Nanoseconds in the two largest units that they fill.
pub(crate) fn duration(nanos: u64) -> String {
    let seconds = nanos / NS_PER_SECOND;
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let filled: Vec<String> = units
        .iter()
        .skip_while(|(count, unit)| *count == 0 && *unit != "s")
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    filled.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_money_is_exact() {
        assert_eq!([0_u64, 999, 1_000, 98_193_472].map(grouped), ["0", "999", "1,000", "98,193,472"]);
        assert_eq!(
            [0, 5_004_000_000, 3_653_564_824, 1].map(dollars),
            ["$0.00", "$5.004", "$3.653564824", "$0.000000001"]
        );
        assert_eq!(dollars(1_234_500_000_000), "$1,234.50");
    }

    #[test]
    fn a_span_shows_its_two_largest_units() {
        let shown = [0, 59, 60, 3_600, 90_061, 864_000].map(|seconds| duration(seconds * NS_PER_SECOND));
        assert_eq!(shown, ["0 s", "59 s", "1 min 0 s", "1 h 0 min", "1 d 1 h", "10 d 0 h"]);
    }

    #[test]
    fn one_of_something_is_singular() {
        let counted = [0_u64, 1, 2, 1_000].map(|number| counted((number, "step")));
        assert_eq!(counted, ["0 steps", "1 step", "2 steps", "1,000 steps"]);
    }

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(share(2, 3).trim(), "2  66.6 %");
        assert_eq!(share(0, 0).trim(), "0  0.0 %");
    }
}
