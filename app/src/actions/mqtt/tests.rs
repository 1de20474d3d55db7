//! MQTT with a broker of the tests' own.

use crossbeam_channel::bounded;

use super::*;
use crate::actions::announced::RuleName;
use crate::actions::occurrence::Occurrence;
use crate::testing::actions::{began, caption};
use crate::testing::broker::{Broker as FakeBroker, Message as Published};

const LONG: Duration = Duration::from_mins(1);

fn mqtt(port: u16, limit: Duration) -> Mqtt {
    let options = MqttOptions {
        broker: Broker { host: "127.0.0.1".to_owned(), port },
        login: Some(("me".to_owned(), Secret::new("s3cret".to_owned()))),
        discovery: Some("homeassistant".to_owned()),
        node: "pi".to_owned(),
        picture: false,
        limit,
    };
    let rules = vec![RuleName { name: "cat".to_owned(), source: "door".to_owned() }];
    Mqtt::new(options, Some(Announced { sources: vec!["door".to_owned()], rules }))
}

fn told(occurrence: &Occurrence) -> Told<'_> {
    Told { occurrence, picture: None }
}

fn texts(published: &[Published], topic: &str) -> Vec<String> {
    published.iter().filter(|message| message.topic == topic).map(Published::text).collect()
}

const AVAILABILITY: &str = "sightline/pi/availability";

#[test]
fn it_is_there_from_the_start_and_says_goodbye() {
    let broker = FakeBroker::new();
    let mut mqtt = mqtt(broker.port(), LONG);
    let (_bell, rung) = bounded(1);
    assert_eq!(mqtt.wait(&rung, None, &Cancel::default()), Waited::Recovered, "before there is anything to tell");
    mqtt.deliver(told(&caption("door", "A cup.")), &Cancel::default()).expect("published");
    mqtt.end();
    let published = broker.published(|all| texts(all, AVAILABILITY).len() == 2);
    assert_eq!(texts(&published, AVAILABILITY), ["online", "offline"]);
    assert_eq!(texts(&published, "sightline/pi/door/caption"), ["A cup."]);
    assert!(published.iter().any(|message| message.topic.starts_with("homeassistant/binary_sensor/")));
    assert_eq!(broker.logins(), [("me".to_owned(), "s3cret".to_owned())]);
}

#[test]
fn a_connection_that_breaks_is_noticed_and_made_anew_with_what_holds() {
    let broker = FakeBroker::new();
    let mut mqtt = mqtt(broker.port(), LONG);
    mqtt.deliver(told(&began("cat", "door")), &Cancel::default()).expect("published");
    broker.hang_up();
    let (_bell, rung) = bounded(1);
    let Waited::Trouble(message) = mqtt.wait(&rung, None, &Cancel::default()) else { panic!("it is lost") };
    assert!(message.what().contains("can't be reached"), "{message}");
    let lost = broker.published(|all| texts(all, AVAILABILITY).len() == 2);
    assert_eq!(texts(&lost, AVAILABILITY), ["online", "offline"], "the will");
    mqtt.due = None;
    assert_eq!(mqtt.wait(&rung, None, &Cancel::default()), Waited::Recovered);
    let published = broker.published(|all| texts(all, AVAILABILITY).len() == 3);
    assert_eq!(texts(&published, "sightline/pi/door/rule/cat").last().map(String::as_str), Some("ON"));
}

#[test]
fn what_is_not_confirmed_is_not_told() {
    let broker = FakeBroker::new();
    let mut mqtt = mqtt(broker.port(), LONG);
    mqtt.deliver(told(&caption("door", "A cup.")), &Cancel::default()).expect("published");
    broker.set_deaf(true);
    mqtt.limit = Duration::from_millis(20);
    let lost = mqtt.deliver(told(&caption("door", "A jug.")), &Cancel::default()).expect_err("not confirmed");
    assert!(matches!(lost, Undelivered::Later { .. }), "{lost:?}");
    broker.set_deaf(false);
    mqtt.limit = LONG;
    mqtt.deliver(told(&caption("door", "A jug.")), &Cancel::default()).expect("published");
    let topic = "sightline/pi/door/caption";
    let published = broker.published(|all| texts(all, topic).last().is_some_and(|last| last == "A jug."));
    // What the broker took and did not confirm may be there, too: at least once is the promise.
    let mut said = texts(&published, topic);
    said.dedup();
    assert_eq!((said.first().map(String::as_str), said.last().map(String::as_str)), (Some("A cup."), Some("A jug.")));
}

#[test]
fn a_broker_that_refuses_or_is_away_is_told() {
    let broker = FakeBroker::new();
    broker.refuse(4);
    let refused = mqtt(broker.port(), LONG).deliver(told(&began("cat", "door")), &Cancel::default());
    let port = broker.port();
    drop(broker);
    let away = mqtt(port, LONG).deliver(told(&began("cat", "door")), &Cancel::default());
    for (told, said) in [(refused, "does not take this user and password"), (away, "refused")] {
        let Err(Undelivered::Later { message, .. }) = told else { panic!("{told:?}") };
        assert!(message.what().contains(said) && !message.to_string().contains("s3cret"), "{message}");
    }
}

#[test]
fn nobody_waits_for_it_who_does_not_want_to() {
    let (broker, cancel) = (FakeBroker::new(), Cancel::default());
    let mut mqtt = mqtt(broker.port(), LONG);
    cancel.cancel();
    let (_bell, rung) = bounded(1);
    assert_eq!(mqtt.wait(&rung, None, &cancel), Waited::Over);
    broker.set_deaf(true);
    assert_eq!(mqtt.deliver(told(&began("cat", "door")), &cancel), Err(Undelivered::Cancelled));
}
