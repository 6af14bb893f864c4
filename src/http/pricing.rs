//! What a behaviour is worth in one of the caller's scenes: the checks that Z302, Z303 and Z304
//! share, in one order.

use std::sync::Arc;

use carbon_actors::machines::registry::Registry;
use carbon_actors::methodology::{self, Dictionary};
use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::contracts::z302::{ComputeRequest, Computed};
use carbon_protocol::intake::PricedBy;
use carbon_protocol::methodology::Methodology;
use carbon_protocol::registry::Scene;
use carbon_protocol::{AppNo, Reason, Rejection, SceneCode};

use super::dictionaries::ByDay;
use super::scope;

/// A behaviour with its price.
pub struct Priced {
    /// What it is worth.
    pub computed: methodology::Computed,
    /// By which methodology.
    pub methodology: Arc<Methodology>,
    /// The same, to be remembered.
    pub by: PricedBy,
}

/// The caller's scene of a code.
pub fn scene_of(
    registry: &Registry,
    app: AppNo,
    code: &SceneCode,
) -> Result<Arc<Scene>, Rejection> {
    let scene = registry.scene_by_code(code).filter(|scene| scene.apps.contains(&app));
    scene.cloned().ok_or_else(|| Rejection::of_field(Reason::UnknownScene, "scene"))
}

/// The price of a behaviour in a scene.
pub fn price(
    registry: &Registry,
    dictionaries: &ByDay,
    scene: &Scene,
    behaviour: &Behaviour,
) -> Result<Priced, Rejection> {
    let day = behaviour.day();
    if !scope::is_active(scene, day) {
        return Err(Rejection::of_field(Reason::SceneNotActive, "behaviour"));
    }
    let methodology = registry
        .methodology(&scene.methodology, day)
        .ok_or_else(|| Rejection::of_field(Reason::UnknownMethodology, "behaviour"))?
        .clone();
    // Only a trip whose length the partner does not tell is looked up.
    let looked_up = matches!(behaviour, Behaviour::Rail(trip) if trip.mileage_metres.is_none());
    let measure = dictionaries.on(day).filter(|_| looked_up);
    let none = Dictionary::default();
    let dictionary = measure.map_or(&none, |measure| &measure.dictionary);
    let computed = methodology::compute(&methodology, dictionary, behaviour).map_err(|no| {
        let field = match &no.field {
            Some(field) => format!("behaviour.{field}"),
            None => "behaviour".into(),
        };
        Rejection { field: Some(field), ..no }
    })?;
    let dictionary = measure.map(|measure| measure.number);
    let by = PricedBy { methodology: methodology.version, dictionary };
    Ok(Priced { computed, methodology, by })
}

/// The answer to one question of Z302.
pub fn answer(
    registry: &Registry,
    dictionaries: &ByDay,
    app: AppNo,
    question: &ComputeRequest,
) -> Result<Computed, Rejection> {
    let scene = scene_of(registry, app, &question.scene)?;
    let Priced { computed, methodology, .. } =
        price(registry, dictionaries, &scene, &question.behaviour)?;
    Ok(Computed {
        reduction_grams: computed.grams,
        methodology: methodology.id.clone(),
        methodology_version: methodology.version,
        verified: methodology.verified,
        terms: computed.terms(),
    })
}
