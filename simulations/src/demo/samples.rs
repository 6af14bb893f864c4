//! The operator samples what the partners sent (C201): honest partners bear out every record.

use std::collections::BTreeSet;

use carbon_protocol::Serial;
use carbon_protocol::contracts::sampling::{SamplingRequest, SamplingView};

use super::caller::now;
use super::play::Play;

/// Records drawn of each application.
const SIZE: u16 = 200;

/// Samples every application that sent something today.
pub async fn draw(play: &Play<'_>) -> anyhow::Result<()> {
    let senders: BTreeSet<usize> = play.sent.iter().map(|batch| batch.app).collect();
    let stage = play.progress.stage("sampling raw data (C201)", senders.len());
    let today = now().day();
    for app in senders {
        let app_id = play.cast.player(app)?.app.clone();
        let request = SamplingRequest {
            serial: Serial::parse(&format!("demo-{:08x}-{app}", rand::random::<u32>()))?,
            app_id,
            // Midnight may have passed since the first batch.
            from: today.plus(-1),
            to: today,
            size: SIZE,
            seed: Some(play.config.seed),
        };
        let found: SamplingView = play.operator.post("samplings", &request).await?;
        let what = || format!("sampling of {}", request.app_id);
        let expected = found.population.min(u64::from(SIZE));
        play.findings.same("samplings", what, &expected, &found.matched);
        play.findings.same("samplings", what, &false, &found.flagged);
        stage.step();
    }
    Ok(())
}
