//! The reader thread: whoever shows a log asks it for parts of the list, small pictures and
//! changes, and never waits for the disk. It looks now and then whether the log has grown, whoever
//! wrote to it. Knows no window.
//!
//! Which list is wanted is a value of which the newest counts: another one stops the search for the
//! one before, and what still comes of that one bears its old number.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select, tick};
use image::RgbImage;

use crate::base::slot::Slot;
use crate::base::thread::Thread;
use crate::live::Waker;
use crate::log::data::entry::{FoundEntry, Session};
use crate::log::data::filter::Filter;
use crate::log::embedder::{LazyEmbedder, OpenEmbedder, no_embedder};
use crate::log::error::LogError;
use crate::log::store::day::DayMark;
use crate::log::store::nearest::Meant;
use crate::log::store::query;
use crate::log::store::row_index::RowIndex;
use crate::log::store::similar::SimilarView;
use crate::log::store::{Interrupter, RemovedEntry, Store};
use crate::log::threads::sink::Log as _;
use crate::rules::calibrate::Tick;

/// Rows of a page.
pub const PAGE: u64 = 64;
/// Orders and answers that wait. Whoever asks keeps fewer under way.
const QUEUE: usize = 64;
/// Entries of a list of words that are there for their meaning, at most.
const MOST_NEAR: usize = 200;
/// How often it is looked whether the log has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the end waits for what is being read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderOrder {
    /// From now on look whether the log changes, or no longer.
    Watch(bool),
    /// The entries of a page of the list: rows are numbered from the oldest, [`PAGE`] a page.
    Page(u64),
    /// The small picture of an entry.
    Thumbnail(i64),
    /// Everything about an entry.
    Entry(i64),
    /// What was recorded in each of equal parts of a stretch of time, milliseconds since 1970, UTC.
    Marks {
        /// Its beginning.
        from_ms: i64,
        /// Its end.
        to_ms: i64,
        /// How many parts.
        parts: usize,
    },
    /// The row of the first entry captured at this moment or later.
    RowAt(i64),
    /// Sets or takes away a bookmark.
    Bookmark(i64, bool),
    /// Writes, replaces or takes away a note.
    Note(i64, Option<String>),
    /// Says of an event or a near miss whether it was right, or takes that back.
    Tick(i64, Option<bool>),
    /// What the user says of the events of a rule with this sentence.
    Ticks(String),
    /// Views that are like an entry's, at most so many.
    Similar(i64, usize),
    /// Removes an entry.
    Delete(i64),
    /// Puts the entry back that was removed last.
    Undo,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum ReaderNews {
    /// The list has this many rows. What was read of it before may have changed.
    Listed {
        /// The number of the list, as [`Reader::list`] gave it.
        list: u64,
        /// How many rows.
        rows: u64,
    },
    /// A page of the list, oldest first.
    Page {
        /// The number of the list.
        list: u64,
        /// Which page.
        page: u64,
        /// Its entries.
        entries: Vec<FoundEntry>,
    },
    /// The small picture of an entry, if it has one.
    Thumbnail(i64, Option<RgbImage>),
    /// Everything about an entry; None when it is gone.
    Entry(i64, Option<Box<(FoundEntry, Session)>>),
    /// The marks of a stretch of time, and the list that they are of.
    Marks {
        /// The number of the list.
        list: u64,
        /// The stretch's beginning.
        from_ms: i64,
        /// Parts in which something was recorded.
        marks: Vec<DayMark>,
    },
    /// A row that was asked for by a moment.
    Row {
        /// The number of the list.
        list: u64,
        /// The row; None when the list is empty.
        row: Option<u64>,
    },
    /// The ticks of a sentence, each with its model.
    Ticks(String, Vec<(String, Tick)>),
    /// Views that are like an entry's; None where its own was not kept.
    Similar(i64, Option<Vec<SimilarView>>),
    /// The entry was removed, and can be put back.
    Deleted(i64),
    /// The entry is there again, under this number.
    Restored(i64),
    /// Something failed.
    Trouble(LogError),
}

/// What both sides look at.
struct ReaderShared {
    /// The number of the list that is wanted.
    list: AtomicU64,
    /// There while a search may be stopped.
    interrupter: Mutex<Option<Interrupter>>,
}

impl ReaderShared {
    fn interrupter(&self) -> MutexGuard<'_, Option<Interrupter>> {
        self.interrupter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self) {
        if let Some(interrupter) = &*self.interrupter() {
            interrupter.interrupt();
        }
    }
}

/// A running reader thread. Dropping it stops what is being read.
pub struct Reader {
    orders: Option<Sender<ReaderOrder>>,
    news: Option<Receiver<ReaderNews>>,
    wanted: Slot<(u64, Filter)>,
    shared: Arc<ReaderShared>,
    thread: Thread,
}

impl Reader {
    /// Starts the thread for the log at `path`, which need not be there yet. `wake` is called when
    /// there is news.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(path: PathBuf, wake: Waker) -> Result<Self, LogError> {
        Self::start_with(path, no_embedder(), wake)
    }

    /// The same, and lists of words have what is near in meaning, too, as far as there is an
    /// embedder.
    ///
    /// # Errors
    /// As [`Reader::start`].
    pub fn start_with(path: PathBuf, embedder: OpenEmbedder, wake: Waker) -> Result<Self, LogError> {
        let (orders, their_orders) = bounded(QUEUE);
        let (their_news, news) = bounded(QUEUE);
        let (wanted, shared) =
            (Slot::default(), Arc::new(ReaderShared { list: AtomicU64::new(0), interrupter: Mutex::new(None) }));
        let state = Reading {
            path,
            news: their_news,
            wake,
            shared: Arc::clone(&shared),
            store: None,
            embedder: LazyEmbedder::new(embedder),
            meant: None,
            filter: Filter::default(),
            list: 0,
            row_index: None,
            version: 0,
            taken: None,
            trouble: None,
        };
        let theirs = wanted.clone();
        let thread = Thread::start("log reader", move || state.run(&theirs, &their_orders))
            .map_err(|error| LogError::NoThread(error.to_string()))?;
        Ok(Self { orders: Some(orders), news: Some(news), wanted, shared, thread })
    }

    /// Wants another list. Returns its number, which everything that comes of it bears.
    #[must_use]
    pub fn list(&self, filter: Filter) -> u64 {
        let list = self.shared.list.fetch_add(1, Ordering::SeqCst) + 1;
        self.wanted.put((list, filter));
        self.shared.interrupt();
        list
    }

    /// Gives an order. Never waits; says whether there was room.
    #[must_use]
    pub fn order(&self, order: ReaderOrder) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }

    /// News, if there is any.
    #[must_use]
    pub fn news(&self) -> Option<ReaderNews> {
        self.news.as_ref().and_then(|news| news.try_recv().ok())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        (self.orders, self.news) = (None, None);
        self.shared.interrupt();
        self.thread.join_until(Instant::now() + PATIENCE);
    }
}

/// The state of the thread.
struct Reading {
    path: PathBuf,
    news: Sender<ReaderNews>,
    wake: Waker,
    shared: Arc<ReaderShared>,
    store: Option<Store>,
    embedder: LazyEmbedder,
    /// The words that were looked for last, and what they mean, where they mean something.
    meant: Option<(String, Option<Meant>)>,
    filter: Filter,
    list: u64,
    row_index: Option<RowIndex>,
    version: i64,
    /// What was removed last.
    taken: Option<RemovedEntry>,
    /// What was said last, so that it is not said at every look.
    trouble: Option<LogError>,
}

impl Reading {
    fn run(mut self, wanted: &Slot<(u64, Filter)>, orders: &Receiver<ReaderOrder>) {
        let mut clock = never();
        loop {
            let done = select! {
                recv(wanted.receiver()) -> newest => match newest {
                    Ok((list, filter)) => {
                        (self.list, self.filter, self.row_index) = (list, filter, None);
                        self.look()
                    }
                    Err(_) => return,
                },
                recv(orders) -> order => match order {
                    Ok(ReaderOrder::Watch(true)) => {
                        clock = tick(LOOK_EVERY);
                        self.look()
                    }
                    Ok(ReaderOrder::Watch(false)) => {
                        clock = never();
                        Ok(())
                    }
                    Ok(order) => self.carry_out(order),
                    Err(_) => return,
                },
                recv(clock) -> _ => self.look(),
            };
            match done {
                Ok(()) => self.trouble = None,
                // Another list is wanted instead.
                Err(LogError::Interrupted) => {}
                Err(error) if self.trouble.as_ref() == Some(&error) => {}
                Err(error) => {
                    self.trouble = Some(error.clone());
                    self.tell(ReaderNews::Trouble(error));
                }
            }
        }
    }

    fn tell(&self, news: ReaderNews) {
        // When nobody is there any more, the orders end as well.
        let _ = self.news.send(news);
        (self.wake)();
    }

    /// The log, which is opened when it is there.
    fn store(&mut self) -> Result<&mut Store, LogError> {
        if self.store.is_none() {
            self.store = Some(Store::open_existing(&self.path)?);
        }
        self.store.as_mut().ok_or_else(|| LogError::Missing(self.path.clone()))
    }

    /// Reads something that may be stopped when another list is wanted.
    fn read<T>(&mut self, read: impl FnOnce(&Store) -> Result<T, LogError>) -> Result<T, LogError> {
        let (shared, list) = (Arc::clone(&self.shared), self.list);
        let store = self.store()?;
        *shared.interrupter() = Some(store.interrupter());
        let is_stale = shared.list.load(Ordering::SeqCst) != list;
        let done = if is_stale { Err(LogError::Interrupted) } else { read(store) };
        *shared.interrupter() = None;
        done
    }

    /// Looks whether the list has to be made or has changed.
    fn look(&mut self) -> Result<(), LogError> {
        if self.store.as_mut().is_some_and(|store| store.look().is_err()) {
            // Another file lies there, or none: what is read from now on is that.
            (self.store, self.row_index, self.taken) = (None, None, None);
        }
        let version = self.store()?.version()?;
        if version == self.version && self.row_index.is_some() {
            return Ok(());
        }
        self.version = version;
        self.relist()
    }

    /// What the words of the list mean. None where there is no model, or they say how to search.
    fn meant(&mut self) -> Option<Meant> {
        let words = self.filter.words.as_deref().filter(|words| query::is_plain(words))?;
        if self.meant.as_ref().is_none_or(|(last, _)| last != words) {
            let meant = self.embedder.vector(words).map(|(model, vector)| Meant { model, vector });
            self.meant = Some((words.to_owned(), meant));
        }
        self.meant.as_ref()?.1.clone()
    }

    /// Looks for what is near in meaning to the words of the list. What it was before has other
    /// rows.
    fn look_for_near(&mut self) -> Result<(), LogError> {
        let mut near: Vec<i64> = match self.meant() {
            Some(meant) => {
                let filter = self.filter.clone();
                self.read(|store| store.nearest_in_meaning(&meant, &filter, MOST_NEAR))?
                    .iter()
                    .map(|near| near.entry)
                    .collect()
            }
            None => Vec::new(),
        };
        near.sort_unstable();
        if near != self.filter.near {
            (self.filter.near, self.row_index) = (near, None);
        }
        Ok(())
    }

    /// Counts the rows again, only the added ones where that is enough, and tells.
    fn relist(&mut self) -> Result<(), LogError> {
        self.look_for_near()?;
        let filter = self.filter.clone();
        let row_index = self.row_index.take();
        let row_index = self.read(|store| {
            if let Some(mut row_index) = row_index
                && store.grow(&mut row_index)?
            {
                return Ok(row_index);
            }
            store.row_index(&filter)
        })?;
        let rows = row_index.rows();
        self.row_index = Some(row_index);
        self.tell(ReaderNews::Listed { list: self.list, rows });
        Ok(())
    }

    fn carry_out(&mut self, order: ReaderOrder) -> Result<(), LogError> {
        let list = self.list;
        match order {
            ReaderOrder::Watch(_) => {}
            ReaderOrder::Page(page) => {
                let Some(row_index) = self.row_index.take() else { return Ok(()) };
                let entries = self.read(|store| store.rows_of(&row_index, page * PAGE, PAGE as usize));
                self.row_index = Some(row_index);
                self.tell(ReaderNews::Page { list, page, entries: entries? });
            }
            ReaderOrder::Thumbnail(entry) => {
                let jpeg = self.store()?.thumbnail(entry)?;
                self.tell(ReaderNews::Thumbnail(entry, jpeg.as_deref().and_then(picture)));
            }
            ReaderOrder::Entry(id) => self.tell_entry(id)?,
            ReaderOrder::Marks { from_ms, to_ms, parts } => {
                let filter = self.filter.clone();
                let marks = self.read(|store| store.marks(&filter, from_ms, to_ms, parts))?;
                self.tell(ReaderNews::Marks { list, from_ms, marks });
            }
            ReaderOrder::RowAt(at_ms) => {
                let Some(row_index) = self.row_index.take() else { return Ok(()) };
                let row = self.read(|store| store.row_at(&row_index, at_ms));
                self.row_index = Some(row_index);
                self.tell(ReaderNews::Row { list, row: row? });
            }
            ReaderOrder::Bookmark(id, bookmarked) => {
                self.store()?.set_bookmark(id, bookmarked)?;
                self.changed(id)?;
            }
            ReaderOrder::Note(id, note) => {
                self.store()?.set_note(id, note.as_deref())?;
                self.changed(id)?;
            }
            ReaderOrder::Tick(id, tick) => {
                let store = self.store()?;
                store.set_tick(id, tick)?;
                if let Some(found) = store.entry(id)? {
                    self.tell_ticks(found.entry.text)?;
                }
                self.changed(id)?;
            }
            ReaderOrder::Ticks(says) => self.tell_ticks(says)?,
            ReaderOrder::Similar(id, most) => {
                let found = self.read(|store| {
                    let Some(like) = store.view_of_entry(id)? else { return Ok(None) };
                    store.similar(&like.features, &like.filter, Some(like.moment), most).map(Some)
                })?;
                self.tell(ReaderNews::Similar(id, found));
            }
            ReaderOrder::Delete(id) => {
                if let Some(taken) = self.store()?.take(id)? {
                    self.taken = Some(taken);
                    self.tell(ReaderNews::Deleted(id));
                    self.row_index = None;
                    self.relist()?;
                }
            }
            ReaderOrder::Undo => {
                if let Some(taken) = self.taken.take() {
                    let id = self.store()?.put_back(&taken)?;
                    self.tell(ReaderNews::Restored(id));
                    self.row_index = None;
                    self.relist()?;
                }
            }
        }
        Ok(())
    }

    fn tell_entry(&mut self, id: i64) -> Result<(), LogError> {
        let store = self.store()?;
        let found = store.entry(id)?;
        let session = match &found {
            Some(found) => store.session(found.entry.session)?,
            None => None,
        };
        self.tell(ReaderNews::Entry(id, found.zip(session).map(Box::new)));
        Ok(())
    }

    fn tell_ticks(&mut self, says: String) -> Result<(), LogError> {
        let ticks = self.store()?.ticks(&says)?;
        self.tell(ReaderNews::Ticks(says, ticks));
        Ok(())
    }

    /// A bookmark or note may let an entry in or out of the list.
    fn changed(&mut self, id: i64) -> Result<(), LogError> {
        self.tell_entry(id)?;
        if !self.filter.kinds.is_empty() || self.filter.words.is_some() {
            self.row_index = None;
        }
        self.relist()
    }
}

fn picture(jpeg: &[u8]) -> Option<RgbImage> {
    image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).ok().map(image::DynamicImage::into_rgb8)
}

#[cfg(test)]
mod tests;
