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
use crate::live::{Framing, GateSettings, STEADY, Settings};
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
        let steady = match (table.steady, table.every_frame) {
            (Some(is_steady), _) => is_steady.then_some(STEADY),
            (None, Some(true)) => None,
            (None, _) => defaults.steady,
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
                steady,
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
mod tests;
