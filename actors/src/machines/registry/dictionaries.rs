//! Distance dictionaries (Z301) in the registry: what is said of them is state, their texts, of
//! megabytes, are pages, so that a token that is issued does not write them again.

use std::sync::Arc;

use carbon_protocol::registry::{
    DictionaryHead, DictionaryImport, RegistryEvent, dictionary_version,
};
use carbon_protocol::{Reason, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::Registry;
use super::declaring::{Decided, done, refused};

/// Bytes of a page, well below what a segment of the store takes.
const PAGE_BYTES: usize = 32 * 1024;

/// A dictionary that was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDictionary {
    /// What is said of it.
    pub head: DictionaryHead,
    /// When it was imported.
    pub at: Timestamp,
    /// The first page of its text.
    pub first_page: u64,
    /// How many pages its text has.
    pub pages: u64,
}

impl Registry {
    pub(super) fn import_dictionary(&self, import: &DictionaryImport) -> Decided {
        if import.head.version != dictionary_version(&import.text) {
            return refused(Reason::Malformed, "version");
        }
        let newest = self
            .dictionaries
            .iter()
            .rev()
            .find(|kept| kept.head.effective == import.head.effective);
        if newest.is_some_and(|kept| kept.head == import.head) {
            return done(None);
        }
        done(Some(RegistryEvent::DictionaryImported(Box::new(import.clone()))))
    }

    pub(super) fn keep_dictionary(&mut self, at: Timestamp, import: &DictionaryImport) {
        let behind = |kept: &Arc<KeptDictionary>| kept.first_page.saturating_add(kept.pages);
        let first_page = self.dictionaries.last().map_or(0, behind);
        let mut pages = 0;
        for page in import.text.chunks(PAGE_BYTES) {
            self.fresh.seal(first_page.saturating_add(pages), &[Bytes::new(page)]);
            pages = pages.saturating_add(1);
        }
        let kept = KeptDictionary { head: import.head.clone(), at, first_page, pages };
        Arc::make_mut(&mut self.dictionaries).push(Arc::new(kept));
    }

    /// All dictionaries, in the order of their import.
    pub fn dictionaries(&self) -> &[Arc<KeptDictionary>] {
        &self.dictionaries
    }
}

/// What a page holds of a dictionary's text; nothing where the bytes are no page.
pub fn decode_page(page: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<ByteBuf> = rmp_serde::from_slice(page).ok()?;
    (parts.len() == 1).then(|| parts.pop()).flatten().map(ByteBuf::into_vec)
}

#[cfg(test)]
mod tests {
    use carbon_protocol::entry::Stream;

    use super::*;
    use crate::machines::Machine as _;

    fn import(text: &[u8], source: &str, effective: &str) -> DictionaryImport {
        let head = DictionaryHead {
            version: dictionary_version(text),
            effective: effective.parse().unwrap(),
            source: source.into(),
            verified: false,
            stations: 2,
            pairs: 1,
        };
        DictionaryImport { head, text: text.to_vec() }
    }

    /// What became of an import: `done`, `replay`, or why it was refused.
    fn imported(registry: &mut Registry, import: &DictionaryImport) -> String {
        match registry.import_dictionary(import) {
            Ok(decision) => {
                let events = decision.events;
                events.iter().for_each(|event| registry.apply(Timestamp(7), event));
                if events.is_empty() { "replay".into() } else { "done".into() }
            }
            Err(no) => format!("{:?} {}", no.reason, no.field.unwrap_or_default()),
        }
    }

    #[test]
    fn the_same_again_is_a_replay_and_another_one_follows() {
        let mut registry = Registry::new(Stream::Registry);
        let forged =
            DictionaryImport { text: b"A,B,2\n".to_vec(), ..import(b"A,B,1\n", "a", "2026-01-01") };
        for (name, import, expected) in [
            ("first", import(b"A,B,1\n", "a", "2026-01-01"), "done"),
            ("again", import(b"A,B,1\n", "a", "2026-01-01"), "replay"),
            ("from elsewhere", import(b"A,B,1\n", "b", "2026-01-01"), "done"),
            ("back to the first", import(b"A,B,1\n", "a", "2026-01-01"), "done"),
            ("of another day", import(b"A,B,1\n", "a", "2026-02-01"), "done"),
            ("the first still holds", import(b"A,B,1\n", "a", "2026-01-01"), "replay"),
            ("under another's version", forged, "Malformed version"),
        ] {
            assert_eq!(imported(&mut registry, &import), expected, "{name}");
        }
        assert_eq!(registry.dictionaries().len(), 4);
    }

    #[test]
    fn a_text_is_handed_out_in_pages_that_make_it_again() {
        let mut registry = Registry::new(Stream::Registry);
        let long: Vec<u8> =
            (0..2 * PAGE_BYTES + 5).map(|place| b'a' + (place % 23) as u8).collect();
        imported(&mut registry, &import(b"A,B,1\n", "a", "2026-01-01"));
        imported(&mut registry, &import(&long, "a", "2026-02-01"));
        let kept = registry.dictionaries()[1].clone();
        assert_eq!((kept.first_page, kept.pages, kept.at), (1, 3, Timestamp(7)));
        let pages = registry.take_pages();
        assert_eq!(pages.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let text: Vec<u8> =
            pages[1..].iter().flat_map(|(_, page)| decode_page(page).unwrap()).collect();
        assert_eq!(text, long);
        assert_eq!(decode_page(b"no page"), None);
        // What is handed out is gone, and no part of the snapshot.
        assert!(registry.take_pages().is_empty() && registry.snapshot().len() < PAGE_BYTES);
    }
}
