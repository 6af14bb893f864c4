//! Why something was refused: a closed list of reasons, each with a stable code, its HTTP class and
//! a message in Chinese and English that says what to do next.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal: nothing was changed. Carries the field at fault where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason:?} {field:?} {detail:?}")]
pub struct Rejection {
    /// What went wrong.
    pub reason: Reason,
    /// The field at fault, as a path in the request (`records[3].ccid`).
    pub field: Option<String>,
    /// A fact that helps (a limit, a remaining balance). Never personal data.
    pub detail: Option<String>,
}

impl Rejection {
    /// A refusal without a field.
    pub fn new(reason: Reason) -> Self {
        Self { reason, field: None, detail: None }
    }

    /// A refusal that names the field at fault.
    pub fn of_field(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, field: Some(field.into()), detail: None }
    }

    /// Adds a fact that helps the reader.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $retry:literal,
       $zh:literal, $en:literal;)*) => {
        /// Every reason for a refusal. The first three digits of a code are its HTTP status.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            ToSchema,
        )]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum Reason {
            $($(#[$doc])* #[doc = $en] $name,)*
        }

        impl Reason {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code of the envelope.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status of an answer that fails for this reason.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// Whether the same request may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// The message in Chinese.
            pub fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh),* }
            }

            /// The message in English.
            pub fn en(self) -> &'static str {
                match self { $(Self::$name => $en),* }
            }
        }
    };
}

reasons! {
    Malformed = "40001", 400, false, "请求格式错误，请对照接口文档检查字段",
        "The request is malformed: compare it with the interface's documentation";
    UnknownField = "40002", 400, false, "包含未定义的字段", "The request has a field that is not defined";
    OutOfRange = "40003", 400, false, "字段取值超出范围", "A value is outside its range";
    BadCursor = "40004", 400, false, "分页游标无效，请从第一页重新查询",
        "The cursor is not one of ours: start again from the first page";
    TooManyItems = "40005", 400, false, "条目数超出上限", "There are more items than the limit allows";
    BadCipherText = "40006", 400, false, "加密字段无法解密，请检查密钥与算法（SM4-GCM）",
        "An encrypted field cannot be opened: check key and format (SM4-GCM)";
    PushAddressRefused = "40007", 400, false, "推送地址不被允许（须为公网 https 地址）",
        "The push address is not allowed: https and a public network are required";
    ChallengeFailed = "40008", 400, true, "推送地址未通过验证，请原样返回 challenge",
        "The push address did not answer the challenge: return it as it was sent";
    UnknownMethodology = "40009", 400, false, "场景没有适用的方法学",
        "No methodology applies to this behaviour in this scene";
    UnknownStation = "40010", 400, false, "站点不在距离字典中",
        "The station pair is not in the distance dictionary";
    RealNameRequired = "40011", 400, false, "用户需先在场景方完成实名认证",
        "The citizen's real name must be verified by the partner first";
    BadDictionary = "40012", 400, false, "距离字典文件有误，请按行号修改后重新导入",
        "The distance dictionary has faults: mend the lines that are named and import it again";
    Unauthenticated = "40101", 401, false, "缺少身份凭证", "Credentials are missing";
    UnknownApp = "40102", 401, false, "应用不存在或已停用", "The application does not exist or is suspended";
    BadSignature = "40103", 401, false, "签名错误，请检查待签名串、密钥与签名类型",
        "The signature is wrong: check the string to sign, the key and the type";
    StaleTimestamp = "40104", 401, true, "时间戳超出允许范围（±5 分钟）",
        "The timestamp is outside the window of five minutes";
    NonceReplayed = "40105", 401, false, "nonce 已被使用", "This nonce was used before";
    BadToken = "40106", 401, true, "令牌无效或已过期，请重新获取（Z101）",
        "The token is invalid or expired: get a new one (Z101)";
    BadLink = "40107", 401, false, "链接无效、已使用或已过期", "The link is invalid, used or expired";
    SessionExpired = "40108", 401, true, "会话已过期，请重新进入", "The session has expired: enter again";
    Forbidden = "40301", 403, false, "没有权限", "This is not permitted";
    FourEyes = "40302", 403, false, "须由另一名操作员审批",
        "Another operator must approve this: preparing and approving are two persons'";
    NotFound = "40401", 404, false, "不存在", "It does not exist";
    UnknownCcid = "40402", 404, false, "碳普惠身份标识（CCID）不存在", "This CCID does not exist";
    UnknownScene = "40403", 404, false, "场景不存在", "This scene does not exist";
    UnknownOrder = "40404", 404, false, "订单不存在", "This order does not exist";
    UnknownBatch = "40405", 404, false, "报送批次不存在", "This batch does not exist";
    UnknownRecord = "40406", 404, false, "报送记录不存在", "This record does not exist";
    BadAuthCode = "40407", 404, false, "authCode 无效、已使用或已过期",
        "The authCode is invalid, used or expired";
    AccountNotOpen = "40408", 404, false, "尚未开通碳账户", "No carbon account has been opened";
    MethodNotAllowed = "40501", 405, false, "请求方法不支持", "This method is not supported here";
    SerialConflict = "40901", 409, false, "相同流水号已用于不同内容",
        "This serial was used before with other content";
    SceneNotLit = "40902", 409, false, "行为发生时该场景未点亮",
        "The scene was not lit when the behaviour took place";
    AlreadyLit = "40903", 409, false, "场景已点亮", "The scene is lit already";
    InsufficientPoints = "40904", 409, false, "可用积分不足", "There are not enough points available";
    OrderState = "40905", 409, false, "订单当前状态不允许此操作",
        "The order's state does not allow this action";
    RefundTooLarge = "40906", 409, false, "退款超过已支付积分", "The refund exceeds what was paid";
    MallNotLinked = "40907", 409, false, "用户未授权该权益平台", "The citizen has not linked this mall";
    GramsMismatch = "40908", 409, false, "减排量与平台核算结果不一致",
        "The grams differ from what the platform computed";
    TooOld = "40909", 409, false, "行为时间早于可受理期", "The behaviour is older than can be accepted";
    InFuture = "40910", 409, false, "行为时间晚于当前时间", "The behaviour lies in the future";
    DailyCapReached = "40911", 409, false, "已达到当日上限", "The daily cap of the scene is reached";
    TripAlreadyReported = "40912", 409, false, "同一行程已由其他渠道报送",
        "Another partner has reported this trip";
    ResourceClaimed = "40913", 409, false, "该车辆或住户在此期间已报送",
        "This vehicle or household was reported for the period";
    SceneNotActive = "40914", 409, false, "场景未生效或已到期", "The scene is not active at this time";
    OutsideLimits = "40915", 409, false, "行为超出方法学限定（速度、距离等）",
        "The behaviour is outside the methodology's limits";
    RunConflict = "40916", 409, false, "签发批次冲突", "An issuance run conflicts with this one";
    ErrandRunning = "40917", 409, true, "正在处理，请稍候",
        "This is being worked on: ask again in a moment";
    AlreadyRegistered = "40918", 409, false, "已登记", "It is registered already";
    NoPartnerAccount = "40919", 409, false, "对方应用未查到您的实名账号",
        "The partner has no account under this real name";
    ConsentRequired = "40920", 409, false, "需要本人同意授权协议", "The citizen's consent is required";
    Duplicate = "40921", 409, false, "与本批次其他行重复", "The row repeats another one of this batch";
    Excluded = "40922", 409, false, "未通过签发审核", "It was excluded from issuance";
    AccountClosed = "40923", 409, false, "碳账户已注销", "The account is closed";
    RunState = "40924", 409, false, "签发批次当前状态不允许此操作",
        "The issuance run's state does not allow this";
    OrdersOpen = "40925", 409, true, "存在未完成的订单，请在订单完成或取消后再试",
        "There are open orders: try again when they have been confirmed or cancelled";
    NotAmendable = "40926", 409, false, "原记录不存在于该账户、未计入或已被作废，不能更正",
        "The original does not count in this account, or not any more: nothing can be corrected";
    AmendmentMismatch = "40927", 409, false, "更正或作废须与原记录的场景和日期一致；如有误请作废后重新报送",
        "Scene or day differ from the original's: void it and submit a new record";
    TooLarge = "41301", 413, false, "请求体过大", "The body is too large";
    RateLimited = "42901", 429, true, "请求过于频繁", "Too many requests";
    Internal = "50001", 500, true, "平台内部错误", "Something broke inside the platform";
    Busy = "50301", 503, true, "系统繁忙，请稍后用相同流水号重试", "Busy: try again later with the same serial";
    PartnerUnavailable = "50302", 503, true, "对方系统暂时无法访问",
        "The partner's system cannot be reached for now";
    IdentityUnavailable = "50303", 503, true, "数字身份服务暂时无法访问",
        "The identity service cannot be reached for now";
    ClockUnsafe = "50304", 503, true, "系统时钟异常，已暂停写入",
        "The clock has jumped: writing is paused until an operator agrees";
    DiskFull = "50305", 503, true, "存储空间不足，已暂停受理，请稍后用相同流水号重试",
        "The disk is full: nothing more is taken for now; try again later with the same serial";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_name_their_status() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(&reason.code()[..3], reason.status().to_string(), "{reason:?}");
        }
    }
}
