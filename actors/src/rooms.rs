//! Rooms: the only holder of addresses. An actor gets its room with the first message and leaves it
//! in two phases, so that no message is lost between a passivation and the next activation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::dev::channel::channel;
use actix::prelude::*;
use carbon_protocol::entry::Stream;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::time::Instant;

use crate::house::{House, Housed};
use crate::loads::Loads;
use crate::ports::Failure;
use crate::shell::{Ask, Leave, Shell};
use crate::system;

/// The rooms of one kind of machine.
pub struct Rooms<M: Housed> {
    rooms: DashMap<Stream, Room<M>>,
    loads: Loads<M>,
    quarantined: AtomicUsize,
    opened: Instant,
}

enum Room<M: Housed> {
    /// Its actor lives in it; milliseconds since `opened` of the last message.
    Awake { address: Addr<Shell<M>>, last_used: AtomicU64 },
    /// Its actor was asked to leave; what comes meanwhile waits for the next one. The address is
    /// kept until it has left: an actor whose last address is dropped may stop with messages in its
    /// mailbox, that to leave among them, and nobody would open the room again.
    Leaving { _address: Addr<Shell<M>>, queue: Vec<Ask<M>> },
    /// Its actor found an invariant broken.
    Quarantined,
}

impl<M: Housed> Default for Rooms<M> {
    fn default() -> Self {
        let (rooms, loads, quarantined) = (DashMap::new(), Loads::default(), AtomicUsize::new(0));
        Self { rooms, loads, quarantined, opened: Instant::now() }
    }
}

impl<M: Housed> Rooms<M> {
    /// Puts a message into the mailbox of a stream's actor, which is opened if need be. Where it
    /// cannot be, the message is answered so.
    pub fn send(&self, house: &Arc<House>, stream: Stream, ask: Ask<M>) {
        let mut room = self.rooms.entry(stream).or_insert_with(|| self.open(house, stream));
        match room.value_mut() {
            Room::Awake { address, last_used } => {
                last_used.store(self.now(), Ordering::Relaxed);
                post(address, ask);
            }
            Room::Leaving { queue, .. } if queue.len() < house.limits.waiting_commands => {
                queue.push(ask);
            }
            Room::Leaving { .. } => ask.broken(Failure::Busy("room")),
            Room::Quarantined => ask.broken(Failure::Invariant("quarantined".into())),
        }
    }

    /// Opens a room: creates the actor on its partition's arbiter.
    fn open(&self, house: &Arc<House>, stream: Stream) -> Room<M> {
        // One thread alone reads when the actor asks, and nothing is read beside it.
        let wanted = !system::is_alone();
        let given = wanted.then(|| self.loads.want(&house.ports.store, stream));
        // `start_in_arbiter` gives every mailbox sixteen places until the actor runs, too few for
        // a burst on a cold connector: the same steps with the mailbox as large as configured.
        let (sender, receiver) = channel(house.limits.mailbox_messages);
        let their_house = house.clone();
        house.lanes.arbiter_of(&stream).spawn_fn(move || {
            let context = Context::with_receiver(receiver);
            actix::spawn(context.into_future(Shell::<M>::new(their_house, stream, given)));
        });
        let last_used = AtomicU64::new(self.now());
        Room::Awake { address: Addr::new(sender), last_used }
    }

    /// An actor leaves: the room is free, or its next actor starts with what has come meanwhile.
    pub(crate) fn vacate(&self, house: &Arc<House>, stream: Stream) {
        let Entry::Occupied(mut room) = self.rooms.entry(stream) else { return };
        let queue = match room.get_mut() {
            Room::Leaving { queue, .. } => std::mem::take(queue),
            Room::Awake { .. } => Vec::new(),
            Room::Quarantined => return,
        };
        if queue.is_empty() {
            room.remove();
            return;
        }
        let next = self.open(house, stream);
        if let Room::Awake { address, .. } = &next {
            queue.into_iter().for_each(|ask| post(address, ask));
        }
        room.insert(next);
    }

    /// Closes a room until the next start.
    pub(crate) fn quarantine(&self, stream: Stream) {
        if !matches!(self.rooms.insert(stream, Room::Quarantined), Some(Room::Quarantined)) {
            self.quarantined.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// First phase of passivation: asks everybody to leave who was not spoken to for `idle`.
    pub fn sweep(&self, idle: Duration) {
        let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let before = self.now().saturating_sub(idle);
        let is_idle = |room: &Room<M>| match room {
            Room::Awake { last_used, .. } => last_used.load(Ordering::Relaxed) < before,
            Room::Leaving { .. } | Room::Quarantined => false,
        };
        let idle = self.rooms.iter().filter(|room| is_idle(room.value()));
        let mut idle: Vec<Stream> = idle.map(|room| *room.key()).collect();
        // In an order of their own, not the map's: a run can be repeated exactly.
        idle.sort_unstable();
        for stream in idle {
            let Some(mut room) = self.rooms.get_mut(&stream) else { continue };
            let leaving = match room.value() {
                // A full mailbox is no idle one.
                room @ Room::Awake { address, .. } if is_idle(room) => {
                    let asked = address.try_send(Leave);
                    asked
                        .ok()
                        .map(|()| Room::Leaving { _address: address.clone(), queue: Vec::new() })
                }
                _ => None,
            };
            if let Some(leaving) = leaving {
                *room.value_mut() = leaving;
            }
        }
    }

    /// How many actors are awake, those that are leaving among them. It is asked ten times a second
    /// where somebody watches `/readyz`: with a million rooms nobody could walk through them.
    pub fn awake(&self) -> usize {
        self.rooms.len().saturating_sub(self.quarantined())
    }

    /// How many streams are quarantined.
    pub fn quarantined(&self) -> usize {
        self.quarantined.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn post<M: Housed>(address: &Addr<Shell<M>>, ask: Ask<M>) {
    match address.try_send(ask) {
        Ok(()) => {}
        Err(SendError::Full(ask)) => ask.broken(Failure::Busy("mailbox")),
        Err(SendError::Closed(ask)) => ask.broken(Failure::Stopping),
    }
}
