//! A worker that may crash at any moment: it saves now and then, and keeps a ledger of what happens in between.
//!
//! A saved state alone forgets what was spent behind it. So each call of the model writes two lines: when it begins, the
//! most that it may use; when it ends, what it used. Each state says how many lines it knows of. Behind a crash the next
//! process takes the latest state over, with the holds that were open in it given back, and charges what the lines behind it
//! say: calls that ended for what they used, and calls that were under way in full, for nobody knows.
//!
//! ```text
//! cargo run -p enforce-core --example restart
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use enforce_core::{
    Actual, Demand, Enforcer, EnforcerState, Execution, NanoUsd, OpenHolds, ResourceLimits, RestoreOptions,
    UsageSnapshot,
};
use serde::{Deserialize, Serialize};

/// So many calls between two states: what a crash would cost without the ledger.
const CALLS_A_STATE: u64 = 4;

/// Input tokens, output tokens, nano-dollars.
type Amounts = (u64, u64, u64);

/// A line of the ledger. Calls are numbered by the line that they begin with.
#[derive(Serialize, Deserialize)]
enum Line {
    /// A step was admitted; the most that its call may use.
    Begun { run: String, tenant: String, most: Amounts },
    /// The call that began with that line has ended; what it used.
    Ended { call: u64, used: Amounts },
}

/// What is written in one step: a state, and how many lines of the ledger it knows of.
#[derive(Serialize, Deserialize)]
struct Saved {
    lines: u64,
    state: EnforcerState,
}

/// The files of one worker.
struct Files {
    state: PathBuf,
    ledger: File,
    lines: u64,
}

impl Files {
    /// Adds a line; its number. On the disk before this returns: whoever can do with less leaves the `sync` out, and is
    /// safe from a crash of the process, but not of the machine.
    fn write(&mut self, line: &Line) -> Result<u64, Box<dyn Error>> {
        self.ledger.write_all(format!("{}\n", serde_json::to_string(line)?).as_bytes())?;
        self.ledger.sync_data()?;
        self.lines += 1;
        Ok(self.lines - 1)
    }

    /// Writes the state aside, and then puts it in place of the one before: there is a whole one at any moment.
    fn save(&self, enforcer: &Enforcer) -> Result<(), Box<dyn Error>> {
        // Counted first: a line that another thread adds while the state is read is charged once more rather than missed.
        let saved = Saved { lines: self.lines, state: enforcer.save() };
        let aside = self.state.with_extension("new");
        let mut file = File::create(&aside)?;
        file.write_all(&serde_json::to_vec(&saved)?)?;
        file.sync_all()?;
        fs::rename(aside, &self.state)?;
        Ok(())
    }
}

/// Reads the text of a file; nothing of one that is not there.
fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

/// The worker as it starts: with all that those before it have used.
fn start(folder: &Path) -> Result<(Enforcer, Files), Box<dyn Error>> {
    let limits = ResourceLimits { max_cost_usd: Some("0.50".parse()?), ..ResourceLimits::unlimited() };
    let mut enforcer = Enforcer::builder().limits(limits).build()?;
    let (state, ledger) = (folder.join("state.json"), folder.join("ledger.jsonl"));

    // 1. What was saved. A file that is cut off, or a state that makes no sense, is an error: better no start than one that
    // has forgotten what was spent.
    let text = read(&state)?;
    let mut known = 0;
    if !text.is_empty() {
        let saved: Saved = serde_json::from_str(&text)?;
        let restored = enforcer.restore(&saved.state, RestoreOptions::new().open_holds(OpenHolds::GiveBack))?;
        known = saved.lines;
        println!("  restored {} executions; the state knows {known} lines of the ledger", restored.executions);
    }

    // 2. What came behind it. A last line that was cut off when the process went was never told to anybody.
    let text = read(&ledger)?;
    let whole = text.get(..text.rfind('\n').map_or(0, |end| end + 1)).unwrap_or_default();
    let mut open = BTreeMap::new();
    let (mut lines, mut ended) = (0, 0);
    for line in whole.lines() {
        match serde_json::from_str(line)? {
            Line::Begun { run, tenant, most } => {
                if lines >= known {
                    // The state does not know of the step. It may not know of the execution either.
                    found(&enforcer, &run, &tenant)?.charge(Actual::none().steps(1));
                }
                open.insert(lines, (run, tenant, most));
            }
            Line::Ended { call, used } => {
                if let Some((run, tenant, _)) = open.remove(&call).filter(|_| lines >= known) {
                    found(&enforcer, &run, &tenant)?.charge(actual(used)?);
                    ended += 1;
                }
            }
        }
        lines += 1;
    }
    let mut ledger = OpenOptions::new().create(true).write(true).truncate(false).open(&ledger)?;
    ledger.set_len(whole.len() as u64)?;
    ledger.seek(SeekFrom::End(0))?;
    let (cut_off, mut files) = (open.len(), Files { state, ledger, lines });
    for (call, (run, tenant, most)) in open {
        found(&enforcer, &run, &tenant)?.charge(actual(most)?);
        // Said, so that nobody charges it again.
        files.write(&Line::Ended { call, used: most })?;
    }
    println!("  charged {ended} calls that ended behind it, and {cut_off} that were cut off, in full");
    files.save(&enforcer)?;
    Ok((enforcer, files))
}

/// The execution of that id, registered if it is not known.
fn found(enforcer: &Enforcer, run: &str, tenant: &str) -> Result<Execution, Box<dyn Error>> {
    match enforcer.get(run) {
        Some(known) => Ok(known),
        None => Ok(enforcer.execution(run, tenant).register()?),
    }
}

fn actual((input, output, cost): Amounts) -> Result<Actual, Box<dyn Error>> {
    Ok(Actual::tokens(input, output).cost(NanoUsd::new(cost)?))
}

/// Calls the model so often, and then crashes in the middle of another call: nothing is saved, nothing is settled.
fn work_until_crash(folder: &Path, calls: u64) -> Result<UsageSnapshot, Box<dyn Error>> {
    let (enforcer, mut files) = start(folder)?;
    let run = found(&enforcer, "run_1", "acme")?;
    for number in 1..=calls + 1 {
        let most = (900, 600, 11_700_000);
        let hold = run.reserve(Demand::step().tokens(most.0, most.1).cost(NanoUsd::new(most.2)?))?;
        let call = files.write(&Line::Begun { run: run.id().into(), tenant: run.tenant_id().into(), most })?;
        if number > calls {
            println!("  crashed with a call under way; {} lines in the ledger", files.lines);
            return Ok(run.snapshot());
        }
        // … the model answers …
        let used = (900, 100 + 37 * number, 4_200_000 + 555_000 * number);
        hold.settle(actual(used)?);
        files.write(&Line::Ended { call, used })?;
        if number % CALLS_A_STATE == 0 {
            files.save(&enforcer)?;
        }
    }
    Ok(run.snapshot())
}

fn show(what: &str, usage: &UsageSnapshot) {
    let cost = NanoUsd::new(usage.cost_nano_usd).unwrap_or(NanoUsd::MAX);
    let held = usage.outstanding.tokens;
    println!("{what}: {} steps, {} tokens and {held} held, {cost}", usage.steps, usage.total_tokens);
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("enforce-restart-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("first process");
    show("  used", &work_until_crash(&folder, 6)?);
    println!("second process");
    show("  used", &work_until_crash(&folder, 9)?);
    println!("third process");
    let (enforcer, _files) = start(&folder)?;
    let run = found(&enforcer, "run_1", "acme")?;
    show("  used", &run.snapshot());
    let next = run.check(Demand::step().cost("0.40".parse()?));
    println!("  another $0.40: {}", next.to_error().map_or("allowed".into(), |error| error.to_string()));
    fs::remove_dir_all(&folder)?;
    Ok(())
}
