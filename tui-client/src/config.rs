//! Configuration file: read once, at the start, and never written.
//!
//! ```text
//!  values     tables, strings and numbers with their positions in the file
//!  options    defaults for options, in command-line syntax; `cli` parses them
//!  text       text of the file, and errors with its line, a caret and a hint
//!  sources    names of sources and groups
//!  ui         colours, keys and thresholds
//!  defaults   a file with all defaults, for `--print-config`
//! ```

mod defaults;
mod options;
mod sources;
mod text;
mod ui;
mod values;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use loadline_common::read_file;
use loadline_protocol::sanitize;
use toml::de::DeTable;

use crate::keys::Keys;
use crate::theme::Colours;
use crate::thresholds::Thresholds;
pub(crate) use defaults::default_config;
pub(crate) use options::Setting;
pub(crate) use sources::{GROUP_PREFIX, ResolvedSource, SOURCES_MAX, SourceNames};
pub(crate) use text::ConfigText;
use values::{ValueError, entries, error_at};

/// Size limit: 1 MiB. A larger file is not a configuration written by hand.
const BYTES_MAX: u64 = 1 << 20;

const SECTIONS: [&str; 6] = ["sources", "groups", "options", "theme", "keys", "thresholds"];

#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// Kept for errors that `cli` finds in values.
    pub(crate) text: ConfigText,
    pub(crate) sources: SourceNames,
    pub(crate) options: Vec<Setting>,
    pub(crate) colours: Colours,
    pub(crate) keys: Keys,
    pub(crate) thresholds: Thresholds,
}

impl Config {
    /// Reads the chosen file, or the default file if it exists. An empty name reads no file.
    ///
    /// # Errors
    /// A message in one line; for an error in the file, with its line and a caret below.
    pub(crate) fn load(chosen: Option<&OsStr>) -> Result<Config, String> {
        let path = match chosen {
            Some(path) => Some(PathBuf::from(path)).filter(|_| !path.is_empty()),
            None => default_path().filter(|path| path.try_exists().unwrap_or(true)),
        };
        let Some(path) = path else { return Ok(Config::default()) };
        let name = sanitize(&path.to_string_lossy()).into_owned();
        let bytes = read_file(&path, BYTES_MAX).map_err(|error| {
            let why = match error.kind() {
                ErrorKind::NotFound => "no such file".to_owned(),
                ErrorKind::Other | ErrorKind::FileTooLarge | ErrorKind::TimedOut => {
                    error.to_string()
                }
                kind => kind.to_string(),
            };
            format!(
                "cannot read configuration {name}: {why}; choose another with --config, or none \
                 with --config ''"
            )
        })?;
        Config::parse(name, path.parent(), &bytes)
    }

    /// Parses the contents of a file. `folder` is the base of relative paths.
    pub(crate) fn parse(
        name: String,
        folder: Option<&Path>,
        bytes: &[u8],
    ) -> Result<Config, String> {
        let invalid_at = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        let text = ConfigText { name, text: String::from_utf8_lossy(bytes).into_owned() };
        if let Some(at) = invalid_at {
            return Err(text.error_at(at..at + 1, "invalid UTF-8; save the file as UTF-8"));
        }
        let parsed = DeTable::parse(&text.text).map_err(|error| text.syntax_error(&error))?;
        match Config::read_sections(folder, parsed.get_ref()) {
            Ok(config) => Ok(Config { text, ..config }),
            Err(error) => Err(text.error_at(error.span(), error.get_ref())),
        }
    }

    fn read_sections(folder: Option<&Path>, sections: &DeTable) -> Result<Config, ValueError> {
        let mut config = Config::default();
        for section in entries(sections) {
            let name = section.name();
            if options::is_option(name) && section.value.get_ref().as_table().is_none() {
                let message =
                    format!("option {name} is outside of a section; write it under [options]");
                return Err(error_at(section.key.span(), message));
            }
            if !SECTIONS.contains(&name) {
                return Err(section.unknown("section", SECTIONS));
            }
            let table = section.table("a section, as in [options]")?;
            match name {
                "sources" => config.sources.add_sources(folder, table)?,
                "groups" => config.sources.add_groups(table)?,
                "options" => config.options = options::read(folder, table)?,
                "theme" => config.colours = ui::colours(table)?,
                "keys" => config.keys = ui::keys(table)?,
                _ => config.thresholds = ui::thresholds(table)?,
            }
        }
        config.sources.check()?;
        Ok(config)
    }
}

/// Path of the default file: `loadline/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`.
fn default_path() -> Option<PathBuf> {
    let folder = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(folder.join("loadline").join("config.toml"))
}

#[cfg(test)]
pub(crate) mod tests;
