//! Hostile servers, and the texts that the client shows for each.

use std::io;
use std::time::Duration;

use super::peer::HostilePeer;
use super::{INJECTED, INVISIBLE};

/// Hostile server.
pub(super) struct HostileServer {
    pub(super) name: &'static str,
    /// Texts that are on the screen at the same time at some point.
    pub(super) expected_texts: &'static [&'static str],
    /// Serves one connection, which closes at the end.
    pub(super) serve: fn(&mut HostilePeer) -> io::Result<()>,
}

const fn hostile_server(
    name: &'static str,
    expected_texts: &'static [&'static str],
    serve: fn(&mut HostilePeer) -> io::Result<()>,
) -> HostileServer {
    HostileServer { name, expected_texts, serve }
}

const HEADER: &str =
    "# loadline/1 run=0000000a host=web-1 interval=1000ms\n# columns time:s seq a b\n";

const DRIP_INTERVAL: Duration = Duration::from_millis(50);

/// Returns the timestamp and sequence number of a row: `7.000 7`.
fn stamp(number: u64) -> String {
    format!("{number}.000 {number}")
}

/// Returns 64 KiB of noise.
fn noise(number: u64) -> Vec<u8> {
    let mut state = number | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..64 * 1024).map(|_| next()).collect()
}

/// Sends a header, then a row every [`DRIP_INTERVAL`].
fn drip_rows(peer: &mut HostilePeer, header: &str, values: &str) -> io::Result<()> {
    peer.read_request()?;
    peer.send(header)?;
    peer.drip(DRIP_INTERVAL, |number| format!("{} {values}\n", stamp(number)))
}

/// Sends [`HEADER`], then lines as fast as the client reads.
fn flood_rows(peer: &mut HostilePeer, line: impl Fn(u64) -> String) -> io::Result<()> {
    peer.read_request()?;
    peer.send(HEADER)?;
    peer.flood(line)
}

/// Sends the greeting of another protocol, then waits.
fn greet(peer: &mut HostilePeer, greeting: &[u8]) -> io::Result<()> {
    peer.send(greeting)?;
    peer.hold_open()
}

pub(super) const HOSTILE_SERVERS: &[HostileServer] = &[
    // Few bytes.
    hostile_server(
        "silence",
        &["CONNECTING", "waiting for the first sample"],
        HostilePeer::hold_open,
    ),
    // The connection may end before the request is sent, or after.
    hostile_server("closed at once", &["CONNECTING", "retry in"], |_| Ok(())),
    hostile_server("reset at once", &["CONNECTING", "connection reset"], HostilePeer::reset),
    hostile_server(
        "closed after the request",
        &["closed by the server"],
        HostilePeer::read_request,
    ),
    hostile_server("a header without rows", &["STALE"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.hold_open()
    }),
    hostile_server("one row, then silence", &["STALE", "age"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}1.000 1 1 2\n# live\n"))?;
        peer.hold_open()
    }),
    hostile_server("half a line, then silence", &["STALE"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}1.000 1 1 2\n2.000 2 1"))?;
        peer.hold_open()
    }),
    hostile_server("a byte each 50 ms", &["CONNECTING", "waiting for the first sample"], |peer| {
        peer.drip(DRIP_INTERVAL, |number| if number % 500 == 0 { "\n" } else { "7" }.to_owned())
    }),
    hostile_server(
        "many connections that end after the header",
        &["closed by the server"],
        |peer| {
            peer.read_request()?;
            peer.send(HEADER)
        },
    ),
    hostile_server("many connections with one row each", &["closed by the server"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}{} 1 2\n", stamp(peer.number + 1)))
    }),
    // Other protocols.
    hostile_server(
        "a web server",
        &["CONNECTING", "a web server (HTTP) answered, not an agent"],
        |peer| {
            peer.read_request()?;
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        },
    ),
    hostile_server("an endless page", &["a web server (HTTP) answered"], |peer| {
        peer.flood(|number| format!("<html><p>{number} {INJECTED}</p>"))
    }),
    hostile_server("TLS, an alert", &["the server speaks TLS"], |peer| {
        peer.read_request()?;
        peer.send(b"\x15\x03\x01\x00\x02\x02\x46")
    }),
    hostile_server("TLS, a hello", &["the server speaks TLS"], |peer| {
        greet(peer, b"\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03\x00\x00\x00\x00")
    }),
    hostile_server("ssh", &["an ssh server answered"], |peer| {
        greet(peer, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    }),
    hostile_server("SMTP", &["a mail or file server (SMTP, FTP) answered"], |peer| {
        greet(peer, b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n")
    }),
    hostile_server("words", &["Received invalid data"], |peer| {
        greet(peer, format!("Welcome! {INJECTED} Log in, please:\n{INJECTED}\n").as_bytes())
    }),
    // Not lines of text.
    hostile_server("an endless line", &["faulty line"], |peer| {
        peer.pour(|_| vec![b'7'; 64 * 1024])
    }),
    hostile_server("noise", &["faulty line"], |peer| peer.pour(noise)),
    hostile_server("noise below a header", &["faulty line"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.pour(noise)
    }),
    hostile_server("zeros", &["faulty line"], |peer| peer.pour(|_| vec![0; 64 * 1024])),
    hostile_server("line ends", &["CONNECTING", "waiting"], |peer| {
        peer.pour(|_| vec![b'\n'; 64 * 1024])
    }),
    hostile_server("8-bit controls", &["faulty line"], |peer| {
        flood_rows(peer, |_| format!("{INJECTED} \u{9b}31337m \u{90}pwned\u{9c}"))
    }),
    hostile_server("8-bit controls that are not UTF-8", &["faulty line"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.pour(|_| b"\x9b31337m \x9d0;pwned\x9c\n\x901\x9c\n# \x9b6n\n".repeat(1000))
    }),
    // Control sequences in place of text.
    hostile_server("sequences in the host name", &["LOADING"], |peer| {
        let host = format!("web{INJECTED}{INVISIBLE}");
        let head =
            format!("# loadline/1 run=0000000a host=\"{host}\" os=\"{host}\" agent=\"{host}\"");
        drip_rows(peer, &format!("{head} interval=50ms\n# columns time:s seq a b\n"), "1 2")
    }),
    hostile_server("sequences in names and units", &["LOADING"], |peer| {
        let word = format!("cpu{INJECTED}{INVISIBLE}").replace(';', "");
        drip_rows(peer, &format!("{HEADER}# columns time:s seq {word}:%{word} b:{word}\n"), "1 2")
    }),
    hostile_server("sequences in notes and errors", &["CONNECTING", "]0;pwned"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}# {INJECTED}{INVISIBLE}\n# health x={INJECTED}\n"))?;
        peer.send(format!("# error \"{INJECTED}{INVISIBLE}\"\n"))
    }),
    hostile_server("sequences in rows", &["faulty line"], |peer| {
        flood_rows(peer, |number| match number % 3 {
            0 => format!("{} 1{INJECTED} 2", stamp(number)),
            1 => format!("{INJECTED}{INVISIBLE}"),
            _ => format!("{} 1 2", stamp(number)),
        })
    }),
    hostile_server("a pile of accents", &["LOADING"], |peer| {
        let word = "a\u{301}\u{323}".to_owned() + &"\u{336}\u{489}\u{20dd}".repeat(300);
        let head = format!("# loadline/1 run=0000000a host=\"{word}\" interval=50ms\n");
        drip_rows(peer, &format!("{head}# columns time:s seq {word}:{word} b\n"), "1 2")
    }),
    // Headers that are invalid or never end.
    hostile_server("an interval of zero", &["STALE"], |peer| {
        drip_rows(peer, &HEADER.replace("1000ms", "0ms"), "1 2")
    }),
    hostile_server("an interval of a century", &["LOADING"], |peer| {
        drip_rows(peer, &HEADER.replace("1000ms", "36500d"), "1 2")
    }),
    hostile_server("an interval of NaN", &["faulty line"], |peer| {
        drip_rows(peer, &HEADER.replace("1000ms", "nan"), "1 2")
    }),
    hostile_server("too many columns", &["faulty line"], |peer| {
        drip_rows(peer, &format!("{HEADER}# columns time:s seq {}\n", "a ".repeat(4097)), "1 2")
    }),
    hostile_server("a name of 8 KiB", &["LOADING"], |peer| {
        let name = "n".repeat(8000);
        drip_rows(peer, &format!("{HEADER}# columns time:s seq {name} b:%\n"), "1 2")
    }),
    hostile_server("a repeated name", &["faulty line"], |peer| {
        drip_rows(peer, &format!("{HEADER}# columns time:s seq a a\n"), "1 2")
    }),
    hostile_server("columns that change during the stream", &["LOADING"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.drip(DRIP_INTERVAL, |number| {
            let names = ["a b", "a", "a b c:% d", "cpu:% mem:%", "b a"][number as usize % 5];
            let values = "1 ".repeat(names.split(' ').count());
            format!("# columns time:s seq {names}\n{} {values}\n", stamp(number))
        })
    }),
    hostile_server("a thousand columns that change", &["STALE"], |peer| {
        peer.read_request()?;
        peer.flood(|number| {
            let names: Vec<_> = (0..1000).map(|column| format!("{:x}", column + number)).collect();
            let values = "1 ".repeat(1000);
            format!("# columns time:s seq {}\n{} {values}", names.join(" "), stamp(number))
        })
    }),
    hostile_server("a flood of headers", &["web"], |peer| {
        peer.read_request()?;
        peer.flood(|number| {
            let head = format!("# loadline/1 run={number:08x} host=web-{number} interval=1000ms");
            format!("{head}\n# columns time:s seq a b\n{} 1 2", stamp(number))
        })
    }),
    hostile_server("a flood of notes", &["LOADING"], |peer| {
        flood_rows(peer, |number| match number % 1000 {
            0 => format!("{} 1 2", stamp(number)),
            _ => format!("# note {number} {INJECTED}{INVISIBLE}"),
        })
    }),
    hostile_server("false notes", &["skipped"], |peer| {
        let most = u64::MAX;
        flood_rows(peer, |number| match number % 6 {
            0 => format!("# skipped from=0 to={most}"),
            1 => "# live".to_owned(),
            2 => format!("# skipped from={most} to=0"),
            3 => format!("# health cpu=1e308 rss={most} late={most} clients={most} missing=-1"),
            4 => "# skipped from=a to=".to_owned(),
            _ => format!("{} 1 2", stamp(number)),
        })
    }),
    hostile_server("rows after a bye", &["the agent stopped"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}{} 1 2\n# bye\n", stamp(peer.number + 1)))?;
        peer.flood(|number| format!("{} 1 2\n# bye", stamp(number)))
    }),
    // Rows that are invalid or never end.
    hostile_server("a flood of faulty lines", &["faulty line"], |peer| {
        flood_rows(peer, |number| format!("{number} x"))
    }),
    hostile_server("rows with a wrong number of values", &["faulty line"], |peer| {
        flood_rows(peer, |number| {
            format!("{} {}", stamp(number), "1 ".repeat(number as usize % 20))
        })
    }),
    hostile_server("a flood of plain rows", &["skipped"], |peer| {
        peer.flood(|_| "12.5 2400.0 43.1 0.52 0.44 0.40".to_owned())
    }),
    hostile_server("an endless history", &["LOADING"], |peer| {
        flood_rows(peer, |number| {
            format!("{}.{:03} {number} 1e300 -1e300", number / 1000, number % 1000)
        })
    }),
    hostile_server("the longest rows", &["LOADING"], |peer| {
        let names: Vec<_> = (0..2000).map(|column| format!("{column:x}")).collect();
        peer.read_request()?;
        peer.send(format!("{HEADER}# columns time:s seq {}\n", names.join(" ")))?;
        peer.flood(|number| format!("{} {}", stamp(number), "1 ".repeat(2000)))
    }),
    hostile_server("nothing but missing values", &["CPU"], |peer| {
        peer.flood(|_| "nan nan nan nan nan nan".to_owned())
    }),
    hostile_server("extreme numbers", &["LOADING", "faulty line"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.drip(Duration::from_millis(5), |number| {
            let values = [
                "1.7976931348623157e308 -1.7976931348623157e308",
                "5e-324 -5e-324",
                "2.2250738585072014e-308 -0",
                "nan nan",
                "inf 1",
                "1e999 -1e999",
                "0 1e-300",
                "-inf nan",
                "1 2",
            ][number as usize % 9];
            format!("{} {values}\n", stamp(number))
        })
    }),
    hostile_server("timestamps that jump back and forth", &["faulty line"], |peer| {
        flood_rows(peer, |number| match number % 2 {
            0 => format!("{number}.000 {number} 1 2"),
            _ => format!("253402300799.999 {number} 1 2"),
        })
    }),
    hostile_server("impossible timestamps", &["faulty line"], |peer| {
        flood_rows(peer, |number| {
            let time = [
                "0",
                "-1.5",
                "9223372036854775807",
                "99999999999999999999999999.0",
                "253402300800",
                "nan",
                "1e9",
                "-9223372036854775808.999",
            ][number as usize % 8];
            format!("{time} {number} 1 2")
        })
    }),
    hostile_server("timestamps in the year 9999", &["LIVE"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}# live\n"))?;
        peer.drip(DRIP_INTERVAL, |number| {
            format!("2534023007{:02}.000 {number} 1 2\n", number.min(99))
        })
    }),
    hostile_server("the first and the last possible timestamp", &["LIVE"], |peer| {
        peer.read_request()?;
        peer.send(format!("{HEADER}0.000 1 1 2\n253402300799.999 2 1 2\n# live\n"))?;
        peer.hold_open()
    }),
    hostile_server("sequence numbers that jump and repeat", &["LOADING"], |peer| {
        peer.read_request()?;
        peer.send(HEADER)?;
        peer.drip(Duration::from_millis(5), |number| {
            let seq = [1, 1, 5, 5, 4, 1 << 40, 3, u64::MAX - 1, 0][number as usize % 9];
            format!("{number}.000 {seq} 1 2\n{number}.500 18446744073709551616 1 2\n")
        })
    }),
    hostile_server("a resumed run with other rows", &["closed by the server"], |peer| {
        peer.read_request()?;
        let run = ["0000000a", "0000000b", "0000000a"][peer.number as usize % 3];
        peer.send(HEADER.replace("0000000a", run))?;
        for number in [100, 1, 50, 101, 2] {
            peer.send(format!("{} 1 2\n", stamp(number + peer.number)))?;
        }
        Ok(())
    }),
];
