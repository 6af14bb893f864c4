//! The citizens of a load run: each one a function of seed and number, so that a million of them
//! need no memory but their books and sixteen bytes of their DID.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use carbon_protocol::{Ccid, Did};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::scenario::Population;
use crate::demo::population::{self, Citizen};
use crate::sandbox::{Partner, Sandbox};

/// Records that one citizen can have made without two of them at the same time.
pub const RECORDS_EACH: u32 = 960;
/// Numbers of citizens that one seed has for itself.
const PEOPLE: u64 = 1_000_000;
/// Seeds whose citizens are other people than each other's: phone numbers end there.
const SEEDS: u64 = 10;
/// Of a hundred citizens, those whose first scene is so far down the list: most take the metro,
/// by app or by card, then bus, shared bike, electric car.
const FIRST_SCENE: [u64; 5] = [45, 60, 80, 92, 100];
/// Of a hundred, those who light one scene, those who light up to two; the others light three.
const SCENES_LIT: [u64; 2] = [50, 80];

/// All of them.
pub struct Citizens {
    seed: u64,
    /// Those who take part from the beginning.
    pub settled: u32,
    /// Strangers behind them, for the journey `open`.
    pub newcomers: u32,
    shoppers_permille: u64,
    revokers_permille: u64,
    households_permille: u64,
    scenes: usize,
    sandbox: Sandbox,
    /// Halves of each DID's digest, zero until it was needed.
    dids: Vec<[AtomicU64; 2]>,
}

impl Citizens {
    /// The population of a scenario. `scenes` is how many standard scenes there are to light.
    pub fn new(seed: u64, population: &Population, scenes: usize, sandbox: &Sandbox) -> Self {
        let all = population.citizens + population.newcomers;
        Self {
            seed,
            settled: population.citizens,
            newcomers: population.newcomers,
            shoppers_permille: population.shoppers_permille.into(),
            revokers_permille: population.revokers_permille.into(),
            households_permille: population.households_permille.into(),
            scenes: scenes.clamp(1, FIRST_SCENE.len()),
            sandbox: sandbox.clone(),
            dids: (0..all).map(|_| Default::default()).collect(),
        }
    }

    /// A number drawn for a citizen, another one for each thing it is about.
    pub fn draw(&self, no: u32, about: u64) -> u64 {
        scatter(scatter(self.seed ^ about.rotate_left(40)) ^ u64::from(no))
    }

    /// Whether a citizen goes to the mall. Such a one lights the metro first.
    pub fn shops(&self, no: u32) -> bool {
        self.draw(no, 1) % 1000 < self.shoppers_permille
    }

    /// Whether a citizen may take the first consent back; no shopper does.
    pub fn revokes(&self, no: u32) -> bool {
        !self.shops(no) && self.draw(no, 2) % 1000 < self.revokers_permille
    }

    /// The scenes that a citizen lights, by their place; the first one while opening.
    pub fn lights(&self, no: u32) -> impl Iterator<Item = usize> {
        let (drawn, scenes) = (self.draw(no, 3) % 100, self.scenes);
        let first = FIRST_SCENE.iter().take_while(|share| drawn >= **share).count();
        let first = if self.shops(no) { 0 } else { first % scenes };
        let drawn = self.draw(no, 4) % 100;
        let wanted = 1 + SCENES_LIT.iter().take_while(|share| drawn >= **share).count();
        let trips = (0..wanted.min(scenes)).map(move |step| (first + step) % scenes);
        // The place behind the scenes of trips.
        let home = self.draw(no, 6) % 1000 < self.households_permille;
        trips.chain(home.then_some(scenes))
    }

    /// Who a citizen is, in full.
    pub fn citizen(&self, no: u32) -> Citizen {
        let person = (self.seed % SEEDS * PEOPLE + u64::from(no)) as usize;
        let mut dice = StdRng::seed_from_u64(self.draw(no, 5));
        let drawn = population::citizen(person, self.scenes, &mut dice);
        Citizen { lights: self.lights(no).collect(), revokes: self.revokes(no), ..drawn }
    }

    /// The pseudonym of a citizen towards a partner's application: computed, not remembered.
    pub fn ccid(&self, no: u32, partner: &Partner) -> anyhow::Result<Ccid> {
        self.sandbox.ccid_of(&self.did(no)?, partner)
    }

    /// A key pair is behind each DID, which is dear: what follows from it is kept.
    fn did(&self, no: u32) -> anyhow::Result<Did> {
        let kept = self.dids.get(no as usize).context("no such citizen")?;
        let [high, low] = kept;
        let known = (high.load(Ordering::Acquire), low.load(Ordering::Acquire));
        if known.0 != 0 && known.1 != 0 {
            return Ok(Did::parse(&format!("did:shid:{:016x}{:016x}", known.0, known.1))?);
        }
        let did = self.sandbox.did_of(&self.citizen(no).id_no)?;
        let hex = did.as_str().rsplit(':').next().unwrap_or_default();
        if let Some((left, right)) = hex.split_at_checked(16)
            && let (Ok(left), Ok(right)) =
                (u64::from_str_radix(left, 16), u64::from_str_radix(right, 16))
        {
            high.store(left, Ordering::Release);
            low.store(right, Ordering::Release);
        }
        Ok(did)
    }

    /// The first of the settled citizens at or after a place (going round) that suits, if one is
    /// found within a hundred thousand.
    pub fn next(&self, from: u64, suits: impl Fn(u32) -> bool) -> Option<u32> {
        let settled = u64::from(self.settled.max(1));
        let from = from % settled;
        // A remainder of a 32-bit number fits 32 bits.
        (from..from + settled.min(100_000)).map(|at| (at % settled) as u32).find(|no| suits(*no))
    }
}

/// Spreads a number over all bits (splitmix64).
pub fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{SandboxConfig, Switches};

    async fn citizens(seed: u64) -> Citizens {
        let (secret, switches) = (b"test".to_vec(), Switches::default());
        let config = SandboxConfig { seed: 1, secret, first_port: 0, switches };
        let sandbox = Sandbox::start(config).await.unwrap();
        let text = "citizens = 2000\nshoppers_permille = 300\nrevokers_permille = 50";
        let population: Population = toml::from_str(text).unwrap();
        Citizens::new(seed, &population, 5, &sandbox)
    }

    #[tokio::test]
    async fn the_same_seed_and_number_is_the_same_person() {
        let (one, again, other) = (citizens(7).await, citizens(7).await, citizens(8).await);
        let metro = &one.sandbox.scenes()[0].clone();
        for no in [0, 1, 1999] {
            assert_eq!(one.citizen(no).id_no, again.citizen(no).id_no);
            assert_ne!(one.citizen(no).id_no, other.citizen(no).id_no);
            assert_eq!(one.citizen(no).lights, again.citizen(no).lights);
            let ccid = one.ccid(no, metro).unwrap();
            assert_eq!(ccid, again.ccid(no, metro).unwrap());
            assert_eq!(ccid, one.ccid(no, metro).unwrap(), "kept as it was drawn");
            assert_ne!(ccid, one.ccid(no, &one.sandbox.mall().clone()).unwrap());
        }
    }

    #[tokio::test]
    async fn shares_are_about_what_was_asked_for() {
        let all = citizens(7).await;
        let count = |suits: &dyn Fn(u32) -> bool| (0..2000).filter(|no| suits(*no)).count();
        assert!((500..700).contains(&count(&|no| all.shops(no))));
        assert!((40..110).contains(&count(&|no| all.revokes(no))));
        assert_eq!(count(&|no| all.shops(no) && all.revokes(no)), 0);
        assert_eq!(count(&|no| all.shops(no) && all.lights(no).next() != Some(0)), 0);
        let metro = count(&|no| all.lights(no).any(|scene| scene == 0));
        assert!((1000..1500).contains(&metro), "{metro}");
        assert!((0..2000).all(|no| (1..=3).contains(&all.lights(no).count())));
    }

    #[tokio::test]
    async fn whoever_suits_is_found_going_round() {
        let all = citizens(7).await;
        assert_eq!(all.next(1999, |no| no < 5), Some(0));
        assert_eq!(all.next(3, |no| no == 2), Some(2));
        assert_eq!(all.next(0, |_| false), None);
    }
}
