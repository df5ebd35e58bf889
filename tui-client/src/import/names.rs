//! Names of the fields of a table.

use std::borrow::Cow;
use std::collections::HashSet;

use super::clock::WrittenTime;

/// Returns the name of each field. In tables of dstat, a line above has the names of sections, for
/// names that occur twice.
pub(super) fn field_names(
    heading: &[String],
    count: usize,
    sections: Option<&[Cow<'_, str>]>,
) -> Vec<String> {
    let mut seen = HashSet::new();
    let twice: HashSet<&String> = heading.iter().filter(|name| !seen.insert(*name)).collect();
    let mut section = "";
    let mut names = Vec::new();
    for at in 0..count {
        let name = heading.get(at).map_or("", String::as_str);
        if let Some(begun) = sections.and_then(|all| all.get(at)).filter(|it| !it.is_empty()) {
            section = &**begun;
        }
        names.push(match name {
            "" => format!("c{}", at + 1),
            name if at == 0 && WrittenTime::split(name).is_some() => "time".to_owned(),
            name if !section.is_empty() && twice.contains(&name.to_owned()) => {
                format!("{section} {name}")
            }
            name => name.to_owned(),
        });
    }
    names
}

/// Copies cells.
pub(super) fn owned(cells: &[Cow<'_, str>]) -> Vec<String> {
    cells.iter().map(|cell| cell.clone().into_owned()).collect()
}
