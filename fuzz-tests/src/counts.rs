//! What a provider reports of a call's tokens.

use enforce_prices::{CachedBeside, CachedInside, TokenUsage};

/// Six counts of eight bytes each.
pub(crate) fn target(data: &[u8]) {
    let mut counts =
        data.chunks_exact(8).filter_map(|chunk| chunk.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || counts.next().unwrap_or_default();
    let (a, b, c, d, e, f) = (next(), next(), next(), next(), next(), next());
    inside(CachedInside {
        prompt_tokens: a,
        cached_tokens: b,
        cache_write_tokens: c,
        completion_tokens: d,
        reasoning_tokens: e,
        audio_tokens: f,
    });
    beside(CachedBeside {
        input_tokens: a,
        cache_creation_input_tokens: b,
        ephemeral_1h_input_tokens: c,
        cache_read_input_tokens: d,
        output_tokens: e,
    });
}

const MAX: u64 = (1 << 56) - 1;

fn inside(reported: CachedInside) {
    let CachedInside { prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens, .. } =
        reported;
    let cached = u128::from(cached_tokens) + u128::from(cache_write_tokens);
    let agrees = cached <= prompt_tokens.into()
        && reasoning_tokens <= completion_tokens
        && prompt_tokens.max(completion_tokens) <= MAX
        && reported.audio_tokens == 0;
    let usage = TokenUsage::try_from(reported);
    assert_eq!(usage.is_ok(), agrees, "{reported:?}: {usage:?}");
    if let Ok(usage) = usage {
        let said = [prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens];
        assert_eq!(counts(&usage), said);
    }
}

fn beside(reported: CachedBeside) {
    let CachedBeside { input_tokens, cache_creation_input_tokens: written, cache_read_input_tokens: read, .. } =
        reported;
    let input = u128::from(input_tokens) + u128::from(written) + u128::from(read);
    let agrees = input <= MAX.into() && reported.output_tokens <= MAX && reported.ephemeral_1h_input_tokens <= written;
    let usage = TokenUsage::try_from(reported);
    assert_eq!(usage.is_ok(), agrees, "{reported:?}: {usage:?}");
    if let Ok(usage) = usage {
        assert_eq!(u128::from(usage.input()), input);
        assert_eq!(counts(&usage), [usage.input(), read, written, reported.output_tokens, 0]);
    }
}

fn counts(usage: &TokenUsage) -> [u64; 5] {
    [usage.input(), usage.cache_read(), usage.cache_write(), usage.output(), usage.reasoning()]
}
