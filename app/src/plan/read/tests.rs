//! Tests of `read`.

use super::*;
use crate::capture::CameraChoice;
use crate::live::Rotation;

fn plan_with(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Message> {
    let defaults =
        Defaults { options: SourceOptions::default(), settings: Settings::default(), tiling: &|_| Tiling::One };
    let path = Path::new("/plans/house.toml");
    Reader { document: Document { path, text }, defaults: &defaults, variable }.plan()
}

fn plan(text: &str) -> Result<Plan, Message> {
    plan_with(text, &|_| None)
}

fn refused(text: &str) -> String {
    plan(text).err().map(|message| message.to_string()).expect(text)
}

#[test]
fn a_view_has_all_that_is_asked_of_it() {
    let plan = plan(
        r#"
        [engine]
        model = "demo"

        [log]
        file = "house.db"
        limit = "2GB"
        keep = "30d"

        [[view]]
        name = "door"
        source = "rtsp://cam.invalid/1"
        region = [0, 10, 60, 90]
        mask = [[0, 0, 20, 10]]
        rotate = 90
        rule = [{ name = "parcel", says = "there is a parcel on the mat", of = [3, 5] }]
        instruction = "Who is at the door?"
        max_tokens = 20
        longest_silence = "5m"
        most_per_minute = 12

        [[view]]
        source = "films/garden.mp4"
        split = true
        loop = true
        every_frame = true

        [[view]]
        source = "camera:2"
        camera_format = "1920x1080@30"
        "#,
    )
    .expect("a plan");
    let [door, garden, camera] = &plan.views[..] else { panic!("three views") };
    assert_eq!(door.name, "door");
    assert_eq!(door.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>(), ["parcel"]);
    assert_eq!(door.framing.region, "0,10,60,90".parse().ok());
    assert_eq!((door.framing.masks.len(), door.framing.rotation), (1, Rotation::Quarter));
    assert_eq!(door.settings.instruction, "Who is at the door?");
    assert_eq!((door.settings.max_tokens, door.settings.least_interval), (20, Duration::from_secs(5)));
    assert_eq!(door.settings.gate, Some(GateSettings { longest_silence: Duration::from_mins(5) }));
    assert_eq!(garden.name, "films/garden.mp4");
    assert_eq!(garden.source, SourceSpec::Path("/plans/films/garden.mp4".into()));
    assert_eq!((garden.settings.tiling, camera.settings.tiling), (Tiling::Split, Tiling::One));
    assert!(garden.options.repeat && garden.settings.gate.is_none());
    assert_eq!(camera.source, SourceSpec::Camera(CameraChoice::Number(2)));
    assert_eq!((camera.name.as_str(), &camera.settings), ("camera:2", &Settings::default()));
    assert_eq!(camera.options.camera_format, "1920x1080@30".parse().ok());
    let log = plan.log.expect("a log");
    assert_eq!((log.record, log.path), (true, Some("/plans/house.db".into())));
    assert_eq!(log.keep.at_most_bytes, Some(2_000_000_000));
    assert!(plan.engine.is_some_and(|engine| engine.model == ModelSpec::Demo && engine.remote.is_none()));
}

#[test]
fn a_view_may_know_pictures_and_a_plan_may_have_actions() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("closed.png");
    image::RgbImage::new(3, 2).save(&file).expect("saved");
    let view = format!(
        "[[view]]\nsource = \"demo\"\nstanding = \"You watch a door.\"\nreference = [{{ label = \"closed\", file = \
         \"{}\" }}]\n",
        file.display()
    );
    let plan = plan(&format!("[action.desk]\ndesktop = true\n{view}[[view]]\nsource = \"demo\"\n")).expect("a plan");
    let prefix = &plan.views[0].settings.prefix;
    assert_eq!((prefix.standing.as_str(), prefix.references[0].label.as_str()), ("You watch a door.", "closed"));
    assert!(plan.views[1].settings.prefix.is_empty());
    assert_eq!(plan.actions.len(), 1);
    let said = refused("[[view]]\nsource = \"demo\"\nreference = [{ label = \"closed\", file = \"no.png\" }]");
    assert!(said.contains("line 3, view.reference") && said.contains("no.png"), "{said}");
    let said = refused("[action.desk]\ndestop = true\n[[view]]\nsource = \"demo\"");
    assert!(said.contains("line 2, action.desk.destop: Unknown key"), "{said}");
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_its_key() {
    for (text, place, word) in [
        ("[[view]]\nsource = \"demo\"\nrotat = 90", "line 3, view.rotat: ", "Unknown key `rotat`"),
        ("[[view]]\nname = \"a\"", "line 1", "Missing key `source`"),
        ("[[view]]\nsource = \"demo\"\nrotate = 45", "line 3, view.rotate: ", "Write 90, 180 or 270."),
        ("[[view]]\nsource = \"ftp://x\"", "line 2, view.source: ", "ftp://"),
        ("[[view]]\nsource = \"demo\"\nregion = [0, 0, 0, 50]", "line 3, view.region: ", "within the picture"),
        ("[[view]]\nsource = \"demo\"\nregion = [0, 0, 50]", "line 3, view.region: ", "length"),
        ("[[view]]\nsource = \"demo\"\nmask = [\n[0,0,9,9],\n[0,0,999,9]]", "line 3, view.mask: ", "picture"),
        ("[[view]]\nsource = \"demo\"\nmax_tokens = 0", "line 3, view.max_tokens: ", "from 1 to 100000"),
        ("[[view]]\nsource = \"demo\"\nlongest_silence = \"soon\"", "view.longest_silence: ", "length of time"),
        ("[[view]]\nsource = \"demo\"\nloop = 1", "line 3, view.loop: ", "boolean"),
        (
            "[[view]]\nsource = \"demo\"\n[[view.rule]]\nsays = \"there is a cup\"\nof = [3, 2]",
            "line 5, view.rule.of: ",
            "two numbers",
        ),
        (
            "[[view]]\nsource = \"demo\"\n[[view.rule]]\nsays = \"a\"\n[[view.rule]]\nsays = \"a\"",
            "house.toml",
            "two rules",
        ),
        ("views = 1", "line 1, views: ", "Unknown key `views`"),
        (
            "[[view]]\nname = \"a\"\nsource = \"demo\"\n[[view]]\nname = \"a\"\nsource = \"demo\"",
            "line 5, view.name: ",
            "Another view",
        ),
        ("[[view]]\nname = \" \"\nsource = \"demo\"", "line 2, view.name: ", "empty"),
        ("[[view]]\nsource = \"demo\"\npassword_file = \"no.txt\"", "line 3, view.password_file: ", "/plans/no.txt"),
        ("[engine]\nmodel = \"7b\"\n[[view]]\nsource = \"demo\"", "line 2, engine.model: ", "7b"),
        ("[engine]\nmodel = \"a\"\nurl = \"box\"\n[[view]]\nsource = \"demo\"", "line 3, engine.url: ", ""),
        ("[log]\nlimit = 5\n[[view]]\nsource = \"demo\"", "line 2, log.limit: ", "string"),
        ("[[view]\nsource = \"demo\"", "line 1", ""),
        ("", "/plans/house.toml: ", "no view"),
    ] {
        let said = refused(text);
        assert!(said.starts_with("/plans/house.toml") && said.contains(place) && said.contains(word), "{said}");
    }
}

#[test]
fn a_password_comes_from_the_environment_or_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("door.txt");
    std::fs::write(&file, "hush hush\nmore").expect("written");
    let text = format!(
        "[[view]]\nname = \"Front door\"\nsource = \"rtsp://me@cam.invalid/1\"\n[[view]]\nname = \"back\"\nsource = \
         \"rtsp://cam.invalid/2\"\nuser = \"you\"\npassword_file = \"{}\"\n",
        file.display()
    );
    let variable = |name: &str| (name == "SIGHTLINE_PASSWORD_FRONT_DOOR").then(|| "p@ss".to_owned());
    let plan = plan_with(&text, &variable).expect("a plan");
    let logins = plan.views.iter().map(|view| view.options.login.clone().expect("a login"));
    assert_eq!(logins.collect::<Vec<_>>(), [Login::new("", "p@ss"), Login::new("you", "hush hush")]);
    let shown = format!("{plan:?}");
    assert!(!shown.contains("p@ss") && !shown.contains("hush"), "{shown}");
    let said = refused("[[view]]\nsource = \"rtsp://me:hush@cam.invalid/1\"\npassword = \"hush\"");
    assert!(said.contains("Unknown key `password`") && !said.contains("hush"), "{said}");
    let said = refused("[[view]]\nsource = \"rtsp://me:hush@:x/1\"");
    assert!(!said.contains("hush"), "{said}");
}
