//! HTTP/1.1 client of a Prometheus server: one connection, opened on demand.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::response::{self, Failure, Series};
use crate::link::{Connector, TerminalAccess, classify_error};
use crate::source::{Prometheus, Secret};

/// Longest accepted response. The hub limits its queries so that their responses are shorter.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Timeout of a query: the connection, if one has to be made, and the whole response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a response's headers.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Maximum number of headers in a response.
const HEADERS_MAX: usize = 100;

/// Credentials from outside the address.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// Password of a user whose address has none.
    pub(crate) password: Option<Secret>,
    /// Bearer token for servers whose address has no user.
    pub(crate) token: Option<Secret>,
}

pub(super) struct HttpClient {
    connector: Connector,
    authority: String,
    prefix: String,
    authorization: Option<HeaderValue>,
    /// Words of the authorization, which no error may contain.
    secrets: Vec<Secret>,
    /// Idle connection, if any.
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl HttpClient {
    pub(super) fn new(server: &Prometheus, secrets: &Secrets, connector: Connector) -> HttpClient {
        HttpClient {
            connector,
            authority: server.address.to_string(),
            prefix: server.prefix.clone(),
            authorization: authorization(server, secrets),
            secrets: secret_words(server, secrets),
            sender: None,
        }
    }

    /// Sends a query and returns the whole response. After a failure the next call reconnects.
    pub(super) async fn post(
        &mut self,
        endpoint: &str,
        form: &[(&str, &str)],
    ) -> Result<Bytes, Failure> {
        let result = timeout(RESPONSE_TIMEOUT, self.try_post(endpoint, form)).await;
        let answer = result.unwrap_or_else(|_| Err(Failure::new("timed out")));
        match answer {
            Ok(_) => self.connector.keep_address(),
            Err(_) => self.sender = None,
        }
        answer.map_err(|failure| failure.without(&self.secrets))
    }

    /// Parses a response of the server. A failure does not repeat the credentials.
    pub(super) fn parse<'a>(&self, bytes: &'a [u8]) -> Result<Vec<Series<'a>>, Failure> {
        response::parse(bytes).map_err(|failure| failure.without(&self.secrets))
    }

    async fn try_post(&mut self, endpoint: &str, form: &[(&str, &str)]) -> Result<Bytes, Failure> {
        let body: Bytes =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into();
        let path = format!("{}/api/v1/{endpoint}", self.prefix);
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
            // A server may close an idle connection while the request is sent: then reconnect.
            && let Ok(response) = self.send(sender, &path, body.clone()).await
        {
            return read_body(response, &path).await;
        }
        let sender = self.connect().await?;
        let response = self.send(sender, &path, body).await;
        read_body(response.map_err(|error| describe_error(&error))?, &path).await
    }

    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = self.connector.connect(TerminalAccess::Taken).await;
        let stream = stream.map_err(|error| {
            // The hint of a TLS error is meant for the address of an agent.
            let reason = classify_error(&error).reason.to_string();
            Failure::new(&reason.replace("remove tls://", "use prom+http://"))
        })?;
        let made = http1::Builder::new()
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = made.map_err(|error| describe_error(&error))?;
        // The task ends when the sender is dropped. The requests report its errors.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn send(
        &mut self,
        mut sender: SendRequest<Full<Bytes>>,
        path: &str,
        body: Bytes,
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        // An invalid path becomes `/`, and the server reports the error.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.authority) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("loadline/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(credentials) = &self.authorization {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        let response = sender.send_request(request).await?;
        self.sender = Some(sender);
        Ok(response)
    }
}

/// Shortest secret that is looked for in errors, in bytes. A shorter one would be found in other words.
const SECRET_BYTES_MIN: usize = 4;

/// Returns the credentials with their method. A user in the address takes precedence over a token.
fn credentials(server: &Prometheus, secrets: &Secrets) -> Option<(&'static str, Secret)> {
    let Some(user) = &server.user else { return Some(("Bearer", secrets.token.clone()?)) };
    let password = server.password.as_ref().or(secrets.password.as_ref());
    let pair = format!("{user}:{}", password.map_or("", Secret::reveal));
    Some(("Basic", Secret::new(BASE64_STANDARD.encode(pair))))
}

/// Returns the header with the credentials.
fn authorization(server: &Prometheus, secrets: &Secrets) -> Option<HeaderValue> {
    let (method, secret) = credentials(server, secrets)?;
    let mut value = HeaderValue::from_str(&format!("{method} {}", secret.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn secret_words(server: &Prometheus, secrets: &Secrets) -> Vec<Secret> {
    let encoded = credentials(server, secrets).map(|(_, secret)| secret);
    let words = [server.password.clone(), secrets.password.clone(), secrets.token.clone(), encoded];
    let is_long = |secret: &Secret| secret.reveal().len() >= SECRET_BYTES_MIN;
    words.into_iter().flatten().filter(is_long).collect()
}

/// Returns the body of a successful response; other responses become errors.
async fn read_body(response: Response<Incoming>, path: &str) -> Result<Bytes, Failure> {
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get(LOCATION);
        let to = to.map_or("another address".into(), |to| String::from_utf8_lossy(to.as_bytes()));
        return Err(Failure::new(&format!("redirected to {to}; use that address")));
    }
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let mib = RESPONSE_BYTES_MAX / (1024 * 1024);
            return Err(Failure::new(&format!("the response exceeds {mib} MiB")));
        }
        Err(error) => {
            let of_hyper = error.downcast_ref::<hyper::Error>();
            return Err(of_hyper.map_or_else(|| Failure::new(&error.to_string()), describe_error));
        }
    };
    if status.is_success() {
        return Ok(body);
    }
    Err(Failure::new(&match status {
        StatusCode::UNAUTHORIZED => {
            "authentication required (401); put a user into the address and set \
             LOADLINE_PROM_PASSWORD, or set LOADLINE_PROM_TOKEN"
                .to_owned()
        }
        StatusCode::FORBIDDEN => "access denied (403)".to_owned(),
        StatusCode::NOT_FOUND => {
            format!("{path} not found (404); add the server's path prefix to the address")
        }
        // Prometheus explains why it rejects a query, a proxy does not.
        status => response::error_message(&body)
            .unwrap_or_else(|| format!("the server returned {status}")),
    }))
}

fn describe_error(error: &hyper::Error) -> Failure {
    let reason = if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "closed by the server"
    } else if error.is_parse() {
        "not an HTTP server; check the port"
    } else {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        // A transport error is described as by the other transports.
        &cause.map_or_else(|| error.to_string(), |it| classify_error(it).reason.to_string())
    };
    Failure::new(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn a_token_is_for_a_server_whose_address_has_no_user() {
        let secret = |word: &str| Some(Secret::new(word.to_owned()));
        let secrets = Secrets { password: secret("from outside"), token: secret("t0ken") };
        let of = |address: &str, secrets: &Secrets| match address.parse() {
            Ok(Source::Prometheus(server)) => authorization(&server, secrets)
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            other => panic!("{other:?}"),
        };
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert_eq!(of("prom+http://a/", &secrets), "Bearer t0ken");
        assert_eq!(of("prom+http://me@a/", &secrets), basic("me:from outside"));
        assert_eq!(of("prom+http://me:typed@a/", &secrets), basic("me:typed"));
        assert_eq!(of("prom+http://a/", &Secrets::default()), "");
    }
}
