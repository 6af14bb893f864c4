//! Distance dictionaries: the operator's import, and the ones in memory that trips are measured by.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use carbon_actors::methodology::Dictionary;
use carbon_actors::ports::Failure;
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::contracts::dictionaries::{
    DictionariesView, DictionaryQuery, ImportedDictionary,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::registry::{DictionaryHead, DictionaryImport, RegistryCommand, RegistryReply};
use carbon_protocol::{Day, Reason};
use parking_lot::RwLock;

use super::HttpState;
use super::declaring::{Nothing, texts};
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Imported, Looked, Operating, Viewing};

/// Dictionaries by the first day they measure; a later import took the place of an earlier one.
#[derive(Debug, Default)]
pub struct ByDay(BTreeMap<Day, Measure>);

/// A dictionary in force.
#[derive(Debug)]
pub struct Measure {
    /// Its number, in the order of import from 1.
    pub number: u16,
    /// The first day that it measures.
    pub effective: Day,
    /// The distances.
    pub dictionary: Arc<Dictionary>,
}

impl ByDay {
    /// What measures trips of a day.
    pub fn on(&self, day: Day) -> Option<&Measure> {
        self.0.range(..=day).next_back().map(|(_, measure)| measure)
    }
}

/// The dictionaries in memory: read from the store when the registry has more of them.
#[derive(Default)]
pub struct Dictionaries(RwLock<(usize, Arc<ByDay>)>);

impl Dictionaries {
    /// All of them, as they stand now.
    pub async fn newest(&self, state: &HttpState) -> Result<Arc<ByDay>, Failure> {
        let registry = state.platform.registry();
        let heads = registry.dictionaries();
        let (known, loaded) = self.0.read().clone();
        if known >= heads.len() {
            return Ok(loaded);
        }
        let mut by_day = BTreeMap::new();
        for (number, kept) in (1..).zip(heads) {
            by_day.insert(kept.head.effective, (number, kept));
        }
        let mut all = ByDay::default();
        for (effective, (number, kept)) in by_day {
            let known = loaded.0.values().map(|measure| &measure.dictionary);
            let same = known.into_iter().find(|known| known.version() == kept.head.version);
            let dictionary = match same {
                Some(known) => known.clone(),
                None => Arc::new(read(state.platform.dictionary(kept.clone()).await?).await?),
            };
            all.0.insert(effective, Measure { number, effective, dictionary });
        }
        let all = Arc::new(all);
        let mut newest = self.0.write();
        // Two that loaded at once: who has seen more of the registry stays.
        if newest.0 < heads.len() {
            *newest = (heads.len(), all.clone());
        }
        Ok(all)
    }
}

/// Parses off the threads that answer: a city's table takes tens of milliseconds.
async fn parse(text: String) -> Result<Result<Dictionary, Fault>, Failure> {
    let parsed = tokio::task::spawn_blocking(move || {
        Dictionary::parse(&text)
            .map_err(|bad| Fault::of_field(Reason::BadDictionary, "csv").with(bad.to_string()))
    });
    parsed.await.map_err(|_| Failure::Stopping)
}

async fn read(canonical: Vec<u8>) -> Result<Dictionary, Failure> {
    let damaged = || Failure::Damaged("a dictionary: run `carbon store rebuild`".into());
    let text = String::from_utf8(canonical).map_err(|_| damaged())?;
    parse(format!("{}\n{text}", Dictionary::HEADER)).await?.map_err(|_| damaged())
}

/// Imports a distance dictionary (01.Z301): CSV with the columns `station_a,station_b,metres`, a
/// pair once in either direction, `#` before comments. It measures trips from its effective day on;
/// what was priced before stays as it is.
#[utoipa::path(
    post, path = "/admin/v1/dictionaries", operation_id = "importDictionary", tag = "operator",
    params(
        ("source" = String, Query, description = "Where it comes from.", min_length = 1,
            max_length = 256),
        ("effective" = Day, Query, description = "First day of behaviour that it measures."),
        ("verified" = Option<bool>, Query,
            description = "Whether it was agreed with the operator of the metro."),
    ),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn import_dictionary(
    State(state): State<HttpState>,
    call: Imported<Operating, DictionaryQuery>,
) -> Answer<Declared> {
    let DictionaryQuery { source, effective, verified } = call.query;
    texts(&[("source", &source, 256)])?;
    let dictionary = parse(call.text).await??;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let head = DictionaryHead {
        version: dictionary.version().to_owned(),
        effective,
        source,
        verified,
        stations: count(dictionary.stations()),
        pairs: count(dictionary.len()),
    };
    let text = dictionary.canonical().into_bytes();
    let import = RegistryCommand::ImportDictionary(Box::new(DictionaryImport { head, text }));
    match state.platform.register(import).await? {
        RegistryReply::Done { replay } => Ok(Data(Declared { replay })),
        _ => misfit(),
    }
}

/// All distance dictionaries that were imported.
#[utoipa::path(
    get, path = "/admin/v1/dictionaries", operation_id = "listDictionaries", tag = "operator",
    responses((status = 200, body = Envelope<DictionariesView>)),
)]
pub async fn list_dictionaries(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<DictionariesView> {
    let registry = state.platform.registry();
    let dictionaries = registry
        .dictionaries()
        .iter()
        .map(|kept| ImportedDictionary { dictionary: kept.head.clone(), imported_at: kept.at });
    Ok(Data(DictionariesView { dictionaries: dictionaries.collect() }))
}
