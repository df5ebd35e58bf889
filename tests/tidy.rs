//! Rules of the project that no compiler checks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::docs::{files, root};

/// Lines of a source file without tests. A longer file has more than one reason to change.
const LINES_MAX: usize = 400;

/// Crates whose sources follow the rules.
const CRATES: [&str; 4] = ["protocol/src", "common/src", "agent/src", "tui-client/src"];

fn texts(folder: &str) -> Vec<(PathBuf, String)> {
    files(&root().join(folder), "rs")
}

/// Returns the Rust files below a folder, without their inline tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = texts(folder);
    for (_, text) in &mut found {
        text.truncate(text.find("#[cfg(test)]").unwrap_or(text.len()));
    }
    found
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn forbid(folder: &str, is_included: impl Fn(&Path) -> bool, words: &[&str]) {
    let files: Vec<_> = sources(folder).into_iter().filter(|(path, _)| is_included(path)).collect();
    assert!(!files.is_empty(), "no file of {folder} is checked");
    for (path, code) in files {
        for (number, line) in code.lines().enumerate() {
            let code = without_comment(line);
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
fn state_and_rendering_of_the_screen_are_pure() {
    let pure = [
        "app",
        "store",
        "view",
        "watched",
        "charts",
        "units",
        "keys",
        "thresholds",
        "diagnosis",
        "zone",
        "theme",
        "digits",
        "layout",
    ];
    for module in pure {
        let folder = root().join("tui-client/src").join(module);
        let is_inside =
            |path: &Path| path.starts_with(&folder) || path.with_extension("") == folder;
        forbid("tui-client/src", is_inside, EFFECTS);
    }
}

#[test]
fn the_protocol_does_no_io_and_reads_no_clock() {
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
fn only_sources_and_looks_use_sysinfo_and_only_the_kernel_module_names_kernel_files() {
    let is_outside = |path: &Path, module: &str| {
        let inside = path.strip_prefix(root().join("agent/src")).unwrap();
        let is_module =
            inside.starts_with(module) || inside.with_extension("") == Path::new(module);
        !is_module && !inside.ends_with("tests.rs")
    };
    let kernel_files = ["/proc", "\"proc/", "/sys/", "\"sys/"];
    let reads_machine = |path: &Path| !is_outside(path, "source") || !is_outside(path, "top");
    forbid("agent/src", |path| !reads_machine(path), &["sysinfo"]);
    forbid("agent/src", |path| is_outside(path, "kernel"), &kernel_files);
    // Paths are relative to the root.
    forbid("agent/src", |_| true, &["\"/proc/", "\"/sys/"]);
}

/// Path of a module below the root of its crate; empty for `lib.rs` and `main.rs`.
type Module<'c> = Vec<&'c str>;

/// Modules of a crate, and the items that each of them imports.
struct Crate<'c> {
    /// Code of each module, without comments and tests.
    modules: BTreeMap<Module<'c>, &'c str>,
    /// Module from which a module imports a name.
    imported: HashMap<(Module<'c>, &'c str), Module<'c>>,
}

impl<'c> Crate<'c> {
    fn new(files: &'c [(String, String)]) -> Crate<'c> {
        let module = |path: &'c str| match path.trim_end_matches(".rs") {
            "lib" | "main" => Module::new(),
            path => path.split('/').collect(),
        };
        let modules = files.iter().map(|(path, code)| (module(path), code.as_str())).collect();
        let mut all = Crate { modules, imported: HashMap::new() };
        for (module, code) in &all.modules {
            for import in code.split("use ").skip(1) {
                for path in paths(import) {
                    let from = all.module_of(module.iter().copied().chain(path.iter().copied()));
                    if from != *module {
                        all.imported.insert((module.clone(), path[path.len() - 1]), from);
                    }
                }
            }
        }
        all
    }

    /// Returns the module of an item, through the import of its name if there is one.
    fn module_of(&self, names: impl Iterator<Item = &'c str>) -> Module<'c> {
        let mut module = Module::new();
        for name in names {
            let child = [&module[..], &[name]].concat();
            if self.modules.contains_key(&child) {
                module = child;
            } else {
                return self.imported.get(&(module.clone(), name)).cloned().unwrap_or(module);
            }
        }
        module
    }

    /// Returns the modules that a module uses by a path from the root or from its parent.
    fn used_by(&self, module: &[&'c str]) -> BTreeSet<Module<'c>> {
        let code = self.modules[module];
        let below_root = code.split("crate::").skip(1).flat_map(paths);
        let mut used: BTreeSet<_> =
            below_root.map(|path| self.module_of(path.into_iter())).collect();
        for (at, _) in code.match_indices("super::").filter(|(at, _)| !code[..*at].ends_with("::"))
        {
            let names = code[at..].trim_start_matches("super::");
            let levels = (code[at..].len() - names.len()) / "super::".len();
            let base = &module[..module.len().saturating_sub(levels)];
            let absolute = |path: Vec<&'c str>| self.module_of(base.iter().copied().chain(path));
            used.extend(paths(names).into_iter().map(absolute));
        }
        used
    }
}

/// Paths that `text` begins with: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn paths(text: &str) -> Vec<Vec<&str>> {
    fn read<'t>(
        mut text: &'t str,
        mut path: Vec<&'t str>,
        found: &mut Vec<Vec<&'t str>>,
    ) -> &'t str {
        while !text.starts_with('{') {
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
            path.push(&text[..end]);
            text = &text[end..];
            let Some(rest) = text.strip_prefix("::") else {
                found.push(path);
                return text;
            };
            text = rest;
        }
        while text.starts_with(['{', ',']) {
            text = read(text[1..].trim_start(), path.clone(), found);
            text = &text[text.find([',', '}']).unwrap_or(text.len())..];
        }
        text.strip_prefix('}').unwrap_or(text)
    }
    let mut found = Vec::new();
    read(text, Vec::new(), &mut found);
    found
}

/// Returns the files of a crate with their paths below its folder, without comments and tests.
fn crate_files(folder: &str) -> Vec<(String, String)> {
    let strip = |line: &str| without_comment(line).to_owned() + "\n";
    let inside = |path: &Path| path.strip_prefix(root().join(folder)).unwrap().to_owned();
    sources(folder)
        .into_iter()
        .map(|(path, code)| (inside(&path).display().to_string(), code))
        .filter(|(path, _)| !path.ends_with("tests.rs"))
        .map(|(path, code)| (path, code.lines().map(strip).collect()))
        .collect()
}

/// Returns the imports between modules of one folder, with the modules in them, both as paths.
fn imports_between_siblings(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let all = Crate::new(files);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for module in all.modules.keys() {
        for used in all.used_by(module) {
            let common = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
            if common < module.len().min(used.len()) {
                let sibling = |module: &[&str]| module[..=common].join("::");
                imports.entry(sibling(module)).or_default().insert(sibling(&used));
            }
        }
    }
    imports
}

/// Returns the modules that lead to a circle of imports.
fn circles(mut imports: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let before = imports.clone();
        imports.retain(|_, used| used.iter().any(|module| before.contains_key(module)));
        if imports.len() == before.len() {
            return imports;
        }
    }
}

#[test]
fn modules_import_only_from_modules_above_them_in_the_diagram_of_their_crate() {
    for source in ["agent/src", "tui-client/src"] {
        let lib = fs::read_to_string(root().join(source).join("lib.rs")).unwrap();
        let declared: Vec<_> = lib
            .lines()
            .filter_map(|line| {
                line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
            })
            .collect();
        let diagram = lib.lines().filter_map(|line| line.strip_prefix("//!"));
        let names = diagram.map(|line| line.trim_start_matches(|c: char| !c.is_ascii_lowercase()));
        let names = names.map(|name| name.split(' ').next().unwrap());
        let order: Vec<_> = names.filter(|name| declared.contains(name)).collect();
        let place = |name: &str| order.iter().position(|module| *module == name);
        for module in declared {
            assert!(place(module).is_some(), "{source}: the diagram lacks {module}");
        }
        let imports = imports_between_siblings(&crate_files(source));
        // Files of the agent's program are not in its library.
        for (module, used) in imports.iter().filter(|(module, _)| place(module).is_some()) {
            for used in used {
                assert!(place(used) < place(module), "{source}: {module} imports {used} below it");
            }
        }
        assert_eq!(circles(imports), BTreeMap::new(), "modules of one folder import each other");
    }
}

#[test]
fn a_circle_of_imports_is_found_in_any_folder() {
    let check = |c: &str, circle: &[&str]| {
        let file = |path: &str, code: &str| (path.to_owned(), code.to_owned());
        let files = [
            file("a.rs", "mod b;\nmod c;\npub use b::{B, d::D};\n"),
            file("a/b.rs", "use super::c::{self,\n    e::{F, G}};\nuse crate::h;\n"),
            file("a/b/d.rs", "use super::super::c;\n"),
            file("a/c.rs", c),
            file("h.rs", ""),
        ];
        let found = circles(imports_between_siblings(&files));
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), circle, "{c}");
    };
    check("use crate::h::{I, J};", &[]);
    for c in ["use super::b;", "fn f(x: crate::a::b::B) {}", "use super::{D, x};", "use super::B;"]
    {
        check(c, &["a::b", "a::c"]);
    }
}

/// Names that the transport to the embedded agent uses of the agent's library.
const EMBEDDED_AGENT: &[&str] =
    &["Agent", "AgentSettings", "Listener", "Machine", "MachineFacts", "Service"];

/// The names that a text uses of a crate, such as `Clock` in `use loadline_agent::Clock;`. The
/// crate alone, as in `use loadline_agent as agent;`, is the name `""`.
fn names_used<'a>(code: &'a str, of: &str) -> Vec<&'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for rest in code.split(of).skip(1) {
        let rest = rest.strip_prefix("::").unwrap_or("");
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap();
                names.extend(list.split(',').map(str::trim).filter(|name| !name.is_empty()));
            }
            None => names.extend(rest.split(|c| !is_word(c)).next()),
        }
    }
    names
}

#[test]
fn the_client_uses_the_agent_for_the_clock_and_the_embedded_agent_only() {
    let without_comments =
        |text: &str| text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    for (path, text) in texts("tui-client/src") {
        let code = without_comments(&text);
        let allowed = if path.ends_with("link/embedded.rs") { EMBEDDED_AGENT } else { &["Clock"] };
        for name in names_used(&code, "loadline_agent") {
            assert!(allowed.contains(&name), "{}: {name:?} of the agent", path.display());
        }
        let mut exports = code.lines().filter(|line| line.trim_start().starts_with("pub"));
        let exported = exports.find(|line| line.contains("loadline_agent"));
        assert_eq!(exported, None, "{}: a way around", path.display());
    }
    let example = "use xx::{B, C as D};\nxx::E::f(xx::g, xx)";
    assert_eq!(names_used(example, "xx"), ["B", "C as D", "E", "g", ""]);
}

#[test]
fn no_file_has_a_note_to_the_author_or_is_too_long() {
    for (path, code) in CRATES.into_iter().flat_map(sources) {
        for word in ["TODO", "FIXME"] {
            assert!(!code.contains(word), "{}: {word}", path.display());
        }
        let lines = code.lines().count();
        assert!(
            path.ends_with("tests.rs") || lines <= LINES_MAX,
            "{}: {lines} lines",
            path.display()
        );
    }
}

#[test]
fn each_crate_inherits_the_lints() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    for member in members.trim_end_matches(']').split(", ").map(|member| member.trim_matches('"')) {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member}");
    }
}

/// Openings that make a riddle of a definition. A comment leads with a noun or a verb.
const RIDDLES: &[&str] = &[
    "What",
    "Who",
    "Whom",
    "Whose",
    "How",
    "Where",
    "Whether",
    "Which",
    "That",
    "When",
    "Why",
    "Those",
    "It",
    "So many",
    "So long",
    "By how",
    "In which",
    "With which",
    "From where",
];

/// Words of everyday speech for which the glossary has a term: report, return, send, state.
const VAGUE: &[&str] = &["tell", "tells", "told", "telling"];

/// Phrases that a reader has to read twice.
const ODD: &[&str] = &[
    "be it",
    "as it is said",
    "is no matter",
    "goes along with",
    "on either side of",
    "no more than so",
    "the one of",
    "that of its",
    "of theirs",
    "is mended",
    "anew",
    "a word to",
    "at last every",
    "by itself,",
    "that there is",
    "is told",
    "are told",
    "as it says",
];

/// Words of a sentence beyond which it is long, and the share of long sentences in a page, percent.
const SENTENCE_WORDS: usize = 28;
const LONG_SENTENCES_MAX: usize = 12;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty())
}

/// Returns whether `text` has `phrase` with no letter directly before or after it.
fn has_phrase(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

#[test]
fn comments_lead_with_a_noun_or_a_verb_and_use_plain_words() {
    for (path, code) in CRATES.into_iter().flat_map(sources) {
        let mut previous = "";
        for (number, line) in code.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            assert!(!words(line).any(|word| VAGUE.contains(&word)), "{place}: {line}");
            let marker = ["///", "//!"].into_iter().find(|it| line.trim().starts_with(it));
            let is_first = marker.is_some_and(|marker| !previous.starts_with(marker));
            let text = line.trim().trim_start_matches(['/', '!']).trim();
            let is_riddle = RIDDLES.iter().any(|it| {
                text.strip_prefix(it).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            assert!(!(is_first && is_riddle), "{place}: {line}");
            previous = line.trim();
        }
    }
}

#[test]
fn pages_have_short_sentences_and_no_odd_phrases() {
    let (mut sentences, mut long) = (0, Vec::new());
    let pages = files(&root(), "md");
    assert!(pages.len() > 20, "{} pages", pages.len());
    for (path, text) in pages {
        let text = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
        for phrase in ODD {
            assert!(!has_phrase(&text, phrase), "{}: {phrase}", path.display());
        }
        let is_prose = |line: &&str| !line.trim_start().starts_with(['|', '#', '<', '-', '*']);
        let prose = text.lines().filter(is_prose).collect::<Vec<_>>().join(" ");
        for sentence in prose.split_inclusive(['.', '!', '?']) {
            let count = words(sentence).count();
            sentences += usize::from(count > 2);
            if count > SENTENCE_WORDS {
                long.push(format!("{}: {}", path.display(), sentence.trim()));
            }
        }
    }
    assert!(long.len() * 100 <= sentences * LONG_SENTENCES_MAX, "{long:#?}");
}

#[test]
fn a_type_name_has_one_meaning_in_its_crate() {
    for folder in CRATES {
        let mut places: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for (path, code) in sources(folder) {
            for line in code.lines().map(str::trim) {
                let mut keywords = ["struct ", "enum ", "trait "].into_iter();
                let definition = keywords.find_map(|keyword| line.split_once(keyword));
                let Some((before, name)) = definition else { continue };
                if before.is_empty() || before.starts_with("pub") {
                    let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                    places.entry(name.to_owned()).or_default().push(path.clone());
                }
            }
        }
        for (name, mut paths) in places {
            // A twin for another system stands in the same file, one for a missing feature in `none.rs`.
            paths.dedup();
            paths.retain(|path| !path.ends_with("none.rs"));
            assert!(paths.len() <= 1, "{name} is defined in {paths:#?}");
        }
    }
}
