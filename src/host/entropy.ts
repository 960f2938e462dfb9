/** Random bytes from the browser for the guest's entropy device. */

/** `getRandomValues` refuses longer requests (Web Cryptography, 10.1.1). */
const MAX_REQUEST = 65_536;

/** Fills `into` with random bytes. `into` may be a view on shared memory. */
export function fillRandom(into: Uint8Array): void {
  for (let at = 0; at < into.length; at += MAX_REQUEST) {
    // Browsers refuse shared memory here, and a guest must not watch the bytes being made anyway.
    const part = new Uint8Array(Math.min(MAX_REQUEST, into.length - at));
    into.set(crypto.getRandomValues(part), at);
  }
}
