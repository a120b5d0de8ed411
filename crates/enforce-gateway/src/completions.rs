//! `POST /v1/chat/completions`: asked before, called, settled behind.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use bytes::Bytes;
use enforce_async::ExecutionExt;
use enforce_core::{OnDrop, OwnedHold};
use enforce_prices::{PriceError, TokenUsage};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::chat::Chat;
use crate::entry::{EXECUTION, Entry};
use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::stream;
use crate::upstream::{keep, read, received};
use crate::usage::{Bill, Reported};

/// A call that has been admitted.
pub(crate) struct Call {
    pub(crate) chat: Chat,
    pub(crate) bill: Bill,
    // Before the entry: it is settled before its execution ends.
    pub(crate) hold: OwnedHold,
    pub(crate) entry: Entry,
    pub(crate) settings: Arc<Settings>,
    pub(crate) noted: watch::Receiver<()>,
}

pub(crate) async fn completions(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let name = request.headers().get(EXECUTION).cloned();
    let mut response = completed(gateway, request).await.unwrap_or_else(IntoResponse::into_response);
    if let Some(name) = name {
        response.headers_mut().insert(EXECUTION, name);
    }
    response
}

async fn completed(gateway: Arc<Gateway>, request: Request) -> Result<Response<Body>, Refusal> {
    let call = admit(&gateway, request).await?;
    // A task of its own: what was sent is answered and settled, though the client may be gone. A stream that comes out of
    // it is dropped then, and settles what has flowed.
    match tokio::spawn(async move { call.make(&gateway).await }).await {
        Ok(answered) => answered,
        Err(_) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the call came to no end")),
    }
}

/// Everything that may be refused before the upstream is asked.
async fn admit(gateway: &Gateway, request: Request) -> Result<Call, Refusal> {
    let settings = gateway.settings();
    let requests = &settings.config.requests;
    let (parts, body) = request.into_parts();
    let Caller::Tenant(tenant) = settings.caller(&parts.headers)? else {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "not_a_tenant", "an admin key asks for no completions"));
    };
    let chat = Chat::read(&received(body, requests.max_body_bytes).await?, requests)?;
    let prices = settings.prices.find(&chat.model).map_err(unpriced)?;
    let bill = Bill { prices: prices.clone(), at: gateway.enforcer.clock().now() };
    let model = gateway.enforcer.model(prices.name());
    let model =
        model.map_err(|error| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string()))?;

    let output = if chat.stream { chat.output.min(requests.stream_block_tokens) } else { chat.output };
    let demand = bill.demand(chat.input, output).map_err(unpriced)?;
    let mut demand = demand.provider(gateway.provider(&settings)?).model(model);

    let entry = Entry::of(gateway, tenant, &parts.headers, requests.execution_idle())?;
    if let Some(upstream) = settings.completions.authority() {
        entry.run.check_host(upstream.as_str())?;
    }
    if entry.is_named() {
        demand = demand.fingerprint(fingerprint(&chat.body));
    }
    let hold = entry.acquire(demand, requests.max_wait()).await?;
    Ok(Call { chat, bill, hold, entry, settings, noted: gateway.note_call() })
}

fn unpriced(error: PriceError) -> Refusal {
    match error {
        PriceError::TooLarge { .. } => Refusal::bad_request(error.to_string()),
        error => Refusal::new(StatusCode::NOT_FOUND, "model_not_found", error.to_string()),
    }
}

/// The same for requests that are the same: an agent that repeats itself is a matter of the policy.
fn fingerprint(body: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(body).into();
    digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl Call {
    async fn make(mut self, gateway: &Gateway) -> Result<Response<Body>, Refusal> {
        let ask = gateway.upstream.ask(&self.settings, &self.chat);
        let answer = match self.entry.run.run(ask).await {
            // An error of the upstream's: the hold goes back with `self`.
            Ok(answer) => answer?,
            Err(stopped) => {
                // It had been asked, and what that came to is not known: the most that it can be.
                self.hold.on_drop(OnDrop::ChargeAll);
                return Err(self.entry.refusal(stopped.violation()));
            }
        };
        match is_stream(answer.headers()) {
            true => Ok(stream::response(self, answer)),
            false => self.read_whole(answer).await,
        }
    }

    async fn read_whole(mut self, answer: Response<Incoming>) -> Result<Response<Body>, Refusal> {
        let (parts, body) = answer.into_parts();
        // It has been produced. Until it is known what it came to, it is the most that it can be.
        self.hold.on_drop(OnDrop::ChargeAll);
        let whole = self.entry.run.run(read(body, self.settings.config.requests.max_answer_bytes)).await;
        let body = whole.map_err(|stopped| self.entry.refusal(stopped.violation()))?;
        let body = body.map_err(|problem| problem.of_upstream())?;
        if let Some(usage) = reported(&body) {
            self.hold.settle(self.bill.actual(&usage));
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = parts.status;
        keep(&parts.headers, response.headers_mut());
        Ok(response)
    }
}

fn reported(body: &Bytes) -> Option<TokenUsage> {
    #[derive(Deserialize)]
    struct Completion {
        usage: Value,
    }
    serde_json::from_slice(body).ok().and_then(|completion: Completion| Reported::read(completion.usage))
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// That nothing in between is to keep a stream back.
pub(crate) const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
