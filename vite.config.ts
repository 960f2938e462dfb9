import { basename } from "node:path";
import { defineConfig, type HtmlTagDescriptor, type Plugin } from "vite";
import { buildInterpreter } from "./src/cpu/interpreter.ts";

/** Cross-origin isolation lets guest RAM be shared memory; the page also works without it. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * Lets the browser fetch the page's code and the Worker's first while it still reads the HTML: each is
 * otherwise found only after the one before it has run. The machine's code comes before the kernel anyway,
 * which is asked for at the same time, and would be compiled for the page as well.
 */
function preloadScripts(): Plugin {
  return {
    name: "preload-scripts",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) => {
        const names = Object.keys(bundle ?? {});
        const wanted = names.filter((name) =>
          /^(app|terminal|worker)-.*\.js$/.test(basename(name)),
        );
        return wanted.map(
          (name): HtmlTagDescriptor => ({
            tag: "link",
            attrs: { rel: "modulepreload", crossorigin: true, href: `./${name}` },
            injectTo: "head",
          }),
        );
      },
    },
  };
}

/**
 * Generates the interpreter while the page is built, for both kinds of memory. Where the page is only
 * served to be worked on, the browser generates it, as it is then.
 */
function prebuiltInterpreter(): Plugin {
  const name = "virtual:interpreter";
  let isBuild = false;
  return {
    name: "prebuilt-interpreter",
    configResolved: ({ command }) => {
      isBuild = command === "build";
    },
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load(id) {
      if (id !== `\0${name}`) return undefined;
      const addressOf = (kind: string): string => {
        if (!isBuild) return "undefined";
        const source = buildInterpreter({ shared: kind === "shared", exact: false });
        const file = this.emitFile({ type: "asset", name: `interpreter-${kind}.wasm`, source });
        return `import.meta.ROLLUP_FILE_URL_${file}`;
      };
      const kinds = ["shared", "plain"];
      return kinds.map((kind) => `export const ${kind} = ${addressOf(kind)};`).join("\n");
    },
  };
}

/** What `src/ui/main.ts` runs before anything else. */
const START =
  /ui\/(main|boot-config|config-error|links-config|memory-config|machine-link|next-task)\.ts$|preload-helper/;

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // The development server asks only these for the Worker's modules too.
  plugins: [preloadScripts(), prebuiltInterpreter()],
  server: { headers: isolation },
  preview: { headers: isolation },
  worker: { format: "es", plugins: () => [prebuiltInterpreter()] },
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    // Of the code that starts the machine each file would be one more to wait for.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "start", test: START }] } } },
  },
});
