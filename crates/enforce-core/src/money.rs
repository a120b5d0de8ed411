//! Money: whole nano-dollars, read exactly from decimal text and never through a float.

mod decimal;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::decimal::ScaledDecimal;

/// Nano-dollars in a dollar.
const PER_USD: u64 = 1_000_000_000;

/// Decimal places of a dollar that a nano-dollar resolves.
const PLACES: u8 = 9;

/// An amount of US dollars as a whole number of nano-dollars (10⁻⁹ $), from 0 to [`NanoUsd::MAX`].
///
/// Written as text ([`FromStr`], serde) it is a decimal number of dollars, read exactly and rounded once, half up, to a
/// nano-dollar. It prints as `$5.004`.
///
/// ```
/// use enforce_core::{MoneyError, NanoUsd};
///
/// let price: NanoUsd = "0.004".parse()?;
/// assert_eq!(price.get(), 4_000_000);
/// assert_eq!(price.to_string(), "$0.004");
/// assert_eq!("four cents".parse::<NanoUsd>(), Err(MoneyError::NotANumber));
/// # Ok::<(), MoneyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// No money at all.
    pub const ZERO: Self = Self(0);

    /// The largest amount: 2⁵⁶ − 1 nano-dollars, a little over 72 million dollars.
    pub const MAX: Self = Self(decimal::MAX);

    /// An amount of `nanos` nano-dollars.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] above [`NanoUsd::MAX`].
    ///
    /// ```
    /// use enforce_core::{MoneyError, NanoUsd};
    ///
    /// assert_eq!(NanoUsd::new(1_500_000_000)?.to_string(), "$1.50");
    /// assert_eq!(NanoUsd::new(1 << 56), Err(MoneyError::TooLarge));
    /// # Ok::<(), MoneyError>(())
    /// ```
    pub const fn new(nanos: u64) -> Result<Self, MoneyError> {
        if nanos <= Self::MAX.0 { Ok(Self(nanos)) } else { Err(MoneyError::TooLarge) }
    }

    /// An amount of whole dollars.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] above [`NanoUsd::MAX`], that is from 72,057,595 dollars on.
    ///
    /// ```
    /// use enforce_core::{MoneyError, NanoUsd};
    ///
    /// assert_eq!(NanoUsd::from_usd_whole(5)?.get(), 5_000_000_000);
    /// assert_eq!(NanoUsd::from_usd_whole(72_057_595), Err(MoneyError::TooLarge));
    /// # Ok::<(), MoneyError>(())
    /// ```
    pub const fn from_usd_whole(dollars: u64) -> Result<Self, MoneyError> {
        match dollars.checked_mul(PER_USD) {
            Some(nanos) => Self::new(nanos),
            None => Err(MoneyError::TooLarge),
        }
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The amount in dollars as a float, for display and statistics. Exact to the nano-dollar below 2²³ dollars
    /// (8,388,608); above that it may be off by 12 nano-dollars. Decide with [`NanoUsd`], never with this.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / PER_USD as f64
    }

    /// The sum, or `None` where it would pass [`NanoUsd::MAX`].
    ///
    /// ```
    /// use enforce_core::NanoUsd;
    ///
    /// assert_eq!(NanoUsd::ZERO.checked_add(NanoUsd::MAX), Some(NanoUsd::MAX));
    /// assert_eq!(NanoUsd::MAX.checked_add(NanoUsd::MAX), None);
    /// ```
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Two amounts below 2⁵⁶ cannot overflow a u64.
        match Self::new(self.0 + other.0) {
            Ok(sum) => Some(sum),
            Err(_) => None,
        }
    }

    /// The sum, or [`NanoUsd::MAX`] where it would pass that.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        match self.checked_add(other) {
            Some(sum) => sum,
            None => Self::MAX,
        }
    }
}

/// Decimal dollars, with an optional exponent: `5`, `0.004`, `5.3e-05`, `1E+2`.
impl FromStr for NanoUsd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        ScaledDecimal::read(text, PLACES).map(|dollars| Self(dollars.units))
    }
}

/// The shortest decimal text that means this float is what counts, so `0.004` is four million nano-dollars exactly.
///
/// ```
/// use enforce_core::{MoneyError, NanoUsd};
///
/// assert_eq!(NanoUsd::try_from(0.004)?.get(), 4_000_000);
/// assert_eq!(NanoUsd::try_from(f64::NAN), Err(MoneyError::NotFinite));
/// assert_eq!(NanoUsd::try_from(-0.01), Err(MoneyError::Negative));
/// # Ok::<(), MoneyError>(())
/// ```
impl TryFrom<f64> for NanoUsd {
    type Error = MoneyError;

    fn try_from(dollars: f64) -> Result<Self, MoneyError> {
        format!("{dollars:e}").parse()
    }
}

/// The amount as decimal dollars without a sign: at least two places, no zeros beyond.
struct Decimal(NanoUsd);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction) = (self.0.0 / PER_USD, self.0.0 % PER_USD);
        let mut places = 9;
        while places > 2 && fraction % 10 == 0 {
            fraction /= 10;
            places -= 1;
        }
        write!(f, "{whole}.{fraction:0places$}")
    }
}

/// `$5.00`, `$5.004`: at least two places, no zeros beyond.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", Decimal(*self))
    }
}

/// As a decimal string of dollars, `"5.004"`.
impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Decimal(*self))
    }
}

/// From a decimal string of dollars or an integer of whole dollars; a float is refused, since it is not exact.
///
/// ```
/// use enforce_core::NanoUsd;
///
/// assert_eq!(serde_json::from_str::<NanoUsd>(r#""5.004""#)?.to_string(), "$5.004");
/// assert_eq!(serde_json::from_str::<NanoUsd>("5")?.to_string(), "$5.00");
/// assert!(serde_json::from_str::<NanoUsd>("5.004").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DollarsVisitor)
    }
}

struct DollarsVisitor;

impl de::Visitor<'_> for DollarsVisitor {
    type Value = NanoUsd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dollars as a decimal string such as \"5.00\" or as a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NanoUsd, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<NanoUsd, E> {
        NanoUsd::from_usd_whole(dollars).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<NanoUsd, E> {
        u64::try_from(dollars).map_or_else(|_| Err(E::custom(MoneyError::Negative)), |dollars| self.visit_u64(dollars))
    }

    fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<NanoUsd, E> {
        Err(E::custom(format_args!("a float is not exact money: write cost as a string: \"{dollars:?}\"")))
    }
}

/// Why a text or number is not an amount of money.
///
/// ```
/// use enforce_core::{MoneyError, NanoUsd};
///
/// assert_eq!("-1".parse::<NanoUsd>(), Err(MoneyError::Negative));
/// assert_eq!("1e999999999".parse::<NanoUsd>(), Err(MoneyError::TooLarge));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MoneyError {
    /// The text is not a decimal number.
    NotANumber,
    /// The number is NaN or infinite.
    NotFinite,
    /// The amount is below zero.
    Negative,
    /// The amount is above [`NanoUsd::MAX`].
    TooLarge,
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => {
                f.write_str("not a decimal number of dollars: write one such as \"5.00\" or \"5.3e-05\"")
            }
            Self::NotFinite => f.write_str("NaN or infinity is no amount of money: write a finite number of dollars"),
            Self::Negative => f.write_str("money cannot be negative: write 0 or more dollars"),
            Self::TooLarge => {
                write!(f, "more than the largest amount: write at most {} dollars", Decimal(NanoUsd::MAX))
            }
        }
    }
}

impl std::error::Error for MoneyError {}

#[cfg(test)]
mod tests;
