//! The platform's own keys, in a file that only its user may read. They are drawn at the first
//! start and never change: another key of account ids would make another account of everybody.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use carbon_actors::ports::Failure;
use carbon_protocol::seal::DataKey;
use carbon_protocol::signature::sm3;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{failure, sync_folder};

const NAME: &str = "keys.toml";
const UNFINISHED: &str = "keys.new";

/// The file as written; hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    /// Key of the account ids, 32 bytes.
    account_ids: String,
    /// Key of the platform's secrets, 16 bytes.
    platform: String,
    /// SM3 of both texts: a slip of the hand must not become another key.
    check: String,
}

impl Drop for KeysFile {
    fn drop(&mut self) {
        self.account_ids.zeroize();
        self.platform.zeroize();
    }
}

impl KeysFile {
    fn check(&self) -> String {
        let both = Zeroizing::new(format!("{}|{}", self.account_ids, self.platform));
        hex::encode(sm3(both.as_bytes()))
    }
}

/// The keys.
pub(super) struct Keys {
    /// Of the account ids.
    pub account_ids: Zeroizing<[u8; 32]>,
    /// Of the platform's secrets.
    pub platform: DataKey,
}

impl Keys {
    /// Reads the keys; draws them where there are none yet, if `may_draw`.
    pub fn open(folder: &Path, may_draw: bool) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_draw => draw(folder)?,
            Err(error) => return Err(failure(&path, &error)),
        };
        let mode = std::fs::metadata(&path).map(|found| found.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            tracing::warn!(file = %path.display(), "the keys can be read by other users");
        }
        parse(&text).ok_or_else(|| Failure::Vault(format!("{}: damaged", path.display())))
    }
}

fn parse(text: &str) -> Option<Keys> {
    let file: KeysFile = toml::from_str(text).ok()?;
    let mut account_ids = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&file.account_ids, &mut *account_ids).ok()?;
    let platform = DataKey::from_hex(&file.platform)?;
    (file.check == file.check()).then_some(Keys { account_ids, platform })
}

/// Draws the keys and makes them durable before anybody uses them.
fn draw(folder: &Path) -> Result<Zeroizing<String>, Failure> {
    let account_ids = Zeroizing::new(rand::random::<[u8; 32]>());
    let platform = Zeroizing::new(rand::random::<[u8; 16]>());
    let mut file = KeysFile {
        account_ids: hex::encode(*account_ids),
        platform: hex::encode(*platform),
        check: String::new(),
    };
    file.check = file.check();
    let text = toml::to_string(&file).map_err(|error| Failure::Vault(error.to_string()))?;
    let text = Zeroizing::new(text);
    let write = || {
        let unfinished = folder.join(UNFINISHED);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut out = options.open(&unfinished)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&unfinished, folder.join(NAME))?;
        sync_folder(folder)
    };
    write().map_err(|error| failure(folder, &error))?;
    tracing::info!("the platform's keys were drawn: back them up with the journal");
    Ok(text)
}
