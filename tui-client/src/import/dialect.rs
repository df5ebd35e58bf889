//! Dialect of a table: separator, decimal sign, and the fields of a line.

use std::borrow::Cow;

use loadline_protocol::parse_number;

use super::Refusal;
use super::clock::{is_clock, is_date, is_meridiem, zone_offset};

/// Separator of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Tab,
    Semicolon,
    Comma,
    Blanks,
}

impl Separator {
    /// Separators in the order in which they are tried: a decimal comma stands between semicolons,
    /// and blanks stand within fields.
    pub(super) const ALL: [Separator; 4] =
        [Separator::Tab, Separator::Semicolon, Separator::Comma, Separator::Blanks];

    fn byte(self) -> Option<u8> {
        match self {
            Separator::Tab => Some(b'\t'),
            Separator::Semicolon => Some(b';'),
            Separator::Comma => Some(b','),
            Separator::Blanks => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Separator::Tab => "tabs",
            Separator::Semicolon => "semicolons",
            Separator::Comma => "commas",
            Separator::Blanks => "blanks",
        }
    }
}

/// Words that form one field although blanks separate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    Nothing,
    /// `5:00:00 PM`.
    Clock,
    /// `2026-11-28 16:42:39 +0100`.
    DateAndClock,
}

/// Division of a line into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldLayout {
    pub(super) separator: Separator,
    pub(super) joined: Joined,
}

impl FieldLayout {
    /// Returns all layouts that may divide `line`.
    pub(super) fn of_line(line: &str) -> impl Iterator<Item = FieldLayout> {
        let occurs = |separator: &Separator| {
            separator.byte().is_none_or(|byte| line.as_bytes().contains(&byte))
        };
        let separators: Vec<Separator> = Separator::ALL.into_iter().filter(occurs).collect();
        separators.into_iter().flat_map(|separator| {
            // Joined first: `PM` is no field of its own, even if the heading has one too.
            let all = [Joined::DateAndClock, Joined::Clock, Joined::Nothing];
            let joined = if separator == Separator::Blanks { &all[..] } else { &all[2..] };
            joined
                .iter()
                .map(move |joined| FieldLayout { separator, joined: *joined })
                .collect::<Vec<_>>()
        })
    }

    /// Returns the layout of a line without a heading above.
    pub(super) fn of_headless_line(line: &str) -> Option<FieldLayout> {
        FieldLayout::of_line(line)
            .map(|layout| FieldLayout { joined: Joined::DateAndClock, ..layout })
            .next()
    }

    /// Splits a line. The result is empty if a quoted field does not end on the line.
    pub(super) fn split(self, line: &str) -> Vec<Cow<'_, str>> {
        match self.separator.byte() {
            None => join_words(line.split_whitespace(), line, self.joined),
            Some(separator) if line.contains('"') => split_quoted(line, separator),
            Some(separator) => {
                line.split(char::from(separator)).map(|field| field.trim().into()).collect()
            }
        }
    }
}

fn split_quoted(line: &str, separator: u8) -> Vec<Cow<'_, str>> {
    if line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        return Vec::new();
    }
    // A blank in front of a quote would make the quote part of the field: `a, "b"`.
    let pattern = [char::from(separator), ' ', '"'].iter().collect::<String>();
    let mut line = Cow::Borrowed(line);
    while line.contains(&pattern) {
        line = line.replace(&pattern, &pattern.replace(' ', "")).into();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    // An unreadable line has no fields, so the caller rejects their number.
    let _ = reader.read_record(&mut record);
    record.iter().map(|field| Cow::Owned(field.to_owned())).collect()
}

/// Joins the words of a time.
fn join_words<'l>(
    words: impl Iterator<Item = &'l str>,
    line: &'l str,
    joined: Joined,
) -> Vec<Cow<'l, str>> {
    let mut fields: Vec<&str> = Vec::new();
    for word in words {
        let is_continued = fields.last().is_some_and(|last| continues_time(last, word, joined));
        match fields.last_mut() {
            Some(last) if is_continued => *last = slice_to(line, last, word),
            _ => fields.push(word),
        }
    }
    fields.into_iter().map(Cow::Borrowed).collect()
}

/// Returns whether `word` belongs to the time in front of it.
fn continues_time(before: &str, word: &str, joined: Joined) -> bool {
    let last = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    match joined {
        Joined::Nothing => false,
        Joined::Clock => is_clock(last) && is_meridiem(word),
        Joined::DateAndClock => {
            (is_date(before) && is_clock(word))
                || (is_clock(last) && (is_meridiem(word) || zone_offset(word).is_some()))
                || (is_meridiem(last) && before != last && zone_offset(word).is_some())
        }
    }
}

/// Returns the part of `line` from the start of `first` to the end of `last`.
fn slice_to<'l>(line: &'l str, first: &str, last: &str) -> &'l str {
    let start = first.as_ptr().addr() - line.as_ptr().addr();
    let end = last.as_ptr().addr() + last.len() - line.as_ptr().addr();
    line.get(start..end).unwrap_or_default()
}

/// Decimal sign of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decimal {
    Point,
    Comma,
}

impl Decimal {
    pub(super) fn parse(self, text: &str) -> Option<f64> {
        match self {
            Decimal::Point => parse_number(text),
            Decimal::Comma if text.contains('.') => None,
            Decimal::Comma => parse_number(&text.replace(',', ".")),
        }
    }

    /// Decides by the numbers of a table, which a comma as the separator does not divide.
    ///
    /// # Errors
    /// A comma may be the decimal sign as well as a separator of thousands, or numbers have both
    /// signs.
    pub(super) fn detect<'c>(cells: impl Iterator<Item = &'c str>) -> Result<Decimal, Refusal> {
        let (mut thousands, mut comma, mut point) = (None, None, None);
        for cell in cells {
            let number = number_part(cell);
            match (number.matches(',').count(), number.contains('.')) {
                (0, true) if parse_number(number).is_some() => point = Some(number),
                (0, _) => {}
                (1, false) if !is_grouped(number) => comma = Some(number),
                _ => thousands = Some(number),
            }
        }
        let hint = "write numbers with a decimal point and without thousands separators";
        match (thousands, comma, point) {
            (None, None, _) => Ok(Decimal::Point),
            (Some(number), None, _) => Err(ambiguous(number)),
            (Some(number), Some(_), _)
                if number.matches(',').count() > 1 || number.contains('.') =>
            {
                Err(ambiguous(number))
            }
            (_, Some(_), None) => Ok(Decimal::Comma),
            (_, Some(comma), Some(point)) => {
                let what = format!("numbers have a decimal comma ({comma}) and a point ({point})");
                Err(Refusal::new(&what, hint))
            }
        }
    }
}

fn ambiguous(number: &str) -> Refusal {
    let what = format!("the comma in {number:?} may separate decimals or thousands");
    Refusal::new(&what, "write numbers with a decimal point and without thousands separators")
}

/// Returns the leading part of a cell that has only characters of numbers; empty if there is none.
fn number_part(cell: &str) -> &str {
    let end = cell.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | ','));
    let number = cell[..end.unwrap_or(cell.len())].trim_end_matches([',', '.']);
    let digits = number.trim_start_matches(['+', '-']);
    if digits.starts_with(|c: char| c.is_ascii_digit()) { number } else { "" }
}

/// Returns whether a comma may separate thousands: `1,234`, but neither `0,234` nor `12,5`.
fn is_grouped(number: &str) -> bool {
    let digits = number.trim_start_matches(['+', '-']);
    let mut groups = digits.split(',');
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether a cell looks like a number that is written in a way that is not understood, for
/// example `1'234` or `1.234,5`.
pub(super) fn is_odd_number(cell: &str) -> bool {
    let is_of_number = |c: char| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}')
    };
    let digits = cell.trim_start_matches(['+', '-', '−']);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(is_of_number)
}

/// Kind of a line of numbers without names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainLine {
    /// Row of the line format.
    Row,
    /// A comma may be a decimal sign.
    Suspect,
}

impl PlainLine {
    /// Classifies a line that parses as a row: with one kind of separator it is one. Blanks around
    /// separators do not count if all separators have them, or if a point is the decimal sign.
    pub(crate) fn classify(line: &str) -> PlainLine {
        let line = line.trim();
        let (commas, semicolons) = (line.contains(','), line.contains(';'));
        let has_blank = line.contains([' ', '\t']);
        if !commas || line.contains('.') && !semicolons && !has_bare_blank(line) {
            return PlainLine::Row;
        }
        let all_alike = |with_blank: bool| {
            line.match_indices(',').all(|(at, _)| {
                line[at + 1..].starts_with([' ', '\t']) == with_blank || line.len() == at + 1
            })
        };
        if !semicolons && (!has_blank || !has_bare_blank(line) && all_alike(true)) {
            return PlainLine::Row;
        }
        PlainLine::Suspect
    }
}

/// Returns whether blanks separate fields without a comma or semicolon beside them.
fn has_bare_blank(line: &str) -> bool {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let Some(next) = words.peek() else { break };
        if !word.ends_with([',', ';']) && !next.starts_with([',', ';']) {
            return true;
        }
    }
    false
}
