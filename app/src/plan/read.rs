//! Reads a plan from a file in TOML. What is wrong is said with the file, the line and the key.
//!
//! Paths in it are meant from the file's own folder; `~` and variables in them are expanded.
//! Passwords and keys stand in files of their own or in the environment, so that a plan can be
//! shown to anybody.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use vlm::{Cancel, Tiling};

use crate::actions;
use crate::base::message::Message;
use crate::base::{files, text};
use crate::capture::{Login, SourceOptions, SourceSpec, picture_named};
use crate::engine::prefix::{Prefix, Reference};
use crate::engine::remote::address::AddressError;
use crate::engine::remote::options::{DEFAULT_PARALLEL, Key, Patience, PictureFormat, RemoteOptions};
use crate::live::{Framing, GateSettings, Settings};
use crate::log::{self, Keep, LogOptions};
use crate::models::spec::ModelSpec;
use crate::plan::place::Document;
use crate::plan::table::{EngineTable, LogTable, PlanTable, ReferenceTable, ViewTable};
use crate::plan::{EnginePlan, MOST_VIEWS, Plan, ViewPlan};
use crate::rules;

/// What a variable begins with that has the password of a view, before the view's name.
const PASSWORD: &str = "SIGHTLINE_PASSWORD_";

/// What holds for every view that does not say otherwise.
pub struct Defaults<'a> {
    /// How sources are opened.
    pub options: SourceOptions,
    /// What is asked of the model.
    pub settings: Settings,
    /// How pictures of a source are cut into tiles.
    pub tiling: &'a dyn Fn(&SourceSpec) -> Tiling,
}

/// Reads a plan.
///
/// # Errors
/// What is wrong with the file, or with one that it names.
pub fn read(path: &Path, defaults: &Defaults<'_>) -> Result<Plan, Message> {
    let content = files::text_of(path).map_err(|error| {
        Message::new(format!("The plan {} can't be read ({}).", text::path(path), text::system(&error)))
            .hint("Check the path, and that it is a text of less than 1 MB.")
    })?;
    Reader { document: Document { path, text: &content }, defaults, variable: &|name| std::env::var(name).ok() }.plan()
}

struct Reader<'a> {
    document: Document<'a>,
    defaults: &'a Defaults<'a>,
    /// A variable of the environment.
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn plan(&self) -> Result<Plan, Message> {
        let table: PlanTable = toml::from_str(self.document.text).map_err(|error| self.document.refused(&error))?;
        if table.view.is_empty() {
            let message =
                Message::new("The plan has no view.").hint("Write [[view]], and below it source = \"camera\".");
            return Err(self.document.wrong(None, &message));
        }
        if table.view.len() > MOST_VIEWS {
            let message = Message::new(format!("At most {MOST_VIEWS} views are watched at once."));
            return Err(self.document.wrong(None, &message.hint("Leave some out.")));
        }
        self.have_names_of_their_own(&table.view)?;
        Ok(Plan {
            engine: table.engine.map(|engine| self.engine(engine)).transpose()?,
            views: table.view.into_iter().map(|view| self.view(view)).collect::<Result<_, _>>()?,
            log: table.log.map(|log| self.log(log)),
            actions: actions::specs(table.action, self.document.path)?,
        })
    }

    fn have_names_of_their_own(&self, views: &[ViewTable]) -> Result<(), Message> {
        let mut seen = BTreeSet::new();
        for name in views.iter().filter_map(|view| view.name.as_ref()) {
            let text = name.get_ref().trim();
            let wrong = |message: Message| Err(self.document.wrong(Some(name.span()), &message));
            if text.is_empty() {
                return wrong(Message::new("The name is empty.").hint("Leave the key out, or write a name."));
            }
            if !seen.insert(text) {
                return wrong(
                    Message::new(format!("Another view is called `{text}`.")).hint("Give each its own name."),
                );
            }
        }
        Ok(())
    }

    fn view(&self, table: ViewTable) -> Result<ViewPlan, Message> {
        let written = text::one_line(&table.source.to_string());
        let source = match table.source {
            SourceSpec::Path(path) => SourceSpec::Path(self.path(&path)),
            other => other,
        };
        let name = table.name.map(|name| text::one_line(name.get_ref().trim()));
        let password = match &table.password_file {
            Some(file) => Some(self.secret(file)?),
            None => name.as_deref().and_then(|name| (self.variable)(&password_variable(name))),
        };
        let login = match (table.user, password) {
            (None, None) => self.defaults.options.login.clone(),
            (user, password) => Some(Login::new(user.unwrap_or_default(), password.unwrap_or_default())),
        };
        let defaults = &self.defaults.settings;
        let prefix = self.prefix(table.standing, table.reference)?;
        let sentence = |what: String| self.document.wrong(None, &Message::new(format!("Of one view, {what}.")));
        rules::file::check(&table.rule).map_err(sentence)?;
        let gate = match (table.every_frame, table.longest_silence) {
            (Some(true), _) => None,
            (_, Some(length)) => Some(GateSettings { longest_silence: length.0 }),
            (Some(false), None) => Some(GateSettings::default()),
            (None, None) => defaults.gate,
        };
        let tiling = match table.split {
            Some(true) => Tiling::Split,
            Some(false) => Tiling::One,
            None => (self.defaults.tiling)(&source),
        };
        Ok(ViewPlan {
            name: name.unwrap_or(written),
            options: SourceOptions {
                repeat: table.repeat.unwrap_or(self.defaults.options.repeat),
                camera_format: table.camera_format.or(self.defaults.options.camera_format),
                login,
                authority: table.ca_file.map_or(self.defaults.options.authority.clone(), |file| Some(self.path(&file))),
            },
            source,
            framing: Framing { rotation: table.rotate, region: table.region, masks: table.mask },
            settings: Settings {
                instruction: table.instruction.unwrap_or_else(|| defaults.instruction.clone()),
                max_tokens: table.max_tokens.map_or(defaults.max_tokens, |most| most.0 as usize),
                prefix,
                tiling,
                gate,
                least_interval: table
                    .most_per_minute
                    .map_or(defaults.least_interval, |most| Duration::from_mins(1) / most.0),
                ..defaults.clone()
            },
            rules: table.rule.into_iter().map(Arc::new).collect(),
        })
    }

    /// What stands before every picture of a view: its own, or what holds for all.
    fn prefix(
        &self,
        standing: Option<Spanned<String>>,
        references: Vec<Spanned<ReferenceTable>>,
    ) -> Result<Arc<Prefix>, Message> {
        let at = standing.as_ref().map(Spanned::span).or_else(|| references.first().map(Spanned::span));
        let Some(at) = at else { return Ok(Arc::clone(&self.defaults.settings.prefix)) };
        let mut prefix =
            Prefix { standing: standing.map(Spanned::into_inner).unwrap_or_default(), ..Prefix::default() };
        for reference in references {
            let at = reference.span();
            let ReferenceTable { label, file } = reference.into_inner();
            let picture = picture_named(&self.path(&file), &Cancel::default());
            let picture = picture.map_err(|error| self.document.wrong(Some(at), &error))?;
            prefix.references.push(Reference { label, picture: Arc::new(picture) });
        }
        prefix.check().map_err(|message| self.document.wrong(Some(at), &message))?;
        Ok(Arc::new(prefix))
    }

    fn engine(&self, table: Spanned<EngineTable>) -> Result<EnginePlan, Message> {
        let at = table.span();
        let EngineTable { model, url, key_file } = table.into_inner();
        let Some(url) = url else {
            if key_file.is_some() {
                let message = Message::new("A key is for a server.").hint("Add the server's url, or leave it out.");
                return Err(self.document.wrong(Some(at), &message));
            }
            let spec: Result<ModelSpec, _> = model.get_ref().parse();
            let spec = spec.map_err(|error| self.document.wrong(Some(model.span()), error.message()))?;
            return Ok(EnginePlan { model: spec, remote: None });
        };
        let address = url.get_ref().parse();
        let address = address
            .map_err(|why: AddressError| self.document.wrong(Some(url.span()), &Message::read(&why.to_string())))?;
        let key = match &key_file {
            Some(file) => Some(Key::new(&self.secret(file)?).ok_or_else(|| {
                let message = Message::new("The file holds no key.").hint("Write the key alone into its first line.");
                self.document.wrong(Some(file.span()), &message)
            })?),
            None => None,
        };
        let remote = RemoteOptions {
            address,
            key,
            authority: None,
            picture: PictureFormat::default(),
            patience: Patience::default(),
            parallel: DEFAULT_PARALLEL,
        };
        Ok(EnginePlan { model: ModelSpec::Served(model.into_inner()), remote: Some(remote) })
    }

    fn log(&self, table: LogTable) -> LogOptions {
        LogOptions {
            path: table.file.map(|path| self.path(&path)).or_else(log::default_path),
            record: true,
            keep: Keep {
                at_most_old: table.keep.map(|age| age.0),
                at_most_bytes: table.limit.map(|size| size.0),
                views_at_most_bytes: None,
                bookmarked: true,
            },
        }
    }

    /// A path as it is meant: from the plan's folder.
    fn path(&self, written: &Path) -> PathBuf {
        files::named_in(self.document.path, written)
    }

    /// The first line of a file.
    fn secret(&self, file: &Spanned<PathBuf>) -> Result<String, Message> {
        let path = self.path(file.get_ref());
        files::first_line(&path).map_err(|error| {
            let what = format!("{} can't be read ({}).", text::path(&path), text::system(&error));
            let message = Message::new(what).hint("Write the secret alone into the first line of a file.");
            self.document.wrong(Some(file.span()), &message)
        })
    }
}

/// The variable that has the password of the view with this name: `front door` is
/// `SIGHTLINE_PASSWORD_FRONT_DOOR`.
fn password_variable(name: &str) -> String {
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PASSWORD.chars().chain(name).collect()
}

#[cfg(test)]
mod tests {
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
        let plan =
            plan(&format!("[action.desk]\ndesktop = true\n{view}[[view]]\nsource = \"demo\"\n")).expect("a plan");
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
            (
                "[[view]]\nsource = \"demo\"\npassword_file = \"no.txt\"",
                "line 3, view.password_file: ",
                "/plans/no.txt",
            ),
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
}
