// Echoes messages: a ROUTER that a DEALER in Python talks to. Prints its endpoint, then ends after so many messages.
import { argv } from "node:process";
import { Router, XPublisher } from "zeromq";

import { DecodeError, type Message } from "./everything.js";
import { receive, send } from "./everything-socket.js";
import * as feed from "./feed.js";
import * as feedSocket from "./feed-socket.js";

const router = new Router({ linger: 1000 });
const xpub = new XPublisher({ linger: 1000 });
await router.bind("tcp://127.0.0.1:*");
await xpub.bind("tcp://127.0.0.1:*");
console.log(router.lastEndpoint, xpub.lastEndpoint);

const refused: string[] = [];
let last: Message | undefined;
for (let i = 0; i < Number(argv[2]); i++) {
  try {
    const { message, identity } = await receive(router);
    await send(router, message, identity);
    last = message;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    refused.push(`${error.message} from ${String(error.identity && Buffer.from(error.identity).toString())}`);
  }
}
console.log(refused.join("; "));
try {
  if (last) await send(router, last);
} catch (error) {
  console.log(String(error));
}

const { subscribe, message, topic } = await feedSocket.receiveSubscription(xpub);
console.log(subscribe, message.NAME, topic);
await feedSocket.send(xpub, new feed.Tick({ topic: `${topic}/other`, price: 1n }));
await feedSocket.send(xpub, new feed.Halt({ topic }));
console.log((await feedSocket.receiveSubscription(xpub)).subscribe);
router.close();
xpub.close();
