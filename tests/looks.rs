//! Looks at the processes over real sockets: by requests of new and of old clients, from new and old
//! agents.

use std::net::SocketAddr;
use std::time::Duration;

use loadline::link::LinkOptions;
use loadline::output::OutputFormat;
use loadline_agent::{Clock, MachineFacts, ScriptedSource};
use loadline_protocol::{History, Look, Process, Time, Top};
use loadline_tests::{ClientOutput, LoopbackAgent, RawConnection, TcpProxy, collect_output};
use tokio::time::sleep;

const INTERVAL: Duration = Duration::from_millis(20);

/// Samples between two looks.
const LOOK_EVERY: u64 = 5;

/// Starts an agent with a look after every fifth sample, whose processes have the number of the sample in
/// their names.
async fn agent_with_looks() -> LoopbackAgent {
    let source = ScriptedSource::plain(|number, values| {
        values.extend([number as f64 / 10.0, 2400.0, 43.1, 0.52, 0.44, f64::NAN]);
    });
    let look = |number: u64, time: Time| {
        let process = |pid, name: &str| Process {
            pid,
            name: format!("{name} {number}").as_str().into(),
            cpu: Some(1.5),
            mem: 1 << 20,
            ..Process::default()
        };
        let top = Top { time, over: Some(0.1), ..Top::default() };
        let look = Look { top, processes: vec![process(1, "a"), process(2, "=b")] };
        number.is_multiple_of(LOOK_EVERY).then_some(look)
    };
    let source = source.with_looks(5, look);
    LoopbackAgent::start_with_source(source, MachineFacts::default(), Clock::system(), INTERVAL)
        .await
}

fn options(history: History, looks: bool) -> LinkOptions {
    LinkOptions { history, looks, ..LinkOptions::default() }
}

/// Returns the output of `count` looks or rows.
async fn output(
    address: SocketAddr,
    format: OutputFormat,
    options: LinkOptions,
    count: u64,
) -> ClientOutput {
    collect_output(address, format, options, Some(count), std::future::pending()).await
}

/// Returns the numbers of the looks in `-o top`, in order.
fn look_numbers(csv: &str) -> Vec<u64> {
    let lines = csv.lines().filter_map(|line| line.split(",2,'=b ").nth(1));
    lines.map(|rest| rest.split(',').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn processes_of_the_past_and_of_now_are_written_in_order() {
    let server = agent_with_looks().await;
    sleep(20 * INTERVAL).await;
    let written = output(server.address, OutputFormat::Top, options(History::All, true), 6).await;
    let lines: Vec<&str> = written.text.lines().collect();
    assert_eq!(lines[0], "timestamp,source,pid,name,user,unit,cpu,mem,io");
    assert!(lines[1].ends_with(",web-1,1,a 5,,,1.5,1048576,"), "{}", written.text);
    assert_eq!(look_numbers(&written.text), [5, 10, 15, 20, 25, 30]);
    assert_eq!(written.messages, [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn cuts_lose_and_repeat_no_look() {
    let server = agent_with_looks().await;
    let proxy = TcpProxy::start(server.address).await;
    let cuts = async {
        for _ in 0..8 {
            sleep(Duration::from_millis(700)).await;
            proxy.cut().await;
        }
        sleep(Duration::from_secs(1)).await;
    };
    let options = options(History::All, true);
    let written = collect_output(proxy.address, OutputFormat::Top, options, None, cuts).await;
    let numbers = look_numbers(&written.text);
    let all: Vec<u64> = (1..=numbers.len() as u64).map(|at| LOOK_EVERY * at).collect();
    assert_eq!(numbers, all);
    assert!(numbers.len() > 20, "{numbers:?}");
    assert_eq!(written.end.map(|summary| summary.faults), Ok(0));
    server.stop().await;
}

#[tokio::test]
async fn raw_has_each_look_before_its_row_and_only_if_asked() {
    let server = agent_with_looks().await;
    sleep(10 * INTERVAL).await;
    let raw = |looks| {
        let mut options = options(History::All, looks);
        options.read_options.keep_lines = true;
        output(server.address, OutputFormat::Raw, options, 8)
    };
    let text = raw(true).await.text;
    let lines: Vec<&str> = text.lines().collect();
    let top = lines.iter().position(|line| line.starts_with("# top ")).expect("a look");
    assert!(lines[top - 1].contains(" 5 0.5 "), "{text}");
    assert!(lines[top + 1].starts_with("# proc pid=1 name=\"a 5\" cpu=1.5 "), "{text}");
    assert!(lines[top + 3].contains(" 6 0.6 "), "{text}");
    assert!(!raw(false).await.text.contains("# top "));
    server.stop().await;
}

/// A client of before, which knows neither `top` nor looks, sends the same request as a new client that
/// needs none.
#[tokio::test]
async fn an_old_client_gets_no_look() {
    let server = agent_with_looks().await;
    let mut connection = RawConnection::connect(server.address).await;
    connection.send("loadline/1 history=all\n").await;
    let mut rows = 0;
    while rows < 20 {
        let line = connection.next_line().await.unwrap();
        assert!(!line.starts_with("# top") && !line.starts_with("# proc"), "{line}");
        rows += usize::from(!line.starts_with('#'));
    }
    server.stop().await;
}

/// Serves connections like an agent of before, which ignores `top` and says nothing of looks.
async fn old_agent() -> SocketAddr {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (reader, mut writer) = client.into_split();
            let mut request = String::new();
            BufReader::new(reader).read_line(&mut request).await.unwrap();
            assert!(request.starts_with("loadline/1 "), "{request}");
            let header = "# loadline/1 run=0000000a interval=1000ms agent=0.1.0 now=10.000\n\
                          # columns time:s seq cpu:%\n";
            let rows = "8.000 7 12.5\n9.000 8 13.5\n# live\n10.000 9 14.5\n";
            writer.write_all(format!("{header}{rows}").as_bytes()).await.unwrap();
            // The connection stays open.
            std::future::pending::<()>().await;
        }
    });
    address
}

#[tokio::test]
async fn an_old_agent_serves_a_new_client_as_before_and_has_no_processes() {
    let address = old_agent().await;
    let csv = output(address, OutputFormat::Csv, options(History::All, true), 3).await;
    let values: Vec<&str> = csv.text.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(values, ["cpu", "12.5", "13.5", "14.5"]);
    let top = output(old_agent().await, OutputFormat::Top, options(History::All, true), 1).await;
    let expected = "web-1: no processes: the agent is older, or runs with --top 0";
    assert_eq!(top.end.unwrap_err(), expected);
}
