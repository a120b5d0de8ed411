//! Money and decimals against arithmetic done by hand.

use enforce_core::{MoneyError, NanoUsd, ScaledDecimal};

use crate::text;

/// A digit to choose how many decimal places are counted, then the number; or eight bytes, which are a float.
pub(crate) fn target(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<8>() {
        float(f64::from_le_bytes(*bytes));
    }
    let Some(text) = text(data) else { return };
    dollars(text);
    let Some((places, number)) = text.split_at_checked(1) else { return };
    let Ok(places) = places.parse::<u8>() else { return };
    decimal(number, places);
}

/// What is read prints as text that is read as the same.
fn dollars(text: &str) {
    let quoted = serde_json::to_string(text).expect("any text can be written");
    match text.parse::<NanoUsd>() {
        Err(_) => assert!(serde_json::from_str::<NanoUsd>(&quoted).is_err()),
        Ok(amount) => {
            assert!(amount <= NanoUsd::MAX);
            assert_eq!(NanoUsd::new(amount.get()), Ok(amount));
            assert_eq!(crate::round_trip::<NanoUsd>(&quoted), Some(amount));
            let printed = amount.to_string();
            assert_eq!(printed.strip_prefix('$').and_then(|text| text.parse().ok()), Some(amount), "{printed}");
        }
    }
}

/// As its shortest text says, whichever way that is written; and a larger one is no less.
fn float(dollars: f64) {
    let amount = NanoUsd::try_from(dollars);
    match amount {
        Ok(amount) => {
            assert_eq!(format!("{dollars}").parse(), Ok(amount));
            if let Ok(next) = NanoUsd::try_from(dollars.next_up()) {
                assert!(next >= amount);
            }
        }
        Err(MoneyError::NotFinite) => assert!(!dollars.is_finite()),
        Err(MoneyError::Negative) => assert!(dollars < 0.0),
        Err(error) => assert!(error == MoneyError::TooLarge && dollars > 72_057_594.0, "{dollars}: {error}"),
    }
}

fn decimal(text: &str, places: u8) {
    let read = ScaledDecimal::read(text, places);
    if places == 9 {
        assert_eq!(read.map(|read| read.units), text.parse().map(NanoUsd::get));
    }
    if let Some(expected) = by_hand(text, places) {
        assert_eq!(read.ok(), expected, "{text} in {places} places");
    }
    let (Ok(coarse), Ok(fine)) = (read, ScaledDecimal::read(text, places + 1)) else { return };
    // Each is rounded once, from the number itself: the finer one lies within half a unit of the coarser one.
    assert!((coarse.units * 10).abs_diff(fine.units) <= 5);
    if coarse.exact {
        assert_eq!(fine, ScaledDecimal { units: coarse.units * 10, exact: true });
    }
}

/// The number by moving its point, for numbers that are short enough for that; `None` for others and for what is no plain
/// number.
#[expect(clippy::option_option, reason = "outside, whether this can tell; inside, what is right")]
fn by_hand(text: &str, places: u8) -> Option<Option<ScaledDecimal>> {
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let is_plain = !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let exponent: i64 = exponent.parse().ok().filter(|exponent: &i64| exponent.abs() <= 40 && is_plain)?;
    let shift = exponent + i64::from(places) - i64::try_from(fraction.len()).ok()?;
    let number: u128 = digits.parse().ok()?;
    let ten_to = |power: i64| u32::try_from(power).ok().and_then(|power| 10_u128.checked_pow(power));
    let (units, exact) = if shift >= 0 {
        (if number == 0 { Some(0) } else { ten_to(shift).and_then(|by| number.checked_mul(by)) }, true)
    } else {
        match ten_to(-shift) {
            Some(by) => (Some(number / by + u128::from(number % by >= by / 2)), number.is_multiple_of(by)),
            // Less than any part of a unit.
            None => (Some(0), number == 0),
        }
    };
    let units = units.and_then(|units| u64::try_from(units).ok()).filter(|units| *units <= NanoUsd::MAX.get());
    Some(units.map(|units| ScaledDecimal { units, exact }))
}
