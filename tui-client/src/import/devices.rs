//! Detection of rows of several devices: one table, but several series.

use std::borrow::Cow;

use super::Refusal;
use super::tools::{names_device, numbers_device};

/// Columns that identify a device, and their cells in earlier rows.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Text columns named like a device, with the first cell.
    named: Vec<(usize, Option<String>)>,
    /// Columns with the number of a device, with the last cell.
    numbered: Vec<(usize, Option<f64>)>,
    /// All text columns.
    texts: Vec<usize>,
    last_time: String,
    last_texts: Vec<String>,
}

impl Devices {
    /// Creates the guard of a table with these text columns.
    pub(super) fn new(names: &[String], texts: Vec<usize>) -> Devices {
        let is_named = |at: &&usize| names_device(&names[**at]);
        let numbered = (0..names.len()).filter(|at| !texts.contains(at));
        Devices {
            named: texts.iter().filter(is_named).map(|at| (*at, None)).collect(),
            numbered: numbered
                .filter(|at| numbers_device(&names[*at]))
                .map(|at| (at, None))
                .collect(),
            texts,
            ..Devices::default()
        }
    }

    /// Checks that a row belongs to the same device as the rows before.
    ///
    /// # Errors
    /// The row belongs to another one.
    pub(super) fn check(
        &mut self,
        names: &[String],
        cells: &[Cow<'_, str>],
        time: Option<&str>,
    ) -> Result<(), Refusal> {
        let cell = |at: usize| cells.get(at).map_or("", |cell| &**cell);
        for (at, first) in &mut self.named {
            let first = first.get_or_insert_with(|| cell(*at).to_owned());
            if first != cell(*at) {
                return Err(several(&names[*at], first, cell(*at)));
            }
        }
        let is_same_time = time.is_some_and(|time| time == self.last_time);
        for (at, last) in &mut self.numbered {
            let Ok(number) = cell(*at).parse::<f64>() else { continue };
            if let Some(last) = *last
                && (number < last || is_same_time && number > last)
            {
                return Err(several(&names[*at], &last.to_string(), cell(*at)));
            }
            *last = Some(number);
        }
        if is_same_time && self.last_texts.len() == self.texts.len() {
            let other =
                self.texts.iter().zip(&self.last_texts).find(|(at, last)| **last != cell(**at));
            if let Some((at, last)) = other {
                return Err(several(&names[*at], last, cell(*at)));
            }
        }
        if let Some(time) = time.filter(|_| !self.texts.is_empty() || !self.numbered.is_empty()) {
            time.clone_into(&mut self.last_time);
            self.last_texts = self.texts.iter().map(|at| cell(*at).to_owned()).collect();
        }
        Ok(())
    }
}

fn several(column: &str, first: &str, second: &str) -> Refusal {
    let what = format!("several rows for one time: column {column:?} has {first} and {second}");
    Refusal::new(&what, "keep the heading and the rows of one of them, for example with awk")
}
