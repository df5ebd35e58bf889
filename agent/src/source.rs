//! What is sampled: the machine, or a script. The only code that touches the machine.
//!
//! A new metric is one file beside this one's children, and one line in [`Machine::new`].

mod cpu;
mod frequency;
mod load;
mod memory;

use std::fmt;
use std::time::Duration;

use loadline_protocol::{Column, PLAIN_COLUMNS, Text};
use sysinfo::System;

/// Something that has a value for each of its columns whenever it is asked.
pub trait Source: Send {
    /// The columns, always the same and each name once.
    fn columns(&self) -> Vec<Column>;

    /// Appends one value for each column, NaN where it is not known. Never panics.
    fn sample(&mut self, values: &mut Vec<f64>);

    /// How long after its making the first sample is a true one.
    fn warm_up(&self) -> Duration {
        Duration::ZERO
    }
}

/// The machine that this program runs on.
pub struct Machine {
    /// In the order of the columns; the plain stream is the first six of them, forever.
    parts: Vec<Box<dyn Source>>,
}

impl Machine {
    /// All metrics of this machine. Rates are measured from now on.
    #[must_use]
    pub fn new() -> Machine {
        Machine {
            parts: vec![
                Box::new(cpu::Cpu::new()),
                Box::new(frequency::Frequency::new()),
                Box::new(memory::Memory::new()),
                Box::new(load::Load::new()),
            ],
        }
    }
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::new()
    }
}

impl Source for Machine {
    fn columns(&self) -> Vec<Column> {
        self.parts.iter().flat_map(|part| part.columns()).collect()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        for part in &mut self.parts {
            part.sample(values);
        }
    }

    fn warm_up(&self) -> Duration {
        self.parts.iter().map(|part| part.warm_up()).max().unwrap_or_default()
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("columns", &self.columns()).finish()
    }
}

/// A source whose values a closure makes up: for tests, and for whatever else can be counted.
pub struct Scripted<F> {
    columns: Vec<Column>,
    /// Samples taken so far.
    taken: u64,
    values: F,
}

impl<F: FnMut(u64, &mut Vec<f64>) + Send> Scripted<F> {
    /// A source of these columns; `values` gets the number of the sample, from 1 on, and appends
    /// its values.
    pub fn new(columns: Vec<Column>, values: F) -> Scripted<F> {
        Scripted { columns, taken: 0, values }
    }

    /// A source of the six columns of the plain stream.
    pub fn plain(values: F) -> Scripted<F> {
        let columns = PLAIN_COLUMNS.iter().map(|(name, unit)| Column::new(name, unit));
        Scripted::new(columns.collect(), values)
    }
}

impl<F: FnMut(u64, &mut Vec<f64>) + Send> Source for Scripted<F> {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.taken += 1;
        (self.values)(self.taken, values);
    }
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// What does not change while the agent runs, for the header of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The name of the host.
    pub host: Text,
    /// The operating system, for people.
    pub os: Option<Text>,
    /// The number of logical cores.
    pub cores: Option<u32>,
    /// The size of the main memory, bytes.
    pub memory: Option<u64>,
}

impl Facts {
    /// What is known of the machine that this program runs on.
    #[must_use]
    pub fn of_this_machine() -> Facts {
        let host = System::host_name().ok().filter(|name| !name.is_empty());
        let cores = std::thread::available_parallelism().ok();
        Facts {
            host: Text::new(host.as_deref().unwrap_or("localhost")),
            os: os().as_deref().map(Text::new),
            cores: cpu::logical_cores().or(cores.and_then(|cores| u32::try_from(cores.get()).ok())),
            memory: memory::total(),
        }
    }
}

/// Such as `Debian GNU/Linux 12`.
fn os() -> Option<String> {
    let name = System::name().ok().filter(|name| !name.is_empty());
    match (name, System::os_version().ok()) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        (Some(name), None) => Some(name),
        (None, _) => System::long_os_version().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_begins_with_the_columns_of_the_plain_stream() {
        let columns = Machine::new().columns();
        let expected = PLAIN_COLUMNS.map(|(name, unit)| Column::new(name, unit));
        assert_eq!(columns[..expected.len()], expected);
    }

    #[test]
    fn each_column_of_the_machine_has_a_value_that_can_be() {
        let mut machine = Machine::new();
        let mut values = Vec::new();
        machine.sample(&mut values);
        let columns = machine.columns();
        assert_eq!(values.len(), columns.len());
        for (column, value) in columns.iter().zip(values) {
            let most = if column.unit() == "%" { 100.0 } else { 1e6 };
            assert!(value.is_nan() || (0.0..=most).contains(&value), "{column} {value}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_everything_about_itself() {
        let facts = Facts::of_this_machine();
        assert!(!facts.host.as_str().is_empty());
        assert!(facts.os.is_some());
        assert!(facts.cores.is_some_and(|cores| cores > 0));
        assert!(facts.memory.is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn a_script_knows_the_number_of_its_sample() {
        let mut script = Scripted::plain(|number, values| values.push(number as f64));
        let mut values = Vec::new();
        script.sample(&mut values);
        script.sample(&mut values);
        assert_eq!(values, [1.0, 2.0]);
        assert_eq!(script.warm_up(), Duration::ZERO);
    }
}
