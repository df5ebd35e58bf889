//! The program `loadline`.

use std::collections::HashSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use loadline::app::{self, App, WindowEnd};
use loadline::check;
use loadline::cli::{self, CliSettings, EarlyExit, SourceSpec};
use loadline::event::{Event, Sample};
use loadline::link::{
    self, Connector, Events, Link, LinkOptions, ReadOptions, Recorder, TerminalLender, TlsClient,
    TlsClientFiles, events_max,
};
use loadline::output::{self, Job, OutputFormat, ProgressLine};
use loadline::prometheus::{Fleet, Secrets};
use loadline::run::{self, TerminalScreen};
use loadline::source::{Secret, Source};
use loadline::theme::Theme;
use loadline::time_spec::{TimeBounds, TimeRange};
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_agent::Clock;
use loadline_common::{error_text, without_error_number};
use loadline_protocol::Time;
use ratatui::layout::Size;
use tokio::sync::{mpsc, watch};

fn main() -> ExitCode {
    let settings = match cli::parse(std::env::args_os()) {
        Ok(settings) => settings,
        Err(EarlyExit::Print(text)) => {
            // An error means that the reader of standard output is gone.
            let _ = write!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(EarlyExit::Usage(text) | EarlyExit::Config(text)) => {
            print_error(&text);
            return ExitCode::from(2);
        }
    };
    run::exit_on_panic();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("cannot start the async runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(watch(settings));
    // A blocking write to a full pipe may still hang; do not wait for it.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes the error that ends the program to standard error.
fn print_error(message: &str) {
    let _ = writeln!(std::io::stderr(), "{}", error_text(message));
}

/// Writes a warning to standard error; the program continues.
fn print_warning(message: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {}", without_error_number(message));
}

async fn watch(mut settings: CliSettings) -> anyhow::Result<()> {
    let mut stop = Box::pin(signals()?);
    let bounds = tokio::select! {
        bounds = resolve_range(&mut settings) => bounds?,
        () = &mut stop => return Ok(()),
    };
    let sources = tokio::select! {
        sources = open_sources(&settings) => sources?,
        () = &mut stop => return Ok(()),
    };
    let count = sources.len();
    settings.check_source_count(count).map_err(anyhow::Error::msg)?;
    let (mut watched, mut handles, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for (chosen, connector) in sources {
        connector.check_local_input().with_context(|| format!("cannot open {connector}"))?;
        let embedded = connector.is_embedded();
        // A Prometheus source has many machines, each with its own name.
        let is_fleet = matches!(chosen.source, Source::Prometheus(_));
        let configured_name = chosen.name.clone().filter(|_| !is_fleet);
        let name = configured_name.unwrap_or_else(|| connector.to_string());
        let retention = settings.retention_of(&chosen.source);
        let mut watched_source = Watched::new(&name, embedded, retention).with_memory_share(count);
        watched_source.may_prompt = connector.may_prompt();
        let (sender, events) = mpsc::channel(events_max(count));
        let sender = record(&settings, &chosen.source, sender)?;
        let link = Link::new(connector, link_options(&settings, chosen), Clock::system());
        let (ask, lender) = (link.interval_sender.clone(), link.lender.clone());
        links.push(events);
        tokio::spawn(link.run(sender));
        if watched_source.may_prompt {
            // The terminal is still plain, so ssh can prompt. Without a screen, a failure is one line.
            tokio::select! {
                () = run::lend_plain_terminal(&lender, settings.format == OutputFormat::Tui) => {}
                () = &mut stop => return Ok(()),
            }
        }
        watched.push(watched_source);
        handles.push((ask, lender));
    }
    if settings.check {
        let first = watched.into_iter().zip(links).next();
        let (Watched { name, .. }, events) = first.context("no source")?;
        return tokio::select! {
            () = stop => Ok(()),
            checked = check::run(&name, events, tokio::io::stdout()) => checked,
        };
    }
    let events = Events::new(links);
    if settings.format == OutputFormat::Tui {
        show(&settings, bounds, watched, events, &handles, stop).await
    } else {
        let names = watched.into_iter().map(|source| source.name).collect();
        write(&settings, bounds, names, events, stop).await
    }
}

/// Resolves `--from` and `--to`. Relative times count back from now; if all sources are recordings, from
/// their newest sample, so recordings are read twice.
async fn resolve_range(settings: &mut CliSettings) -> anyhow::Result<TimeBounds> {
    if settings.range == TimeRange::default() {
        return Ok(TimeBounds::default());
    }
    let now = Clock::system().now();
    let recorded = recorded_range(settings).await?;
    let newest = recorded.map_or(now, |(_, newest)| newest);
    let bounds = settings.range.resolve(newest, Zone::Local)?;
    settings.apply_bounds(bounds, recorded, now);
    Ok(bounds)
}

/// Returns the oldest and newest time of all sources. `None` unless all are recordings with samples.
async fn recorded_range(settings: &CliSettings) -> anyhow::Result<Option<(Time, Time)>> {
    let is_file = |path: &Path| path.metadata().is_ok_and(|it| it.is_file());
    let mut range: Option<(Time, Time)> = None;
    for chosen in &settings.sources {
        let Source::Path(path) = &chosen.source else { return Ok(None) };
        if !is_file(path) {
            return Ok(None);
        }
        let tls = TlsClient::new(chosen.tls.clone());
        let connector = Connector::open(&chosen.source, None, &chosen.ssh, &tls).await?;
        let options = LinkOptions { follow: false, ..link_options(settings, chosen) };
        let (sender, mut events) = mpsc::channel(events_max(1));
        tokio::spawn(Link::new(connector, options, Clock::system()).run(sender));
        while let Some(event) = events.recv().await {
            if let Event::Rows(rows) = &event {
                for Sample { time, .. } in rows.iter() {
                    let (oldest, newest) = range.unwrap_or((time, time));
                    range = Some((oldest.min(time), newest.max(time)));
                }
            }
            if matches!(event, Event::Ended { .. }) {
                break;
            }
        }
    }
    Ok(range)
}

/// Opens a connector for each source, and for each machine of a Prometheus server.
async fn open_sources(settings: &CliSettings) -> anyhow::Result<Vec<(&SourceSpec, Connector)>> {
    let mut tls = TlsCache::default();
    let secret = |name| std::env::var(name).ok().filter(|it| !it.is_empty()).map(Secret::new);
    let secrets = Secrets {
        password: secret("LOADLINE_PROM_PASSWORD"),
        token: secret("LOADLINE_PROM_TOKEN"),
    };
    let mut sources: Vec<(&SourceSpec, Connector)> = Vec::new();
    let mut left = settings.sources.len();
    for chosen in &settings.sources {
        left -= 1;
        let tls = tls.get_or_create(&chosen.tls);
        let Source::Prometheus(server) = &chosen.source else {
            let open = Connector::open(&chosen.source, settings.interval, &chosen.ssh, tls);
            sources.push((chosen, open.await?));
            continue;
        };
        let names: HashSet<String> = sources.iter().map(|(_, it)| it.to_string()).collect();
        let capacity = cli::SOURCES_MAX.saturating_sub(sources.len() + left);
        let is_taken = |name: &str| names.contains(name);
        let with = (tls, &secrets);
        let fleet = Fleet::find(server, with, settings.interval, capacity, is_taken).await?;
        if fleet.left_out > 0 {
            let (all, shown) = (fleet.connectors.len() + fleet.left_out, fleet.connectors.len());
            print_warning(&format!(
                "{server}: {all} instances match, only the first {shown} are shown; narrow them down \
                 with instance=REGEX"
            ));
        }
        sources.extend(fleet.connectors.into_iter().map(|connector| (chosen, connector)));
    }
    Ok(sources)
}

fn link_options(settings: &CliSettings, chosen: &SourceSpec) -> LinkOptions {
    LinkOptions {
        interval: settings.interval,
        history: settings.history,
        read_options: ReadOptions {
            columns: chosen.columns.clone(),
            keep_lines: settings.format == OutputFormat::Raw,
        },
        follow: settings.follow,
    }
}

/// TLS clients, one for all sources with the same certificate files.
#[derive(Default)]
struct TlsCache(Vec<(TlsClientFiles, TlsClient)>);

impl TlsCache {
    fn get_or_create(&mut self, files: &TlsClientFiles) -> &TlsClient {
        let made = self.0.iter().position(|(made, _)| made == files);
        let at = made.unwrap_or_else(|| {
            self.0.push((files.clone(), TlsClient::new(files.clone())));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}

/// Puts a recorder in front of `events` if `--record` is given.
fn record(
    settings: &CliSettings,
    source: &Source,
    events: mpsc::Sender<Event>,
) -> anyhow::Result<mpsc::Sender<Event>> {
    let Some(path) = &settings.record else { return Ok(events) };
    let name = loadline_protocol::sanitize(&path.to_string_lossy()).into_owned();
    if let Source::Path(source) = source
        && path.canonicalize().is_ok_and(|path| source.canonicalize().is_ok_and(|it| it == path))
    {
        anyhow::bail!(
            "cannot record to {name}: this file is the source; give --record another file"
        );
    }
    let file = link::open_recording(path).with_context(|| format!("cannot record to {name}"))?;
    Ok(link::spawn_recorder(file, name, Recorder::new(settings.count), events))
}

async fn show(
    settings: &CliSettings,
    bounds: TimeBounds,
    watched: Vec<Watched>,
    events: Events,
    handles: &[(watch::Sender<Option<Duration>>, TerminalLender)],
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut clock = Clock::system();
    let colour = if anstyle_query::no_color() {
        Some(false)
    } else if anstyle_query::clicolor_force() {
        Some(true)
    } else {
        anstyle_query::clicolor().filter(|wanted| !wanted)
    };
    let screen_settings = app::ScreenSettings {
        window: settings.window,
        fullscreen: settings.fullscreen,
        zone: Zone::Local,
        theme: Theme {
            overrides: settings.colours,
            fill: settings.fill,
            ..Theme::detect(colour, settings.theme, |name| std::env::var(name).ok())
        },
    };
    let mut watched = watched.into_iter();
    let first = watched.next().context("no source")?;
    let mut app = App::new(first, screen_settings, Size::default(), clock.now())
        .with_sources(watched)
        .with_keys_and_thresholds(settings.keys.clone(), settings.thresholds.clone());
    // A window that ends in the future is live until then.
    if let Some(to) = bounds.to.filter(|to| *to < clock.now()) {
        app.window.end = WindowEnd::Paused(to);
    }
    let mut screen = TerminalScreen::open(settings.mouse).context("cannot set up the terminal")?;
    let result = run::run(&mut screen, &mut app, events, clock, handles, stop).await;
    drop(screen);
    result.context("the terminal failed")
}

async fn write(
    settings: &CliSettings,
    bounds: TimeBounds,
    sources: Vec<String>,
    events: Events,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (format, count, zone) = (settings.format, settings.count, Zone::Local);
    let job = Job { format, count, bounds, sources, zone };
    let (out, errors) = (std::io::stdout(), std::io::stderr());
    // On a terminal, the progress line would mix with the rows.
    let is_progress_visible = errors.is_terminal() && !out.is_terminal();
    let progress = ProgressLine::new(is_progress_visible.then_some(errors), print_warning);
    let summary = output::run(&job, events, tokio::io::stdout(), progress, stop).await?;
    let name = if let [name] = &*job.sources { format!("{name}: ") } else { String::new() };
    let lines = |count, one: &str, more: &str, hint: &str| match count {
        0 => {}
        1 => print_warning(&format!("{name}1 {one} skipped{hint}")),
        count => print_warning(&format!("{name}{count} {more} skipped{hint}")),
    };
    lines(summary.skipped, "row", "rows", "");
    lines(summary.faults, "faulty line", "faulty lines", "\nhint: run loadline SOURCE --check");
    Ok(())
}

/// Returns a future that resolves on SIGINT, SIGTERM or SIGHUP.
fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let watch = |kind| signal(kind).context("cannot install signal handlers");
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    let mut hangup = watch(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
