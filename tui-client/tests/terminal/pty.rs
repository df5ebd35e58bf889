//! The program in a real pseudo-terminal, over a real socket.

use std::io::Read as _;
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

use crate::stage::{PtyTerminal, TestAgent};

const LEAVE_ALTERNATE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

pub(crate) fn assert_restored(written: &str) {
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).expect("the alternate screen is left");
    let entered = written.rfind("\x1b[?1049h").expect("the alternate screen was entered");
    assert!(left > entered);
    assert!(written[entered..].contains(SHOW_CURSOR), "the cursor is shown again");
    let mouse_on = written.rfind("\x1b[?1000h").map_or(0, |at| at + 1);
    assert!(written[mouse_on..].contains("\x1b[?1000l"), "the mouse is the terminal's again");
}

#[test]
fn the_first_frame_shows_the_history_that_the_agent_holds() {
    let server = TestAgent::start(0, Duration::from_millis(5));
    // Wait until the agent holds something: its 50th row has come.
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
    // On a machine that is busy with something else, the agent may have missed a beat.
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
    server.stop();
}

#[test]
fn an_agent_that_goes_away_and_comes_back() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    let address = server.address;
    let mut terminal = PtyTerminal::run_loadline(&[&address.to_string()]);
    terminal.wait_for_text("LIVE");
    server.stop();
    let screen = terminal.wait_for("reason", |s| s.contains("RECONNECTING") && s.contains("try"));
    assert!(screen.contains("2400.0"), "what was seen stays:\n{screen}");
    let server = TestAgent::start(address.port(), Duration::from_millis(100));
    terminal.wait_for_text("LIVE");
    terminal.press("d");
    terminal.wait_for_text("no samples for");
    terminal.press("\x03");
    assert!(terminal.wait_for_end().0.success());
    server.stop();
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    // A port that was free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut terminal = PtyTerminal::run_loadline(&[&format!("127.0.0.1:{port}")]);
    let screen = terminal.wait_for_text("connection refused");
    assert!(screen.contains("CONNECTING") && screen.contains("loadline-agent"), "{screen}");
    let server = TestAgent::start(port, Duration::from_millis(100));
    terminal.wait_for_text("LIVE");
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
    server.stop();
}

#[test]
fn without_a_source_it_shows_this_machine() {
    let mut terminal = PtyTerminal::run_loadline(&[]);
    let screen = terminal.wait_for("machine", |s| s.contains("LIVE") && s.contains("CPU"));
    // Somebody may run an agent here already.
    let inside = screen.contains("(embedded agent)");
    assert!(inside || screen.contains("(127.0.0.1:1027)"), "{screen}");
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
}

#[test]
fn a_signal_leaves_the_terminal_whole() {
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
        server.stop();
    }
}

/// Set for the child of the next test.
const CHILD: &str = "LOADLINE_TEST_PANICS";

#[test]
fn a_panic_in_a_task_leaves_the_terminal_whole() {
    if std::env::var_os(CHILD).is_some() {
        panic_in_a_task();
    }
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "pty::a_panic_in_a_task_leaves_the_terminal_whole"]);
    command.env(CHILD, "1");
    let (status, written) = PtyTerminal::run(command).wait_for_end();
    assert_eq!(status.exit_code(), 1);
    assert_restored(&written);
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).unwrap_or(0);
    assert!(written[left..].contains("a bug, as an example"), "{written:?}");
}

/// Takes the terminal over as the program does, and fails in a task that nobody waits for.
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
            theme: Theme::detect(None, None, |_| None),
        };
        let app = App::new(watched, settings, Size::default(), Time::default());
        screen.draw(&app).unwrap();
        tokio::spawn(async { panic!("a bug, as an example") });
        std::future::pending().await
    })
}
