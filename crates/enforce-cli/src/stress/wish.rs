//! What a thread asks for: a demand, and its amounts for the books.

use enforce_core::{Demand, OnDrop};

use super::amounts::{Amounts, COST, DISCOVERED, INPUT, MEMORY, NONE, STEPS, TOKENS, signed, unsigned};
use super::hold::End;
use super::numbers::Numbers;
use super::protocol::{Protocol, money};
use super::world::{PROVIDERS, World};

/// A demand, and what of it goes into the books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) demand: Demand,
    pub(crate) amounts: Amounts,
    pub(crate) units: u64,
    pub(crate) provider: Option<usize>,
    pub(crate) on_drop: OnDrop,
}

impl Wish {
    /// Something to ask for: now and then nothing but a step, now and then everything that there is to name.
    pub(crate) fn random(numbers: &mut Numbers, world: &World) -> Self {
        let mut amounts = NONE;
        amounts[STEPS] = if numbers.one_in(8) { signed(numbers.below(4)) } else { 1 };
        if !numbers.one_in(8) {
            amounts[INPUT] = signed(numbers.below(40));
            amounts[TOKENS] = amounts[INPUT] + signed(numbers.below(80));
            amounts[COST] = signed(numbers.below(1_000));
        }
        amounts[DISCOVERED] = if numbers.one_in(4) { signed(numbers.below(3)) } else { 0 };
        let plain = Self { demand: demand(&amounts), amounts, units: 0, provider: None, on_drop: OnDrop::GiveBack };
        match world.plan.protocol {
            Protocol::Reserve => plain.with_names(numbers, world),
            // A record of what happened names no keys and holds no memory.
            Protocol::CheckThenRecord => plain,
        }
    }

    /// More of what a hold has: no keys, so that no rate is asked again.
    pub(crate) fn extension(numbers: &mut Numbers) -> Self {
        let mut amounts = NONE;
        amounts[INPUT] = if numbers.one_in(4) { signed(numbers.below(20)) } else { 0 };
        amounts[TOKENS] = amounts[INPUT] + signed(numbers.below(60));
        amounts[COST] = signed(numbers.below(500));
        amounts[MEMORY] = if numbers.one_in(4) { signed(numbers.below(1 << 19)) } else { 0 };
        Self { demand: demand(&amounts), amounts, units: 0, provider: None, on_drop: OnDrop::GiveBack }
    }

    /// A few tokens and nothing else.
    pub(crate) fn tokens(tokens: u64) -> Self {
        let mut amounts = NONE;
        amounts[TOKENS] = signed(tokens);
        Self { demand: demand(&amounts), amounts, units: 0, provider: None, on_drop: OnDrop::GiveBack }
    }

    fn with_names(mut self, numbers: &mut Numbers, world: &World) -> Self {
        if numbers.one_in(4) {
            self.amounts[MEMORY] = signed(numbers.below(1 << 20));
        }
        self.on_drop = random_policy(numbers);
        self.demand = demand(&self.amounts).on_drop(self.on_drop);
        if numbers.one_in(8) {
            let provider = numbers.index(PROVIDERS);
            if let Some(key) = world.providers.get(provider) {
                self.provider = Some(provider);
                self.demand = self.demand.provider(*key);
            }
        }
        if numbers.one_in(16) {
            self.demand = self.demand.model(world.model);
        }
        if numbers.one_in(4) {
            self.demand = self.demand.fingerprint(numbers.below(3));
        }
        if numbers.one_in(8) {
            self.units = 1 + numbers.below(2);
            self.demand = self.demand.allowance_units(world.tool, self.units);
        }
        self
    }
}

pub(crate) fn random_policy(numbers: &mut Numbers) -> OnDrop {
    numbers.choose([OnDrop::GiveBack, OnDrop::GiveBack, OnDrop::ChargeAll, OnDrop::ChargeInput])
}

/// How a hold of these amounts ends: dropped, or settled with a part of them, all of them, or more unless `is_strict`.
pub(crate) fn random_end(numbers: &mut Numbers, asked: &Amounts, is_strict: bool) -> End {
    if numbers.one_in(4) {
        return End::Drop;
    }
    let exceeds = !is_strict && numbers.one_in(6);
    let mut part = |asked: i64| {
        let asked = unsigned(asked);
        signed(match numbers.below(3) {
            0 => asked,
            _ if exceeds => asked + numbers.below(200),
            _ => numbers.below(asked + 1),
        })
    };
    let mut used = NONE;
    used[INPUT] = part(asked[INPUT]);
    used[TOKENS] = used[INPUT] + part(asked[TOKENS] - asked[INPUT]);
    used[COST] = part(asked[COST]);
    End::Settle(used)
}

pub(crate) fn demand(amounts: &Amounts) -> Demand {
    let [input, output] = [amounts[INPUT], amounts[TOKENS] - amounts[INPUT]].map(unsigned);
    Demand::none()
        .steps(unsigned(amounts[STEPS]))
        .tokens(input, output)
        .cost(money(amounts[COST]))
        .memory_bytes(unsigned(amounts[MEMORY]))
        .discovered_steps(unsigned(amounts[DISCOVERED]))
}
