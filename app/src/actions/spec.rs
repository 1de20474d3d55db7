//! What an action does, to the last detail: made of what was written, with its secrets read from
//! where they are kept. Plain data; starts nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::actions::address::{Address, Broker};
use crate::actions::occurrence::{Kind, Occurrence};
use crate::actions::secret::Secret;
use crate::actions::table::{ActionTable, Length, Rules, Sound};
use crate::base::message::Message;
use crate::base::{files, text};

/// How long one telling may take, unless it is said otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The least and the most that may be said.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// How long what could not be told is kept: a notice or a sound is of use at once or not at all.
const KEEP: Duration = Duration::from_hours(24);
const KEEP_AT_HOME: Duration = Duration::from_mins(1);
/// The most arguments of a command, and the most header lines and tags.
const MOST_WORDS: usize = 64;
/// The longest name of an action, in bytes.
const LONGEST_NAME: usize = 64;

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSpec {
    /// What rules and people call it.
    pub name: String,
    /// What is done.
    pub means: Means,
    /// Whether captions that changed are told.
    pub captions: bool,
    /// Which rules are told of.
    pub rules: Rules,
    /// Whether the picture is sent along.
    pub picture: bool,
    /// How long one telling may take.
    pub timeout: Duration,
    /// How long what could not be told is kept.
    pub keep: Duration,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Means {
    /// A notice on the desktop.
    Desktop {
        /// A sound of the desktop's theme.
        sound_name: Option<String>,
    },
    /// A sound: the one that is built in, or a file.
    Sound(Option<PathBuf>),
    /// A program.
    Command {
        /// Its name or path.
        program: String,
        /// What it is called with; `{text}` and the like stand for what happened.
        arguments: Vec<String>,
    },
    /// JSON to an address.
    Webhook {
        /// Where to.
        address: Address,
        /// Header lines.
        headers: Vec<(String, String)>,
        /// Who asks.
        login: Option<Login>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Which.
        address: Address,
        /// From 1 to 5; none leaves it to the server.
        priority: Option<u8>,
        /// Tags.
        tags: Vec<String>,
        /// Who asks.
        login: Option<Login>,
    },
    /// An MQTT broker.
    Mqtt {
        /// Which.
        broker: Broker,
        /// User and password.
        login: Option<(String, Secret)>,
        /// Where Home Assistant looks for what there is; none leaves that out.
        discovery: Option<String>,
        /// What stands after `sightline/` in topics.
        node: String,
    },
}

/// Who asks a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// A user with a password.
    Password(String, Secret),
    /// A token.
    Token(Secret),
}

/// What a table is read with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What a path that stands in the file means.
    pub path: &'a dyn Fn(&Path) -> PathBuf,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl ActionSpec {
    /// What a table means.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub fn read(name: &str, table: ActionTable, context: Context<'_>) -> Result<Self, Message> {
        check_name(name)?;
        Reader { name, table, context }.spec()
    }

    /// Whether it is to be told this. `named` are the actions that the rule names, if it is about
    /// one.
    #[must_use]
    pub fn wants(&self, occurrence: &Occurrence, named: &[String]) -> bool {
        match occurrence.kind {
            Kind::Test => true,
            Kind::Caption => self.captions,
            Kind::Begin | Kind::Words | Kind::End => match self.rules {
                Rules::All => true,
                Rules::Named => named.contains(&self.name),
                Rules::None => false,
            },
        }
    }

    /// Whether only the newest about a thing counts: a broker keeps one state of each.
    #[must_use]
    pub fn only_newest(&self, kind: Kind) -> bool {
        kind == Kind::Caption && matches!(self.means, Means::Mqtt { .. })
    }

    /// What it does and where, for people, without anything secret.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.means {
            Means::Desktop { .. } => "a notice on the desktop".to_owned(),
            Means::Sound(None) => "a sound".to_owned(),
            Means::Sound(Some(file)) => format!("the sound {}", text::path(file)),
            Means::Command { program, .. } => format!("the command {}", text::one_line(program)),
            Means::Webhook { address, .. } => format!("a webhook at {}", address.host()),
            Means::Ntfy { address, .. } => format!("ntfy at {}", address.host()),
            Means::Mqtt { broker, .. } => format!("MQTT at {}", broker.host()),
        }
    }
}

fn check_name(name: &str) -> Result<(), Message> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits) {
        return Ok(());
    }
    Err(Message::new(format!("`{name}` can't be the name of an action."))
        .hint("Use letters, digits, hyphens and underscores."))
}

struct Reader<'a> {
    name: &'a str,
    table: ActionTable,
    context: Context<'a>,
}

impl Reader<'_> {
    fn spec(mut self) -> Result<ActionSpec, Message> {
        let means = self.means()?;
        let is_mqtt = matches!(means, Means::Mqtt { .. });
        let is_at_home = matches!(means, Means::Desktop { .. } | Means::Sound(_));
        let table = &mut self.table;
        let timeout = table.timeout.take().map_or(TIMEOUT, |Length(timeout)| timeout);
        if !(TIMEOUTS.0..=TIMEOUTS.1).contains(&timeout) {
            return Err(self.wrong("timeout has to be between 1s and 5m"));
        }
        let keep = table.keep.take().map(|Length(keep)| keep);
        let spec = ActionSpec {
            name: self.name.to_owned(),
            means,
            captions: table.captions.take().unwrap_or(is_mqtt),
            rules: table.rules.take().unwrap_or(if is_mqtt { Rules::All } else { Rules::Named }),
            picture: table.picture.take().unwrap_or(false),
            timeout,
            keep: keep.unwrap_or(if is_at_home { KEEP_AT_HOME } else { KEEP }),
        };
        if spec.picture && is_at_home {
            return Err(self.wrong("picture is for command, webhook, ntfy and mqtt"));
        }
        self.is_used_up()?;
        Ok(spec)
    }

    /// What is done, by the one key that says it.
    fn means(&mut self) -> Result<Means, Message> {
        let table = &mut self.table;
        let (desktop, sound, command) = (table.desktop.take(), table.sound.take(), table.command.take());
        let webhook = (table.webhook.take(), table.webhook_file.take());
        let ntfy = (table.ntfy.take(), table.ntfy_file.take());
        let mqtt = table.mqtt.take();
        let said = [
            desktop.is_some(),
            sound.is_some(),
            command.is_some(),
            webhook != (None, None),
            ntfy != (None, None),
            mqtt.is_some(),
        ];
        if said.iter().filter(|&&said| said).count() != 1 {
            let hint = "Write one of desktop, sound, command, webhook, ntfy and mqtt.";
            return Err(Message::new(format!("The action {} does not do exactly one thing.", self.name)).hint(hint));
        }
        match (desktop, sound, command, mqtt) {
            (Some(true), ..) => Ok(Means::Desktop { sound_name: self.table.sound_name.take() }),
            (Some(false), ..) | (_, Some(Sound::BuiltIn(false)), ..) => {
                Err(self.wrong("it is switched off; leave it out instead"))
            }
            (_, Some(Sound::BuiltIn(true)), ..) => Ok(Means::Sound(None)),
            (_, Some(Sound::File(file)), ..) => Ok(Means::Sound(Some((self.context.path)(&file)))),
            (_, _, Some(words), _) => self.command(words),
            (.., Some(broker)) => self.mqtt(&broker),
            _ if webhook != (None, None) => {
                let address = self.address(webhook)?;
                let headers = self.table.headers.take().unwrap_or_default().into_iter().collect::<Vec<_>>();
                self.check_count(headers.len())?;
                Ok(Means::Webhook { address, headers, login: self.login()? })
            }
            _ => {
                let address = self.address(ntfy)?;
                let (priority, tags) = (self.table.priority.take(), self.table.tags.take().unwrap_or_default());
                if priority.is_some_and(|priority| !(1..=5).contains(&priority)) {
                    return Err(self.wrong("priority has to be between 1 and 5"));
                }
                self.check_count(tags.len())?;
                Ok(Means::Ntfy { address, priority, tags, login: self.login()? })
            }
        }
    }

    fn command(&self, words: Vec<String>) -> Result<Means, Message> {
        self.check_count(words.len())?;
        let mut words = words.into_iter();
        match words.next() {
            Some(program) if !program.is_empty() => {
                // One with a slash in it is meant from the file's folder, one without from the
                // PATH.
                let is_path = Path::new(&program).components().count() > 1;
                let program = if is_path {
                    (self.context.path)(Path::new(&program)).to_string_lossy().into_owned()
                } else {
                    program
                };
                Ok(Means::Command { program, arguments: words.collect() })
            }
            _ => Err(self.wrong("command has to be a program with its arguments, such as [\"logger\", \"{text}\"]")),
        }
    }

    fn mqtt(&mut self, broker: &str) -> Result<Means, Message> {
        let broker: Broker = broker.parse().map_err(|why: String| self.wrong(&why))?;
        let login = match self.table.user.take() {
            Some(user) => Some((user, self.password()?.unwrap_or_default())),
            None => None,
        };
        let discovery = self.table.discovery.take();
        let node = self.table.node.take().unwrap_or_else(|| topic_part(&host_name()));
        for part in discovery.iter().chain([&node]) {
            if part.is_empty() || *part != topic_part(part) {
                let what = format!("`{part}` can't be a part of a topic: use letters, digits, hyphens and underscores");
                return Err(self.wrong(&what));
            }
        }
        Ok(Means::Mqtt { broker, login, discovery, node })
    }

    fn address(&self, (plain, file): (Option<String>, Option<PathBuf>)) -> Result<Address, Message> {
        let text = match (plain, file) {
            (Some(text), None) => text,
            (None, Some(file)) => self.secret_in(&file)?,
            _ => return Err(self.wrong("its address is there twice, in the table and in a file")),
        };
        text.parse().map_err(|why: String| self.wrong(&why))
    }

    fn login(&mut self) -> Result<Option<Login>, Message> {
        let token = match self.table.token_file.take() {
            Some(file) => Some(Secret::new(self.secret_in(&file)?)),
            None => self.variable("SIGHTLINE_TOKEN_"),
        };
        match (self.table.user.take(), token) {
            (Some(_), Some(_)) => Err(self.wrong("user and token are two ways to say who asks; leave one out")),
            (Some(user), None) => Ok(Some(Login::Password(user, self.password()?.unwrap_or_default()))),
            (None, Some(token)) => Ok(Some(Login::Token(token))),
            (None, None) => Ok(None),
        }
    }

    fn password(&mut self) -> Result<Option<Secret>, Message> {
        match self.table.password_file.take() {
            Some(file) => Ok(Some(Secret::new(self.secret_in(&file)?))),
            None => Ok(self.variable("SIGHTLINE_PASSWORD_")),
        }
    }

    /// The variable that is meant for this action.
    fn variable(&self, begins: &str) -> Option<Secret> {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        (self.context.variable)(&format!("{begins}{name}")).filter(|text| !text.is_empty()).map(Secret::new)
    }

    fn secret_in(&self, file: &Path) -> Result<String, Message> {
        let path = (self.context.path)(file);
        let line = files::first_line(&path);
        let line = line.map_err(|error| {
            let (name, path, why) = (self.name, text::path(&path), text::system(&error));
            Message::new(format!("The action {name} needs {path}, which can't be read ({why})."))
                .hint("Write the secret alone into a file that you can read.")
        })?;
        Ok(line.trim().to_owned())
    }

    fn check_count(&self, count: usize) -> Result<(), Message> {
        if count > MOST_WORDS { Err(self.wrong(&format!("a list has at most {MOST_WORDS} words"))) } else { Ok(()) }
    }

    /// What is left belongs to something else.
    fn is_used_up(&self) -> Result<(), Message> {
        let table = &self.table;
        let left = [
            ("sound_name", table.sound_name.is_some()),
            ("headers", table.headers.is_some()),
            ("user", table.user.is_some()),
            ("password_file", table.password_file.is_some()),
            ("token_file", table.token_file.is_some()),
            ("priority", table.priority.is_some()),
            ("tags", table.tags.is_some()),
            ("discovery", table.discovery.is_some()),
            ("node", table.node.is_some()),
        ];
        match left.iter().find(|(_, is_left)| *is_left) {
            Some((key, _)) => Err(self.wrong(&format!("{key} does not go with what it does; leave it out"))),
            None => Ok(()),
        }
    }

    fn wrong(&self, why: &str) -> Message {
        Message::new(format!("The action {} can't be meant so: {why}.", self.name))
    }
}

/// A text with everything else than letters, digits, hyphens and underscores as underscores: fit
/// for a level of a topic.
#[must_use]
pub fn topic_part(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    text.chars().map(fits).collect()
}

fn host_name() -> String {
    sysinfo::System::host_name().filter(|name| !name.is_empty()).unwrap_or_else(|| "computer".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::actions::{began, caption};

    fn read(name: &str, text: &str) -> Result<ActionSpec, Message> {
        let table = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let variable = |name: &str| (name == "SIGHTLINE_PASSWORD_MY_HOME").then(|| "word".to_owned());
        ActionSpec::read(name, table, Context { path: &|path| Path::new("/base").join(path), variable: &variable })
    }

    #[test]
    fn what_is_not_said_is_what_one_would_want() {
        let mqtt = read("my-home", "mqtt = \"mqtt://broker.lan\"\nuser = \"me\"\nnode = \"pi\"").expect("an action");
        let Means::Mqtt { login: Some((user, password)), discovery: None, .. } = &mqtt.means else {
            panic!("{mqtt:?}")
        };
        assert_eq!((user.as_str(), password.reveal()), ("me", "word"));
        assert!(mqtt.captions && mqtt.rules == Rules::All && !mqtt.picture);
        assert!(mqtt.wants(&caption("door", "A cup."), &[]) && mqtt.wants(&began("a", "b"), &[]));
        assert!(mqtt.only_newest(Kind::Caption) && !mqtt.only_newest(Kind::Begin));

        let notice = read("desk", "desktop = true").expect("an action");
        assert!(!notice.captions && notice.keep == KEEP_AT_HOME);
        assert!(
            !notice.wants(&caption("door", "A cup."), &[]) && !notice.wants(&began("a", "b"), &["home".to_owned()])
        );
        assert!(notice.wants(&began("a", "b"), &["desk".to_owned()]) && notice.wants(&Occurrence::test(), &[]));
    }

    #[test]
    fn a_program_with_a_slash_is_meant_from_the_files_folder() {
        let program = |text: &str| match read("run", text).expect("an action").means {
            Means::Command { program, .. } => program,
            other => panic!("{other:?}"),
        };
        assert_eq!(program("command = [\"logger\", \"{text}\"]"), "logger");
        assert_eq!(program("command = [\"./bell.sh\"]"), "/base/./bell.sh");
    }

    #[test]
    fn what_can_not_be_meant_is_refused_with_its_name() {
        for (text, said) in [
            ("", "exactly one thing"),
            ("desktop = true\nsound = true", "exactly one thing"),
            ("desktop = false", "switched off"),
            ("desktop = true\ntags = [\"a\"]", "tags does not go"),
            ("desktop = true\npicture = true", "picture is for"),
            ("command = []", "command has to be"),
            ("webhook = \"ftp://a\"", "has to begin with http"),
            ("webhook = \"https://a.invalid\"\nwebhook_file = \"b\"", "there twice"),
            ("ntfy = \"https://a.invalid/t\"\npriority = 9", "between 1 and 5"),
            ("ntfy = \"https://a.invalid/t\"\ntimeout = \"2h\"", "between 1s and 5m"),
            ("mqtt = \"mqtts://a\"", "without encryption"),
            ("mqtt = \"mqtt://a\"\nnode = \"a/b\"", "part of a topic"),
            ("mqtt = \"mqtt://a\"\ndiscovery = \"home assistant\"", "part of a topic"),
            ("webhook_file = \"missing\"", "can't be read"),
        ] {
            let message = read("x", text).expect_err(text);
            assert!(message.what().contains(said) && message.what().contains('x'), "{text}: {message}");
        }
        assert!(read("a b", "desktop = true").is_err());
        assert!(toml::from_str::<ActionTable>("destop = true").is_err());
    }

    #[test]
    fn secrets_are_read_from_files_and_shown_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, "s3cret\nmore\n").expect("written");
        let text = format!("ntfy = \"https://ntfy.invalid/t0pic\"\ntoken_file = {:?}", file.display().to_string());
        let spec = read("phone", &text).expect("an action");
        let Means::Ntfy { login: Some(Login::Token(token)), .. } = &spec.means else { panic!("{spec:?}") };
        assert_eq!(token.reveal(), "s3cret");
        for shown in [format!("{spec:?}"), spec.words()] {
            assert!(!shown.contains("s3cret") && !shown.contains("t0pic"), "{shown}");
        }
        assert!(read("phone", &format!("{text}\nuser = \"me\"")).is_err());
    }
}
