//! The quality machine (数据质量): keeps what samplings of an application's records have found.

use carbon_protocol::entry::Stream;
use carbon_protocol::quality::{
    Difference, KeptSampling, QualityCommand, QualityEvent, QualityReply, QualityReport,
    QualityTotals, Sampling,
};
use carbon_protocol::{AppNo, Reason, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded desk.
const SNAPSHOT_FORMAT: u8 = 1;
/// Samplings that are kept whole; of older ones only the totals, and the journal, tell.
const KEPT: usize = 50;

/// The desk of one application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    app: AppNo,
    totals: QualityTotals,
    /// The newest samplings, newest first.
    newest: Vec<KeptSampling>,
}

impl Quality {
    fn keep(&self, now: Timestamp, sampling: &Sampling) -> Result<Decision<Self>, Rejection> {
        let known = self.newest.iter().find(|kept| kept.sampling.serial == sampling.serial);
        if let Some(known) = known {
            return match asked(&known.sampling) == asked(sampling) {
                true => {
                    let known = Box::new(known.clone());
                    Ok(Decision::answer(QualityReply::Kept(known, true)))
                }
                false => Err(Rejection::of_field(Reason::SerialConflict, "serial")),
            };
        }
        let kept = KeptSampling { at: now, sampling: sampling.clone() };
        let events = vec![QualityEvent::Sampled(Box::new(sampling.clone()))];
        Ok(Decision { events, reply: QualityReply::Kept(Box::new(kept), false) })
    }
}

/// What a sampling was asked to be; what it found may differ from one time to the next.
fn asked(sampling: &Sampling) -> impl PartialEq {
    (sampling.from, sampling.to, sampling.seed, sampling.size)
}

impl Machine for Quality {
    type Command = QualityCommand;
    type Event = QualityEvent;
    type Reply = QualityReply;

    fn new(stream: Stream) -> Self {
        let app = match stream {
            Stream::Quality(app) => app,
            _ => AppNo(0),
        };
        Self { app, totals: QualityTotals::default(), newest: Vec::new() }
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &QualityCommand,
    ) -> Result<Decision<Self>, Rejection> {
        match command {
            QualityCommand::Keep(sampling) => self.keep(facts.now, sampling),
            QualityCommand::Look => {
                let report = QualityReport { totals: self.totals, newest: self.newest.clone() };
                Ok(Decision::answer(QualityReply::Report(Box::new(report))))
            }
        }
    }

    fn apply(&mut self, at: Timestamp, event: &QualityEvent) {
        let QualityEvent::Sampled(sampling) = event;
        let missing = |one: &Difference| *one == Difference::Missing;
        let missing = sampling.mismatches.iter().filter(|one| missing(&one.difference)).count();
        let add = |total: &mut u64, count: usize| *total = total.saturating_add(count as u64);
        let totals = &mut self.totals;
        add(&mut totals.samplings, 1);
        add(&mut totals.missing, missing);
        add(&mut totals.differing, sampling.mismatches.len().saturating_sub(missing));
        totals.matched = totals.matched.saturating_add(sampling.matched.into());
        totals.unanswered = totals.unanswered.saturating_add(sampling.unanswered.into());
        self.newest.insert(0, KeptSampling { at, sampling: (**sampling).clone() });
        self.newest.truncate(KEPT);
    }

    /// Counts what others have decided: there is nothing that could not be.
    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let desk: Self = encoding::decode(SNAPSHOT_FORMAT, snapshot)?;
        (stream == Stream::Quality(desk.app)).then_some(desk)
    }
}

#[cfg(test)]
mod tests {
    use carbon_protocol::quality::Mismatch;
    use carbon_protocol::{Day, Serial};

    use super::*;
    use crate::machines::fixtures::policy;

    const STREAM: Stream = Stream::Quality(AppNo(3));

    fn sampling(serial: &str, to: i32, differences: &[Difference]) -> Sampling {
        let mismatch = |(place, difference): (usize, &Difference)| Mismatch {
            serial: Serial::parse(&format!("r-{place}")).unwrap(),
            difference: *difference,
        };
        Sampling {
            serial: Serial::parse(serial).unwrap(),
            from: Day(1),
            to: Day(to),
            seed: 7,
            size: 10,
            population: 100,
            matched: 5,
            unanswered: 1,
            mismatches: differences.iter().enumerate().map(mismatch).collect(),
        }
    }

    /// Keeps a sampling: whether it was there before, or why not.
    fn keep(desk: &mut Quality, sampling: Sampling) -> Result<bool, Reason> {
        let policy = policy();
        let facts = Facts { now: Timestamp(9), policy: &policy };
        let decided = desk.decide(&facts, &QualityCommand::Keep(Box::new(sampling)));
        let Decision { events, reply } = decided.map_err(|no| no.reason)?;
        events.iter().for_each(|event| desk.apply(facts.now, event));
        match reply {
            QualityReply::Kept(_, replay) => Ok(replay),
            QualityReply::Report(_) => panic!("a report was not asked for"),
        }
    }

    #[test]
    fn a_sampling_is_kept_once_and_counted_by_its_kinds() {
        use Difference::{Ccid, Content, Day, Grams, Missing};
        let mut desk = Quality::new(STREAM);
        for (name, sampling, expected) in [
            ("first", sampling("s-1", 2, &[Missing, Grams, Missing]), Ok(false)),
            ("again, finding something else", sampling("s-1", 2, &[]), Ok(true)),
            ("of another period", sampling("s-1", 3, &[]), Err(Reason::SerialConflict)),
            ("second", sampling("s-2", 2, &[Ccid, Day, Content]), Ok(false)),
        ] {
            assert_eq!(keep(&mut desk, sampling), expected, "{name}");
        }
        let QualityTotals { samplings, matched, unanswered, missing, differing } = desk.totals;
        assert_eq!((samplings, matched, unanswered, missing, differing), (2, 10, 2, 2, 4));
        assert_eq!(desk.newest[0].sampling.serial.as_str(), "s-2");
        assert_eq!(Quality::restore(STREAM, &desk.snapshot(), &[]), Some(desk.clone()));
        assert_eq!(Quality::restore(Stream::Quality(AppNo(4)), &desk.snapshot(), &[]), None);
    }

    #[test]
    fn old_samplings_leave_their_totals() {
        let mut desk = Quality::new(STREAM);
        for number in 0..KEPT + 5 {
            keep(&mut desk, sampling(&format!("s-{number}"), 2, &[])).unwrap();
        }
        assert_eq!((desk.newest.len(), desk.totals.samplings), (KEPT, KEPT as u64 + 5));
    }
}
