//! Events on NATS (事件订阅): what is told to whoever listens, as CloudEvents 1.0 with JSON data. They
//! name citizens by pseudonym or not at all: no account ids, no personal data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::Channel;
use crate::courier::PushKind;
use crate::{AppId, Ccid, Day, Grams, OrderNo, Points, Reason, RunNo, SceneCode, Serial};

/// What every subject begins with.
pub const SUBJECT_ROOT: &str = "carbon.events";
/// The subject's third token where no application is concerned. No application can have it as a
/// name of its own: see [`subject`].
pub const PLATFORM: &str = "platform";

macro_rules! happenings {
    ($($(#[$doc:meta])* $kind:ident($data:ident) = $name:literal;)*) => {
        /// What happened, with its data. Serialises as the data alone: kind and time travel in
        /// the CloudEvents headers.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(untagged)]
        pub enum Happening {
            $($(#[$doc])* $kind($data),)*
        }

        impl Happening {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$($name),*];

            /// Its kind: the subject's last token.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $name),* }
            }

            /// Reads the data of a kind; nothing where kind or data is unknown.
            pub fn parse(kind: &str, data: &[u8]) -> Option<Self> {
                match kind {
                    $($name => serde_json::from_slice(data).ok().map(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

happenings! {
    /// A citizen opened a carbon account. Of no application.
    AccountOpened(Opened) = "account-opened";
    /// A citizen's account was closed (销户). Of no application.
    AccountClosed(Closed) = "account-closed";
    /// A scene was lit.
    SceneLit(SceneLit) = "scene-lit";
    /// The consent to a scene was taken back.
    SceneRevoked(SceneRevoked) = "scene-revoked";
    /// A mall was linked.
    MallLinked(MallLinked) = "mall-linked";
    /// The link to a mall was taken back.
    MallUnlinked(MallUnlinked) = "mall-unlinked";
    /// A batch was received.
    BatchReceived(BatchReceived) = "batch-received";
    /// A record was accepted by its account: its grams are pending.
    ReductionsSubmitted(Submitted) = "reductions-submitted";
    /// A record was refused by its account.
    ReductionsRefused(Refused) = "reductions-refused";
    /// Records of a citizen were issued or refused by a run.
    ReductionsIssued(Issued) = "reductions-issued";
    /// A record of a citizen corrected or voided an earlier one.
    ReductionsCorrected(Corrected) = "reductions-corrected";
    /// Points were credited. Of no application.
    PointsCredited(Credited) = "points-credited";
    /// Points were held for an order.
    PointsHeld(OrderPoints) = "points-held";
    /// Points were captured for an order.
    PointsRedeemed(OrderPoints) = "points-redeemed";
    /// Points of an order were given back.
    PointsRefunded(OrderPoints) = "points-refunded";
    /// Held points were released, by the mall or by time.
    PointsReleased(OrderPoints) = "points-released";
    /// Points ended unspent. Of no application.
    PointsExpired(Expired) = "points-expired";
    /// Points were taken back with the grams they came of. Of no application.
    PointsVoided(Voided) = "points-voided";
    /// Points that came in paid a debt. Of no application.
    PointsRecovered(Recovered) = "points-recovered";
    /// An issuance run began. Of no application.
    RunStarted(RunStarted) = "run-started";
    /// An issuance run ended. Of no application.
    RunFinished(RunFinished) = "run-finished";
    /// A push was given up on.
    PushParked(Parked) = "push-parked";
}

impl Happening {
    /// The CloudEvents type. A change that old readers cannot bear gets a new number.
    pub fn cloud_type(&self) -> String {
        format!("carbon.{}.v1", self.kind())
    }

    /// Where it is published; `app` is the application concerned, if one is.
    pub fn subject(&self, app: Option<&AppId>) -> String {
        subject(app, self.kind())
    }

    /// Its data in JSON.
    pub fn data(&self) -> Vec<u8> {
        // Texts and numbers always become JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// `carbon.events.<appId or platform>.<kind>`. A dot of an application id is written `%2E`, since
/// it would divide the subject, and an application called `platform` is `%platform`: what an
/// application may subscribe to is granted by this token.
pub fn subject(app: Option<&AppId>, kind: &str) -> String {
    let token = match app.map(AppId::as_str) {
        None => PLATFORM.to_owned(),
        Some(PLATFORM) => format!("%{PLATFORM}"),
        Some(id) => id.replace('.', "%2E"),
    };
    format!("{SUBJECT_ROOT}.{token}.{kind}")
}

/// An account was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// By which way: `partner` or `city_app`.
    #[schema(value_type = String)]
    pub channel: Channel,
}

/// An account was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// Points that ended with it.
    pub points: Points,
}

/// A scene was lit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SceneLit {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// A scene was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SceneRevoked {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// By which way: `partner`, `city_app`, or `operator` where one closed the account.
    #[schema(value_type = String)]
    pub channel: Channel,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// A mall was linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MallLinked {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
}

/// A mall was unlinked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MallUnlinked {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// By which way: `partner`, `city_app`, or `operator` where one closed the account.
    #[schema(value_type = String)]
    pub channel: Channel,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// A batch was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchReceived {
    /// The application's batch counter; later events name records by it.
    pub batch: u32,
    /// The application's serial of the batch.
    pub batch_serial: Serial,
    /// Records received.
    pub received: u32,
    /// Records that repeat earlier ones.
    pub replayed: u32,
    /// Records refused.
    pub refused: u32,
}

/// A record was accepted by its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// The application's batch counter, as `batch-received` told it.
    pub batch: u32,
    /// The row in the batch, from 0.
    pub row: u16,
    /// The day it counts for.
    pub day: Day,
    /// Grams that became pending.
    pub reduction_grams: Grams,
    /// Whether a cap cut them.
    pub capped: bool,
}

/// A record was refused by its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// The application's batch counter, as `batch-received` told it.
    pub batch: u32,
    /// The row in the batch, from 0.
    pub row: u16,
    /// Why.
    pub reason: Reason,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// A record corrected or voided an earlier one of the same application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Corrected {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// The application's batch counter of the record that corrects or voids.
    pub batch: u32,
    /// Its row in the batch, from 0.
    pub row: u16,
    /// The batch of the first record of the behaviour.
    pub original_batch: u32,
    /// The first record's row in it.
    pub original_row: u16,
    /// Whether it counts no more.
    pub void: bool,
    /// Grams that count from now on, pending and issued.
    pub reduction_grams: Grams,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// Points were taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voided {
    /// Points taken back at once.
    pub points: Points,
    /// Points that had been spent: a debt, recovered from later credits first.
    pub owed_points: Points,
}

/// Points paid a debt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// How many.
    pub points: Points,
}

/// Records of one citizen and application were issued or refused by one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The run (签发批次).
    pub run: RunNo,
    /// Grams issued in all.
    pub reduction_grams: Grams,
    /// Records issued.
    pub issued: Vec<IssuedRow>,
    /// Records the operator refused.
    pub refused: Vec<IssuedRow>,
    /// The number it has among the pushes to the application about this citizen.
    pub sequence: u32,
}

/// A record of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedRow {
    /// The scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneCode>,
    /// The application's batch counter, as `batch-received` told it.
    pub batch: u32,
    /// The row in the batch, from 0.
    pub row: u16,
    /// Its grams.
    pub reduction_grams: Grams,
}

/// Points were credited to a citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credited {
    /// The run they came of.
    pub run: RunNo,
    /// How many.
    pub points: Points,
    /// The last day they can be spent.
    pub expires: Day,
}

/// Points of an order were held, captured, given back or released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPoints {
    /// The pseudonym towards the application; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// The order.
    pub order_no: OrderNo,
    /// The action's serial; absent where time released them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// How many points.
    pub points: Points,
}

/// Points of a citizen ended unspent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expired {
    /// How many.
    pub points: Points,
}

/// An issuance run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    /// The run (签发批次).
    pub run: RunNo,
    /// Records of behaviour up to this day are issued.
    pub through: Day,
}

/// An issuance run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunFinished {
    /// The run (签发批次).
    pub run: RunNo,
}

/// A push was given up on: an operator can replay it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Its kind.
    pub kind: PushKind,
    /// Id of the last event in it.
    pub through: String,
    /// Events in it.
    pub events: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_application_can_widen_its_subject() {
        let at = |id: &str| subject(Some(&AppId::parse(id).unwrap()), "scene-lit");
        assert_eq!(subject(None, "scene-lit"), "carbon.events.platform.scene-lit");
        assert_eq!(at("metro-app"), "carbon.events.metro-app.scene-lit");
        assert_eq!(at("a.b"), "carbon.events.a%2Eb.scene-lit");
        assert_ne!(at("platform"), subject(None, "scene-lit"));
        for id in ["a.b", "platform", "a:b@c_d-e", "..."] {
            assert_eq!(at(id).split('.').count(), 4, "{id}");
        }
    }

    #[test]
    fn data_travels_without_its_kind_and_is_read_by_it() {
        let held = OrderPoints {
            ccid: Some(Ccid::parse("did:sub:1").unwrap()),
            order_no: OrderNo::parse("o-1").unwrap(),
            serial: None,
            points: Points(30),
        };
        let happening = Happening::PointsHeld(held);
        let data = happening.data();
        assert_eq!(data, br#"{"ccid":"did:sub:1","orderNo":"o-1","points":30}"#);
        assert_eq!(happening.cloud_type(), "carbon.points-held.v1");
        assert_eq!(Happening::parse("points-held", &data), Some(happening));
        assert_eq!(Happening::parse("points-lost", &data), None);
        assert_eq!(Happening::parse("batch-received", &data), None);
    }
}
