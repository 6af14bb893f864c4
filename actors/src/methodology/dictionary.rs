//! The distance dictionary of rail stations (Z301): metres between two stations, imported as text.
//! A city's table has hundreds of thousands of pairs, so it is kept in two sorted lists.

use carbon_protocol::registry::dictionary_version;
use carbon_protocol::{Label, Metres};

/// The longest distance that is believed of a pair: farther is another city.
const LONGEST_METRES: u32 = 1_000_000;

/// Faults that are told of one text: whoever has more mends these first.
const FAULTS: usize = 20;

/// Why a text is no dictionary: its first faults, in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct BadDictionary(pub Vec<LineFault>);

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineFault {
    /// The line at fault, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// Distances between stations, the same in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dictionary {
    version: String,
    /// Sorted.
    stations: Vec<Label>,
    /// Places of two stations, the smaller first, and the metres between them; sorted.
    pairs: Vec<(u32, u32, u32)>,
}

/// A line that was read.
struct Pair {
    line: usize,
    a: Label,
    b: Label,
    metres: u32,
}

impl Dictionary {
    /// The first line of a dictionary's text, comments apart.
    pub const HEADER: &str = "station_a,station_b,metres";

    /// Reads CSV with the columns `station_a,station_b,metres`; lines that begin with `#` are
    /// comments. A pair stands once, in whichever direction. Nothing lies between the codes that an
    /// interchange has on its lines: that is no fault.
    pub fn parse(text: &str) -> Result<Self, BadDictionary> {
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let mut lines = lines
            .map(|(number, line)| (number + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let (line, header) = lines.next().unwrap_or((1, ""));
        if header != Self::HEADER {
            let fault = "expected station_a,station_b,metres";
            return Err(BadDictionary(vec![LineFault { line, fault }]));
        }
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for (line, text) in lines {
            match Pair::read(line, text) {
                Ok(pair) => read.push(pair),
                Err(fault) => faults.push(fault),
            }
            if faults.len() == FAULTS {
                return Err(BadDictionary(faults));
            }
        }

        let mut stations: Vec<Label> =
            read.iter().flat_map(|pair| [pair.a.clone(), pair.b.clone()]).collect();
        stations.sort_unstable();
        stations.dedup();
        let mut placed = Vec::with_capacity(read.len());
        for pair in &read {
            let place = |label| place_of(&stations, label);
            let (Some(a), Some(b)) = (place(&pair.a), place(&pair.b)) else {
                let fault = "too many stations";
                return Err(BadDictionary(vec![LineFault { line: pair.line, fault }]));
            };
            placed.push(((a.min(b), a.max(b)), pair.line, pair.metres));
        }
        placed.sort_unstable();
        for two in placed.windows(2) {
            if let [(pair, ..), (again, line, _)] = two
                && pair == again
            {
                faults.push(LineFault { line: *line, fault: "this pair stands above" });
            }
        }
        if !faults.is_empty() {
            faults.sort_unstable();
            faults.truncate(FAULTS);
            return Err(BadDictionary(faults));
        }
        let pairs = placed.into_iter().map(|((a, b), _, metres)| (a, b, metres)).collect();
        let mut dictionary = Self { version: String::new(), stations, pairs };
        dictionary.version = dictionary_version(dictionary.canonical().as_bytes());
        Ok(dictionary)
    }

    /// Its text as it is kept and digested: a line a pair, sorted, without the header. Another
    /// order of the lines or another comment is the same dictionary.
    pub fn canonical(&self) -> String {
        use std::fmt::Write as _;
        let mut canonical = String::new();
        for (a, b, metres) in self.pairs() {
            // Writing into a text cannot fail.
            let _ = writeln!(canonical, "{a},{b},{metres}");
        }
        canonical
    }

    /// Its text as it can be imported.
    pub fn csv(&self) -> String {
        format!("{}\n{}", Self::HEADER, self.canonical())
    }

    /// The version: a digest of the content, so that it cannot be forgotten to change.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The distance between two stations, in either direction.
    pub fn distance(&self, from: &Label, to: &Label) -> Option<Metres> {
        let (a, b) = (place_of(&self.stations, from)?, place_of(&self.stations, to)?);
        let key = (a.min(b), a.max(b));
        let found = self.pairs.binary_search_by_key(&key, |(a, b, _)| (*a, *b)).ok()?;
        self.pairs.get(found).map(|(_, _, metres)| Metres(u64::from(*metres)))
    }

    /// All pairs, in the order of their stations. `skip` on it is cheap: a page is a slice.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&Label, &Label, Metres)> {
        // Places were given by this very list of stations.
        let label = |place: u32| &self.stations[place as usize];
        self.pairs.iter().map(move |(a, b, m)| (label(*a), label(*b), Metres(u64::from(*m))))
    }

    /// How many pairs it has.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// How many stations they are between.
    pub fn stations(&self) -> usize {
        self.stations.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

fn place_of(stations: &[Label], label: &Label) -> Option<u32> {
    stations.binary_search(label).ok().and_then(|place| u32::try_from(place).ok())
}

impl Pair {
    fn read(line: usize, text: &str) -> Result<Self, LineFault> {
        let bad = |fault| LineFault { line, fault };
        let mut fields = text.split(',').map(str::trim);
        let (Some(a), Some(b), Some(metres), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(bad("expected three columns"));
        };
        let station = |text| Label::parse(text).map_err(|_| bad("a station is no plain code"));
        let (a, b) = (station(a)?, station(b)?);
        if a == b {
            return Err(bad("a station's distance from itself"));
        }
        let metres: u32 = metres.parse().map_err(|_| bad("metres are no whole number"))?;
        if metres > LONGEST_METRES {
            return Err(bad("more than 1000000 metres"));
        }
        Ok(Self { line, a, b, metres })
    }
}
