//! Questions to an intake: what it has laid aside in sealed pages is read for it, on a thread that
//! may block, and it is asked again.

use std::collections::HashMap;
use std::sync::Arc;

use carbon_protocol::AppNo;
use carbon_protocol::entry::Stream;
use carbon_protocol::intake::{
    Claim, IntakeAsk, IntakeCommand, IntakeReply, SealedClaim, SerialKey,
};

use crate::house::House;
use crate::machines::intake::{Intake, decode_page};
use crate::ports::{Failure, Store, Tree};
use crate::refusal::Refusal;
use crate::{snapshot, system};

/// Times that an intake may ask for more: what it knows can be sealed, or let go, meanwhile.
const TRIES: u32 = 8;

/// Asks until the intake has seen all that it needs.
pub(super) async fn ask(
    house: &Arc<House>,
    app: AppNo,
    command: IntakeCommand,
) -> Result<IntakeReply, Refusal> {
    let stream = Stream::Intake(app);
    let mut asked = IntakeAsk::from(command);
    for _ in 0..TRIES {
        match house.ask::<Intake>(stream, asked.clone(), false).await? {
            IntakeReply::Recall(wanted) => {
                let store = house.ports.store.clone();
                let read = system::blocking(move || read(&*store, stream, wanted));
                asked.recalled.extend(read.await??);
            }
            reply => return Ok(reply),
        }
    }
    Err(Failure::Store(format!("claims of {stream:?} are not in their pages")).into())
}

/// Reads claims in their pages, each page once. What is not there is left out.
fn read(
    store: &dyn Store,
    stream: Stream,
    mut wanted: Vec<SealedClaim>,
) -> Result<HashMap<SerialKey, Claim>, Failure> {
    wanted.sort_unstable();
    let mut found = HashMap::with_capacity(wanted.len());
    for of_page in wanted.chunk_by(|one, next| one.page == next.page) {
        let Some(SealedClaim { page: number, .. }) = of_page.first() else { continue };
        let bytes = store.get(Tree::Pages, &snapshot::page_key(stream, *number))?;
        let Some(bytes) = bytes else { continue };
        let claims = decode_page(&bytes);
        let no_page = || Failure::Store(format!("page {number} of {stream:?} is none"));
        let mut claims: HashMap<SerialKey, Claim> =
            claims.ok_or_else(no_page)?.into_iter().map(|claim| (claim.key, claim)).collect();
        found.extend(of_page.iter().filter_map(|one| claims.remove_entry(&one.key)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use carbon_protocol::intake::{Receipt, RowVerdict};
    use carbon_protocol::{Ccid, RecordRef, Serial};

    use super::super::tests::{METRO, World, batch, declare, run};
    use super::*;

    fn serial(text: &str) -> Serial {
        Serial::parse(text).unwrap()
    }

    #[test]
    fn what_was_laid_aside_is_known_before_and_after_a_restart() {
        run(async {
            let world = World::new();
            for start in 0..2 {
                let (platform, followers) = world.start().await;
                if start == 0 {
                    declare(&platform).await;
                }
                let strangers = vec![Ccid::parse("nobody").unwrap(); 700];
                let rows = batch(&platform, "b", &strangers);
                // Refused rows claim nothing: as if the directory had known them.
                let IntakeCommand::Accept(mut rows) = rows else { panic!() };
                for row in &mut rows.rows {
                    row.account = Some(super::super::tests::account(1));
                }
                let sent = platform.intake(METRO, IntakeCommand::Accept(rows.clone())).await;
                let Ok(IntakeReply::Receipt(Receipt { batch: 1, replay, .. })) = sent else {
                    panic!("{sent:?}")
                };
                assert_eq!(replay, start == 1);
                // The same rows under another batch serial.
                rows.serial = serial(&format!("again-{start}"));
                let sent = platform.intake(METRO, IntakeCommand::Accept(rows)).await;
                let Ok(IntakeReply::Receipt(receipt)) = sent else { panic!("{sent:?}") };
                let record = |row| RecordRef { app: METRO, batch: 1, row };
                for (row, verdict) in (0..).zip(receipt.verdicts) {
                    assert_eq!(verdict, RowVerdict::Replayed(record(row)));
                }
                let find = IntakeCommand::FindRecords(["b-0", "b-699", "b-700"].map(serial).into());
                let found = platform.intake(METRO, find).await;
                let Ok(IntakeReply::Records(found)) = found else { panic!("{found:?}") };
                assert_eq!(found, [Some(record(0)), Some(record(699)), None]);
                followers.stop().await;
                drop(platform);
            }
        });
    }
}
