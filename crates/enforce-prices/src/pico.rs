//! Prices of one unit, in whole pico-dollars.

use std::fmt;

use enforce_core::{MoneyError, ScaledDecimal};

/// From here on a rounded price is off by less than a two-thousandth.
const LEAST_ROUNDED: u64 = 1_000;

/// The price of one token or one request, in pico-dollars (10⁻¹² $), at most 2⁵⁶ − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PicoUsd(u64);

/// What the dollars of a price are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    One,
    Thousand,
    Million,
}

impl Per {
    /// Decimal places of a price per so many that a pico-dollar for one resolves.
    const fn places(self) -> u8 {
        match self {
            Self::One => 12,
            Self::Thousand => 9,
            Self::Million => 6,
        }
    }
}

impl PicoUsd {
    pub(crate) const ZERO: Self = Self(0);

    /// Reads dollars per so many, rounded once and half up. A price so small that rounding would matter is refused: it
    /// would be billed as something else, or as nothing.
    pub(crate) fn read(dollars: &str, per: Per) -> Result<Self, PriceProblem> {
        let read = ScaledDecimal::read(dollars, per.places()).map_err(PriceProblem::Money)?;
        if !read.exact && read.units < LEAST_ROUNDED {
            return Err(PriceProblem::TooFine);
        }
        Ok(Self(read.units))
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// Why a text is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PriceProblem {
    Money(MoneyError),
    TooFine,
}

impl fmt::Display for PriceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Money(MoneyError::NotFinite) => "NaN or infinity is no price: write a finite number of dollars",
            Self::Money(MoneyError::Negative) => "a price cannot be negative: write 0 or more dollars",
            Self::Money(MoneyError::TooLarge) => {
                "more than the largest price: write at most 72057.594037927935 dollars for one"
            }
            Self::Money(_) => "not a decimal number of dollars: write one such as 2.50 or 5e-07",
            Self::TooFine => "a price this small cannot be finer than a pico-dollar for one: write fewer digits",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pico(text: &str, per: Per) -> Result<u64, PriceProblem> {
        PicoUsd::read(text, per).map(PicoUsd::get)
    }

    #[test]
    fn a_price_is_read_as_pico_dollars_for_one() {
        assert_eq!(pico("5e-07", Per::One), Ok(500_000));
        assert_eq!(pico("0.5", Per::Million), Ok(500_000));
        assert_eq!(pico("12", Per::Thousand), Ok(12_000_000_000));
        assert_eq!(pico("0", Per::One), Ok(0));
        assert_eq!(pico("1e-12", Per::One), Ok(1));
        assert_eq!(pico("72057.594037927935", Per::One), Ok((1 << 56) - 1));
    }

    #[test]
    fn noise_in_the_last_digits_is_rounded_away() {
        assert_eq!(pico("1.6000000000000001e-06", Per::One), Ok(1_600_000));
        assert_eq!(pico("0.08333333333333334", Per::Million), Ok(83_333));
        assert_eq!(pico("0.0009999995", Per::Million), Ok(1_000));
    }

    #[test]
    fn a_price_that_rounding_would_change_is_refused() {
        for text in ["1e-400", "1e-13", "1.5e-12", "9.994e-10"] {
            assert_eq!(pico(text, Per::One), Err(PriceProblem::TooFine), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for (text, error) in [
            ("1e400", MoneyError::TooLarge),
            ("72057.594037927936", MoneyError::TooLarge),
            ("-1e-400", MoneyError::Negative),
            ("NaN", MoneyError::NotFinite),
            ("$1", MoneyError::NotANumber),
        ] {
            assert_eq!(pico(text, Per::One), Err(PriceProblem::Money(error)), "{text}");
        }
    }
}
