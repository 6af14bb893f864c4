//! The identity SaaS (数字身份): the platform and partners are its clients. Paths are
//! `{base}/api/v1/<code>`; calls are signed like the platform's own, with the caller's chain code
//! as application id; answers come in the same envelope.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::seal::SealedField;
use crate::{Ccid, CreditCode, Did};

/// Path of the call that sends an SMS code.
pub const SMS_CODE: &str = "/api/v1/sms-code";
/// Path of 3.1.
pub const REGISTER: &str = "/api/v1/3.1";
/// Path of 3.2.
pub const REGISTER_LEGAL: &str = "/api/v1/3.2";
/// Path of 3.3.
pub const SIGN_AS_PERSON: &str = "/api/v1/3.3";
/// Path of 4.4.1.
pub const SIGN_AS_APP: &str = "/api/v1/4.4.1";
/// Path of 4.4.2.
pub const OPEN_H5: &str = "/api/v1/4.4.2";
/// Path of 4.4.3.
pub const OPEN_LEGAL_H5: &str = "/api/v1/4.4.3";
/// Path of 4.4.4.
pub const OPEN_SIGNING_H5: &str = "/api/v1/4.4.4";
/// Path of 4.4.5.
pub const H5_RESULT: &str = "/api/v1/4.4.5";
/// Path of 4.4.6.
pub const REGISTER_SUB: &str = "/api/v1/4.4.6";
/// Path of 4.4.7.
pub const PARENT: &str = "/api/v1/4.4.7";

/// Longest text that is signed with a DID, in characters.
pub const CONTENT_MAX: usize = 4096;

/// Sends an SMS code, part of 3.1 and 3.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmsCodeRequest {
    /// Phone, bound to `code|phone`.
    pub phone: SealedField,
}

/// Nothing but success.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Sent {}

/// 3.1 自然人注册DID: platform only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    /// Name, bound to `code|name`.
    pub name: SealedField,
    /// ID number, bound to `code|idNo`.
    pub id_no: SealedField,
    /// Phone, bound to `code|phone`.
    pub phone: SealedField,
    /// The SMS code that the citizen typed.
    pub sms_code: String,
}

/// The person's DID; none where the SMS code is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The DID.
    pub did: Option<Did>,
}

/// 3.2 法人注册DID: platform only, idempotent. Partners are legal persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalRequest {
    /// Its name in the business register.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Its unified social credit code (统一社会信用代码).
    pub credit_code: CreditCode,
}

/// A legal person's DID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalRegistered {
    /// The DID: one for each credit code.
    pub did: Did,
}

/// 3.3 自然人DID签名: platform only; the person agrees by the SMS code sent to the phone that is
/// registered with the DID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonSignRequest {
    /// Who signs.
    pub did: Did,
    /// The SMS code that the person typed.
    pub sms_code: String,
    /// What is signed: its UTF-8 bytes.
    #[schema(min_length = 1, max_length = 4096)]
    pub content: String,
}

/// The person's signature; none where the SMS code is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonSigned {
    /// The signature.
    pub signature: Option<DidSignature>,
}

/// A signature that verifies under a key of a DID document: SM2 with SM3, the signer's id being
/// `1234567812345678`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DidSignature {
    /// The key: the DID, `#`, and the key's name in its document.
    #[schema(max_length = 128, example = "did:shap:5b1f0c6a9d2e4788a1b2c3d4e5f60718#key-1")]
    pub verification_method: String,
    /// The signature: ASN.1 DER, hexadecimal.
    #[schema(max_length = 160)]
    pub proof_value: String,
}

/// 4.4.1 接入方DID签名: the calling application signs with its own DID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppSignRequest {
    /// What is signed: its UTF-8 bytes.
    #[schema(min_length = 1, max_length = 4096)]
    pub content: String,
}

/// 4.4.3 预填业务信息 - 法人注册DID: opens an H5 in which the legal person's agent (经办人) agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalH5Request {
    /// The legal person's name in the business register.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Its unified social credit code.
    pub credit_code: CreditCode,
    /// The agent's name, bound to `code|agentName`.
    pub agent_name: SealedField,
    /// The agent's ID number, bound to `code|agentIdNo`.
    pub agent_id_no: SealedField,
    /// The agent's phone, bound to `code|agentPhone`; the H5 asks for it where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_phone: Option<SealedField>,
    /// Where the agent returns to.
    #[schema(max_length = 512)]
    pub return_url: String,
}

/// 4.4.4 预填业务信息 - 自然人DID签名: opens an H5 in which a citizen of the calling application reads
/// and signs. The signature is the pseudonym's: who knows it learns nothing of the person's DID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningH5Request {
    /// Who signs: a pseudonym towards the calling application.
    pub ccid: Ccid,
    /// What is shown and signed: its UTF-8 bytes.
    #[schema(min_length = 1, max_length = 4096)]
    pub content: String,
    /// Where the citizen returns to.
    #[schema(max_length = 512)]
    pub return_url: String,
}

/// 4.4.2 预填业务信息 - 自然人注册DID: opens an H5 for a citizen of the calling application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct H5Request {
    /// Name, bound to `code|name`.
    pub name: SealedField,
    /// ID number, bound to `code|idNo`.
    pub id_no: SealedField,
    /// Phone, bound to `code|phone`; the H5 asks for it where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<SealedField>,
    /// Where the citizen returns to.
    pub return_url: String,
}

/// The H5 of 4.4.2, 4.4.3 or 4.4.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct H5 {
    /// To be opened in the citizen's browser.
    pub url: String,
    /// Business serial (业务流水号) for 4.4.5.
    pub serial: String,
}

/// 4.4.5 根据业务流水号查询H5服务结果.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct H5ResultRequest {
    /// The business serial.
    pub serial: String,
}

/// What came of an H5: the truth; the browser's return is only a hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct H5Result {
    /// How far it is.
    pub status: H5Status,
    /// Of 4.4.2 and 4.4.4, when done: the person's pseudonym towards the calling application.
    pub ccid: Option<Ccid>,
    /// Of 4.4.3, when done: the legal person's DID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<Did>,
    /// Of 4.4.4, when done: the citizen's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<DidSignature>,
}

/// How far an H5 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H5Status {
    /// The citizen has not finished.
    Pending,
    /// Registered, or signed.
    Done,
    /// Nobody finished it within three days.
    Expired,
}

/// 4.4.6 注册子DID: platform only, idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubDidRequest {
    /// The person.
    pub did: Did,
    /// The application's code on the chain.
    pub chain_code: String,
}

/// The sub-DID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubDid {
    /// The pseudonym (CCID).
    pub ccid: Ccid,
}

/// 4.4.7 查询上级DID: platform only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRequest {
    /// The pseudonym.
    pub ccid: Ccid,
    /// The application's code on the chain.
    pub chain_code: String,
}

/// The person behind a pseudonym; none where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parent {
    /// The person.
    pub person: Option<ParentPerson>,
}

/// A person on the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentPerson {
    /// The DID.
    pub did: Did,
    /// Name, bound to `code|name`.
    pub name: SealedField,
    /// ID number, bound to `code|idNo`.
    pub id_no: SealedField,
    /// Phone, bound to `code|phone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<SealedField>,
}
