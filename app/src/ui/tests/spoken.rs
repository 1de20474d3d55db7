//! Captions read aloud.

use egui::accesskit::Live;
use egui_kittest::kittest::NodeT as _;

use crate::testing::voice::Deed;
use crate::ui::tests::*;

fn said(words: &str) -> Deed {
    Deed::Say(words.to_owned(), 1.0)
}

fn press(bench: &mut Bench, key: Key) {
    bench.let_go();
    bench.window.key_press(key);
    bench.window.step();
    bench.window.step();
}

fn announced(bench: &Bench, caption: &str) -> Live {
    bench.window.get_by_label(caption).accesskit_node().live()
}

/// Waits until a caption is announced: once its last word is there and it is known to be the last.
#[track_caller]
fn wait_until_announced(bench: &mut Bench, caption: &str) {
    bench.wait("the caption to be announced", |window| {
        let shown = window.query_by_label(caption);
        shown.is_some_and(|shown| shown.accesskit_node().live() == Live::Polite)
    });
}

#[test]
fn new_captions_are_said_once_they_are_wanted_and_no_longer() {
    let mut bench = Bench::captioned();
    let voice = bench.platform.voice.clone();
    wait_until_announced(&mut bench, &caption_of(10));
    assert!(voice.deeds().is_empty(), "nothing is said unless it is wanted");
    press(&mut bench, Key::V);
    voice.wait_for(&[Deed::Silence, said(&caption_of(10))]);
    voice.ends();
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    let both = [Deed::Silence, said(&caption_of(10)), said(&caption_of(20))];
    bench.wait("the caption to be complete", |_| voice.deeds() == both);
    assert_eq!(announced(&bench, &caption_of(20)), Live::Off, "a screen reader would say it again");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choice to be kept", |_| platform.keeps(|kept| kept.speech.on));
    press(&mut bench, Key::V);
    voice.wait_until(|deeds| deeds.last() == Some(&Deed::Silence));
    bench.platform.source.show(30);
    wait_until_announced(&mut bench, &caption_of(30));
    assert_eq!(voice.deeds().len(), 4);
}

#[test]
fn the_same_words_are_said_once() {
    let mut bench = Bench::captioned();
    let voice = bench.platform.voice.clone();
    bench.engine().say_instead(&caption_of(20), &caption_of(10));
    press(&mut bench, Key::V);
    voice.wait_for(&[Deed::Silence, said(&caption_of(10))]);
    bench.platform.source.show(20);
    let platform = Arc::clone(&bench.platform);
    bench.wait("the second picture", |_| platform.engine.calls().contains(&Call::Look(20)));
    voice.ends();
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    voice.wait_for(&[Deed::Silence, said(&caption_of(10)), said(&caption_of(30))]);
}

#[test]
fn s_says_it_again_and_escape_silences() {
    let mut bench = Bench::captioned();
    let voice = bench.platform.voice.clone();
    press(&mut bench, Key::S);
    voice.wait_for(&[Deed::Silence, said(&caption_of(10))]);
    wait_until_announced(&mut bench, &caption_of(10));
    press(&mut bench, Key::Escape);
    voice.wait_for(&[Deed::Silence, said(&caption_of(10)), Deed::Silence]);
}

#[test]
fn a_machine_without_a_voice_says_so() {
    let mut bench = Bench::captioned();
    bench.platform.voice.refuse(Message::new("There is no voice."));
    press(&mut bench, Key::V);
    bench.wait_for_part("There is no voice.");
    wait_until_announced(&mut bench, &caption_of(10));
    bench.platform.has_voice.store(false, Ordering::SeqCst);
    press(&mut bench, Key::S);
    bench.wait_for_part("built without a voice");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choice to be kept", |_| platform.keeps(|kept| !kept.speech.on));
}

#[test]
fn the_settings_have_the_voice_and_its_rate() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press_modifiers(egui::Modifiers::COMMAND, Key::Comma);
    bench.wait_for_label("Settings");
    bench.press("Read new captions aloud");
    bench.platform.voice.wait_for(&[Deed::Silence, said(&caption_of(10))]);
    assert!(bench.shows("Rate of the voice"));
}
