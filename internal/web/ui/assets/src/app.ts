// The pages work without any of this: it adds keys, copying and waiting. Nothing here makes HTML
// from text, so that Trusted Types can forbid it.
import "./keys";
import { Copy } from "./copy";
import { List } from "./list";
import { EventKeys } from "./event";
import { Wait } from "./wait";
import { Zone } from "./zone";
import "./forms";

customElements.define("x-copy", Copy);
customElements.define("x-list", List);
customElements.define("x-event", EventKeys);
customElements.define("x-wait", Wait);
customElements.define("x-zone", Zone);
