//! Title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr as _;

use super::Figure;
use crate::charts::{ChartKind, ReferenceLine};
use crate::theme::STRONG;
use crate::thresholds::Level;
use crate::view::text::{fill, put, put_spans, put_spans_right, shortened, width};

/// Content of a title that is not part of the chart itself.
pub(in crate::view) struct TitleText<'a> {
    pub(in crate::view) title: &'a str,
    /// Index of the chart; the key that chooses the chart is one higher.
    pub(in crate::view) number: Option<usize>,
    pub(in crate::view) is_chosen: bool,
    /// Values of the lines and their levels; empty if they are shown elsewhere.
    pub(in crate::view) values: Vec<(f64, Level)>,
    /// Names and values of the highest processes, the highest first. As many as fit are drawn.
    pub(in crate::view) processes: Vec<(String, String)>,
    /// True if the values have their colours, false if they are faint because they are outdated.
    pub(in crate::view) fresh: bool,
}

/// Detail of a line's legend.
#[derive(Debug, Clone, Copy)]
enum LegendDetail {
    /// Name and value.
    Value,
    /// As `Value`, with the unit reduced to its prefix.
    Number,
    /// As `Value`, with few digits.
    Brief,
    /// Name only.
    Name,
}

/// Maximum length of a cut name in letters. More letters are no clearer.
const CUT_NAME_MAX: usize = 5;

/// Columns before and after the names of processes.
const PROCESS_MARGIN: u16 = 2;

/// Minimum length of a shortened name of a process. Fewer columns are not recognizable.
const PROCESS_NAME_MIN: usize = 6;

/// Draws the title with the names of some reference lines, as far as they fit. Returns their number.
pub(super) fn render(figure: &Figure, references: &[Span<'static>], buf: &mut Buffer) -> usize {
    let area = figure.parts.title;
    if area.is_empty() {
        return 0;
    }
    let theme = figure.app.theme;
    fill(buf, area, theme.symbols().horizontal, theme.faint());
    let legends = figure.legends();
    let shortest = legends.last().map_or(0, |legend| width(legend));
    let title = figure.title_spans(usize::from(area.width).saturating_sub(shortest));
    // The name and the legend share the space between them.
    let used = put_spans(buf, area, &title).saturating_sub(1);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    let fits = |legend: &[Span]| width(legend) <= usize::from(room.width);
    let whole = legends.first().map_or(&[][..], Vec::as_slice);
    let with_references =
        (1..=references.len()).rev().map(|count| (count, [whole, &references[..count]].concat()));
    let alone = legends.iter().map(|legend| (0, legend.clone()));
    let fitting = with_references.chain(alone).find(|(_, legend)| fits(legend));
    let (named_count, legend) = fitting.unwrap_or_default();
    put_spans_right(buf, room, &legend);
    let left = Rect { width: room.width - width(&legend) as u16, ..room };
    figure.render_processes(left, buf);
    named_count
}

/// Returns the names of the reference lines. A symbol marks those above the axis.
pub(super) fn references(figure: &Figure) -> Vec<Span<'static>> {
    let theme = figure.app.theme;
    let symbols = theme.symbols();
    let span = |reference: &ReferenceLine| {
        let is_above = figure.axis.is_exceeded_by(reference.value);
        let symbol = if is_above { symbols.above } else { symbols.reference };
        Span::styled(format!(" {symbol} {} ", reference.label), theme.threshold(reference.level))
    };
    figure.chart.references.iter().map(span).collect()
}

impl Figure<'_> {
    /// Returns the number and the name of the chart in `room` columns. The name is shortened last.
    fn title_spans(&self, room: usize) -> Vec<Span<'static>> {
        let faint = self.app.theme.faint();
        let chosen = if self.title.is_chosen { Modifier::REVERSED } else { Modifier::empty() };
        let number = match self.title.number {
            Some(at) if at < 9 => format!(" {} ", at + 1),
            _ => " ".to_owned(),
        };
        let number = Span::styled(number, STRONG.add_modifier(chosen));
        let name = |name: &str| Span::styled(format!(" {name} "), STRONG);
        let mut title = vec![number, name(self.title.title)];
        if !self.chart.remark.is_empty() {
            title.push(Span::styled(format!("{} ", self.chart.remark), faint));
        }
        let zoom = self.app.selection.value_zoom(self.chart);
        if zoom != 0 && self.chart.kind == ChartKind::Lines {
            let factor = f64::from(zoom).exp2();
            title.push(Span::styled(format!("values x{factor} "), faint));
        }
        while title.len() > 2 && width(&title) > room {
            title.pop();
        }
        let beside = title[0].width() + 2;
        if width(&title) > room && room > beside {
            title[1] = name(&shortened(self.title.title, room - beside));
        }
        title
    }

    /// Draws the highest processes, as many as fit, between the name and the legend. The name of a single one
    /// may be shortened.
    fn render_processes(&self, room: Rect, buf: &mut Buffer) {
        let Some((name, value)) = self.title.processes.first() else { return };
        let width = room.width.saturating_sub(2 * PROCESS_MARGIN);
        let place = Rect { x: room.x + PROCESS_MARGIN, width, ..room };
        let texts: Vec<String> =
            self.title.processes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let all = (1..=texts.len()).rev().map(|count| format!(" {} ", texts[..count].join(", ")));
        let name_max = usize::from(width).saturating_sub(value.width() + "   ".len());
        let short = (name_max >= PROCESS_NAME_MIN)
            .then(|| format!(" {} {value} ", shortened(name, name_max)));
        if let Some(text) = all.chain(short).find(|text| text.width() <= usize::from(width)) {
            put(buf, place, &text, self.app.theme.faint());
        }
    }

    /// Returns the legends of the lines that are not shown in large digits, the longest first. The
    /// steps: all values, fewer units, fewer digits, shorter names, values of the first lines only,
    /// names only, shorter names.
    fn legends(&self) -> Vec<Vec<Span<'static>>> {
        if self.chart.kind == ChartKind::Heat {
            let all = self.busiest_line();
            let value = all.iter().skip(1).cloned().collect();
            return vec![all, value];
        }
        let first = self.parts.digits_size.map_or(0, |size| size.values);
        let lines: Vec<usize> = (first..self.title.values.len()).collect();
        let names: Vec<&str> =
            lines.iter().map(|at| self.chart.lines[*at].legend.as_str()).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        // The first `values` lines have a value of this detail, the others only a name.
        let legend = |letters: usize, values: usize, detail: LegendDetail| -> Vec<Span<'static>> {
            let lines = lines.iter().zip(cut_names(&names, letters)).enumerate();
            let of_line = |(nth, (at, name)): (usize, (&usize, &str))| {
                self.line_legend(*at, name, if nth < values { detail } else { LegendDetail::Name })
            };
            lines.flat_map(of_line).collect()
        };
        let all = lines.len();
        let details = [LegendDetail::Value, LegendDetail::Number, LegendDetail::Brief];
        let mut legends = Vec::from(details.map(|detail| legend(longest, all, detail)));
        if longest == 0 {
            return legends;
        }
        // If lines have symbols, a legend can be the symbol alone.
        let least = usize::from(!self.app.theme.has_line_symbols());
        let cuts = (least..longest.min(CUT_NAME_MAX + 1)).rev();
        let is_clear = |letters: &usize| {
            let mut names_cut = cut_names(&names, *letters);
            names_cut.sort_unstable();
            *letters == 0 || names_cut.windows(2).all(|pair| pair[0] != pair[1])
        };
        // Beside a value, a name of digits would look like another value.
        let is_number = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_digit());
        let is_clear_beside_values = |letters: &usize| {
            is_clear(letters) && !cut_names(&names, *letters).iter().any(is_number)
        };
        let brief = |letters| legend(letters, all, LegendDetail::Brief);
        let name = |letters| legend(letters, 0, LegendDetail::Name);
        legends.extend(cuts.clone().filter(is_clear_beside_values).map(brief));
        legends.extend((1..all).rev().map(|values| legend(longest, values, LegendDetail::Brief)));
        legends.push(name(longest));
        legends.extend(cuts.filter(is_clear).map(name));
        legends.push(name(least));
        legends
    }

    fn line_legend(&self, at: usize, name: &str, detail: LegendDetail) -> Vec<Span<'static>> {
        let (theme, format) = (self.app.theme, &self.chart.format);
        let (line, (value, level)) = (&self.chart.lines[at], self.title.values[at]);
        let normal = theme.line(line.colour, self.title.fresh).add_modifier(Modifier::BOLD);
        let style = theme.level(level, normal);
        let symbol = theme.has_line_symbols().then(|| theme.line_symbol(at).to_string());
        let has_space = symbol.is_some() && matches!(detail, LegendDetail::Value);
        let space = if has_space { " " } else { "" };
        let name = format!(" {}{space}{name}", symbol.unwrap_or_default());
        let value = match detail {
            LegendDetail::Value => format!(" {} ", format.value(value)),
            LegendDetail::Number => format!(" {}", format.number_and_prefix(value)),
            LegendDetail::Brief => format!(" {}", format.brief(value)),
            LegendDetail::Name => return vec![Span::styled(name, style)],
        };
        let name = (!line.legend.is_empty()).then(|| Span::styled(name, theme.faint()));
        name.into_iter().chain([Span::styled(value, style)]).collect()
    }

    /// Returns the legend of the line with the greatest value.
    fn busiest_line(&self) -> Vec<Span<'static>> {
        let theme = self.app.theme;
        let values = self.title.values.iter().map(|(value, _)| *value);
        let known = self.chart.lines.iter().zip(values).filter(|(_, value)| value.is_finite());
        let Some((line, value)) = known.max_by(|a, b| a.1.total_cmp(&b.1)) else {
            return Vec::new();
        };
        let style = theme.line(line.colour, self.title.fresh).add_modifier(Modifier::BOLD);
        vec![
            Span::styled(format!(" busiest {}", line.legend), theme.faint()),
            Span::styled(format!(" {} ", self.chart.format.value(value)), style),
        ]
    }
}

/// Returns `letters` letters of each name: the first, or the last if all names begin alike.
fn cut_names<'a>(names: &[&'a str], letters: usize) -> Vec<&'a str> {
    let head = |name: &'a str| {
        let end = name.char_indices().nth(letters).map_or(name.len(), |(at, _)| at);
        &name[..end]
    };
    let tail = |name: &'a str| {
        let start = name.chars().count().saturating_sub(letters);
        &name[name.char_indices().nth(start).map_or(name.len(), |(at, _)| at)..]
    };
    let begin_alike = names.len() > 1 && names.iter().all(|name| head(name) == head(names[0]));
    names.iter().map(|name| if begin_alike { tail(name) } else { head(name) }).collect()
}
