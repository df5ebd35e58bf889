//! Checks of the documentation: links have targets, and quoted messages exist in the code.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folders that hold no pages of the project.
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "node_modules"];

/// Returns the files below a folder with this extension, each with its text.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no {extension} files in {}", folder.display());
    found
}

/// Returns the lines of a page outside of code blocks.
fn prose(page: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line);
        }
    }
    lines
}

/// Returns GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Returns the link targets of a page: Markdown links and images.
fn links(page: &str) -> Vec<String> {
    let text = prose(page).join("\n");
    let mut found = Vec::new();
    for (before, after) in [("](", ')'), ("srcset=\"", '"'), ("src=\"", '"'), ("]: ", '\n')] {
        for (at, _) in text.match_indices(before) {
            let rest = &text[at + before.len()..];
            found.extend(rest.split(after).next().map(|link| link.trim().to_owned()));
        }
    }
    found
}

#[test]
fn each_link_between_pages_has_a_file_and_a_heading_as_its_target() {
    let pages: HashMap<PathBuf, String> = files(&root(), "md")
        .into_iter()
        .map(|(path, text)| (path.canonicalize().unwrap(), text))
        .collect();
    let mut count = 0;
    for (path, text) in &pages {
        for link in links(text) {
            if link.contains("://") || link.starts_with("mailto:") || link.is_empty() {
                continue;
            }
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let there = path.parent().unwrap().join(file);
            let there = if file.is_empty() { path.clone() } else { there };
            let is_there = there.canonicalize();
            assert!(is_there.is_ok(), "{}: broken link {link}", path.display());
            if let (false, Some(page)) = (heading.is_empty(), pages.get(&is_there.unwrap())) {
                let mut headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
                let is_there = headings.any(|line| anchor(line) == heading);
                assert!(is_there, "{}: no heading for {link}", path.display());
            }
        }
    }
    assert!(count > 60, "{count} links");
}

/// Returns a source with continued string literals joined: a backslash at the end of a line removes
/// the line break and the indentation.
fn joined(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns the code of a source with quotes in string literals unescaped.
fn unescaped(source: &str) -> String {
    joined(&code(source)).replace("\\\"", "\"")
}

/// Returns the sources of both programs and of the protocol.
fn sources() -> Vec<String> {
    let folders = ["agent/src", "tui-client/src", "protocol/src", "common/src"];
    let files = folders.iter().flat_map(|folder| files(&root().join(folder), "rs"));
    files.filter(|(path, _)| !path.ends_with("tests.rs")).map(|(_, text)| text).collect()
}

fn troubleshooting() -> String {
    fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap()
}

/// Returns a source without comments and inline tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the messages that a page explains: code spans in the first cells of tables.
fn messages(page: &str) -> Vec<String> {
    let rows = prose(page).into_iter().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn each_explained_message_exists_in_the_code() {
    let page = troubleshooting();
    let sources: Vec<String> = sources().iter().map(|text| unescaped(text)).collect();
    let messages = messages(&page);
    assert!(messages.len() > 30, "{} messages", messages.len());
    let missing: Vec<&String> = messages
        .iter()
        .filter(|message| {
            // All parts between the placeholders must occur in one file.
            let parts: Vec<&str> = message
                .split('…')
                .map(str::trim)
                .filter(|part| part.chars().any(char::is_alphabetic))
                .collect();
            !sources.iter().any(|text| parts.iter().all(|part| text.contains(part)))
        })
        .collect();
    assert!(missing.is_empty(), "messages that no program has: {missing:#?}");
}

#[test]
fn headings_become_anchors_as_on_github() {
    assert_eq!(anchor("## Its servers on our screen"), "its-servers-on-our-screen");
    assert_eq!(anchor("# htop, btop, bottom"), "htop-btop-bottom");
    assert_eq!(anchor("### `--check`: look first"), "--check-look-first");
}
