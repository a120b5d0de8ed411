//! Decimal text as a whole number of units, exactly.

use super::MoneyError;

/// The largest number of units: 2⁵⁶ − 1.
pub(super) const MAX: u64 = (1 << 56) - 1;

/// A decimal number counted in units of 10⁻ᵖˡᵃᶜᵉˢ, rounded once and half up, and whether that left it as it was.
///
/// [`NanoUsd`](super::NanoUsd) is read by it with 9 places; prices of tokens, which need more, with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledDecimal {
    /// Whole units, at most 2⁵⁶ − 1.
    pub units: u64,
    /// The text says exactly so many units: nothing was rounded.
    pub exact: bool,
}

impl ScaledDecimal {
    /// Reads a decimal number with an optional exponent: `5`, `0.004`, `5.3e-05`, `1E+2`. Takes time in the length of
    /// the text, whatever the exponent.
    ///
    /// # Errors
    /// [`MoneyError`]: text that is no finite number, a number below zero, one above 2⁵⁶ − 1 units.
    ///
    /// ```
    /// use enforce_core::{MoneyError, ScaledDecimal};
    ///
    /// assert_eq!(ScaledDecimal::read("2.8e-07", 12)?, ScaledDecimal { units: 280_000, exact: true });
    /// assert_eq!(ScaledDecimal::read("0.15", 1)?, ScaledDecimal { units: 2, exact: false });
    /// assert_eq!(ScaledDecimal::read("1e400", 12), Err(MoneyError::TooLarge));
    /// # Ok::<(), MoneyError>(())
    /// ```
    pub fn read(text: &str, places: u8) -> Result<Self, MoneyError> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        if [&b"nan"[..], b"inf", b"infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
            return Err(MoneyError::NotFinite);
        }
        let (mantissa, exponent) = match split_once(unsigned, |byte| matches!(byte, b'e' | b'E')) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = split_once(mantissa, |byte| byte == b'.').unwrap_or((mantissa, &[]));
        if whole.is_empty() && fraction.is_empty() {
            return Err(MoneyError::NotANumber);
        }
        let digits = whole.iter().chain(fraction);
        if !digits.clone().all(u8::is_ascii_digit) {
            return Err(MoneyError::NotANumber);
        }
        if negative && digits.clone().any(|digit| *digit != b'0') {
            return Err(MoneyError::Negative);
        }

        // How many of the digits stand before the point once the number is counted in units.
        let before_point =
            i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent).saturating_add(i64::from(places));
        round_half_up(digits.map(|digit| digit - b'0'), before_point)
    }
}

/// The number whose `digits` have their decimal point after the first `before_point` of them (which may lie left of
/// the first digit or right of the last), rounded half up. Takes time in the number of digits, not in `before_point`.
fn round_half_up(mut digits: impl Iterator<Item = u8>, before_point: i64) -> Result<ScaledDecimal, MoneyError> {
    let mut units = 0;
    let mut place = 0;
    while place < before_point {
        match digits.next() {
            // `units` is below 2⁵⁶: ten times it and a digit stay below 2⁶⁰.
            Some(digit) => units = at_most_max(units * 10 + u64::from(digit))?,
            None if units == 0 => return Ok(ScaledDecimal { units, exact: true }),
            None => units = at_most_max(units * 10)?,
        }
        place += 1;
    }
    // Left of the first digit there are only zeros; of the digits that are cut off, the first decides.
    let cut_off = if before_point < 0 { 0 } else { digits.next().unwrap_or(0) };
    let exact = cut_off == 0 && digits.all(|digit| digit == 0);
    Ok(ScaledDecimal { units: at_most_max(units + u64::from(cut_off >= 5))?, exact })
}

const fn at_most_max(units: u64) -> Result<u64, MoneyError> {
    if units <= MAX { Ok(units) } else { Err(MoneyError::TooLarge) }
}

/// The exponent after an `e`; one beyond the range of i64 keeps its sign and becomes the largest.
fn parse_exponent(text: &[u8]) -> Result<i64, MoneyError> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        all => (1, all),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(MoneyError::NotANumber);
    }
    let magnitude =
        digits.iter().fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Ok(sign * magnitude)
}

/// What stands before and after the first byte that `is_separator`.
fn split_once(bytes: &[u8], is_separator: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| is_separator(*byte))?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
