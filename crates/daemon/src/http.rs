//! `/metrics`, `/live` and `/ready` for those who watch. Nothing else, and no password: keep it on
//! loopback or inside a network of your own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::listener::{BindError, Endpoint, Listener, SocketMode};

/// Connections at once: a few scrapers and health checks, each with a spare.
const CONNECTIONS_MAX: usize = 32;
/// Time for a request's head, and between two requests of a connection.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest life of a connection: one that reads its answer byte by byte does not stay.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(600);
/// Largest request head, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Wait after an accept that failed.
const BACK_OFF: Duration = Duration::from_millis(200);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Answer = Response<Full<Bytes>>;

/// What the paths answer.
pub struct Pages {
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Pages {
    /// `metrics` renders the numbers; `ready` says why work should go elsewhere, if it should.
    pub fn new(
        metrics: impl Fn() -> String + Send + Sync + 'static,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            metrics: Box::new(metrics),
            ready: Box::new(ready),
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Answer {
        let known = matches!(path, "/metrics" | "/live" | "/ready");
        if known && method != Method::GET && method != Method::HEAD {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/metrics" => {
                let mut answer = text(StatusCode::OK, (self.metrics)());
                answer.headers_mut().insert(CONTENT_TYPE, PROMETHEUS_TEXT);
                answer
            }
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" => match (self.ready)() {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /live and /ready\n"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

/// The small HTTP server.
#[derive(Debug)]
pub struct HttpServer {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Opens the port; inside a runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listener = Listener::bind(&Endpoint::Tcp(address), SocketMode::GROUP)?;
        listener
            .into_tokio_tcp(address)
            .map(|(listener, address)| Self { listener, address })
    }

    /// Where it listens, with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for ever; drop the future to stop. Connections are children of the current runtime.
    pub async fn serve(self, pages: Pages) -> Infallible {
        let pages = Arc::new(pages);
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept of the HTTP server failed");
                    tokio::time::sleep(BACK_OFF).await;
                    continue;
                }
            };
            // with no room the stream is closed here
            if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    let _place = place;
                    // a peer that misbehaves is its own loss
                    let _ = timeout(CONNECTION_LIFE_MAX, serve_connection(stream, pages)).await;
                });
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, pages: Arc<Pages>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = pages.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(ready: Arc<AtomicBool>) -> SocketAddr {
        let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.address();
        let is_ready = move || {
            if ready.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err("the proxy does not answer".to_owned())
            }
        };
        tokio::spawn(server.serve(Pages::new(|| "some_total 1\n".to_owned(), is_ready)));
        address
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_pages_answer() {
        let ready = Arc::new(AtomicBool::new(false));
        let address = start(Arc::clone(&ready)).await;
        let metrics = ask(address, "GET /metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(
            metrics.contains("version=0.0.4") && metrics.ends_with("some_total 1\n"),
            "{metrics}"
        );
        assert!(ask(address, "GET /live").await.ends_with("live\n"));
        let not_ready = ask(address, "GET /ready").await;
        assert!(not_ready.starts_with("HTTP/1.1 503 "), "{not_ready}");
        assert!(
            not_ready.ends_with("not ready: the proxy does not answer\n"),
            "{not_ready}"
        );
        ready.store(true, Ordering::SeqCst);
        assert!(ask(address, "GET /ready").await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn other_paths_are_404_and_other_methods_405() {
        let address = start(Arc::default()).await;
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404 "));
        let refused = ask(address, "DELETE /metrics").await;
        assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
        assert!(refused.to_lowercase().contains("allow: get, head"), "{refused}");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed() {
        let address = start(Arc::default()).await;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .unwrap();
            stream.read_u8().await.unwrap();
            held.push(stream);
        }
        let mut one_more = TcpStream::connect(address).await.unwrap();
        assert_eq!(one_more.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_head_that_is_no_http_is_refused() {
        let address = start(Arc::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&vec![b'x'; 4 * HEAD_BYTES_MAX]).await.unwrap();
        let mut answer = Vec::new();
        // the server may close before it has read all, which the client sees as a reset
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{answer:?}"
        );
    }
}
