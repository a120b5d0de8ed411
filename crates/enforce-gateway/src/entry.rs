//! Whose execution a request belongs to: one that its client names, or one of its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use enforce_async::ExecutionExt;
use enforce_core::{
    Demand, EnforcementViolation, Execution, ExecutionId, FinishOnDrop, OwnedHold, RegisterError, Status,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::config::is_plain;
use crate::gateway::Gateway;
use crate::names::Names;
use crate::refusal::Refusal;

/// The name of the execution that a request belongs to.
pub(crate) const EXECUTION: HeaderName = HeaderName::from_static("x-enforce-execution");

/// The longest name of an execution, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// How often somebody else may end an execution while it is looked up or registered.
const TRIES: u32 = 3;

/// An execution that a request has entered.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) run: Execution,
    /// One that lasts as long as its request.
    owner: Option<FinishOnDrop>,
}

impl Entry {
    /// Whether its client has named it, so that it outlives the request.
    pub(crate) const fn is_named(&self) -> bool {
        self.owner.is_none()
    }

    /// Enters the execution that `headers` name, registered with its first request, or registers one for this request alone.
    pub(crate) fn of(
        gateway: &Gateway,
        tenant: &Arc<str>,
        headers: &HeaderMap,
        idle: Duration,
    ) -> Result<Self, Refusal> {
        let enforcer = &gateway.enforcer;
        let Some(name) = single(headers, &EXECUTION)? else {
            let run = enforcer.execution(id(tenant, ExecutionId::new().as_str()), &**tenant).register()?;
            return Ok(Self { owner: Some(run.clone().finish_on_drop()), run });
        };
        let id = id(tenant, name_of(name.to_str().unwrap_or_default())?);
        for _ in 0..TRIES {
            gateway.names.note(&id);
            if let Some(run) = enforcer.get(&id) {
                return Ok(Self { run, owner: None });
            }
            match enforcer.execution(&*id, &**tenant).register() {
                Ok(run) => {
                    drop(tokio::spawn(end_when_idle(run.clone(), Arc::clone(&gateway.names), idle)));
                    return Ok(Self { run, owner: None });
                }
                // Somebody else has registered it meanwhile.
                Err(RegisterError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::new(StatusCode::CONFLICT, "execution_changes", "it begins and ends all the time; try again"))
    }

    /// Asks, and waits for room for so long.
    pub(crate) async fn acquire(&self, demand: Demand, wait: Duration) -> Result<OwnedHold, Refusal> {
        let held = match wait.is_zero() {
            true => self.run.reserve_owned(demand),
            false => self.run.acquire(demand).within(wait).await,
        };
        held.map_err(|violation| self.refusal(violation))
    }

    /// A refusal that names the pause, if there is one to be approved.
    pub(crate) fn refusal(&self, violation: EnforcementViolation) -> Refusal {
        let pause = self.run.pause_ticket().map(|ticket| ticket.pause);
        Refusal::Limit { violation: Box::new(violation), pause }
    }
}

/// A field of a head that may stand there once at most: of two, whoever stands in between may have read the other.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Refusal::bad_request(format!("the header {name} stands there twice; send it once"))),
        (one, None) => Ok(one),
    }
}

/// An execution's id: tenants that name theirs alike do not meet.
pub(crate) fn id(tenant: &str, name: &str) -> String {
    format!("{tenant}/{name}")
}

/// A name that may be an execution's.
pub(crate) fn name_of(name: &str) -> Result<&str, Refusal> {
    let right = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(is_plain);
    let wrong = || format!("an execution is named by 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' or '.'");
    if right { Ok(name) } else { Err(Refusal::bad_request(wrong())) }
}

/// Ends an execution that nobody has asked anything from one look to the next, and that has nothing open. A halted one is
/// forgotten so, too, but none that waits for an approval. Whoever ends it before ends this as well, so that nothing is kept
/// of names that come and go.
async fn end_when_idle(run: Execution, names: Arc<Names>, idle: Duration) {
    let id = run.id();
    let number = names.enter(id);
    let mut watch = run.watch();
    let mut before = None;
    loop {
        let ended = poll_fn(|cx| match watch.look(cx.waker()) {
            Status::Finished(_) => Poll::Ready(()),
            _ => Poll::Pending,
        });
        if tokio::time::timeout(idle, ended).await.is_ok() {
            return names.leave(id, number);
        }
        let asked = names.asked(id, number);
        let usage = run.snapshot();
        let now = Some((asked, usage.steps, usage.total_tokens, usage.status));
        let is_idle = before == now && usage.outstanding.is_zero() && !matches!(usage.status, Status::Paused(_));
        if is_idle && names.end(id, number, asked, || drop(run.finish())) {
            return;
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use enforce_async::TokioClock;
    use enforce_core::{Approval, Cause, Clock, Enforcer, ViolationType};

    #[tokio::test(start_paused = true)]
    async fn a_named_execution_ends_when_it_has_done_nothing_from_one_look_to_the_next() {
        let run = Enforcer::default().execution("a/run", "a").register().unwrap();
        let watched = tokio::spawn(end_when_idle(run.clone(), Arc::default(), Duration::from_secs(10)));
        tokio::time::sleep(Duration::from_secs(15)).await;
        let hold = run.reserve(Demand::step().tokens(1, 0)).unwrap();
        // It has done something before the second look, and has something open at the third.
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(run.status(), Status::Live);
        drop(hold);
        watched.await.unwrap();
        assert_eq!(run.status(), Status::Finished(None));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_a_named_execution_that_was_ended() {
        for halts in [false, true] {
            let names = Arc::<Names>::default();
            let run = Enforcer::default().execution("a/run", "a").register().unwrap();
            let watched = tokio::spawn(end_when_idle(run.clone(), Arc::clone(&names), Duration::from_secs(86_400)));
            let begun = tokio::time::Instant::now();
            tokio::time::sleep(Duration::from_secs(1)).await;
            if halts {
                run.halt(Cause::own(ViolationType::Requested));
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(!watched.is_finished(), "a halted one is known until it is ended");
            }
            run.finish();
            watched.await.unwrap();
            assert!(begun.elapsed() < Duration::from_secs(3));
            assert!(names.is_empty());
        }
    }

    const REQUESTS: &str = "execution_idle_seconds = 10";

    async fn gateway(policy: &str) -> Arc<Gateway> {
        let config = format!(
            "listen = \"127.0.0.1:0\"\nupstream = \"http://u/v1\"\npolicy = \"p\"\nprices = \"p\"\n[requests]\n{REQUESTS}"
        );
        let prices = "[[price]]\nmodel = \"quill\"\ninput = \"0.40\"\noutput = \"1.60\"";
        Gateway::new(Settings::of(&config, policy, prices).unwrap(), Clock::custom(TokioClock::new())).unwrap()
    }

    /// Asks for a step of a named execution as a request does; whether that was admitted.
    async fn ask(gateway: &Gateway) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(EXECUTION, HeaderValue::from_static("run"));
        let entry = Entry::of(gateway, &"a".into(), &headers, Duration::from_secs(10)).unwrap();
        entry.acquire(Demand::step(), Duration::ZERO).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_named_execution_that_is_asked_and_refused_is_not_idle() {
        let gateway = gateway("[limits]\nmax_steps = 1\n[actions]\nsteps = \"refuse\"").await;
        assert!(ask(&gateway).await);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(8)).await;
            assert!(!ask(&gateway).await, "it begins anew with whole limits");
        }
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert_eq!((gateway.enforcer.execution_count(), gateway.names.is_empty()), (0, true));
        assert!(ask(&gateway).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_execution_waits_for_its_approval_however_long() {
        let gateway = gateway("").await;
        assert!(ask(&gateway).await);
        let run = gateway.enforcer.get("a/run").unwrap();
        run.pause("look at it");
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert!(run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).is_ok());
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert_eq!(run.status(), Status::Finished(None));
    }
}
