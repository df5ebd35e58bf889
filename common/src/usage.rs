//! Usage errors, with suggestions for misspelt words.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use loadline_protocol::sanitize;

/// Similarity, from 0 to 1, from which a word is suggested.
const SIMILARITY_MIN: f64 = 0.75;

/// Message of a command-line error: the error, then `; ` and the hint.
#[must_use]
pub fn usage_error(error: &clap::Error) -> String {
    let message = value_error(error).unwrap_or_else(|| first_paragraph(&error.to_string()));
    let suggestion = suggestion(error).map(|word| format!("did you mean '{word}'? "));
    let suggestion = suggestion.unwrap_or_default();
    let values = strings(error, ContextKind::ValidValue).join(", ");
    let message = match error.kind() {
        ErrorKind::InvalidValue if !values.is_empty() => {
            format!("{message}; {suggestion}possible values: {values}")
        }
        // The error of a value says what is allowed.
        ErrorKind::ValueValidation => message,
        _ if suggestion.is_empty() && message.contains("; ") => message,
        _ => format!("{message}; {suggestion}see --help"),
    };
    sanitize(&message).into_owned()
}

/// Returns the error of clap's text as one line.
fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    // clap lists the possible values on a separate line.
    let is_error = |line: &&str| !line.trim_start().starts_with("[possible values:");
    let words = paragraph.lines().filter(is_error).flat_map(str::split_whitespace);
    words.skip_while(|word| *word == "error:").collect::<Vec<_>>().join(" ")
}

/// Returns the error of a value whose reason names the value, so that it is named only once.
fn value_error(error: &clap::Error) -> Option<String> {
    let reason = std::error::Error::source(error)?.to_string();
    let value = strings(error, ContextKind::InvalidValue).first().copied()?;
    let option = strings(error, ContextKind::InvalidArg).first()?.split(' ').next()?;
    reason.contains(&format!("{value:?}")).then(|| format!("{option}: {reason}"))
}

/// Text of a warning for standard error, in the form of [`error_text`]; the program continues.
#[must_use]
pub fn warning_text(message: &str) -> String {
    labelled("warning", message)
}

/// Text of an error for standard error: `error: …`, and `hint: …` on a line of its own.
///
/// The hint is the part of the first line of `message` after its first `; `. Numbers of system errors
/// (`(os error 2)`) are left out.
///
/// ```
/// use loadline_common::error_text;
/// let text = error_text("cannot read a.pem: No such file or directory (os error 2); check the path");
/// assert_eq!(text, "error: cannot read a.pem: No such file or directory\nhint: check the path");
/// ```
#[must_use]
pub fn error_text(message: &str) -> String {
    labelled("error", message)
}

fn labelled(label: &str, message: &str) -> String {
    let message = without_error_number(message);
    let (line, details) = message.split_once('\n').unwrap_or((&message, ""));
    let (error, hint) = line.split_once("; ").unwrap_or((line, ""));
    let details = if details.is_empty() { String::new() } else { format!("\n{details}") };
    let hint = if hint.is_empty() { String::new() } else { format!("\nhint: {hint}") };
    format!("{label}: {error}{details}{hint}")
}

/// Returns `text` without the number that `std` adds to a system error: ` (os error 2)`.
#[must_use]
pub fn without_error_number(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or(part, |(_, rest)| rest))
}

/// Returns the option or value that the user probably meant.
fn suggestion(error: &clap::Error) -> Option<&str> {
    let first = |kind| strings(error, kind).first().copied();
    let values = strings(error, ContextKind::ValidValue);
    let nearest = || nearest(first(ContextKind::InvalidValue)?, values.into_iter());
    first(ContextKind::SuggestedArg).or_else(|| first(ContextKind::SuggestedValue)).or_else(nearest)
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word],
        Some(ContextValue::Strings(words)) => words.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Message of an unknown word: `error`, then the nearest of `words`, then all of them.
///
/// ```
/// use loadline_common::with_suggestion;
/// let message = with_suggestion("unknown column laod1", "laod1", &["cpu", "load1"]);
/// assert_eq!(message, "unknown column laod1; did you mean load1? available: cpu, load1");
/// ```
#[must_use]
pub fn with_suggestion(error: &str, wrong: &str, words: &[&str]) -> String {
    let nearest = nearest(wrong, words.iter().copied());
    let suggestion = nearest.map_or(String::new(), |word| format!("did you mean {word}? "));
    format!("{error}; {suggestion}available: {}", words.join(", "))
}

/// Returns the word that was probably meant by a wrong one.
pub fn nearest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let similarity = |word: &str| {
        let word = word.to_lowercase();
        // A single typo counts, although it makes a short word rather dissimilar.
        let is_slip = wrong.len() > 2 && strsim::osa_distance(&wrong, &word) == 1;
        let similarity = strsim::jaro_winkler(&wrong, &word);
        if is_slip { similarity.max(SIMILARITY_MIN) } else { similarity }
    };
    let candidates =
        words.map(|word| (similarity(word), word)).filter(|(it, _)| *it >= SIMILARITY_MIN);
    // The first one wins among equals: `words` are in their usual order.
    candidates.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn parse_count(text: &str) -> Result<u8, &'static str> {
        text.parse().map_err(|_| "must be a whole number")
    }

    fn check(arguments: &[&str], expected: &str) {
        let command = Command::new("test")
            .arg(
                Arg::new("output").long("output").value_name("FORM").value_parser(["table", "csv"]),
            )
            .arg(Arg::new("count").long("count").value_name("N").value_parser(parse_count));
        let arguments = [&["test"], arguments].concat();
        let error = command.try_get_matches_from(arguments).unwrap_err();
        assert_eq!(usage_error(&error), expected);
    }

    #[test]
    fn a_misspelt_word_is_corrected() {
        check(
            &["--output", "tabel"],
            "invalid value 'tabel' for '--output <FORM>'; did you mean 'table'? \
             possible values: table, csv",
        );
        check(
            &["--outptu", "csv"],
            "unexpected argument '--outptu' found; did you mean '--output'? see --help",
        );
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_possible_values() {
        check(
            &["--output", "pie"],
            "invalid value 'pie' for '--output <FORM>'; possible values: table, csv",
        );
        check(&["--zzz"], "unexpected argument '--zzz' found; see --help");
        check(
            &["--count", "x\u{202e}"],
            "invalid value 'x\u{fffd}' for '--count <N>': must be a whole number",
        );
        check(
            &["--output"],
            "a value is required for '--output <FORM>' but none was supplied; possible values: table, csv",
        );
    }

    #[test]
    fn the_nearest_word_is_a_likely_typo() {
        let names = ["cpu", "freq", "mem", "load1", "load5", "net_rx"];
        let near = |wrong| nearest(wrong, names.into_iter());
        assert_eq!(near("CPU"), Some("cpu"));
        assert_eq!(near("laod1"), Some("load1"));
        assert_eq!(near("netrx"), Some("net_rx"));
        assert_eq!(near("mme"), Some("mem"));
        assert_eq!(near("memory"), Some("mem"));
        assert_eq!(near("battery"), None);
        assert_eq!(near(""), None);
    }
}
