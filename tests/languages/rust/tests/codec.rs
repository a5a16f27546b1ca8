//! What codecs promise beyond the vectors.

use codecs::wire::runtime::{DecodeError, Reason, Uuid};
use codecs::wire::zre_log_msg::{self, Log, Message, Ping, Record};
use codecs::wire::{everything, feed, grown};
use std::collections::BTreeMap;

fn record() -> Record {
    Record {
        severity: zre_log_msg::SEVERITY_ERROR,
        epoch: 1 << 63,
        host: "rover-2".into(),
        text: "12.5 °C".into(),
        fields: BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
        ..Record::default()
    }
}

#[test]
fn a_round_trip() {
    let frame = record().encode().unwrap();
    assert_eq!(frame.capacity(), frame.len());
    let message = zre_log_msg::decode(&frame).unwrap();
    assert_eq!(message, Message::Record(record()));
    assert_eq!((message.id(), message.name()), (2, "RECORD"));
    assert_eq!(message.encode().unwrap(), frame);
    assert_eq!(message.frames().unwrap(), [frame]);
    assert!(format!("{message:?}").contains("text: \"12.5 °C\""));
}

#[test]
fn errors_of_decoding() {
    let error = zre_log_msg::decode(b"\xaa\xa2\x02\x11").unwrap_err();
    let expected = DecodeError {
        reason: Reason::Truncated,
        offset: 3,
        message: Some("RECORD"),
    };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "RECORD: truncated at offset 3");
    let error = zre_log_msg::decode(b"").unwrap_err();
    assert_eq!(error.to_string(), "frame: truncated at offset 0");
    let none: [&[u8]; 0] = [];
    assert_eq!(zre_log_msg::decode_frames(&none).unwrap_err(), error);
}

#[test]
fn errors_of_encoding() {
    let mut message = everything::Clients::default();
    message.client.forename = "é".repeat(128);
    let error = message.encode().unwrap_err();
    assert_eq!(
        error.to_string(),
        "CLIENTS.client.forename: 256 octets are more than 255"
    );
    assert_eq!(message.frames().unwrap_err(), error);
    assert_eq!(error.field, "client.forename");
    let error = feed::Tick::about("a\0b").encode().unwrap_err();
    assert_eq!(error.to_string(), "TICK.topic: must not contain a zero");
}

#[test]
fn fields_that_are_frames() {
    let message = everything::Blobs {
        address: b"a".to_vec(),
        label: b"l".to_vec(),
        content: vec![b"1".to_vec(), Vec::new(), b"3".to_vec()],
        ..everything::Blobs::default()
    };
    let frames = message.frames().unwrap();
    assert_eq!(frames.len(), 6);
    assert_eq!(
        everything::decode_frames(&frames),
        Ok(message.clone().into())
    );
    let error = everything::decode(&frames[0]).unwrap_err();
    assert_eq!((error.reason, error.offset), (Reason::Frames, 39));
    let borrowed: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    assert_eq!(everything::decode_frames(&borrowed), Ok(message.into()));
}

#[test]
fn text_that_historic_senders_cut() {
    let log = Log {
        data: "12.5 °".into(),
        ..Log::default()
    };
    let mut frame = log.encode().unwrap();
    frame[17] -= 1;
    let error = zre_log_msg::decode(&frame).unwrap_err();
    assert_eq!(error.to_string(), "LOG: utf8 at offset 23");
    let Ok(Message::Log(log)) = zre_log_msg::decode_frames_lossy(&[frame]) else {
        panic!("it is a LOG");
    };
    assert_eq!(log.data, "12.5 \u{fffd}");
}

#[test]
fn messages_of_earlier_versions() {
    let frames: [&[u8]; 2] = [b"\xaa\xa0\x01\x01a", b"page"];
    let expected = grown::Grown {
        first: "a".into(),
        pages: vec![b"page".to_vec()],
        ..grown::Grown::default()
    };
    assert_eq!(grown::decode_frames(&frames), Ok(expected.into()));
}

#[test]
fn a_uuid_as_text() {
    let text = "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e";
    for written in [text, &text.replace('-', ""), &text.to_uppercase()] {
        assert_eq!(written.parse::<Uuid>().unwrap().to_string(), text);
    }
    for wrong in ["", "x", &text[1..], "+a60e6850a1e4cc15f3bfd4b42bc6b3e"] {
        assert!(wrong.parse::<Uuid>().is_err(), "{wrong}");
    }
    assert_eq!(Uuid::from([0; 16]), Uuid::default());
}

#[test]
fn subscriptions() {
    let tick = feed::Tick::about("Z");
    assert_eq!(tick.subscription().unwrap(), b"\x01Z");
    assert_eq!(
        feed::parse_subscription(b"\x01\x01Z"),
        Ok((true, tick.into()))
    );
    for (frame, problem) in [
        (&b"\x01"[..], "frame: truncated at offset 1"),
        (b"\x02\x01Z", "frame: id at offset 1"),
        (b"\x01\x63Z", "frame: id at offset 1"),
        (b"\x00\x01Z\xff", "TICK: utf8 at offset 3"),
    ] {
        let error = feed::parse_subscription(frame).unwrap_err();
        assert_eq!(error.to_string(), problem);
    }
}

#[test]
fn values_are_values() {
    fn is_value<T: Clone + Default + Eq + std::hash::Hash + Send + Sync>(_: &T) {}
    is_value(&record());
    is_value(&Ping::default());
    is_value(&everything::Clients::default());
    assert_ne!(Message::from(record()), Ping::default().into());
}
