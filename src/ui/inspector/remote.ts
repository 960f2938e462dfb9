/** Calls to the Worker: the inspector's, and those that need no machine. */
import { useEffect, useMemo } from "preact/hooks";
import type { Remote } from "../../inspect/calls.ts";
import type { HostCalls } from "../../worker/protocol.ts";
import type { Session } from "../session.ts";
import { type Connection, connect } from "./connection.ts";

/** Connects to the machine of `session`; with its end nothing is recorded any more. */
export const connectInspector = (session: Session): Connection<Remote> =>
  connect((channel) => session.sendChannel({ type: "inspect", channel }), "timelineRest");

/** Connects to the Worker of `session`, whether it has a machine or not. */
export const connectHost = (session: Session): Connection<HostCalls> =>
  connect((channel) => session.sendChannel({ type: "manage", channel }));

/** A connection to the Worker that the page has now, for as long as the component is shown. */
export function useRemote<R>(session: Session, connectTo: (session: Session) => Connection<R>): R {
  const generation = session.generation.value;
  const connection = useMemo(() => connectTo(session), [generation]);
  useEffect(() => () => connection.close(), [connection]);
  return connection.remote;
}
