import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JSON_TEXT_MAX, JsonError } from "./json-fields.ts";
import {
  addressOf,
  complaintOf,
  configOf,
  type Field,
  fromJson,
  GROUPS,
  inputOf,
  machineOf,
  toJson,
  withInput,
} from "./machine-description.ts";

const PAGE = new URL("https://host/sub/?ram=64#inspect=machine");
const FIELDS = GROUPS.flatMap(({ fields }) => fields);
const word = fc.stringMatching(/^[\w.-]{1,8}$/);

/** Any value that a parameter of that kind may have in an address, sensible or not. */
function valuesOf({ kind }: Field): fc.Arbitrary<string[]> {
  const one = (value: fc.Arbitrary<string>) => value.map((text) => [text]);
  switch (kind) {
    case "number":
      return one(fc.oneof(fc.nat().map(String), fc.string()));
    case "switch":
      return one(fc.oneof(fc.constantFrom("0", "1"), fc.string()));
    case "list":
      return one(fc.array(word).map((names) => names.join(",")));
    case "repeated":
      return fc.array(fc.string(), { minLength: 1, maxLength: 3 });
    default:
      return one(fc.string());
  }
}

const machines = fc
  .tuple(...FIELDS.map((row) => fc.option(valuesOf(row), { nil: [] as string[] })))
  .map((all) => {
    const machine = new URLSearchParams();
    all.forEach((values, i) => {
      for (const value of values) machine.append(FIELDS[i].name, value);
    });
    return machine;
  });

const complaint = (json: string): string => {
  try {
    fromJson(json);
    return "";
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
};

describe("a machine's description", () => {
  it("is the same as an address and as JSON", () => {
    fc.assert(
      fc.property(machines, (machine) => {
        const { machine: back } = fromJson(toJson(machine));
        expect([...back]).toEqual([...machine]);
        expect(toJson(back)).toBe(toJson(machine));
        const address = addressOf(machine, PAGE);
        expect([...machineOf(address.searchParams)]).toEqual([...machine]);
      }),
    );
  });

  it("has plain values in JSON", () => {
    const query = "?ram=512&sound=1&ports=a,b&virtio=packed&virtio=blk0:split&disk=work&other=1";
    expect(JSON.parse(toJson(machineOf(new URL(query, PAGE).searchParams)))).toEqual({
      ram: 512,
      disk: "work",
      sound: true,
      ports: ["a", "b"],
      virtio: ["packed", "blk0:split"],
    });
    expect(toJson(new URLSearchParams("ports="))).toBe('{\n  "ports": []\n}');
  });

  it("boots what the address boots", () => {
    const { machine } = fromJson('{"ram": 512, "disk": "work", "disksize": 4096, "relay": "none"}');
    expect(configOf(machine, PAGE)).toMatchObject({
      ramMiB: 512,
      disk: { name: "work", sizeMiB: 4096 },
    });
    expect(configOf(machine, PAGE)).not.toHaveProperty("relay");
    expect(addressOf(machine, PAGE).href).toBe(
      "https://host/sub/?ram=512&disk=work&disksize=4096&relay=none",
    );
  });

  it("names the field that is wrong", () => {
    const wrong: Record<string, string> = {
      ram: "1",
      balloon: "9999",
      hotplug: "1",
      pmem: "ftp://a/b",
      disk: "javascript:1/",
      disksize: "0",
      lan: "a/b",
      relay: "ftp://x",
      kernel: "javascript:1",
      initrd: "ftp://x/y",
      firmware: "ftp://x/y",
      display: "1x1",
      ports: "a b",
      vsock: "1",
    };
    for (const [name, value] of Object.entries(wrong)) {
      expect(complaintOf(new URLSearchParams({ [name]: value }), PAGE), name).toMatchObject({
        field: name,
      });
    }
    expect(complaintOf(new URLSearchParams(), PAGE)).toBeUndefined();
  });

  it("says where the text is wrong", () => {
    const cases: Record<string, RegExp> = {
      "": /^Line 1, column 1: a machine is an object/,
      '{\n  "ram": 512,\n  "rom": 1\n}':
        /^Line 3, column 3: there is no field “rom”; there are ram/,
      '{"ram": 1.5}': /column 2: “ram” cannot be the number 1.5/,
      '{"ram": -5}': /cannot be the number -5/,
      '{"ram": 1e}': /column 9: 1e is no number/,
      '{"ram": true}': /“ram” is not true or false/,
      '{"ram": null}': /leave the field out/,
      '{"ram": {}}': /column 9: there should be a string/,
      '{"disk": ["a"]}': /“disk” cannot be this list/,
      '{"ports": "a"}': /“ports” is a list of strings/,
      '{"ports": ["a,b"]}': /cannot be this list/,
      '{"ports": [1]}': /column 12: a list has strings/,
      '{"ram": 1, "ram": 2}': /column 12: “ram” is there twice/,
      '{"ram": 1 "disk": ""}': /column 11: there should be a comma/,
      "{ram: 1}": /the name of a field, in double quotes/,
      '{"ram" 1}': /a colon/,
      '{"disk": "\\x"}': /an escape or a character/,
      '{"disk": "a': /column 10: this is no JSON/,
      '{"ram": 1': /column 10: there should be a comma/,
      "{} {}": /column 4: there is more/,
    };
    for (const [json, pattern] of Object.entries(cases)) expect(complaint(json)).toMatch(pattern);
    expect(complaint(" ".repeat(JSON_TEXT_MAX + 1))).toContain("too long");
  });

  it("reads any JSON object, or says why not, as the language itself does", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        // What is no JSON is never taken.
        if (!isJson) expect(complaint(text)).not.toBe("");
      }),
    );
  });

  it("is changed field by field in the form", () => {
    const [ram, virtio] = ["ram", "virtio"].map((name) => FIELDS.find((f) => f.name === name)!);
    let machine = new URLSearchParams("virtio=a&virtio=b&ram=64");
    expect(inputOf(virtio, machine)).toBe("a b");
    machine = withInput(withInput(machine, virtio, " c  d "), ram, "");
    expect(machine.toString()).toBe("virtio=c&virtio=d");
    expect(inputOf(ram, machine)).toBe("");
  });
});
