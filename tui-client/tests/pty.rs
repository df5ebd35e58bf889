//! The program in a real pseudo-terminal, over a real socket.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loadline::app::{self, App};
use loadline::run::Screen;
use loadline::theme::Theme;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_agent::{Address, Agent, Facts, Listener, Plaintext, Scripted, Settings};
use loadline_protocol::{Text, Time};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use ratatui::layout::Size;
use tokio::sync::oneshot;

/// How long anything may take on a machine that is busy with something else.
const DEADLINE: Duration = Duration::from_secs(20);

/// An agent of a machine that is made up, in a thread of this process.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(port: u16, interval: Duration) -> Server {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let source = Scripted::plain(|number, values| {
                    values.extend([number as f64 % 100.0, 2400.0, 43.1, 0.52, 0.44, 0.4]);
                });
                let facts = Facts { host: Text::new("web-1"), ..Facts::default() };
                let settings = Settings { interval, ..Settings::default() };
                let agent = Agent::start(source, facts, settings).await;
                let address: Address = format!("127.0.0.1:{port}").parse().unwrap();
                let bound = Listener::bind(&address, Plaintext::LoopbackOnly).await.unwrap();
                let listener = bound.listen().unwrap();
                tell.send(listener.address()).unwrap();
                let stopped = async {
                    let _ = stopped.await;
                };
                agent.run(vec![listener], stopped).await;
            });
        });
        Server { address: told.recv().unwrap(), stop, thread }
    }

    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap();
    }
}

fn nonzero(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

fn emulator() -> vt100::Parser {
    vt100::Parser::new(nonzero(24), nonzero(80), 0)
}

/// A terminal with a program in it.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Shown>>,
    /// How the terminal was set before the program.
    modes_before: String,
    reader: Option<JoinHandle<()>>,
}

struct Shown {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

/// Echo, line editing, signals and the like.
fn modes(terminal: &dyn MasterPty) -> String {
    let modes = terminal.get_termios().unwrap();
    format!("{:?} {:?} {:?}", modes.input_flags, modes.output_flags, modes.local_flags)
}

impl Terminal {
    fn loadline(args: &[&str]) -> Terminal {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(args);
        Terminal::run(command)
    }

    fn run(mut command: CommandBuilder) -> Terminal {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let modes_before = modes(&*pty.master);
        let child = pty.slave.spawn_command(command).unwrap();
        let parser = emulator();
        let shown = Arc::new(Mutex::new(Shown { parser, bytes: Vec::new() }));
        let mut output = pty.master.try_clone_reader().unwrap();
        let reader = std::thread::spawn({
            let shown = shown.clone();
            move || {
                let mut bytes = [0; 4096];
                // The end of the program is an error or an end of file.
                while let Ok(count @ 1..) = output.read(&mut bytes) {
                    let mut shown = shown.lock().unwrap();
                    shown.parser.process(&bytes[..count]);
                    shown.bytes.extend_from_slice(&bytes[..count]);
                }
            }
        });
        let keyboard = pty.master.take_writer().unwrap();
        Terminal { master: pty.master, keyboard, child, shown, modes_before, reader: Some(reader) }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn screen(&self) -> String {
        self.shown.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen shows what it should.
    fn wait_for(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(start.elapsed() < DEADLINE, "no {what} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contains(text))
    }

    /// The screen at the end of the first synchronized update.
    fn first_frame(&self) -> String {
        let start = Instant::now();
        loop {
            let bytes = self.shown.lock().unwrap().bytes.clone();
            let end = bytes.windows(END_OF_FRAME.len()).position(|bytes| bytes == END_OF_FRAME);
            if let Some(end) = end {
                let mut parser = emulator();
                parser.process(&bytes[..end]);
                return parser.screen().contents();
            }
            assert!(start.elapsed() < DEADLINE, "no frame is drawn");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.shown.lock().unwrap().parser.screen_mut().set_size(nonzero(rows), nonzero(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits for the program to end; gives its status and all that it has written.
    fn wait_for_end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < DEADLINE, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        };
        let modes = modes(&*self.master);
        assert_eq!(modes, self.modes_before, "the terminal's modes are as they were");
        // Only then is everything read.
        drop(self.keyboard);
        drop(self.master);
        self.reader.take().unwrap().join().unwrap();
        let shown = self.shown.lock().unwrap();
        (status, String::from_utf8_lossy(&shown.bytes).into_owned())
    }
}

const END_OF_FRAME: &[u8] = b"\x1b[?2026l";
const LEAVE_ALTERNATE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

fn assert_restored(written: &str) {
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).expect("the alternate screen is left");
    let entered = written.rfind("\x1b[?1049h").expect("the alternate screen was entered");
    assert!(left > entered);
    assert!(written[entered..].contains(SHOW_CURSOR), "the cursor is shown again");
}

#[test]
fn the_first_frame_shows_the_history_that_the_agent_holds() {
    let server = Server::start(0, Duration::from_millis(5));
    // Wait until the agent holds something: its 50th row has come.
    let mut socket = std::net::TcpStream::connect(server.address).unwrap();
    let mut rows = String::new();
    while rows.lines().count() < 50 {
        let mut bytes = [0; 1024];
        let count = socket.read(&mut bytes).unwrap();
        rows += &String::from_utf8_lossy(&bytes[..count]);
    }
    let terminal = Terminal::loadline(&[&server.address.to_string(), "-w", "1s"]);
    let first = terminal.first_frame();
    // All rows of the table are filled, and the chart has more than one dot.
    assert!(first.contains("LIVE"), "{first}");
    let rows = first.lines().filter(|line| line.contains("2400.0")).count();
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
fn each_key_does_what_it_says() {
    let server = Server::start(0, Duration::from_millis(100));
    let mut terminal = Terminal::loadline(&[&server.address.to_string()]);
    terminal.wait_for_text("LIVE");
    terminal.press("?");
    terminal.wait_for_text("this help");
    terminal.press("\x1b");
    terminal.wait_for("dashboard", |screen| !screen.contains("this help"));
    terminal.press("3f");
    terminal.wait_for("frequency alone", |s| s.contains("3  Frequency") && !s.contains("CPU"));
    terminal.press("\t");
    terminal.wait_for("load alone", |s| s.contains("4  Load") && !s.contains("Frequency"));
    terminal.press("\x1b[Z");
    terminal.wait_for_text("3  Frequency");
    terminal.press("\r");
    terminal.wait_for("dashboard", |screen| screen.contains("CPU") && screen.contains("seq"));
    terminal.press("d");
    terminal.wait_for("table alone", |screen| !screen.contains("CPU") && screen.contains("seq"));
    terminal.press("d");
    terminal.wait_for("no table", |screen| screen.contains("CPU") && !screen.contains("seq"));
    terminal.press("d ");
    terminal.wait_for_text("PAUSED +");
    terminal.press("p");
    terminal.wait_for_text("LIVE");
    terminal.press("\x0c");
    terminal.resize(12, 40);
    terminal.wait_for("small screen", |s| s.contains("2  Memory") && !s.contains("seq"));
    terminal.resize(36, 120);
    terminal.wait_for("large screen", |s| s.contains("seq") && s.contains("0 GHz"));
    terminal.press("q");
    let (status, written) = terminal.wait_for_end();
    assert!(status.success());
    assert_restored(&written);
    server.stop();
}

#[test]
fn an_agent_that_goes_away_and_comes_back() {
    let server = Server::start(0, Duration::from_millis(100));
    let address = server.address;
    let mut terminal = Terminal::loadline(&[&address.to_string()]);
    terminal.wait_for_text("LIVE");
    server.stop();
    let screen = terminal.wait_for("reason", |s| s.contains("RECONNECTING") && s.contains("try"));
    assert!(screen.contains("2400.0"), "what was seen stays:\n{screen}");
    let server = Server::start(address.port(), Duration::from_millis(100));
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
    let mut terminal = Terminal::loadline(&[&format!("127.0.0.1:{port}")]);
    let screen = terminal.wait_for_text("connection refused");
    assert!(screen.contains("CONNECTING") && screen.contains("loadline-agent"), "{screen}");
    let server = Server::start(port, Duration::from_millis(100));
    terminal.wait_for_text("LIVE");
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
    server.stop();
}

#[test]
fn without_a_source_it_shows_this_machine() {
    let mut terminal = Terminal::loadline(&[]);
    let screen = terminal.wait_for("machine", |s| s.contains("LIVE") && s.contains("CPU"));
    // Somebody may run an agent here already.
    let inside = screen.contains("(agent inside)");
    assert!(inside || screen.contains("(127.0.0.1:1027)"), "{screen}");
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
}

#[test]
fn a_signal_leaves_the_terminal_whole() {
    for signal in ["TERM", "HUP", "INT"] {
        let server = Server::start(0, Duration::from_millis(100));
        let terminal = Terminal::loadline(&[&server.address.to_string()]);
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
    command.args(["--exact", "--nocapture", "a_panic_in_a_task_leaves_the_terminal_whole"]);
    command.env(CHILD, "1");
    let (status, written) = Terminal::run(command).wait_for_end();
    assert_eq!(status.exit_code(), 1);
    assert_restored(&written);
    let left = written.rfind(LEAVE_ALTERNATE_SCREEN).unwrap_or(0);
    assert!(written[left..].contains("a bug, as an example"), "{written:?}");
}

/// Takes the terminal over as the program does, and fails in a task that nobody waits for.
fn panic_in_a_task() -> ! {
    loadline::run::end_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut screen = Screen::open().unwrap();
        let watched = Watched::new("web-1", false, Duration::from_secs(1));
        let settings = app::Settings {
            window: Duration::from_secs(1),
            fullscreen: false,
            zone: Zone::Local,
            theme: Theme { colour: true, ascii: false },
        };
        let app = App::new(watched, settings, Size::default(), Time::default());
        screen.draw(&app).unwrap();
        tokio::spawn(async { panic!("a bug, as an example") });
        std::future::pending().await
    })
}
