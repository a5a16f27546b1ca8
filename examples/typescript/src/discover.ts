// Finds a collector by ZRE, with zyre.js (protocol, section 4).
import Zyre from "zyre.js";

/** A collector that was found. */
export interface Found {
  /** Where its live link is. */
  readonly endpoint: string;
  /** Leaves the network. */
  leave(): Promise<void>;
}

/** The first collector of version 2 on the network of an interface; the default is the first one that has an address. */
export async function discover(name: string, iface?: string, port?: number): Promise<Found> {
  const zyre = new Zyre({ name, ...(iface && { iface }), ...(port && { bport: port }) });
  const endpoint = new Promise<string>((found) => {
    const look = (identity: string): void => {
      const peer = zyre.getPeer(identity);
      const live = peer?.headers["X-ZRELOG"];
      if (!peer || !live || !peer.headers["X-ZRELOG-PROTO"]) return;
      const isCollector = collectors.has(identity);
      // An endpoint on another host than the peer's own could aim us at a third party.
      if (isCollector && new URL(live).hostname === new URL(peer.endpoint).hostname) found(live);
    };
    const collectors = new Set<string>();
    zyre.on("join", (identity: string, _name: string, group: string) => {
      if (group !== "ZYRE-LOGGER") return;
      collectors.add(identity);
      look(identity);
    });
    zyre.on("connect", look);
  });
  await zyre.start();
  zyre.join("ZYRE-LOGNODE");
  return { endpoint: await endpoint, leave: () => zyre.stop() };
}
