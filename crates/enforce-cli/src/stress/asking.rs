//! Operations on holds: asking, growing, ending, handing over, and recording without having asked.

use std::sync::Arc;
use std::time::Duration;

use enforce_core::{EnforcementViolation, OnDrop, ViolationType};

use super::amounts::{COST, DISCOVERED, INPUT, NONE, STEPS, TOKENS, plus, signed};
use super::hold::{Held, Open};
use super::laws::{Judge, Law};
use super::node::Node;
use super::protocol::{Protocol, everything};
use super::tally::timed;
use super::wish::{Wish, random_end, random_policy};
use super::worker::Worker;

/// More are not kept open by one thread.
const MOST_OPEN: usize = 256;

impl Worker<'_> {
    /// Asks for a hold that can be kept, and enters it into the books.
    pub(crate) fn open(&mut self, node: &Arc<Node>, wish: &Wish) -> Option<Open<'static>> {
        let (world, now) = (self.world, self.world.now());
        let stopped = node.is_stopped();
        let asked = timed(&mut self.tally.reserve, || world.plan.protocol.ask_owned(&node.execution, wish.demand, now));
        self.answered(node, wish, stopped, asked)
    }

    /// Books what came of asking. `stopped` says whether it was known before that nothing may come through.
    pub(crate) fn answered<'a>(
        &mut self,
        node: &Arc<Node>,
        wish: &Wish,
        stopped: bool,
        asked: Result<Held<'a>, EnforcementViolation>,
    ) -> Option<Open<'a>> {
        let held = asked.map_err(|violation| self.refused(node, &violation)).ok()?;
        if stopped {
            self.broken(node, Law::E1, "demands admitted behind a halt or an end");
        }
        self.tally.counts.admitted += 1;
        if let Some(requests) = wish.provider.and_then(|provider| self.record.requests.get_mut(provider)) {
            *requests += 1;
        }
        if wish.units > 0 {
            self.record.of(node).units += wish.units;
        }
        let open = Open { node: Arc::clone(node), held, asked: wish.amounts, on_drop: wish.on_drop, expired: false };
        open.begin(&mut self.record);
        Some(open)
    }

    /// Counts a refusal.
    fn refused(&mut self, node: &Arc<Node>, violation: &EnforcementViolation) {
        self.tally.refuse(violation.violation_type);
        self.look_at_refusal(node, violation);
        match violation.violation_type {
            // Or everyone would be paused before long.
            ViolationType::Paused if self.numbers.one_in(3) => self.decide_about(node),
            _ => {}
        }
    }

    fn look_at_refusal(&mut self, node: &Arc<Node>, violation: &EnforcementViolation) {
        if node.is_strict {
            let mut judge = Judge::of(node.execution.id());
            judge.never_passed(violation);
            self.judged(judge);
        }
    }

    /// A law was broken under its eyes.
    pub(crate) fn broken(&mut self, node: &Node, law: Law, figure: &'static str) {
        let mut judge = Judge::of(node.execution.id());
        judge.never(law, figure, true);
        self.judged(judge);
    }

    pub(crate) fn step(&mut self) {
        let Some((place, node)) = self.pick() else { return };
        if !node.runs() && self.numbers.one_in(2) {
            // Nothing more comes of it.
            return self.renew(place);
        }
        let wish = Wish::random(&mut self.numbers, self.world);
        let (world, now, stopped) = (self.world, self.world.now(), node.is_stopped());
        let asked = timed(&mut self.tally.reserve, || world.plan.protocol.ask(&node.execution, wish.demand, now));
        let Some(mut open) = self.answered(&node, &wish, stopped, asked) else { return };
        if self.numbers.one_in(8) {
            open.set_on_drop(random_policy(&mut self.numbers));
        }
        if self.numbers.one_in(8) {
            self.extend(&mut open);
        }
        let end = random_end(&mut self.numbers, &open.asked, node.is_strict);
        self.end(open, end);
    }

    /// Reserves something for later. What was only checked is recorded at once: with nothing set aside, one thread alone
    /// would overspend by keeping it.
    pub(crate) fn keep(&mut self) {
        let Some(open) = self.open_one() else { return };
        if self.world.plan.protocol == Protocol::CheckThenRecord {
            let end = random_end(&mut self.numbers, &open.asked, open.node.is_strict);
            return self.end(open, end);
        }
        self.open.push(open);
    }

    fn open_one(&mut self) -> Option<Open<'static>> {
        if self.open.len() >= MOST_OPEN {
            self.end_one();
        }
        let (_, node) = self.pick()?;
        let wish = Wish::random(&mut self.numbers, self.world);
        self.open(&node, &wish)
    }

    pub(crate) fn keep_timed(&mut self) {
        let Some(mut open) = self.open_one() else { return };
        let deadline = self.world.now().saturating_add(Duration::from_millis(self.numbers.below(300)));
        open.held = match open.held {
            Held::Owned(hold) => match hold.with_deadline(deadline) {
                Ok(hold) => Held::Timed(hold),
                Err(full) => Held::Owned(full.into_hold()),
            },
            held => {
                open.held = held;
                let end = random_end(&mut self.numbers, &open.asked, open.node.is_strict);
                return self.end(open, end);
            }
        };
        self.open.push(open);
    }

    pub(crate) fn end_one(&mut self) {
        self.take_over();
        if self.open.is_empty() {
            return;
        }
        let index = self.numbers.index(self.open.len());
        let open = self.open.swap_remove(index);
        let end = random_end(&mut self.numbers, &open.asked, open.node.is_strict);
        self.end(open, end);
    }

    pub(crate) fn hand_over(&mut self) {
        if let Some(open) = self.open.pop() {
            let to = self.numbers.index(self.world.handed.len());
            match self.world.handed.get(to) {
                Some(handed) => handed.lock().push(open),
                None => self.open.push(open),
            }
        }
    }

    pub(crate) fn extend_one(&mut self) {
        let Some(mut open) = self.open.pop() else { return };
        // The share of the input is rounded, so what one policy charges of two parts is not what it charges of the sum;
        // and which of the two it was only the deadline knows.
        if !open.is_timed() || open.on_drop != OnDrop::ChargeInput {
            self.extend(&mut open);
        }
        self.open.push(open);
    }

    fn extend(&mut self, open: &mut Open<'_>) {
        let more = Wish::extension(&mut self.numbers);
        let (now, stopped) = (self.world.now(), open.node.is_stopped());
        match open.extend(more.demand, &more.amounts, now, &mut self.record) {
            None => {}
            Some(Ok(())) => {
                self.tally.counts.extended += 1;
                if stopped {
                    self.broken(&open.node, Law::E1, "extensions admitted behind a halt or an end");
                }
            }
            Some(Err(violation)) => {
                *self.tally.counts.not_extended.entry(violation.violation_type.as_str()).or_default() += 1;
                self.look_at_refusal(&open.node, &violation);
            }
        }
    }

    pub(crate) fn expire(&mut self) {
        self.tally.counts.expired += self.world.enforcer.expire_holds_at(self.world.now());
    }

    pub(crate) fn check(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        let wish = Wish::random(&mut self.numbers, self.world);
        let stopped = node.is_stopped();
        if stopped && node.execution.check_at(wish.demand, self.world.now()).is_allowed() {
            self.broken(&node, Law::E1, "checks allowed behind a halt or an end");
        }
    }

    /// Records what nobody asked for; not where that may not be.
    pub(crate) fn charge(&mut self) {
        let Some((_, node)) = self.pick() else { return };
        if node.is_strict {
            return;
        }
        let mut used = NONE;
        used[STEPS] = signed(self.numbers.below(2));
        used[INPUT] = signed(self.numbers.below(30));
        used[TOKENS] = used[INPUT] + signed(self.numbers.below(30));
        used[COST] = signed(self.numbers.below(300));
        used[DISCOVERED] = signed(self.numbers.below(2));
        node.execution.charge_at(everything(&used), self.world.now());
        let change = self.record.of(&node);
        change.committed = plus(change.committed, used);
        change.over = plus(change.over, used);
    }
}
