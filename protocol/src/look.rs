//! Looks: the processes that used most of a machine over a few seconds. A look is a group of notes.

use std::fmt;
use std::str::FromStr;

use crate::logfmt::{fields, write_field};
use crate::{LineError, SafeText, Time, parse_number, write_number};

/// Highest number of processes by CPU, and by memory, that a client can ask for.
pub const TOP_MAX: u16 = 50;

/// Highest number of processes in a look: those highest by CPU, and those highest by memory.
pub const LISTED_MAX: usize = 2 * TOP_MAX as usize;

/// Longest name, user or unit in characters; the rest is cut off. A container's id has 64.
pub const PROCESS_TEXT_MAX: usize = 128;

/// Processes of a machine at one time, as in `# top …` and the `# proc …` that follow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Look {
    /// The whole machine.
    pub top: Top,
    /// Processes that are listed, in the order of the stream. At most [`LISTED_MAX`].
    pub processes: Vec<Process>,
}

/// `# top …`: the whole machine, and the begin of a [`Look`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Top {
    /// Time of the look, by the agent's clock.
    pub time: Time,
    /// Time since the previous look in s. `None` if unknown.
    pub over: Option<f64>,
    /// Number of processes. `None` if unknown.
    pub processes: Option<u32>,
    /// Utilization of all cores since the previous look in %. `None` if unknown.
    pub cpu: Option<f64>,
    /// `cpu` minus the processes listed, in %. `None` if unknown.
    pub other: Option<f64>,
}

/// `# proc …`: a process that is listed in a [`Look`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Name of the program, without its arguments.
    pub name: SafeText,
    /// Name of the user, or its number. `None` if unknown.
    pub user: Option<SafeText>,
    /// systemd unit or container. `None` without one.
    pub unit: Option<SafeText>,
    /// Share of all cores since the previous look in %, with that of children that ended meanwhile.
    /// `None` if unknown.
    pub cpu: Option<f64>,
    /// Resident memory in bytes.
    pub mem: u64,
    /// Bytes read and written in B/s. `None` if that is not permitted.
    pub io: Option<f64>,
}

impl Top {
    /// Parses the fields that follow the word `top`.
    ///
    /// # Errors
    /// Without a time, with an invalid field, or with a word that is no field.
    pub(crate) fn parse(text: &str) -> Result<Top, LineError> {
        let (mut top, mut time) = (Top::default(), None);
        for (key, value) in fields(text) {
            let value = value.as_deref().ok_or_else(|| LineError::field("top", text))?;
            match key {
                "time" => time = Some(read("time", value)?),
                "over" => top.over = number("over", value)?,
                "processes" => top.processes = Some(read("processes", value)?),
                "cpu" => top.cpu = number("cpu", value)?,
                "other" => top.other = number("other", value)?,
                _ => {}
            }
        }
        time.map(|time| Top { time, ..top }).ok_or_else(|| LineError::field("top", text))
    }
}

impl Process {
    /// Parses the fields that follow the word `proc`.
    ///
    /// # Errors
    /// Without a process id or a name, with an invalid field, or with a word that is no field.
    pub(crate) fn parse(text: &str) -> Result<Process, LineError> {
        let (mut process, mut pid) = (Process::default(), None);
        for (key, value) in fields(text) {
            let value = value.as_deref().ok_or_else(|| LineError::field("proc", text))?;
            match key {
                "pid" => pid = Some(read("pid", value)?),
                "name" => process.name = cut(value),
                "user" => process.user = Some(cut(value)),
                "unit" => process.unit = Some(cut(value)),
                "cpu" => process.cpu = number("cpu", value)?,
                "mem" => process.mem = read("mem", value)?,
                "io" => process.io = number("io", value)?,
                _ => {}
            }
        }
        let named = pid.filter(|_| !process.name.as_str().is_empty());
        named.map(|pid| Process { pid, ..process }).ok_or_else(|| LineError::field("proc", text))
    }
}

fn read<T: FromStr>(key: &'static str, value: &str) -> Result<T, LineError> {
    value.parse().map_err(|_| LineError::field(key, value))
}

/// Reads a number that is not negative. `nan` is unknown.
fn number(key: &'static str, value: &str) -> Result<Option<f64>, LineError> {
    match parse_number(value) {
        Some(number) if number.is_nan() => Ok(None),
        Some(number) if number >= 0.0 => Ok(Some(number)),
        _ => Err(LineError::field(key, value)),
    }
}

fn cut(text: &str) -> SafeText {
    let long = Some(text).filter(|text| text.len() > PROCESS_TEXT_MAX);
    let end = long.and_then(|text| text.char_indices().nth(PROCESS_TEXT_MAX));
    SafeText::new(end.map_or(text, |(end, _)| &text[..end]))
}

/// Number with this count of decimals at least.
struct Number(f64, usize);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_number(&mut text, self.0, self.1);
        f.write_str(&text)
    }
}

fn one_decimal(number: f64) -> Number {
    Number(number, 1)
}

impl fmt::Display for Top {
    /// Writes the note without its `#`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "top time={}", self.time)?;
        write_field(f, "over", self.over.map(one_decimal))?;
        write_field(f, "processes", self.processes)?;
        write_field(f, "cpu", self.cpu.map(one_decimal))?;
        write_field(f, "other", self.other.map(one_decimal))
    }
}

impl fmt::Display for Process {
    /// Writes the note without its `#`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proc pid={}", self.pid)?;
        write_field(f, "name", Some(&self.name))?;
        write_field(f, "user", self.user.as_ref())?;
        write_field(f, "unit", self.unit.as_ref())?;
        write_field(f, "cpu", self.cpu.map(one_decimal))?;
        write_field(f, "mem", Some(self.mem))?;
        write_field(f, "io", self.io.map(|io| Number(io, 0)))
    }
}

impl fmt::Display for Look {
    /// Writes the notes, each with its line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.top)?;
        self.processes.iter().try_for_each(|process| writeln!(f, "# {process}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Note;

    const TOP: &str = "# top time=1763836800.123 over=5.0 processes=412 cpu=63.2 other=4.1";
    const PROC: &str = "# proc pid=812 name=ffmpeg user=media unit=transcode.service cpu=44.1 \
                        mem=412000256 io=1048576";

    fn parse(line: &str) -> Result<Note, LineError> {
        Note::parse(line.strip_prefix('#').unwrap())
    }

    #[test]
    fn the_documented_notes_round_trip() {
        for line in [TOP, PROC] {
            assert_eq!(parse(line).unwrap().to_string(), line);
        }
        let Ok(Note::Process(process)) = parse(PROC) else { panic!() };
        assert_eq!((process.pid, process.io), (812, Some(1_048_576.0)));
    }

    #[test]
    fn notes_without_what_identifies_them_are_faults_and_prose_is_a_comment() {
        for line in [
            "# top over=5.0",
            "# proc pid=1",
            "# proc name=a cpu=1",
            "# proc pid=1 name=\"\"",
            "# proc pid=1 name=a cpu=-1",
            "# proc pid=1 name=a cpu=inf",
            "# top time=soon",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["# top of the morning", "# proc pid=1 name=a and more"] {
            assert!(matches!(parse(line), Ok(Note::Other(_))), "{line}");
        }
    }

    #[test]
    fn long_and_unsafe_texts_are_cut_and_replaced() {
        let line = format!("# proc pid=1 name=\"a\x1b[2J\" unit={}", "x".repeat(1000));
        let Ok(Note::Process(process)) = parse(&line) else { panic!() };
        assert_eq!(process.name.as_str(), "a\u{fffd}[2J");
        assert_eq!(process.unit.unwrap().as_str().len(), PROCESS_TEXT_MAX);
    }

    fn any_number() -> impl Strategy<Value = Option<f64>> {
        let tenths = (0..10_000_u32).prop_map(|tenths| f64::from(tenths) / 10.0);
        prop::option::of(prop_oneof![Just(0.0), 0.0..1e12, tenths])
    }

    fn any_text() -> impl Strategy<Value = SafeText> {
        let text = any::<String>().prop_map(|text| cut(&text));
        text.prop_filter("a name", |text| !text.as_str().is_empty())
    }

    proptest! {
        #[test]
        fn a_printed_look_parses_back(
            time in any::<i64>(),
            numbers in (any_number(), any_number(), any_number()),
            count in prop::option::of(any::<u32>()),
            process in (any::<u32>(), any_text(), prop::option::of(any_text()), prop::option::of(any_text())),
            amounts in (any_number(), any::<u64>(), any_number()),
        ) {
            let (over, cpu, other) = numbers;
            let top = Top { time: Time::from_millis(time), over, processes: count, cpu, other };
            let (pid, name, user, unit) = process;
            let (cpu, mem, io) = amounts;
            let process = Process { pid, name, user, unit, cpu, mem, io };
            let look = Look { top: top.clone(), processes: vec![process.clone()] };
            let notes: Vec<Note> = look.to_string().lines().map(|line| parse(line).unwrap()).collect();
            prop_assert_eq!(notes, vec![Note::Top(top), Note::Process(process)]);
        }
    }
}
