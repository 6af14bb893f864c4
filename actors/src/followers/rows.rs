//! The states of a batch's rows as a block of 16 bytes each: tag 1, capped 1, code of the reason 2,
//! run 4, then grams 8 or another record (application 2, batch 4, row 2): the one that the row
//! repeats, or the one that corrected or voided it.

use carbon_protocol::{AppNo, Grams, Reason, RecordRef, RunNo};

use super::batches::RowState;

/// Bytes of a state.
const WIDTH: usize = 16;

const RECEIVED: u8 = 0;
const REPLAYED: u8 = 1;
const SUBMITTED: u8 = 2;
const ISSUED: u8 = 3;
const REFUSED: u8 = 4;
const CORRECTED: u8 = 5;
const VOIDED: u8 = 6;
const APPLIED: u8 = 7;

/// States, one after the other.
pub(super) fn block(states: impl Iterator<Item = RowState>) -> Vec<u8> {
    states.flat_map(pack).collect()
}

/// A row's state; nothing where the block has no such row.
pub(super) fn read(block: &[u8], row: usize) -> Option<RowState> {
    let from = row.checked_mul(WIDTH)?;
    unpack(block.get(from..)?.first_chunk()?)
}

/// Writes a row's state; false where the block has no such row.
#[must_use]
pub(super) fn write(block: &mut [u8], row: usize, state: RowState) -> bool {
    let place = row.checked_mul(WIDTH).and_then(|from| block.get_mut(from..));
    match place.and_then(|rest| rest.first_chunk_mut::<WIDTH>()) {
        Some(place) => {
            *place = pack(state);
            true
        }
        None => false,
    }
}

fn pack(state: RowState) -> [u8; WIDTH] {
    let mut bytes = [0; WIDTH];
    match state {
        RowState::Received => bytes[0] = RECEIVED,
        RowState::Replayed(record) => link(&mut bytes, REPLAYED, record),
        RowState::Corrected { by } => link(&mut bytes, CORRECTED, by),
        RowState::Voided { by } => link(&mut bytes, VOIDED, by),
        RowState::Applied => bytes[0] = APPLIED,
        RowState::Submitted { grams, capped } => {
            bytes[0] = SUBMITTED;
            bytes[1] = u8::from(capped);
            bytes[8..].copy_from_slice(&grams.0.to_be_bytes());
        }
        RowState::Issued { grams, run } => {
            bytes[0] = ISSUED;
            bytes[4..8].copy_from_slice(&run.0.to_be_bytes());
            bytes[8..].copy_from_slice(&grams.0.to_be_bytes());
        }
        RowState::Refused { reason, run } => {
            bytes[0] = REFUSED;
            // Codes are five digits that begin with 4 or 5; every one of them is found again.
            let code = reason.code().parse().unwrap_or(u16::MAX);
            bytes[2..4].copy_from_slice(&code.to_be_bytes());
            // Runs are counted from 1.
            bytes[4..8].copy_from_slice(&run.map_or(0, |run| run.0).to_be_bytes());
        }
    }
    bytes
}

fn link(bytes: &mut [u8; WIDTH], tag: u8, record: RecordRef) {
    bytes[0] = tag;
    bytes[8..10].copy_from_slice(&record.app.0.to_be_bytes());
    bytes[10..14].copy_from_slice(&record.batch.to_be_bytes());
    bytes[14..].copy_from_slice(&record.row.to_be_bytes());
}

fn unpack(bytes: &[u8; WIDTH]) -> Option<RowState> {
    let [tag, capped, r0, r1, n0, n1, n2, n3, tail @ ..] = *bytes;
    let run = RunNo(u32::from_be_bytes([n0, n1, n2, n3]));
    let grams = Grams(u64::from_be_bytes(tail));
    let [a0, a1, b0, b1, b2, b3, w0, w1] = tail;
    let record = RecordRef {
        app: AppNo(u16::from_be_bytes([a0, a1])),
        batch: u32::from_be_bytes([b0, b1, b2, b3]),
        row: u16::from_be_bytes([w0, w1]),
    };
    match tag {
        RECEIVED => Some(RowState::Received),
        REPLAYED => Some(RowState::Replayed(record)),
        CORRECTED => Some(RowState::Corrected { by: record }),
        VOIDED => Some(RowState::Voided { by: record }),
        APPLIED => Some(RowState::Applied),
        SUBMITTED => Some(RowState::Submitted { grams, capped: capped == 1 }),
        ISSUED => Some(RowState::Issued { grams, run }),
        REFUSED => {
            let code = u16::from_be_bytes([r0, r1]);
            let same = |reason: &&Reason| reason.code().parse() == Ok(code);
            let reason = Reason::ALL.iter().find(same)?;
            Some(RowState::Refused { reason: *reason, run: (run.0 > 0).then_some(run) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_was_written() {
        let record = RecordRef { app: AppNo(513), batch: 70_000, row: 499 };
        let mut states = vec![
            RowState::Received,
            RowState::Replayed(record),
            RowState::Submitted { grams: Grams(u64::MAX), capped: true },
            RowState::Submitted { grams: Grams(1), capped: false },
            RowState::Issued { grams: Grams(812), run: RunNo(3) },
            RowState::Corrected { by: record },
            RowState::Voided { by: record },
            RowState::Applied,
        ];
        for reason in Reason::ALL {
            states.push(RowState::Refused { reason: *reason, run: None });
            states.push(RowState::Refused { reason: *reason, run: Some(RunNo(9)) });
        }
        let mut block = block(states.iter().copied());
        for (row, state) in states.iter().enumerate() {
            assert_eq!(read(&block, row), Some(*state));
        }
        assert_eq!(read(&block, states.len()), None);
        assert!(write(&mut block, 0, states[4]));
        assert_eq!(read(&block, 0), Some(states[4]));
        assert_eq!(read(&block, 1), Some(states[1]));
        assert!(!write(&mut block, states.len(), states[0]));
    }
}
