//! The upstream: asked over HTTP, and what it says when it fails; and how bodies are read, its own and those of clients.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::chat::Chat;
use crate::refusal::Refusal;
use crate::settings::Settings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections to the upstream, which are kept and used again.
#[derive(Debug)]
pub(crate) struct Upstream(Client<HttpConnector, Full<Bytes>>);

impl Upstream {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
    }

    /// An answer that has begun, with a status of success.
    pub(crate) async fn ask(&self, settings: &Settings, chat: &Chat) -> Result<Response<Incoming>, Refusal> {
        let mut request = Request::new(Full::new(chat.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = settings.completions.clone();
        let headers = request.headers_mut();
        let accepted = if chat.stream { "text/event-stream" } else { "application/json" };
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &settings.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.0.request(request).await.map_err(|error| Refusal::upstream(unreachable(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            // The gateway's own key was not good enough: nothing that its client could mend.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Refusal::upstream("the upstream refused the gateway's key"))
            }
            status if status.is_client_error() || status.is_server_error() => {
                let max = settings.config.requests.max_answer_bytes;
                let (parts, body) = answer.into_parts();
                let body = read(body, max).await.map_err(|problem| problem.of_upstream())?;
                let mut passed = Response::new(body);
                *passed.status_mut() = parts.status;
                keep(&parts.headers, passed.headers_mut());
                Err(Refusal::Passed(Box::new(passed)))
            }
            status => Err(Refusal::upstream(format!("the upstream answered with the status {status}"))),
        }
    }
}

/// Why the upstream cannot be asked, down to what the system says.
fn unreachable(error: &dyn Error) -> String {
    let mut said = format!("the upstream cannot be asked: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

/// The fields of an answer of the upstream that its client is shown.
pub(crate) fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [CONTENT_TYPE, RETRY_AFTER] {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    TooLarge(usize),
    Broken(String),
}

impl Unread {
    pub(crate) fn of_upstream(self) -> Refusal {
        match self {
            Self::TooLarge(max) => Refusal::upstream(format!("the upstream's answer is larger than {max} bytes")),
            Self::Broken(why) => Refusal::upstream(format!("the upstream's answer broke off: {why}")),
        }
    }

    pub(crate) fn of_client(self) -> Refusal {
        match self {
            Self::TooLarge(max) => {
                let message = format!("the body is larger than {max} bytes; send less");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            }
            Self::Broken(why) => Refusal::bad_request(format!("the body broke off: {why}")),
        }
    }
}

/// The whole of a body that is not too large.
pub(crate) async fn read<B>(body: B, max: usize) -> Result<Bytes, Unread>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let read = Limited::new(body, max).collect().await;
    read.map(|all| all.to_bytes()).map_err(|error| match error.is::<LengthLimitError>() {
        true => Unread::TooLarge(max),
        false => Unread::Broken(error.to_string()),
    })
}

/// The whole of a client's body, if it is not too large and comes in time.
pub(crate) async fn received<B>(body: B, max: usize) -> Result<Bytes, Refusal>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long to arrive");
    timeout(BODY_TIMEOUT, read(body, max)).await.map_err(late)?.map_err(Unread::of_client)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;
    use tokio::time::Instant;

    use super::*;

    /// A body that never comes.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_waited_for_no_longer_than_its_time() {
        let begun = Instant::now();
        let late = received(Never, 1).await.unwrap_err();
        assert!(matches!(late, Refusal::Other { status: StatusCode::REQUEST_TIMEOUT, .. }));
        assert_eq!(begun.elapsed(), BODY_TIMEOUT);
    }
}
