//! Sends ten records to a collector, by the endpoint of its live link.

mod wire;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hash::{BuildHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::socket;
use wire::zre_log_msg::{self, Record, Uuid};

const SEVERITIES: [u8; 3] = [
    zre_log_msg::SEVERITY_INFO,
    zre_log_msg::SEVERITY_WARN,
    zre_log_msg::SEVERITY_ERROR,
];

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1);
    let endpoint = endpoint.ok_or("usage: run tcp://HOST:PORT")?;
    let context = zmq::Context::new();
    let live = connect(&context, &endpoint)?;
    let node = random_uuid();
    let epoch = now()?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let mut sequences: HashMap<u8, u64> = HashMap::new(); // for each range of severities

    for number in 1..=10 {
        let severity = SEVERITIES[number % SEVERITIES.len()];
        let sequence = sequences.entry((severity - 1) / 4).or_default();
        *sequence += 1;
        let record = Record {
            severity,
            event: 0,
            node,
            epoch,
            sequence: *sequence,
            time: now()?,
            host: host.trim().into(),
            name: "rust".into(),
            logger: "example.rust".into(),
            text: format!("motor {number} is at {} °C", 20 + number),
            fields: BTreeMap::from([("motor".into(), number.to_string())]),
        };
        socket::send(&live, &record, 0)?;
    }
    drop((live, context)); // when all is sent
    println!("sent 10 records");
    Ok(())
}

/// Waits until the collector is ready: then it has subscribed to AA A2 FF and its UUID, after all else.
fn connect(context: &zmq::Context, endpoint: &str) -> Result<zmq::Socket, Box<dyn Error>> {
    let live = context.socket(zmq::XPUB)?;
    live.set_immediate(true)?;
    live.set_linger(5_000)?; // at the end: time to send what is still queued
    live.set_rcvtimeo(10_000)?;
    live.connect(endpoint)?;
    loop {
        let heard = live.recv_bytes(0);
        let heard =
            heard.map_err(|why| format!("no collector at {endpoint} within 10 seconds: {why}"))?;
        if heard.len() == 20 && heard.starts_with(b"\x01\xaa\xa2\xff") {
            return Ok(live);
        }
    }
}

/// Nanoseconds since 1970.
fn now() -> Result<u64, Box<dyn Error>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_nanos())?)
}

/// The standard library seeds its hash tables with random numbers, and has no others.
fn random_uuid() -> Uuid {
    let random = || u128::from(RandomState::new().build_hasher().finish());
    Uuid::from((random() << 64 | random()).to_be_bytes())
}
