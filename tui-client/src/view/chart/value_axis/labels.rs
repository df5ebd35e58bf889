//! Labels of a value axis: one unit, one number of decimals.

use unicode_width::UnicodeWidthStr as _;

use crate::units::AxisUnit;

/// Returns the labels of ticks and their cost. All labels have the same unit and decimals. The unit
/// is shown at each label, or at the top label only, or is reduced to its prefix, whichever fits
/// first. No label is missing or longer than `width`.
pub(super) fn labels(
    values: &[f64],
    decimals: usize,
    unit: &AxisUnit,
    width: usize,
) -> (f64, Vec<String>) {
    let numbers: Vec<String> = values.iter().map(|value| format!("{value:.decimals$}")).collect();
    let numbers = trim_zeros(numbers);
    let with_unit = |text: &str| numbers.iter().map(|number| format!("{number}{text}")).collect();
    let all: Vec<String> = with_unit(&unit.text);
    let mut at_top = numbers.clone();
    at_top.last_mut().into_iter().for_each(|top| top.push_str(&unit.text));
    let prefixed: Vec<String> = with_unit(unit.prefix);
    let fits = |texts: &[String]| texts.iter().all(|text| text.width() <= width);
    let forms = [(0.0, all), (0.15, at_top), (0.4, prefixed)];
    forms.into_iter().find(|(_, texts)| fits(texts)).unwrap_or_else(|| {
        let values: Vec<f64> = values.iter().map(|value| value * unit.factor).collect();
        (1.0, fallback_labels(&values, width))
    })
}

/// Removes the trailing zeros that all numbers have.
fn trim_zeros(mut numbers: Vec<String>) -> Vec<String> {
    while numbers.iter().all(|number| number.contains('.') && number.ends_with('0')) {
        for number in &mut numbers {
            number.pop();
        }
    }
    numbers.into_iter().map(|number| number.trim_end_matches('.').to_owned()).collect()
}

/// Formats any numbers in `width` columns: with all digits, or with exponents. Otherwise, the
/// lowest number is approximate and the others are differences to it.
pub(super) fn fallback_labels(values: &[f64], width: usize) -> Vec<String> {
    let scientific = |value: f64, digits: usize| format!("{value:.digits$e}");
    let differ = |texts: &[String]| texts.windows(2).all(|pair| pair[0] != pair[1]);
    let fits = |texts: &Vec<String>| differ(texts) && texts.iter().all(|text| text.len() <= width);
    let plain: Vec<String> = values.iter().map(f64::to_string).collect();
    let exact = (0..width).map(|digits| {
        values.iter().map(|value| scientific(*value, digits)).collect::<Vec<String>>()
    });
    std::iter::once(plain).chain(exact).find(fits).unwrap_or_else(|| {
        let first = values.first().copied().unwrap_or_default();
        let digits = (0..width).rev().find(|digits| scientific(first, *digits).len() <= width);
        let first_label = scientific(first, digits.unwrap_or(0));
        let others = values.iter().skip(1).map(|value| {
            let plain = format!("+{}", value - first);
            if plain.len() <= width { plain } else { format!("+{:.0e}", value - first) }
        });
        std::iter::once(first_label).chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_narrow_axis_only_the_top_label_has_the_unit() {
        let unit = AxisUnit { factor: 1.0, prefix: "Mi", text: " MiB/s".into() };
        let of = |values: &[f64], width| labels(values, 0, &unit, width).1.join(", ");
        assert_eq!(of(&[0.0, 5.0], 7), "0 MiB/s, 5 MiB/s");
        assert_eq!(of(&[-50.0, 5.0], 7), "-50, 5 MiB/s");
        assert_eq!(of(&[0.0, 50.0, 100.0], 7), "0Mi, 50Mi, 100Mi");
    }
}
