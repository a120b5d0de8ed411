//! Server-sent events of the upstream, and what each of them counts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use enforce_prices::TokenUsage;
use futures_core::Stream;
use http_body::Body;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::usage::Reported;

/// A byte order mark, which may stand at the beginning of a stream.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What comes out of the upstream's stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Chunk(Chunk),
    /// The end, as it is announced: `[DONE]`.
    Done,
    /// The stream has broken off, or is none; nothing comes behind it.
    Broken(String),
}

/// One chunk of a completion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// As it was sent.
    pub(crate) data: String,
    /// Output tokens, by its text; 0 if it has none.
    pub(crate) tokens: u64,
    /// The usage up to here, if it tells that.
    pub(crate) usage: Option<TokenUsage>,
    /// It has no choices, and tells the usage alone.
    pub(crate) is_usage: bool,
}

/// The parts of a chunk that count.
#[derive(Deserialize)]
struct Wire {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Map<String, Value>>,
}

impl Chunk {
    fn read(data: String, bytes_per_token: u64) -> Piece {
        let wire: Wire = match serde_json::from_str(&data) {
            Ok(wire) => wire,
            Err(error) => return Piece::Broken(format!("an event of the upstream is no chunk: {error}")),
        };
        let choices = wire.choices.unwrap_or_default();
        let deltas = choices.iter().filter_map(|choice| choice.delta.as_ref());
        let tokens = deltas.map(|delta| tokens(delta, bytes_per_token)).sum();
        let usage = wire.usage.and_then(Reported::read);
        Piece::Chunk(Self { data, tokens, is_usage: choices.is_empty() && usage.is_some(), usage })
    }
}

/// At least one token for any text.
fn tokens(delta: &Map<String, Value>, bytes_per_token: u64) -> u64 {
    let bytes: u64 = delta.iter().map(|(member, value)| text_bytes(member, value)).sum();
    if bytes == 0 { 0 } else { (bytes / bytes_per_token).max(1) }
}

/// Bytes of text that was generated, in whatever member: content, a refusal, reasoning, the arguments of a tool.
fn text_bytes(member: &str, value: &Value) -> u64 {
    match value {
        Value::String(_) if matches!(member, "role" | "id" | "type") => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(values) => values.iter().map(|value| text_bytes(member, value)).sum(),
        Value::Object(members) => members.iter().map(|(member, value)| text_bytes(member, value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// An event, as it is written. A carriage return ends a line, too: whoever reads it must not find another line there.
pub(crate) fn event(data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 8);
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// The events of a body.
#[derive(Debug)]
pub(crate) struct Events<B> {
    /// `None` once it has ended.
    body: Option<B>,
    /// What has arrived and is no whole line yet.
    rest: BytesMut,
    /// How much of that has no end of a line.
    seen: usize,
    /// It is known whether a byte order mark stands at the beginning.
    has_begun: bool,
    /// The last line was ended by a carriage return, and what comes next may belong to that.
    is_behind_return: bool,
    /// The data of the event that is arriving.
    data: Option<String>,
    is_done: bool,
    bytes_per_token: u64,
    max_event_bytes: usize,
}

impl<B> Events<B> {
    pub(crate) fn new(body: B, bytes_per_token: u64, max_event_bytes: usize) -> Self {
        Self {
            body: Some(body),
            rest: BytesMut::new(),
            seen: 0,
            has_begun: false,
            is_behind_return: false,
            data: None,
            is_done: false,
            bytes_per_token,
            max_event_bytes,
        }
    }

    fn is_between_events(&self) -> bool {
        self.data.as_ref().is_none_or(|data| data.trim_ascii().is_empty()) && self.rest.trim_ascii().is_empty()
    }

    /// Notes what ends the stream.
    fn pass(&mut self, piece: Piece) -> Piece {
        match &piece {
            Piece::Chunk(_) => {}
            Piece::Done => self.is_done = true,
            Piece::Broken(_) => self.body = None,
        }
        piece
    }

    /// Skips what belongs to no line: a byte order mark at the beginning, and the other half of the end of a line.
    fn skip(&mut self) {
        if !self.has_begun {
            if self.rest.len() < MARK.len() && MARK.starts_with(&self.rest) {
                return;
            }
            if self.rest.starts_with(MARK) {
                self.rest.advance(MARK.len());
            }
            self.has_begun = true;
        }
        if let (true, Some(next)) = (self.is_behind_return, self.rest.first()) {
            self.rest.advance(usize::from(*next == b'\n'));
            self.is_behind_return = false;
        }
    }

    /// The length of the next whole line of what has arrived, without its end: CR, LF, or both.
    fn next_line(&mut self) -> Option<usize> {
        self.skip();
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        self.rest.iter().skip(self.seen).position(ends).map(|end| self.seen + end)
    }

    /// The next whole event of what has arrived.
    fn next_event(&mut self) -> Option<Piece> {
        while let Some(length) = self.next_line() {
            // Also of what arrives at once: an event is the same however its bytes arrive.
            if let Some(broken) = self.too_large(length) {
                return Some(broken);
            }
            let line = self.rest.split_to(length);
            self.is_behind_return = self.rest.first() == Some(&b'\r');
            self.rest.advance(1);
            self.seen = 0;
            if line.is_empty() {
                // Of no event, or of one that says nothing.
                let Some(data) = self.data.take().filter(|data| !data.trim_ascii().is_empty()) else { continue };
                let is_end = data.trim_ascii() == "[DONE]";
                return Some(if is_end { Piece::Done } else { Chunk::read(data, self.bytes_per_token) });
            }
            // Comments, and members that no completion has.
            let Some(value) = line.strip_prefix(b"data:") else { continue };
            let Ok(value) = str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)) else {
                return Some(Piece::Broken("an event of the upstream is no UTF-8".to_owned()));
            };
            match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            }
        }
        self.seen = self.rest.len();
        self.too_large(self.seen)
    }

    /// What is said of an event with so many bytes of a line behind what it has already, if that is too much.
    fn too_large(&self, line: usize) -> Option<Piece> {
        let arriving = line + self.data.as_ref().map_or(0, String::len);
        (arriving > self.max_event_bytes)
            .then(|| Piece::Broken(format!("an event of the upstream is larger than {} bytes", self.max_event_bytes)))
    }
}

impl<B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin> Stream for Events<B> {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = &mut *self;
        while this.body.is_some() {
            // Behind the end nothing is looked at any more, but the connection is to be used again.
            if let (false, Some(piece)) = (this.is_done, this.next_event()) {
                return Poll::Ready(Some(this.pass(piece)));
            }
            let Some(body) = &mut this.body else { break };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let (false, Ok(data)) = (this.is_done, frame.into_data()) {
                        this.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    let why = format!("the upstream's stream broke off: {error}");
                    return Poll::Ready(Some(this.pass(Piece::Broken(why))));
                }
                None if this.is_done || this.is_between_events() => this.body = None,
                None => {
                    // Who has said that it ends need not end what says so.
                    this.rest.extend_from_slice(b"\n\n");
                    let last = this.next_event().filter(|piece| *piece == Piece::Done);
                    this.body = None;
                    let why = || Piece::Broken("the upstream's stream ended within an event".to_owned());
                    return Poll::Ready(Some(last.unwrap_or_else(why)));
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use std::convert::Infallible;
    use std::task::Waker;

    /// The text in pieces of so many bytes.
    struct Parts(Vec<Bytes>);

    impl Stream for Parts {
        type Item = Result<http_body::Frame<Bytes>, Infallible>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop().map(|part| Ok(http_body::Frame::data(part))))
        }
    }

    fn all<B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin>(body: B) -> Vec<Piece> {
        let mut events = Events::new(body, 4, 1_000);
        let mut pieces = Vec::new();
        while let Poll::Ready(Some(piece)) = Pin::new(&mut events).poll_next(&mut Context::from_waker(Waker::noop())) {
            pieces.push(piece);
        }
        pieces
    }

    fn pieces(text: &str) -> Vec<Piece> {
        all(Full::new(Bytes::from(text.to_owned())))
    }

    fn tokens(data: &str) -> u64 {
        match pieces(&format!("data: {data}\n\n")).as_slice() {
            [Piece::Chunk(chunk)] => chunk.tokens,
            other => panic!("{other:?}"),
        }
    }

    const STREAM: &str = ": hello\r\ndata: {\"choices\": [{\"delta\": {\"content\": \"Grüße\"}}]}\r\n\r\nevent: x\ndata: {\"choices\":\ndata:[]}\n\ndata: [DONE]\n\ndata: never\n\n";

    #[test]
    fn events_are_the_same_however_their_bytes_arrive() {
        let whole = pieces(STREAM);
        assert_eq!((whole.len(), whole.last()), (3, Some(&Piece::Done)));
        for size in 1..STREAM.len() {
            let mut parts: Vec<Bytes> = STREAM.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
            parts.reverse();
            assert_eq!(all(StreamBody::new(Parts(parts))), whole, "{size}");
        }
    }

    #[test]
    fn a_stream_is_the_same_whatever_ends_its_lines_and_behind_a_byte_order_mark() {
        let whole = pieces(STREAM);
        let plain = STREAM.replace("\r\n", "\n");
        for end in ["\n", "\r\n", "\r"] {
            for mark in ["", "\u{feff}"] {
                let text = format!("{mark}{}", plain.replace('\n', end));
                for size in [1, 2, 3, 7, text.len()] {
                    let mut parts: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
                    parts.reverse();
                    assert_eq!(all(StreamBody::new(Parts(parts))), whole, "{text:?} in parts of {size}");
                }
            }
        }
        let twice = pieces("\u{feff}\u{feff}data: [DONE]\n\n");
        assert_eq!(twice, [], "a second one is part of a name that no completion has");
    }

    #[test]
    fn an_event_that_says_nothing_is_none() {
        for nothing in ["data:\n\n", "data: \n\n", "data:\ndata:\n\n", "data: \r\r"] {
            assert_eq!(pieces(&format!("{nothing}{STREAM}")), pieces(STREAM), "{nothing:?}");
            assert_eq!(pieces(nothing), [], "{nothing:?}");
        }
    }

    #[test]
    fn a_stream_that_has_said_done_is_whole_wherever_it_ends_behind_that() {
        let said = "data: {\"choices\": []}\n\ndata: [DONE]";
        for end in ["", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n"] {
            let pieces = pieces(&format!("{said}{end}"));
            assert!(matches!(pieces.as_slice(), [Piece::Chunk(_), Piece::Done]), "{end:?}: {pieces:?}");
        }
        for cut in ["data: [DONE", "data: {\"choices\": []}", "data: {\"choices\": []}\n", "dat"] {
            let pieces = pieces(cut);
            assert!(matches!(pieces.as_slice(), [Piece::Broken(_)]), "{cut:?}: {pieces:?}");
        }
    }

    #[test]
    fn an_event_that_is_too_large_is_so_however_its_bytes_arrive() {
        let text = format!("data: {{\"choices\": [], \"x\": \"{}\"}}\n\ndata: [DONE]\n\n", "x".repeat(1_000));
        let too_large = [Piece::Broken("an event of the upstream is larger than 1000 bytes".to_owned())];
        assert_eq!(pieces(&text), too_large);
        let mut parts: Vec<Bytes> = text.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
        parts.reverse();
        assert_eq!(all(StreamBody::new(Parts(parts))), too_large);
    }

    #[test]
    fn an_event_is_written_so_that_it_is_read_the_same_whatever_ends_a_line() {
        let written = event("{\"choices\":\r[],\n\"x\": 5}");
        assert_eq!(written, "data: {\"choices\":\ndata: [],\ndata: \"x\": 5}\n\n");
    }

    #[test]
    fn any_text_is_a_token_and_a_long_one_as_many_as_its_bytes_make() {
        assert_eq!(tokens(r#"{"choices": [{"delta": {"role": "assistant", "content": ""}}]}"#), 0);
        assert_eq!(tokens(r#"{"choices": [{"delta": {"content": "a"}}]}"#), 1);
        assert_eq!(tokens(r#"{"choices": [{"delta": {"content": "twelve bytes"}}, {"delta": {"refusal": "no"}}]}"#), 4);
        let tool = r#"{"index": 0, "id": "call_123456", "type": "function", "function": {"arguments": "{\"a\": 1}"}}"#;
        assert_eq!(tokens(&format!(r#"{{"choices": [{{"delta": {{"tool_calls": [{tool}]}}}}]}}"#)), 2);
    }

    #[test]
    fn usage_is_read_from_whichever_chunk_has_it() {
        let alone = pieces("data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 4}}\n\n");
        let [Piece::Chunk(chunk)] = alone.as_slice() else { panic!("{alone:?}") };
        assert_eq!((chunk.is_usage, chunk.usage), (true, TokenUsage::new(3, 4).ok()));
        for none in ["null", "{}", "{\"prompt_tokens\": -3}"] {
            let none = pieces(&format!("data: {{\"choices\": null, \"usage\": {none}}}\n\n"));
            assert!(matches!(none.as_slice(), [Piece::Chunk(Chunk { is_usage: false, usage: None, .. })]), "{none:?}");
        }
    }

    #[test]
    fn what_is_no_stream_of_chunks_breaks_off() {
        let endless = format!("data: {}", "x".repeat(1_001));
        for text in ["data: {}\n\ndata: {", "data: hello\n\n", &endless, "data: {\"choices\": 5}\n\n"] {
            let pieces = pieces(text);
            assert!(matches!(pieces.last(), Some(Piece::Broken(_))), "{pieces:?}");
        }
        let pieces = all(Full::new(Bytes::from_static(b"data: \xff\n\n")));
        assert!(matches!(pieces.as_slice(), [Piece::Broken(_)]), "{pieces:?}");
        assert_eq!(self::pieces(""), []);
    }
}
