//! The values of a trace, each read exactly from its text.

use std::borrow::Cow;

use enforce_core::{MoneyError, NanoUsd};
use sha2::{Digest, Sha256};

use super::error::Mismatch;

/// The largest amount that the library counts.
const MAX_AMOUNT: u64 = (1 << 56) - 1;

/// The longest id that the library takes.
const MAX_ID_BYTES: usize = 128;

const AMOUNT: &str = "a whole number from 0 to 72057594037927935";
const TIME: &str = "a time from 0 to 18446744073709551615 ns after 1970";
const STEP: &str = "a whole number from 0 to 18446744073709551615";
const DATE: &str = "a UTC time like 2024-01-31 23:59:59.1234567";

/// A count of tokens or the like.
pub(crate) fn amount(text: &str) -> Result<u64, Mismatch> {
    digits(text).filter(|amount| *amount <= MAX_AMOUNT).ok_or_else(|| Mismatch::text(text, AMOUNT))
}

/// The number of a step.
pub(crate) fn step(text: &str) -> Result<u64, Mismatch> {
    digits(text).ok_or_else(|| Mismatch::text(text, STEP))
}

/// Nano-dollars, counted.
pub(crate) fn nano_usd(text: &str) -> Result<NanoUsd, Mismatch> {
    let nanos = amount(text)?;
    NanoUsd::new(nanos).map_err(|_| Mismatch::text(text, AMOUNT))
}

/// Dollars as a decimal, rounded once, half up, to a nano-dollar.
pub(crate) fn usd(text: &str) -> Result<NanoUsd, Mismatch> {
    text.parse().map_err(|error: MoneyError| {
        let found = Mismatch::text(text, "").found;
        Mismatch::said(format!("{found} ({error})"), "dollars as a decimal number, 0 or more")
    })
}

/// Nanoseconds, counted.
pub(crate) fn nanoseconds(text: &str) -> Result<u64, Mismatch> {
    digits(text).ok_or_else(|| Mismatch::text(text, TIME))
}

/// Seconds as a decimal, in nanoseconds; what is finer than a nanosecond is cut off.
pub(crate) fn seconds(text: &str) -> Result<u64, Mismatch> {
    decimal(text, 9).ok_or_else(|| Mismatch::text(text, "seconds as a decimal number, 0 or more, without exponent"))
}

/// Milliseconds as a decimal, in nanoseconds; what is finer than a nanosecond is cut off.
pub(crate) fn milliseconds(text: &str) -> Result<u64, Mismatch> {
    decimal(text, 6)
        .ok_or_else(|| Mismatch::text(text, "milliseconds as a decimal number, 0 or more, without exponent"))
}

/// `2024-01-31 23:59:59` with a fraction of up to nine digits, read as UTC, in nanoseconds since 1970.
pub(crate) fn date_time(text: &str) -> Result<u64, Mismatch> {
    utc(text).ok_or_else(|| Mismatch::text(text, DATE))
}

/// The id of a tenant or an execution. Blanks and colons are welcome in it.
pub(crate) fn id(text: &str) -> Result<&str, Mismatch> {
    match text.len() {
        0 => Err(Mismatch::said("an empty id", "1 to 128 bytes")),
        1..=MAX_ID_BYTES => Ok(text),
        bytes => Err(Mismatch::said(format!("an id of {bytes} bytes"), "1 to 128 bytes")),
    }
}

/// A JSON string.
pub(crate) fn json_string(raw: &str) -> Result<Cow<'_, str>, Mismatch> {
    // Most strings have no escape, and then the text between the quotes is the string.
    match serde_json::from_str::<&str>(raw) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(raw).map(Cow::Owned).map_err(|_| Mismatch::text(raw, "a string")),
    }
}

/// A JSON string that is an id.
pub(crate) fn json_id(raw: &str) -> Result<Cow<'_, str>, Mismatch> {
    let text = json_string(raw)?;
    id(&text)?;
    Ok(text)
}

/// The fingerprint of an action: the first 64 bits of its SHA-256. An empty action has none.
pub(crate) fn fingerprint(action: &str) -> Option<u64> {
    if action.is_empty() {
        return None;
    }
    let digest: [u8; 32] = Sha256::digest(action).into();
    Some(digest[..8].iter().fold(0, |print, byte| print << 8 | u64::from(*byte)))
}

/// A fingerprint written as 16 hexadecimal digits.
pub(crate) fn hex_fingerprint(text: &str) -> Result<u64, Mismatch> {
    let is_sound = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let print = is_sound.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    print.ok_or_else(|| Mismatch::text(text, "16 hexadecimal digits"))
}

/// A number of decimal digits and nothing else; `str::parse` would take a plus sign too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A decimal number × 10^`places`, cut off below 1.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let fraction_is_sound =
        fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if !fraction_is_sound {
        return None;
    }
    let whole = digits(whole)?;
    let mut fraction = fraction.unwrap_or_default().bytes().chain(std::iter::repeat(b'0')).take(places);
    fraction.try_fold(whole, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

fn utc(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(' ')?;
    let (clock, fraction) = time.split_once('.').map_or((time, "0"), |(clock, fraction)| (clock, fraction));
    let [year, month, day] = three(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = three(clock, ':', [2, 2, 2])?;
    let days = days_since_1970(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    decimal(&format!("{seconds}.{fraction}"), 9)
}

/// Three numbers of the given widths between separators.
fn three(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = parts.next().filter(|part| part.len() == width).and_then(digits)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar that is not before it.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day < 1 || day > *months.get(index)? {
        return None;
    }
    // Leap days before this year: one in four years, but for three centuries in four.
    let leap_days = |before: u64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    let years = (year - 1970) * 365 + leap_days(year) - leap_days(1970);
    Some(years + months[..index].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_plain_digits_up_to_the_largest() {
        assert_eq!(amount("0"), Ok(0));
        assert_eq!(amount("72057594037927935"), Ok(MAX_AMOUNT));
        for bad in ["", "72057594037927936", "99999999999999999999999", "-1", "+1", " 1", "1.0", "1e3", "NaN", "٣"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn decimal_times_are_exact() {
        assert_eq!(seconds("1776075371.0677812"), Ok(1_776_075_371_067_781_200));
        assert_eq!(seconds("1740930021"), Ok(1_740_930_021_000_000_000));
        assert_eq!(seconds("0.0000000019"), Ok(1));
        assert_eq!(milliseconds("27482"), Ok(27_482_000_000));
        assert_eq!(milliseconds("0.25"), Ok(250_000));
        for bad in ["", ".", "1.", ".5", "-1", "1e9", "NaN", "18446744074", "1.-5", "1.2.3"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_are_counted_from_1970() {
        assert_eq!(date_time("1970-01-01 00:00:00"), Ok(0));
        assert_eq!(date_time("2000-03-01 00:00:00.5"), Ok(951_868_800_500_000_000));
        assert_eq!(date_time("2024-02-29 23:59:59.1234567"), Ok(1_709_251_199_123_456_700));
        assert_eq!(date_time("2100-03-01 00:00:00.000000001"), Ok(4_107_542_400_000_000_001));
        let bad = [
            "",
            "2023-02-29 00:00:00",
            "1969-12-31 23:59:59",
            "2024-13-01 00:00:00",
            "2024-00-01 00:00:00",
            "2024-01-00 00:00:00",
            "2024-01-32 00:00:00",
            "2024-01-01 24:00:00",
            "2024-01-01 00:00:60",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00.1234567890",
            "2024-01-01",
            "2024-1-01 00:00:00",
            "2024-01-01T00:00:00",
            "2024-01-01-01 00:00:00",
            "9999-01-01 00:00:00",
            "2024-01-01 00:00:00.-1",
        ];
        for bad in bad {
            assert!(date_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dollars_are_rounded_once_half_up() {
        assert_eq!(usd("5.3e-05").map(NanoUsd::get), Ok(53_000));
        assert_eq!(usd("0.0000000015").map(NanoUsd::get), Ok(2));
        for bad in ["NaN", "-0.1", "\"1\"", "1e99", "inf", ""] {
            assert!(usd(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_action_is_known_by_the_first_64_bits_of_its_digest() {
        // SHA-256 of "abc" begins ba7816bf 8f01cfea.
        assert_eq!(fingerprint("abc"), Some(0xba78_16bf_8f01_cfea));
        assert_eq!(hex_fingerprint("ba7816bf8f01cfea"), Ok(0xba78_16bf_8f01_cfea));
        assert_eq!(fingerprint(""), None);
        for bad in ["", "ba78", "+a7816bf8f01cfea", "ba7816bf8f01cfeaa", "ga7816bf8f01cfea"] {
            assert!(hex_fingerprint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_have_a_length_and_no_other_rule() {
        assert_eq!(id("A b: c"), Ok("A b: c"));
        assert!(id("").is_err());
        assert!(id(&"x".repeat(128)).is_ok());
        assert!(id(&"x".repeat(129)).is_err());
        assert_eq!(json_id(r#""a\"b""#), Ok("a\"b".into()));
        assert!(json_id("5").is_err());
    }
}
