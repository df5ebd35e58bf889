//! Output of `--generate`.

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use crate::manual::Manual;

/// Output of `--generate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GenerateTarget {
    /// Manual page
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
    /// Completions for PowerShell
    Powershell,
    /// Completions for elvish
    Elvish,
}

impl GenerateTarget {
    /// Generates the text for a program. `write_manual` adds the sections after the options.
    pub fn text(self, mut command: Command, write_manual: impl FnOnce(&mut Manual)) -> String {
        let shell = match self {
            GenerateTarget::Man => {
                let mut manual = Manual::new(command);
                write_manual(&mut manual);
                return manual.render();
            }
            GenerateTarget::Bash => Shell::Bash,
            GenerateTarget::Zsh => Shell::Zsh,
            GenerateTarget::Fish => Shell::Fish,
            GenerateTarget::Powershell => Shell::PowerShell,
            GenerateTarget::Elvish => Shell::Elvish,
        };
        let (name, mut bytes) = (command.get_name().to_owned(), Vec::new());
        clap_complete::generate(shell, &mut command, name, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
