//! The oracle's approvals and rejections.

use enforce_core::{ScopeKind, ViolationType};

use super::model::{BOUND, COST, DISCOVERED, Forest, Limits, STEPS, TOKENS};

/// Why an approval did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    NotPaused,
    TooLow(u128, u128),
    AboveCeiling(u128, u128),
}

impl Forest {
    fn pause_of(&self, node: usize, pause: usize) -> Option<(ViolationType, ScopeKind)> {
        let it = &self.nodes[node];
        let open = it.pause.as_ref().filter(|open| open.number == pause)?;
        (it.halted.is_none() && it.finished.is_none()).then_some((open.why.kind, open.why.scope))
    }

    /// Ends that pause and no other; the next limit, if a limit paused it.
    pub(crate) fn approve(&mut self, node: usize, pause: usize, next: Option<u64>) -> Result<Option<u128>, Denied> {
        let (kind, scope) = self.pause_of(node, pause).ok_or(Denied::NotPaused)?;
        let place = match kind {
            ViolationType::StepLimit => Some(STEPS),
            ViolationType::TokenLimit => Some(TOKENS),
            ViolationType::CostLimit | ViolationType::CostThreshold => Some(COST),
            ViolationType::DiscoveredStepLimit => Some(DISCOVERED),
            _ => None,
        };
        let by_threshold = kind == ViolationType::CostThreshold;
        let it = &self.nodes[node];
        let of = |limits: &Limits| match place {
            _ if by_threshold => limits.threshold,
            Some(place) => it.limit(limits, place),
            None => None,
        };
        let current = of(&it.limits).filter(|_| scope == ScopeKind::Execution);
        let (Some(place), Some(current)) = (place, current) else {
            self.nodes[node].pause = None;
            return Ok(None);
        };
        let original = of(&it.registered).unwrap_or(current);
        let next = next.map_or((u128::from(current) + u128::from(original)).min(BOUND), u128::from);
        let committed = self.committed(node)[place];
        if next <= committed {
            return Err(Denied::TooLow(next, committed));
        }
        let ceiling = if by_threshold { it.limits.ceiling } else { it.slice.map(|slice| slice[place] as u64) };
        if let Some(ceiling) = ceiling.map(u128::from).filter(|ceiling| next > *ceiling) {
            return Err(Denied::AboveCeiling(next, ceiling));
        }
        let it = &mut self.nodes[node];
        let limit = if by_threshold { &mut it.limits.threshold } else { &mut it.limits.amounts[place] };
        *limit = Some(next as u64);
        it.pause = None;
        Ok(Some(next))
    }

    /// Halts it instead; false if that pause has ended.
    pub(crate) fn reject(&mut self, node: usize, pause: usize) -> bool {
        let cause = self.pause_of(node, pause);
        cause.is_some_and(|cause| self.halt(node, cause))
    }
}
