//! Who signs what: on every wire to an application the platform signs with the application's newest
//! key, or with its own where that is an SM2 key, and believes whichever of the valid keys fits.

use std::sync::Arc;

use carbon_actors::ports::{Failure, Vault};
use carbon_protocol::Timestamp;
use carbon_protocol::keys::{AppKey, KeyHandle, Material};
use carbon_protocol::registry::App;
use carbon_protocol::signature::{self, MacType, SignType};

/// One end of a wire that is signed in both directions.
pub trait Wire: Send + Sync {
    /// Signs, and says how.
    fn sign(&self, bytes: &[u8]) -> Result<(SignType, String), Failure>;

    /// Whether the other end signed these bytes so.
    fn is_theirs(&self, kind: SignType, bytes: &[u8], signature: &str) -> Result<bool, Failure>;
}

/// A wire whose both ends hold one secret, which the configuration states.
pub struct Shared<'k>(pub &'k [u8]);

impl Wire for Shared<'_> {
    fn sign(&self, bytes: &[u8]) -> Result<(SignType, String), Failure> {
        let mac = MacType::HmacSm3;
        Ok((mac.into(), signature::sign(mac, self.0, bytes)))
    }

    fn is_theirs(&self, kind: SignType, bytes: &[u8], signature: &str) -> Result<bool, Failure> {
        let right = |mac| signature::verify(mac, self.0, bytes, signature);
        Ok(kind.mac().is_some_and(right))
    }
}

/// The wire to one application, as its keys are at a time.
pub struct AppWire<'a> {
    /// The vault that holds its secrets.
    pub vault: &'a Arc<dyn Vault>,
    /// The application.
    pub app: &'a App,
    /// The time.
    pub at: Timestamp,
}

impl AppWire<'_> {
    /// What the platform signs with by itself: the newest key.
    pub fn newest(&self) -> Option<Signer> {
        let keys = self.app.signing_keys(self.at);
        keys.first().map(|key| self.signer(key, MacType::default()))
    }

    /// What an answer to a request of this type is signed with while it is not known which key the
    /// request was signed with: the newest that fits the type, or the newest of all.
    pub fn newest_for(&self, kind: SignType) -> Option<Signer> {
        let keys = self.app.signing_keys(self.at);
        let fits = |key: &&&AppKey| is_of(kind, &key.material);
        let fitting = keys.iter().find(fits);
        fitting
            .map(|key| self.signer(key, kind.mac().unwrap_or_default()))
            .or_else(|| self.newest())
    }

    /// Which of the keys made a signature: what the answer to it is signed with. Only keys of the
    /// type's own kind are tried.
    pub fn signer_of(
        &self,
        kind: SignType,
        bytes: &[u8],
        signature: &str,
    ) -> Result<Option<Signer>, Failure> {
        for key in self.app.signing_keys(self.at) {
            let right = match (&key.material, kind.mac()) {
                (Material::Secret(secret), Some(mac)) => {
                    signature::is_tag(&self.vault.mac(secret, mac, bytes)?, signature)
                }
                (Material::Sm2(public), None) => public.verify(bytes, signature),
                _ => false,
            };
            if right {
                return Ok(Some(self.signer(key, kind.mac().unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// The types that the application has keys for.
    pub fn types(&self) -> Vec<SignType> {
        let keys = self.app.signing_keys(self.at);
        let all = [SignType::HmacSm3, SignType::HmacSha256, SignType::Sm2Sm3];
        all.into_iter().filter(|kind| keys.iter().any(|key| is_of(*kind, &key.material))).collect()
    }

    fn signer(&self, key: &AppKey, mac: MacType) -> Signer {
        let key = match &key.material {
            Material::Secret(secret) => Key::Secret(mac, secret.clone()),
            // Keys of fields are not among those of signatures.
            Material::Sm2(_) | Material::Data(_) => Key::Platform,
        };
        Signer { vault: self.vault.clone(), key }
    }
}

fn is_of(kind: SignType, material: &Material) -> bool {
    match material {
        Material::Secret(_) => kind.mac().is_some(),
        Material::Sm2(_) => kind == SignType::Sm2Sm3,
        Material::Data(_) => false,
    }
}

impl Wire for AppWire<'_> {
    fn sign(&self, bytes: &[u8]) -> Result<(SignType, String), Failure> {
        let none = || Failure::Vault(format!("{} has no valid key", self.app.id));
        let signer = self.newest().ok_or_else(none)?;
        Ok((signer.kind(), signer.sign(bytes)?))
    }

    fn is_theirs(&self, kind: SignType, bytes: &[u8], signature: &str) -> Result<bool, Failure> {
        Ok(self.signer_of(kind, bytes, signature)?.is_some())
    }
}

/// A key chosen to sign with; the vault does it.
#[derive(Clone)]
pub struct Signer {
    vault: Arc<dyn Vault>,
    key: Key,
}

#[derive(Clone)]
enum Key {
    /// A secret of the application.
    Secret(MacType, KeyHandle),
    /// The platform's own key pair.
    Platform,
}

impl Signer {
    /// The type of its signatures.
    pub fn kind(&self) -> SignType {
        match self.key {
            Key::Secret(mac, _) => mac.into(),
            Key::Platform => SignType::Sm2Sm3,
        }
    }

    /// Signs; hexadecimal.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, Failure> {
        match &self.key {
            Key::Secret(mac, secret) => self.vault.mac(secret, *mac, bytes).map(hex::encode),
            Key::Platform => self.vault.sign(bytes),
        }
    }
}
