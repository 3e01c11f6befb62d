//! What is on its way: decided and recorded, not yet confirmed.
//!
//! A message leaves the outbox when its destination has confirmed it. Whoever sends it claims it first, so that a
//! second run at the same time does not send it too; a claim ends by itself, in case the sender did. What can never be
//! delivered is set aside and told to those who keep the fleet, and so is what arrives after all.

use std::collections::BTreeSet;

use super::{AlertBook, Message, Phase, Sent};
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::Urgency;

/// Minutes for which a message belongs to the run that claimed it; a run sends for less.
pub const CLAIM_MINUTES: i32 = 3;

/// Minutes to the next try after one that failed: 1, 2, 4 ... up to this many.
const PAUSE_MINUTES_MAX: i32 = 30;

/// After so many minutes without success a message is set aside: what it says is no longer true.
const TRY_MINUTES_MAX: i32 = MINUTES_PER_DAY;

/// After so many minutes those who keep the fleet hear that a message does not arrive.
const LONG_MINUTES: i32 = 15;

/// How long what was set aside can still be looked at.
const ASIDE_MINUTES: i32 = 7 * MINUTES_PER_DAY;

/// One message to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is said.
    pub message: Message,
    /// To whom, as the definition says: secrets are names of environment variables.
    pub to: String,
    /// The run that decided it.
    pub decided: Minute,
    /// How often it was tried.
    pub tries: u32,
    /// Not before this minute it is tried, again or because another run is at it.
    pub wait_until: Minute,
    /// Why the last try failed, without secrets.
    pub failed: Option<String>,
    /// How urgently those who keep the fleet were told that it does not arrive; `None` if they were not.
    pub reported: Option<Urgency>,
    /// It will not be tried again.
    pub set_aside: bool,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It has arrived.
    Delivered,
    /// It may arrive later.
    Later {
        /// Why it did not.
        why: String,
        /// Minutes that the destination asked to wait.
        wait: Option<u32>,
    },
    /// It never will.
    Never {
        /// Why not, with the remedy.
        why: String,
    },
}

/// What those who keep the fleet should hear of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does not arrive.
    Stuck(Entry),
    /// It has arrived, after they heard that it does not.
    Arrived(Entry),
}

impl Entry {
    /// A message to a destination that nobody has tried to deliver yet.
    #[must_use]
    pub const fn new(message: Message, to: String, decided: Minute) -> Self {
        Self { message, to, decided, tries: 0, wait_until: decided, failed: None, reported: None, set_aside: false }
    }

    /// Whether it may be tried.
    fn is_due(&self, now: Minute, alone: bool) -> bool {
        // Nobody else can be at it where one run at a time has the ledger, so a claim is from one that died.
        let waits = self.wait_until > now && !(alone && self.failed.is_none());
        // No pause is so long: the clock was wrong when it was set.
        !self.set_aside && (!waits || self.wait_until > now.plus(TRY_MINUTES_MAX))
    }

    /// Notes that a try failed.
    fn put_off(&mut self, tried: &Tried, now: Minute) {
        self.tries = self.tries.saturating_add(1);
        match tried {
            Tried::Delivered => {}
            Tried::Later { why, wait } => {
                let pause = (1_i32 << self.tries.saturating_sub(1).min(10)).min(PAUSE_MINUTES_MAX);
                let asked = wait.map_or(0, |wait| i32::try_from(wait).unwrap_or(TRY_MINUTES_MAX).min(TRY_MINUTES_MAX));
                self.wait_until = now.plus(pause.max(asked));
                self.failed = Some(why.clone());
                self.set_aside = now.0.saturating_sub(self.decided.0) >= TRY_MINUTES_MAX;
            }
            // Whoever was told what stands in the way may have mended it, and what would wake somebody is worth another
            // try.
            Tried::Never { why } => {
                self.failed = Some(why.clone());
                self.wait_until = now.plus(PAUSE_MINUTES_MAX);
                self.set_aside = now.0.saturating_sub(self.decided.0) >= TRY_MINUTES_MAX;
            }
        }
    }

    /// Whether both are the same message to the same destination.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.message.key, self.message.number, &self.to) == (&other.message.key, other.message.number, &other.to)
    }

    /// How urgent it is that it arrives: that something is over wakes nobody.
    #[must_use]
    pub fn matters(&self) -> Urgency {
        if self.opens() { self.message.urgency } else { Urgency::Ticket }
    }

    /// Whether it can still wake somebody up.
    #[must_use]
    pub const fn opens(&self) -> bool {
        matches!(self.message.phase, Phase::Opened | Phase::Changed | Phase::Reminder)
    }
}

impl AlertBook {
    /// Takes what is to be sent now, and notes that this run is at it. Of several messages about one thing to one
    /// destination it is the oldest: the next one goes when that has arrived. `alone`: no other run can be at work on
    /// this book.
    pub fn claim(&mut self, now: Minute, alone: bool) -> Vec<Entry> {
        let mut before: BTreeSet<(String, String)> = BTreeSet::new();
        let mut claimed = Vec::new();
        for entry in self.outbox.iter_mut().filter(|entry| !entry.set_aside) {
            if before.insert((entry.message.key.clone(), entry.to.clone())) && entry.is_due(now, alone) {
                entry.wait_until = now.plus(CLAIM_MINUTES);
                claimed.push(entry.clone());
            }
        }
        claimed
    }

    /// What is over before it was delivered still arrives, so that nothing is lost, but wakes nobody.
    pub fn spare_the_sleeping(&mut self, key: &str) {
        for entry in self.outbox.iter_mut().filter(|entry| entry.message.key == key && entry.opens()) {
            entry.message.urgency = Urgency::Ticket;
        }
    }

    /// Notes how tries ended, of messages that may have been dealt with by another run meanwhile. What those who keep
    /// the fleet should hear of is returned, once: what was refused for good, what waits for long, what is given up,
    /// and what of these has arrived after all.
    pub fn confirm(&mut self, tries: &[(Entry, Tried)], now: Minute) -> Vec<Fate> {
        let mut fates = Vec::new();
        for (tried, how) in tries {
            let same = |entry: &Entry| entry.is_same(tried);
            let Some(place) = self.outbox.iter().position(same) else { continue };
            if *how == Tried::Delivered {
                let entry = self.outbox.remove(place);
                let incident = self.incidents.iter_mut().find(|(key, _)| key.to_string() == entry.message.key);
                if entry.reported.is_some() {
                    fates.push(Fate::Arrived(entry.clone()));
                }
                let Message { number, phase, urgency, .. } = entry.message;
                if let Some((_, incident)) = incident {
                    incident.sent.push(Sent { number, phase, urgency, to: entry.to, at: now });
                }
            } else if let Some(entry) = self.outbox.get_mut(place) {
                entry.put_off(how, now);
                // Who asks to be left alone for long says now that it will take long.
                let asked = matches!(how, Tried::Later { wait: Some(_), .. });
                let until = if asked { entry.wait_until } else { now };
                let waits = until.0.saturating_sub(entry.decided.0) >= LONG_MINUTES;
                let is_news = (matches!(how, Tried::Never { .. }) || waits) && entry.reported.is_none();
                if is_news || entry.set_aside {
                    entry.reported = entry.reported.max(Some(entry.matters()));
                    fates.push(Fate::Stuck(entry.clone()));
                }
            }
        }
        self.outbox.retain(|entry| !entry.set_aside || entry.decided > now.plus(-ASIDE_MINUTES));
        fates
    }
}
