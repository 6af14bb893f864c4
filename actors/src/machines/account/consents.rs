//! Consents as the state keeps them: links to applications, spans in which scenes were lit, and
//! what was agreed to.

use carbon_protocol::account::{Consent, LinkView, LitPeriod, SceneView};
use carbon_protocol::{AppNo, Ccid, PartnerUid, SceneNo, Timestamp};
use serde::{Deserialize, Serialize};

/// All a citizen agreed to, now or before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consents {
    /// Links to applications.
    pub links: Vec<Link>,
    /// Scenes, lit now or before.
    pub scenes: Vec<Scene>,
}

/// A link to an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The application.
    pub app: AppNo,
    /// Its pseudonym of this person.
    pub ccid: Ccid,
    /// Its own id of the person.
    pub partner_uid: Option<PartnerUid>,
    /// The mall's side of it, once it was linked.
    pub mall: Option<Mall>,
}

/// A link to a mall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mall {
    /// Whether it stands.
    pub linked: bool,
    /// When that changed last.
    pub changed_at: Timestamp,
    /// Consents, newest last.
    pub given: Vec<Consent>,
}

/// A scene of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The application.
    pub app: AppNo,
    /// The scene.
    pub scene: SceneNo,
    /// Spans in which it was lit, oldest first.
    pub periods: Vec<Period>,
}

/// A span in which a scene was lit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// From.
    pub from: Timestamp,
    /// To; none while it is lit.
    pub to: Option<Timestamp>,
    /// What was agreed to.
    pub given: Vec<Consent>,
}

impl Period {
    /// Whether it spans a behaviour from its beginning to its end.
    fn spans(&self, (from, to): (Timestamp, Timestamp)) -> bool {
        self.from <= from && self.to.is_none_or(|end| to <= end)
    }
}

impl Consents {
    /// The link to an application.
    pub fn link(&self, app: AppNo) -> Option<&Link> {
        self.links.iter().find(|link| link.app == app)
    }

    /// Whether the CCID is this person's for the application.
    pub fn is_bound(&self, app: AppNo, ccid: &Ccid) -> bool {
        self.link(app).is_some_and(|link| link.ccid == *ccid)
    }

    /// Whether the CCID may be bound: the application has this one or none, and no other
    /// application has it (INV-03).
    pub fn may_bind(&self, app: AppNo, ccid: &Ccid) -> bool {
        self.links.iter().all(|link| (link.app == app) == (link.ccid == *ccid))
    }

    /// Whether a mall's link stands.
    pub fn is_mall_linked(&self, app: AppNo) -> bool {
        self.link(app).and_then(|link| link.mall.as_ref()).is_some_and(|mall| mall.linked)
    }

    fn scene(&self, app: AppNo, scene: SceneNo) -> Option<&Scene> {
        self.scenes.iter().find(|known| known.app == app && known.scene == scene)
    }

    /// Whether a scene is lit now.
    pub fn is_lit(&self, app: AppNo, scene: SceneNo) -> bool {
        self.scene(app, scene)
            .and_then(|known| known.periods.last())
            .is_some_and(|period| period.to.is_none())
    }

    /// Scenes that are lit now.
    pub(super) fn lit(&self) -> Vec<(AppNo, SceneNo)> {
        let lit = self.scenes.iter().filter(|known| self.is_lit(known.app, known.scene));
        lit.map(|known| (known.app, known.scene)).collect()
    }

    /// Malls whose link stands.
    pub(super) fn linked_malls(&self) -> Vec<AppNo> {
        let linked = self.links.iter().filter(|link| self.is_mall_linked(link.app));
        linked.map(|link| link.app).collect()
    }

    /// Whether a scene was lit all through a behaviour (INV-04).
    pub fn was_lit(&self, app: AppNo, scene: SceneNo, span: (Timestamp, Timestamp)) -> bool {
        self.scene(app, scene)
            .is_some_and(|known| known.periods.iter().any(|period| period.spans(span)))
    }

    pub(super) fn bind(&mut self, app: AppNo, ccid: &Ccid, partner_uid: Option<&PartnerUid>) {
        match self.links.iter_mut().find(|link| link.app == app && link.ccid == *ccid) {
            Some(link) => link.partner_uid = partner_uid.cloned().or(link.partner_uid.take()),
            None => self.links.push(Link {
                app,
                ccid: ccid.clone(),
                partner_uid: partner_uid.cloned(),
                mall: None,
            }),
        }
    }

    pub(super) fn light(&mut self, at: Timestamp, app: AppNo, scene: SceneNo, given: &[Consent]) {
        let period = Period { from: at, to: None, given: given.to_vec() };
        match self.scenes.iter_mut().find(|known| known.app == app && known.scene == scene) {
            Some(known) => known.periods.push(period),
            None => self.scenes.push(Scene { app, scene, periods: vec![period] }),
        }
    }

    /// Ends the open span of a scene; false where there is none.
    #[must_use]
    pub(super) fn revoke(&mut self, at: Timestamp, app: AppNo, scene: SceneNo) -> bool {
        let lit = self
            .scenes
            .iter_mut()
            .find(|known| known.app == app && known.scene == scene)
            .and_then(|known| known.periods.last_mut())
            .filter(|period| period.to.is_none());
        match lit {
            Some(period) => {
                period.to = Some(at);
                true
            }
            None => false,
        }
    }

    /// Links a mall; false where its application has no CCID.
    #[must_use]
    pub(super) fn link_mall(&mut self, at: Timestamp, app: AppNo, given: &[Consent]) -> bool {
        let Some(link) = self.links.iter_mut().find(|link| link.app == app) else { return false };
        let mall = Mall { linked: true, changed_at: at, given: Vec::new() };
        let mall = link.mall.get_or_insert(mall);
        (mall.linked, mall.changed_at) = (true, at);
        mall.given.extend_from_slice(given);
        true
    }

    /// Takes a mall's link back; false where there was none.
    #[must_use]
    pub(super) fn unlink_mall(&mut self, at: Timestamp, app: AppNo) -> bool {
        let link = self.links.iter_mut().find(|link| link.app == app);
        let Some(mall) = link.and_then(|link| link.mall.as_mut()) else { return false };
        (mall.linked, mall.changed_at) = (false, at);
        true
    }

    /// The links as they are shown.
    pub(super) fn link_views(&self) -> Vec<LinkView> {
        let view = |link: &Link| {
            let mall = link.mall.as_ref();
            LinkView {
                app: link.app,
                ccid: link.ccid.clone(),
                partner_uid: link.partner_uid.clone(),
                mall_linked: mall.is_some_and(|mall| mall.linked),
                mall_consents: mall.map(|mall| mall.given.clone()).unwrap_or_default(),
                mall_changed_at: mall.map(|mall| mall.changed_at),
            }
        };
        self.links.iter().map(view).collect()
    }

    /// The scenes as they are shown.
    pub(super) fn scene_views(&self) -> Vec<SceneView> {
        let view = |scene: &Scene| SceneView {
            scene: scene.scene,
            app: scene.app,
            periods: scene
                .periods
                .iter()
                .map(|period| LitPeriod {
                    from: period.from,
                    to: period.to,
                    consents: period.given.clone(),
                })
                .collect(),
        };
        self.scenes.iter().map(view).collect()
    }
}
