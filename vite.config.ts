import { basename } from "node:path";
import { defineConfig, type HtmlTagDescriptor, type Plugin } from "vite";

/** Cross-origin isolation lets guest RAM be shared memory; the page also works without it. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * Lets the browser fetch the page's code and the Worker's while it still reads the HTML: each is
 * otherwise found only after the one before it has run.
 */
function preloadEverything(): Plugin {
  return {
    name: "preload-everything",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) => {
        const names = Object.keys(bundle ?? {});
        const wanted = names.filter((name) => /^(app|worker|browser)-.*\.js$/.test(basename(name)));
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

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [preloadEverything()],
  server: { headers: isolation },
  preview: { headers: isolation },
  worker: { format: "es" },
  build: { target: "es2023", modulePreload: { polyfill: false } },
});
