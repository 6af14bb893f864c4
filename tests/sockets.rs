//! Connections that no honest client makes: silent, slow, endless, too many, too fast. Each is
//! ended or refused as documented, and the others are served meanwhile.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{Server, client};

/// Far more than any limit that is set below: what takes longer has no limit.
const PATIENCE: Duration = Duration::from_secs(30);

const SETTINGS: &str = "[connections]\nhead_seconds = 1\nhead_bytes = 8192\nmost_per_address = 8\n\
                        [http]\nbody_seconds = 1\nbody_bytes = 65536\n";

async fn server(folder: &tempfile::TempDir, more: &str) -> Server {
    let settings = |address: &str| format!("listen = \"{address}\"\n{more}");
    Server::start(folder.path(), settings).await.unwrap()
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap()
}

/// Everything that comes until the other side ends the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end, too.
    let _ = read.expect("the connection is never ended");
    String::from_utf8(bytes).unwrap()
}

async fn send(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server).await;
    // The other side may have said no and gone before it has read everything.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// Status and body of an answer.
fn read(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    (status.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}

async fn lives(server: &Server) {
    let answer = client().get(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_endless_connections_are_ended_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, SETTINGS).await;

    // Silent from the beginning; silent within its head; silent after an answer.
    let begun = b"POST /api/v1/Z101 HTTP/1.1\r\nhost: x\r\nx-app-id: ";
    let answered = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for bytes in [&b""[..], &begun[..], &answered[..]] {
        let mut stream = connect(&server).await;
        stream.write_all(bytes).await.unwrap();
        lives(&server).await;
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.contains("200 OK"), "{answer}");
    }

    // A head that comes drop by drop: each drop must not buy more time.
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut drops = 0;
    let dripping = async {
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            drops += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let dripped = tokio::time::timeout(PATIENCE, dripping).await;
    assert!(dripped.is_ok(), "{drops} drops, and still open");

    // A body that never comes whole is refused with its limit, and nothing waits for it.
    let head = b"POST /api/v1/Z101 HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    let (status, body) = read(&send(&server, head).await);
    assert_eq!((status, body["code"].as_str()), (400, Some("40001")), "{body}");

    // Lengths that contradict each other, and none at all.
    let two = b"POST /api/v1/Z101 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\
                content-length: 2\r\n\r\n{}";
    assert_eq!(read(&send(&server, two).await).0, 400);
    let both = b"POST /api/v1/Z101 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\
                 transfer-encoding: gzip\r\n\r\n{}";
    assert_eq!(read(&send(&server, both).await).0, 400);
    let huge = b"POST /api/v1/Z101 HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    let (status, body) = read(&send(&server, &[&huge[..], &[b' '; 70_000]].concat()).await);
    // Who is still sending may find the connection gone before it has read the answer.
    assert!([0, 413].contains(&status), "{status} {body}");
    lives(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_bounded_in_size_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, SETTINGS).await;
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(9000));
    assert_eq!(read(&send(&server, long.as_bytes()).await).0, 431);
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert_eq!(read(&send(&server, many.as_bytes()).await).0, 431);
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(9000));
    let (status, _) = read(&send(&server, target.as_bytes()).await);
    assert!([414, 431].contains(&status), "{status}");
    for nonsense in [&b"\0\x01\x02\r\n\r\n"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        assert_eq!(read(&send(&server, nonsense).await).0, 400, "{nonsense:?}");
    }
    lives(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_so_many_connections_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SETTINGS.replace("head_seconds = 1", "head_seconds = 60");
    let server = server(&folder, &settings).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // Each round leaves one more connection open, until one more is closed without an answer. The
    // harness asked whether the server is ready: its connections may still count, or not any more.
    let mut held = Vec::new();
    while !send(&server, ask).await.is_empty() {
        held.push(connect(&server).await);
        assert!(held.len() <= 16, "16 connections of one address are held, and another is served");
    }
    // Once others have gone there is room again.
    held.clear();
    let served = async {
        while !send(&server, ask).await.contains("200 OK") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, served).await.is_ok(), "no room after all have gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_after_its_time_however_busy_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "[connections]\nlive_seconds = 1\n").await;
    let mut stream = connect(&server).await;
    let asking = async {
        let mut answer = [0; 4096];
        loop {
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
            if asked.is_err() || stream.read(&mut answer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "it goes on for ever");
    lives(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_asks_too_fast_is_told_its_limit_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let slow = "[connections]\naddress_requests_per_second = 1\ntrusted_proxies = []\n";
    let mut server = server(&folder, slow).await;
    assert!(refused(&server, None).await, "two requests a second from one address");
    // What a stranger says of itself is not heard.
    assert!(refused(&server, Some("198.51.100.7")).await);

    // Behind a proxy that is trusted everybody has an own pace.
    server.stop().await.unwrap();
    let config = folder.path().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[]", "[\"127.0.0.1\"]")).unwrap();
    server.start_again().await.unwrap();
    assert!(refused(&server, Some("198.51.100.7")).await);
    let other = asked(&server, "/api/v1/Z101", Some("198.51.100.8")).await;
    assert_eq!(other.status().as_u16(), 401, "another one is not held back");
}

async fn asked(server: &Server, path: &str, forwarded: Option<&str>) -> reqwest::Response {
    let mut request = client().post(format!("{}{path}", server.url));
    if let Some(address) = forwarded {
        request = request.header("x-forwarded-for", address);
    }
    request.send().await.unwrap()
}

/// Asks until the pace is refused, at the door, at a page and at the docs: with one a second that
/// takes two requests on any machine that answers within a second, and a few more on a slow one.
async fn refused(server: &Server, forwarded: Option<&str>) -> bool {
    let mut seen = [false; 3];
    for _ in 0..200 {
        for (place, path) in [(0, "/api/v1/Z101"), (1, "/h5/open"), (2, "/docs")] {
            let answer = asked(server, path, forwarded).await;
            if answer.status().as_u16() != 429 {
                continue;
            }
            assert_eq!(answer.headers()["retry-after"], "1");
            let text = answer.text().await.unwrap();
            if place == 0 {
                let body: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(body["code"], "42901", "{body}");
                assert_eq!(body["detail"], "addressRequestsPerSecond: 1", "{body}");
            } else if place == 1 {
                assert!(text.contains("42901") && text.contains("<html"), "{text}");
            } else {
                assert_eq!(text, "addressRequestsPerSecond: 1");
            }
            seen[place] = true;
        }
        if seen == [true; 3] {
            return true;
        }
    }
    false
}
