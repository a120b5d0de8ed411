//! Rates that outlive their enforcer.

use super::cells::{Cells, Slot};
use super::{Rates, TenantRates};
use crate::kernel::gcra::{Moment, Rate};
use crate::kernel::versions::Version;
use crate::limits::RateOn;
use crate::state::RateState;
use crate::tenant::Tenant;

/// What has not drained of the cells of one key.
fn undrained(
    cells: Option<Version<'_, Cells>>,
    on: RateOn,
    name: &str,
    tenant: Option<&str>,
    moment: Moment,
) -> Vec<RateState> {
    let state = |cell: &super::RateCell| {
        let Rate { interval, scale, .. } = cell.rate;
        let (unit, per, ahead) = (cell.unit, cell.per, cell.tat.ahead(&cell.rate, moment.now_ns, moment.early_ns));
        let (name, tenant) = (name.to_owned(), tenant.map(ToOwned::to_owned));
        RateState { on, name, tenant, unit, per, ahead, interval, scale }
    };
    let all = cells.iter().flat_map(|cells| cells.all()).map(state);
    all.filter(|state| state.ahead > 0).collect()
}

impl Rates {
    /// What has not drained of providers and models.
    pub(crate) fn save(&self, moment: Moment) -> Vec<RateState> {
        let version = self.facts().version();
        let of = |names: &super::Names<super::Rated>, on| {
            let known = (0..names.known()).filter_map(|number| names.nth(number));
            known
                .flat_map(|rated| {
                    undrained(
                        rated.slot.cells(self, version, (on, || Some(&*rated.name))),
                        on,
                        &rated.name,
                        None,
                        moment,
                    )
                })
                .collect::<Vec<_>>()
        };
        let mut all = of(&self.providers, RateOn::Provider);
        all.append(&mut of(&self.models, RateOn::Model));
        all
    }

    /// What has not drained of the tenant `id` with providers.
    pub(crate) fn save_tenant(&self, rates: &TenantRates, id: &str, moment: Moment) -> Vec<RateState> {
        let (version, on) = (self.facts().version(), RateOn::TenantProvider);
        let known =
            (0..self.providers.known()).filter_map(|number| Some((self.providers.nth(number)?, rates.get(number)?)));
        let of = |(rated, slot): (&super::Rated, &Slot)| {
            undrained(slot.cells(self, version, (on, || Some(&*rated.name))), on, &rated.name, Some(id), moment)
        };
        known.flat_map(of).collect()
    }

    /// Lets every cell begin no earlier than at `moment`: to a clock that steps back behind it nothing is granted (Q1).
    pub(crate) fn begin_at(&self, moment: Moment) {
        // Before anybody asks; partner: the load in `rated`.
        self.begun.apply(|_| (moment.now_ns, ()));
        self.let_go(moment.now_ns);
        for names in [&self.providers, &self.models] {
            for rated in (0..names.known()).filter_map(|number| names.nth(number)) {
                for cell in rated.slot.latest().iter().flat_map(|cells| cells.all()) {
                    cell.tat.recall(&cell.rate, &cell.rate, 0, Moment { passed_ns: 0, early_ns: 0, ..moment });
                }
            }
        }
    }

    /// Raises the cell of `state` to where it has come by `moment`, if there is such a rate. `tenant` is its tenant.
    pub(crate) fn recall(&self, state: &RateState, tenant: Option<&Tenant>, moment: Moment) {
        let version = self.facts().version();
        match (state.on, tenant) {
            (RateOn::Provider, _) => {
                let number =
                    self.providers.resolve("provider", &state.name, |name, number| self.provider(name, number));
                let rated = number.ok().and_then(|number| self.providers.get(number));
                raise(
                    rated.and_then(|rated| rated.slot.cells(self, version, (state.on, || Some(&*rated.name)))),
                    state,
                    moment,
                );
            }
            (RateOn::Model, _) => {
                let number = self.models.resolve("model", &state.name, |name, number| self.model(name, number));
                let rated = number.ok().and_then(|number| self.models.get(number));
                raise(
                    rated.and_then(|rated| rated.slot.cells(self, version, (state.on, || Some(&*rated.name)))),
                    state,
                    moment,
                );
            }
            (RateOn::TenantProvider, Some(tenant)) => self.recall_tenant(state, tenant, moment),
            (RateOn::TenantProvider, None) => {}
        }
    }

    fn recall_tenant(&self, state: &RateState, tenant: &Tenant, moment: Moment) {
        let number = self.providers.resolve("provider", &state.name, |name, number| self.provider(name, number));
        // Without such rates the tenant has no cells to be raised.
        if let Ok(number) = number
            && self.facts().tenant()
        {
            raise(self.of_tenant(self.facts().version(), tenant.rates(), number).ok(), state, moment);
        }
    }
}

fn raise(cells: Option<Version<'_, Cells>>, state: &RateState, moment: Moment) {
    let before = Rate { interval: state.interval, scale: state.scale, burst: 0 };
    let same = |cell: &&super::RateCell| (cell.unit, cell.per) == (state.unit, state.per);
    let cell = cells.iter().flat_map(|cells| cells.all()).find(same);
    if let Some(cell) = cell {
        cell.tat.recall(&cell.rate, &before, state.ahead, moment);
    }
}
