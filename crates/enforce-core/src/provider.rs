//! Providers and their rates: names resolved once to `Copy` keys.

use std::fmt;

use crate::decision::{EnforcementViolation, RatesRefused, Retry, ScopeKind, ViolationType};
use crate::id::InvalidId;
use crate::kernel::arena::Arena;
use crate::kernel::bundle::RateLeg;
use crate::kernel::gcra::{Rate, Tat, TooFast};
use crate::plan::RatePlan;
use crate::sync::{Arc, CachePadded, Inserted, Keyed, Map, Mutex};

/// A provider's name, resolved. Valid for the enforcer that resolved it; to another it means another provider, or none,
/// and then no rate admits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProviderKey(u32);

/// Why a provider's name has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderError {
    /// The name is empty or too long.
    InvalidName(InvalidId),
    /// As many providers as the enforcer may know are known already.
    Full {
        /// The cap, as built.
        cap: u64,
    },
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName(error) => error.fmt(f),
            Self::Full { cap } => write!(f, "{cap} providers are known already; raise max_providers"),
        }
    }
}

impl std::error::Error for ProviderError {}

/// The rate cells of one provider, on cache lines of their own: strangers share them.
#[derive(Debug)]
pub(crate) struct Provider {
    requests: CachePadded<Tat>,
    tokens: CachePadded<Tat>,
}

#[derive(Debug, Clone)]
struct Name {
    name: Arc<str>,
    key: ProviderKey,
}

impl Keyed for Name {
    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

/// All providers of an enforcer. They are named by its owner, so they are capped and stay.
#[derive(Debug)]
pub(crate) struct Providers {
    names: Map<Name>,
    cells: Arena<Provider>,
    known: Mutex<u32>,
    cap: u64,
    rates: RatePlan,
}

impl Providers {
    pub(crate) fn new(rates: RatePlan, cap: u64) -> Self {
        Self { names: Map::new(), cells: Arena::new(), known: Mutex::new(0), cap, rates }
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<ProviderKey, ProviderError> {
        crate::id::validate("provider", name).map_err(ProviderError::InvalidName)?;
        if let Some(known) = self.names.get(name.as_bytes()) {
            return Ok(known.key);
        }
        let mut known = self.known.lock();
        // Again, under the lock that serialises naming.
        if let Some(known) = self.names.get(name.as_bytes()) {
            return Ok(known.key);
        }
        let key = ProviderKey(*known);
        let provider = Provider { requests: CachePadded::new(Tat::new()), tokens: CachePadded::new(Tat::new()) };
        if u64::from(*known) >= self.cap || !self.cells.put(key.0, provider) {
            return Err(ProviderError::Full { cap: self.cap });
        }
        // The cell is in place before its name can be found.
        if self.names.insert_if(Name { name: Arc::from(name), key }, || true) == Inserted::Done {
            *known = known.saturating_add(1);
        }
        Ok(key)
    }

    #[inline]
    pub(crate) fn get(&self, key: ProviderKey) -> Option<&Provider> {
        self.cells.get(key.0)
    }

    #[inline]
    pub(crate) fn rates(&self) -> &RatePlan {
        &self.rates
    }
}

impl Provider {
    /// The cells that a demand of one request and `tokens` asks, requests first.
    #[inline]
    pub(crate) fn legs(&self, rates: &RatePlan, tokens: u64) -> [Option<RateLeg<'_>>; 2] {
        let leg = |tat, rate: Option<Rate>, amount| rate.map(|rate| RateLeg { tat, rate, amount });
        [leg(&*self.requests, rates.requests, 1), leg(&*self.tokens, rates.tokens, tokens)]
    }
}

/// Looks at all rates of a demand together: when several refuse, the retry is the latest of them.
#[inline]
pub(crate) fn look(legs: &[Option<RateLeg<'_>>; 2], now_ns: u64) -> Result<(), EnforcementViolation> {
    let refusal = |leg: &Option<RateLeg<'_>>| leg.and_then(|leg| leg.tat.look(&leg.rate, now_ns, leg.amount).err());
    let [requests, tokens] = legs;
    match (refusal(requests), refusal(tokens)) {
        (None, None) => Ok(()),
        (requests_refusal, tokens_refusal) => Err(violation([requests, tokens], [requests_refusal, tokens_refusal])),
    }
}

/// What of the burst had not drained yet. What never fits is measured against the whole burst.
///
/// Worked out from the delay, which is in whole nanoseconds: one unit too many if it drains within the last of them.
fn used(leg: &RateLeg<'_>, refusal: TooFast) -> u64 {
    let (rate, TooFast::After(ns)) = (&leg.rate, refusal) else { return 0 };
    let missing = (u128::from(ns) * u128::from(rate.scale)).div_ceil(u128::from(rate.interval.max(1)));
    let left = u128::from(leg.amount).saturating_sub(missing);
    rate.burst.saturating_sub(u64::try_from(left).unwrap_or(u64::MAX))
}

/// Of a key that another enforcer resolved, nothing is known: it fails closed.
#[cold]
pub(crate) fn unknown() -> EnforcementViolation {
    EnforcementViolation::of(ScopeKind::Provider, ViolationType::RateLimit, 0, 1, 0, Retry::Never)
}

#[cold]
pub(crate) fn violation(legs: [&Option<RateLeg<'_>>; 2], refusals: [Option<TooFast>; 2]) -> EnforcementViolation {
    let rates = match refusals {
        [Some(_), Some(_)] => RatesRefused::Both,
        [None, Some(_)] => RatesRefused::Tokens,
        _ => RatesRefused::Requests,
    };
    let retry =
        refusals.into_iter().flatten().fold(Retry::After(std::time::Duration::ZERO), |latest, refusal| {
            match (latest, refusal) {
                (Retry::After(latest), TooFast::After(ns)) => {
                    Retry::After(latest.max(std::time::Duration::from_nanos(ns)))
                }
                _ => Retry::Never,
            }
        });
    // The figures are those of the first rate that refused: what was asked of its burst.
    let first = legs.into_iter().zip(refusals).find_map(|(leg, refusal)| Some((leg.as_ref()?, refusal?)));
    let (used, asked, burst) =
        first.map_or((0, 0, 0), |(leg, refusal)| (used(leg, refusal), leg.amount, leg.rate.burst));
    EnforcementViolation {
        rates: Some(rates),
        ..EnforcementViolation::of(ScopeKind::Provider, ViolationType::RateLimit, used, asked, burst, retry)
    }
}
