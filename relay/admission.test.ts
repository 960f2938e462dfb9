import { describe, expect, it } from "vitest";
import { type AdmissionRequest, type AdmissionRules, admit, DEFAULT_LAN } from "./admission.ts";

const RULES: AdmissionRules = {
  origins: ["https://vm.example.org"],
  requireOrigin: false,
  token: undefined,
  anyPath: true,
};

function ask(url: string, headers: AdmissionRequest["headers"] = {}, rules = {}) {
  const admission = admit({ url, headers }, { ...RULES, ...rules });
  if (admission.kind === "admitted") return admission.lan;
  return admission.kind === "refused" ? admission.status : admission.kind;
}

describe("paths", () => {
  it("name a LAN", () => {
    expect(ask("/lan/team-1.a_B")).toBe("team-1.a_B");
    expect(ask(`/lan/${"a".repeat(64)}?x=1`)).toBe("a".repeat(64));
  });

  it("mean the default LAN otherwise", () => {
    expect(ask("/")).toBe(DEFAULT_LAN);
    expect(ask("/anything/else")).toBe(DEFAULT_LAN);
  });

  it("belong to others on a shared server", () => {
    expect(ask("/", {}, { anyPath: false })).toBe("foreign");
    expect(ask("/lan/a", {}, { anyPath: false })).toBe("a");
  });

  it.each(["/lan/", `/lan/${"a".repeat(65)}`, "/lan/a/b", "/lan/a%20b"])("refuse %s", (url) => {
    expect(ask(url)).toBe(400);
  });
});

describe("origins", () => {
  it("are not needed by programs, unless that is asked for", () => {
    expect(ask("/lan/a")).toBe("a");
    expect(ask("/lan/a", {}, { requireOrigin: true })).toBe(403);
  });

  it("are refused unless listed", () => {
    expect(ask("/lan/a", { origin: "https://vm.example.org" })).toBe("a");
    expect(ask("/lan/a", { origin: "https://evil.example" })).toBe(403);
    expect(ask("/lan/a", { origin: "null" })).toBe(403);
    expect(ask("/lan/a", { origin: "https://vm.example.org.evil.example" })).toBe(403);
  });

  it("may be that of the same local server", () => {
    for (const host of ["localhost:5173", "127.0.0.1:5173", "[::1]:5173", "localhost"]) {
      expect(ask("/lan/a", { origin: `http://${host}`, host })).toBe("a");
      expect(ask("/lan/a", { origin: `http://${host}1`, host })).toBe(403);
    }
    expect(ask("/lan/a", { origin: "http://localhost:1", host: "localhost:2" })).toBe(403);
  });

  it("are refused when a foreign name was made to resolve to this machine", () => {
    const host = "evil.example:8086";
    expect(ask("/lan/a", { origin: `http://${host}`, host })).toBe(403);
  });
});

describe("tokens", () => {
  it("must be right when there is one", () => {
    const rules = { token: "secret" };
    expect(ask("/lan/a?token=secret", {}, rules)).toBe("a");
    expect(ask("/lan/a?token=Secret", {}, rules)).toBe(401);
    expect(ask("/lan/a", {}, rules)).toBe(401);
    expect(ask("/?x=1&token=secret", {}, rules)).toBe(DEFAULT_LAN);
  });
});
