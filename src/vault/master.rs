//! The master key: it opens the platform's keys at rest, and lies elsewhere. In a key file, or as a
//! passphrase in one; for development beside the vault, with a warning.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use carbon_actors::ports::Failure;
use carbon_protocol::seal::DataKey;
use zeroize::Zeroizing;

use super::{Config, failure};

/// Shortest passphrase, in bytes.
const PASSPHRASE_MIN: usize = 12;
/// Rounds of PBKDF2 for a passphrase; written beside what it opens.
const ITERATIONS: u32 = 300_000;

/// Where the master key comes from.
pub(super) enum Master {
    /// A file with 32 hexadecimal digits.
    File(PathBuf),
    /// A file with a passphrase.
    Passphrase(PathBuf),
    /// A key file beside the vault: for development.
    Beside(PathBuf),
}

/// How a master key follows from a passphrase; zeros where it is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derivation {
    pub salt: [u8; 16],
    pub iterations: u32,
}

impl Master {
    /// As the configuration says, for a vault in this folder.
    pub fn of(folder: &Path, config: &Config) -> Result<Self, Failure> {
        match (config.key_file.as_str(), config.passphrase_file.as_str()) {
            ("", "") => Ok(Self::Beside(folder.with_extension("key"))),
            (file, "") => Ok(Self::File(file.into())),
            ("", file) => Ok(Self::Passphrase(file.into())),
            _ => Err(Failure::Vault("[vault] takes key_file or passphrase_file, not both".into())),
        }
    }

    /// The derivation of a vault that begins.
    pub fn derivation(&self) -> Derivation {
        match self {
            Self::Passphrase(_) => Derivation { salt: rand::random(), iterations: ITERATIONS },
            Self::File(_) | Self::Beside(_) => Derivation { salt: [0; 16], iterations: 0 },
        }
    }

    /// The key. Only the development's own is drawn where it is missing, and only if `may_draw`.
    pub fn key(&self, derivation: &Derivation, may_draw: bool) -> Result<DataKey, Failure> {
        let refused = |path: &Path, why: &str| {
            Err(Failure::Vault(format!("[vault] {}: {why}", path.display())))
        };
        match self {
            Self::Passphrase(path) => {
                let text = read(path)?;
                let passphrase = text.trim_end_matches(['\r', '\n']).as_bytes();
                if passphrase.len() < PASSPHRASE_MIN {
                    return refused(path, "a passphrase has at least 12 bytes");
                }
                if derivation.iterations == 0 {
                    return refused(path, "this vault was begun with a key file");
                }
                Ok(DataKey::of_passphrase(passphrase, &derivation.salt, derivation.iterations))
            }
            Self::File(path) | Self::Beside(path) => {
                if derivation.iterations != 0 {
                    return refused(path, "this vault was begun with a passphrase");
                }
                if matches!(self, Self::Beside(_)) {
                    warn_of(path);
                    if may_draw && !path.exists() {
                        draw(path)?;
                    }
                }
                match DataKey::from_hex(&read(path)?) {
                    Some(key) => Ok(key),
                    None => refused(path, "32 hexadecimal digits are expected"),
                }
            }
        }
    }
}

fn warn_of(path: &Path) {
    tracing::warn!(
        key = %path.display(),
        "the vault's key lies beside the vault: good for development only. Set [vault] key_file or \
         passphrase_file, and back the key up apart from the data"
    );
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Vault(format!(
            "{} is missing: nothing of the vault opens without it",
            path.display()
        )),
        _ => failure(path, &error),
    })?;
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(file = %path.display(), "the vault's key can be read by other users");
    }
    Ok(Zeroizing::new(text))
}

/// Draws the development's key and makes it durable before anything is sealed under it.
fn draw(path: &Path) -> Result<(), Failure> {
    let key = Zeroizing::new(hex::encode(Zeroizing::new(rand::random::<[u8; 16]>())));
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(path)?;
        out.write_all(key.as_bytes())?;
        out.sync_all()?;
        path.parent().map_or(Ok(()), super::sync_folder)
    };
    write().map_err(|error| failure(path, &error))
}
