//! The part of Rust in an exchange by socket helpers; see exchange.py.

use codecs::wire::{everything, feed, socket};
use std::error::Error;
use std::fmt::Write as _;

fn bound(context: &zmq::Context, kind: zmq::SocketType) -> Result<zmq::Socket, zmq::Error> {
    let socket = context.socket(kind)?;
    socket.set_linger(-1)?;
    socket.bind("tcp://127.0.0.1:*")?;
    Ok(socket)
}

fn endpoint(socket: &zmq::Socket) -> Result<String, Box<dyn Error>> {
    Ok(socket
        .get_last_endpoint()?
        .map_err(|_| "no text".to_owned())?)
}

/// The topic of a subscription, which is printed.
fn heard(xpub: &zmq::Socket) -> Result<String, Box<dyn Error>> {
    let (subscribe, message) = feed::parse_subscription(&xpub.recv_bytes(0)?)?;
    let what = if subscribe {
        "subscribe"
    } else {
        "unsubscribe"
    };
    let feed::Message::Tick(tick) = message else {
        return Err("another message".into());
    };
    println!("{what} {} {}", feed::Tick::NAME, tick.topic);
    Ok(tick.topic)
}

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).ok_or("how many?")?.parse()?;
    let context = zmq::Context::new();
    let router = bound(&context, zmq::ROUTER)?;
    let xpub = bound(&context, zmq::XPUB)?;
    let nothing = socket::receive::<everything::Message>(&router, zmq::DONTWAIT);
    assert_eq!(
        nothing,
        Err(socket::SocketError::Zmq(zmq::Error::EAGAIN)),
        "there is no message yet"
    );
    println!("{} {}", endpoint(&router)?, endpoint(&xpub)?);

    let mut last = everything::Message::from(everything::Empty::default());
    for _ in 0..count {
        let (identity, message) = socket::receive_from::<everything::Message>(&router, 0)?;
        last = message?;
        socket::send_to(&router, &identity, &last, 0)?;
    }
    let (identity, message) = socket::receive_from::<everything::Message>(&router, 0)?;
    let error = message.err().ok_or("it is a message")?;
    let mut hex = String::new();
    for octet in &identity {
        write!(hex, "{octet:02x}")?;
    }
    println!("refused {error} from {hex}");
    assert_eq!(
        socket::send(&router, &last, 0),
        Err(socket::SocketError::NoIdentity)
    );
    socket::send_to(&router, &identity, &last, 0)?;

    let topic = heard(&xpub)?;
    socket::send(&xpub, &feed::Halt::about(topic.as_str()), 0)?;
    let tick = feed::Tick {
        topic: topic + "ce",
        price: 1 << 63,
        symbol: "ZMQ".into(),
    };
    socket::send(&xpub, &tick, 0)?;
    heard(&xpub)?;
    println!("done");
    Ok(())
}
