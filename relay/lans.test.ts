import { expect, it } from "vitest";
import { createTotals } from "./gateway/gateway.ts";
import { LocalFabric } from "./lan.ts";
import { Lans, LINGER_MS } from "./lans.ts";
import type { WebSocketMember } from "./member.ts";
import { Policy } from "./policy.ts";
import { ManualClock } from "./testing/manual-clock.ts";

/** The LANs only count their members. */
function fakeMember(): WebSocketMember {
  return Object.create(null) as WebSocketMember;
}

it("keeps a LAN and its gateway for a while after the last member left", () => {
  const clock = new ManualClock();
  const fabric = new LocalFabric(clock);
  const gateway = { clock, policy: new Policy([]), resolvers: [], totals: createTotals() };
  const lans = new Lans({ clock, fabric, gateway, maxLans: 2, maxMembersPerLan: 2 });
  const first = lans.add("a", fakeMember);
  clock.advance(LINGER_MS);
  lans.tick();
  expect(fabric.names).toEqual(["a"]);
  lans.remove("a", first);
  clock.advance(LINGER_MS - 1);
  lans.tick();
  expect(fabric.names).toEqual(["a"]);
  const second = lans.add("a", fakeMember);
  clock.advance(LINGER_MS);
  lans.tick();
  lans.remove("a", second);
  clock.advance(LINGER_MS);
  lans.tick();
  expect(fabric.names).toEqual([]);
  expect(lans.stats()).toEqual([]);
});
