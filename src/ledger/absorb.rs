//! How answers enter the ledger: a source's minutes replace, a log object's counts are added exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;

use super::coverage::Limits;
use super::minutes::RowMut;
use super::objects::{ListedObject, PartObjects, filed_under, merged};
use super::{DayMinutes, Ledger, NotLoaded, ObjectRecord, Part};
use crate::counts::{Count, Counts, DayCounts, DaySlice, Sums};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// Counts of log objects, added up over all of `objects`.
#[derive(Clone, Debug, Default)]
pub struct ObjectsAnswer {
    /// What was read; `counted` names the series of this reading only, none if the object could not be read.
    pub objects: Vec<ObjectRecord>,
    /// Their lines, by series and day: a slot a minute, zero where they have no event.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[Count]>>,
    /// Series whose requests nobody can tell of before the first that there was: what stood for their tags then is not
    /// known. Minutes before that one are unknown.
    pub began: BTreeMap<SeriesKey, Minute>,
    /// Days whose known minutes are decided anew although none of the objects is near them.
    pub days: BTreeSet<Day>,
}

/// An answer was refused as a whole; the ledger is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbsorbError {
    /// A part of a day that the answer touches is kept but was not loaded.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The object's lines are already in the counts of this series.
    #[error("`{key}` is already counted for `{series}`\nhint: pass only objects that `unread` returns")]
    AlreadyCounted {
        /// The object.
        key: String,
        /// The series.
        series: SeriesKey,
    },
    /// A minute would hold more events than a `u32`.
    #[error(
        "`{series}` has more than 4294967295 events in the minute {minute}\nhint: split the SLO, for example by path"
    )]
    TooMany {
        /// The series.
        series: SeriesKey,
        /// The minute.
        minute: Minute,
    },
}

impl ObjectsAnswer {
    /// The parts of days that have events in it.
    #[must_use]
    pub fn parts(&self) -> BTreeSet<Part> {
        let days = self.counts.iter().map(|((_, day), counts)| (day, counts));
        let parts = days.flat_map(|(day, counts)| Part::of_day(*day).filter(|part| has_events(&counts[part.slots()])));
        parts.collect()
    }
}

/// What an answer does to a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MinuteEdit {
    Keep,
    Unknown,
    Set(Count),
}

/// What the counts of a day, and spans that an answer replaces, do to the minutes of a part of it.
fn minute_edits(part: Part, counts: Option<&DayCounts>, replaced: &[Span]) -> Vec<MinuteEdit> {
    let mut edits = vec![MinuteEdit::Keep; part.slots().len()];
    for span in replaced {
        let inside = span.intersect(part.span());
        let from = usize::try_from(inside.start.0 - part.span().start.0).unwrap_or(0);
        edits.iter_mut().skip(from).take(inside.minutes() as usize).for_each(|edit| *edit = MinuteEdit::Unknown);
    }
    for (edit, count) in edits.iter_mut().zip(counts.into_iter().flat_map(|counts| &counts.0[part.slots()])) {
        if let Some(count) = count {
            *edit = MinuteEdit::Set(*count);
        }
    }
    edits
}

fn has_events(counts: &[Count]) -> bool {
    counts.iter().any(|count| *count != Count::default())
}

impl Ledger {
    /// What is still to be read of listed objects: the place of each in the list, with the wanted series that it was
    /// not counted for.
    #[must_use]
    pub fn unread(
        &self,
        listed: &[ListedObject<'_>],
        wanted: &BTreeMap<String, BTreeSet<SeriesKey>>,
    ) -> Vec<(usize, Arc<BTreeSet<SeriesKey>>)> {
        let wanted: BTreeMap<&str, Arc<BTreeSet<SeriesKey>>> =
            wanted.iter().map(|(balancer, series)| (balancer.as_str(), Arc::new(series.clone()))).collect();
        // Records share their sets, and to compare all series of a balancer for every object would take longer than all
        // else.
        let mut lacking = HashMap::new();
        let mut missing = |object: &ListedObject<'_>| {
            let wanted = wanted.get(object.load_balancer)?;
            let record = self.objects.get(&filed_under(object.interval)).and_then(|part| part.record(object.key));
            // What had no lines when it was counted added nothing: it is read as if it were new.
            let record = record.filter(|record| !record.is_replaced_by(object.size));
            let Some(record) = record else { return (!wanted.is_empty()).then(|| Arc::clone(wanted)) };
            let lacks = lacking.entry((Arc::as_ptr(wanted), Arc::as_ptr(&record.counted))).or_insert_with(|| {
                let lacks: BTreeSet<SeriesKey> = wanted.difference(&record.counted).cloned().collect();
                (!lacks.is_empty()).then(|| Arc::new(lacks))
            });
            lacks.clone()
        };
        listed.iter().enumerate().filter_map(|(place, object)| Some((place, missing(object)?))).collect()
    }

    /// The records of listed objects that were counted when they had another size. That may be a copy in another form,
    /// which the lines in it tell apart from one that has changed.
    #[must_use]
    pub fn changed_since_read(&self, listed: &[ListedObject<'_>]) -> Vec<&ObjectRecord> {
        let changed = |object: &ListedObject<'_>| {
            let record = self.objects.get(&filed_under(object.interval))?.record(object.key)?;
            let is_other = record.size != object.size && !record.is_replaced_by(object.size);
            (!record.counted.is_empty() && is_other).then_some(record)
        };
        listed.iter().filter_map(changed).collect()
    }

    /// Sets every minute that the source knows and leaves the others; the same again changes nothing.
    ///
    /// # Errors
    /// [`AbsorbError::NotLoaded`].
    pub fn absorb_counts(&mut self, counts: &Counts) -> Result<(), AbsorbError> {
        self.replace_counts(counts, &BTreeMap::new())
    }

    /// Sets every minute that the source knows. In spans that the answer replaces, the others are unknown from now on.
    /// The same again changes nothing.
    ///
    /// # Errors
    /// [`AbsorbError::NotLoaded`].
    pub fn replace_counts(
        &mut self,
        counts: &Counts,
        replaced: &BTreeMap<SeriesKey, Vec<Span>>,
    ) -> Result<(), AbsorbError> {
        let days = replaced.iter().flat_map(|(series, spans)| {
            spans.iter().flat_map(|span| span.days()).map(move |day| (series.clone(), day))
        });
        let days: BTreeSet<(SeriesKey, Day)> = days.chain(counts.keys().cloned()).collect();
        let mut edits: BTreeMap<Part, BTreeMap<SeriesKey, Vec<MinuteEdit>>> = BTreeMap::new();
        for (series, day) in days {
            let (counts, spans) = (counts.get(&(series.clone(), day)), replaced.get(&series));
            for part in Part::of_day(day) {
                let edit = minute_edits(part, counts, spans.map_or(&[], Vec::as_slice));
                if edit.iter().all(|edit| *edit == MinuteEdit::Keep) {
                    continue;
                }
                self.minutes_loaded(part)?;
                if edit.iter().any(|edit| matches!(edit, MinuteEdit::Set(_))) || self.row(&series, part).is_some() {
                    edits.entry(part).or_default().insert(series.clone(), edit);
                }
            }
        }
        for (part, edits) in edits {
            self.edit(part, &edits, |edits, row| {
                for (slot, edit) in edits.iter().enumerate() {
                    let (count, known) = match edit {
                        MinuteEdit::Keep => continue,
                        MinuteEdit::Unknown => (Count::default(), 0),
                        MinuteEdit::Set(count) => (*count, 1),
                    };
                    (row.total[slot], row.bad[slot], row.known[slot]) = (count.total, count.bad, known);
                }
            });
        }
        Ok(())
    }

    /// Adds the counts of objects and decides anew which minutes around them are known. Gives the days of which some
    /// are held back because a folder was not listed.
    ///
    /// # Errors
    /// Any [`AbsorbError`]; nothing of the answer is kept then.
    pub fn absorb_objects(&mut self, answer: &ObjectsAnswer) -> Result<BTreeSet<Day>, AbsorbError> {
        self.check_objects(answer)?;
        let edits = self.checked_counts(&answer.counts)?;
        let mut around = answer.days.clone();
        let mut new: BTreeMap<Part, Vec<&ObjectRecord>> = BTreeMap::new();
        for object in &answer.objects {
            around.extend([-1, 0, 1].map(|days| object.day().plus(days)));
            new.entry(object.part()).or_default().push(object);
        }
        let objects: BTreeMap<Part, PartObjects> = new
            .into_iter()
            .map(|(part, new)| (part, PartObjects::Records(merged(self.objects.get(&part), new))))
            .collect();
        let limits = Limits { began: &answer.began, unlisted: &self.unlisted };
        let covered = self.cover(&around, &objects, limits)?;
        for (part, edits) in edits {
            self.edit(part, &edits, |counts, row| {
                for (slot, count) in counts.iter().enumerate() {
                    row.total[slot] += count.total;
                    row.bad[slot] += count.bad;
                }
            });
        }
        for (part, known) in covered.changes {
            self.edit(part, &known, |known, row| row.known.copy_from_slice(&known[part.slots()]));
        }
        self.objects_changed.extend(objects.keys());
        self.objects.extend(objects);
        Ok(covered.held_back)
    }

    /// Changes some series of a part, and the sums of its day with them. Where series share their minutes and an edit,
    /// it is made once for all of them.
    pub(super) fn edit<T, E: Deref<Target = [T]>>(
        &mut self,
        part: Part,
        edits: &BTreeMap<SeriesKey, E>,
        change: impl Fn(&[T], &mut RowMut<'_>),
    ) {
        let (day, slots) = (part.day(), part.slots());
        // Where other parts of the day were left, they take no room.
        let is_whole = Part::of_day(day).all(|part| !self.minutes_left.contains(&part));
        let room = if is_whole { DayMinutes::default().slots() } else { slots.clone() };
        let minutes = self.minutes.entry(day).or_insert_with(|| DayMinutes::empty(room.clone(), Vec::new()));
        minutes.admit(&room, edits.keys());
        let mut made: HashMap<(usize, *const T), (usize, Sums, Sums)> = HashMap::new();
        for (series, edit) in edits {
            let Some(place) = minutes.place(series) else { continue };
            let alike = (minutes.row_of(place), edit.as_ptr());
            let (before, after) = if let Some((like, before, after)) = made.get(&alike) {
                minutes.share(place, *like);
                (*before, *after)
            } else {
                let row = minutes.row(place, slots.clone());
                let (total, bad, known, before) =
                    (row.total.to_vec(), row.bad.to_vec(), row.known.to_vec(), row.sums());
                change(edit, &mut minutes.row_mut(place, &slots));
                let row = minutes.row(place, slots.clone());
                let after = row.sums();
                made.insert(alike, (place, before, after));
                if (row.total, row.bad, row.known) != (&*total, &*bad, &*known) {
                    self.minutes_changed.insert(part);
                }
                (before, after)
            };
            if before != after {
                let sums = Arc::make_mut(self.sums.entry(series.clone()).or_default());
                let mut of_day = sums.over(day, day.plus(1));
                of_day.add(after);
                sums.set(day, of_day.less(before));
                if sums.is_empty() {
                    self.sums.remove(series);
                }
            }
        }
        minutes.tidy();
        if minutes.is_empty() {
            self.minutes.remove(&day);
        }
    }

    fn check_objects(&self, answer: &ObjectsAnswer) -> Result<(), AbsorbError> {
        let days: BTreeSet<Day> =
            answer.objects.iter().map(ObjectRecord::day).chain(answer.days.iter().copied()).collect();
        for part in days.into_iter().flat_map(|day| (-2..=2).flat_map(move |near| Part::of_day(day.plus(near)))) {
            self.objects_loaded(part)?;
        }
        let mut objects: Vec<&ObjectRecord> = answer.objects.iter().collect();
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        let again = |one: &ObjectRecord, other: &ObjectRecord| {
            let series = one.counted.intersection(&other.counted).next();
            series.map(|series| AbsorbError::AlreadyCounted { key: one.key.clone(), series: series.clone() })
        };
        for same in objects.chunk_by(|one, other| one.key == other.key) {
            for (place, object) in same.iter().enumerate() {
                let held = match self.objects.get(&object.part()) {
                    Some(PartObjects::Deliveries(_)) => return Err(NotLoaded::from(object.part()).into()),
                    // What had no lines added nothing.
                    held => held.and_then(|part| part.record(&object.key)).filter(|held| held.lines > 0),
                };
                let mut earlier = same[..place].iter().copied().chain(held);
                if let Some(error) = earlier.find_map(|earlier| again(object, earlier)) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The counts by part, but for parts without an event.
    fn checked_counts<'a>(
        &self,
        counts: &'a BTreeMap<(SeriesKey, Day), Box<[Count]>>,
    ) -> Result<BTreeMap<Part, BTreeMap<SeriesKey, &'a [Count]>>, AbsorbError> {
        let mut parts: BTreeMap<Part, BTreeMap<SeriesKey, &[Count]>> = BTreeMap::new();
        for ((series, day), answer) in counts {
            for part in Part::of_day(*day) {
                let answer = &answer[part.slots()];
                if !has_events(answer) {
                    continue;
                }
                self.minutes_loaded(part)?;
                let held = self.row(series, part).map_or(&[][..], |row| row.total);
                for ((minute, count), total) in (part.span().start.0..).zip(answer).zip(held) {
                    if total.checked_add(count.total).is_none() {
                        return Err(AbsorbError::TooMany { series: series.clone(), minute: Minute(minute) });
                    }
                }
                parts.entry(part).or_default().insert(series.clone(), answer);
            }
        }
        Ok(parts)
    }

    /// The minutes of a part, if anything is said of them.
    pub(super) fn row(&self, series: &SeriesKey, part: Part) -> Option<DaySlice<'_>> {
        let minutes = self.minutes.get(&part.day())?;
        Some(minutes.row(minutes.place(series)?, part.slots()))
    }

    fn minutes_loaded(&self, part: Part) -> Result<(), NotLoaded> {
        if self.minutes_left.contains(&part) { Err(part.into()) } else { Ok(()) }
    }

    fn objects_loaded(&self, part: Part) -> Result<(), NotLoaded> {
        if self.objects_left.contains(&part) { Err(part.into()) } else { Ok(()) }
    }
}
