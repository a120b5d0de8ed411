//! The order of traces whose rows stand in any order: by (time, tenant, execution, step).
//!
//! Every row is kept in a compact index; names are kept once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{Mismatch, Place, TraceError, excerpt, file_name};
use super::item::{Amounts, Item, ONE_PROVIDER, Run, Step};

/// One row as its format's reader hands it over.
#[derive(Debug, Default)]
pub(crate) struct Record<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) execution: &'a str,
    pub(crate) step: u64,
    pub(crate) time_ns: Option<u64>,
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    /// `None` where it is what was used.
    pub(crate) asked: Option<Amounts>,
    pub(crate) used: Amounts,
    pub(crate) action: Option<u64>,
}

/// A row of the index.
#[derive(Debug)]
struct Entry {
    time_ns: u64,
    run: usize,
    step: u64,
    used: Amounts,
    asked: Option<Box<Amounts>>,
    action: Option<u64>,
    provider: u32,
    model: u32,
    file: u32,
    row: u32,
    line: u32,
}

/// Each name once.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Rc<str>, u32>,
    names: Vec<Rc<str>>,
}

impl Names {
    /// The number of a name. More than 2³² names do not fit in memory.
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let (name, number) = (Rc::<str>::from(name), small(self.names.len() as u64));
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }

    fn name(&self, number: u32) -> Option<&Rc<str>> {
        self.names.get(number as usize)
    }
}

/// The number of an absent name.
const NO_NAME: u32 = u32::MAX;

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Takes all rows of all files.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: Vec<PathBuf>,
    names: Names,
    /// Runs by their tenant's and their own name's number.
    run_numbers: HashMap<(u32, u32), usize>,
    runs: Vec<Run>,
    entries: Vec<Entry>,
    /// Whether the first row has a time, and all others with it.
    timed: Option<bool>,
}

impl Index {
    /// The rows that follow are this file's.
    pub(crate) fn begin_file(&mut self, path: &Path) {
        self.files.push(path.to_path_buf());
    }

    /// Takes a row that stands at `row` and `line` of the file. Rows have times all of them or none of them: 0 beside
    /// the times of a clock would be half a century before them.
    pub(crate) fn push(&mut self, row: u64, line: u64, record: &Record<'_>) -> Result<(), TraceError> {
        let is_timed = record.time_ns.is_some();
        if *self.timed.get_or_insert(is_timed) != is_timed {
            return Err(self.mixed(row, line, is_timed));
        }
        let key = (self.names.number(record.tenant), self.names.number(record.execution));
        let run = *self.run_numbers.entry(key).or_insert_with(|| {
            self.runs.push(Run { tenant: record.tenant.into(), execution: record.execution.into() });
            self.runs.len() - 1
        });
        self.entries.push(Entry {
            time_ns: record.time_ns.unwrap_or_default(),
            run,
            step: record.step,
            used: record.used,
            asked: record.asked.filter(|asked| *asked != record.used).map(Box::new),
            action: record.action,
            provider: self.names.number(record.provider.unwrap_or(ONE_PROVIDER)),
            model: record.model.map_or(NO_NAME, |model| self.names.number(model)),
            file: small(self.files.len().saturating_sub(1) as u64),
            row: small(row),
            line: small(line),
        });
        Ok(())
    }

    /// Puts the rows in order, or says which of them have none.
    pub(crate) fn sort(mut self) -> Result<Sorted, TraceError> {
        self.number_runs_by_name();
        self.entries.sort_unstable_by_key(|entry| (entry.run, entry.step, entry.time_ns, entry.file, entry.row));
        for (before, entry) in self.entries.iter().zip(self.entries.iter().skip(1)) {
            if before.run == entry.run {
                self.check_neighbours(before, entry)?;
            }
        }
        self.entries.sort_unstable_by_key(|entry| (entry.time_ns, entry.run, entry.step));
        let mut left = vec![0_u64; self.runs.len()];
        for entry in &self.entries {
            left[entry.run] += 1;
        }
        Ok(Sorted { row: 0, entries: self.entries.into_iter(), names: self.names, runs: self.runs, left })
    }

    /// Gives runs numbers in the order of (tenant, execution) as bytes.
    fn number_runs_by_name(&mut self) {
        let mut order: Vec<usize> = (0..self.runs.len()).collect();
        order.sort_unstable_by_key(|number| &self.runs[*number]);
        let mut rank = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            rank[*old] = new;
        }
        for entry in &mut self.entries {
            entry.run = rank[entry.run];
        }
        self.runs.sort_unstable();
    }

    /// Two steps of one run that follow each other by number.
    fn check_neighbours(&self, before: &Entry, entry: &Entry) -> Result<(), TraceError> {
        let run = &self.runs[entry.run];
        let [tenant, execution] = [excerpt(&run.tenant), excerpt(&run.execution)];
        let name = format!("step {} of execution `{execution}` of tenant `{tenant}`", entry.step);
        if before.step == entry.step {
            let first = self.place(before);
            let file = file_name(first.file);
            let also = format!("{name} again (already in {file} at row {})", first.row);
            return Err(self.place(entry).wrong("step", Mismatch::said(also, "each step of an execution once")));
        }
        if entry.time_ns < before.time_ns {
            let earlier =
                format!("{name} at {} ns, before step {} at {} ns", entry.time_ns, before.step, before.time_ns);
            let rule = "times that do not fall within an execution";
            return Err(self.place(entry).wrong("time", Mismatch::said(earlier, rule)));
        }
        Ok(())
    }

    /// The error that a row has a time unlike the first one, or has none unlike it.
    fn mixed(&self, row: u64, line: u64, is_timed: bool) -> TraceError {
        let first = self.entries.first().map(|first| self.place(first));
        let first = first.map(|first| format!("row {} of {}", first.row, file_name(first.file))).unwrap_or_default();
        let here = Place { file: self.files.last().map_or(Path::new(""), PathBuf::as_path), row, line };
        let mismatch = match is_timed {
            true => Mismatch::said("a time", format!("none, as in {first}")),
            false => Mismatch::said("no time", format!("one, as in {first}")),
        };
        here.wrong("time", mismatch)
    }

    fn place(&self, entry: &Entry) -> Place<'_> {
        let file = self.files.get(entry.file as usize).map_or(Path::new(""), PathBuf::as_path);
        Place { file, row: entry.row.into(), line: entry.line.into() }
    }
}

/// The steps in order.
#[derive(Debug)]
pub(crate) struct Sorted {
    row: u64,
    entries: std::vec::IntoIter<Entry>,
    names: Names,
    runs: Vec<Run>,
    /// How many steps of each run are still to come.
    left: Vec<u64>,
}

impl Iterator for Sorted {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let entry = self.entries.next()?;
        self.row += 1;
        self.left[entry.run] -= 1;
        Some(Item::Step(Step {
            row: self.row,
            run: self.runs[entry.run].clone(),
            step: entry.step,
            time_ns: entry.time_ns,
            provider: self.names.name(entry.provider).map_or_else(|| ONE_PROVIDER.into(), Rc::clone),
            model: self.names.name(entry.model).cloned(),
            asked: entry.asked.map_or(entry.used, |asked| *asked),
            used: entry.used,
            action: entry.action,
            last: self.left[entry.run] == 0,
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(rows: &[(u64, &str, &str, u64)]) -> Index {
        let mut index = Index::default();
        index.begin_file(Path::new("t"));
        for (number, (time_ns, tenant, execution, step)) in (1..).zip(rows) {
            let record = Record { tenant, execution, step: *step, time_ns: Some(*time_ns), ..Record::default() };
            index.push(number, number, &record).unwrap();
        }
        index
    }

    #[test]
    fn rows_come_by_time_tenant_execution_and_step() {
        let rows = [
            (5, "b", "x", 1),
            (5, "a", "x", 10),
            (5, "a", "x", 9),
            (5, "a", "B", 1),
            (4, "z", "z", 7),
            (6, "a", "x", 11),
        ];
        let order: Vec<String> = index(&rows)
            .sort()
            .unwrap()
            .map(|item| match item {
                Item::Step(step) => {
                    format!(
                        "{}:{}{}{}{}",
                        step.row,
                        step.run.tenant,
                        step.run.execution,
                        step.step,
                        u8::from(step.last)
                    )
                }
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(order, ["1:zz71", "2:aB11", "3:ax90", "4:ax100", "5:bx11", "6:ax111"]);
    }

    #[test]
    fn a_step_twice_is_an_error_wherever_it_stands() {
        let error = index(&[(5, "a", "x", 1), (6, "a", "x", 2), (9, "a", "x", 1)]).sort().unwrap_err().to_string();
        assert_eq!(
            error,
            "t: row 3 (line 3), column step, found step 1 of execution `x` of tenant `a` again (already in t at row 1), \
             expected each step of an execution once"
        );
    }

    #[test]
    fn rows_have_times_all_of_them_or_none_of_them() {
        let record = |step, time_ns| Record { tenant: "a", execution: "x", step, time_ns, ..Record::default() };
        // Nothing in common with a time that is recorded as 0.
        let mut timed = index(&[(0, "a", "x", 1), (5, "a", "x", 2)]);
        timed.begin_file(Path::new("u"));
        let error = timed.push(1, 2, &record(3, None)).unwrap_err().to_string();
        assert_eq!(error, "u: row 1 (line 2), column time, found no time, expected one, as in row 1 of t");
        let mut untimed = Index::default();
        untimed.begin_file(Path::new("t"));
        untimed.push(1, 0, &record(1, None)).unwrap();
        untimed.push(2, 0, &record(2, None)).unwrap();
        let error = untimed.push(3, 0, &record(3, Some(0))).unwrap_err().to_string();
        assert_eq!(error, "t: row 3, column time, found a time, expected none, as in row 1 of t");
    }

    #[test]
    fn time_may_not_fall_within_an_execution() {
        let error = index(&[(5, "a", "x", 1), (4, "a", "x", 2)]).sort().unwrap_err().to_string();
        assert!(
            error.contains("found step 2 of execution `x` of tenant `a` at 4 ns, before step 1 at 5 ns"),
            "{error}"
        );
        assert!(index(&[(5, "a", "x", 1), (4, "b", "x", 2)]).sort().is_ok());
    }
}
