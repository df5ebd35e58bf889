//! The columns of a stream that says nothing of itself.

use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

/// Rows of another count that must follow each other until the stream is taken to have so many
/// columns: a line or two may be something else.
const RECOUNT: u32 = 3;

/// The columns of a plain stream, as found in its first row.
#[derive(Debug)]
pub(super) struct Plain {
    /// What a row has.
    schema: Schema,
    /// Which of it to take, if not all.
    picked: Option<Vec<usize>>,
    /// Another count that rows had lately, and how many of them in a row.
    other: (usize, u32),
}

impl Plain {
    /// `names` are names for all of `count` columns, or some names of the six known ones.
    pub(super) fn new(count: usize, names: Option<&[String]>) -> Result<Plain, LineError> {
        let plain = |schema, picked| Ok(Plain { schema, picked, other: (0, 0) });
        let Some(names) = names else { return plain(Schema::plain(count), None) };
        if names.len() == count {
            let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            return plain(Schema::new(Stamp::None, columns)?, None);
        }
        let schema = Schema::plain(count);
        let picked: Option<Vec<usize>> = names.iter().map(|name| schema.position(name)).collect();
        match picked {
            Some(picked) if count == PLAIN_COLUMNS.len() => plain(schema, Some(picked)),
            _ => Err(LineError::Count { expected: names.len(), found: count }),
        }
    }

    pub(super) fn taken_schema(&self) -> Result<Schema, LineError> {
        let Some(picked) = &self.picked else { return Ok(self.schema.clone()) };
        let columns: Vec<Column> =
            picked.iter().map(|at| self.schema.columns()[*at].clone()).collect();
        Schema::new(Stamp::None, columns)
    }

    /// Whether a row of `count` numbers is one of this stream; false if enough of them followed each
    /// other to believe that it has become another stream.
    pub(super) fn expects(&mut self, count: usize) -> Result<bool, LineError> {
        let expected = self.schema.columns().len();
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
        if let Some(picked) = &self.picked {
            // At most the known columns: the picked ones go behind them, then to the front.
            let all = values.len();
            values.reserve(picked.len());
            for at in picked {
                values.push(values[*at]);
            }
            values.drain(..all);
        }
    }
}
