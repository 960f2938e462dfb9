/** Resolves in a task of its own, before which the browser may draw and serve keys. */
export const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
