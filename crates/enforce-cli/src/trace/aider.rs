//! `aider`: JSONL of users' sessions. Rows are the `message_send` events; `launched` ends a user's open execution and
//! begins one, `exit` ends it, and a `message_send` with none open begins one.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError};
use super::files::Files;
use super::item::{Amounts, Item, ONE_PROVIDER, Run, Step};
use super::json::{self, text};
use super::order::FileOrder;
use super::source::Lines;
use super::value;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    properties: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    main_model: Option<&'a RawValue>,
    prompt_tokens: Option<&'a RawValue>,
    completion_tokens: Option<&'a RawValue>,
    cost: Option<&'a RawValue>,
}

/// A user's execution that has not ended.
#[derive(Debug)]
struct Session {
    run: Run,
    steps: u64,
}

/// The events of all files, one after the other.
#[derive(Debug)]
pub(crate) struct Aider {
    files: Files,
    lines: Option<Lines>,
    order: FileOrder,
    sessions: Sessions,
    ready: VecDeque<Item>,
}

/// What is open, and what has been counted so far.
#[derive(Debug, Default)]
struct Sessions {
    open: HashMap<Rc<str>, Session>,
    begun: u64,
    rows: u64,
}

impl Aider {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, lines: None, order: FileOrder::default(), sessions: Sessions::default(), ready: VecDeque::new() }
    }

    fn item(&mut self) -> Result<Option<Item>, TraceError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if let Some(lines) = &mut self.lines
                && let Some((place, line)) = lines.next()?
            {
                self.sessions.take(place, line, &mut self.order, &mut self.ready)?;
                continue;
            }
            match self.files.next()? {
                Some(source) => self.lines = Some(Lines::of(source)),
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for Aider {
    type Item = Result<Item, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.item().transpose()
    }
}

impl Sessions {
    fn take(
        &mut self,
        place: Place<'_>,
        line: &str,
        order: &mut FileOrder,
        ready: &mut VecDeque<Item>,
    ) -> Result<(), TraceError> {
        let event: Event<'_> = json::object(place, line)?;
        let name = place.required("event", text(event.event), value::json_string)?;
        let user = place.required("user_id", text(event.user_id), value::json_id)?;
        let time_ns = place.required("time", text(event.time), value::seconds)?;
        order.take(place, "time", time_ns)?;
        match &*name {
            "launched" => {
                self.end(&user, time_ns, ready);
                self.begin(&user, time_ns, ready);
            }
            "exit" => self.end(&user, time_ns, ready),
            "message_send" => {
                let properties = event.properties.ok_or_else(|| {
                    place.wrong("properties", Mismatch::said("nothing", "an object with tokens and cost"))
                })?;
                let message = json::part(place, "properties", properties.get())?;
                let step = self.step(place, &user, time_ns, &message, ready)?;
                ready.push_back(step);
            }
            // aider records much else; none of it is a call.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, user: &str, time_ns: u64, ready: &mut VecDeque<Item>) -> &mut Session {
        self.begun += 1;
        let run = Run { tenant: user.into(), execution: self.begun.to_string().into() };
        ready.push_back(Item::Begin { run: run.clone(), time_ns });
        self.open.entry(run.tenant.clone()).insert_entry(Session { run, steps: 0 }).into_mut()
    }

    fn end(&mut self, user: &str, time_ns: u64, ready: &mut VecDeque<Item>) {
        if let Some(session) = self.open.remove(user) {
            ready.push_back(Item::End { run: session.run, time_ns });
        }
    }

    fn step(
        &mut self,
        place: Place<'_>,
        user: &str,
        time_ns: u64,
        message: &Message<'_>,
        ready: &mut VecDeque<Item>,
    ) -> Result<Item, TraceError> {
        let used = Amounts {
            input_tokens: place.required("properties.prompt_tokens", text(message.prompt_tokens), value::amount)?,
            output_tokens: place.required(
                "properties.completion_tokens",
                text(message.completion_tokens),
                value::amount,
            )?,
            cost: place.required("properties.cost", text(message.cost), value::usd)?,
        };
        let model = place.optional("properties.main_model", text(message.main_model), value::json_string)?;
        let (provider, model) = match model.as_deref() {
            Some(model) => {
                let provider = place.required("properties.main_model", Some(provider_of(model)), value::id)?;
                (provider, Some(Rc::from(model)))
            }
            None => (ONE_PROVIDER, None),
        };
        self.rows += 1;
        let row = self.rows;
        let session = match self.open.get_mut(user) {
            Some(session) => session,
            None => self.begin(user, time_ns, ready),
        };
        session.steps += 1;
        Ok(Item::Step(Step {
            row,
            run: session.run.clone(),
            step: session.steps,
            time_ns,
            provider: provider.into(),
            model,
            asked: used,
            used,
            action: None,
            last: false,
        }))
    }
}

/// Models are named as `provider/model`, or by the model alone where everybody knows whose it is.
pub(crate) fn provider_of(model: &str) -> &str {
    model.split_once('/').map_or(ONE_PROVIDER, |(provider, _)| provider)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::progress::Progress;

    fn items(lines: &[&str]) -> Vec<Result<Item, String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
        let aider = Aider::new(Files::new(&[file.path().to_path_buf()], &Progress::default()));
        aider.map(|item| item.map_err(|error| error.to_string())).collect()
    }

    fn short(items: &[Result<Item, String>]) -> Vec<String> {
        let name = |run: &Run| format!("{}/{}", run.tenant, run.execution);
        items
            .iter()
            .map(|item| match item.as_ref().unwrap() {
                Item::Begin { run, .. } => format!("begin {}", name(run)),
                Item::Step(step) => format!("row {} {} step {}", step.row, name(&step.run), step.step),
                Item::End { run, .. } => format!("end {}", name(run)),
            })
            .collect()
    }

    const SEND: &str = r#""properties":{"main_model":"p/m","prompt_tokens":3,"completion_tokens":4,"cost":5.5e-9}"#;

    #[test]
    fn sessions_begin_and_end_as_their_user_says() {
        let send = format!(r#"{{"event":"message_send",{SEND},"user_id":"u","time":2}}"#);
        let other = format!(r#"{{"event":"message_send",{SEND},"user_id":"v","time":2}}"#);
        let launched = r#"{"event":"launched","properties":{},"user_id":"u","time":2}"#;
        let exit = r#"{"event":"exit","properties":{},"user_id":"u","time":2}"#;
        let unknown = r#"{"event":"model warning","user_id":"u","time":2}"#;
        let found = items(&[exit, &send, launched, unknown, &send, &other, &send, exit, &send]);
        assert_eq!(
            short(&found),
            [
                "begin u/1",
                "row 1 u/1 step 1",
                "end u/1",
                "begin u/2",
                "row 2 u/2 step 1",
                "begin v/3",
                "row 3 v/3 step 1",
                "row 4 u/2 step 2",
                "end u/2",
                "begin u/4",
                "row 5 u/4 step 1",
            ]
        );
        let Ok(Item::Step(step)) = &found[1] else { panic!("a step") };
        assert_eq!((step.time_ns, &*step.provider, step.model.as_deref()), (2_000_000_000, "p", Some("p/m")));
        assert_eq!((step.used.input_tokens, step.used.output_tokens, step.used.cost.get()), (3, 4, 6));
    }

    #[test]
    fn bad_rows_are_named() {
        let send = |cost: &str, time: u8| {
            let properties = format!(r#"{{"prompt_tokens":1,"completion_tokens":1,"cost":{cost}}}"#);
            format!(r#"{{"event":"message_send","properties":{properties},"user_id":"u","time":{time}}}"#)
        };
        let message = |lines: &[&str]| items(lines).pop().unwrap().unwrap_err();
        assert!(message(&[&send("-1", 1)]).contains("row 1 (line 1), column properties.cost, found `-1`"));
        assert!(message(&[&send("NaN", 1)]).contains("found bad JSON"));
        assert!(message(&[&send("\"1\"", 1)]).contains("column properties.cost"));
        assert!(message(&[&send("1", 2), &send("1", 1)]).contains("row 2 (line 2), column time, found a time"));
        assert!(
            message(&[r#"{"event":"message_send","user_id":"u","time":1}"#])
                .contains("column properties, found nothing")
        );
        assert!(
            message(&[r#"{"event":"message_send","properties":[1,2,3,4],"user_id":"u","time":1}"#])
                .contains("`[1,2,3,4]`")
        );
    }
}
