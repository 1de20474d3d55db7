//! What people who have a camera and no terminal want to change: what the model is told, how
//! captions look, and how the window is seen.

use egui::Modifiers;

use crate::ui::preferences::ThemeChoice;
use crate::ui::tests::*;

fn press(bench: &mut Bench, modifiers: Modifiers, key: Key) {
    bench.let_go();
    bench.window.key_press_modifiers(modifiers, key);
    bench.window.step();
    bench.window.step();
}

fn captioned_by(bench: &Bench, instruction: &str) -> bool {
    bench.engine().calls().contains(&Call::Caption(instruction.to_owned()))
}

#[test]
fn another_instruction_is_chosen_above_the_question_box() {
    let mut bench = Bench::captioned();
    bench.click("Instruction: One sentence");
    bench.click("One word");
    bench.wait("a caption by it", |window| window.query_by_label("Instruction: One word").is_some());
    let platform = Arc::clone(&bench.platform);
    bench.wait("the engine to be told", |_| {
        platform.engine.calls().contains(&Call::Caption("Describe this image in one word.".to_owned()))
    });
    bench.wait("the choice to be kept", |_| {
        platform.keeps(|kept| kept.instruction.as_deref() == Some("Describe this image in one word."))
    });
}

#[test]
fn what_stands_before_every_picture_is_written_pinned_and_remembered() {
    let mut bench = Bench::captioned();
    press(&mut bench, Modifiers::NONE, Key::I);
    bench.wait_for_label("What the model is told");
    bench.window.get_by_label("Before every picture, read once").focus();
    bench.window.step();
    bench.window.get_by_label("Before every picture, read once").type_text("You watch a door.");
    bench.window.step();
    bench.click("Pin the picture on screen");
    bench.click("Apply");
    bench.wait_for_part("has no label");
    bench.window.get_by_label("Label of reference 1").focus();
    bench.window.step();
    bench.window.get_by_label("Label of reference 1").type_text("my closed door");
    bench.window.step();
    bench.click("Apply");
    let platform = Arc::clone(&bench.platform);
    // The standing text, and the reference as a question that was answered.
    bench.wait("a view behind the prefix", |_| platform.engine.calls().contains(&Call::OpenBehind(3)));
    bench.wait("the choice to be kept", |_| {
        platform.keeps(|kept| {
            kept.standing == "You watch a door." && kept.references.iter().any(|kept| kept.label == "my closed door")
        })
    });
    press(&mut bench, Modifiers::NONE, Key::I);
    bench.wait_for_part("12 tokens, read once");
    bench.window.key_press(Key::Escape);
    bench.wait("the dialog to close", |window| window.query_by_label("What the model is told").is_none());
    assert!(captioned_by(&bench, "Describe this image in one sentence."));
}

#[test]
fn own_instructions_are_kept_until_they_are_removed() {
    let mut bench = Bench::captioned();
    press(&mut bench, Modifiers::NONE, Key::I);
    bench.window.get_by_label("With each picture").focus();
    bench.window.step();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    bench.window.step();
    bench.window.get_by_label("With each picture").type_text("Be funny.");
    bench.window.step();
    bench.window.step();
    bench.window.get_by_label("Keep this instruction").click_accesskit();
    bench.window.step();
    bench.window.step();
    let own = "Be funny.";
    let platform = Arc::clone(&bench.platform);
    let has = |kept: &Preferences| kept.own_instructions.iter().any(|kept| kept == own);
    bench.wait("it to be kept", |_| platform.keeps(has));
    bench.click(&format!("Remove: {own}"));
    bench.wait("it to go", |_| platform.keeps(|kept| !has(kept)));
    bench.click("Cancel");
    assert!(!captioned_by(&bench, own), "nothing is in effect before it is applied");
}

#[test]
fn settings_are_in_effect_at_once_and_remembered() {
    let mut bench = Bench::captioned();
    press(&mut bench, Modifiers::COMMAND, Key::Comma);
    bench.wait_for_label("Settings");
    bench.click("Light");
    assert!(!bench.window.ctx.global_style().visuals.dark_mode);
    bench.click("Below it");
    bench.click("Close");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choices to be kept", |_| platform.keeps(|kept| kept.theme == ThemeChoice::Light));
    assert!(bench.window.query_by_label("Settings").is_none());
}

#[test]
fn every_dialog_opens_by_its_key_and_closes_with_escape() {
    let mut bench = Bench::captioned();
    for (modifiers, key, title) in [
        (Modifiers::NONE, Key::F1, "All keys"),
        (Modifiers::COMMAND, Key::Comma, "Settings"),
        (Modifiers::NONE, Key::I, "What the model is told"),
    ] {
        press(&mut bench, modifiers, key);
        bench.wait_for_label(title);
        bench.window.key_press(Key::Escape);
        bench.wait(title, |window| window.query_by_label(title).is_none());
    }
    bench.click("Everything else");
    bench.window.get_by_label("About…").click_accesskit();
    bench.window.step();
    bench.wait_for_part("MIT or Apache-2.0");
}

#[test]
fn captions_alone_fill_the_window_until_escape() {
    let mut bench = Bench::captioned();
    press(&mut bench, Modifiers::NONE, Key::F9);
    assert!(bench.shows(&caption_of(10)) && !bench.shows("Live picture") && !bench.shows("Fake camera"));
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    bench.window.key_press(Key::Escape);
    bench.wait_for_part("Live picture");
}

#[test]
fn the_picture_is_saved_with_its_caption_and_the_caption_copied() {
    let mut bench = Bench::captioned();
    let path = bench.folder.path().join("seen.png");
    *bench.platform.chosen.lock().expect("no thread panicked") = Some(path.clone());
    press(&mut bench, Modifiers::COMMAND, Key::S);
    bench.wait_for_part("Saved as");
    let bytes = std::fs::read(&path).expect("saved");
    let words = caption_of(10);
    assert!(bytes.windows(words.len()).any(|window| window == words.as_bytes()), "the caption is in the file");
    bench.let_go();
    bench.window.event(egui::Event::Copy);
    bench.window.step();
    let commands = &bench.window.output().platform_output.commands;
    assert!(commands.iter().any(|command| matches!(command, egui::OutputCommand::CopyText(text) if *text == words)));
}

#[test]
fn the_performance_panel_tells_what_the_last_captions_cost() {
    let mut bench = Bench::captioned();
    press(&mut bench, Modifiers::NONE, Key::P);
    bench.wait_for_label("Captions a minute");
    bench.wait_for_label("Last caption");
    press(&mut bench, Modifiers::NONE, Key::P);
    assert!(!bench.shows("Last caption"));
}
