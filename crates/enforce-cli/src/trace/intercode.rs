//! `intercode`: a JSON object of runs, which record their actions alone. The file is the tenant, each run an execution.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Mismatch, Place, TraceError};
use super::json::{self, text};
use super::sorted::{Index, Record};
use super::source::{self, Source};
use super::value;

#[derive(serde::Deserialize)]
struct Run<'a> {
    #[serde(borrow)]
    turn_history: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct History<'a> {
    #[serde(borrow)]
    actions: Option<&'a RawValue>,
}

/// Runs in the order of the file, those of the same name too.
struct Runs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Runs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Runs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of runs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Runs<'de>, A::Error> {
                let mut runs = Vec::new();
                while let Some(run) = map.next_entry()? {
                    runs.push(run);
                }
                Ok(Runs(runs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Reads a file's runs into the index.
pub(crate) fn read(mut source: Source, index: &mut Index) -> Result<(), TraceError> {
    let document = source::document(&mut source)?;
    let path = source.path();
    let file = Place::file(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let tenant = value::id(&stem).map_err(|mismatch| file.wrong("file name", mismatch))?;
    let Runs(runs) = json::object(file, &document)?;
    let mut row = 0;
    for (execution, run) in runs {
        value::id(&execution).map_err(|mismatch| file.wrong("run", mismatch))?;
        let path = format!("{execution}.turn_history");
        let run: Run<'_> = json::part(file, &execution, run.get())?;
        let nothing = || Mismatch::said("nothing", "an object with actions");
        let history = run.turn_history.ok_or_else(|| file.wrong(&path, nothing()))?;
        let history: History<'_> = json::part(file, &path, history.get())?;
        let path = format!("{path}.actions");
        let actions = file.required(&path, text(history.actions), Ok)?;
        for (step, action) in (1..).zip(json::list(file, &path, actions)?) {
            row += 1;
            let place = Place { row, ..file };
            let action = place.required(&path, Some(action.get()), value::json_string)?;
            let record = Record {
                tenant,
                execution: &execution,
                step,
                action: value::fingerprint(&action),
                ..Record::default()
            };
            index.push(row, 0, &record)?;
        }
    }
    Ok(())
}
