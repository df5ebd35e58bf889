//! The configuration file: read once, at the start, and never written.
//!
//! ```text
//!  text       the file, and how a fault in it is shown: the line, a caret, what is allowed
//!  values     tables, texts and numbers with their places in the file
//!  options    defaults for the options, in their own syntax; `cli` reads them
//!  sources    names of sources and groups, and what they stand for
//!  looks      colours, keys and thresholds
//!  usual      the file with all defaults, for `--print-config`
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

/// More is no configuration that anybody wrote.
const BYTES_MAX: u64 = 1 << 20;

/// The sections of the file.
const SECTIONS: [&str; 6] = ["sources", "groups", "options", "theme", "keys", "thresholds"];

/// What the user has written down.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The file, for faults that are found later.
    pub text: ConfigText,
    /// Names that stand for sources.
    pub sources: SourceNames,
    /// Defaults for options.
    pub options: Vec<Setting>,
    /// Colours in place of those of the theme that is chosen.
    pub colours: ColourOverrides,
    /// Which key does what.
    pub keys: Keys,
    /// Which values are worth a look.
    pub thresholds: Thresholds,
}

impl Config {
    /// Reads the file that was chosen, none if that is an empty name; else the one at the usual place,
    /// if there is one.
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
                "the configuration {name} is larger than 1 MiB; choose another by --config"
            ))),
            Ok(bytes) => Config::parse(name, path.parent(), bytes),
            Err(error) if error.kind() == ErrorKind::NotFound && !is_chosen => {
                Ok(Config::default())
            }
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::NotFound => "there is no such file".to_owned(),
                    kind => kind.to_string(),
                };
                Err(ConfigError::for_file(&format!(
                    "cannot read the configuration {name}: {why}; choose another by --config, or none \
                     by --config ''"
                )))
            }
        }
    }

    /// Understands a file of this name, which lies in this folder.
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
                return Err(text.error_at(at..at + 1, "this is no UTF-8; save the file as UTF-8"));
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

/// Where the configuration is if nothing else is said.
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
