//! The program in a real pseudo-terminal, with sources over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use loadline::app::{self, App};
use loadline::run::TerminalScreen;
use loadline::theme::Theme;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_protocol::Time;
use portable_pty::CommandBuilder;
use ratatui::layout::Size;

use crate::stage::{PtyTerminal, TestAgent, wait_until};

const LEAVE_ALTERNATE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

pub(crate) fn assert_restored(written: &str) {
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).expect("the alternate screen is left");
    let entered = written.rfind("\x1b[?1049h").expect("the alternate screen was entered");
    assert!(left > entered);
    assert!(written[entered..].contains(SHOW_CURSOR), "the cursor is visible again");
    let mouse_on = written.rfind("\x1b[?1000h").map_or(0, |at| at + 1);
    assert!(written[mouse_on..].contains("\x1b[?1000l"), "mouse reporting is off again");
}

#[test]
fn the_first_frame_shows_the_history_that_the_agent_holds() {
    let server = TestAgent::start(0, Duration::from_millis(5));
    // Waits until the agent has taken 50 samples.
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    let mut rows = String::new();
    while rows.lines().count() < 50 {
        let mut bytes = [0; 1024];
        let count = socket.read(&mut bytes).unwrap();
        rows += &String::from_utf8_lossy(&bytes[..count]);
    }
    let terminal = PtyTerminal::run_loadline(&[&server.address.to_string(), "-w", "1s"]);
    let first = terminal.first_frame();
    // All rows of the table are filled, and the chart has more than one dot.
    assert!(first.contains("LIVE"), "{first}");
    // On a busy machine, the agent may have missed a tick.
    let is_row = |line: &&str| line.contains("2400.0") || line.contains("no samples for");
    let rows = first.lines().filter(is_row).count();
    assert_eq!(rows, 5, "{first}");
    assert!(
        first.lines().any(|line| line.contains("2 GHz") && line.contains("⠤⠤⠤"))
            || first.contains("⠉⠉⠉")
            || first.contains("⠒⠒⠒")
            || first.contains("⣀⣀⣀"),
        "{first}"
    );
}

#[test]
fn the_client_reconnects_to_a_restarted_agent() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    let address = server.address;
    let mut terminal = PtyTerminal::run_loadline(&[&address.to_string()]);
    terminal.wait_for_text("LIVE");
    drop(server);
    let screen = terminal.wait_for("reason", |s| s.contains("RECONNECTING") && s.contains("try"));
    assert!(screen.contains("2400.0"), "earlier rows are gone:\n{screen}");
    let _server = TestAgent::start(address.port(), Duration::from_millis(100));
    terminal.wait_for_text("LIVE");
    terminal.press("d");
    // The gap may be as short as an interval.
    let is_marked = |s: &str| s.contains("no samples for") || s.contains("another stream");
    terminal.wait_for("the restart", is_marked);
    terminal.press("\x03");
    assert!(terminal.wait_for_end().0.success());
}

#[test]
fn the_client_waits_for_a_server_that_is_not_started_yet() {
    // This port was just free.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let terminal = PtyTerminal::run_loadline(&[&format!("127.0.0.1:{port}")]);
    let screen = terminal.wait_for_text("connection refused");
    assert!(screen.contains("CONNECTING") && screen.contains("loadline-agent"), "{screen}");
    let _server = TestAgent::start(port, Duration::from_millis(100));
    terminal.wait_for_text("LIVE");
    terminal.quit();
}

#[test]
fn without_a_source_the_program_shows_this_machine() {
    let terminal = PtyTerminal::run_loadline(&[]);
    let screen = terminal.wait_for("machine", |s| s.contains("LIVE") && s.contains("CPU"));
    // This machine may run an agent of its own.
    let is_built_in = screen.contains("(embedded agent)");
    assert!(is_built_in || screen.contains("(127.0.0.1:1027)"), "{screen}");
    terminal.quit();
}

#[test]
fn a_signal_restores_the_terminal() {
    for signal in ["TERM", "HUP", "INT"] {
        let server = TestAgent::start(0, Duration::from_millis(100));
        let terminal = PtyTerminal::run_loadline(&[&server.address.to_string()]);
        terminal.wait_for_text("LIVE");
        let process = terminal.child.process_id().unwrap().to_string();
        let kill = std::process::Command::new("kill").args(["-s", signal, &process]).status();
        assert!(kill.unwrap().success());
        let (status, written) = terminal.wait_for_end();
        assert!(status.success(), "{signal}: {status:?}");
        assert_restored(&written);
    }
}

/// Environment variable of the child process of the next test.
const CHILD: &str = "LOADLINE_TEST_PANICS";

/// Contents of [`CHILD`] if the terminal is not read.
const BLOCKED: &str = "blocked";

#[test]
fn a_panic_in_a_task_restores_the_terminal() {
    if let Some(child) = std::env::var_os(CHILD) {
        if child == BLOCKED {
            // More than the system's buffers take.
            std::thread::spawn(|| std::io::stdout().write_all(&vec![b'.'; 30_000]));
        }
        panic_in_a_task();
    }
    for child in ["1", BLOCKED] {
        check_panic(child);
    }
}

fn check_panic(child: &str) {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "pty::a_panic_in_a_task_restores_the_terminal"]);
    command.env(CHILD, child);
    let mut terminal = PtyTerminal::run(command);
    if child == BLOCKED {
        let output = terminal.output.clone();
        let _unread = output.lock().unwrap();
        wait_until("the end", || terminal.child.try_wait().unwrap());
    }
    let (status, written) = terminal.wait_for_end();
    assert_eq!(status.exit_code(), 1);
    if child == BLOCKED {
        // The message is lost if the terminal takes nothing.
        return;
    }
    assert_restored(&written);
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).unwrap_or(0);
    assert!(written[left..].contains("a bug, as an example"), "{written:?}");
}

/// Opens the screen as the program does, and panics in a task that nothing awaits.
fn panic_in_a_task() -> ! {
    loadline::run::exit_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut screen = TerminalScreen::open(true).unwrap();
        let watched = Watched::new("web-1", false, Duration::from_secs(1));
        let settings = app::ScreenSettings {
            window: Some(Duration::from_secs(1)),
            fullscreen: false,
            zone: Zone::Local,
            theme: Theme::detect(None, None, |name| (name == "LANG").then(|| "C.UTF-8".to_owned())),
        };
        let app = App::new(watched, settings, Size::default(), Time::default());
        screen.draw(&app).unwrap();
        tokio::spawn(async { panic!("a bug, as an example") });
        std::future::pending().await
    })
}
