//! The key provider: keys that are worked with and never seen. The file keystore is one; an HSM's
//! client would be another, and nothing outside this trait would notice.

use carbon_actors::ports::Failure;
use carbon_protocol::signature::MacType;
use carbon_protocol::sm2::PublicKey;
use zeroize::Zeroizing;

/// Most bytes of a wrapped key: what a slot of the keystore has room for.
pub const WRAPPED_MAX: usize = 60;

/// What a wrapped key is for; it works for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// HMACs of an application.
    Mac,
    /// Personal-data fields of an application.
    Fields,
    /// One person's data.
    Person,
}

/// Operations under keys that stay inside. A *wrapped* key is opaque: bytes under the provider's
/// own key, or the handle of an HSM. All calls are short and may block.
pub trait KeyProvider: Send + Sync + 'static {
    /// HMAC-SM3 under the key of the account ids, which never rotates (INV-03).
    fn account_tag(&self, id_no: &[u8]) -> Result<[u8; 32], Failure>;

    /// Draws a key that nobody has seen; wrapped, at most [`WRAPPED_MAX`] bytes.
    fn draw(&self, usage: Usage) -> Result<Vec<u8>, Failure>;

    /// Wraps a key that comes from outside: a partner has it, too.
    fn wrap(&self, usage: Usage, key: &[u8]) -> Result<Vec<u8>, Failure>;

    /// HMAC under a wrapped key of [`Usage::Mac`].
    fn mac(&self, wrapped: &[u8], kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure>;

    /// Seals (SM4-GCM, a fresh nonce) under a wrapped key.
    fn seal(
        &self,
        usage: Usage,
        wrapped: &[u8],
        about: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, Failure>;

    /// Opens what was sealed; none where it was not sealed under this key, or about this.
    fn open(
        &self,
        usage: Usage,
        wrapped: &[u8],
        about: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure>;

    /// The platform's SM2 signature: DER, hexadecimal.
    fn sign(&self, bytes: &[u8]) -> Result<String, Failure>;

    /// The public key of [`KeyProvider::sign`].
    fn public_key(&self) -> PublicKey;
}
