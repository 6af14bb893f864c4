//! Calls out of the platform: one HTTP client with its limits, TLS set up once, and a guard that
//! keeps partners' addresses out of private networks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::{Host, Url};

/// The most bytes of an answer that are read; no contract's answer comes near it.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Where a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: the address was declared by the operator.
    Declared,
    /// As [`Reach::Public`], and to this machine over plain http: the address was given by a
    /// sandbox application. Other private networks stay closed, a cloud's metadata included.
    Sandbox,
    /// To public addresses over https only: the address was given by a partner.
    Public,
}

/// An answer, read whole within the limit.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers; the signature's are among them.
    pub headers: HeaderMap,
    /// Body, at most [`ANSWER_BYTES`].
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's text, where it is there and plain.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer. Never holds the address, the request or the answer: any of them may
/// carry what no log may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It is not an http(s) address, or the guard refused it.
    #[error("the address is not allowed")]
    Refused,
    /// Nobody answered in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection failed or broke.
    #[error("the connection failed")]
    Broken,
    /// It could not be signed.
    #[error("the platform's keys failed")]
    Unsigned,
    /// The answer was larger than [`ANSWER_BYTES`].
    #[error("the answer is too large")]
    TooLarge,
}

/// The client for everything that leaves the platform.
#[derive(Debug, Clone)]
pub struct Outbound {
    declared: Client,
    public: Client,
}

impl Outbound {
    /// Sets up TLS and both clients; `timeout` bounds a call from the first packet to the last
    /// byte of its answer.
    pub fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        install_tls();
        Ok(Self {
            declared: build(|| client(timeout))?,
            public: guarded(timeout, PublicOnly { lookup: system })?,
        })
    }

    /// Posts a body and reads the answer.
    pub async fn post(
        &self,
        reach: Reach,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, NoAnswer> {
        let client = match reach {
            Reach::Declared => &self.declared,
            Reach::Sandbox if is_this_machine(url) => &self.declared,
            Reach::Sandbox | Reach::Public => {
                literal_is_public(url)?;
                &self.public
            }
        };
        let sent = client.post(url.clone()).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| no_answer(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body })
    }
}

/// Installs rustls' ring provider for the process; a second call finds it installed.
pub fn install_tls() {
    // The error says only that somebody was first, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The client for addresses that partners give: what it connects to is what its resolver let pass.
fn guarded(timeout: Duration, resolver: PublicOnly) -> Result<Client, reqwest::Error> {
    let resolver = Arc::new(resolver);
    build(|| client(timeout).https_only(true).dns_resolver(resolver.clone()))
}

fn client(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent("carbon-platform")
        .timeout(timeout)
        .connect_timeout(timeout)
        // A redirect would carry a signed body to somebody it was not signed for.
        .redirect(Policy::none())
        .referer(false)
        // An environment variable must not route personal data through somebody else.
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(32)
}

/// Builds with the system's certificates. A machine that has none can still reach plain sandboxes:
/// there every https call fails instead.
fn build(builder: impl Fn() -> ClientBuilder) -> Result<Client, reqwest::Error> {
    builder().build().or_else(|error| {
        tracing::warn!(%error, "no system certificates: https calls out will fail");
        builder().tls_certs_only([]).build()
    })
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if cause.is::<PrivateAddress>() {
            return NoAnswer::Refused;
        }
        source = cause.source();
    }
    if error.is_timeout() {
        NoAnswer::Timeout
    } else if error.is_builder() {
        NoAnswer::Refused
    } else {
        NoAnswer::Broken
    }
}

/// Whether an address is this machine's own, as it is written.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The resolver is not asked about addresses written as numbers, so these are checked here.
fn literal_is_public(url: &Url) -> Result<(), NoAnswer> {
    let public = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if public && url.scheme() == "https" { Ok(()) } else { Err(NoAnswer::Refused) }
}

/// Resolves names at connect time and drops every address that is not public: a name that was
/// public when it was verified may point elsewhere now. The client connects to what comes out here
/// and asks nobody again.
#[derive(Debug, Clone, Copy)]
struct PublicOnly {
    lookup: fn(String) -> Lookup,
}

/// Addresses of a name.
type Lookup = BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

fn system(name: String) -> Lookup {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
}

#[derive(Debug, thiserror::Error)]
#[error("the name has no public address")]
struct PrivateAddress;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let mut public = found.await?;
            public.retain(|found| is_public(found.ip()));
            if public.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public Internet: not loopback, private, shared, link-local,
/// documentation, multicast or reserved, in either family, mapped or translated forms included.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let special = ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || a >= 240;
            !special
        }
        IpAddr::V6(ip) => {
            if let Some(mapped) = ip.to_ipv4_mapped() {
                return is_public(IpAddr::V4(mapped));
            }
            let [a, b, ..] = ip.segments();
            // Global unicast is 2000::/3; 2001::/23, 2001:db8::/32 and 2002::/16 in it are special
            // or carry an IPv4 address of anybody's choice.
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
                && a != 0x2002
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for public in ["8.8.8.8", "223.5.5.5", "2400:3200::1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "203.0.113.5",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "fec0::1",
            "100::1",
            "2001::1",
            "3fff::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[tokio::test]
    async fn a_partners_address_in_a_private_network_is_refused_by_number_and_by_name() {
        let outbound = Outbound::new(Duration::from_secs(2)).unwrap();
        for url in [
            "https://127.0.0.1:1/x",
            "https://[::1]:1/x",
            "https://0x7f000001:1/x",
            "https://2130706433:1/x",
            "https://017700000001:1/x",
            "https://0177.0.0.01:1/x",
            "https://127.1:1/x",
            "https://１２７.0.0.1:1/x",
            "https://[::ffff:127.0.0.1]:1/x",
            "https://[fe80::1]:1/x",
            "https://[fc00::1]:1/x",
            "https://[64:ff9b::7f00:1]:1/x",
            "https://8.8.8.8@127.0.0.1:1/x",
            "https://LOCALHOST:1/x",
            "ftp://8.8.8.8/x",
            "http://8.8.8.8/x",
            "https://localhost:1/x",
        ] {
            let url = Url::parse(url).unwrap();
            let answer = outbound.post(Reach::Public, &url, HeaderMap::new(), Vec::new()).await;
            assert_eq!(answer.unwrap_err(), NoAnswer::Refused, "{url}");
        }
    }

    /// A server of names that somebody else commands: whatever was asked before, inside it points.
    fn inward(_: String) -> Lookup {
        let inside = ["127.0.0.1:0", "[::1]:0", "[::ffff:10.0.0.1]:0", "169.254.169.254:0"];
        Box::pin(async move { Ok(inside.iter().map(|text| text.parse().unwrap()).collect()) })
    }

    /// One that mixes a public address with the one it is after.
    fn mixed(_: String) -> Lookup {
        let mixed = ["127.0.0.1:0", "8.8.8.8:0", "[::1]:0"];
        Box::pin(async move { Ok(mixed.iter().map(|text| text.parse().unwrap()).collect()) })
    }

    #[tokio::test]
    async fn a_name_that_points_inward_at_the_moment_of_the_call_is_not_connected_to() {
        install_tls();
        let timeout = Duration::from_secs(5);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // It may have been good when it was set: only what is resolved now counts.
        let outbound = Outbound {
            declared: client(timeout).build().unwrap(),
            public: guarded(timeout, PublicOnly { lookup: inward }).unwrap(),
        };
        let url = Url::parse(&format!("https://partner.example:{port}/push")).unwrap();
        for reach in [Reach::Public, Reach::Sandbox] {
            let answer = outbound.post(reach, &url, HeaderMap::new(), Vec::new()).await;
            assert_eq!(answer.unwrap_err(), NoAnswer::Refused, "{reach:?}");
        }
        let nobody = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(nobody.is_err(), "somebody has connected");
    }

    #[tokio::test]
    async fn of_a_names_addresses_only_the_public_ones_are_connected_to() {
        let name = || "partner.example".parse::<Name>().unwrap();
        let found = PublicOnly { lookup: mixed }.resolve(name()).await.unwrap();
        let found: Vec<SocketAddr> = found.collect();
        assert_eq!(found, ["8.8.8.8:0".parse().unwrap()]);
        let Err(error) = PublicOnly { lookup: inward }.resolve(name()).await else {
            panic!("an address inside has passed");
        };
        assert!(error.is::<PrivateAddress>(), "{error}");
    }

    #[tokio::test]
    async fn a_sandbox_reaches_its_own_machine_and_no_other_private_one() {
        let outbound = Outbound::new(Duration::from_secs(2)).unwrap();
        for (url, refused) in [
            ("http://127.0.0.1:9/x", false),
            ("http://localhost:9/x", false),
            ("http://169.254.169.254/latest", true),
            ("http://10.0.0.1/x", true),
            ("https://192.168.1.1/x", true),
        ] {
            let url = Url::parse(url).unwrap();
            let answer = outbound.post(Reach::Sandbox, &url, HeaderMap::new(), Vec::new()).await;
            assert_eq!(answer.unwrap_err() == NoAnswer::Refused, refused, "{url}");
        }
    }

    /// A server that answers every connection with the same bytes.
    async fn server(answer: Vec<u8>) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await;
                    let _ = socket.write_all(&answer).await;
                    // Held open: an answer without an end must not hold the caller.
                    tokio::time::sleep(Duration::from_secs(5)).await;
                });
            }
        });
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn answers_are_bounded_in_time_and_size_and_redirects_are_not_followed() {
        let outbound = Outbound::new(Duration::from_millis(300)).unwrap();
        let post = async |url: Url| {
            outbound.post(Reach::Declared, &url, HeaderMap::new(), Vec::new()).await
        };

        let late = post(server(Vec::new()).await).await;
        assert_eq!(late.unwrap_err(), NoAnswer::Timeout);

        let mut huge = b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n".to_vec();
        huge.resize(huge.len() + 99_999, b'x');
        let large = post(server(huge).await).await;
        assert_eq!(large.unwrap_err(), NoAnswer::TooLarge);

        let moved =
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let moved = post(server(moved.to_vec()).await).await;
        assert_eq!(moved.unwrap().status, 302);
        let inward = b"HTTP/1.1 307 Temporary Redirect\r\n\
            location: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
        let url = server(inward.to_vec()).await;
        let answer = outbound.post(Reach::Sandbox, &url, HeaderMap::new(), Vec::new()).await;
        assert_eq!(answer.unwrap().status, 307);

        let nobody = Url::parse("http://127.0.0.1:9/x").unwrap();
        assert_eq!(post(nobody).await.unwrap_err(), NoAnswer::Broken);
    }
}
