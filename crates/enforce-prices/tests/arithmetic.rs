//! What a call costs, against plain arithmetic.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use enforce_core::{Actual, Demand, Enforcer, NanoUsd, ResourceLimits, Retry, Timestamp, ViolationType};
use enforce_prices::{CachedBeside, CachedInside, PriceError, PriceTable, TokenUsage, UsageError};
use proptest::prelude::*;
use support::{LATE, beside, cost, inside, usage};

const LARGEST: u64 = (1 << 56) - 1;

/// Pico-dollars per token as dollars per million tokens.
fn per_million(pico: u64) -> String {
    format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000)
}

/// A table of one model `m` with these prices, in pico-dollars per token.
fn table(prices: &[(&str, u64)]) -> PriceTable {
    let prices: String = prices.iter().map(|(key, pico)| format!("{key} = \"{}\"\n", per_million(*pico))).collect();
    PriceTable::parse(&format!("[[price]]\nmodel = \"m\"\n{prices}")).unwrap()
}

fn too_large() -> PriceError {
    PriceError::TooLarge { model: "m".to_owned() }
}

#[test]
fn a_cost_is_rounded_once_and_half_up() {
    for (input, output, tokens, nanos) in [
        (1, 0, (499, 0), 0),
        (1, 0, (500, 0), 1),
        (1, 0, (1_499, 0), 1),
        (1, 0, (1_500, 0), 2),
        (0, 0, (u64::from(u32::MAX), 7), 0),
        (1_000, 1, (1, 499), 1),
        // Each part alone would round to nothing, together they are half a nano-dollar.
        (250, 250, (1, 1), 1),
        // Each part alone would round up.
        (1, 1, (500, 500), 1),
    ] {
        let table = table(&[("input", input), ("output", output)]);
        let model = table.find("m").unwrap();
        assert_eq!(cost(model, usage(tokens.0, tokens.1)), nanos, "{input} {output} {tokens:?}");
    }
}

#[test]
fn a_cost_up_to_the_largest_amount_is_counted_and_one_above_it_is_an_error() {
    let nano = table(&[("input", 1_000), ("output", 1)]);
    let model = nano.find("m").unwrap();
    assert_eq!(cost(model, usage(LARGEST, 499)), LARGEST);
    assert_eq!(model.cost(&usage(LARGEST, 500), LATE), Err(too_large()));

    let dearest = table(&[("input", LARGEST), ("output", LARGEST)]);
    let model = dearest.find("m").unwrap();
    assert_eq!(model.cost(&usage(LARGEST, LARGEST), LATE), Err(too_large()));
    assert_eq!(model.upper_bound(u64::MAX, u64::MAX, LATE), Err(too_large()));
}

#[test]
fn cached_tokens_are_billed_once_whichever_way_they_are_reported() {
    let table = table(&[
        ("input", 2_000_000),
        ("cache_read", 200_000),
        ("cache_write", 2_500_000),
        ("cache_write_1h", 4_000_000),
        ("output", 8_000_000),
        ("reasoning", 6_000_000),
    ]);
    let model = table.find("m").unwrap();
    let written = CachedBeside {
        input_tokens: 100,
        cache_creation_input_tokens: 50,
        ephemeral_1h_input_tokens: 20,
        cache_read_input_tokens: 1_000,
        output_tokens: 10,
    };
    // 100 at 2, 30 at 2.5, 20 at 4, 1,000 at 0.2, 10 at 8 micro-dollars.
    assert_eq!(cost(model, beside(written)), 200_000 + 75_000 + 80_000 + 200_000 + 80_000);
    assert_eq!(Actual::from(beside(written)), Actual::tokens(1_150, 10));

    let full = CachedBeside { input_tokens: LARGEST - 1_050, ..written };
    assert_eq!(TokenUsage::try_from(full).map(|usage| usage.input()), Ok(LARGEST));
    let over = CachedBeside { input_tokens: LARGEST - 1_049, ..written };
    assert_eq!(TokenUsage::try_from(over), Err(UsageError::TooLarge));

    let reasoned = CachedInside {
        prompt_tokens: 1_150,
        cached_tokens: 1_000,
        cache_write_tokens: 50,
        completion_tokens: 10,
        reasoning_tokens: 4,
        audio_tokens: 0,
    };
    let reasoned = TokenUsage::try_from(reasoned).unwrap();
    assert_eq!(cost(model, reasoned), 200_000 + 125_000 + 200_000 + 48_000 + 24_000);
}

/// A float of dollars, or whole cents, would admit another number.
#[test]
fn a_budget_admits_exactly_the_calls_that_it_pays_for() {
    let table = table(&[("input", 1_000_000), ("output", 3_000_000)]);
    let model = table.find("m").unwrap();
    let call = usage(1_000, 1_000);
    assert_eq!(cost(model, call), 4_000_000); // $0.004
    let limits = ResourceLimits { max_cost_usd: Some("10".parse().unwrap()), ..ResourceLimits::unlimited() };
    let enforcer = Enforcer::builder().limits(limits).build().unwrap();
    let run = enforcer.execution("exec_1", "tenant_a").register().unwrap();
    let ask = || run.reserve(model.demand(1_000, 1_000, LATE).unwrap());
    let mut admitted = 0;
    let refused = loop {
        match ask() {
            Ok(hold) => hold.settle(model.actual(&call, LATE).unwrap()),
            Err(refused) => break refused,
        };
        admitted += 1;
    };
    assert_eq!((admitted, refused.violation_type, refused.retry), (2_500, ViolationType::CostLimit, Retry::Never));
    assert_eq!(run.finish().cost_nano_usd, 10_000_000_000);
}

#[test]
fn the_price_of_a_request_is_added_once() {
    let text = "[[price]]\nmodel = \"m\"\ninput = \"1\"\noutput = \"1\"\nrequest = \"0.012\"";
    let table = PriceTable::parse(text).unwrap();
    let model = table.find("m").unwrap();
    assert_eq!(cost(model, usage(0, 0)), 12_000_000);
    assert_eq!(cost(model, usage(1, 1)), 12_002_000);
    assert_eq!(model.upper_bound(1, 1, LATE), Ok(NanoUsd::new(12_002_000).unwrap()));
}

fn any_usage() -> impl Strategy<Value = CachedInside> {
    let amounts =
        (0..=LARGEST, 0..=LARGEST).prop_map(|(input, output)| (input >> (input % 56), output >> (output % 56)));
    (amounts, any::<[u64; 3]>()).prop_map(|((input, output), [cached, written, reasoning])| {
        let cached_tokens = cached % (input + 1);
        CachedInside {
            prompt_tokens: input,
            cached_tokens,
            cache_write_tokens: written % (input - cached_tokens + 1),
            completion_tokens: output,
            reasoning_tokens: reasoning % (output + 1),
            audio_tokens: 0,
        }
    })
}

const KEYS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

proptest! {
    /// `((input − cached)·p_in + cached·p_cached + output·p_out + 500) div 1000`.
    #[test]
    fn a_cost_is_what_plain_arithmetic_says(
        (input, output) in (0..1_u64 << 40, 0..1_u64 << 40), cached: u64, prices in [0..1_u64 << 50, 0..1 << 50, 0..1 << 50],
    ) {
        let cached = cached % (input + 1);
        let [p_in, p_cached, p_out] = prices;
        let table = table(&[("input", p_in), ("cache_read", p_cached), ("output", p_out)]);
        let wide = u128::from;
        let expected = (wide(input - cached) * wide(p_in) + wide(cached) * wide(p_cached) + wide(output) * wide(p_out) + 500) / 1_000;
        let found = table.find("m").unwrap().cost(&inside(input, cached, output), LATE).map(|cost| wide(cost.get()));
        match found {
            Ok(cost) => prop_assert_eq!(cost, expected),
            Err(error) => {
                prop_assert!(expected > wide(LARGEST));
                prop_assert_eq!(error, too_large());
            },
        }
    }

    /// Whatever is asked before a call covers whatever it turns out to cost, at every date and size of input.
    #[test]
    fn an_upper_bound_covers_every_cost_within_it(
        reported in any_usage(),
        room in any::<[u16; 2]>(),
        rows in proptest::collection::vec((any::<[u16; 5]>(), 0..4_u64, 0..3_u64), 0..6),
        day in 0..5_u64,
    ) {
        let mut text = String::from("[[price]]\nmodel = \"m\"\ninput = \"1\"\noutput = \"1\"\ncache_read = \"1\"\ncache_write = \"1\"\n");
        let mut seen = vec![(0, 0)];
        for (prices, day, size) in rows {
            // A date without prices of small inputs is no table.
            if seen.contains(&(day, size)) || (size > 0 && !seen.contains(&(day, 0))) {
                continue;
            }
            seen.push((day, size));
            text += "[[price]]\nmodel = \"m\"\n";
            if day > 0 {
                text += &format!("from = 1970-01-0{}\n", day + 1);
            }
            text += &format!("above_input_tokens = {}\n", size * 1_000_000);
            for (key, pico) in KEYS.iter().zip(prices) {
                text += &format!("{key} = \"{}\"\n", per_million(u64::from(pico)));
            }
        }
        let table = PriceTable::parse(&text).unwrap();
        let model = table.find("m").unwrap();
        let at = Timestamp::from_nanos(day * 86_400_000_000_000);
        let usage = TokenUsage::try_from(reported).unwrap();
        let (input, output) = (usage.input() + u64::from(room[0]), usage.output() + u64::from(room[1]));
        if let Ok(cost) = model.cost(&usage, at) {
            match model.upper_bound(input, output, at) {
                Ok(bound) => {
                    prop_assert!(cost <= bound, "{cost} {bound}");
                    prop_assert_eq!(model.demand(input, output, at), Ok(Demand::step().tokens(input, output).cost(bound)));
                }
                Err(error) => prop_assert_eq!(error, too_large()),
            }
        }
    }

    /// Nothing is cut to fit: what is reported is refused exactly where a part is larger than its whole.
    #[test]
    fn usage_is_taken_as_reported_or_refused(
        [input, cached, written, output, reasoning] in [0..20_u64, 0..20, 0..20, 0..20, 0..20],
    ) {
        let reported = CachedInside {
            prompt_tokens: input,
            cached_tokens: cached,
            cache_write_tokens: written,
            completion_tokens: output,
            reasoning_tokens: reasoning,
            audio_tokens: 0,
        };
        let consistent = cached + written <= input && reasoning <= output;
        let usage = TokenUsage::try_from(reported);
        prop_assert_eq!(usage.is_ok(), consistent);
        if let Ok(usage) = usage {
            let said = (usage.input(), usage.cache_read(), usage.cache_write(), usage.output(), usage.reasoning());
            prop_assert_eq!(said, (input, cached, written, output, reasoning));
        }
    }

    /// No report overflows, however large.
    #[test]
    fn no_report_panics(numbers: [u64; 6], shift in 0..64_u32) {
        let [a, b, c, d, e, f] = numbers.map(|number| number >> shift);
        let reports = [
            CachedInside { prompt_tokens: a, cached_tokens: b, cache_write_tokens: c, completion_tokens: d, reasoning_tokens: e, audio_tokens: f }.try_into(),
            CachedBeside { input_tokens: a, cache_creation_input_tokens: b, ephemeral_1h_input_tokens: c, cache_read_input_tokens: d, output_tokens: e }.try_into(),
            TokenUsage::new(a, b),
        ];
        for usage in reports.into_iter().flatten() {
            prop_assert!(usage.input() <= LARGEST && usage.output() <= LARGEST);
            prop_assert!(usage.cache_read() + usage.cache_write() <= usage.input() && usage.reasoning() <= usage.output());
        }
    }
}
