//! Tables that are broken, or meant to break: each is refused with its place, and nothing panics.
#![expect(clippy::panic, reason = "what fails here fails a test")]

mod support;

use enforce_prices::{PriceError, PriceTable, TableError};
use proptest::prelude::*;

type Read = fn(&str) -> Result<PriceTable, TableError>;

const OWN: &str = "[[price]]\nmodel = \"m\"\ninput = \"2\"\noutput = \"8\"\n";
const GENAI: &str = r#"[{"id": "acme", "model_match": {"or": [{"contains": "m"}, {"regex": "^o[13]"}]},
"models": [{"id": "m", "match": {"equals": "m"}, "prices": [
{"prices": {"input_mtok": 2, "output_mtok": {"base": 8, "tiers": [{"start": 200000, "price": 12}]}}},
{"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 1}}]}]}]"#;
const LITELLM: &str = r#"{
"m": {"litellm_provider": "acme", "input_cost_per_token": 2e-06,
"output_cost_per_token": 8e-06, "supports_vision": true}
}"#;

const TABLES: [(Read, &str); 3] =
    [(PriceTable::parse, OWN), (PriceTable::from_genai_prices, GENAI), (PriceTable::from_litellm, LITELLM)];

/// What is said of a table in which one part is replaced by another.
fn refusal(read: Read, text: &str, part: &str, by: &str) -> String {
    assert!(text.contains(part), "{part}");
    match read(&text.replacen(part, by, 1)) {
        Ok(_) => panic!("{by} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_tables_that_are_broken_here_are_sound() {
    for (read, text) in TABLES {
        assert_eq!(read(text).unwrap().models().count(), 1);
    }
}

#[test]
fn a_number_that_is_no_price_is_refused_with_its_place() {
    for (number, message) in [
        ("-2e-06", "a price cannot be negative: write 0 or more dollars: -2e-06"),
        ("1e400", "more than the largest price: write at most 72057.594037927935 dollars for one: 1e400"),
        ("1e-400", "a price this small cannot be finer than a pico-dollar for one: write fewer digits: 1e-400"),
        ("true", "expected a number of dollars, found \"true\""),
        ("\"2e-06\"", "expected a number of dollars, found \"\\\"2e-06\\\"\""),
        ("[[2e-06]]", "expected a number of dollars, found \"[[2e-06]]\""),
    ] {
        let place = "line 2, column 59: \"m\" input_cost_per_token";
        let refused = refusal(PriceTable::from_litellm, LITELLM, "2e-06", number);
        assert_eq!(refused, format!("{place}: {message}"));
        let refused = refusal(PriceTable::from_genai_prices, GENAI, "2,", &format!("{number},"));
        assert_eq!(refused, format!("line 3, column 27: \"acme/m\" input_mtok: {message}"));
    }
    for (number, message) in [
        ("\"-2\"", "a price cannot be negative: write 0 or more dollars: \"-2\""),
        ("\"NaN\"", "NaN or infinity is no price: write a finite number of dollars: \"NaN\""),
        ("\"two\"", "not a decimal number of dollars: write one such as 2.50 or 5e-07: \"two\""),
        ("\"1e400\"", "more than the largest price: write at most 72057.594037927935 dollars for one: \"1e400\""),
        ("-2", "a price cannot be negative: write 0 or more dollars: \"-2\""),
        ("2.5", "a float is not an exact price: write it as a string: \"2.5\""),
        ("nan", "a float is not an exact price: write it as a string: \"NaN\""),
    ] {
        let refused = refusal(PriceTable::parse, OWN, "\"2\"", number);
        assert_eq!(refused, format!("line 3, column 9: {message}"));
    }
}

#[test]
fn no_number_of_json_is_not_a_number() {
    for number in ["NaN", "Infinity", "0x10", "1.", ".5", "+1", "1e"] {
        let refused = refusal(PriceTable::from_litellm, LITELLM, "2e-06", number);
        assert!(refused.starts_with("line 2, column ") || refused.starts_with("line 3, column "), "{refused}");
    }
}

#[test]
fn what_comes_twice_is_refused() {
    let again = |row: &str| row.repeat(2);
    let twice = "two prices for the same date and size of input: leave one out";
    let refused = PriceTable::parse(&again(OWN)).unwrap_err().to_string();
    assert_eq!(refused, format!("line 5, column 1: \"m\": {twice}"));

    let model = r#""m": {"input_cost_per_token": 1},"#;
    let refused = refusal(PriceTable::from_litellm, LITELLM, "\n", &format!("\n{model}\n"));
    assert_eq!(refused, "line 3, column 6: \"m\": comes twice: leave one out");
    let refused = refusal(PriceTable::from_litellm, LITELLM, "output_cost_per_token", "input_cost_per_token");
    assert_eq!(refused, "line 3, column 25: \"m\" input_cost_per_token: comes twice: leave one out");

    let refused = refusal(PriceTable::from_genai_prices, GENAI, "output_mtok", "input_mtok");
    assert_eq!(refused, "line 3, column 44: \"acme/m\" input_mtok: comes twice: leave one out");
    let model = r#""models": [{"id": "m", "match": {"equals": "n"}, "prices": {}}, "#;
    let refused = refusal(PriceTable::from_genai_prices, GENAI, r#""models": ["#, model);
    assert_eq!(refused, "line 2, column 113: \"acme/m\": comes twice: leave one out");
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let refused = refusal(PriceTable::parse, OWN, "output", "ouput");
    assert!(refused.starts_with("line 4, column 1: unknown field `ouput`"), "{refused}");
    let refused = refusal(PriceTable::from_genai_prices, GENAI, "equals", "resembles");
    assert!(refused.starts_with("line 2, column 44: unknown variant `resembles`"), "{refused}");
    let refused = refusal(PriceTable::from_genai_prices, GENAI, "^o[13]", "(?=o)");
    assert!(refused.starts_with("line 1, column "), "{refused}");
    let refused = refusal(PriceTable::from_genai_prices, GENAI, "2026-03-13", "2026-13-13");
    let day = "expected a day from 1970 to 2553, such as \"2026-03-13\"";
    assert_eq!(refused, format!("line 4, column 31: \"acme/m\" start_date: {day}"));
}

#[test]
fn a_long_value_is_quoted_at_its_beginning() {
    let refused = refusal(PriceTable::parse, OWN, "\"2\"", &format!("\"{}\"", "x".repeat(1 << 16)));
    assert!(refused.len() < 200, "{}", refused.len());
    let refused = refusal(PriceTable::parse, OWN, "output", &"x".repeat(1 << 16));
    assert!(refused.len() < 400, "{}", refused.len());
    let refused = refusal(PriceTable::from_genai_prices, GENAI, "equals", &"x".repeat(1 << 16));
    assert!(refused.len() < 400, "{}", refused.len());
    let refused = refusal(PriceTable::from_litellm, LITELLM, "2e-06", &format!("-{}", "1".repeat(1 << 16)));
    assert!(refused.len() < 200, "{}", refused.len());
}

/// A table of long names, and a name that somebody else has chosen, do not make an error slow: who stands far behind is not
/// compared.
#[test]
fn near_names_are_looked_for_among_so_many_letters_and_no_more() {
    let one = |name: &str| format!("[[price]]\nmodel = \"{name}\"\ninput = \"2\"\n");
    // Rows are in the order of names.
    let (first, last) = ("-".repeat(120), "b".repeat(120));
    let between: String = (0..600).map(|number| one(&format!("{number:0>120}"))).collect();
    let table = PriceTable::parse(&(one(&first) + &between + &one(&last))).unwrap();
    let near = |slip: &str| match table.find(slip) {
        Err(PriceError::UnknownModel { nearest, .. }) => nearest,
        other => panic!("{other:?}"),
    };
    assert_eq!(near(&first[1..]), std::slice::from_ref(&first));
    assert_eq!(near(&last[1..]), [""; 0]);
}

#[test]
fn a_provider_that_is_null_is_none() {
    let table = PriceTable::from_litellm(&LITELLM.replace("\"acme\"", "null")).unwrap();
    assert_eq!(table.find("m").unwrap().name(), "m");
    assert!(table.find("acme/m").is_err());
}

/// Digits without end take the time of reading them, not of counting with them.
#[test]
fn long_numbers_are_read() {
    let digits = format!("0.000002{}e{}0", "0".repeat(1 << 16), "0".repeat(1 << 16));
    let table = PriceTable::from_litellm(&LITELLM.replace("2e-06", &digits)).unwrap();
    let model = table.find("m").unwrap();
    assert_eq!(support::cost(model, support::usage(1, 0)), 2_000);
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1 << 17), close.repeat(1 << 17));
    for text in [deep("[", "]"), deep("{\"or\":[", "]}"), deep("{\"m\":", "}")] {
        assert!(PriceTable::from_genai_prices(&text).is_err());
        assert!(PriceTable::from_litellm(&text).is_err());
        assert!(PriceTable::parse(&format!("price = {text}")).is_err());
        let clause = GENAI.replace("{\"equals\": \"m\"}", &text);
        assert!(PriceTable::from_genai_prices(&clause).is_err());
        // A value that is passed over is not followed either.
        let passed = LITELLM.replace("true", &text.replace("\"m\":", "\"m\":{},\"n\":"));
        drop(PriceTable::from_litellm(&passed));
    }
}

/// As a file that was cut off while it was written.
#[test]
fn no_beginning_of_a_json_table_is_a_table() {
    for (read, text) in [(PriceTable::from_genai_prices as Read, GENAI), (PriceTable::from_litellm, LITELLM)] {
        for end in 0..text.len() {
            let error = read(&text[..end]).unwrap_err();
            assert!(error.line.is_some_and(|line| line <= 5), "{end}: {error}");
        }
    }
}

proptest! {
    /// Whatever a text says, it is read or refused.
    #[test]
    fn no_table_panics(
        which in 0..3_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, "[-\\[\\]{}\",:0-9eE.a-z\u{e9}\n]{0,3}"), 1..4),
    ) {
        let (read, text) = TABLES[which];
        let mut characters: Vec<char> = text.chars().collect();
        for (at, removed, put) in edits {
            let at = at.index(characters.len() + 1);
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, put.chars());
        }
        let edited: String = characters.into_iter().collect();
        match read(&edited) {
            Ok(table) => for model in table.models() {
                prop_assert!(model.upper_bound(1, 0, support::LATE).is_ok());
            },
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
