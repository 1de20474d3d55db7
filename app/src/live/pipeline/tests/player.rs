//! A source with a beginning and an end is told where to go on.

use crate::capture::{self, PlayOrder, Position, SourceOptions, SourceSpec};
use crate::live::pipeline::tests::*;

#[test]
fn a_folder_goes_on_when_it_is_told_and_says_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, red) in [("a.png", 11), ("b.png", 22), ("c.png", 33)] {
        picture(red).save(folder.path().join(name)).expect("saved");
    }
    let engine = EngineScript::default();
    engine.hold_captions(true);
    let spec = SourceSpec::Path(folder.path().to_owned());
    let open = move || capture::open(&spec, &SourceOptions::default());
    let pipeline = Pipeline::start(vec![ungated()], Arc::new(|| {})).expect("threads start");
    pipeline.set_engine(ModelSpec::Demo, engine.open());
    let view = pipeline.view(0);
    view.set_source(Box::new(open));
    until(&pipeline, began(Told::Caption { frame: 1 }));
    view.play(PlayOrder::NextPicture);
    let cut = until(&pipeline, any_caption);
    assert_eq!((cut.frame.id, cut.reply.stop), (1, Stop::Cancelled));
    until(&pipeline, began(Told::Caption { frame: 2 }));
    let expected = Position::Picture { number: 2, count: 3, name: "b.png".to_owned() };
    assert_eq!(view.position(), Some(expected));
    engine.hold_captions(false);
    let texts = [(); 2].map(|()| until(&pipeline, whole_caption).reply.text);
    assert!(texts[0].ends_with(&caption_of(22)) && texts[1] == caption_of(33), "{texts:?}");
}
