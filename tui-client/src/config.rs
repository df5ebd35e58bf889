//! Configuration file: read once, at the start, and never written.
//!
//! ```text
//!  text       text of the file, and errors with its line, a caret and a hint
//!  values     tables, strings and numbers with their positions in the file
//!  options    defaults for options, in command-line syntax; `cli` parses them
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
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use loadline_protocol::sanitize;
use toml::de::DeTable;

use crate::keys::Keys;
use crate::theme::ColourOverrides;
use crate::thresholds::Thresholds;
pub use defaults::default_config;
pub use options::Setting;
pub use sources::{ResolvedSource, SOURCES_MAX, SourceNames};
pub use text::{ConfigError, ConfigText};
use values::{ConfigEntry, entries, unknown_name};

/// Size limit: 1 MiB. A larger file is not a configuration written by hand.
const BYTES_MAX: u64 = 1 << 20;

const SECTIONS: [&str; 6] = ["sources", "groups", "options", "theme", "keys", "thresholds"];

/// Parsed configuration file.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Text of the file, for errors found later.
    pub text: ConfigText,
    /// Names of sources and groups.
    pub sources: SourceNames,
    /// Defaults for options.
    pub options: Vec<Setting>,
    /// Colours that replace colours of the theme.
    pub colours: ColourOverrides,
    /// Key bindings.
    pub keys: Keys,
    /// Warning and critical thresholds.
    pub thresholds: Thresholds,
}

impl Config {
    /// Reads the chosen file, or the default file if it exists. An empty name reads no file.
    pub fn load(chosen: Option<&OsStr>) -> Result<Config, ConfigError> {
        let (path, is_chosen) = match chosen {
            Some(path) if path.is_empty() => return Ok(Config::default()),
            Some(path) => (PathBuf::from(path), true),
            None => match default_path() {
                Some(path) => (path, false),
                None => return Ok(Config::default()),
            },
        };
        let name = sanitize(&path.to_string_lossy()).into_owned();
        match read(&path) {
            Ok(bytes) if bytes.len() as u64 > BYTES_MAX => Err(ConfigError::for_file(&format!(
                "configuration {name} is larger than 1 MiB; choose another with --config"
            ))),
            Ok(bytes) => Config::parse(name, path.parent(), bytes),
            Err(error) if error.kind() == ErrorKind::NotFound && !is_chosen => {
                Ok(Config::default())
            }
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::NotFound => "no such file".to_owned(),
                    kind => kind.to_string(),
                };
                Err(ConfigError::for_file(&format!(
                    "cannot read configuration {name}: {why}; choose another with --config, or none \
                     with --config ''"
                )))
            }
        }
    }

    /// Parses the contents of a file. `folder` is the base of relative paths.
    pub fn parse(
        name: String,
        folder: Option<&Path>,
        bytes: Vec<u8>,
    ) -> Result<Config, ConfigError> {
        let text = match String::from_utf8(bytes) {
            Ok(text) => ConfigText::new(name, text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text =
                    ConfigText::new(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
                return Err(text.error_at(at..at + 1, "invalid UTF-8; save the file as UTF-8"));
            }
        };
        let parsed = DeTable::parse(text.as_str()).map_err(|error| text.syntax_error(&error))?;
        let mut config = Config::default();
        for entry in entries(parsed.get_ref()) {
            config.read_section(&text, folder, &entry)?;
        }
        config.sources.check(&text)?;
        Ok(Config { text, ..config })
    }

    fn read_section(
        &mut self,
        text: &ConfigText,
        folder: Option<&Path>,
        section: &ConfigEntry,
    ) -> Result<(), ConfigError> {
        let name = section.name();
        if options::names().contains(&name) && section.value().as_table().is_none() {
            let message =
                format!("option {name} is outside of a section; write it under [options]");
            return Err(section.key_error(text, message));
        }
        if !SECTIONS.contains(&name) {
            return Err(section.key_error(text, unknown_name("section", name, SECTIONS)));
        }
        let table = section.table(text, "a section, as in [options]")?;
        match name {
            "sources" => self.sources.add_sources(text, folder, table)?,
            "groups" => self.sources.add_groups(text, table)?,
            "options" => self.options = options::read(text, folder, table, &options::names())?,
            "theme" => self.colours = ui::colours(text, table)?,
            "keys" => self.keys = ui::keys(text, table)?,
            _ => self.thresholds = ui::thresholds(text, table)?,
        }
        Ok(())
    }
}

/// Path of the default file: `loadline/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`.
fn default_path() -> Option<PathBuf> {
    let folder = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(folder.join("loadline").join("config.toml"))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
