//! What is counted, one number for each kind.

/// Amounts by their places. Signed, since a record of changes may take away what another one brings.
pub(crate) type Amounts = [i64; 6];

pub(crate) const STEPS: usize = 0;
pub(crate) const TOKENS: usize = 1;
pub(crate) const MEMORY: usize = 2;
pub(crate) const COST: usize = 3;
pub(crate) const DISCOVERED: usize = 4;
/// How many of the tokens are input; it has no limit of its own.
pub(crate) const INPUT: usize = 5;

/// Those with a limit, by name.
pub(crate) const LIMITED: [(usize, &str); 5] = [
    (STEPS, "steps"),
    (TOKENS, "tokens"),
    (MEMORY, "memory_bytes"),
    (COST, "cost_nano_usd"),
    (DISCOVERED, "discovered_steps"),
];

/// Stands for no limit.
pub(crate) const NO_LIMIT: i64 = i64::MAX;

pub(crate) const NONE: Amounts = [0; 6];

pub(crate) fn plus(mut a: Amounts, b: Amounts) -> Amounts {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = a.saturating_add(b));
    a
}

pub(crate) fn minus(mut a: Amounts, b: Amounts) -> Amounts {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = a.saturating_sub(b));
    a
}

/// What of `a` is above `b`, kind by kind.
pub(crate) fn above(mut a: Amounts, b: Amounts) -> Amounts {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = a.saturating_sub(b).max(0));
    a
}

pub(crate) fn largest(mut a: Amounts, b: Amounts) -> Amounts {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = (*a).max(b));
    a
}

/// An amount as the library counts it.
pub(crate) fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

/// An amount as it is counted here; what does not fit is no limit.
pub(crate) fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(NO_LIMIT)
}
