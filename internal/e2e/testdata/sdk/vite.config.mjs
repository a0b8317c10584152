// Builds the page as a customer does, with the plugin that uploads its source map.
import { sentryVitePlugin } from "@sentry/vite-plugin";

export default {
  build: {
    outDir: process.env.OUT,
    emptyOutDir: true,
    sourcemap: true,
    rollupOptions: { input: "browser.js", output: { entryFileNames: "app.js" } },
  },
  plugins: [sentryVitePlugin({ ...JSON.parse(process.env.PLUGIN), telemetry: false, release: { name: process.env.RELEASE, setCommits: false } })],
};
