//! docs/commands.md is what the program's own `--help` says of every command.

use std::fmt::Write as _;
use std::path::Path;

/// Columns of the page's text.
const WIDTH: usize = 100;
/// Set to write the page instead of comparing it.
const UPDATE: &str = "UPDATE_COMMANDS";

#[test]
fn the_reference_of_commands_is_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let made = page();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &made).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "docs/commands.md differs from --help at {differs:?}. If the change is meant: {UPDATE}=1 cargo test --release -p \
         sightline --test reference"
    );
}

fn page() -> String {
    let mut page =
        "# Commands\n\nSee also: the [user guide](user-guide.md), which says what they are for. This page is made \
                    from the\nprogram's own `--help` by `app/tests/reference.rs`.\n"
            .to_owned();
    let mut command = sightline::cli::command().term_width(WIDTH).disable_help_subcommand(true);
    command.build();
    add(&mut page, &command, "sightline");
    page
}

/// Adds a command, and those below it in the order of `--help`.
fn add(page: &mut String, command: &clap::Command, name: &str) {
    let help = command.clone().term_width(WIDTH).bin_name(name).render_long_help().to_string();
    let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        add(page, below, &format!("{name} {}", below.get_name()));
    }
}
