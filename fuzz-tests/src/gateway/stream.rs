//! The stream of an upstream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use serde_json::Value;

use super::bill;
use crate::count::Count;
use crate::sse::{Chunk, Events, Piece, event};

const BYTES_PER_TOKEN: u64 = 4;
/// So small that a text of the fuzzer's can be too large.
const MAX_EVENT: usize = 600;
const INPUT: u64 = 1_000;
const MOST: u64 = (1 << 56) - 1;

/// Says of how many bytes its parts are, then what arrives in such parts.
pub(crate) fn target(data: &[u8]) {
    let Some((size, text)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    let pieces = pieces([Bytes::copy_from_slice(text)]);
    assert_eq!(self::pieces(text.chunks(size).map(Bytes::copy_from_slice)), pieces, "in parts of {size}");

    let mut count = Count::of(INPUT);
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Chunk(chunk) => {
                counted(&mut count, chunk);
                passed_on(chunk);
            }
            Piece::Done => assert_eq!(place + 1, pieces.len(), "nothing comes behind the end"),
            Piece::Broken(why) => {
                assert_eq!(place + 1, pieces.len(), "nothing comes behind the end");
                assert!(!why.is_empty() && !why.contains('\n'), "{why}");
            }
        }
    }
}

/// What flows is counted to the token, and never more than there is text.
fn counted(count: &mut Count, chunk: &Chunk) {
    assert!(chunk.data.len() <= MAX_EVENT && chunk.tokens <= chunk.data.len() as u64, "{chunk:?}");
    assert!(!chunk.is_usage || chunk.usage.is_some(), "{chunk:?}");
    let before = count.output();
    let more = count.add(chunk);
    match chunk.usage {
        None => assert_eq!((more, count.output()), (chunk.tokens, before.saturating_add(chunk.tokens))),
        Some(usage) => assert_eq!(count.usage(), usage, "what was reported last is believed"),
    }
    let usage = count.usage();
    assert_eq!(usage.output(), count.output().min(MOST), "nothing that has flowed is forgotten");
    let bill = bill();
    let (all, more) = (bill.actual(&usage), bill.more(usage.input(), more));
    assert_ne!((all, more.get()), (enforce_core::Actual::none(), 0), "a stream costs something");
}

/// Who reads by the book, for whom a line may end by a carriage return alone, reads the same event.
fn passed_on(chunk: &Chunk) {
    let written = event(&chunk.data);
    let text = std::str::from_utf8(&written).expect("an event is text").replace("\r\n", "\n").replace('\r', "\n");
    let (body, rest) = text.split_once("\n\n").expect("an event has an end");
    assert_eq!(rest, "", "one event");
    let lines: Vec<_> =
        body.split('\n').map(|line| line.strip_prefix("data: ").expect("every line is a part of it")).collect();
    let read: Value = serde_json::from_str(&lines.join("\n")).expect("a chunk is JSON");
    assert_eq!(Some(read), serde_json::from_str(&chunk.data).ok());
}

fn pieces(parts: impl IntoIterator<Item = Bytes>) -> Vec<Piece> {
    let body = Parts(parts.into_iter().collect());
    let mut events = Events::new(body, BYTES_PER_TOKEN, MAX_EVENT);
    let mut pieces = Vec::new();
    while let Poll::Ready(Some(piece)) = Pin::new(&mut events).poll_next(&mut Context::from_waker(Waker::noop())) {
        pieces.push(piece);
    }
    pieces
}

/// A body that arrives in parts.
struct Parts(VecDeque<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }
}
