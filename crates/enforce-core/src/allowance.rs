//! Named allowances: how often an execution may do what has a name, such as calling a tool.

use std::fmt;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::id::validate;
use crate::kernel::bound::Bound;
use crate::kernel::meter::Meter;
use crate::kernel::tally::{MAX_AMOUNT, Tally, Word};
use crate::limits::{ConfigError, EnforcementPolicy, UNLIMITED};
use crate::plan::TallyLimit;

/// The name of an allowance, resolved. Valid for the enforcer that resolved it; to another it means another allowance, or
/// none, and then nothing is admitted under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowanceKey(NonZeroU8);

impl AllowanceKey {
    fn of(place: usize) -> Option<Self> {
        let number = u8::try_from(place.checked_add(1)?).ok().filter(|number| usize::from(*number) <= MAX_NAMES)?;
        NonZeroU8::new(number).map(Self)
    }

    fn place(self) -> usize {
        usize::from(self.0.get() - 1)
    }
}

/// No allowance was built under that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAllowance {
    /// The name that was asked for.
    pub name: String,
}

impl fmt::Display for UnknownAllowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no allowance is named {:?}; name it to the builder", self.name)
    }
}

impl std::error::Error for UnknownAllowance {}

/// How much of an allowance an execution has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AllowanceUsage {
    /// Its name.
    pub name: String,
    /// Units begun.
    pub used: u64,
    /// How many there are; `None` if it is only counted.
    pub limit: Option<u64>,
}

/// How many names fit beside an amount in one word.
const MAX_NAMES: usize = 127;

/// The names that demands may ask under, and their limits, the same for every execution.
#[derive(Debug, Default)]
pub(crate) struct Allowances(Vec<(String, TallyLimit)>);

impl Allowances {
    /// Of a name that is given twice, the later limit counts.
    pub(crate) fn compile(named: &[(String, u64)], policy: &EnforcementPolicy) -> Result<Self, ConfigError> {
        let mut compiled = Self::default();
        for (name, limit) in named {
            validate("allowance", name)
                .map_err(|_| ConfigError::new("allowances", format!("{name:?} is no name"), "write 1 to 128 bytes"))?;
            crate::limits::amount_or_unlimited("allowances", *limit)?;
            let limit = (*limit != UNLIMITED).then_some(*limit);
            let (action, threshold) = (policy.actions.allowances, policy.warning_threshold);
            let limit = TallyLimit::new(ViolationType::AllowanceLimit, limit, action, threshold);
            match compiled.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = limit,
                None => compiled.0.push((name.clone(), limit)),
            }
        }
        if compiled.0.len() > MAX_NAMES {
            let wrong = format!("{} names are too many", compiled.0.len());
            return Err(ConfigError::new("allowances", wrong, format!("write at most {MAX_NAMES}")));
        }
        Ok(compiled)
    }

    /// Whether these can be counted.
    #[cfg(feature = "policy-file")]
    pub(crate) fn validate(named: &[(String, u64)]) -> Result<(), ConfigError> {
        Self::compile(named, &EnforcementPolicy::default()).map(drop)
    }

    /// Whether these are the names and limits of `named`, in whatever order.
    #[cfg(feature = "policy-file")]
    pub(crate) fn are(&self, named: &[(String, u64)], policy: &EnforcementPolicy) -> Result<bool, ConfigError> {
        let others = Self::compile(named, policy)?.0;
        let has = |(name, limit): &(String, TallyLimit)| {
            self.0.iter().any(|(known, its)| known == name && its.limit == limit.limit)
        };
        Ok(others.len() == self.0.len() && others.iter().all(has))
    }

    pub(crate) fn key(&self, name: &str) -> Result<AllowanceKey, UnknownAllowance> {
        let place = self.0.iter().position(|(known, _)| known == name);
        place.and_then(AllowanceKey::of).ok_or_else(|| UnknownAllowance { name: name.to_owned() })
    }

    pub(crate) fn name(&self, key: AllowanceKey) -> Option<&str> {
        self.0.get(key.place()).map(|(name, _)| name.as_str())
    }

    pub(crate) fn limit(&self, key: AllowanceKey) -> Option<&TallyLimit> {
        self.0.get(key.place()).map(|(_, limit)| limit)
    }

    /// What one execution counts in.
    pub(crate) fn untouched(&self) -> Box<[Spent]> {
        let of = |(_, limit): &(_, TallyLimit)| {
            let (limit, tally) = (limit.limit, Tally::new(limit.limit));
            Spent { limit: Bound::new(limit, []), tally, committed: Meter::new() }
        };
        self.0.iter().map(of).collect()
    }

    /// What was used of each, by `spent` if anything was.
    #[inline]
    pub(crate) fn usage(&self, spent: Option<&[Spent]>) -> Vec<AllowanceUsage> {
        if self.0.is_empty() { Vec::new() } else { self.used(spent) }
    }

    fn used(&self, spent: Option<&[Spent]>) -> Vec<AllowanceUsage> {
        let spent = spent.unwrap_or(&[]).iter().map(Some).chain(std::iter::repeat(None));
        let usage = |((name, limit), spent): (&(String, TallyLimit), Option<&Spent>)| {
            let limit = spent.map_or(limit.limit, |spent| spent.read().0);
            AllowanceUsage {
                name: name.clone(),
                used: spent.map_or(0, |spent| spent.committed.read()),
                limit: (limit < MAX_AMOUNT).then_some(limit),
            }
        };
        self.0.iter().zip(spent).map(usage).collect()
    }
}

/// What an execution has used of one allowance.
///
/// Taken by the reservation and never given back. The meter counts what has come through, so that a take about to be
/// undone exhausts nothing (T3).
#[derive(Debug)]
pub(crate) struct Spent {
    /// What the tally's remainder counts from: every execution's, or its own since it was changed.
    limit: Bound,
    pub(crate) tally: Tally,
    pub(crate) committed: Meter,
}

impl Spent {
    /// The limit and the word that counts from it, of one version (L1).
    pub(crate) fn read(&self) -> (u64, Word) {
        let (limit, [], word) = self.limit.read(&self.tally);
        (limit, word)
    }

    /// Moves its limit; what is used stays (L1). Callers take turns under a lock of their own.
    pub(crate) fn relimit(&self, limit: u64) {
        self.limit.change(&self.tally, limit, []);
    }

    /// Which of `all` is that of `key`.
    pub(crate) fn of(all: &[Self], key: AllowanceKey) -> Option<&Self> {
        all.get(key.place())
    }
}

/// What a demand asks of one allowance.
///
/// ```text
/// 63        62         56 55         0
/// [too much][ key, or 0 ][ units, u56 ]
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AskedUnits(u64);

const KEY_SHIFT: u32 = 56;
const TOO_MUCH: u64 = 1 << 63;

impl AskedUnits {
    pub(crate) const NONE: Self = Self(0);

    #[inline]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    const fn number(self) -> u8 {
        // Seven bits.
        ((self.0 & !TOO_MUCH) >> KEY_SHIFT) as u8
    }

    /// `units` of `key` in addition, if it asks nothing yet or of `key`.
    #[inline]
    pub(crate) const fn and(self, key: AllowanceKey, units: u64) -> Option<Self> {
        if !self.is_none() && self.number() != key.0.get() {
            return None;
        }
        let sum = (self.0 & MAX_AMOUNT).saturating_add(units);
        let key = (key.0.get() as u64) << KEY_SHIFT;
        Some(if sum > MAX_AMOUNT { Self(key).too_much() } else { Self((self.0 & TOO_MUCH) | key | sum) })
    }

    /// More than fits any limit.
    #[inline]
    pub(crate) const fn too_much(self) -> Self {
        Self(self.0 | TOO_MUCH)
    }

    /// Of which allowance, and how much.
    pub(crate) fn get(self) -> Option<(AllowanceKey, u64)> {
        let units = if self.0 & TOO_MUCH == 0 { self.0 & MAX_AMOUNT } else { u64::MAX };
        NonZeroU8::new(self.number()).map(|number| (AllowanceKey(number), units))
    }
}

/// Of a key that another enforcer resolved, nothing is known: it fails closed.
pub(crate) fn unknown(key: AllowanceKey, asked: u64) -> EnforcementViolation {
    EnforcementViolation {
        allowance: Some(key),
        ..EnforcementViolation::of(ScopeKind::Execution, ViolationType::AllowanceLimit, 0, asked, 0, Retry::Never)
    }
}
