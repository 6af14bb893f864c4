//! The file keystore's own keys: drawn at the first start, at rest under the master key, and never
//! changed: another key of account ids would make another account of everybody.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use carbon_actors::ports::Failure;
use carbon_protocol::seal::{DataKey, open_bytes, seal_bytes};
use carbon_protocol::signature::{MacType, mac};
use carbon_protocol::sm2::{PrivateKey, PublicKey};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::master::{Derivation, Master};
use super::provider::{KeyProvider, Usage};
use super::{failure, sync_folder};

const NAME: &str = "keys.toml";
const UNFINISHED: &str = "keys.new";
const FORMAT: u32 = 2;
/// Secrets of applications that are kept unwrapped: every request needs one twice.
const UNWRAPPED: usize = 4096;

/// The file as written; hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    format: u32,
    /// Salt of PBKDF2 with HMAC-SM3; zeros where the master key is in a file.
    salt: String,
    /// Its rounds; 0 where the master key is in a file.
    iterations: u32,
    /// Tells another master key from a damaged file, and tells nothing about the key.
    print: String,
    /// The keys, sealed under the master key, bound to everything above.
    sealed: String,
}

impl KeysFile {
    fn derivation(&self) -> Option<Derivation> {
        let mut salt = [0; 16];
        hex::decode_to_slice(&self.salt, &mut salt).ok()?;
        Some(Derivation { salt, iterations: self.iterations })
    }

    fn about(&self) -> String {
        format!("keys|{}|{}|{}|{}", self.format, self.salt, self.iterations, self.print)
    }
}

fn print(master: &DataKey) -> String {
    hex::encode(&mac(MacType::HmacSm3, master.bytes(), b"print of a master key")[..8])
}

/// The keys in the clear; hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear {
    /// Key of the account ids, 32 bytes.
    account_ids: String,
    /// Key that wraps all others, 16 bytes.
    wrapping: String,
    /// The platform's private SM2 key, 32 bytes.
    sm2: String,
}

impl Drop for Clear {
    fn drop(&mut self) {
        self.account_ids.zeroize();
        self.wrapping.zeroize();
        self.sm2.zeroize();
    }
}

/// A secret of an application, wiped when nobody holds it any more.
type Secret = Arc<Zeroizing<Vec<u8>>>;

/// The keys.
pub(super) struct FileKeys {
    account_ids: Zeroizing<[u8; 32]>,
    wrapping: DataKey,
    pair: PrivateKey,
    public: PublicKey,
    unwrapped: RwLock<HashMap<Vec<u8>, Secret>>,
}

impl FileKeys {
    /// Reads the keys; draws them where there are none yet, if `may_draw`. With another master key
    /// nothing is read, and nothing written.
    pub fn open(folder: &Path, master: &Master, may_draw: bool) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let damaged = || Failure::Vault(format!("{}: damaged", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_draw => {
                return Self::draw_all(folder, master);
            }
            Err(error) => return Err(failure(&path, &error)),
        };
        let file: KeysFile = toml::from_str(&text).map_err(|_| damaged())?;
        let derivation = file.derivation().filter(|_| file.format == FORMAT);
        let key = master.key(&derivation.ok_or_else(damaged)?, false)?;
        if print(&key) != file.print {
            let why = "it was sealed under another key than the one [vault] names";
            return Err(Failure::Vault(format!("{}: {why}", path.display())));
        }
        let sealed = hex::decode(&file.sealed).map_err(|_| damaged())?;
        let clear = open_bytes(&key, file.about().as_bytes(), &sealed).ok_or_else(damaged)?;
        let clear = std::str::from_utf8(&clear).ok().and_then(|text| toml::from_str(text).ok());
        Self::of(&clear.ok_or_else(damaged)?).ok_or_else(damaged)
    }

    fn of(clear: &Clear) -> Option<Self> {
        let mut account_ids = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&clear.account_ids, &mut *account_ids).ok()?;
        let mut scalar = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&clear.sm2, &mut *scalar).ok()?;
        let pair = PrivateKey::from_bytes(&scalar)?;
        let (wrapping, public) = (DataKey::from_hex(&clear.wrapping)?, pair.public());
        Some(Self { account_ids, wrapping, pair, public, unwrapped: RwLock::default() })
    }

    /// Draws the keys and makes them durable before anybody uses them.
    fn draw_all(folder: &Path, master: &Master) -> Result<Self, Failure> {
        let clear = Clear {
            account_ids: hex::encode(Zeroizing::new(rand::random::<[u8; 32]>())),
            wrapping: hex::encode(Zeroizing::new(rand::random::<[u8; 16]>())),
            sm2: hex::encode(draw_scalar()),
        };
        let unusable = || Failure::Vault("the keys that were drawn cannot be used".into());
        let keys = Self::of(&clear).ok_or_else(unusable)?;
        let derivation = master.derivation();
        let key = master.key(&derivation, true)?;
        let mut file = KeysFile {
            format: FORMAT,
            salt: hex::encode(derivation.salt),
            iterations: derivation.iterations,
            print: print(&key),
            sealed: String::new(),
        };
        let text = Zeroizing::new(toml::to_string(&clear).map_err(|_| unusable())?);
        let about = file.about();
        file.sealed =
            hex::encode(seal_bytes(&key, rand::random(), about.as_bytes(), text.as_bytes()));
        let text = toml::to_string(&file).map_err(|_| unusable())?;
        write(folder, &text).map_err(|error| failure(folder, &error))?;
        tracing::info!("the platform's keys were drawn: back them up with the journal");
        Ok(keys)
    }

    fn unwrap(&self, usage: Usage, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        open_bytes(&self.wrapping, about(usage), wrapped)
            .ok_or_else(|| Failure::Vault("a wrapped key is not of this vault and use".into()))
    }

    fn data_key(&self, usage: Usage, wrapped: &[u8]) -> Result<DataKey, Failure> {
        let key = self.unwrap(usage, wrapped)?;
        let bytes = key.as_slice().try_into();
        bytes.map(DataKey::new).map_err(|_| Failure::Vault("a data key has 16 bytes".into()))
    }

    fn secret(&self, wrapped: &[u8]) -> Result<Secret, Failure> {
        if let Some(key) = self.unwrapped.read().get(wrapped) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.unwrap(Usage::Mac, wrapped)?);
        let mut unwrapped = self.unwrapped.write();
        if unwrapped.len() >= UNWRAPPED {
            unwrapped.clear();
        }
        unwrapped.insert(wrapped.to_vec(), key.clone());
        Ok(key)
    }
}

/// A scalar that is a private key: out of 2^32 drawings about one is none.
fn draw_scalar() -> Zeroizing<[u8; 32]> {
    loop {
        let scalar = Zeroizing::new(rand::random::<[u8; 32]>());
        if PrivateKey::from_bytes(&scalar).is_some() {
            return scalar;
        }
    }
}

/// What a wrapped key is bound to: none works for another use.
fn about(usage: Usage) -> &'static [u8] {
    match usage {
        Usage::Mac => b"mac",
        Usage::Fields => b"fields",
        Usage::Person => b"person",
    }
}

fn write(folder: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = options.open(&unfinished)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&unfinished, folder.join(NAME))?;
    sync_folder(folder)
}

impl KeyProvider for FileKeys {
    fn account_tag(&self, id_no: &[u8]) -> Result<[u8; 32], Failure> {
        Ok(mac(MacType::HmacSm3, &*self.account_ids, id_no))
    }

    fn draw(&self, usage: Usage) -> Result<Vec<u8>, Failure> {
        self.wrap(usage, &*Zeroizing::new(rand::random::<[u8; 16]>()))
    }

    fn wrap(&self, usage: Usage, key: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(seal_bytes(&self.wrapping, rand::random(), about(usage), key))
    }

    fn mac(&self, wrapped: &[u8], kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        Ok(mac(kind, &self.secret(wrapped)?, bytes))
    }

    fn seal(
        &self,
        usage: Usage,
        wrapped: &[u8],
        about: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        Ok(seal_bytes(&self.data_key(usage, wrapped)?, rand::random(), about, plain))
    }

    fn open(
        &self,
        usage: Usage,
        wrapped: &[u8],
        about: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        Ok(open_bytes(&self.data_key(usage, wrapped)?, about, sealed))
    }

    fn sign(&self, bytes: &[u8]) -> Result<String, Failure> {
        Ok(self.pair.sign(bytes))
    }

    fn public_key(&self) -> PublicKey {
        self.public
    }
}
