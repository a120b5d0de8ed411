//! Streams: charged as they flow, cut off at their budget, settled exactly once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use enforce_async::{
    Actual, Demand, Ended, EnforcementWarning, Execution, Flow, Meter, Metered, NanoUsd, ResourceLimits, Stream,
    ViolationType,
};

use crate::common::{REQUESTED, SECOND, run_of, tokens, wall};

/// Chunks of so many tokens; then the end, or nothing for ever.
struct Chunks {
    left: VecDeque<u64>,
    endless: bool,
}

impl Chunks {
    fn of(chunks: impl IntoIterator<Item = u64>) -> Self {
        Self { left: chunks.into_iter().collect(), endless: false }
    }
}

impl Stream for Chunks {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
        match self.left.pop_front() {
            None if self.endless => Poll::Pending,
            next => Poll::Ready(next),
        }
    }
}

fn count(chunk: &u64) -> u64 {
    *chunk
}

type Counted = Metered<Chunks, fn(&u64) -> u64>;

/// A stream on a hold of a prompt of ten tokens.
fn metered(run: &Execution, chunks: Chunks, block: u64) -> Pin<Box<Counted>> {
    let hold = run.reserve_owned(Demand::step().tokens(10, 0)).unwrap();
    Box::pin(Metered::new(hold, chunks, block, count as fn(&u64) -> u64).input(10))
}

/// All that came out of it.
#[derive(Default)]
struct Out {
    chunks: Vec<u64>,
    warnings: Vec<EnforcementWarning>,
    ended: Option<Box<Ended<u64>>>,
}

fn next<S: Stream>(stream: &mut Pin<Box<S>>) -> Poll<Option<S::Item>> {
    stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
}

fn drain<M: Meter<u64>>(stream: &mut Pin<Box<Metered<Chunks, M>>>) -> Out {
    let mut out = Out::default();
    while let Poll::Ready(Some(item)) = next(stream) {
        assert!(out.ended.is_none(), "nothing comes behind the end");
        match item {
            Flow::Chunk(chunk) => out.chunks.push(chunk),
            Flow::Warning(warning) => out.warnings.push(warning),
            Flow::Ended(ended) => out.ended = Some(ended),
            _ => {}
        }
    }
    out
}

#[test]
fn a_stream_that_is_cut_off_settles_what_has_flowed() {
    let run = run_of(tokens(100));
    let mut stream = metered(&run, Chunks::of([40; 9]), 16);
    let out = drain(&mut stream);
    let ended = out.ended.unwrap();
    assert_eq!(out.chunks, [40, 40]);
    assert_eq!((ended.over, ended.output), (Some(40), 120));
    assert_eq!((ended.refused.violation_type, ended.refused.remaining), (ViolationType::TokenLimit, 10));
    let usage = run.snapshot();
    // Produced and paid for, so it counts: 30 above the limit.
    assert_eq!((usage.total_tokens, usage.debt_tokens, usage.outstanding.tokens), (130, 30, 0));
    assert_eq!(stream.settlement(), Some(ended.settlement));
    assert!(matches!(next(&mut stream), Poll::Ready(None)));
    drop(stream);
    assert_eq!(run.snapshot().total_tokens, 130, "R1: settled once");
}

#[test]
fn r1_whatever_flows_is_settled_to_the_unit_and_no_chunk_is_passed_on_that_the_budget_does_not_cover() {
    for limit in 10..60 {
        for (block, step) in [(0, 1), (1, 3), (3, 2), (7, 5), (16, 1), (1_000, 4)] {
            let chunks: Vec<u64> = (0..12).map(|number| number * step % 7).collect();
            let run = run_of(tokens(limit));
            let out = drain(&mut metered(&run, Chunks::of(chunks.clone()), block));
            // Without blocks and holds: as long as there is room, and one more.
            let mut room = limit - 10;
            let covered = chunks.iter().take_while(|chunk| room.checked_sub(**chunk).map(|left| room = left).is_some());
            let covered: Vec<u64> = covered.copied().collect();
            let over = chunks.get(covered.len()).copied();
            assert_eq!(out.chunks, covered, "limit {limit}, block {block}");
            assert_eq!(out.ended.and_then(|ended| ended.over), over, "limit {limit}, block {block}");
            let usage = run.snapshot();
            let flowed = covered.iter().sum::<u64>() + over.unwrap_or(0);
            assert_eq!((usage.output_tokens, usage.input_tokens), (flowed, 10), "limit {limit}, block {block}");
            assert!(usage.outstanding.is_zero());
        }
    }
}

#[test]
fn a_stream_that_fills_its_budget_exactly_ends_by_itself() {
    let run = run_of(tokens(100));
    // The last chunk tells the usage and has no tokens.
    let out = drain(&mut metered(&run, Chunks::of([45, 45, 0]), 16));
    assert_eq!((out.chunks, out.ended.is_none()), (vec![45, 45, 0], true));
    assert_eq!((run.snapshot().total_tokens, run.snapshot().debt_tokens), (100, 0));
}

#[test]
fn r1_a_stream_that_is_dropped_settles_what_has_flowed_wherever_it_was() {
    for taken in 0..8 {
        let run = run_of(tokens(60));
        let mut stream = metered(&run, Chunks::of([9; 9]), 4);
        let mut flowed = 0;
        for _ in 0..taken {
            let Poll::Ready(Some(item)) = next(&mut stream) else { break };
            match item {
                Flow::Chunk(chunk) => flowed += chunk,
                Flow::Ended(ended) => flowed += ended.over.unwrap_or(0),
                // It goes before a chunk that has arrived.
                _ => {}
            }
        }
        let arrived = stream.output();
        drop(stream);
        let usage = run.snapshot();
        assert_eq!((usage.output_tokens, usage.outstanding.tokens), (arrived, 0), "after {taken} items");
        assert!(flowed <= arrived);
    }
}

#[test]
fn a_hold_grows_by_no_more_than_a_block() {
    let run = run_of(tokens(1_000));
    let mut stream = metered(&run, Chunks { left: [5; 20].into(), endless: true }, 16);
    for number in 1..=20 {
        assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Chunk(5)))));
        let ahead = run.snapshot().outstanding.tokens - 10 - 5 * number;
        assert!(ahead < 16, "{ahead} set aside in vain");
    }
    assert!(next(&mut stream).is_pending());
}

#[test]
fn what_the_hold_covers_already_is_not_asked_again() {
    let run = run_of(tokens(100));
    let hold = run.reserve_owned(Demand::step().tokens(10, 90)).unwrap();
    let mut stream = Box::pin(Metered::new(hold, Chunks::of([30, 30, 30]), 16, count).input(10).room(90));
    let out = drain(&mut stream);
    assert_eq!((out.chunks, out.ended.is_none()), (vec![30; 3], true));
}

#[test]
fn a_warning_comes_once_before_the_chunk_that_brought_the_limit_near() {
    let run = run_of(tokens(100));
    let out = drain(&mut metered(&run, Chunks::of([10; 9]), 1));
    assert_eq!(out.chunks, [10; 9]);
    let [warning] = out.warnings[..] else { panic!("one warning, not {:?}", out.warnings) };
    assert_eq!((warning.warning_type, warning.current), (ViolationType::TokenLimit, 80));

    let run = run_of(tokens(100));
    let mut stream = metered(&run, Chunks::of([70, 1]), 1);
    assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Warning(_)))));
    assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Chunk(70)))));
    assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Chunk(1)))));
}

#[test]
fn of_two_limits_that_are_near_in_turn_each_is_warned_of_once() {
    let limits = ResourceLimits { max_cost_usd: Some(NanoUsd::new(100).unwrap()), ..tokens(100) };
    let run = run_of(limits);
    let hold = run.reserve_owned(Demand::step().cost(NanoUsd::new(80).unwrap())).unwrap();
    let mut stream = Box::pin(Metered::new(hold, Chunks::of([1; 6]), 1, Priced));
    let mut warned = Vec::new();
    for turn in 0..6 {
        // In every other turn somebody else holds so many tokens that those are near, too, and come first.
        let _other = (turn % 2 == 1).then(|| run.reserve(Demand::none().tokens(80, 0)).unwrap());
        loop {
            match next(&mut stream) {
                Poll::Ready(Some(Flow::Warning(warning))) => warned.push(warning.warning_type),
                item => break assert!(matches!(item, Poll::Ready(Some(Flow::Chunk(1)))), "{item:?}"),
            }
        }
    }
    assert_eq!(warned, [ViolationType::CostLimit, ViolationType::TokenLimit]);
}

#[test]
fn e1_a_halt_cuts_a_stream_off_though_the_budget_covers_more() {
    let run = run_of(tokens(1_000));
    let mut stream = metered(&run, Chunks::of([5; 20]), 100);
    assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Chunk(5)))));
    run.halt(REQUESTED);
    let out = drain(&mut stream);
    let ended = out.ended.unwrap();
    assert_eq!((out.chunks.len(), ended.refused.violation_type), (0, ViolationType::Halted));
    assert!(ended.settlement.late && ended.over.is_none());
    assert_eq!(run.snapshot().output_tokens, 5);
}

#[test]
fn a_pause_ends_a_stream_when_it_needs_more() {
    let run = run_of(tokens(1_000));
    let mut stream = metered(&run, Chunks::of([5; 20]), 8);
    assert!(matches!(next(&mut stream), Poll::Ready(Some(Flow::Chunk(5)))));
    run.pause("look at it");
    let ended = drain(&mut stream).ended.unwrap();
    assert_eq!((ended.refused.violation_type, ended.output), (ViolationType::Paused, 10));
    assert_eq!(run.snapshot().output_tokens, 10);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_hangs_is_cut_off_at_the_end_of_the_wall_time() {
    let run = run_of(ResourceLimits { max_tokens: 100, ..wall(4_000) });
    let mut stream = metered(&run, Chunks { left: [5].into(), endless: true }, 8);
    let begun = tokio::time::Instant::now();
    let mut ended = None;
    while let Some(item) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        if let Flow::Ended(why) = item {
            ended = Some(why);
        }
    }
    assert_eq!(begun.elapsed(), 5 * SECOND);
    let ended = ended.unwrap();
    assert_eq!(
        (ended.refused.cause.map(|cause| cause.violation_type), ended.output),
        (Some(ViolationType::WallTimeLimit), 5)
    );
    assert_eq!(run.snapshot().output_tokens, 5);
}

/// Counts money as well: a nano-dollar for each token.
struct Priced;

impl Meter<u64> for Priced {
    fn tokens(&mut self, chunk: &u64) -> u64 {
        *chunk
    }

    fn demand(&self, tokens: u64) -> Demand {
        Demand::none().tokens(0, tokens).cost(NanoUsd::new(tokens).unwrap())
    }

    fn actual(&self, input: u64, output: u64) -> Actual {
        Actual::tokens(input, output).cost(NanoUsd::new(output).unwrap())
    }
}

#[test]
fn a_meter_names_money_and_is_cut_off_by_it() {
    let limits = ResourceLimits { max_cost_usd: Some(NanoUsd::new(12).unwrap()), ..ResourceLimits::unlimited() };
    let run = run_of(limits);
    let hold = run.reserve_owned(Demand::step()).unwrap();
    let mut stream = Box::pin(Metered::new(hold, Chunks::of([5; 20]), 3, Priced));
    let ended = drain(&mut stream).ended.unwrap();
    assert_eq!((ended.refused.violation_type, ended.output), (ViolationType::CostLimit, 15));
    assert_eq!((run.snapshot().cost_nano_usd, run.snapshot().debt_nano_usd), (15, 3));
}

#[test]
fn amounts_however_large_neither_wrap_nor_panic() {
    let run = run_of(ResourceLimits::unlimited());
    let out = drain(&mut metered(&run, Chunks::of([u64::MAX, u64::MAX]), u64::MAX));
    let ended = out.ended.unwrap();
    assert_eq!((ended.over, ended.output), (Some(u64::MAX), u64::MAX));
    assert!(run.snapshot().outstanding.is_zero());
}
