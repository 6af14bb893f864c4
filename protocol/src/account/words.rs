//! Words that commands, replies and events share.

use serde::{Deserialize, Serialize};

use crate::{AppNo, Day, Points, SceneNo, TextNo, Timestamp};

/// By which way a citizen acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// From a scene partner's app (journey 1).
    Partner,
    /// From 随申办 (journeys 2, 3 and 4).
    CityApp,
    /// Through an operator, who closed the account.
    Operator,
}

/// Who closed an account (销户).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosedBy {
    /// The citizen.
    Citizen(Channel),
    /// An operator; the audit log says who.
    Operator,
}

/// A citizen's consent to one agreement: what was shown, when, and where (INV-04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Which text was shown: the registry has its agreement, version and SM3.
    pub text: TextNo,
    /// When the citizen agreed.
    pub at: Timestamp,
    /// By which way.
    pub channel: Channel,
}

/// Points of one lot. A lot is named by the last day it can be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotPoints {
    /// Last day of the lot.
    pub expires: Day,
    /// Points of it.
    pub points: Points,
}

/// What an errand is for. Its outside calls are made by the errand runner, never by the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Light scenes of one application: C101, 4.4.6.
    Light {
        /// The application.
        app: AppNo,
        /// The scenes, each with the consent given for it.
        scenes: Vec<(SceneNo, Vec<Consent>)>,
    },
    /// First visit to a mall: Q101, 4.4.6, 02.Z203.
    LinkMall {
        /// The mall's application.
        app: AppNo,
        /// The consents given.
        consents: Vec<Consent>,
    },
}

impl Purpose {
    /// The application it concerns.
    pub fn app(&self) -> AppNo {
        match self {
            Self::Light { app, .. } | Self::LinkMall { app, .. } => *app,
        }
    }
}

/// What an order action does (02.Z303).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderAction {
    /// Hold points for the order.
    Freeze,
    /// Capture what is held.
    Confirm,
    /// Release what is held.
    Cancel,
    /// Capture at once.
    Pay,
    /// Give back captured points, whole or in part.
    Refund,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Points are held.
    Frozen,
    /// Points were captured (by CONFIRM or PAY), and not all were refunded.
    Captured,
    /// The hold was released by the mall.
    Cancelled,
    /// The hold lapsed by policy.
    Lapsed,
    /// All that was captured was refunded.
    Refunded,
    /// The first action was refused; there never was an order.
    Refused,
}
