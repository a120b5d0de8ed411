//! The gateway: one enforcer, its settings, and a client for the upstream.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use enforce_async::{drive, shutdown};
use enforce_core::{Cause, Clock, Enforcer, ProviderKey, ViolationType};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::completions::completions;
use crate::config::SettingsError;
use crate::entry::single;
use crate::keys::Caller;
use crate::names::Names;
use crate::refusal::Refusal;
use crate::server::Connections;
use crate::settings::Settings;
use crate::upstream::Upstream;
use crate::{executions, figures, server};

/// How long connections may take to tell their clients that all has been halted.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One enforcer, its settings, and a client for the upstream.
pub struct Gateway {
    pub(crate) enforcer: Enforcer,
    pub(crate) upstream: Upstream,
    pub(crate) names: Arc<Names>,
    settings: RwLock<Arc<Settings>>,
    /// Tenants that had keys before settings were read anew; what they have used may count still.
    former: Mutex<BTreeSet<Arc<str>>>,
    /// Every call of the upstream has a receiver: when all are gone, all have been settled.
    calls: watch::Sender<()>,
}

impl Gateway {
    /// A gateway that decides by `clock`.
    ///
    /// # Errors
    /// A policy that makes no sense as a whole.
    pub fn new(settings: Settings, clock: Clock) -> Result<Arc<Self>, SettingsError> {
        let built = Enforcer::builder().policy_file(settings.policy.clone()).clock(clock).build();
        let enforcer = built.map_err(|error| SettingsError::new(format!("policy: {error}")))?;
        let settings = RwLock::new(Arc::new(settings));
        Ok(Arc::new(Self {
            enforcer,
            upstream: Upstream::new(),
            names: Arc::default(),
            settings,
            former: Mutex::default(),
            calls: watch::Sender::new(()),
        }))
    }

    /// Takes other settings over while it runs; whoever is being served keeps those of before. All or nothing.
    ///
    /// # Errors
    /// Another address to listen at or number of connections, and what [`Enforcer::set_policy_file`] refuses; everything
    /// stays as it was.
    pub fn reload(&self, settings: Settings) -> Result<(), SettingsError> {
        let before = self.settings();
        let connections = |settings: &Settings| settings.config.requests.max_connections;
        let fixed = [
            ("listen", settings.listen() == before.listen()),
            ("requests.max_connections", connections(&settings) == connections(&before)),
        ];
        if let Some((key, _)) = fixed.iter().find(|(_, same)| !same) {
            return Err(SettingsError::new(format!("{key}: cannot change while it runs; start it anew")));
        }
        let set = self.enforcer.set_policy_file(&settings.policy);
        set.map_err(|error| SettingsError::new(format!("policy: {error}")))?;
        self.former.lock().extend(before.keys.tenants());
        *self.settings.write() = Arc::new(settings);
        Ok(())
    }

    /// The enforcer that decides.
    #[must_use]
    pub fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }

    /// What each tenant has used, in the order of their names, and those that have no key any more but are known: as JSON,
    /// or as a table.
    #[must_use]
    pub fn usage(&self, json: bool) -> String {
        let tenants = self.tenants();
        if json { figures::all(&self.enforcer, &tenants).to_string() } else { figures::table(&self.enforcer, &tenants) }
    }

    /// Serves until `stop`. Then nobody new is let in, no execution is registered any more, and what runs goes on for at
    /// most the grace of the settings, and so does an answer that is on its way; what runs after that is halted, told so,
    /// and settled. `stop_now` cuts that short: all is halted and every connection dropped, which settles what has flowed.
    /// When this returns, every hold has ended.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        stop_now: impl Future<Output = ()>,
    ) {
        let _driven = drive(&self.enforcer);
        let max = self.settings().config.requests.max_connections;
        let mut open = server::accept(listener, Self::router(&self), max, stop).await;
        tokio::select! {
            biased;
            () = stop_now => {
                self.enforcer.halt_all(Cause::own(ViolationType::Requested));
            }
            () = self.end(&mut open) => {}
        }
        // Whoever does not listen is not waited for: a body that is dropped settles what has flowed.
        open.abort().await;
        // Their executions are halted, so they wait for nobody.
        self.calls.closed().await;
        self.enforcer.executions().for_each(|run| drop(run.finish()));
    }

    /// Brings what runs to an end, within the grace, and gives those who are left the time to be told.
    async fn end(&self, open: &mut Connections) {
        let (begun, grace) = (Instant::now(), self.settings().config.requests.grace());
        // Its calls are waited for below, with the connections that tell their clients.
        let halted = shutdown(&self.enforcer, grace).settle_within(Duration::ZERO);
        let ended = async {
            open.ended().await;
            self.calls.closed().await;
        };
        // Executions that have names outlive their requests, so when everybody has gone nothing runs although they are
        // there.
        let is_halted = tokio::select! {
            _report = halted => true,
            () = ended => false,
        };
        if is_halted {
            // Also before the grace is over, where nothing ran any more: answers may be on their way to slow clients.
            let left = grace.saturating_sub(begun.elapsed()).max(LAST_WORDS);
            let _told = timeout(left, open.ended()).await;
        }
    }

    fn router(gateway: &Arc<Self>) -> Router {
        let execution = get(executions::show).delete(executions::end);
        Router::new()
            .route("/v1/chat/completions", post(completions))
            .route("/usage", get(figures::usage))
            .route("/executions/{name}", execution)
            .route("/executions/{name}/approve", post(executions::approve))
            .route("/executions/{name}/reject", post(executions::reject))
            .route("/healthz", get(|| async { "ok\n" }))
            .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path") })
            .method_not_allowed_fallback(|| async {
                let message = "this path is asked with another method";
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            })
            .with_state(Arc::clone(gateway))
    }

    /// Those that have keys, and those that had some and are known still; in the order of their names.
    pub(crate) fn tenants(&self) -> BTreeSet<Arc<str>> {
        let former = self.former.lock().clone();
        let known = former.into_iter().filter(|tenant| self.enforcer.tenant_usage(tenant).is_some());
        let settings = self.settings();
        known.chain(settings.keys.tenants()).collect()
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// Noted for as long as it is kept.
    pub(crate) fn note_call(&self) -> watch::Receiver<()> {
        self.calls.subscribe()
    }

    pub(crate) fn provider(&self, settings: &Settings) -> Result<ProviderKey, Refusal> {
        let key = self.enforcer.provider(&settings.config.provider);
        key.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "misconfigured", error.to_string()))
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("enforcer", &self.enforcer).finish_non_exhaustive()
    }
}

impl Settings {
    /// Who asks.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<&Caller, Refusal> {
        let unknown = || {
            let message = "no key, or one that is not known: send yours as \"Authorization: Bearer KEY\"";
            Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
        };
        single(headers, &AUTHORIZATION)?.and_then(|value| self.keys.caller(value)).ok_or_else(unknown)
    }
}
