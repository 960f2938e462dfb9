/** What the page's display shows: its size, its pixels by place, and how many there are of a colour. */
import type { Page } from "@playwright/test";

export class Display {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get canvas() {
    return this.page.locator(".display canvas");
  }

  pixel({ x, y }: { x: number; y: number }): Promise<number[]> {
    return this.canvas.evaluate(
      (element, place) => {
        const canvas = document.createElement("canvas");
        canvas.width = 1;
        canvas.height = 1;
        const context = canvas.getContext("2d")!;
        context.drawImage(element as HTMLCanvasElement, -place.x, -place.y);
        return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
      },
      { x, y },
    );
  }

  count(colour: readonly number[]): Promise<number> {
    return this.canvas.evaluate((element, [red, green, blue]) => {
      const { width, height } = element as HTMLCanvasElement;
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext("2d")!;
      context.drawImage(element as HTMLCanvasElement, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) count++;
      }
      return count;
    }, colour);
  }

  /** Where a place of the display is in the page. */
  async at({ x, y }: { x: number; y: number }): Promise<[number, number]> {
    const size = await this.size();
    const box = (await this.canvas.boundingBox())!;
    return [box.x + (x / size[0]) * box.width, box.y + (y / size[1]) * box.height];
  }

  async size(): Promise<number[]> {
    const text = await this.page.locator(".display-bar").textContent();
    return (
      /(\d+) × (\d+)/
        .exec(text ?? "")
        ?.slice(1)
        .map(Number) ?? [0, 0]
    );
  }

  /** The size of the display's place in the page. */
  place(): Promise<number[]> {
    return this.page.locator(".display-frame").evaluate((frame) => {
      const { paddingLeft, paddingTop } = getComputedStyle(frame);
      return [
        frame.clientWidth - 2 * Number.parseFloat(paddingLeft),
        frame.clientHeight - 2 * Number.parseFloat(paddingTop),
      ];
    });
  }
}
