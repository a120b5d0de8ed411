//! Histories of touches, pauses, changes and time, beside a plain account of each deadline.

use enforce_core::{Action, Approval, Enforcer, Execution, ManualClock, ResourceLimits, Status};
use proptest::prelude::*;

use super::{IDLE, MS, WALL, active, exact, idle};
use crate::common::{SECOND, builder, disabled, noon, pass, register, unlimited};

#[derive(Debug, Clone, Copy)]
enum Event {
    Register {
        wall: Option<u64>,
        active: Option<u64>,
        idle: Option<u64>,
    },
    Touch(usize),
    Pause(usize),
    Resume(usize),
    Wall(usize, Option<u64>),
    Finish(usize),
    Pass(u64),
    /// Looks at so many at most.
    Expire(usize),
}

/// What the account knows of one execution, in nanoseconds.
#[derive(Debug, Clone)]
struct Account {
    started: u64,
    touched: u64,
    paused_ns: u64,
    paused: Option<u64>,
    wall: Option<u64>,
    active: Option<u64>,
    idle: Option<u64>,
    over: bool,
}

impl Account {
    /// The cause of the limit that has come by `now`, in the order in which limits are looked at.
    fn due(&self, now: u64) -> Option<enforce_core::Cause> {
        let past = |limit: Option<u64>, since: u64| limit.is_some_and(|limit| now - since >= limit);
        if self.over || self.paused.is_some() {
            None
        } else if past(self.wall, self.started) || past(self.active, self.started + self.paused_ns) {
            Some(WALL)
        } else {
            past(self.idle, self.touched).then_some(IDLE)
        }
    }
}

fn limit() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (1_u64..5_000).prop_map(Some), (1_u64..5).prop_map(|power| Some(70_u64.pow(power as u32)))]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (limit(), limit(), prop::option::of(1_u64..200))
            .prop_map(|(wall, active, idle)| Event::Register { wall, active, idle }),
        4 => any::<usize>().prop_map(Event::Touch),
        2 => any::<usize>().prop_map(Event::Pause),
        2 => any::<usize>().prop_map(Event::Resume),
        2 => (any::<usize>(), limit()).prop_map(|(number, limit)| Event::Wall(number, limit)),
        1 => any::<usize>().prop_map(Event::Finish),
        3 => (1_u64..3_000).prop_map(|ms| Event::Pass(ms * MS)),
        1 => (1_u64..1_000_000).prop_map(|seconds| Event::Pass(seconds * SECOND / 100)),
        4 => prop_oneof![Just(usize::MAX), 1_usize..3].prop_map(Event::Expire),
    ]
}

struct World {
    time: ManualClock,
    enforcer: Enforcer,
    known: Vec<(Execution, Account)>,
}

impl World {
    fn now(&self) -> u64 {
        self.time.now().as_nanos()
    }

    fn register(&mut self, wall: Option<u64>, active_ms: Option<u64>, idle_s: Option<u64>) {
        let id = format!("exec_{}", self.known.len());
        let limits = ResourceLimits {
            max_wall_time_ms: wall.unwrap_or(enforce_core::UNLIMITED),
            ..active_ms.map_or_else(unlimited, active)
        };
        let long_running = idle_s.map_or_else(disabled, idle);
        let run = self.enforcer.execution(id, "tenant").limits(limits).long_running(long_running).register().unwrap();
        let (started, touched) = (self.now(), self.now());
        let [wall, active] = [wall, active_ms].map(|ms| ms.map(|ms| ms * MS));
        let idle = idle_s.map(|seconds| seconds * SECOND);
        let account = Account { started, touched, paused_ns: 0, paused: None, wall, active, idle, over: false };
        self.known.push((run, account));
    }

    fn apply(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Register { wall, active, idle } => return self.register(wall, active, idle),
            Event::Pass(nanos) => return pass(&self.time, nanos),
            Event::Expire(most) => return self.expire(most),
            _ => {}
        }
        let (Event::Touch(number)
        | Event::Pause(number)
        | Event::Resume(number)
        | Event::Wall(number, _)
        | Event::Finish(number)) = event
        else {
            return;
        };
        let count = self.known.len().max(1);
        let Some((run, account)) = self.known.get_mut(number % count) else { return };
        if account.over {
            return;
        }
        match event {
            Event::Touch(_) if run.touch().is_ok() => account.touched = now,
            Event::Pause(_) if account.paused.is_none() => {
                run.pause("wait");
                account.paused = Some(now);
            }
            Event::Resume(_) => {
                if let Some(since) = account.paused.take() {
                    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
                    account.paused_ns += now - since;
                    account.touched = now;
                }
            }
            Event::Wall(_, ms) => {
                let limits = ResourceLimits {
                    max_wall_time_ms: ms.unwrap_or(enforce_core::UNLIMITED),
                    ..account.active.map_or_else(unlimited, |ns| active(ns / MS))
                };
                run.set_limits(limits).unwrap();
                account.wall = ms.map(|ms| ms * MS);
            }
            Event::Finish(_) => {
                run.finish();
                account.over = true;
            }
            _ => {}
        }
    }

    /// Until it says that nothing is left.
    fn expire(&mut self, most: usize) {
        let now = self.now();
        let mut found = Vec::new();
        loop {
            let expired = self.enforcer.expire_some_at(self.time.now(), most);
            found.extend(expired.executions.iter().map(|(run, cause)| (run.id().to_owned(), *cause)));
            if expired.next.is_none_or(|next| next.as_nanos() > now) {
                break;
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut expected = Vec::new();
        for (run, account) in &mut self.known {
            if let Some(cause) = account.due(now) {
                account.over = true;
                expected.push((run.id().to_owned(), cause));
            }
        }
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
        for (run, account) in &self.known {
            assert_eq!(run.status() == Status::Live, !account.over && account.paused.is_none());
        }
        // Nobody is due before the moment that is named.
        if let Some(next) = self.enforcer.next_expiry() {
            let before = next.as_nanos() - 1;
            assert!(self.known.iter().all(|(_, account)| account.due(before.max(now)).is_none()));
        } else {
            assert!(self.known.iter().all(|(_, account)| account.due(u64::MAX - 1).is_none()));
        }
    }
}

proptest! {
    #[test]
    fn every_call_finds_exactly_those_whose_deadline_has_come(events in prop::collection::vec(event(), 1..80)) {
        let time = noon();
        let enforcer = builder(&time).policy(exact(Action::Halt)).build().unwrap();
        let mut world = World { time, enforcer, known: Vec::new() };
        world.register(Some(1_000), None, Some(1));
        events.into_iter().for_each(|event| world.apply(event));
        world.expire(usize::MAX);
        let _other = register(&world.enforcer, "other", "tenant");
    }
}
