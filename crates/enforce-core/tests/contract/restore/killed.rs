//! A process that is killed at any moment: whatever it saved last is taken over by another one, which may spend what the log
//! says was left, and no more (T1, C1, Q1, E2, E3).
//!
//! The process is this very test, started again; its log comes through its standard error, its states lie in files.

mod deed;
mod ledger;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use enforce_core::{
    BudgetUsage, Demand, Enforcer, EnforcerState, Execution, ManualClock, ProviderKey, RestoreOptions, Timestamp,
};

use self::deed::{Deed, PROVIDER, TENANTS};
use self::ledger::Ledger;
use self::process::{Orders, TORN};
use crate::common::{DAY, SECOND, nano, register};
use crate::forest::model::{COST, STEPS, TOKENS};
use crate::forest::status;
use crate::threads::Numbers;

/// Tells the process that it is the one to be killed, and what to do until then.
const ORDERS: &str = "ENFORCE_KILLED";

/// Processes that are killed.
const KILLED: u64 = 20;
/// Processes that are killed in the middle of a file.
const KILLED_WRITING: u64 = 12;

/// A process that is killed when this goes, if not before.
struct Killed {
    process: Child,
    log: BufReader<ChildStderr>,
    folder: PathBuf,
}

impl Killed {
    /// Starts the test of that name again.
    fn start(test: &str, seed: u64, torn: Option<(usize, usize)>) -> Self {
        let name = format!("{}_{seed}", test.rsplit("::").next().unwrap());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let orders = Orders { seed, folder: folder.clone(), torn };
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ORDERS, serde_json::to_string(&orders).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self { process, log, folder }
    }

    /// Kills it when it has said `lines` lines or that it has stopped in the middle of a file, and says what it has done.
    fn kill_behind(&mut self, lines: usize) -> Vec<Deed> {
        let mut said = String::new();
        for _ in 0..lines {
            let length = self.log.read_line(&mut said).unwrap();
            assert!(length > 0, "it ended by itself, behind\n{said}");
            if said.ends_with(&format!("{TORN}\n")) {
                break;
            }
        }
        self.process.kill().unwrap();
        assert!(!self.process.wait().unwrap().success());
        // What it had said by then. Its last line may be cut off.
        self.log.read_to_string(&mut said).unwrap();
        let whole = &said[..said.rfind('\n').map_or(0, |end| end + 1)];
        let deed = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        whole.lines().filter(|line| *line != TORN).map(deed).collect()
    }

    /// Every state that stands in its place, by how much had been done.
    fn saved(&self) -> BTreeMap<usize, PathBuf> {
        let files = fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        files.filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path))).collect()
    }

    /// The file that it may have been writing.
    fn aside(&self) -> PathBuf {
        self.folder.join("aside")
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail where that has been done.
        let _killed = self.process.kill();
        let _ended = self.process.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

/// The state in a file, if it is a whole one.
fn read(path: &Path) -> Result<EnforcerState, serde_json::Error> {
    serde_json::from_slice(&fs::read(path).unwrap())
}

/// Whether this is the process to be killed; it has done what it was to do then.
fn is_to_be_killed() -> bool {
    let Ok(orders) = std::env::var(ORDERS) else { return false };
    // Nobody listens any more.
    drop(process::run(serde_json::from_str(&orders).unwrap()));
    true
}

/// What has been restored, beside the ledger.
struct Restored<'a> {
    enforcer: Enforcer,
    provider: ProviderKey,
    ledger: &'a mut Ledger,
}

/// Takes `state` over when nothing has run for `downtime`, and finds what the ledger says.
fn compare(state: &EnforcerState, mut ledger: Ledger, downtime: u64) {
    assert_eq!(state.saved_at.as_nanos(), ledger.now());
    let now = ledger.now() + downtime;
    let time = ManualClock::starting_at(Timestamp::from_nanos(now));
    let mut enforcer = deed::enforcer(&time);
    let own = |id: &str| {
        let node = ledger.forest.nodes.iter().find(|node| node.parent.is_none() && deed::id(node.id) == id)?;
        Some((node.limits.resources(), node.limits.long_running()))
    };
    enforcer.restore(state, RestoreOptions::new().limits(|it| own(&it.id))).unwrap();
    ledger.restart(now);
    let provider = enforcer.provider(PROVIDER).unwrap();
    let mut restored = Restored { enforcer, provider, ledger: &mut ledger };
    restored.compare_executions();
    restored.compare_budgets();
    restored.compare_rates(now);
}

impl Restored<'_> {
    fn compare_executions(&self) {
        let forest = &self.ledger.forest;
        assert_eq!(self.enforcer.execution_count(), self.ledger.unended().count() as u64);
        for node in self.ledger.unended() {
            let run = self.enforcer.get(&deed::id(node)).unwrap();
            let (usage, committed, held) = (run.snapshot(), forest.committed(node), forest.held(node));
            let figures = [usage.steps, usage.total_tokens, usage.cost_nano_usd].map(u128::from);
            assert_eq!(figures, [STEPS, TOKENS, COST].map(|place| committed[place]), "T1: committed of {node}");
            let open = [usage.outstanding.tokens, usage.outstanding.cost_nano_usd].map(u128::from);
            assert_eq!(open, [TOKENS, COST].map(|place| held[place]), "T1: slices of {node}");
            assert_eq!(usage.status, status(forest.state(node)), "E2, E3: {node}");
            let left = self.ledger.left(node).filter(|_| usage.status == enforce_core::Status::Live);
            assert_left(&run, left);
        }
    }

    fn compare_budgets(&self) {
        let figures = |budgets: Vec<BudgetUsage>| -> Vec<_> {
            budgets.iter().map(|it| (it.committed, it.outstanding, it.debt)).collect()
        };
        let [tenants @ .., process] = self.ledger.figures();
        for (tenant, expected) in TENANTS.into_iter().zip(tenants) {
            match self.enforcer.tenant_usage(tenant) {
                Some(usage) => assert_eq!(figures(usage.budgets), expected, "C1: {tenant}"),
                None => assert!(expected.iter().all(|figures| *figures == (0, 0, 0)), "C1: {tenant} is missing"),
            }
        }
        assert_eq!(figures(self.enforcer.process_usage().budgets), process, "C1");
    }

    /// As many requests as the ledger says come through, and then none.
    fn compare_rates(&mut self, now: u64) {
        for (number, tenant) in TENANTS.into_iter().enumerate() {
            let probe = register(&self.enforcer, &format!("probe_{number}"), tenant);
            let request = || probe.reserve(Demand::none().provider(self.provider)).is_ok();
            let made = std::iter::repeat_with(request).take_while(|made| *made).count();
            let left = if self.ledger.in_debt(number) { 0 } else { self.ledger.requests(number, now) };
            assert_eq!(made as u64, left, "Q1: {tenant}");
        }
    }
}

/// So much may be used of tokens and of nano-dollars, and not one more; nothing may be asked where nothing is left at all.
fn assert_left(run: &Execution, left: Option<[u64; 2]>) {
    let blocked = |demand: Demand| run.check(demand).is_blocked();
    let Some([tokens, cost]) = left else {
        assert!(blocked(Demand::none()), "T1: {}", run.id());
        return;
    };
    assert!(!blocked(Demand::none().tokens(0, tokens).cost(nano(cost))), "T1: {} has less than {left:?}", run.id());
    assert!(blocked(Demand::none().tokens(0, tokens + 1)), "T1: {} has more than {tokens} tokens", run.id());
    assert!(blocked(Demand::none().cost(nano(cost + 1))), "T1: {} has more than {cost} nano-dollars", run.id());
}

#[test]
fn t1_whatever_a_killed_process_saved_last_leaves_what_its_log_says_and_no_more() {
    if is_to_be_killed() {
        return;
    }
    let test = "restore::killed::t1_whatever_a_killed_process_saved_last_leaves_what_its_log_says_and_no_more";
    let (mut states, mut met) = (0, [0; 5]);
    for seed in 1..=KILLED {
        let mut numbers = Numbers::of(seed + 1_000);
        let mut killed = Killed::start(test, seed, None);
        let deeds = killed.kill_behind(260 + numbers.below(200) as usize);
        let mut saved = killed.saved();
        let (aside, last) = (killed.aside(), *saved.last_key_value().unwrap().0);
        // It was killed before the next one was whole, or right before that took its place.
        if let Some(text) = aside.exists().then(|| fs::read(&aside).unwrap()) {
            match read(&aside) {
                Ok(_) => drop(saved.insert(last + process::EVERY, aside)),
                Err(error) => assert!(error.is_eof(), "{error}: {}", String::from_utf8_lossy(&text)),
            }
        }
        let mut ledger = Ledger::new();
        for (done, deed) in deeds.iter().enumerate() {
            ledger.write(deed);
            let Some(path) = saved.remove(&(done + 1)) else { continue };
            let state = read(&path).unwrap();
            let executions = &state.executions;
            let has = [
                executions.iter().any(|it| it.outstanding.tokens > 0),
                executions.iter().any(|it| it.slice.is_some()),
                executions.iter().any(|it| it.pause.is_some()),
                executions.iter().any(|it| it.halted.is_some()),
                !state.rates.is_empty(),
            ];
            met.iter_mut().zip(has).for_each(|(met, has)| *met += u64::from(has));
            let downtime = [0, numbers.below(3 * SECOND), numbers.below(2 * DAY)][states % 3];
            compare(&state, ledger.clone(), downtime);
            states += 1;
        }
        assert!(saved.is_empty(), "what was saved had been told before: {saved:?}");
    }
    assert!(states > 2_500, "{states} states are few");
    assert!(met.iter().all(|met| *met > 100), "holds, slices, pauses, halts, rates: {met:?}");
}

#[test]
fn n1_a_file_that_a_process_was_killed_in_is_refused_and_the_one_before_it_serves() {
    if is_to_be_killed() {
        return;
    }
    let test = "restore::killed::n1_a_file_that_a_process_was_killed_in_is_refused_and_the_one_before_it_serves";
    for seed in 1..=KILLED_WRITING {
        let mut numbers = Numbers::of(seed);
        let torn = (2 + numbers.below(40) as usize, numbers.below(1_000) as usize);
        let mut killed = Killed::start(test, seed, Some(torn));
        let deeds = killed.kill_behind(usize::MAX);
        let error = read(&killed.aside()).unwrap_err();
        assert!(error.is_eof(), "{error}");
        let saved = killed.saved();
        let (done, path) = saved.last_key_value().unwrap();
        assert_eq!((*done, deeds.len()), ((torn.0 - 1) * process::EVERY, torn.0 * process::EVERY));
        let mut ledger = Ledger::new();
        deeds[..*done].iter().for_each(|deed| ledger.write(deed));
        compare(&read(path).unwrap(), ledger, 0);
    }
}
