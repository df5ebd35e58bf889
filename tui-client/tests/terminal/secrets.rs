//! Passwords and tokens are in no output: neither in errors, nor on the screen, nor in recordings.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::program::loadline;
use crate::stage::PtyTerminal;

/// Word that no output may contain. Its parts show that it was not cut.
const SECRET: &str = "Hunter2";

const SECRET_PARTS: [&str; 3] = [SECRET, "Hunt", "nter2"];

fn assert_no_secret(text: &str, of: &str) {
    for part in SECRET_PARTS {
        assert!(!text.contains(part), "{of}: {text}");
    }
}

/// Returns everything that the program writes, after it was run with secrets in its environment.
fn run(args: &[&str], of: &str) -> String {
    let mut command = loadline(args);
    command.env("LOADLINE_PROM_PASSWORD", SECRET).env("LOADLINE_PROM_TOKEN", SECRET);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let text = text.concat();
    assert!(text.contains("error: "), "{of}: no error: {text}");
    assert_no_secret(&text, of);
    text
}

#[test]
fn an_error_about_a_source_has_no_password() {
    for source in [
        "prom+http://me:Hunter2@:9090/",
        "prom+http://me:Hunter2@a:0/",
        "prom+http://me:Hun@ter2@a b/",
        "prom+http://me:Hunter2/x@a:9090/",
        "prom+http://me:Hunter2?x@a:9090/",
        "prom+http://me:12/Hunter2@a:9090/",
        "prom+http://me:12?Hunter2@a:9090/",
        "prom+http://me:Hunter2 x@a:port/",
        "prom+http://me:Hunter2@a/?token=Hunter2",
        "prom+http://me:Hunter2@127.0.0.1:1/",
        "prom+https://me:Hunter2@127.0.0.1:1/",
        "promhttp://me:Hunter2@a/",
        "http://me:Hunter2@a/",
        "https://:Hunter2@a/",
        "tcp://me:Hunter2@a",
        "tls://me:Hunter2@a:1",
        "ssh://me:Hunter2@a",
        "ssh://me:Hunter2@a:22",
        "me:Hunter2@a",
        "me:Hunter2@a/x",
        "me:Hunter2@[::1]",
        "@me:Hunter2@a",
        "unix:me:Hunter2@\u{1}",
        "file:me:Hunter2@a",
    ] {
        for args in [&[source, "-o", "csv"][..], &[source, "--check"], &["web-1", source, source]] {
            run(args, source);
        }
    }
}

#[test]
fn an_error_about_options_has_no_password() {
    let address = "prom+http://me:Hunter2 x@a/";
    for args in [
        &["--prom-password", "Hunter2", "web-1"][..],
        &["--token=Hunter2"],
        &["--interval", address],
        &["-i=prom+http://me:Hunter2@a/"],
        &["--config", "/nowhere/me:Hunter2@a"],
        &["--ssh", "sshpass -p 'Hunter2 ssh"],
        &["--ssh", "plink -pw 'Hunter2"],
        &["--agent-command", "env API_TOKEN='Hunter2"],
        &["me@a", "-o", "csv", "--ssh", "false", "--agent-command", "env API_TOKEN=Hunter2 agent"],
        &[
            "me@a",
            "-o",
            "csv",
            "--ssh",
            "sh -c 'exit 127'",
            "--agent-command",
            "PASSWORD=Hunter2 agent",
        ],
        &["me@a", "-o", "csv", "--ssh", "sshpass-is-missing -p Hunter2 ssh"],
    ] {
        run(args, &args.join(" "));
    }
}

#[test]
fn an_error_in_the_configuration_has_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let config = path.to_str().unwrap();
    for text in [
        // Unknown options, and values of a wrong type.
        "[options]\npassword = \"Hunter2\"\n",
        "[options]\nprom-token = [\"Hunter2\"]\n",
        "password = \"Hunter2\"\n",
        "\"pass word\".password = 'Hunter2'\n",
        "[sources]\na = { source = \"web-1\", password = \"Hunter2\" }\n",
        "[sources]\na = { password = \"Hunter2\", source = 1 }\n",
        "[sources.a]\nsource = \"web-1\"\npassword = \"Hunter2\"\n",
        "[prometheus]\ntoken = \"Hunter2\"\n",
        "[sources]\na = \"prom+http://me:Hunter2@:9090/\"\n",
        "[sources]\na = \"me:Hunter2@web-1\"\n",
        "[sources]\n\"prom+http://me:Hunter2@a/\" = \"web-1\"\n",
        "[groups]\na = [\"prom+http://me:Hunter2@a:0/\"]\n",
        "[groups]\na = [\"@me:Hunter2@a\"]\n",
        "[options]\nssh = \"sshpass -p 'Hunter2 ssh\"\n",
        "[options]\nagent-command = \"env TOKEN='Hunter2\"\n",
        "[options]\ntls-ca = 1 # password = Hunter2\n",
        // Faulty TOML.
        "[options]\npassword = Hunter2\n",
        "[options]\npassword = \"Hunter2\nwindow = \"5m\"\n",
        "[options]\npassword Hunter2\n",
        "[options]\npassword = \"Hunter2\" x\n",
        "[options]\ntokens = [\n\"a\",\n\"Hunter2\" \"b\"\n]\n",
        "[options]\ntoken = \"\"\"\nHunter2=\n\"\"\" x\n",
        "[options]\nsecret = \"\"\"\nx = Hunter2 \\q\n\"\"\"\n",
        "[sources]\na = \"prom+http://me:Hunter2@a/\" x\n",
        "[sources]\na = prom+http://me:Hunter2@a/\n",
        // Other files by mistake.
        "a:5432:db:me:Hunter2\n",
        "machine a login me password Hunter2\n",
        "Hunter2\n",
        "PASSWORD=Hunter2\n",
        "export TOKEN='Hunter2'\n",
        "-----BEGIN PRIVATE KEY-----\nHunter2==\n",
        "{\"token\": \"Hunter2\"}\n",
        "password: Hunter2\n",
    ] {
        fs::write(&path, text).unwrap();
        let errors = run(&["a", "--config", config, "-o", "csv"], text);
        assert!(errors.contains("config.toml:") && errors.contains('^'), "{errors}");
    }
}

/// Starts a server that answers each request with `head` and a text that repeats the request's credentials.
fn serve_echo(head: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut request) = (client.unwrap(), [0; 4096]);
            let count = client.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let line =
                request.lines().find(|line| line.to_lowercase().starts_with("authorization"));
            let words = line.unwrap_or_default().replace('"', "");
            let body = format!("{{\"status\":\"error\",\"error\":\"no {words} Hunter2\"}}");
            let length = body.len();
            let head = head.replace("WORDS", &words);
            let _ = write!(client, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    address
}

#[test]
fn the_answer_of_a_server_is_shown_without_the_credentials() {
    for head in [
        "400 Bad Request",
        "422 Unprocessable",
        "302 Found\r\nLocation: http://me:Hunter2@a/WORDS",
        "200 OK",
        "401 Unauthorized",
    ] {
        let address = serve_echo(head);
        for source in
            [format!("prom+http://{address}/"), format!("prom+http://me:Hunter2@{address}/")]
        {
            let text = run(&[&source, "-o", "csv"], head);
            // The same in base64.
            assert!(!text.contains("SHVudGVyM") && !text.contains("bWU6SHVu"), "{text}");
        }
    }
}

#[test]
fn the_screen_has_no_password() {
    let address = serve_echo("400 Bad Request");
    let source = format!("prom+http://me:Hunter2@{address}/");
    let terminal = PtyTerminal::run_loadline(&[&source]);
    let (status, text) = terminal.wait_for_end();
    assert!(!status.success());
    assert_no_secret(&text, &source);
}
