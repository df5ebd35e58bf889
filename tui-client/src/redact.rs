//! Secrets in texts for people: passwords in addresses, and values that are named like a secret.
//!
//! Errors repeat what was typed or configured, and what servers answer. A text loses its secrets before it is shown
//! or logged.

use std::ops::Range;

/// Words in the names of secrets, in lower case.
const SECRET_WORDS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "secret",
    "token",
    "credential",
    "apikey",
    "api-key",
    "api_key",
    "private-key",
    "private_key",
    "authorization",
];

/// Options of programs whose next word is a password: of sshpass and of plink.
const PASSWORD_OPTIONS: [&str; 2] = ["sshpass -p", "-pw "];

/// Text in place of a secret.
const HIDDEN: &str = "***";

/// Returns a text without secrets.
pub(crate) fn redact(text: &str) -> String {
    replace(text, secret_spans(text), |_| HIDDEN.to_owned())
}

/// Returns an address as a whole without its password, which may have blanks, slashes and quotes.
pub(crate) fn redact_address(address: &str) -> String {
    replace(address, password_span(address).into_iter().collect(), |_| HIDDEN.to_owned())
}

/// Returns a line of a configuration without secrets, and with all other characters at their places.
pub(crate) fn mask_line(line: &str) -> String {
    let mut spans = secret_spans(line);
    let named = named_secrets(line, str::len).into_iter();
    spans.extend(named.chain(line.find("sshpass").map(|at| at + "sshpass".len()..line.len())));
    mask(line, spans)
}

/// Returns a line with all characters from `from` hidden, except blanks in front.
pub(crate) fn mask_from(line: &str, from: usize) -> String {
    let begin = line[from..].find(|c: char| !c.is_whitespace()).map_or(line.len(), |at| from + at);
    format!("{}{}", &line[..begin], "*".repeat(line[begin..].chars().count()))
}

/// Returns whether a text has a name of a secret.
pub(crate) fn names_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| text.contains(word))
}

fn mask(line: &str, spans: Vec<Range<usize>>) -> String {
    replace(line, spans, |secret| "*".repeat(secret.chars().count()))
}

/// Replaces byte ranges, which may overlap.
fn replace(text: &str, mut spans: Vec<Range<usize>>, with: impl Fn(&str) -> String) -> String {
    spans.sort_by_key(|span| span.start);
    let (mut replaced, mut done) = (String::with_capacity(text.len()), 0);
    for span in spans {
        let start = span.start.max(done);
        if span.end > start {
            replaced.push_str(&text[done..start]);
            replaced.push_str(&with(&text[start..span.end]));
            done = span.end;
        }
    }
    replaced + &text[done..]
}

/// Returns the byte ranges of all secrets in a text.
fn secret_spans(text: &str) -> Vec<Range<usize>> {
    let is_edge = |c: char| c.is_whitespace() || "\"'`<>(){},".contains(c);
    let mut spans = named_secrets(text, value_len);
    let mut begin = 0;
    for word in text.split(is_edge) {
        spans.extend(password_span(word).map(|span| begin + span.start..begin + span.end));
        // All edges but some blanks are one byte long.
        begin += word.len() + text[begin + word.len()..].chars().next().map_or(0, char::len_utf8);
    }
    for option in PASSWORD_OPTIONS {
        for (at, _) in text.match_indices(option) {
            let at = at + option.len();
            let blanks = text[at..].len() - text[at..].trim_start().len();
            let begin = at + blanks;
            spans.push(begin..begin + value_len(&text[begin..]));
        }
    }
    spans
}

/// Returns the range of the password in `[SCHEME://]USER:PASSWORD@HOST`.
fn password_span(address: &str) -> Option<Range<usize>> {
    let scheme = address.find("://").map(|at| at + "://".len());
    // An @ in front marks a group.
    let user = scheme.unwrap_or_else(|| usize::from(address.starts_with('@')));
    let end = address.rfind('@').filter(|end| *end > user)?;
    let begin = user + address[user..end].find(':')? + 1;
    let name = &address[user..begin];
    let has_other = name.contains('@') || (scheme.is_some() && name.contains('/'));
    let is_path = scheme.is_none() && address[begin..].starts_with('/');
    (!has_other && !is_path && begin < end).then_some(begin..end)
}

/// Returns the ranges of values whose names look like secrets: `NAME = VALUE`, `"NAME": "VALUE"` and
/// `--NAME VALUE`. `len` returns the length of the value at the beginning of a text.
fn named_secrets(text: &str, len: impl Fn(&str) -> usize) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '.';
    let mut spans = Vec::new();
    for word in SECRET_WORDS {
        for (at, _) in lower.match_indices(word) {
            let name_end = at + text[at..].find(|c| !is_name(c)).unwrap_or(text.len() - at);
            let name_begin = text[..at].rfind(|c| !is_name(c)).map_or(0, |before| {
                before + text[before..].chars().next().map_or(1, char::len_utf8)
            });
            let after = text[name_end..].trim_start_matches(['"', '\'']).trim_start();
            let is_quoted = text[name_end..].starts_with(['"', '\'']);
            let is_option =
                text[name_begin..].starts_with('-') && after.len() < text.len() - name_end;
            let value = match after.strip_prefix('=') {
                Some(value) => Some(value),
                None if is_quoted => after.strip_prefix(':'),
                None => Some(after).filter(|_| is_option),
            };
            if let Some(value) = value.map(str::trim_start) {
                let begin = text.len() - value.len();
                spans.push(begin..begin + len(value));
            }
        }
    }
    spans
}

/// Returns the length of a value: up to its closing quote, else up to the next blank.
fn value_len(value: &str) -> usize {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |at| at + 2),
        _ => {
            value.find(|c: char| c.is_whitespace() || "\"',;)}]".contains(c)).unwrap_or(value.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_and_tokens_are_hidden() {
        for (text, expected) in [
            ("prom+http://me:hunter2@a:9090/", "prom+http://me:***@a:9090/"),
            ("invalid \"tls://me:hun@ter2@a\"; x", "invalid \"tls://me:***@a\"; x"),
            ("cannot open me:hunter2@web-1/: gone", "cannot open me:***@web-1/: gone"),
            ("prom+http://:hunter2@a/", "prom+http://:***@a/"),
            ("env API_TOKEN=hunter2 agent: not found", "env API_TOKEN=*** agent: not found"),
            ("password = \"hunter 2\" x", "password = *** x"),
            ("{\"token\":\"hunter2\"}", "{\"token\":***}"),
            ("--prom-password hunter2 x", "--prom-password *** x"),
            ("'sshpass -p hunter2 ssh'", "'sshpass -p *** ssh'"),
            ("sshpass -phunter2 ssh", "sshpass -p*** ssh"),
            ("plink -pw 'hunter2 x' y", "plink -pw *** y"),
            ("Passphrase=hunter2", "Passphrase=***"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn other_texts_stay() {
        for text in [
            "",
            "ssh://me@web-1:22: me@web-1: Permission denied (publickey,password)",
            "unix:/run/a@b: no such socket",
            "[2001:db8::1]:1027: connection refused",
            "set LOADLINE_PROM_PASSWORD, or set LOADLINE_PROM_TOKEN",
            "WARNING: Your password has expired. You must change your password now",
            "kex_exchange_identification: Connection closed by 10.0.0.7 port 22",
            "git@github.com:a/b@c",
            "Ä: é@ö",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn an_address_is_redacted_as_a_whole() {
        assert_eq!(redact_address("prom+http://me:a b/c\"d?e@h/"), "prom+http://me:***@h/");
        assert_eq!(redact_address("me:a b@web-1"), "me:***@web-1");
        assert_eq!(redact_address("deploy@[::1]:22"), "deploy@[::1]:22");
    }

    #[test]
    fn a_masked_line_keeps_its_columns() {
        assert_eq!(mask_line("password = \"hünter2\" # x"), "password = *************");
        assert_eq!(mask_line("a = \"tls://me:hunter2@b\""), "a = \"tls://me:*******@b\"");
        assert_eq!(mask_line("ssh = \"sshpass -p x ssh\""), "ssh = \"sshpass**********");
        assert_eq!(mask_from("password hunter2", 8), "password *******");
    }

    proptest! {
        #[test]
        fn any_text_is_redacted_without_a_panic(text in "[a-z:@/=\"' é\u{2003}p-]{0,30}(password|token=|://|sshpass -p)?.{0,20}") {
            let once = redact(&text);
            prop_assert!(redact_address(&text).len() <= text.len() + HIDDEN.len());
            prop_assert_eq!(mask_line(&text).chars().count(), text.chars().count());
            prop_assert!(redact(&once).len() <= once.len() + 4 * HIDDEN.len());
        }

        #[test]
        fn no_password_of_an_address_is_left(
            scheme in "(prom\\+https?|tcp|tls|ssh|http|[a-z]{1,9})://",
            user in "[a-z]{0,4}",
            password in "[A-Z0-9:@%/.+-]{4,12}",
        ) {
            let address = format!("{scheme}{user}:{password}@web-1:9090/x");
            for text in [redact(&address), redact(&format!("cannot open \"{address}\": x; y"))] {
                prop_assert!(!text.contains(&password), "{text}");
            }
        }
    }
}
