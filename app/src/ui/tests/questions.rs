//! Questions as conversations about a picture.

use crate::ui::tests::*;

/// A window in which something was asked about one picture, and another one is on screen by now.
fn asked_before() -> Bench {
    let mut bench = Bench::captioned();
    bench.ask("Red?");
    bench.wait_for_label(&answer_of("Red?", 10));
    bench.platform.source.show(99);
    bench.wait_for_label(&caption_of(99));
    bench
}

fn looks(bench: &Bench) -> usize {
    bench.engine().calls().iter().filter(|call| matches!(call, Call::Look(_))).count()
}

#[test]
fn a_follow_up_is_about_the_picture_that_was_asked_about() {
    let mut bench = asked_before();
    let looked = looks(&bench);
    bench.press("Follow up");
    assert!(bench.shows("About the picture of"));
    bench.ask("Why?");
    bench.wait_for_label(&answer_of("Why?", 10));
    bench.ask("Since when?");
    bench.wait_for_label(&answer_of("Since when?", 10));
    assert_eq!(looks(&bench), looked, "the model kept the picture");
    bench.press("About now");
    assert!(!bench.shows("About the picture of"));
    bench.ask("And now?");
    bench.wait_for_label(&answer_of("And now?", 99));
    bench.window.check_accessibility();
}

#[test]
fn the_same_question_is_asked_about_the_picture_on_screen() {
    let mut bench = asked_before();
    bench.press("Ask about now");
    bench.wait_for_label(&answer_of("Red?", 99));
    assert!(bench.shows(&answer_of("Red?", 10)));
}

#[test]
fn an_answer_that_was_stopped_can_be_asked_for_again_and_copied() {
    let mut bench = Bench::captioned();
    bench.engine().hold_answers(true);
    bench.ask("Why?");
    bench.wait_for_part("still still");
    bench.press("Stop");
    bench.wait_for_label("Stopped");
    bench.engine().hold_answers(false);
    bench.platform.source.show(99);
    bench.wait_for_label(&caption_of(99));
    bench.press("Ask again");
    bench.wait_for_label(&answer_of("Why?", 10));
    let copies = bench.window.get_all_by_label("Copy answer").last().expect("a button");
    copies.click_accesskit();
    bench.window.step();
    let copied = bench
        .window
        .output()
        .platform_output
        .commands
        .iter()
        .any(|command| matches!(command, egui::OutputCommand::CopyText(text) if *text == answer_of("Why?", 10)));
    assert!(copied, "{:?}", bench.window.output().platform_output.commands);
}

#[test]
fn a_ready_made_question_is_asked_by_choosing_it() {
    let mut bench = Bench::captioned();
    bench.press("Ready-made questions");
    bench.press("What is in the picture?");
    bench.wait_for_label(&answer_of("What is in the picture?", 10));
    // Small print has a picture of its own, in tiles.
    let looked = looks(&bench);
    bench.press("Ready-made questions");
    bench.press("What does the text say?");
    bench.wait_for_label(&answer_of("What does the text say?", 10));
    bench.wait_for_part("in tiles");
    assert_eq!(looks(&bench), looked + 1);
}
