//! Keys that the platform makes for itself at the first start: the operator's, the city app's, and
//! the one that tokens are sealed with. Plain files that only their owner may read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use carbon_protocol::seal::DataKey;

/// The platform's own keys.
#[derive(Clone)]
pub struct Keys {
    /// The operator's key, hexadecimal.
    pub operator: String,
    /// The city app's key, hexadecimal.
    pub city_app: String,
    /// The key of tokens.
    pub token: [u8; 32],
}

impl Keys {
    /// The city app's key, to open its tickets with.
    pub fn city_app_key(&self) -> DataKey {
        // It was read as sixteen bytes; were it none, no ticket would open.
        DataKey::from_hex(&self.city_app).unwrap_or_else(|| DataKey::new(rand::random()))
    }

    /// Reads the keys of a data folder; those that are missing are made.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let token = read_or_make::<32>(&data.join("token.key"))?;
        Ok(Self {
            operator: hex::encode(read_or_make::<32>(&data.join("operator.key"))?),
            city_app: hex::encode(read_or_make::<16>(&data.join("city-app.key"))?),
            token,
        })
    }
}

fn read_or_make<const N: usize>(file: &Path) -> anyhow::Result<[u8; N]> {
    let shown = file.display();
    match fs::read_to_string(file) {
        Ok(text) => {
            let mut key = [0; N];
            hex::decode_to_slice(text.trim(), &mut key)
                .with_context(|| format!("{shown}: {N} bytes in hexadecimal are expected"))?;
            Ok(key)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key: [u8; N] = rand::random();
            let mut options = OpenOptions::new();
            let mut made = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .with_context(|| format!("{shown} cannot be written"))?;
            writeln!(made, "{}", hex::encode(key))?;
            made.sync_all()?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_refused_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!((first.operator.clone(), first.token), (again.operator, again.token));
        assert_ne!(first.operator, first.city_app);
        fs::write(folder.path().join("operator.key"), "not a key").unwrap();
        let error = format!("{:#}", Keys::open(folder.path()).err().unwrap());
        assert!(error.contains("operator.key"), "{error}");
    }
}
