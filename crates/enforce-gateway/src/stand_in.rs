//! An upstream that stands in for a model: it answers at once, with as many tokens as it is asked for, and counts what it
//! sends.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server;
use crate::upstream::read;

/// Output tokens of a request that names no number.
const USUAL: u64 = 16;
/// The most tokens of an answer that is not a stream, whose text is made at once.
const MOST: u64 = 1 << 20;
const MAX_REQUEST_BYTES: usize = 8 << 20;
const MAX_CONNECTIONS: usize = 100_000;

/// What a stand-in has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Requests that were answered with a completion, or the beginning of one.
    pub requests: u64,
    /// Input tokens of these.
    pub prompt_tokens: u64,
    /// Output tokens that were handed to the connection.
    pub completion_tokens: u64,
}

/// An upstream without a model: the same request gets the same answer. Each output token is the word ` token`, in a chunk of
/// its own where it streams; a prompt has as many tokens as words.
///
/// The `metadata` of a request can ask for something else, each as a number: `tokens`, how many to answer with, in place of
/// `max_completion_tokens` or `max_tokens`; `stall_after`, to fall silent after so many tokens, or at once where it does not stream;
/// `fail_after`, to break off a stream after them; `status`, to answer with this status of an error.
#[derive(Clone, Debug, Default)]
pub struct StandIn(Arc<Mutex<Sent>>);

impl StandIn {
    /// One that has sent nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it has sent so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        *self.0.lock()
    }

    fn count(&self, count: impl FnOnce(&mut Sent)) {
        count(&mut self.0.lock());
    }

    /// Answers whoever connects, until it is dropped.
    pub async fn serve(self, listener: TcpListener) -> Infallible {
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(self);
        server::serve_for_ever(listener, router, MAX_CONNECTIONS).await
    }
}

/// What is asked of it.
struct Asked {
    model: String,
    input: u64,
    output: u64,
    stall_after: Option<u64>,
    fail_after: Option<u64>,
    status: Option<StatusCode>,
    streams: bool,
    usage_at_end: bool,
    usage_in_each: bool,
}

impl Asked {
    fn of(request: &Value) -> Self {
        let metadata = |name: &str| request["metadata"][name].as_str().and_then(|number| number.parse::<u64>().ok());
        let most = request["max_completion_tokens"].as_u64().or(request["max_tokens"].as_u64());
        let option = |name: &str| request["stream_options"][name] == true;
        Self {
            model: request["model"].as_str().unwrap_or("stand-in").to_owned(),
            input: words(&request["messages"]),
            output: metadata("tokens").or(most).unwrap_or(USUAL),
            stall_after: metadata("stall_after"),
            fail_after: metadata("fail_after"),
            status: metadata("status").and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok()),
            streams: request["stream"] == true,
            usage_at_end: option("include_usage"),
            usage_in_each: option("continuous_usage_stats"),
        }
    }

    fn usage(&self, output: u64) -> Value {
        let total = self.input.saturating_add(output);
        json!({"prompt_tokens": self.input, "completion_tokens": output, "total_tokens": total})
    }
}

/// The words of all texts in it.
fn words(value: &Value) -> u64 {
    match value {
        Value::Array(values) => values.iter().map(words).sum(),
        Value::Object(members) => ["content", "text"].iter().filter_map(|name| members.get(*name)).map(words).sum(),
        Value::String(text) => text.split_whitespace().count() as u64,
        _ => 0,
    }
}

async fn complete(State(stand_in): State<StandIn>, body: Body) -> Response<Body> {
    let request = read(body, MAX_REQUEST_BYTES).await.ok();
    let Some(request) = request.and_then(|body| serde_json::from_slice::<Value>(&body).ok()) else {
        return error(StatusCode::BAD_REQUEST);
    };
    let asked = Asked::of(&request);
    if let Some(status) = asked.status {
        return error(status);
    }
    let output = asked.output.min(MOST);
    stand_in.count(|sent| {
        sent.requests += 1;
        sent.prompt_tokens += asked.input;
    });
    if asked.streams {
        return answer("text/event-stream", Body::new(Chunks { asked, stand_in, sent: 0, state: Next::Role }));
    }
    if asked.stall_after.is_some() {
        return std::future::pending().await;
    }
    stand_in.count(|sent| sent.completion_tokens += output);
    let text = " token".repeat(usize::try_from(output).unwrap_or(0));
    let completion = json!({
        "id": "chatcmpl-stand-in", "object": "chat.completion", "created": 0, "model": asked.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": asked.usage(output),
    });
    answer("application/json", Body::from(completion.to_string()))
}

fn answer(kind: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn error(status: StatusCode) -> Response<Body> {
    let error = json!({"error": {"message": "as asked", "type": "stand_in", "param": null, "code": null}});
    let mut answer = answer("application/json", Body::from(error.to_string()));
    *answer.status_mut() = status;
    answer
}

/// What comes next in a stream.
#[derive(Clone, Copy)]
enum Next {
    Role,
    Token,
    Usage,
    Done,
    End,
}

/// The chunks of a stream, a token each.
struct Chunks {
    asked: Asked,
    stand_in: StandIn,
    sent: u64,
    state: Next,
}

impl Chunks {
    fn chunk(&self, choices: &Value, with_usage: bool) -> Bytes {
        let mut chunk = json!({
            "id": "chatcmpl-stand-in", "object": "chat.completion.chunk", "created": 0, "model": self.asked.model,
            "choices": choices, "usage": null,
        });
        if with_usage {
            chunk["usage"] = self.asked.usage(self.sent);
        }
        format!("data: {chunk}\n\n").into()
    }

    fn delta(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": finish}]), self.asked.usage_in_each)
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let data = match this.state {
            Next::Role => {
                this.state = Next::Token;
                this.delta(&json!({"role": "assistant", "content": ""}), None)
            }
            // Nobody is woken: it is dropped with its connection.
            Next::Token if this.asked.stall_after.is_some_and(|after| this.sent >= after) => return Poll::Pending,
            Next::Token if this.asked.fail_after.is_some_and(|after| this.sent >= after) => {
                this.state = Next::End;
                return Poll::Ready(Some(Err(io::Error::other("broken off, as asked"))));
            }
            Next::Token if this.sent < this.asked.output => {
                this.sent += 1;
                this.stand_in.count(|sent| sent.completion_tokens += 1);
                this.delta(&json!({"content": " token"}), None)
            }
            Next::Token => {
                this.state = if this.asked.usage_at_end { Next::Usage } else { Next::Done };
                this.delta(&json!({}), Some("stop"))
            }
            Next::Usage => {
                this.state = Next::Done;
                this.chunk(&json!([]), true)
            }
            Next::Done => {
                this.state = Next::End;
                Bytes::from_static(b"data: [DONE]\n\n")
            }
            Next::End => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
