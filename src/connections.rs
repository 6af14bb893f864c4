//! Connections: accepts them, bounds how many there are, how long and large a request's head may
//! be, and how fast one address asks. All of that before anybody has looked at a request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{ServiceExt as _, service_fn};

use crate::pace::Pace;

/// How a proxy tells for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Pause after the system could not give a connection: it has run out of something.
const PAUSE: Duration = Duration::from_secs(1);
/// What a connection that has lived its time has left to answer what it was asked.
const FAREWELL: Duration = Duration::from_secs(30);

/// The limits of connections, by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Connections at a time; more wait in the system's queue.
    pub most: usize,
    /// Connections of one address at a time; one above it is closed at once.
    pub most_per_address: usize,
    /// Seconds that a request's head may take, and that a connection may idle.
    pub head_seconds: u64,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Seconds that a connection lives; then it is closed in good order.
    pub live_seconds: u64,
    /// Requests of one address in a second, whoever it says it is.
    pub address_requests_per_second: u32,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// What is known of a request's sender before anybody has looked at the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The limit of requests a second, where its address has gone beyond it.
    pub beyond: Option<u64>,
}

/// Holds back an address that asks too fast, for routes that have no way of their own to say so.
pub async fn hold_back(request: axum::extract::Request, next: Next) -> Response {
    match request.extensions().get::<Sender>().and_then(|sender| sender.beyond) {
        Some(limit) => {
            let said = format!("addressRequestsPerSecond: {limit}");
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], said).into_response()
        }
        None => next.run(request).await,
    }
}

/// What all connections share.
struct Gate {
    config: Config,
    pace: Pace<IpAddr>,
    opened: Instant,
}

impl Gate {
    fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> Sender {
        let network = network(address(peer, headers, &self.config.trusted_proxies));
        let now = i64::try_from(self.opened.elapsed().as_millis()).unwrap_or(i64::MAX);
        let within = self.pace.take(network, now);
        Sender { beyond: (!within).then(|| self.pace.per_second()) }
    }
}

/// Serves until `closed` resolves (or its sender is gone); then answers what was asked, and ends.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: Config,
    closed: impl Future<Output = ()>,
) -> io::Result<()> {
    let pace = Pace::new(config.address_requests_per_second);
    let gate = Arc::new(Gate { pace, config, opened: Instant::now() });
    let (closing, close) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut per_address: HashMap<IpAddr, usize> = HashMap::new();
    let mut closed = std::pin::pin!(closed);
    loop {
        let room = connections.len() < gate.config.most;
        tokio::select! {
            () = &mut closed => break,
            Some(ended) = connections.join_next() => {
                if let Ok(peer) = ended {
                    leave(&mut per_address, peer);
                }
            }
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    if !enter(&mut per_address, peer, &gate.config) {
                        tracing::debug!("too many connections of one address");
                        continue;
                    }
                    let (gate, router, close) = (gate.clone(), router.clone(), close.clone());
                    connections.spawn(async move {
                        // A handler's panic ends in the door's net; nothing else can panic here,
                        // so the address always comes back to be counted off.
                        converse(stream, peer, &gate, router, close).await;
                        peer
                    });
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop((listener, closing));
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Counts a connection in, where there is room for one of its address.
fn enter(per_address: &mut HashMap<IpAddr, usize>, peer: IpAddr, config: &Config) -> bool {
    let count = per_address.entry(network(peer)).or_default();
    if *count >= config.most_per_address && !config.trusted_proxies.contains(&peer) {
        return false;
    }
    *count += 1;
    true
}

fn leave(per_address: &mut HashMap<IpAddr, usize>, peer: IpAddr) {
    let network = network(peer);
    if let Some(count) = per_address.get_mut(&network) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            per_address.remove(&network);
        }
    }
}

/// One connection, from its first request to its end.
async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    gate: &Arc<Gate>,
    router: Router,
    mut close: watch::Receiver<()>,
) {
    let shared = gate.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let sender = shared.sender(peer, request.headers());
        request.extensions_mut().insert(sender);
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|no| match no {}))
        }
    });
    let config = &gate.config;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(config.head_seconds))
        .max_header_size(config.head_bytes)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Whatever went wrong went wrong on the wire, and is nobody's fault here.
        _ = connection.as_mut() => return,
        _ = close.changed() => {}
        () = tokio::time::sleep(Duration::from_secs(config.live_seconds)) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FAREWELL, connection).await;
}

/// Errors of one connection that never came to be; others are ours.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The address that a request comes from. A proxy that is trusted says for whom it asks; what
/// others say of themselves is not heard. Of several proxies in a row the last one not trusted
/// counts.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    let hops = hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok());
    let mut hops = hops.map(|hop| hop.to_canonical());
    hops.find(|hop| !trusted.contains(hop)).unwrap_or(peer)
}

/// What one sender has of addresses: of IPv6 a /64, which every subscriber gets whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_a_trusted_proxy_is_heard_and_only_as_far_as_it_is_trusted() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = [ip("10.0.0.1"), ip("10.0.0.2")];
        let table: [(&str, &[&str], &str); 9] = [
            ("203.0.113.9", &["198.51.100.7"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client wrote stands before what the proxy added.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
        ];
        for (peer, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
            }
            assert_eq!(address(ip(peer), &headers, &trusted), ip(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_sender() {
        let ip = |text: &str| network(text.parse().unwrap());
        assert_eq!(ip("2001:db8:1:2:3:4:5:6"), ip("2001:db8:1:2::1"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_ne!(ip("198.51.100.7"), ip("198.51.100.8"));
        assert_eq!(ip("::ffff:198.51.100.7"), ip("198.51.100.7"));
    }
}
