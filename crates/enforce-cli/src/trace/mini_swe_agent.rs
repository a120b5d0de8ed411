//! `mini-swe-agent`: one run a file (.traj.json). Each message of the assistant that records a model's response is a
//! step; its action is its commands joined by NUL. The execution is the instance; the tenant is the batch, which the
//! file's name or else its folder says.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::aider::provider_of;
use super::error::{Place, TraceError};
use super::item::Amounts;
use super::json::{self, text};
use super::sorted::{Index, Record};
use super::source::{self, Source};
use super::value;

#[derive(Deserialize)]
struct Run<'a> {
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
    instance_id: Option<&'a RawValue>,
}

/// The parts of an object that has only one that matters.
#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    config: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ModelConfig<'a> {
    #[serde(borrow)]
    model_name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    extra: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Extra<'a> {
    #[serde(borrow)]
    actions: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
    cost: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow)]
    command: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<&'a RawValue>,
    completion_tokens: Option<&'a RawValue>,
}

/// Reads a file's run into the index.
pub(crate) fn read(mut source: Source, index: &mut Index) -> Result<(), TraceError> {
    let document = source::document(&mut source)?;
    let path = source.path();
    let file = Place::file(path);
    let run: Run<'_> = json::object(file, &document)?;
    let stem = stem(path);
    let instance = file.optional("instance_id", text(run.instance_id), value::json_id)?;
    let execution = instance.as_deref().unwrap_or(&stem);
    value::id(execution).map_err(|mismatch| file.wrong("file name", mismatch))?;
    let tenant = tenant(path, &stem, execution);
    value::id(&tenant).map_err(|mismatch| file.wrong("file name", mismatch))?;
    let model_name = model_name(file, run.info)?;
    let provider = model_name.as_deref().map(provider_of);
    file.optional("info.config.model.model_name", provider, value::id)?;

    let messages = file.required("messages", text(run.messages), Ok)?;
    let mut step = 0;
    for message in json::list(file, "messages", messages)? {
        let place = Place { row: step + 1, ..file };
        let message: Message<'_> = json::part(place, "messages", message.get())?;
        let Some(extra) = text(message.extra) else { continue };
        let extra: Extra<'_> = json::part(place, "extra", extra)?;
        let Some(response) = text(extra.response) else { continue };
        step += 1;
        let response: Response<'_> = json::part(place, "extra.response", response)?;
        let model = place.optional("extra.response.model", text(response.model), value::json_string)?;
        let time_ns = place.optional("extra.timestamp", text(extra.timestamp), value::seconds)?;
        let record = Record {
            tenant: &tenant,
            execution,
            step,
            time_ns,
            provider,
            model: model.as_deref().or(model_name.as_deref()),
            asked: None,
            used: used(place, &extra, &response)?,
            action: action(place, extra.actions)?,
        };
        index.push(step, 0, &record)?;
    }
    Ok(())
}

fn used(place: Place<'_>, extra: &Extra<'_>, response: &Response<'_>) -> Result<Amounts, TraceError> {
    let cost = place.optional("extra.cost", text(extra.cost), value::usd)?.unwrap_or_default();
    let Some(usage) = text(response.usage) else { return Ok(Amounts { cost, ..Amounts::default() }) };
    let usage: Usage<'_> = json::part(place, "extra.response.usage", usage)?;
    let input = place.optional("extra.response.usage.prompt_tokens", text(usage.prompt_tokens), value::amount)?;
    let output =
        place.optional("extra.response.usage.completion_tokens", text(usage.completion_tokens), value::amount)?;
    Ok(Amounts { input_tokens: input.unwrap_or_default(), output_tokens: output.unwrap_or_default(), cost })
}

fn action(place: Place<'_>, actions: Option<&RawValue>) -> Result<Option<u64>, TraceError> {
    let Some(actions) = text(actions) else { return Ok(None) };
    let mut commands = Vec::new();
    for action in json::list(place, "extra.actions", actions)? {
        let action: Action<'_> = json::part(place, "extra.actions", action.get())?;
        let command = place.optional("extra.actions.command", text(action.command), value::json_string)?;
        commands.push(command.unwrap_or_default());
    }
    Ok(value::fingerprint(&commands.join("\0")))
}

fn model_name<'a>(
    file: Place<'_>,
    info: Option<&'a RawValue>,
) -> Result<Option<std::borrow::Cow<'a, str>>, TraceError> {
    let Some(info) = text(info) else { return Ok(None) };
    let info: Info<'_> = json::part(file, "info", info)?;
    let Some(config) = text(info.config) else { return Ok(None) };
    let config: Config<'_> = json::part(file, "info.config", config)?;
    let Some(model) = text(config.model) else { return Ok(None) };
    let model: ModelConfig<'_> = json::part(file, "info.config.model", model)?;
    file.optional("info.config.model.model_name", text(model.model_name), value::json_string)
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".json").unwrap_or(&name);
    name.strip_suffix(".traj").unwrap_or(name).to_owned()
}

/// The batch that a run belongs to: `batch` in `batch__instance.traj.json` and in `batch/instance.traj.json`, and in
/// `batch/instance/instance.traj.json`, where mini-swe-agent writes it.
fn tenant(path: &Path, stem: &str, execution: &str) -> String {
    let batch = stem.strip_suffix(execution).and_then(|batch| batch.strip_suffix("__"));
    if let Some(batch) = batch.filter(|batch| !batch.is_empty()) {
        return batch.to_owned();
    }
    let folders = path.ancestors().skip(1).filter_map(Path::file_name).map(|name| name.to_string_lossy());
    let mut folders = folders.filter(|name| name != execution);
    folders.next().map_or_else(|| "mini-swe-agent".to_owned(), |name| name.into_owned())
}
