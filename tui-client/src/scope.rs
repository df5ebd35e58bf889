//! Scope of options: the outputs and sources in which each option has an effect.

use std::fmt;

use crate::source::Source;

/// Use of the program. An option has no effect in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Screen,
    /// Rows without a screen: table, csv, json, raw.
    Rows,
    /// Processes without a screen: top.
    Processes,
    Check,
    PrintConfig,
    Generate,
}

/// Sources to which an option applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceScope {
    Any,
    /// All except pipes and standard input, whose rows arrive at their own pace.
    NoPipe,
    /// Servers. A file or a pipe has no history to request.
    Server,
    Ssh,
    Tls,
    /// Regular files.
    Recording,
}

/// Outputs and sources in which an option has an effect.
#[derive(Debug)]
pub(crate) struct OptionScope {
    /// Id in clap.
    pub(crate) id: &'static str,
    modes: &'static [Mode],
    pub(crate) sources: SourceScope,
}

const SCREEN: &[Mode] = &[Mode::Screen];
const LINES: &[Mode] = &[Mode::Rows, Mode::Processes];
const OUTPUT: &[Mode] = &[Mode::Screen, Mode::Rows, Mode::Processes];
const COLUMNS: &[Mode] = &[Mode::Screen, Mode::Rows, Mode::Check];
const SOURCE: &[Mode] = &[Mode::Screen, Mode::Rows, Mode::Processes, Mode::Check];

const fn scope(id: &'static str, modes: &'static [Mode], sources: SourceScope) -> OptionScope {
    OptionScope { id, modes, sources }
}

/// All options in the order of the help.
pub(crate) const OPTION_SCOPES: [OptionScope; 30] = [
    scope("sources", SOURCE, SourceScope::Any),
    scope("output", OUTPUT, SourceScope::Any),
    scope("count", LINES, SourceScope::Any),
    scope("interval", SOURCE, SourceScope::NoPipe),
    scope("history", SOURCE, SourceScope::Server),
    scope("window", SCREEN, SourceScope::Any),
    scope("from", OUTPUT, SourceScope::Any),
    scope("to", OUTPUT, SourceScope::Any),
    scope("keep", SCREEN, SourceScope::Any),
    scope("columns", COLUMNS, SourceScope::Any),
    scope("time_column", COLUMNS, SourceScope::Any),
    scope("time_format", COLUMNS, SourceScope::Any),
    scope("fullscreen", SCREEN, SourceScope::Any),
    scope("no_fullscreen", SCREEN, SourceScope::Any),
    scope("record", OUTPUT, SourceScope::Any),
    scope("check", &[Mode::Check], SourceScope::Any),
    scope("follow", OUTPUT, SourceScope::Recording),
    scope("agent_command", SOURCE, SourceScope::Ssh),
    scope("ssh", SOURCE, SourceScope::Ssh),
    scope("tls_ca", SOURCE, SourceScope::Tls),
    scope("tls_cert", SOURCE, SourceScope::Tls),
    scope("tls_key", SOURCE, SourceScope::Tls),
    scope("theme", SCREEN, SourceScope::Any),
    scope("fill", SCREEN, SourceScope::Any),
    scope("no_fill", SCREEN, SourceScope::Any),
    scope("no_mouse", SCREEN, SourceScope::Any),
    scope("mouse", SCREEN, SourceScope::Any),
    scope("config", SOURCE, SourceScope::Any),
    scope("print_config", &[Mode::PrintConfig], SourceScope::Any),
    scope("generate", &[Mode::Generate], SourceScope::Any),
];

/// Returns the scope of the option with this id.
pub(crate) fn scope_of(id: &str) -> Option<&'static OptionScope> {
    OPTION_SCOPES.iter().find(|scope| scope.id == id)
}

/// Option without an effect: `error; hint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoEffect {
    Error(String),
    Warning(String),
}

impl OptionScope {
    /// Returns the message if the option has no effect in `mode`. An option of the screen does no harm
    /// without a screen, so scripts with such an option continue.
    pub(crate) fn check_mode(&self, mode: Mode) -> Option<NoEffect> {
        if self.modes.contains(&mode) {
            return None;
        }
        Some(match mode {
            Mode::Processes if self.modes == COLUMNS => cannot_be_used(self, "-o top"),
            Mode::Rows | Mode::Processes => {
                NoEffect::Warning(format!("{self} has no effect without a screen"))
            }
            Mode::Screen => NoEffect::Error(format!(
                "{self} does not work with tui; choose -o table, csv, json or raw"
            )),
            Mode::Check => cannot_be_used(self, "--check"),
            Mode::PrintConfig => cannot_be_used(self, "--print-config"),
            Mode::Generate => cannot_be_used(self, "--generate"),
        })
    }

    /// Returns the message if the option has no effect on any of `sources`.
    pub(crate) fn check_sources<'a>(
        &self,
        mut sources: impl Iterator<Item = &'a Source>,
    ) -> Option<NoEffect> {
        let applies = match self.sources {
            // The option changes how all sources are read.
            SourceScope::Recording => sources.all(|source| self.sources.includes(source)),
            _ => sources.any(|source| self.sources.includes(source)),
        };
        let why = self.sources.reason().filter(|_| !applies)?;
        Some(match self.sources {
            SourceScope::NoPipe | SourceScope::Server => {
                NoEffect::Warning(format!("{self} has no effect: {why}"))
            }
            // A host without `ssh://` that is not found gets a hint of its own.
            SourceScope::Ssh => NoEffect::Warning(format!("{self} {why}")),
            _ => NoEffect::Error(format!("{self} {why}")),
        })
    }
}

fn cannot_be_used(option: &OptionScope, with: &str) -> NoEffect {
    NoEffect::Error(format!("{option} cannot be used with {with}; remove {option}"))
}

impl SourceScope {
    pub(crate) fn includes(self, source: &Source) -> bool {
        // A path that does not exist is reported when it is opened.
        let is_pipe = |path: &std::path::Path| path.metadata().is_ok_and(|it| !it.is_file());
        match (self, source) {
            (SourceScope::Any, _) => true,
            (SourceScope::NoPipe | SourceScope::Recording, Source::Path(path)) => !is_pipe(path),
            (SourceScope::NoPipe, source) => *source != Source::Stdin,
            (SourceScope::Server, source) => !matches!(source, Source::Path(_) | Source::Stdin),
            (SourceScope::Ssh, source) => matches!(source, Source::Ssh(_)),
            (SourceScope::Tls, Source::Prometheus(server)) => server.is_tls,
            (SourceScope::Tls, source) => matches!(source, Source::Tls(_)),
            (SourceScope::Recording, _) => false,
        }
    }

    /// Returns the reason why an option has no effect on a source outside this scope, and the way out.
    pub(crate) fn reason(self) -> Option<&'static str> {
        Some(match self {
            SourceScope::Any => return None,
            SourceScope::NoPipe => "rows of pipes and standard input arrive at their own pace",
            SourceScope::Server => "files and pipes are read from their beginning",
            SourceScope::Ssh => "needs an ssh source; write USER@HOST or ssh://HOST",
            SourceScope::Tls => "needs a TLS source; write tls://HOST or prom+https://HOST",
            SourceScope::Recording => "takes recordings only; give the path of a recording",
        })
    }
}

impl fmt::Display for OptionScope {
    /// Writes the option as it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            "sources" => f.write_str("SOURCE"),
            id => write!(f, "--{}", id.replace('_', "-")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_an_effect_somewhere_and_says_where_it_has_none() {
        let modes = [
            Mode::Screen,
            Mode::Rows,
            Mode::Processes,
            Mode::Check,
            Mode::PrintConfig,
            Mode::Generate,
        ];
        let sources =
            ["web-1", "me@web-1", "tls://a", "unix:/a", "-", "./a.load", "prom+http://a/"];
        let sources = sources.map(|text| text.parse::<Source>().unwrap());
        for option in &OPTION_SCOPES {
            assert!(modes.iter().any(|mode| option.check_mode(*mode).is_none()), "{option}");
            assert!(sources.iter().any(|source| option.sources.includes(source)), "{option}");
            for mode in modes {
                let silent = option.check_mode(mode).is_none();
                assert_eq!(silent, option.modes.contains(&mode), "{option} {mode:?}");
            }
            for source in &sources {
                let silent = option.check_sources([source].into_iter()).is_none();
                assert_eq!(silent, option.sources.includes(source), "{option} {source}");
            }
        }
    }

    #[test]
    fn a_device_is_a_pipe_and_a_missing_file_a_recording() {
        let file = |path: &str| Source::Path(path.into());
        for scope in [SourceScope::Recording, SourceScope::NoPipe] {
            let includes = ["/dev/null", "/nowhere/a.load"].map(|path| scope.includes(&file(path)));
            assert_eq!(includes, [false, true]);
        }
    }
}
