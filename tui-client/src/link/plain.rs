//! The columns of a stream that says nothing of itself.

use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

/// Rows of another count that must follow each other until the stream is taken to have so many
/// columns: a line or two may be something else.
const RECOUNT: u32 = 3;

/// Which values of a row to take, if not all of them.
#[derive(Debug, Default)]
pub(super) struct Pick(Option<Vec<usize>>);

impl Pick {
    /// Those of these names, and the columns that are left. `Err` has a name that there is not.
    pub(super) fn named<'n>(
        schema: &Schema,
        names: &'n [String],
    ) -> Result<(Pick, Schema), &'n str> {
        let place = |name: &'n String| {
            // A unit is ours to know: `cpu:%` names the column `cpu`.
            let bare = name.split(':').next().unwrap_or(name);
            schema.position(bare).ok_or(bare)
        };
        let places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Column> = places.iter().map(|at| schema.columns()[*at].clone()).collect();
        let Ok(picked) = Schema::new(schema.stamp(), columns) else {
            // Named twice, which nobody means: all of them are taken.
            return Ok((Pick::default(), schema.clone()));
        };
        Ok((Pick(Some(places)), picked))
    }

    /// Leaves of a row the values to take, in their order.
    pub(super) fn apply(&self, values: &mut Vec<f64>) {
        if let Some(places) = &self.0 {
            // The picked ones go behind the others, then to the front.
            let all = values.len();
            values.reserve(places.len());
            for at in places {
                values.push(values[*at]);
            }
            values.drain(..all);
        }
    }
}

/// The columns of a plain stream, as found in its first row.
#[derive(Debug)]
pub(super) struct Plain {
    /// How many numbers a row has.
    count: usize,
    /// What is taken of it.
    pick: Pick,
    /// Another count that rows had lately, and how many of them in a row.
    other: (usize, u32),
}

impl Plain {
    /// `names` are names for all of `count` columns, or some names of the six known ones. Gives what
    /// the values that are taken mean.
    pub(super) fn new(
        count: usize,
        names: Option<&[String]>,
    ) -> Result<(Plain, Schema), LineError> {
        let plain = |pick| Plain { count, pick, other: (0, 0) };
        let Some(names) = names else { return Ok((plain(Pick::default()), Schema::plain(count))) };
        if names.len() == count {
            let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            return Ok((plain(Pick::default()), Schema::new(Stamp::None, columns)?));
        }
        let wrong = LineError::Count { expected: names.len(), found: count };
        if count != PLAIN_COLUMNS.len() {
            return Err(wrong);
        }
        let (pick, schema) = Pick::named(&Schema::plain(count), names).map_err(|_| wrong)?;
        Ok((plain(pick), schema))
    }

    /// Whether a row of `count` numbers is one of this stream; false if enough of them followed each
    /// other to believe that it has become another stream.
    pub(super) fn expects(&mut self, count: usize) -> Result<bool, LineError> {
        let expected = self.count;
        if count == expected {
            self.other = (0, 0);
            return Ok(true);
        }
        self.other = if self.other.0 == count { (count, self.other.1 + 1) } else { (count, 1) };
        if self.other.1 < RECOUNT {
            return Err(LineError::Count { expected, found: count });
        }
        Ok(false)
    }

    /// Leaves of a row the values to take, in their order.
    pub(super) fn pick(&self, values: &mut Vec<f64>) {
        self.pick.apply(values);
    }
}
