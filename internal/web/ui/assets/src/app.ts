// The pages work without any of this: it adds keys, copying and waiting. Nothing here makes HTML
// from text, so that Trusted Types can forbid it.
import "./keys";
import "./look";
import "./toast";
import "./away";
import "./dialog";
import { Palette } from "./palette";
import { Copy } from "./copy";
import { Search } from "./search";
import { HistogramChart } from "./histogram";
import "./live";
import { List } from "./list";
import { EventKeys } from "./event";
import { Wait } from "./wait";
import { Zone } from "./zone";
import { Passkey } from "./passkey";
import { Crumbs } from "./crumbs";
import { Json } from "./json";
import { Rule } from "./rule";
import "./forms";
import "./part";
import "./follow";
import "./frames";
import "./sections";

customElements.define("x-copy", Copy);
customElements.define("x-list", List);
customElements.define("x-event", EventKeys);
customElements.define("x-wait", Wait);
customElements.define("x-zone", Zone);
customElements.define("x-passkey", Passkey);
customElements.define("x-crumbs", Crumbs);
customElements.define("x-json", Json);
customElements.define("x-palette", Palette);
customElements.define("x-search", Search);
customElements.define("x-histogram", HistogramChart);
List.refocus();
customElements.define("x-rule", Rule);
