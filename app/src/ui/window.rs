//! Opens the window.

use egui::{IconData, ViewportBuilder};

use crate::ui::app::App;
use crate::ui::options::{Options, UiError};

const ICON: &[u8] = include_bytes!("../../../ui-assets/sightline.png");
/// The name of the desktop entry, by which the desktop finds the window's icon.
const APP_ID: &str = "sightline";
/// The size of a new window, in points: an HD picture and the bars around it on a small screen.
pub(super) const SIZE: [f32; 2] = [1180.0, 780.0];
/// The smallest window, in points: a picture of a stamp's size.
const LEAST_SIZE: [f32; 2] = [200.0, 150.0];

/// Opens the window and stays until it is closed. Has to be called on the main thread.
///
/// # Errors
/// When there is no display, or no graphics to draw with.
pub fn run(options: Options) -> Result<(), UiError> {
    let place = options.preferences.window;
    let mut viewport = ViewportBuilder::default()
        .with_title("Sightline")
        .with_app_id(APP_ID)
        .with_inner_size(place.size.unwrap_or(SIZE))
        .with_min_inner_size(LEAST_SIZE)
        .with_clamp_size_to_monitor_size(true)
        .with_maximized(place.maximized)
        .with_drag_and_drop(true);
    if let Some(position) = place.position {
        viewport = viewport.with_position(position);
    }
    if let Some(icon) = icon() {
        viewport = viewport.with_icon(icon);
    }
    let native = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    eframe::run_native(APP_ID, native, Box::new(|creation| Ok(Box::new(App::new(&creation.egui_ctx, options)?))))
        .map_err(|error| UiError::no_window(&error))
}

/// The icon of the window. A window without one is better than no window.
pub(super) fn icon() -> Option<IconData> {
    let picture = image::load_from_memory(ICON).inspect_err(|error| tracing::warn!(%error, "no window icon")).ok()?;
    let rgba = picture.to_rgba8();
    Some(IconData { width: rgba.width(), height: rgba.height(), rgba: rgba.into_raw() })
}
