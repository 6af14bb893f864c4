//! The auditor's own book: what every citizen should have by what was acknowledged, in a few
//! numbers each. It never looks at a balance of the platform's.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use carbon_protocol::Grams;

/// Why relaxed: each number stands for itself, and is compared when nothing moves any more.
const ORDER: Ordering = Ordering::Relaxed;

/// One citizen's page.
#[derive(Debug, Default)]
pub struct Page {
    /// Records ever drawn: the next one's place in time.
    drawn: AtomicU32,
    /// Grams of records that were received.
    grams: AtomicU32,
    /// Records that were received.
    records: AtomicU32,
    /// Points that are known to be there and not spent, at least.
    purse: AtomicU32,
    /// Points captured by orders, less those that were refunded.
    spent: AtomicU32,
    flags: AtomicU8,
}

/// The account is open and its scenes are lit.
pub const OPENED: u8 = 1;
/// The mall is linked.
pub const LINKED: u8 = 2;
/// The first consent was taken back.
pub const REVOKED: u8 = 4;
/// A call about this citizen never came to a definite answer.
pub const UNCERTAIN: u8 = 8;

/// Somebody is at linking the mall.
pub const LINKING: u8 = 16;
/// Somebody is at taking the first consent back.
pub const REVOKING: u8 = 32;

/// A page as it stood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Grams of records that were received.
    pub grams: u64,
    /// Records that were received.
    pub records: u64,
    /// Points captured by orders, less those that were refunded.
    pub spent: u64,
    /// What is true of it.
    pub flags: u8,
}

/// All pages, by number.
pub struct Book(Vec<Page>);

impl Book {
    /// Empty pages for so many citizens.
    pub fn new(citizens: u32) -> Self {
        Self((0..citizens).map(|_| Page::default()).collect())
    }

    fn page(&self, no: u32) -> &Page {
        &self.0[no as usize]
    }

    /// A place in time for the citizen's next record.
    pub fn next_record(&self, no: u32) -> u32 {
        self.page(no).drawn.fetch_add(1, ORDER)
    }

    /// Records ever drawn, whatever became of them.
    pub fn drawn(&self, no: u32) -> u64 {
        self.page(no).drawn.load(ORDER).into()
    }

    /// A record was received.
    pub fn received(&self, no: u32, grams: Grams) {
        let page = self.page(no);
        // One citizen's grams of one run stay far below four thousand tonnes.
        page.grams.fetch_add(u32::try_from(grams.0).unwrap_or(u32::MAX), ORDER);
        page.records.fetch_add(1, ORDER);
    }

    /// Points are known to be there.
    pub fn endow(&self, no: u32, points: u32) {
        self.page(no).purse.fetch_add(points, ORDER);
    }

    /// Takes points out of the purse before they are asked for; false where there are not so many.
    pub fn take(&self, no: u32, points: u32) -> bool {
        let less = |purse: u32| purse.checked_sub(points);
        self.page(no).purse.fetch_update(ORDER, ORDER, less).is_ok()
    }

    /// Puts points back.
    pub fn put_back(&self, no: u32, points: u32) {
        self.endow(no, points);
    }

    /// Points were captured.
    pub fn spent(&self, no: u32, points: u32) {
        self.page(no).spent.fetch_add(points, ORDER);
    }

    /// Points were refunded.
    pub fn refunded(&self, no: u32, points: u32) {
        self.page(no).spent.fetch_sub(points, ORDER);
        self.put_back(no, points);
    }

    /// Something is true of a citizen from now on.
    pub fn mark(&self, no: u32, flag: u8) {
        self.page(no).flags.fetch_or(flag, ORDER);
    }

    /// Whether all of some flags are set.
    pub fn is(&self, no: u32, flags: u8) -> bool {
        self.page(no).flags.load(ORDER) & flags == flags
    }

    /// Sets a flag; true for the one who did, of all who try.
    pub fn claim(&self, no: u32, flag: u8) -> bool {
        self.page(no).flags.fetch_or(flag, ORDER) & flag == 0
    }

    /// A page as it stands.
    pub fn standing(&self, no: u32) -> Standing {
        let page = self.page(no);
        Standing {
            grams: page.grams.load(ORDER).into(),
            records: page.records.load(ORDER).into(),
            spent: page.spent.load(ORDER).into(),
            flags: page.flags.load(ORDER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_spends_more_than_the_purse_holds() {
        let book = Book::new(2);
        book.endow(1, 3);
        assert!(book.take(1, 2) && !book.take(1, 2) && book.take(1, 1));
        book.spent(1, 3);
        book.refunded(1, 2);
        assert_eq!(book.standing(1).spent, 1);
        assert!(book.take(1, 2) && !book.take(0, 1));
    }

    #[test]
    fn a_page_keeps_what_was_received_and_what_is_true() {
        let book = Book::new(1);
        assert_eq!((book.next_record(0), book.next_record(0)), (0, 1));
        book.received(0, Grams(212));
        book.received(0, Grams(100));
        assert!(book.claim(0, OPENED) && !book.claim(0, OPENED));
        book.mark(0, LINKED);
        assert!(book.is(0, OPENED | LINKED) && !book.is(0, REVOKED));
        let standing = Standing { grams: 312, records: 2, spent: 0, flags: OPENED | LINKED };
        assert_eq!(book.standing(0), standing);
        assert!(std::mem::size_of::<Page>() <= 24, "a million of them must fit");
    }
}
