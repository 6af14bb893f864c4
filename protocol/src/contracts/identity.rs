//! The identity SaaS (数字身份): the platform and partners are its clients. Paths are
//! `{base}/api/v1/<code>`; calls are signed like the platform's own, with the caller's chain code
//! as application id; answers come in the same envelope.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::seal::SealedField;
use crate::{Ccid, Did};

/// Path of the call that sends an SMS code.
pub const SMS_CODE: &str = "/api/v1/sms-code";
/// Path of 3.1.
pub const REGISTER: &str = "/api/v1/3.1";
/// Path of 4.4.2.
pub const OPEN_H5: &str = "/api/v1/4.4.2";
/// Path of 4.4.5.
pub const H5_RESULT: &str = "/api/v1/4.4.5";
/// Path of 4.4.6.
pub const REGISTER_SUB: &str = "/api/v1/4.4.6";
/// Path of 4.4.7.
pub const PARENT: &str = "/api/v1/4.4.7";

/// Sends an SMS code, part of 3.1.
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

/// The H5.
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
    /// The person's pseudonym towards the calling application, when done.
    pub ccid: Option<Ccid>,
}

/// How far an H5 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H5Status {
    /// The citizen has not finished.
    Pending,
    /// Registered.
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
