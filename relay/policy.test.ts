import { describe, expect, it } from "vitest";
import { hostAddresses, Policy, parseAllowRule } from "./policy.ts";
import { parseAddress } from "./wire/ipv4.ts";

const OWN = parseAddress("203.0.113.9")!;

function policy(...allow: string[]): Policy {
  return new Policy(allow, () => new Set([OWN]));
}

function allows(rules: Policy, address: string, port = 80): boolean {
  return rules.allows(parseAddress(address)!, port);
}

describe("without exceptions", () => {
  it.each([
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "203.0.113.9",
  ])("refuses %s", (address) => {
    expect(allows(policy(), address)).toBe(false);
  });

  it.each(["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1"])(
    "allows %s",
    (address) => {
      expect(allows(policy(), address)).toBe(true);
    },
  );

  it("refuses port 0, which is none", () => {
    expect(allows(policy(), "1.1.1.1", 0)).toBe(false);
  });

  it("refuses the addresses of the real host", () => {
    const real = new Policy([]);
    for (const address of hostAddresses()) expect(real.allows(address, 80)).toBe(false);
    expect(hostAddresses().has(parseAddress("127.0.0.1")!)).toBe(true);
  });
});

describe("exceptions", () => {
  it("allow one port of one address", () => {
    expect(allows(policy("127.0.0.1:8080"), "127.0.0.1", 8080)).toBe(true);
    expect(allows(policy("127.0.0.1:8080"), "127.0.0.1", 8081)).toBe(false);
    expect(allows(policy("127.0.0.1:8080"), "127.0.0.2", 8080)).toBe(false);
  });

  it("allow networks, ranges of ports and the host by its name", () => {
    expect(allows(policy("10.1.0.0/16"), "10.1.255.255", 65_535)).toBe(true);
    expect(allows(policy("10.1.0.0/16"), "10.2.0.0")).toBe(false);
    expect(allows(policy("host:8000-8010"), "127.0.0.1", 8010)).toBe(true);
    expect(allows(policy("host:8000-8010"), "127.0.0.1", 8011)).toBe(false);
    expect(allows(policy("0.0.0.0/0"), "192.168.0.1")).toBe(true);
    expect(allows(policy("0.0.0.0/0"), "203.0.113.9")).toBe(true);
  });

  it.each([
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4/33",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:9-8",
    "::1",
  ])("cannot be read from %j", (text) => {
    expect(() => parseAllowRule(text)).toThrow(/^not a/);
  });
});
