//! Where models of the hub are kept on this machine: the folders that Python's `huggingface_hub`
//! has, found by the variables that it reads ("Environment variables" in its documentation, and
//! `huggingface_hub/constants.py`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What is read of the list of users.
const LONGEST_LIST: u64 = 1 << 20;

/// The hub's cache folder: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, or `hub` in [`hub_home`].
#[must_use]
pub fn hub_cache() -> Option<PathBuf> {
    Environment::of_process().cache()
}

/// What `huggingface_hub` keeps everything in: `HF_HOME`, `XDG_CACHE_HOME/huggingface` or
/// `~/.cache/huggingface`.
#[must_use]
pub fn hub_home() -> Option<PathBuf> {
    Environment::of_process().home()
}

/// A path as Python expands it: `~` and `~user` at its beginning, then `$NAME` and `${NAME}`
/// anywhere. What is unknown stays as it is.
#[must_use]
pub fn expand_path(path: &OsStr) -> PathBuf {
    Environment::of_process().expand(path)
}

/// What paths are made of.
struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The folder of this user.
    folder: Option<PathBuf>,
}

impl Environment<'_> {
    fn of_process() -> Self {
        Self {
            variable: &|name| std::env::var_os(name).filter(|value| !value.is_empty()),
            folder: std::env::home_dir(),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.expand(&(self.variable)(name)?))
    }

    fn home(&self) -> Option<PathBuf> {
        self.path("HF_HOME")
            .or_else(|| Some(self.path("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(self.folder.as_ref()?.join(".cache").join("huggingface")))
    }

    fn cache(&self) -> Option<PathBuf> {
        self.path("HF_HUB_CACHE")
            .or_else(|| self.path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(self.home()?.join("hub")))
    }

    fn expand(&self, path: &OsStr) -> PathBuf {
        // Names that are not text are taken as they are.
        let Some(text) = path.to_str() else { return path.into() };
        let text = self.with_folder(text).unwrap_or_else(|| text.to_owned());
        let mut expanded = OsString::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push(before);
            let (name, end) = variable_name(after);
            match (self.variable)(name).filter(|_| !name.is_empty()) {
                Some(value) => expanded.push(value),
                None => expanded.push(format!("${}", &after[..end])),
            }
            rest = &after[end..];
        }
        expanded.push(rest);
        expanded.into()
    }

    /// A text that begins with `~` or `~user`, with their folder.
    fn with_folder(&self, text: &str) -> Option<String> {
        let rest = text.strip_prefix('~')?;
        let (user, rest) = rest.split_at(rest.find(std::path::is_separator).unwrap_or(rest.len()));
        let folder = if user.is_empty() { self.folder.clone() } else { folder_of(user, Path::new("/etc/passwd")) };
        Some(folder?.to_str()?.trim_end_matches('/').to_owned() + rest)
    }
}

/// The name of a variable behind its `$`, and how long it is written.
fn variable_name(text: &str) -> (&str, usize) {
    if let Some((name, _)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return (name, name.len() + 2);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (&text[..end], end)
}

/// The folder of another user, by the system's list.
fn folder_of(user: &str, list: &Path) -> Option<PathBuf> {
    let mut text = String::new();
    File::open(list).ok()?.take(LONGEST_LIST).read_to_string(&mut text).ok()?;
    let mut users = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    users.find(|fields| fields.first() == Some(&user)).and_then(|fields| fields.get(5).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<R>(variables: &[(&str, &str)], ask: impl FnOnce(&Environment<'_>) -> R) -> R {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        ask(&Environment { variable: &variable, folder: Some("/home/me".into()) })
    }

    fn cache(variables: &[(&str, &str)]) -> String {
        with(variables, |environment| environment.cache().unwrap().to_str().unwrap().replace('\\', "/"))
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        assert_eq!(cache(&[]), "/home/me/.cache/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "~/x")]), "/home/me/x/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]), "/home/me/hf/hub");
        assert_eq!(
            cache(&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "${DATA}/hub"), ("DATA", "/data")]),
            "/data/hub"
        );
        let all = [("HF_HUB_CACHE", "$HOME/a-$NAME"), ("HUGGINGFACE_HUB_CACHE", "/b"), ("HOME", "/h"), ("NAME", "n")];
        assert_eq!(cache(&all), "/h/a-n");
    }

    /// What Python's `os.path.expandvars(os.path.expanduser(path))` gives.
    #[test]
    fn paths_are_expanded_as_python_does() {
        let expand = |path: &str| {
            with(&[("A", "/a"), ("TILDE", "~/t")], |environment| {
                environment.expand(OsStr::new(path)).to_str().unwrap().to_owned()
            })
        };
        for (path, expanded) in [
            ("~", "/home/me"),
            ("~/x", "/home/me/x"),
            ("x/~/y", "x/~/y"),
            ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
            ("$A/x", "/a/x"),
            ("${A}x", "/ax"),
            ("$Ax/$NOPE/${NOPE}", "$Ax/$NOPE/${NOPE}"),
            ("5$ and $", "5$ and $"),
            ("${A", "${A"),
            ("$TILDE", "~/t"),
        ] {
            assert_eq!(expand(path), expanded, "{path}");
        }
    }

    #[test]
    fn other_users_folders_are_in_the_systems_list() {
        let list = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(list.path(), "root:x:0:0:root:/root:/bin/sh\nann:x:7:7::/home/ann:/bin/sh\nbad\n").unwrap();
        assert_eq!(folder_of("ann", list.path()), Some("/home/ann".into()));
        assert_eq!((folder_of("bad", list.path()), folder_of("bob", list.path())), (None, None));
    }
}
