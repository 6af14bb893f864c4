//! A plot over time as inline SVG. Horizontal places are per cent and the curves stretch, so that
//! a plot fills any width while its letters keep their size.

use std::fmt::Write as _;

use askama::Template;

use super::scale::{Scale, Unit, time_step};
use super::thin::kept;
use super::units::clock;
use crate::load::outcome::{FaultLine, Outcome, StageLine};

/// Points of a curve at most.
const POINTS: usize = 300;
/// Columns with a tooltip at most.
const COLUMNS: usize = 100;
/// The whole width, in the curves' own measure: hundredths of a per cent.
const WIDE: u64 = 10_000;
/// Faults that are closer than this share one mark.
const MARK: u64 = 250;

/// The time axis that all plots of a page share.
pub struct Span {
    end_ms: u64,
    at: Vec<u64>,
    bands: Vec<Band>,
    marks: Vec<Mark>,
    labels: Vec<Label>,
}

/// A stage as a band behind the curves.
struct Band {
    x: Percent,
    width: Percent,
    name: String,
    when: String,
}

/// One fault, or several that are close to each other.
struct Mark {
    x: Percent,
    numbers: String,
    what: String,
}

/// A label of the time axis.
struct Label {
    x: Percent,
    text: String,
}

/// A horizontal place or width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Percent(u64);

/// What is drawn.
pub struct Plot<'a> {
    /// What it shows, for those who do not see it.
    pub label: String,
    /// Its time axis.
    pub span: &'a Span,
    /// Its height in pixels.
    pub height: u64,
    /// The axis of values.
    pub scale: Scale,
    /// What the values are.
    pub unit: Unit,
    /// Its curves, the hindmost first.
    pub series: Vec<Series>,
    /// Each area stands on the one before it.
    pub stacked: bool,
    /// Where it stands.
    pub stands: Stands,
}

/// Where a plot stands: each says only what its neighbour does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// By itself: it names stages and faults, and has a time axis.
    Alone,
    /// A strip above another plot: it names the faults, and has one label.
    Above,
    /// Below a strip: it has the time axis.
    Below,
}

/// A curve, with a value for each tick.
pub struct Series {
    /// Its name.
    pub name: String,
    /// How it is drawn: a class of the style sheet.
    pub class: &'static str,
    /// Filled down to the axis (or to the area below).
    pub area: bool,
    /// Its values; a line breaks where there is none.
    pub values: Vec<Option<u64>>,
}

/// The plot's parts, placed.
#[derive(Template)]
#[template(path = "plot.svg", config = ".askama.toml")]
struct Drawing<'a> {
    plot: &'a Plot<'a>,
    lines: Vec<Line>,
    shapes: Vec<Shape>,
    columns: Vec<Column>,
}

/// A horizontal line of the grid, in pixels from the top.
struct Line {
    y: u64,
    text: String,
}

/// A curve as a path.
struct Shape {
    class: &'static str,
    area: bool,
    path: String,
}

/// A stretch of time whose values are told where the pointer rests.
struct Column {
    x: Percent,
    width: Percent,
    text: String,
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}%", self.0 / 100, self.0 % 100)
    }
}

impl Span {
    /// The axis of a run.
    pub fn new(outcome: &Outcome) -> Self {
        let last = outcome.timeline.last().map_or(0, |tick| tick.at_ms);
        let end_ms = last.max(outcome.stages.last().map_or(0, |stage| stage.to_ms)).max(1_000);
        let step = time_step(end_ms / 1_000);
        let labels = (0..=end_ms / 1_000 / step)
            .map(|place| Label {
                x: place_of(place * step * 1_000, end_ms),
                text: clock(place * step),
            })
            .collect();
        Self {
            end_ms,
            at: outcome.timeline.iter().map(|tick| tick.at_ms).collect(),
            bands: outcome.stages.iter().map(|stage| band(stage, end_ms)).collect(),
            marks: marks(&outcome.faults, end_ms),
            labels,
        }
    }

    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    fn x(&self, place: usize) -> u64 {
        self.at.get(place).map_or(WIDE, |at_ms| place_of(*at_ms, self.end_ms).0)
    }
}

impl Plot<'_> {
    /// The plot as an `svg` element.
    pub fn draw(&self) -> String {
        let drawing = Drawing {
            plot: self,
            lines: self.lines(),
            shapes: self.shapes(),
            columns: self.columns(),
        };
        // Its fields are strings and integers: only the allocator could fail.
        drawing.render().unwrap_or_default()
    }

    /// Whether it names the stages.
    fn names_stages(&self) -> bool {
        self.stands == Stands::Alone
    }

    /// Whether it names the faults.
    fn names_faults(&self) -> bool {
        self.stands != Stands::Below
    }

    /// Whether it has a time axis.
    fn names_times(&self) -> bool {
        self.stands != Stands::Above
    }

    /// From the top, in tenths of a pixel.
    fn y(&self, value: u64) -> u64 {
        let full = self.height * 10;
        full - self.scale.above(value, full)
    }

    fn lines(&self) -> Vec<Line> {
        let labels = self.scale.labels();
        let last = labels.len().saturating_sub(1);
        labels
            .into_iter()
            .enumerate()
            .filter(|(place, _)| self.stands != Stands::Above || *place == last)
            .map(|(_, value)| Line { y: self.y(value) / 10, text: self.unit.label(value) })
            .collect()
    }

    fn shapes(&self) -> Vec<Shape> {
        if !self.stacked {
            return self.series.iter().map(|series| self.shape(series)).collect();
        }
        let mut base = vec![0; self.span.at.len()];
        let total: Vec<Option<u64>> = (0..base.len())
            .map(|place| Some(self.series.iter().map(|series| series.at(place)).sum()))
            .collect();
        let places = kept(&total, POINTS, true);
        let mut shapes = Vec::new();
        for series in &self.series {
            let top: Vec<u64> =
                base.iter().enumerate().map(|(place, base)| base + series.at(place)).collect();
            let there = places.iter().map(|place| (*place, top[*place]));
            let back = places.iter().rev().map(|place| (*place, base[*place]));
            let path = self.path(there.chain(back).map(|(place, value)| (place, Some(value))));
            shapes.push(Shape { class: series.class, area: true, path: format!("{path}Z") });
            base = top;
        }
        shapes
    }

    fn shape(&self, series: &Series) -> Shape {
        let places = kept(&series.values, POINTS, self.unit != Unit::Micros);
        let points = || places.iter().map(|place| (*place, series.values[*place]));
        let path = match (series.area, places.first(), places.last()) {
            (true, Some(first), Some(last)) => {
                let filled = points().map(|(place, value)| (place, Some(value.unwrap_or(0))));
                let edge = |place: &usize| std::iter::once((*place, Some(0)));
                let path = self.path(edge(first).chain(filled).chain(edge(last)));
                format!("{path}Z")
            }
            _ => self.path(points()),
        };
        Shape { class: series.class, area: series.area, path }
    }

    /// A path through points; it begins anew behind each silence, and a lone point is a dot.
    fn path(&self, points: impl Iterator<Item = (usize, Option<u64>)>) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for (place, value) in points {
            if let Some(value) = value {
                let (command, dot) = if drawing { ("L", "") } else { ("M", "h0") };
                let _ = write!(path, "{command}{} {}{dot}", self.span.x(place), self.y(value));
            }
            drawing = value.is_some();
        }
        path
    }

    fn columns(&self) -> Vec<Column> {
        let ticks = self.span.at.len();
        let stretch = ticks.div_ceil(COLUMNS).max(1);
        (0..ticks)
            .step_by(stretch)
            .map(|begin| {
                let end = (begin + stretch).min(ticks);
                let from = if begin == 0 { 0 } else { self.span.x(begin - 1) };
                let width = self.span.x(end - 1).saturating_sub(from);
                let text = self.told(begin, end);
                Column { x: Percent(from), width: Percent(width), text }
            })
            .collect()
    }

    /// What happened from one tick to another: the highest of each curve.
    fn told(&self, begin: usize, end: usize) -> String {
        let second = |place: usize| clock(self.span.at[place] / 1_000);
        let mut text = second(begin);
        if end > begin + 1 {
            let _ = write!(text, "–{}", second(end - 1));
        }
        for series in self.series.iter().rev() {
            if let Some(highest) = series.values[begin..end].iter().flatten().max() {
                let bound = if end > begin + 1 { "≤ " } else { "" };
                let _ = write!(text, "\n{}: {bound}{}", series.name, self.unit.show(*highest));
            }
        }
        text
    }
}

impl Series {
    fn at(&self, place: usize) -> u64 {
        self.values.get(place).copied().flatten().unwrap_or(0)
    }

    /// Whether it has any value at all.
    pub fn is_known(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }

    /// Its highest value.
    pub fn highest(&self) -> u64 {
        self.values.iter().flatten().copied().max().unwrap_or(0)
    }
}

fn place_of(at_ms: u64, end_ms: u64) -> Percent {
    let place = u128::from(at_ms.min(end_ms)) * u128::from(WIDE) / u128::from(end_ms);
    Percent(u64::try_from(place).unwrap_or(WIDE))
}

fn band(stage: &StageLine, end_ms: u64) -> Band {
    let (from, to) = (place_of(stage.from_ms, end_ms), place_of(stage.to_ms, end_ms));
    Band {
        x: from,
        width: Percent(to.0.saturating_sub(from.0)),
        name: stage.name.clone(),
        when: format!("{}–{}", clock(stage.from_ms / 1_000), clock(stage.to_ms / 1_000)),
    }
}

/// Faults with their numbers, which the page's list repeats.
fn marks(faults: &[FaultLine], end_ms: u64) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (number, fault) in (1..).zip(faults) {
        let x = place_of(fault.at_ms, end_ms);
        let what = format!("{number}. {} {}", clock(fault.at_ms / 1_000), fault.what);
        match marks.last_mut() {
            Some(last) if x.0.saturating_sub(last.x.0) < MARK => {
                let _ = write!(last.numbers, ",{number}");
                let _ = write!(last.what, "\n{what}");
            }
            _ => marks.push(Mark { x, numbers: number.to_string(), what }),
        }
    }
    marks
}
