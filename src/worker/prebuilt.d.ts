/** Made by the plugin in `vite.config.ts`. */
declare module "virtual:interpreter" {
  /** Address of the interpreter for shared memory, and for memory that is not; none while developing. */
  export const shared: string | undefined;
  export const plain: string | undefined;
}
