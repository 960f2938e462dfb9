/** How many bytes a row has where lines of bytes are shown. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { ROW_BYTES, rowBytesFor } from "./hex-rows.ts";

export interface RowBytes<E extends HTMLElement> {
  /** Of the element with the lines, which measures them: it has one line at least. */
  readonly place: RefObject<E | null>;
  readonly rowBytes: number;
}

/** As many as fit beside an address of so many digits, so that nobody has to scroll sideways. */
export function useRowBytes<E extends HTMLElement>(digits: number): RowBytes<E> {
  const place = useRef<E>(null);
  const [rowBytes, setRowBytes] = useState(ROW_BYTES);
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const measure = (): void => {
      const address = element.querySelector(".hex-address");
      if (address === null) return;
      const { paddingLeft, paddingRight } = getComputedStyle(element);
      const { columnGap } = getComputedStyle(address.parentElement!);
      const taken = [paddingLeft, paddingRight, columnGap, columnGap].map(Number.parseFloat);
      const room = taken.reduce((left, px) => left - px, element.clientWidth);
      const column = address.getBoundingClientRect().width / digits;
      if (column > 0) setRowBytes(rowBytesFor(Math.floor(room / column), digits));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [digits]);
  return { place, rowBytes };
}
