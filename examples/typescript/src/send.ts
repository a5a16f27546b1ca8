// Sends ten log records to a collector. See README.md beside this folder.
import { randomUUID } from "node:crypto";
import { argv, exit } from "node:process";
import { XPublisher } from "zeromq";

import { send } from "./wire/zre-log-msg-socket.js";
import * as wire from "./wire/zre-log-msg.js";

const NAME = "typescript-example";
/** A collector subscribes to this, and its UUID, when it is ready (protocol, section 5.3). */
const READY = Buffer.from([1, ...wire.SIGNATURE, 0xff]);

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

async function sendRecords(endpoint: string): Promise<void> {
  const socket = new XPublisher({
    immediate: true,
    noDrop: true,
    linger: 10_000, // so that the last records arrive
  });
  socket.connect(endpoint);
  for await (const [subscription] of socket) {
    if (subscription?.subarray(0, READY.length).equals(READY)) break;
  }

  const node = randomUUID();
  const epoch = now();
  const severities = [wire.SEVERITY_INFO, wire.SEVERITY_DEBUG, wire.SEVERITY_WARN, wire.SEVERITY_ERROR];
  const sequences = new Map<number, bigint>(); // each range of severities counts for itself
  for (let i = 0; i < 10; i++) {
    const severity = severities[i % severities.length] ?? wire.SEVERITY_INFO;
    const sequence = (sequences.get(severity) ?? 0n) + 1n;
    sequences.set(severity, sequence);
    const record = new wire.Record({
      severity,
      node,
      epoch,
      sequence,
      time: now(),
      host: "example",
      name: NAME,
      logger: "example.typescript",
      text: `record ${i + 1} of 10, at 12.5 °C`,
      fields: new Map([["number", String(i + 1)]]),
    });
    await send(socket, record);
  }
  socket.close();
  console.log(`sent 10 records to ${endpoint}`);
}

const [first, iface, port] = argv.slice(2);
if (first === "--discover") {
  const { discover } = await import("./discover.js");
  const { endpoint, leave } = await discover(NAME, iface, port ? Number(port) : undefined);
  await sendRecords(endpoint);
  await leave();
} else if (first?.startsWith("tcp://")) {
  await sendRecords(first);
} else {
  console.error("usage: node built/send.js tcp://HOST:PORT | --discover [INTERFACE [PORT]]");
  exit(2);
}
