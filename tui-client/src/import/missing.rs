//! Words of other programs for a missing value.

/// Words in lower case, also those for a value that is no finite number. In brackets, any words mean a missing value: `[Not Supported]`.
#[rustfmt::skip]
const WORDS: [&str; 43] = [
    "", "-", "--", "---", "–", "—", "...", ".", "?", "*", "\\n", "n/a", "na", "#n/a", "n.a.",
    "<na>", "nan", "+nan", "-nan", "null", "(null)", "none", "nil", "missing", "unknown",
    "undefined", "undef", "not available", "not supported", "err", "err!", "error", "#value!",
    "#div/0!", "#ref!", "1.#ind", "-1.#ind", "1.#qnan", "inf", "+inf", "-inf", "infinity",
    "-infinity",
];

pub(super) fn is_missing(cell: &str) -> bool {
    let is_bracketed = || {
        let inner = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']'));
        inner.is_some_and(|inner| !inner.contains(|c: char| c.is_ascii_digit()))
    };
    cell.is_empty() || WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word)) || is_bracketed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_have_many_words() {
        for cell in ["", "N/A", "-", "nan", "NULL", "[N/A]", "[Not Supported]", "\\N"] {
            assert!(is_missing(cell), "{cell}");
        }
        for cell in ["0", "-1", "web-1", "[2025-11-22 18:40:00]", "nano"] {
            assert!(!is_missing(cell), "{cell}");
        }
    }
}
