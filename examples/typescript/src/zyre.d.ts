// What this example uses of zyre.js, which has no types.
declare module "zyre.js" {
  import type { EventEmitter } from "node:events";

  interface Peer {
    readonly endpoint: string;
    readonly headers: Readonly<Record<string, string>>;
  }

  export default class Zyre extends EventEmitter {
    constructor(options: { name?: string; iface?: string; bport?: number });
    start(): Promise<void>;
    stop(): Promise<void>;
    join(group: string): void;
    getPeer(identity: string): Peer | undefined;
  }
}
