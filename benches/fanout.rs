//! What a line costs that thousands of clients get, beside a loop that does nothing but write.
//!
//! ```text
//! cargo bench -p loadline-benches --bench fanout
//! ```
//!
//! An agent and a bare loop, each in a process of its own, write the same line to as many clients,
//! by turns: one at the full second, the other half a second later. The clients do not read
//! meanwhile, so that nobody is woken by what is measured; a few of them do, spread over all, to
//! see when a line arrives. At the end all lines are read, and none may be missing. Linux only.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("agent") => linux::serve_by_the_agent(),
        Some("bare") => linux::serve_by_a_bare_loop(),
        Some("--bench") => linux::compare(10_000, 20),
        // As a test: it has to run, and what it says does not matter.
        _ => linux::compare(50, 2),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "figures for people; and where a server listens")]
#[expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
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

    /// As the agent has it.
    const SEND_BUFFER_BYTES: usize = 64 * 1024;

    /// The clients that read at once.
    const WATCHERS: usize = 20;

    /// Room for any line that is sent here.
    const LINE_BYTES_MAX: usize = 128;

    /// Longer than it takes until a line comes.
    const READ_TIMEOUT: Duration = Duration::from_secs(10);

    /// What is sent for the sample `number`: that, and when it was taken.
    fn values(number: u64) -> [f64; 6] {
        [number as f64, clock_ms(), 43.1, 0.52, 0.44, 0.4]
    }

    /// Milliseconds that are short enough for a line.
    fn clock_ms() -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (now.as_micros() % 10_000_000_000) as f64 / 1000.0
    }

    pub(super) fn serve_by_the_agent() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let source = ScriptedSource::plain(|number, sample| sample.extend(values(number)));
            let (clients_max, clients_of_address_max) = (usize::MAX, usize::MAX);
            let settings = AgentSettings {
                clients_max,
                clients_per_address_max: clients_of_address_max,
                ..AgentSettings::default()
            };
            let agent = Agent::start(source, MachineFacts::default(), settings).await;
            let address = "127.0.0.1:0".parse().unwrap();
            let bound = Listener::bind(&address, PlaintextPolicy::LoopbackOnly).await.unwrap();
            let listener = bound.listen().unwrap();
            println!("{}", listener.address());
            agent.run(vec![listener], pending()).await;
        });
        Ok(())
    }

    /// The first line of its input says how many clients will come, the second one when to start.
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
        let mut orders = io::stdin().lines();
        let count: usize = orders.next().unwrap()?.parse().unwrap();
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let (mut client, _) = listener.accept()?;
            client.set_nodelay(true)?;
            client.write_all(line(1).as_bytes())?;
            clients.push(client);
        }
        orders.next().unwrap()?;
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

    /// One of the two servers, with its clients.
    struct FanoutServer {
        process: Child,
        address: SocketAddr,
        clients: Vec<FanoutClient>,
        watchers: Vec<JoinHandle<WatcherLog>>,
        /// What it took when it had no client yet.
        empty_bytes: u64,
    }

    struct FanoutClient {
        stream: TcpStream,
        received: Vec<u8>,
    }

    /// What came to a client that reads at once, and how late each of its lines was.
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

        fn order(&mut self, order: &str) -> io::Result<()> {
            let orders = self.process.stdin.as_mut().unwrap();
            orders.write_all(format!("{order}\n").as_bytes())?;
            orders.flush()
        }

        /// Lets so many clients connect, each when the one before has its first line.
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

        /// Lets a few of the clients read from now on; the last one is among them.
        fn start_watchers(&mut self) {
            let step = (self.clients.len() / WATCHERS).max(1);
            let mut index = self.clients.len();
            while index >= step {
                let client = self.clients.remove(index - 1);
                self.watchers.push(thread::spawn(move || client.watch()));
                index -= step;
            }
        }

        /// The time on a core so far.
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

        /// Ends the server, which is to be between two ticks.
        fn stop(&mut self) -> io::Result<()> {
            self.process.kill()?;
            self.process.wait()?;
            Ok(())
        }

        /// Reads what the clients of a stopped server got, and checks that each got every line.
        /// Gives how many lines were delivered, and for each of the last so many ticks how late the
        /// line of the last watcher was.
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
            // An error only means that it has ended.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    impl FanoutClient {
        fn watch(mut self) -> WatcherLog {
            let mut late_ms = Vec::new();
            let mut room = [0; LINE_BYTES_MAX];
            while let Ok(length @ 1..) = self.stream.read(&mut room) {
                let now_ms = clock_ms();
                let line = std::str::from_utf8(&room[..length]).unwrap();
                let time: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
                late_ms.push(now_ms - time);
                self.received.extend(line.as_bytes());
            }
            WatcherLog { received: self.received, late_ms }
        }
    }

    /// The numbers of the samples in a text.
    fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| {
            let line = std::str::from_utf8(line).unwrap();
            assert!(line.ends_with('\n'), "a line that was cut: {line:?}");
            line.split('.').next().unwrap().parse().unwrap()
        })
    }

    /// So many clients for each of two servers, or as many as this process may have files for.
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

    /// What both servers take on a core for each line, over so many ticks.
    pub(super) fn compare(clients: usize, ticks: usize) -> io::Result<()> {
        let clients = allowed_clients(clients);
        let (mut agent, mut bare) = (FanoutServer::start("agent")?, FanoutServer::start("bare")?);
        bare.order(&clients.to_string())?;
        bare.connect_clients(clients)?;
        agent.connect_clients(clients)?;
        bare.start_watchers();
        // The next line of the agent says when its second is full; half of one later is the other's
        // turn, and in the middle between the two is the time to look at the clock.
        let last = agent.clients.last_mut().unwrap();
        let mut line = [0; LINE_BYTES_MAX];
        let length = last.stream.read(&mut line)?;
        last.received.extend(&line[..length]);
        agent.start_watchers();
        thread::sleep(INTERVAL / 2);
        bare.order("start")?;
        thread::sleep(INTERVAL / 4 * 3);
        let start = Instant::now();
        let mut costs = Vec::new();
        let mut before = [agent.cpu_ns(), bare.cpu_ns()];
        for tick in 1..=ticks {
            thread::sleep((INTERVAL * tick as u32).saturating_sub(start.elapsed()));
            let after = [agent.cpu_ns(), bare.cpu_ns()];
            let us_a_line = |at: usize| (after[at] - before[at]) as f64 / clients as f64 / 1000.0;
            costs.push([us_a_line(0), us_a_line(1)]);
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

    /// A server's lines that were delivered, and for each tick how late the last client was.
    type Delivery = (usize, Vec<f64>);

    fn report(clients: usize, costs: &[[f64; 2]], bytes: [u64; 2], delivered: &[Delivery; 2]) {
        println!("{clients} clients, {} ticks, {INTERVAL:?} apart, by turns", costs.len());
        println!("                     agent   bare loop");
        let [agent, bare] = [0, 1].map(|at| median(costs.iter().map(|cost| cost[at])));
        println!("CPU a line        {agent:5.2} µs    {bare:5.2} µs");
        let ratios = || costs.iter().map(|[agent, bare]| agent / bare);
        let least = ratios().fold(f64::INFINITY, f64::min);
        let most = ratios().fold(0.0, f64::max);
        println!(
            "ratio             {:8.3}  (of single ticks: {least:.3} to {most:.3})",
            median(ratios())
        );
        println!("the last client's line, after its sample");
        let late = |label, of: &dyn Fn(&[f64]) -> f64| {
            let [agent, bare] = delivered.each_ref().map(|(_, late_ms)| of(late_ms));
            println!("  {label:15} {agent:5.1} ms    {bare:5.1} ms");
        };
        late("best tick", &|late_ms| late_ms.iter().copied().fold(f64::INFINITY, f64::min));
        late("median", &|late_ms| median(late_ms.iter().copied()));
        late("worst tick", &|late_ms| late_ms.iter().copied().fold(0.0, f64::max));
        println!("resident a client {:6} B     {:6} B", bytes[0], bytes[1]);
        println!("lines delivered   {:8}    {:8}, none missing", delivered[0].0, delivered[1].0);
    }

    fn median(values: impl Iterator<Item = f64>) -> f64 {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
