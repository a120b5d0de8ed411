//! What each format of price tables means.
#![expect(clippy::panic, reason = "what fails here fails a test")]

mod support;

use enforce_core::Timestamp;
use enforce_prices::{CachedBeside, CachedInside, PriceError, PriceTable, TokenUsage};
use support::{LATE, beside, cost, inside, second, usage};

const SAMPLE: &str = include_str!("../sample/prices.toml");

const FIRST_OF_MARCH_13: u64 = 1_773_360_000;

fn unsupported(table: &PriceTable, model: &str) -> String {
    match table.find(model) {
        Err(PriceError::Unsupported { what, .. }) => what,
        other => panic!("{model}: {other:?}"),
    }
}

#[test]
fn the_sample_has_dates_sizes_and_every_kind_of_price() {
    let table = PriceTable::parse(SAMPLE).unwrap();
    assert_eq!((table.len(), table.models().count()), (4, 4));
    let large = table.find("acme/quill-large").unwrap();
    let at = |second: u64, usage| large.cost(&usage, support::second(second)).unwrap().get();
    // 90 at 2.80, 10 at 0.28, 5 at 4.20 micro-dollars, and from the first moment of the day on 2.50, 0.25, 4.
    assert_eq!(at(FIRST_OF_MARCH_13 - 1, inside(100, 10, 5)), 252_000 + 2_800 + 21_000);
    assert_eq!(at(FIRST_OF_MARCH_13, inside(100, 10, 5)), 225_000 + 2_500 + 20_000);
    let think = table.find("acme/quill-think").unwrap();
    let reasoned = CachedInside { completion_tokens: 10, reasoning_tokens: 4, ..Default::default() };
    assert_eq!(cost(think, reasoned.try_into().unwrap()), 6 * 4_400 + 4 * 3_300);
    let written = CachedBeside { cache_creation_input_tokens: 8, ephemeral_1h_input_tokens: 3, ..Default::default() };
    assert_eq!(cost(think, beside(written)), 5 * 1_375 + 3 * 2_200);
    assert_eq!(cost(table.find("acme/quill-search").unwrap(), usage(0, 0)), 12_000_000);
}

#[test]
fn a_size_of_input_counts_from_the_token_above_it_and_for_all_tokens() {
    let table = PriceTable::parse(SAMPLE).unwrap();
    let large = table.find("acme/quill-large").unwrap();
    assert_eq!(cost(large, inside(200_000, 50_000, 1)), 150_000 * 2_500 + 50_000 * 250 + 4_000);
    assert_eq!(cost(large, inside(200_001, 50_000, 1)), 150_001 * 5_000 + 50_000 * 500 + 6_000);
    // The input that decides is all of it, however little of it is new.
    assert_eq!(cost(large, inside(200_001, 200_001, 0)), 200_001 * 500);
}

#[test]
fn a_call_before_the_first_price_has_none() {
    let text = "[[price]]\nmodel = \"m\"\nfrom = 2026-03-13\ninput = \"1\"";
    let table = PriceTable::parse(text).unwrap();
    let not_yet = PriceError::NotYet { model: "m".to_owned(), from: second(FIRST_OF_MARCH_13) };
    assert_eq!(table.find("m").unwrap().cost(&usage(1, 0), Timestamp::ZERO), Err(not_yet));
}

#[test]
fn prices_of_large_inputs_alone_are_refused() {
    let text = "[[price]]\nmodel = \"m\"\nabove_input_tokens = 5\ninput = \"1\"";
    let error = PriceTable::parse(text).unwrap_err().to_string();
    assert_eq!(error, "line 1, column 1: \"m\": prices of large inputs alone: add those that hold below");
}

#[test]
fn genai_prices_are_read_with_their_dates_and_sizes() {
    let table = PriceTable::from_genai_prices(
        r#"[{"id": "acme", "models": [{"id": "m", "match": {"equals": "m"}, "prices": [
            {"prices": {"input_mtok": {"base": 5, "tiers": [{"start": 100, "price": 10}, {"start": 200, "price": 20}]},
                        "cache_read_mtok": 1, "output_mtok": {"base": 6, "tiers": [{"start": 200, "price": 7}]},
                        "input_audio_mtok": 99}},
            {"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 2, "requests_kcount": 3}}
        ]}]}]"#,
    )
    .unwrap();
    let model = table.find("acme/m").unwrap();
    let early = |input, cached| model.cost(&inside(input, cached, 1), Timestamp::ZERO).unwrap().get();
    assert_eq!(early(100, 50), 50 * 5_000 + 50 * 1_000 + 6_000);
    assert_eq!(early(101, 50), 51 * 10_000 + 50 * 1_000 + 6_000);
    assert_eq!(early(201, 50), 151 * 20_000 + 50 * 1_000 + 7_000);
    assert_eq!(cost(model, usage(10, 0)), 10 * 2_000 + 3_000_000);
    let error = model.cost(&inside(10, 5, 0), LATE).unwrap_err().to_string();
    assert_eq!(error, "5 tokens of cache read have no price with \"acme/m\"; add one");
}

#[test]
fn what_genai_prices_have_that_is_not_supported_is_said_of_the_model_alone() {
    let model =
        |id: &str, prices: &str| format!(r#"{{"id": "{id}", "match": {{"equals": "{id}"}}, "prices": {prices}}}"#);
    let models = [
        model(
            "hours",
            r#"[{"prices": {"input_mtok": 1}}, {"constraint": {"start_time": "1", "end_time": "2"}, "prices": {}}]"#,
        ),
        model(
            "ended",
            r#"[{"prices": {"input_mtok": 1}}, {"constraint": {"start_date": "2026-03-13"}, "prices": {}}]"#,
        ),
        model("images", r#"{"input_mtok": 1, "image_kcount": 2}"#),
        model("nothing", "{}"),
        model(
            "dates",
            r#"[{"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 1}}, {"prices": {"input_mtok": 2}}]"#,
        ),
        model("sizes", r#"{"input_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}, {"start": 5, "price": 3}]}}"#),
        model("sound", r#"{"input_mtok": 1}"#),
    ];
    let text = format!(r#"[{{"id": "acme", "models": [{}]}}]"#, models.join(", "));
    let table = PriceTable::from_genai_prices(&text).unwrap();
    assert_eq!((table.len(), table.models().count()), (7, 1));
    for (model, what) in [
        ("hours", "prices that depend on the time of day are not supported"),
        ("ended", "it has no price of input"),
        ("nothing", "it has no price of input"),
        ("images", "\"image_kcount\" is not supported"),
        ("dates", "its dates do not ascend"),
        ("sizes", "two prices for the same date and size of input: leave one out"),
    ] {
        assert_eq!(unsupported(&table, &format!("acme/{model}")), what);
    }
}

#[test]
fn names_are_matched_in_the_order_of_the_table_and_within_one_provider() {
    let table = PriceTable::from_genai_prices(
        r#"[
        {"id": "cloud", "models": [{"id": "quill-large", "match": {"contains": "quill"}, "prices": {"input_mtok": 9}}]},
        {"id": "acme", "model_match": {"or": [{"starts_with": "Quill"}, {"regex": "^q[13]$"}]}, "models": [
            {"id": "quill-mini", "match": {"and": [{"starts_with": "quill-"}, {"ends_with": "mini"}]}, "prices": {"input_mtok": 1}},
            {"id": "quill-large", "match": {"or": [{"equals": "Quill"}, {"starts_with": "quill-l"}]}, "prices": {"input_mtok": 2}},
            {"id": "q1", "match": {"regex": "^q\\d$"}, "prices": {"input_mtok": 3}}
        ]},
        {"id": "late", "model_match": {"contains": "quill"}, "models": []}
        ]"#,
    )
    .unwrap();
    for (name, found) in [
        ("acme/quill-large", Some("acme/quill-large")),
        ("cloud/quill-large", Some("cloud/quill-large")),
        ("cloud/any-quill", Some("cloud/quill-large")),
        ("quill-large-2026", Some("acme/quill-large")),
        ("QUILL", Some("acme/quill-large")),
        ("quill-l-mini", Some("acme/quill-mini")),
        ("q1", Some("acme/q1")),
        ("q2", None),         // no provider's
        ("Q1", None),         // a pattern knows case
        ("quill-x", None),    // a provider's, and none of its models
        ("late/quill", None), // a provider without it is not passed over for another
        ("acme/any-quill", None),
        ("", None),
    ] {
        assert_eq!(table.find(name).ok().map(|model| model.name()), found, "{name}");
    }
}

#[test]
fn litellm_prices_are_read_with_their_sizes() {
    let table = PriceTable::from_litellm(
        r#"{
        "sample_spec": {"input_cost_per_token": "what it is", "litellm_provider": "one of many"},
        "m": {"litellm_provider": "acme", "mode": "chat", "max_tokens": 4096,
            "input_cost_per_token": 2.5e-06, "input_cost_per_token_above_200k_tokens": 5E-6,
            "output_cost_per_token": 0.00001, "output_cost_per_token_above_200k_tokens": 0.000015,
            "output_cost_per_reasoning_token": 2e-05, "cache_read_input_token_cost": 2.5e-07,
            "cache_creation_input_token_cost": 3e-06, "cache_creation_input_token_cost_above_1hr": 5e-06,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1e-05, "input_cost_per_request": 1e-3,
            "input_cost_per_audio_token": 1, "input_cost_per_token_batches": 1e-09, "output_cost_per_token_above_128k_tokens": null}
        }"#,
    )
    .unwrap();
    assert_eq!(table.len(), 1);
    let model = table.find("acme/m").unwrap();
    let request = 1_000_000;
    let reasoned = CachedInside { prompt_tokens: 9, completion_tokens: 5, reasoning_tokens: 2, ..Default::default() };
    assert_eq!(cost(model, reasoned.try_into().unwrap()), 9 * 2_500 + 3 * 10_000 + 2 * 20_000 + request);
    let written = |input_tokens| CachedBeside {
        input_tokens,
        cache_creation_input_tokens: 5,
        ephemeral_1h_input_tokens: 2,
        cache_read_input_tokens: 10,
        output_tokens: 1,
    };
    let small = 199_985 * 2_500 + 3 * 3_000 + 2 * 5_000 + 10 * 250 + 10_000;
    assert_eq!(cost(model, beside(written(199_985))), small + request);
    let large = 199_986 * 5_000 + 3 * 3_000 + 2 * 10_000 + 10 * 250 + 15_000;
    assert_eq!(cost(model, beside(written(199_986))), large + request);
}

#[test]
fn what_litellm_has_that_is_not_supported_is_said_of_the_model_alone() {
    let prices = r#""litellm_provider": "acme", "input_cost_per_token": 1e-06"#;
    let table = PriceTable::from_litellm(&format!(
        r#"{{
        "tiers": {{{prices}, "tiered_pricing": []}},
        "hours": {{{prices}, "off_peak_pricing": {{}}}},
        "letters": {{{prices}, "input_cost_per_character": 1e-06}},
        "new": {{{prices}, "some_new_cost": 1}},
        "seconds": {{"litellm_provider": "acme", "output_cost_per_second": 1}},
        "images": {{"output_cost_per_image": 1}},
        "queries": {{"input_cost_per_token": 0.0, "output_cost_per_token": 0, "input_cost_per_query": 0.002}},
        "free": {{"input_cost_per_token": 0.0, "output_cost_per_token": 0, "input_cost_per_query": 0.0}},
        "search": {{"input_cost_per_token": 1e-06, "search_context_cost_per_query": {{}}, "litellm_provider": "perplexity"}},
        "sound": {{{prices}, "search_context_cost_per_query": {{}}}}
        }}"#
    ))
    .unwrap();
    for (model, what) in [
        ("tiers", "\"tiered_pricing\" is not supported"),
        ("acme/hours", "\"off_peak_pricing\" is not supported"),
        ("letters", "\"input_cost_per_character\" is not supported"),
        ("new", "\"some_new_cost\" is not supported"),
        ("seconds", "\"output_cost_per_second\" is not supported"),
        ("images", "it has no price of input"),
        ("queries", "its tokens are free, and it is billed by something else"),
        ("search", "each request is billed for its search"),
    ] {
        assert_eq!(unsupported(&table, model), what);
    }
    assert!(table.find("sound").is_ok());
    assert_eq!(cost(table.find("free").unwrap(), usage(1, 1)), 0);
}

#[test]
fn a_name_that_a_model_has_is_never_anothers() {
    let model = |provider: &str, dollars: u8| {
        format!(r#"{{"litellm_provider": "{provider}", "input_cost_per_token": {dollars}e-06}}"#)
    };
    let text = format!(r#"{{"m": {}, "acme/m": {}, "n": {}}}"#, model("acme", 1), model("acme", 2), model("acme", 3));
    let table = PriceTable::from_litellm(&text).unwrap();
    for (name, dollars) in [("m", 1), ("acme/m", 2), ("acme/acme/m", 2), ("acme/n", 3)] {
        assert_eq!(cost(table.find(name).unwrap(), usage(1, 0)), dollars * 1_000, "{name}");
    }
}

#[test]
fn an_unknown_model_is_refused_with_near_names() {
    let table = PriceTable::parse(SAMPLE).unwrap();
    for (name, message) in [
        ("acme/quil-large", "; did you mean \"acme/quill-large\"?"),
        ("quill-embed", "; did you mean \"acme/quill-embed\"?"),
        ("other/quill-embed", "; did you mean \"acme/quill-embed\"?"),
        ("acme/Quill-Think", "; did you mean \"acme/quill-think\"?"),
        ("nothing-like-it", "; name it as the price table does, or add its prices"),
        ("", "; name it as the price table does, or add its prices"),
    ] {
        let refused = table.find(name).unwrap_err().to_string();
        assert_eq!(refused, format!("no price of the model \"{name}\"{message}"));
    }
    let long = "x".repeat(1 << 20);
    assert!(table.find(&long).unwrap_err().to_string().len() < 200);
}

#[test]
fn sound_is_refused_and_not_billed_as_text() {
    let reported = CachedInside { prompt_tokens: 10, audio_tokens: 1, ..Default::default() };
    let refused = TokenUsage::try_from(reported).unwrap_err().to_string();
    assert_eq!(refused, "1 tokens of sound have no price here: bill this call by other means");
}
