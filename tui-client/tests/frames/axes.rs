//! Order of the charts, their axes, and the table below.

use crossterm::event::KeyCode;
use loadline::event::Event;
use loadline::watched::Watched;

use crate::metrics::{all_metrics, with_extra_columns};
use crate::stage::{AppStage, check_frame, check_frames, server_values, stream};

/// Returns the number of rows with labels of a time axis.
fn time_rows(screen: &str) -> usize {
    screen.lines().filter(|line| line.contains(" 14:01 ") || line.contains(" 14:02 ")).count()
}

#[test]
fn the_first_page_has_cpu_memory_frequency_and_load_with_one_time_axis_per_column() {
    // On the wide screens, the third column has one chart less than the others.
    for (width, height, rows) in [(80, 24, 1), (120, 36, 1), (200, 50, 2), (300, 80, 2)] {
        let screen = all_metrics().frame(width, height);
        for title in ["1  CPU", "2  Memory", "3  Frequency", "4  Load"] {
            assert!(screen.contains(title), "{title} is missing: {screen}");
        }
        for label in ["100%┤", "GHz┤", "0┤"] {
            assert!(screen.contains(label), "{label} is missing: {screen}");
        }
        assert_eq!(time_rows(&screen), rows, "{screen}");
    }
    check_frame("metrics", &mut all_metrics(), 200, 50);
    check_frame("metrics", &mut all_metrics(), 300, 80);
    check_frame("live", &mut AppStage::live(), 300, 80);
}

#[test]
fn a_column_of_fewer_charts_has_its_time_axis_higher_up() {
    let mut stage = AppStage::plain(3, 200);
    let screen = stage.frame(80, 24);
    assert_eq!(time_rows(&screen), 2, "{screen}");
    // Each column has the time of the crosshair once.
    stage.type_keys("c");
    let screen = stage.frame(80, 24);
    let labels = screen.lines().take(17).map(|line| line.matches("14:03:19.000").count());
    assert_eq!(labels.sum::<usize>(), 2, "{screen}");
}

/// Returns an agent without temperature and network values.
fn without_network() -> AppStage {
    with_extra_columns("net_rx:B/s net_tx:B/s temp:°C procs uptime:s", |second| {
        vec![f64::NAN, f64::NAN, f64::NAN, 412.0, 272_000.0 + second as f64]
    })
}

#[test]
fn a_chart_without_values_moves_to_the_end_with_a_reason_and_comes_back() {
    let mut stage = without_network();
    let screen = stage.frame(120, 36);
    assert!(screen.contains("5  Processes") && screen.contains("6  Uptime"), "{screen}");
    assert!(!screen.contains("Network"), "{screen}");
    stage.type_keys("7");
    check_frame("missing_values", &mut stage, 120, 36);
    stage.press(KeyCode::Enter);
    let alone = stage.frame(80, 24);
    assert!(alone.contains("not available on this machine"), "{alone}");
    stage.press(KeyCode::Enter);
    let mut row = server_values(240);
    row.extend([1e6, 1e5, f64::NAN, 412.0, 272_240.0]);
    stage.row(240, &row);
    stage.type_keys("1");
    let screen = stage.frame(120, 36);
    assert!(screen.contains("5  Network") && screen.contains("6  Processes"), "{screen}");
    // The chart stays, although no more values follow.
    row[6..8].fill(f64::NAN);
    stage.row(241, &row);
    assert!(stage.frame(120, 36).contains("5  Network"));
}

#[test]
fn a_first_row_without_rates_moves_no_chart() {
    let mut stage = AppStage::of_columns("web-1", "net_rx:B/s disk_read:B/s load1");
    let order = |stage: &AppStage| {
        stage.app.sources.charts().iter().map(|chart| chart.title.clone()).collect::<Vec<_>>()
    };
    stage.row(0, &[f64::NAN, 0.0, 0.1]);
    assert_eq!(order(&stage), ["Load", "Network", "Disk"]);
    stage.row(1, &[f64::NAN, 0.0, 0.1]);
    stage.row(2, &[f64::NAN, 0.0, 0.1]);
    assert_eq!(order(&stage), ["Load", "Disk", "Network"]);
    let screen = stage.frame(80, 24);
    assert!(screen.contains("no values yet"), "{screen}");
}

#[test]
fn values_beyond_the_axis_are_marked_at_its_edge() {
    let mut stage = AppStage::live();
    stage.frame(120, 36);
    stage.type_keys("yy");
    check_frame("beyond", &mut stage, 120, 36);
    let screen = stage.frame(120, 36);
    assert!(screen.contains('▲') && screen.contains('▼'), "{screen}");
    stage.type_keys("YY");
    let screen = stage.frame(120, 36);
    assert!(!screen.contains('▲') && !screen.contains('▼'), "{screen}");
    stage.type_keys("yy");
    stage.app.theme.ascii = true;
    let screen = stage.frame(120, 36);
    assert!(screen.is_ascii() && screen.lines().any(|line| line.contains("^^")), "{screen}");
}

#[test]
fn a_container_with_three_busy_cores_has_an_axis_above_100_percent() {
    let mut stage = AppStage::of_columns("docker", "web:% free");
    for second in 0..200 {
        let wave = (second as f64 / 15.0).sin();
        stage.row(second, &[180.0 + 170.0 * wave, 21_633_256.0 + (6000.0 * wave).round()]);
    }
    check_frame("above_100_percent", &mut stage, 80, 24);
}

#[test]
fn each_axis_of_percent_grows_with_its_values_on_every_page() {
    let mut stage = AppStage::new("docker-1");
    let keep = std::time::Duration::from_hours(1);
    let others = (2..=3).map(|at| Watched::new(&format!("docker-{at}"), false, keep));
    stage.app = stage.app.with_sources(others.collect::<Vec<_>>());
    let columns = "cpu:% mem:% web:% core0:% psi_cpu:% swap:%";
    for source in 0..3 {
        stage.source_event(source, Event::Connected);
        stage.source_event(source, stream(columns.parse().unwrap()));
        stage.source_event(source, Event::Live);
    }
    for second in 0..100 {
        for source in 0..3 {
            let value = if second >= 98 { 1350.0 } else { 50.0 };
            stage.source_row(source, second, 0, &[value; 6]);
        }
    }
    let overview = stage.frame(120, 36);
    for line in overview.lines().filter(|line| line.contains("docker-")) {
        assert!(line.contains("cpu 1350.0 %") && line.contains('⠁'), "{overview}");
    }
    // Compared in one chart, in a chart each, alone, and in fullscreen.
    for (key, charts) in [('v', 1), ('v', 1), ('\n', 5), ('f', 1)] {
        stage.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        let screen = stage.frame(200, 60);
        let grown = screen.matches("1400%┤").count() + screen.matches("1500%┤").count();
        assert!(grown >= charts && !screen.contains(" 100%┤"), "{key:?} {screen}");
    }
}

#[test]
fn the_table_has_common_units_and_columns_of_constant_width() {
    let columns = "mem_used:B net_rx:B/s procs uptime:s errors";
    let used = |second: i64| [676_655_104.0, 9.9e8, 5.1e11][second as usize % 3];
    let mut stage = with_extra_columns(columns, |second| {
        let rate = [12.0, 8.4e6, 1.07e9][second as usize % 3];
        vec![used(second), rate, 412.0, 272_000.0 + second as f64, 17.0]
    });
    stage.type_keys("d");
    check_frame("table_of_all", &mut stage, 120, 36);
    let screen = stage.frame(140, 36);
    for value in ["645 MiB", "8.0 MiB/s", "1020 MiB/s", " 412", "3d 3h", " 17"] {
        assert!(screen.contains(value), "{value}: {screen}");
    }
    let heads = |stage: &mut AppStage, second: i64| {
        let mut row = server_values(second);
        row.extend([used(second), 1.0, 412.0, 3.2e8, 17.0]);
        stage.row(second, &row);
        stage.line(120, 36, 1)
    };
    let first = heads(&mut stage, 240);
    assert!((241..250).all(|second| heads(&mut stage, second) == first));
    assert!(first.ends_with("+1 →"), "{first}");
    stage.type_keys(">>");
    let screen = stage.frame(60, 24);
    assert!(screen.contains("← 2 more") && screen.contains("more →"), "{screen}");
    stage.app.theme.ascii = true;
    let screen = stage.frame(60, 24);
    assert!(screen.contains("< 2 more") && screen.contains("more >"), "{screen}");
}

/// Returns a plain source with these columns, whose rows come from a function.
fn plain_columns(columns: &str, rows: i64, row: impl Fn(i64) -> Vec<f64>) -> AppStage {
    let mut stage = AppStage::of_columns("numbers", columns);
    for second in 0..rows {
        stage.row(second, &row(second));
    }
    stage
}

#[test]
fn columns_that_share_a_chart_have_decimals_if_one_of_them_does() {
    let names: Vec<String> = (0..40).map(|at| format!("k{at}")).collect();
    let mut stage = plain_columns(&names.join(" "), 100, |second| {
        (0..40).map(|at| if at == 0 { 0.0 } else { 0.3 + (second % 40) as f64 * 0.02 }).collect()
    });
    let screen = stage.frame(120, 36);
    assert!(screen.contains("k0 0.00 k1 0.68"), "{screen}");
    assert!(
        screen.contains(" 0.6┤") && screen.contains("\n14:01:39.000        0     0.68"),
        "{screen}"
    );
}

#[test]
fn large_and_small_numbers_have_one_notation_and_their_digits() {
    let mut stage = plain_columns("big frac huge edge small neg", 100, |second| {
        let step = second as f64;
        let sign = if second % 2 == 0 { 1.0 } else { -1.0 };
        let neg = if second == 99 { -0.0 } else { -50.5 };
        vec![
            12_345_678_901.0 + step,
            123_456_789.123 + step / 8.0,
            1e15 + step,
            sign * 1e308,
            0.001 + step * 1e-5,
            neg,
        ]
    });
    check_frames("numbers", &mut stage);
    assert!(stage.frame(40, 12).contains(" 1  big 12345679000 "));
    let screen = stage.frame(120, 36);
    for value in
        ["12345679000", "123456801.50", "1000000000000099", "-1.00e308", "0.00199", "0.00\n"]
    {
        assert!(screen.contains(&format!(" {value}")), "{value}: {screen}");
    }
    assert!(
        !screen.contains("-0.00") && !screen.contains('▲') && !screen.contains('▼'),
        "{screen}"
    );
}

#[test]
fn table_columns_have_equal_decimals_and_a_cut_name_ends_in_a_tilde() {
    let name = "a_name_that_is_much_longer_than_a_column";
    let mut stage = plain_columns(&format!("use:% load {name}"), 3, |second| {
        [[56.9, 2.863_604, 1.0], [50.82, 0.5, 2.0], [62.1, 3.0, 3.0]][second as usize].to_vec()
    });
    stage.type_keys("d");
    let screen = stage.frame(80, 24);
    for row in ["14:00:00.000     56.9     2.86", "14:00:01.000     50.8     0.50", "62.1     3.00"]
    {
        assert!(screen.contains(row), "{row}: {screen}");
    }
    assert!(screen.contains(" a_name_that_is_m~"), "{screen}");
    stage.type_keys(&"-".repeat(16));
    let screen = stage.frame(80, 24);
    assert!(screen.contains("22 14:00:01      50.8"), "{screen}");
}

#[test]
fn two_charts_side_by_side_in_60_columns_have_units_at_their_labels() {
    let mut stage = plain_columns("net_rx:B/s net_tx:B/s", 100, |_| vec![152e6, 31e6]);
    for screen in [stage.frame(60, 36), all_metrics().frame(60, 36)] {
        let labels: Vec<&str> = screen.lines().filter(|line| line.contains("Mi")).collect();
        assert!(labels.iter().any(|line| line.contains("MiB/s┤")), "{screen}");
        assert!(!screen.contains("Mi┤"), "{screen}");
    }
}
