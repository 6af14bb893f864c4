//! The house's manners: reads the source as text and says who broke a rule and how to mend it.
//! Import rules, size, first lines, forbidden words, and what may lie at the top level.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Longest line, in characters.
const MAX_COLUMNS: usize = 100;
/// Longest file, in lines.
const MAX_LINES: usize = 500;
/// Folders of `src` that must not know each other: only the wiring knows all.
const NEIGHBOURS: [&str; 9] =
    ["http", "docs", "pages", "journal", "store", "nats", "identity", "partners", "vault"];
/// Machines that must not know each other.
const MACHINES: [&str; 8] =
    ["account", "intake", "claims", "courier", "registry", "issuance", "operators", "quality"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"];
/// Files of the virtual world that judge, with code of their own.
const OWN_CODE: [&str; 2] = ["books.rs", "receipts.rs"];
/// What may lie at the top level.
const TOP_LEVEL: [&str; 21] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".git",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "actors",
    ".askama.toml",
    "config",
    "deny.toml",
    "docs",
    "protocol",
    "simulations",
    "src",
    "tests",
];
/// What a run leaves behind and `.gitignore` names.
const LEFT_BEHIND: [&str; 4] = ["target", ".cache", ".data", "report"];

/// One source file, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The path's part below a folder, when it is below it.
    fn below(&self, folder: &str) -> Option<&str> {
        self.path.strip_prefix(folder)
    }

    /// Paths that this file imports or names in full, with their line numbers.
    fn paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for (number, line) in self.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default().trim();
            let import = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
                .iter()
                .find_map(|prefix| code.strip_prefix(prefix));
            match (&mut open, import) {
                (Some((_, text)), _) => text.push_str(code),
                (None, Some(rest)) => open = Some((number + 1, rest.into())),
                (None, None) => {
                    found.extend(named_in_full(code).into_iter().map(|path| (number + 1, path)));
                }
            }
            if open.as_ref().is_some_and(|(_, text)| text.contains(';'))
                && let Some((at, text)) = open.take()
            {
                let text = text.split(';').next().unwrap_or_default();
                found.extend(flatten(text).into_iter().map(|path| (at, path)));
            }
        }
        found
    }
}

/// `crate::http::x` written in the middle of code counts as an import, too.
fn named_in_full(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_path(c))
        .filter(|word| word.contains("::"))
        .map(|word| word.trim_matches(':').to_owned())
        .collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn flatten(tree: &str) -> Vec<String> {
    let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim().trim_end_matches("::*");
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let prefix = tree[..open].trim().trim_end_matches("::").to_owned();
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .iter()
        .flat_map(|part| flatten(part.trim()))
        .map(|path| if path == "self" { prefix.clone() } else { format!("{prefix}::{path}") })
        .collect()
}

/// A broken rule: where, what, and how to mend it.
fn fault(file: &Source, line: usize, what: &str, mend: &str) -> String {
    format!("{}:{line}: {what}\n    mend: {mend}", file.path)
}

/// The first segment of a path, or the first two behind `crate`.
fn segment(path: &str, at: usize) -> &str {
    path.split("::").nth(at).unwrap_or_default()
}

/// The first segment behind any of `crate`, `super` and `self`.
fn root_of(path: &str) -> Option<&str> {
    path.split("::").find(|part| !["crate", "super", "self", ""].contains(part))
}

fn imports(file: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, path) in file.paths() {
        let first = segment(&path, 0);
        let second = segment(&path, 1);
        if file.below("protocol/src/").is_some() {
            let io = ["tokio", "axum", "reqwest", "sled", "actix", "async_nats", "carbon_actors"];
            if io.contains(&first) || path.starts_with("std::fs") || path.starts_with("std::net") {
                let mend = "the protocol is pure data: do input and output in src";
                faults.push(fault(file, line, &format!("protocol imports {path}"), mend));
            }
        }
        if let Some(rest) = file.below("actors/src/machines/") {
            machine_import(file, rest, line, &path, &mut faults);
        }
        if file.below("actors/src/").is_some() && ["carbon", "axum", "reqwest"].contains(&first) {
            let mend = "actors know ports, never adapters: add a method to a port";
            faults.push(fault(file, line, &format!("actors import {path}"), mend));
        }
        let simulated = file.below("simulations/src/").is_some_and(|rest| match first {
            "carbon" => true,
            // The virtual world runs the real actors; whoever judges them does not.
            "carbon_actors" => {
                let world = rest.strip_prefix("virtual_time/");
                world.is_none_or(|name| OWN_CODE.contains(&name))
            }
            _ => false,
        });
        if simulated {
            let mend = "the auditor and the sandbox use their own code over `carbon_protocol` only";
            faults.push(fault(file, line, &format!("simulations import {path}"), mend));
        }
        if let Some(own) = file.below("src/").and_then(neighbour) {
            let named = if ["crate", "carbon"].contains(&first) { second } else { first };
            if first == "super" || first == "self" {
                continue;
            }
            if NEIGHBOURS.contains(&named) && named != own && ["crate", "carbon"].contains(&first) {
                let mend = "only src/wiring.rs knows all: pass what is needed in from there";
                faults.push(fault(file, line, &format!("src/{own} imports src/{named}"), mend));
            }
        }
    }
    faults
}

/// Which neighbour a path below `src/` belongs to.
fn neighbour(rest: &str) -> Option<&'static str> {
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    NEIGHBOURS.into_iter().find(|neighbour| *neighbour == name)
}

fn machine_import(file: &Source, rest: &str, line: usize, path: &str, faults: &mut Vec<String>) {
    let own = rest.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let first = segment(path, 0);
    let outside = [
        "tokio",
        "axum",
        "actix",
        "futures",
        "sled",
        "reqwest",
        "rand",
        "tracing",
        "dashmap",
        "parking_lot",
        "async_nats",
    ];
    if outside.contains(&first)
        || ["std::time", "std::fs", "std::net"].iter().any(|p| path.starts_with(p))
    {
        let mend = "machines decide, shells do: take the value as an argument instead";
        faults.push(fault(file, line, &format!("a machine imports {path}"), mend));
    }
    if first == "crate" {
        let allowed = ["invariants", "machines"].contains(&segment(path, 1));
        let other = segment(path, 2);
        let foreign = segment(path, 1) == "machines" && MACHINES.contains(&other) && other != own;
        if !allowed || foreign {
            let mend = "machines import carbon_protocol and crate::invariants only";
            faults.push(fault(file, line, &format!("machine {own} imports {path}"), mend));
        }
    }
    let sibling = first == "super"
        && root_of(path).is_some_and(|name| MACHINES.contains(&name) && name != own);
    if sibling {
        let mend = "machines never import each other: the router carries messages between them";
        faults.push(fault(file, line, &format!("machine {own} imports {path}"), mend));
    }
}

fn shape(file: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !file.text.starts_with("//! ") {
        let mend = "open the file with one `//!` line that says what it is for";
        faults.push(fault(file, 1, "the first line is not a `//!` line", mend));
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        let what = format!("{lines} lines, more than {MAX_LINES}");
        faults.push(fault(file, lines, &what, "split the file by what it talks about"));
    }
    for (number, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS {
            let what = format!("{columns} columns, more than {MAX_COLUMNS}");
            faults.push(fault(file, number + 1, &what, "break the line"));
        }
    }
    let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let folder = file.path.rsplit('/').nth(1).unwrap_or_default();
    for name in [stem, folder] {
        if EMPTY_NAMES.contains(&name) {
            let what = format!("a module called `{name}`");
            faults.push(fault(file, 1, &what, "call it by what it does"));
        }
    }
    faults
}

fn words(file: &Source) -> Vec<String> {
    let unsafe_word = concat!("un", "safe");
    let table = [
        (concat!("do_", "send("), "it ignores the mailbox's bound: use try_send and answer 503"),
        (concat!(".not", "ify("), "it ignores the mailbox's bound: use try_send or run_later"),
        (concat!("todo", "!("), "write it, or leave it out and say so"),
        (concat!("unimplemented", "!("), "write it, or leave it out and say so"),
        (concat!("dbg", "!("), "use tracing"),
    ];
    let mut faults = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (word, mend) in table {
            if code.contains(word) {
                faults.push(fault(file, number + 1, &format!("`{word}` is banned"), mend));
            }
        }
        let opens = [
            format!("{unsafe_word} {{"),
            format!("{unsafe_word} fn"),
            format!("{unsafe_word} impl"),
        ];
        if opens.iter().any(|open| code.contains(open.as_str())) {
            let what = format!("`{unsafe_word}` is banned");
            faults.push(fault(file, number + 1, &what, "find the safe way"));
        }
    }
    faults
}

fn top_level<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    names
        .filter(|name| !TOP_LEVEL.contains(name) && !LEFT_BEHIND.contains(name))
        .map(|name| {
            format!("{name}: not an agreed name at the top level\n    mend: find it a home below")
        })
        .collect()
}

fn faults_of(file: &Source) -> Vec<String> {
    [imports(file), shape(file), words(file)].concat()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push(Source { text: std::fs::read_to_string(&path).unwrap(), path: name });
        }
    }
}

#[test]
fn everybody_keeps_the_manners_of_the_house() {
    let mut files = Vec::new();
    for folder in ["protocol", "actors", "src", "simulations", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(
        files.len() > 20,
        "only {} files found: the test looks in the wrong place",
        files.len()
    );
    let faults: Vec<String> = files.iter().flat_map(faults_of).collect();
    let mut report = String::new();
    for fault in &faults {
        let _ = writeln!(report, "{fault}");
    }
    assert!(faults.is_empty(), "{} rules are broken:\n{report}", faults.len());
}

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    let names: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let faults = top_level(names.iter().map(String::as_str));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_bad_file_is_found_whatever_rule_it_breaks() {
    let long = format!("//! Long.\n// {}\n", "x".repeat(120));
    let many = format!("//! Many.\n{}", "\n".repeat(MAX_LINES));
    let banned = concat!("//! Sends.\nfn f() { a.do_", "send(1); }\n");
    let un = concat!("//! Bold.\nfn f() { un", "safe { g() } }\n");
    let planted = [
        ("src/http/a.rs", "//! A.\nuse crate::store::Sled;\n", "imports src/store"),
        ("src/http/a.rs", "//! A.\nuse crate::{\n    pages::{B, C},\n};\n", "imports src/pages"),
        ("src/nats.rs", "//! A.\nfn f() { crate::journal::open() }\n", "imports src/journal"),
        ("actors/src/machines/account/a.rs", "//! A.\nuse tokio::time;\n", "machine imports"),
        ("actors/src/machines/account/a.rs", "//! A.\nuse std::time::Instant;\n", "std::time"),
        ("actors/src/machines/intake.rs", "//! A.\nuse crate::ports::Store;\n", "machine intake"),
        ("actors/src/machines/intake.rs", "//! A.\nuse super::account::A;\n", "machine intake"),
        ("actors/src/machines/courier.rs", "//! A.\nuse crate::machines::{claims};\n", "courier"),
        ("actors/src/rooms.rs", "//! A.\nuse axum::Router;\n", "actors import"),
        ("simulations/src/a.rs", "//! A.\nuse carbon_actors::x;\n", "simulations import"),
        ("simulations/src/virtual_time/books.rs", "//! A.\nuse carbon_actors::x;\n", "import"),
        ("simulations/src/virtual_time/a.rs", "//! A.\nuse carbon::x;\n", "simulations import"),
        ("protocol/src/a.rs", "//! A.\nuse std::fs::File;\n", "protocol imports"),
        ("src/a.rs", "use std::fmt;\n", "first line"),
        ("src/util.rs", "//! A.\n", "called `util`"),
        ("src/common/a.rs", "//! A.\n", "called `common`"),
        ("src/a.rs", long.as_str(), "columns"),
        ("src/a.rs", many.as_str(), "lines, more than"),
        ("actors/src/a.rs", banned, "is banned"),
        ("actors/src/a.rs", un, "is banned"),
    ];
    for (path, text, expected) in planted {
        let faults = faults_of(&Source::new(path, text));
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{path} with {text:?} was not caught ({expected}): {faults:?}"
        );
    }
    assert_eq!(top_level(["Makefile", "src"].into_iter()).len(), 1);
}

#[test]
fn a_file_of_good_manners_is_left_in_peace() {
    let good = [
        ("src/wiring.rs", "//! A.\nuse crate::http::A;\nuse crate::store::B;\n"),
        ("src/http/a.rs", "//! A.\nuse super::envelope::E;\nuse axum::http::StatusCode;\n"),
        ("src/http/a.rs", "//! A.\nuse crate::http::tokens::T;\n// crate::store is not for us\n"),
        ("actors/src/machines/account/a.rs", "//! A.\nuse crate::invariants::V;\n"),
        ("actors/src/machines/account/a.rs", "//! A.\nuse crate::machines::{Facts, Machine};\n"),
        ("actors/src/machines/account/a.rs", "//! A.\nuse super::orders::O;\n"),
        ("simulations/src/a.rs", "//! A.\nuse carbon_protocol::Ccid;\n"),
        ("simulations/src/virtual_time/a.rs", "//! A.\nuse carbon_actors::x;\n"),
    ];
    for (path, text) in good {
        let faults = faults_of(&Source::new(path, text));
        assert!(faults.is_empty(), "{path}: {faults:?}");
    }
}

#[test]
fn a_tree_of_imports_is_read_as_its_leaves() {
    assert_eq!(flatten("a::{self, b, c::{d as x, e::*}}"), ["a", "a::b", "a::c::d", "a::c::e"]);
    assert_eq!(flatten("crate::x"), ["crate::x"]);
}
