//! The body of a request for a completion.

use axum::response::IntoResponse;
use serde_json::Value;

use super::bill;
use crate::chat::Chat;
use crate::config::Requests;
use crate::refusal::Refusal;

const BYTES_PER_TOKEN: u64 = 4;
const DEFAULT: u64 = 7;

/// A body. What the upstream is sent is bounded by what is counted, and says the same as the client has said.
pub(crate) fn target(data: &[u8]) {
    let estimate =
        Requests { input_bytes_per_token: BYTES_PER_TOKEN, default_max_tokens: DEFAULT, ..Requests::default() };
    let chat = match Chat::read(data, &estimate) {
        Err(refusal) => return refused(refusal),
        Ok(chat) => chat,
    };
    let sent: Value = serde_json::from_slice(&chat.body).expect("what is sent is JSON");
    let said: Value = serde_json::from_slice(data).expect("what was accepted is JSON");
    assert_eq!((sent["model"].as_str(), sent["stream"] == true), (Some(&*chat.model), chat.stream));
    assert_eq!(without(&sent), without(&said), "it says the same");
    assert_eq!(chat.input, (chat.body.len() as u64).div_ceil(BYTES_PER_TOKEN));

    // All answers together are no longer than what is counted, by what the upstream reads.
    let number = |member: &str| sent.get(member).and_then(Value::as_u64);
    let named = number("max_completion_tokens").max(number("max_tokens"));
    let most = named.expect("the upstream is always told a limit").saturating_mul(number("n").unwrap_or(1));
    assert!(chat.output == most && most > 0, "{sent}");
    assert!(named == Some(DEFAULT) || named == said_limit(&said));
    assert!(!chat.stream || sent["stream_options"]["include_usage"] == true);

    let again = Chat::read(&chat.body, &estimate).expect("what is sent could have been said");
    assert_eq!((again.model, again.stream, again.output), (chat.model, chat.stream, chat.output));
    assert_eq!(again.wants_usage, chat.stream);

    // By its bytes it is taken for as many tokens at least, and whatever it asks for has a price or is too large for one.
    let bound = Chat::read(data, &Requests::default()).expect("what may be sent does not depend on how it is counted");
    assert!(bound.input >= chat.input && bound.output >= chat.output);
    let bill = bill();
    let priced = bill.demand(chat.input, chat.output);
    assert_eq!(priced.is_ok(), bill.prices.upper_bound(chat.input, chat.output, bill.at).is_ok());
}

/// What the client has named, under either name.
fn said_limit(said: &Value) -> Option<u64> {
    let number = |member: &str| said.get(member).and_then(Value::as_u64);
    number("max_completion_tokens").max(number("max_tokens"))
}

/// A refusal says what is wrong, as JSON, with the status of a request that is.
fn refused(refusal: Refusal) {
    let object = refusal.object();
    let message = object["error"]["message"].as_str().expect("it says what is wrong");
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    let answer = refusal.into_response();
    assert_eq!((answer.status().as_u16(), &object["status"]), (400, &Value::from(400)));
}

/// The same without what the gateway adds, and without fractions, which are read to the nearest that there is.
fn without(body: &Value) -> Value {
    let mut body = body.clone();
    if let Value::Object(members) = &mut body {
        members.remove("max_completion_tokens");
        members.remove("stream_options");
    }
    whole(body)
}

fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => Value::Null,
        Value::Array(values) => values.into_iter().map(whole).collect(),
        Value::Object(members) => members.into_iter().map(|(member, value)| (member, whole(value))).collect(),
        other => other,
    }
}
