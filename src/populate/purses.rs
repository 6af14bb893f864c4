//! Points for those who shop: long metro trips, submitted by the metro's application over the
//! contract (01.Z304), issued by the operator.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use carbon_protocol::behaviour::{Behaviour, Rail};
use carbon_protocol::contracts::issuance::{RunRequest, RunView};
use carbon_protocol::contracts::z304::{Receipt, SubmitRecord, SubmitRequest};
use carbon_protocol::{Ccid, Grams, Label, Metres, SceneCode, Serial};
use carbon_simulations::sandbox::{Client, Operator};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{Ground, Wishes, bar};

/// Rows of one batch.
const ROWS: usize = 1_000;
/// Batches under way at a time.
const BATCHES: usize = 4;
/// The longest trip that the metro's methodology prices, and what it is worth: 71 g a kilometre.
const TRIP: (Metres, Grams) = (Metres(150_000), Grams(10_650));
/// Points of such a trip by the policy that ships with the platform: 100 g a point.
const POINTS: u32 = 106;
/// Seconds that a trip takes: it begins now, and ends before a partner's clock counts as wrong.
const SECONDS: i64 = 240;
const PAUSE: Duration = Duration::from_millis(50);

/// Fills the purses of some citizens, named by number and pseudonym towards the metro.
pub(super) async fn fill(
    ground: &Ground,
    operator: &Operator,
    url: &str,
    shoppers: &[(u32, Ccid)],
    wishes: &Wishes,
) -> anyhow::Result<()> {
    if shoppers.is_empty() || wishes.points == 0 {
        return Ok(());
    }
    let metro = ground.sandbox.scenes().first().context("the metro is the first partner")?;
    let (code, ..) = metro.profile().scenes.first().context("the metro has a scene")?;
    let scene = SceneCode::parse(code)?;
    let client = ground.sandbox.client(metro, url)?;
    let bar = bar("purses", wishes);
    bar.set_length(shoppers.len() as u64);
    for _ in 0..wishes.points.div_ceil(POINTS) {
        let batches = shoppers.chunks(ROWS).map(|some| submit(ground, &client, &scene, some));
        let mut batches = futures::stream::iter(batches).buffer_unordered(BATCHES);
        while let Some(rows) = batches.try_next().await? {
            bar.inc(rows);
        }
        ground.written_in_part().await;
    }
    bar.finish_and_clear();
    ground.written().await;
    issue(ground, operator).await
}

async fn submit(
    ground: &Ground,
    client: &Client,
    scene: &SceneCode,
    some: &[(u32, Ccid)],
) -> anyhow::Result<u64> {
    let mark = format!("purse-{:016x}", rand::random::<u64>());
    let (metres, grams) = TRIP;
    let in_time = ground.platform.now()?.plus_seconds(1);
    let record = |(no, ccid): &(u32, Ccid)| -> anyhow::Result<SubmitRecord> {
        Ok(SubmitRecord {
            serial: Serial::parse(&format!("{mark}-{no}"))?,
            ccid: ccid.clone(),
            scene: scene.clone(),
            behaviour: Behaviour::Rail(Rail {
                in_station: Label::parse("sizing-in")?,
                out_station: Label::parse("sizing-out")?,
                in_time,
                out_time: in_time.plus_seconds(SECONDS),
                mileage_metres: Some(metres),
            }),
            reduction_grams: grams,
            corrects: None,
        })
    };
    let records = some.iter().map(record).collect::<anyhow::Result<Vec<_>>>()?;
    let request = SubmitRequest { batch_serial: Serial::parse(&mark)?, records, voids: Vec::new() };
    loop {
        let answered = client.call::<_, Receipt>("01/Z304", &request).await?;
        if answered.status == 503 || answered.status == 429 {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let receipt = answered.data()?;
        ensure!(receipt.refused == 0, "{} rows were refused", receipt.refused);
        return Ok(receipt.received.into());
    }
}

async fn issue(ground: &Ground, operator: &Operator) -> anyhow::Result<()> {
    let request = RunRequest {
        serial: Serial::parse(&format!("populate-{:016x}", rand::random::<u64>()))?,
        through: ground.platform.now()?.day().plus(1),
        scenes: Vec::new(),
        excluded: Vec::new(),
    };
    loop {
        // Asked again, the operator's serial is answered with how the run stands.
        let run = operator.post::<_, RunView>("issuance-runs", &request).await?.data()?;
        if run.finished_at.is_some() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
