//! Which charts a stream gets, from the names of its columns.

use loadline_protocol::{Column, Schema};

use crate::units::Look;

/// The charts that columns of a known name go into, in their order on the screen, and the legend of
/// each column there.
const KNOWN: &[(&str, &[(&str, &str)])] = &[
    ("CPU", &[("cpu", "")]),
    ("Memory", &[("mem", "")]),
    ("Frequency", &[("freq", "")]),
    ("Load", &[("load1", "1m"), ("load5", "5m"), ("load15", "15m")]),
];

/// A chart: columns of one unit on one pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What stands above it, and what it is chosen by.
    pub title: String,
    /// What is drawn in it, first to last.
    pub lines: Vec<ChartLine>,
    /// How its values look.
    pub look: Look,
}

/// A column in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartLine {
    /// Which column of the store.
    pub column: usize,
    /// What it is called in the legend; nothing if it is alone in its chart.
    pub legend: String,
}

/// The charts of a schema: first those of known columns, then one for each other column.
#[must_use]
pub fn charts(schema: &Schema) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    for (title, members) in KNOWN {
        let lines: Vec<ChartLine> = members
            .iter()
            .filter_map(|(name, legend)| {
                let column = schema.position(name)?;
                Some(ChartLine { column, legend: (*legend).to_owned() })
            })
            .collect();
        if let Some(first) = lines.first() {
            let look = look(&schema.columns()[first.column]);
            charts.push(Chart { title: (*title).to_owned(), lines, look });
        }
    }
    let others = schema.columns().iter().enumerate().filter(|(_, column)| !is_known(column));
    charts.extend(others.map(|(at, column)| {
        // A chart is chosen by its title: no two may have the same.
        let is_taken = KNOWN.iter().any(|(title, _)| *title == column.name());
        let title =
            if is_taken { format!("\"{}\"", column.name()) } else { column.name().to_owned() };
        let lines = vec![ChartLine { column: at, legend: String::new() }];
        Chart { title, lines, look: look(column) }
    }));
    charts
}

/// How the values of a column look.
#[must_use]
pub fn look(column: &Column) -> Look {
    Look::of(column.unit(), is_known(column))
}

fn is_known(column: &Column) -> bool {
    KNOWN.iter().any(|(_, members)| members.iter().any(|(name, _)| *name == column.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Range;

    fn titles(schema: &str) -> Vec<String> {
        charts(&schema.parse().unwrap()).into_iter().map(|chart| chart.title).collect()
    }

    #[test]
    fn the_six_columns_make_four_charts() {
        let charts = charts(&Schema::plain(6));
        let lines: Vec<_> = charts.iter().map(|c| (c.title.as_str(), c.lines.len())).collect();
        assert_eq!(lines, [("CPU", 1), ("Memory", 1), ("Frequency", 1), ("Load", 3)]);
        assert_eq!(charts[0].look.range, Range::Percent);
    }

    #[test]
    fn other_columns_get_a_chart_each_and_missing_ones_none() {
        assert_eq!(titles("temp:°C load1 cpu:%"), ["CPU", "Load", "temp"]);
        assert_eq!(titles("c1 c2"), ["c1", "c2"]);
        assert_eq!(titles("cpu:% CPU"), ["CPU", "\"CPU\""]);
    }
}
