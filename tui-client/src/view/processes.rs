//! Table of processes: those of a look, or of all looks from the mark to the crosshair.

use std::time::Duration;

use loadline_protocol::{Column, Look, Process};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::text::{counted, put, put_right, shortened};
use crate::app::App;
use crate::layout::Layout;
use crate::store::ProcessOrder;
use crate::theme::STRONG;
use crate::units::{MachineCapacity, Units, ValueFormat, span_text};

/// Columns in their order on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessColumn {
    Name,
    Pid,
    User,
    Unit,
    Cpu,
    Memory,
    Io,
}

use ProcessColumn::{Cpu, Io, Memory, Name, Pid, Unit, User};

/// Columns after the name, the most important first: their widths, and the width that the name needs beside
/// them. The longest texts of the numbers are a pid of seven digits, `mean cpu ▼`, `max mem ▼` and `1023 KiB/s`.
const WIDTHS: [(ProcessColumn, u16, u16); 6] =
    [(Pid, 8, 8), (Cpu, 11, 8), (Memory, 10, 8), (Io, 11, 16), (Unit, 14, 16), (User, 10, 16)];

/// Maximum widths of texts, in the order in which they get the room that is left. On Linux, a name has at most
/// 15 characters.
const TEXT_WIDTHS: [(ProcessColumn, u16); 4] = [(Name, 16), (Unit, 40), (User, 16), (Name, 32)];

/// Columns before a user or a unit.
const TEXT_MARGIN: u16 = 2;

/// Maximum length of a name in the title of a chart.
const TITLE_NAME_MAX: usize = 20;

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let area = layout.table;
    if area.is_empty() {
        return;
    }
    let Some(look) = app.listed_look() else {
        put(buf, area, &no_look_text(app), app.theme.faint());
        return;
    };
    let columns = columns(area);
    render_head(app, &look, &columns, buf);
    let normal = if app.is_fresh() { Style::new() } else { app.theme.faint() };
    let (first, count, _) = app.visible_processes(layout);
    let processes = app.screen.processes.order.sorted(&look).into_iter().skip(first).take(count);
    let mut rows = area.rows().skip(1);
    for (process, row) in processes.zip(rows.by_ref()) {
        for (column, place) in &columns {
            column.render(process, Rect { y: row.y, ..*place }, normal, buf);
        }
    }
    if let Some(row) = rows.next() {
        render_other(app, &look, &columns, row, buf);
    }
}

/// Returns the columns that fit, with their places in the head row.
fn columns(area: Rect) -> Vec<(ProcessColumn, Rect)> {
    let mut widths = [0; 7];
    let mut left = area.width;
    let fitting = WIDTHS.iter().take_while(|(_, width, name)| {
        let fits = left >= width + name;
        left -= if fits { *width } else { 0 };
        fits
    });
    fitting.for_each(|(column, width, _)| widths[*column as usize] = *width);
    for (column, most) in TEXT_WIDTHS {
        let width = &mut widths[column as usize];
        if *width > 0 || column == Name {
            let more = left.min(most - *width);
            *width += more;
            left -= more;
        }
    }
    let mut x = area.x;
    let shown = [Name, Pid, User, Unit, Cpu, Memory, Io].into_iter();
    let shown = shown.map(|column| {
        let width = widths[column as usize];
        x += width;
        (column, Rect { x: x - width, width, height: 1, ..area })
    });
    shown.filter(|(_, place)| !place.is_empty()).collect()
}

impl ProcessColumn {
    /// Returns the head of the column. Sums over several looks say which sums they are.
    fn head(self, is_sum: bool) -> &'static str {
        match (self, is_sum) {
            (Name, _) => "",
            (Pid, _) => "pid",
            (User, _) => "user",
            (Unit, _) => "unit",
            (Cpu, false) => "cpu",
            (Cpu, true) => "mean cpu",
            (Memory, false) => "mem",
            (Memory, true) => "max mem",
            (Io, false) => "io",
            (Io, true) => "mean io",
        }
    }

    fn text(self, process: &Process) -> String {
        match self {
            Name => process.name.as_str().to_owned(),
            Pid => process.pid.to_string(),
            User => process.user.as_ref().map_or("", |it| it.as_str()).to_owned(),
            Unit => process.unit.as_ref().map_or("", |it| it.as_str()).to_owned(),
            Cpu => value_text("%", process.cpu),
            Memory => value_text("B", Some(process.mem as f64)),
            Io => value_text("B/s", process.io),
        }
    }

    fn render(self, process: &Process, place: Rect, style: Style, buf: &mut Buffer) {
        self.render_text(&self.text(process), place, style, buf);
    }

    /// Writes texts from the left, and numbers from the right.
    fn render_text(self, text: &str, place: Rect, style: Style, buf: &mut Buffer) {
        match self {
            Name => {
                put(buf, place, &shortened(text, usize::from(place.width)), style);
            }
            User | Unit => {
                let width = place.width - TEXT_MARGIN;
                let inside = Rect { x: place.x + TEXT_MARGIN, width, ..place };
                put(buf, inside, &shortened(text, usize::from(width)), style);
            }
            Pid | Cpu | Memory | Io => put_right(buf, place, text, style),
        }
    }

    fn is_sorted(self, order: ProcessOrder) -> bool {
        let by = match order {
            ProcessOrder::Cpu => Cpu,
            ProcessOrder::Memory => Memory,
        };
        self == by
    }
}

/// Formats a value in one of the units of a process. A missing value is `-`.
fn value_text(unit: &str, value: Option<f64>) -> String {
    let format = value_format(unit);
    let value = value.unwrap_or(f64::NAN);
    format.compact(value).unwrap_or_else(|| format.value(value))
}

fn value_format(unit: &str) -> ValueFormat {
    let column = Column::new("", unit);
    ValueFormat::for_column(&column, true, Units::Standard, MachineCapacity::default())
}

/// Draws the time of the look in place of the head of the names, and the heads of the other columns.
fn render_head(app: &App, look: &Look, columns: &[(ProcessColumn, Rect)], buf: &mut Buffer) {
    let theme = app.theme;
    let is_sum = app.selection.statistics.is_some();
    for (column, place) in columns {
        let head = column.head(is_sum);
        if column.is_sorted(app.screen.processes.order) {
            let head = format!("{head} {}", theme.symbols().below);
            column.render_text(&head, *place, STRONG, buf);
        } else {
            column.render_text(head, *place, theme.faint(), buf);
        }
    }
    let Some((_, place)) = columns.first() else { return };
    // The head of the pids leaves room.
    let room = columns.get(1).map_or(0, |(_, pid)| pid.width - " pid".len() as u16);
    let place = Rect { width: place.width + room, ..*place };
    let time = app.sources.axis_time(app.sources.shown(), look.top.time);
    let time = app.time_label_within(time, "14:03:55".len());
    let over = look.top.over.map(|over| format!("{time} over {}", seconds_text(over)));
    put_longest(buf, place, &[over.unwrap_or_default(), time], theme.faint());
}

/// Draws the row of everything that is not listed, with the number of all processes.
fn render_other(
    app: &App,
    look: &Look,
    columns: &[(ProcessColumn, Rect)],
    row: Rect,
    buf: &mut Buffer,
) {
    let faint = app.theme.faint();
    let cpu = columns.iter().find(|(column, _)| *column == Cpu);
    let end = cpu.map_or(row.right(), |(_, place)| place.x);
    let all = look
        .top
        .processes
        .map_or(String::new(), |count| format!("other of {}", counted_processes(count)));
    let place = Rect { width: end - row.x, ..row };
    put_longest(buf, place, &[all, "other".to_owned()], faint);
    if let Some((_, place)) = cpu {
        put_right(buf, Rect { y: row.y, ..*place }, &value_text("%", look.top.other), faint);
    }
}

fn counted_processes(count: u32) -> String {
    if count == 1 { counted(1, "process") } else { format!("{count} processes") }
}

/// Writes the first text that is not empty and fits, or the last one.
fn put_longest(buf: &mut Buffer, place: Rect, texts: &[String], style: Style) {
    let fits = |text: &&String| !text.is_empty() && text.width() <= usize::from(place.width);
    if let Some(text) = texts.iter().find(fits).or(texts.last()) {
        put(buf, place, text, style);
    }
}

/// Formats a time between looks: `5.0 s`, `2m 10s`.
fn seconds_text(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if seconds >= 60.0 => span_text(span),
        _ => format!("{seconds:.1} s"),
    }
}

/// Returns the reason for a table without processes.
fn no_look_text(app: &App) -> String {
    let watched = app.sources.watched();
    let is_at_live_edge = app.selection.crosshair.is_none() && app.window.paused_at().is_none();
    let has_looks = watched.looks.newest().is_some();
    let missing = watched.missing_looks().filter(|_| is_at_live_edge || !has_looks);
    if let Some(missing) = missing {
        return format!("no processes: {missing}");
    }
    if !has_looks {
        return "no look at the processes yet".to_owned();
    }
    if app.selection.statistics.is_some() {
        return "no look at the processes from the mark to the crosshair".to_owned();
    }
    if watched.past_percent().is_some() && !is_at_live_edge {
        return "loading the look at this time".to_owned();
    }
    let time = app.shown_sample().map(|sample| sample.time()).unwrap_or_default();
    let time = app.sources.axis_time(app.sources.shown(), time);
    format!("no look at the processes at {}", app.time_label(time))
}

/// Returns the first processes of the shown look in an order, for the title of a chart: `ffmpeg` and `44 %`.
pub(super) fn highest_texts(app: &App, order: ProcessOrder, count: usize) -> Vec<(String, String)> {
    let Some(look) = app.shown_look() else { return Vec::new() };
    let texts = |process: &&Process| {
        let value = match order {
            ProcessOrder::Cpu => {
                let cpu = process.cpu.filter(|cpu| *cpu > 0.0)?;
                format!("{} %", value_format("%").brief(cpu))
            }
            ProcessOrder::Memory => value_text("B", Some(process.mem as f64)),
        };
        Some((shortened(process.name.as_str(), TITLE_NAME_MAX), value))
    };
    order.sorted(&look).iter().take(count).map_while(texts).collect()
}
