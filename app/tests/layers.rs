//! An import never points upwards against the order of layers of docs/architecture.md, and no files
//! import from each other in a circle.
//!
//! Reads the sources of both packages as tokens, with tests left out. A path is followed through
//! re-exports to the file that defines what it names, so that `crate::log::Entry` counts as an
//! import of `log/data/entry.rs`. A re-export in a `mod.rs` or `lib.rs` makes no circle: it passes
//! on what a file below it offers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// How many re-exports may follow each other before a path counts as unresolved.
const MOST_REEXPORTS: usize = 16;

#[test]
fn imports_point_down_and_make_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let page = std::fs::read_to_string(root.join("docs/architecture.md")).expect("the page");
    let mut found = Vec::new();
    for package in ["app", "vlm"] {
        let mut sources = Sources::new();
        read(&root.join(package).join("src"), "", &mut sources);
        found.extend(problems(&sources, &order(&page, package)).iter().map(|line| format!("{package}/src: {line}")));
    }
    assert!(found.is_empty(), "See docs/architecture.md, \"Layers\".\n{}", found.join("\n"));
}

#[test]
fn an_import_that_points_upwards_is_found_through_a_reexport() {
    let sources = sources(&[
        ("lib.rs", "mod top; mod low;"),
        ("top/mod.rs", "mod inner; pub use crate::top::inner::Thing;"),
        ("top/inner.rs", "pub struct Thing;"),
        ("low.rs", "fn f() { let _ = crate::top::Thing; }"),
    ]);
    assert_eq!(problems(&sources, &layers("top > low")), ["low.rs imports upwards from top/inner.rs: top::Thing"]);
    assert_eq!(problems(&sources, &layers("low > top")), [""; 0]);
}

#[test]
fn a_circle_of_three_files_is_found_through_a_module_brought_in_by_name() {
    let sources = sources(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b; fn f() -> b::B { b::B }"),
        ("b.rs", "use super::c::{self, C}; pub struct B;"),
        ("c.rs", "pub struct C(Vec<crate::a::A>);"),
    ]);
    assert_eq!(problems(&sources, &layers("a b c")), ["a circle: a.rs > b.rs > c.rs > a.rs"]);
}

#[test]
fn tests_reexports_and_words_in_texts_count_for_nothing() {
    let sources = sources(&[
        ("lib.rs", "mod top; mod low; mod lowest; #[cfg(test)] mod testing;"),
        ("top/mod.rs", "mod inner; pub use crate::top::inner::make; pub trait Make {}"),
        ("top/inner.rs", "use crate::top::Make; pub fn make() -> impl Make { todo!() }"),
        ("lowest.rs", "/// crate::top::make\nfn f() -> &'static str { \"crate::top::make\" }"),
        ("low.rs", "#[cfg(test)] use crate::top::{make, Make}; #[cfg(test)] mod tests { use crate::top::make; }"),
        ("testing.rs", "use crate::top::make;"),
    ]);
    assert_eq!(problems(&sources, &layers("top > low > lowest")), [""; 0]);
}

#[test]
fn a_room_without_a_layer_is_found() {
    let sources = sources(&[("lib.rs", "mod a; mod new;"), ("a.rs", ""), ("new.rs", "")]);
    assert_eq!(problems(&sources, &layers("a")), ["new has no layer"]);
}

/// Sources by their place below `src`, such as `log/mod.rs`.
type Sources = BTreeMap<String, String>;
/// A module's path without `crate`.
type Module = Vec<String>;
/// Rooms from top to bottom; those of one layer stand together.
type Layers = Vec<Vec<String>>;

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).collect()
}

fn read(folder: &Path, below: &str, sources: &mut Sources) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a source").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        if path.is_dir() {
            read(&path, &format!("{below}{name}/"), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.insert(format!("{below}{name}"), std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// The line of `package` in the page's block of layers: `app: cli > ui > …`.
fn order(page: &str, package: &str) -> Layers {
    let line = page.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix(':'));
    layers(line.unwrap_or_else(|| panic!("docs/architecture.md has no line that begins with `{package}:`")))
}

fn layers(line: &str) -> Layers {
    line.split('>').map(|layer| layer.split_whitespace().map(str::to_owned).collect()).collect()
}

/// What breaks the rules, a sentence each.
fn problems(sources: &Sources, layers: &Layers) -> Vec<String> {
    let house = House::build(sources);
    let rank = |file: &str| {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        layers.iter().position(|layer| layer.iter().any(|name| name == room))
    };
    let mut found = Vec::new();
    for module in house.modules.keys().filter(|module| module.len() == 1) {
        if !layers.iter().flatten().any(|name| *name == module[0]) {
            found.push(format!("{} has no layer", module[0]));
        }
    }
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let imports = house.imports();
    for import in &imports {
        if let (Some(from), Some(to)) = (rank(&import.from), rank(&import.to))
            && to < from
        {
            found.push(format!("{} imports upwards from {}: {}", import.from, import.to, import.path.join("::")));
        }
        if !import.passed_on {
            graph.entry(&import.from).or_default().insert(&import.to);
        }
    }
    found.extend(circles(&graph));
    found
}

/// The shortest circle through each file that is in one, each circle once.
fn circles(graph: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([*start]);
        while let Some(file) = queue.pop_front() {
            for next in graph.get(file).into_iter().flatten() {
                if !before.contains_key(next) {
                    before.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        let Some(mut file) = before.get(start).copied() else { continue };
        let mut circle = vec![*start];
        while file != *start {
            circle.push(file);
            file = before[file];
        }
        seen.extend(circle.iter().copied());
        let mut line = format!("a circle: {start}");
        for file in circle.iter().skip(1).rev() {
            let _ = write!(line, " > {file}");
        }
        found.push(format!("{line} > {start}"));
    }
    found
}

/// All modules of a package that are not tests.
#[derive(Default)]
struct House {
    modules: BTreeMap<Module, Contents>,
}

/// What stands in one module.
#[derive(Default)]
struct Contents {
    /// Its file, below `src`.
    file: String,
    uses: Vec<Use>,
    /// Paths of two names and more, outside of `use`.
    paths: Vec<Module>,
}

struct Use {
    /// The name by which the module knows it; `*` for all.
    name: String,
    path: Module,
    public: bool,
}

struct Import {
    from: String,
    to: String,
    path: Module,
    /// Whether it is a re-export by a `mod.rs` or `lib.rs`.
    passed_on: bool,
}

impl House {
    fn build(sources: &Sources) -> Self {
        let mut house = Self::default();
        house.enter(sources, &Vec::new(), "lib.rs");
        house
    }

    /// Reads `file` as `module`, and the files that it names with `mod`.
    fn enter(&mut self, sources: &Sources, module: &Module, file: &str) {
        let text = &sources[file];
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        self.modules.insert(module.clone(), Contents { file: file.to_owned(), ..Contents::default() });
        self.walk(sources, module, file, tokens);
    }

    fn walk(&mut self, sources: &Sources, module: &Module, file: &str, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if let Some(attribute) = attribute(&tokens, at) {
                at += 2;
                if is_for_tests(&attribute) {
                    at = after_item(&tokens, at);
                }
            } else if word(&tokens, at) == Some("mod") && at + 2 < tokens.len() {
                let inner = [module.as_slice(), &[tokens[at + 1].to_string()]].concat();
                if let TokenTree::Group(body) = &tokens[at + 2] {
                    let contents = Contents { file: file.to_owned(), ..Contents::default() };
                    self.modules.insert(inner.clone(), contents);
                    self.walk(sources, &inner, file, body.stream());
                } else {
                    let place = inner.join("/");
                    let files = [format!("{place}.rs"), format!("{place}/mod.rs")];
                    let file = files.iter().find(|file| sources.contains_key(*file));
                    self.enter(sources, &inner, file.unwrap_or_else(|| panic!("there is no {place}")));
                }
                at += 3;
            } else if word(&tokens, at) == Some("use") {
                let public = at > 0 && (word(&tokens, at - 1) == Some("pub") || is_scope(&tokens[at - 1]));
                let end = (at..tokens.len()).find(|at| is(&tokens, *at, ';')).unwrap_or(tokens.len());
                let contents = self.modules.get_mut(module).expect("entered");
                let mut uses = Vec::new();
                tree(&tokens[at + 1..end], &[], &mut uses);
                contents.uses.extend(uses.into_iter().map(|(name, path)| Use { name, path, public }));
                at = end + 1;
            } else if word(&tokens, at).is_some() {
                let mut path = vec![tokens[at].to_string()];
                at += 1;
                while is(&tokens, at, ':') && is(&tokens, at + 1, ':') && word(&tokens, at + 2).is_some() {
                    path.push(tokens[at + 2].to_string());
                    at += 3;
                }
                if path.len() > 1 {
                    self.modules.get_mut(module).expect("entered").paths.push(path);
                }
            } else {
                if let TokenTree::Group(group) = &tokens[at] {
                    self.walk(sources, module, file, group.stream());
                }
                at += 1;
            }
        }
    }

    /// Every import of one file from another.
    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (module, contents) in &self.modules {
            let is_index = contents.file.ends_with("mod.rs") || contents.file == "lib.rs";
            let uses = contents.uses.iter().map(|used| (&used.path, used.public && is_index));
            for (path, passed_on) in uses.chain(contents.paths.iter().map(|path| (path, false))) {
                if let Some(path) = self.absolute(module, path)
                    && let Some(to) = self.file_of(&path, 0)
                    && to != contents.file
                {
                    imports.push(Import { from: contents.file.clone(), to: to.to_owned(), path, passed_on });
                }
            }
        }
        imports
    }

    /// `path` as written in `module`, from the package's root; nothing for other packages' paths
    /// and for plain names.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let up = path.iter().take_while(|name| *name == "super").count();
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module.as_slice(), rest].concat()),
            "super" => Some([&module[..module.len().checked_sub(up)?], &path[up..]].concat()),
            _ => {
                let child = [module.as_slice(), std::slice::from_ref(first)].concat();
                if self.modules.contains_key(&child) {
                    return Some([child.as_slice(), rest].concat());
                }
                let used = self.modules[module].uses.iter().find(|used| used.name == *first)?;
                // A name of another package that is brought in under itself would lead back here.
                if used.path.first() == Some(first) {
                    return None;
                }
                Some([self.absolute(module, &used.path)?.as_slice(), rest].concat())
            }
        }
    }

    /// The file that defines what `path` names; nothing where it names a module alone, or something
    /// of another package.
    fn file_of(&self, path: &[String], reexports: usize) -> Option<&str> {
        let inside = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = path[..inside].to_vec();
        let contents = &self.modules[&module];
        let (first, rest) = path[inside..].split_first()?;
        if first == "*" || reexports > MOST_REEXPORTS {
            return Some(&contents.file);
        }
        let Some(used) = contents.uses.iter().find(|used| used.name == *first) else { return Some(&contents.file) };
        let target = self.absolute(&module, &used.path)?;
        self.file_of(&[target.as_slice(), rest].concat(), reexports + 1)
    }
}

/// The names and paths of a `use`.
fn tree(tokens: &[TokenTree], before: &[String], uses: &mut Vec<(String, Module)>) {
    let mut path = before.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) if ident == "as" => {
                name = tokens.get(at + 1).map(ToString::to_string);
                at += 1;
            }
            TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
            TokenTree::Ident(ident) => path.push(ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
                    if !part.is_empty() {
                        tree(part, &path, uses);
                    }
                }
                return;
            }
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = path.last().cloned() {
        uses.push((name.unwrap_or(last), path));
    }
}

fn word(tokens: &[TokenTree], at: usize) -> Option<&'static str> {
    let TokenTree::Ident(ident) = tokens.get(at)? else { return None };
    Some(match ident.to_string().as_str() {
        "mod" => "mod",
        "use" => "use",
        "pub" => "pub",
        _ => "",
    })
}

/// `(crate)` after `pub`: nothing else stands in parentheses before `use`.
fn is_scope(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

fn is(tokens: &[TokenTree], at: usize, character: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// The words of the attribute at `at`, such as `cfg (test)`.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at + 1)? {
        TokenTree::Group(group) if is(tokens, at, '#') && group.delimiter() == Delimiter::Bracket => {
            Some(group.stream().to_string())
        }
        _ => None,
    }
}

fn is_for_tests(attribute: &str) -> bool {
    let plain: String = attribute.chars().filter(|character| !character.is_whitespace()).collect();
    plain == "test" || plain == "cfg(test)" || plain.starts_with("cfg(all(test,")
}

/// The place after the item at `at`, with its further attributes.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while attribute(tokens, at).is_some() {
        at += 2;
    }
    let words = tokens[at..].iter().take(4).map(ToString::to_string).collect::<Vec<_>>();
    let is_use = words.iter().any(|word| word == "use");
    let is_item = words.iter().any(|word| {
        ["fn", "mod", "impl", "struct", "enum", "const", "static", "trait", "type"].contains(&word.as_str())
    });
    while at < tokens.len() {
        let is_block = matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        let ends = is(tokens, at, ';') || (is_block && !is_use) || (is(tokens, at, ',') && !is_use && !is_item);
        at += 1;
        if ends {
            break;
        }
    }
    at
}
