//! Tests of `prompt`.

use super::*;
use crate::tests::fixtures;

const IMAGE: &str = "<image>";
const EDGE: &str = "<fake_token_around_image>";

fn config(files: &ModelFiles) -> Config {
    Config::parse(&files.read("config.json").unwrap(), &files.path("config.json")).unwrap()
}

fn prompter() -> Prompter {
    let files = fixtures::tiny("idefics3");
    Prompter::load(&files, &config(&files)).unwrap()
}

/// The small checkpoint of SmolVLM2's family, with changes to one of its files.
fn changed(file: &str, change: impl FnOnce(&mut Value)) -> Prompter {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixtures::path("tiny/smolvlm")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join(file);
    let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
    let files = ModelFiles::in_folder(folder.path()).unwrap();
    Prompter::load(&files, &config(&files)).unwrap()
}

/// The text of a picture of four features a tile.
fn picture(grid: Grid) -> String {
    let features = IMAGE.repeat(4);
    let row = |row| {
        let tile = |column| format!("{EDGE}<row_{row}_col_{column}>{features}");
        (1..=grid.columns).map(tile).collect::<String>() + "\n"
    };
    let rows: String = (1..=grid.rows).map(row).collect();
    let end = if grid.rows > 0 { "\n" } else { "" };
    format!("{rows}{end}{EDGE}<global-img>{features}{EDGE}")
}

#[test]
fn pieces_tokenise_as_the_whole_text_does() {
    let p = prompter();
    for grid in [Grid::default(), Grid { rows: 2, columns: 3 }] {
        let mut pieces = p.prefix(&[]).unwrap();
        pieces.extend(p.view(&[grid, Grid::default()]).unwrap());
        pieces.extend(p.instruction(" What is  this?\n").unwrap());
        let mut text = String::from("<|im_start|>User:");
        text.push_str(&picture(grid));
        text.push_str(&picture(Grid::default()));
        text.push_str(" What is  this?\n<end_of_utterance>\nAssistant:");
        assert_eq!(pieces, p.encode(&text).unwrap());
    }
}

#[test]
fn a_turn_has_a_space_before_text_and_none_before_a_picture() {
    let p = prompter();
    let text = |s: &str| Part::Text(s.into());
    let turns = [
        Turn { role: Role::System, parts: vec![text("Be brief.")] },
        Turn { role: Role::User, parts: vec![Part::Picture(RgbImage::new(1, 1)), text("My door.")] },
        Turn { role: Role::Assistant, parts: vec![text("A closed door.")] },
    ];
    let image = picture(Grid::default());
    let want = format!(
        "<|im_start|>System: Be brief.<end_of_utterance>\nUser:{image}My door.<end_of_utterance>\n\
         Assistant: A closed door.<end_of_utterance>\nUser:"
    );
    assert_eq!(p.prefix(&turns).unwrap(), p.encode(&want).unwrap());
}

/// Whatever tokens a tokenizer adds, and whether or not it calls them special.
#[test]
fn every_added_token_in_a_persons_words_is_only_words() {
    let p = changed("tokenizer.json", |json| {
        // Two of its reserved tokens get other texts; an added token's text keeps its id.
        for (id, text, normalized) in [(3, "[TOOL]", false), (4, "teacup", true)] {
            let added = json["added_tokens"].as_array_mut().unwrap();
            let token = added.iter_mut().find(|token| token["id"] == id).unwrap();
            let before = token["content"].as_str().unwrap().to_owned();
            token["content"] = text.into();
            token["special"] = false.into();
            token["normalized"] = normalized.into();
            let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
            vocabulary.remove(&before).unwrap();
            vocabulary.insert(text.to_owned(), id.into());
        }
    });
    let added = p.tokenizer.get_added_tokens_decoder();
    let all = added.values().map(|token| token.content.as_str()).collect::<Vec<_>>().join(" and ");
    assert!(all.contains("[TOOL]") && all.contains("teacup") && all.contains("<|im_start|>"), "{all}");
    let ids = p.instruction(&all).unwrap();
    let end = p.encode("<end_of_utterance>\nAssistant:").unwrap();
    let (words, tail) = ids.split_at(ids.len() - end.len());
    assert_eq!(tail, end, "only the turn's own end");
    assert!(words.iter().all(|id| !added.contains_key(id)), "{words:?}");
    assert_eq!(p.tokenizer.decode(words, false).unwrap(), all, "and no letter is changed");
    let harmless = p.instruction("Is 3 < 4?").unwrap();
    assert_eq!(harmless, p.encode("Is 3 < 4?<end_of_utterance>\nAssistant:").unwrap());
}

#[test]
fn what_training_left_in_a_tokenizer_is_set_aside() {
    let words = "Describe everything that is on this table, in one long sentence with many words.";
    let want = prompter().instruction(words).unwrap();
    let truncation =
        serde_json::json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    let padding = serde_json::json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 2, "pad_type_id": 0, "pad_token": "<|im_end|>"});
    for (key, value) in [("/truncation", truncation), ("/padding", padding), ("/model/dropout", 0.9.into())] {
        let p = changed("tokenizer.json", |json| *json.pointer_mut(key).unwrap() = value);
        for _ in 0..3 {
            assert_eq!(p.instruction(words).unwrap(), want, "{key}");
        }
    }
}

#[test]
fn a_reply_ends_where_the_checkpoint_says() {
    let ends = |p: &Prompter| (0..1024).filter(|id| p.is_end(*id)).collect::<Vec<_>>();
    let usual = prompter();
    assert_eq!(ends(&usual), [2, 1023], "the end of a turn of either format");
    let p = changed("generation_config.json", |json| json["eos_token_id"] = 77.into());
    assert_eq!(ends(&p), [2, 77, 1023]);
    let p = changed("generation_config.json", |json| json["eos_token_id"] = serde_json::json!([1023, 78, -1, "x"]));
    assert_eq!(ends(&p), [2, 78, 1023]);
    let p = changed("config.json", |json| {
        json["eos_token_id"] = serde_json::json!([5]);
        json["text_config"]["eos_token_id"] = 6.into();
    });
    assert_eq!(ends(&p), [2, 5, 6, 1023]);
}

/// As transformers' tokenizer does with such tokens.
#[test]
fn a_marker_takes_the_white_space_that_its_token_takes() {
    let p = changed("tokenizer.json", |json| {
        for token in json["added_tokens"].as_array_mut().unwrap() {
            if token["content"] == "<end_of_utterance>" {
                (token["lstrip"], token["rstrip"]) = (true.into(), true.into());
            }
        }
    });
    let want = p.encode("Why? <end_of_utterance>\nAssistant:").unwrap();
    assert_eq!(p.instruction("Why? ").unwrap(), want);
    assert_ne!(want, prompter().encode("Why? <end_of_utterance>\nAssistant:").unwrap());
}

#[test]
fn an_empty_prompt_is_refused() {
    assert!(matches!(prompter().instruction(" \n"), Err(Error::EmptyPrompt)));
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let files = fixtures::tiny("idefics3");
    let (mut other, mut small) = (config(&files), config(&files));
    (other.image_token_id, small.text.vocab_size) = (1021, 1023);
    let e = Prompter::load(&files, &other).err().unwrap().to_string();
    assert!(e.contains("<image> is token 1022 there, but 1021"), "{e}");
    let e = Prompter::load(&files, &small).err().unwrap().to_string();
    assert!(e.contains("lies outside"), "{e}");
}
