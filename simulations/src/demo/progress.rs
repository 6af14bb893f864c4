//! Shows how far a run has come: a bar with its stage in a terminal, one plain line a stage
//! elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a run.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    began: Instant,
}

/// One stage of a run; ends when it is dropped.
pub struct Stage<'p> {
    progress: &'p Progress,
    name: &'static str,
    began: Instant,
    items: u64,
}

impl Progress {
    /// A bar in a terminal, lines elsewhere, nothing where `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let template = "{elapsed_precise} {msg:<32} [{bar:40}] {pos}/{len}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, quiet, began: Instant::now() }
    }

    /// Begins a stage of so many items.
    pub fn stage(&self, name: &'static str, items: usize) -> Stage<'_> {
        let items = items as u64;
        if let Some(bar) = &self.bar {
            bar.set_message(name);
            bar.set_length(items);
            bar.set_position(0);
        }
        Stage { progress: self, name, began: Instant::now(), items }
    }

    /// Takes the bar away, so that a table can be printed.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Stage<'_> {
    /// One item is done.
    pub fn step(&self) {
        if let Some(bar) = &self.progress.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let (took, since) = (self.began.elapsed(), self.progress.began.elapsed());
        let line = format!(
            "{:>4}.{} s  {:<32} {:>7} in {} ms",
            since.as_secs(),
            since.subsec_millis() / 100,
            self.name,
            self.items,
            took.as_millis()
        );
        match &self.progress.bar {
            Some(bar) => bar.println(line),
            None if !self.progress.quiet => eprintln!("{line}"),
            None => {}
        }
    }
}
