//! Pictures of the rows that `ratios --json` prints, as SVG.

mod bars;
mod lines;
mod svg;

use serde::Deserialize;

pub use bars::Bars;
pub use lines::{Line, Lines};

/// What a picture needs of a row.
#[derive(Debug, Deserialize)]
struct Measured {
    name: String,
    ours_ns: Option<f64>,
    rival: Option<String>,
    rival_ns: Option<f64>,
}

/// The rows of one run.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Rows(Vec<Measured>);

/// Whose time of a row.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Ours,
    Theirs,
}

/// A row's name without the dash of one that belongs to the row above it.
fn bare(name: &str) -> &str {
    name.trim_start_matches("– ")
}

impl Rows {
    fn ns(&self, name: &str, whose: Whose) -> Option<f64> {
        let row = self.0.iter().find(|row| bare(&row.name) == name)?;
        match whose {
            Whose::Ours => row.ours_ns,
            Whose::Theirs => row.rival_ns,
        }
    }

    /// A line through one time of each of these rows; rows that were not measured are left out.
    fn line(&self, label: &str, whose: Whose, names: impl IntoIterator<Item = String>) -> Line {
        let points = names.into_iter().map(|name| self.ns(&name, whose)).collect();
        Line { label: label.to_owned(), points }
    }

    /// Every picture, and the name of its file.
    pub fn pictures(&self) -> Vec<(&'static str, String)> {
        vec![
            ("live.svg", self.live().to_string()),
            ("depth.svg", self.depth().to_string()),
            ("threads.svg", self.threads().to_string()),
            ("rivals.svg", self.rivals().to_string()),
        ]
    }

    fn live(&self) -> Lines {
        let sizes = ["1k", "100k", "1M"];
        let of = |what: &str| sizes.map(|size| format!("{what}, live {size}"));
        Lines {
            title: "A step among live executions".to_owned(),
            across: "live executions or keys".to_owned(),
            marks: sizes.map(str::to_owned).to_vec(),
            lines: vec![
                self.line("enforce, by handle", Whose::Ours, of("handle, bare")),
                self.line("enforce, by id", Whose::Ours, of("by id, bare")),
                self.line("the bare map", Whose::Theirs, of("by id, bare")),
                self.line("enforce, rate by key", Whose::Ours, of("rate by key")),
                self.line("governor, keyed", Whose::Theirs, of("rate by key")),
                self.line("Mutex<HashMap>", Whose::Theirs, of("beside Mutex<HashMap>")),
                self.line("enact-core", Whose::Theirs, of("beside a step of enact's")),
            ],
        }
    }

    fn depth(&self) -> Lines {
        let scopes = [1, 2, 3, 4];
        let of = |what: &str| scopes.map(|scopes| format!("{what}, scopes {scopes}"));
        Lines {
            title: "One demand on one to four scopes".to_owned(),
            across: "scopes, one below the other".to_owned(),
            marks: scopes.map(|scopes| scopes.to_string()).to_vec(),
            lines: vec![
                self.line("enforce, a step", Whose::Ours, of("a step")),
                self.line("enforce, steps, tokens, money", Whose::Ours, of("steps, tokens, money")),
                self.line("budget-context, a step", Whose::Theirs, of("beside budget-context")),
                self.line("budget-context, all three", Whose::Theirs, of("steps, tokens, money")),
            ],
        }
    }

    fn threads(&self) -> Lines {
        let pair = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
        let whole = pair("whole cycle by handle, usual", "whole cycle, two workers, one execution");
        let by_id = "by id, bare, 1k, two threads";
        let register = pair("register + finish", "register + finish, two threads");
        let gauge = pair("take + give back", "take + give back, two threads");
        let money = pair("steps, tokens, money, scopes 1", "steps, tokens, money, two workers");
        Lines {
            title: "One thread, and two at once".to_owned(),
            across: "threads".to_owned(),
            marks: vec!["1".to_owned(), "2".to_owned()],
            lines: vec![
                self.line("enforce, whole cycle", Whose::Ours, whole.clone()),
                self.line("enact-core, whole cycle", Whose::Theirs, whole),
                self.line("enforce, by id", Whose::Ours, pair("by id, bare, live 1k", by_id)),
                self.line("Mutex<HashMap>", Whose::Theirs, pair("beside Mutex<HashMap>, live 1k", by_id)),
                self.line("enforce, register", Whose::Ours, register.clone()),
                self.line("enact-core, register", Whose::Theirs, register),
                self.line("enforce, gauge", Whose::Ours, gauge.clone()),
                self.line("tokio Semaphore", Whose::Theirs, gauge),
                self.line("enforce, three budgets", Whose::Ours, money.clone()),
                self.line("budget-context", Whose::Theirs, money),
            ],
        }
    }

    /// Every row with a rival in it, which is what neither a floor nor a path of ours is.
    fn rivals(&self) -> Bars {
        let floor = |rival: &str| rival == "CAS" || rival.starts_with("map get") || rival.starts_with("handle");
        let mut above = "";
        let mut bars = Vec::new();
        for row in &self.0 {
            let name = bare(&row.name);
            // Ours is named in the row above one that says what else it stands beside.
            let ours = if name == row.name {
                above = name;
                name.to_owned()
            } else if name.starts_with("beside") {
                above.to_owned()
            } else {
                format!("{above}, {name}")
            };
            if let (Some(rival), Some(ours_ns), Some(rival_ns)) = (&row.rival, row.ours_ns, row.rival_ns)
                && !floor(rival)
            {
                bars.push((format!("{ours} / {rival}"), ours_ns / rival_ns));
            }
        }
        Bars { title: "Time of enforce over time of a rival".to_owned(), bars }
    }
}
