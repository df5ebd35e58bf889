//! What a request is answered with.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};

use super::Metrics;
use super::form::Form;

/// What is written in each answer that is no page of metrics.
const PLAIN: &str = "text/plain; charset=utf-8";

const FRONT: &str = "loadline-agent\n\n/metrics  what this machine and the agent are doing, for \
                     Prometheus\n/healthz  whether samples are taken\n";

/// What all answers are.
pub(super) type Answer = Response<Full<Bytes>>;

/// The answer to a request. Of its body nothing is read: hyper closes the connection if it is long.
pub(super) async fn answer(metrics: &Metrics, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if !matches!(path, "/" | "/metrics" | "/healthz") {
        return plain(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n");
    }
    // For HEAD hyper leaves out the body.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/metrics" => page(metrics, asked(&request)).await,
        "/healthz" => match metrics.fault() {
            None => plain(StatusCode::OK, "ok\n"),
            Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        _ => plain(StatusCode::OK, FRONT),
    }
}

/// The form that the client asks for. There may be several headers, which are as good as one.
fn asked(request: &Request<Incoming>) -> Form {
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Form::asked(&accept.collect::<Vec<_>>().join(","))
}

async fn page(metrics: &Metrics, form: Form) -> Answer {
    if let Some(text) = metrics.text(form).await {
        return with_type(StatusCode::OK, form.content_type(), text);
    }
    let why = "the machine does not tell how it is\n";
    let mut refusal = plain(StatusCode::SERVICE_UNAVAILABLE, why);
    refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    refusal
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    with_type(status, PLAIN, text.into())
}

fn with_type(status: StatusCode, kind: &'static str, text: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
