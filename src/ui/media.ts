/** What kind of page this is now, by media queries. */
import { useEffect, useState } from "preact/hooks";

export function useMedia(query: string): boolean {
  const [isMet, setIsMet] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = (): void => setIsMet(list.matches);
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return isMet;
}
