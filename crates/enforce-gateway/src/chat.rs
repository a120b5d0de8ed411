//! A request for a completion: what of it counts.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::config::Requests;
use crate::refusal::Refusal;

/// The longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 128;
/// The most answers to one request.
const MAX_CHOICES: u64 = 128;

/// A request for a completion, read once and written anew for the upstream: whatever was ambiguous in its text, both read
/// the same.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// The client asks for the usage of a stream itself.
    pub(crate) wants_usage: bool,
    /// Input tokens: at most so many, if a token has at least as many bytes as is taken for one.
    pub(crate) input: u64,
    /// Output tokens of all answers: at most so many.
    pub(crate) output: u64,
    /// What the upstream is sent.
    pub(crate) body: Bytes,
}

impl Chat {
    pub(crate) fn read(text: &[u8], requests: &Requests) -> Result<Self, Refusal> {
        let parsed = serde_json::from_slice(text);
        let mut members: Map<String, Value> =
            parsed.map_err(|error| Refusal::bad_request(format!("the body is no JSON object: {error}")))?;
        let model = match members.get("model") {
            Some(Value::String(model)) if (1..=MAX_MODEL_BYTES).contains(&model.len()) => model.clone(),
            _ => return Err(wrong("model", &format!("a name of 1 to {MAX_MODEL_BYTES} bytes"))),
        };
        only_text(&members)?;
        only_priced(&members)?;
        let stream = match members.get("stream") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(stream)) => *stream,
            Some(_) => return Err(wrong("stream", "true or false")),
        };
        let choices = match number(&members, "n")? {
            Some(choices) if choices <= MAX_CHOICES => choices,
            Some(_) => return Err(wrong("n", &format!("a whole number from 1 to {MAX_CHOICES}"))),
            None => 1,
        };
        let named = number(&members, "max_completion_tokens")?.max(number(&members, "max_tokens")?);
        let most = named.unwrap_or_else(|| {
            members.insert("max_completion_tokens".to_owned(), requests.default_max_tokens.into());
            requests.default_max_tokens
        });
        let wants_usage = if stream { ask_for_usage(&mut members)? } else { false };
        let body = Bytes::from(Value::Object(members).to_string());
        let input = (body.len() as u64).div_ceil(requests.input_bytes_per_token);
        Ok(Self { model, stream, wants_usage, input, output: most.saturating_mul(choices), body })
    }
}

fn wrong(member: &str, right: &str) -> Refusal {
    Refusal::bad_request(format!("{member}: expected {right}"))
}

/// A whole number from 1 on; `None` where there is none.
fn number(members: &Map<String, Value>, member: &str) -> Result<Option<u64>, Refusal> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if number > 0 => Ok(Some(number)),
            _ => Err(wrong(member, "a whole number from 1 on")),
        },
    }
}

/// Only of text does its length bound the tokens: an image of a few bytes of URL has thousands.
fn only_text(members: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(Value::Array(messages)) = members.get("messages") else { return Err(wrong("messages", "a list")) };
    for message in messages {
        match message.get("content") {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(Value::Array(parts)) if parts.iter().all(is_text) => {}
            Some(_) => return Err(wrong("messages", "content that is text, or parts of the types text and refusal")),
        }
        // An answer that was spoken before: an id that stands for any number of tokens.
        if message.get("audio").is_some_and(|audio| !audio.is_null()) {
            return Err(wrong("messages", "no audio, for only of text does its length bound the tokens"));
        }
    }
    match members.get("modalities") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(all)) if all.iter().all(|one| one == "text") => Ok(()),
        Some(_) => Err(wrong("modalities", "text alone, for nothing else has a price")),
    }
}

/// Only what the price table tells: tokens, at the usual price.
fn only_priced(members: &Map<String, Value>) -> Result<(), Refusal> {
    match members.get("service_tier") {
        None | Some(Value::Null) => {}
        Some(Value::String(tier)) if matches!(&**tier, "auto" | "default" | "flex") => {}
        Some(_) => return Err(wrong("service_tier", "auto, default or flex, for nothing dearer has a price")),
    }
    match members.get("web_search_options") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(wrong("web_search_options", "none, for a search has no price")),
    }
}

fn is_text(part: &Value) -> bool {
    part.get("type").is_some_and(|kind| kind == "text" || kind == "refusal")
}

/// Has the stream end with its usage; whether the client asked for that.
fn ask_for_usage(members: &mut Map<String, Value>) -> Result<bool, Refusal> {
    let options = members.entry("stream_options").or_insert(Value::Null);
    if options.is_null() {
        *options = json!({});
    }
    let Value::Object(options) = options else { return Err(wrong("stream_options", "an object")) };
    Ok(options.insert("include_usage".to_owned(), true.into()).is_some_and(|asked| asked == true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Chat, String> {
        Chat::read(text.as_bytes(), &Requests::default()).map_err(|refusal| match refusal {
            Refusal::Other { message, .. } => message,
            Refusal::Limit { .. } | Refusal::Passed(_) => panic!("nobody was asked"),
        })
    }

    fn with(member: &str) -> Result<Chat, String> {
        read(&format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": "hello"}}], {member}}}"#))
    }

    #[test]
    fn the_most_output_is_that_of_all_answers_and_the_upstream_is_told_where_none_is_named() {
        let asked = with(r#""max_tokens": 10, "max_completion_tokens": 20, "n": 3"#).unwrap();
        assert_eq!(asked.output, 60);
        let unnamed = with(r#""max_tokens": null"#).unwrap();
        assert_eq!(unnamed.output, 1_024);
        let sent: Value = serde_json::from_slice(&unnamed.body).unwrap();
        assert_eq!(sent["max_completion_tokens"], 1_024);
    }

    #[test]
    fn a_member_that_stands_twice_is_sent_once() {
        let asked = with(r#""max_tokens": 10, "max_tokens": 90"#).unwrap();
        assert_eq!(asked.output, 90);
        assert_eq!(String::from_utf8_lossy(&asked.body).matches("max_tokens").count(), 1);
    }

    #[test]
    fn a_stream_is_asked_for_its_usage_and_keeps_its_other_options() {
        let asked = with(r#""stream": true, "stream_options": {"other": 1}"#).unwrap();
        let sent: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(sent["stream_options"], json!({"include_usage": true, "other": 1}));
        assert!(!asked.wants_usage);
        assert!(with(r#""stream": true, "stream_options": {"include_usage": true}"#).unwrap().wants_usage);
    }

    #[test]
    fn input_is_bounded_by_the_bytes_that_are_sent() {
        let asked = with(r#""n": 1"#).unwrap();
        assert_eq!(asked.input, asked.body.len() as u64);
    }

    #[test]
    fn what_cannot_be_read_or_bounded_is_refused_and_says_what_would_be_right() {
        for (text, said) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("{}", "model: expected a name"),
            (r#"{"model": "m"}"#, "messages: expected a list"),
            (
                r#"{"model": "m", "messages": [{"content": [{"type": "image_url"}]}]}"#,
                "messages: expected content that is text",
            ),
            (
                r#"{"model": "m", "messages": [{"role": "assistant", "audio": {"id": "a"}}]}"#,
                "messages: expected no audio",
            ),
        ] {
            assert!(read(text).unwrap_err().contains(said), "{text}");
        }
        for (member, said) in [
            (r#""max_tokens": 0"#, "max_tokens: expected a whole number"),
            (r#""max_tokens": 1.5"#, "max_tokens: expected a whole number"),
            (r#""max_completion_tokens": "9""#, "max_completion_tokens: expected"),
            (r#""n": 129"#, "n: expected a whole number from 1 to 128"),
            (r#""stream": 1"#, "stream: expected true or false"),
            (r#""stream": true, "stream_options": 5"#, "stream_options: expected an object"),
            (r#""modalities": ["text", "audio"]"#, "modalities: expected text alone"),
            (r#""service_tier": "priority""#, "service_tier: expected auto, default or flex"),
            (r#""web_search_options": {}"#, "web_search_options: expected none"),
        ] {
            assert!(with(member).unwrap_err().contains(said), "{member}");
        }
        let deep = format!(r#"{{"model": {}"#, "[".repeat(100_000));
        assert!(read(&deep).is_err());
    }
}
