//! Search for the first row of a table, its heading and the layout of both.

use std::borrow::Cow;

use loadline_protocol::parse_plain_row;

use super::clock::WrittenTime;
use super::dialect::{Decimal, FieldLayout, Joined, PlainLine, Separator};
use super::find_time::has_time_name;
use super::missing::is_missing;
use super::tools::Tool;
use super::units::{is_unit_name, split_cell};
use super::{ImportLine, PREAMBLE_LINES_MAX, Refusal, excerpt};

/// Place of a table among the lines of an input.
#[derive(Debug)]
pub(super) struct TablePlace {
    /// Line with the column names; `None` if there is none.
    pub(super) heading: Option<usize>,
    /// Line with the units of the columns, below their names.
    pub(super) units: Option<usize>,
    /// First line behind the heading.
    pub(super) first: usize,
    pub(super) layout: FieldLayout,
    pub(super) tool: Tool,
}

/// Kind of the lines of an input.
#[derive(Debug)]
pub(super) enum Found {
    /// No row.
    Nothing,
    /// Rows of the line format from this line on, comments not counted.
    Plain {
        first: usize,
        has_decimal_comma: bool,
    },
    Table(TablePlace),
}

/// Finds the first row. Only the first lines are searched.
///
/// # Errors
/// The first row does not fit the text above, or its commas have two meanings.
pub(super) fn find_table(lines: &[ImportLine], has_time_format: bool) -> Result<Found, Refusal> {
    let mut tool = Tool::Other;
    let searched = &lines[..lines.len().min(PREAMBLE_LINES_MAX)];
    for (at, line) in searched.iter().enumerate() {
        if let Some(found) = Tool::of_line(&line.text) {
            tool = found;
        }
        if line.is_comment || tool.is_beside_table(&line.text) {
            continue;
        }
        tool.check_line(&line.text)?;
        let above = &searched[..at];
        if let Some((heading, layout)) = find_heading(above, &line.text, &tool) {
            let tool = tool.clone();
            let names = names_above(above, heading, layout);
            return Ok(Found::Table(TablePlace {
                heading: Some(names.unwrap_or(heading)),
                units: names.map(|_| heading),
                first: heading + 1,
                layout,
                tool,
            }));
        }
        if is_row(&line.text, !above.is_empty()) {
            return find_headless(lines, at, &tool, has_time_format);
        }
    }
    Ok(Found::Nothing)
}

/// Finds the nearest line above a row that names its fields. A comment names them only if no text
/// does.
fn find_heading(above: &[ImportLine], row: &str, tool: &Tool) -> Option<(usize, FieldLayout)> {
    let texts = || above.iter().enumerate().rev();
    let of_kind = |is_comment: bool| {
        let lines = texts().filter(move |(_, line)| line.is_comment == is_comment);
        lines.filter(|(_, line)| !tool.is_beside_table(&line.text))
    };
    of_kind(false).chain(of_kind(true)).find_map(|(at, line)| {
        let layout = FieldLayout::of_line(row).find(|layout| {
            let (names, cells) = (layout.split(&line.text), layout.split(row));
            names.len() == fields_below(names.len(), &cells)
                && is_heading(&names, &cells)
                // Other separators divide the heading, but not the row.
                && (layout.separator != Separator::Blanks || !line.text.contains([',', ';']))
                // One word beside commas may be anything.
                && (names.len() > 1 || !line.is_comment && !is_banner(&line.text))
                && has_number(&cells, layout.separator)
        })?;
        Some((at, layout))
    })
}

/// Returns whether comments name the fields of a plain row. A comment of few words may be a sentence
/// unless it names a time.
pub(super) fn names_fields(comments: &[ImportLine], row: &str) -> bool {
    // More fields than the standard columns.
    const FIELDS_SURE: usize = 7;
    let Some((at, layout)) = find_heading(comments, row, &Tool::Other) else { return false };
    let names = layout.split(&comments[at].text);
    names_above(comments, at, layout).is_some()
        || names.len() >= FIELDS_SURE
        || names.first().is_some_and(|name| has_time_name(name))
}

/// Finds the names above a line of units: `gpu pwr` above `Idx W`.
fn names_above(above: &[ImportLine], units: usize, layout: FieldLayout) -> Option<usize> {
    let at = units.checked_sub(1)?;
    let (names, cells) = (layout.split(&above[at].text), layout.split(&above[units].text));
    let is_unit = |cell: &Cow<'_, str>| is_missing(cell) || is_unit_name(cell);
    let is_alike = above[at].is_comment == above[units].is_comment && names.len() == cells.len();
    let has_units = cells.iter().all(is_unit) && !names.iter().all(is_unit);
    (is_alike && has_units && is_heading(&names, &cells)).then_some(at)
}

/// Returns whether a line divides or decorates a table: `procs ---memory--- --swap--`.
pub(super) fn is_banner(line: &str) -> bool {
    let is_number = |word: &str| is_number(word, Separator::Blanks);
    line.contains("---") && !line.split([' ', '|', ',', ';', '\t']).any(is_number)
}

/// Returns the number of fields of a row below `names` names: a separator may end the row.
pub(super) fn fields_below(names: usize, cells: &[Cow<'_, str>]) -> usize {
    let ends_empty = cells.last().is_some_and(|last| last.is_empty());
    if ends_empty && cells.len() == names + 1 { names } else { cells.len() }
}

/// Returns whether cells are names: words, and no number among them. The first may be a clock time, as
/// in `sar`. Columns may be called by numbers below a first word and time: `time,0,1`.
pub(super) fn is_heading(names: &[Cow<'_, str>], row: &[Cow<'_, str>]) -> bool {
    let is_time = |cell: &Cow<'_, str>| WrittenTime::split(cell).is_some();
    let is_number = |name: &Cow<'_, str>| is_number(name, Separator::Blanks);
    let is_word = |name: &Cow<'_, str>| !is_missing(name) && !is_number(name);
    let words = names.iter().filter(|name| is_word(name) && !is_time(name)).count();
    let numbers = names.iter().filter(|name| is_number(name)).count();
    // `1m` names a column of numbers, but not one of `2m`.
    let has_value = |(name, cell): (&Cow<'_, str>, &Cow<'_, str>)| {
        split_cell(name).is_some() && split_cell(cell).is_some()
    };
    if names.iter().zip(row).any(has_value) {
        return false;
    }
    let others_are_words = names.iter().skip(1).all(|name| !is_time(name) || is_zone_name(name));
    let is_numbered = names.first().is_some_and(|name| is_word(name) && !is_time(name))
        && row.first().is_some_and(is_time);
    words > 0 && others_are_words && (numbers == 0 || is_numbered)
}

/// Returns whether cells below a heading are another heading: the first name is the same, or both
/// begin with a clock time.
pub(super) fn is_next_heading(heading: &[String], cells: &[Cow<'_, str>]) -> bool {
    let Some((first, cell)) = heading.first().zip(cells.first()) else { return false };
    let has_clock = WrittenTime::split(first).is_some();
    let is_first = if has_clock { WrittenTime::split(cell).is_some() } else { first == cell };
    is_first && cells.len() >= heading.len().min(2) && is_heading(cells, &[])
}

fn is_zone_name(name: &str) -> bool {
    !name.contains(|c: char| c.is_ascii_digit())
}

/// Returns whether a row has a number: with or without a unit, or a time.
fn has_number(cells: &[Cow<'_, str>], separator: Separator) -> bool {
    cells.iter().any(|cell| {
        is_number(cell, separator)
            || split_cell(cell).is_some()
            || WrittenTime::split(cell).is_some()
    })
}

fn is_number(cell: &str, separator: Separator) -> bool {
    if is_missing(cell) {
        return false;
    }
    let has_comma = separator != Separator::Comma && Decimal::Comma.parse(cell).is_some();
    has_comma || Decimal::Point.parse(cell).is_some()
}

/// Returns whether a line without a heading is a row: it has a number, below other text also one with
/// a unit.
fn is_row(line: &str, is_below_text: bool) -> bool {
    FieldLayout::of_line(line).any(|layout| {
        let cells = layout.split(line);
        let has_number = cells.iter().any(|cell| is_number(cell, layout.separator));
        let has_unit = || {
            let is_filled = cells.iter().all(|cell| is_missing(cell) || split_cell(cell).is_some());
            is_filled && cells.iter().any(|cell| !is_missing(cell))
        };
        has_number && !is_sentence(&cells, layout.separator) || is_below_text && has_unit()
    })
}

/// Returns whether blanks separate mostly words: `Listening on port 1027`.
fn is_sentence(cells: &[Cow<'_, str>], separator: Separator) -> bool {
    let is_word = |cell: &&Cow<'_, str>| {
        !is_missing(cell) && !is_number(cell, separator) && WrittenTime::split(cell).is_none()
    };
    let words = cells.iter().filter(is_word).count();
    separator == Separator::Blanks && 2 * words > cells.len()
}

/// Decides about rows without a heading.
fn find_headless(
    lines: &[ImportLine],
    at: usize,
    tool: &Tool,
    has_time_format: bool,
) -> Result<Found, Refusal> {
    let row = &*lines[at].text;
    let nearest = lines[..at].iter().rfind(|line| !line.text.trim().is_empty() && !line.is_comment);
    let is_plain = parse_plain_row(row).is_ok();
    if is_plain && !has_time_format {
        if let Some(line) = nearest.filter(|line| *tool != Tool::Other || is_table_text(&line.text))
        {
            return Err(mismatch(&line.text, row));
        }
        let rows = lines[at..].iter().filter(|line| !line.is_comment).map(|line| &*line.text);
        let has_decimal_comma = has_decimal_comma(row, &rows)?;
        let first = lines[..at].iter().filter(|line| !line.is_comment).count();
        return Ok(Found::Plain { first, has_decimal_comma });
    }
    let layout = FieldLayout::of_headless_line(row)
        .unwrap_or(FieldLayout { separator: Separator::Blanks, joined: Joined::DateAndClock });
    if let Some(line) = nearest {
        return Err(mismatch(&line.text, row));
    }
    let tool = tool.clone();
    Ok(Found::Table(TablePlace { heading: None, units: None, first: at, layout, tool }))
}

/// Returns whether a text above rows was meant to name columns.
fn is_table_text(text: &str) -> bool {
    text.contains([',', ';', '\t'])
}

fn mismatch(text: &str, row: &str) -> Refusal {
    let what = format!(
        "the text above the first row does not name its columns: {:?} above {:?}",
        excerpt(text),
        excerpt(row)
    );
    Refusal::new(&what, "give one table whose first line names each column")
}

/// Decides whether the commas of plain rows are decimal signs.
fn has_decimal_comma<'l>(
    row: &str,
    rows: &(impl Iterator<Item = &'l str> + Clone),
) -> Result<bool, Refusal> {
    if PlainLine::classify(row) == PlainLine::Row {
        return Ok(false);
    }
    let separators = if row.contains(';') { &[';'][..] } else { &[' ', '\t'] };
    let cells = || {
        let cells = rows.clone().flat_map(|row| row.split(separators)).map(str::trim);
        cells.filter(|cell| !is_missing(cell))
    };
    let is_divided =
        |cell: &str| cell.split(',').any(str::is_empty) || cell.matches(',').count() > 1;
    if let Some(cell) = cells().find(|cell| is_divided(cell)) {
        let what = format!("the comma in {:?} may be a separator or a decimal sign", excerpt(cell));
        let hint = "write numbers with a decimal point, or separate them by semicolons";
        return Err(Refusal::new(&what, hint));
    }
    Ok(Decimal::detect(cells())? == Decimal::Comma)
}
