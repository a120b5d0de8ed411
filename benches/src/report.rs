//! The table: what was measured against what, and whether the target is met.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Figures;
use crate::rounds::Spread;

/// What a ratio should be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most so much of the rival's time.
    AtMost(f64),
    /// The rival takes at least so many times as long.
    AtLeast(f64),
    /// At most so many times the floor on top.
    AtMostMore(f64),
    /// At most so many bytes.
    AtMostBytes(f64),
    /// None; told for what it says.
    None,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    ours_ns: Option<f64>,
    rival: Option<String>,
    rival_ns: Option<f64>,
    ratio: f64,
    /// The middle half of the ratios, round by round.
    spread: Option<[f64; 2]>,
    target: Target,
    met: Option<bool>,
}

impl Target {
    fn met(self, ratio: f64) -> Option<bool> {
        match self {
            Self::AtMost(bound) | Self::AtMostMore(bound) | Self::AtMostBytes(bound) => Some(ratio <= bound),
            Self::AtLeast(bound) => Some(ratio >= bound),
            Self::None => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {bound}×"),
            Self::AtLeast(bound) => write!(f, "≥ {bound}×"),
            Self::AtMostMore(bound) => write!(f, "≤ +{bound}×"),
            Self::AtMostBytes(bound) => write!(f, "≤ {bound} B"),
            Self::None => f.write_str("-"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            target => serializer.collect_str(target),
        }
    }
}

fn round(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

impl Row {
    fn new(
        name: impl Into<String>,
        (ours, rival): (&str, &str),
        figures: &Figures,
        ratio: Spread,
        target: Target,
    ) -> Self {
        Self {
            name: name.into(),
            ours_ns: Some(round(figures.ns(ours).median)),
            rival: Some(rival.to_owned()),
            rival_ns: Some(round(figures.ns(rival).median)),
            ratio: round(ratio.median),
            spread: Some([round(ratio.low), round(ratio.high)]),
            target,
            met: target.met(ratio.median),
        }
    }

    /// Ours over the rival's: the smaller, the better.
    pub fn over(name: impl Into<String>, figures: &Figures, ours: &str, rival: &str, target: Target) -> Self {
        Self::new(name, (ours, rival), figures, figures.ratio(ours, rival), target)
    }

    /// The rival's over ours: the larger, the better.
    pub fn under(name: impl Into<String>, figures: &Figures, ours: &str, rival: &str, target: Target) -> Self {
        Self::new(name, (ours, rival), figures, figures.ratio(rival, ours), target)
    }

    /// What ours takes more than `base`, in units of the floor.
    pub fn more(name: impl Into<String>, figures: &Figures, ours: &str, base: &str, bound: f64) -> Self {
        let excess = figures.excess(ours, base, "CAS");
        Self::new(name, (ours, base), figures, excess, Target::AtMostMore(bound))
    }

    /// A size.
    pub fn bytes(name: impl Into<String>, bytes: f64, target: Target) -> Self {
        let ratio = bytes.round();
        let met = target.met(bytes);
        Self { name: name.into(), ours_ns: None, rival: None, rival_ns: None, ratio, spread: None, target, met }
    }

    /// Whether it has a target and misses it.
    pub fn is_missed(&self) -> bool {
        self.met == Some(false)
    }
}

/// A figure with as many digits as it deserves.
fn short(figure: f64) -> String {
    let digits = if figure.abs() < 10.0 { 2 } else { usize::from(figure.abs() < 100.0) };
    format!("{figure:.digits$}")
}

fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// The rows as a table, aligned to be read as it is and in Markdown's form to be put into a page.
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "ours, ns", "beside", "its, ns", "ratio", "middle half", "target", "met"];
        let line = |row: &Row| {
            [
                row.name.clone(),
                or_dash(row.ours_ns, short),
                or_dash(row.rival.clone(), |rival| rival),
                or_dash(row.rival_ns, short),
                short(row.ratio),
                or_dash(row.spread, |[low, high]| format!("{}–{}", short(low), short(high))),
                row.target.to_string(),
                or_dash(row.met, |met| if met { "yes" } else { "**no**" }.to_owned()),
            ]
        };
        write_table(f, head, self.0.iter().map(line))
    }
}

/// Writes `lines` under `head`, every column as wide as its widest cell.
///
/// # Errors
/// What `f` says.
pub fn write_table<const N: usize>(
    f: &mut impl fmt::Write,
    head: [&str; N],
    lines: impl IntoIterator<Item = [String; N]>,
) -> fmt::Result {
    let mut table = vec![head.map(str::to_owned), head.map(|_| "---".to_owned())];
    table.extend(lines);
    let width = |column: usize| table.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for line in &table {
        for (cell, width) in line.iter().zip(&widths) {
            write!(f, "| {cell:<width$} ")?;
        }
        f.write_str("|\n")?;
    }
    Ok(())
}
