//! The screens and windows of an X11 desktop: where they are, what they are called, and which are
//! ours. Reads no pixel.

use std::process;

use x11rb::connection::Connection as _;
use x11rb::errors::ReplyError;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, MapState, Window};
use x11rb::rust_connection::RustConnection;

use crate::base::message::Message;
use crate::capture::screen::grab::{Area, Grab, Own, of_x11_area, of_x11_window};
use crate::capture::{ScreenChoice, SourceError};

/// How many windows lie within each other between the desktop and a program's own, at most: frames
/// of window managers.
const DEEPEST: usize = 4;
/// How many windows are asked who they are, at most.
const MOST_WINDOWS: usize = 4096;
/// The longest title that is read, in units of four bytes.
const LONGEST_TITLE: u32 = 256;
/// What a server says of itself that shows X programs within Wayland: it knows no other windows.
const WITHIN_WAYLAND: &str = "XWAYLAND";
/// The variable in which a terminal tells the number of its window.
const TERMINAL: &str = "WINDOWID";

/// A connection to the desktop, and what is looked at of it.
pub(super) struct Desktop {
    connection: RustConnection,
    root: Window,
    /// `_NET_WM_PID` and `_NET_WM_NAME` of the Extended Window Manager Hints.
    process_of: Atom,
    title_of: Atom,
    /// The window that the words appear in when they do not appear in ours.
    terminal: Option<Window>,
    looked_at: Target,
}

/// What is looked at.
#[derive(Clone, Copy)]
enum Target {
    Area(Area),
    Window(Window),
}

impl Desktop {
    /// The screen or window that is meant.
    pub(super) fn find(choice: &ScreenChoice) -> Result<(Self, Grab), SourceError> {
        let display = std::env::var("DISPLAY").ok().filter(|display| !display.is_empty());
        let is_wayland = std::env::var_os("WAYLAND_DISPLAY").is_some_and(|display| !display.is_empty());
        let Some(display) = display else { return Err(if is_wayland { wayland() } else { no_desktop() }) };
        let connected = RustConnection::connect(Some(&display)).map_err(|error| {
            tracing::debug!(%error, "no connection to the X server");
            no_desktop()
        });
        let (connection, screen) = connected?;
        let root = connection.setup().roots.get(screen).map(|screen| screen.root).ok_or_else(no_desktop)?;
        let mut desktop = Self {
            process_of: atom(&connection, b"_NET_WM_PID").map_err(broken)?,
            title_of: atom(&connection, b"_NET_WM_NAME").map_err(broken)?,
            connection,
            root,
            terminal: std::env::var(TERMINAL).ok().and_then(|number| number.parse().ok()),
            looked_at: Target::Area(Area::default()),
        };
        let grab = match choice {
            ScreenChoice::Window(title) => {
                let (window, called) =
                    desktop.window(title).map_err(broken)?.map_err(|there| no_window(title, &there))?;
                desktop.looked_at = Target::Window(window);
                let size = desktop.area(window).map_err(broken)?.size();
                of_x11_window(&called, &display, window, size)
            }
            ScreenChoice::Main | ScreenChoice::Number(_) => {
                if desktop.is_within_wayland().map_err(broken)? {
                    return Err(wayland());
                }
                let monitors = desktop.monitors().map_err(broken)?;
                let number = if let ScreenChoice::Number(number) = choice { number.get() as usize } else { 1 };
                let area = monitors.get(number - 1).copied().ok_or_else(|| no_screen(number, monitors.len()))?;
                desktop.looked_at = Target::Area(area);
                of_x11_area(&choice.to_string(), &display, area)
            }
        };
        Ok((desktop, grab))
    }

    /// What can be seen of our own windows at present.
    pub(super) fn own(&mut self) -> Result<Own, SourceError> {
        self.own_windows().map_err(broken)
    }

    fn own_windows(&self) -> Result<Own, ReplyError> {
        let looked_at = match self.looked_at {
            Target::Area(area) => area,
            Target::Window(window) => self.area(window)?,
        };
        let mut visible: Vec<Area> = Vec::new();
        // From the lowest to the highest: what comes later lies over what came before.
        for top in self.children(self.root)? {
            if !self.is_shown(top)? {
                continue;
            }
            let area = self.area(top)?;
            visible = visible.into_iter().flat_map(|own| own.without(area)).collect();
            if self.is_ours(top)? {
                visible.push(area);
            }
        }
        Ok(Own { looked_at, visible })
    }

    /// Whether this window, or one within it, is our own or the terminal's.
    fn is_ours(&self, top: Window) -> Result<bool, ReplyError> {
        for window in self.below(top)? {
            if Some(window) == self.terminal || self.process(window)? == Some(process::id()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The window with this title, or with this in its title; otherwise the titles that there are.
    fn window(&self, title: &str) -> Result<Result<(Window, String), Vec<String>>, ReplyError> {
        let wanted = title.to_lowercase();
        let mut titles = Vec::new();
        for window in self.below(self.root)? {
            if self.process(window)? != Some(process::id())
                && let Some(title) = self.title(window)?
                && self.is_shown(window)?
            {
                titles.push((window, title));
            }
        }
        let exact = titles.iter().find(|(_, title)| title.to_lowercase() == wanted);
        let found = exact.or_else(|| titles.iter().find(|(_, title)| title.to_lowercase().contains(&wanted)));
        Ok(match found {
            Some(found) => Ok(found.clone()),
            None => Err(titles.into_iter().map(|(_, title)| title).collect()),
        })
    }

    /// The monitors, the primary one first and then from left to right; all of the desktop where
    /// the server knows of none.
    fn monitors(&self) -> Result<Vec<Area>, ReplyError> {
        let monitors = self.connection.randr_get_monitors(self.root, true)?.reply().map(|reply| reply.monitors);
        let mut monitors = monitors.unwrap_or_default();
        monitors.sort_by_key(|monitor| (!monitor.primary, monitor.x, monitor.y));
        let area = |x: i16, y: i16, width: u16, height: u16| Area {
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: height.into(),
        };
        if monitors.is_empty() {
            return Ok(vec![self.area(self.root)?]);
        }
        Ok(monitors.iter().map(|monitor| area(monitor.x, monitor.y, monitor.width, monitor.height)).collect())
    }

    fn is_within_wayland(&self) -> Result<bool, ReplyError> {
        Ok(self.connection.query_extension(WITHIN_WAYLAND.as_bytes())?.reply()?.present)
    }

    /// A window and those within it.
    fn below(&self, top: Window) -> Result<Vec<Window>, ReplyError> {
        let (mut found, mut first_of_layer) = (vec![top], 0);
        for _ in 0..DEEPEST {
            let layer = first_of_layer..found.len();
            first_of_layer = found.len();
            for place in layer {
                if found.len() < MOST_WINDOWS {
                    found.extend(self.children(found[place])?);
                }
            }
        }
        Ok(found)
    }

    /// The windows within this one, from the lowest to the highest. One that is gone has none.
    fn children(&self, window: Window) -> Result<Vec<Window>, ReplyError> {
        gone_is_none(self.connection.query_tree(window)?.reply())
            .map(|tree| tree.map_or(Vec::new(), |tree| tree.children))
    }

    fn is_shown(&self, window: Window) -> Result<bool, ReplyError> {
        let attributes = gone_is_none(self.connection.get_window_attributes(window)?.reply())?;
        Ok(attributes.is_some_and(|attributes| attributes.map_state == MapState::VIEWABLE))
    }

    /// Where a window is on the desktop. One that is gone is nowhere.
    fn area(&self, window: Window) -> Result<Area, ReplyError> {
        let geometry = gone_is_none(self.connection.get_geometry(window)?.reply())?;
        let place = gone_is_none(self.connection.translate_coordinates(window, self.root, 0, 0)?.reply())?;
        let (Some(geometry), Some(place)) = (geometry, place) else { return Ok(Area::default()) };
        Ok(Area {
            x: place.dst_x.into(),
            y: place.dst_y.into(),
            width: geometry.width.into(),
            height: geometry.height.into(),
        })
    }

    fn process(&self, window: Window) -> Result<Option<u32>, ReplyError> {
        let property = self.connection.get_property(false, window, self.process_of, AtomEnum::CARDINAL, 0, 1)?;
        let property = gone_is_none(property.reply())?;
        Ok(property.and_then(|property| property.value32()?.next()))
    }

    fn title(&self, window: Window) -> Result<Option<String>, ReplyError> {
        for property in [self.title_of, AtomEnum::WM_NAME.into()] {
            let read = self.connection.get_property(false, window, property, AtomEnum::ANY, 0, LONGEST_TITLE)?;
            let title = gone_is_none(read.reply())?.map(|read| String::from_utf8_lossy(&read.value).into_owned());
            if let Some(title) = title.filter(|title| !title.trim().is_empty()) {
                return Ok(Some(title));
            }
        }
        Ok(None)
    }
}

fn atom(connection: &RustConnection, name: &[u8]) -> Result<Atom, ReplyError> {
    Ok(connection.intern_atom(false, name)?.reply()?.atom)
}

/// Windows come and go while they are asked.
fn gone_is_none<T>(reply: Result<T, ReplyError>) -> Result<Option<T>, ReplyError> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: ReplyError) -> SourceError {
    tracing::debug!(%error, "the X server");
    SourceError::passing(Message::new("The connection to the desktop broke off.").hint("It will be tried again."))
}

fn no_desktop() -> SourceError {
    let message = Message::new("No desktop was found: the variable DISPLAY names no X server that answers.");
    SourceError::lasting(message.hint("Start this in a terminal of the desktop."))
}

fn wayland() -> SourceError {
    let message = Message::new("Wayland does not let programs look at the screen as X11 does.");
    SourceError::lasting(message.hint(
        "Log in to a session with X11 (Xorg), or show the screen as a camera with OBS's virtual camera and use that.",
    ))
}

fn no_screen(number: usize, count: usize) -> SourceError {
    let there = if count == 1 { "There is one.".to_owned() } else { format!("There are {count}.") };
    SourceError::lasting(Message::new(format!("Unknown screen {number}. {there}")).hint("Use screen:1, say."))
}

/// It may still be opened.
fn no_window(title: &str, there: &[String]) -> SourceError {
    const MOST: usize = 8;
    let what = format!("No window has `{title}` in its title.");
    let named = there.iter().take(MOST).map(|title| format!("`{title}`")).collect::<Vec<_>>().join(", ");
    let hint =
        if named.is_empty() { "Open it first.".to_owned() } else { format!("Use another title, such as {named}.") };
    SourceError::passing(Message::new(what).hint(hint))
}
