//! Rules of the house that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// A file with more lines, its tests not counted, has more than one reason to change.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files below a folder, each with its text.
fn texts(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// The same without inline tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = texts(folder);
    for (_, text) in &mut found {
        text.truncate(text.find("#[cfg(test)]").unwrap_or(text.len()));
    }
    found
}

fn forbid(folder: &str, is_included: impl Fn(&Path) -> bool, words: &[&str]) {
    let files: Vec<_> = sources(folder).into_iter().filter(|(path, _)| is_included(path)).collect();
    assert!(!files.is_empty(), "something in {folder} is meant");
    for (path, code) in files {
        for (number, line) in code.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            for word in words {
                assert!(!code.contains(word), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    }
}

const EFFECTS: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::env",
    "Instant",
    "SystemTime",
    "Clock",
    "::now()",
];

#[test]
fn state_and_picture_of_the_screen_are_pure() {
    let pure = [
        "app",
        "store",
        "view",
        "watched",
        "charts",
        "units",
        "keys",
        "thresholds",
        "zone",
        "theme",
        "digits",
        "layout",
    ];
    let is_pure = |path: &Path| {
        let inside = path.strip_prefix(root().join("tui-client/src")).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        pure.contains(&first.trim_end_matches(".rs"))
    };
    forbid("tui-client/src", is_pure, EFFECTS);
}

#[test]
fn the_protocol_does_no_input_or_output_and_looks_at_no_clock() {
    forbid("protocol/src", |_| true, EFFECTS);
}

#[test]
fn only_the_sampler_reads_the_agents_clock() {
    let is_other = |path: &Path| {
        !["clock.rs", "sampler.rs", "agent.rs"].iter().any(|name| path.ends_with(name))
    };
    forbid("agent/src", is_other, &["SystemTime", "Clock::system", ".now_with_step()"]);
}

#[test]
fn only_the_sources_touch_the_machine() {
    let is_other = |path: &Path| {
        let inside = path.strip_prefix(root().join("agent/src")).unwrap();
        // What the agent itself costs is no sample.
        let is_vitals = inside.starts_with("vitals.rs");
        let places = ["source", "source.rs", "procfs", "procfs.rs"];
        !places.iter().any(|place| inside.starts_with(place)) && !is_vitals
    };
    forbid("agent/src", is_other, &["sysinfo", "/proc", "/sys/"]);
}

/// The modules of the client in the order of its `lib.rs`.
const CLIENT_MODULES: &[&str] = &[
    "source",
    "event",
    "link",
    "prometheus",
    "zone",
    "time_spec",
    "output",
    "store",
    "units",
    "watched",
    "check",
    "thresholds",
    "charts",
    "keys",
    "theme",
    "digits",
    "layout",
    "app",
    "view",
    "canvas",
    "run",
    "config",
    "cli",
    "main",
];

#[test]
fn a_module_of_the_client_imports_from_those_above_it_only() {
    for (path, code) in sources("tui-client/src") {
        let inside = path.strip_prefix(root().join("tui-client/src")).unwrap();
        let module = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let place = |name: &str| CLIENT_MODULES.iter().position(|module| *module == name);
        let Some(here) = place(module.trim_end_matches(".rs")) else {
            assert_eq!(module, "lib.rs", "a module that the list does not have");
            continue;
        };
        for import in code.lines().filter_map(|line| line.trim().strip_prefix("use crate::")) {
            let name = import.split([':', ';']).next().unwrap();
            let there = place(name).unwrap();
            assert!(there <= here, "{}: {name} stands below {module}", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do_and_no_file_is_too_long() {
    for folder in ["protocol/src", "agent/src", "tui-client/src"] {
        for (path, code) in sources(folder) {
            for word in ["todo!", "unimplemented!", "TODO", "FIXME", "dbg!", "#[allow("] {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
            let lines = code.lines().count();
            assert!(is_test || lines <= LINES_MAX, "{}: {lines} lines", path.display());
        }
    }
}

/// Whether a line has the keyword, or names the lint that forbids it. In a comment or a text it is
/// a word like any other.
fn has_unsafe_code(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("");
    let code = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| matches!(word, "unsafe" | "unsafe_code"))
}

#[test]
fn no_code_of_ours_is_unsafe_and_no_member_may_change_that() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    for member in members.trim_end_matches(']').split(", ").map(|member| member.trim_matches('"')) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member} inherits the lints");
        for (path, text) in texts(member) {
            for (number, line) in text.lines().enumerate() {
                assert!(!has_unsafe_code(line), "{}:{}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn every_dependency_is_locked_to_the_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources: Vec<_> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(sources.len() > 100, "the versions of all that is used");
    assert!(sources.iter().all(|source| source.starts_with("source = \"registry+")));
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    assert!(!ignored.contains("Cargo.lock"), "it is kept with the sources");
    assert!(root().join("deny.toml").exists());
}
