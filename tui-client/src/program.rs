//! The program: from settings to sources, and to a screen, rows or a report.

mod recordings;

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use loadline_agent::Clock;
use loadline_common::{STDERR, check_descriptors};
use loadline_protocol::{Column, sanitize};
use ratatui::layout::Size;
use tokio::sync::mpsc;

use crate::app::{App, ScreenSettings, WindowEnd};
use crate::check;
use crate::cli::{self, CliSettings, EarlyExit, SourceSpec};
use crate::config::SOURCES_MAX;
use crate::event::Event;
use crate::import::ImportOptions;
use crate::link::{
    Connector, Events, FileRecorder, Link, LinkOptions, ReadOptions, Recorder, TerminalAccess,
    TlsClient, TlsClientFiles, TypedRequest, events_max,
};
use crate::output::{self, Job, OutputFormat, ProgressLine};
use crate::prometheus::{Fleet, Secrets};
use crate::redact::redact;
use crate::run::{self, LinkHandle, TerminalScreen};
use crate::source::{SECRET_VARIABLES, Secret, Source};
use crate::theme::Theme;
use crate::time_spec::TimeBounds;
use crate::watched::Watched;
use crate::zone::Zone;
use recordings::resolve_recorded;

/// Runs the program with the arguments and the environment of the process.
pub fn run_program() -> ExitCode {
    run::exit_on_panic();
    let settings = match cli::parse() {
        Ok(settings) => settings,
        Err(EarlyExit::Print(text)) => {
            // An error means that the reader of standard output is gone.
            let _ = write!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(EarlyExit::Error(text)) => {
            print_error(&text);
            STDERR.flush();
            return ExitCode::from(2);
        }
    };
    for warning in &settings.warnings {
        print_warning(&sanitize(warning));
    }
    let result = run(settings);
    if let Err(error) = &result {
        print_error(&format!("{error:#}"));
    }
    STDERR.flush();
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(settings: CliSettings) -> anyhow::Result<()> {
    check_descriptors().map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the async runtime")?;
    let result = runtime.block_on(watch(settings));
    // A blocking write to a full pipe may still hang; do not wait for it.
    runtime.shutdown_background();
    result
}

/// Writes the error that ends the program to standard error.
fn print_error(message: &str) {
    loadline_common::print_error(&redact(message));
}

/// Writes a warning to standard error; the program continues.
fn print_warning(message: &str) {
    loadline_common::print_warning(&redact(message));
}

/// Says that ssh has not answered yet, on a line of its own: ssh may have asked for a password.
fn print_ssh_notice(name: &str) {
    let waiting = format!("{name}: ssh has sent no row yet; answer its question, or press Ctrl-C");
    STDERR.push("\n");
    print_warning(&waiting);
}

/// Opened sources. Their links run as tasks.
struct Opened {
    bounds: TimeBounds,
    /// Columns of all runs of the recordings.
    recorded_columns: Vec<Column>,
    watched: Vec<Watched>,
    /// Events of each source.
    events: Vec<mpsc::Receiver<Event>>,
    handles: Vec<LinkHandle>,
    /// Warnings that were printed, for the screen.
    warnings: Vec<String>,
    /// Recording of the only source.
    recording: Option<FileRecorder>,
}

async fn watch(mut settings: CliSettings) -> anyhow::Result<()> {
    let mut stop = run::signals().context("cannot handle signals")?;
    let mut opened = tokio::select! {
        opened = open(&mut settings) => opened?,
        () = &mut stop => return Ok(()),
    };
    let recording = opened.recording.take();
    let result = run_output(settings, opened, stop).await;
    // The screen is closed, so that the warning is visible.
    if let Some(warning) = recording.and_then(|recording| recording.finish()) {
        print_warning(&warning);
    }
    result
}

/// Runs the screen, an output or a check.
async fn run_output(
    mut settings: CliSettings,
    opened: Opened,
    stop: impl Future<Output = ()> + Unpin,
) -> anyhow::Result<()> {
    let Opened { bounds, recorded_columns, watched, events, handles, warnings, .. } = opened;
    settings.warnings.extend(warnings);
    if settings.args.check {
        let first = watched.into_iter().zip(events).next();
        let (watched, events) = first.context("no source")?;
        let names: Vec<&str> = settings.thresholds.0.keys().map(String::as_str).collect();
        return tokio::select! {
            () = stop => Ok(()),
            checked = check::run(watched, &names, events, tokio::io::stdout()) => checked,
        };
    }
    let events = Events::new(events);
    if settings.format == OutputFormat::Tui {
        show(&settings, bounds, watched, events, &handles, stop).await
    } else {
        let names = watched.into_iter().map(|source| source.name).collect();
        let job = Job {
            format: settings.format,
            count: settings.args.count,
            bounds,
            sources: names,
            zone: Zone::Local,
            interval: settings.args.interval,
            recorded_columns,
        };
        // The warnings so far come before the rows.
        STDERR.flush();
        write(job, events, stop).await
    }
}

/// Resolves the time range, opens the sources and starts their links.
async fn open(settings: &mut CliSettings) -> anyhow::Result<Opened> {
    let (bounds, recorded_columns) = resolve_recorded(settings).await?;
    let (sources, warnings) = open_sources(settings).await?;
    let count = sources.len();
    settings.check_source_count(count).map_err(anyhow::Error::msg)?;
    let (watched, events, handles) = (Vec::new(), Vec::new(), Vec::new());
    let recording = None;
    let mut opened =
        Opened { bounds, recorded_columns, watched, events, handles, warnings, recording };
    let mut last: Option<&SourceSpec> = None;
    // First attempts of sources that may prompt, where nobody can answer: side by side.
    let mut attempts = Vec::new();
    for (chosen, mut connector) in sources {
        connector.check_local_input().with_context(|| format!("cannot open {connector}"))?;
        // A Prometheus source has many machines, each with its own name.
        let is_fleet = matches!(chosen.source, Source::Prometheus(_));
        let configured_name = chosen.name.clone().filter(|_| !is_fleet);
        let name = configured_name.unwrap_or_else(|| connector.to_string());
        let retention = settings.retention_of(&chosen.source);
        let watched = Watched::new(&name, connector.is_embedded(), retention);
        let watched = watched.with_memory_share(count);
        let mut watched = if is_fleet { watched.scraped() } else { watched };
        watched.may_prompt = connector.may_prompt();
        let (sender, events) = mpsc::channel(events_max(count));
        let (sender, recording) = record(settings, &chosen.source, sender).await?;
        opened.recording = recording;
        let mut options = link_options(settings, chosen, &opened.recorded_columns);
        // The machines of one server follow or ignore a request alike: one warning is enough.
        let is_first = last != Some(chosen);
        last = Some(chosen);
        let request = TypedRequest { source: name.clone(), ..settings.typed_request.clone() };
        let without_history = request.without_history().filter(|_| connector.is_embedded());
        for warning in connector.warning.take().into_iter().chain(without_history) {
            print_warning(&warning);
            opened.warnings.push(warning);
        }
        options.read_options.typed_request = is_first.then_some(request);
        let link = Link::new(connector, options, Clock::system());
        let (interval, past) = (link.interval_sender.clone(), link.past_sender.clone());
        let lender = link.lender.clone();
        let unattended = (watched.may_prompt && !run::has_terminal()).then(|| {
            let lender = lender.clone();
            tokio::spawn(async move { lender.lend(TerminalAccess::Missing).await })
        });
        tokio::spawn(link.run(sender));
        if unattended.is_none() && watched.may_prompt {
            // The terminal is still plain, so ssh can prompt. Without a screen, a failure is one line.
            let echo = settings.format == OutputFormat::Tui;
            run::lend_plain_terminal(&lender, echo, || print_ssh_notice(&name)).await;
        }
        attempts.extend(unattended);
        opened.watched.push(watched);
        opened.events.push(events);
        opened.handles.push(LinkHandle { interval, past, lender });
    }
    for attempt in attempts {
        attempt.await?;
    }
    Ok(opened)
}

/// Opens a connector for each source, and for each machine of a Prometheus server.
/// Returns also the warnings that were printed.
async fn open_sources(
    settings: &CliSettings,
) -> anyhow::Result<(Vec<(&SourceSpec, Connector)>, Vec<String>)> {
    let mut warnings = Vec::new();
    // One for all sources with the same certificate files.
    let mut tls_clients: HashMap<&TlsClientFiles, TlsClient> = HashMap::new();
    let secret = |name| std::env::var(name).ok().filter(|it| !it.is_empty()).map(Secret::new);
    let [password, token] = SECRET_VARIABLES.map(secret);
    let secrets = Secrets { password, token };
    let mut sources: Vec<(&SourceSpec, Connector)> = Vec::new();
    for (index, chosen) in settings.sources.iter().enumerate() {
        let tls =
            &*tls_clients.entry(&chosen.tls).or_insert_with(|| TlsClient::new(chosen.tls.clone()));
        let Source::Prometheus(server) = &chosen.source else {
            let open = Connector::open(&chosen.source, settings.args.interval, &chosen.ssh, tls);
            sources.push((chosen, open.await?.with_suggestion(chosen.suggestion.clone())));
            continue;
        };
        let names: HashSet<String> = sources.iter().map(|(_, it)| it.to_string()).collect();
        let left = settings.sources.len() - index - 1;
        let capacity = SOURCES_MAX.saturating_sub(sources.len() + left);
        let is_taken = |name: &str| names.contains(name);
        let with = (tls, &secrets);
        let fleet = Fleet::find(server, with, settings.args.interval, capacity, is_taken).await?;
        if fleet.left_out > 0 {
            let (all, shown) = (fleet.connectors.len() + fleet.left_out, fleet.connectors.len());
            let warning = format!(
                "{server}: {all} instances match, only the first {shown} are shown; narrow them down \
                 with instance=REGEX"
            );
            print_warning(&warning);
            warnings.push(warning);
        }
        sources.extend(fleet.connectors.into_iter().map(|connector| (chosen, connector)));
    }
    Ok((sources, warnings))
}

fn link_options(
    settings: &CliSettings,
    chosen: &SourceSpec,
    recorded_columns: &[Column],
) -> LinkOptions {
    let columns = chosen.columns.clone();
    let optional_columns = ReadOptions::recorded_names(columns.as_deref(), recorded_columns);
    LinkOptions {
        interval: settings.args.interval,
        history: settings.history,
        looks: settings.uses_looks(),
        read_options: ReadOptions {
            columns,
            optional_columns,
            keep_lines: settings.format == OutputFormat::Raw,
            import: ImportOptions {
                time_column: settings.args.time_column.clone(),
                time_format: settings.args.time_format.clone(),
                ..ImportOptions::default()
            },
            typed_request: None,
        },
        follow: settings.args.follow,
    }
}

/// Opens the file of `--record`, and puts a recorder in front of `events`.
async fn record(
    settings: &CliSettings,
    source: &Source,
    events: mpsc::Sender<Event>,
) -> anyhow::Result<(mpsc::Sender<Event>, Option<FileRecorder>)> {
    let Some(path) = &settings.args.record else { return Ok((events, None)) };
    let source = if let Source::Path(source) = source { Some(source.clone()) } else { None };
    // A file is still there when the disk takes data again.
    let can_wait = source.as_ref().is_some_and(|source| source.is_file());
    let opened = FileRecorder::open(path.clone(), source).await;
    let failure = || format!("cannot record to {}", sanitize(&path.to_string_lossy()));
    let recording = opened.with_context(failure)?;
    // The rows between looks are no rows of the output.
    let rows_max = settings.args.count.filter(|_| settings.format != OutputFormat::Top);
    let recorder = Recorder::new(rows_max);
    Ok((recording.spawn(recorder, can_wait, events), Some(recording)))
}

async fn show(
    settings: &CliSettings,
    bounds: TimeBounds,
    watched: Vec<Watched>,
    events: Events,
    handles: &[LinkHandle],
    stop: impl Future<Output = ()> + Unpin,
) -> anyhow::Result<()> {
    let mut clock = Clock::system();
    let colour = if anstyle_query::no_color() {
        Some(false)
    } else if anstyle_query::clicolor_force() {
        Some(true)
    } else {
        anstyle_query::clicolor().filter(|wanted| !wanted)
    };
    let screen_settings = ScreenSettings {
        window: settings.args.window,
        fullscreen: settings.args.fullscreen,
        zone: Zone::Local,
        theme: Theme {
            overrides: settings.colours,
            fill: settings.args.fill,
            ..Theme::detect(colour, settings.args.theme, |name| std::env::var(name).ok())
        },
    };
    let mut watched = watched.into_iter();
    let first = watched.next().context("no source")?;
    let mut app = App::new(first, screen_settings, Size::default(), clock.now())
        .with_sources(watched)
        .with_keys_and_thresholds(settings.keys.clone(), settings.thresholds.clone());
    // The screen covers what was printed.
    settings.warnings.iter().for_each(|warning| app.show_warning(warning));
    // A window that ends in the future is live until then.
    if let Some(to) = bounds.to.filter(|to| *to < clock.now()) {
        app.window.end = WindowEnd::Paused(to);
    }
    let mut screen =
        TerminalScreen::open(settings.args.mouse).context("cannot set up the terminal")?;
    let result = run::run(&mut screen, &mut app, events, clock, handles, stop).await;
    drop(screen);
    match result.context("the terminal failed")? {
        Some(failure) => anyhow::bail!(failure),
        None => Ok(()),
    }
}

async fn write(job: Job, events: Events, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    // On a terminal, the progress line would mix with the rows.
    let is_progress_visible = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
    let progress = ProgressLine::new(is_progress_visible.then_some(&STDERR), print_warning);
    let summary = output::run(&job, events, tokio::io::stdout(), progress, stop).await?;
    let name = if let [name] = &*job.sources { format!("{name}: ") } else { String::new() };
    let warn = |count, what: &str, hint: &str| {
        if count > 0 {
            let s = if count == 1 { "" } else { "s" };
            print_warning(&format!("{name}{count} {what}{s} skipped{hint}"));
        }
    };
    if summary.is_range_empty {
        print_warning(&format!("{name}no row from --from to --to; choose another time"));
    }
    warn(summary.skipped, "row", "");
    warn(summary.faults, "faulty line", "\nhint: run loadline SOURCE --check");
    Ok(())
}
