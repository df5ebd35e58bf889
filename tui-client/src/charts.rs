//! Which charts a stream gets, from the names of its columns.

use loadline_protocol::{Column, Schema};

use crate::units::{Look, Machine, Units};

/// A column of a known name: the name, its legend, and which of the theme's colours it has wherever it
/// is seen.
type Member = (&'static str, &'static str, usize);

/// The charts that columns of a known name go into, in their order on the screen.
const KNOWN: &[(&str, &[Member])] = &[
    ("CPU", &[("cpu", "", 0)]),
    ("Memory", &[("mem", "", 3)]),
    ("Frequency", &[("freq", "", 4)]),
    ("Load", &[("load1", "1m", 0), ("load5", "5m", 1), ("load15", "15m", 2)]),
];

/// A chart: columns of one unit on one pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it is chosen by.
    pub title: String,
    /// What stands behind the title: `per core`.
    pub remark: &'static str,
    /// What is drawn in it, first to last.
    pub lines: Vec<ChartLine>,
    /// How its values look.
    pub look: Look,
    /// A value that others are compared with, in the unit that is shown.
    pub reference: Option<Reference>,
}

/// A column in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartLine {
    /// Which column of the store.
    pub column: usize,
    /// What it is called in the legend; nothing if it is alone in its chart.
    pub legend: String,
    /// Which of the theme's colours it has.
    pub colour: usize,
}

/// A value that is drawn across a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The value, in the unit that is shown.
    pub value: f64,
    /// What it is: `16 cores`.
    pub label: String,
}

/// The charts of a schema: first those of known columns, then one for each other column.
#[must_use]
pub fn charts(schema: &Schema, units: Units, machine: Machine) -> Vec<Chart> {
    let columns = schema.columns();
    let look = |at: usize| look(&columns[at], units, machine);
    let mut charts: Vec<Chart> = Vec::new();
    for (title, members) in KNOWN {
        let lines: Vec<ChartLine> = members
            .iter()
            .filter_map(|(name, legend, colour)| {
                let column = schema.position(name)?;
                Some(ChartLine { column, legend: (*legend).to_owned(), colour: *colour })
            })
            .collect();
        let Some(first) = lines.first() else { continue };
        let look = look(first.column);
        let reference = reference(columns[first.column].name(), look.scale, machine);
        let per_core = look.table.is_some_and(|(unit, _)| unit == "/core");
        let remark = if per_core { "per core" } else { "" };
        charts.push(Chart { title: (*title).to_owned(), remark, lines, look, reference });
    }
    let others = columns.iter().enumerate().filter(|(_, column)| !is_known(column));
    charts.extend(others.map(|(at, column)| {
        // A chart is chosen by its title: no two may have the same.
        let is_taken = KNOWN.iter().any(|(title, _)| *title == column.name());
        let title =
            if is_taken { format!("\"{}\"", column.name()) } else { column.name().to_owned() };
        let lines = vec![ChartLine { column: at, legend: String::new(), colour: at }];
        Chart { title, remark: "", lines, look: look(at), reference: None }
    }));
    charts
}

/// As many tasks as there are cores can run at a time.
fn reference(name: &str, scale: f64, machine: Machine) -> Option<Reference> {
    let cores = machine.cores.filter(|_| name.starts_with("load"))?;
    let word = if cores > 1.0 { "cores" } else { "core" };
    let label = if scale < 1.0 { "1 per core".to_owned() } else { format!("{cores} {word}") };
    Some(Reference { value: cores * scale, label })
}

/// How the values of a column look.
#[must_use]
pub fn look(column: &Column, units: Units, machine: Machine) -> Look {
    Look::of(column, is_known(column), units, machine)
}

fn is_known(column: &Column) -> bool {
    KNOWN.iter().any(|(_, members)| members.iter().any(|(name, ..)| *name == column.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Range;

    fn usual(schema: &Schema) -> Vec<Chart> {
        charts(schema, Units::Usual, Machine { cores: Some(4.0), memory: None })
    }

    fn titles(schema: &str) -> Vec<String> {
        usual(&schema.parse().unwrap()).into_iter().map(|chart| chart.title).collect()
    }

    #[test]
    fn the_six_columns_make_four_charts() {
        let charts = usual(&Schema::plain(6));
        let lines: Vec<_> = charts.iter().map(|c| (c.title.as_str(), c.lines.len())).collect();
        assert_eq!(lines, [("CPU", 1), ("Memory", 1), ("Frequency", 1), ("Load", 3)]);
        assert_eq!(charts[0].look.range, Range::Fixed(100.0));
    }

    #[test]
    fn a_load_is_compared_with_the_number_of_cores() {
        let load = |units| {
            let machine = Machine { cores: Some(16.0), memory: None };
            charts(&Schema::plain(6), units, machine).pop().unwrap()
        };
        let of = |chart: Chart| chart.reference.map(|it| (it.value, it.label, chart.remark));
        assert_eq!(of(load(Units::Usual)), Some((16.0, "16 cores".into(), "")));
        assert_eq!(of(load(Units::Other)), Some((1.0, "1 per core".into(), "per core")));
        assert!(charts(&Schema::plain(6), Units::Usual, Machine::default())[3].reference.is_none());
    }

    #[test]
    fn other_columns_get_a_chart_each_and_missing_ones_none() {
        assert_eq!(titles("temp:°C load1 cpu:%"), ["CPU", "Load", "temp"]);
        assert_eq!(titles("c1 c2"), ["c1", "c2"]);
        assert_eq!(titles("cpu:% CPU"), ["CPU", "\"CPU\""]);
    }
}
