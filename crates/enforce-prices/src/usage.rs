//! The tokens of one model call, whichever way its provider counts them.

use std::fmt;

use enforce_core::{Actual, NanoUsd};

/// The most tokens that a call can have, in and out each: 2⁵⁶ − 1, as every amount.
const MAX: u64 = NanoUsd::MAX.get();

/// What tokens are billed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Billed {
    /// Input that no cache had a part in.
    Input,
    /// Input that was read from a cache.
    CacheRead,
    /// Input that was written into a cache, for the provider's usual time.
    CacheWrite,
    /// Input that was written into a cache for an hour.
    CacheWriteHour,
    /// Output that was not reasoning.
    Output,
    /// Output that was reasoning.
    Reasoning,
}

impl fmt::Display for Billed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::CacheRead => "cache read",
            Self::CacheWrite => "cache write",
            Self::CacheWriteHour => "cache write for an hour",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
        })
    }
}

/// The tokens of one model call: text in and text out.
///
/// Cached tokens (read and written) are part of the input, reasoning tokens are part of the output, and neither part is
/// larger than its whole. Providers report this in two ways, and reading one as the other bills tokens twice or not at
/// all; so there is no constructor that guesses. Either say [`CachedInside`] or [`CachedBeside`].
///
/// ```
/// use enforce_prices::{CachedBeside, CachedInside, TokenUsage};
///
/// // The same call, as the two kinds of providers report it.
/// let inside = CachedInside { prompt_tokens: 1_000, cached_tokens: 900, completion_tokens: 50, ..Default::default() };
/// let beside =
///     CachedBeside { input_tokens: 100, cache_read_input_tokens: 900, output_tokens: 50, ..Default::default() };
/// assert_eq!(TokenUsage::try_from(inside)?, TokenUsage::try_from(beside)?);
/// assert_eq!(TokenUsage::try_from(beside)?.input(), 1_000);
/// # Ok::<(), enforce_prices::UsageError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// The part of the input that no cache had a part in; with the three cached parts it makes the input.
    uncached: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_hour: u64,
    output: u64,
    reasoning: u64,
}

impl TokenUsage {
    /// Tokens in and out, with no cache and no reasoning told apart.
    ///
    /// # Errors
    /// [`UsageError::TooLarge`] above 2⁵⁶ − 1 tokens.
    ///
    /// ```
    /// use enforce_prices::{TokenUsage, UsageError};
    ///
    /// assert_eq!(TokenUsage::new(1_200, 300)?.output(), 300);
    /// assert_eq!(TokenUsage::new(u64::MAX, 300), Err(UsageError::TooLarge));
    /// # Ok::<(), UsageError>(())
    /// ```
    pub const fn new(input: u64, output: u64) -> Result<Self, UsageError> {
        if input > MAX || output > MAX {
            return Err(UsageError::TooLarge);
        }
        Ok(Self { uncached: input, cache_read: 0, cache_write: 0, cache_write_hour: 0, output, reasoning: 0 })
    }

    /// All input, cached or not.
    #[must_use]
    pub const fn input(&self) -> u64 {
        // Every constructor has checked that the sum is at most 2⁵⁶ − 1.
        self.uncached + self.cache_read + self.cache_write + self.cache_write_hour
    }

    /// The part of the input that was read from a cache.
    #[must_use]
    pub const fn cache_read(&self) -> u64 {
        self.cache_read
    }

    /// The part of the input that was written into a cache, for however long.
    #[must_use]
    pub const fn cache_write(&self) -> u64 {
        self.cache_write + self.cache_write_hour
    }

    /// All output, reasoning or not.
    #[must_use]
    pub const fn output(&self) -> u64 {
        self.output
    }

    /// The part of the output that was reasoning, as far as the provider tells it apart.
    #[must_use]
    pub const fn reasoning(&self) -> u64 {
        self.reasoning
    }

    /// Every token once, under what it is billed as.
    pub(crate) const fn parts(&self) -> [(Billed, u64); 6] {
        [
            (Billed::Input, self.uncached),
            (Billed::CacheRead, self.cache_read),
            (Billed::CacheWrite, self.cache_write),
            (Billed::CacheWriteHour, self.cache_write_hour),
            (Billed::Output, self.output - self.reasoning),
            (Billed::Reasoning, self.reasoning),
        ]
    }
}

/// The tokens alone: input and output, without a cost.
impl From<TokenUsage> for Actual {
    fn from(usage: TokenUsage) -> Self {
        Self::tokens(usage.input(), usage.output())
    }
}

/// Usage as it is reported where cached tokens are counted *inside* the input, under the names of OpenAI's chat
/// completions, which most compatible services have taken over.
///
/// ```
/// use enforce_prices::{CachedInside, TokenUsage, UsageError};
///
/// let reported = CachedInside { prompt_tokens: 100, cached_tokens: 101, ..Default::default() };
/// let error = TokenUsage::try_from(reported).unwrap_err();
/// assert_eq!(error, UsageError::CachedExceedsInput { cached: 101, input: 100 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedInside {
    /// All input (`prompt_tokens`).
    pub prompt_tokens: u64,
    /// The part of it that was read from a cache (`prompt_tokens_details.cached_tokens`).
    pub cached_tokens: u64,
    /// The part of it that was written into a cache, where a service reports that. Default 0.
    pub cache_write_tokens: u64,
    /// All output (`completion_tokens`).
    pub completion_tokens: u64,
    /// The part of it that was reasoning (`completion_tokens_details.reasoning_tokens`).
    pub reasoning_tokens: u64,
    /// The part of input and output that was sound (`audio_tokens` of both details), which has prices of its own that
    /// no table here holds: anything but 0 is refused.
    pub audio_tokens: u64,
}

impl TryFrom<CachedInside> for TokenUsage {
    type Error = UsageError;

    fn try_from(reported: CachedInside) -> Result<Self, UsageError> {
        let CachedInside {
            prompt_tokens: input,
            cached_tokens: cache_read,
            cache_write_tokens: cache_write,
            completion_tokens: output,
            reasoning_tokens: reasoning,
            audio_tokens,
        } = reported;
        let whole = Self::new(input, output)?;
        if audio_tokens > 0 {
            return Err(UsageError::Audio { tokens: audio_tokens });
        }
        let cached = cache_read.saturating_add(cache_write);
        let Some(uncached) = input.checked_sub(cached) else {
            return Err(UsageError::CachedExceedsInput { cached, input });
        };
        if reasoning > output {
            return Err(UsageError::ReasoningExceedsOutput { reasoning, output });
        }
        Ok(Self { uncached, cache_read, cache_write, reasoning, ..whole })
    }
}

/// Usage as it is reported where cached tokens are counted *beside* the input, under the names of Anthropic's messages.
///
/// ```
/// use enforce_prices::{CachedBeside, TokenUsage, UsageError};
///
/// let mut reported = CachedBeside { input_tokens: 100, cache_creation_input_tokens: 2_000, ..Default::default() };
/// assert_eq!(TokenUsage::try_from(reported)?.input(), 2_100);
/// reported.ephemeral_1h_input_tokens = 2_001; // more than was written at all
/// let error = TokenUsage::try_from(reported).unwrap_err();
/// assert_eq!(error, UsageError::HourExceedsWritten { hour: 2_001, written: 2_000 });
/// # Ok::<(), UsageError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedBeside {
    /// The input that no cache had a part in (`input_tokens`).
    pub input_tokens: u64,
    /// What was written into a cache (`cache_creation_input_tokens`).
    pub cache_creation_input_tokens: u64,
    /// The part of that which is kept for an hour (`cache_creation.ephemeral_1h_input_tokens`). Default 0.
    pub ephemeral_1h_input_tokens: u64,
    /// What was read from a cache (`cache_read_input_tokens`).
    pub cache_read_input_tokens: u64,
    /// All output (`output_tokens`), reasoning included and not told apart.
    pub output_tokens: u64,
}

impl TryFrom<CachedBeside> for TokenUsage {
    type Error = UsageError;

    fn try_from(reported: CachedBeside) -> Result<Self, UsageError> {
        let CachedBeside {
            input_tokens: uncached,
            cache_creation_input_tokens: written,
            ephemeral_1h_input_tokens: hour,
            cache_read_input_tokens: cache_read,
            output_tokens: output,
        } = reported;
        let input = uncached.saturating_add(written).saturating_add(cache_read);
        let whole = Self::new(input, output)?;
        let Some(cache_write) = written.checked_sub(hour) else {
            return Err(UsageError::HourExceedsWritten { hour, written });
        };
        Ok(Self { uncached, cache_read, cache_write, cache_write_hour: hour, ..whole })
    }
}

/// Why reported usage cannot be what a call used. Nothing is cut to fit: a report that contradicts itself was read
/// wrongly, or is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// More tokens were cached than came in.
    CachedExceedsInput {
        /// Tokens read from a cache or written into it.
        cached: u64,
        /// All input, as reported.
        input: u64,
    },
    /// More tokens were kept for an hour than were written into a cache.
    HourExceedsWritten {
        /// Tokens kept for an hour.
        hour: u64,
        /// All tokens written, as reported.
        written: u64,
    },
    /// More tokens were reasoning than came out.
    ReasoningExceedsOutput {
        /// Reasoning tokens.
        reasoning: u64,
        /// All output, as reported.
        output: u64,
    },
    /// Some tokens were sound.
    Audio {
        /// How many.
        tokens: u64,
    },
    /// More than 2⁵⁶ − 1 tokens in or out.
    TooLarge,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CachedExceedsInput { cached, input } => write!(
                f,
                "{cached} cached tokens cannot be part of {input} input tokens: if the provider counts them beside the \
                 input, use CachedBeside"
            ),
            Self::HourExceedsWritten { hour, written } => write!(
                f,
                "{hour} tokens cached for an hour cannot be part of {written} written: give the sum of all written as \
                 cache_creation_input_tokens"
            ),
            Self::ReasoningExceedsOutput { reasoning, output } => write!(
                f,
                "{reasoning} reasoning tokens cannot be part of {output} output tokens: if the provider counts them \
                 beside the output, give the sum as output"
            ),
            Self::Audio { tokens } => {
                write!(f, "{tokens} tokens of sound have no price here: bill this call by other means")
            }
            Self::TooLarge => write!(f, "more tokens than can be counted: at most {MAX} in and {MAX} out"),
        }
    }
}

impl std::error::Error for UsageError {}
