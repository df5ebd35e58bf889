//! Cost of sending a line to thousands of clients, compared with a loop that only writes.
//!
//! ```text
//! cargo bench -p loadline-benches --bench fanout
//! ```
//!
//! An agent and a bare loop, each in a process of its own, write the same line to equally many
//! clients. They take turns, half a second apart. Most clients do not read meanwhile, so that
//! wake-ups do not disturb the measurement. A few watchers read and measure the delay of each line.
//! At the end all lines are read, and none may be missing. Linux only.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("agent") => linux::serve_by_the_agent(),
        Some("bare") => linux::serve_by_a_bare_loop(),
        Some("--bench") => linux::compare(10_000, 20),
        // A test only checks that the benchmark runs.
        _ => linux::compare(50, 2),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "prints figures, and the address of a server")]
#[expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]
mod linux {
    use std::fs;
    use std::future::pending;
    use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use loadline_agent::{
        Agent, AgentSettings, Listener, MachineFacts, PlaintextPolicy, ScriptedSource,
    };
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use socket2::SockRef;

    const INTERVAL: Duration = Duration::from_secs(1);

    /// Send buffer size of the agent.
    const SEND_BUFFER_BYTES: usize = 64 * 1024;

    /// Number of clients that read at once.
    const WATCHERS: usize = 20;

    /// Enough for any line that is sent here.
    const LINE_BYTES_MAX: usize = 128;

    /// Longer than the wait for a line.
    const READ_TIMEOUT: Duration = Duration::from_secs(10);

    /// Returns the values of sample `number`. The first is the number, the second the current time.
    fn values(number: u64) -> [f64; 6] {
        [number as f64, clock_ms(), 43.1, 0.52, 0.44, 0.4]
    }

    /// Returns the time in milliseconds modulo 10,000 s, to keep the line short.
    fn clock_ms() -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (now.as_micros() % 10_000_000_000) as f64 / 1000.0
    }

    pub(super) fn serve_by_the_agent() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let source = ScriptedSource::plain(|number, sample| sample.extend(values(number)));
            let (clients_max, clients_per_address_max) = (usize::MAX, usize::MAX);
            let settings =
                AgentSettings { clients_max, clients_per_address_max, ..AgentSettings::default() };
            let agent = Agent::start(source, MachineFacts::default(), settings).await;
            let address = "127.0.0.1:0".parse().unwrap();
            let bound = Listener::bind(&address, PlaintextPolicy::LoopbackOnly).await.unwrap();
            let listener = bound.listen().unwrap();
            println!("{}", listener.address());
            agent.run(vec![listener], pending()).await;
        });
        Ok(())
    }

    /// Reads two lines from standard input: the number of clients, then the signal to start.
    pub(super) fn serve_by_a_bare_loop() -> io::Result<()> {
        let line = |number| {
            let [first, time, rest @ ..] = values(number);
            format!(
                "{first:.1} {time:.1} {:.1} {:.2} {:.2} {:.2}\n",
                rest[0], rest[1], rest[2], rest[3]
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES)?;
        println!("{}", listener.local_addr()?);
        let mut commands = io::stdin().lines();
        let count: usize = commands.next().unwrap()?.parse().unwrap();
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let (mut client, _) = listener.accept()?;
            client.set_nodelay(true)?;
            client.write_all(line(1).as_bytes())?;
            clients.push(client);
        }
        commands.next().unwrap()?;
        let start = Instant::now();
        for number in 2.. {
            let line = line(number);
            for client in &mut clients {
                client.write_all(line.as_bytes())?;
            }
            thread::sleep((INTERVAL * (number as u32 - 1)).saturating_sub(start.elapsed()));
        }
        Ok(())
    }

    /// Server with its clients.
    struct FanoutServer {
        process: Child,
        address: SocketAddr,
        clients: Vec<FanoutClient>,
        watchers: Vec<JoinHandle<WatcherLog>>,
        /// Resident memory before the first client.
        empty_bytes: u64,
    }

    struct FanoutClient {
        stream: TcpStream,
        received: Vec<u8>,
    }

    /// Lines of a client that reads at once, with the delay of each.
    struct WatcherLog {
        received: Vec<u8>,
        late_ms: Vec<f64>,
    }

    impl FanoutServer {
        fn start(role: &str) -> io::Result<FanoutServer> {
            let mut process = Command::new(std::env::current_exe()?)
                .arg(role)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut address = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut address)?;
            let address = address.trim().parse().map_err(io::Error::other)?;
            let (clients, watchers) = (Vec::new(), Vec::new());
            let mut server = FanoutServer { process, address, clients, watchers, empty_bytes: 0 };
            server.empty_bytes = server.resident_bytes();
            Ok(server)
        }

        fn send_command(&mut self, command: &str) -> io::Result<()> {
            let commands = self.process.stdin.as_mut().unwrap();
            commands.write_all(format!("{command}\n").as_bytes())?;
            commands.flush()
        }

        /// Connects `count` clients, each after the previous one has its first line.
        fn connect_clients(&mut self, count: usize) -> io::Result<()> {
            for _ in 0..count {
                let mut stream = TcpStream::connect(self.address)?;
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                let mut first = [0; LINE_BYTES_MAX];
                let length = stream.read(&mut first)?;
                self.clients.push(FanoutClient { stream, received: first[..length].to_vec() });
            }
            Ok(())
        }

        /// Lets about [`WATCHERS`] clients read from now on, including the last one.
        fn start_watchers(&mut self) {
            let step = (self.clients.len() / WATCHERS).max(1);
            let mut index = self.clients.len();
            while index >= step {
                let client = self.clients.remove(index - 1);
                self.watchers.push(thread::spawn(move || client.watch()));
                index -= step;
            }
        }

        /// Returns the CPU time of all threads so far.
        fn cpu_ns(&self) -> u64 {
            let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
            let of_thread = |folder: io::Result<fs::DirEntry>| {
                let text = fs::read_to_string(folder.unwrap().path().join("schedstat")).unwrap();
                text.split(' ').next().unwrap().parse::<u64>().unwrap()
            };
            threads.map(of_thread).sum()
        }

        fn resident_bytes(&self) -> u64 {
            let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        }

        /// Kills the server. Must be called between two ticks.
        fn stop(&mut self) -> io::Result<()> {
            self.process.kill()?;
            self.process.wait()?;
            Ok(())
        }

        /// Reads the lines of all clients of a stopped server, and checks that none is missing.
        /// Returns the number of lines, and for each of the last `ticks` ticks the longest delay of
        /// a watcher.
        fn finish(mut self, ticks: usize) -> io::Result<Delivery> {
            let mut texts = Vec::new();
            let mut late_ms = vec![0.0_f64; ticks];
            for watcher in self.watchers.drain(..) {
                let log = watcher.join().unwrap();
                texts.push(log.received);
                for (latest, late) in late_ms.iter_mut().rev().zip(log.late_ms.iter().rev()) {
                    *latest = latest.max(*late);
                }
            }
            for mut client in self.clients.drain(..) {
                client.stream.read_to_end(&mut client.received)?;
                texts.push(client.received);
            }
            let newest = texts.iter().map(|text| numbers(text).last()).max().flatten();
            for text in &texts {
                let lines: Vec<u64> = numbers(text).collect();
                let is_whole = lines.is_sorted_by(|before, after| *after == before + 1);
                assert!(
                    is_whole && lines.last().copied() == newest,
                    "lines are missing: {lines:?}"
                );
            }
            Ok((texts.iter().map(|text| numbers(text).count()).sum(), late_ms))
        }
    }

    impl Drop for FanoutServer {
        fn drop(&mut self) {
            // An error only means that the process has ended.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    impl FanoutClient {
        fn watch(mut self) -> WatcherLog {
            let mut late_ms = Vec::new();
            let mut buffer = [0; LINE_BYTES_MAX];
            while let Ok(length @ 1..) = self.stream.read(&mut buffer) {
                let now_ms = clock_ms();
                let line = std::str::from_utf8(&buffer[..length]).unwrap();
                let time: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
                late_ms.push(now_ms - time);
                self.received.extend(line.as_bytes());
            }
            WatcherLog { received: self.received, late_ms }
        }
    }

    /// Returns the sample numbers in a text.
    fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| {
            let line = std::str::from_utf8(line).unwrap();
            assert!(line.ends_with('\n'), "truncated line: {line:?}");
            line.split('.').next().unwrap().parse().unwrap()
        })
    }

    /// Returns the clients for each of two servers: `clients`, or as many as the limit on open
    /// files permits.
    fn allowed_clients(clients: usize) -> usize {
        let wanted = 2 * clients as u64 + 200;
        let limit = getrlimit(Resource::Nofile);
        let raised =
            Rlimit { current: Some(wanted), maximum: limit.maximum.map(|most| most.max(wanted)) };
        let _ = setrlimit(Resource::Nofile, raised);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
            .and_then(|()| setrlimit(Resource::Nofile, raised));
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
        clients.min((allowed.saturating_sub(200) / 2) as usize)
    }

    /// Compares the CPU time of both servers for each line, over `ticks` ticks.
    pub(super) fn compare(clients: usize, ticks: usize) -> io::Result<()> {
        let clients = allowed_clients(clients);
        let (mut agent, mut bare) = (FanoutServer::start("agent")?, FanoutServer::start("bare")?);
        bare.send_command(&clients.to_string())?;
        bare.connect_clients(clients)?;
        agent.connect_clients(clients)?;
        bare.start_watchers();
        // The agent's next line marks its tick. The bare loop starts half an interval later. CPU
        // times are read midway between the two.
        let last = agent.clients.last_mut().unwrap();
        let mut line = [0; LINE_BYTES_MAX];
        let length = last.stream.read(&mut line)?;
        last.received.extend(&line[..length]);
        agent.start_watchers();
        thread::sleep(INTERVAL / 2);
        bare.send_command("start")?;
        thread::sleep(INTERVAL / 4 * 3);
        let start = Instant::now();
        let mut costs = Vec::new();
        let mut before = [agent.cpu_ns(), bare.cpu_ns()];
        for tick in 1..=ticks {
            thread::sleep((INTERVAL * tick as u32).saturating_sub(start.elapsed()));
            let after = [agent.cpu_ns(), bare.cpu_ns()];
            let us_per_line = |at: usize| (after[at] - before[at]) as f64 / clients as f64 / 1000.0;
            costs.push([us_per_line(0), us_per_line(1)]);
            before = after;
        }
        let bytes = [&agent, &bare].map(|server| {
            server.resident_bytes().saturating_sub(server.empty_bytes) / clients as u64
        });
        agent.stop()?;
        bare.stop()?;
        report(clients, &costs, bytes, &[agent.finish(ticks)?, bare.finish(ticks)?]);
        Ok(())
    }

    /// Number of delivered lines, and the longest delay in milliseconds of each tick.
    type Delivery = (usize, Vec<f64>);

    fn report(clients: usize, costs: &[[f64; 2]], bytes: [u64; 2], delivered: &[Delivery; 2]) {
        println!("{clients} clients, {} ticks, {INTERVAL:?} apart, in turns", costs.len());
        println!("                     agent   bare loop");
        let [agent, bare] = [0, 1].map(|at| median(costs.iter().map(|cost| cost[at])));
        println!("CPU per line      {agent:5.2} µs    {bare:5.2} µs");
        let ratios = || costs.iter().map(|[agent, bare]| agent / bare);
        let least = ratios().fold(f64::INFINITY, f64::min);
        let most = ratios().fold(0.0, f64::max);
        println!(
            "ratio             {:8.3}  (of single ticks: {least:.3} to {most:.3})",
            median(ratios())
        );
        println!("delay of the last client's line");
        let late = |label, of: &dyn Fn(&[f64]) -> f64| {
            let [agent, bare] = delivered.each_ref().map(|(_, late_ms)| of(late_ms));
            println!("  {label:15} {agent:5.1} ms    {bare:5.1} ms");
        };
        late("best tick", &|late_ms| late_ms.iter().copied().fold(f64::INFINITY, f64::min));
        late("median", &|late_ms| median(late_ms.iter().copied()));
        late("worst tick", &|late_ms| late_ms.iter().copied().fold(0.0, f64::max));
        println!("memory per client {:6} B     {:6} B", bytes[0], bytes[1]);
        println!("lines delivered   {:8}    {:8}, none missing", delivered[0].0, delivered[1].0);
    }

    fn median(values: impl Iterator<Item = f64>) -> f64 {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
