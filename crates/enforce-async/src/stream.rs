//! Streams that end at their budget.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use enforce_core::{
    Actual, Demand, EnforcementViolation, EnforcementWarning, OwnedHold, ScopeKind, Settlement, ViolationType,
};
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::leash::Leash;

/// How the chunks of a stream count. A closure from a chunk to its output tokens is one; implement it to name money, keys
/// or input that is known only at the end.
pub trait Meter<T> {
    /// How many output tokens `chunk` has.
    fn tokens(&mut self, chunk: &T) -> u64;

    /// What so many more tokens ask for. Default: the tokens, and nothing else.
    fn demand(&self, tokens: u64) -> Demand {
        Demand::none().tokens(0, tokens)
    }

    /// What is settled after so much input and so many tokens of output. Default: the tokens, and nothing else.
    fn actual(&self, input: u64, output: u64) -> Actual {
        Actual::tokens(input, output)
    }
}

impl<T, F: FnMut(&T) -> u64> Meter<T> for F {
    fn tokens(&mut self, chunk: &T) -> u64 {
        self(chunk)
    }
}

/// What comes out of a [`Metered`] stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Flow<T> {
    /// A chunk that the budget covers.
    Chunk(T),
    /// A limit is near: once for each, before the chunk that brought it near.
    Warning(EnforcementWarning),
    /// The budget has ended, or the execution is over; nothing comes behind it.
    Ended(Box<Ended<T>>),
}

/// How a stream was cut off. What has flowed is settled.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<T> {
    /// What stands against going on.
    pub refused: EnforcementViolation,
    /// The chunk that found no room, if one did. It was produced and is settled with the rest; whether to show it is the
    /// reader's to decide.
    pub over: Option<T>,
    /// Output tokens that have flowed, those of `over` included.
    pub output: u64,
    /// What settling it did.
    pub settlement: Settlement,
}

pin_project! {
    /// A stream that is charged as it flows: its hold grows by a block when a chunk finds no room, and when that is refused
    /// the stream ends with [`Flow::Ended`], and what is inside is dropped. So does an execution that is halted, has ended,
    /// or whose time is over, with chunks that are still covered or without.
    ///
    /// What has flowed is settled exactly once: when the stream ends by itself or is cut off, or when this is dropped
    /// before. A chunk counts when it arrives from inside. No chunk that the budget does not cover is passed on as
    /// [`Flow::Chunk`]; the one that found no room is counted all the same, as debt where it passes a limit. A hold grows by
    /// no more than a block, or by what one chunk needs if that is more, so little of a budget is set aside in vain.
    ///
    /// It does not wait for a block, even where the refusal says that others may give back: it would wait while it holds,
    /// and of two streams that share a budget each might wait for the other.
    ///
    /// **Cancel safety.** Waiting for the next item may be given up at any point; nothing that has arrived is lost.
    #[must_use = "nothing flows until it is polled"]
    pub struct Metered<S: Stream, M: Meter<S::Item>> {
        #[pin]
        stream: Option<S>,
        tab: Tab<S::Item, M>,
        leash: Leash,
        // Arrived and counted; a warning goes before it.
        next: Option<S::Item>,
    }
}

impl<S: Stream, M: Meter<S::Item>> Metered<S, M> {
    /// Counts `stream` on `hold`, which grows by `block` tokens at a time (0 is read as 1). A larger block asks less often
    /// and sets more aside in vain.
    ///
    /// ```
    /// use std::pin::{Pin, pin};
    /// use std::task::{Context, Poll};
    /// use enforce_async::{Demand, Enforcer, Flow, Metered, ResourceLimits, Stream};
    ///
    /// /// A model that never stops.
    /// struct Words;
    ///
    /// impl Stream for Words {
    ///     type Item = &'static str;
    ///
    ///     fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<&'static str>> {
    ///         Poll::Ready(Some("word"))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limits = ResourceLimits { max_tokens: 130, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_acme").register()?;
    /// let hold = run.reserve_owned(Demand::step().tokens(100, 0))?; // the prompt
    /// let mut answer = pin!(Metered::new(hold, Words, 8, |_: &&str| 1).input(100));
    /// let (mut text, mut ended) = (Vec::new(), None);
    /// while let Some(item) = std::future::poll_fn(|cx| answer.as_mut().poll_next(cx)).await {
    ///     match item {
    ///         Flow::Chunk(word) => text.push(word),
    ///         Flow::Ended(why) => ended = Some(why.refused.to_string()),
    ///         _ => {} // a warning: the limit is near
    ///     }
    /// }
    /// assert_eq!(text.len(), 30);
    /// assert_eq!(ended.as_deref(), Some("token_limit exceeded: 131 / 130 (100%)"));
    /// assert_eq!(run.snapshot().total_tokens, 131); // the word that found no room was paid for, too
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(hold: OwnedHold, stream: S, block: u64, meter: M) -> Self {
        let leash = Leash::of(hold.execution());
        let tab = Tab {
            hold: Some(hold),
            meter,
            block: block.max(1),
            room: 0,
            input: 0,
            output: 0,
            told: Vec::new(),
            settlement: None,
            chunks: PhantomData,
        };
        Self { stream: Some(stream), tab, leash, next: None }
    }

    /// Input tokens that are settled with the output. Default 0.
    pub fn input(mut self, tokens: u64) -> Self {
        self.tab.input = tokens;
        self
    }

    /// Output tokens that the hold has set aside already. Default 0.
    pub fn room(mut self, tokens: u64) -> Self {
        self.tab.room = tokens;
        self
    }

    /// Output tokens that have flowed.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.tab.output
    }

    /// What settling did, once the stream has ended.
    #[must_use]
    pub fn settlement(&self) -> Option<Settlement> {
        self.tab.settlement
    }
}

impl<S: Stream, M: Meter<S::Item>> Stream for Metered<S, M> {
    type Item = Flow<S::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if let Some(warning) = this.tab.news() {
            return Poll::Ready(Some(Flow::Warning(warning)));
        }
        if let Some(chunk) = this.next.take() {
            return Poll::Ready(Some(Flow::Chunk(chunk)));
        }
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let cut = match this.leash.poll(cx) {
            Poll::Ready(stopped) => (stopped.violation(), None),
            Poll::Pending => match ready!(stream.poll_next(cx)) {
                None => {
                    this.stream.set(None);
                    this.tab.settle();
                    return Poll::Ready(None);
                }
                Some(chunk) => match this.tab.count(&chunk) {
                    Err(refused) => (refused, Some(chunk)),
                    Ok(()) => {
                        let Some(warning) = this.tab.news() else { return Poll::Ready(Some(Flow::Chunk(chunk))) };
                        *this.next = Some(chunk);
                        return Poll::Ready(Some(Flow::Warning(warning)));
                    }
                },
            },
        };
        // Whoever produces chunks stops before anybody is told.
        this.stream.set(None);
        let (refused, over) = cut;
        let settlement = this.tab.settle();
        Poll::Ready(Some(Flow::Ended(Box::new(Ended { refused, over, output: this.tab.output, settlement }))))
    }
}

/// What a stream has used, and the hold that it is settled on.
struct Tab<T, M: Meter<T>> {
    /// `None` once it is settled.
    hold: Option<OwnedHold>,
    meter: M,
    block: u64,
    /// Output tokens that the hold covers.
    room: u64,
    input: u64,
    output: u64,
    /// The limits that were warned of: as many as there are kinds, each of a few scopes, at most.
    told: Vec<(ViolationType, ScopeKind)>,
    settlement: Option<Settlement>,
    chunks: PhantomData<fn(&T)>,
}

impl<T, M: Meter<T>> Tab<T, M> {
    /// Counts what has arrived, and grows the hold if it must.
    fn count(&mut self, chunk: &T) -> Result<(), EnforcementViolation> {
        self.output = self.output.saturating_add(self.meter.tokens(chunk));
        let missing = self.output.saturating_sub(self.room);
        if missing == 0 {
            return Ok(());
        }
        // Near the end of a budget there may be room for this chunk, but for no whole block.
        self.grow(missing.max(self.block)).or_else(|refused| match self.block > missing {
            true => self.grow(missing),
            false => Err(refused),
        })
    }

    fn grow(&mut self, tokens: u64) -> Result<(), EnforcementViolation> {
        let more = self.meter.demand(tokens);
        if let Some(hold) = &mut self.hold {
            hold.extend(more)?;
        }
        self.room = self.room.saturating_add(tokens);
        Ok(())
    }

    /// A warning of a limit of which nothing was said yet.
    fn news(&mut self) -> Option<EnforcementWarning> {
        let warning = self.hold.as_ref()?.warning()?;
        let limit = (warning.warning_type, warning.scope);
        if self.told.contains(&limit) {
            return None;
        }
        self.told.push(limit);
        Some(warning)
    }

    /// Settles what has flowed, once.
    fn settle(&mut self) -> Settlement {
        let actual = self.meter.actual(self.input, self.output);
        let settled = self.hold.take().map(|hold| hold.settle(actual));
        self.settlement = self.settlement.or(settled);
        self.settlement.unwrap_or_default()
    }
}

impl<T, M: Meter<T>> Drop for Tab<T, M> {
    fn drop(&mut self) {
        if self.hold.is_some() {
            self.settle();
        }
    }
}

impl<S: Stream, M: Meter<S::Item>> fmt::Debug for Metered<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered")
            .field("hold", &self.tab.hold)
            .field("output", &self.tab.output)
            .finish_non_exhaustive()
    }
}
