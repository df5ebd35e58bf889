//! Charts of a stream, derived from the names and units of its columns.
//!
//! 1. Columns of a known name go into `KNOWN_CHARTS`; `core0 … coreN` become a heat map.
//!    Columns of a single device, such as `net_rx_eth0`, have charts in `device_charts`.
//! 2. If there are more than `SINGLES_MAX` other columns, those of the same unit share charts of up
//!    to `LINES_MAX` lines.
//! 3. Columns without a unit may be unrelated. They share charts only if there are more than
//!    `NAMELESS_MAX` columns with generated names (`c1 … cN`), or `NAMED_MAX` if some have names.
//! 4. Each remaining column has its own chart.
//!
//! Values have no influence, so the charts stay the same while samples arrive.

mod device_charts;
mod known_charts;

use std::collections::{HashMap, HashSet};

use loadline_protocol::Column;

use crate::store::{Magnitude, ProcessOrder, ValueKind};
use crate::thresholds::Level;
use crate::units::{MachineCapacity, Units, ValueFormat};
use device_charts::device_charts;
use known_charts::{
    CORES_TITLE, KNOWN_CHARTS, KnownColumn, is_core, is_known, is_numbered, known_titles,
};

/// Maximum number of unknown columns that all have their own charts, whatever their units.
const SINGLES_MAX: usize = 4;

/// Maximum number of columns `c1 … cN` that all have their own charts. A common terminal shows 12.
const NAMELESS_MAX: usize = 12;

/// Maximum number of named columns without a unit that all have their own charts.
const NAMED_MAX: usize = 3 * NAMELESS_MAX;

/// Maximum number of lines in a shared chart: the theme has six distinct colours.
const LINES_MAX: usize = 6;

/// Chart: columns of one unit over one pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Title, unique among the charts of a stream.
    pub title: String,
    /// Remark after the title: `per core`.
    pub(crate) remark: &'static str,
    /// Lines in drawing order.
    pub lines: Vec<ChartLine>,
    pub(crate) format: ValueFormat,
    /// Reference lines, the most important first.
    pub(crate) references: Vec<ReferenceLine>,
    /// Lines or heat map.
    pub kind: ChartKind,
}

impl Chart {
    /// Creates a chart of lines, without remark and reference lines.
    fn new(title: &str, lines: Vec<ChartLine>, format: &ValueFormat) -> Chart {
        Chart {
            title: title.to_owned(),
            remark: "",
            lines,
            format: format.clone(),
            references: Vec::new(),
            kind: ChartKind::Lines,
        }
    }

    /// Returns the name of a line: the chart's title, followed by the legend if there is one.
    pub(crate) fn line_name(&self, line: &ChartLine) -> String {
        match line.legend.as_str() {
            "" => self.title.clone(),
            legend => format!("{} {legend}", self.title),
        }
    }

    /// Returns the order of the processes that the title names, if any.
    pub(crate) fn process_order(&self) -> Option<ProcessOrder> {
        known_charts::process_order(&self.title)
    }

    /// Returns the lines, each with this chart.
    pub(crate) fn lines_with_chart(&self) -> impl Iterator<Item = (&Chart, &ChartLine)> + Clone {
        self.lines.iter().map(move |line| (self, line))
    }
}

/// Drawing style of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// One line per column, over one value axis.
    Lines,
    /// One row per column, darker for larger values. For more columns than distinct colours.
    Heat,
}

/// Number of charts that the first page always has: CPU, memory, frequency and load.
pub(crate) const FIRST_PAGE_CHARTS: usize = 4;

/// Returns whether the first page is kept uncrowded: there are more than [`FIRST_PAGE_CHARTS`]
/// charts, and the first ones show known columns. Further charts then join the page only if the
/// others keep enough [room](crate::layout) to stay readable.
pub(crate) fn has_uncrowded_first_page(charts: &[Chart]) -> bool {
    let is_known = |chart: &Chart| known_titles().any(|title| title == chart.title);
    charts.len() > FIRST_PAGE_CHARTS && charts[..FIRST_PAGE_CHARTS].iter().all(is_known)
}

/// Column in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartLine {
    /// Index of the column in the store.
    pub(crate) column: usize,
    /// Name in the legend. Empty for the only line of a chart.
    pub legend: String,
    /// Index of the colour in the theme.
    pub colour: usize,
}

/// Fixed value that is drawn across a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReferenceLine {
    /// Value in the displayed unit.
    pub(crate) value: f64,
    /// Label of the line: `16 cores`.
    pub(crate) label: String,
    /// Level that begins at the value, if the line is a threshold.
    pub(crate) level: Level,
}

/// Returns the charts of some columns: known columns first, then the others in order. `formats` has
/// the format of each column.
pub(crate) fn charts(
    columns: &[Column],
    formats: &[ValueFormat],
    machine: MachineCapacity,
) -> Vec<Chart> {
    let known =
        KNOWN_CHARTS.iter().filter_map(|chart| known_chart(chart, columns, formats, machine));
    let mut charts: Vec<Chart> = known.chain(cores_chart(columns, formats)).collect();
    charts.extend(device_charts(columns, formats));
    // Users select a chart by its title, so titles are unique.
    let mut taken: HashSet<String> = known_titles().map(str::to_owned).collect();
    taken.extend(charts.iter().map(|chart| chart.title.clone()));
    for group in groups(columns) {
        let mut title = title(columns, &group);
        while !taken.insert(title.clone()) {
            title = format!("\"{title}\"");
        }
        // The chart has the format of its column with the most decimals.
        let formats = group.iter().map(|at| &formats[*at]);
        let format = formats.max_by_key(|format| format.decimals);
        charts.extend(format.map(|format| Chart::new(&title, lines(columns, &group), format)));
    }
    charts
}

/// Returns the chart with the known columns among `columns`.
fn known_chart(
    (title, members): &(&str, &[KnownColumn]),
    columns: &[Column],
    formats: &[ValueFormat],
    machine: MachineCapacity,
) -> Option<Chart> {
    let line = |(name, legend, colour): &KnownColumn| {
        let column = columns.iter().position(|column| column.name() == *name)?;
        Some(ChartLine { column, legend: (*legend).to_owned(), colour: *colour })
    };
    let lines: Vec<ChartLine> = members.iter().filter_map(line).collect();
    let column = lines.first()?.column;
    let format = &formats[column];
    let reference = reference(columns[column].name(), format.scale, machine);
    let per_core = format.table_unit.is_some_and(|(unit, _)| unit == "/core");
    let remark = if per_core { "per core" } else { "" };
    let references = reference.into_iter().collect();
    Some(Chart { remark, references, ..Chart::new(title, lines, format) })
}

/// Returns the heat map of all cores, if there are any.
fn cores_chart(columns: &[Column], formats: &[ValueFormat]) -> Option<Chart> {
    let cores = columns.iter().enumerate().filter(|(_, column)| is_core(column));
    let line = |(column, core): (usize, &Column)| ChartLine {
        column,
        legend: core.name().to_owned(),
        colour: 0,
    };
    let lines: Vec<ChartLine> = cores.map(line).collect();
    let format = &formats[lines.first()?.column];
    Some(Chart { kind: ChartKind::Heat, ..Chart::new(CORES_TITLE, lines, format) })
}

/// Groups the columns of unknown names by chart. No group is empty.
fn groups(columns: &[Column]) -> Vec<Vec<usize>> {
    let others = || columns.iter().enumerate().filter(|(_, column)| !is_known(column));
    let unitless = || others().filter(|(_, column)| column.unit().is_empty());
    let is_named = unitless().any(|(_, column)| !is_numbered(column, "c"));
    let unitless_max = if is_named { NAMED_MAX } else { NAMELESS_MAX };
    let are_many_unitless = unitless().count() > unitless_max;
    let are_many = others().count() > SINGLES_MAX;
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // Index of the newest group of each unit.
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (at, column) in others() {
        let shares = match column.unit() {
            "" => are_many_unitless,
            _ => are_many,
        };
        match open.get(column.unit()) {
            Some(group) if shares && groups[*group].len() < LINES_MAX => groups[*group].push(at),
            _ => {
                open.insert(column.unit(), groups.len());
                groups.push(vec![at]);
            }
        }
    }
    groups
}

/// Returns the name of the only column, or the names of the first and the last one.
fn title(columns: &[Column], group: &[usize]) -> String {
    let name = |at: &usize| columns[*at].name();
    match group {
        [] => String::new(),
        [only] => name(only).to_owned(),
        [first, last] => format!("{}, {}", name(first), name(last)),
        [first, .., last] => format!("{} - {}", name(first), name(last)),
    }
}

fn lines(columns: &[Column], group: &[usize]) -> Vec<ChartLine> {
    let line = |(nth, column): (usize, &usize)| match group.len() {
        1 => ChartLine { column: *column, legend: String::new(), colour: *column },
        _ => ChartLine { column: *column, legend: columns[*column].name().to_owned(), colour: nth },
    };
    group.iter().enumerate().map(line).collect()
}

/// Returns the reference line of load charts: the number of cores, which is the load at full use.
fn reference(name: &str, scale: f64, machine: MachineCapacity) -> Option<ReferenceLine> {
    let cores = machine.cores.filter(|_| name.starts_with("load"))?;
    let word = if cores > 1.0 { "cores" } else { "core" };
    let label = if scale < 1.0 { "1 per core".to_owned() } else { format!("{cores} {word}") };
    Some(ReferenceLine { value: cores * scale, label, level: Level::Normal })
}

/// Returns the format of a column, from kind and magnitude of its values so far.
pub(crate) fn value_format(
    column: &Column,
    values: ValueKind,
    magnitude: Magnitude,
    units: Units,
    machine: MachineCapacity,
) -> ValueFormat {
    let is_known = is_known(column);
    let format = ValueFormat::for_column(column, is_known, units, machine);
    match values {
        _ if is_known => format,
        ValueKind::Whole => format.with_whole_numbers().with_magnitude(magnitude),
        ValueKind::None | ValueKind::Fractional => format.with_magnitude(magnitude),
    }
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Schema;

    use super::*;
    use crate::units::AxisRange;

    fn charts_in(units: Units, schema: &Schema, machine: MachineCapacity) -> Vec<Chart> {
        let columns = schema.columns().iter();
        let formats: Vec<ValueFormat> = columns
            .map(|it| value_format(it, ValueKind::Fractional, Magnitude::ZERO, units, machine))
            .collect();
        charts(schema.columns(), &formats, machine)
    }

    fn standard_charts(schema: &Schema) -> Vec<Chart> {
        charts_in(Units::Standard, schema, MachineCapacity { cores: Some(4.0), memory: None })
    }

    fn titles(schema: &str) -> Vec<String> {
        standard_charts(&schema.parse().unwrap()).into_iter().map(|chart| chart.title).collect()
    }

    #[test]
    fn the_six_columns_make_four_charts() {
        let charts = standard_charts(&Schema::plain(6));
        let lines: Vec<_> = charts.iter().map(|c| (c.title.as_str(), c.lines.len())).collect();
        assert_eq!(lines, [("CPU", 1), ("Memory", 1), ("Frequency", 1), ("Load", 3)]);
        assert_eq!(charts[0].format.range, AxisRange::Fixed(100.0));
    }

    #[test]
    fn known_columns_have_their_charts_and_cores_share_one() {
        let all = "cpu:% freq:MHz mem:% load1 load5 load15 user:% net_rx:B/s net_tx:B/s \
                   disk_read:B/s psi_io:% disk_used:% core0:% core1:% core:% core2 temp:°C";
        let expected = [
            "CPU",
            "Memory",
            "Frequency",
            "Load",
            "Network",
            "Disk",
            "Pressure",
            "CPU time",
            "Disk space",
            "Temperature",
            "Cores",
            "core",
            "core2",
        ];
        assert_eq!(titles(all), expected);
        let charts = standard_charts(&all.parse().unwrap());
        assert!(
            has_uncrowded_first_page(&charts)
                && !has_uncrowded_first_page(&standard_charts(&Schema::plain(12)))
        );
        assert_eq!((charts[10].kind, charts[10].lines.len()), (ChartKind::Heat, 2));
        assert_eq!(titles("freq:MHz load1 cpu:%"), ["CPU", "Frequency", "Load"]);
        assert_eq!(titles("freq:MHz load1 swap:%"), ["Frequency", "Load", "Swap"]);
    }

    #[test]
    fn each_device_has_a_chart_and_file_systems_share_them() {
        let devices = "net_rx_eth0:B/s net_tx_eth0:B/s net_rx_wg0:B/s net_rx:B/s disk_read_sda:B/s \
                       disk_used_/:% disk_used_/srv:% disk_write_sda:B/s net_rx_odd:V disk_used_:%";
        let charts = standard_charts(&devices.parse().unwrap());
        let lines = charts.iter().map(|chart| {
            let legends: Vec<_> = chart.lines.iter().map(|line| line.legend.as_str()).collect();
            format!("{}: {}", chart.title, legends.join(" "))
        });
        let expected = [
            "Network: in",
            "Network eth0: in out",
            "Network wg0: in",
            "Disk sda: read write",
            "File systems: / /srv",
            "net_rx_odd: ",
            "disk_used_: ",
        ];
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        let many: Vec<_> = (0..14).map(|at| format!("disk_used_/{at}:%")).collect();
        assert_eq!(titles(&many.join(" ")), ["File systems", "File systems 2", "File systems 3"]);
    }

    #[test]
    fn a_load_is_compared_with_the_number_of_cores() {
        let load = |units| {
            let machine = MachineCapacity { cores: Some(16.0), memory: None };
            charts_in(units, &Schema::plain(6), machine).pop().unwrap()
        };
        let of = |chart: Chart| {
            let reference = chart.references.into_iter().next();
            reference.map(|it| (it.value, it.label, chart.remark))
        };
        assert_eq!(of(load(Units::Standard)), Some((16.0, "16 cores".into(), "")));
        assert_eq!(of(load(Units::Alternative)), Some((1.0, "1 per core".into(), "per core")));
        let charts = charts_in(Units::Standard, &Schema::plain(6), MachineCapacity::default());
        assert!(charts[3].references.is_empty());
    }

    #[test]
    fn many_columns_of_a_unit_share_charts_and_few_do_not() {
        assert_eq!(titles("a:B/s b:B/s c:B/s d:V"), ["a", "b", "c", "d"]);
        assert_eq!(titles("a:B/s d:V b:B/s c:B/s e"), ["a - c", "d", "e"]);
        assert_eq!(titles("a:B/s d:V b:B/s e f g"), ["a, b", "d", "e", "f", "g"]);
        let seven = "a:V b:V c:V d:V e:V f:V g:V cpu:%";
        assert_eq!(titles(seven), ["CPU", "a - f", "g"]);
        let charts = standard_charts(&seven.parse().unwrap());
        let legends: Vec<_> = charts[1].lines.iter().map(|line| line.legend.as_str()).collect();
        assert_eq!(legends, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn columns_without_a_unit_share_charts_from_thirteen_on() {
        assert_eq!(standard_charts(&Schema::plain(12)).len(), 12);
        let charts = standard_charts(&Schema::plain(13));
        let found: Vec<_> = charts.iter().map(|it| (it.title.as_str(), it.lines.len())).collect();
        assert_eq!(found, [("c1 - c6", 6), ("c7 - c12", 6), ("c13", 1)]);
        assert_eq!(standard_charts(&Schema::plain(200)).len(), 34);
        let named = |count: usize| {
            let names: Vec<_> = (0..count).map(|at| format!("x{at}")).collect();
            titles(&names.join(" ")).len()
        };
        assert_eq!([named(36), named(37)], [36, 7]);
    }

    #[test]
    fn no_column_is_lost_and_no_title_is_repeated() {
        for schema in ["a:V b:V c:V d:V e:V a_-_e:V", "\u{22}CPU\u{22} CPU cpu:% Load", "x y:B z:V"]
        {
            let schema: Schema = schema.parse().unwrap();
            let charts = standard_charts(&schema);
            let titles: HashSet<_> = charts.iter().map(|chart| &chart.title).collect();
            assert_eq!(titles.len(), charts.len(), "{schema}");
            let mut columns: Vec<_> =
                charts.iter().flat_map(|chart| chart.lines.iter().map(|it| it.column)).collect();
            columns.sort_unstable();
            assert_eq!(columns, (0..schema.columns().len()).collect::<Vec<_>>(), "{schema}");
        }
    }

    #[test]
    fn unknown_columns_get_charts_and_absent_columns_do_not() {
        assert_eq!(titles("heat:°C load1 cpu:%"), ["CPU", "Load", "heat"]);
        assert_eq!(titles("c1 c2"), ["c1", "c2"]);
        assert_eq!(titles("cpu:% CPU"), ["CPU", "\"CPU\""]);
    }
}
