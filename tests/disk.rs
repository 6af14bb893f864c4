//! A full disk under load, on a small file system of its own: the platform refuses clearly, goes on
//! answering, loses nothing, and takes up again by itself once there is room.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use carbon_protocol::contracts::z304::Receipt;
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use parking_lot::Mutex;

use super::harness::{client, skipped};
use super::reckoning::{check_pushes, check_sums, settle};
use super::remembering::{Company, Heard, Memory, issue};
use super::stage::{Stage, batch, rows};

/// Size of the file system.
const SIZE: &str = "size=96m";
/// Small segments, and a reserve that fits the small disk.
const SETTINGS: &str = "[journal]\nsegment_bytes = 2097152\ngroup_bytes = 1048576\n\
                        reserve_bytes = 8388608\n";
/// How long a state of the disk may take to show.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// A mounted tmpfs; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn over(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mount = ["-t", "tmpfs", "-o", SIZE, "tmpfs"];
        let mounted = Command::new("mount").args(mount).arg(folder).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(folder.to_owned()))
    }

    /// Writes until only so many bytes are left.
    fn fill(&self, leave: u64) {
        let mut ballast =
            OpenOptions::new().create(true).append(true).open(self.0.join("ballast")).unwrap();
        let (chunk, page) = (vec![0xbb; 64 * 1024], vec![0xbb; 4096]);
        while self.free() > leave + 64 * 1024 && ballast.write_all(&chunk).is_ok() {}
        while self.free() > leave && ballast.write_all(&page).is_ok() {}
    }

    fn free(&self) -> u64 {
        let said =
            Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        text.lines().nth(1).unwrap().trim().parse().unwrap()
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: the process under test may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What `/readyz` says: whether it is ready, and why not.
async fn readiness(stage: &Stage) -> (bool, String) {
    let answer = client().get(format!("{}/readyz", stage.server.url)).send().await.unwrap();
    (answer.status().is_success(), answer.text().await.unwrap())
}

async fn until_ready(stage: &Stage, wanted: bool) -> String {
    let deadline = tokio::time::Instant::now() + SEEN_WITHIN;
    loop {
        let (ready, text) = readiness(stage).await;
        if ready == wanted {
            return text;
        }
        assert!(tokio::time::Instant::now() < deadline, "still ready {ready}: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_refused_clearly_and_recovered_from() {
    let seed = u64::from(std::process::id()) ^ 0xd15c;
    let mut mounted = None;
    let stage = Stage::start_over(seed, SETTINGS, |data| {
        mounted = Mounted::over(data);
        mounted.is_some()
    });
    let Some(mut stage) = stage.await.unwrap() else {
        return skipped("a_full_disk_is_refused_clearly_and_recovered_from", "mount (root)");
    };
    let disk = mounted.unwrap();
    let company = Company::gather(&stage, 4).await.unwrap();
    let mut all = Memory::default();
    // Once with a reserve left, once with nothing left at all.
    for (round, leave) in [6 * 1024 * 1024, 0].into_iter().enumerate() {
        let memory = Mutex::<Memory>::default();
        let filled = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            disk.fill(leave);
            let why = until_ready(&stage, false).await;
            assert!(why.contains("disk full"), "{why}");
            tokio::time::sleep(Duration::from_millis(1500)).await;
        };
        tokio::select! {
            () = filled => {}
            () = company.load(&stage, round, &memory) => unreachable!("the load never ends"),
        }
        println!("round {round}: {} bytes free", disk.free());
        refused_and_read(&stage, &company).await;
        disk.make_room();
        until_ready(&stage, true).await;
        let mut memory = memory.into_inner();
        let [batches, actions, _] = memory.count(Heard::Acknowledged);
        assert!(batches > 4 && actions > 4, "too little load to prove anything");
        settle(&stage, &company, &mut memory).await;
        all.add(memory);
    }
    // Full to the last byte, and killed: the start says so, or serves what there is.
    disk.fill(0);
    stage.server.kill();
    let started = stage.server.start_again().await;
    println!("a start over a full disk: {:?}", started.as_ref().err().map(ToString::to_string));
    if let Err(error) = started {
        assert!(error.to_string().contains("disk full"), "{error}");
    }
    disk.make_room();
    stage.server.start_again().await.unwrap();
    issue(&stage, "run-last").await.unwrap();
    settle(&stage, &company, &mut all).await;
    check_sums(&stage, &company, &all).await;
    check_pushes(&stage, &all).await;
    stage.server.stop().await.unwrap();
    stage.verify();
}

/// Writes are refused with the disk's own code and the time to wait; reads are answered.
async fn refused_and_read(stage: &Stage, company: &Company) {
    let one = &company.lit[0];
    let request = batch("too-much", &rows(one, "too-much", 3));
    let call = stage.caller(one).call::<_, Receipt>("01/Z304", &request);
    // The caller asks again for as long as the platform is busy: it does not get through.
    let through = tokio::time::timeout(Duration::from_secs(2), call).await;
    assert!(through.is_err(), "taken by a full disk: {through:?}");
    let question = TotalsRequest { ccid: one.ccid.clone() };
    let totals: Totals = stage.caller(one).must("01/Z501", &question).await.unwrap();
    assert!(totals.issued_grams.0 > 0);
    let page = client().get(format!("{}/h5/", stage.server.url)).send().await.unwrap();
    assert!(page.status().as_u16() < 500, "{}", page.status());
    assert!(stage.server.log().contains("disk full"), "the log does not say so");
}
