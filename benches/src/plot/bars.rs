//! Ratios as bars from one: to the left we are faster, to the right the other is.

use std::fmt;

use super::svg::{Anchor, Svg};

const FASTER: &str = "#0072b2";
const SLOWER: &str = "#d55e00";
const TEXT: &str = "#333333";
const GRID: &str = "#dddddd";

const WIDTH: f64 = 980.0;
const LEFT: f64 = 520.0;
const RIGHT: f64 = 940.0;
const TOP: f64 = 56.0;
const BAR: f64 = 18.0;

/// Powers of ten to the left and to the right of one.
const DECADES: (f64, f64) = (-2.0, 2.0);

/// A picture of bars.
#[derive(Debug)]
pub struct Bars {
    /// What stands above it.
    pub title: String,
    /// What is compared, and the ratio.
    pub bars: Vec<(String, f64)>,
}

fn x(ratio: f64) -> f64 {
    let (low, high) = DECADES;
    LEFT + (RIGHT - LEFT) * (ratio.max(1e-9).log10().clamp(low, high) - low) / (high - low)
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bars: Vec<&(String, f64)> = self.bars.iter().collect();
        bars.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let bottom = TOP + BAR * bars.len() as f64;
        let mut svg = Svg::new(WIDTH, bottom + 20.0);
        svg.text(
            (12.0, 24.0),
            Anchor::Start,
            TEXT,
            &format!("{}: left of 1 enforce is faster, right of it slower", self.title),
        );
        for (ratio, mark) in [(0.01, "0.01"), (0.1, "0.1"), (1.0, "1"), (10.0, "10"), (100.0, "100")] {
            svg.rule((x(ratio), TOP - 6.0), (x(ratio), bottom), if ratio == 1.0 { TEXT } else { GRID });
            svg.text((x(ratio), TOP - 12.0), Anchor::Middle, TEXT, mark);
        }
        for (number, (name, ratio)) in bars.into_iter().enumerate() {
            let top = TOP + BAR * number as f64;
            let (from, to) = (x(1.0).min(x(*ratio)), x(1.0).max(x(*ratio)));
            svg.bar((from, top + 3.0), (to - from, BAR - 6.0), if *ratio > 1.0 { SLOWER } else { FASTER });
            svg.text((LEFT - 8.0, top + 13.0), Anchor::End, TEXT, name);
            let (place, anchor) = if *ratio > 1.0 { (to + 4.0, Anchor::Start) } else { (x(1.0) + 4.0, Anchor::Start) };
            svg.text((place, top + 13.0), anchor, TEXT, &format!("{ratio:.2}"));
        }
        write!(f, "{svg}")
    }
}
