//! An answer's data for a person at a terminal: single values line by line, lists of objects as
//! tables.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Data as text.
pub fn render(data: &Value) -> String {
    let Value::Object(fields) = data else { return format!("{}\n", cell(data)) };
    let (lists, single): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(_, value)| objects(value).is_some());
    let mut text = String::new();
    let widest = single.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in single {
        let _ = writeln!(text, "{name:widest$}  {}", cell(value));
    }
    for (name, value) in lists {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{name}:");
        text.push_str(&table(&objects(value).unwrap_or_default()));
    }
    text
}

/// A list of objects; an empty list counts as one.
fn objects(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    value.as_array()?.iter().map(Value::as_object).collect()
}

fn table(rows: &[&Map<String, Value>]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let heads = columns.iter().map(|name| (*name).clone()).collect();
    let line = |row: &&Map<String, Value>| -> Vec<String> {
        columns.iter().map(|name| row.get(*name).map(cell).unwrap_or_default()).collect()
    };
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().map(line)).collect();
    let width = |column: usize| lines.iter().map(|line| wide(&line[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded = cells
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(wide(cell)))));
        let padded: Vec<String> = padded.collect();
        let _ = writeln!(text, "  {}", padded.join("  ").trim_end());
    }
    text
}

/// A value in one cell. What could move a terminal's cursor is left out.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// Columns of a terminal that a text takes: Chinese letters take two.
fn wide(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{1100}' { 2 } else { 1 }).sum()
}
