//! Lines over a few marks, nanoseconds upwards by powers of ten.

use std::fmt;

use super::svg::{Anchor, Svg};

/// Told apart by those who see colours differently, too.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3a9bd9", "#444444"];
const TEXT: &str = "#333333";
const GRID: &str = "#dddddd";

const SIZE: (f64, f64) = (760.0, 440.0);
const LEFT: f64 = 60.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 390.0;
/// Between two labels, one above the other.
const LABEL: f64 = 15.0;

/// One line: a point a mark, none where nothing was measured.
#[derive(Debug)]
pub struct Line {
    /// What it shows. Ours begin with `enforce` and are drawn through, others are dashed.
    pub label: String,
    /// Nanoseconds.
    pub points: Vec<Option<f64>>,
}

/// A picture of lines.
#[derive(Debug)]
pub struct Lines {
    /// What stands above it.
    pub title: String,
    /// What the marks are.
    pub across: String,
    /// What stands under each mark.
    pub marks: Vec<String>,
    /// The lines, which have as many points as there are marks.
    pub lines: Vec<Line>,
}

impl Lines {
    /// The powers of ten between which everything lies.
    fn decades(&self) -> (i32, i32) {
        let all = || self.lines.iter().flat_map(|line| line.points.iter().flatten().copied());
        let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(1.0, f64::max));
        let low = if least.is_finite() { least.max(0.1).log10().floor() as i32 } else { 0 };
        (low, (most.log10().ceil() as i32).max(low + 1))
    }

    fn x(&self, mark: usize) -> f64 {
        let steps = self.marks.len().saturating_sub(1).max(1);
        LEFT + 30.0 + (RIGHT - LEFT - 60.0) * mark as f64 / steps as f64
    }
}

/// Places for labels that would like to stand at `wanted`, none closer than [`LABEL`] to another.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut places = wanted.to_vec();
    let mut above = f64::NEG_INFINITY;
    for label in order {
        places[label] = places[label].max(above + LABEL);
        above = places[label];
    }
    places
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut svg = Svg::new(SIZE.0, SIZE.1);
        let (low, high) = self.decades();
        let y = |ns: f64| BOTTOM - (BOTTOM - TOP) * (ns.max(1e-3).log10() - f64::from(low)) / f64::from(high - low);
        svg.text((LEFT, 24.0), Anchor::Start, TEXT, &format!("{} (ns of one operation)", self.title));
        for decade in low..=high {
            let ns = 10_f64.powi(decade);
            svg.rule((LEFT, y(ns)), (RIGHT, y(ns)), GRID);
            svg.text((LEFT - 6.0, y(ns) + 4.0), Anchor::End, TEXT, &format!("{ns}"));
        }
        for (number, mark) in self.marks.iter().enumerate() {
            svg.text((self.x(number), BOTTOM + 18.0), Anchor::Middle, TEXT, mark);
        }
        svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 38.0), Anchor::Middle, TEXT, &self.across);
        let mut ends = Vec::new();
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<(f64, f64)> =
                line.points.iter().enumerate().filter_map(|(mark, ns)| Some((self.x(mark), y((*ns)?)))).collect();
            svg.path(&points, colour, !line.label.starts_with("enforce"));
            ends.extend(points.last().map(|(x, y)| (*x, *y, &line.label, colour)));
        }
        let places = apart(&ends.iter().map(|(_, y, _, _)| *y).collect::<Vec<_>>());
        for ((x, y, label, colour), place) in ends.into_iter().zip(places) {
            svg.rule((x + 4.0, y), (RIGHT + 6.0, place), colour);
            svg.text((RIGHT + 10.0, place + 4.0), Anchor::Start, colour, label);
        }
        write!(f, "{svg}")
    }
}
