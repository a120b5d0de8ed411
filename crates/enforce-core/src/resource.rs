//! What can be asked for and what was used.

use crate::allowance::{AllowanceKey, AskedUnits};
use crate::kept::OnDrop;
use crate::model::ModelKey;
use crate::money::NanoUsd;
use crate::provider::ProviderKey;

/// A counted resource of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Steps,
    Tokens,
    Memory,
    Cost,
    DiscoveredSteps,
}

impl Resource {
    /// In the order in which limits are looked at.
    pub(crate) const ALL: [Self; 5] = [Self::Steps, Self::Tokens, Self::Memory, Self::Cost, Self::DiscoveredSteps];

    /// Whether it counts what begins, and so is committed by being taken.
    #[inline]
    pub(crate) const fn is_begun(self) -> bool {
        matches!(self, Self::Steps | Self::DiscoveredSteps)
    }

    #[inline]
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What one step asks for: a small `Copy` value, built once and reserved as often as needed.
///
/// An amount that is not named is 0: nothing of it is asked, and its limit blocks only in debt. Amounts may be any
/// `u64`; one above 2^56 − 1 fits no limit.
///
/// ```
/// use enforce_core::{Demand, NanoUsd};
///
/// let demand = Demand::step().tokens(1_200, 2_896).cost(NanoUsd::new(4_000_000)?);
/// assert_eq!(demand.total_tokens(), 4_096);
/// # Ok::<(), enforce_core::MoneyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "a demand asks for nothing until it is reserved or checked"]
pub struct Demand {
    pub(crate) steps: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) cost: u64,
    pub(crate) discovered_steps: u64,
    pub(crate) rate_tokens: Option<u64>,
    pub(crate) provider: Option<ProviderKey>,
    pub(crate) model: Option<ModelKey>,
    pub(crate) fingerprint: Option<u64>,
    pub(crate) on_drop: OnDrop,
    /// Output tokens are the most that it takes.
    pub(crate) up_to: bool,
    allowances: [AskedUnits; 2],
}

impl Demand {
    /// Asks for nothing: admitted unless the execution is barred, late, idle or in debt.
    #[inline]
    pub const fn none() -> Self {
        Self {
            steps: 0,
            input_tokens: 0,
            output_tokens: 0,
            memory_bytes: 0,
            cost: 0,
            discovered_steps: 0,
            rate_tokens: None,
            provider: None,
            model: None,
            fingerprint: None,
            on_drop: OnDrop::GiveBack,
            up_to: false,
            allowances: [AskedUnits::NONE; 2],
        }
    }

    /// Asks for one step.
    #[inline]
    pub const fn step() -> Self {
        Self { steps: 1, ..Self::none() }
    }

    /// Steps to begin. Default 0, or 1 after [`Demand::step`].
    #[inline]
    pub const fn steps(self, steps: u64) -> Self {
        Self { steps, ..self }
    }

    /// Tokens to set aside, input and output apart; their sum counts. Default 0.
    #[inline]
    pub const fn tokens(self, input: u64, output: u64) -> Self {
        Self { input_tokens: input, output_tokens: output, up_to: false, ..self }
    }

    /// Tokens to set aside, of the output as many as are left, up to `most_output`, and one at least: for a model call that
    /// may as well be shorter. What is left is the least of what all limits leave that count them: the execution's, its
    /// parents', the budgets' of its tenant and of the process, the rates' of now. The hold says how many it got; money is
    /// set aside as asked.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ResourceLimits};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let hold = run.reserve(Demand::step().tokens_up_to(300, 4_096))?;
    /// assert_eq!(hold.held_tokens(), (300, 700)); // the call may generate 700
    /// assert!(run.reserve(Demand::step().tokens_up_to(0, 4_096)).is_err()); // nothing is left
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub const fn tokens_up_to(self, input: u64, most_output: u64) -> Self {
        Self { input_tokens: input, output_tokens: most_output, up_to: true, ..self }
    }

    /// Money to set aside. Default $0.
    #[inline]
    pub const fn cost(self, cost: NanoUsd) -> Self {
        Self { cost: cost.get(), ..self }
    }

    /// Bytes to hold until the hold ends. Default 0.
    #[inline]
    pub const fn memory_bytes(self, bytes: u64) -> Self {
        Self { memory_bytes: bytes, ..self }
    }

    /// Steps that were discovered rather than planned. Default 0.
    #[inline]
    pub const fn discovered_steps(self, steps: u64) -> Self {
        Self { discovered_steps: steps, ..self }
    }

    /// The provider that will serve it, whose rates are asked, and the tenant's with it: one request, and the tokens.
    /// Default none.
    #[inline]
    pub const fn provider(self, provider: ProviderKey) -> Self {
        Self { provider: Some(provider), ..self }
    }

    /// The model that will serve it, whose rates are asked as the provider's are. Default none.
    #[inline]
    pub const fn model(self, model: ModelKey) -> Self {
        Self { model: Some(model), ..self }
    }

    /// Tokens that rates of total tokens are asked for, where they differ from the tokens set aside; a settle leaves
    /// them as they are. Default: the sum of the tokens, which a settle corrects.
    #[inline]
    pub const fn rate_tokens(self, tokens: u64) -> Self {
        Self { rate_tokens: Some(tokens), ..self }
    }

    /// What the step does, as a 64-bit hash that equals another's when both do the same. Default none, which equals
    /// nothing and ends a run of equal steps.
    #[inline]
    pub const fn fingerprint(self, fingerprint: u64) -> Self {
        Self { fingerprint: Some(fingerprint), ..self }
    }

    /// One unit of an allowance, such as a call of a tool. Default none.
    ///
    /// A demand names two allowances at most; a third makes it one that fits no limit.
    #[inline]
    pub const fn allowance(self, key: AllowanceKey) -> Self {
        self.allowance_units(key, 1)
    }

    /// Units of an allowance. Default 0.
    #[inline]
    pub const fn allowance_units(self, key: AllowanceKey, units: u64) -> Self {
        if units == 0 {
            return self;
        }
        let [first, second] = self.allowances;
        let allowances = match (first.and(key, units), second.and(key, units)) {
            (Some(more), _) => [more, second],
            (None, Some(more)) => [first, more],
            (None, None) => [first, second.too_much()],
        };
        Self { allowances, ..self }
    }

    /// What it asks of allowances.
    pub(crate) fn allowances(&self) -> impl Iterator<Item = (AllowanceKey, u64)> + use<> {
        self.allowances.into_iter().filter_map(AskedUnits::get)
    }

    #[inline]
    pub(crate) const fn asks_allowances(&self) -> bool {
        !self.allowances[0].is_none()
    }

    /// What becomes of the tokens and the money if the hold is dropped unsettled. Default [`OnDrop::GiveBack`].
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, OnDrop};
    ///
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// drop(run.reserve(Demand::step().tokens(1_200, 2_896).on_drop(OnDrop::ChargeInput))?);
    /// assert_eq!(run.finish().total_tokens, 1_200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub const fn on_drop(self, on_drop: OnDrop) -> Self {
        Self { on_drop, ..self }
    }

    /// Input and output tokens together, cut at `u64::MAX`.
    #[inline]
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    #[inline]
    pub(crate) const fn amount(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Steps => self.steps,
            Resource::Tokens => self.total_tokens(),
            Resource::Memory => self.memory_bytes,
            Resource::Cost => self.cost,
            Resource::DiscoveredSteps => self.discovered_steps,
        }
    }

    pub(crate) fn amounts(&self) -> Amounts {
        Amounts::of(|resource| self.amount(resource))
    }

    /// A demand for these amounts and nothing else.
    pub(crate) fn of_amounts(amounts: &Amounts) -> Self {
        Self {
            steps: amounts.get(Resource::Steps),
            output_tokens: amounts.get(Resource::Tokens),
            memory_bytes: amounts.get(Resource::Memory),
            cost: amounts.get(Resource::Cost),
            discovered_steps: amounts.get(Resource::DiscoveredSteps),
            ..Self::none()
        }
    }

    #[inline]
    pub(crate) const fn charged_tokens(&self) -> u64 {
        match self.rate_tokens {
            Some(tokens) => tokens,
            None => self.total_tokens(),
        }
    }

    /// Asks for steps alone.
    #[inline]
    pub(crate) const fn is_bare(&self) -> bool {
        self.input_tokens | self.output_tokens | self.memory_bytes | self.cost | self.discovered_steps == 0
            && self.provider.is_none()
            && self.model.is_none()
            && self.fingerprint.is_none()
            && !self.asks_allowances()
    }

    /// Sets no quantity aside, so that an open hold of it shows in no tally.
    #[inline]
    pub(crate) const fn leaves_no_trace(&self) -> bool {
        self.input_tokens | self.output_tokens | self.memory_bytes | self.cost == 0
    }
}

/// An amount of each counted resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts([u64; Resource::ALL.len()]);

impl Amounts {
    pub(crate) fn of(amount: impl FnMut(Resource) -> u64) -> Self {
        Self(Resource::ALL.map(amount))
    }

    pub(crate) const fn get(&self, resource: Resource) -> u64 {
        let [steps, tokens, memory, cost, discovered] = self.0;
        match resource {
            Resource::Steps => steps,
            Resource::Tokens => tokens,
            Resource::Memory => memory,
            Resource::Cost => cost,
            Resource::DiscoveredSteps => discovered,
        }
    }
}

/// What really happened: the tokens and the money that a step used, to the unit.
///
/// Amounts may be any `u64`; a sum is cut at 2^56 − 1 and halts the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "what was used counts only once it is settled or charged"]
pub struct Actual {
    pub(crate) steps: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost: u64,
    pub(crate) discovered_steps: u64,
}

impl Actual {
    /// Nothing was used.
    #[inline]
    pub const fn none() -> Self {
        Self { steps: 0, input_tokens: 0, output_tokens: 0, cost: 0, discovered_steps: 0 }
    }

    /// Tokens used, input and output apart.
    #[inline]
    pub const fn tokens(input: u64, output: u64) -> Self {
        Self { input_tokens: input, output_tokens: output, ..Self::none() }
    }

    /// Money spent. Default $0.
    #[inline]
    pub const fn cost(self, cost: NanoUsd) -> Self {
        Self { cost: cost.get(), ..self }
    }

    /// Steps begun beyond those that were reserved. Default 0.
    #[inline]
    pub const fn steps(self, steps: u64) -> Self {
        Self { steps, ..self }
    }

    /// Discovered steps begun beyond those that were reserved. Default 0.
    #[inline]
    pub const fn discovered_steps(self, steps: u64) -> Self {
        Self { discovered_steps: steps, ..self }
    }

    /// Input and output tokens together, cut at `u64::MAX`.
    #[inline]
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}
