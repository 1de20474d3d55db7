//! The remote engine with a server that does as it is told.

use std::time::Duration;

use image::RgbImage;
use serde_json::Value;
use vlm::{Cancel, Part, Scored, Stop};

use crate::engine::remote::options::{Key, Patience, PictureFormat, RemoteOptions};
use crate::engine::remote::{RemoteEngine, likelihood, wire};
use crate::engine::{Engine as _, EngineError, Forget, Limits, Shown, Task, Turn, ViewId, ViewOptions};
use crate::testing::server::{ChatServer, Meets};

struct Talk {
    engine: RemoteEngine,
    view: ViewId,
    picture: RgbImage,
}

fn talk(server: &ChatServer) -> Talk {
    let patience = Patience {
        connect: Duration::from_secs(3),
        first: Duration::from_millis(700),
        silence: Duration::from_millis(300),
    };
    let options = RemoteOptions {
        address: server.url().parse().expect("an address"),
        key: Key::new("sk-secret"),
        authority: None,
        picture: PictureFormat::Jpeg,
        patience,
        parallel: 4,
    };
    let mut engine = RemoteEngine::new("tea", options).expect("an engine");
    let view = engine.open_view(ViewOptions::default()).expect("a view");
    Talk { engine, view, picture: RgbImage::from_pixel(32, 24, image::Rgb([200, 30, 30])) }
}

impl Talk {
    fn caption(&mut self) -> Result<(vlm::Reply, String), EngineError> {
        self.caption_until(&Cancel::default(), |_| {})
    }

    fn caption_until(
        &mut self,
        cancel: &Cancel,
        mut on_text: impl FnMut(&str),
    ) -> Result<(vlm::Reply, String), EngineError> {
        let shown = Shown { pictures: &[&self.picture], scene: None, reuse: vlm::Reuse::IfIdentical };
        let task = Task::Caption { shown, instruction: "Describe." };
        let turn = Turn { view: self.view, task, limits: Limits::tokens(20) };
        let mut streamed = String::new();
        let reply = self.engine.reply(turn, cancel, &mut |piece| {
            streamed.push_str(piece);
            on_text(piece);
        })?;
        Ok((reply, streamed))
    }

    fn refusal(&mut self) -> String {
        self.caption().expect_err("a refusal").to_string()
    }

    fn say(&mut self, words: &str) -> String {
        let task = Task::Say { parts: &[Part::Text(words.to_owned())], remember: true };
        let turn = Turn { view: self.view, task, limits: Limits::tokens(20) };
        self.engine.reply(turn, &Cancel::default(), &mut |_| {}).expect("a reply").text
    }
}

#[test]
fn a_caption_is_asked_for_as_the_api_says_and_streams() {
    let server = ChatServer::new([]);
    let mut talk = talk(&server);
    let (reply, streamed) = talk.caption().expect("a caption");
    assert_eq!((reply.text.as_str(), streamed.as_str(), reply.stop), ("A cup of tea.", "A cup of tea.", Stop::End));
    assert_eq!((reply.prompt_tokens(), reply.tokens()), (82, 4));
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.path.as_str(), asked.authorization.as_deref()),
        ("/v1/chat/completions", Some("Bearer sk-secret"))
    );
    let body = &asked.body;
    assert_eq!((&body["model"], &body["stream"], &body["max_tokens"]), (&"tea".into(), &true.into(), &20.into()));
    assert_eq!((body["temperature"].as_f64(), &body["stop"]), (Some(0.0), &Value::Null));
    let content = &body["messages"][0]["content"];
    assert_eq!((&content[0]["type"], &content[1]["text"]), (&"image_url".into(), &"Describe.".into()));
    let url = content[0]["image_url"]["url"].as_str().expect("an address");
    assert!(url.starts_with("data:image/jpeg;base64,"), "{url}");
}

#[test]
fn whole_answers_lengths_and_log_probabilities_are_understood() {
    let server = ChatServer::new([
        Meets::Whole(" A pot. "),
        Meets::Words(vec!["A", " long"], "length"),
        Meets::Likely(vec![("A", -0.25), (" cup", -0.75)]),
    ]);
    let mut talk = talk(&server);
    assert_eq!(talk.caption().expect("a caption").0.text, "A pot.");
    let (cut, _) = talk.caption().expect("a caption");
    assert_eq!((cut.text.as_str(), cut.stop, cut.mean_log_prob), ("A long", Stop::Length, None));
    assert_eq!(talk.caption().expect("a caption").0.mean_log_prob, Some(-0.5));
}

#[test]
fn a_model_that_goes_round_in_circles_is_stopped_and_the_request_closed() {
    let round = [" red", " and", " blue", ","].repeat(400);
    let server = ChatServer::new([Meets::Words(round, "stop")]);
    let (reply, _) = talk(&server).caption().expect("a caption");
    assert_eq!(reply.stop, Stop::Repetition);
    assert!(reply.text.len() < 100, "{}", reply.text);
}

#[test]
fn what_goes_wrong_is_a_sentence_and_the_next_request_goes_on() {
    let page = "<html><body>Sign in</body></html>";
    let cases = [
        (Meets::Status(401, "", r#"{"error":{"message":"bad key"}}"#), "refuses the key"),
        (Meets::Status(404, "", r#"{"error":{"message":"no model tea"}}"#), "does not know the model tea"),
        (Meets::Status(413, "", ""), "too large"),
        (Meets::Status(400, "", r#"{"detail":"no images, please"}"#), "no images, please"),
        (Meets::Status(500, "", "oops"), "failed (HTTP 500)"),
        (Meets::Status(302, "Location: http://elsewhere.invalid/\r\n", ""), "refuses the request (HTTP 302)"),
        (Meets::Body("text/html", page), "it is a web page"),
        (Meets::Body("text/event-stream", "data: {not json\n\n"), "not what the API says"),
        (Meets::Body("text/event-stream", "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"), "out of memory"),
        (Meets::Words(vec![" "], "stop"), "no words"),
        (Meets::Words(vec![], "stop"), "no words"),
        (Meets::Cut(vec!["A", " cup"]), "broke off"),
        (Meets::Cut(vec![]), "broke off"),
        (Meets::Stuck(vec!["A", " cup"]), "said nothing"),
        (Meets::Stuck(vec![]), "said nothing"),
        (Meets::Endless, "it has no end"),
    ];
    for (meets, says) in cases {
        let told = format!("{meets:?}");
        let server = ChatServer::new([meets]);
        let mut talk = talk(&server);
        let message = talk.refusal();
        assert!(message.contains(says), "{told}: {message}");
        assert!(!message.contains("secret"), "{message}");
        assert_eq!(talk.caption().expect("the next").0.text, "A cup of tea.", "after {told}");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_and_one_that_is_busy_is_asked_again() {
    let gone = {
        let server = ChatServer::new([]);
        talk(&server)
    };
    let (mut gone, busy) = (gone, "Retry-After: 0\r\n");
    let message = gone.refusal();
    assert!(message.contains("can't be reached") || message.contains("broke off"), "{message}");
    let server = ChatServer::new([Meets::Status(429, busy, ""), Meets::Status(503, busy, "")]);
    assert_eq!(talk(&server).caption().expect("in the end").0.text, "A cup of tea.");
    assert_eq!(server.asked().len(), 3);
    let server = ChatServer::new((0..9).map(|_| Meets::Status(503, busy, "")));
    assert!(talk(&server).refusal().contains("is busy"));
    assert_eq!(server.asked().len(), 6, "it is not asked for ever");
}

/// By then there is a newer picture.
#[test]
fn a_live_caption_is_not_asked_for_again_after_a_rest() {
    let busy = Meets::Status(429, "Retry-After: 0\r\n", "");
    let server = ChatServer::new((0..8).map(|_| busy.clone()));
    let mut talk = talk(&server);
    let picture = talk.picture.clone();
    let mut caption = || {
        let shown = Shown { pictures: &[&picture], scene: None, reuse: vlm::Reuse::IfIdentical };
        let task = Task::Caption { shown, instruction: "Describe." };
        let limits = Limits { keeps: false, ..Limits::tokens(20) };
        talk.engine.reply(Turn { view: talk.view, task, limits }, &Cancel::default(), &mut |_| {})
    };
    for asked in 1..=5 {
        assert_eq!((caption().expect("a rest").stop, server.asked().len()), (Stop::Cancelled, asked));
    }
    assert!(caption().expect_err("in the end it is said").to_string().contains("is busy"));
    assert_eq!(caption().expect("a rest").stop, Stop::Cancelled, "and it begins anew");
}

#[test]
fn a_refusal_of_probabilities_is_heeded() {
    let refusal = r#"{"error":{"message":"logprobs are not supported"}}"#;
    let server = ChatServer::new([Meets::Status(400, "", refusal)]);
    let mut talk = talk(&server);
    talk.caption().expect("a caption");
    talk.caption().expect("another");
    let asked: Vec<Value> = server.asked().into_iter().map(|asked| asked.body["logprobs"].clone()).collect();
    assert_eq!(asked, [Value::Bool(true), Value::Null, Value::Null]);
}

#[test]
fn a_raised_flag_closes_the_request() {
    let server = ChatServer::new([Meets::Stuck(vec!["A", " cup"])]);
    let (mut talk, cancel) = (talk(&server), Cancel::default());
    let raised = cancel.clone();
    let (reply, _) = talk
        .caption_until(&cancel, move |piece| {
            if piece == " cup" {
                raised.cancel();
            }
        })
        .expect("a reply");
    assert_eq!((reply.stop, reply.text.as_str()), (Stop::Cancelled, "A cup"));
    assert!(server.was_hung_up_on());
    let raised = talk.caption_until(&cancel, |_| {}).expect("a reply").0;
    assert_eq!((raised.stop, server.asked().len()), (Stop::Cancelled, 1), "nothing was sent");
}

#[test]
fn a_conversation_is_sent_whole_and_taken_back() {
    let server = ChatServer::new([]);
    let mut talk = talk(&server);
    let roles = |server: &ChatServer| {
        let asked = server.asked();
        let messages = asked.last().expect("a request").body["messages"].as_array().expect("turns").clone();
        messages.iter().map(|turn| turn["role"].as_str().expect("a role").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(talk.say("What is it?"), "A cup of tea.");
    talk.say("Whose?");
    assert_eq!(roles(&server), ["user", "assistant", "user"]);
    talk.engine.forget(talk.view, Forget::Last);
    talk.say("And now?");
    assert_eq!(roles(&server), ["user", "assistant", "user"]);
    talk.engine.forget(talk.view, Forget::All);
    talk.say("Again?");
    assert_eq!(roles(&server), ["user"]);
}

#[test]
fn choices_are_scored_by_the_tokens_that_begin_them() {
    let server = ChatServer::new([Meets::Likely(vec![("Yes", -0.5)])]);
    let mut talk = talk(&server);
    let shown = Shown { pictures: &[&talk.picture], scene: None, reuse: vlm::Reuse::IfIdentical };
    let questions = [Scored { question: "Is it red?", choices: &["yes", "no"] }];
    let rows =
        talk.engine.score(talk.view, shown, &questions, &Cancel::default()).expect("scores").expect("not cancelled");
    let rows = &rows[0].log_probs;
    let yes = ((-0.5_f32).exp() + (-2.0_f32).exp()).ln();
    assert!((rows[0] - yes).abs() < 1e-5 && (rows[1] + 3.0).abs() < 1e-5, "{rows:?}");
    let unheard = [wire::Likely { token: "Maybe".into(), logprob: -1.0 }];
    assert!((likelihood("yes", &unheard) + 1.0).abs() < 1e-6);

    let silent = ChatServer::new([]);
    let refusal = self::talk(&silent).engine.score(ViewId(0), shown, &questions, &Cancel::default());
    assert!(refusal.expect_err("no scores").to_string().contains("how likely"));
}

#[test]
fn the_models_of_a_server_are_listed() {
    let server = ChatServer::new([]);
    assert_eq!(talk(&server).engine.models(&Cancel::default()).expect("a list"), ["tea", "coffee"]);
}
