//! The program `loadline`.

use std::collections::HashSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use loadline::app::{self, App, View};
use loadline::check;
use loadline::cli::{self, Chosen, Instead, Settings};
use loadline::event::{Event, Sample};
use loadline::link::{
    self, Connector, Events, Fleet, Lender, Link, Reading, Recorder, Secrets, Tls, TlsFiles, Wish,
    events_max,
};
use loadline::output::{self, Form, Job, Progress};
use loadline::run::{self, Screen};
use loadline::source::{Secret, Source};
use loadline::theme::Theme;
use loadline::time_spec::{Bounds, TimeRange};
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_agent::{Clock, error_text, without_error_number};
use loadline_protocol::Time;
use ratatui::layout::Size;
use tokio::sync::{mpsc, watch};

fn main() -> ExitCode {
    let settings = match cli::parse(std::env::args_os()) {
        Ok(settings) => settings,
        Err(Instead::Print(text)) => {
            // An error means that nobody reads it.
            let _ = write!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(Instead::Usage(text) | Instead::Config(text)) => {
            print_error(&text);
            return ExitCode::from(2);
        }
    };
    run::end_on_panic();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(watch(settings));
    // A write that nobody reads may hang in the background.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes the reason for which the program ends to standard error.
fn print_error(message: &str) {
    let _ = writeln!(std::io::stderr(), "{}", error_text(message));
}

/// Writes a fact that does not end the program to standard error.
fn print_warning(message: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {}", without_error_number(message));
}

async fn watch(mut settings: Settings) -> anyhow::Result<()> {
    let mut stop = Box::pin(signals()?);
    let bounds = tokio::select! {
        bounds = look_at_range(&mut settings) => bounds?,
        () = &mut stop => return Ok(()),
    };
    let sources = tokio::select! {
        sources = open(&settings) => sources?,
        () = &mut stop => return Ok(()),
    };
    let count = sources.len();
    settings.allow(count).map_err(anyhow::Error::msg)?;
    let (mut watched, mut handles, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for (chosen, connector) in sources {
        if let Some(given) = connector.given() {
            given.check().with_context(|| format!("cannot open {connector}"))?;
        }
        let embedded = connector.is_embedded();
        // Each machine of a server has a name of its own.
        let is_fleet = matches!(chosen.source, Source::Prometheus(_));
        let given = chosen.name.clone().filter(|_| !is_fleet);
        let name = given.unwrap_or_else(|| connector.to_string());
        let keep = settings.keep_of(&chosen.source);
        let mut seen = Watched::new(&name, embedded, keep).one_of(count);
        seen.asks = connector.asks();
        let (sender, events) = mpsc::channel(events_max(count));
        let sender = record(&settings, &chosen.source, sender)?;
        let link = Link::new(connector, wish(&settings, chosen), Clock::system());
        let (ask, lender) = (link.asker(), link.lender());
        links.push(events);
        tokio::spawn(link.run(sender));
        if seen.asks {
            // Now there is a terminal to ask in. Without a screen, a failure is to be one line.
            tokio::select! {
                () = run::lend(&lender, settings.form == Form::Tui) => {}
                () = &mut stop => return Ok(()),
            }
        }
        watched.push(seen);
        handles.push((ask, lender));
    }
    if settings.check {
        let first = watched.into_iter().zip(links).next();
        let (Watched { name, .. }, events) = first.context("there is no source")?;
        return tokio::select! {
            () = stop => Ok(()),
            checked = check::run(&name, events, tokio::io::stdout()) => checked,
        };
    }
    let events = Events::new(links);
    if settings.form == Form::Tui {
        show(&settings, bounds, watched, events, &handles, stop).await
    } else {
        let names = watched.into_iter().map(|seen| seen.name).collect();
        write(&settings, bounds, names, events, stop).await
    }
}

/// Turns `--from` and `--to` into times. They count from the newest sample: of recordings alone, that is
/// their end, for which they are read once more.
async fn look_at_range(settings: &mut Settings) -> anyhow::Result<Bounds> {
    if settings.range == TimeRange::default() {
        return Ok(Bounds::default());
    }
    let now = Clock::system().now();
    let recorded = recorded_ends(settings).await?;
    let newest = recorded.map_or(now, |(_, newest)| newest);
    let bounds = settings.range.resolve(newest, Zone::Local)?;
    settings.look_at(bounds, recorded, now);
    Ok(bounds)
}

/// The oldest and the newest time of all sources; `None` unless they are recordings with samples.
async fn recorded_ends(settings: &Settings) -> anyhow::Result<Option<(Time, Time)>> {
    let is_file = |path: &Path| path.metadata().is_ok_and(|it| it.is_file());
    let mut ends: Option<(Time, Time)> = None;
    for chosen in &settings.sources {
        let Source::Path(path) = &chosen.source else { return Ok(None) };
        if !is_file(path) {
            return Ok(None);
        }
        let tls = Tls::new(chosen.tls.clone());
        let connector = Connector::open(&chosen.source, None, &chosen.ssh, &tls).await?;
        let wish = Wish { follow: false, ..wish(settings, chosen) };
        let (sender, mut events) = mpsc::channel(events_max(1));
        tokio::spawn(Link::new(connector, wish, Clock::system()).run(sender));
        while let Some(event) = events.recv().await {
            if let Event::Rows(rows) = &event {
                for Sample { time, .. } in rows.iter() {
                    let (oldest, newest) = ends.unwrap_or((time, time));
                    ends = Some((oldest.min(time), newest.max(time)));
                }
            }
            if matches!(event, Event::Ended { .. }) {
                break;
            }
        }
    }
    Ok(ends)
}

/// The ways to all sources. Of a server that knows several machines, each of these is one.
async fn open(settings: &Settings) -> anyhow::Result<Vec<(&Chosen, Connector)>> {
    let mut tls = TlsOfFiles::default();
    let secret = |name| std::env::var(name).ok().filter(|it| !it.is_empty()).map(Secret::new);
    let secrets = Secrets {
        password: secret("LOADLINE_PROM_PASSWORD"),
        token: secret("LOADLINE_PROM_TOKEN"),
    };
    let mut sources: Vec<(&Chosen, Connector)> = Vec::new();
    let mut left = settings.sources.len();
    for chosen in &settings.sources {
        left -= 1;
        let tls = tls.of(&chosen.tls);
        let Source::Prometheus(server) = &chosen.source else {
            let open = Connector::open(&chosen.source, settings.interval, &chosen.ssh, tls);
            sources.push((chosen, open.await?));
            continue;
        };
        let names: HashSet<String> = sources.iter().map(|(_, it)| it.to_string()).collect();
        let room = cli::SOURCES_MAX.saturating_sub(sources.len() + left);
        let is_taken = |name: &str| names.contains(name);
        let with = (tls, &secrets);
        let fleet = Fleet::find(server, with, settings.interval, room, is_taken).await?;
        if fleet.left_out > 0 {
            let (all, shown) = (fleet.connectors.len() + fleet.left_out, fleet.connectors.len());
            print_warning(&format!(
                "{server}: {all} instances match, of which the first {shown} are shown; choose fewer \
                 by instance=REGEX"
            ));
        }
        sources.extend(fleet.connectors.into_iter().map(|connector| (chosen, connector)));
    }
    Ok(sources)
}

/// What is asked of a source.
fn wish(settings: &Settings, chosen: &Chosen) -> Wish {
    Wish {
        interval: settings.interval,
        history: settings.history,
        reading: Reading {
            columns: chosen.columns.clone(),
            keep_lines: settings.form == Form::Raw,
        },
        follow: settings.follow,
    }
}

/// What TLS is spoken with, made once for all sources that have the same files.
#[derive(Default)]
struct TlsOfFiles(Vec<(TlsFiles, Tls)>);

impl TlsOfFiles {
    fn of(&mut self, files: &TlsFiles) -> &Tls {
        let made = self.0.iter().position(|(made, _)| made == files);
        let at = made.unwrap_or_else(|| {
            self.0.push((files.clone(), Tls::new(files.clone())));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}

/// Records `source` on the way to `events`, if the user wants that.
fn record(
    settings: &Settings,
    source: &Source,
    events: mpsc::Sender<Event>,
) -> anyhow::Result<mpsc::Sender<Event>> {
    let Some(path) = &settings.record else { return Ok(events) };
    let name = loadline_protocol::sanitize(&path.to_string_lossy()).into_owned();
    if let Source::Path(source) = source
        && path.canonicalize().is_ok_and(|path| source.canonicalize().is_ok_and(|it| it == path))
    {
        anyhow::bail!("{name} cannot be read and recorded to at once; give --record another file");
    }
    let file = link::open_recording(path).with_context(|| format!("cannot record to {name}"))?;
    Ok(link::recorded(file, name, Recorder::new(settings.count), events))
}

async fn show(
    settings: &Settings,
    bounds: Bounds,
    watched: Vec<Watched>,
    events: Events,
    handles: &[(watch::Sender<Option<Duration>>, Lender)],
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
    let look = app::Settings {
        window: settings.window,
        fullscreen: settings.fullscreen,
        zone: Zone::Local,
        theme: Theme {
            own: settings.colours,
            fill: settings.fill,
            ..Theme::detect(colour, settings.theme, |name| std::env::var(name).ok())
        },
    };
    let mut watched = watched.into_iter();
    let first = watched.next().context("there is no source")?;
    let mut app = App::new(first, look, Size::default(), clock.now())
        .beside(watched)
        .with(settings.keys.clone(), settings.thresholds.clone());
    // A view that ends later than now is live until then.
    if let Some(to) = bounds.to.filter(|to| *to < clock.now()) {
        app.view = View::Paused(to);
    }
    let mut screen = Screen::open(settings.mouse).context("cannot take over the terminal")?;
    let result = run::run(&mut screen, &mut app, events, clock, handles, stop).await;
    drop(screen);
    result.context("the terminal failed")
}

async fn write(
    settings: &Settings,
    bounds: Bounds,
    sources: Vec<String>,
    events: Events,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (form, count, zone) = (settings.form, settings.count, Zone::Local);
    let job = Job { form, count, bounds, sources, zone };
    let (out, errors) = (std::io::stdout(), std::io::stderr());
    // Between rows on a terminal it would be in the way.
    let is_seen = errors.is_terminal() && !out.is_terminal();
    let progress = Progress::new(is_seen.then_some(errors), print_warning);
    let summary = output::run(&job, events, tokio::io::stdout(), progress, stop).await?;
    let lines = |count, one: &str, more: &str| match count {
        0 => {}
        1 => print_warning(&format!("1 {one} skipped")),
        count => print_warning(&format!("{count} {more} skipped")),
    };
    lines(summary.skipped, "row", "rows");
    lines(summary.faults, "faulty line", "faulty lines");
    Ok(())
}

/// Resolves when somebody asks the program to end.
fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let watch = |kind| signal(kind).context("cannot watch for signals");
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
