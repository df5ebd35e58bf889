//! Pictures for the README. They are drawn from the running program and compared with it, so that
//! they show the current screen.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use portable_pty::{CommandBuilder, PtySize};

use crate::stage::{PtyTerminal, wait_until};
use crate::svg::{self, SvgCell, SvgPalette};

/// Name, title for readers who cannot see the picture, and keys that lead to it from the first
/// screen. Each key must change the screen.
const PICTURES: [(&str, &str, &[&str]); 2] = [
    ("dashboard", "loadline: charts and a table of a live server", &[]),
    ("presenter", "loadline: one chart of a live server over the whole screen", &["f"]),
];

const THEMES: [(&str, SvgPalette); 2] = [("dark", DARK), ("light", LIGHT)];

const DARK: SvgPalette = SvgPalette {
    foreground: 0xd8_de_e9,
    background: 0x10_15_1d,
    border: 0x33_3c_4a,
    title: 0x7f_8b_9c,
};

const LIGHT: SvgPalette = SvgPalette {
    foreground: 0x1d_23_2c,
    background: 0xff_ff_ff,
    border: 0xd3_d9_e1,
    title: 0x6a_74_82,
};

const SIZE: PtySize = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };

/// Attempts for each picture. On a busy machine the source may become stale before the frame is
/// drawn.
const ATTEMPTS: usize = 10;

/// Ten minutes of rows. The last sample is at 14:03:59 on 2026-11-22.
const ROW_COUNT: usize = 600;
const NEWEST_S: u64 = 1_795_356_239;
const NEWEST_TEXT: &str = "14:03:59.1";

#[test]
fn the_pictures_of_the_readme_match_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    let writes = std::env::var_os("LOADLINE_PICTURES").is_some_and(|word| word == "write");
    let mut outdated = Vec::new();
    for (name, title, keys) in PICTURES {
        for (theme, palette) in THEMES {
            let screen = (0..ATTEMPTS).find_map(|_| try_screen(theme, &palette, keys));
            let screen = screen.unwrap_or_else(|| panic!("{name} is stale, {ATTEMPTS} times"));
            let svg = svg::draw(title, &screen, &palette);
            let file = folder.join(format!("{name}-{theme}.svg"));
            if writes {
                std::fs::write(file, svg).unwrap();
            } else if std::fs::read_to_string(&file).ok().is_none_or(|old| old != svg) {
                outdated.push(file);
            }
        }
    }
    assert!(
        outdated.is_empty(),
        "these pictures are outdated: {outdated:?}. Draw them again with `LOADLINE_PICTURES=write \
         cargo test -p loadline --test terminal pictures`, and look at them",
    );
}

/// Returns the screen of the program, in a fixed terminal and with a fixed server. `None` if the
/// source became stale first.
fn try_screen(theme: &str, palette: &SvgPalette, keys: &[&str]) -> Option<Vec<Vec<SvgCell>>> {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
    command.args([&serve().to_string(), "--theme", theme]);
    // The environment of the test must not influence the program.
    command.env_clear();
    command.env("TZ", "UTC");
    command.env("COLORTERM", "truecolor");
    let mut terminal = PtyTerminal::run_sized(SIZE, command);
    let cells = |frame: &vt100::Screen| cells(frame, palette);
    let mut screen = wait_until("the newest row", || {
        let frame = terminal.complete_frame()?;
        let mut rows = frame.rows(0, SIZE.cols);
        // The data rate appears after a second or two.
        let has_rate = rows.next().is_some_and(|header| header.contains("B/s"));
        let has_newest = rows.any(|row| row.contains(NEWEST_TEXT));
        (has_rate && has_newest).then(|| cells(&frame))
    });
    for key in keys {
        terminal.press(key);
        let before = screen;
        screen = wait_until("a new screen", || {
            terminal.complete_frame().map(|frame| cells(&frame)).filter(|now| *now != before)
        });
    }
    terminal.quit();
    is_live(&screen[0]).then_some(screen)
}

fn cells(screen: &vt100::Screen, palette: &SvgPalette) -> Vec<Vec<SvgCell>> {
    let cell = |y, x| SvgCell::new(screen.cell(y, x).unwrap(), palette);
    let row = |y| (0..SIZE.cols).map(|x| cell(y, x)).collect();
    let mut rows: Vec<Vec<SvgCell>> = (0..SIZE.rows).map(row).collect();
    if is_live(&rows[0]) {
        rows[0] = normalized_header(&rows[0]);
    }
    rows
}

fn is_live(header: &[SvgCell]) -> bool {
    header.windows(4).any(|cells| cells.iter().map(|cell| cell.character).eq("LIVE".chars()))
}

/// Words of the header that differ from run to run: the address, the age of the newest sample, the
/// data rate and the clock at the right edge.
const HEADER_WORDS: [(usize, &str); 5] =
    [(1, "(127.0.0.1:1027)"), (4, "0.2"), (10, "160"), (11, "B/s"), (12, "14:03:59")];

/// Replaces the words of the header that differ. The last word stays at the right edge.
fn normalized_header(header: &[SvgCell]) -> Vec<SvgCell> {
    let is_blank = |cell: &SvgCell| cell.character == ' ';
    let parts = header.chunk_by(|one, next| is_blank(one) == is_blank(next));
    let mut parts: Vec<Vec<SvgCell>> = parts.map(<[SvgCell]>::to_vec).collect();
    for (word, text) in HEADER_WORDS {
        // Before each word, there is a blank part.
        let part = &mut parts[2 * word];
        *part = text.chars().map(|character| SvgCell { character, ..part[0] }).collect();
    }
    let width: usize = parts.iter().map(Vec::len).sum();
    let gap = &mut parts[23];
    gap.resize(gap.len() + header.len() - width, gap[0]);
    parts.concat()
}

/// Starts a server that answers one request like an agent with ten minutes of history. It keeps the
/// connection until the client closes it.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut client = BufReader::new(listener.accept().unwrap().0);
        let mut request = String::new();
        client.read_line(&mut request).unwrap();
        assert!(request.starts_with("loadline/1 "), "{request}");
        let _ = client.get_mut().write_all(stream().as_bytes());
        let _ = std::io::copy(&mut client, &mut std::io::sink());
    });
    address
}

/// Returns the history and one more row. When that row is on the screen, all rows have arrived.
fn stream() -> String {
    let mut stream = String::from(
        "# loadline/1 run=9f3a17c2 host=web-1 interval=1000ms os=\"Debian GNU/Linux 12\" cores=8 \
         memory=33565433856 agent=0.1.0\n\
         # columns time:s seq cpu:% freq:MHz mem:% load1 load5 load15 user:% system:% iowait:% \
         steal:% mem_used:B mem_available:B mem_total:B swap:% swap_used:B net_rx:B/s net_tx:B/s \
         disk_read:B/s disk_write:B/s disk_used:% psi_cpu:% psi_mem:% psi_io:%\n",
    );
    let mut machine = SimulatedMachine { frequency: 2100.0, loads: [1.31, 1.24, 1.12] };
    for second in 0..ROW_COUNT {
        if second + 1 == ROW_COUNT {
            stream += "# live\n";
        }
        let values = machine.sample(second);
        let [cpu, frequency, memory, loads @ ..] = values;
        let time = NEWEST_S + 1 + second as u64 - ROW_COUNT as u64;
        let ms = 121 + second * 7 % 3;
        let seq = 41_806 + second;
        let _ = writeln!(
            stream,
            "{time}.{ms} {seq} {cpu:.1} {frequency:.1} {memory:.1} {:.2} {:.2} {:.2} {}",
            loads[0],
            loads[1],
            loads[2],
            extra_values(second, cpu, memory),
        );
    }
    stream
}

/// Returns the columns after those of the plain stream, consistent with CPU and memory.
fn extra_values(second: usize, cpu: f64, memory: f64) -> String {
    let t = second as f64;
    let writes = (second % 97) < 9 || (second % 211) < 14;
    let system = cpu * (0.18 + 0.1 * smooth_noise(8, t / 4.0));
    let iowait = if writes { 4.0 + 6.0 * smooth_noise(9, t) } else { 0.4 * smooth_noise(9, t) };
    let used = MEMORY * memory / 100.0;
    let requests = smooth_noise(10, t / 25.0) + 0.5 * smooth_noise(11, t / 3.0) + cpu / 90.0;
    let (received, sent) =
        (requests * 0.9e6 + 40e3, requests * 4.1e6 * (0.8 + 0.3 * smooth_noise(12, t / 2.0)));
    let read =
        if smooth_noise(13, t / 6.0) > 0.78 { 21e6 * smooth_noise(14, t / 2.0) } else { 0.0 };
    let written = if writes {
        58e6 + 44e6 * smooth_noise(15, t / 2.0)
    } else {
        1.5e6 * smooth_noise(15, t / 3.0)
    };
    let cpu_pressure = (cpu - 35.0).max(0.0) / 4.0;
    let io_pressure = if writes {
        9.0 + 8.0 * smooth_noise(16, t / 4.0)
    } else {
        0.6 * smooth_noise(16, t / 9.0)
    };
    format!(
        "{:.1} {system:.1} {iowait:.1} 0.0 {used:.0} {:.0} {MEMORY} 3.1 66584576 {received:.0} \
         {sent:.0} {read:.0} {written:.0} 61.7 {cpu_pressure:.1} 0.0 {io_pressure:.1}",
        cpu - system,
        MEMORY - used,
    )
}

/// Memory in bytes, as in the header.
const MEMORY: f64 = 33_565_433_856.0;

/// Synthetic server under load.
struct SimulatedMachine {
    frequency: f64,
    loads: [f64; 3],
}

/// Jobs: first second, duration in seconds, and percent of all cores.
const JOBS: [(usize, usize, f64); 8] = [
    (60, 70, 38.0),
    (210, 25, 52.0),
    (318, 44, 34.0),
    (391, 13, 61.0),
    (440, 66, 43.0),
    (470, 12, 22.0),
    (540, 14, 57.0),
    (588, 30, 49.0),
];

impl SimulatedMachine {
    fn sample(&mut self, second: usize) -> [f64; 6] {
        let t = second as f64;
        let jobs: f64 = JOBS
            .iter()
            .map(|&(start, length, percent)| {
                // A job takes three seconds to ramp up and to ramp down.
                let ramp = (t - start as f64).min((start + length) as f64 - t);
                percent * (ramp / 3.0).clamp(0.0, 1.0)
            })
            .sum();
        let idle = 6.0 + 13.0 * smooth_noise(1, t / 19.0) + 9.0 * smooth_noise(2, t / 2.0);
        let cpu = (idle
            + jobs * (0.72 + 0.3 * smooth_noise(3, t / 9.0) + 0.2 * smooth_noise(7, t / 1.5)))
        .min(100.0);
        let target = 1700.0 + 2500.0 * (cpu / 65.0).min(1.0) + 160.0 * smooth_noise(4, t / 3.0);
        self.frequency += 0.6 * (target - self.frequency);
        // A job takes memory and returns most of it; the rest grows slowly.
        let job_memory =
            11.0 * ((t - 440.0) / 14.0).clamp(0.0, 1.0) - 8.0 * ((t - 512.0) / 3.0).clamp(0.0, 1.0);
        let memory = 38.0 + t / 150.0 + job_memory + 0.8 * smooth_noise(5, t / 40.0);
        // Linux updates the loads every five seconds, with e^(-5/60), e^(-5/300) and e^(-5/900).
        if second.is_multiple_of(5) {
            let running = (cpu / 100.0 * 8.0 * (0.75 + 0.6 * smooth_noise(6, t / 5.0))).round();
            for (load, decay) in self.loads.iter_mut().zip([0.920_044, 0.983_471, 0.994_460]) {
                *load = *load * decay + running * (1.0 - decay);
            }
        }
        let [minute, five, fifteen] = self.loads;
        [cpu, self.frequency, memory, minute, five, fifteen]
    }
}

/// Smooth noise from 0 to 1: random numbers at integers, and a smooth transition between them. Uses
/// only operations that are exact everywhere, so neither sine nor power.
fn smooth_noise(kind: u64, position: f64) -> f64 {
    let random = |at: f64| {
        let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind << 40;
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / (1u64 << 24) as f64
    };
    let (start, part) = (position.floor(), position.fract());
    let weight = part * part * (3.0 - 2.0 * part);
    random(start) * (1.0 - weight) + random(start + 1.0) * weight
}
