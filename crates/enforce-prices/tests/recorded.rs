//! Prices and costs that were recorded. They are not part of this repository: the tests read them from `shared/data`
//! beside it, or from the folder that `ENFORCE_TRACES` names, and say so when they skip.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use enforce_core::{NanoUsd, ScaledDecimal, Timestamp};
use enforce_prices::{PriceError, PriceTable};
use serde_json::Value;
use support::{LATE, inside, usage};

/// The text of a recorded file, or nothing where there are none.
fn recorded(file: &str) -> Option<String> {
    let folder = std::env::var_os("ENFORCE_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(fs::read_to_string(folder.join(file)).unwrap());
    }
    // Once, and past the test harness, which keeps to itself what a test that passes prints.
    static SAID: Once = Once::new();
    let line = format!("skipped: no recorded traces at {}\n", folder.display());
    SAID.call_once(|| drop(io::stderr().write_all(line.as_bytes())));
    None
}

/// What these tests say where the recordings are not.
#[test]
fn skipping_is_said_on_a_line_of_its_own() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let only = "what_the_runs_cost_is_recomputed_exactly";
    let output = command.args([only, "--exact"]).env("ENFORCE_TRACES", "/none").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "skipped: no recorded traces at /none\n");
}

fn rows(text: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(text.as_bytes()).records().collect::<Result<_, _>>().unwrap()
}

/// The columns of the recorded LiteLLM table that are prices of tokens.
const PRICES: [(usize, &str); 6] = [
    (3, "input_cost_per_token"),
    (4, "output_cost_per_token"),
    (5, "cache_read_input_token_cost"),
    (6, "cache_creation_input_token_cost"),
    (7, "cache_creation_input_token_cost_above_1hr"),
    (8, "output_cost_per_reasoning_token"),
];

/// The recorded LiteLLM table in its original form, with each number's text as it is.
fn litellm() -> Option<PriceTable> {
    let csv = recorded("litellm-prices/litellm_prices_chat.csv")?;
    let mut json = String::from("{");
    for row in rows(&csv) {
        let comma = if json.len() > 1 { "," } else { "" };
        let (model, provider) = (Value::from(&row[0]), Value::from(&row[1]));
        write!(json, "{comma}\n{model}: {{\"litellm_provider\": {provider}").unwrap();
        for (column, key) in PRICES.into_iter().filter(|(column, _)| !row[*column].is_empty()) {
            write!(json, ", \"{key}\": {}", &row[column]).unwrap();
        }
        json.push('}');
    }
    json.push('}');
    Some(PriceTable::from_litellm(&json).unwrap())
}

fn genai() -> Option<PriceTable> {
    recorded("genai-prices/data.json").map(|text| PriceTable::from_genai_prices(&text).unwrap())
}

#[test]
fn what_the_runs_cost_is_recomputed_exactly() {
    let Some((table, steps)) = litellm().zip(recorded("mini-swe-agent/steps.csv")) else { return };
    let (mut exact, mut sum) = (0, 0);
    for row in rows(&steps) {
        let number = |column: usize| row[column].parse::<u64>().unwrap();
        let model = table.find(&format!("{}/{}", &row[4], &row[5])).unwrap();
        let at = Timestamp::from_nanos(number(3));
        let cost = model.cost(&inside(number(6), number(7), number(8)), at).unwrap();
        assert_eq!(cost.get(), number(9), "{} {}", &row[1], &row[2]);
        (exact, sum) = (exact + 1, sum + cost.get());
    }
    assert_eq!((exact, sum), (4_359, 3_653_564_824));
}

/// genai-prices has the same two models at prices by the hour of the day, which are not those that these runs paid.
#[test]
fn prices_by_the_hour_are_refused_by_name() {
    let Some(table) = genai() else { return };
    for model in ["deepseek/deepseek-chat", "deepseek-reasoner"] {
        let Err(PriceError::Unsupported { what, .. }) = table.find(model) else { panic!("{model}") };
        assert_eq!(what, "prices that depend on the time of day are not supported");
    }
}

/// Why prices are pico-dollars.
#[test]
fn many_prices_are_finer_than_a_nano_dollar_a_token() {
    let Some(csv) = recorded("litellm-prices/litellm_prices_chat.csv") else { return };
    let rows = rows(&csv);
    let literals = || rows.iter().flat_map(|row| (3..=6).map(|column| &row[column])).filter(|text| !text.is_empty());
    let finer_than = |places| literals().filter(|text| !ScaledDecimal::read(text, places).unwrap().exact).count();
    assert_eq!((literals().count(), finer_than(9), finer_than(12)), (8_792, 551, 55));
}

#[test]
fn every_recorded_litellm_price_is_read() {
    let Some(table) = litellm() else { return };
    assert_eq!((table.len(), table.models().count()), (3_297, 3_297));
}

/// A million tokens cost what the table says of a million tokens.
#[test]
fn every_flat_price_of_genai_prices_is_read() {
    let Some((table, text)) = genai().zip(recorded("genai-prices/data.json")) else { return };
    let providers: Value = serde_json::from_str(&text).unwrap();
    let (mut flat, mut refused) = (0, 0);
    for provider in providers.as_array().unwrap() {
        for model in provider["models"].as_array().unwrap() {
            let name = format!("{}/{}", provider["id"].as_str().unwrap(), model["id"].as_str().unwrap());
            let found = table.find(&name);
            let dollars = |key: &str| model["prices"][key].as_number().map(|price| price.to_string().parse().unwrap());
            let Ok(prices) = found else {
                refused += 1;
                continue;
            };
            let Some(input) = dollars("input_mtok") else { continue };
            let request: NanoUsd = dollars("requests_kcount").unwrap_or(NanoUsd::ZERO);
            let request = request.get() / 1_000;
            assert_eq!(prices.cost(&usage(1_000_000, 0), LATE).unwrap().get(), input.get() + request, "{name}");
            if let Some(output) = dollars("output_mtok") {
                assert_eq!(prices.cost(&usage(0, 1_000_000), LATE).unwrap().get(), output.get() + request, "{name}");
            }
            flat += 1;
        }
    }
    // 157 models have no prices at all, and two have prices by the hour.
    assert_eq!((table.len(), refused), (1_442, 159));
    assert_eq!(flat, table.models().count() - 25); // 7 with dates, 18 others with sizes of input
}
