/** Calls back after `ms`; gives what cancels it. */
export function sleep(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
