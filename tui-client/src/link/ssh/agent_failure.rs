//! Reasons why the server cannot run the agent, recognized by the words of its shell.
//!
//! Wording of dash, bash, zsh, fish, csh, tcsh, ksh93, mksh, yash, busybox ash, coreutils `env`, sudo,
//! glibc, musl, NixOS, qemu, macOS and cmd.exe.

/// Exit code of a shell that cannot run a program.
const NOT_EXECUTABLE: i32 = 126;

/// Exit code of a shell that does not find a program.
const NOT_FOUND: i32 = 127;

/// Words for a program for another processor or system, in lower case.
const OTHER_MACHINE: [&str; 8] = [
    "exec format error",
    "cannot execute binary file",
    "bad cpu type",
    "wrong architecture",
    "not executable: 64-bit elf",
    "not executable: 32-bit elf",
    "could not be run by the operating system",
    // A shell that runs the program as a script.
    "\u{fffd}elf",
];

/// Words for a program whose loader is missing, in lower case.
const NO_LOADER: [&str; 7] = [
    "cannot execute: required file not found",
    "check the interpreter or linker",
    "cannot run dynamically linked executables",
    "could not start dynamically linked executable",
    "could not open '/lib",
    "failed to open elf at /lib",
    "elf interpreter /",
];

/// Words in front of the name of a missing library.
const NO_LIBRARY: [&str; 3] = [
    "error while loading shared libraries: ",
    "Error loading shared library ",
    "Library not loaded: ",
];

/// Words of shells and tools that exit with another code than [`NOT_FOUND`], in lower case.
const NOT_FOUND_WORDS: [&str; 3] =
    ["command not found", "is not recognized as", "executable file not found"];

/// Words for a file without the permission to run, in lower case.
const NO_PERMISSION: [&str; 3] =
    ["permission denied", "not an executable file", "is not executable by"];

/// Reason why the server cannot run the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AgentFailure {
    NotFound,
    NoLoader,
    /// Name of the library.
    NoLibrary(String),
    /// Needed version of glibc.
    OldGlibc(String),
    /// Processor and system of the server, if known.
    OtherMachine(Option<String>),
    NoPermission(Permission),
    /// Words of the shell.
    Other(String),
}

/// Cause of a missing permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Unknown,
    /// The file lacks the permission to run.
    OfFile,
    /// The file has the permission: its file system has not, or a policy forbids it.
    OfFileSystem,
}

impl AgentFailure {
    /// Recognizes a failure by exit code and standard error of the server's shell.
    pub(super) fn detect(code: i32, errors: &[String], agent: &str) -> Option<AgentFailure> {
        let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
        let mut no_permission = false;
        // The first lines may be those of a login script.
        for error in errors.iter().rev() {
            if let Some(failure) = library_failure(error) {
                return Some(failure);
            }
            let line = error.to_lowercase();
            let of_agent = mentions(&line, agent);
            if has(&line, &OTHER_MACHINE) || (of_agent && line.contains("syntax error")) {
                return Some(AgentFailure::OtherMachine(None));
            }
            if has(&line, &NO_LOADER) || is_file_without_loader(code, &line, agent) {
                return Some(AgentFailure::NoLoader);
            }
            if of_agent && has(&line, &NOT_FOUND_WORDS) {
                return Some(AgentFailure::NotFound);
            }
            no_permission |= has(&line, &NO_PERMISSION)
                && (code == NOT_EXECUTABLE || (of_agent && !line.starts_with("error: ")));
        }
        match (code, errors.last()) {
            _ if no_permission => Some(AgentFailure::NoPermission(Permission::Unknown)),
            (NOT_FOUND, _) => Some(AgentFailure::NotFound),
            (NOT_EXECUTABLE, Some(words)) => Some(AgentFailure::Other(words.clone())),
            _ => None,
        }
    }

    /// Returns the failure with the findings of [`file_probe`]: many shells have the same words for a missing
    /// file and a missing loader.
    pub(super) fn with_findings(self, findings: &str) -> AgentFailure {
        let modes = || findings.lines().filter(|line| line.starts_with('-'));
        let is_executable = modes().any(|mode| mode.get(..10).is_some_and(|it| it.contains('x')));
        let is_there = modes().next().is_some();
        match self {
            AgentFailure::NotFound if is_executable => AgentFailure::NoLoader,
            AgentFailure::NoPermission(_) if is_executable => {
                AgentFailure::NoPermission(Permission::OfFileSystem)
            }
            AgentFailure::NotFound | AgentFailure::NoPermission(_) if is_there => {
                AgentFailure::NoPermission(Permission::OfFile)
            }
            AgentFailure::OtherMachine(_) => AgentFailure::OtherMachine(
                findings.lines().find_map(|line| line.strip_prefix("uname ")).map(str::to_owned),
            ),
            other => other,
        }
    }

    /// Returns whether [`file_probe`] finds more about the failure.
    pub(super) fn needs_findings(&self) -> bool {
        matches!(
            self,
            AgentFailure::NotFound
                | AgentFailure::OtherMachine(None)
                | AgentFailure::NoPermission(Permission::Unknown)
        )
    }

    /// Returns the failure and the way out, in words that fit a header line.
    pub(super) fn to_reason(&self, agent: &str) -> String {
        let what = match self {
            AgentFailure::NotFound => {
                return format!(
                    "{agent} not found on the server; install it or give --agent-command PATH"
                );
            }
            AgentFailure::NoLoader => {
                "the server lacks the loader of its C library; copy the static program"
            }
            AgentFailure::NoLibrary(name) => {
                &format!("the server lacks {name}; copy the static program")
            }
            AgentFailure::OldGlibc(version) => {
                &format!("the server's glibc is older than {version}; copy the static program")
            }
            AgentFailure::OtherMachine(None) => {
                "it is for another processor or system; copy the program for that of the server"
            }
            AgentFailure::OtherMachine(Some(machine)) => {
                &format!("it is not for {machine}; copy the program for {machine}")
            }
            AgentFailure::NoPermission(Permission::Unknown) => {
                "permission denied; make it executable, or copy it to a folder that is not mounted noexec"
            }
            AgentFailure::NoPermission(Permission::OfFile) => {
                "it is not executable; run chmod +x on the file"
            }
            AgentFailure::NoPermission(Permission::OfFileSystem) => {
                "permission denied, although it is executable; copy it to a folder that is not mounted noexec"
            }
            AgentFailure::Other(words) => words,
        };
        format!("cannot run {agent} on the server: {what}")
    }
}

/// Recognizes a missing library or an old glibc.
fn library_failure(line: &str) -> Option<AgentFailure> {
    let until = |text: &str, ends: &[char]| text.split(ends).next().unwrap_or_default().to_owned();
    if let Some((_, version)) = line.split_once("version `GLIBC_") {
        return Some(AgentFailure::OldGlibc(until(version, &['\'', '`', ' '])));
    }
    let (_, name) = NO_LIBRARY.iter().find_map(|words| line.split_once(words))?;
    Some(AgentFailure::NoLibrary(until(name, &[':', ' '])))
}

/// Returns whether a line, in lower case, names a program of the command.
fn mentions(line: &str, agent: &str) -> bool {
    let names = agent.split_whitespace().filter_map(|word| word.rsplit('/').next());
    names.into_iter().any(|name| name.len() > 2 && line.contains(&name.to_lowercase()))
}

/// Returns whether a line, in lower case, says that a file is missing that the shell has found.
fn is_file_without_loader(code: i32, line: &str, agent: &str) -> bool {
    let path = format!("/{}", agent.to_lowercase());
    let mut words = line.split([' ', ':', '(', ')', '\'']);
    let is_found = words.any(|word| word.starts_with('/') && word.ends_with(&path));
    line.contains("no such file or directory")
        && (code == NOT_EXECUTABLE || (code == NOT_FOUND && is_found && !agent.contains('/')))
}

/// Returns a command that prints the mode of the agent's file, and the system of the server. `None`
/// unless the agent is one plain word, which needs no quotes in any shell.
pub(super) fn file_probe(agent: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/~+-".contains(c);
    if agent.is_empty() || agent.starts_with('-') || !agent.chars().all(is_plain) {
        return None;
    }
    let list = if agent.contains('/') {
        format!("ls -ldL {agent}")
    } else {
        format!("IFS=:; for d in $PATH; do ls -ldL \"$d/{agent}\"; done")
    };
    Some(format!("sh -c '({list}) 2>/dev/null; echo uname `uname -sm`'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "loadline-agent";

    fn detect(code: i32, errors: &str) -> Option<AgentFailure> {
        let errors: Vec<String> = errors.lines().map(str::to_owned).collect();
        AgentFailure::detect(code, &errors, AGENT)
    }

    fn check(expected: &AgentFailure, cases: &[(i32, &str)]) {
        for (code, errors) in cases {
            assert_eq!(detect(*code, errors).as_ref(), Some(expected), "{code}: {errors}");
        }
    }

    #[test]
    fn each_shell_says_that_it_does_not_find_the_agent() {
        check(
            &AgentFailure::NotFound,
            &[
                (127, ""),
                (127, "bash: line 1: loadline-agent: command not found"),
                (127, "bash: line 1: ./loadline-agent: No such file or directory"),
                (127, "bash: Zeile 1: loadline-agent: Kommando nicht gefunden."),
                (127, "sh: 1: loadline-agent: not found"),
                (127, "zsh:1: command not found: loadline-agent"),
                (127, "zsh:1: no such file or directory: ./loadline-agent"),
                (
                    127,
                    "fish: Unknown command: loadline-agent\nfish: \nloadline-agent --stdio\n^~~~^",
                ),
                (1, "loadline-agent: Command not found."),
                (127, "ash: loadline-agent: not found"),
                (127, "E: mksh: loadline-agent: inaccessible or not found"),
                (127, "yash: no such command `loadline-agent'"),
                (127, "env: ‘loadline-agent’: No such file or directory"),
                (1, "sudo: loadline-agent: command not found"),
                (1, "'loadline-agent' is not recognized as an internal or external command,"),
                (126, "exec failed: exec: \"loadline-agent\": executable file not found in $PATH"),
            ],
        );
    }

    #[test]
    fn each_shell_says_that_the_agent_is_for_another_machine() {
        check(
            &AgentFailure::OtherMachine(None),
            &[
                (
                    126,
                    "bash: line 1: ./loadline-agent: cannot execute binary file: Exec format error",
                ),
                (126, "sh: 1: loadline-agent: Exec format error"),
                (126, "zsh:1: exec format error: loadline-agent"),
                (
                    126,
                    "exec: Failed to execute process: '/usr/bin/loadline-agent' the file could not be \
                     run by the operating system.",
                ),
                (1, "loadline-agent: Exec format error. Wrong Architecture."),
                (1, "loadline-agent: Exec format error. Binary file not executable."),
                (2, "./loadline-agent: 1: Syntax error: \"(\" unexpected"),
                (2, "/usr/bin/loadline-agent: line 1: syntax error: unexpected \"(\""),
                (127, "./loadline-agent: line 1: \u{fffd}ELF\u{fffd}: not found"),
                (127, "sh: no such command `\u{fffd}ELF\u{fffd}'"),
                (126, "ksh93: loadline-agent: cannot execute [Exec format error]"),
                (1, "E: mksh: ./loadline-agent: not executable: 64-bit ELF file"),
                (126, "zsh:1: bad CPU type in executable: loadline-agent"),
            ],
        );
    }

    #[test]
    fn a_missing_loader_is_told_from_a_missing_agent() {
        check(
            &AgentFailure::NoLoader,
            &[
                (127, "bash: line 1: ./loadline-agent: cannot execute: required file not found"),
                (127, "bash: /usr/local/bin/loadline-agent: No such file or directory"),
                (
                    127,
                    "exec: Failed to execute process './loadline-agent': The file exists and is \
                     executable. Check the interpreter or linker?",
                ),
                (126, "E: mksh: ./loadline-agent: No such file or directory"),
                (
                    127,
                    "yash: cannot execute command `loadline-agent' (/bin/loadline-agent): No such file or directory",
                ),
                (
                    127,
                    "Could not start dynamically linked executable: ./loadline-agent\nNixOS cannot run \
                     dynamically linked executables intended for generic\nlinux environments out of the box.",
                ),
                (
                    255,
                    "qemu-aarch64: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
                ),
            ],
        );
    }

    #[test]
    fn an_old_glibc_and_a_missing_library_are_named() {
        let glibc = "loadline-agent: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found \
                     (required by loadline-agent)";
        check(&AgentFailure::OldGlibc("2.34".to_owned()), &[(1, glibc)]);
        check(
            &AgentFailure::NoLibrary("libgcc_s.so.1".to_owned()),
            &[
                (
                    127,
                    "loadline-agent: error while loading shared libraries: libgcc_s.so.1: cannot open \
                     shared object file: No such file or directory",
                ),
                (
                    127,
                    "Error loading shared library libgcc_s.so.1: No such file or directory (needed by \
                     /usr/bin/loadline-agent)\nError relocating /usr/bin/loadline-agent: x: symbol not found",
                ),
            ],
        );
    }

    #[test]
    fn each_shell_says_that_the_agent_is_not_executable() {
        check(
            &AgentFailure::NoPermission(Permission::Unknown),
            &[
                (126, "bash: line 1: ./loadline-agent: Permission denied"),
                (127, "dash: 1: loadline-agent: Permission denied"),
                (126, "zsh:1: permission denied: ./loadline-agent"),
                (
                    126,
                    "fish: Unknown command. './loadline-agent' exists but is not an executable file.\n^~^",
                ),
                (1, "./loadline-agent: Permission denied."),
                (126, "ksh93: loadline-agent: cannot execute [Permission denied]"),
                (126, "E: mksh: ./loadline-agent: can't execute: Permission denied"),
                (126, "env: ‘./loadline-agent’: Permission denied"),
            ],
        );
    }

    #[test]
    fn other_words_are_no_failure_of_a_shell() {
        assert_eq!(detect(1, "This account is currently not available."), None);
        assert_eq!(detect(1, "error: loadline-agent: cannot read x: Permission denied"), None);
        assert_eq!(detect(1, ".bashrc: line 5: nvm: command not found\nerror: no space"), None);
        assert_eq!(detect(1, "profile not found"), None);
        let folder = "bash: line 1: ./loadline-agent: Is a directory";
        assert_eq!(detect(126, folder), Some(AgentFailure::Other(folder.to_owned())));
    }

    #[test]
    fn the_mode_of_the_file_tells_failures_apart() {
        let with = |failure: AgentFailure, findings| failure.with_findings(findings);
        let there =
            "-rwxr-xr-x 1 me me 9 Nov 22 18:40 /usr/bin/loadline-agent\nuname Linux aarch64";
        let not_executable = there.replace("rwxr-xr-x", "rw-r--r--");
        let nothing = "uname Linux aarch64";
        let denied = || AgentFailure::NoPermission(Permission::Unknown);
        assert_eq!(with(AgentFailure::NotFound, there), AgentFailure::NoLoader);
        assert_eq!(with(AgentFailure::NotFound, nothing), AgentFailure::NotFound);
        assert_eq!(
            with(AgentFailure::NotFound, &not_executable),
            AgentFailure::NoPermission(Permission::OfFile)
        );
        assert_eq!(with(denied(), there), AgentFailure::NoPermission(Permission::OfFileSystem));
        assert_eq!(with(denied(), &not_executable), AgentFailure::NoPermission(Permission::OfFile));
        assert_eq!(with(denied(), nothing), denied());
        let machine = with(AgentFailure::OtherMachine(None), there);
        assert_eq!(
            machine.to_reason(AGENT),
            "cannot run loadline-agent on the server: it is not for Linux aarch64; copy the program for \
             Linux aarch64"
        );
    }

    #[test]
    fn only_a_plain_word_is_looked_for_on_the_server() {
        assert!(
            file_probe("./loadline-agent")
                .is_some_and(|it| it.contains("ls -ldL ./loadline-agent"))
        );
        assert!(
            file_probe("loadline-agent").is_some_and(|it| it.contains("\"$d/loadline-agent\""))
        );
        for agent in ["", "-x", "env A=1 x", "x;y", "$(x)", "x'y", "`x`", "x\ny", "x!y", "\"x\""] {
            assert_eq!(file_probe(agent), None, "{agent}");
        }
    }
}
