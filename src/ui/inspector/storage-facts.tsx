/** How much the browser stores for this site, and whether it may throw that away. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { formatBytes } from "../format.ts";
import { useLook } from "./panel.ts";

const ESTIMATE_MS = 5000;

export function StorageFacts(): JSX.Element {
  // Missing, whatever the types say, where the page is not in a secure context.
  const storage = navigator.storage as StorageManager | undefined;
  const refusal = useSignal("");
  const facts = useLook(async () => look(storage), [], ESTIMATE_MS).value.value;
  if (facts === undefined) return <div class="storage-facts" />;
  const persist = async (): Promise<void> => {
    const isGranted = await storage?.persist();
    refusal.value = isGranted
      ? ""
      : "The browser did not agree; it may when the page is bookmarked or installed.";
  };
  const { usage = 0, quota = 0, isPersistent } = facts;
  return (
    <div class="storage-facts">
      <label>
        <span>{`${formatBytes(usage)} of ${formatBytes(quota)} used by this site`}</span>
        <progress value={usage} max={quota || 1} />
      </label>
      {isPersistent ? (
        <p>The browser keeps it until you delete it.</p>
      ) : (
        <p>
          The browser may delete it when room gets short.{" "}
          <button type="button" onClick={() => void persist()}>
            Keep it
          </button>{" "}
          <span role="status">{refusal.value}</span>
        </p>
      )}
    </div>
  );
}

async function look(
  storage: StorageManager | undefined,
): Promise<(StorageEstimate & { isPersistent: boolean }) | undefined> {
  if (storage === undefined) return undefined;
  const [estimate, isPersistent] = await Promise.all([storage.estimate(), storage.persisted()]);
  return { ...estimate, isPersistent };
}
