// Builds the page as a customer does, with the plugin that uploads its source map.
import { sentryWebpackPlugin } from "@sentry/webpack-plugin";
import webpack from "webpack";

webpack(
  {
    mode: "production",
    entry: "./browser.js",
    devtool: "source-map",
    output: { path: process.env.OUT, filename: "app.js" },
    plugins: [sentryWebpackPlugin({ ...JSON.parse(process.env.PLUGIN), telemetry: false, release: { name: process.env.RELEASE, setCommits: false } })],
  },
  (error, stats) => {
    console.log(error ?? stats.toString());
    process.exitCode = error || stats.hasErrors() ? 1 : 0;
  },
);
