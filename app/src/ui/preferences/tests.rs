use super::*;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("below").join(FILE);
    fs::create_dir(path.parent().expect("a folder")).expect("made");
    (folder, path)
}

#[test]
fn what_was_chosen_is_there_the_next_time() {
    let (_folder, path) = scratch();
    assert_eq!(Preferences::load(&path), (Preferences::default(), None));
    assert!(!Preferences::default().always_record, "nothing is recorded unless the user says so");
    let chosen = Preferences {
        source: Some("camera:1".to_owned()),
        instruction: Some("Say \"what\"\nyou see.".to_owned()),
        always_record: true,
        theme: ThemeChoice::Light,
        most_per_minute: Some(12),
        captions: CaptionStyle { size: 1.5, place: CaptionPlace::Below, background: 30 },
        window: WindowPlace { size: Some([800.0, 600.0]), zoom: 1.25, ..WindowPlace::default() },
        panels: Panels { log: true, rules: true, log_width: Some(444), ..Panels::default() },
        run: RunChoice { threads: Some(3), ..RunChoice::default() },
        log_limits: LogLimits { most_megabytes: Some(500), keep_days: None },
        references: vec![KeptReference { label: "my door".to_owned(), file: "/tmp/door.png".into() }],
        ..Preferences::default()
    };
    chosen.save(&path).expect("written");
    assert_eq!(Preferences::load(&path), (chosen, None));
    assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("a folder").count(), 1);
}

#[test]
fn what_another_version_keeps_there_stays() {
    let (_folder, path) = scratch();
    fs::write(&path, "[voice]\npitch = 2\n").expect("written");
    let (mut chosen, trouble) = Preferences::load(&path);
    assert_eq!(trouble, None);
    chosen.always_record = true;
    chosen.save(&path).expect("written");
    let kept: Table = toml::from_str(&fs::read_to_string(&path).expect("read")).expect("TOML");
    assert_eq!(kept["voice"]["pitch"].as_integer(), Some(2));
    assert_eq!(kept["always_record"].as_bool(), Some(true));
}

#[test]
fn what_the_first_release_kept_is_taken_over() {
    let (_folder, path) = scratch();
    fs::write(path.with_file_name(FORMER), r#"{"always_record": true}"#).expect("written");
    assert!(Preferences::load(&path).0.always_record);
}

#[test]
fn a_damaged_file_is_kept_aside_and_the_line_is_named() {
    let (_folder, path) = scratch();
    for number in 1..3 {
        fs::write(&path, "always_record = true\ntheme = \"pink\"\n").expect("written");
        let (read, said) = Preferences::load(&path);
        assert_eq!(read, Preferences::default());
        let said = said.expect("trouble");
        assert!(said.what().contains("line 2"), "{said}");
        let aside = path.with_file_name(format!("{FILE}.damaged-{number}"));
        assert!(aside.exists() && !path.exists() && said.to_string().contains("damaged"), "{said}");
    }
    let said = Preferences::default().save(&path.join("below").join(FILE));
    assert!(said.is_ok(), "a folder that is missing is made");
    let said = Preferences::default().save(&path.join("below").join(FILE).join(FILE)).expect_err("no folder");
    assert!(said.what().contains("can't be remembered"), "{said}");
}

#[test]
fn numbers_written_by_hand_are_held_within_bounds() {
    let (_folder, path) = scratch();
    fs::write(
        &path,
        "sensitivity = nan\n[engine]\nthreads = 0\n[captions]\nsize = 99.0\nbackground = 250\n[window]\nzoom = 0.0\n",
    )
    .expect("written");
    let (read, trouble) = Preferences::load(&path);
    assert_eq!(trouble, None);
    assert_eq!((read.captions.size, read.captions.background), (3.0, 100));
    assert_eq!((read.window.zoom, read.sensitivity, read.run.threads), (0.5, 1.0, Some(1)));
}
