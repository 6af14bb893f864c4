//! What the platform asks a scene partner about single records: C201.

use carbon_protocol::Serial;
use carbon_protocol::contracts::c201::{RawData, RawDataRequest};
use rand::Rng as _;

use super::Wishes;
use super::calls::{SIGNED, WRONG_SIGNATURE, below, read, signed};
use super::post::{Flaw, Platform, refused};
use super::report::{Report, Rule};

const KNOWN: Rule = Rule {
    name: "known",
    expected: "raw data behind every record that was named with --record",
    mend: "answer one entry a serial: serial, ccid and behaviour out of what you collected, not \
           out of what you submitted",
};
const UNKNOWN: Rule = Rule {
    name: "unknown",
    expected: "a record that nobody knows is left out: {records: []}",
    mend: "answer 200 with the records that you have; leave the others out",
};

/// Asks for records that are known, and for one that cannot be.
pub async fn examine(
    platform: &Platform,
    wishes: &Wishes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let url = below(&wishes.base, "C201")?;
    let ask = async |serials: &[Serial], flaw| {
        let request = RawDataRequest { serials: serials.to_vec() };
        let body = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
        platform.post(&url, &body, flaw).await
    };
    if !wishes.records.is_empty() {
        let told = ask(&wishes.records, Flaw::None).await;
        let told = told.and_then(|answer| read::<RawData>(&answer)).and_then(|data| {
            let told = |serial: &&Serial| data.records.iter().any(|one| one.serial == **serial);
            match wishes.records.iter().find(|serial| !told(serial)) {
                None => Ok(()),
                Some(missing) => Err(format!("nothing of {missing}")),
            }
        });
        report.note("C201", KNOWN, told);
    }
    let nobodys = format!("conform-{:016x}", rand::rng().random::<u64>());
    let nobodys = [Serial::parse(&nobodys)?];
    let answer = ask(&nobodys, Flaw::None).await;
    let signed = signed(platform, answer.clone());
    let left_out = answer.and_then(|answer| read::<RawData>(&answer)).and_then(|data| {
        match data.records.is_empty() {
            true => Ok(()),
            false => Err("raw data of a record that does not exist".into()),
        }
    });
    report.note("C201", UNKNOWN, left_out);
    report.note("C201", SIGNED, signed);
    let forged = ask(&nobodys, Flaw::WrongSignature).await;
    report.note("C201", WRONG_SIGNATURE, refused(forged));
    Ok(())
}
