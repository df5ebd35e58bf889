//! Terminals and agents for the tests.

#[path = "../../../agent/tests/agent/loopback.rs"]
#[expect(unreachable_pub, reason = "the crate of the scenarios exports it")]
mod loopback;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loadline_agent::{Agent, AgentSettings, MachineFacts, PlaintextPolicy, ScriptedSource};
use loadline_protocol::SafeText;
use loopback::LoopbackAgent;
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use tokio::sync::oneshot;

/// Time limit for anything, on a machine that is busy with other work.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Returns whether a text is one error: a line, and at most one hint.
pub(crate) fn is_error(text: &str) -> bool {
    let mut lines = text.lines();
    let is_first = lines.next().is_some_and(|line| line.starts_with("error: "));
    is_first && lines.next().is_none_or(|line| line.starts_with("hint: ")) && lines.next().is_none()
}

/// Agent with scripted samples in a thread of this process. Stopped on drop.
pub(crate) struct TestAgent {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestAgent {
    pub(crate) fn start(port: u16, interval: Duration) -> TestAgent {
        TestAgent::with_plaintext(port, interval, PlaintextPolicy::LoopbackOnly)
    }

    pub(crate) fn with_plaintext(
        port: u16,
        interval: Duration,
        plaintext: PlaintextPolicy,
    ) -> TestAgent {
        let (stop, stopped) = oneshot::channel::<()>();
        let (address_sender, address_receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let source = ScriptedSource::plain(|number, values| {
                    values.extend([number as f64 % 100.0, 2400.0, 43.1, 0.52, 0.44, 0.4]);
                });
                let facts =
                    MachineFacts { host: SafeText::new("web-1"), ..MachineFacts::default() };
                let settings = AgentSettings { interval, ..AgentSettings::default() };
                let agent = Agent::start(source, facts, settings).await;
                let agent = LoopbackAgent::run(agent, port, plaintext).await;
                address_sender.send(agent.address).unwrap();
                let _ = stopped.await;
                agent.stop().await;
            });
        });
        let address = address_receiver.recv().unwrap();
        TestAgent { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

fn nonzero(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

/// Default size of a terminal.
const DEFAULT_SIZE: PtySize = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };

fn emulator(size: PtySize) -> vt100::Parser {
    vt100::Parser::new(nonzero(size.rows), nonzero(size.cols), 0)
}

/// Sets the environment of a terminal that can show everything.
pub(crate) fn set_environment(command: &mut CommandBuilder) {
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    command.env_remove("NO_COLOR");
    // The configuration of this machine's user is not under test.
    if command.get_env("LOADLINE_CONFIG").is_none() {
        command.env("LOADLINE_CONFIG", "");
    }
}

/// Pseudo-terminal with a running program.
pub(crate) struct PtyTerminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn std::io::Write + Send>,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) output: Arc<Mutex<TerminalOutput>>,
    /// Modes of the terminal before the start of the program.
    modes_before: String,
    reader: Option<JoinHandle<()>>,
}

pub(crate) struct TerminalOutput {
    parser: vt100::Parser,
    pub(crate) bytes: Vec<u8>,
}

/// Returns the modes of a terminal: echo, line editing, signals and the like.
fn modes(terminal: &dyn MasterPty) -> String {
    let modes = terminal.get_termios().unwrap();
    format!("{:?} {:?} {:?}", modes.input_flags, modes.output_flags, modes.local_flags)
}

impl PtyTerminal {
    pub(crate) fn run_loadline(args: &[&str]) -> PtyTerminal {
        PtyTerminal::run_with(&[], args)
    }

    /// Runs the program with environment variables.
    pub(crate) fn run_with(variables: &[(&str, &str)], args: &[&str]) -> PtyTerminal {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(args);
        set_environment(&mut command);
        for (name, value) in variables {
            command.env(name, value);
        }
        PtyTerminal::run_told(DEFAULT_SIZE, DEFAULT_SIZE, command)
    }

    pub(crate) fn run(command: CommandBuilder) -> PtyTerminal {
        PtyTerminal::run_sized(DEFAULT_SIZE, command)
    }

    pub(crate) fn run_sized(size: PtySize, mut command: CommandBuilder) -> PtyTerminal {
        set_environment(&mut command);
        PtyTerminal::run_told(size, size, command)
    }

    /// Runs a program in a terminal that has one size and tells the program another.
    pub(crate) fn run_told(size: PtySize, told: PtySize, command: CommandBuilder) -> PtyTerminal {
        let pty = native_pty_system().openpty(told).unwrap();
        let modes_before = modes(&*pty.master);
        let child = pty.slave.spawn_command(command).unwrap();
        let parser = emulator(size);
        let output = Arc::new(Mutex::new(TerminalOutput { parser, bytes: Vec::new() }));
        let mut pty_output = pty.master.try_clone_reader().unwrap();
        let reader = std::thread::spawn({
            let output = output.clone();
            move || {
                let mut bytes = [0; 4096];
                // The end of the program shows as an error or as an end of file.
                while let Ok(count @ 1..) = pty_output.read(&mut bytes) {
                    let mut output = output.lock().unwrap();
                    output.parser.process(&bytes[..count]);
                    output.bytes.extend_from_slice(&bytes[..count]);
                }
            }
        });
        let keyboard = pty.master.take_writer().unwrap();
        PtyTerminal {
            master: pty.master,
            keyboard,
            child,
            output,
            modes_before,
            reader: Some(reader),
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Garbles the screen, as a message of another program does.
    pub(crate) fn garble(&self) {
        self.output.lock().unwrap().parser.process(b"\x1b[2J\x1b[5;5Hthe system is going down");
    }

    /// Returns whether any text on the screen has a colour.
    pub(crate) fn has_colour(&self) -> bool {
        let output = self.output.lock().unwrap();
        let screen = output.parser.screen();
        let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
        let mut cells = (0..rows).flat_map(|y| (0..columns).filter_map(move |x| screen.cell(y, x)));
        cells.any(|cell| {
            !cell.contents().trim().is_empty() && cell.fgcolor() != vt100::Color::Default
        })
    }

    pub(crate) fn screen(&self) -> String {
        self.output.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen meets a condition, and returns it.
    pub(crate) fn wait_for(&self, expected: &str, condition: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            assert!(start.elapsed() < DEADLINE, "no {expected} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contains(text))
    }

    /// Returns the screen at the end of the first synchronized update.
    pub(crate) fn first_frame(&self) -> String {
        let start = Instant::now();
        loop {
            let bytes = self.output.lock().unwrap().bytes.clone();
            let end = bytes.windows(END_OF_FRAME.len()).position(|bytes| bytes == END_OF_FRAME);
            if let Some(end) = end {
                let mut parser = emulator(DEFAULT_SIZE);
                parser.process(&bytes[..end]);
                return parser.screen().contents();
            }
            assert!(start.elapsed() < DEADLINE, "no frame is drawn");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the screen if it is complete, which is between two frames.
    pub(crate) fn complete_frame(&self) -> Option<vt100::Screen> {
        let output = self.output.lock().unwrap();
        output.bytes.ends_with(END_OF_FRAME).then(|| output.parser.screen().clone())
    }

    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        self.output.lock().unwrap().parser.screen_mut().set_size(nonzero(rows), nonzero(cols));
        self.tell_size(rows, cols);
    }

    /// Tells the program a size that the terminal does not have.
    pub(crate) fn tell_size(&self, rows: u16, cols: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Presses `q` and waits for the end, which must be a success. Returns the output.
    pub(crate) fn quit(mut self) -> String {
        self.press("q");
        let (status, written) = self.wait_for_end();
        assert!(status.success(), "{status:?}");
        written
    }

    /// Waits for the end of the program. Returns its exit status and its output.
    pub(crate) fn wait_for_end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < DEADLINE, "the program does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        };
        let modes = modes(&*self.master);
        assert_eq!(modes, self.modes_before, "the terminal's modes are restored");
        // The reader ends once the terminal is closed.
        drop(self.keyboard);
        drop(self.master);
        self.reader.take().unwrap().join().unwrap();
        let output = self.output.lock().unwrap();
        (status, String::from_utf8_lossy(&output.bytes).into_owned())
    }
}

pub(crate) const END_OF_FRAME: &[u8] = b"\x1b[?2026l";

/// Waits until `find` returns a value.
pub(crate) fn wait_until<T>(expected: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "timed out waiting for {expected}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
