//! Rows of a table that are known before the first one is shown, in the order of their times.

use loadline_protocol::{LineError, Row, Time};

use super::table::{RowError, Table};
use super::times::{TimeFormat, TimeSource};
use super::{ImportLine, Refusal};

/// Rows that decide whether a table begins with its newest row.
const ORDER_ROWS: usize = 1000;

/// Rows in order, and faults of the lines that are no rows.
#[derive(Debug, Default)]
pub(crate) struct ImportedRows {
    pub(crate) rows: Vec<Row>,
    pub(crate) faults: Vec<LineError>,
}

impl ImportedRows {
    /// Reads lines and sorts their rows by time. Rows of the same time are spread evenly over the
    /// time that they share, for example over a second.
    ///
    /// # Errors
    /// The rows are not those of one table.
    pub(super) fn read(table: &mut Table, lines: &[ImportLine]) -> Result<ImportedRows, Refusal> {
        let mut read = ImportedRows::default();
        // Only times in order distinguish the two passes of an hour that daylight saving time repeats.
        if is_newest_first(table, lines) {
            lines.iter().rev().try_for_each(|line| read.add(table, line))?;
        } else {
            lines.iter().try_for_each(|line| read.add(table, line))?;
        }
        if table.time.source != TimeSource::None {
            read.rows.sort_by_key(|row| row.time);
            spread(&mut read.rows, table.time.covered_ms)?;
            table.last_time = read.rows.last().and_then(|row| row.time);
        }
        Ok(read)
    }

    fn add(&mut self, table: &mut Table, line: &ImportLine) -> Result<(), Refusal> {
        let mut row = Row::default();
        match table.parse(&line.text, line.is_comment, &mut row) {
            Ok(true) => self.rows.push(row),
            Ok(false) => {}
            Err(RowError::Fault(fault)) => self.faults.push(fault),
            Err(RowError::Refused(refusal)) => return Err(refusal),
        }
        Ok(())
    }
}

/// Returns whether most of the first rows are older than the rows above them.
fn is_newest_first(table: &Table, lines: &[ImportLine]) -> bool {
    let time = |line: &ImportLine| -> Option<(i64, f64)> {
        let text = table.time_text(&line.text)?;
        if let TimeFormat::Unix(_) = table.time.format {
            return Some((0, text.replace(',', ".").parse().ok()?));
        }
        let moment = table.time.format.moment(&text, table.time.year)?;
        let local = moment.date?.and_time(moment.clock).and_utc();
        Some((local.timestamp_millis() - i64::from(moment.offset.unwrap_or(0)) * 1000, 0.0))
    };
    let times: Vec<(i64, f64)> = lines.iter().filter_map(time).take(ORDER_ROWS).collect();
    let count = |is: fn(&(i64, f64), &(i64, f64)) -> bool| {
        times.windows(2).filter(|pair| is(&pair[0], &pair[1])).count()
    };
    count(|one, next| next < one) > count(|one, next| next > one)
}

/// Spreads rows of the same time evenly over `covered_ms`, at most up to the next time.
///
/// # Errors
/// More rows have the same time than milliseconds.
fn spread(rows: &mut [Row], covered_ms: i64) -> Result<(), Refusal> {
    // 1,000 rows of one millisecond may be a burst.
    let covered_ms = covered_ms.clamp(1, 24 * 3600 * 1000);
    let limit_ms = covered_ms.max(1000);
    let mut last: Option<Time> = None;
    let mut begin = 0;
    while begin < rows.len() {
        let time = rows[begin].time.unwrap_or_default();
        let count = rows[begin..].iter().take_while(|row| row.time == Some(time)).count().max(1);
        let next = rows.get(begin + count).and_then(|row| row.time);
        let span = next.map_or(covered_ms, |next| next.ms_since(time).min(covered_ms));
        for (at, row) in rows[begin..begin + count].iter_mut().enumerate() {
            let even = time.shifted_ms(span * at as i64 / count as i64);
            let after = last.map_or(even, |last| even.max(last.shifted_ms(1)));
            if after.ms_since(time) >= limit_ms {
                let what = format!("{count} rows have the same time {time}");
                return Err(Refusal::new(&what, "give another column with --time-column"));
            }
            row.time = Some(after);
            last = Some(after);
        }
        begin += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread_times(times: &[i64], covered_ms: i64) -> Option<Vec<i64>> {
        let row = |ms: &i64| Row { time: Some(Time::from_millis(*ms)), ..Row::default() };
        let mut rows: Vec<Row> = times.iter().map(row).collect();
        spread(&mut rows, covered_ms).ok()?;
        Some(rows.iter().map(|row| row.time.unwrap().as_millis()).collect())
    }

    #[test]
    fn rows_of_one_second_are_spread_over_it() {
        assert_eq!(spread_times(&[1000, 1000, 2000], 1000), Some(vec![1000, 1500, 2000]));
        assert_eq!(spread_times(&[1000, 1000, 1002], 1000), Some(vec![1000, 1001, 1002]));
        assert_eq!(spread_times(&[1, 1, 1, 2], 1), Some(vec![1, 2, 3, 4]));
        assert_eq!(spread_times(&[60_000; 3], 60_000), Some(vec![60_000, 80_000, 100_000]));
    }

    #[test]
    fn more_rows_than_milliseconds_are_refused() {
        assert_eq!(spread_times(&[5; 1001], 1000), None);
        assert!(spread_times(&[5; 1000], 1000).is_some());
        assert_eq!(spread_times(&[], 1000), Some(Vec::new()));
    }
}
