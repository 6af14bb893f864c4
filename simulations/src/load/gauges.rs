//! What is looked at beside the calls: memory of both processes, what the platform says of itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;
use url::Url;

use super::outcome::Machine;
use crate::wire::Wire;

/// How long `/readyz` may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Looks at a platform.
pub struct Gauges {
    wire: Wire,
    loopback: bool,
    pid: Option<u32>,
}

impl Gauges {
    /// Gauges of the platform at an address; its process is found by its port where it runs on
    /// this machine and `pid` does not name it.
    pub fn new(platform: &Url, pid: Option<u32>) -> anyhow::Result<Self> {
        let loopback = is_loopback(platform);
        let found = || listener(platform.port_or_known_default()?);
        let pid = pid.or_else(|| if loopback { found() } else { None });
        Ok(Self { wire: Wire::new(platform, 1, ANSWER_WITHIN)?, loopback, pid })
    }

    /// The platform's process, where it is known.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The numbers of `/readyz`; none where it does not answer.
    pub async fn readyz(&self) -> BTreeMap<String, u64> {
        let asked = async {
            let request = Request::get("/readyz").body(Full::new(Bytes::new())).ok()?;
            let reply = self.wire.send(request).await.ok()?;
            serde_json::from_slice::<Value>(&reply.body).ok()
        };
        let Some(Value::Object(said)) = asked.await else { return BTreeMap::new() };
        said.into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect()
    }

    /// Resident bytes of the generator and of the platform.
    pub fn resident(&self) -> (u64, Option<u64>) {
        (resident(std::process::id()).unwrap_or(0), self.pid.and_then(resident))
    }

    /// The machine this runs on.
    pub fn machine(&self) -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = kib_of(&memory, "MemTotal:").unwrap_or(0);
        Machine { cores, memory_bytes: kib * 1024, shared_with_target: self.loopback }
    }
}

/// A file with a key, as text.
pub fn key(path: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text.trim().to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(kib_of(&status, "VmRSS:")? * 1024)
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The process that listens on a loopback port: its socket's inode stands in `/proc/net/tcp`, and
/// one of its descriptors points there.
fn listener(port: u16) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().find_map(|line| listening_inode(line, port))?;
    let target = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let files = std::fs::read_dir(process.path().join("fd")).ok()?;
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        links.any(|link| link.to_str() == Some(&target)).then_some(pid)
    })
}

/// The inode of a line of `/proc/net/tcp` that is a listening socket (state 0A) on a port.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, at) = fields.get(1)?.split_once(':')?;
    let any = Ipv4Addr::UNSPECIFIED.to_bits();
    let here = u32::from_str_radix(address, 16).ok()?.swap_bytes();
    let ours = here == any || Ipv4Addr::from_bits(here).is_loopback();
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(at, 16).ok()? == port;
    (ours && listens).then(|| fields.get(9)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_behind_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(super::listener(port), Some(std::process::id()));
        drop(listener);
        assert_eq!(super::listener(port), None);
    }

    #[test]
    fn memory_is_read_where_the_process_lives() {
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
        assert_eq!(resident(u32::MAX), None);
    }
}
