//! Notes: lines that start with `#`, both headers and events.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::logfmt::{fields, take_value, write_field, write_quoted};
use crate::{Health, LineError, Process, SafeText, Schema, Time, Top};

/// Prefix of a header and of a request, in front of the version.
pub(crate) const NAME: &str = "loadline/";

/// Line that starts with `#`. Unknown notes are kept as [`Note::Other`]; readers ignore them.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// `# loadline/1 …`: the agent and its host.
    Header(Header),
    /// `# columns …`: the schema of the rows that follow.
    Columns(Schema),
    /// `# live`: end of the history.
    Live,
    /// `# skipped from=A to=B`: rows that are lost to this client.
    Skipped {
        /// Sequence number of the first lost row.
        from: Seq,
        /// Sequence number of the last lost row.
        to: Seq,
    },
    /// `# error "text"`: the reason why the agent is about to close the connection.
    Error(SafeText),
    /// `# bye`: the agent stops, or ends this connection for the reason given: `# bye reason="text"`.
    Bye(Option<SafeText>),
    /// `# pong`: the answer to [`PING`](crate::PING).
    Pong,
    /// `# agent …`: health of the agent process.
    Health(Health),
    /// `# top …`: the begin of a [`Look`](crate::Look).
    Top(Top),
    /// `# proc …`: a process of the look that has begun.
    Process(Process),
    /// Any other note, without the `#`.
    Other(SafeText),
}

/// First line of a subscribed stream. Fields that the sender leaves out are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Version of the line format.
    pub version: u32,
    /// Run that the rows belong to.
    pub run: Option<RunId>,
    /// Host name.
    pub host: Option<SafeText>,
    /// Time between two rows of this stream, in whole milliseconds.
    pub interval: Option<Duration>,
    /// Operating system, for display.
    pub os: Option<SafeText>,
    /// Number of logical cores.
    pub cores: Option<u32>,
    /// Size of the main memory in bytes, or the container limit if there is one.
    pub memory: Option<u64>,
    /// CPU limit of the container, if any. 100 % CPU then means this limit.
    pub cpu_limit: Option<CpuLimit>,
    /// Memory limit of the container in bytes, if any. 100 % memory then means this limit.
    pub memory_limit: Option<u64>,
    /// Version of the agent.
    pub agent: Option<SafeText>,
    /// Time by the agent's clock at which the header was written. Only in the answer to a request:
    /// the client then knows how far the clocks differ.
    pub now: Option<Time>,
    /// Highest number of processes by CPU, and by memory, that the agent lists in a look. `None` if it
    /// lists none.
    pub top: Option<u16>,
    /// Time of the oldest sample that the agent has. Only in the answer to a request, and only by an
    /// agent that answers [`Request::before`](crate::Request::before).
    pub oldest: Option<Time>,
}

/// Random run identifier of eight hex digits, new at each start and when the clock steps back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RunId(pub u32);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = LineError;

    fn from_str(text: &str) -> Result<RunId, LineError> {
        let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u32::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(RunId).ok_or_else(|| LineError::field("run", text))
    }
}

/// Sequence number of a sample within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Sequence number of the first sample of a run.
    pub const FIRST: Seq = Seq(1);

    /// Returns the sequence number `samples` later, at most the highest one.
    #[must_use]
    pub fn plus(self, samples: u64) -> Seq {
        Seq(self.0.saturating_add(samples))
    }

    /// Returns the next sequence number.
    #[must_use]
    pub fn next(self) -> Seq {
        self.plus(1)
    }

    /// Returns the previous sequence number.
    #[must_use]
    pub fn previous(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }

    /// Returns the number of samples from this one to `last`, both included.
    #[must_use]
    pub fn count_to(self, last: Seq) -> u64 {
        last.0.saturating_sub(self.0).saturating_add(1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Seq, LineError> {
        text.parse().map(Seq).map_err(|_| LineError::field("seq", text))
    }
}

/// CPU limit in thousandths of a core, written in cores: `1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuLimit(pub u32);

impl CpuLimit {
    /// Returns the limit in cores.
    #[must_use]
    pub fn cores(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for CpuLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cores().fmt(f)
    }
}

impl FromStr for CpuLimit {
    type Err = LineError;

    fn from_str(text: &str) -> Result<CpuLimit, LineError> {
        let thousandths = crate::parse_number(text).map(|cores| (cores * 1000.0).round());
        let limit = thousandths.filter(|it| (0.0..=f64::from(u32::MAX)).contains(it));
        let limit = limit.map(|thousandths| CpuLimit(thousandths as u32));
        limit.ok_or_else(|| LineError::field("cpu_limit", text))
    }
}

impl Note {
    /// Parses a note without its `#`.
    ///
    /// # Errors
    /// A field of a known note is invalid.
    pub fn parse(text: &str) -> Result<Note, LineError> {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        // Replacing all white space by blanks keeps fields separate when the note is printed.
        let other = || Ok(Note::Other(SafeText::new(&text.replace(char::is_whitespace, " "))));
        if let Some(version) = word.strip_prefix(NAME) {
            return match version.parse() {
                Ok(version) => Header::parse(version, rest).map(Note::Header),
                Err(_) => other(),
            };
        }
        // A comment in prose may begin with a known word. Events have only `key=value` fields.
        let is_event = || fields(rest).all(|(_, value)| value.is_some());
        let or_comment = |error| if is_event() { Err(error) } else { other() };
        match word {
            "columns" => rest.parse().map(Note::Columns),
            "live" if is_event() => Ok(Note::Live),
            "bye" if is_event() => {
                let reason = fields(rest).find(|(key, _)| *key == "reason");
                Ok(Note::Bye(reason.and_then(|(_, text)| Some(SafeText::new(&text?)))))
            }
            "pong" if is_event() => Ok(Note::Pong),
            // Parsed first: looks are the most frequent notes by far.
            "top" => Top::parse(rest).map(Note::Top).or_else(or_comment),
            "proc" => Process::parse(rest).map(Note::Process).or_else(or_comment),
            "agent" if is_event() => Ok(Note::Health(Health::parse(rest))),
            "skipped" if is_event() => parse_skipped(rest),
            "error" if rest.trim_start().starts_with('"') => {
                Ok(Note::Error(SafeText::new(&take_value(rest.trim_start()).0)))
            }
            _ => other(),
        }
    }
}

fn parse_skipped(text: &str) -> Result<Note, LineError> {
    let (mut from, mut to) = (None, None);
    for (key, value) in fields(text) {
        match key {
            "from" => from = Some(read("from", value.as_deref())?),
            "to" => to = Some(read("to", value.as_deref())?),
            _ => {}
        }
    }
    match (from, to) {
        (Some(from), Some(to)) if from <= to => Ok(Note::Skipped { from, to }),
        _ => Err(LineError::field("skipped", text)),
    }
}

impl Header {
    fn parse(version: u32, text: &str) -> Result<Header, LineError> {
        let mut header = Header { version, ..Header::default() };
        for (key, value) in fields(text) {
            let value = value.as_deref();
            match key {
                "run" => header.run = Some(read("run", value)?),
                "host" => header.host = value.map(SafeText::new),
                "interval" => header.interval = Some(read_interval(value)?),
                "os" => header.os = value.map(SafeText::new),
                "cores" => header.cores = Some(read("cores", value)?),
                "memory" => header.memory = Some(read("memory", value)?),
                "cpu_limit" => header.cpu_limit = Some(read("cpu_limit", value)?),
                "memory_limit" => header.memory_limit = Some(read("memory_limit", value)?),
                "agent" => header.agent = value.map(SafeText::new),
                "now" => header.now = Some(read("now", value)?),
                "top" => header.top = Some(read("top", value)?),
                "oldest" => header.oldest = Some(read("oldest", value)?),
                _ => {}
            }
        }
        Ok(header)
    }
}

fn read<T: FromStr>(key: &'static str, value: Option<&str>) -> Result<T, LineError> {
    let value = value.unwrap_or_default();
    value.parse().map_err(|_| LineError::field(key, value))
}

fn read_interval(value: Option<&str>) -> Result<Duration, LineError> {
    let value = value.unwrap_or_default();
    let interval = crate::parse_duration(value).ok().filter(|interval| !interval.is_zero());
    interval.ok_or_else(|| LineError::field("interval", value))
}

impl fmt::Display for Note {
    /// Writes the note as a line, without the line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("# ")?;
        match self {
            Note::Header(header) => header.fmt(f),
            Note::Columns(schema) => write!(f, "columns {schema}"),
            Note::Live => f.write_str("live"),
            Note::Skipped { from, to } => write!(f, "skipped from={from} to={to}"),
            Note::Error(text) => {
                f.write_str("error ")?;
                write_quoted(f, text.as_str())
            }
            Note::Bye(reason) => {
                f.write_str("bye")?;
                write_field(f, "reason", reason.as_ref())
            }
            Note::Pong => f.write_str("pong"),
            Note::Health(health) => health.fmt(f),
            Note::Top(top) => top.fmt(f),
            Note::Process(process) => process.fmt(f),
            Note::Other(text) => text.fmt(f),
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}{}", self.version)?;
        write_field(f, "run", self.run)?;
        write_field(f, "host", self.host.as_ref())?;
        let interval = self.interval.map(|interval| format!("{}ms", interval.as_millis()));
        write_field(f, "interval", interval)?;
        write_field(f, "os", self.os.as_ref())?;
        write_field(f, "cores", self.cores)?;
        write_field(f, "memory", self.memory)?;
        write_field(f, "cpu_limit", self.cpu_limit)?;
        write_field(f, "memory_limit", self.memory_limit)?;
        write_field(f, "agent", self.agent.as_ref())?;
        write_field(f, "now", self.now)?;
        write_field(f, "top", self.top)?;
        write_field(f, "oldest", self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Result<Note, LineError> {
        Note::parse(line.strip_prefix('#').unwrap())
    }

    #[test]
    fn the_documented_header_round_trips() {
        let line = "# loadline/1 run=9f3a17c2 host=web-1 interval=1000ms os=\"Debian GNU/Linux 12\" \
                    cores=16 memory=67385159680 agent=0.1.0 now=1763836801.500";
        let note = parse(line).unwrap();
        assert_eq!(note.to_string(), line);
        let Note::Header(header) = note else { panic!("{note:?}") };
        assert_eq!(header.interval, Some(Duration::from_secs(1)));
        assert_eq!(header.cores, Some(16));
    }

    #[test]
    fn container_limits_round_trip() {
        let line = "# loadline/1 cores=16 memory=536870912 cpu_limit=1.5 memory_limit=536870912";
        let note = parse(line).unwrap();
        assert_eq!(note.to_string(), line);
        let Note::Header(header) = note else { panic!("{note:?}") };
        assert_eq!(header.cpu_limit, Some(CpuLimit(1500)));
        assert_eq!(CpuLimit(2000).to_string(), "2");
        for wrong in ["", "x", "-1", "nan", "inf", "1e9"] {
            assert!(parse(&format!("# loadline/1 cpu_limit={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn events_are_parsed_and_unknown_fields_and_notes_ignored() {
        let other = |text: &str| Ok(Note::Other(text.into()));
        for (line, expected) in [
            ("# live", Ok(Note::Live)),
            ("#live", Ok(Note::Live)),
            ("# live since=5", Ok(Note::Live)),
            ("# live long and prosper", other("live long and prosper")),
            ("# bye", Ok(Note::Bye(None))),
            ("# bye reason=\"no place\" new=1", Ok(Note::Bye(Some("no place".into())))),
            ("# pong", Ok(Note::Pong)),
            ("# pong is a game", other("pong is a game")),
            ("# agent", Ok(Note::Health(Health::default()))),
            ("# agent 007 is here", other("agent 007 is here")),
            ("# skipped from=3 to=9 why=slow", Ok(Note::Skipped { from: Seq(3), to: Seq(9) })),
            (r#"# error "no column \"x\"""#, Ok(Note::Error("no column \"x\"".into()))),
            ("# error in my script", other("error in my script")),
            ("#", other("")),
            ("# agent late=1\tor never", other("agent late=1 or never")),
            ("# loadline/x", other("loadline/x")),
            ("# \x1b]0;title\x07", other("\u{fffd}]0;title\u{fffd}")),
            ("# loadline/2 new=1", Ok(Note::Header(Header { version: 2, ..Header::default() }))),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn a_known_note_with_an_invalid_field_is_an_error() {
        for line in [
            "# skipped from=a to=9",
            "# skipped from=9 to=3",
            "# skipped",
            "# loadline/1 run=xyz",
            "# loadline/1 run=+1234567",
            "# loadline/1 interval=0s",
            "# loadline/1 interval",
            "# loadline/1 cores=-1",
            "# loadline/1 now=soon",
            "# columns",
            "# columns a a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    fn any_text() -> impl Strategy<Value = SafeText> {
        any::<String>().prop_map(|text| SafeText::new(&text))
    }

    fn any_header() -> impl Strategy<Value = Header> {
        use prop::option::of;
        let interval = (1..1_000_000_u64).prop_map(Duration::from_millis);
        let numbers = (any::<u32>(), of(any::<u32>()), of(any::<u32>()), of(any::<u64>()));
        let texts = (of(any_text()), of(any_text()), of(any_text()));
        let limits = (of(any::<u32>().prop_map(CpuLimit)), of(any::<u64>()));
        let time = || of(any::<i64>().prop_map(Time::from_millis));
        let answer = (time(), of(any::<u16>()), time());
        let all = (numbers, texts, of(interval), limits, answer);
        all.prop_map(|(numbers, texts, interval, limits, answer)| Header {
            version: numbers.0,
            run: numbers.1.map(RunId),
            host: texts.0,
            interval,
            os: texts.1,
            cores: numbers.2,
            memory: numbers.3,
            cpu_limit: limits.0,
            memory_limit: limits.1,
            agent: texts.2,
            now: answer.0,
            top: answer.1,
            oldest: answer.2,
        })
    }

    proptest! {
        #[test]
        fn a_printed_header_parses_back(header in any_header()) {
            let note = Note::Header(header);
            prop_assert_eq!(parse(&note.to_string()), Ok(note));
        }

        #[test]
        fn a_printed_event_parses_back(text in any_text(), a: u64, b: u64) {
            for note in [
                Note::Error(text.clone()),
                Note::Bye(Some(text)),
                Note::Skipped { from: Seq(a.min(b)), to: Seq(a.max(b)) },
                Note::Live,
                Note::Bye(None),
                Note::Pong,
            ] {
                prop_assert_eq!(parse(&note.to_string()), Ok(note));
            }
        }
    }
}
