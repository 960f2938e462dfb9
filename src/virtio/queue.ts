export interface Virtqueue {
  readonly index: number;
}
