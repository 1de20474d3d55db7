//! Downloads from a hub in memory, with all that can go wrong on the way.

use super::*;
use crate::testing::hub::{COMMIT, FakeHub, ID, Mishap};

struct Place {
    folder: tempfile::TempDir,
    cancel: Cancel,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), cancel: Cancel::default() }
    }

    fn download(&self, hub: &FakeHub) -> Result<Vec<Progress>, DownloadError> {
        let mut told = Vec::new();
        let wait = Duration::from_millis(1);
        let downloader = Downloader { first_wait: wait, ..Downloader::new(hub, self.folder.path(), &self.cancel) };
        downloader.download(ID, &mut |progress| told.push(progress.clone())).map(|()| told)
    }

    fn files(&self) -> Option<ModelFiles> {
        ModelFiles::in_hub_cache_at(self.folder.path(), ID)
    }

    fn weights(&self) -> Vec<u8> {
        let files = self.files().expect("published");
        fs::read(files.folder().expect("on the disk").join(SINGLE)).expect("read")
    }

    /// Names that are not whole.
    fn partial(&self) -> usize {
        let blobs = self.folder.path().join("models--someone--tiny/blobs");
        let names = fs::read_dir(blobs).into_iter().flatten().flatten().map(|entry| entry.path());
        names.filter(|path| path.extension().is_some()).count()
    }
}

fn whole() -> Vec<u8> {
    FakeHub::tiny().files.pop().expect("weights").1
}

#[test]
fn what_a_checkpoint_needs_is_there_in_pythons_layout_and_nothing_else() {
    let (place, hub) = (Place::new(), FakeHub::tiny());
    let told = place.download(&hub).expect("downloaded");
    assert!(place.files().is_some_and(|files| files.is_complete()));
    assert_eq!(place.weights(), whole());
    let root = place.folder.path().join("models--someone--tiny");
    assert_eq!(fs::read_to_string(root.join("refs/main")).expect("read"), COMMIT);
    assert!(!root.join("snapshots").join(COMMIT).join("README.md").exists());
    assert_eq!((place.partial(), fs::read_dir(root.join("blobs")).expect("read").count()), (0, 4));
    let last = told.last().expect("something");
    let all: usize = hub.files.iter().filter(|(name, _)| name != "README.md").map(|(_, content)| content.len()).sum();
    assert_eq!((last.done, last.total), (all as u64, all as u64));
    assert!(told.iter().any(|progress| progress.doing == Doing::Checking));
    // A second time there is nothing to fetch.
    place.download(&hub).expect("downloaded");
    assert_eq!(*hub.asked.borrow(), [0]);
}

#[test]
fn what_was_damaged_since_is_found_and_fetched_anew() {
    let (place, hub) = (Place::new(), FakeHub::tiny());
    place.download(&hub).expect("downloaded");
    let folder = place.files().and_then(|files| files.folder().map(Path::to_owned)).expect("on the disk");
    let damaged = || {
        let files = place.files().expect("published");
        content::first_damaged(&files, &Cancel::default(), |_| {}).expect("read")
    };
    assert_eq!(damaged(), None);
    for name in [SINGLE, "config.json"] {
        let whole = fs::read(folder.join(name)).expect("read");
        let mut wrong = whole.clone();
        wrong[5] ^= 1;
        fs::write(folder.join(name), wrong).expect("written");
        assert_eq!(damaged().as_deref(), Some(name));
        place.download(&hub).expect("downloaded");
        assert!(fs::read(folder.join(name)).expect("read") == whole && damaged().is_none(), "{name}");
    }
    assert_eq!(*hub.asked.borrow(), [0, 0], "nothing that was whole came anew");
}

#[test]
fn what_does_not_run_is_told_before_its_weights_come() {
    let mut hub = FakeHub::tiny();
    hub.files[0].1 = br#"{"model_type": "llava"}"#.to_vec();
    let error = Place::new().download(&hub).expect_err("another model");
    assert!(matches!(&error, DownloadError::Unusable { .. }) && error.to_string().contains("llava"), "{error}");
    assert!(hub.asked.borrow().is_empty());
    hub.files.retain(|(name, _)| name == "README.md");
    hub.files.push(("adapter_config.json".to_owned(), b"{}".to_vec()));
    let error = Place::new().download(&hub).expect_err("an adapter").to_string();
    assert!(error.contains("LoRA") && error.contains("merge_and_unload"), "{error}");
}

#[test]
fn sizes_that_cannot_be_are_not_believed() {
    struct Boasting(FakeHub, &'static str);
    impl Hub for Boasting {
        fn endpoint(&self) -> &str {
            self.0.endpoint()
        }
        fn listing(&self, id: &str, cancel: &Cancel) -> Result<crate::models::hub::Listing, DownloadError> {
            self.0.listing(id, cancel)
        }
        fn describe(&self, id: &str, commit: &str, file: &str, cancel: &Cancel) -> Result<RemoteFile, DownloadError> {
            let told = self.0.describe(id, commit, file, cancel)?;
            let size = if file == self.1 { 1 << 63 } else { told.size };
            Ok(RemoteFile { size, ..told })
        }
        fn fetch(&self, _: &Piece<'_>, _: &Cancel, _: &mut crate::models::hub::Sink<'_>) -> Result<(), DownloadError> {
            unreachable!("nothing is fetched")
        }
    }
    for file in [SINGLE, "tokenizer.json"] {
        let (place, hub) = (Place::new(), Boasting(FakeHub::tiny(), file));
        let told = Downloader::new(&hub, place.folder.path(), &place.cancel).download(ID, &mut |_| {});
        assert!(matches!(told, Err(DownloadError::Odd { why, .. }) if why.contains(file)));
    }
}

#[test]
fn a_connection_that_is_cut_goes_on_where_it_was() {
    let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Cut(4000), Mishap::Gone, Mishap::Cut(1000)]));
    place.download(&hub).expect("downloaded");
    assert_eq!(*hub.asked.borrow(), [0, 4000, 4000, 5000]);
    assert_eq!(place.weights(), whole());
}

#[test]
fn a_hub_that_stays_away_is_given_up_and_what_came_is_kept() {
    let gone = || (0..TRIES).map(|_| Mishap::Gone);
    let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Cut(4000)].into_iter().chain(gone())));
    let fault = place.download(&hub).expect_err("given up");
    assert!(fault.to_string().contains("by hand"), "{fault}");
    assert!(place.files().is_none() && place.partial() == 1);
    place.download(&hub).expect("downloaded");
    assert_eq!(hub.asked.borrow().last(), Some(&4000));
    let (place, hub) = (Place::new(), FakeHub::tiny().will((0..TRIES).map(|_| Mishap::Cut(0))));
    let fault = place.download(&hub).expect_err("given up").to_string();
    assert!(fault.contains("cut at 0 of 10000 bytes") && fault.contains("5 times"), "{fault}");
}

#[test]
fn what_arrives_damaged_is_fetched_once_more_and_then_refused() {
    for (first, second) in [(Mishap::Wrong, Mishap::Wrong), (Mishap::More, Mishap::More)] {
        let (place, hub) = (Place::new(), FakeHub::tiny().will([first]));
        place.download(&hub).expect("the second time it was right");
        assert_eq!((place.weights(), place.partial()), (whole(), 0));
        let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Wrong, second]));
        let fault = place.download(&hub).expect_err("damaged");
        assert!(matches!(fault, DownloadError::Damaged { .. }), "{fault}");
        assert!(place.files().is_none() && place.partial() == 0);
    }
}

#[test]
fn a_rest_that_does_not_fit_is_replaced() {
    let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Cancel(100)]));
    assert!(matches!(place.download(&hub), Err(DownloadError::Cancelled)));
    let blobs = place.folder.path().join("models--someone--tiny/blobs");
    let rest = fs::read_dir(&blobs).expect("read").flatten().find(|entry| entry.path().extension().is_some());
    fs::write(rest.expect("a rest").path(), vec![9; 20_000]).expect("written");
    let place = Place { cancel: Cancel::default(), ..place };
    place.download(&hub).expect("downloaded");
    assert_eq!(place.weights(), whole());
}

#[test]
fn a_busy_hub_is_waited_for_as_it_wishes_but_not_for_ever() {
    let soon = Some(Duration::from_millis(2));
    let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Busy(soon), Mishap::Busy(None)]));
    let told = place.download(&hub).expect("downloaded");
    assert!(told.iter().any(|progress| progress.doing == Doing::Waiting));
    let (place, hub) = (Place::new(), FakeHub::tiny().will([Mishap::Busy(Some(Duration::from_hours(1)))]));
    let fault = place.download(&hub).expect_err("too long").to_string();
    assert!(fault.contains("in 3600 s"), "{fault}");
}

#[test]
fn names_of_the_hub_lead_nowhere_else() {
    let place = Place::new();
    for etag in ["../../evil", "", "a/b", "a.b", &"a".repeat(200)] {
        let hub = FakeHub { etag: Some(etag.to_owned()), ..FakeHub::tiny() };
        assert!(matches!(place.download(&hub), Err(DownloadError::Odd { .. })), "{etag}");
    }
    assert_eq!(fs::read_dir(place.folder.path()).expect("read").count(), 0);
}

#[test]
fn shards_are_fetched_with_their_index_and_must_be_all_there() {
    let shard = "model-00001-of-00002.safetensors";
    let mut hub = FakeHub::tiny();
    hub.files.pop();
    hub.files.push((shard.to_owned(), b"123".to_vec()));
    let fault = Place::new().download(&hub).expect_err("no index").to_string();
    assert!(fault.contains("has no model.safetensors"), "{fault}");
    let index = |second: &str| format!(r#"{{"weight_map": {{"a": "{shard}", "b": "{second}"}}}}"#).into_bytes();
    hub.files.push((INDEX.to_owned(), index(shard)));
    Place::new().download(&hub).expect("downloaded");
    hub.files.pop();
    hub.files.push((INDEX.to_owned(), index("model-00002-of-00002.safetensors")));
    let place = Place::new();
    assert!(matches!(place.download(&hub), Err(DownloadError::Damaged { .. })));
    assert!(place.files().is_none());
}

#[test]
fn whoever_locked_a_file_is_waited_for_until_the_user_has_enough() {
    let (place, hub) = (Place::new(), FakeHub::tiny());
    let etag = hub.describe(ID, COMMIT, SINGLE, &place.cancel).expect("described").etag;
    let lock = Repository::new(place.folder.path(), ID).lock(&etag).expect("made");
    lock.lock().expect("locked");
    let cancel = place.cancel.clone();
    let downloader = Downloader::new(&hub, place.folder.path(), &place.cancel);
    let stopped = downloader.download(ID, &mut |progress| {
        if progress.doing == Doing::Sharing {
            cancel.cancel();
        }
    });
    assert!(matches!(stopped, Err(DownloadError::Cancelled)));
}
