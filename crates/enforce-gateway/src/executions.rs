//! `/executions/{name}`: looked at, ended, and let go on after a pause.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use enforce_core::{Approval, ApprovalError, Execution};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::entry::{id, name_of, single};
use crate::figures::answer;
use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::refusal::Refusal;
use crate::upstream::received;

/// Whose execution an admin means.
const TENANT: HeaderName = HeaderName::from_static("x-enforce-tenant");

/// The largest decision, in bytes.
const MAX_DECISION_BYTES: usize = 16 << 10;

/// The name in a path.
#[derive(Debug)]
pub(crate) struct Name(String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
        name_of(&name)?;
        Ok(Self(name))
    }
}

/// What `approve` and `reject` are told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// The pause that it is about, and no other.
    pause: u64,
    #[serde(default)]
    by: String,
    #[serde(default)]
    why: String,
    /// The limit from here on, in its unit.
    next_limit: Option<u64>,
}

/// What it has used, whether it is paused, and what was approved: to its tenant and to admins.
pub(crate) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    find(&gateway, &name, &headers, false).map(|run| answer(&shown(&run)))
}

/// Ends it; its last figures.
pub(crate) async fn end(
    State(gateway): State<Arc<Gateway>>,
    Name(name): Name,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let run = find(&gateway, &name, &headers, false)?;
    run.finish();
    Ok(answer(&shown(&run)))
}

/// Lets it go on.
pub(crate) async fn approve(
    State(gateway): State<Arc<Gateway>>,
    Name(name): Name,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let (run, decision) = decide(&gateway, &name, request).await?;
    let Decision { pause, by, why, next_limit } = decision;
    let ticket = run.pause_ticket().filter(|ticket| ticket.pause == pause);
    let approved = match ticket {
        Some(ticket) => run.approve(&ticket, Approval { by, why, next_limit }),
        None => Err(ApprovalError::NotPaused),
    };
    approved.map(|approved| answer(&json!(approved))).map_err(|error| not_carried_out(&error))
}

/// Halts it instead.
pub(crate) async fn reject(
    State(gateway): State<Arc<Gateway>>,
    Name(name): Name,
    request: Request,
) -> Result<Response<Body>, Refusal> {
    let (run, decision) = decide(&gateway, &name, request).await?;
    let ticket = run.pause_ticket().filter(|ticket| ticket.pause == decision.pause);
    let rejected = ticket.map_or(Err(ApprovalError::NotPaused), |ticket| run.reject(&ticket));
    rejected.map(|status| answer(&json!({"status": status}))).map_err(|error| not_carried_out(&error))
}

async fn decide(gateway: &Gateway, name: &str, request: Request) -> Result<(Execution, Decision), Refusal> {
    let (parts, body) = request.into_parts();
    let run = find(gateway, name, &parts.headers, true)?;
    let body = received(body, MAX_DECISION_BYTES).await?;
    let expected =
        "expected a JSON object with the number of the \"pause\", and perhaps \"by\", \"why\", \"next_limit\"";
    let decision = serde_json::from_slice(&body);
    Ok((run, decision.map_err(|error| Refusal::bad_request(format!("{expected}: {error}")))?))
}

fn find(gateway: &Gateway, name: &str, headers: &HeaderMap, admins_only: bool) -> Result<Execution, Refusal> {
    let settings = gateway.settings();
    let tenant = match settings.caller(headers)? {
        Caller::Tenant(_) if admins_only => {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "not_an_admin", "an admin key decides that"));
        }
        Caller::Tenant(tenant) => &**tenant,
        Caller::Admin => {
            let tenant = single(headers, &TENANT)?.and_then(|tenant| tenant.to_str().ok());
            tenant.ok_or_else(|| Refusal::bad_request(format!("name the tenant in the header {TENANT}")))?
        }
    };
    let known = gateway.enforcer.get(&id(tenant, name));
    known.ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "unknown_execution", "no execution of that name is registered")
    })
}

fn shown(run: &Execution) -> Value {
    json!({"usage": run.snapshot(), "pause": run.pause_ticket(), "approvals": run.approvals()})
}

fn not_carried_out(error: &ApprovalError) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "not_carried_out", error.to_string())
}
