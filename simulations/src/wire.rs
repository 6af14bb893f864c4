//! HTTP/1.1 over a bounded set of kept connections, and nothing else: a general client costs more
//! for each call than the platform may take on the cores that both share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use url::{Position, Url};

/// Connections to one address that a [`Web`] keeps at most.
const CONNECTIONS: u16 = 512;

/// A connection that waits for its next request.
type Idle = SendRequest<Full<Bytes>>;

/// The way to one address.
pub struct Wire {
    authority: String,
    host: HeaderValue,
    patience: Duration,
    free: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

/// An answer, read to its last byte.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// No answer that could be used; the request may have been carried out all the same.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// No connection.
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The answer did not come in time.
    #[error("no answer in time")]
    Late,
}

impl Wire {
    /// A way to the address of a URL, over so many connections at most; `patience` bounds each
    /// call, the wait for a free connection included.
    pub fn new(base: &Url, connections: u16, patience: Duration) -> anyhow::Result<Self> {
        anyhow::ensure!(base.scheme() == "http", "{base}: only http is spoken here");
        let host = base.host_str().context("an address without a host")?;
        let authority = format!("{host}:{}", base.port_or_known_default().unwrap_or(80));
        Ok(Self {
            host: HeaderValue::from_str(&authority)?,
            authority,
            patience,
            free: Semaphore::new(connections.into()),
            idle: Mutex::default(),
        })
    }

    /// Sends a request, and waits for the whole of its answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Lost> {
        tokio::time::timeout(self.patience, self.exchange(request)).await.map_err(|_| Lost::Late)?
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Reply, Lost> {
        request.headers_mut().insert(HOST, self.host.clone());
        // The semaphore is never closed.
        let _free = self.free.acquire().await;
        let (connection, answer) = loop {
            let mut connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(answer) => break (connection, answer),
                // The other side closed it while it was idle: nothing was sent.
                Err(mut unsent) => match unsent.take_message() {
                    Some(again) => request = again,
                    None => return Err(unsent.into_error().into()),
                },
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        // Only a connection whose answer was read to its end can take another request.
        self.idle.lock().push(connection);
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// An idle connection that is still open, or a new one.
    async fn connection(&self) -> Result<Idle, Lost> {
        loop {
            let kept = self.idle.lock().pop();
            let Some(mut kept) = kept else { break };
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let stream = TcpStream::connect(&self.authority).await.map_err(Lost::Unreachable)?;
        // Small requests must not wait for each other's acknowledgements.
        stream.set_nodelay(true).map_err(Lost::Unreachable)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Whoever waits for an answer on it hears of its end, too.
            let _ = driver.await;
        });
        Ok(connection)
    }
}

/// Ways to every address that is spoken to. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Web {
    wires: Arc<Mutex<HashMap<String, Arc<Wire>>>>,
    patience: Duration,
}

impl Web {
    /// No connections yet; `patience` bounds each call.
    pub fn new(patience: Duration) -> Self {
        Self { wires: Arc::default(), patience }
    }

    /// Sends a request to a URL, and waits for the whole of its answer. Redirects are not followed.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> anyhow::Result<Reply> {
        let wire = {
            let mut wires = self.wires.lock();
            match wires.get(&url[..Position::BeforePath]) {
                Some(wire) => wire.clone(),
                None => {
                    let wire = Arc::new(Wire::new(url, CONNECTIONS, self.patience)?);
                    wires.insert(url[..Position::BeforePath].to_owned(), wire.clone());
                    wire
                }
            }
        };
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let mut request = Request::builder().method(method).uri(target).body(body.into())?;
        *request.headers_mut() = headers;
        Ok(wire.send(request).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::{get, post};

    use super::*;
    use crate::sandbox::wire::serve;

    fn request(method: &str, path: &str, body: &'static [u8]) -> Request<Full<Bytes>> {
        let body = Full::new(Bytes::from_static(body));
        Request::builder().method(method).uri(path).body(body).unwrap()
    }

    #[tokio::test]
    async fn no_more_connections_than_allowed_carry_all_requests() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        let echo = post(move |body: String| async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            body
        });
        let base = serve(0, Router::new().route("/echo", echo)).await.unwrap();
        let wire = Wire::new(&base.parse().unwrap(), 3, Duration::from_secs(10)).unwrap();
        let sent = (0..30).map(|_| wire.send(request("POST", "/echo", b"hello")));
        for reply in futures::future::join_all(sent).await {
            let reply = reply.unwrap();
            assert_eq!((reply.status, &reply.body[..]), (200, &b"hello"[..]));
        }
        assert_eq!(seen.load(Ordering::SeqCst), 3);
        assert_eq!(wire.idle.lock().len(), 3, "all are kept");
    }

    #[tokio::test]
    async fn a_late_answer_is_lost_and_its_connection_with_it() {
        let slow = get(|| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
        });
        let routes = Router::new().route("/slow", slow).route("/fast", get(|| async {}));
        let base = serve(0, routes).await.unwrap();
        let wire = Wire::new(&base.parse().unwrap(), 1, Duration::from_millis(100)).unwrap();
        let late = wire.send(request("GET", "/slow", b"")).await;
        assert!(matches!(late, Err(Lost::Late)), "{late:?}");
        assert_eq!(wire.send(request("GET", "/fast", b"")).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn nobody_there_is_told_as_such() {
        let wire =
            Wire::new(&"http://127.0.0.1:1".parse().unwrap(), 1, Duration::from_secs(5)).unwrap();
        let lost = wire.send(request("GET", "/", b"")).await;
        assert!(matches!(lost, Err(Lost::Unreachable(_))), "{lost:?}");
    }
}
