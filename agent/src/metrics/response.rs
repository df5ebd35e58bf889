//! Responses to HTTP requests.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};

use super::Metrics;
use super::format::ExpositionFormat;

/// Content type of all pages but `/metrics`.
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

const INDEX_PAGE: &str = "loadline-agent\n\n/metrics  metrics of this machine and the agent, for \
                     Prometheus\n/healthz  200 if samples are taken in time, else 503\n";

pub(super) type MetricsResponse = Response<Full<Bytes>>;

/// Responds to a request. Ignores its body; hyper closes the connection after a long one.
pub(super) async fn respond(metrics: &Metrics, request: Request<Incoming>) -> MetricsResponse {
    // hyper omits the body for HEAD.
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/" | "/metrics" | "/healthz" if !is_read => {
            let why = "method not allowed, use GET or HEAD\n";
            with_header(text_response(StatusCode::METHOD_NOT_ALLOWED, why), ALLOW, "GET, HEAD")
        }
        "/" => text_response(StatusCode::OK, INDEX_PAGE),
        "/metrics" => metrics_response(metrics, requested_format(&request)).await,
        "/healthz" => match metrics.health_error() {
            None => text_response(StatusCode::OK, "ok\n"),
            Some(why) => text_response(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        _ => text_response(StatusCode::NOT_FOUND, "not found, try /metrics or /healthz\n"),
    }
}

/// Returns the format that the client prefers. Several `Accept` headers count as one list.
fn requested_format(request: &Request<Incoming>) -> ExpositionFormat {
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ExpositionFormat::negotiate(&accept.collect::<Vec<_>>().join(","))
}

async fn metrics_response(metrics: &Metrics, format: ExpositionFormat) -> MetricsResponse {
    if let Some(text) = metrics.scrape(format).await {
        return build_response(StatusCode::OK, format.content_type(), text);
    }
    let why = "reading the metrics takes too long, try again later\n";
    with_header(text_response(StatusCode::SERVICE_UNAVAILABLE, why), RETRY_AFTER, "10")
}

fn text_response(status: StatusCode, text: impl Into<Bytes>) -> MetricsResponse {
    build_response(status, PLAIN_TEXT, text.into())
}

fn build_response(status: StatusCode, kind: &'static str, text: Bytes) -> MetricsResponse {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    with_header(response, CONTENT_TYPE, kind)
}

fn with_header(
    mut response: MetricsResponse,
    name: HeaderName,
    value: &'static str,
) -> MetricsResponse {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
