//! `loadline-agent`: the agent as a program.

mod cli;
mod manual;
mod service;

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::CommandFactory as _;
use loadline_agent::{
    Address, Agent, AgentSettings, Archive, ArchiveError, BoundAddress, InheritedSockets,
    ListenError, Listener, Machine, MachineFacts, PlaintextPolicy, ServerTls, serve_stdio,
};
use loadline_common::{
    LocalAgent, STDERR, STDOUT, check_descriptors, end_after_signals, exit_on_panic, print_error,
    print_warning, without_error_number,
};
use loadline_protocol::sanitize;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{self, SignalKind, signal};
use tracing::Level;

use crate::cli::{Options, OptionsError};

/// Exit code of a usage error.
const USAGE_EXIT_CODE: u8 = 2;

/// Open files besides those of clients: kernel files, connections for metrics, and unfinished TLS
/// handshakes. Where the system permits fewer files, they get at most half of them.
const OTHER_FILES_MAX: u64 = 700;

/// Time from SIGTERM or SIGINT to the end of an agent that hangs: 1.7 s. Sessions and the state directory take up to
/// 1.5 s.
const END_TIMEOUT: Duration = Duration::from_millis(1700);

const NO_SIGNALS: &str = "cannot handle signals";

fn main() -> ExitCode {
    exit_on_panic(|| {});
    let code = run_program();
    STDERR.flush();
    STDOUT.flush();
    code
}

fn run_program() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(OptionsError::Print(text)) => {
            // An error only means that nobody reads standard output.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(OptionsError::Usage(why)) => {
            print_error(&sanitize(&why));
            return ExitCode::from(USAGE_EXIT_CODE);
        }
    };
    if let Some(kind) = options.generate {
        // An error only means that nobody reads standard output.
        let _ = write!(io::stdout(), "{}", kind.text(Options::command(), manual::write_manual));
        return ExitCode::SUCCESS;
    }
    if options.log_level() >= Level::WARN {
        options.warnings().iter().for_each(|warning| print_warning(&sanitize(warning)));
    }
    tracing_subscriber::fmt()
        .with_writer(|| &STDERR)
        .with_ansi(io::stderr().is_terminal() && may_be_coloured())
        .with_max_level(options.log_level())
        .with_target(false)
        .log_internal_errors(false)
        .init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&sanitize(&format!("{error:#}")));
            match error.downcast_ref() {
                Some(ListenError::Plaintext(_)) => ExitCode::from(USAGE_EXIT_CODE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Returns whether the environment allows colours.
fn may_be_coloured() -> bool {
    !anstyle_query::no_color() && anstyle_query::clicolor() != Some(false)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let inherited = if options.stdio { InheritedSockets::default() } else { inherited_sockets()? };
    let mut settings = options.settings();
    let allowed = raise_open_files_limit(settings.clients_max as u64 + OTHER_FILES_MAX);
    check_descriptors().map_err(anyhow::Error::msg)?;
    if !options.stdio {
        settings.clients_max = clients_within(allowed, settings.clients_max);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut signals = vec![SignalKind::interrupt(), SignalKind::terminate()];
    signals.extend(options.stdio.then(SignalKind::hangup));
    let signals: Vec<i32> = signals.iter().map(SignalKind::as_raw_value).collect();
    end_after_signals(&signals, END_TIMEOUT, || {}).context(NO_SIGNALS)?;
    let result = if options.stdio {
        runtime.block_on(run_stdio(options))
    } else {
        runtime.block_on(run_server(options, settings, inherited))
    };
    // A file, a lookup or standard input that hangs would block the shutdown.
    runtime.shutdown_background();
    result
}

/// Takes the sockets of the service manager; none if they are not for this process.
fn inherited_sockets() -> Result<InheritedSockets, ListenError> {
    match service::socket_warning() {
        Some(warning) => print_warning(&sanitize(&warning)),
        None => return InheritedSockets::take(),
    }
    Ok(InheritedSockets::default())
}

async fn start_agent(
    options: &Options,
    settings: AgentSettings,
    archive: Option<Archive>,
) -> Agent {
    let machine = Machine::with_groups(&options.collect).with_top(options.top);
    let facts = MachineFacts::of_this_machine();
    Agent::start_with_archive(machine, facts, settings, archive).await
}

async fn open_archive(folder: Option<&Path>) -> Result<Option<Archive>, ArchiveError> {
    match folder {
        Some(folder) => Archive::open(folder).await.map(Some),
        None => Ok(None),
    }
}

async fn run_server(
    options: &Options,
    settings: AgentSettings,
    inherited: InheritedSockets,
) -> anyhow::Result<()> {
    let mut stop = std::pin::pin!(stop_signal()?);
    let hangups = catch(SignalKind::hangup())?;
    // A limit of the size of files is an error of a write to --state-dir, not the end of the agent.
    let _file_too_large = catch(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    let tls = options.tls_files().map(ServerTls::open).transpose()?;
    if tls.is_some() {
        let client_certificates = options.tls_client_ca.is_some();
        tracing::info!(client_certificates, "TCP ports speak TLS");
    }
    let plaintext = options.plaintext(tls.clone());
    let mut listeners = inherited.listen(&plaintext)?;
    let mut bound = Vec::new();
    // The default address is only used without a socket from systemd.
    if listeners.is_empty() || options.given.contains("listen") {
        // systemd may have opened some of the addresses.
        let is_open = |address: &Address| listeners.iter().any(|it| it.address() == address);
        let others: Vec<_> = options.listen.iter().filter(|it| !is_open(it)).cloned().collect();
        bound = bind(&others, &plaintext, !listeners.is_empty()).await?;
    }
    let metrics_bound = bind(&options.metrics_listen, &plaintext, false).await?;
    let start = async {
        let archive = open_archive(options.state_dir.as_deref()).await?;
        anyhow::Ok(start_agent(options, settings, archive).await)
    };
    let agent = tokio::select! {
        agent = start => agent?,
        // The state directory may be slow.
        () = &mut stop => return Ok(()),
    };
    listeners.extend(listen(bound)?);
    let metrics = listen(metrics_bound)?;
    if options.log_level() >= Level::WARN {
        let all = listeners.iter().chain(&metrics).map(Listener::address);
        options.warnings_for(all).iter().for_each(|warning| print_warning(&sanitize(warning)));
    }
    let addresses: Vec<_> = listeners.iter().map(|it| it.address().to_string()).collect();
    let urls = metrics.iter().map(|it| metrics_url(it.address(), tls.is_some()));
    for address in addresses.iter().cloned().chain(urls) {
        STDOUT.push(&format!("listening on {address}\n"));
    }
    #[cfg(feature = "metrics")]
    let agent = if metrics.is_empty() {
        agent
    } else {
        agent.with_metrics(metrics, &options.collect).context("cannot serve metrics")?
    };
    let status = format!("listening on {}", addresses.join(", "));
    service::notify_ready(&status);
    let watch = service::run_watchdog(agent.service(), options.settings().interval);
    let stop = async {
        tokio::select! {
            () = stop => {}
            never = watch => match never {},
            never = reload_on_hangup(hangups, tls, &status) => match never {},
        }
        service::notify_stopping();
    };
    agent.run(listeners, stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Binds addresses. With sockets of systemd, an address in use is only logged: any local user can take
/// a port, and must not stop the service.
async fn bind(
    addresses: &[Address],
    plaintext: &PlaintextPolicy,
    has_sockets: bool,
) -> Result<Vec<BoundAddress>, ListenError> {
    let mut bound = Vec::new();
    for address in addresses {
        match Listener::bind(address, plaintext.clone()).await {
            Err(error @ ListenError::Bind(..)) if has_sockets => {
                tracing::error!("{}", without_error_number(&error.to_string()));
            }
            made => bound.push(made?),
        }
    }
    Ok(bound)
}

fn listen(bound: Vec<BoundAddress>) -> Result<Vec<Listener>, ListenError> {
    bound.into_iter().map(BoundAddress::listen).collect()
}

/// URL of the metrics; for a Unix socket in nginx's notation.
fn metrics_url(address: &Address, is_private: bool) -> String {
    match address {
        Address::Tcp { .. } if is_private => format!("https://{address}/metrics"),
        Address::Tcp { .. } => format!("http://{address}/metrics"),
        _ => format!("http://{address}:/metrics"),
    }
}

/// Reloads the certificates at each SIGHUP.
async fn reload_on_hangup(
    mut hangups: unix::Signal,
    tls: Option<ServerTls>,
    status: &str,
) -> Infallible {
    while hangups.recv().await.is_some() {
        service::notify_reloading();
        match reload(tls.clone()).await {
            Some(Ok(())) => tracing::info!("reloaded the TLS files, for new connections"),
            Some(Err(error)) => tracing::error!("keeping the previous certificate: {error}"),
            None => tracing::info!("nothing to reload on SIGHUP without TLS"),
        }
        service::notify_ready(status);
    }
    std::future::pending().await
}

/// Reloads the certificates in another thread, because a file may hang. `None` without TLS.
async fn reload(tls: Option<ServerTls>) -> Option<Result<(), String>> {
    let tls = tls?;
    let read = move || tls.reload().map_err(|error| without_error_number(&error.to_string()));
    // An error means that the program ends.
    tokio::task::spawn_blocking(read).await.ok()
}

async fn run_stdio(options: &Options) -> anyhow::Result<()> {
    let (stop, hangup) = (stop_signal()?, hangup()?);
    let stop = async {
        tokio::select! {
            () = stop => {}
            () = hangup => {}
        }
    };
    let places = Options::local_agents().map_err(anyhow::Error::msg)?;
    let search = LocalAgent::search(&places).await;
    if let Some(warning) = search.warning {
        print_warning(&warning);
    }
    let stream = search.found.map(|(place, stream)| {
        if let Some(what) = options.given.sampling_without_effect() {
            print_warning(&format!("{what}: the stream is that of the agent on {place}"));
        }
        stream
    });
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    serve_stdio(stream, start_agent(options, options.settings(), None), input, output, stop).await;
    Ok(())
}

/// Catches a signal from now on, so that it does not end the agent.
fn catch(kind: SignalKind) -> anyhow::Result<unix::Signal> {
    signal(kind).context(NO_SIGNALS)
}

/// Returns a future that resolves at SIGINT or SIGTERM. The signals are caught from now on.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = catch(SignalKind::interrupt())?;
    let mut terminate = catch(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns a future that resolves at SIGHUP, or when the reader of standard output is gone, even if
/// there is nothing to write.
fn hangup() -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = catch(SignalKind::hangup())?;
    let (gone, closed) = tokio::sync::oneshot::channel::<()>();
    let watch = std::thread::Builder::new().spawn(move || {
        let stdout = io::stdout();
        // With no events requested, `poll` still reports that the other end is closed.
        let wait = || poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None);
        while wait() == Err(rustix::io::Errno::INTR) {}
        // An error means that the program is ending.
        let _ = gone.send(());
    });
    watch.context(NO_SIGNALS)?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => {}
            _ = closed => {}
        }
    })
}

/// Raises the limit of open files to `wanted`, if the system permits: many systems start low. Returns the new limit, at
/// most `wanted`.
fn raise_open_files_limit(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else { return wanted };
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { allowed } else { current }
}

/// Returns the number of clients that this limit of open files permits, at most `clients_max`: each needs a file
/// descriptor.
fn clients_within(allowed: u64, clients_max: usize) -> usize {
    let for_clients = allowed.saturating_sub(OTHER_FILES_MAX).max(allowed / 2).max(1);
    let clients = usize::try_from(for_clients).unwrap_or(usize::MAX).min(clients_max);
    if clients < clients_max {
        tracing::warn!(allowed, clients, "the limit of open files is too low for --max-clients");
    }
    clients
}
