//! A streamed answer: charged as it flows, cut off at its budget, settled exactly once.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use enforce_async::{Ended, Flow, Meter, Metered, Stream};
use enforce_core::{Actual, Demand};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::completions::{Call, UNBUFFERED};
use crate::count::Count;
use crate::entry::Entry;
use crate::refusal::Refusal;
use crate::sse::{Chunk, Events, Piece, event};
use crate::usage::Bill;

/// The answer whose body is the upstream's stream.
pub(crate) fn response(call: Call, answer: Response<Incoming>) -> Response<Body> {
    let Call { chat, bill, hold, entry, settings, noted } = call;
    let requests = &settings.config.requests;
    let events = Events::new(answer.into_body(), requests.stream_bytes_per_token, requests.max_answer_bytes);
    let count = Count::of(chat.input);
    let room = hold.held_tokens().1;
    let counter = Counter { bill, count };
    let flow = Metered::new(hold, events, requests.stream_block_tokens, counter).input(chat.input).room(room);
    let body = Flowing {
        open: Some(Open { flow: Box::pin(flow), entry, _noted: noted }),
        ready: VecDeque::new(),
        shows_usage: chat.wants_usage,
        count,
    };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(UNBUFFERED.0, UNBUFFERED.1);
    response
}

/// Counts for the hold.
struct Counter {
    bill: Bill,
    count: Count,
}

impl Meter<Piece> for Counter {
    fn tokens(&mut self, piece: &Piece) -> u64 {
        match piece {
            Piece::Chunk(chunk) => self.count.add(chunk),
            Piece::Done | Piece::Broken(_) => 0,
        }
    }

    fn demand(&self, tokens: u64) -> Demand {
        Demand::none().tokens(0, tokens).cost(self.bill.more(self.count.usage().input(), tokens))
    }

    fn actual(&self, _: u64, _: u64) -> Actual {
        self.bill.actual(&self.count.usage())
    }
}

/// What is open while a stream flows.
struct Open {
    // Before the entry: it is settled before its execution ends.
    flow: Pin<Box<Metered<Events<Incoming>, Counter>>>,
    entry: Entry,
    _noted: watch::Receiver<()>,
}

/// A body of server-sent events. Dropped, because its client has gone, it settles what has flowed.
struct Flowing {
    /// `None` once it has ended, and has been settled.
    open: Option<Open>,
    /// Events that are to be sent.
    ready: VecDeque<Bytes>,
    /// The client has asked for the usage itself.
    shows_usage: bool,
    count: Count,
}

impl Flowing {
    fn pass(&mut self, chunk: &Chunk) {
        self.count.add(chunk);
        if !chunk.is_usage || self.shows_usage {
            self.ready.push_back(event(&chunk.data));
        }
    }

    /// The last event of a stream that has not come to its own end.
    fn fail(&mut self, refusal: &Refusal) {
        let mut object = refusal.object();
        let usage = self.count.usage();
        let (input, output) = (usage.input(), usage.output());
        let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
        if let Value::Object(members) = &mut object {
            members.insert("usage".to_owned(), usage);
        }
        self.ready.push_back(event(&object.to_string()));
    }

    fn cut(&mut self, ended: Ended<Piece>) {
        // It was produced, and is settled with the rest; so it is shown.
        if let Some(Piece::Chunk(over)) = &ended.over {
            self.pass(over);
        }
        let refusal = match &self.open {
            Some(open) => open.entry.refusal(ended.refused),
            None => ended.refused.into(),
        };
        self.fail(&refusal);
        self.open = None;
    }
}

impl http_body::Body for Flowing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(event))));
            }
            let Some(open) = &mut this.open else { return Poll::Ready(None) };
            match ready!(open.flow.as_mut().poll_next(cx)) {
                // It has been settled; the execution of this request ends, too.
                None => this.open = None,
                Some(Flow::Chunk(Piece::Chunk(chunk))) => this.pass(&chunk),
                Some(Flow::Chunk(Piece::Done)) => this.ready.push_back(event("[DONE]")),
                Some(Flow::Chunk(Piece::Broken(why))) => {
                    this.open = None;
                    this.fail(&Refusal::upstream(why));
                }
                Some(Flow::Ended(ended)) => this.cut(*ended),
                // That a limit is near is nothing that a client could act upon.
                Some(_) => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.ready.is_empty()
    }
}
