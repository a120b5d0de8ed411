//! Budgets that outlive their enforcer: what is used of each, and the periods of slices.

use super::{Budgets, EpochKey, Terms};
use crate::clock::Timestamp;
use crate::kernel::epochs::Term;
use crate::kernel::tally::MAX_AMOUNT;
use crate::kernel::window::{NEVER_ENDS, Window};
use crate::limits::Action;
use crate::plan::TallyLimit;
use crate::resource::{Amounts, Resource};
use crate::state::{BudgetName, BudgetState, SlicedBudget};
use crate::sync::Arc;

impl Terms {
    fn name(&self) -> BudgetName {
        let Self { resource, per, utc_offset_minutes, .. } = *self;
        BudgetName { resource: resource.into(), per, utc_offset_minutes }
    }

    /// Stands for a budget whose limit is not known: enough to find it, and it limits nothing.
    fn unlimited(name: BudgetName, kinds: &impl Fn(Resource) -> TallyLimit) -> Self {
        let resource = Resource::from(name.resource);
        let limit = TallyLimit::new(kinds(resource).kind, None, Action::Refuse, 100);
        let (per, utc_offset_minutes) = (name.per, name.utc_offset_minutes);
        Self { listed: limit, resource, per, utc_offset_minutes, has_fields: false }
    }
}

/// When its period ends, if it does.
fn ends(window: &Window) -> Option<Timestamp> {
    (window.ends() != NEVER_ENDS).then(|| Timestamp::from_nanos(window.ends()))
}

/// What is used of the budgets of one scope, on its way out.
#[derive(Debug)]
pub(crate) struct Saved(Vec<(Terms, Arc<Window>, BudgetState)>);

impl Saved {
    /// Which of them were those of `key`'s epoch, in whose windows `amounts` were set aside. A slice is no hold: it leaves
    /// their outstanding.
    pub(crate) fn without(&mut self, budgets: &Budgets, key: Option<EpochKey>, amounts: &Amounts) -> Vec<SlicedBudget> {
        let (Some(epochs), Some(key)) = (budgets.epochs.get(), key) else { return Vec::new() };
        let mut sliced = Vec::new();
        for (terms, window) in epochs.of(key.number()) {
            let known = self.0.iter_mut().find(|(_, known, _)| std::ptr::eq(Arc::as_ptr(known), window));
            sliced.push(SlicedBudget { budget: terms.name(), ends: ends(window) });
            if let Some((_, _, state)) = known {
                state.outstanding = state.outstanding.saturating_sub(amounts.get(terms.resource));
            }
        }
        sliced
    }

    /// Reads once more what is committed, and leaves what is held: what was settled in between is in both.
    pub(crate) fn count_again(&mut self) {
        for (_, window, state) in &mut self.0 {
            state.committed = window.committed.read();
        }
    }

    /// As plain data.
    pub(crate) fn into_states(self) -> Vec<BudgetState> {
        self.0.into_iter().map(|(_, _, state)| state).collect()
    }
}

impl Budgets {
    /// What is used of each in its current period, those included that limit no more. A period that is over goes on until
    /// somebody asks in the next one, for a clock may step back.
    pub(crate) fn save(&self) -> Saved {
        let known = self.epochs.get().map_or_else(Vec::new, |epochs| epochs.known());
        let saved = known.into_iter().map(|(terms, window)| {
            let (committed, outstanding) = window.split();
            let state = BudgetState { budget: terms.name(), ends: ends(&window), committed, outstanding };
            (terms, window, state)
        });
        Saved(saved.collect())
    }

    /// Takes over what `states` say is used, in the periods that go on at `now`. Before anybody takes.
    pub(crate) fn recall(
        &self,
        states: impl Iterator<Item = BudgetState>,
        kinds: &impl Fn(Resource) -> TallyLimit,
        now: Timestamp,
    ) {
        let known = states.filter_map(|state| {
            let ends = state.ends.map_or(NEVER_ENDS, Timestamp::as_nanos);
            let terms = Terms::unlimited(state.budget, kinds);
            let window = Window::new(MAX_AMOUNT, terms.beside(), ends);
            if window.has_ended(now.as_nanos()) {
                return None;
            }
            window.tally.settle(0, state.committed.saturating_add(state.outstanding));
            window.committed.add(state.committed);
            Some((terms, Arc::new(window)))
        });
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return;
        }
        if self.epochs.get().is_none() {
            // They limit nothing now; should they come back, what is used of them has stayed.
            self.begin(&[], now);
        }
        if let Some(epochs) = self.epochs.get() {
            epochs.recall(known);
        }
    }

    /// Sets `amounts` aside again in the periods that go on at `now`, and says in which epoch; in those that are over
    /// nothing is left to be set aside.
    pub(crate) fn recall_slice(
        &self,
        sliced: &[SlicedBudget],
        amounts: &Amounts,
        kinds: &impl Fn(Resource) -> TallyLimit,
        now: Timestamp,
    ) -> Option<EpochKey> {
        if sliced.is_empty() {
            return None;
        }
        if self.epochs.get().is_none() {
            self.begin(&[], now);
        }
        let epochs = self.epochs.get()?;
        let known = epochs.known();
        let budgets = sliced.iter().map(|of| {
            let terms = Terms::unlimited(of.budget, kinds);
            let amount = amounts.get(terms.resource);
            let window = known.iter().find(|(known, window)| known.is(&terms) && ends(window) == of.ends);
            // Of a period that is over, or of a budget that is none any more, nobody asks what is left; but the next state
            // names it again.
            let ends = of.ends.map_or(NEVER_ENDS, Timestamp::as_nanos);
            let past = || Arc::new(Window::new(MAX_AMOUNT, terms.beside(), ends));
            let window = window.map_or_else(past, |(_, window)| Arc::clone(window));
            window.tally.settle(0, amount);
            (terms, window)
        });
        Some(EpochKey::of(epochs.past(budgets.collect())))
    }
}
