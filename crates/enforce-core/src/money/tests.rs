use proptest::prelude::*;

use super::*;

fn nanos(text: &str) -> Result<u64, MoneyError> {
    text.parse().map(NanoUsd::get)
}

#[test]
fn decimal_text_is_read_exactly() {
    for (text, expected) in [
        ("5", 5_000_000_000),
        ("0.004", 4_000_000),
        ("5.3e-05", 53_000),
        ("1E+2", 100_000_000_000),
        ("+1.5", 1_500_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        ("000.10", 100_000_000),
        ("72057594.037927935", NanoUsd::MAX.get()),
        ("0", 0),
    ] {
        assert_eq!(nanos(text), Ok(expected), "{text}");
    }
}

#[test]
fn text_is_rounded_once_and_half_up() {
    for (text, expected) in [
        ("0.0000000005", 1),
        ("0.00000000049999999999", 0),
        ("5e-10", 1),
        ("4.9e-10", 0),
        ("9.99e-11", 0),
        ("1.0000000015", 1_000_000_002),
        ("1.00000000149999", 1_000_000_001),
        ("0.9999999995", 1_000_000_000),
        ("72057594.0379279354999", NanoUsd::MAX.get()),
    ] {
        assert_eq!(nanos(text), Ok(expected), "{text}");
    }
}

#[test]
fn garbage_is_not_a_number() {
    for text in ["", "+", "-", ".", "e5", "5e", "5e+", "1.2.3", "1e2e3", "1,000", "$5", " 5", "0x10", "-x", "5_0", "٣"]
    {
        assert_eq!(nanos(text), Err(MoneyError::NotANumber), "{text:?}");
    }
}

#[test]
fn nan_and_infinity_are_named_as_such() {
    for text in ["NaN", "nan", "inf", "-inf", "+Infinity"] {
        assert_eq!(nanos(text), Err(MoneyError::NotFinite), "{text}");
    }
}

#[test]
fn less_than_nothing_is_negative_even_where_it_rounds_to_zero() {
    assert_eq!(nanos("-1"), Err(MoneyError::Negative));
    assert_eq!(nanos("-1e-30"), Err(MoneyError::Negative));
    assert_eq!(nanos("-0.00"), Ok(0));
}

#[test]
fn what_passes_the_largest_amount_is_too_large() {
    for text in ["72057594.037927936", "72057594.0379279355", "1e8", "99999999999999999999999999999999999999999"] {
        assert_eq!(nanos(text), Err(MoneyError::TooLarge), "{text}");
    }
}

#[test]
fn absurd_exponents_neither_loop_nor_wrap() {
    assert_eq!(nanos("1e999999999"), Err(MoneyError::TooLarge));
    assert_eq!(nanos("1e99999999999999999999999999"), Err(MoneyError::TooLarge));
    assert_eq!(nanos("1e-99999999999999999999999999"), Ok(0));
    assert_eq!(nanos("0e99999999999999999999999999"), Ok(0));
}

#[test]
fn a_long_mantissa_and_its_exponent_cancel_out() {
    let zeros = "0".repeat(1_000);
    assert_eq!(nanos(&format!("0.{zeros}7e1000")), Ok(700_000_000));
    assert_eq!(nanos(&format!("7{zeros}e-1000")), Ok(7_000_000_000));
}

#[test]
fn a_float_means_its_shortest_decimal_text() {
    for (dollars, expected) in
        [(0.004, 4_000_000), (0.1 + 0.2, 300_000_000), (5.3e-05, 53_000), (-0.0, 0), (1e7, 10_000_000_000_000_000)]
    {
        assert_eq!(NanoUsd::try_from(dollars).map(NanoUsd::get), Ok(expected), "{dollars}");
    }
}

#[test]
fn floats_that_are_no_amount_are_refused() {
    for (dollars, expected) in [
        (f64::NAN, MoneyError::NotFinite),
        (f64::INFINITY, MoneyError::NotFinite),
        (f64::NEG_INFINITY, MoneyError::NotFinite),
        (-0.01, MoneyError::Negative),
        (-f64::MIN_POSITIVE, MoneyError::Negative),
        (f64::MAX, MoneyError::TooLarge),
    ] {
        assert_eq!(NanoUsd::try_from(dollars), Err(expected), "{dollars}");
    }
}

#[test]
fn it_prints_at_least_two_places_and_no_zeros_beyond() {
    for (nanos, expected) in [
        (0, "$0.00"),
        (5_000_000_000, "$5.00"),
        (5_004_000_000, "$5.004"),
        (5_100_000_000, "$5.10"),
        (1, "$0.000000001"),
        (NanoUsd::MAX.get(), "$72057594.037927935"),
    ] {
        assert_eq!(NanoUsd(nanos).to_string(), expected);
    }
}

#[test]
fn sums_stop_at_the_largest_amount() {
    let one = NanoUsd(1);
    assert_eq!(NanoUsd::MAX.checked_add(one), None);
    assert_eq!(NanoUsd::MAX.saturating_add(one), NanoUsd::MAX);
    assert_eq!(NanoUsd(2).checked_add(one), Some(NanoUsd(3)));
    assert_eq!(NanoUsd(2).saturating_add(one), NanoUsd(3));
}

#[test]
fn serde_writes_a_decimal_string() {
    assert_eq!(serde_json::to_string(&NanoUsd(5_004_000_000)).unwrap(), r#""5.004""#);
}

#[test]
fn serde_reads_an_integer_as_whole_dollars() {
    assert_eq!(serde_json::from_str::<NanoUsd>("5").unwrap(), NanoUsd(5_000_000_000));
    assert!(serde_json::from_str::<NanoUsd>("-5").unwrap_err().to_string().contains("negative"));
    assert!(serde_json::from_str::<NanoUsd>("72057595").unwrap_err().to_string().contains("at most"));
}

#[test]
fn serde_refuses_a_float_and_says_what_to_write() {
    let error = serde_json::from_str::<NanoUsd>("5.0").unwrap_err().to_string();
    assert!(error.contains(r#"write cost as a string: "5.0""#), "{error}");
}

#[test]
fn every_error_says_what_to_write() {
    for error in [MoneyError::NotANumber, MoneyError::NotFinite, MoneyError::Negative, MoneyError::TooLarge] {
        assert!(error.to_string().contains(": write "), "{error}");
    }
}

/// `digits` × 10^(exponent − places), in nano-dollars, in plain wide arithmetic.
fn oracle(digits: u128, places: u32, exponent: i32) -> Option<u64> {
    let shift = exponent + 9 - places as i32;
    let nanos = if shift >= 0 {
        digits.checked_mul(10_u128.checked_pow(shift as u32)?)?
    } else {
        let divisor = 10_u128.pow(shift.unsigned_abs());
        digits / divisor + u128::from(digits % divisor * 2 >= divisor)
    };
    u64::try_from(nanos).ok().filter(|nanos| *nanos <= NanoUsd::MAX.get())
}

proptest! {
    #[test]
    fn text_agrees_with_wide_integer_arithmetic(whole in 0_u64..200_000_000, fraction in "[0-9]{0,12}", exponent in -12..12_i32) {
        let digits: u128 = format!("{whole}{fraction}").parse().unwrap();
        let expected = oracle(digits, fraction.len() as u32, exponent).ok_or(MoneyError::TooLarge);
        prop_assert_eq!(nanos(&format!("{whole}.{fraction}e{exponent}")), expected);
    }

    #[test]
    fn what_is_written_reads_back(amount in 0..=NanoUsd::MAX.get()) {
        let amount = NanoUsd(amount);
        prop_assert_eq!(serde_json::from_str::<NanoUsd>(&serde_json::to_string(&amount).unwrap()).unwrap(), amount);
    }

    #[test]
    fn a_float_reads_back_exactly_below_2_to_the_23_dollars(amount in 0..PER_USD << 23) {
        prop_assert_eq!(NanoUsd::try_from(NanoUsd(amount).to_f64()), Ok(NanoUsd(amount)));
    }

    #[test]
    fn no_text_panics(text in "[-+.eE0-9naif]{0,24}") {
        let _ = nanos(&text);
    }
}

#[test]
fn a_decimal_says_whether_it_was_rounded() {
    for (text, places, units, exact) in [
        ("2.8e-07", 12, 280_000, true),
        ("1.6000000000000001e-06", 12, 1_600_000, false),
        ("0.5", 0, 1, false),
        ("0.4", 0, 0, false),
        ("1e-400", 12, 0, false),
        ("0e-400", 12, 0, true),
        ("0.0", 12, 0, true),
        ("1.50", 1, 15, true),
        ("0.01", 1, 0, false),
        ("72057594037927935", 0, (1 << 56) - 1, true),
    ] {
        assert_eq!(ScaledDecimal::read(text, places), Ok(ScaledDecimal { units, exact }), "{text}");
    }
    assert_eq!(ScaledDecimal::read("72057594037927935.5", 0), Err(MoneyError::TooLarge));
    assert_eq!(ScaledDecimal::read("1e400", 12), Err(MoneyError::TooLarge));
}
