//! Programs whose tables have more than a heading: sysstat (`mpstat`, `sar`, `pidstat`) and dstat.

use chrono::{Datelike as _, NaiveDate};
use loadline_protocol::Time;

use super::clock::is_date;
use super::find_time::parse_any_date;
use super::times::{TimeFormat, TimeReader, TimeSource};
use super::{ImportOptions, Refusal};
use crate::zone::Zone;

/// Program that wrote a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tool {
    Other,
    /// The first line has the date of the first row.
    Sysstat {
        date: Option<String>,
    },
    /// The lines above the table have the time of the first row.
    Dstat,
}

impl Tool {
    /// Recognizes the first line of a program.
    pub(super) fn of_line(line: &str) -> Option<Tool> {
        if line.starts_with("Linux ") && line.contains(" CPU)") {
            let behind_host = line.split_once(')').map_or("", |(_, rest)| rest);
            let date = behind_host.split_whitespace().find(|word| is_date(word));
            return Some(Tool::Sysstat { date: date.map(str::to_owned) });
        }
        line.to_ascii_lowercase().contains("csv output\"").then_some(Tool::Dstat)
    }

    /// Checks that a line belongs to a table with one row per time.
    ///
    /// # Errors
    /// The line is that of a screen, or begins a table of CPU and one of devices, in turn.
    pub(super) fn check_line(&self, line: &str) -> Result<(), Refusal> {
        if let Some((_, tool)) = SCREENS.iter().find(|(start, _)| line.starts_with(start)) {
            let what = format!("output of {tool}, not one table");
            return Err(Refusal::new(&what, "give the output of vmstat -t or sar"));
        }
        if line.contains('|') && line.contains("usr sys idl") {
            let what = "the screen of dstat, with rounded values";
            return Err(Refusal::new(what, "give the file of dstat --output FILE"));
        }
        if matches!(self, Tool::Sysstat { .. }) && line.starts_with("avg-cpu") {
            let what = "several tables of iostat: CPU, and several rows for one time of devices";
            return Err(Refusal::new(what, "give the output of mpstat, or of sar -d -p --dev=sda"));
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Tool::Other => "",
            Tool::Sysstat { .. } => "sysstat, ",
            Tool::Dstat => "dstat, ",
        }
    }

    /// Returns whether a line is neither heading nor sample: `Average:` in any language, a restart,
    /// the lines of dstat above its table.
    pub(super) fn is_beside_table(&self, line: &str) -> bool {
        let is_restart = line.contains("LINUX RESTART") || line.contains("LINUX-RESTART");
        is_restart
            || match self {
                Tool::Other => false,
                Tool::Sysstat { .. } => {
                    Tool::of_line(line).is_some()
                        || line.starts_with(|c: char| c.is_alphabetic())
                            && line.split_whitespace().take(2).any(|word| word.ends_with(':'))
                            && !line.starts_with("avg-cpu")
                }
                Tool::Dstat => {
                    let first = line.split(',').next().unwrap_or_default().trim_matches('"');
                    first.ends_with(':') || line.to_ascii_lowercase().contains("csv output\"")
                }
            }
    }

    /// Returns the date of the first row.
    ///
    /// # Errors
    /// The date may mean two days.
    pub(super) fn first_date(&self, options: &ImportOptions) -> Result<Option<NaiveDate>, Refusal> {
        let Tool::Sysstat { date: Some(date) } = self else { return Ok(None) };
        parse_any_date(date, options.time_format.as_deref()).map_err(|refusal| {
            let hint = "run the program with S_TIME_FORMAT=ISO, or give --time-format '%m/%d/%y'";
            Refusal::new(&refusal.what, hint)
        })
    }
}

/// Returns the time in the `Date:` line of dstat.
pub(super) fn dstat_start(line: &str, zone: Zone) -> Option<Time> {
    let date = line.split_once("\"Date:\",\"")?.1.split('"').next()?;
    let format = TimeFormat::Written("%d %B %Y");
    TimeReader::new(TimeSource::None, format, zone).read(date)
}

/// Returns the year in the `Date:` line of dstat.
pub(super) fn dstat_year(line: &str) -> Option<i32> {
    let time = dstat_start(line, Zone::Fixed(0))?;
    Some(Zone::Fixed(0).local_time(time).year())
}

/// First words of programs that write no table.
const SCREENS: [(&str, &str); 4] =
    [("top - ", "top"), ("AAA,", "nmon"), ("ATOP - ", "atop"), ("RESET", "atop")];

/// Names of text columns that name a device: rows with different ones are several series.
const DEVICE_NAMES: [&str; 36] = [
    "device",
    "dev",
    "disk",
    "iface",
    "interface",
    "cpu",
    "core",
    "command",
    "comm",
    "process",
    "name",
    "gpuname",
    "host",
    "hostname",
    "instance",
    "node",
    "container",
    "containername",
    "pod",
    "mount",
    "mountpoint",
    "filesystem",
    "uuid",
    "gpuuuid",
    "pcibusid",
    "gpubusid",
    "serial",
    "gpuserial",
    "source",
    "sensor",
    "service",
    "job",
    "server",
    "machine",
    "nic",
    "gpu",
];

/// Names of numeric columns that number a device. `cpu` and `gpu` are left out because they may be
/// values, and `id` because `vmstat` means idle.
const DEVICE_NUMBERS: [&str; 16] = [
    "index", "pid", "tid", "tgid", "core", "coreid", "cpuid", "gpuid", "deviceid", "socket",
    "numanode", "gpuindex", "itemid", "hostid", "sensorid", "nodeid",
];

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase()
}

pub(super) fn names_device(name: &str) -> bool {
    // `%CPU` is a value.
    !name.contains('%') && DEVICE_NAMES.contains(&letters(name).as_str())
}

pub(super) fn numbers_device(name: &str) -> bool {
    DEVICE_NUMBERS.contains(&letters(name).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysstat_is_recognized_by_its_first_line() {
        let date = |line: &str| match Tool::of_line(line) {
            Some(Tool::Sysstat { date }) => date,
            other => panic!("{other:?}"),
        };
        let line = "Linux 5.10.16 (vm) \t11/28/26 \t_x86_64_\t(2 CPU)";
        assert_eq!(date(line).as_deref(), Some("11/28/26"));
        assert_eq!(
            date("Linux 6.1 (a) 2026-11-28 _x86_64_ (2 CPU)").as_deref(),
            Some("2026-11-28")
        );
        let tool = Tool::of_line(line).unwrap();
        for line in ["Average:     all    0.67", "Durchschn.:  all 0.67", "Moyenne :     all 0.67"]
        {
            assert!(tool.is_beside_table(line), "{line}");
        }
        assert!(tool.is_beside_table("16:43:05  LINUX RESTART\t(2 CPU)"));
        assert!(!tool.is_beside_table("16:43:05     CPU    %usr"));
    }

    #[test]
    fn a_date_of_two_meanings_names_the_way_out() {
        let tool = Tool::of_line("Linux 6.1 (a) \t11/05/26 \t_x86_64_\t(2 CPU)").unwrap();
        let refusal = tool.first_date(&ImportOptions::default()).unwrap_err().to_string();
        assert!(refusal.contains("11/05/26 may be MM/DD/YY or DD/MM/YY"), "{refusal}");
        let options = ImportOptions { time_format: Some("%d/%m/%y".into()), ..Default::default() };
        assert_eq!(tool.first_date(&options).unwrap().unwrap().to_string(), "2026-05-11");
    }

    #[test]
    fn dstat_says_when_it_began() {
        let line = "\"Cmdline:\",\"dstat\",,,,\"Date:\",\"28 Feb 2018 17:39:48 UTC\"";
        let start = dstat_start(line, Zone::Local).unwrap();
        assert_eq!(crate::zone::utc_text(start), "2018-02-28T17:39:48.000Z");
    }
}
