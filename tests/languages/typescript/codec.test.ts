// The generated codecs, as a program in TypeScript uses them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { answer } from "./conformance-driver.js";
import * as everything from "./everything.js";
import * as feed from "./feed.js";
import * as grown from "./grown.js";
import * as quotes from "./quotes.js";
import * as zreLogMsg from "./zre-log-msg.js";

const vectors = process.env["ZLOG_VECTORS"] ?? "";

function octets(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex");
}

function decodeError(run: () => unknown): everything.DecodeError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof everything.DecodeError, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

function encodeProblem(message: { frames(): unknown }): string {
  try {
    message.frames();
  } catch (error) {
    assert.ok(error instanceof everything.EncodeError, String(error));
    return error.message;
  }
  assert.fail("nothing was thrown");
}

test("octets by hand", () => {
  const numbers = new everything.Numbers({ sequence: 1, tiny: 2, small: 3, medium: 4, large: 5n });
  assert.equal(hex(numbers.encode()), "aaae010300010200030000000400000000" + "00000005");
  const texts = new everything.Texts({ short: "é", long: "ab", many: ["x", ""], table: new Map([["k", "v"]]) });
  assert.equal(
    hex(texts.encode()),
    "aaae14030000" +
      "02c3a9" +
      "034dc39c" +
      "000000026162" +
      "00000000" +
      "00000002" +
      "0000000178" +
      "00000000" +
      "00000001" +
      "016b" +
      "0000000176",
  );
  const tick = new feed.Tick({ topic: "stocks/é", price: 1n, symbol: "Z" });
  assert.equal(hex(tick.encode()), `01${hex(Buffer.from("stocks/é"))}000000000000000001015a`);
});

test("numbers over their whole range", () => {
  const top = new everything.Numbers({
    sequence: 0xffff,
    tiny: 255,
    small: 0xffff,
    medium: 0xffffffff,
    large: 2n ** 64n - 1n,
  });
  assert.equal(hex(top.encode()), `aaae0103${"ff".repeat(17)}`);
  assert.ok(everything.decode(top.encode()).equals(top));
});

test("what doesn't fit is an EncodeError that names the field", () => {
  const { Blobs, Clients, Numbers, Person, Texts } = everything;
  const cases: [{ frames(): unknown }, string][] = [
    [new Numbers({ tiny: 256 }), "NUMBERS.tiny: 256 is not in 0 to 255"],
    [new Numbers({ small: -1 }), "NUMBERS.small: -1 is not in 0 to 65535"],
    [new Numbers({ medium: 2 ** 32 }), "NUMBERS.medium: 4294967296 is not in 0 to 4294967295"],
    [new Numbers({ medium: 0.5 }), "NUMBERS.medium: 0.5 is not whole"],
    [new Numbers({ tiny: NaN }), "NUMBERS.tiny: NaN is not whole"],
    [new Numbers({ large: 1n << 64n }), "NUMBERS.large: 18446744073709551616 is not in 0 to 18446744073709551615"],
    [new Numbers({ large: -1n }), "NUMBERS.large: -1 is not in 0 to 18446744073709551615"],
    [new Numbers({ large: 1 as never }), "NUMBERS.large: must be a bigint, not number"],
    [new Numbers({ tiny: 1n as never }), "NUMBERS.tiny: must be a number, not bigint"],
    [new Numbers({ tiny: "1" as never }), "NUMBERS.tiny: must be a number, not string"],
    [new Texts({ short: "é".repeat(128) }), "TEXTS.short: 256 octets are more than 255"],
    [new Texts({ short: "\ud800" }), "TEXTS.short: can't be encoded in UTF-8: surrogates not allowed"],
    [new Texts({ long: `${"x".repeat(100)}\udfff` }), "TEXTS.long: can't be encoded in UTF-8: surrogates not allowed"],
    [new Texts({ short: 1 as never }), "TEXTS.short: must be a string, not number"],
    [new Texts({ many: "word" as never }), "TEXTS.many: must be an array of strings, not string"],
    [new Texts({ many: [1 as never] }), "TEXTS.many: must be a string, not number"],
    [new Texts({ table: { a: "b" } as never }), "TEXTS.table: must be a Map of strings, not Object"],
    [new Texts({ table: new Map([["k".repeat(256), ""]]) }), "TEXTS.table: 256 octets are more than 255"],
    [new Blobs({ flags: new Uint8Array(3) }), "BLOBS.flags: must be 4 octets"],
    [new Blobs({ body: [1] as never }), "BLOBS.body: must be a Uint8Array, not Array"],
    [new Blobs({ body: new Uint16Array(1) as never }), "BLOBS.body: must be a Uint8Array, not Uint16Array"],
    [new Blobs({ id: "5" }), "BLOBS.id: must be a UUID like 00000000-0000-0000-0000-000000000000"],
    [new Blobs({ address: "text" as never }), "BLOBS.address: must be a Uint8Array, not string"],
    [new Blobs({ content: "text" as never }), "BLOBS.content: must be an array of Uint8Array, not string"],
    [new Clients({ supplier: new Person({ born: 70_000 }) }), "CLIENTS.supplier.born: 70000 is not in 0 to 65535"],
    [new Clients({ supplier: 5 as never }), "CLIENTS.supplier: must be an object, not number"],
    [new feed.Tick({ topic: "a\0b" }), "TICK.topic: must not contain a zero"],
  ];
  for (const [message, problem] of cases) assert.equal(encodeProblem(message), problem);
  assert.throws(() => feed.subscription(feed.Tick, "a\0b"), everything.EncodeError);
  assert.equal(hex(new everything.Empty({ sequence: 1 }).encode()), "aaae07030001"); // nothing stays behind
});

test("one documented error, whatever the octets", () => {
  const cases: [string, string, number, string | undefined][] = [
    ["", "truncated", 0, undefined],
    ["aa", "truncated", 1, undefined],
    ["aaae", "truncated", 2, undefined],
    ["ab", "signature", 0, undefined],
    ["aaaf01030000", "signature", 0, undefined],
    ["aaae00030000", "id", 2, undefined],
    ["aaae070300", "truncated", 3, "EMPTY"],
    ["aaae07020000", "value", 3, "EMPTY"],
    ["aaae06030000deadbeee00000002c3a9", "value", 6, "FIXED"],
    [`aaae1403000002c328${"00".repeat(30)}`, "utf8", 7, "TEXTS"],
    ["aaae14030000024142034dc39cffffffff", "truncated", 17, "TEXTS"],
    [`aaae14030000024142034dc39c${"00000000".repeat(2)}ffffffff`, "truncated", 25, "TEXTS"],
  ];
  for (const [frame, reason, offset, messageName] of cases) {
    const error = decodeError(() => everything.decode(octets(frame)));
    assert.deepEqual([error.reason, error.offset, error.messageName], [reason, offset, messageName], frame);
    assert.equal(error.message, `${messageName ?? "frame"}: ${reason} at offset ${String(offset)}`);
    assert.equal(error.identity, undefined);
  }
  const error = decodeError(() => everything.decode(new everything.Blobs().encode(), [octets("61")]));
  assert.deepEqual([error.reason, error.messageName], ["frames", "BLOBS"]);
});

test("truncation at every octet, and every octet changed", () => {
  const record = new zreLogMsg.Record({
    text: "é€🐍",
    fields: new Map([["a", "b"]]),
    node: "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e",
  });
  const frame = record.encode();
  for (let size = 0; size < frame.length; size++) {
    assert.equal(decodeError(() => zreLogMsg.decode(frame.subarray(0, size))).reason, "truncated");
  }
  for (let i = 0; i < frame.length; i++) {
    for (const octet of [0, 1, 0x7f, 0x80, 0xc3, 0xff]) {
      const changed = Uint8Array.from(frame);
      changed[i] = octet;
      try {
        zreLogMsg.decode(changed);
      } catch (error) {
        assert.ok(error instanceof zreLogMsg.DecodeError);
      }
    }
  }
});

test("text that isn't UTF-8", () => {
  const bad = ["ff", "c080", "eda080", "edbfbf", "f4908080", "e282", "f09f90", "c3", "80", "e28228", "f0808080"];
  for (const digits of bad) {
    for (const before of ["", "é", "x".repeat(100)]) {
      const text = Buffer.concat([Buffer.from(before), octets(digits)]);
      const frame = Buffer.concat([
        octets("aaa2010000000000000000000000000000000000").subarray(0, 17),
        Uint8Array.of(text.length),
        text,
      ]);
      const error = decodeError(() => zreLogMsg.decode(frame));
      assert.deepEqual([error.reason, error.offset], ["utf8", 18 + Buffer.byteLength(before)], digits);
      const log = zreLogMsg.decode(frame, [], { text: "replace" });
      assert.ok(log instanceof zreLogMsg.Log);
      assert.ok(log.data.startsWith(`${before}\ufffd`));
    }
  }
});

test("text of every kind survives", () => {
  for (const text of ["", "\0", "\ufeffbom", "é€🐍\u{10ffff}", "x".repeat(100_000), "é".repeat(100_000)]) {
    const texts = new everything.Texts({ long: text, many: [text, ""], table: new Map([["__proto__", text]]) });
    const decoded = everything.decode(texts.encode());
    assert.ok(decoded instanceof everything.Texts);
    assert.equal(decoded.long, text);
    assert.ok(decoded.equals(texts));
  }
});

test("messages of any size, whatever was written before", () => {
  for (let size = 950; size < 1100; size++) {
    const texts = new everything.Texts({ long: "x".repeat(size), many: ["é", "b"], table: new Map([["c", "d"]]) });
    assert.ok(everything.decode(texts.encode()).equals(texts));
    const numbers = new grown.AllNew({
      number: 0xffffffff,
      where: new grown.Spot({ notes: new Map([["a", "x".repeat(size)]]) }),
    });
    assert.ok(grown.decode(numbers.encode()).equals(numbers));
    encodeProblem(new everything.Texts({ long: "x".repeat(2 * size), many: [5 as never] })); // leaves no buffer behind
  }
});

test("UUIDs", () => {
  const texts = [
    "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e",
    "00000000-0000-0000-0000-0000000000ff",
    "01234567-89AB-CDEF-0123-456789abcdef",
  ];
  for (const id of [...texts, ...texts, "3a60e685-0a1e-4cc1-5f3b-00000000003e"]) {
    const log = zreLogMsg.decode(new zreLogMsg.Record({ node: id }).encode());
    assert.ok(log instanceof zreLogMsg.Record);
    assert.equal(log.node, id.toLowerCase());
  }
  for (const id of [
    "",
    "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3",
    "3a60e6850a1e4cc15f3bfd4b42bc6b3e",
    "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3g",
  ]) {
    assert.match(encodeProblem(new zreLogMsg.Record({ node: id })), /^RECORD\.node: must be a UUID/);
  }
});

test("frames", () => {
  const blobs = new everything.Blobs({ address: octets("61"), content: [octets("31"), octets(""), octets("33")] });
  const [first, ...rest] = blobs.frames();
  assert.ok(first);
  assert.deepEqual(rest.map(hex), ["61", "", "31", "", "33"]);
  assert.ok(everything.decode(first, rest).equals(blobs));
  const empty = new everything.Empty();
  assert.ok(everything.decode(Buffer.concat([empty.encode(), octets("00")]), [octets("01")]).equals(empty));
});

test("a decoded message keeps nothing of the frame", () => {
  const frame = Buffer.from(new everything.Blobs({ body: octets("616263"), flags: octets("01020304") }).encode());
  const message = everything.decode(frame, [octets(""), octets("")]);
  frame.fill(0xff);
  assert.ok(message instanceof everything.Blobs);
  assert.deepEqual(message.body, octets("616263"));
  assert.deepEqual(message.flags, octets("01020304"));
});

test("the name of a message tells its type", () => {
  const message = zreLogMsg.decode(new zreLogMsg.Log({ data: "x" }).encode());
  switch (message.$name) {
    case "LOG":
      assert.equal(message.data, "x"); // only a Log has it: this compiles
      break;
    case "RECORD":
      throw new Error(message.text);
    default:
      throw new Error(message.$name);
  }
});

test("equality and a form for people", () => {
  const one = new everything.Clients({ client: new everything.Person({ forename: "Ada", born: 1815, notes: ["a"] }) });
  const two = new everything.Clients({ client: new everything.Person({ forename: "Ada", born: 1815, notes: ["a"] }) });
  assert.ok(one.equals(two));
  two.client.notes.push("b");
  assert.ok(!one.equals(two));
  assert.ok(!new everything.Empty().equals(new everything.Numbers()));
  assert.ok(!new everything.Empty().equals(null));
  const table = (pairs: [string, string][]): everything.Texts => new everything.Texts({ table: new Map(pairs) });
  const pairs: [string, string][] = [
    ["a", "1"],
    ["b", "2"],
  ];
  assert.ok(table(pairs).equals(table([...pairs].reverse())));
  assert.ok(
    !table(pairs).equals(
      table([
        ["a", "1"],
        ["b", "3"],
      ]),
    ),
  );
  assert.ok(!table(pairs).equals(table([["a", "1"]])));
  assert.equal(
    new everything.Blobs({ flags: octets("0102fffe"), content: [octets("61")] }).toString(),
    "Blobs { sequence: 0, flags: <0102fffe>, key: <000000>, body: <>, remark: <>, " +
      'id: "00000000-0000-0000-0000-000000000000", address: <>, after: 0, label: <>, content: [<61>] }',
  );
  assert.match(table(pairs).toString(), /table: Map \{ "a" => "1", "b" => "2" \}/);
  assert.match(new everything.Numbers({ large: 7n }).toString(), /large: 7n/);
});

test("defaults are not shared", () => {
  new everything.Texts().many.push("x");
  new everything.Clients().client.notes.push("x");
  assert.deepEqual([new everything.Texts().many, new everything.Clients().client.notes], [[], []]);
});

test("the last of a repeated name stands, in the place of the first", () => {
  const frame = octets("0400" + "00000003" + "016b0000000161" + "016c0000000162" + "016b0000000163");
  const message = feed.decode(frame);
  assert.ok(message instanceof feed.NamesOnly);
  assert.deepEqual(
    [...message.table],
    [
      ["k", "c"],
      ["l", "b"],
    ],
  );
});

test("fields that a later version appended", () => {
  const message = grown.decode(octets("aaa0010161"), []);
  assert.ok(message.equals(new grown.Grown({ first: "a" })));
  const error = decodeError(() => grown.decode(octets("aaa001016100")));
  assert.deepEqual([error.reason, error.offset], ["truncated", 5]);
});

test("constants and topics", () => {
  assert.deepEqual([everything.VERSION, everything.LIMIT_HEX, everything.BELOW_ZERO], [3, 255, -1]);
  assert.deepEqual([everything.GREETING, everything.BARE_WORD], ['hello "you"', "tcp"]);
  assert.equal(quotes.WORD, 'it\'s \\ "quoted"');
  assert.equal(hex(everything.SIGNATURE), "aaae");
  assert.equal(feed.SIGNATURE.length, 0);
  assert.equal(everything.MESSAGES.get(20), everything.Texts);
  assert.equal(hex(feed.subscription(feed.Tick, "ab")), "016162");
  assert.deepEqual([everything.Texts.ID, everything.Texts.NAME], [20, "TEXTS"]);
  const error = decodeError(() => feed.decode(octets("0161ff00")));
  assert.deepEqual([error.reason, error.offset, error.messageName], ["utf8", 2, "TICK"]);
});

test("what isn't octets is a TypeError", () => {
  for (const frame of ["text", null, undefined, 5, {}]) {
    assert.throws(() => everything.decode(frame as never), TypeError);
  }
});

interface Vector {
  readonly name: string;
  readonly model: string;
  readonly frames?: readonly string[];
  readonly expect?: { readonly message: string; readonly dump: string } | { readonly error: readonly unknown[] };
  readonly message?: string;
  readonly dump?: string;
  readonly refused?: string;
}

function cases(start: string): Vector[] {
  const files = readdirSync(vectors).filter((name) => name.startsWith(start));
  assert.ok(files.length, `no ${start}… in ${vectors}`);
  return files.flatMap((name) => JSON.parse(readFileSync(`${vectors}/${name}`, "utf8")) as Vector[]);
}

test("vectors", () => {
  for (const { name, model, frames = [], expect } of cases("conformance_")) {
    assert.ok(expect, name);
    const found = answer(`decode ${model} ${frames.join(",")}`);
    if ("error" in expect) {
      const [reason, offset, message] = expect.error;
      const messageName = typeof message === "string" ? message.replaceAll(" ", "_") : "-";
      assert.equal(found, `error ${String(reason)} ${String(offset)} ${messageName}`, `${model} ${name}`);
    } else {
      const wanted = `ok ${expect.message.replaceAll(" ", "_")} ${expect.dump} `;
      assert.equal(found.slice(0, wanted.length), wanted, `${model} ${name}`);
    }
  }
});

test("vectors of what can't be encoded", () => {
  for (const { name, model, message = "", dump = "", refused = "" } of cases("refusals_")) {
    const found = answer(`encode ${model} ${message.replaceAll(" ", "_")} ${dump}`);
    assert.equal(found, `refused ${refused}`, `${model} ${name}`);
  }
});

test("LOG as the C code wrote it", () => {
  const cases = JSON.parse(readFileSync(`${vectors}/log_v1.json`, "utf8")) as Record<string, string | number>[];
  for (const { frame_hex, data_hex } of cases) {
    const frame = octets(String(frame_hex));
    const data = octets(String(data_hex));
    if (Buffer.from(Buffer.from(data).toString()).equals(data)) {
      const log = zreLogMsg.decode(frame);
      assert.ok(log instanceof zreLogMsg.Log);
      assert.deepEqual(log.encode(), frame);
    } else {
      assert.equal(decodeError(() => zreLogMsg.decode(frame)).reason, "utf8");
    }
  }
});
