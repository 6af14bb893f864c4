//! The store of the virtual world: what was put is found at once, and after a crash only what a
//! checkpoint wrote. A checkpoint is whole or not there (the real one writes a redo file first).

use std::sync::Arc;

use carbon_actors::ports::{Failure, Pair, Put, Store, Tree};
use carbon_actors::twins::MemoryStore;

use super::world::World;

/// The store.
pub struct Shelves {
    world: Arc<World>,
    memory: MemoryStore,
}

impl Shelves {
    /// An empty one.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, memory: MemoryStore::default() }
    }

    /// Forgets what no checkpoint wrote.
    pub fn after_crash(&self) {
        self.memory.crash();
    }
}

impl Store for Shelves {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.memory.get(tree, key)
    }

    fn scan(
        &self,
        tree: Tree,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Failure> {
        self.memory.scan(tree, from, to, limit, reverse)
    }

    fn put(&self, puts: Vec<Put>) {
        if !self.world.is_dead() {
            self.memory.put(puts);
        }
    }

    fn waiting(&self) -> usize {
        self.memory.waiting()
    }

    fn checkpoint(&self, cursors: &[(&str, u64)]) -> Result<(), Failure> {
        if !self.world.step() {
            return Err(Failure::Stopping);
        }
        if self.world.strikes(self.world.scenario.faults.checkpoint) {
            return Err(Failure::Store("the disk is full".into()));
        }
        self.world.note(|| format!("checkpoint {cursors:?}"));
        self.memory.checkpoint(cursors)?;
        self.world.step();
        Ok(())
    }

    fn cursor(&self, name: &str) -> Result<u64, Failure> {
        self.memory.cursor(name)
    }
}
